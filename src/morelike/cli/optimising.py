"""The verb `optimise`: from a wish to a table of items with what was predicted and what was measured of them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from ..house import writing
from ..house.model import Model
from . import show


def optimise(model: Model, towards: Sequence[str], start: str | None, n: int, seed: int, out: str | None, as_json: bool) -> None:
    """Prints the items, those nearest to the wish first; `out` takes them as samples go there."""
    place = None if out is None else writing.target(out, model.codec.kind, max(1, n))
    found = model.optimise(towards, start, n, seed)
    if place is not None:
        writing.write(place, found.items, model.codec, {}, {})
    if as_json:
        show.as_json({"wanted": found.wanted, "rows": found.rows(), "errors": found.errors(), "nats": found.nats, "path": out})
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("item", overflow="fold")
    for name in found.wanted:
        for what in ("predicted", "measured"):
            table.add_column(f"{name} {what}", justify="right")
    for row in found.rows():
        cells = [show.number(row[what].get(name)) for name in found.wanted for what in ("predicted", "measured")]
        table.add_row(row["item"], *cells)
    show.console().print(table)
    for name, own in found.errors().items():
        show.say(
            f"{name}: {show.number(own['after'])} from the wanted {found.wanted[name]:g} on average as measured of {own['items']} items; "
            f"{show.number(own['before'])} before the latents were moved"
        )
    for name in found.wanted.keys() - found.measured.keys():
        show.say(f"{name} can't be measured here: what the model predicts of an item need not be true")
    if place is not None:
        show.say(f"{len(found.items)} items: {place.path}")

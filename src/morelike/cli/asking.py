"""The verbs that question a table's model: `ask` and `simulate`, printed for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from ..data.table_columns import label
from ..house import writing
from ..house.model import Model, load
from . import show
from .drawing import dials_of, fits

_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be otherwise in simulated rows, as it was typed."""

    shares: Sequence[str]
    shift: str | None
    where: Sequence[str]
    dials: Sequence[str]
    seed: int
    device: str


def ask(folder: str, events: Sequence[str], where: Sequence[str], device: str, as_json: bool) -> None:
    """Prints a probability, or the distribution of a column."""
    found = load(folder).to(device).ask(*events, where=where)
    if as_json:
        show.as_json(found)
    elif "probability" in found:
        _chance(found)
    else:
        _distribution(found)


def _given(found: Mapping[str, Any]) -> str:
    return f" | {', '.join(found['given'])}" if found["given"] else ""


def _chance(found: Mapping[str, Any]) -> None:
    show.say(f"P({', '.join(found['event'])}{_given(found)}) = {found['probability']:.4g}")
    if found["interval"] is not None:
        low, high = found["interval"]
        how = "many combinations" if found["kept"] is None else f"rows drawn within a covering box, {fits(found['kept'])}"
        show.say(f"estimated, from {how}: {low:.4g} .. {high:.4g} (95%)")
    _support(found)
    low, high = found["counted_interval"]
    show.say(f"a share counted on so many rows would be good to {low:.3g} .. {high:.3g} (95%); the model's own error is not known")


def _support(found: Mapping[str, Any]) -> None:
    if found["given"]:
        kind = "" if found["exact"] else "about "
        rows = f"{found['rows']:,.1f} rows like that are expected among those of the training"
        show.say(f"P({', '.join(found['given'])}) = {kind}{found['given_probability']:.4g}: {rows}")
    else:
        show.say(f"learned from {found['rows']:,.0f} training rows")


def _distribution(found: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text(found["column"] + _given(found)), overflow="fold")
    table.add_column("probability", justify="right")
    values = list(found["values"].items())
    for text, chance in values[:_SHOWN]:
        table.add_row(Text(label(text)), f"{chance:.4f}")
    if len(values) > _SHOWN:
        table.add_row(f"{len(values) - _SHOWN:,} others", f"{sum(chance for _, chance in values[_SHOWN:]):.4f}")
    if values:
        show.console().print(table)
    numbers = found["numbers"]
    if numbers is not None:
        low, middle, high = numbers["quartiles"]
        what = f"{found['column']}{_given(found)}: " if not values else "as a number: "
        share = "" if numbers["probability"] > 0.99995 else f" (of the {numbers['probability']:.4f} that are numbers)"
        if found["drawn"] is not None:
            show.say(f"estimated, from {found['drawn']:,} rows drawn")
        show.say(f"{what}mean {numbers['mean']}, median {middle}, half of it from {low} to {high}{share}")
    _support(found)


def simulate(model: Model, n: int, wish: Wish, out: str | None, as_json: bool) -> None:
    """Draws and writes rows, and prints what moved."""
    dials = dials_of(wish.dials)
    place = writing.target(out if out is not None else str((model.folder or Path()) / "simulated.csv"), model.codec.kind, n)
    rows, found = model.simulate(n, shares=wish.shares, shift=wish.shift, where=wish.where, seed=wish.seed, **dials)
    writing.write(place, rows, model.codec, {}, {})
    if as_json:
        show.as_json({"path": str(place.path), "n": n, **found})
        return
    show.say(f"{n:,} rows: {place.path}")
    for own in found["shares"]:
        show.say(f"{own['demand']}: {own['before']:.4g} under the model, {own['asked']:.4g} asked for, {own['reached']:.4g} in the rows")
    if found["kept"] is not None:
        show.say(f"{', '.join(found['covered'])}: drawn within covering boxes, {fits(found['kept'])}; probabilities are estimates")
    if found["shift"] is not None:
        own = found["shift"]
        show.say(f"mean of {own['column']}: {own['before']} under the model, {own['asked']} asked for, {own['reached']} in the rows")
    _moved(found)


def _moved(found: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("what moved most", "", "before", "after", "standard deviations"):
        table.add_column(name, justify="right" if name in ("before", "after", "standard deviations") else "left", overflow="fold")
    for own in found["changed"]:
        what = "mean" if own["value"] is None else f"share of {label(own['value'])}"
        sides = [own[side] if own["value"] is None else f"{own[side]:.4f}" for side in ("before", "after")]
        table.add_row(Text(own["column"]), Text(what), *sides, f"{own['effect']:.2f}")
    if found["changed"]:
        show.console().print(table)
    show.say(f"in {found['rows_compared']:,} rows each; below {found['noise']:.2f} standard deviations it may be chance, and is left out")

"""The verbs that look at likelihoods and latents: `score`, and `explain` for what is no text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ..data.table_csv import write_csv
from ..house import writing
from ..house.model import Model
from ..house.scoring import WORDS
from . import show
from .audience import RichAudience
from .drawing import where_of
from .tasking import none_of, said


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown, and where it is to go."""

    start: str | None
    n: int
    rows: int
    where: Sequence[str]
    out: str | None


def traverse(model: Model, wish: Wish, as_json: bool, audience: RichAudience) -> None:
    """Moves single numbers of the latent: writes pictures, prints rows of numbers."""
    kind = model.codec.kind
    place = None
    if wish.out is not None or kind == "image":
        place = writing.target(wish.out or str((model.folder or Path()) / "traversal.png"), kind, max(1, wish.n * wish.rows))
    found = model.traverse(wish.start, wish.n, wish.rows, where_of(model, wish.where))
    items = found.pop("items")
    said(audience, found["notes"])
    if place is not None:
        if place.ending == ".png":
            model.codec.draw(items, place.path, wish.n)
        else:
            writing.write(place, items, model.codec, {}, {})
    if as_json:
        plain = [] if kind == "image" else [[float(value) for value in row] for row in items]
        show.as_json({**found, "items": plain, "path": None if place is None else str(place.path)})
        return
    show.say(f"from {found['from']}, each number of the latent alone, from -2.5 to 2.5 standard deviations around its mean:")
    for row, (number, effect) in enumerate(zip(found["numbers"], found["effects"], strict=True)):
        show.say(f"row {row + 1}: number {number}, moves an element by {effect:.3g} (root mean square)")
        if place is None:
            for item in items[row * wish.n : (row + 1) * wish.n]:
                print("  " + ", ".join(f"{value:.6g}" for value in item))
    if place is not None:
        show.say(f"{len(found['numbers'])} rows of {wish.n}: {place.path}")


def score(model: Model, items: list[str] | None, asked: Mapping[str, Any], out: str | None, as_json: bool, audience: RichAudience) -> None:
    """Says how likely items are. `asked`: data, where, draws, offline."""
    place = None if out is None else writing.file_for(out, writing.SCORE_FORMS)
    if items:
        none_of({"--data": asked["data"]}, "has no use beside items")
    found = model.score(items or None, audience=audience, **{**asked, "where": where_of(model, asked["where"])})
    if place is not None:
        write_csv(["item", "nats", "bits_per_dimension"], np.array(found.rows(), dtype=object), place)
        audience.say(f"{len(found.nats):,} lines: {place}")
    summary = found.summary()
    if as_json:
        show.as_json(summary)
        return
    nats, error = summary["nats"]["mean"], summary["nats"]["standard_error"]
    spread = "" if error is None else f" +- {error:.2g} (standard error)"
    which = "items" if items else "held-out items"
    bits = summary["bits_per_dimension"]
    show.say(f"{summary['n']:,} {which}: {nats:.6g}{spread} nats each, {bits:.4g} bits per dimension; {WORDS[found.tight]}")
    show.console().print(_extremes(summary))


def _extremes(summary: Mapping[str, Any]) -> Table:
    """The least and the most likely items, or all of a few."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("", "item", "nats", "bits per dimension"):
        table.add_column(name, justify="right" if name in ("nats", "bits per dimension") else "left", overflow="fold")
    few = summary["n"] <= len(summary["least"])
    both = {"": summary["least"]} if few else {"least likely": summary["least"], "likeliest": summary["most"]}
    for heading, group in both.items():
        for place_in, item in enumerate(group):
            table.add_row("" if place_in else heading, item["item"], f"{item['nats']:.4f}", f"{item['bits_per_dimension']:.4f}")
    return table

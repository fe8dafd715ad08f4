"""The verb `detect` of outlines: which are odd, and where."""

from __future__ import annotations

import numpy as np
from rich.table import Table

from ..core.errors import BadInput
from ..data.table_csv import write_csv
from ..house import inspecting, writing
from ..house.model import Model
from . import show
from .audience import RichAudience

_SHOWN = 20


def detect(model: Model, file: str | None, out: str | None, as_json: bool, audience: RichAudience) -> None:
    """Prints the oddest outlines of a file, folder or zip; `out` takes all of them."""
    if file is None:
        raise BadInput("name the outlines to inspect: a .dat, .npz or .csv file, a folder or a zip")
    place = None if out is None else writing.file_for(out, {".csv": "a line an outline"})
    found = inspecting.inspect(model.package, file)
    rows = found.rows()
    for name, why in found.skipped:
        audience.say(f"note: {name} was left out: {why}")
    if place is not None:
        names = list(rows[0])
        write_csv(names, np.array([[str(row[name]) for name in names] for row in rows], dtype=object), place, ",")
    if as_json:
        show.as_json({"rows": rows, "usual_nats": list(found.usual), "skipped": [list(pair) for pair in found.skipped], "path": out})
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("rank", "name", "score", "bump", "where", "nats"):
        table.add_column(column, justify="left" if column in ("name", "where") else "right")
    for row in rows[:_SHOWN]:
        score, bump, nats = (show.number(row[key]) for key in ("score", "bump", "nats"))
        table.add_row(str(row["rank"]), row["name"], score, bump, row["where"], nats)
    show.console().print(table)
    odd = sum(row["score"] > 1 for row in rows)
    show.say(f"{odd:,} of {len(rows):,} outlines are odd (score above 1): a bump or nats that few real ones have")
    if place is not None:
        show.say(f"all of them: {place}")

"""The verb `plan`: ways past obstacles, as a table of positions and a picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, ModelPath, OnDevice, Seed
from .verbs import app


@app.command()
def plan(
    *,
    model: ModelPath,
    known: Annotated[
        str, typer.Option("--known", metavar="MAP.json", help='{"start": [x, y], "goal": [x, y], "obstacles": [...]}, in metres')
    ],
    n: Annotated[int, typer.Option("-n", help="how many ways")] = 8,
    clearance: Annotated[float, typer.Option("--clearance", metavar="METRES", help="no way comes nearer to an obstacle")] = 0.3,
    out: Annotated[str, typer.Option("--out", metavar="FILE.csv", help="where the ways go; a picture lies beside it")] = "ways.csv",
    seed: Seed = 0,
    device: OnDevice = "auto",
    as_json: AsJson = False,
) -> None:
    """Draw ways from a start to a goal past obstacles, as those go whom a model of tracks has learnt; none touches an obstacle."""
    from ..core.errors import BadInput
    from ..data.trajectory_draw import draw_map
    from ..house import planning, writing
    from . import show, tasking

    place = writing.file_for(out)
    if place.suffix.lower() != ".csv":
        raise BadInput(f"ways are written as CSV of frame, id, x, y: {place} must end in .csv")
    where = planning.read_map(Path(known))
    opened = tasking.opened(model, device)
    found = planning.plan(opened, where, n, clearance, seed)
    writing.whole(place, partial(opened.codec.write, found.tracks, ending=".csv"))  # type: ignore[attr-defined]
    picture = place.with_suffix(".png")
    writing.whole(picture, partial(draw_map, found.tracks, where.obstacles, found.shortest))
    least = found.least
    if as_json:
        show.as_json({"shortest": least, "lengths": found.lengths, "straight": found.straight, "path": str(place), "picture": str(picture)})
        return
    ratio = sum(found.lengths) / len(found.lengths) / least
    show.say(f"{n:,} {'way' if n == 1 else 'ways'}: {place}; the picture: {picture}")
    show.say(f"the shortest way is {least:.1f} m; these are {ratio:.2f} times as long on average, and keep {clearance:g} m from everything")
    if any(found.straight):
        show.say(f"{sum(found.straight):,} windows follow the shortest way, for no draw was free there")

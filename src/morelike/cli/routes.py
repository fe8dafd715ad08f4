"""The verb `plan`, ways past obstacles, and `simulate` of crowds: a table of positions and a picture each."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, ModelPath, OnDevice, Seed
from .verbs import app

if TYPE_CHECKING:
    from ..house.model import Model


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


def crowd(model: Model, known: str | None, density: float | None, steps: int | None, seed: int, out: str | None, as_json: bool) -> None:
    """Simulates a scene with more or fewer people, and says how it differs from the scene and from the model's own at its usual density."""
    from ..core.errors import BadInput
    from ..data.trajectory_draw import draw_crowds
    from ..house import crowds, writing
    from . import show

    if known is None:
        raise BadInput("name the scene that people come to: --known FILE of frame, id, x, y")
    place = writing.file_for(out or "crowd.csv")
    if place.suffix.lower() != ".csv":
        raise BadInput(f"crowds are written as CSV of frame, id, x, y: {place} must end in .csv")
    scene, times = crowds.read_scene(model, known), 1.0 if density is None else density
    found = {name: crowds.simulate(model, scene, factor, steps, seed) for name, factor in {"1": 1.0, f"{times:g}": times}.items()}
    came = crowds.first_steps(scene, steps)
    real = crowds.measured(came, scene[0].seconds)
    last = found[f"{times:g}"]
    writing.whole(place, partial(model.codec.write, last.tracks, ending=".csv"))  # type: ignore[attr-defined]
    picture = place.with_suffix(".png")
    writing.whole(picture, partial(draw_crowds, [came, last.tracks]))
    rows = {"as it was": real, **{f"simulated, density {name}": one.measures for name, one in found.items()}}
    if as_json:
        forced = {name: one.forced for name, one in found.items()}
        told = {name: asdict(one) for name, one in rows.items()}
        show.as_json({"crowds": told, "forced": forced, "path": str(place), "picture": str(picture)})
        return
    show.say(f"{'':28s} people  at once     m/s  nearest m  meetings")
    for name, one in rows.items():
        show.say(f"{name:28s} {one.people:6,} {one.at_once:8.1f} {one.speed:7.2f} {one.nearest:10.2f} {one.meetings:9.2%}")
    show.say(f"meetings: steps with another nearer than 0.2 m; {last.forced:.1%} of the windows had no draw without one")
    show.say(f"{place}; the picture: {picture}")

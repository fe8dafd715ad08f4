"""The verbs ask, simulate, detect and augment, for rows of tables and steps of series. What a verb needs is imported inside it, so that
`--help` answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AsJson, Column, Data, Demanded, ModelPath, Offline, OnDevice, Quiet, Seed
from .verbs import app


@app.command()
def ask(
    *,
    model: ModelPath,
    events: Annotated[
        list[str],
        typer.Argument(metavar="EVENT...", help='"income=>50K", several at once, or the name of one column', show_default=False),
    ],
    where: Demanded = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
) -> None:
    """Say how probable something is under a table's model, or how a column is distributed, given demands on others."""
    from . import asking

    asking.ask(model, events, where or (), device, as_json)


@app.command()
def simulate(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    dials: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="the family's own dials", show_default=False)] = None,
    n: Annotated[int, typer.Option("-n", help="how many rows, or paths of a series")] = 1000,
    shares: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="DEMAND:SHARE", help='the share of rows that meet a demand: default=1:0.44, "age>60:x2" (twice as many)',
            show_default=False,
        ),
    ] = None,
    shift: Annotated[
        list[str] | None,
        typer.Option(
            "--shift", metavar="COLUMN=+NUMBER", show_default=False,
            help="move the mean of a column: age=+5; of dates by a duration: end=+3d, start=-2h (w, d, h, min, s; days without a letter); "
            "of series where a channel ends: usd=+0.1, usd=x1.2, several times too",
        ),
    ] = None,
    known: Annotated[
        str | None,
        typer.Option("--known", metavar="FILE", help="of series: what has been until now; of tracks: the scene", show_default=False),
    ] = None,
    ahead: Annotated[
        int | None,
        typer.Option("--ahead", min=1, metavar="STEPS", help="of series: how far to go on; of tracks: how long", show_default=False),
    ] = None,
    volatility: Annotated[
        float | None, typer.Option("--volatility", metavar="FACTOR", help="of series: how much wilder than usual", show_default=False)
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", metavar="A=1,B=-0.5", help="of series: say what this sum of channels may lose", show_default=False),
    ] = None,
    levels: Annotated[
        list[float] | None,
        typer.Option("--level", metavar="SHARE", help="... at which level; by default 0.95 and 0.99", show_default=False),
    ] = None,
    density: Annotated[
        float | None, typer.Option("--density", metavar="FACTOR", help="of tracks: so many times as many people", show_default=False)
    ] = None,
    where: Demanded = None,
    seed: Seed = 0,
    out: Annotated[
        str | None, typer.Option("--out", metavar="PATH", help="NAME.csv; by default MODEL/simulated.csv; of series as for restore")
    ] = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Draw rows of a table in which some shares or a mean are otherwise and all else follows, and say what else moved. Or paths of a series
    under stress, and what a sum of its channels may lose: value at risk and expected shortfall, which are no advice. Or a scene of
    tracks with twice as many people in it."""
    from . import asking, routes, series_tasks, tasking

    series = {"--known": known, "--ahead": ahead, "--volatility": volatility, "--weights": weights, "--level": levels}
    opened = tasking.opened(model, device)
    if opened.codec.kind == "series":
        tasking.none_of({"--set": shares, "--density": density}, "is for tables or tracks")
        words = tasking.Words(None, None, where=where or (), dials=dials or (), seed=seed, device=device)
        asked = series_tasks.Scenario(known, ahead, n, shift or (), 1.0 if volatility is None else volatility, weights, levels)
        series_tasks.simulate(opened, words, asked, out, as_json)
        return
    if opened.codec.kind == "trajectory":
        others = {name: own for name, own in series.items() if name not in ("--known", "--ahead")}
        tasking.none_of({**others, "--set": shares, "--shift": shift, "--where": where, "dials": dials}, "isn't for tracks")
        routes.crowd(opened, known, density, ahead, seed, out, as_json)
        return
    tasking.none_of({"--density": density}, "is for tracks")
    tasking.none_of(series, "is for series")
    tasking.none_of({"a second --shift": (shift or ())[1:]}, "is for series")
    shifted = shift[0] if shift else None
    asking.simulate(opened, n, asking.Wish(shares or (), shifted, where or (), dials or (), seed, device), out, as_json)


@app.command()
def detect(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="rows, by default the held-out ones of the data; a series", show_default=False)
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="COLUMN=VALUE", help="say how well rows with this value are found", show_default=False),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE.csv|.parquet", help="write the rows with score and rank", show_default=False)
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="SHARE", help="of a series: sound values that may be alarms; by default 0.01", show_default=False),
    ] = None,
    data: Data = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Say how odd the rows of a table are by a model's likelihood, and which cells of the oddest; which values of a series are faults:
    spikes, wrong levels, noise, frozen sensors; where outlines are odd."""
    from . import curves, series_tasks, table_tasks, tasking
    from .audience import RichAudience

    asked = {"data": data, "offline": offline}
    opened = tasking.opened(model, device)
    if opened.codec.kind == "series":
        tasking.none_of({"--label": label}, "is for tables")
        series_tasks.detect(opened, file, rate, asked, out, as_json, RichAudience(quiet))
        return
    tasking.none_of({"--rate": rate}, "is for series")
    if opened.codec.kind == "curve":
        tasking.none_of({"--label": label}, "is for tables")
        curves.detect(opened, file, out, as_json, RichAudience(quiet))
        return
    table_tasks.detect(opened, file, label, asked, out, as_json, RichAudience(quiet))


@app.command()
def augment(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    column: Column = None,
    n: Annotated[
        int | None, typer.Option("-n", help="rows to add; by default each class is brought up to the largest", show_default=False)
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE.csv|.parquet", help="write the training rows and the generated ones", show_default=False),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="write them even where they gain nothing")] = False,
    data: Data = None,
    seed: Seed = 0,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Enlarge a table with generated rows, where learners that get them do better on held-out real ones. Exit code 1 where they don't."""
    from . import table_tasks, tasking
    from .audience import RichAudience

    asked = {"column": column, "n": n, "data": data, "seed": seed, "offline": offline}
    if not table_tasks.augment(tasking.opened(model, device), asked, out, anyway, as_json, RichAudience(quiet)):
        raise typer.Exit(1)

"""The verbs and their options. What a verb needs is imported inside it, so that `--help` answers at once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import show
from .errors import Verbs
from .options import AsJson, Condition, Constraint, Kind, ModelPath, Offline, OnDevice, Quiet, Stop, Tune, Where, names

app = typer.Typer(
    cls=Verbs,
    help="Give it data; it makes more like it, and shows how alike.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

_DATA = "a built-in name (digits), a file or a folder"
_GATE_FAILED = 1


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and end")] = False,
) -> None:
    """Morelike learns the distribution of your data, makes more like it, and shows how alike."""


@app.command()
def check(
    data: Annotated[str, typer.Argument(metavar="DATA", help=_DATA, show_default=False)],
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="settings of the codec, such as codec.rules=rules.toml", show_default=False),
    ] = None,
    kind: Kind = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the random split")] = 0,
    condition: Condition = None,
    as_json: AsJson = False,
    offline: Offline = False,
) -> None:
    """Say what was understood of some data: kind, counts, shapes, splits, conditions, what was left out."""
    from ..house import verbs

    found = verbs.check(data, kind=kind, seed=seed, condition=names(condition), offline=offline, pairs=pairs or [])
    show.as_json(found) if as_json else show.understood(found)


@app.command()
def train(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    data: Annotated[str | None, typer.Argument(metavar="DATA", help=f"{_DATA}; not needed with --recipe", show_default=False)] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="any setting of the recipe or the family: batch=64 lr=0.001", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="NAME", help="family (morelike models), or auto to try some; by default the kind's best", show_default=False
        ),
    ] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="training time; by default 2 for digits, else 5")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="instead of --minutes")] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="s|m|l", help="size of the nets (xs is for tests); by default s")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="continue from a saved model, with its codec and nets", show_default=False)
    ] = None,
    tune: Annotated[
        Tune | None, typer.Option("--tune", help="with --from: train all (default), or a low-rank add-on to it", show_default=False)
    ] = None,
    out: Annotated[str | None, typer.Option("--out", metavar="FOLDER", help="by default runs/DATA or runs/DATA-NAME")] = None,
    condition: Condition = None,
    kind: Kind = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="by default 0")] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="FILE", help="repeat a run from its recipe.toml; other flags change it")
    ] = None,
    more: Annotated[float | None, typer.Option("--more", metavar="MINUTES", help="train a run in FOLDER on")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="remove the run in FOLDER first")] = False,
    track: Annotated[bool, typer.Option("--track", help="also write TensorBoard events (extra: track)")] = False,
    judge: Annotated[bool, typer.Option("--judge/--no-judge", help="judge the model when it is trained")] = True,
    device: Annotated[str | None, typer.Option("--device", metavar="auto|cpu|cuda|mps", help="by default auto")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Learn some data and judge what was learned. The same command takes up a run that was stopped."""
    from . import training
    from .audience import RichAudience

    training.minutes_in_range("--minutes", minutes)
    training.minutes_in_range("--more", more)
    given: dict[str, Any] = {
        "model": model,
        "size": size,
        "condition": names(condition),
        "kind": kind,
        "seed": seed,
        "device": device,
        "start": start,
        "tune": tune,
        "train": {"minutes": minutes, "steps": steps},
    }
    wanted = training.recipe_of(data, pairs or [], recipe, given)
    wish = training.Wish(out, more, fresh, track, judge, offline, as_json)
    training.train(wanted, wish, RichAudience(quiet))


@app.command()
def sample(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    dials: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="the family's own dials, such as guidance=2 or temperature=0.8", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="how many")] = 16,
    where: Where = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="NAME.png: one picture of all; NAME.npz: arrays x and label; NAME.npy: the array x; a folder: PNGs; for texts NAME.txt, "
            "NAME.jsonl or NAME.png; for tables NAME.csv or NAME.parquet, for linked ones a folder; for tunes .mid, .wav, .json; for "
            "molecules .smi, .csv, .sdf; for levels .txt, .json; for drawings .svg, .ndjson; or a folder of such. By default "
            "MODEL/samples.png or samples.csv, while texts are printed. A file that is there is replaced",
        ),
    ] = None,
    constraint: Constraint = None,
    stop: Stop = None,
    device: OnDevice = "auto",
    quiet: Quiet = False,
) -> None:
    """Make more like the data that a model learned."""
    from . import drawing

    drawn = drawing.sample(model, n, drawing.Asked(where or [], dials or [], seed, device, constraint, stop or []), out)
    if drawn.path is None:
        print(drawn.text, end="")
        if not quiet:
            typer.echo(f"{n:,} texts, {drawn.rule}", err=True)
    elif not quiet:
        for note in drawn.notes:
            show.say(note)
        show.say(f"{n:,} samples: {drawn.path}" + (f" ({drawn.rule})" if drawn.rule else ""))


@app.command()
def judge(
    model: ModelPath,
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="by default what the model was trained on", show_default=False)
    ] = None,
    gates: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="SCORE=NUMBER", help="exit with code 1 where the score is worse", show_default=False),
    ] = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Score a model between real data and trivial models, and write its report."""
    from ..house.verbs import load
    from ..judges.verdict import gates as failing
    from .audience import RichAudience

    wanted = gates or []
    asked = {gate.rpartition("=")[0] for gate in wanted}
    # malformed gates are refused before the work
    failing({name: {"refused": ""} for name in asked}, wanted)
    audience = RichAudience(quiet)
    found = load(model).to(device).judge(data, audience=audience, offline=offline, needed=asked)
    failed = failing(found["scores"], wanted)
    if as_json:
        show.as_json(found)
    else:
        show.ladder(found["scores"])
        show.say("", found["verdict"])
        show.say(*(["", f"report: {found['report']}"] if "report" in found else []))
    for sentence in failed:
        typer.echo(f"gate failed: {sentence}", err=True)
    if failed:
        raise typer.Exit(_GATE_FAILED)


@app.command()
def compare(
    which: Annotated[list[str], typer.Argument(metavar="MODEL MODEL ...", help="saved models of the same data", show_default=False)],
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="PAGE.html", help="also a page with samples side by side, and PAGE.png", show_default=False),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Put several models side by side: scores, samples and cost, and say which differences are more than noise."""
    from ..house import verbs
    from .audience import RichAudience

    found = verbs.compare(*which, out=out, audience=RichAudience(quiet), offline=offline)
    show.as_json(found) if as_json else show.side_by_side(found)
    if out is not None and not (quiet or as_json):
        show.say("", f"page: {out}")


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the families of models."""
    from ..house import verbs

    found = verbs.models()
    show.as_json(found) if as_json else show.models(found)


@app.command()
def info(model: ModelPath, as_json: AsJson = False) -> None:
    """Show what a saved model is: its card."""
    from ..house import verbs

    found = verbs.info(model)
    show.as_json(found) if as_json else show.card(found)


@app.command()
def verify(model: ModelPath, as_json: AsJson = False) -> None:
    """Check a saved model: every file's checksum, and its kept samples drawn again. Exit code 1 where something differs."""
    from ..house import verbs

    found = verbs.verify(model)
    if as_json:
        show.as_json(found)
    elif found["files"]:
        show.say(f"not ok: changed since it was saved: {', '.join(found['files'])}")
    else:
        ends = f"the kept samples come out again within {found['difference']:.2g} (allowed: {found['tolerance']:g})"
        show.say(f"{'ok' if found['ok'] else 'not ok'}: every file is as it was saved; {ends}")
    if not found["ok"]:
        raise typer.Exit(1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this installation has, and what is wrong with it."""
    from ..house import verbs

    found = verbs.doctor()
    show.as_json(found) if as_json else show.installation(found)

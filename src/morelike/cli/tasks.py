"""The verbs of tasks and their options. What a verb needs is imported inside it, so that `--help` answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AsJson, Constraint, ModelPath, Offline, OnDevice, Quiet, Stop, Where
from .verbs import app

Text = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEXT] [KEY=VALUE]...", help="the text, then dials: temperature=0.8 top_p=0.9", show_default=False),
]
File = Annotated[
    str | None,
    typer.Option("--file", metavar="FILE", help="read the text, tune or level from a file; - is standard input", show_default=False),
]
Seed = Annotated[int, typer.Option("--seed", min=0)]
Demanded = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="DEMAND", help='on a column: city=Bern|Zug, "age>60", age=30..40, city!=Bern, age= (missing)', show_default=False
    ),
]
Fixed = Annotated[
    list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help="the conditions of the text: label=play", show_default=False)
]

Data = Annotated[
    str | None,
    typer.Option("--data", metavar="PATH", help="where the data lies; by default where it was trained on", show_default=False),
]
Column = Annotated[
    str | None,
    typer.Option("--column", metavar="NAME", help="a table's column of classes; by default the last one", show_default=False),
]


@app.command()
def extend(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    text: Text = None,
    file: File = None,
    n: Annotated[int, typer.Option("-n", help="how many ways to go on")] = 1,
    length: Annotated[
        int | None,
        typer.Option(
            "--length", min=1, show_default=False,
            help="ids to write at most, by default what the model's window holds; bars of a tune, columns of a level",
        ),
    ] = None,
    where: Where = None,
    seed: Seed = 0,
    constraint: Constraint = None,
    stop: Stop = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="PATH", help="of a tune or drawing; by default extended.mid, extended.svg", show_default=False),
    ] = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Go on from a text, printed as it is written; without a text from nothing. Or with a tune by --length bars, a level, a drawing."""
    from . import levels, sketches, tasking, tunes
    from .audience import RichAudience

    words = tasking.Words.of(text, file, where=where or (), seed=seed, constraint=constraint, stop=stop or (), device=device)
    opened = tasking.opened(model, device)
    if opened.codec.kind == "music":
        tasking.none_of({"--constraint": constraint, "--stop": stop}, "is for texts")
        tunes.extend(opened, words, n, length, out, as_json)
        return
    if opened.codec.kind == "strokes":
        tasking.none_of({"--constraint": constraint, "--stop": stop, "--length": length}, "isn't for drawings")
        sketches.extend(opened, words, n, out, as_json)
        return
    tasking.none_of({"--out": out}, "is for tunes and drawings")
    if opened.codec.kind == "level":
        levels.extend(opened, words, n, length, as_json)
        return
    tasking.extend(opened, words, n, length, as_json, RichAudience(quiet))


@app.command()
def restore(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT|FILE [KEY=VALUE]...", help="a text with gaps, each written ___, or a table; then dials", show_default=False
        ),
    ] = None,
    file: File = None,
    n: Annotated[
        int | None, typer.Option("-n", help="how many ways; by default 1, of a picture 4", show_default=False)
    ] = None,
    gap_length: Annotated[
        int | None, typer.Option("--gap-length", min=1, help="ids of a gap; by default several are tried (text)", show_default=False)
    ] = None,
    best: Annotated[bool, typer.Option("--best", help="fill in the commonest word or the median of 32 draws (tables)")] = False,
    op: Annotated[
        str | None,
        typer.Option("--op", metavar="mask|pool|grey|blur", help="what is known of a picture: a part, a small copy...", show_default=False),
    ] = None,
    known: Annotated[str | None, typer.Option("--known", metavar="FILE", help="the part or copy that is known", show_default=False)] = None,
    mask: Annotated[
        str | None, typer.Option("--mask", metavar="FILE", help="a picture as large as the known one: black is missing", show_default=False)
    ] = None,
    box: Annotated[
        str | None, typer.Option("--box", metavar="LEFT,TOP,WIDTH,HEIGHT", help="what is missing of it, in pixels", show_default=False)
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="LEFT,TOP", help="where a smaller known one lies; else in the middle", show_default=False)
    ] = None,
    sigma: Annotated[
        float | None, typer.Option("--sigma", help="deviation of the blur of a known blurred copy, in pixels", show_default=False)
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="FILE", show_default=False,
            help="the filled table, with -n FILE-1.csv and on; a sheet of pictures and FILE-1.png and on, by default MODEL/restored.png; "
            "tunes and levels as `sample` writes them",
        ),
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="VOICES", help="of a tune: the voices that stay, such as 1 or 1,4", show_default=False)
    ] = None,
    bars: Annotated[
        str | None, typer.Option("--bars", metavar="FIRST[-LAST]", help="of a tune: the bars that are drawn anew", show_default=False)
    ] = None,
    where: Where = None,
    seed: Seed = 0,
    constraint: Constraint = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fill the gaps in a text, the likeliest way first, or the missing cells of a table; or draw what is missing of a picture, of a level,
    or voices or bars of a tune."""
    from . import levels, repairing, table_tasks, tasking, tunes
    from .audience import RichAudience

    words = tasking.Words.of(text, file, where=where or (), seed=seed, constraint=constraint, device=device)
    opened, audience = tasking.opened(model, device), RichAudience(quiet)
    typed = repairing.Typed(op, known, mask, box, at, sigma)
    if opened.codec.kind != "music":
        tasking.none_of({"--keep": keep, "--bars": bars}, "is for tunes")
    if opened.codec.kind == "level":
        pictures = {"--op": op, "--mask": mask, "--at": at, "--sigma": sigma}
        others = {"--gap-length": gap_length, "--constraint": constraint, "--best": best}
        tasking.none_of({**pictures, **others}, "isn't for levels, which take --known FILE --box left,top,width,height")
        levels.restore(opened, known, box, words, n, out, as_json)
        return
    if opened.codec.kind == "music":
        tasking.none_of(typed.options, "is for pictures")
        tasking.none_of({"--gap-length": gap_length, "--constraint": constraint, "--best": best}, "is for texts or tables")
        tunes.restore(opened, words, keep, bars, n, out, as_json)
        return
    if opened.codec.kind == "image":
        tasking.none_of({"--gap-length": gap_length, "--constraint": constraint, "--best": best}, "is for texts or tables")
        repairing.restore(opened, typed, words, n, out, as_json, audience)
        return
    tasking.none_of(typed.options, f"is for models of pictures, and this one learnt the kind {opened.codec.kind!r}")
    n = 1 if n is None else n
    if opened.codec.kind == "table":
        tasking.none_of({"--gap-length": gap_length, "--where": where, "--constraint": constraint}, "is for texts")
        table_tasks.restore(opened, words, n, best, out, as_json, audience)
    else:
        tasking.none_of({"--best": best, "--out": out}, "is for tables")
        tasking.restore(opened, words, n, gap_length, as_json, audience)


@app.command()
def translate(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT|PATH] [KEY=VALUE]...", help="a text, then dials; or a picture or folder", show_default=False),
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="translate a file line by line; - is standard input", show_default=False)
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="PATH", help="write lines to a file, pictures to a folder", show_default=False)
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="SET", help="the set that pictures go to: B; or the class: label=5", show_default=False)
    ] = None,
    given: Annotated[str | None, typer.Option("--from", metavar="SET", help="the set or class they are of", show_default=False)] = None,
    where: Where = None,
    seed: Seed = 0,
    constraint: Constraint = None,
    stop: Stop = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the text that goes with a text, for models of pairs: by beam search (dial beam=4); or make the picture that goes with a
    picture, carry pictures over to another set, or to another class."""
    from . import carrying, tasking
    from .audience import RichAudience

    words = tasking.Words.of(text, file, where=where or (), seed=seed, constraint=constraint, stop=stop or (), device=device)
    opened, audience = tasking.opened(model, device), RichAudience(quiet)
    if opened.codec.kind != "text":
        tasking.none_of({"--constraint": constraint, "--stop": stop}, "is for texts")
        carrying.translate(opened, words, (given, to), out, as_json, audience)
    else:
        tasking.none_of({"--to": to, "--from": given}, "is for models of pictures")
        tasking.translate(opened, words, out, as_json, audience)


@app.command()
def restyle(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", show_default=False)] = None,
    to: Annotated[list[str], typer.Option("--to", metavar="NAME=VALUE", help="the new label: label=caption", show_default=False)],
    file: File = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="NAME=VALUE", help="the text's own label; by default the model says it", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="how many texts")] = 1,
    strength: Annotated[
        float, typer.Option("--strength", help="share of the words that are written anew; or how far the latent may stray")
    ] = 0.5,
    where: Fixed = None,
    seed: Seed = 0,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a text under another label, with as much of it as can be kept."""
    from . import tasking
    from .audience import RichAudience

    words = tasking.Words(None if file is not None else text, file, where or (), seed=seed, device=device)
    tasking.restyle(model, words, tasking.Restyling(to, given or (), n, strength), as_json, RichAudience(quiet))


@app.command()
def explain(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    item: Annotated[
        str | None,
        typer.Argument(metavar="ITEM", help="a text; or a picture's path, numbers or a seed; default: the mean latent", show_default=False),
    ] = None,
    file: File = None,
    where: Where = None,
    html: Annotated[str | None, typer.Option("--html", metavar="FILE", help="write a heat map as a page", show_default=False)] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="PATH", help="as for sample; of an animation NAME.gif, .png or .webp; in MODEL", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="steps of each latent number; samples of an animation")] = 9,
    rows: Annotated[int, typer.Option("--rows", help="how many latent numbers, those that change most first")] = 8,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show how much each piece of a text surprises a model, what single numbers of its latent do to a picture, or how pictures come out
    of noise."""
    from . import latents, tasking, varying
    from .audience import RichAudience

    opened, audience = tasking.opened(model, device), RichAudience(quiet)
    if opened.codec.kind == "text":
        tasking.none_of({"--out": out}, "is for pictures")
        tasking.explain(opened, tasking.Words(None if file is not None else item, file, where or ()), html, as_json, audience)
    else:
        tasking.none_of({"--html": html, "--file": file}, "is for texts")
        if varying.animates(opened, item, out):
            varying.animate(opened, n, where or (), out, as_json)
            return
        latents.traverse(opened, latents.Wish(item, n, rows, where or (), out), as_json, audience)


@app.command()
def score(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    items: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ITEM]...", help="texts, paths of pictures, or numbers; by default the held-out data", show_default=False),
    ] = None,
    data: Data = None,
    where: Where = None,
    draws: Annotated[
        int | None, typer.Option("--draws", help="importance samples of each item, where the likelihood is a bound", show_default=False)
    ] = None,
    out: Annotated[str | None, typer.Option("--out", metavar="FILE.csv", help="write a line an item", show_default=False)] = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Say how likely each item is under a model: nats, and bits per dimension."""
    from . import latents, tasking
    from .audience import RichAudience

    opened, audience = tasking.opened(model, device), RichAudience(quiet)
    latents.score(opened, items, {"data": data, "where": where or (), "draws": draws, "offline": offline}, out, as_json, audience)


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
    n: Annotated[int, typer.Option("-n", help="how many rows")] = 1000,
    shares: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="DEMAND:SHARE", help='the share of rows that meet a demand: default=1:0.44, "age>60:x2" (twice as many)',
            show_default=False,
        ),
    ] = None,
    shift: Annotated[
        str | None,
        typer.Option(
            "--shift", metavar="COLUMN=+NUMBER", show_default=False,
            help="move the mean of a column: age=+5; of dates by a duration: end=+3d, start=-2h (w, d, h, min, s; days without a letter)",
        ),
    ] = None,
    where: Demanded = None,
    seed: Seed = 0,
    out: Annotated[str | None, typer.Option("--out", metavar="PATH", help="NAME.csv; by default MODEL/simulated.csv")] = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Draw rows of a table in which some shares or a mean are otherwise and all else follows, and say what else moved."""
    from . import asking

    asking.simulate(model, n, asking.Wish(shares or (), shift, where or (), dials or (), seed, device), out, as_json)


@app.command()
def interpolate(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    start: Annotated[
        str,
        typer.Argument(metavar="A", help="a text, a picture's path, numbers (0.5,-1; after -- if negative), or a seed", show_default=False),
    ],
    end: Annotated[str, typer.Argument(metavar="B", help="the same", show_default=False)],
    n: Annotated[int, typer.Option("-n", help="how many steps, both ends included")] = 7,
    where: Where = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="PATH", help="as for sample; pictures by default to MODEL/interpolation.png", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of conditions that are drawn")] = 0,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Go from one item to another through a model's latents."""
    from . import tasking
    from .audience import RichAudience

    tasking.interpolate(model, tasking.Ends(start, end, where or (), seed, device), n, out, as_json, RichAudience(quiet))


@app.command()
def classify(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    item: Annotated[
        str | None,
        typer.Argument(metavar="ITEM", help="a text, a picture's path, numbers (after -- if negative), or a table", show_default=False),
    ] = None,
    column: Column = None,
    data: Data = None,
    where: Where = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE.csv|.parquet", help="write a table's rows with their classes", show_default=False)
    ] = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Name the class of an item, or of a table's rows, by Bayes' rule; without one, say how well held-out data is classified."""
    from . import table_tasks, tasking
    from .audience import RichAudience

    asked = {"data": data, "where": where or (), "column": column, "offline": offline}
    opened, audience = tasking.opened(model, device), RichAudience(quiet)
    if opened.codec.kind == "table" and item is not None and not opened.package.conditions:
        tasking.none_of({"--where": where, "--data": data}, "has no use for the rows of a file")
        table_tasks.classify(opened, item, column, out, as_json, audience)
    else:
        tasking.none_of({"--out": out}, "is for the rows of a table")
        tasking.classify(opened, item, asked, as_json, audience)


@app.command()
def detect(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="rows; by default the held-out ones of the data", show_default=False)
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="COLUMN=VALUE", help="say how well rows with this value are found", show_default=False),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE.csv|.parquet", help="write the rows with score and rank", show_default=False)
    ] = None,
    data: Data = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Say how odd the rows of a table are by a model's likelihood, and which cells of the oddest."""
    from . import table_tasks, tasking
    from .audience import RichAudience

    asked = {"data": data, "offline": offline}
    table_tasks.detect(tasking.opened(model, device), file, label, asked, out, as_json, RichAudience(quiet))


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

"""The verbs of tasks and their options. What a verb needs is imported inside it, so that `--help` answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AsJson, Column, Constraint, Data, ModelPath, Offline, OnDevice, Quiet, Seed, Stop, Where
from .verbs import app

Text = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEXT] [KEY=VALUE]...", help="the text, then dials: temperature=0.8 top_p=0.9", show_default=False),
]
File = Annotated[
    str | None,
    typer.Option("--file", metavar="FILE", help="read the text, tune or level from a file; - is standard input", show_default=False),
]
Fixed = Annotated[
    list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help="the conditions of the text: label=play", show_default=False)
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
            help="ids to write at most, by default what the model's window holds; bars of a tune, columns of a level, "
            "steps of a series",
        ),
    ] = None,
    where: Where = None,
    seed: Seed = 0,
    constraint: Constraint = None,
    stop: Stop = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="PATH", show_default=False,
            help="of a tune or drawing, as for sample; by default extended.mid, extended.svg; of a series as for restore",
        ),
    ] = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Go on from a text, printed as it is written; without a text from nothing. Or go on with a tune by --length bars, with a level, with a
    drawing, or with a series: `extend MODEL --file FILE.csv --length N` is `restore MODEL --known FILE.csv --ahead N`."""
    from . import levels, series_tasks, sketches, tasking, tunes
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
    if opened.codec.kind == "series":
        tasking.none_of({"--constraint": constraint, "--stop": stop}, "is for texts")
        series_tasks.extend(opened, words, length, n, out, as_json, RichAudience(quiet))
        return
    if opened.codec.kind == "level":
        levels.extend(opened, words, n, length, out, as_json)
        return
    tasking.none_of({"--out": out}, "is for tunes, levels, drawings and series")
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
        int | None, typer.Option("-n", help="how many ways; by default 1, of a picture 4, of a series 100", show_default=False)
    ] = None,
    gap_length: Annotated[
        int | None, typer.Option("--gap-length", min=1, help="ids of a gap; by default several are tried (text)", show_default=False)
    ] = None,
    best: Annotated[bool, typer.Option("--best", help="fill in the commonest word or the median of 32 draws (tables)")] = False,
    op: Annotated[
        str | None,
        typer.Option("--op", metavar="mask|pool|grey|blur", help="what is known of a picture: a part, a small copy...", show_default=False),
    ] = None,
    known: Annotated[
        str | None, typer.Option("--known", metavar="FILE", help="the part or copy that is known; a series with gaps", show_default=False)
    ] = None,
    ahead: Annotated[
        int | None, typer.Option("--ahead", min=1, metavar="STEPS", help="of a series: go on beyond its end", show_default=False)
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option("--interval", metavar="SHARE", help="of a series: what intervals hold; by default 0.8", show_default=False),
    ] = None,
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
            "tunes and levels as `sample` writes them; of a series .csv (mean, median and interval of each drawn value), .png (a fan), "
            ".jsonl or a folder (all paths), by default MODEL/forecast.csv",
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
    """Fill the gaps in a text, the likeliest way first, or the missing cells of a table; draw what is missing of a picture, of a level, or
    voices or bars of a tune; fill the gaps of a series, and forecast it (--ahead)."""
    from . import levels, repairing, series_tasks, table_tasks, tasking, tunes
    from .audience import RichAudience

    words = tasking.Words.of(text, file, where=where or (), seed=seed, constraint=constraint, device=device)
    opened, audience = tasking.opened(model, device), RichAudience(quiet)
    typed = repairing.Typed(op, known, mask, box, at, sigma)
    if opened.codec.kind == "series":
        tasking.none_of({name: own for name, own in typed.options.items() if name != "--known"}, "is for pictures")
        tasking.none_of({"--gap-length": gap_length, "--constraint": constraint, "--best": best}, "is for texts or tables")
        tasking.none_of({"--keep": keep, "--bars": bars}, "is for tunes")
        series_tasks.restore(opened, words, series_tasks.Asked(known, ahead or 0, n, interval), out, as_json, audience)
        return
    tasking.none_of({"--ahead": ahead, "--interval": interval}, "is for series")
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
        str | None,
        typer.Option("--out", metavar="PATH", help="a file for lines, a folder for pictures, tunes as `sample` does", show_default=False),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="SET", help="the set that pictures go to: B; or the class: label=5", show_default=False),
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="VOICES", help="of a tune: what stays, by default the first voice", show_default=False)
    ] = None,
    n: Annotated[int | None, typer.Option("-n", min=1, help="of a tune: how many arrangements", show_default=False)] = None,
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
    picture, carry pictures over to another set, or to another class; or arrange a tune as another class of tunes has it."""
    from . import carrying, tasking, tunes
    from .audience import RichAudience

    words = tasking.Words.of(text, file, where=where or (), seed=seed, constraint=constraint, stop=stop or (), device=device)
    opened, audience = tasking.opened(model, device), RichAudience(quiet)
    if opened.codec.kind == "music":
        tasking.none_of({"--constraint": constraint, "--stop": stop, "--from": given, "--where": where}, "isn't for tunes")
        tunes.translate(opened, words, to, keep, n or 1, out, as_json)
        return
    tasking.none_of({"--keep": keep, "-n": n}, "is for tunes")
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
def interpolate(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    start: Annotated[
        str,
        typer.Argument(metavar="A", help="a text, a file of one, numbers (0.5,-1; after -- if negative), or a seed", show_default=False),
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

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
    str | None, typer.Option("--file", metavar="FILE", help="read the text from a file; - is standard input", show_default=False)
]
Seed = Annotated[int, typer.Option("--seed", min=0)]
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
        typer.Option("--length", min=1, help="ids to write at most; by default what the model's window holds", show_default=False),
    ] = None,
    where: Where = None,
    seed: Seed = 0,
    constraint: Constraint = None,
    stop: Stop = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Go on from a text, printed as it is written; without a text from nothing."""
    from . import tasking
    from .audience import RichAudience

    words = tasking.Words.of(text, file, where=where or (), seed=seed, constraint=constraint, stop=stop or (), device=device)
    tasking.extend(model, words, n, length, as_json, RichAudience(quiet))


@app.command()
def restore(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT [KEY=VALUE]...", help="a text with gaps, each written ___; then dials", show_default=False),
    ] = None,
    file: File = None,
    n: Annotated[int, typer.Option("-n", help="how many ways to fill the gaps")] = 1,
    gap_length: Annotated[
        int | None, typer.Option("--gap-length", min=1, help="ids of a gap; by default several are tried", show_default=False)
    ] = None,
    where: Where = None,
    seed: Seed = 0,
    constraint: Constraint = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fill the gaps in a text, the likeliest way first."""
    from . import tasking
    from .audience import RichAudience

    words = tasking.Words.of(text, file, where=where or (), seed=seed, constraint=constraint, device=device)
    tasking.restore(model, words, n, gap_length, as_json, RichAudience(quiet))


@app.command()
def translate(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    text: Text = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="translate a file line by line; - is standard input", show_default=False)
    ] = None,
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="write the lines to a file", show_default=False)] = None,
    where: Where = None,
    seed: Seed = 0,
    constraint: Constraint = None,
    stop: Stop = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the text that goes with a text, for models of pairs: by beam search (dial beam=4)."""
    from . import tasking
    from .audience import RichAudience

    words = tasking.Words.of(text, file, where=where or (), seed=seed, constraint=constraint, stop=stop or (), device=device)
    tasking.translate(model, words, out, as_json, RichAudience(quiet))


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
def explain(
    *,
    model: ModelPath,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", show_default=False)] = None,
    file: File = None,
    where: Fixed = None,
    html: Annotated[str | None, typer.Option("--html", metavar="FILE", help="write the heat map as a page", show_default=False)] = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show how much each piece of a text surprises a model."""
    from . import tasking
    from .audience import RichAudience

    words = tasking.Words(None if file is not None else text, file, where or (), device=device)
    tasking.explain(model, words, html, as_json, RichAudience(quiet))


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
def classify(
    *,
    model: ModelPath,
    item: Annotated[
        str | None,
        typer.Argument(metavar="ITEM", help="a text, a picture's path, or numbers (after -- if negative)", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="PATH", help="classify its held-out part; by default the model's own data", show_default=False),
    ] = None,
    where: Where = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Name the class of an item by Bayes' rule; without one, say how well held-out data is classified."""
    from . import tasking
    from .audience import RichAudience

    asked = {"data": data, "where": where or (), "device": device, "offline": offline}
    tasking.classify(model, item, asked, as_json, RichAudience(quiet))

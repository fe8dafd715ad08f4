"""The verbs that steer towards a wish: `reward`, which tunes the model, and `optimise`, which searches its latent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, ModelPath, Offline, OnDevice, Quiet
from .verbs import app

Towards = Annotated[
    list[str],
    typer.Option("--towards", metavar="MEASURE[=VALUE]", help="qed, logp=3, length=40, matches=PATTERN; may be given again",
                 show_default=False),
]  # fmt: skip


@app.command()
def reward(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    pairs: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="batch=32 draws=4 lr=0.0005 rules=false", show_default=False)
    ] = None,
    towards: Towards,
    minutes: Annotated[float | None, typer.Option("--minutes", help="training time; by default 3", show_default=False)] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="instead of --minutes", show_default=False)] = None,
    beta: Annotated[float, typer.Option("--beta", help="reward that a nat of straying from the original costs")] = 0.05,
    out: Annotated[str | None, typer.Option("--out", metavar="FOLDER", help="by default MODEL-reward", show_default=False)] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="PATH", help="where the data lies now", show_default=False)] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="remove the run in FOLDER first")] = False,
    judge: Annotated[bool, typer.Option("--judge/--no-judge", help="judge the model when it is tuned")] = True,
    device: OnDevice = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
    offline: Offline = False,
) -> None:
    """Tune a saved sequence model towards a score, held near to what it was, and say what was lost by it."""
    from ..house import rewarding
    from . import training
    from .audience import RichAudience
    from .drawing import dials_of

    training.minutes_in_range("--minutes", minutes)
    wish = rewarding.Wish(towards, beta, minutes, steps, seed, device, dials_of(pairs or ()))
    recipe = rewarding.recipe_of(Path(model), wish, data)
    folder = out or str(rewarding.default_folder(Path(model)))
    training.train(recipe, training.Wish(folder, None, fresh, False, judge, offline, as_json), RichAudience(quiet))


@app.command()
def optimise(
    *,
    model: ModelPath,
    towards: Towards,
    start: Annotated[
        str | None, typer.Option("--from", metavar="ITEM", help="an item to begin with, by default draws", show_default=False)
    ] = None,
    n: Annotated[int, typer.Option("-n", help="how many")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    out: Annotated[str | None, typer.Option("--out", metavar="PATH", help="as for sample", show_default=False)] = None,
    device: OnDevice = "auto",
    as_json: AsJson = False,
) -> None:
    """Search a model's latent for items with a wanted property, and measure what comes out."""
    from . import optimising
    from .tasking import opened

    optimising.optimise(opened(model, device), towards, start, n, seed, out, as_json)

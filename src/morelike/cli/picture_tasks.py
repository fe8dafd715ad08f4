"""Verbs of tasks on pictures and their options. What a verb needs is imported inside it, so that `--help` answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AsJson, ModelPath, OnDevice, Where
from .verbs import app


@app.command()
def vary(  # noqa: PLR0913  # typer reads the options from the signature
    *,
    model: ModelPath,
    known: Annotated[str, typer.Option("--known", metavar="ITEM", help="a picture's path, numbers or a text", show_default=False)],
    strength: Annotated[float, typer.Option("--strength", help="from 0 (the same again) to 1 (nothing of it)")] = 0.5,
    n: Annotated[int, typer.Option("-n", help="how many")] = 8,
    where: Where = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="PATH", help="as for sample; pictures by default to MODEL/variations.png", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    device: OnDevice = "auto",
    as_json: AsJson = False,
) -> None:
    """Make others like a given item: noise is put on it and taken off again, or its latent is moved."""
    from . import tasking, varying

    varying.vary(tasking.opened(model, device), varying.Wish(known, strength, n, where or (), out, seed), as_json)

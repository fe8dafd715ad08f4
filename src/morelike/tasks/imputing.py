"""Filling in rows of a table: each unknown field drawn given what is known, and what may not be drawn drawn again.

B rows, F fields, R copies of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Infills
from ..core.noise import Noise

_ROUNDS = 100
"""Draws of a row, after which what is still refused takes the usual value."""
Refuses = Callable[[Tensor, Tensor], Tensor]
"""(R,F) bool of rows (R,F) and their numbers (R,): the values that may not stand there."""


@torch.no_grad()
def impute(
    model: Infills, x: Tensor, known: Tensor, refuses: Refuses, usual: Tensor, *, noise: Noise, dials: Mapping[str, Any] | None = None
) -> Tensor:
    """(B,F) rows x (B,F) with everything that is not `known` (B,F) drawn; `usual` (B,F) are values that are allowed.

    Rows are drawn whole. Of one with a refused value the unknown fields before it stay, and the others are drawn again given them. So
    each field, in their order, follows p(field | what is known and the fields before it, not refused): that a later value might be
    missing says nothing about an earlier one.
    """
    device = getattr(model, "device", torch.device("cpu"))
    x, known, usual, noise = x.to(device), known.to(device), usual.to(device), noise.to(device)
    out, open_rows, told = x.clone(), torch.arange(len(x), device=device), known.clone()
    for turn in range(_ROUNDS):
        own = model.infill(out[open_rows], told[open_rows], noise=noise[open_rows].under(turn), **dict(dials or {}))
        bad = refuses(own, open_rows) & ~known[open_rows]
        # unknown fields before the first refused one are kept
        told[open_rows] |= bad.cumsum(1) == 0
        out[open_rows] = own
        open_rows = open_rows[bad.any(1)]
        if not len(open_rows):
            return out
    return torch.where(refuses(out, torch.arange(len(out), device=device)) & ~known, usual, out)


def likeliest(draws: Tensor, categories: list[bool], beside: list[int]) -> Tensor:
    """(B,F) the commonest id of each category and the median of each real of draws (B,R,F).

    Of a real with a category `beside` it (its place; -1 for none), whose 0 says that there is a number, only draws with a number count.
    """
    out = draws[:, 0].clone()
    for place, category in enumerate(categories):
        own = draws[:, :, place]
        if not category and beside[place] >= 0:
            own = torch.where(draws[:, :, beside[place]] == 0, own, torch.nan)
        out[:, place] = own.mode(1).values if category else own.nanmedian(1).values
    return out

"""How odd a row is by a model's likelihood, and which of its cells are.  N rows, F fields, G columns of some fields each, R draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.abilities import Density, Infills
from ..core.noise import Noise
from .classifying import Floats, joints

DRAWS = 64
_ROWS = 4096


@torch.no_grad()
def surprise(
    model: Density, x: Tensor, *, without: tuple[int, Sequence[int]] | None = None, seed: int = 0,
    advance: Callable[[int], object] = lambda _: None,
) -> Floats:  # fmt: skip
    """(N,) nats, -log p(row) of rows x (N,F). `without`: a category's field and all its ids, which is summed out: -log p(the others)."""
    if without is not None:
        each = joints(model, x, without[0], without[1], seed=seed, advance=advance)
        best = each.max(1)
        return np.asarray(-best - np.log(np.exp(each - best[:, None]).sum(1)))
    found, device = np.empty(len(x)), getattr(model, "device", torch.device("cpu"))
    for at in range(0, len(x), _ROWS):
        index = torch.arange(at, min(at + _ROWS, len(x)))
        noise = None if model.tight == "exact" else Noise(seed, index.to(device), path=("detect",))
        found[at : at + _ROWS] = -model.log_prob(x[index].to(device), noise=noise).double().cpu().numpy()
        advance(at + len(index))
    return found


@torch.no_grad()
def redrawn(model: Infills, x: Tensor, columns: Sequence[slice], seed: int = 0) -> NDArray[np.float32]:
    """(N,G,R,F) rows x (N,F) with one column at a time drawn 64 times given all the others."""
    device = getattr(model, "device", torch.device("cpu"))
    whole = x[:, None, None].expand(len(x), len(columns), DRAWS, x.shape[1]).reshape(-1, x.shape[1])
    known = torch.ones(len(columns), x.shape[1], dtype=torch.bool)
    for number, own in enumerate(columns):
        known[number, own] = False
    there = known[None, :, None].expand(len(x), -1, DRAWS, -1).reshape(-1, x.shape[1])
    parts = []
    for at in range(0, len(whole), _ROWS):
        index = torch.arange(at, min(at + _ROWS, len(whole)))
        noise = Noise(seed, index, path=("explain",)).to(device)
        parts.append(model.infill(whole[index].to(device), there[index].to(device), noise=noise).cpu())
    return torch.cat(parts).reshape(len(x), len(columns), DRAWS, x.shape[1]).numpy()

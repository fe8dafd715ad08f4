"""How odd a row is by a model's likelihood.  N rows, F fields."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Density
from ..core.noise import Noise
from .classifying import Floats

_ROWS = 4096


@torch.no_grad()
def surprise(model: Density, x: Tensor, *, seed: int = 0, advance: Callable[[int], object] = lambda _: None) -> Floats:
    """(N,) nats, -log p(row) of rows x (N,F)."""
    found, device = np.empty(len(x)), getattr(model, "device", torch.device("cpu"))
    for at in range(0, len(x), _ROWS):
        index = torch.arange(at, min(at + _ROWS, len(x)))
        noise = None if model.tight == "exact" else Noise(seed, index.to(device), path=("detect",))
        found[at : at + _ROWS] = -model.log_prob(x[index].to(device), noise=noise).double().cpu().numpy()
        advance(at + len(index))
    return found

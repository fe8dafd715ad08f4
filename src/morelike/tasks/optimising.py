"""Moving latents towards what is wanted of them. n latents, L numbers of each."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

STEPS, _STRIDE = 300, 0.1
_TAILS = 1.645
"""Standard deviations around the mean norm that hold 90 % of a Gaussian's draws."""


def typical(numbers: int) -> tuple[float, float]:
    """Norms between which 90 % of draws from a unit Gaussian in so many dimensions lie (Fisher 1925: the norm is nearly Gaussian, with the
    mean sqrt(L - 1/2) and the variance 1/2)."""
    middle, spread = math.sqrt(max(0.0, numbers - 0.5)), _TAILS * math.sqrt(0.5)
    return max(0.0, middle - spread), middle + spread


def ascend(worth: Callable[[Tensor], Tensor], start: Tensor, norms: tuple[float, float], steps: int = STEPS) -> Tensor:
    """(n,L) latents of a higher `worth` (n,) from `start` (n,L), by gradient ascent with norms kept between two, in strides
    that shrink to nothing.

    Beyond the norms that the prior's draws have, a net says of latents what it likes: it has never seen such (Gómez-Bombarelli et al. 2018,
    arXiv:1610.02415, leave that to a Gaussian process's uncertainty).
    """
    z = start.detach()
    for step in range(steps):
        with torch.enable_grad():
            z.requires_grad_(True)
            (slope,) = torch.autograd.grad(worth(z).sum(), [z])
        length = _STRIDE * (1 - step / steps)
        # of one length for every row, so that a row doesn't depend on how steep its neighbours' worth is
        z = within(z.detach() + length * slope / slope.norm(dim=1, keepdim=True).clamp(min=1e-12), norms)
    return z


def within(z: Tensor, norms: tuple[float, float]) -> Tensor:
    """z with every row's norm between the two."""
    own = z.norm(dim=1, keepdim=True).clamp(min=1e-9)
    held: Tensor = z * own.clamp(*norms) / own
    return held

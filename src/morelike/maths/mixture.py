"""Variational mixtures of Gaussians of single numbers, many columns at once: as few components as the numbers need.

R columns, N numbers of each, K components at most.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_CONCENTRATION = 1e-3
"""Of the Dirichlet process: the smaller, the fewer components."""
_PULL = 0.1
"""Numbers that the column's mean weighs in each component's."""
_LEAST_WEIGHT = 5e-3
_ROUNDS = 500
_STILL = 1e-3
"""Rounds end when no component's numbers change by more."""
_NARROWEST = 1e-3
"""Least standard deviation, times the column's own where that is above 1."""


def variational_mixture(x: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """(weight, mean, standard deviation), (R,K) float64 each with K = `most`, of mixtures for the columns x (R,N), finite.

    A Dirichlet process by stick-breaking and a normal-gamma prior around each column's own mean and variance (Blei and Jordan 2006,
    Variational inference for Dirichlet process mixtures; Bishop 2006, section 10.2). Components that hold less than 0.5 % of the numbers
    end with weight 0.
    """
    x = x.double().sort(1).values
    count = x.shape[1]
    centre, spread = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
    # a mode is expected to be a K-th as wide as its column
    prior = spread / most**2
    floor = (_NARROWEST * spread.sqrt().clamp(min=1.0)).square()
    # each component begins with as many neighbouring numbers
    own = torch.arange(count, device=x.device) * most // count
    share = F.one_hot(own, most).double().expand(len(x), -1, -1)
    held = share.sum(1)
    for _ in range(_ROUNDS):
        mean = (_PULL * centre + (share * x[..., None]).sum(1)) / (_PULL + held)
        apart = (x[..., None] - mean[:, None]).square()
        variance = ((prior + (share * apart).sum(1) + _PULL * (mean - centre).square()) / (1 + held)).clamp(min=floor)
        log_weight = _sticks(held)
        precision = torch.special.digamma((1 + held) / 2) + math.log(2) - ((1 + held) * variance).log() - 1 / (_PULL + held)
        share = (log_weight[:, None] + 0.5 * (precision[:, None] - apart / variance[:, None])).softmax(2)
        before, held = held, share.sum(1)
        if float((held - before).abs().max()) < _STILL:
            break
    weight = torch.where(held > _LEAST_WEIGHT * count, held, 0.0)
    return weight / weight.sum(1, keepdim=True), mean, variance.sqrt()


def _sticks(held: Tensor) -> Tensor:
    """(R,K): the mean logarithms of the weights, from how many numbers (R,K) each component holds."""
    after = _CONCENTRATION + held.flip(1).cumsum(1).flip(1) - held
    both = torch.special.digamma(1 + held + after)
    rest = (torch.special.digamma(after) - both).cumsum(1)
    out: Tensor = torch.special.digamma(1 + held) - both + F.pad(rest[:, :-1], (1, 0))
    return out

"""Searching latents by trial alone, where what is wanted of them has no gradient.  n latents, L numbers of each, P trials of a round."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..core.noise import Noise
from .optimising import within

ROUNDS, TRIALS = 40, 12
_FIRST = 0.5
"""Deviation of the first round's trials, in those of the prior."""


def search(
    worth: Callable[[Tensor], Tensor], start: Tensor, norms: tuple[float, float], noise: Noise, rounds: int = ROUNDS
) -> tuple[Tensor, Tensor]:
    """((n,L) the best latent that was tried from each of `start` (n,L), itself included; (n,) its worth).

    An evolution strategy for each row: trials around a mean, which moves to the better half of them, with a deviation that grows while
    moves agree and shrinks while they don't (Hansen, Ostermeier 2001, Completely derandomized self-adaptation in evolution strategies,
    section 2.2; weights and constants of Hansen 2016, arXiv:1604.00772, table 1). `worth` says (n * P) -> (n * P,) of latents in rows;
    minus infinity where there is none. Norms are kept between two, as in `ascend`.
    """
    n, size = start.shape
    half = TRIALS // 2
    weights = torch.tensor([math.log(half + 0.5) - math.log(place + 1) for place in range(half)], device=start.device)
    weights = weights / weights.sum()
    mass = float(1 / weights.square().sum())
    rate = (mass + 2) / (size + mass + 5)
    damp = 1 + rate + 2 * max(0.0, math.sqrt((mass - 1) / (size + 1)) - 1)
    usual = math.sqrt(size) * (1 - 1 / (4 * size) + 1 / (21 * size**2))
    mean, deviation, path = start.clone(), torch.full((n, 1), _FIRST, device=start.device), torch.zeros_like(start)
    best, most = start.clone(), worth(start)
    for number in range(rounds):
        steps = noise.normal((TRIALS, size), f"round {number}")
        trials = within((mean[:, None] + deviation[..., None] * steps).flatten(0, 1), norms).view(n, TRIALS, size)
        found = worth(trials.flatten(0, 1)).view(n, TRIALS)
        order = found.argsort(dim=1, descending=True, stable=True)
        sorted_trials = trials.gather(1, order[..., None].expand_as(trials))
        moved = (weights[:, None] * sorted_trials[:, :half]).sum(1)
        top = found.gather(1, order[:, :1])[:, 0]
        best = torch.where((top > most)[:, None], sorted_trials[:, 0], best)
        most = torch.maximum(top, most)
        path = (1 - rate) * path + math.sqrt(rate * (2 - rate) * mass) * (moved - mean) / deviation
        deviation = deviation * torch.exp((rate / damp) * (path.norm(dim=1, keepdim=True) / usual - 1)).clamp(0.5, 2.0)
        mean = moved
    return best, most

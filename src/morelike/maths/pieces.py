"""Intervals of a line of units, along each of which its mass is spread evenly: the mass in them, and places drawn from them.

U units, L intervals, B draws. Unit k goes from k to k + 1: the whole part of a place is the unit, the rest a share of its mass.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pieces:
    """L intervals, apart from each other, in rising order."""

    ends: Tensor
    """(L,2) float64 places."""

    def _cut(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """(B,L) float64 twice: where each interval begins within units (B,), in 0..1, and how much of it lies there."""
        low, high = ((self.ends[None, :, side] - unit[:, None]).clamp(0, 1) for side in (0, 1))
        return low, high - low

    def weights(self, count: int) -> Tensor:
        """(U,) float64: the share of each unit's mass that lies in the intervals."""
        return self._cut(torch.arange(count, device=self.ends.device))[1].sum(1)

    def place(self, unit: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """(shares (B,) float64 of units (B,), the numbers (B,) of their intervals) at the shares u (B,) of what they have there."""
        start, length = self._cut(unit)
        reach = length.cumsum(1)
        wanted = u.double() * reach[:, -1]
        number = torch.searchsorted(reach, wanted[:, None], right=True).clamp(max=length.shape[1] - 1)
        before = (reach - length).gather(1, number)[:, 0]
        return start.gather(1, number)[:, 0] + wanted - before, number[:, 0]


def thin(log_weights: Tensor, most: int, u: float) -> tuple[Tensor, Tensor]:
    """(which of N weighted items stay, their new log-weights): `most` of them, so that every sum of weights keeps its mean.

    Items heavier than some c stay as they are; of the others each stays with probability weight / c and then weighs c (Fearnhead and
    Clifford 2003, section 5). First the lightest items go that are together below 10^-9 of all. `u` in (0, 1) is the only chance in it.
    """
    order = log_weights.argsort(descending=True, stable=True)
    sorted_ = (log_weights[order] - log_weights[order[0]]).exp()
    rest = sorted_.flip(0).cumsum(0).flip(0)
    count = int((rest > 1e-9 * rest[0]).sum())
    if count <= most:
        return order[:count], log_weights[order[:count]]
    order, sorted_, rest = order[:count], sorted_[:count], rest[:count]
    level = rest[:most] / torch.arange(most, 0, -1, device=rest.device)
    heavy = int((sorted_[:most] > level).long().cumprod(0).sum())
    c = level[heavy]
    reach = (sorted_[heavy:] / c).cumsum(0) + u
    steps = reach.floor() - torch.cat((reach.new_zeros(1), reach[:-1].floor()))
    light = heavy + steps.nonzero()[:, 0]
    own = log_weights[order[light]] - sorted_[light].log() + c.log()
    return torch.cat((order[:heavy], order[light])), torch.cat((log_weights[order[:heavy]], own))

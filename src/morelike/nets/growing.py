"""Generator and critic that grow with the pictures: all grids are there from the start, the finer ones are lit one after another.

B batch, C channels, H W rows and columns of a grid, L latent dimensions. Level 0 is the first grid. `alpha` is how far the newest
level has faded in: at 0 all is as without it, at 1 the level before it no longer has a say of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.spec import Array, Conditions, Spec, elements
from .condition import ConditionEncoder
from .equal import EqualConv, EqualLinear, Verdict, bent, grids, widths


@dataclass(frozen=True, slots=True)
class GrowingSettings:
    """`width` channels on the finest grid, doubled towards the coarser ones up to `most` times."""

    width: int = 32
    most: int = 8


def normed(x: Tensor) -> Tensor:
    """Each place's features brought to a mean square of 1 (Karras et al. 2018, arXiv:1710.10196, eq. 1)."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def enlarged(x: Tensor, doublings: int = 1) -> Tensor:
    """(B,C,H,W) with every place repeated."""
    return F.interpolate(x, scale_factor=2.0**doublings, mode="nearest") if doublings else x


def shrunk(x: Tensor, halvings: int = 1) -> Tensor:
    """(B,C,H,W) averaged over squares."""
    return F.avg_pool2d(x, 2**halvings) if halvings else x


class GrowingGenerator(nn.Module):
    """`forward(z, condition, given, level, alpha)`: (B,L) -> (B,C,H,W) on a level's grid; no last nonlinearity. Finer levels are not
    computed."""

    def __init__(self, latent: Spec, output: Array, conditions: Conditions, settings: GrowingSettings) -> None:
        super().__init__()
        channels, *sizes = output.shape
        count, self.grid = grids(sizes)
        width, size = widths(settings.width, settings.most, count), elements(latent)
        self.condition = ConditionEncoder(conditions, size)
        self.start = EqualLinear(2 * size if conditions else size, width[0] * self.grid[0] * self.grid[1])
        # level 0 has its place in both lists, so that a level's number is its index
        self.first = nn.ModuleList(EqualConv(width[max(0, i - 1)], width[i]) if i else nn.Identity() for i in range(count + 1))
        self.second = nn.ModuleList(EqualConv(one, one) for one in width)
        self.pictures = nn.ModuleList(EqualConv(one, channels, kernel=1) for one in width)

    def forward(
        self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], level: int, alpha: float
    ) -> Tensor:  # fmt: skip
        vector = self.condition(condition, given, len(z))
        h = self.start(z if vector is None else torch.cat((z, vector), 1)).view(len(z), -1, *self.grid)
        h = before = normed(bent(h.contiguous(memory_format=torch.channels_last)))
        for i in range(level + 1):
            before = h
            h = normed(bent(self.first[i](enlarged(h)))) if i else h
            h = normed(bent(self.second[i](h)))
        picture: Tensor = self.pictures[level](h)
        if level and alpha < 1:
            picture = torch.lerp(enlarged(self.pictures[level - 1](before)), picture, alpha)
        return picture


class GrowingCritic(nn.Module):
    """`forward(x, condition, given, level, alpha)`: (B,C,H,W) on a level's grid -> (B,) logits."""

    def __init__(self, spec: Array, conditions: Conditions, settings: GrowingSettings) -> None:
        super().__init__()
        channels, *sizes = spec.shape
        count, first = grids(sizes)
        width = widths(settings.width, settings.most, count)
        self.pictures = nn.ModuleList(EqualConv(channels, one, kernel=1) for one in width)
        self.first = nn.ModuleList(EqualConv(one, one) if i else nn.Identity() for i, one in enumerate(width))
        halving = [EqualConv(one, other, kernel=4, stride=2) for other, one in pairwise(width)]
        self.second = nn.ModuleList([nn.Identity(), *halving])
        self.verdict = Verdict(width[0], first, conditions)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], level: int, alpha: float
    ) -> Tensor:  # fmt: skip
        h = bent(self.pictures[level](x.contiguous(memory_format=torch.channels_last)))
        for i in range(level, 0, -1):
            h = bent(self.second[i](bent(self.first[i](h))))
            if i == level and alpha < 1:
                h = torch.lerp(bent(self.pictures[level - 1](shrunk(x))), h, alpha)
        logit: Tensor = self.verdict(h, condition, given)
        return logit

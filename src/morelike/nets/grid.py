"""Encoder to and decoder from a grid of features: a picture as fewer places with more channels (rank 1, 2 or 3).

B batch, C channels of x, D channels of the grid, * the spatial shape. Sizes are halved so often that they come to the grid's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import BadInput
from ..core.spec import Array, Conditions
from .blocks import CONV, ResidualBlock, Upsample, conv, crop_to, fold, norm, pad_to, unfold
from .condition import ConditionEncoder


@dataclass(frozen=True, slots=True)
class GridSettings:
    """`width` channels at the finest resolution, doubled each level up to `most` times; `blocks` residual blocks at each level."""

    width: int = 32
    most: int = 4
    blocks: int = 1
    patch: int = 1
    """Space-to-depth factor, a power of two: the finest resolution that is worked at is so much coarser than x."""
    dropout: float = 0.0


def halvings(sizes: tuple[int, ...], grid: tuple[int, ...]) -> int:
    """How often the longest side is halved to come to the grid's."""
    return max(0, math.ceil(math.log2(max(sizes) / max(grid))))


def levels(sizes: tuple[int, ...], grid: tuple[int, ...], patch: int) -> int:
    """How often sides are halved beside folding them into patches. Raises BadInput for patches larger than a place of the grid."""
    count = halvings(sizes, grid)
    if patch < 1 or patch & (patch - 1) or patch > 2**count:
        raise BadInput(f"patch must be a power of two of at most {2**count}, not {patch}")
    return count - (patch.bit_length() - 1)


class _Blocks(nn.Module):
    """Residual blocks one after another, told the conditions' vector."""

    def __init__(self, rank: int, inputs: int, outputs: int, embedding: int, settings: GridSettings) -> None:
        super().__init__()
        sizes = [inputs, *[outputs] * settings.blocks]
        self.blocks = nn.ModuleList(
            ResidualBlock(rank, one, other, embedding, settings.dropout) for one, other in pairwise(sizes)
        )

    def forward(self, x: Tensor, vector: Tensor | None) -> Tensor:
        for block in self.blocks:
            x = block(x, vector)
        return x


class GridEncoder(nn.Module):
    """`forward(x, condition, given)`: (B,C,*) -> (B,D,*grid)."""

    def __init__(self, spec: Array, output: Array, conditions: Conditions, settings: GridSettings) -> None:
        super().__init__()
        (channels, *sizes), (features, *grid) = spec.shape, output.shape
        rank, count = len(sizes), levels(tuple(sizes), tuple(grid), settings.patch)
        self.patch, self.multiple, self.grid = settings.patch, settings.patch * 2**count, tuple(grid)
        width = [settings.width * min(settings.most, 2**level) for level in range(count + 1)]
        embedding = width[-1] if conditions else 0
        self.condition = ConditionEncoder(conditions, width[-1])
        self.first = conv(rank, channels * self.patch**rank, width[0])
        self.blocks = nn.ModuleList(_Blocks(rank, width[level], width[level], embedding, settings) for level in range(count + 1))
        self.down = nn.ModuleList(CONV[rank](width[level], width[level + 1], 4, stride=2, padding=1) for level in range(count))
        self.norm, self.last = norm(width[-1]), conv(rank, width[-1], features, kernel=1)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        vector = self.condition(condition, given, x.shape[0])
        h = self.first(fold(pad_to(x, self.multiple), self.patch))
        for block, down in zip(self.blocks, self.down, strict=False):
            h = down(block(h, vector))
        out: Tensor = self.last(F.silu(self.norm(self.blocks[-1](h, vector))))
        return crop_to(out, self.grid)


class GridDecoder(nn.Module):
    """`forward(z, condition, given)`: (B,D,*grid) -> (B,C,*); no last nonlinearity."""

    def __init__(self, latent: Array, output: Array, conditions: Conditions, settings: GridSettings) -> None:
        super().__init__()
        (features, *grid), (channels, *sizes) = latent.shape, output.shape
        rank, count = len(sizes), levels(tuple(sizes), tuple(grid), settings.patch)
        self.patch, self.sizes = settings.patch, tuple(sizes)
        width = [settings.width * min(settings.most, 2**level) for level in range(count + 1)]
        embedding = width[-1] if conditions else 0
        self.condition = ConditionEncoder(conditions, width[-1])
        self.first = conv(rank, features, width[-1])
        self.blocks = nn.ModuleList(_Blocks(rank, width[level], width[level], embedding, settings) for level in reversed(range(count + 1)))
        self.up = nn.ModuleList(Upsample(rank, width[level + 1], width[level]) for level in reversed(range(count)))
        self.norm, self.last = norm(width[0]), conv(rank, width[0], channels * self.patch**rank)

    def forward(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        vector = self.condition(condition, given, z.shape[0])
        h = self.first(z)
        for block, up in zip(self.blocks, self.up, strict=False):
            h = up(block(h, vector))
        out: Tensor = self.last(F.silu(self.norm(self.blocks[-1](h, vector))))
        return crop_to(unfold(out, self.patch), self.sizes)

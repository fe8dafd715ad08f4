"""From a signal, picture or video to another of the same sizes, and the critic of its patches (rank 1, 2 or 3).

B batch, C channels, P patches, * the spatial shape. Any size is cropped from the next multiple.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..core.errors import BadInput
from ..core.spec import Array, Conditions, Spec
from .blocks import CONV, Dropout, ResidualBlock, Upsample, conv, crop_to, norm, pad_to
from .condition import ConditionEncoder

_LEAST, _MOST = 6, 2
"""Sides are halved at most twice, and never to fewer places than six."""
_PLACES = 8
"""Patches along the longest side, at most."""


@dataclass(frozen=True, slots=True)
class TranslatorSettings:
    """`width` channels where the picture is smallest, halved at each level above; there stand the residual blocks."""

    width: int = 64
    blocks: int = 6
    dropout: float = 0.0


class Translator(nn.Module):
    """`forward(x, condition, given)`: (B,C,*) -> (B,C',*), no last nonlinearity: halved, residual blocks, doubled again, as the generator
    of Johnson, Alahi, Fei-Fei 2016, arXiv:1603.08155; normalised over groups. Raises BadInput where the sizes differ."""

    def __init__(self, spec: Array, output: Spec, conditions: Conditions, settings: TranslatorSettings) -> None:
        super().__init__()
        channels, *sizes = spec.shape
        if not isinstance(output, Array) or [*output.shape[1:]] != sizes:
            raise BadInput(f"a translator keeps its input's sizes: it can't go from {spec} to {output}")
        rank, count = len(sizes), min(_MOST, max(0, int(math.log2(max(1, max(sizes) / _LEAST)))))
        self.sizes, self.multiple = tuple(sizes), 2**count
        width = [max(4, settings.width // 2 ** (count - level)) for level in range(count + 1)]
        self.condition = ConditionEncoder(conditions, width[-1])
        down: list[nn.Module] = [conv(rank, channels, width[0], kernel=5)]
        up: list[nn.Module] = [norm(width[-1]), nn.SiLU()]
        for level in range(count):
            down += [norm(width[level]), nn.SiLU(), CONV[rank](width[level], width[level + 1], 4, stride=2, padding=1)]
        for level in reversed(range(count)):
            up += [Upsample(rank, width[level + 1], width[level]), norm(width[level]), nn.SiLU()]
        self.down, self.up = nn.Sequential(*down), nn.Sequential(*up, conv(rank, width[0], output.shape[0], kernel=5))
        embedding = width[-1] if conditions else 0
        self.blocks = nn.ModuleList(
            ResidualBlock(rank, width[-1], width[-1], embedding, settings.dropout) for _ in range(settings.blocks)
        )

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        vector = self.condition(condition, given, x.shape[0])
        h = self.down(pad_to(x, self.multiple))
        for block in self.blocks:
            h = block(h, vector)
        return crop_to(self.up(h), self.sizes)


@dataclass(frozen=True, slots=True)
class PatchSettings:
    """`width` channels after the first halving, doubled each level up to `most` times."""

    width: int = 32
    most: int = 4
    dropout: float = 0.0


class PatchCritic(nn.Module):
    """`forward(x, condition, given)`: (B,C,*) -> (B,P), a logit for each of at most 8 overlapping patches a side (Isola et al. 2016,
    arXiv:1611.07004, section 3.2.2), which cover most of a small picture. It is told no conditions, and nothing is normalised."""

    def __init__(self, spec: Array, settings: PatchSettings) -> None:
        super().__init__()
        channels, *sizes = spec.shape
        rank, count = len(sizes), max(0, math.ceil(math.log2(max(sizes) / _PLACES)))
        self.multiple, before = 2**count, channels
        layers: list[nn.Module] = []
        for level in range(count):
            width = settings.width * min(settings.most, 2**level)
            layers += [CONV[rank](before, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2), Dropout(settings.dropout)]
            before = width
        last = settings.width * min(settings.most, 2**count)
        layers += [conv(rank, before, last), nn.LeakyReLU(0.2), Dropout(settings.dropout), conv(rank, last, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.layers(pad_to(x, self.multiple))
        return logits.flatten(1)

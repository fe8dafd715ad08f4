"""A convolutional net that keeps its input's sizes: what couplings of signals, pictures and videos are said by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import BadInput
from ..core.spec import Array, Conditions, Spec
from .blocks import ResidualBlock, conv, norm
from .condition import ConditionEncoder


@dataclass(frozen=True, slots=True)
class ResidualSettings:
    """Width of every block, and how many there are."""

    width: int = 64
    blocks: int = 2
    dropout: float = 0.0


class ResidualNet(nn.Module):
    """`forward(x, condition, given)`: (B,C,*) -> (B,C',*); residual blocks (He et al. 2016, arXiv:1603.05027) that the condition scales and
    shifts. A fresh one says zeros. Raises BadInput where the sizes differ."""

    def __init__(self, spec: Array, output: Spec, conditions: Conditions, settings: ResidualSettings) -> None:
        super().__init__()
        channels, *sizes = spec.shape
        if not isinstance(output, Array) or [*output.shape[1:]] != sizes:
            raise BadInput(f"a residual net keeps its input's sizes: it can't go from {spec} to {output}")
        rank, width = len(sizes), settings.width
        self.condition = ConditionEncoder(conditions, width)
        self.first = conv(rank, channels, width)
        self.blocks = nn.ModuleList(
            ResidualBlock(rank, width, width, width if conditions else 0, settings.dropout) for _ in range(settings.blocks)
        )
        last = conv(rank, width, output.shape[0], kernel=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.last = nn.Sequential(norm(width), nn.SiLU(), last)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        vector = self.condition(condition, given, x.shape[0])
        embedding = None if vector is None else F.silu(vector)
        h = self.first(x)
        for block in self.blocks:
            h = block(h, embedding)
        out: Tensor = self.last(h)
        return out

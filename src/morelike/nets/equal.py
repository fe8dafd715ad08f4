"""What nets of Karras et al. share: layers with equalised learning rates, the grids that pictures grow over, the end of a critic.

B batch, C channels, H W rows and columns, D width of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.spec import Conditions
from .blocks import groups
from .condition import ConditionEncoder

SMALLEST = 8
"""The shortest side of a picture that can grow, from a grid of 4."""
_GROUP = 4
"""Examples whose deviation a critic sees together (Karras et al. 2020, arXiv:1912.04958, appendix B)."""


def grids(sizes: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """(doublings, (rows, columns) of the first grid): its shorter side is from 4 to 8. Where a side is no multiple, the last grid is
    larger than the picture, which is cropped from it."""
    count = max(0, math.floor(math.log2(min(sizes) / 4)))
    return count, tuple(-(-size // 2**count) for size in sizes)


def widths(width: int, most: int, count: int) -> list[int]:
    """Channels of each grid, the coarsest first: `width` on the finest, doubled towards the coarser ones up to `most` times."""
    return [width * min(most, 2**level) for level in range(count, -1, -1)]


def bent(x: Tensor) -> Tensor:
    """Leaky rectifier; the factor keeps a Gaussian's scale."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


class EqualLinear(nn.Module):
    """A linear layer whose weights are kept at unit scale and multiplied by He's constant at every use, so that an optimiser that
    divides by the gradient's scale moves all layers equally fast (Karras et al. 2018, arXiv:1710.10196, section 4.1).

    `rate` multiplies its learning rate (0.01 in a mapping network: Karras et al. 2019, arXiv:1812.04948, appendix C).
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualConv(nn.Module):
    """The same for a convolution that keeps the size, or halves it (`stride` 2, kernel 4)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale, self.stride, self.padding = 1 / math.sqrt(inputs * kernel**2), stride, (kernel - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


def with_group_deviation(x: Tensor) -> Tensor:
    """(B,C+1,H,W) from (B,C,H,W): one more channel holds the mean over features and places of their standard deviation over a group of
    4 examples that follow one another, or as many of 3, 2 or 1 as divide the batch (Karras et al. 2018, section 3)."""
    size = groups(len(x), _GROUP)
    # a root has no derivative at 0
    spread = (x.float().reshape(-1, size, *x.shape[1:]).var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    channel = spread.repeat_interleave(size).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
    return torch.cat((x, channel.to(x.dtype)), 1)


class Verdict(nn.Module):
    """The end of a critic: (B,C,H,W) on the first grid -> (B,) logits; conditions by projection (Miyato, Koyama 2018, eq. 3)."""

    def __init__(self, channels: int, grid: tuple[int, ...], conditions: Conditions) -> None:
        super().__init__()
        self.conv = EqualConv(channels + 1, channels)
        self.hidden = EqualLinear(channels * math.prod(grid), channels)
        self.logit, self.condition = EqualLinear(channels, 1), ConditionEncoder(conditions, channels)

    def forward(self, h: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        h = bent(self.hidden(bent(self.conv(with_group_deviation(h))).flatten(1)))
        logit: Tensor = self.logit(h)[:, 0]
        vector = self.condition(condition, given, len(h))
        return logit if vector is None else logit + (vector * h).sum(1) / math.sqrt(h.shape[1])

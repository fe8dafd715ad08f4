"""Invertible maps as values: each knows its inverse and the log of its Jacobian's determinant, and a chain of them is one again.

What depends on data (the shift and scale of a coupling, the knots of its splines) is said by nets that the maps know by name only.
B batch, C channels (of a vector: its elements), * the spatial shape, N numbers that one element's curve is made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .spline import Splines, parameters

Say = Callable[[str, Tensor], Tensor]
"""(a net's name, the channels that it reads (B,C',*)) -> raw numbers (B,C''*N,*) in float32."""


class Bijection(Protocol):
    """An invertible map of a whole example."""

    def forward(self, x: Tensor, say: Say) -> tuple[Tensor, Tensor]:
        """(y, (B,) log |det dy/dx|)."""

    def inverse(self, y: Tensor, say: Say) -> Tensor:
        """x."""


class Curve(Protocol):
    """A rising map of one number, made of N raw numbers; zeros give the identity."""

    @property
    def numbers(self) -> int:
        """N."""

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """(y, log of the slope), (*) each, from x (*) and raw (*,N)."""

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """x (*)."""


_STEEPEST = 2.0
"""Logarithms of an affine coupling's scales stay below this."""


@dataclass(frozen=True, slots=True)
class Affine:
    """y = x exp(s) + t (Dinh et al. 2017, arXiv:1605.08803, eq. 7), s kept within bounds by a tanh as there (section 4.1)."""

    numbers: int = 2

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = _STEEPEST * torch.tanh(raw[..., 0] / _STEEPEST)
        return x * log_scale.exp() + raw[..., 1], log_scale

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        return (y - raw[..., 1]) * (-_STEEPEST * torch.tanh(raw[..., 0] / _STEEPEST)).exp()


@dataclass(frozen=True, slots=True)
class Spline:
    """A rational-quadratic spline on [-bound, bound] with slope 1 at its ends, the identity outside (Durkan et al. 2019,
    arXiv:1906.04032, section 3.1)."""

    bins: int
    bound: float

    @property
    def numbers(self) -> int:
        return parameters(self.bins) - 2

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        inside = x.abs() < self.bound
        y, log_slope = self._splines(raw).forward(self._unit(x))
        return torch.where(inside, self._back(y), x), torch.where(inside, log_slope, 0.0)

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        x, _ = self._splines(raw).inverse(self._unit(y))
        return torch.where(y.abs() < self.bound, self._back(x), y)

    def _splines(self, raw: Tensor) -> Splines:
        ends = torch.zeros_like(raw[..., :1])
        return Splines.of(torch.cat((raw[..., : 2 * self.bins], ends, raw[..., 2 * self.bins :], ends), -1))

    def _unit(self, x: Tensor) -> Tensor:
        return (x.clamp(-self.bound, self.bound) / self.bound + 1) / 2

    def _back(self, unit: Tensor) -> Tensor:
        return (2 * unit - 1) * self.bound


@dataclass(frozen=True, slots=True)
class Coupling:
    """Some channels go through curves that a net says from all others, which stay as they are (Dinh et al. 2017, eqs. 4 and 5)."""

    net: str
    moved: tuple[int, ...]
    kept: tuple[int, ...]
    curve: Curve

    def forward(self, x: Tensor, say: Say) -> tuple[Tensor, Tensor]:
        moved = torch.tensor(self.moved, device=x.device)
        y, log_slope = self.curve.forward(x[:, moved], self._raw(x, say))
        return x.index_copy(1, moved, y), log_slope.flatten(1).sum(1)

    def inverse(self, y: Tensor, say: Say) -> Tensor:
        moved = torch.tensor(self.moved, device=y.device)
        return y.index_copy(1, moved, self.curve.inverse(y[:, moved], self._raw(y, say)))

    def _raw(self, x: Tensor, say: Say) -> Tensor:
        """(B, moved, *, N)."""
        kept = x[:, list(self.kept)] if self.kept else torch.zeros_like(x[:, :1])
        raw = say(self.net, kept)
        return raw.reshape(len(x), len(self.moved), self.curve.numbers, *raw.shape[2:]).movedim(2, -1)


@dataclass(frozen=True, slots=True)
class Squeeze:
    """Neighbouring places become channels (Dinh et al. 2017, section 3.6): (B,C,*) -> (B, C * product of factors, * / factors).

    Channels of the same place stay together, places in rising order.
    """

    factors: tuple[int, ...]
    """One for each spatial axis, whose size it divides."""

    def forward(self, x: Tensor, say: Say) -> tuple[Tensor, Tensor]:
        rank = len(self.factors)
        split = [n for size, factor in zip(x.shape[2:], self.factors, strict=True) for n in (size // factor, factor)]
        outer, inner = [2 + 2 * i for i in range(rank)], [3 + 2 * i for i in range(rank)]
        y = x.reshape(*x.shape[:2], *split).permute(0, *inner, 1, *outer)
        return y.flatten(1, rank + 1), x.new_zeros(len(x), dtype=torch.float32)

    def inverse(self, y: Tensor, say: Say) -> Tensor:
        rank, sizes = len(self.factors), y.shape[2:]
        x = y.reshape(len(y), *self.factors, -1, *sizes)
        order = [axis for i in range(rank) for axis in (2 + rank + i, 1 + i)]
        x = x.permute(0, 1 + rank, *order)
        return x.reshape(*x.shape[:2], *(size * factor for size, factor in zip(sizes, self.factors, strict=True)))


@dataclass(frozen=True, slots=True)
class Flat:
    """An example as a vector."""

    shape: tuple[int, ...]

    def forward(self, x: Tensor, say: Say) -> tuple[Tensor, Tensor]:
        return x.flatten(1), x.new_zeros(len(x), dtype=torch.float32)

    def inverse(self, y: Tensor, say: Say) -> Tensor:
        return y.view(-1, *self.shape)


@dataclass(frozen=True, slots=True)
class FactorOut:
    """The later half of the channels is done and goes straight to the latent, the earlier goes on (Dinh et al. 2017, eqs. 14 to 16)."""

    shape: tuple[int, ...]
    """Of what comes in: (C,*)."""
    rest: Bijection
    """From the earlier half to a vector."""

    def forward(self, x: Tensor, say: Say) -> tuple[Tensor, Tensor]:
        kept, done = torch.split(x, self._split(), 1)
        y, log_det = self.rest.forward(kept, say)
        return torch.cat((y, done.flatten(1)), 1), log_det

    def inverse(self, y: Tensor, say: Say) -> Tensor:
        channels = self._split()
        places = math.prod(self.shape[1:])
        kept, done = torch.split(y, [count * places for count in channels], 1)
        return torch.cat((self.rest.inverse(kept, say), done.reshape(-1, channels[1], *self.shape[1:])), 1)

    def _split(self) -> list[int]:
        return [self.shape[0] - self.shape[0] // 2, self.shape[0] // 2]


_EDGE = 0.05
"""Alpha of `Logit`."""


@dataclass(frozen=True, slots=True)
class Logit:
    """x of [low, high] onto the line: logit(alpha + (1 - 2 alpha) share), alpha = 0.05 (Dinh et al. 2017, section 4.1, where the upper
    end is left open; here both ends stay finite)."""

    low: float
    high: float

    def forward(self, x: Tensor, say: Say) -> tuple[Tensor, Tensor]:
        share = _EDGE + (1 - 2 * _EDGE) * ((x - self.low) / (self.high - self.low))
        log_slope = math.log((1 - 2 * _EDGE) / (self.high - self.low)) - share.log() - torch.log1p(-share)
        return torch.logit(share), log_slope.flatten(1).sum(1)

    def inverse(self, y: Tensor, say: Say) -> Tensor:
        return self.low + (self.high - self.low) * (torch.sigmoid(y) - _EDGE) / (1 - 2 * _EDGE)


@dataclass(frozen=True, slots=True)
class Chain:
    """One map after another."""

    steps: tuple[Bijection, ...]

    def forward(self, x: Tensor, say: Say) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x), dtype=torch.float32)
        for step in self.steps:
            x, log_det = step.forward(x, say)
            total = total + log_det
        return x, total

    def inverse(self, y: Tensor, say: Say) -> Tensor:
        for step in reversed(self.steps):
            y = step.inverse(y, say)
        return y


def halves(count: int, layer: int) -> tuple[int, ...]:
    """The elements of a vector that a layer's coupling moves: half of a random order, and in the next layer the other half."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(layer // 2)).tolist()
    half = (count + 1) // 2
    return tuple(sorted(order[:half] if layer % 2 == 0 or count == 1 else order[half:]))

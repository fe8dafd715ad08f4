"""What may be known of a picture, as linear maps y = A x with their adjoints and pseudo-inverses, all as values.

B batch, C channels, H rows, W columns. Noise is no part of them: A x = y holds or it doesn't.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


class Operator(ABC):
    """A linear map A of pictures (B,C,H,W)."""

    @abstractmethod
    def apply(self, x: Tensor) -> Tensor:
        """y = A x."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y: the inner products (A x, y) and (x, A^T y) are the same."""

    @abstractmethod
    def pinv(self, y: Tensor) -> Tensor:
        """A^+ y, the smallest x with A x = y, for y that A can give."""

    def project(self, x: Tensor) -> Tensor:
        """A^+ A x: the part of x that A sees; an orthogonal projection. A x = y exactly where it is A^+ y."""
        return self.pinv(self.apply(x))


@dataclass(frozen=True, slots=True)
class Mask(Operator):
    """Keeps what is `known`, (C,H,W) or (H,W) bool; the rest is 0."""

    known: Tensor

    def apply(self, x: Tensor) -> Tensor:
        return torch.where(self.known.to(x.device), x, 0.0)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.apply(y)

    def pinv(self, y: Tensor) -> Tensor:
        return self.apply(y)


@dataclass(frozen=True, slots=True)
class Pool(Operator):
    """Means of squares of `factor` x `factor` pixels: (B,C,H/factor,W/factor)."""

    factor: int

    def apply(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.factor)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.pinv(y) / self.factor**2

    def pinv(self, y: Tensor) -> Tensor:
        return y.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)


@dataclass(frozen=True, slots=True)
class Grey(Operator):
    """The mean of the channels with `weights` (C,), which sum to 1: (B,1,H,W)."""

    weights: tuple[float, ...]

    def _column(self, like: Tensor) -> Tensor:
        return like.new_tensor(self.weights)[:, None, None]

    def apply(self, x: Tensor) -> Tensor:
        return (x * self._column(x)).sum(1, keepdim=True)

    def adjoint(self, y: Tensor) -> Tensor:
        return y * self._column(y)

    def pinv(self, y: Tensor) -> Tensor:
        return self.adjoint(y) / sum(weight**2 for weight in self.weights)


class Blur(Operator):
    """A Gaussian of deviation `sigma` pixels, the picture mirrored at its edges: in its cosines (type II) a product with
    exp(-sigma^2 w^2 / 2) at w radians a pixel (Martucci 1994, IEEE Trans. Signal Processing 42(5), for the symmetry).

    What is left of a cosine below a share of `least` drowns in the rounding of bytes: it counts as not seen.
    """

    def __init__(self, sigma: float, height: int, width: int, least: float = 0.1) -> None:
        self.sigma, self.least = sigma, least
        self.rows, self.columns = _cosines(height), _cosines(width)
        fade = [torch.exp(-0.5 * (sigma * math.pi / size * torch.arange(size, dtype=torch.float64)) ** 2) for size in (height, width)]
        shares = fade[0][:, None] * fade[1]
        self.shares = torch.where(shares >= least, shares, 0.0)
        self.inverse = torch.where(shares >= least, 1 / shares, 0.0)

    def _times(self, x: Tensor, factors: Tensor) -> Tensor:
        rows, columns, by = (value.to(x) for value in (self.rows, self.columns, factors))
        return rows.T @ (rows @ x @ columns.T * by) @ columns

    def apply(self, x: Tensor) -> Tensor:
        return self._times(x, self.shares)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.apply(y)

    def pinv(self, y: Tensor) -> Tensor:
        return self._times(y, self.inverse)


def _cosines(size: int) -> Tensor:
    """(size,size) float64 orthonormal cosines of type II, a frequency a row."""
    frequency, place = torch.arange(size, dtype=torch.float64)[:, None], torch.arange(size, dtype=torch.float64)
    waves = torch.cos(math.pi * frequency * (place + 0.5) / size) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves

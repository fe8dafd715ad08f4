"""Rational-quadratic splines: rising maps of [0, 1] onto itself, smooth, with an inverse in closed form.

Durkan, Bekasov, Murray, Papamakarios 2019, arXiv:1906.04032, section 3.1. K bins; * any shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST = 1e-3
"""Width, height and slope of a bin, at least, in shares of an even one's."""


def parameters(bins: int) -> int:
    """How many raw numbers one spline has: widths, heights, slopes at all knots."""
    return 3 * bins + 1


@dataclass(frozen=True, slots=True)
class Splines:
    """Knots of many splines."""

    x: Tensor
    """(*,K+1) from 0 to 1."""
    y: Tensor
    """(*,K+1) from 0 to 1."""
    slope: Tensor
    """(*,K+1) positive."""

    @classmethod
    def of(cls, raw: Tensor) -> Splines:
        """From raw numbers (*,3K+1); zeros give the identity."""
        bins = (raw.shape[-1] - 1) // 3
        raw = raw if raw.dtype == torch.float64 else raw.float()
        widths, heights, slopes = torch.split(raw, [bins, bins, bins + 1], -1)
        # softplus(0 + this) is 1
        slope = _LEAST + (1 - _LEAST) * F.softplus(slopes + math.log(math.e - 1))
        return cls(_knots(widths), _knots(heights), slope)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(y, log of the slope there), (*) each, of x (*) in [0, 1] (eqs. 4 and 5)."""
        low, width, bottom, height, left, right = self._bin(self.x, x)
        share = ((x - low) / width).clamp(0.0, 1.0)
        steep, bend = height / width, share * (1 - share)
        below = steep + (left + right - 2 * steep) * bend
        y = bottom + height * (steep * share.square() + left * bend) / below
        return y, self._log_slope(share, steep, left, right)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(x, log of the slope of `forward` there), (*) each, of y (*) in [0, 1] (eqs. 6 to 8)."""
        low, width, bottom, height, left, right = self._bin(self.y, y)
        steep, over = height / width, y - bottom
        excess = over * (left + right - 2 * steep)
        a, b, c = height * (steep - left) + excess, height * left - excess, -steep * over
        root = (b.square() - 4 * a * c).clamp(min=0.0).sqrt()
        share = (2 * c / (-b - root)).nan_to_num(0.0).clamp(0.0, 1.0)
        return low + share * width, self._log_slope(share, steep, left, right)

    def _bin(self, knots: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Left edge, width, bottom, height, and the slopes at both ends of the bin that holds each value."""
        inner = knots[..., 1:-1].contiguous()
        at = torch.searchsorted(inner, value[..., None].contiguous(), right=True)
        ends = [(own.gather(-1, at)[..., 0], own.gather(-1, at + 1)[..., 0]) for own in (self.x, self.y, self.slope)]
        (x0, x1), (y0, y1), (left, right) = ends
        return x0, x1 - x0, y0, y1 - y0, left, right

    @staticmethod
    def _log_slope(share: Tensor, steep: Tensor, left: Tensor, right: Tensor) -> Tensor:
        bend = share * (1 - share)
        above = right * share.square() + 2 * steep * bend + left * (1 - share).square()
        below = steep + (left + right - 2 * steep) * bend
        return 2 * steep.log() + above.log() - 2 * below.log()


def _knots(raw: Tensor) -> Tensor:
    """(*,K+1) rising from 0 to 1."""
    bins = raw.shape[-1]
    sizes = _LEAST / bins + (1 - _LEAST) * raw.softmax(-1)
    inner = sizes[..., :-1].cumsum(-1)
    return torch.cat((torch.zeros_like(raw[..., :1]), inner, torch.ones_like(raw[..., :1])), -1)

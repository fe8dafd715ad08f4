"""What is missing of long series, drawn by a model of short windows that rolls over them.

B series at once, C channels, L steps of the whole, T steps of a window, M draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import BadInput
from ..core.noise import Noise
from ..maths.operators import Mask
from .repairing import STEPS, Known, repair

Floats = NDArray[np.float64]
CHUNK = 512
"""Series drawn at once: a fixed number, for rounding may depend on it."""
_SHARE = 4
"""A window draws a quarter of its steps, and looks at the other three."""


def stride(window: int) -> int:
    """Steps that are drawn before a window of T steps moves on."""
    return max(1, window // _SHARE)


def starts(known: NDArray[np.bool_], window: int) -> list[int]:
    """Where windows begin that together draw all that isn't `known` (C,L), each `stride` steps of it at the most where nothing behind
    them is known; below 0 where the series is shorter than a window."""
    open_steps: NDArray[np.bool_] = ~np.asarray(known.all(0))
    found = []
    length = len(open_steps)
    while open_steps.any():
        first = int(open_steps.argmax())
        start = min(max(first + stride(window) - window, 0), length - window) if length >= window else length - window
        found.append(start)
        end = first + stride(window)
        # a gap that ends within the window is drawn whole, by what lies on both of its sides
        open_steps[:end] = False
    return found


@dataclass(frozen=True, slots=True)
class Window:
    """How a model sees series."""

    length: int
    """T."""
    jumps: Tensor | None = None
    """(K,) of the first K channels: x holds their first level, then changes from step to step times these; None: x holds levels."""

    def to_x(self, levels: Tensor) -> Tensor:
        """x (B,C,T) of levels (B,C,T)."""
        if self.jumps is None:
            return levels
        out, many = levels.clone(), len(self.jumps)
        out[:, :many, 1:] = levels[:, :many].diff(dim=2) * self.jumps.to(levels)[:, None]
        return out

    def known(self, levels: Tensor) -> Tensor:
        """(C,T) bool: what is known of x where some levels are."""
        if self.jumps is None:
            return levels
        out, many = levels.clone(), len(self.jumps)
        out[:many, 1:] &= levels[:many, :-1]
        return out

    def to_levels(self, x: Tensor, told: Tensor, known: Tensor) -> Tensor:
        """(B,C,T) levels of x, with what changes leave of the levels `told` where they are `known` (C,T) taken off: between two known steps
        along the line between both, as for a Brownian bridge."""
        if self.jumps is None:
            return x
        out, many = x.clone(), len(self.jumps)
        out[:, :many, 1:] = x[:, :many, 1:] / self.jumps.to(x)[:, None]
        out[:, :many] = out[:, :many].cumsum(2)
        steps = np.arange(self.length)
        for channel in range(many):
            there = known[channel].nonzero()[:, 0]
            if len(there):
                off = (told - out)[:, channel, there]
                places = np.interp(steps, there.cpu().numpy(), np.arange(len(there)))
                low = torch.from_numpy(np.floor(places).astype(np.int64)).to(x.device)
                share = torch.from_numpy(places).to(x) - low
                high = (low + 1).clamp(max=len(there) - 1)
                out[:, channel] += off[:, low] * (1 - share) + off[:, high] * share
        return out


@dataclass(frozen=True, slots=True)
class How:
    """How a model draws."""

    model: object
    window: Window
    condition: Mapping[str, Tensor] = field(default_factory=dict)
    """One row each."""
    steps: int = STEPS
    advance: Callable[[int], object] = lambda _: None
    """Hears how many windows are done."""

    def drawn(self, x: Tensor, known: Tensor, noise: Noise) -> Tensor:
        """(B,C,T) windows of which x is `known` (C,T). Raises BadInput for draws that are not finite."""
        out = torch.empty_like(x)
        for at in range(0, len(x), CHUNK):
            rows = slice(at, min(at + CHUNK, len(x)))
            told = {name: value.expand(len(x[rows]), *value.shape[1:]) for name, value in self.condition.items()}
            what = Known(Mask(known), torch.where(known, x[rows], 0.0))
            out[rows] = repair(self.model, what, told, noise=noise[rows], steps=self.steps)
        if not bool(torch.isfinite(out).all()):
            raise BadInput("the model drew values that are not finite: its training went wrong, or the series is far from what it learnt")
        return out


@torch.no_grad()
def complete(how: How, levels: Tensor, known: Tensor, *, noise: Noise) -> Tensor:
    """(B,C,L) series with everything that is not `known` (C,L) bool of their levels drawn, a series a row of noise: by windows of T steps,
    each given what is known in it and what those before it drew.

    What a window draws further ahead than `stride` steps is drawn anew by the next. A series shorter than a window stands at the end of
    one whose first steps are unknown. Raises Refused for a model that neither `Denoises`, nor `Infills`, nor has a `Prior` of reals.
    """
    window, told = how.window, known.clone()
    out = torch.where(known, levels, 0.0)
    for turn, start in enumerate(starts(known.cpu().numpy(), window.length)):
        before = max(0, -start)
        own = slice(start + before, start + window.length)
        part, there = (torch.nn.functional.pad(one, (before, 0)) for one in (out[:, :, own], told[:, own]))
        drawn = how.drawn(window.to_x(part), window.known(there), noise.under("window", turn))
        found = window.to_levels(drawn, part, there)
        out[:, :, own] = torch.where(there, part, found)[:, :, before:]
        first = int((~told.all(0)).float().argmax())
        told[:, : first + stride(window.length)] = True
        how.advance(turn + 1)
    return out


def paths(how: How, levels: Tensor, known: Tensor, n: int, *, seed: int) -> Floats:
    """(n,B,C,L) ways to complete series (B,C,L), as `complete`: path k of series i is the same whatever n is."""
    device = getattr(how.model, "device", torch.device("cpu"))
    rows = torch.arange(n).repeat_interleave(len(levels)) + (torch.arange(len(levels)) << 32).repeat(n)
    noise = Noise(seed, rows.to(device), path=("forecast",))
    found: Floats = complete(how, levels.repeat(n, 1, 1).to(device), known.to(device), noise=noise).double().cpu().numpy()
    return found.reshape(n, *levels.shape)


def spread_out(paths: Floats, factors: Floats) -> Floats:
    """Paths (M,*) whose distance from their median is `factors` (broadcast to (*)) times what it was."""
    middle = np.median(paths, axis=0)
    found: Floats = middle + factors * (paths - middle)
    return found


def conformal(paths: Floats, truth: Floats, level: float) -> Floats:
    """(*) factors by which intervals that hold `level` of the paths (M,N,*) must be widened so that they held the truth (N,*) in so many of
    N cases, and would in a new one like them: locally weighted split conformal (Lei et al. 2018, arXiv:1604.04173, section 5.2), the
    halves on both sides of the median being the weights. 1 where there are too few cases to say (fewer than 1 / (1 - level))."""
    middle = np.median(paths, axis=0)
    low, high = np.quantile(paths, [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
    half = np.where(truth >= middle, high - middle, middle - low)
    scores = np.sort(np.abs(truth - middle) / np.maximum(half, 1e-12), axis=0)
    rank = int(np.ceil((len(truth) + 1) * level))
    return scores[rank - 1] if rank <= len(truth) else np.ones(truth.shape[1:])

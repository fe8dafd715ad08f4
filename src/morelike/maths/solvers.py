"""Solvers for dx/dt = v(x, t) along a grid of times, as plain functions. x (B,*), times (N+1,).

Those that lean on a path's form take it to be straight: x_t = (1 - t) x + t noise, of which v = E[noise - x | x_t], so that x_t - t v is
the expected x and x_t + (1 - t) v the expected noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]


def euler(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """First order, one evaluation a step. On the straight path it is DDIM (Song et al. 2020, arXiv:2010.02502, eq. 12 with eta = 0)."""
    for start, stop in pairwise(times):
        x = x + (stop - start) * velocity(x, start)
    return x


def heun(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Second order, two evaluations a step, one in the last (Karras et al. 2022, algorithm 1 without churn)."""
    for i, (start, stop) in enumerate(pairwise(times)):
        v = velocity(x, start)
        ahead = x + (stop - start) * v
        if i + 2 < len(times):
            v = (v + velocity(ahead, stop)) / 2
            ahead = x + (stop - start) * v
        x = ahead
    return x


def adams(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Second order, one evaluation a step: Adams and Bashforth with unequal steps; the first step is Euler's."""
    before: Tensor | None = None
    step_before = 0.0
    for start, stop in pairwise(times):
        step, v = stop - start, velocity(x, start)
        x = x + step * (v if before is None else v + (step / (2 * step_before)) * (v - before))
        before, step_before = v, step
    return x


def multistep(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2): second order, one evaluation a step; Euler's where a step begins
    or ends in pure data or noise, which lie infinitely far by the logarithm of signal to noise."""
    before: Tensor | None = None
    step_before = math.inf
    for start, stop in pairwise(times):
        v = velocity(x, start)
        clean, step = x - start * v, _log_ratio(stop) - _log_ratio(start)
        x = x + (stop - start) * v
        if before is not None and math.isfinite(step) and math.isfinite(step_before):
            x = x + ((1 - stop / start) * step / (2 * step_before)) * (clean - before)
        before, step_before = clean, step
    return x


def ancestral(velocity: Velocity, x: Tensor, times: Sequence[float], draw: Callable[[int], Tensor]) -> Tensor:
    """DDPM's draws from the posterior of each step (Ho et al. 2020, arXiv:2006.11239, eq. 6 and 7; Song et al. 2020, eta = 1): of the noise
    the share `kept` is that found in x, the rest is new. `draw`: unit noise (B,*) of a step."""
    for number, (start, stop) in enumerate(pairwise(times)):
        v = velocity(x, start)
        clean, noise = x - start * v, x + (1 - start) * v
        kept = stop * (1 - start) / (start * (1 - stop))
        x = (1 - stop) * clean + stop * (kept * noise + math.sqrt(1 - kept**2) * draw(number))
    return x


def _log_ratio(t: float) -> float:
    """Of signal to noise."""
    return math.inf if t == 0 else -math.inf if t == 1 else math.log((1 - t) / t)


SOLVERS: dict[str, Callable[[Velocity, Tensor, Sequence[float]], Tensor]] = {
    "euler": euler, "heun": heun, "adams": adams, "ddim": euler, "dpm++": multistep
}  # fmt: skip
"""Those that draw nothing: solved backwards they invert."""
DRAWING: dict[str, Callable[[Velocity, Tensor, Sequence[float], Callable[[int], Tensor]], Tensor]] = {"ancestral": ancestral}
"""Those that draw new noise at every step."""

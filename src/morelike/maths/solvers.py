"""Solvers for dx/dt = v(x, t) along a grid of times, as plain functions. x (B,*), times (N+1,)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]


def euler(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """First order, one evaluation a step."""
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


SOLVERS: dict[str, Callable[[Velocity, Tensor, Sequence[float]], Tensor]] = {"euler": euler, "heun": heun, "adams": adams}

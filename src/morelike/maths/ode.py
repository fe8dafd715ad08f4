"""The change of a density along dx/dt = v(x, t) (Chen et al. 2018, arXiv:1806.07366, eq. 8).

B batch, * the example's shape, D its elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

_EXACT = 8
"""Most elements of which each one's derivative is asked for; of more, one direction's (Hutchinson 1990)."""


def change_of_variables(
    velocity: Callable[[Tensor, float], Tensor], x: Tensor, times: Sequence[float], directions: Tensor
) -> tuple[Tensor, Tensor]:
    """(x (B,*) at the last time, (B,) the integral of v's divergence), from x (B,*) at the first: log p(first) = log p(last) + integral.

    By Runge and Kutta's method of fourth order. `directions` (B,*), of -1 and 1, of unit covariance, hold for all times.
    """
    total = torch.zeros(len(x), device=x.device)
    for start, stop in pairwise(times):
        step, middle = stop - start, (start + stop) / 2
        v_1, d_1 = _with_divergence(velocity, x, start, directions)
        v_2, d_2 = _with_divergence(velocity, x + step / 2 * v_1, middle, directions)
        v_3, d_3 = _with_divergence(velocity, x + step / 2 * v_2, middle, directions)
        v_4, d_4 = _with_divergence(velocity, x + step * v_3, stop, directions)
        x = x + step / 6 * (v_1 + 2 * v_2 + 2 * v_3 + v_4)
        total = total + step / 6 * (d_1 + 2 * d_2 + 2 * d_3 + d_4)
    return x, total


def _with_divergence(velocity: Callable[[Tensor, float], Tensor], x: Tensor, t: float, directions: Tensor) -> tuple[Tensor, Tensor]:
    """v (B,*) and its divergence (B,), exact where there are few elements."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = velocity(x, t)
        flat, count = v.flatten(1), v[0].numel()
        if count > _EXACT:
            (found,) = torch.autograd.grad((v * directions).sum(), x)
            return v.detach(), (found * directions).flatten(1).sum(1)
        total = torch.zeros(len(x), device=x.device)
        for place in range(count):
            (found,) = torch.autograd.grad(flat[:, place].sum(), x, retain_graph=place + 1 < count)
            total = total + found.flatten(1)[:, place]
    return v.detach(), total

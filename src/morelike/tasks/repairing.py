"""Pictures from a part of what they were: drawn by a model so that a linear operator of them is what is known.

B batch, C channels, H rows, W columns; x and y = A x as in `maths.operators`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.abilities import Condition, Denoises, Infills, Prior
from ..core.errors import Refused
from ..core.noise import Noise
from ..core.spec import Array
from ..maths.operators import Mask, Operator
from ..maths.solvers import SOLVERS

STEPS, TURNS = 32, 3
"""Times of the path from noise to picture, and turns of the conjugate gradients at each."""
_FIRST = 0.999
"""The time to begin at: at 1 a picture says nothing, and the covariance is 0 / 0."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some pictures: A x = y, held as the smallest x that fulfils it."""

    operator: Operator
    least: Tensor
    """(B,C,H,W) A^+ y."""

    def kept(self, x: Tensor) -> Tensor:
        """The nearest to x (B,C,H,W) that fulfils A x = y (Wang et al. 2022, arXiv:2212.00490, eq. 10: the null space stays)."""
        return x - self.operator.project(x) + self.least


def repair(model: object, known: Known, condition: Condition = None, *, noise: Noise, steps: int = STEPS) -> Tensor:
    """(B,C,H,W) draws of pictures of which the known is true; `condition` has B rows, and what is missing of it counts as not given.

    Raises Refused where the model has no ability that serves.
    """
    if isinstance(model, Infills) and isinstance(known.operator, Mask):
        there = known.operator.known.to(known.least.device).expand_as(known.least)
        return model.infill(known.least, there, condition, noise=noise)
    if isinstance(model, Denoises):
        return by_denoising(model, known, condition, noise=noise, steps=steps)
    if isinstance(model, Prior) and isinstance(model.latent, Array):
        return by_search(model, known, condition, noise=noise)
    raise Refused(f"{type(model).__name__} can't draw pictures of which a part is known")


def by_denoising(
    model: Denoises, known: Known, condition: Condition = None, *, noise: Noise, steps: int = STEPS, turns: int = TURNS,
    solver: str = "adams",
) -> Tensor:  # fmt: skip
    """The path from noise to data under E[x | x_t, A x = y] in place of E[x | x_t]."""
    times = [_FIRST * (1 - step / steps) for step in range(steps + 1)]
    start = noise.normal(known.least.shape[1:], "start")

    def velocity(x: Tensor, t: float) -> Tensor:
        return (x - informed(model, known, x, t, condition, turns)) / t

    return known.kept(SOLVERS[solver](velocity, start, times))


def informed(model: Denoises, known: Known, x: Tensor, t: float, condition: Condition = None, turns: int = TURNS) -> Tensor:
    """E[x | x_t, A x = y] (B,C,H,W), x given x_t taken for Gaussian: m + V P (P V P)^+ (A^+ y - P m), m = E[x | x_t], P = A^+ A.

    V = t^2 / (1 - t) dm/dx_t is the covariance (Boys et al. 2023, arXiv:2310.06721, eq. 7), known by its products alone; the system is
    solved by `turns` of conjugate gradients (Rozet et al. 2024, arXiv:2405.13712, section 4.2), which without any leaves V = 1
    (Wang et al. 2022). What they leave of A x = y is put right in the end.
    """
    time = torch.full((len(x),), t, device=x.device)
    if not turns:
        with torch.no_grad():
            return known.kept(model.denoise(x, time, condition))
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        mean = model.denoise(x, time, condition)

        def spread(u: Tensor) -> Tensor:
            """V u, up to a factor, of which the answer is free."""
            return torch.autograd.grad(mean, x, u, retain_graph=True)[0]

        moved = conjugate(spread, known.operator.project, known.least - known.operator.project(mean.detach()), turns)
    return known.kept(mean.detach() + moved)


def conjugate(times: Callable[[Tensor], Tensor], project: Callable[[Tensor], Tensor], wanted: Tensor, turns: int) -> Tensor:
    """V u (B,*) for the u in P's range with P V u = `wanted`, by so many turns of conjugate gradients, each row with its own steps
    (Hestenes, Stiefel 1952). `times` is the product with V; a row stops where V turns out not to be positive."""
    rest, total = wanted, torch.zeros_like(wanted)
    way, size = rest, _inner(rest, rest)
    for _ in range(turns):
        product = times(way)
        bend = _inner(way, product)
        step = torch.where(bend > 1e-12 * _inner(way, way), size / bend.clamp(min=1e-30), 0.0)
        total = total + step * product
        rest = rest - step * project(product)
        new = _inner(rest, rest)
        way = rest + (new / size.clamp(min=1e-30)) * way
        size = new
    return total


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """(B,1,...) inner products of rows."""
    return (a * b).flatten(1).sum(1).view(-1, *[1] * (a.dim() - 1))

"""Pictures from a part of what they were: drawn by a model so that a linear operator of them is what is known.

B batch, C channels, H rows, W columns; y = A x and A's pseudo-inverse A^+ as in `maths.operators`; P = A^+ A.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ..core.abilities import Condition, Denoises, Infills, Prior
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import Array
from ..maths.operators import Mask, Operator

STEPS, TURNS = 16, 2
"""Steps from noise to picture, and turns of the conjugate gradients at each."""
MOST_STEPS = 10_000
_FIRST = 0.999
"""The time to begin at: at 1 a picture says nothing, and its covariance is 0 / 0."""
_FLATTEST = 0.02
"""Conjugate gradients stop where V, which a net knows with errors, is less than so much of what it was in the first turn."""
_ROUNDS, _BEYOND = 100, 1.5
"""Of the search for pictures that lie in their range and fulfil A x = y, and how far its steps go, of 1 to 2."""
STARTS, CLIMB, RATE = 4, 200, 0.2
"""Latents tried for each picture, steps of Adam and their rate, in deviations of the prior."""
_BLUR = 0.1
"""The deviation from a decoded picture that is taken as usual, in x's units."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some pictures: A x = y, held as the smallest x that fulfils it."""

    operator: Operator
    least: Tensor
    """(B,C,H,W) A^+ y."""
    low: float = -math.inf
    high: float = math.inf
    """The range of pictures."""

    def kept(self, x: Tensor) -> Tensor:
        """The nearest to x (B,C,H,W) that fulfils A x = y: A's null space stays (Wang et al. 2022, arXiv:2212.00490, eq. 10)."""
        return x - self.operator.project(x) + self.least

    def fitted(self, x: Tensor) -> Tensor:
        """Near x, within the range and with A x = y to within rounding: projected onto one and beyond the other in turn (Gubin, Polyak,
        Raik 1967, The method of projections for finding the common point of convex sets)."""
        for _ in range(_ROUNDS if math.isfinite(self.high - self.low) else 0):
            x = x.clamp(self.low, self.high)
            x = x + _BEYOND * (self.kept(x) - x)
        return self.kept(x).clamp(self.low, self.high)


def repair(model: object, known: Known, condition: Condition = None, *, noise: Noise, steps: int = STEPS) -> Tensor:
    """(B,C,H,W) draws of pictures of which the known is true; `condition` has B rows, and what is missing of it counts as not given.
    `steps` is for models that `Denoises`.

    Raises BadInput for steps out of range, Refused where the model has no ability that serves.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise BadInput(f"steps must be between 1 and {MOST_STEPS:,}, not {steps}")
    if isinstance(model, Denoises):
        return known.fitted(by_denoising(model, known, condition, noise=noise, steps=steps))
    if isinstance(model, Infills) and isinstance(known.operator, Mask):
        there = known.operator.known.to(known.least.device).expand_as(known.least)
        return known.fitted(model.infill(known.least, there, condition, noise=noise))
    if isinstance(model, Prior) and isinstance(model.latent, Array):
        return known.fitted(by_search(model, known, condition, noise=noise))
    raise Refused(f"{type(model).__name__} can't draw pictures of which this is known")


def by_denoising(
    model: Denoises, known: Known, condition: Condition = None, *, noise: Noise, steps: int = STEPS, turns: int = TURNS
) -> Tensor:
    """Ancestral sampling (Ho et al. 2020, arXiv:2006.11239, eq. 7, for x_t = (1 - t) x + t noise) with E[x | x_t, A x = y] for E[x | x_t].

    Exact for Gaussian x in the limit of many steps: the error falls with 1 / steps.
    """
    shape = known.least.shape[1:]
    x = noise.normal(shape, "start")
    for number, (now, then) in enumerate(pairwise(_FIRST * (1 - step / steps) for step in range(steps + 1))):
        mean = informed(model, known, x, now, condition, turns)
        before, after = now / (1 - now), then / (1 - then)  # deviations of the noise for each unit of x
        share = (after / before) ** 2
        fresh = after * math.sqrt(1 - share) * noise.normal(shape, number)
        x = (1 - then) * (mean + share * (x / (1 - now) - mean) + fresh)
    return x


def informed(model: Denoises, known: Known, x: Tensor, t: float, condition: Condition = None, turns: int = TURNS) -> Tensor:
    """E[x | x_t, A x = y] (B,C,H,W), x given x_t taken for Gaussian: m + V P (P V P)^+ (A^+ y - P m), m = E[x | x_t].

    V = t^2 / (1 - t) dm/dx_t is the covariance (Boys et al. 2023, arXiv:2310.06721, eq. 7), known by its products alone; the system is
    solved by `turns` of conjugate gradients (Rozet et al. 2024, arXiv:2405.13712, section 4.2). What they leave of A x = y is put right
    in the end, as if V were 1; without any turns that is all there is (Wang et al. 2022, arXiv:2212.00490).
    """
    time = torch.full((len(x),), t, device=x.device)
    with torch.set_grad_enabled(turns > 0):
        x = x.detach().requires_grad_(turns > 0)
        mean = model.denoise(x, time, condition)

        def spread(u: Tensor) -> Tensor:
            """V u up to a factor, of which the answer is free."""
            return torch.autograd.grad(mean, x, u, retain_graph=True)[0]

        moved = conjugate(spread, known.operator.project, known.least - known.operator.project(mean.detach()), turns)
    return known.kept((mean.detach() + moved).clamp(known.low, known.high))


def conjugate(times: Callable[[Tensor], Tensor], project: Callable[[Tensor], Tensor], wanted: Tensor, turns: int) -> Tensor:
    """V u (B,*) for the u in P's range with P V u = `wanted`, by so many turns of conjugate gradients, each row with its own steps
    (Hestenes, Stiefel 1952). `times` is the product with V; a row stops where V isn't clearly positive."""
    rest, total = wanted, torch.zeros_like(wanted)
    way, size = rest, _inner(rest, rest)
    flattest = torch.zeros_like(size)
    for turn in range(turns):
        product, length = times(way), _inner(way, way).clamp(min=1e-30)
        bend = _inner(way, product) / length
        flattest = _FLATTEST * bend if turn == 0 else flattest
        step = torch.where((bend > 0) & (bend >= flattest), size / (bend * length).clamp(min=1e-30), 0.0)
        total = total + step * product
        rest = rest - step * project(product)
        new = _inner(rest, rest)
        way = rest + (new / size.clamp(min=1e-30)) * way
        size = new
    return total


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """(B,1,...) inner products of rows."""
    return (a * b).flatten(1).sum(1).view(-1, *[1] * (a.dim() - 1))


def by_search(
    model: Prior, known: Known, condition: Condition = None, *, noise: Noise, starts: int = STARTS, climb: int = CLIMB
) -> Tensor:
    """The decoded latent nearest to one drawn from the prior for which the known is true to within `_BLUR`, by Adam; of `starts` the
    one that fits best; what it leaves of A x = y is put right in the end.

    With fresh noise on what is known, the nearest latents of a linear decoder under a Gaussian prior are draws from the posterior
    (Bardsley et al. 2014, SIAM J. Sci. Comput. 36(4), section 3); others come near (Bora et al. 2017, arXiv:1703.03209, search alike).
    """
    with torch.no_grad():
        first = torch.cat([model.prior(noise.under("search", number)) for number in range(starts)])
        scale = model.prior(Noise(0, 256, path=("usual",)).to(first.device)).std(0).clamp(min=1e-6)
    count = len(known.least)
    wanted = torch.cat([
        known.least + _BLUR * known.operator.project(noise.under("search", number).normal(known.least.shape[1:], "known"))
        for number in range(starts)
    ])  # fmt: skip
    own = {name: value.repeat(starts, *[1] * (value.dim() - 1)) for name, value in (condition or {}).items()}
    moved = torch.zeros_like(first).requires_grad_()
    adam = torch.optim.Adam([moved], lr=RATE)
    with torch.enable_grad():
        for turn in range(climb):
            adam.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * turn / climb)) / 2
            apart = known.operator.project(model.decode(first + scale * moved, own)) - wanted
            loss = apart.square().sum() / (2 * _BLUR**2) + moved.square().sum() / 2
            moved.grad = torch.autograd.grad(loss, moved)[0]
            adam.step()
    with torch.no_grad():
        x = model.decode(first + scale * moved, own).view(starts, count, *known.least.shape[1:])
        apart = (known.operator.project(x.flatten(0, 1)).view_as(x) - known.least).flatten(2).square().sum(2)
        best = apart.argmin(0)
    return known.kept(x[best, torch.arange(count, device=best.device)])

"""From a given example: others like it, and what it would be in another class. B batch, n of them, * the example's shape.

Where a model `Denoises`, noise is put on the example and taken off again; where it has latents, these are moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from ..core.abilities import Condition, Denoises, Encodes, Prior
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import Array

STEPS = 24
"""Of a way from noise to data."""


def check_strength(strength: float) -> None:
    """Raises BadInput outside 0..1."""
    if not 0 <= strength <= 1:
        raise BadInput(f"strength is the share that is drawn anew, from 0 (the same again) to 1 (nothing of it), not {strength:g}")


def descent(
    model: Denoises, x: Tensor, begin: float, condition: Condition = None, guidance: float = 1.0, steps: int = STEPS,
    guided: tuple[float, float] = (0.0, 1.0),
) -> Iterator[tuple[float, Tensor, Tensor]]:  # fmt: skip
    """(t, x_t (B,*), E[x|x_t] (B,*)) from t = `begin`, where x_t is `x`, to t = 0, step by step (Song et al. 2020, arXiv:2010.02502,
    eq. 12 with sigma = 0). `guidance`: scale of the conditions (Ho and Salimans 2022), at times within `guided`. Nothing for a `begin`
    of 0."""
    for start, stop in pairwise(begin * (1 - step / steps) for step in range(steps + 1)):
        if not start:
            return
        t = torch.full((len(x),), start, device=x.device)
        clean = model.denoise(x, t, condition)
        if condition and guidance != 1.0 and guided[0] <= start <= guided[1]:
            clean = torch.lerp(model.denoise(x, t), clean, guidance)
        yield start, x, clean
        x = torch.lerp(clean, x, stop / start)
    yield 0.0, x, x


@torch.no_grad()
def renoised(model: Denoises, x: Tensor, strength: float, condition: Condition, noise: Noise) -> Tensor:
    """(B,*): noise up to the time t = `strength` put on x (B,*) and taken off again under `condition` (SDEdit: Meng et al. 2021,
    arXiv:2108.01073). The more noise, the less of x is kept. Raises BadInput for a strength outside 0..1."""
    check_strength(strength)
    found = torch.lerp(x, noise.normal(x.shape[1:], "start"), strength)
    for _, x_t, _ in descent(model, found, strength, condition):
        found = x_t
    return found


@torch.no_grad()
def varied(model: Denoises | Encodes, x: Tensor, strength: float, condition: Mapping[str, Tensor], noise: Noise) -> Tensor:
    """(n,*) examples like x (1,*), n the noise's size: re-noised, or decoded from latents on the arc from its own to draws of the prior.

    Raises BadInput for a strength outside 0..1, Refused where the latent is no array of numbers.
    """
    check_strength(strength)
    if isinstance(model, Denoises):
        return renoised(model, x.expand(noise.size, *x.shape[1:]), strength, condition, noise)
    assert isinstance(model, Prior)
    if not isinstance(model.latent, Array):
        raise Refused("the latent of this model is made of ids, which can't be moved a little")
    one = model.encode(x, {name: value[:1] for name, value in condition.items()})
    return model.decode(math.sqrt(1 - strength**2) * one + strength * model.prior(noise), condition)


@torch.no_grad()
def recast(model: Encodes, x: Tensor, source: Condition, target: Condition) -> Tensor:
    """(B,*) what x (B,*) would be under other conditions: its latent under `source`, decoded under `target` (for diffusion: Su et al. 2022,
    arXiv:2203.08382)."""
    return model.decode(model.encode(x, source), target)

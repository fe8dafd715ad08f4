"""From one example to another through the latents. B batch, n steps, L numbers of a latent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..core.abilities import Condition, Decodes, Encodes, Prior
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import Array

Decoding = Callable[[Tensor, Condition], Tensor]
"""(latents, conditions) -> x."""
MOST_STEPS = 1000
_PARALLEL = 1e-6
"""Sine of the angle below which a straight line is taken: the arc is the same to rounding."""


def spherical(start: Tensor, end: Tensor, n: int) -> Tensor:
    """(n,*) from `start` (*) to `end` (*) at equal steps of angle (Shoemake 1985, Animating rotation with quaternion curves), the norm
    going over evenly: what lies between is as far from the origin as a draw from a Gaussian is. Where they are parallel, opposite or
    zero there is no one arc, and the line is taken. Raises BadInput for fewer than two steps."""
    if not 2 <= n <= MOST_STEPS:
        raise BadInput(f"the number of steps must be between 2 and {MOST_STEPS:,}, not {n}")
    a, b = start.flatten().double(), end.flatten().double()
    share = torch.linspace(0, 1, n, dtype=torch.float64)[:, None]
    norms = a.norm(), b.norm()
    line = (1 - share) * a + share * b
    if min(float(norm) for norm in norms) > 0:
        cosine = (a @ b / (norms[0] * norms[1])).clamp(-1, 1)
        angle = torch.arccos(cosine)
        if float(torch.sin(angle)) > _PARALLEL:
            unit = (torch.sin((1 - share) * angle) * a / norms[0] + torch.sin(share * angle) * b / norms[1]) / torch.sin(angle)
            line = unit * ((1 - share) * norms[0] + share * norms[1])
    line[0], line[-1] = a, b
    return line.view(n, *start.shape).to(start.dtype)


@torch.no_grad()
def between(
    model: Encodes, ends: Tensor, n: int, condition: Mapping[str, Tensor] | None = None, decode: Decoding | None = None
) -> Tensor:
    """(n,*) decoded from between the latents of two examples `ends` (2,*), those of the ends included; `condition` has one row.

    `decode`: in place of the model's own. Raises Refused where the latent is no array of numbers.
    """
    z = model.encode(ends, _rows(condition, 2))
    return _decoded(model, z, n, condition, decode)


@torch.no_grad()
def between_seeds(model: Prior, seeds: tuple[int, int], n: int, condition: Mapping[str, Tensor] | None = None) -> Tensor:
    """As `between`, from the latents that two seeds draw."""
    device = getattr(model, "device", torch.device("cpu"))
    z = torch.cat([model.prior(Noise(seed, 1, path=("interpolate",)).to(device)) for seed in seeds])
    return _decoded(model, z, n, condition)


def _decoded(
    model: Decodes, z: Tensor, n: int, condition: Mapping[str, Tensor] | None, decode: Decoding | None = None
) -> Tensor:
    if not isinstance(model.latent, Array):
        raise Refused("the latent of this model is made of ids, and between two ids there is nothing")
    path = spherical(z[0].cpu(), z[1].cpu(), n).to(z.device)
    return (decode or model.decode)(path, _rows(condition, n))


def _rows(condition: Mapping[str, Tensor] | None, n: int) -> Condition:
    return {name: value.expand(n, *value.shape[1:]) for name, value in (condition or {}).items()}

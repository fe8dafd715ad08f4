"""Differentiable augmentation of signals, pictures and videos: the same random changes for real and made examples.

Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training", arXiv:2006.10738, section 3.2. x (B,C,*) of
about unit scale; every change is drawn for each example by counted noise, so no example depends on its neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.noise import Noise


def brightness(x: Tensor, noise: Noise, most: float = 0.5) -> Tensor:
    """Adds one number in (-most, most) to a whole example."""
    shift = (noise.uniform((), "brightness") - 0.5) * (2 * most)
    return x + _column(shift, x)


def contrast(x: Tensor, noise: Noise, most: float = 0.5) -> Tensor:
    """Scales an example around its mean by a factor in (1 - most, 1 + most)."""
    factor = 1 + (noise.uniform((), "contrast") - 0.5) * (2 * most)
    mean = x.flatten(1).mean(1)
    return torch.lerp(_column(mean, x), x, _column(factor, x))


def saturation(x: Tensor, noise: Noise, most: float = 1.0) -> Tensor:
    """Scales the channels around their mean by a factor in (1 - most, 1 + most); nothing happens to a single channel."""
    factor = 1 + (noise.uniform((), "saturation") - 0.5) * (2 * most)
    return torch.lerp(x.mean(1, keepdim=True), x, _column(factor, x))


def translate(x: Tensor, noise: Noise, share: float = 0.125, fill: float = 0.0) -> Tensor:
    """Moves each spatial axis by a whole number of positions up to `share` of its length (at least one); `fill` comes in.

    A product with a shifted identity for each axis: differentiable, and on small pictures cheaper than gathering.
    """
    x = x - fill if fill else x
    for axis, size in enumerate(x.shape[2:], start=2):
        most = max(1, round(size * share)) if size > 1 else 0
        shift = noise.integers(2 * most + 1, (), f"translate-{axis}") - most
        places = torch.arange(size, device=x.device)
        move = (places[:, None] + shift[:, None, None] == places).to(x.dtype)
        x = torch.einsum("boi,bij->boj", x.movedim(axis, -1).flatten(1, -2), move).view(x.movedim(axis, -1).shape).movedim(-1, axis)
    return x + fill if fill else x


def cutout(x: Tensor, noise: Noise, share: float = 0.5) -> Tensor:
    """Sets a block to zero: `share` of each axis long, centred anywhere in the example (DeVries and Taylor 2017)."""
    outside = torch.zeros((len(x), *[1] * (x.dim() - 1)), dtype=torch.bool, device=x.device)
    for axis, size in enumerate(x.shape[2:], start=2):
        centre = noise.uniform((), f"cutout-{axis}") * size
        places = torch.arange(size, device=x.device) + 0.5
        far = (places - centre[:, None]).abs() > share * size / 2
        outside = outside | far.view(len(x), *[size if i == axis else 1 for i in range(1, x.dim())])
    return x * outside


def _column(values: Tensor, x: Tensor) -> Tensor:
    """(B,) as (B,1,...) against x."""
    return values.view(-1, *[1] * (x.dim() - 1)).to(x.dtype)


def diff_augment(x: Tensor, noise: Noise, share: float | Tensor = 1.0) -> Tensor:
    """Colour, translation and cutout in the paper's order and strengths; each happens to `share` of the examples.

    Below a share of about 0.8 the made examples don't take over the changes (Karras et al. 2020, arXiv:2006.06676, figure 4).
    """
    chosen = noise.uniform((3,), "chosen") < share
    for number, change in enumerate((_colour, translate, cutout)):
        x = torch.where(chosen[:, number].view(-1, *[1] * (x.dim() - 1)), change(x, noise), x)
    return x


def _colour(x: Tensor, noise: Noise) -> Tensor:
    return contrast(saturation(brightness(x, noise), noise), noise)

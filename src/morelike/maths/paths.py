"""Gaussian paths from data to noise, as values of one table.

Every path alpha x + sigma noise is the straight one, x_t = (1 - t) x + t noise with t = sigma / (alpha + sigma), scaled and at a pace of
its own (Kingma et al. 2021, arXiv:2107.00630, section 5.1). So all is told in straight times: which are trained on, which are solved
along, what the net gets and what it says. t = 0 is data, t = 1 is noise; B batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.noise import Noise

_LEAST_BETA, _BETA_RANGE = 0.1, 19.9
"""DDPM's 1,000 steps of 1e-4 to 0.02 in continuous time (Song et al. 2021, arXiv:2011.13456, eq. 32)."""
_SIGMAS, _RHO = (0.002, 80.0), 7.0
"""Karras et al. 2022, table 1."""


class Told(NamedTuple):
    """What the net gets and says at times t, (B,) each: it sees scale * x_t and `time`, and says F; velocity = skip * x_t + out * F."""

    scale: Tensor
    time: Tensor
    skip: Tensor
    out: Tensor


@dataclass(frozen=True, slots=True)
class Path:
    """How noise comes in, and how a net is asked."""

    most: float
    """The largest t; the path begins there, with t times unit noise."""
    draw: Callable[[Noise, float, float], Tensor]
    """(B,) training times. The numbers shift and widen the normal that they are drawn by, where there is one."""
    times: Callable[[int], list[float]]
    """n + 1 times to solve along in n steps, from `most` to 0."""
    told: Callable[[Tensor, float], Told] | None = None
    """From t and the data's deviation; None = the net gets x_t and t as they are and says the velocity."""
    normal: bool = False
    """Whether training times are sigmoid(normal)."""


def wide(t: Tensor, x: Tensor) -> Tensor:
    """(B,) with as many axes as x."""
    return t.view(-1, *[1] * (x.dim() - 1))


def _sigmoid_normal(mean: float, deviation: float) -> Callable[[Noise, float, float], Tensor]:
    def draw(noise: Noise, shift: float, widen: float) -> Tensor:
        return torch.sigmoid(noise.normal((), "time") * (deviation * widen) + (mean + shift))

    return draw


def _flow_times(steps: int) -> list[float]:
    return [1 - i / steps for i in range(steps + 1)]


def _cosine_draw(noise: Noise, shift: float, widen: float) -> Tensor:
    angle = noise.uniform((), "time") * (math.pi / 2)
    return angle.sin() / (angle.sin() + angle.cos())


def _cosine_times(steps: int) -> list[float]:
    angles = [math.pi / 2 * (1 - i / steps) for i in range(steps + 1)]
    return [1.0, *(math.sin(angle) / (math.sin(angle) + math.cos(angle)) for angle in angles[1:])]


def _cosine_told(t: Tensor, deviation: float) -> Told:
    alpha, sigma = _unit(t)
    return Told(alpha + sigma, torch.atan2(t, 1 - t) * (2 / math.pi), (sigma - alpha) * (alpha + sigma), alpha + sigma)


def _unit(t: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) whose squares sum to 1."""
    length = torch.hypot(1 - t, t)
    return (1 - t) / length, t / length


def _linear_level(time: float) -> float:
    """t at DDPM's own time in [0, 1]."""
    log_alpha = -0.25 * time**2 * _BETA_RANGE - 0.5 * time * _LEAST_BETA
    alpha, sigma = math.exp(log_alpha), math.sqrt(-math.expm1(2 * log_alpha))
    return sigma / (alpha + sigma)


def _linear_draw(noise: Noise, shift: float, widen: float) -> Tensor:
    time = noise.uniform((), "time")
    log_alpha = -0.25 * time.square() * _BETA_RANGE - 0.5 * time * _LEAST_BETA
    alpha, sigma = log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()
    return sigma / (alpha + sigma)


def _linear_told(t: Tensor, deviation: float) -> Told:
    alpha, sigma = _unit(t)
    # the time at which alpha is what it is: the root of a quadratic equation
    nats = torch.log1p((t / (1 - t)).square()) / 2
    half = _LEAST_BETA / 2
    out = 1 / (1 - t)
    return Told(alpha + sigma, 2 * nats / (half + (half**2 + _BETA_RANGE * nats).sqrt()), -out, out)


def _edm_times(steps: int) -> list[float]:
    least, most = (sigma ** (1 / _RHO) for sigma in _SIGMAS)
    sigmas = [(most + i / max(1, steps - 1) * (least - most)) ** _RHO for i in range(steps)]
    return [*(sigma / (1 + sigma) for sigma in sigmas), 0.0]


def _edm_told(t: Tensor, deviation: float) -> Told:
    square = t.square() + (deviation * (1 - t)).square()
    sigma = (t / (1 - t)).clamp(min=_SIGMAS[0])
    # c_in, c_noise, c_skip and c_out for sigma = t / (1 - t) and x_t / (1 - t)
    return Told(square.rsqrt(), sigma.log() / 4, (t - deviation**2 * (1 - t)) / square, -deviation * square.rsqrt())


PATHS: dict[str, Path] = {
    "flow": Path(1.0, _sigmoid_normal(0.0, 1.0), _flow_times, normal=True),
    "cosine": Path(1.0, _cosine_draw, _cosine_times, _cosine_told),
    "linear": Path(_linear_level(1.0), _linear_draw, lambda steps: [_linear_level(1 - i / steps) for i in range(steps + 1)], _linear_told),
    "edm": Path(_SIGMAS[1] / (1 + _SIGMAS[1]), _sigmoid_normal(-1.2, 1.2), _edm_times, _edm_told, normal=True),
}
"""flow: Lipman et al. 2022, times as Esser et al. 2024, section 3.1. cosine: Nichol, Dhariwal 2021, arXiv:2102.09672, in continuous time,
and the net says v (Salimans, Ho 2022, arXiv:2202.00512, section 4). linear: DDPM (Ho et al. 2020, arXiv:2006.11239), the noise is said.
edm: Karras et al. 2022, arXiv:2206.00364, eq. 7 and table 1; its loss weight makes that of F one."""

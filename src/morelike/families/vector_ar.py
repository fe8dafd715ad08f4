"""Vector autoregression: each step is a linear function of the last ones and Gaussian noise. In closed form.

B batch, C channels, T steps, P the most lags that are tried, p those that are taken. Sums are kept in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..core.abilities import Condition, Density, Infills, check_known
from ..core.contract import Batch, Generator, Learner, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements

_MOST = 2048
"""Numbers of a window whose joint covariance is held."""
_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class VectorARSettings:
    """How far back it looks. Raises BadInput for a number out of its range."""

    lags: int = 8
    """At most so many; as many are taken as the Bayesian information criterion likes best."""
    ridge: float = 1e-3
    """What is added to the variance of every lag: constant and equal channels are no trouble."""

    def __post_init__(self) -> None:
        check_ranges(self, lags=(1, 256), ridge=(1e-12, 1e6))


class VectorAR(Generator, Density, Infills):
    """x_t = a + A_1 x_{t-1} + ... + A_p x_{t-p} + noise (Sims 1980; Lütkepohl 2005, New introduction to multiple time series analysis,
    sections 3.2 and 4.3), the first p steps by the Gaussian of the windows' first p steps. So a window is one Gaussian, and what is missing
    of it is drawn exactly, whatever is known."""

    Settings = VectorARSettings
    settings: VectorARSettings
    spec: Array
    tight: Literal["exact", "bound", "estimate"] = "exact"
    count: Tensor
    total: Tensor
    squares: Tensor
    mean: Tensor
    factor: Tensor
    order: Tensor

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.channels, self.length = spec.shape[0], spec.shape[1]
        self.lags = max(1, min(self.settings.lags, self.length - 1, 256 // self.channels or 1))
        size = (self.lags + 1) * self.channels + 1
        double = torch.float64
        self.register_buffer("count", torch.zeros(2, dtype=double))
        self.register_buffer("total", torch.zeros(self.lags * self.channels, dtype=double))
        self.register_buffer("first", torch.zeros(self.lags * self.channels, self.lags * self.channels, dtype=double))
        self.register_buffer("squares", torch.zeros(size, size, dtype=double))
        self.register_buffer("mean", torch.zeros(elements(spec), dtype=double))
        self.register_buffer("factor", torch.eye(elements(spec), dtype=double))
        self.register_buffer("order", torch.zeros((), dtype=torch.int64))
        self.first: Tensor

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array) or len(spec.shape) != 2 or spec.bin or spec.shape[1] < 2:
            return "it goes through series of real numbers, step by step"
        if elements(spec) > _MOST:
            return f"it holds the covariance of a whole window, at most {_MOST:,} numbers, and one window has {elements(spec):,}"
        return "it takes no conditions: use --condition none" if conditions else None

    def players(self) -> list[Player | Learner]:
        return [Learner("moments", self._see, self._settle)]

    def _see(self, batch: Batch) -> Terms:
        steps = batch.data.transpose(1, 2).double()
        begin = steps[:, : self.lags].flatten(1)
        self.count[0] += len(begin)
        self.total += begin.sum(0)
        self.first.addmm_(begin.T, begin)
        # a row: 1, the step before, the one before that, ..., and the step itself
        past = [steps[:, self.lags - lag : self.length - lag] for lag in range(1, self.lags + 1)]
        row = torch.cat((torch.ones_like(past[0][..., :1]), *past, steps[:, self.lags :]), 2).flatten(0, 1)
        self.count[1] += len(row)
        self.squares.addmm_(row.T, row)
        return {"seen": torch.ones(batch.size)}

    def _settle(self) -> bool:
        found = {lags: self._regression(lags) for lags in range(1, self.lags + 1)}
        own = min(found, key=lambda lags: self._criterion(found[lags][1], lags))
        coefficients, noise = found[own]
        self.order.fill_(own)
        size = own * self.channels
        mean = self.total[:size] / self.count[0]
        covariance = self.first[:size, :size] / self.count[0] - mean[:, None] * mean
        whole, factor = self._window(coefficients, _root(noise), mean, _root(covariance))
        self.mean.copy_(whole)
        self.factor.copy_(factor)
        return True

    def _regression(self, lags: int) -> tuple[Tensor, Tensor]:
        """(coefficients (1 + lags C, C), covariance of the residuals (C,C))."""
        size, moments = 1 + lags * self.channels, self.squares / self.count[1].clamp(min=1)
        inputs, both, outputs = moments[:size, :size], moments[:size, -self.channels :], moments[-self.channels :, -self.channels :]
        ridge = torch.full((size,), self.settings.ridge, dtype=torch.float64)
        ridge[0] = 1e-12
        found = torch.linalg.solve(inputs + ridge.diag(), both)
        residual = outputs - both.T @ found - found.T @ both + found.T @ inputs @ found
        return found, (residual + residual.T) / 2 + _FLOOR * torch.eye(self.channels, dtype=torch.float64)

    def _criterion(self, noise: Tensor, lags: int) -> float:
        """Bayesian information criterion (Lütkepohl 2005, eq. 4.3.9)."""
        count = max(2.0, float(self.count[1]))
        return float(torch.logdet(noise)) + math.log(count) / count * lags * self.channels**2

    def _window(self, coefficients: Tensor, noise: Tensor, mean: Tensor, begin: Tensor) -> tuple[Tensor, Tensor]:
        """(mean (T C,), lower factor (T C, T C)) of a window step by step: x = mean + factor e, e unit normal."""
        channels, size = self.channels, len(mean)
        whole, factor = torch.zeros_like(self.mean), torch.zeros_like(self.factor)
        whole[:size], factor[:size, :size] = mean, begin
        for place in range(size, len(whole), channels):
            here = slice(place, place + channels)
            for lag in range(1, size // channels + 1):
                there = slice(place - lag * channels, place - (lag - 1) * channels)
                matrix = coefficients[1 + (lag - 1) * channels : 1 + lag * channels].T
                whole[here] += matrix @ whole[there]
                factor[here] += matrix @ factor[there]
            whole[here] += coefficients[0]
            factor[here, here] = noise
        return whole, factor

    def _rows(self, x: Tensor) -> Tensor:
        """(B, T C) float64 of x (B,C,T), less the mean."""
        return x.transpose(1, 2).flatten(1).double() - self.mean

    def _series(self, rows: Tensor) -> Tensor:
        """(B,C,T) of such rows."""
        return (rows + self.mean).view(-1, self.length, self.channels).transpose(1, 2).float()

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """Exact; `noise` is not used."""
        apart = torch.linalg.solve_triangular(self.factor, self._rows(x).T, upper=False)
        constant = self.factor.diagonal().log().sum() + 0.5 * elements(self.spec) * math.log(2 * math.pi)
        nats: Tensor = -0.5 * apart.square().sum(0) - constant
        return nats.float()

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        return self._series(noise.normal((elements(self.spec),), "steps").double() @ self.factor.T)

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Exact for any mask: a free draw, moved by what the known part of it is off (Matheron's rule; Doucet 2010, A note on efficient
        conditional simulation of Gaussian distributions). Raises BadInput for another shape, and for known values that are none."""
        shape = (noise.size, *self.spec.shape)
        check_known(x, known, shape)
        free = noise.normal((elements(self.spec),), "steps").double() @ self.factor.T
        masks, which = torch.unique(known.transpose(1, 2).flatten(1), dim=0, return_inverse=True)
        apart = torch.where(known.transpose(1, 2).flatten(1), self._rows(x.nan_to_num()) - free, 0.0)
        for number, mask in enumerate(masks):
            rows = which == number
            if bool(mask.any()):
                own = self.factor[mask]
                inner = own @ own.T + _FLOOR**2 * torch.eye(len(own), dtype=torch.float64)
                free[rows] += torch.linalg.solve(inner, apart[rows][:, mask].T).T @ own @ self.factor.T
        return torch.where(known, x, self._series(free))


def _root(covariance: Tensor) -> Tensor:
    """The lower factor of a covariance, of a floor where it is singular."""
    lower: Tensor = torch.linalg.cholesky(covariance + _FLOOR * torch.eye(len(covariance), dtype=covariance.dtype))
    return lower

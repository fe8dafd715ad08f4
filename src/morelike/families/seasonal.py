"""The seasonal forecast that costs nothing: what was one period ago, and noise. B batch, C channels, T steps, M windows kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition, Infills, check_known
from ..core.contract import Batch, Generator, Learner, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec
from ..maths.reservoir import keep

_DIP = 0.9
"""A period's differences are so much smaller than the largest at a smaller lag, or it is none."""

_ALIKE = 0.05


@dataclass(frozen=True, slots=True)
class SeasonalNaiveSettings:
    """Raises BadInput for a number out of its range."""

    period: int = 0
    """Steps after which things come back; 0 = found in the data, 1 where nothing comes back."""
    keep: int = 5_000
    """Training windows of which the first period is drawn."""

    def __post_init__(self) -> None:
        check_ranges(self, period=(0, 1 << 20), keep=(1, 1 << 20))


class SeasonalNaive(Generator, Infills):
    """x_t = x_{t-p} + noise (Hyndman, Athanasopoulos 2021, Forecasting: principles and practice, section 5.2), the noise of each channel
    as large as such differences are. With a period of 1 it is a random walk. What is known after a gap has no say in the gap."""

    Settings = SeasonalNaiveSettings
    settings: SeasonalNaiveSettings
    spec: Array
    items: Tensor
    keys: Tensor
    apart: Tensor
    count: Tensor
    period: Tensor

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        channels, length = spec.shape
        most = max(1, min(self.settings.keep, (1 << 27) // (4 * channels * length)))
        self.register_buffer("items", torch.zeros(most, channels, length))
        self.register_buffer("keys", torch.full((most,), torch.inf))
        self.register_buffer("apart", torch.zeros(channels, length, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("period", torch.ones((), dtype=torch.int64))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array) or len(spec.shape) != 2 or spec.bin or spec.shape[1] < 2:
            return "it goes through series of real numbers, step by step"
        return "it takes no conditions: use --condition none" if conditions else None

    def players(self) -> list[Player | Learner]:
        return [Learner("differences", self._see, self._settle)]

    def _see(self, batch: Batch) -> Terms:
        x = batch.data
        keep(self.items, self.keys, x, batch.noise.uniform((), "keep"))
        wide = x.double()
        for lag in range(1, x.shape[2]):
            self.apart[:, lag] += (wide[..., lag:] - wide[..., :-lag]).square().mean(2).sum(0)
        self.count += len(x)
        return {"seen": torch.ones(batch.size)}

    def _settle(self) -> bool:
        """The period: the first of the deepest dips of the mean squared difference over lags, of all channels together."""
        mean = self.apart / self.count.clamp(min=1)
        each = mean / mean.max(1, keepdim=True).values.clamp(min=1e-12)
        whole, length = each.mean(0), self.spec.shape[1]
        dips = [
            lag for lag in range(2, length - 1)
            if whole[lag] <= whole[lag - 1] and whole[lag] < whole[lag + 1] and whole[lag] < _DIP * float(whole[1:lag].max())
        ]  # fmt: skip
        deepest = min((float(whole[lag]) for lag in dips), default=0.0)
        # twice a period is none
        found = next((lag for lag in dips if whole[lag] <= deepest + _ALIKE), 1)
        self.period.fill_(min(self.settings.period or found, length - 1))
        return True

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        x = torch.zeros(noise.size, *self.spec.shape, device=noise.index.device)
        return self.infill(x, torch.zeros_like(x, dtype=torch.bool), condition, noise=noise)

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """From left to right. Raises BadInput for another shape, and for known values that are none."""
        shape = (noise.size, *self.spec.shape)
        check_known(x, known, shape)
        period, kept = int(self.period), self.keys.isfinite().nonzero()[:, 0]
        kept = kept if len(kept) else torch.zeros(1, dtype=torch.int64, device=kept.device)
        size = (self.apart[:, period] / self.count.clamp(min=1)).sqrt().float()
        out = self.items[kept[(noise.uniform((), "begin") * len(kept)).long()]].clone()
        added = noise.normal(self.spec.shape, "added") * size[:, None]
        for step in range(shape[2]):
            if step >= period:
                out[..., step] = out[..., step - period] + added[..., step]
            out[..., step] = torch.where(known[..., step], x[..., step], out[..., step])
        return out

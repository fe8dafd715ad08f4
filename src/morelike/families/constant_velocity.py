"""Who walks on as before, a little turned and a little faster or slower: the baseline of motion. B batch, P = 2, T steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Generator, Learner, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements

PAST = "past"
_SLOWEST = 0.05
"""Share of the usual speed below which a turn or a ratio of speeds means nothing."""


@dataclass(frozen=True, slots=True)
class ConstantVelocitySettings:
    """What isn't learnt from the data."""

    angle: float = 0.0
    """Standard deviation of the turn in degrees; 0 = as in training. Published: 25."""
    speed: float = 0.0
    """Standard deviation of the logarithm of the speeds' ratio; 0 = as in training."""

    def __post_init__(self) -> None:
        check_ranges(self, angle=(0, 180), speed=(0, 10))


class ConstantVelocity(Generator):
    """Schöller, Aravantinos, Lay, Knoll 2020, arXiv:1903.07933: the last velocity held, turned by one normal angle (section IV), here
    times one log-normal factor too; both spreads are maximum-likelihood estimates from how the mean velocity of what follows differs
    from the last. Without a condition `past` the last velocity is the mean of the training moves."""

    Settings = ConstantVelocitySettings
    settings: ConstantVelocitySettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.steps = elements(spec) // 2
        told = conditions.get(PAST)
        self.has_past = isinstance(told, Array) and len(told.shape) == 2 and told.shape[0] == 2
        # count, sums of moves (2), count of turns, sums of squared turns and of squared logarithms
        self.register_buffer("sums", torch.zeros(6, dtype=torch.float64))
        self.register_buffer("mean", torch.tensor([1.0, 0.0]))
        self.register_buffer("spread", torch.tensor([math.radians(25), 0.0]))
        self.sums: Tensor
        self.mean: Tensor
        self.spread: Tensor

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array) or spec.shape[0] != 2 or len(spec.shape) > 2:
            return "constant-velocity makes moves in a plane, arrays of the shape (2, steps)"
        return None

    def players(self) -> list[Player | Learner]:
        return [Learner("noise", self._see, self._settle)]

    def _see(self, batch: Batch) -> Terms:
        ahead = batch.data.view(batch.size, 2, -1).mean(2).double()
        last = self._last(batch.condition, batch.given, batch.size).double()
        speed, before = ahead.norm(dim=1), last.norm(dim=1)
        known = (speed > _SLOWEST) & (before > _SLOWEST)
        turn = torch.atan2(last[:, 0] * ahead[:, 1] - last[:, 1] * ahead[:, 0], (last * ahead).sum(1))
        ratio = (speed.clamp(min=_SLOWEST) / before.clamp(min=_SLOWEST)).log()
        own = torch.stack((turn.square()[known].sum(), ratio.square()[known].sum()))
        counts = torch.tensor([batch.size, 0.0], dtype=torch.float64, device=ahead.device)
        self.sums += torch.cat((counts[:1], ahead.sum(0), known.sum()[None].double(), own))
        return {"seen": torch.ones(batch.size, device=ahead.device)}

    def _settle(self) -> bool:
        self.mean.copy_(self.sums[1:3] / self.sums[0].clamp(min=1))
        self.spread.copy_((self.sums[4:] / self.sums[3].clamp(min=1)).sqrt())
        self.sums.zero_()
        return True

    def _last(self, condition: Condition, given: Any, size: int) -> Tensor:
        """(B,2) the last velocity."""
        mean = self.mean.expand(size, -1)
        if not self.has_past or not condition or PAST not in condition:
            return mean
        last = condition[PAST][..., -1]
        return last if given is None else torch.where(given[PAST][:, None], last, mean)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        last = self._last(condition, None, noise.size)
        drawn = noise.normal((2,), "noise").to(last)
        angle = drawn[:, 0] * (math.radians(self.settings.angle) or self.spread[0])
        factor = torch.exp(drawn[:, 1] * (self.settings.speed or self.spread[1]))
        turned = torch.stack((last[:, 0] * angle.cos() - last[:, 1] * angle.sin(), last[:, 0] * angle.sin() + last[:, 1] * angle.cos()), 1)
        return (turned * factor[:, None])[..., None].expand(-1, -1, self.steps).reshape(noise.size, *self.spec.shape)

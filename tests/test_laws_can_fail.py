"""Each law convicts a family that breaks it: a check that can't fail would be worse than none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morelike.core.abilities import Condition, Denoises, Density
from morelike.core.contract import Batch, Generator, Learner, Optim, Player, Terms
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, Spec
from morelike.testing import check_generator


@dataclass(frozen=True)
class Nothing:
    """No settings."""


class Honest(Generator, Density):
    """A Gaussian with a learned mean: keeps every law."""

    Settings = Nothing
    tight = "exact"

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any, parts: Any, settings: Any) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.mean, self.other = nn.Parameter(torch.zeros(spec.shape)), nn.Parameter(torch.ones(1))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) and spec.shape == (2,) else "two numbers only"

    def players(self) -> list[Player | Learner]:
        return [Player("mean", [self.mean], self._loss), Player("other", [self.other], self._other)]

    def _loss(self, batch: Batch) -> Terms:
        return {"loss": (self.mean - batch.data).square().sum(1)}

    def _other(self, batch: Batch) -> Terms:
        return {"loss": (self.other - batch.data).square().sum(1)}

    def sample(self, condition: Mapping[str, Tensor] | None = None, *, noise: Noise, **dials: Any) -> Tensor:
        return self.mean + noise.normal(self.spec.shape)

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        return torch.distributions.Normal(self.mean, 1.0).log_prob(x).sum(1)


class Leaks(Honest):
    def players(self) -> list[Player | Learner]:
        return [Player("mean", [self.mean, self.other], self._loss), Player("other", [self.other], self._other)]


class Orphan(Honest):
    def players(self) -> list[Player | Learner]:
        return super().players()[:1]


class Mixes(Honest):
    def _loss(self, batch: Batch) -> Terms:
        return {"loss": (self.mean - batch.data + batch.data.mean(0)).square().sum(1)}


class Averages(Honest):
    def _loss(self, batch: Batch) -> Terms:
        return {"loss": super()._loss(batch)["loss"].mean()}


class Forgets(Honest):
    """Counts outside its buffers, so a resumed run differs."""

    steps = 1

    def _loss(self, batch: Batch) -> Terms:
        return {"loss": super()._loss(batch)["loss"] * self.steps}

    def _count(self, batch: Batch) -> None:
        self.steps += 1

    def players(self) -> list[Player | Learner]:
        sgd = Optim(name="sgd", clip=0.0)
        return [replace(p, optim=sgd, after=self._count) for p in super().players() if isinstance(p, Player)]


class Consumes(Honest):
    def sample(self, condition: Mapping[str, Tensor] | None = None, *, noise: Noise, **dials: Any) -> Tensor:
        return self.mean + torch.randn(noise.size, *self.spec.shape)


class Stuck(Honest):
    def sample(self, condition: Mapping[str, Tensor] | None = None, *, noise: Noise, **dials: Any) -> Tensor:
        return self.mean.expand(noise.size, -1)


class Overcounts(Honest):
    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        return super().log_prob(x) + 0.2


class Disturbs(Honest, Denoises):
    def denoise(self, x_t: Tensor, t: Tensor, condition: Condition = None) -> Tensor:
        return 0.9 * x_t


class Hides(Honest):
    """Part of what it learned is not saved."""

    hidden: Tensor

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.register_buffer("hidden", torch.zeros(2), persistent=False)

    def _show(self, batch: Batch) -> None:
        self.hidden.copy_(batch.data.mean(0))

    def players(self) -> list[Player | Learner]:
        return [replace(p, after=self._show) for p in super().players() if isinstance(p, Player)]

    def sample(self, condition: Mapping[str, Tensor] | None = None, *, noise: Noise, **dials: Any) -> Tensor:
        return super().sample(condition, noise=noise) + self.hidden


def test_the_honest_one_passes() -> None:
    check_generator("honest", family=Honest)


@pytest.mark.parametrize(
    ("family", "law"),
    [
        (Leaks, "two owners"),
        (Orphan, "no owner"),
        (Mixes, "neighbours"),
        (Averages, "one value per example"),
        (Forgets, "stopped and resumed"),
        (Consumes, "neighbours in the batch"),
        (Stuck, "all samples are the same"),
        (Overcounts, "sums to"),
        (Disturbs, "identity"),
        (Hides, "saved and loaded"),
    ],
)
def test_a_broken_family_is_convicted(family: type[Generator], law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_generator(family.__name__, family=family)

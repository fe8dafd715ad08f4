"""TimeGAN: a game in the space of an autoencoder's steps, with a net that learns how steps follow each other.

B batch, C channels, T steps, L noise numbers a step, H numbers of a step's code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Condition, Prior
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec

_SPREAD_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class TimeGANSettings:
    """The codes, the weights and the phases. Raises BadInput for a number out of its range."""

    latent: int = 0
    """Noise numbers a step; 0 = as many as channels."""
    code: int = 24
    """Numbers of a step's code."""
    supervised: float = 10.0
    """eta: weight of following the next step (paper, eq. 11; its program takes the root of 100 times it)."""
    moments: float = 100.0
    """Weight of the distance of means and deviations of the batch (its program)."""
    embed: float = 0.25
    """Share of the run in which only the autoencoder learns."""
    follow: float = 0.25
    """Share after it in which the next step is learnt too, before the game begins."""
    lr: float = 1e-3

    def __post_init__(self) -> None:
        check_ranges(
            self, latent=(0, 1 << 12), code=(1, 1 << 12), supervised=(0, 1e6), moments=(0, 1e6), embed=(0.01, 0.45), follow=(0.01, 0.45)
        )


class TimeGAN(Generator, Prior):
    """Yoon, Jarrett, van der Schaar 2019, Time-series generative adversarial networks (NeurIPS): embedder and recovery (eq. 7), a
    supervisor that says the next code (eq. 9), a generator and a critic of codes (eq. 8), in three phases.

    Departures: noise is Gaussian, data come standardised and are recovered without a sigmoid, the critic is trained at each step.
    """

    Settings = TimeGANSettings
    settings: TimeGANSettings
    spec: Array

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array((self.settings.latent or spec.shape[0], spec.shape[1]))
        self.begins = self.settings.embed + self.settings.follow

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        signal = isinstance(spec, Array) and len(spec.shape) == 2 and spec.shape[1] > 1
        return None if signal else "it goes through series of real numbers, step by step"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: TimeGANSettings) -> dict[str, Net]:
        channels, length = spec.shape
        kind, code = {"kind": "cells"}, Array((settings.code, length))
        return {
            "embedder": Net("encoder", spec, code, kind),
            "recovery": Net("decoder", code, spec, kind),
            "generator": Net("decoder", Array((settings.latent or channels, length)), code, kind),
            "supervisor": Net("translator", code, code, {**kind, "depth": 1}),
            "critic": Net("critic", code, Array((1,)), kind),
        }

    def players(self) -> list[Player | Learner]:
        own, optim = self.settings, Optim("adam", lr=self.settings.lr, clip=1.0, schedule="linear")
        follows = (*self.nets["supervisor"].parameters(), *self.nets["generator"].parameters())
        coder = (*self.nets["embedder"].parameters(), *self.nets["recovery"].parameters())
        return [
            Player("autoencoder", list(coder), self._coder_loss, optim=optim),
            Player("critic", list(self.nets["critic"].parameters()), self._critic_loss, optim=optim, during=(self.begins, 1.0)),
            Player("generator", list(follows), self._generator_loss, coupled=True, optim=optim, during=(own.embed, 1.0)),
        ]

    # codes

    def _code(self, x: Tensor, batch: Batch) -> Tensor:
        """(B,H,T) in (0, 1)."""
        return torch.sigmoid(self.nets["embedder"](x, batch.condition, batch.given).float())

    def _next(self, code: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,H,T): at each step the code that is to follow it."""
        return torch.sigmoid(self.nets["supervisor"](code, condition, given).float())

    def _made(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(codes as the generator makes them, as the supervisor corrects them), (B,H,T) each."""
        raw = torch.sigmoid(self.nets["generator"](z, condition, given).float())
        return raw, self._next(raw, condition, given)

    def _unfollowed(self, code: Tensor, batch: Batch) -> Tensor:
        """(B,) squared error of the next code (eq. 9)."""
        return (self._next(code, batch.condition, batch.given)[..., :-1] - code[..., 1:]).square().flatten(1).mean(1)

    # the game

    def _coder_loss(self, batch: Batch) -> Terms:
        code = self._code(batch.data, batch)
        again = self.nets["recovery"](code, batch.condition, batch.given).float()
        error = (again - batch.data).square().flatten(1).mean(1)
        told = 0.1 * self._unfollowed(code, batch) if batch.progress >= self.begins else 0.0
        return {"loss": error + told, "reconstruction": error.detach()}

    def _critic_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            real = self._code(batch.data, batch)
            raw, made = self._made(self.prior(batch.noise), batch.condition, batch.given)
        real_logit, made_logit, raw_logit = (self._judge(code, batch) for code in (real, made, raw))
        return {
            "loss": F.softplus(-real_logit) + F.softplus(made_logit) + F.softplus(raw_logit),
            "real-accuracy": (real_logit > 0).float(),
            "fake-accuracy": (made_logit < 0).float(),
        }

    def _judge(self, code: Tensor, batch: Batch) -> Tensor:
        logit: Tensor = self.nets["critic"](code, batch.condition, batch.given).float()
        return logit

    def _generator_loss(self, batch: Batch) -> Terms:
        own = self.settings
        with torch.no_grad():
            real = self._code(batch.data, batch)
        follow = self._unfollowed(real, batch)
        if batch.progress < self.begins:
            return {"loss": follow}
        raw, made = self._made(self.prior(batch.noise), batch.condition, batch.given)
        game = F.softplus(-self._judge(made, batch)) + F.softplus(-self._judge(raw, batch))
        moments = apart(self.nets["recovery"](made, batch.condition, batch.given).float(), batch.data)
        return {"loss": game + own.supervised * (follow + 1e-12).sqrt() + own.moments * moments, "next": follow.detach()}

    # drawing

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L, T), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,C,T) from (B,L,T)."""
        told, given = all_given(condition)
        x: Tensor = self.nets["recovery"](self._made(z, told, given)[1], told, given).float()
        return x

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        return self.decode(self.prior(noise), condition)


def apart(made: Tensor, real: Tensor) -> Tensor:
    """() mean distance of means and of deviations over the batch, of each channel and step of (B,C,T)."""
    means = (made.mean(0) - real.mean(0)).abs().mean()
    spreads = [(x.var(0, unbiased=False) + _SPREAD_FLOOR).sqrt() for x in (made, real)]
    return means + (spreads[0] - spreads[1]).abs().mean()

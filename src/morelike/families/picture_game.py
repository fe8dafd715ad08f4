"""What `progressive` and `stylegan2` share: two players over pictures that grow from a small grid.

B batch, C channels, H W rows and columns, L latent dimensions. The critic's logit is high for real.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Prior
from ..core.contract import Batch, Generator, Learner, Optim, Player, Terms
from ..core.errors import UnknownName
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from ..maths.augment import diff_augment
from ..maths.penalty import one_centred, zero_centred
from ..nets.equal import SMALLEST
from .gan import LOSSES

_GROUP = 4
"""Rows that a critic compares: those that pay penalties come in whole groups."""


@dataclass(frozen=True, slots=True)
class GameSettings:
    """The game. Raises UnknownName for an unknown loss, BadInput for a number out of its range."""

    latent: int = 64
    loss: str = "non-saturating"
    """A name of `families.gan.LOSSES`."""
    r1: float = 0.05
    """Weight gamma of the critic's squared gradient at real pictures, per 64 elements."""
    penalty: float = 0.0
    """Weight of the distance of the gradient's norm from 1, between real and made."""
    drift: float = 0.0
    """Weight of the critic's squared logit at real pictures, which keeps it near 0 (Karras et al. 2018, appendix A.1: 0.001)."""
    paying: float = 0.25
    """Share of the rows that pay r1 and penalty, weighted up so that the mean stays the same (lazily: Karras et al. 2020, appendix B)."""
    augment: float = 0.0
    """Share of the pictures that each kind of differentiable augmentation changes before the critic sees them."""
    lr: float = 2e-3
    """The generator's learning rate."""
    critic_lr: float = 2e-3

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UnknownName("adversarial loss", self.loss, LOSSES)
        check_ranges(
            self, latent=(1, 1 << 16), r1=(0, 1e6), penalty=(0, 1e6), drift=(0, 1e6), paying=(1e-3, 1), augment=(0, 1)
        )


class PictureGame(Generator, Prior):
    """A critic and a generator with a loss of `LOSSES`; the critic sees how much a few examples differ, so both losses are coupled."""

    settings: Any
    """`GameSettings`, or more."""

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array((self.settings.latent,))
        self.bounded = isinstance(spec, Array) and spec.bin > 0
        self.adversarial = LOSSES[self.settings.loss]
        self.gamma = self.settings.r1 * elements(spec) / 64

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array) or len(spec.shape) != 3:
            return "it grows pictures, and these examples are none"
        if min(spec.shape[1:]) < SMALLEST:
            return f"its pictures grow from a grid of 4 x 4, so both sides must be at least {SMALLEST} pixels, not {_sides(spec)}"
        return None

    def game(self, generator_loss: Any, after: Any) -> list[Player | Learner]:
        """The two players: Adam with beta of 0 and 0.99 (Karras et al. 2018, appendix A.1)."""
        own, nets = self.settings, self.nets
        optim = Optim("adam", lr=own.lr, betas=(0.0, 0.99), schedule="cosine", clip=0.0)
        quick = replace(optim, lr=own.critic_lr)
        return [
            Player("critic", list(nets["critic"].parameters()), self.critic_loss, coupled=True, optim=quick),
            Player(
                "generator", list(nets["generator"].parameters()), generator_loss, sees_data=self.adversarial.relative, coupled=True,
                optim=optim, after=after,
            ),
        ]  # fmt: skip

    @abstractmethod
    def judge(self, x: Tensor, batch: Batch) -> Tensor:
        """(B,) logits of pictures as `drawn` and `seen` give them."""

    @abstractmethod
    def drawn(self, batch: Batch) -> Tensor:
        """(B,C,H,W) made in training, of the batch's noise and conditions."""

    @abstractmethod
    def seen(self, batch: Batch) -> Tensor:
        """(B,C,H,W) the batch's data, of the same size as what is drawn."""

    def _shown(self, x: Tensor, noise: Noise) -> Tensor:
        return diff_augment(x, noise, torch.tensor(self.settings.augment, device=x.device)) if self.settings.augment else x

    def critic_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            real = self._shown(self.seen(batch), batch.noise.under("real"))
            made = self._shown(self.drawn(batch), batch.noise.under("made"))
        # one after the other: the critic compares examples, and must not compare real with made
        real_logit, made_logit = self.judge(real, batch), self.judge(made, batch)
        penalty = self._penalty(real, made, batch)
        middle = self.adversarial.middle
        return {
            "loss": self.adversarial.critic(real_logit, made_logit) + self.settings.drift * real_logit.square() + penalty,
            "real-accuracy": (real_logit > (made_logit if middle is None else middle)).float(),
            "fake-accuracy": (made_logit < (real_logit if middle is None else middle)).float(),
            "real-logit": real_logit.detach(),
            "fake-logit": made_logit.detach(),
            "gradient-penalty": penalty.detach(),
        }

    def _penalty(self, real: Tensor, made: Tensor, batch: Batch) -> Tensor:
        """(B,) what the first rows pay for the critic's gradient, divided by their share; 0 for the others."""
        rows = first_rows(batch.size, self.settings.paying)
        own, paid = batch[rows], torch.zeros(len(rows), device=real.device)
        if self.gamma:
            paid = paid + self.gamma / 2 * zero_centred(lambda x: self.judge(x, own), real[rows])
            if self.adversarial.relative:
                paid = paid + self.gamma / 2 * zero_centred(lambda x: self.judge(x, own), made[rows])
        if self.settings.penalty:
            between = torch.lerp(real[rows], made[rows], own.noise.uniform((1, 1, 1), "between"))
            paid = paid + self.settings.penalty * one_centred(lambda x: self.judge(x, own), between)
        return weighted_up(paid, batch.size)

    def generator_loss(self, batch: Batch) -> Terms:
        logit = self.judge(self._shown(self.drawn(batch), batch.noise.under("made")), batch)
        if self.adversarial.relative:
            with torch.no_grad():
                logit = logit - self.judge(self._shown(self.seen(batch), batch.noise.under("real")), batch)
        return {"loss": self.adversarial.generator(logit)}

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")


def first_rows(count: int, share: float) -> Tensor:
    """The numbers of about `share` of `count` rows, in whole groups: the first ones, for the order of the data is random."""
    return torch.arange(min(count, max(1, round(share * count / _GROUP)) * _GROUP))


def weighted_up(paid: Tensor, count: int) -> Tensor:
    """(count,) what the first rows pay (R,), times count / R, and 0 for the others: the mean stays the same."""
    return torch.cat((paid * (count / len(paid)), paid.new_zeros(count - len(paid))))


def _sides(spec: Array) -> str:
    return " x ".join(str(size) for size in spec.shape[1:])

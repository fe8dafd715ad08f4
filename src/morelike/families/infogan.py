"""InfoGAN: some of the latent numbers are codes that must be readable from the picture, so that they come to mean something.

B batch, * the example's shape, Z noise numbers, K values of the one categorical code, R continuous codes, L = Z + K + R, W features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.contract import Batch, Learner, Net, Optim, Player, Remedy, Terms, all_given
from ..core.errors import BadInput
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec
from ..maths.penalty import zero_centred
from .gan import LOSSES
from .one_pass import MOST_GRADIENT, OnePass, in_blocks, stronger


@dataclass(frozen=True, slots=True)
class InfoGANSettings:
    """The codes, and how much they count. Raises BadInput where there is none."""

    latent: int = 62
    """Numbers of noise beside the codes."""
    categories: int = 10
    """Values of the categorical code; 0 = there is none."""
    continuous: int = 2
    """Continuous codes, even in (-1, 1)."""
    weight: float = 1.0
    """lambda of the categorical code (section 7 of the paper)."""
    continuous_weight: float = 0.1
    """lambda of the continuous ones."""
    r1: float = 0.2
    """As for `dcgan`."""
    lr: float = 1e-3
    critic_lr: float = 2e-3

    def __post_init__(self) -> None:
        check_ranges(self, latent=(1, 1 << 16), weight=(0, 1e6), continuous_weight=(0, 1e6), r1=(0, 1e6))
        if self.categories == 1 or self.categories + self.continuous < 1:
            raise BadInput("infogan needs a code: categories of at least 2, or continuous of at least 1")


class InfoGAN(OnePass):
    """Chen et al. 2016, arXiv:1606.03657: a GAN, and a head Q on the critic's features that reads the codes of a made example.

    Both players raise the bound on the mutual information (eq. 4 and 6); critic and Q are one player, which owns their trunk.
    Departures: the loss doesn't saturate, the critic pays the R1 penalty, and no net has a batch norm.
    """

    Settings = InfoGANSettings
    settings: InfoGANSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        own = self.settings
        self.latent = Array((_latent(own),))
        critic: Any = self.nets["critic"]
        self.reader = nn.Sequential(
            nn.Linear(critic.width, critic.width), nn.LeakyReLU(0.2), nn.Linear(critic.width, own.categories + 2 * own.continuous)
        )

    def make(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """The codes reach the generator as loud as the noise: a one-hot number has a deviation of about 1 / sqrt(K), an even one of
        1 / sqrt(3)."""
        own = self.settings
        noise, category, codes = torch.split(z, [own.latent, own.categories, own.continuous], 1)
        return super().make(torch.cat((noise, math.sqrt(max(1, own.categories)) * category, math.sqrt(3) * codes), 1), condition, given)

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: InfoGANSettings) -> dict[str, Net]:
        latent, kind = Array((_latent(settings),)), in_blocks(spec, conditions)
        return {"critic": Net("critic", spec, Array((1,)), kind), "generator": Net("decoder", latent, spec, kind)}

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, betas=(0.5, 0.99), clip=MOST_GRADIENT)
        critic = [*self.nets["critic"].parameters(), *self.reader.parameters()]
        return [
            Player("critic", critic, self._critic_loss, optim=replace(optim, lr=self.settings.critic_lr)),
            Player("generator", list(self.nets["generator"].parameters()), self._generator_loss, sees_data=False, optim=optim),
        ]

    def remedies(self) -> list[Remedy]:
        return [stronger("r1", self.settings.r1)]

    def _judge(self, x: Tensor, batch: Batch) -> Tensor:
        logit: Tensor = self.nets["critic"](x, batch.condition, batch.given).float()
        return logit

    def _read(self, x: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Q: logits (B,K) of the category, mean and log variance (B,R) of the continuous codes."""
        critic: Any = self.nets["critic"]
        out = self.reader(critic.embed(x, batch.condition, batch.given)).float()
        own = self.settings
        logits, mean, log_variance = torch.split(out, [own.categories, own.continuous, own.continuous], 1)
        return logits, mean, log_variance.clamp(-6.0, 2.0)

    def _information(self, x: Tensor, z: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B,) nats each: the bounds on the information that x keeps of its categorical and of its continuous codes."""
        own = self.settings
        logits, mean, log_variance = self._read(x, batch)
        _, category, codes = torch.split(z, [own.latent, own.categories, own.continuous], 1)
        return categorical_information(logits, category), continuous_information(mean, log_variance, codes)

    def _unread(self, told: tuple[Tensor, Tensor]) -> Tensor:
        """(B,) what both players pay for codes that can't be read."""
        return -self.settings.weight * told[0] - self.settings.continuous_weight * told[1]

    def _critic_loss(self, batch: Batch) -> Terms:
        z = self.prior(batch.noise)
        with torch.no_grad():
            made = self.make(z, batch.condition, batch.given)
        real_logit, made_logit = self._judge(batch.data, batch), self._judge(made, batch)
        penalty = zero_centred(lambda x: self._judge(x, batch), batch.data) if self.settings.r1 else torch.zeros_like(real_logit)
        told = self._information(made, z, batch)
        game = LOSSES["non-saturating"].critic(real_logit, made_logit)
        return {
            "loss": game + self.settings.r1 / 2 * penalty + self._unread(told),
            "real-accuracy": (real_logit > 0).float(),
            "fake-accuracy": (made_logit < 0).float(),
            "gradient-penalty": penalty.detach(),
            "category-nats": told[0].detach(),
            "continuous-nats": told[1].detach(),
        }

    def _generator_loss(self, batch: Batch) -> Terms:
        z = self.prior(batch.noise)
        made = self.make(z, batch.condition, batch.given)
        game = LOSSES["non-saturating"].generator(self._judge(made, batch))
        return {"loss": game + self._unread(self._information(made, z, batch))}

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L): unit Gaussian numbers, one category as one-hot, and even numbers in (-1, 1)."""
        own = self.settings
        parts = [noise.normal((own.latent,), "prior")]
        if own.categories:
            parts.append(F.one_hot(noise.integers(own.categories, (), "category"), own.categories).float())
        return torch.cat((*parts, 2 * noise.uniform((own.continuous,), "continuous") - 1), 1)

    def codes(self, x: Tensor, condition: dict[str, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """What Q reads of x (B,*): logits (B,K) of the category, means (B,R) of the continuous codes."""
        told, given = all_given(condition)
        logits, mean, _ = self._read(x, Batch(x, Noise(0, len(x)), told, given))
        return logits, mean


def _latent(settings: InfoGANSettings) -> int:
    return settings.latent + settings.categories + settings.continuous


def categorical_information(logits: Tensor, category: Tensor) -> Tensor:
    """(B,) log Q(c|x) + H(c) in nats, of logits (B,K) and one-hot c (B,K) that is even over K (eq. 4): at most log K. 0 where K is 0."""
    count = logits.shape[1]
    return (logits.log_softmax(1) * category).sum(1) + math.log(max(1, count))


def continuous_information(mean: Tensor, log_variance: Tensor, codes: Tensor) -> Tensor:
    """(B,) the same summed over codes (B,R) that are even in (-1, 1), under a Gaussian Q of mean and log variance (B,R)."""
    nats = -0.5 * ((codes - mean).square() / log_variance.exp() + log_variance + math.log(2 * math.pi))
    return (nats + math.log(2)).sum(1)

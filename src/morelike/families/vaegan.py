"""VAE-GAN: an autoencoder whose likeness of pictures is measured in a critic's features, and whose samples must pass for real.

B batch, * the example's shape, L latent dimensions, F features of the critic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.abilities import Condition, Encodes, Prior
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Remedy, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, spatial
from ..maths.likelihood import unit_gaussian_divergence
from ..maths.penalty import zero_centred
from .autoencoder import Autoencoder, latent_size
from .one_pass import stronger

Told = Mapping[str, Tensor]
_FEATURES = 128
_REACH = 3.0
"""The latent reaches the decoder so many times larger than the label's first embedding, as in `gan`: at 1 it learns a picture a class."""


@dataclass(frozen=True, slots=True)
class VAEGANSettings:
    """The weights of the three losses. Raises BadInput for a number out of its range."""

    latent: int = 0
    """As for `ae`."""
    likeness: float = 1.0
    """gamma: weight of the likeness in features against the decoder's adversarial term."""
    kl: float = 0.01
    """Weight of the divergence, in nats a latent number, against the squared distance of features."""
    r1: float = 0.2
    """Weight of the gradient penalty on real examples (Mescheder et al. 2018, arXiv:1801.04406, eq. 9)."""
    lr: float = 1e-3
    critic_lr: float = 4e-3

    def __post_init__(self) -> None:
        check_ranges(self, latent=(0, 1 << 16), likeness=(0, 1e6), kl=(0, 1e6), r1=(0, 1e6))


class VAEGAN(Generator, Prior, Encodes):
    """Larsen et al. 2015, arXiv:1512.09300, algorithm 1: three players, each with its own loss, so that no gradient goes astray.

    The critic tells real from reconstructed and drawn examples; the encoder minimises the divergence and the distance in the critic's
    features (eq. 7); the decoder minimises gamma times that distance and wants to be taken for real.
    Departures: features are brought to unit scale, the critic pays the R1 penalty and the decoder's term doesn't saturate.
    """

    Settings = VAEGANSettings
    settings: VAEGANSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array((latent_size(spec, self.settings.latent),))
        self.bounded = isinstance(spec, Array) and spec.bin > 0
        self.logit = nn.Linear(_FEATURES, 1)

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return Autoencoder.refuses(spec, conditions)

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: VAEGANSettings) -> dict[str, Net]:
        size = latent_size(spec, settings.latent)
        bare = {"norm": False} if spatial(spec) else {}
        return {
            "encoder": Net("encoder", spec, Array((2 * size,))),
            "decoder": Net("decoder", Array((size,)), spec),
            "features": Net("encoder", spec, Array((_FEATURES,)), bare),
        }

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, betas=(0.5, 0.99))
        critic = [*self.nets["features"].parameters(), *self.logit.parameters()]
        encoder, decoder = (list(self.nets[name].parameters()) for name in ("encoder", "decoder"))
        return [
            Player("critic", critic, self._critic_loss, optim=replace(optim, lr=self.settings.critic_lr, clip=0.0)),
            Player("encoder", encoder, self._encoder_loss, optim=optim),
            Player("decoder", decoder, self._decoder_loss, optim=optim),
        ]

    def remedies(self) -> list[Remedy]:
        return [stronger("r1", self.settings.r1)]

    def _posterior(self, x: Tensor, condition: Told, given: Told) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.nets["encoder"](x, condition, given).float().chunk(2, 1)
        return mean, log_variance.clamp(-12.0, 6.0)

    def _make(self, z: Tensor, condition: Told, given: Told) -> Tensor:
        x = self.nets["decoder"](_REACH * z, condition, given).float()
        return torch.tanh(x) if self.bounded else x

    def _judge(self, x: Tensor, condition: Told, given: Told) -> tuple[Tensor, Tensor]:
        """(logits (B,), features (B,F) of unit scale)."""
        hidden = F.leaky_relu(self.nets["features"](x, condition, given).float(), 0.2)
        return self.logit(hidden)[:, 0], F.layer_norm(hidden, (_FEATURES,))

    def _code(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(a draw of q(z|x), its divergence from the prior (B,) in nats a latent number)."""
        mean, log_variance = self._posterior(batch.data, batch.condition, batch.given)
        z = mean + torch.exp(0.5 * log_variance) * batch.noise.normal(self.latent.shape, "posterior")
        return z, unit_gaussian_divergence(mean, log_variance).mean(1)

    def _critic_loss(self, batch: Batch) -> Terms:
        told = batch.condition, batch.given
        with torch.no_grad():
            again = self._make(self._code(batch)[0], *told)
            drawn = self._make(self.prior(batch.noise), *told)
        real, (rebuilt, made) = self._judge(batch.data, *told)[0], (self._judge(x, *told)[0] for x in (again, drawn))
        penalty = zero_centred(lambda x: self._judge(x, *told)[0], batch.data) if self.settings.r1 else torch.zeros_like(real)
        loss = F.softplus(-real) + 0.5 * (F.softplus(rebuilt) + F.softplus(made)) + self.settings.r1 / 2 * penalty
        return {
            "loss": loss, "real-accuracy": (real > 0).float().detach(), "fake-accuracy": (made < 0).float().detach(),
            "gradient-penalty": penalty.detach(),
        }  # fmt: skip

    def _distance(self, again: Tensor, batch: Batch) -> Tensor:
        """(B,) half the mean squared distance in features from the real example: minus eq. 7 up to a constant."""
        with torch.no_grad():
            aim = self._judge(batch.data, batch.condition, batch.given)[1]
        return 0.5 * (self._judge(again, batch.condition, batch.given)[1] - aim).square().mean(1)

    def _encoder_loss(self, batch: Batch) -> Terms:
        z, divergence = self._code(batch)
        distance = self._distance(self._make(z, batch.condition, batch.given), batch)
        return {"loss": distance + self.settings.kl * divergence, "distance": distance.detach(), "kl": divergence.detach()}

    def _decoder_loss(self, batch: Batch) -> Terms:
        told = batch.condition, batch.given
        with torch.no_grad():
            z, _ = self._code(batch)
        again = self._make(z, *told)
        adversarial = self.adversarial(again, *told) + self.adversarial(self._make(self.prior(batch.noise), *told), *told)
        distance = self._distance(again, batch)
        return {"loss": self.settings.likeness * distance + 0.5 * adversarial, "adversarial": adversarial.detach()}

    def adversarial(self, x: Tensor, condition: Told, given: Told) -> Tensor:
        """(B,) what the decoder pays for not being taken for real: -log D(x)."""
        return F.softplus(-self._judge(x, condition, given)[0])

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """One pass; there are no dials."""
        return self.decode(self.prior(noise), condition)

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) from (B,L)."""
        return self._make(z, *all_given(condition))

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """The mean of q(z|x), (B,L)."""
        return self._posterior(x, *all_given(condition))[0]

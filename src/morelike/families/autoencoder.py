"""Autoencoder: an encoder to a few numbers and a decoder back; and the adversarial one, whose codes are made to follow a prior.

B batch, * the example's shape, L latent dimensions (of a grid of codes: all its numbers), K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Condition, Encodes, Prior
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import BadInput
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, Tokens, elements, spatial
from ..maths.penalty import zero_centred
from .labels import classes_of, count_classes

_MOST_NUMBERS = 4096
"""Of a grid of codes: their covariance has as many rows."""
_FOLLOWING = 0.99
"""The codes' moments are averages over about the last hundred batches: the encoder moves, and so do they."""


@dataclass(frozen=True, slots=True)
class AutoencoderSettings:
    """The code, and what keeps it from being a mere copy. Raises BadInput for a number out of its range."""

    latent: int = 0
    """Latent dimensions; 0 = a quarter of the elements, at most 32, and all of a vector's up to 8. With `grid`: channels; 0 = 4."""
    grid: int = 0
    """Above 0, the code of a signal or picture is a smaller one, whose sides are at most so long and at most half of its own: what is
    near stays near. At most 4,096 numbers in all."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise on the input, whose clean form is to be found (Vincent et al. 2008)."""
    sparse: float = 0.0
    """Weight of the codes' mean absolute value: few numbers of a code differ from zero."""
    lr: float = 2e-3

    def __post_init__(self) -> None:
        check_ranges(self, latent=(0, 1 << 16), grid=(0, 1 << 10), noise=(0, 100), sparse=(0, 1e6))


class Autoencoder(Generator, Encodes):
    """Hinton, Salakhutdinov 2006, Reducing the dimensionality of data with neural networks; denoising: Vincent et al. 2008, Extracting
    and composing robust features with denoising autoencoders.

    It has no prior. Samples are decoded from a Gaussian with the mean and covariance of the training codes, of each class where there are
    labels (Ghosh et al. 2020, arXiv:1903.12436, section 3.2); a `latent` model learns their distribution properly.
    """

    Settings = AutoencoderSettings
    settings: AutoencoderSettings
    weight: Tensor
    total: Tensor
    products: Tensor

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = latent_of(spec, self.settings)
        size = elements(self.latent)
        self.bounded = isinstance(spec, Array) and spec.bin > 0
        labels = {name: own for name, own in conditions.items() if isinstance(own, Tokens) and own.shape == (1,)}
        self.label = {name: labels[name] for name in list(labels)[:1]}
        groups = count_classes(self.label) + 1
        # of each class, and of all data in the last row: how much was seen, codes and their products, all discounted
        self.register_buffer("weight", torch.zeros(groups))
        self.register_buffer("total", torch.zeros(groups, size))
        self.register_buffer("products", torch.zeros(groups, size, size))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "this autoencoder learns real-valued arrays, not ids or mixed rows"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: AutoencoderSettings) -> dict[str, Net]:
        return coders(spec, latent_of(spec, settings))

    def players(self) -> list[Player | Learner]:
        return [Player("autoencoder", list(self.parameters()), self._loss, optim=Optim("adam", lr=self.settings.lr), after=self._follow)]

    def _decode(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        x = self.nets["decoder"](z, condition, given).float()
        return torch.tanh(x) if self.bounded else x

    def _loss(self, batch: Batch) -> Terms:
        x, own = batch.data, self.settings
        seen = x + own.noise * batch.noise.normal(self.spec.shape, "corruption") if own.noise else x
        z = self.nets["encoder"](seen, batch.condition, batch.given).float()
        error = (self._decode(z, batch.condition, batch.given) - x).square().flatten(1).mean(1)
        size = z.abs().flatten(1).mean(1)
        return {"loss": error + own.sparse * size, "squared-error": error.detach(), "code-size": size.detach()}

    def _follow(self, batch: Batch) -> None:
        """Moments of the codes, discounted, by class and of all."""
        z = self.nets["encoder"](batch.data, batch.condition, batch.given).float().flatten(1)
        groups = len(self.weight)
        group = classes_of(self.label, batch.condition, len(z), batch.given).to(z.device)
        member = F.one_hot(group, groups).float()
        member[:, -1] = 1.0
        for kept, own in (
            (self.weight, member.sum(0)), (self.total, member.T @ z), (self.products, torch.einsum("bg,bi,bj->gij", member, z, z)),
        ):  # fmt: skip
            kept.mul_(_FOLLOWING).add_(own)

    def _codes(self, condition: Mapping[str, Tensor], noise: Noise) -> Tensor:
        """(noise.size, *latent) from the Gaussian of each example's class."""
        group = classes_of(self.label, condition, noise.size).to(self.weight.device)
        count = self.weight.clamp(min=1e-6)[:, None]
        mean = self.total / count
        covariance = self.products / count[..., None] - mean[:, :, None] * mean[:, None, :]
        # a class of few codes leans on all data's covariance, by as many codes as there are dimensions
        share = (count / (count + elements(self.latent)))[..., None]
        covariance = share * covariance + (1 - share) * covariance[-1]
        values, vectors = torch.linalg.eigh(covariance.double())
        root = (vectors * values.clamp(min=0).sqrt()[:, None, :]).float()
        unit = noise.normal((elements(self.latent),), "code")
        codes = mean[group] + torch.einsum("bij,bj->bi", root[group], unit)
        return codes.view(-1, *self.latent.shape)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """One pass; there are no dials."""
        own, given = all_given(condition)
        return self._decode(self._codes(own, noise), own, given)

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) from (B,L)."""
        return self._decode(z, *all_given(condition))

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B, *latent) from (B,*)."""
        codes: Tensor = self.nets["encoder"](x, *all_given(condition)).float()
        return codes


@dataclass(frozen=True, slots=True)
class AdversarialAutoencoderSettings:
    """The code, and how hard it is pressed into the prior. Raises BadInput for a number out of its range."""

    latent: int = 0
    """As for `ae`."""
    weight: float = 0.03
    """Of the codes' adversarial term against the mean squared error of an element."""
    r1: float = 1.0
    """Weight of the gradient penalty on draws of the prior (Mescheder et al. 2018, arXiv:1801.04406, eq. 9)."""
    lr: float = 2e-3

    def __post_init__(self) -> None:
        check_ranges(self, latent=(0, 1 << 16), weight=(0, 1e6), r1=(0, 1e6))


class AdversarialAutoencoder(Generator, Prior, Encodes):
    """Makhzani et al. 2015, arXiv:1511.05644: a critic on codes takes the place of the divergence from the prior.

    Departures: reconstruction and regularisation are one step of the encoder, not two in turn; the critic pays a penalty.
    """

    Settings = AdversarialAutoencoderSettings
    settings: AdversarialAutoencoderSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array((latent_size(spec, self.settings.latent),))
        self.bounded = isinstance(spec, Array) and spec.bin > 0

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return Autoencoder.refuses(spec, conditions)

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: AdversarialAutoencoderSettings) -> dict[str, Net]:
        latent = Array((latent_size(spec, settings.latent),))
        return {**coders(spec, latent), "critic": Net("critic", latent, Array((1,)))}

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, betas=(0.5, 0.99))
        coder = [parameter for name in ("encoder", "decoder") for parameter in self.nets[name].parameters()]
        return [
            Player("critic", list(self.nets["critic"].parameters()), self._critic_loss, optim=replace(optim, clip=0.0)),
            Player("autoencoder", coder, self._loss, optim=optim),
        ]

    def _critic(self, z: Tensor, batch: Batch) -> Tensor:
        logit: Tensor = self.nets["critic"](z, batch.condition, batch.given).float()
        return logit

    def _critic_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            made = self.nets["encoder"](batch.data, batch.condition, batch.given).float()
        drawn = self.prior(batch.noise)
        penalty = zero_centred(lambda z: self._critic(z, batch), drawn)
        real, fake = self._critic(drawn, batch), self._critic(made, batch)
        loss = F.softplus(-real) + F.softplus(fake) + self.settings.r1 / 2 * penalty
        return {"loss": loss, "real-accuracy": (real > 0).float().detach(), "fake-accuracy": (fake < 0).float().detach()}

    def _loss(self, batch: Batch) -> Terms:
        z = self.nets["encoder"](batch.data, batch.condition, batch.given).float()
        x = self.decode_given(z, batch.condition, batch.given)
        error = (x - batch.data).square().flatten(1).mean(1)
        fooled = F.softplus(-self._critic(z, batch))
        return {"loss": error + self.settings.weight * fooled, "squared-error": error.detach(), "adversarial": fooled.detach()}

    def decode_given(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """As `decode`, with each condition's presence (B,) bool."""
        x = self.nets["decoder"](z, condition, given).float()
        return torch.tanh(x) if self.bounded else x

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """One pass; there are no dials."""
        return self.decode(self.prior(noise), condition)

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) from (B,L)."""
        return self.decode_given(z, *all_given(condition))

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B,L) from (B,*)."""
        codes: Tensor = self.nets["encoder"](x, *all_given(condition)).float()
        return codes


def latent_size(spec: Spec, wanted: int) -> int:
    """Latent dimensions for a Spec: as wanted, or for 0 a quarter of the elements, at most 32, and all of a vector's up to 8."""
    count = elements(spec)
    return wanted or max(min(count, 8), min(32, count // 4))


def latent_of(spec: Spec, settings: AutoencoderSettings) -> Array:
    """The Spec of the codes. Raises BadInput for a grid of too many numbers."""
    if not settings.grid or not spatial(spec):
        return Array((latent_size(spec, settings.latent),))
    sizes = spec.shape[1:]
    halvings = max(1, math.ceil(math.log2(max(sizes) / settings.grid)))
    latent = Array((settings.latent or 4, *(-(-size // 2**halvings) for size in sizes)))
    if elements(latent) > _MOST_NUMBERS:
        raise BadInput(f"codes of {' x '.join(map(str, latent.shape))} are more than {_MOST_NUMBERS:,} numbers: lower grid or latent")
    return latent


def coders(spec: Spec, latent: Array) -> dict[str, Net]:
    """An encoder to codes and a decoder back."""
    if spatial(latent):
        # most of a step is spent at full resolution; no dropout, for a grid is not squeezed so hard
        own: dict[str, Any] = {"patch": 2 if max(spec.shape[1:]) >= 32 else 1}
        return {"encoder": Net("encoder", spec, latent, own), "decoder": Net("decoder", latent, spec, own)}
    drop = {"dropout": 0.1} if spatial(spec) else {}
    return {"encoder": Net("encoder", spec, latent, drop), "decoder": Net("decoder", latent, spec)}

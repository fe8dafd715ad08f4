"""Variational autoencoder: an encoder q(z|x), a decoder p(x|z), and the bound log p(x) >= E log p(x|z) - KL(q(z|x) | p(z)).

B batch, * the example's shape, L latent dimensions, K draws of z.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..core.abilities import Condition, Density, Encodes, Prior
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.spec import Array, Conditions, Spec, elements, spatial
from ..maths.likelihood import discretised_logistic, gaussian, importance_bound, logistic, unit_gaussian_divergence

_LOG_SCALE = (-7.0, 3.0)
"""Logarithms of scales are kept between these: from below half a step of 10 bits to far beyond the data."""

_SPEED = 8.0
"""The one scale of a Gaussian decoder moves so many times the learning rate: at the nets' own it takes thousands of steps to settle."""


@dataclass(frozen=True, slots=True)
class VAESettings:
    """The latent, and the defaults of drawing."""

    latent: int = 0
    """Latent dimensions; 0 = a quarter of the elements, at most 32, and all of a vector's up to 8."""
    warmup: float = 0.1
    """Share of the run over which the divergence comes in (Sønderby et al. 2016, section 2.3): fewer idle latents."""
    temperature: float = 0.5
    """Scale of the decoder's own noise in samples: 1 = p(x|z) itself, 0 = its mean.

    Every element's noise is its own: at 1, raw pixels are at their most lifelike, while strokes look frayed; at 0, there is too little
    variety. On MNIST's learned features the Fréchet distance was 19.4, 19.7 and 35.0 at 0, 0.5 and 1.
    """
    draws: int = 16
    """K of the importance-weighted bound."""
    lr: float = 2e-3


class VAE(Generator, Density, Prior, Encodes):
    """Kingma and Welling 2013, arXiv:1312.6114, eq. 10 with one draw of z.

    p(x|z) is a discretised logistic with a scale for every element where x is quantised, so that its bound is on a mass;
    otherwise a Gaussian with one learned scale.
    """

    Settings = VAESettings
    settings: VAESettings
    dials = ("temperature",)
    tight: Literal["exact", "bound", "estimate"] = "bound"

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array((latent_size(spec, self.settings),))
        self.step = spec.bin if isinstance(spec, Array) else 0.0
        self.log_scale = None if self.step else nn.Parameter(torch.zeros(()))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "this VAE learns real-valued arrays, not ids or mixed rows"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: VAESettings) -> dict[str, Net]:
        size = latent_size(spec, settings)
        channels, *rest = spec.shape
        output = Array((2 * channels, *rest)) if isinstance(spec, Array) and spec.bin else spec
        # digits, bits a pixel on the hold-out: without dropout 3.5 after 40 s and 3.9 after 100 s, with it 3.55 after 60 s
        drop = {"dropout": 0.1} if spatial(spec) else {}
        return {"encoder": Net("encoder", spec, Array((2 * size,)), drop), "decoder": Net("decoder", Array((size,)), output)}

    def players(self) -> list[Player | Learner]:
        return [Player("autoencoder", list(self.parameters()), self._loss, optim=Optim("adam", lr=self.settings.lr))]

    def _posterior(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), (B,L) each."""
        mean, log_variance = self.nets["encoder"](x, condition, given).float().chunk(2, 1)
        return mean, log_variance.clamp(-12.0, 6.0)

    def _output(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and log-scale of p(x|z), (B,*) or broadcastable to it."""
        out = self.nets["decoder"](z, condition, given).float()
        if self.log_scale is not None:
            return out, (_SPEED * self.log_scale).clamp(*_LOG_SCALE)
        mean, log_scale = out.chunk(2, 1)
        return mean, (log_scale - 2.0).clamp(*_LOG_SCALE)

    def _log_likelihood(self, x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        """log p(x|z), (B,) nats."""
        each = discretised_logistic(x, mean, log_scale, self.step) if self.step else gaussian(x, mean, log_scale)
        return each.flatten(1).sum(1)

    def _loss(self, batch: Batch) -> Terms:
        mean, log_variance = self._posterior(batch.data, batch.condition, batch.given)
        z = mean + torch.exp(0.5 * log_variance) * batch.noise.normal(self.latent.shape, "posterior")
        reconstruction = -self._log_likelihood(batch.data, *self._output(z, batch.condition, batch.given))
        divergence = unit_gaussian_divergence(mean, log_variance).sum(1)
        weight = min(1.0, batch.progress / self.settings.warmup) if self.settings.warmup else 1.0
        # per element, so that one clipping norm suits every size
        loss = (reconstruction + weight * divergence) / elements(self.spec)
        return {"loss": loss, "reconstruction": reconstruction.detach(), "kl": divergence.detach()}

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dial: `temperature`."""
        temperature = float(dials.get("temperature", self.settings.temperature))
        condition, given = all_given(condition)
        mean, log_scale = self._output(self.prior(noise), condition, given)
        if not self.step:
            return mean + temperature * torch.exp(log_scale) * noise.normal(self.spec.shape, "output")
        x = logistic(mean, log_scale + math.log(max(temperature, 1e-6)), noise.uniform(self.spec.shape, "output"))
        return torch.round((x.clamp(-1, 1) + 1) / self.step) * self.step - 1

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """The mean of p(x|z)."""
        mean, _ = self._output(z, *all_given(condition))
        return mean.clamp(-1, 1) if self.step else mean

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """The mean of q(z|x)."""
        return self._posterior(x, *all_given(condition))[0]

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """The importance-weighted bound with as many draws as the setting says. Raises BadInput without noise."""
        condition, given = all_given(condition)
        posterior = self._posterior(x, condition, given)

        def log_likelihood(z: Tensor) -> Tensor:
            return self._log_likelihood(x, *self._output(z, condition, given))

        return importance_bound(*posterior, noise, self.settings.draws, log_likelihood)


def latent_size(spec: Spec, settings: VAESettings) -> int:
    """Latent dimensions for a Spec."""
    count = elements(spec)
    return settings.latent or max(min(count, 8), min(32, count // 4))

"""Variational autoencoder: an encoder q(z|x), a decoder p(x|z), and the bound log p(x) >= E log p(x|z) - KL(q(z|x) | p(z)).

B batch, * the example's shape, L latent dimensions, K draws of z. The decoder's distribution, the weight of the divergence and the number
of draws in the objective are values of the settings: `beta-vae`, `iwae` and `cvae` are lines of the registry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..core.abilities import Condition, Density, Encodes, Prior
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import BadInput, Refused, UnknownName
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements, spatial
from ..maths.likelihood import bernoulli, discretised_logistic, gaussian, gaussian_mass, logistic, unit_gaussian_divergence
from .autoencoder import latent_size

_LOG_SCALE = (-7.0, 3.0)
"""Logarithms of scales are kept between these: from below half a step of 10 bits to far beyond the data."""

_SPEED = 8.0
"""The one scale of a Gaussian decoder moves so many times the learning rate: at the nets' own it takes thousands of steps to settle."""

_SURE = 0.999
"""The log-odds that a Bernoulli decoder starts from are of means no further from 0."""

_DECODERS = ("auto", "gaussian", "bernoulli", "logistic")

_AT_ONCE = 1 << 20
"""Numbers that the decoder puts out at once where a likelihood takes many draws: what a processor's cache holds."""


@dataclass(frozen=True, slots=True)
class VAESettings:
    """The latent, the decoder's distribution, the objective, and the defaults of drawing."""

    latent: int = 0
    """Latent dimensions; 0 = a quarter of the elements, at most 32, and all of a vector's up to 8."""
    decoder: str = "auto"
    """p(x|z): "gaussian" with one learned scale, "logistic" (discretised, a scale for every element), "bernoulli" for two levels.
    "auto" = bernoulli for two levels, logistic for more, else gaussian."""
    beta: float = 1.0
    """Weight of the divergence (Higgins et al. 2017): above 1, latents are fewer and less entangled, reconstructions poorer."""
    samples: int = 1
    """K of the importance-weighted bound that is trained (Burda et al. 2015, arXiv:1509.00519, eq. 8); 1 = the plain bound."""
    plain: float = 0.0
    """Share of the steps that train the bound of one sample, before that of `samples`: several times as many examples a second."""
    warmup: float = 0.1
    """Share of the run over which the divergence comes in (Sønderby et al. 2016, section 2.3): fewer idle latents."""
    temperature: float = 0.5
    """Scale of the decoder's own noise in samples: 1 = p(x|z) itself, 0 = its mean.

    Every element's noise is its own: at 1, raw pixels are at their most lifelike, while strokes look frayed; at 0, there is too little
    variety. On MNIST's learned features the Fréchet distance was 19.4, 19.7 and 35.0 at 0, 0.5 and 1.
    """
    draws: int = 16
    """K of the importance-weighted bound that `log_prob` gives."""
    lr: float = 2e-3

    def __post_init__(self) -> None:
        """Raises UnknownName for a decoder that doesn't exist, BadInput for a number out of its range."""
        if self.decoder not in _DECODERS:
            raise UnknownName("decoder", self.decoder, _DECODERS)
        if self.samples < 1 or self.draws < 1:
            raise BadInput("an importance-weighted bound takes at least one sample: set `samples` and `draws` to 1 or more")
        check_ranges(self, latent=(0, 1 << 16), beta=(0, 1e6), plain=(0, 1), warmup=(0, 1), temperature=(0, 100))


class VAE(Generator, Density, Prior, Encodes):
    """Kingma and Welling 2013, arXiv:1312.6114, eq. 10 with one draw of z; with more, Burda et al. 2015, arXiv:1509.00519, eq. 8.

    Where x is quantised, p(x|z) is a mass, or (gaussian) bounds one from below.
    """

    Settings = VAESettings
    settings: VAESettings
    dials = ("temperature",)
    tight: Literal["exact", "bound", "estimate"] = "bound"

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array((latent_size(spec, self.settings.latent),))
        self.step = spec.bin if isinstance(spec, Array) else 0.0
        self.decoder = decoder_of(spec, self.settings)
        self.log_scale = nn.Parameter(torch.zeros(())) if self.decoder == "gaussian" else None
        if self.decoder == "bernoulli":
            self.register_buffer("centre", torch.zeros(spec.shape))
            self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
            self.centre: Tensor
            self.seen: Tensor

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "this VAE learns real-valued arrays, not ids or mixed rows"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: VAESettings) -> dict[str, Net]:
        size = latent_size(spec, settings.latent)
        channels, *rest = spec.shape
        output = Array((2 * channels, *rest)) if decoder_of(spec, settings) == "logistic" else spec
        # digits, bits a pixel on the hold-out: without dropout 3.5 after 40 s and 3.9 after 100 s, with it 3.55 after 60 s
        drop = {"dropout": 0.1} if spatial(spec) else {}
        return {"encoder": Net("encoder", spec, Array((2 * size,)), drop), "decoder": Net("decoder", Array((size,)), output)}

    def players(self) -> list[Player | Learner]:
        optim, plain = Optim("adam", lr=self.settings.lr), self.settings.plain
        player = Player(
            "autoencoder", list(self.parameters()), partial(self._loss, samples=self.settings.samples),
            optim=optim, after=self._count if self.decoder == "bernoulli" else None, during=(plain, 1.0),
        )  # fmt: skip
        if not plain:
            return [player]
        before = replace(
            player, name="one-sample", loss=partial(self._loss, samples=1), during=(0.0, plain), optim=replace(optim, schedule="constant")
        )
        return [before, player] if plain < 1 else [before]

    def _count(self, batch: Batch) -> None:
        """The mean of the data so far: the encoder sees what differs from it, and the decoder starts from it. Black and white pictures are
        mostly one of both; uncentred, a step of all the weights in one direction saturates the first layer."""
        self.seen.add_(batch.size)
        self.centre.lerp_(batch.data.mean(0), batch.size / int(self.seen))

    def _posterior(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), (B,L) each."""
        x = x - self.centre if self.decoder == "bernoulli" else x
        mean, log_variance = self.nets["encoder"](x, condition, given).float().chunk(2, 1)
        return mean, log_variance.clamp(-12.0, 6.0)

    def _output(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean (bernoulli: log-odds) and log-scale of p(x|z), (B,*) or broadcastable to it."""
        out = self.nets["decoder"](z, condition, given).float()
        if self.decoder == "bernoulli":
            return out + 2 * torch.atanh(self.centre.clamp(-_SURE, _SURE)), torch.zeros((), device=out.device)
        if self.log_scale is not None:
            return out, (_SPEED * self.log_scale).clamp(*_LOG_SCALE)
        mean, log_scale = out.chunk(2, 1)
        return mean, (log_scale - 2.0).clamp(*_LOG_SCALE)

    def _log_likelihood(self, x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        """log p(x|z) in nats, (...,) of x, mean and log-scale that broadcast to (..., *)."""
        match self.decoder:
            case "bernoulli":
                each = bernoulli(x, mean)
            case "logistic":
                each = discretised_logistic(x, mean, log_scale, self.step)
            case _:
                each = gaussian_mass(x, mean, log_scale, self.step) if self.step else gaussian(x, mean, log_scale)
        return each.flatten(-len(self.spec.shape)).sum(-1)

    def _loss(self, batch: Batch, samples: int) -> Terms:
        weight = min(1.0, batch.progress / self.settings.warmup) if self.settings.warmup else 1.0
        weight *= self.settings.beta
        posterior = self._posterior(batch.data, batch.condition, batch.given)
        if samples == 1:
            mean, log_variance = posterior
            z = mean + torch.exp(0.5 * log_variance) * batch.noise.normal(self.latent.shape, "posterior")
            reconstruction = -self._log_likelihood(batch.data, *self._output(z, batch.condition, batch.given))
            divergence = unit_gaussian_divergence(mean, log_variance).sum(1)
            loss = reconstruction + weight * divergence
        else:
            unit = batch.noise.normal((samples, *self.latent.shape), "posterior")
            fit, apart = self._weights(batch.data, posterior, unit, batch.condition, batch.given)
            loss = math.log(samples) - (fit - weight * apart).logsumexp(1)
            reconstruction, divergence = -fit.mean(1), apart.mean(1)
        # per element, so that one clipping norm suits every size
        return {"loss": loss / elements(self.spec), "reconstruction": reconstruction.detach(), "kl": divergence.detach()}

    def _weights(
        self, x: Tensor, posterior: tuple[Tensor, Tensor], unit: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """log p(x|z) and log q(z|x) - log p(z), (B,K) each, of the latents that standard normal draws (B,K,L) are under q(z|x)."""
        mean, log_variance = (part[:, None] for part in posterior)
        count, draws = unit.shape[:2]
        z = mean + torch.exp(0.5 * log_variance) * unit
        repeated = [{name: value.repeat_interleave(draws, 0) for name, value in some.items()} for some in (condition, given)]
        out = self._output(z.flatten(0, 1), repeated[0], repeated[1])
        each = [part.view(count, draws, *part.shape[1:]) if part.dim() else part for part in out]
        # the constants of both normal densities cancel
        apart = 0.5 * (z.square() - unit.square() - log_variance).sum(2)
        return self._log_likelihood(x[:, None], *each), apart

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dial: `temperature`."""
        temperature = float(dials.get("temperature", self.settings.temperature))
        condition, given = all_given(condition)
        mean, log_scale = self._output(self.prior(noise), condition, given)
        if self.decoder == "gaussian":
            x = mean + temperature * torch.exp(log_scale) * noise.normal(self.spec.shape, "output")
        else:
            # log-odds plus logistic noise are above zero with the probability that the log-odds are of
            x = logistic(mean, log_scale + math.log(max(temperature, 1e-6)), noise.uniform(self.spec.shape, "output"))
        return torch.round((x.clamp(-1, 1) + 1) / self.step) * self.step - 1 if self.step else x

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """The mean of p(x|z)."""
        mean, _ = self._output(z, *all_given(condition))
        if self.decoder == "bernoulli":
            return torch.tanh(mean / 2)
        return mean.clamp(-1, 1) if self.step else mean

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """The mean of q(z|x)."""
        return self._posterior(x, *all_given(condition))[0]

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None, draws: int | None = None) -> Tensor:
        """The importance-weighted bound with `draws` draws of z, by default as many as the setting says: never above log p(x) in the mean,
        and the tighter the more draws. They are taken some at a time. Raises BadInput without noise or draws."""
        if noise is None:
            raise BadInput("the likelihood bound of a VAE draws latents: pass `noise`")
        draws = self.settings.draws if draws is None else draws
        if draws < 1:
            raise BadInput(f"an importance-weighted bound takes at least one draw, not {draws}")
        condition, given = all_given(condition)
        posterior = self._posterior(x, condition, given)
        few = max(1, _AT_ONCE // max(1, x.numel()))
        found: list[Tensor] = []
        for start in range(0, draws, few):
            numbers = range(start, min(start + few, draws))
            unit = torch.stack([noise.normal(self.latent.shape, number) for number in numbers], 1)
            fit, apart = self._weights(x, posterior, unit, condition, given)
            found.append((fit - apart).logsumexp(1))
        return torch.stack(found).logsumexp(0) - math.log(draws)


def decoder_of(spec: Spec, settings: VAESettings) -> str:
    """The distribution that p(x|z) is. Raises Refused for one that such data can't have."""
    step = spec.bin if isinstance(spec, Array) else 0.0
    if settings.decoder == "bernoulli" and step != 2.0:
        why = "says how likely white is against black, and this data isn't black and white; grey pictures become so by codec.binarise=true"
        raise Refused(f"decoder=bernoulli {why}")
    if settings.decoder == "logistic" and not step:
        raise Refused("decoder=logistic gives masses of whole-number levels, which this data doesn't have; take decoder=gaussian")
    if settings.decoder != "auto":
        return settings.decoder
    return "bernoulli" if step == 2.0 else "logistic" if step else "gaussian"

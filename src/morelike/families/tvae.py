"""TVAE: a variational autoencoder of table rows, each field a choice among ids or modes, with a value within the mode for numbers.

B batch, F fields, R real fields, C choices of all fields, L latent dimensions.
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
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Row, Spec
from ..maths.likelihood import gaussian, importance_bound, unit_gaussian_divergence
from .modes import Modes, gumbel, refuses_choices, sizes_of

_SPEED = 8.0
"""The numbers' scales move so many times the learning rate: at the nets' own they take thousands of steps to settle."""
_LOG_SCALE = (math.log(0.01), 0.0)
"""Logarithms of the numbers' scales within their modes lie between these."""


@dataclass(frozen=True, slots=True)
class TVAESettings:
    """The bound, and the defaults of drawing. Raises BadInput for a number out of its range."""

    latent: int = 32
    """The paper's 128 left most idle: Adult, 974 steps, shape and trend errors of 3.5 and 7.2 %, with 32 2.8 and 6.0 %."""
    factor: float = 2.0
    """Weight of the reconstruction against the divergence."""
    temperature: float = 1.0
    """Of the decoder's own draws: 1 = p(x|z) itself, 0 = the likeliest ids and modes and the mean of numbers."""
    draws: int = 16
    """K of the importance-weighted bound."""
    lr: float = 1e-3

    def __post_init__(self) -> None:
        check_ranges(self, latent=(1, 1 << 16), factor=(0, 1e6), temperature=(0, 100), draws=(1, 10_000))


class TVAE(Generator, Density, Prior, Encodes):
    """Xu et al. 2019, arXiv:1907.00503, section 4.4, on rows coded as there (`modes.Modes`).

    Departures: a smaller latent; ids and modes are drawn, where the paper takes the likeliest; the nets' width follows the recipe's size
    (256 at `s`; the paper's is 128); weights are averaged and the rate falls along a cosine. A row's bound sums over its numbers' modes.
    """

    Settings = TVAESettings
    settings: TVAESettings
    spec: Row
    dials = ("temperature",)
    tight: Literal["exact", "bound", "estimate"] = "bound"

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.modes = Modes(self.spec)
        self.latent = Array((self.settings.latent,))
        reals = len(self.modes.reals)
        self.log_scale = nn.Parameter(torch.full((reals,), math.log(0.1) / _SPEED)) if reals else None

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return refuses_choices(spec)

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: TVAESettings) -> dict[str, Net]:
        assert isinstance(spec, Row)
        row = Array((sum(sizes_of(spec)) + sum(not field.categories for field in spec.fields),))
        own = {"kind": "mlp", "activation": "relu", "depth": 2}
        return {
            "encoder": Net("encoder", row, Array((2 * settings.latent,)), own),
            "decoder": Net("decoder", Array((settings.latent,)), row, own),
        }

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, weight_decay=1e-5)
        return [
            Player("autoencoder", list(self.parameters()), self._loss, optim=optim),
            Learner("modes", self.modes.see, self.modes.settle),
        ]

    def _posterior(
        self, choices: Tensor, values: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), (B,L) each, of a coded row."""
        coded = torch.cat((self.modes.one_hot(choices), values), 1)
        mean, log_variance = self.nets["encoder"](coded, condition, given).float().chunk(2, 1)
        return mean, log_variance.clamp(-12.0, 6.0)

    def _output(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B,C) of choices and means (B,R) of values."""
        out = self.nets["decoder"](z, condition, given).float()
        logits, values = out.split([len(self.modes.field), len(self.modes.reals)], 1)
        return self.modes.log_probs(logits), torch.tanh(values)

    def _scales(self) -> Tensor:
        """(R,) logarithms of the values' standard deviations."""
        return torch.zeros(0) if self.log_scale is None else (_SPEED * self.log_scale).clamp(*_LOG_SCALE)

    def _loss(self, batch: Batch) -> Terms:
        choices, values = self.modes.encode(batch.data, batch.noise.uniform((len(self.modes.reals),), "mode"))
        mean, log_variance = self._posterior(choices, values, batch.condition, batch.given)
        z = mean + torch.exp(0.5 * log_variance) * batch.noise.normal(self.latent.shape, "posterior")
        log_probs, centre = self._output(z, batch.condition, batch.given)
        reconstruction = -log_probs.gather(1, choices + self.modes.first).sum(1)
        if self.log_scale is not None:
            there = ~batch.data[:, self.modes.reals].isnan()
            reconstruction = reconstruction - (there * gaussian(values, centre, self._scales())).sum(1)
        divergence = unit_gaussian_divergence(mean, log_variance).sum(1)
        # per field, so that one clipping norm suits every size
        loss = (self.settings.factor * reconstruction + divergence) / len(self.modes.sizes)
        return {"loss": loss, "reconstruction": reconstruction.detach(), "kl": divergence.detach()}

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dial: `temperature`."""
        temperature = float(dials.get("temperature", self.settings.temperature))
        log_probs, values = self._output(self.prior(noise), *all_given(condition))
        scores = log_probs + temperature * gumbel(noise.uniform((len(self.modes.field),), "choice"))
        if self.log_scale is not None:
            values = values + temperature * self._scales().exp() * noise.normal((len(self.modes.reals),), "value")
        return self.modes.decode(self.modes.pick(scores), values)

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """The likeliest ids and modes, and the mean of numbers within theirs."""
        log_probs, values = self._output(z, *all_given(condition))
        return self.modes.decode(self.modes.pick(log_probs), values)

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """The mean of q(z|x)."""
        return self._posterior(*self.modes.encode(x), *all_given(condition))[0]

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """The importance-weighted bound with as many draws as the setting says. Raises BadInput without noise."""
        told = all_given(condition)
        posterior = self._posterior(*self.modes.encode(x), *told)

        def log_likelihood(z: Tensor) -> Tensor:
            return self.modes.log_likelihood(x, *self._output(z, *told), self._scales())

        return importance_bound(*posterior, noise, self.settings.draws, log_likelihood)

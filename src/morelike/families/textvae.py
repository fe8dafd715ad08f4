"""Variational autoencoder of sequences: a latent for a whole sentence, and a decoder that writes it id by id.

B batch, T length, V vocabulary, L latent dimensions, K draws of z. A decoder that sees all earlier ids can do without z; three things
keep it from that: free bits, a divergence that comes in slowly, and earlier ids hidden from a small decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..core.abilities import Condition, Continues, Density, Encodes, Predicts, Writes
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, Tokens, elements, live, sequential
from ..maths.decoding import DIALS, Dials, decode, dialled
from ..maths.likelihood import importance_bound, unit_gaussian_divergence
from .sequences import evaluating, paid

_ACTIVE = 0.01
"""A latent dimension is active if its posterior mean varies more than this over the data (Burda et al. 2015, section 5)."""
_WATCHED = 16
"""Examples of each batch by which active dimensions are counted in training."""
_MEMORY = 0.02
"""Share of a new batch in that count."""


@dataclass(frozen=True, slots=True)
class TextVAESettings(Dials):
    """The latent, its guards, and the defaults of drawing (`Dials`). Raises BadInput for a number out of its range."""

    latent: int = 32
    """Latent dimensions."""
    free_bits: float = 0.25
    """Nats of each latent dimension that cost nothing (Kingma et al. 2016, arXiv:1606.04934, eq. 15).

    On 2,000 short captions with 400 steps, all 32 dimensions were active and the divergence was 6.9 nats; the wrong latent cost 5.4
    nats a sentence. Without this, word dropout and warm-up (300 steps): 0.02 nats, none active, and every sentence came back the same.
    """
    word_dropout: float = 0.3
    """Share of the earlier ids that are hidden from the decoder in training (Bowman et al. 2016, section 3.2)."""
    warmup: float = 0.3
    """Share of the run over which the divergence comes in (Bowman et al. 2016, section 3.2)."""
    draws: int = 16
    """K of the importance-weighted bound."""
    dropout: float = 0.1
    lr: float = 2e-3

    def __post_init__(self) -> None:
        Dials.__post_init__(self)
        check_ranges(self, latent=(1, 4096), free_bits=(0, 100), word_dropout=(0, 1), warmup=(0, 1), draws=(1, 10_000), dropout=(0, 0.99))


@dataclass(frozen=True, slots=True)
class PropertyVAESettings(TextVAESettings):
    """As a sentence's, and what a wrong property costs."""

    property_weight: float = 20.0
    """Nats that a property wrong by one standard deviation costs, times two; 0.5 is a Gaussian of that width."""

    def __post_init__(self) -> None:
        TextVAESettings.__post_init__(self)
        check_ranges(self, property_weight=(0, 1e6))


class SequenceVAE(Generator, Density, Writes, Encodes):
    """Bowman et al. 2016, arXiv:1511.06349: z is shown to the decoder at every place.

    The decoder knows one id beyond the vocabulary, which stands for a hidden one and is never written.
    """

    settings: TextVAESettings
    spec: Tokens
    dials = DIALS
    tight: Literal["exact", "bound", "estimate"] = "bound"
    moments: Tensor

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array((self.settings.latent,))
        # running mean, and running mean of the square, of the posterior means
        self.register_buffer("moments", torch.zeros(2, self.settings.latent))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if sequential(spec) else "it writes sequences of ids (text, notes, ...), one after another"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: TextVAESettings) -> dict[str, Net]:
        assert isinstance(spec, Tokens)
        z, written = Array((settings.latent,)), Tokens(spec.shape, spec.vocab + 1, spec.stop)
        targets = cls.targets_of(conditions)
        # what is predicted is not told
        told: dict[str, Any] = {"told": not targets}
        told["also"] = {name: own for name, own in conditions.items() if targets and name not in targets}
        recurrent = {"kind": "recurrent", "cell": "gru", "depth": 1, "dropout": settings.dropout}
        nets = {
            "encoder": Net("encoder", spec, Array((2 * settings.latent,)), {"depth": 2, "dropout": settings.dropout}, **told),
            "decoder": Net("causal", z, written, recurrent, **told),
        }
        head = Net("encoder", z, Array((len(targets),)), {"kind": "mlp", "width": 128, "depth": 2}, told=False)
        return {**nets, "head": head} if targets else nets

    @classmethod
    def targets_of(cls, conditions: Conditions) -> tuple[str, ...]:
        """The conditions that are predicted from the latent."""
        return ()

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.01)
        return [Player("autoencoder", list(self.parameters()), self._loss, optim=optim, after=self._watch)]

    def _posterior(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), (B,L) each."""
        mean, log_variance = self.nets["encoder"](x, condition, given).float().chunk(2, 1)
        return mean, log_variance.clamp(-12.0, 6.0)

    def _nats(
        self, x: Tensor, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], shown: Tensor | None = None
    ) -> Tensor:
        """(B,T) nats of each id given z (B,L) and the ids before it, 0 past the stop; ids not `shown` (B,T) are hidden."""
        longest = int(live(self.spec, x).sum(1).max())
        short = x[:, :longest]
        seen = short if shown is None else torch.where(shown[:, :longest], short, self.spec.vocab)
        logits, index = self.nets["decoder"](seen, condition, given, z)
        return paid(self.spec, x, self._written(logits), index)

    def _written(self, logits: Tensor) -> Tensor:
        """Logits without the id that stands for a hidden one."""
        return logits[..., : self.spec.vocab].float()

    def _loss(self, batch: Batch) -> Terms:
        x, noise = batch.data, batch.noise
        mean, log_variance = self._posterior(x, batch.condition, batch.given)
        z = mean + torch.exp(0.5 * log_variance) * noise.normal(self.latent.shape, "posterior")
        shown = noise.uniform(self.spec.shape, "word") >= self.settings.word_dropout
        if self.spec.stop is not None:
            shown |= x == self.spec.stop
        reconstruction = self._nats(x, z, batch.condition, batch.given, shown).sum(1)
        each = unit_gaussian_divergence(mean, log_variance)
        # eq. 15 takes the batch's mean before the maximum; here every example has its own, so that none depends on its neighbours
        paid = each.clamp(min=self.settings.free_bits).sum(1)
        weight = min(1.0, batch.progress / self.settings.warmup) if self.settings.warmup else 1.0
        loss = (reconstruction + weight * paid) / elements(self.spec)
        active = _active(self.moments).expand(batch.size)
        terms = {"loss": loss, "reconstruction": reconstruction.detach(), "kl": each.sum(1).detach(), "active": active}
        return {**terms, **self._judged(z, batch, terms)}

    def _judged(self, z: Tensor, batch: Batch, terms: Terms) -> Terms:
        """What the latents cost beyond the bound: terms that take the place of those there are."""
        return {}

    def _watch(self, batch: Batch) -> None:
        """Updates the moments of the posterior means by some of the batch."""
        few = batch[slice(0, _WATCHED)]
        with evaluating(self.nets["encoder"]):
            mean, _ = self._posterior(few.data, few.condition, few.given)
        self.moments.lerp_(_moments(mean), _MEMORY)

    def divergence(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B,) nats of KL(q(z|x) || p(z)): what the latents of x (B,T) carry."""
        return unit_gaussian_divergence(*self._posterior(x, *all_given(condition))).sum(1)

    @torch.no_grad()
    def active_units(self, x: Tensor, condition: Condition = None) -> float:
        """Share of latent dimensions whose posterior mean varies over x (B,T) by more than 0.01 (Burda et al. 2015, section 5)."""
        return float(_active(_moments(self.encode(x, condition))))

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: those of `maths.decoding.Dials`."""
        return decode(_Writer(self, self.prior(noise)), self.spec, condition, noise=noise, dials=dialled(self.settings, dials))

    def writer(self, z: Tensor) -> Continues:
        """The decoder with its latents z (B,L) in hand."""
        return _Writer(self, z)

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,T): after each id the likeliest one."""
        nothing = Noise(0, len(z)).to(z.device)
        return decode(_Writer(self, z), self.spec, condition, noise=nothing, dials=Dials(temperature=0))

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """The mean of q(z|x)."""
        return self._posterior(x, *all_given(condition))[0]

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """The importance-weighted bound with as many draws as the setting says. Raises BadInput without noise."""
        condition, given = all_given(condition)
        posterior = self._posterior(x, condition, given)
        return importance_bound(*posterior, noise, self.settings.draws, lambda z: -self._nats(x, z, condition, given).sum(1))


class TextVAE(SequenceVAE):
    """Its conditions are told to encoder and decoder."""

    Settings = TextVAESettings


class PropertyVAE(SequenceVAE, Predicts):
    """Gómez-Bombarelli et al. 2018, arXiv:1610.02415: numbers are predicted from the latent by a small net that learns with it, so that
    latents are ordered by them and can be moved towards a wanted one. Classes are told as they are to `TextVAE`.

    Departures: free bits and hidden ids keep the latent in use in place of their slow divergence alone.
    """

    Settings = PropertyVAESettings
    settings: PropertyVAESettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.targets = self.targets_of(conditions)

    @classmethod
    def targets_of(cls, conditions: Conditions) -> tuple[str, ...]:
        return tuple(name for name, own in conditions.items() if own == Array((1,)))

    def predict(self, z: Tensor) -> dict[str, Tensor]:
        found: Tensor = self.nets["head"](z, {}, {}).float() if self.targets else z[:, :0]
        return {name: found[:, place : place + 1] for place, name in enumerate(self.targets)}

    def _judged(self, z: Tensor, batch: Batch, terms: Terms) -> Terms:
        """Half the squared deviations of the given targets, in standard deviations."""
        loss, found = terms["loss"], {}
        for name, value in self.predict(z).items():
            squared = (value - batch.condition[name]).square().sum(1) * batch.given[name]
            loss = loss + 0.5 * self.settings.property_weight * squared / elements(self.spec)
            found[f"squared {name}"] = squared.detach()
        return {"loss": loss, **found}


class _Writer(Continues):
    """The decoder with its latents z (B,L) in hand."""

    def __init__(self, model: SequenceVAE, z: Tensor) -> None:
        self.model, self.z = model, z

    def next(self, ids: Tensor, condition: Condition = None, state: Any = None) -> tuple[Tensor, Any]:
        net: Any = self.model.nets["decoder"]
        if state is None:
            state = net.begin(*all_given(condition), len(ids), self.z)
        logits, state = net.step(ids, state)
        return self.model._written(logits), state

    def surprise(self, x: Tensor, condition: Condition = None) -> Tensor:
        return self.model._nats(x, self.z, *all_given(condition))


def _moments(means: Tensor) -> Tensor:
    """(2,L) mean, and mean of the square, of (B,L)."""
    return torch.stack((means.mean(0), means.square().mean(0)))


def _active(moments: Tensor) -> Tensor:
    """Share of dimensions whose variance is above the threshold."""
    return (moments[1] - moments[0].square() > _ACTIVE).float().mean()

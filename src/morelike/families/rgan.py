"""Recurrent GAN: noise becomes a sequence of relaxed ids, step by step, and a Wasserstein critic compares them with real ones.

B batch, T length, V vocabulary, L latent dimensions. A relaxed id is a distribution over the vocabulary; a real one is one-hot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Condition, Prior
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Remedy, Terms, all_given
from ..core.errors import BadInput, UnknownName
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, Tokens, live, sequential
from ..maths.penalty import one_centred
from .one_pass import stronger

RELAXED = ("gumbel", "softmax")
_MOST_GUMBEL = 1 << 18
"""Numbers of Gumbel noise for one sequence: a megabyte."""


@dataclass(frozen=True, slots=True)
class RGANSettings:
    """How ids are relaxed, and the game."""

    latent: int = 32
    """Latent dimensions that are read at every step."""
    relax: str = "gumbel"
    """"gumbel": each step draws by Gumbel-softmax (Jang et al. 2016, arXiv:1611.01144, eq. 2; in a sequence GAN: Kusner and
    Hernández-Lobato 2016, arXiv:1611.04051), so the latent also holds T V numbers; "softmax": all that is random comes from the L
    numbers (Press et al. 2017, arXiv:1706.01399)."""
    softness: float = 0.5
    """Temperature of the relaxed ids."""
    temperature: float = 1.0
    """In samples: logits are divided by it before Gumbel noise comes on. No effect with "softmax", whose likeliest id stays the same."""
    penalty: float = 10.0
    """Weight of the gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028, eq. 3)."""
    critic_steps: int = 1
    """Turns of the critic for one of the generator (there 5). With the faster critic below, 1 did about as well as 2 or 3 on a toy text."""
    lr: float = 1e-3
    """The generator's learning rate."""
    critic_lr: float = 4e-3
    """The critic's: several times the generator's (Heusel et al. 2017, arXiv:1706.08500)."""

    def __post_init__(self) -> None:
        if self.relax not in RELAXED:
            raise UnknownName("relaxation", self.relax, RELAXED)
        check_ranges(self, latent=(1, 1 << 16), softness=(1e-3, 1e3), temperature=(1e-6, 100), penalty=(0, 1e6), critic_steps=(1, 1000))


class RGAN(Generator, Prior):
    """Wasserstein GAN with gradient penalty on a recurrent net fed with its own relaxed ids (Rajeswar et al. 2017, arXiv:1705.10929;
    Press et al. 2017, arXiv:1706.01399, without their curriculum). Ids are the likeliest of the relaxed ones: a function of z alone.
    """

    Settings = RGANSettings
    settings: RGANSettings
    spec: Tokens
    dials = ("temperature",)

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        own = self.settings
        self.gumbel = own.relax == "gumbel"
        if self.gumbel and self.spec.shape[0] * self.spec.vocab > _MOST_GUMBEL:
            raise BadInput(
                f"relax=gumbel takes a number for each of {self.spec.shape[0]} places and {self.spec.vocab} ids, more than "
                f"{_MOST_GUMBEL:,} in all: take relax=softmax, codec.unit=characters or a shorter codec.window"
            )
        self.latent = Array((own.latent + (self.spec.shape[0] * self.spec.vocab if self.gumbel else 0),))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if sequential(spec) else "it goes through sequences of ids (text, notes, ...), one after another"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: RGANSettings) -> dict[str, Net]:
        assert isinstance(spec, Tokens)
        return {
            "critic": Net("critic", Array((spec.vocab, *spec.shape)), Array((1,))),
            "generator": Net("causal", Array((settings.latent,)), spec, {"kind": "recurrent", "cell": "gru", "depth": 1}),
        }

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, betas=(0.5, 0.9), clip=0.0)
        quick = replace(optim, lr=self.settings.critic_lr)
        critic, generator = (list(self.nets[name].parameters()) for name in ("critic", "generator"))
        return [
            Player("critic", critic, self._critic_loss, optim=quick),
            Player("generator", generator, self._generator_loss, every=self.settings.critic_steps, sees_data=False, optim=optim),
        ]

    def remedies(self) -> list[Remedy]:
        return [stronger("penalty", self.settings.penalty)]

    def _make(self, z: Tensor, condition: Condition, given: Condition, temperature: float = 1.0) -> Tensor:
        """(B,T,V) relaxed ids; T steps, each fed with the one before."""
        net: Any = self.nets["generator"]
        length, vocab = self.spec.shape[0], self.spec.vocab
        noise = _gumbel(z[:, self.settings.latent :]).view(-1, length, vocab) if self.gumbel else None
        state = net.begin(condition or {}, given or {}, len(z), z[:, : self.settings.latent])
        relaxed, made = z.new_zeros(len(z), 0, vocab), []
        for place in range(length):
            logits, state = net.step(relaxed, state)
            logits = logits.float() if noise is None else logits.float() / temperature + noise[:, place]
            relaxed = torch.softmax(logits / self.settings.softness, 1)[:, None]
            made.append(relaxed)
        return self._ended(torch.cat(made, 1))

    def _ended(self, relaxed: Tensor) -> Tensor:
        """(B,T,V) with the mass that has met the stop put onto the stop, for all places after."""
        stop = self.spec.stop
        if stop is None:
            return relaxed
        alive = F.pad((1 - relaxed[:, :-1, stop]).cumprod(1), (1, 0), value=1.0)[..., None]
        return alive * relaxed + (1 - alive) * F.one_hot(relaxed.new_tensor(stop, dtype=torch.int64), self.spec.vocab)

    def _score(self, relaxed: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,) from (B,T,V): convolutions along the text see the ids as channels (Gulrajani et al. 2017, appendix C)."""
        score: Tensor = self.nets["critic"](relaxed.transpose(1, 2).contiguous(), condition, given)
        return score.float()

    def _critic_loss(self, batch: Batch) -> Terms:
        real = F.one_hot(batch.data, self.spec.vocab).float()
        with torch.no_grad():
            made = self._make(self.prior(batch.noise), batch.condition, batch.given)
        condition = {name: torch.cat((value, value)) for name, value in batch.condition.items()}
        given = {name: torch.cat((flag, flag)) for name, flag in batch.given.items()}
        # one pass over both halves: nothing in the critic mixes examples
        real_score, made_score = self._score(torch.cat((real, made)), condition, given).chunk(2)
        penalty = self._penalty(real, made, batch)
        distance = real_score - made_score
        return {"loss": self.settings.penalty * penalty - distance, "distance": distance.detach(), "gradient-penalty": penalty.detach()}

    def _penalty(self, real: Tensor, made: Tensor, batch: Batch) -> Tensor:
        """(B,): somewhere between a real and a made example."""
        between = torch.lerp(real, made, batch.noise.uniform((1, 1), "between"))
        return one_centred(lambda x: self._score(x, batch.condition, batch.given), between)

    def _generator_loss(self, batch: Batch) -> Terms:
        made = self._make(self.prior(batch.noise), batch.condition, batch.given)
        return {"loss": -self._score(made, batch.condition, batch.given)}

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dial: `temperature`."""
        return self._ids(self.prior(noise), condition, dials.get("temperature", self.settings.temperature))

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian; with Gumbel noise (noise.size, L + T V)."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,T) ids from z (B, *latent.shape)."""
        return self._ids(z, condition, self.settings.temperature)

    def _ids(self, z: Tensor, condition: Mapping[str, Tensor] | None, temperature: float) -> Tensor:
        if not temperature > 0:
            raise BadInput(f"temperature must be above 0, not {temperature!r}")
        ids = self._make(z, *all_given(condition), temperature).argmax(2)
        return ids if self.spec.stop is None else torch.where(live(self.spec, ids), ids, self.spec.stop)


def _gumbel(z: Tensor) -> Tensor:
    """Standard Gumbel noise from unit Gaussian noise, by the two distribution functions; finite for any z."""
    return -torch.log(-torch.special.log_ndtr(z.float().clamp(max=8.0)))

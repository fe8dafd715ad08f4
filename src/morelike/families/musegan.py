"""A GAN of rolls, voices and levels: convolutions make planes of ids at once, and a Wasserstein critic compares them with real ones.

B batch, T rows (time steps), R places of a row (pitches, voices, tiles), V vocabulary, L latent dimensions, M tracks.
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
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, Tokens, live
from ..maths.penalty import one_centred
from .one_pass import MOST_GRADIENT, stronger

_MOST_TRACKS = 16
_MOST_NUMBERS = 1 << 18
"""Of one grid's planes: a megabyte."""
_LARGE, _BLOCK = 32, 4
"""From such sides on planes go through the nets in blocks: four voices of 64 steps took 7.4 s a training step without, 0.6 with."""


@dataclass(frozen=True, slots=True)
class MuseGANSettings:
    """The game. Raises BadInput for a number out of its range."""

    latent: int = 64
    """Dimensions of the latent that all tracks share, and of each track's own."""
    penalty: float = 10.0
    """Weight of the gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028, eq. 3)."""
    critic_steps: int = 1
    """Turns of the critic for one of the generator (5 in the paper; here its rate is higher instead, as in `rgan`)."""
    lr: float = 2e-3
    """The generator's learning rate. Voices that all sing one id, 600 steps: 80% of the grids do, 60% at half the rates."""
    critic_lr: float = 8e-3
    """The critic's: several times the generator's (Heusel et al. 2017, arXiv:1706.08500)."""

    def __post_init__(self) -> None:
        check_ranges(self, latent=(1, 1 << 16), penalty=(0, 1e6), critic_steps=(1, 1000))


def tracks_of(spec: Tokens) -> int:
    """Places of a row that are tracks with a plane (T,V) each: where they are no more than ids (four voices of fifty pitches). 0 where
    the grid is a picture of V planes (T,R): rolls, levels."""
    return spec.shape[1] if spec.shape[1] <= min(spec.vocab, _MOST_TRACKS) else 0


class MuseGAN(Generator, Prior):
    """The hybrid model of MuseGAN (Dong et al. 2018, arXiv:1709.06298, section 4.1): a generator for each track, told a latent that all
    share and one of its own, and one critic that hears them together. Ids are the likeliest, and the gradient goes through as if they were
    their probabilities (straight through: deterministic binary neurons in Dong, Yang 2018, arXiv:1804.09399, section 3). A phrase is made
    at once, without the paper's bars.
    """

    Settings = MuseGANSettings
    settings: MuseGANSettings
    spec: Tokens

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.tracks = tracks_of(self.spec)
        self.makers = [name for name in self.nets if name != "critic"]
        self.latent = Array((self.settings.latent * (1 + self.tracks),))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Tokens) or len(spec.shape) != 2:
            return "it makes grids of ids (rolls of notes, voices, levels)"
        if spec.shape[0] * spec.shape[1] * spec.vocab > _MOST_NUMBERS:
            return f"it takes at most {_MOST_NUMBERS:,} numbers for the planes of a grid: take a shorter codec.window"
        return None

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: MuseGANSettings) -> dict[str, Net]:
        assert isinstance(spec, Tokens)
        tracks = tracks_of(spec)
        seen = Array((tracks, spec.shape[0], spec.vocab) if tracks else (spec.vocab, *spec.shape))
        made, told = Array((1, *seen.shape[1:]) if tracks else seen.shape), Array((settings.latent * (2 if tracks else 1),))
        names = [f"track{track}" for track in range(tracks)] or ["generator"]
        own = {"kind": "conv", "patch": _BLOCK} if min(seen.shape[1:]) >= _LARGE else {}
        return {"critic": Net("critic", seen, Array((1,)), own), **{name: Net("decoder", told, made, own) for name in names}}

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, betas=(0.5, 0.9), clip=MOST_GRADIENT)
        quick = replace(optim, lr=self.settings.critic_lr)
        makers = [parameter for name in self.makers for parameter in self.nets[name].parameters()]
        return [
            Player("critic", list(self.nets["critic"].parameters()), self._critic_loss, optim=quick),
            Player("generator", makers, self._generator_loss, every=self.settings.critic_steps, sees_data=False, optim=optim),
        ]

    def remedies(self) -> list[Remedy]:
        return [stronger("penalty", self.settings.penalty)]

    def _logits(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,T,R,V) from z (B,L): what all share first, then each track's own."""
        if not self.tracks:
            planes: Tensor = self.nets["generator"](z, condition, given)
            return planes.movedim(1, 3).float()
        shared, *own = z.chunk(1 + self.tracks, 1)
        each = zip(self.makers, own, strict=True)
        parts = [self.nets[name](torch.cat((shared, z_own), 1), condition, given) for name, z_own in each]
        return torch.cat(parts, 1).transpose(1, 2).float()

    def _made(self, batch: Batch) -> Tensor:
        """Planes of ids, with the gradient of their probabilities."""
        soft = self._logits(self.prior(batch.noise), batch.condition, batch.given).softmax(3)
        return self._planes(F.one_hot(self._ended(soft.argmax(3)), self.spec.vocab) + soft - soft.detach())

    def _planes(self, chosen: Tensor) -> Tensor:
        """What the critic sees, (B,M,T,V) or (B,V,T,R), of ids as one-hot numbers (B,T,R,V)."""
        return (chosen.movedim(2, 1) if self.tracks else chosen.movedim(3, 1)).contiguous().float()

    def _ended(self, ids: Tensor) -> Tensor:
        """All is stop after the first one."""
        return ids if self.spec.stop is None else torch.where(live(self.spec, ids), ids, self.spec.stop)

    def _score(self, planes: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        score: Tensor = self.nets["critic"](planes, condition, given)
        return score.float()

    def _critic_loss(self, batch: Batch) -> Terms:
        real = self._planes(F.one_hot(batch.data, self.spec.vocab))
        with torch.no_grad():
            made = self._made(batch)
        condition = {name: torch.cat((value, value)) for name, value in batch.condition.items()}
        given = {name: torch.cat((flag, flag)) for name, flag in batch.given.items()}
        # one pass over both halves: nothing in the critic mixes examples
        real_score, made_score = self._score(torch.cat((real, made)), condition, given).chunk(2)
        between = torch.lerp(real, made, batch.noise.uniform((1, 1, 1), "between"))
        penalty = one_centred(lambda x: self._score(x, batch.condition, batch.given), between)
        distance = real_score - made_score
        return {"loss": self.settings.penalty * penalty - distance, "distance": distance.detach(), "gradient-penalty": penalty.detach()}

    def _generator_loss(self, batch: Batch) -> Terms:
        return {"loss": -self._score(self._made(batch), batch.condition, batch.given)}

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """One pass; there are no dials."""
        return self.decode(self.prior(noise), condition)

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,T,R) ids from z (B,L): a function of z alone."""
        return self._ended(self._logits(z, *all_given(condition)).argmax(3))

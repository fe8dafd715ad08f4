"""Generative adversarial net: a critic learns to tell real from made, a generator to be taken for real.

B batch, * the example's shape, L latent dimensions. The critic's logit is high for real.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Condition, Prior
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import UnknownName
from ..core.noise import Noise
from ..core.spec import Array, Conditions, Spec, elements, spatial
from ..maths.augment import diff_augment
from ..maths.penalty import zero_centred

_REACH = 3.0
"""The latent reaches the generator so many times larger than the label's first embedding. At 1 the generator learnt one picture a
class and stayed there (digits, 25 s: recall 0.28 against 0.65)."""


@dataclass(frozen=True, slots=True)
class AdversarialLoss:
    """What the two players minimise, as functions of logits (B,) -> (B,)."""

    critic: Callable[[Tensor, Tensor], Tensor]
    """(real, made)."""
    generator: Callable[[Tensor], Tensor]
    """(made)."""


LOSSES: dict[str, AdversarialLoss] = {
    # Goodfellow et al. 2014, arXiv:1406.2661, eq. 1 for the critic and the form of section 3 for the generator
    "non-saturating": AdversarialLoss(lambda real, made: F.softplus(-real) + F.softplus(made), lambda made: F.softplus(-made)),
}


@dataclass(frozen=True, slots=True)
class GANSettings:
    """The loss and what keeps it stable."""

    latent: int = 64
    loss: str = "non-saturating"
    """A name of `LOSSES`."""
    r1: float = 0.2
    """Weight gamma of the gradient penalty on real examples, per 64 elements of a signal or picture (Karras et al. 2020,
    arXiv:2006.06676, appendix C: in proportion to their number)."""
    r1_share: float = 0.25
    """Share of the rows that pay it, weighted up so that the mean stays the same (lazily, as in Karras et al. 2020, appendix B)."""
    augment: float = 0.0
    """Share of the real and made examples that each kind of differentiable augmentation changes (signals, pictures, videos)."""
    lr: float = 1e-3
    """The generator's learning rate."""
    critic_lr: float = 4e-3
    """The critic's: several times the generator's (Heusel et al. 2017, arXiv:1706.08500), or the generator finds a mean and stays there."""


class GAN(Generator, Prior):
    """Radford et al. 2015, arXiv:1511.06434 (DCGAN) with the R1 penalty (Mescheder et al. 2018, arXiv:1801.04406, eq. 9).

    Departures from DCGAN: the generator normalises over groups and the critic not at all, so that no example depends on its
    neighbours, and first weights are the nets' own (without normalisation a deviation of 0.02 fades before the logit). The label
    goes into the generator, and into the critic by projection. Where x is quantised, a hyperbolic tangent keeps it in [-1, 1].
    """

    Settings = GANSettings
    settings: GANSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        if self.settings.loss not in LOSSES:
            raise UnknownName("adversarial loss", self.settings.loss, LOSSES)
        self.adversarial = LOSSES[self.settings.loss]
        self.latent = Array((self.settings.latent,))
        self.bounded = isinstance(spec, Array) and spec.bin > 0
        self.gamma = self.settings.r1 * (elements(spec) / 64 if spatial(spec) else 1.0)
        self.augment = self.settings.augment if spatial(spec) else 0.0

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "this GAN makes real-valued arrays, not ids or mixed rows"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: GANSettings) -> dict[str, Net]:
        return {
            "critic": Net("critic", spec, Array((1,))),
            "generator": Net("decoder", Array((settings.latent,)), spec),
        }

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, betas=(0.5, 0.99), schedule="cosine", clip=0.0)
        quick = replace(optim, lr=self.settings.critic_lr)
        critic, generator = (list(self.nets[name].parameters()) for name in ("critic", "generator"))
        return [
            Player("critic", critic, self._critic_loss, optim=quick),
            Player("generator", generator, self._generator_loss, sees_data=False, optim=optim),
        ]

    def _make(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        x = self.nets["generator"](_REACH * z, condition, given).float()
        return torch.tanh(x) if self.bounded else x

    def _view(self, x: Tensor, noise: Noise) -> Tensor:
        """What the critic sees of x."""
        return diff_augment(x, noise, self.augment) if self.augment else x

    def _critic_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            made = self._make(self.prior(batch.noise), batch.condition, batch.given)
            views = torch.cat((self._view(batch.data, batch.noise.under("real")), self._view(made, batch.noise.under("made"))))
        condition = {name: torch.cat((value, value)) for name, value in batch.condition.items()}
        given = {name: torch.cat((flag, flag)) for name, flag in batch.given.items()}
        # one pass over both halves: nothing in the critic mixes examples
        real_logit, made_logit = self.nets["critic"](views, condition, given).float().chunk(2)
        penalty = self._penalty(views[: batch.size], batch)
        loss = self.adversarial.critic(real_logit, made_logit) + self.gamma / 2 * penalty
        return {
            "loss": loss,
            "real-accuracy": (real_logit.detach() > 0).float(),
            "fake-accuracy": (made_logit.detach() < 0).float(),
            "real-logit": real_logit.detach(),
            "fake-logit": made_logit.detach(),
            "gradient-penalty": penalty.detach(),
        }

    def _penalty(self, real: Tensor, batch: Batch) -> Tensor:
        """(B,): the squared norm of the critic's gradient at real examples, over the rows drawn to pay and divided by their share."""
        share = self.settings.r1_share
        rows = torch.nonzero(batch.noise.uniform((), "penalty") < share)[:, 0]
        penalty = torch.zeros(batch.size, device=real.device)
        if not self.gamma or not len(rows):
            return penalty
        condition, given = ({name: value[rows] for name, value in told.items()} for told in (batch.condition, batch.given))
        return penalty.index_copy(0, rows, zero_centred(lambda x: self.nets["critic"](x, condition, given), real[rows]) / share)

    def _generator_loss(self, batch: Batch) -> Terms:
        made = self._make(self.prior(batch.noise), batch.condition, batch.given)
        logit = self.nets["critic"](self._view(made, batch.noise.under("made")), batch.condition, batch.given).float()
        return {"loss": self.adversarial.generator(logit)}

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """One step; there are no dials."""
        return self.decode(self.prior(noise), condition)

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) from (B,L)."""
        return self._make(z, *all_given(condition))

"""Energy-based GAN: the critic is an autoencoder, and how badly it rebuilds a picture is the picture's energy.

B batch, * the example's shape, L latent dimensions, S numbers of the critic's code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.contract import Batch, Learner, Net, Optim, Player, Remedy, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from ..maths.penalty import pulling_away
from .one_pass import OnePass, stronger


@dataclass(frozen=True, slots=True)
class EBGANSettings:
    """The energy and the game. Raises BadInput for a number out of its range."""

    latent: int = 64
    code: int = 0
    """Numbers through which the critic must rebuild x; 0 = a quarter of the elements, from 1 to 64."""
    margin: float = 0.1
    """m: made examples above this energy (mean squared error of an element) leave the critic alone. It must lie below the energy of
    calling every example their mean (MNIST: 0.27), or the critic does that: with 0.3 eight of ten classes were lost."""
    pulling: float = 0.02
    """Weight of the pulling-away term; 0 = none."""
    plain: bool = True
    """Whether the nets are MLPs whatever the data, as in the paper's section 4.1."""
    lr: float = 1e-3
    critic_lr: float = 3e-3

    def __post_init__(self) -> None:
        check_ranges(self, latent=(1, 1 << 16), code=(0, 1 << 16), margin=(1e-6, 1e6), pulling=(0, 1e6))


class EBGAN(OnePass):
    """Zhao et al. 2016, arXiv:1609.03126: the critic gives real examples low energy, made ones energy up to a margin (eq. 1), the
    generator makes examples of low energy (eq. 2) whose codes are not alike (eq. 8).

    Departures: the energy is the mean, not the sum, of squared errors, so that one margin does for every size; no net has a batch norm.
    Conditions are told to the critic's encoder and decoder.
    """

    Settings = EBGANSettings
    settings: EBGANSettings

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: EBGANSettings) -> dict[str, Net]:
        size, kind = settings.code or max(1, min(64, elements(spec) // 4)), {"kind": "mlp"} if settings.plain else {}
        return {
            "encoder": Net("encoder", spec, Array((size,)), kind),
            "decoder": Net("decoder", Array((size,)), spec, kind),
            "generator": Net("decoder", Array((settings.latent,)), spec, kind),
        }

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, betas=(0.5, 0.99), clip=0.0)
        critic = [parameter for name in ("encoder", "decoder") for parameter in self.nets[name].parameters()]
        return [
            Player("critic", critic, self._critic_loss, optim=replace(optim, lr=self.settings.critic_lr)),
            Player(
                "generator", list(self.nets["generator"].parameters()), self._generator_loss, sees_data=False,
                coupled=self.settings.pulling > 0, optim=optim,
            ),
        ]  # fmt: skip

    def remedies(self) -> list[Remedy]:
        return [stronger("pulling", self.settings.pulling)]

    def _energy(self, x: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """(mean squared error (B,), code (B,S))."""
        code = self.nets["encoder"](x, batch.condition, batch.given).float()
        again = self.nets["decoder"](code, batch.condition, batch.given).float()
        again = torch.tanh(again) if self.bounded else again
        return (again - x).square().flatten(1).mean(1), code

    def _critic_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            made = self.make(self.prior(batch.noise), batch.condition, batch.given)
        real_energy, made_energy = self._energy(batch.data, batch)[0], self._energy(made, batch)[0]
        return {
            "loss": critic_loss(real_energy, made_energy, self.settings.margin),
            "real-energy": real_energy.detach(),
            "fake-energy": made_energy.detach(),
        }

    def _generator_loss(self, batch: Batch) -> Terms:
        energy, code = self._energy(self.make(self.prior(batch.noise), batch.condition, batch.given), batch)
        if not self.settings.pulling:
            return {"loss": energy}
        alike = pulling_away(code)
        return {"loss": energy + self.settings.pulling * alike, "alike": alike.detach()}

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, L), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")


def critic_loss(real: Tensor, made: Tensor, margin: float) -> Tensor:
    """(B,) of energies (B,): D(x) + max(0, m - D(G(z))) (eq. 1)."""
    return real + F.relu(margin - made)

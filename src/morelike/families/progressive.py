"""A GAN whose pictures grow while it learns: a few pixels first, then grids of twice the size, each faded in.

B batch, C channels, H W rows and columns, L latent dimensions. Level 0 is the first grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Learner, Net, Player, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec
from ..nets.blocks import crop_to, pad_to
from ..nets.equal import grids
from ..nets.growing import enlarged, shrunk
from .picture_game import GameSettings, PictureGame


@dataclass(frozen=True, slots=True)
class ProgressiveSettings(GameSettings):
    """The game, and when it grows."""

    grown: float = 0.5
    """Share of the run after which the last level is lit; fading in and settling take the same time at each level."""

    def __post_init__(self) -> None:
        GameSettings.__post_init__(self)
        check_ranges(self, grown=(0, 1))


class Progressive(PictureGame):
    """Karras et al. 2018, arXiv:1710.10196: growing with fade-in, pixelwise normalisation, equalised learning rates, minibatch deviation.

    Departures: the loss doesn't saturate and the critic pays R1 (`loss=wasserstein penalty=10 drift=0.001 r1=0` is the paper's), pictures
    are halved by strided convolutions in the critic, latents are not brought to length 1 (so that their mean is a latent too), and
    between two levels the optimiser is not reset.
    """

    Settings = ProgressiveSettings
    settings: ProgressiveSettings
    done: Tensor
    """() float32: the share of the run done, from which the level of samples follows."""

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        assert isinstance(spec, Array)
        self.count = grids(spec.shape[1:])[0]
        self.stages = tuple(self.settings.grown * (2 * level - 1) / (2 * self.count) for level in range(1, self.count + 1))
        self.register_buffer("done", torch.zeros(()))

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: ProgressiveSettings) -> dict[str, Net]:
        kind = {"kind": "growing"}
        return {
            "critic": Net("critic", spec, Array((1,)), kind),
            "generator": Net("decoder", Array((settings.latent,)), spec, kind),
        }

    def players(self) -> list[Player | Learner]:
        return self.game(self.generator_loss, self._after)

    def _after(self, batch: Batch) -> None:
        self.done.fill_(batch.progress)

    def level(self, progress: float) -> tuple[int, float]:
        """(level, how far it has faded in) at a share of the run."""
        return lit(progress, self.settings.grown, self.count)

    def drawn(self, batch: Batch) -> Tensor:
        return self._make(self.prior(batch.noise), batch.condition, batch.given, batch.progress)

    def _make(self, z: Tensor, condition: Any, given: Any, progress: float) -> Tensor:
        """(B,C,H,W) on the grid of the level."""
        x = self.nets["generator"](z, condition, given, *self.level(progress)).float()
        return torch.tanh(x) if self.bounded else x

    def seen(self, batch: Batch) -> Tensor:
        """Averaged down to the level's grid, and faded as what is made (section 2)."""
        level, alpha = self.level(batch.progress)
        x = shrunk(pad_to(batch.data, 2**self.count), self.count - level)
        return torch.lerp(enlarged(shrunk(x)), x, alpha) if alpha < 1 else x

    def judge(self, x: Tensor, batch: Batch) -> Tensor:
        logit: Tensor = self.nets["critic"](x, batch.condition, batch.given, *self.level(batch.progress)).float()
        return logit

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """One pass; there are no dials."""
        return self.decode(self.prior(noise), condition)

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,C,H,W) from (B,L): as fine as the level that is lit, enlarged to the full size."""
        progress = float(self.done)
        x = enlarged(self._make(z, *all_given(condition), progress), self.count - self.level(progress)[0])
        return crop_to(x, self.spec.shape[1:])


def lit(progress: float, grown: float, count: int) -> tuple[int, float]:
    """(level, how far it has faded in) where `count` levels after the first are lit by the share `grown` of the run, each fading in as
    long as it then stays."""
    place = progress / grown * 2 * count if grown else math.inf
    level = count if place >= 2 * count else math.floor((place + 1) / 2)
    return level, min(1.0, place - (2 * level - 1)) if level else 1.0

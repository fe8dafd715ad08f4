"""StyleGAN2: a latent becomes a style w, which scales the features of each grid, and noise adds what is left to chance.

B batch, C channels, H W rows and columns, L latent dimensions, S width of w, G grids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Learner, Net, Player, Terms, all_given
from ..core.errors import BadInput
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from ..maths.penalty import path_lengths
from .picture_game import GameSettings, PictureGame, first_rows, weighted_up

_DECAY = 0.01
"""Share of a new mean path length in the kept one (Karras et al. 2020, arXiv:1912.04958, appendix B)."""
_CENTRE = 64
"""Latents whose mean style is the centre that truncation draws to."""


@dataclass(frozen=True, slots=True)
class StyleGANSettings(GameSettings):
    """The game, and what is asked of styles."""

    path: float = 2.0
    """Weight of path-length regularisation: the same step in w is to move every picture equally far; 0 = none."""
    path_paying: float = 0.125
    """Share of the rows that pay it, weighted up."""
    mixing: float = 0.9
    """Share of the pictures in training whose finer grids get the style of another latent."""
    truncation: float = 1.0
    """psi: how far styles and noise are from their means; 1 = as drawn, 0 = one picture for each condition."""

    def __post_init__(self) -> None:
        GameSettings.__post_init__(self)
        check_ranges(self, path=(0, 1e6), path_paying=(1e-3, 1), mixing=(0, 1), truncation=(0, 2))


class StyleGAN(PictureGame):
    """Karras et al. 2020, arXiv:1912.04958, with the mapping network, noise, style mixing and truncation of Karras et al. 2019,
    arXiv:1812.04948.

    Departures: a grid's layers share one style, so styles are mixed between grids; latents are not brought to length 1 (so that their
    mean is a latent too); truncation draws to the mean style of the condition, and noise to none; the critic halves by strided
    convolutions. Conditions go into the mapping network, and into the critic by projection.
    """

    Settings = StyleGANSettings
    settings: StyleGANSettings
    dials: ClassVar[tuple[str, ...]] = ("truncation",)
    path_mean: Tensor
    """() float32: a, the running mean of path lengths."""

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.register_buffer("path_mean", torch.zeros(()))

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: StyleGANSettings) -> dict[str, Net]:
        kind = {"kind": "style"}
        return {
            "critic": Net("critic", spec, Array((1,)), kind),
            "generator": Net("decoder", Array((settings.latent,)), spec, kind),
        }

    def players(self) -> list[Player | Learner]:
        return self.game(self._loss, self._after if self.settings.path else None)

    @property
    def grids(self) -> int:
        """G, the grids that a style can be chosen for."""
        levels: int = self.nets["generator"].levels  # type: ignore[assignment]
        return levels

    # pictures of styles

    def style(self, z: Tensor, condition: Any, given: Any) -> Tensor:
        """(B,S) from (B,L)."""
        generator: Any = self.nets["generator"]
        w: Tensor = generator.map(z, condition, given).float()
        return w

    def picture(self, w: Tensor, noise: Noise, loud: float = 1.0) -> Tensor:
        """(B,C,H,W) from a style for each grid (B,G,S); `loud` multiplies the noise."""
        generator: Any = self.nets["generator"]
        x: Tensor = generator.draw(w, noise, loud).float()
        return torch.tanh(x) if self.bounded else x

    def _every_grid(self, w: Tensor) -> Tensor:
        return w[:, None].expand(-1, self.grids, -1)

    def _mixed(self, batch: Batch) -> Tensor:
        """(B,G,S) in training: of some rows a second latent has the grids from a random one on (Karras et al. 2019, section 3.1)."""
        told = batch.condition, batch.given
        w, other = self.style(self.prior(batch.noise), *told), self.style(self.prior(batch.noise.under("other")), *told)
        from_here = 1 + batch.noise.integers(max(1, self.grids - 1), (1,), "from here")
        mixes = batch.noise.uniform((1,), "mixes") < self.settings.mixing
        second = mixes & (torch.arange(self.grids, device=w.device) >= from_here)
        return torch.where(second[..., None], self._every_grid(other), self._every_grid(w))

    # the game

    def drawn(self, batch: Batch) -> Tensor:
        return self.picture(self._mixed(batch), batch.noise.under("layers"))

    def seen(self, batch: Batch) -> Tensor:
        return batch.data

    def judge(self, x: Tensor, batch: Batch) -> Tensor:
        logit: Tensor = self.nets["critic"](x, batch.condition, batch.given).float()
        return logit

    def _lengths(self, batch: Batch, deep: bool) -> Tensor:
        """(R,) path lengths of the rows that pay."""
        own = batch[first_rows(batch.size, self.settings.path_paying)]
        own = Batch(None, own.noise.under("path"), own.condition, own.given, own.progress)
        # of unit length for a picture of unit gradient, whatever its size (Karras et al. 2020, appendix B)
        direction = own.noise.normal(self.spec.shape, "direction") / (elements(self.spec) / self.spec.shape[0]) ** 0.5
        return path_lengths(lambda w: self.picture(w, own.noise.under("layers")), self._mixed(own), direction, deep=deep)

    def _loss(self, batch: Batch) -> Terms:
        terms = self.generator_loss(batch)
        if not self.settings.path:
            return terms
        lengths = self._lengths(batch, deep=True)
        paid = weighted_up((lengths - self.path_mean).square(), batch.size)
        return {"loss": terms["loss"] + self.settings.path * paid, "path-length": lengths.detach().mean().expand(batch.size)}

    def _after(self, batch: Batch) -> None:
        self.path_mean.lerp_(self._lengths(batch, deep=False).mean(), _DECAY)

    # samples

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """One pass. Dial: `truncation`."""
        psi = dials.get("truncation", self.settings.truncation)
        told = all_given(condition)
        w = self.style(self.prior(noise), *told)
        if psi != 1:
            w = torch.lerp(self._centre(*told), w, psi)
        return self.picture(self._every_grid(w), noise.under("layers"), psi)

    def _centre(self, condition: dict[str, Tensor], given: dict[str, Tensor]) -> Tensor:
        """(B,S), or (1,S) without conditions: the mean style of 64 latents, the same ones for every row."""
        z = self.prior(Noise(0, _CENTRE, path=("centre",)).to(self.device))
        rows = len(next(iter(given.values()))) if given else 1
        told, known = ({name: value.repeat_interleave(_CENTRE, 0) for name, value in own.items()} for own in (condition, given))
        return self.style(z.repeat(rows, 1), told, known).view(rows, _CENTRE, -1).mean(1)

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,C,H,W) from (B,L), with noise that is the same for all."""
        return self.mix(z, z, self.grids, condition)

    def mix(self, first: Tensor, second: Tensor, level: int, condition: Condition = None) -> Tensor:
        """(B,C,H,W) whose grids below `level` (0 the coarsest, `grids` past the finest) follow the latents `first` (B,L) and whose finer
        ones follow `second` (B,L). Raises BadInput for a level that isn't there."""
        if not 0 <= level <= self.grids:
            raise BadInput(f"styles are mixed from a level between 0 and {self.grids} on, not {level}")
        told = all_given(condition)
        coarse, fine = (self.style(z, *told) for z in (first, second))
        w = torch.stack([coarse] * level + [fine] * (self.grids - level), 1)
        return self.picture(w, Noise(0, torch.zeros(len(w), dtype=torch.int64, device=w.device), path=("still",)))

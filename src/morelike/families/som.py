"""Self-organising map: prototypes on a grid, neighbours of which are alike. B batch, D elements, K units on a grid of side S, G groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition, Encodes, Prior
from ..core.contract import Batch, Generator, Learner, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from .labels import classes_of, count_classes, refuses_conditions


@dataclass(frozen=True, slots=True)
class SOMSettings:
    """The map. Raises BadInput for a number out of its range."""

    side: int = 12
    """Units along each side of the grid."""
    passes: int = 20
    narrowest: float = 0.5
    """Width of the neighbourhood in the last pass, in units; it falls from half the side in equal ratios."""

    def __post_init__(self) -> None:
        check_ranges(self, side=(2, 256), passes=(2, 1000), narrowest=(0.1, 100))


class SOM(Generator, Prior, Encodes):
    """Kohonen 1982, Self-organized formation of topologically correct feature maps; in batches: Kohonen 2001, Self-Organizing Maps,
    section 3.6: after each pass every prototype is the mean of the items, weighed by how near their best unit lies.

    A latent is a place on the map, (2,) in [-1, 1]; between units x is interpolated. Samples are drawn around the units that training items
    chose, of each class as often as its items did, with the spread that was left there.
    """

    Settings = SOMSettings
    settings: SOMSettings
    latent = Array((2,))
    units: Tensor
    sums: Tensor
    squares: Tensor
    weight: Tensor
    hits: Tensor
    seen: Tensor
    spread: Tensor
    turn: Tensor

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        size, count, groups = elements(spec), self.settings.side**2, count_classes(conditions) + 1
        # small and different: the first pass pulls them out along the map
        self.register_buffer("units", 0.01 * Noise(0, count, path=("som",)).normal((size,), "units"))
        for name in ("sums", "squares"):
            self.register_buffer(name, torch.zeros(count, size, dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("hits", torch.ones(groups, count, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros(groups, count, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(count, size))
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array):
            return "a self-organising map learns real-valued arrays, not ids or mixed rows"
        if elements(spec) > 1 << 16:
            return f"a map takes at most {1 << 16:,} numbers an example, not {elements(spec):,}: scale it down with codec.size"
        return refuses_conditions(conditions)

    def players(self) -> list[Player | Learner]:
        return [Learner("map", self._see, self._settle, passes=self.settings.passes)]

    @property
    def _grid(self) -> Tensor:
        """(K,2) each unit's place in [-1, 1]."""
        side = self.settings.side
        line = torch.linspace(-1, 1, side, device=self.units.device)
        return torch.stack((line.repeat_interleave(side), line.repeat(side)), 1)

    def _best(self, x: Tensor) -> Tensor:
        """(B,) the unit nearest to x (B,D)."""
        return (self.units.square().sum(1) - 2 * x @ self.units.T).argmin(1)

    def _see(self, batch: Batch) -> Terms:
        x = batch.data.flatten(1)
        best = self._best(x)
        group = classes_of(self.conditions, batch.condition, batch.size).to(x.device)
        self.sums.index_add_(0, best, x.double())
        self.squares.index_add_(0, best, x.double().square())
        self.weight.index_add_(0, best, torch.ones_like(best, dtype=torch.float64))
        self.seen.index_put_((group, best), torch.ones_like(best, dtype=torch.float64), accumulate=True)
        return {"loss": (x - self.units[best]).square().mean(1)}

    def _settle(self) -> bool:
        passes, side = self.settings.passes, self.settings.side
        share = float(self.turn) / (passes - 1)
        width = (side / 2) ** (1 - share) * self.settings.narrowest**share
        grid = self._grid.double() * (side - 1) / 2
        near = torch.exp(-0.5 * torch.cdist(grid, grid).square() / width**2)
        total = (near @ self.weight).clamp(min=1e-9)[:, None]
        units = (near @ self.sums) / total
        # what is left around each unit of the items that chose it, and of its neighbours' where these are few
        close = torch.exp(-0.5 * torch.cdist(grid, grid).square()) * 0.1 + torch.eye(len(grid), dtype=grid.dtype, device=grid.device)
        squares, sums, weight = (close @ part for part in (self.squares, self.sums, self.weight[:, None]))
        left = (squares - 2 * units * sums) / weight.clamp(min=1e-9) + units.square()
        self.spread.copy_(left.clamp(min=0).sqrt())
        self.units.copy_(units)
        self.hits.copy_(self.seen)
        self.hits[-1] = self.seen.sum(0)
        for sums in (self.sums, self.squares, self.weight, self.seen):
            sums.zero_()
        self.turn += 1
        return int(self.turn) >= passes

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        unit = self._drawn(condition, noise)
        x = self.units[unit] + self.spread[unit] * noise.normal((self.units.shape[1],), "spread")
        return x.view(-1, *self.spec.shape)

    def _drawn(self, condition: Condition, noise: Noise) -> Tensor:
        """(B,) units, as often as training items of the class chose them."""
        group = classes_of(self.conditions, condition, noise.size).to(self.hits.device)
        share = self.hits + 1e-9 * self.hits[-1]
        edges = (share / share.sum(1, keepdim=True)).cumsum(1)[group]
        return (noise.uniform((), "unit")[:, None] > edges).sum(1).clamp(max=edges.shape[1] - 1)

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, 2): a place near a unit that was chosen."""
        step = 2 / (self.settings.side - 1)
        return (self._grid[self._drawn(None, noise)] + step * (noise.uniform((2,), "jitter") - 0.5)).clamp(-1, 1)

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) x between the four units around the place z (B,2)."""
        side = self.settings.side
        place = (z.clamp(-1, 1) + 1) / 2 * (side - 1)
        low = place.floor().clamp(max=side - 2)
        part = place - low
        row, column = low.long().unbind(1)
        units = self.units.view(side, side, -1)
        x = torch.zeros(len(z), units.shape[2], device=z.device)
        for down in (0, 1):
            for right in (0, 1):
                weight = (part[:, 0] if down else 1 - part[:, 0]) * (part[:, 1] if right else 1 - part[:, 1])
                x = x + weight[:, None] * units[row + down, column + right]
        return x.view(-1, *self.spec.shape)

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B,2) the place of the nearest unit."""
        return self._grid[self._best(x.flatten(1))]

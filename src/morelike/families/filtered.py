"""Prices and rates without gradient: a walk whose steps are bootstrapped changes, scaled by how large the last ones were and turned by how
they went together.

B batch, C channels, T steps, M changes kept. Sums are kept in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition, Infills
from ..core.contract import Batch, Generator, Learner, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec
from ..maths.reservoir import keep

_SHORTEST = 4
_SMALLEST = 1e-12
_SURE, _RIDGE = 0.1, 1e-4
"""How much the correlations of training always count, and what is added to variances of one: few steps tell little of many channels."""


@dataclass(frozen=True, slots=True)
class FilteredWalkSettings:
    """How long sizes are remembered, and how many changes are kept."""

    decay: float = 0.94
    """What each step leaves of the variance before it (RiskMetrics' value for days)."""
    together: float = 0.97
    """What each step leaves of the correlations before it (RiskMetrics' value for months); 1: they stay those of training."""
    keep: int = 20_000
    clip: float = 8.0
    """Kept changes are at most so many deviations."""

    def __post_init__(self) -> None:
        check_ranges(self, decay=(0.5, 0.9999), together=(0.5, 1), keep=(1, 1 << 20), clip=(1, 1000))


class FilteredWalk(Generator, Infills):
    """Filtered historical simulation (Barone-Adesi, Giannopoulos, Vosper 1999, J. Futures Markets 19(5)) with the variance
    v_t = decay v_{t-1} + (1 - decay) (x_{t-1} - x_{t-2})^2 of each channel: x_t = x_{t-1} + v_t^(1/2) e_t, all channels of a step together.
    Beyond the paper correlations are filtered too, by the same smoothing of e e' (Engle 2002, J. Business & Economic Statistics 20(3), eq.
    4): e_t = L_t z_t, L_t L_t' the correlations at that time and z_t (C,) one of the training changes over theirs, less their mean.

    Where some channels of a step are known, the others get what linear regression makes of them and the residuals of the z_t that was
    drawn; a gap is walked through and the line between its ends taken off, as for a Brownian bridge.
    """

    Settings = FilteredWalkSettings
    settings: FilteredWalkSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.channels, self.length = spec.shape[0], spec.shape[1]
        many, double = self.settings.keep, torch.float64
        # of each kept example: a change over its deviations and correlations, and where and how wild the walk was then
        self.register_buffer("items", torch.zeros(many, 3, self.channels))
        self.register_buffer("keys", torch.full((many,), math.inf))
        self.register_buffer("count", torch.zeros((), dtype=double))
        self.register_buffer("squares", torch.zeros(self.channels, dtype=double))
        self.register_buffer("usual", torch.ones(self.channels))
        self.register_buffer("products", torch.zeros(self.channels, self.channels, dtype=double))
        self.register_buffer("correlation", torch.eye(self.channels, dtype=double))
        self.register_buffer("excess", torch.ones(self.channels))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64))
        self.items: Tensor
        self.keys: Tensor
        self.count: Tensor
        self.squares: Tensor
        self.usual: Tensor
        self.products: Tensor
        self.correlation: Tensor
        self.excess: Tensor
        self.filled: Tensor
        self.turn: Tensor

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array) or len(spec.shape) != 2 or spec.bin or spec.shape[1] < _SHORTEST:
            return "it walks through series of real numbers, of four steps at least"
        return "it takes no conditions" if conditions else None

    def players(self) -> list[Player | Learner]:
        return [Learner("changes", self._see, self._settle, passes=3)]

    def _see(self, batch: Batch) -> Terms:
        x = batch.data
        if self.turn == 0:
            changes = x.diff(dim=2).double()
            self.squares += changes.square().sum((0, 2))
            self.count += changes.shape[0] * changes.shape[2]
            return {"seen": torch.ones(batch.size, device=x.device)}
        variances = self._variances(x)
        units = self._clipped(x.diff(dim=2) / variances[:, :, 1:].sqrt())
        late, rows = self.length // 2, torch.arange(batch.size, device=x.device)
        if self.turn == 1:
            own = units[:, :, late - 1 :].double()
            self.products += torch.einsum("bct,bdt->cd", own, own)
            return {"seen": torch.ones(batch.size, device=x.device)}
        # a place in the second half, so that the variance is of the example's own changes
        place = late + (batch.noise.uniform((), "place") * (self.length - late)).long()
        shared = then = self._usually(batch.size)
        for step in range(2, self.length):
            shared = self._sharing(shared, units[:, :, step - 2]) if step > 2 else shared
            then = torch.where((place == step)[:, None, None], shared, then)
        unit = units[rows, :, place - 1].double()[:, :, None]
        root = torch.linalg.cholesky(self._related(then))
        white = torch.linalg.solve_triangular(root, unit, upper=False)[:, :, 0].float()
        item = torch.stack((self._clipped(white), x[rows, :, place], variances[rows, :, place]), 1)
        keep(self.items, self.keys, item, batch.noise.uniform((), "keep"))
        return {"seen": torch.ones(batch.size, device=x.device)}

    def _settle(self) -> bool:
        self.turn += 1
        if self.turn == 1:
            self.usual.copy_((self.squares / self.count.clamp(min=1)).clamp(min=_SMALLEST))
            return False
        if self.turn == 2:
            deviation = self.products.diagonal().sqrt().clamp(min=_SMALLEST)
            self.correlation.copy_(self.products / deviation / deviation[:, None])
            return False
        there = self.keys.isfinite()
        order = there.logical_not().long().argsort(stable=True)
        self.items.copy_(self.items[order])
        self.keys.copy_(self.keys[order])
        self.filled.fill_(int(there.sum()))
        moved = self.items[: int(self.filled), 0]
        moved -= moved.mean(0)
        self.excess.copy_(moved.square().mean(0).sqrt().clamp(min=_SMALLEST))
        return True

    def _clipped(self, units: Tensor) -> Tensor:
        return units.clamp(-self.settings.clip, self.settings.clip)

    def _variances(self, x: Tensor) -> Tensor:
        """(B,C,T) of each step's change as foreseen by those before it; at steps 0 and 1 the usual one."""
        variance = self.usual.expand(len(x), -1)
        found = [variance, variance]
        for step in range(2, self.length):
            variance = self._after(variance, x[:, :, step - 1] - x[:, :, step - 2])
            found.append(variance)
        return torch.stack(found, 2)

    def _after(self, variance: Tensor, change: Tensor) -> Tensor:
        decay = self.settings.decay
        # a channel that stood still wakes up
        return (decay * variance + (1 - decay) * change.square()).clamp(min=1e-8 * self.usual)

    def _usually(self, count: int) -> Tensor:
        """(B,C,C) products of changes in deviations, as in training."""
        return self.correlation.expand(count, -1, -1)

    def _sharing(self, shared: Tensor, unit: Tensor) -> Tensor:
        """(B,C,C) after one more step of changes in deviations (B,C)."""
        if self.settings.together == 1:
            return shared
        own = unit.double()
        return torch.lerp(own[:, :, None] * own[:, None], shared, self.settings.together)

    def _related(self, shared: Tensor) -> Tensor:
        """(B,C,C) correlations."""
        deviation = shared.diagonal(dim1=1, dim2=2).sqrt().clamp(min=_SMALLEST)
        found = torch.lerp(shared / deviation[:, None] / deviation[:, :, None], self.correlation, _SURE)
        eye = torch.eye(self.channels, dtype=torch.float64, device=shared.device)
        related: Tensor = found * (1 - eye) + (1 + _RIDGE) * eye
        return related

    def _picked(self, noise: Noise, steps: int) -> Tensor:
        """(B, steps, 3, C) kept items."""
        many = max(1, int(self.filled))
        return self.items[(noise.uniform((steps,), "change").double() * many).long().clamp(max=many - 1)]

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """A walk from where a training example was. No dials."""
        nothing = torch.zeros(noise.size, *self.spec.shape, device=self.items.device)
        return self.infill(nothing, torch.zeros_like(nothing, dtype=torch.bool), noise=noise)

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials. What comes before the first known value of a channel is walked to backwards, with changes of the usual size."""
        picked = self._picked(noise, self.length)
        ever, first = known.any(2), known.float().argmax(2)
        x = torch.where(known, x, 0.0)
        level = torch.where(ever, x.gather(2, first[:, :, None])[:, :, 0], picked[:, 0, 1])
        variance = torch.where(ever, self.usual, picked[:, 0, 2])
        first = torch.where(ever, first, 0)
        levels, lines = [level], torch.zeros_like(x)
        since, shared = first, self._usually(len(x))
        for step in range(1, self.length):
            walking, there, told = step > first, known[:, :, step], known[:, :, step - 1]
            unit = self._together(picked[:, step, 0], (x[:, :, step] - level) / variance.sqrt(), walking & there & told, shared)
            shared = self._sharing(shared, self._clipped(torch.where(walking, unit, 0.0))) if step > 1 else shared
            change = torch.where(walking, unit * variance.sqrt(), 0.0)
            missed = torch.where(walking & there & ~told, x[:, :, step] - level - change, 0.0)
            if bool(missed.any()):
                lines = lines + self._line(missed, since, step)
            level = torch.where(there, x[:, :, step], level + change)
            levels.append(level)
            # how large the change at the end of a gap was isn't known; drawn ones must not make the variance grow by themselves
            own = torch.where(there, change, change / self.excess)
            variance = torch.where(walking & (told | ~there), self._after(variance, own), variance)
            since = torch.where(there, step, since)
        back = picked[:, :, 0].swapaxes(1, 2).flip(2).cumsum(2).flip(2) * self.usual.sqrt()[:, None]
        place = torch.arange(self.length, device=x.device)
        before = back - back.gather(2, first[:, :, None])
        out = torch.stack(levels, 2) + lines
        return torch.where(known, x, out + torch.where(place < first[:, :, None], before, 0.0))

    def _together(self, white: Tensor, seen: Tensor, known: Tensor, shared: Tensor) -> Tensor:
        """(B,C) changes in deviations: those `seen` where they are `known`; elsewhere drawn ones, made of `white` ones, moved by the
        regression on how far the drawn ones were off where they are known (exact for Gaussians; Hoffman, Ribak 1991)."""
        if bool(known.all()):
            return seen
        related = self._related(shared)
        drawn = (torch.linalg.cholesky(related) @ white.double()[:, :, None])[:, :, 0]
        out = torch.where(known, seen.double(), drawn)
        masks, own = known.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
        for number, mask in enumerate(masks):
            if 0 < int(mask.sum()) < self.channels:
                rows = (own == number).nonzero()[:, 0]
                across, within = related[rows][:, ~mask][:, :, mask], related[rows][:, mask][:, :, mask]
                off = seen[rows][:, mask].double() - drawn[rows][:, mask]
                moved = (across @ torch.linalg.solve(within, off[:, :, None]))[:, :, 0] + drawn[rows][:, ~mask]
                out[rows[:, None], (~mask).nonzero()[:, 0]] = moved
        return out.float()

    def _line(self, missed: Tensor, since: Tensor, step: int) -> Tensor:
        """(B,C,T) what is added within a gap that began after `since` (B,C) and ended at `step`, by as much as it `missed` (B,C)."""
        place = torch.arange(self.length, device=missed.device)
        share = (place - since[:, :, None]) / (step - since).clamp(min=1)[:, :, None]
        return torch.where(place < step, share.clamp(0, 1) * missed[:, :, None], 0.0)

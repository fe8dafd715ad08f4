"""What anyone could have used: every element drawn on its own, and copies of the training data a little changed.

B batch, * the example's shape, M items kept, C classes. Both keep a random sample of the training data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Generator, Learner, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Row, Spec, Tokens, elements, lift
from ..maths.reservoir import keep
from .labels import classes_of, count_classes, refuses_conditions

_MOST_BYTES = 1 << 27


def storage(spec: Spec) -> torch.dtype:
    """The smallest type that holds an example's levels, ids or reals."""
    match spec:
        case Array(bin=step) if step > 0 and round(2 / step) < 256:
            return torch.uint8
        case Tokens():
            return torch.int32
        case _:
            return torch.float32


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """How much is kept."""

    keep: int = 10_000
    """At most so many training items, and at most 128 MB of them."""

    def __post_init__(self) -> None:
        check_ranges(self, keep=(1, 1 << 24))


class _Kept(Generator):
    """Holds a random sample of the training items and, under a label, the order that puts classes side by side."""

    Settings = BaselineSettings
    settings: BaselineSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        kind, groups = storage(spec), count_classes(conditions) + 1
        most = max(1, min(self.settings.keep, _MOST_BYTES // (elements(spec) * kind.itemsize)))
        # what is kept has been drawn: levels of x itself
        self.levels = replace(spec, grey=0) if isinstance(spec, Array) else spec
        self.register_buffer("items", torch.zeros(most, *spec.shape, dtype=kind))
        self.register_buffer("keys", torch.full((most,), math.inf))
        self.register_buffer("labels", torch.zeros(most, dtype=torch.int64))
        self.register_buffer("order", torch.zeros(most, dtype=torch.int64))
        self.register_buffer("first", torch.zeros(groups, dtype=torch.int64))
        self.register_buffer("count", torch.zeros(groups, dtype=torch.int64))
        self.items: Tensor
        self.keys: Tensor
        self.labels: Tensor
        self.order: Tensor
        self.first: Tensor
        self.count: Tensor

    def players(self) -> list[Player | Learner]:
        return [Learner("sample", self._see, self._settle)]

    def _see(self, batch: Batch) -> Terms:
        x = batch.data
        if isinstance(self.spec, Array) and not self.items.is_floating_point():
            x = torch.round((x.clamp(-1, 1) + 1) / self.spec.bin)
        group = classes_of(self.conditions, batch.condition, batch.size, batch.given).to(x.device)
        keep(self.items, self.keys, x, batch.noise.uniform((), "keep"), (self.labels, group))
        return {"seen": torch.ones(batch.size, device=x.device)}

    def _settle(self) -> bool:
        """Places of each class in `order`; the last group is everybody, as is a class without items."""
        filled = int(self.keys.isfinite().sum())
        labels = torch.where(self.keys.isfinite(), self.labels, len(self.count))
        self.order.copy_(labels.argsort(stable=True))
        self.count.copy_(torch.bincount(labels, minlength=len(self.count))[: len(self.count)])
        self.first.copy_(self.count.cumsum(0) - self.count)
        self.first[self.count == 0] = 0
        self.count[self.count == 0] = filled
        self.first[-1], self.count[-1] = 0, filled
        return True

    def _draw(self, condition: Condition, u: Tensor) -> Tensor:
        """Numbers of kept items of each row's class, one for each of the uniform draws u (B,*)."""
        group = classes_of(self.conditions, condition, len(u)).to(u.device).view(-1, *[1] * (u.dim() - 1))
        place = self.first[group] + (u.double() * self.count[group]).long()
        return self.order[place]

    def _elements(self, condition: Condition, noise: Noise) -> Tensor:
        """(B,*) x whose every element is that of a kept item of its own."""
        chosen = self._draw(condition, noise.uniform(self.spec.shape, "item"))
        return lift(self.levels, self.items.flatten(1).gather(0, chosen.flatten(1)).view(chosen.shape))


class Independent(_Kept):
    """Every element from its own empirical distribution (that of the kept items), whatever the others are: shuffled columns."""

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return refuses_conditions(conditions)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        return _end(self.spec, self._elements(condition, noise))


class CopyNoise(_Kept):
    """A kept item a little changed: what a model that only remembers would make. Real values get normal noise of standard deviation
    0.05; of ids, 5 % are replaced by those of other kept items at the same place (stops stay where they are)."""

    SPREAD = 0.05
    REPLACED = 0.05

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if isinstance(spec, Row):
            return "copy-noise changes arrays and sequences of ids, not mixed rows"
        return refuses_conditions(conditions)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        chosen = self._draw(condition, noise.uniform((), "item"))
        x = lift(self.levels, self.items[chosen])
        if not isinstance(self.spec, Tokens):
            return x + self.SPREAD * noise.normal(self.spec.shape, "noise")
        other = self._elements(condition, noise.under("replaced"))
        changed = noise.uniform(self.spec.shape, "changed") < self.REPLACED
        if self.spec.stop is not None:
            changed &= (x != self.spec.stop) & (other != self.spec.stop)
        return torch.where(changed, other, x)


@dataclass(frozen=True, slots=True)
class BlockBootstrapSettings(BaselineSettings):
    """How much is kept, and how it is cut."""

    block: float = 8.0
    """Mean length of a block in steps."""

    def __post_init__(self) -> None:
        BaselineSettings.__post_init__(self)
        check_ranges(self, block=(1, 1 << 20))


class BlockBootstrap(_Kept):
    """Blocks of training series one after another (stationary bootstrap: Politis, Romano 1994, The stationary bootstrap): at every step
    the block goes on, or with probability 1 / `block` another begins at a random step of a random kept series. It copies."""

    Settings = BlockBootstrapSettings
    settings: BlockBootstrapSettings

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        signal = isinstance(spec, Array) and len(spec.shape) == 2
        return refuses_conditions(conditions) if signal else "it cuts series into blocks of steps"

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        length = self.spec.shape[1]
        items = self._draw(condition, noise.uniform((length,), "item"))
        begins = (noise.uniform((length,), "place") * length).long()
        ends = noise.uniform((length,), "end") < 1 / self.settings.block
        item, place, found = items[:, 0], begins[:, 0], []
        for step in range(length):
            anew = ends[:, step] | (place >= length)
            item, place = torch.where(anew, items[:, step], item), torch.where(anew, begins[:, step], place)
            found.append(self.items[item, :, place])
            place = place + 1
        return lift(self.levels, torch.stack(found, 2))


class Smote(_Kept):
    """A row between a kept one and one of its nearest (Chawla et al. 2002, arXiv:1106.1813, sections 4.2 and 6.1): numbers at one random
    place on the line between both, each category that of the one or the other. It copies without repeating.

    Near is by the sum of squared differences of numbers, and 1 for each category that differs: numbers are of about unit spread, and
    their spread is what the paper counts. A number that only one row has is taken as it is there.
    """

    NEIGHBOURS = 5

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return refuses_conditions(conditions) if isinstance(spec, Row) else "it lies between rows of a table (categories and numbers)"

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        chosen = self._draw(condition, noise.uniform((), "item"))
        one = self.items[chosen]
        other = self.items[self._near(chosen, noise.uniform((), "neighbour"))]
        between = torch.lerp(one, other, noise.uniform((1,), "place"))
        between = torch.where(one.isnan(), other, torch.where(other.isnan(), one, between))
        either = torch.where(noise.uniform(self.spec.shape, "side") < 0.5, one, other)
        return torch.where(self._categories(), either, between)

    def _categories(self) -> Tensor:
        """(F,) bool: which fields are categories."""
        assert isinstance(self.spec, Row)
        return torch.tensor([field.categories > 0 for field in self.spec.fields], device=self.items.device)

    def _near(self, chosen: Tensor, u: Tensor) -> Tensor:
        """(B,) the number of one of the nearest rows of the same class; that of the row itself where it has no other."""
        ids, one, every = self._categories(), self.items[chosen].nan_to_num(), self.items.nan_to_num()
        # no matrix product: its rounding would depend on how many are asked for
        exact = "donot_use_mm_for_euclid_dist"
        apart = torch.cdist(one[:, ~ids], every[:, ~ids], compute_mode=exact).square() + torch.cdist(one[:, ids], every[:, ids], p=0.0)
        apart.masked_fill_((self.labels != self.labels[chosen][:, None]) | ~self.keys.isfinite(), math.inf)
        apart[torch.arange(len(chosen)), chosen] = math.inf
        nearest, numbers = apart.topk(min(self.NEIGHBOURS, len(self.items)), largest=False)
        there = nearest.isfinite().sum(1)
        picked = numbers.gather(1, (u * there).long()[:, None])[:, 0]
        return torch.where(there > 0, picked, chosen)


def _end(spec: Spec, x: Tensor) -> Tensor:
    """All is stop after the first stop."""
    if isinstance(spec, Tokens) and spec.stop is not None:
        ended = (x == spec.stop).flatten(1).cumsum(1).view_as(x) > 0
        return torch.where(ended, spec.stop, x)
    return x

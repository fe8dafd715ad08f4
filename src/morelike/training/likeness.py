"""What the watchdog of games sees of samples: how much they differ inside a class, and how far classes differ, against real examples.

B examples, C classes, M examples of each class, D numbers of an example, laid flat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.contract import Generator
from ..core.noise import Noise
from ..core.spec import Array, Conditions, Spec, Tokens, lift, lift_all

MOST_CLASSES, EACH, ALONE = 10, 16, 96
"""Classes looked at, samples of each; samples where there is no class."""
LEAST = 8
"""Fewer real examples of a class say nothing of its diversity."""
_MOST_READ, _MOST_STEPS = 1024, 64
_IDS = 64
"""Ids of a sequence are told apart modulo so many."""

Rows = Callable[[int], tuple[Tensor, Tensor, Mapping[str, Tensor]]]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Shares of what real examples have: 1 is as real, 0 is none."""

    diversity: float
    """Of the least diverse class: the smaller of spread and distance to the nearest other sample."""
    worst: int | None
    """That class; None where there are none."""
    heard: float | None
    """How far the classes' means lie apart in the direction of the real ones, all made of the same latents; None without classes."""


class Sampler:
    """Measures a generator against the first real rows of the training data. Everything is a function of data and seed alone."""

    def __init__(self, spec: Spec, conditions: Conditions, rows: Rows, seed: int) -> None:
        """`rows`: stored rows of a step, as `training.loop.Data.rows` gives them. Raises ValueError where nothing can be measured."""
        self.spec, self.seed = spec, seed
        x, condition = _read(rows)
        label = [name for name, own in conditions.items() if own.shape == (1,) and isinstance(own, Tokens)]
        self.label = label[0] if len(label) == len(conditions) == 1 else None
        lifted = flat(spec, lift(spec, x))
        if self.label is None:
            self.classes: list[int] = []
            self.condition = lift_all(conditions, {name: value[:ALONE] for name, value in condition.items()})
            groups, each = [lifted], min(ALONE, len(lifted))
        else:
            ids = condition[self.label].view(-1).long()
            counts = torch.bincount(ids)
            often = torch.argsort(counts, descending=True, stable=True)[:MOST_CLASSES]
            self.classes = sorted(int(c) for c in often if counts[c] >= LEAST)
            groups, each = [lifted[ids == c] for c in self.classes], EACH
        self.each = each
        real = [(spread(group), nearest(group, each)) for group in groups if len(group) >= LEAST]
        self.real = [both for both in real if min(both) > 0]
        if not self.real or len(self.real) < len(groups):
            raise ValueError("real examples are too few, or all the same")
        self.means = torch.stack([group.mean(0) for group in groups])

    def measure(self, model: Generator) -> Likeness:
        """Of samples of `model`: the same latents at every look and in every class."""
        count = max(1, len(self.classes))
        index = torch.arange(self.each).repeat(count)
        told = dict(self.condition) if self.label is None else {self.label: torch.tensor(self.classes).repeat_interleave(self.each)[:, None]}
        with torch.no_grad():
            noise = Noise(self.seed, index.to(model.device), path=("watch",))
            made = model.sample({name: value[: len(index)].to(model.device) for name, value in told.items()}, noise=noise)
        groups = flat(self.spec, made.cpu()).view(count, self.each, -1)
        shares = [
            min(spread(group) / real[0], nearest(group, self.each) / real[1]) for group, real in zip(groups, self.real, strict=True)
        ]
        least = min(range(count), key=shares.__getitem__)
        return Likeness(shares[least], self.classes[least] if self.classes else None, self._heard(groups.mean(1)))

    def _heard(self, made: Tensor) -> float | None:
        """The slope of made class means (C,D) on the real ones."""
        if len(self.classes) < 2:
            return None
        real, made = self.means - self.means.mean(0), made - made.mean(0)
        power = real.square().sum()
        return float((real * made).sum() / power) if power > 0 else None


def _read(rows: Rows) -> tuple[Tensor, dict[str, Tensor]]:
    """The first rows of the data, about a thousand."""
    parts: list[Tensor] = []
    told: dict[str, list[Tensor]] = {}
    for step in range(_MOST_STEPS):
        _, x, condition = rows(step)
        parts.append(x)
        for name, value in condition.items():
            told.setdefault(name, []).append(value)
        if sum(map(len, parts)) >= _MOST_READ:
            break
    return torch.cat(parts)[:_MOST_READ], {name: torch.cat(values)[:_MOST_READ] for name, values in told.items()}


def flat(spec: Spec, x: Tensor) -> Tensor:
    """(B,D) float32 of examples x (B,*): an Array as it is, ids as one-hot numbers (modulo 64)."""
    if isinstance(spec, Array):
        return x.float().flatten(1)
    return F.one_hot(x.flatten(1) % _IDS, _IDS).float().flatten(1)


def spread(x: Tensor) -> float:
    """Root mean squared distance of the rows of x (B,D) from their mean, with n - 1."""
    return float((x - x.mean(0)).square().sum(1).sum().div(max(1, len(x) - 1)).sqrt())


def nearest(x: Tensor, each: int) -> float:
    """Mean distance of a row of x (B,D) to the nearest other one, among `each` rows at a time."""
    found = []
    for group in torch.split(x, each)[: max(1, len(x) // each)]:
        apart = torch.cdist(group, group)
        apart.fill_diagonal_(torch.inf)
        found.append(apart.min(1).values.mean())
    return float(torch.stack(found).mean())

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
MEANINGFUL = 3.0
"""Real classes' means lie apart by more than so many times their noise, or nothing is asked of their samples."""
_MOST_READ, _MOST_STEPS = 1024, 64
_IDS, _PLACES = 64, 4096
"""Ids of a sequence are told apart modulo so many; most numbers of an example that are looked at."""

Rows = Callable[[int], tuple[Tensor, Tensor, Mapping[str, Tensor]]]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Shares of what real examples have: 1 is as real, 0 is none."""

    diversity: float
    """Of the least diverse class: the smaller of spread and distance to the nearest other sample."""
    worst: int | None
    """That class; None where there are none."""
    heard: float | None
    """What the condition changes in samples of the same latents; None where there is none, or where it means nothing in real data."""


class Sampler:
    """Measures a generator against the first real rows of the training data. Everything is a function of data and seed alone.

    One class label: some samples of each class, of the same latents in each; `heard` is the slope of their means on the real means.
    Other conditions: those of the first rows; `heard` is how far samples move under another row's condition, against how far those
    rows lie apart. No condition: diversity alone.
    """

    def __init__(self, spec: Spec, conditions: Conditions, rows: Rows, seed: int) -> None:
        """`rows`: stored rows of a step, as `training.loop.Data.rows` gives them. Raises ValueError where nothing can be measured."""
        self.spec, self.seed = spec, seed
        real, condition = _read(spec, rows)
        sound = torch.isfinite(real).all(1)
        real, condition = real[sound], lift_all(conditions, {name: value[sound] for name, value in condition.items()})
        label = next(iter(condition.values())) if condition and _one_label(conditions) else None
        self.classes: list[int] = [] if label is None else _often(label.view(-1))
        groups = [real[label.view(-1) == own] for own in self.classes] if label is not None else [real]
        self.each = EACH if self.classes else min(ALONE, len(real))
        index = torch.arange(self.each)
        self.index = index.repeat(max(1, len(self.classes)))
        if label is not None:
            self.told = {next(iter(conditions)): torch.tensor(self.classes).repeat_interleave(self.each)[:, None]}
        else:
            self.told = {name: value[: self.each] for name, value in condition.items()}
        if not groups or min(map(len, groups)) < LEAST:
            raise ValueError("too few real examples")
        self.real = [(spread(group), nearest(group, self.each)) for group in groups]
        if min(map(min, self.real)) <= 0:
            raise ValueError("real examples are all the same")
        self.means = torch.stack([group.mean(0) for group in groups])
        self.apart = _apart(real[index])
        # means of classes that mean nothing still differ, by the noise of so many examples
        noise = sum(own[0] ** 2 / len(group) for own, group in zip(self.real, groups, strict=True))
        self.telling = len(groups) > 1 and float((self.means - self.means.mean(0)).square().sum()) > MEANINGFUL * noise

    def measure(self, model: Generator) -> Likeness:
        """Of samples of `model`: the same latents at every look."""
        made = self._draw(model, self.told)
        groups = made.view(len(self.real), self.each, -1)
        shares = [
            min(spread(group) / real[0], nearest(group, self.each) / real[1]) for group, real in zip(groups, self.real, strict=True)
        ]
        least = min(range(len(shares)), key=shares.__getitem__)
        return Likeness(shares[least], self.classes[least] if self.classes else None, self._heard(model, made, groups.mean(1)))

    def _heard(self, model: Generator, made: Tensor, means: Tensor) -> float | None:
        if self.classes:
            real, own = self.means - self.means.mean(0), means - means.mean(0)
            return float((real * own).sum() / real.square().sum()) if self.telling else None
        if not self.told:
            return None
        other = self._draw(model, {name: value.roll(1, 0) for name, value in self.told.items()})
        return float((other - made).square().sum(1).mean().sqrt()) / self.apart

    def _draw(self, model: Generator, told: Mapping[str, Tensor]) -> Tensor:
        """(B,D) samples, flat."""
        noise = Noise(self.seed, self.index.to(model.device), path=("watch",))
        with torch.no_grad():
            return flat(self.spec, model.sample({name: value.to(model.device) for name, value in told.items()}, noise=noise)).cpu()


def _one_label(conditions: Conditions) -> bool:
    return [isinstance(own, Tokens) and own.shape == (1,) for own in conditions.values()] == [True]


def _often(label: Tensor) -> list[int]:
    """The classes with the most examples of those that have enough, in order."""
    counts = torch.bincount(label)
    often = torch.argsort(counts, descending=True, stable=True)[:MOST_CLASSES].tolist()
    return sorted(own for own in often if counts[own] >= LEAST)


def _apart(x: Tensor) -> float:
    """Root mean squared distance of each row of x (B,D) from the next one."""
    return float((x.roll(1, 0) - x).square().sum(1).mean().sqrt())


def _read(spec: Spec, rows: Rows) -> tuple[Tensor, dict[str, Tensor]]:
    """The first rows of the data, about a thousand, flat, and their conditions as stored."""
    parts: list[Tensor] = []
    told: dict[str, list[Tensor]] = {}
    for step in range(_MOST_STEPS):
        _, x, condition = rows(step)
        parts.append(flat(spec, lift(spec, x)))
        for name, value in condition.items():
            told.setdefault(name, []).append(value)
        if sum(map(len, parts)) >= _MOST_READ:
            break
    return torch.cat(parts)[:_MOST_READ], {name: torch.cat(values)[:_MOST_READ] for name, values in told.items()}


def flat(spec: Spec, x: Tensor) -> Tensor:
    """(B,D) float32 of examples x (B,*): numbers of an Array, ids as one-hot numbers (modulo 64); of long examples every k-th place."""
    places = x.flatten(1)
    if isinstance(spec, Array):
        return places[:, :: -(-places.shape[1] // _PLACES)].float()
    return F.one_hot(places[:, :: -(-places.shape[1] * _IDS // _PLACES)] % _IDS, _IDS).float().flatten(1)


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

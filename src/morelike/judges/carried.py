"""Held-out items of two sets carried over to the other set and back: do they look like the other set, and do they come back as they were?

n items of a set, * an item's shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.errors import Refused
from .extractor import Array, Extractor
from .intervals import Measure, around
from .likelihood import Ready
from .scores import REFERENCE_ITEMS, FeatureScores, Rule, Shown

WAY_BACK = "there-and-back"
_SMALLEST = 20
_UNCHANGED, _ANOTHER = "not carried over", "another item"


@dataclass(frozen=True, slots=True)
class Carried:
    """Set -> raw items (n,*)."""

    training: Mapping[str, Array]
    real: Mapping[str, Array]
    """Held-out ones of the set itself."""
    made: Mapping[str, Array]
    """Those of the other set, carried over to this one."""
    back: Mapping[str, Array]
    """Its own, carried over and back."""


def carried_rules(carried: Carried) -> dict[str, Rule]:
    """The rules of the scores: a kernel distance for each set that is gone to, and the error of the way back."""
    return {name: Rule("lower", _SMALLEST) for name in (*(f"kernel-to-{one}" for one in carried.real), WAY_BACK)}


def carried_scores(carried: Carried, extractor: Extractor, seed: int) -> Ready:
    """`kernel-to-SET` beside real held-out items of the set and those of the other as they are; `there-and-back`: mean absolute
    difference in shares of the values' range, beside that from another item of the set.

    Raises Refused for fewer than 20 held-out items of a set.
    """
    fewest = min(map(len, carried.real.values()))
    if fewest < _SMALLEST:
        raise Refused(f"needs at least {_SMALLEST} held-out items of each set, has {fewest}")
    own: dict[str, Measure] = {}
    unchanged: dict[str, float] = {}
    more: dict[str, dict[str, float | None]] = {}
    for one, (other,) in ((one, [name for name in carried.real if name != one]) for one in carried.real):
        name, items = f"kernel-to-{one}", {"made": carried.made[one], "real": carried.real[one], "other": carried.real[other]}
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(carried.training[one]))[:REFERENCE_ITEMS]
        group = FeatureScores(extractor.name, extractor(carried.training[one]), order, None, seed)
        found = {
            key: group.measure(Shown("generated", np.arange(len(some)), {extractor.name: extractor(some)}))[f"kernel.{extractor.name}"]
            for key, some in items.items()
        }
        own[name], unchanged[name] = found["made"], found["other"].value
        floor = found["real"]
        more[name] = {"floor": floor.value, "floor_low": floor.low, "floor_high": floor.high}
    error, another = _way_back(carried)
    own[WAY_BACK] = error
    return Ready(carried_rules(carried), own, {_UNCHANGED: unchanged, _ANOTHER: {WAY_BACK: another}}, fewest, extractor.name, more)


def _way_back(carried: Carried) -> tuple[Measure, float]:
    """(mean error of what comes back, that of the item that comes next in its set), both sets together."""
    ends = [(float(items.min()), float(items.max())) for items in carried.training.values()]
    span = max(high for _, high in ends) - min(low for low, _ in ends) or 1.0
    errors, others = [], []
    for one, items in carried.real.items():
        real = items.astype(np.float64)
        errors.append(_apart(real, carried.back[one]) / span)
        others.append(_apart(real, np.roll(real, 1, 0)) / span)
    each = np.concatenate(errors)
    return around(float(each.mean()), float(each.std() / np.sqrt(len(each))), 0.0), float(np.concatenate(others).mean())


def _apart(one: Array, other: Array) -> np.ndarray:
    """(n,) mean absolute differences."""
    found: np.ndarray = np.abs(one - other.astype(np.float64)).reshape(len(one), -1).mean(1)
    return found

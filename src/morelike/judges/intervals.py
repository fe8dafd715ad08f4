"""95% intervals: how far a score would move had other n samples been drawn. The reference is held fixed.

A bootstrap repeats items, so distances and shares of it are biased: a resample of n items holds about 0.63 n different
ones. Only its spread is used, centred on the value: value +- 1.96 standard deviations, cut at the score's own bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

RESAMPLES = 100
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Measure:
    """A value and its 95% interval; None where no interval was asked for."""

    value: float
    low: float | None = None
    high: float | None = None
    draws: Floats | None = field(default=None, repr=False, compare=False)
    """(100,): the values on the resamples of `resamples`, where the interval comes from them: so two models' can be paired."""


def resamples(size: int, seed: int) -> NDArray[np.int64]:
    """(100, size): how often each item is drawn in each bootstrap resample (numpy's PCG64)."""
    return np.random.Generator(np.random.PCG64(seed)).multinomial(size, np.full(size, 1.0 / size), RESAMPLES)


def around(value: float, deviation: float, least: float = -math.inf, largest: float = math.inf) -> Measure:
    """value +- 1.96 deviations, cut to [least, largest]."""
    return Measure(value, max(least, value - _Z * deviation), min(largest, value + _Z * deviation))


def resampled(value: float, draws: Floats, least: float = -math.inf, largest: float = math.inf) -> Measure:
    """`around` of values (100,) on the resamples, which are kept."""
    return replace(around(value, float(draws.std()), least, largest), draws=draws)


def wilson(share: float, count: int) -> Measure:
    """A share of `count` independent items (Wilson 1927): honest at 0 and 1 too."""
    centre = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return Measure(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def jackknife(share: float, alone: Floats | NDArray[np.integer], reference: int) -> Measure:
    """A share of `reference` items reached by samples, of which sample j alone reaches alone[j] (Efron, Stein 1981).

    Leaving sample j out lowers the share by alone[j] / reference: the delete-one variance needs no second pass.
    """
    drops = np.asarray(alone, np.float64) / reference
    return around(share, math.sqrt(((drops - drops.mean()) ** 2).sum()), 0.0, 1.0)

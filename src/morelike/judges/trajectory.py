"""Judges of tracks: how fast they go, how they turn, where they end. N items, K bins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.trajectory_items import Track
from .domain import Domain, Score
from .extractor import Extractor
from .scores import Rule

Numbers = NDArray[np.float64]
_NEED = 20
_BINS = 30
_STILL = 0.05
"""Share of the usual speed below which a turn means nothing."""


class Trajectories(Domain):
    """Tracks, each in its own frame: the origin is where it begins, the x axis the way it was going."""

    def extractor(self) -> Extractor:
        """Velocities of all steps, in units of the training speed."""
        unit = float(self.told["speed"])

        def features(items: NDArray[Any]) -> NDArray[Any]:
            return np.array([velocities(item).ravel() / unit for item in items], np.float32)

        return Extractor(f"raw-velocities{2 * self.told['predict']}", features, cheap=True)

    def scores(self) -> list[Score]:
        lower = Rule("lower", _NEED)
        unit = float(self.told["speed"])

        def histogram(name: str, values: Callable[[Track], Numbers], low: float, high: float) -> Score:
            edges = np.linspace(low, high, _BINS + 1)
            return Score(name, lower, "histogram", lambda items: np.array([_counts(values(item), edges) for item in items]))

        reach = unit * float(self.told["seconds"]) * self.told["predict"]
        return [
            histogram("speed", lambda item: speeds(item) / unit, 0, 2.5),
            histogram("acceleration", lambda item: accelerations(item) * float(self.told["seconds"]) / unit, 0, 0.6),
            histogram("curvature", lambda item: turns(item, _STILL * unit), -0.6, 0.6),
            histogram("displacement", lambda item: np.hypot(*(item.points[-1:] - item.points[0]).T) / reach, 0, 2),
            histogram("sideways", lambda item: (item.points[-1:] - item.points[0])[:, 1] / reach, -1, 1),
            histogram("straightness", straightness, 0, 1),
        ]


def velocities(item: Track) -> Numbers:
    """(n-1,2) metres a second."""
    found: Numbers = np.diff(item.points, axis=0) / item.seconds
    return found


def speeds(item: Track) -> Numbers:
    """(n-1,) metres a second."""
    found: Numbers = np.hypot(*velocities(item).T)
    return found


def accelerations(item: Track) -> Numbers:
    """(n-2,) lengths of the change of velocity, in metres a second squared."""
    found: Numbers = np.hypot(*np.diff(velocities(item), axis=0).T) / item.seconds
    return found


def turns(item: Track, least: float) -> Numbers:
    """Turns between steps in radians, left positive; those where it goes slower than `least` metres a second are left out."""
    steps = velocities(item)
    heading, fast = np.arctan2(steps[:, 1], steps[:, 0]), np.hypot(steps[:, 0], steps[:, 1]) > least
    turned = (np.diff(heading) + np.pi) % (2 * np.pi) - np.pi
    found: Numbers = turned[fast[1:] & fast[:-1]]
    return found


def straightness(item: Track) -> Numbers:
    """(1,) distance from end to end by the way gone, 0 to 1; 0 for one that stands."""
    way = float(np.hypot(*np.diff(item.points, axis=0).T).sum())
    return np.array([float(np.hypot(*(item.points[-1] - item.points[0]))) / way if way > 0 else 0.0])


def collisions(others: Sequence[Numbers], path: Numbers, near: float) -> bool:
    """Whether a path (T,2) comes nearer than `near` metres to one of `others`, (T,2) each with NaN where it isn't there."""
    return any(bool((np.hypot(*(other - path).T) < near).any()) for other in others)


def _counts(values: Numbers, edges: Numbers) -> NDArray[np.int64]:
    """(K,) how many values lie in each bin, those beyond in the first and the last."""
    inner = np.clip(values, edges[0], np.nextafter(edges[-1], -np.inf))
    return np.asarray(np.histogram(inner, edges)[0])

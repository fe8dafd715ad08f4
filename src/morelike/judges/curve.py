"""Judges of outlines: their measures, how smooth they are, and whether they cross themselves.  N outlines, D features, K bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.curve_items import Outline, is_airfoil, sides_of
from ..data.curve_measures import FORMS, SLOW, measured
from ..maths.airfoil import AT
from ..maths.outline import along, centre, crossing, signed_area
from .domain import Domain, Score
from .extractor import Extractor, leading
from .scores import Rule

Numbers = NDArray[np.float64]
_NEED, _BINS, _PLACES = 20, 24, 96
_COMPONENTS = 32


class Curves(Domain):
    """Outlines of one form."""

    def extractor(self) -> Extractor:
        """Principal components of an outline's points: of airfoils both sides over the chord, else at even steps of its length."""
        form = self.told["form"]
        rows = np.array([places(item, form) for item in self.reference], np.float32)
        mean = rows.mean(0)
        axes = leading(rows - mean, min(_COMPONENTS, rows.shape[1]))

        def features(items: NDArray[Any]) -> NDArray[Any]:
            found: NDArray[Any] = (np.array([places(item, form) for item in items], np.float32) - mean) @ axes
            return found

        return Extractor(f"raw-outline{axes.shape[1]}", features, cheap=True)

    def scores(self) -> list[Score]:
        form = self.told["form"]
        lower, higher = Rule("lower", _NEED), Rule("higher", _NEED)

        def histogram(name: str, values: Any) -> Score:
            """Bins that hold as many training items each."""
            known = np.concatenate([np.atleast_1d(values(item)) for item in self.reference])
            edges = np.unique(np.quantile(known[np.isfinite(known)], np.linspace(0, 1, _BINS + 1)))
            return Score(name, lower, "histogram", lambda items: np.array([_counts(values(item), edges) for item in items]))

        own = [name for name in FORMS[form] if name not in SLOW]
        return [
            Score("uncrossed", higher, "mean", lambda items: np.array([_whole(item, form) for item in items], float)),
            Score("unique", higher, "set", lambda items: len(set(items)) / len(items), 1.0),
            *(histogram(name, lambda item, name=name: measured([item], name, form)) for name in own),
            histogram("bending", lambda item: [bending(item, form)]),
            histogram("turns", lambda item: turns(item, form)),
        ]


def places(item: Outline, form: str) -> Numbers:
    """(D,) both sides of an airfoil at its stations, or x and y of 96 points around the centre, from the rightmost one on."""
    if form == "airfoil":
        own = sides_of(item)
        return np.concatenate([own.upper, own.lower])
    if form == "open":
        return np.asarray(along(item.points, False, _PLACES) - item.points.mean(0)).ravel()
    points = item.points if signed_area(item.points) > 0 else item.points[::-1]
    return (along(np.roll(points, -int(points[:, 0].argmax()), axis=0), True, _PLACES) - centre(points)).ravel()


def bending(item: Outline, form: str) -> float:
    """The logarithm of the bending: mean square of the second differences of `places`, by that of the first ones. Waves raise it."""
    found = places(item, form)
    lines = found.reshape(2, -1) if form == "airfoil" else found.reshape(-1, 2).T
    # a round nose bends without end, and says nothing of waves
    lines = lines[:, lines.shape[1] // 8 :] if form == "airfoil" else lines
    first, second = np.diff(lines, axis=1), np.diff(lines, 2, axis=1)
    return float(np.log(max(float((second**2).mean()), 1e-16) / max(float((first**2).mean()), 1e-16)))


def turns(item: Outline, form: str) -> Numbers:
    """The turns between pieces of an outline: of airfoils of each side's behind its first eighth, else at even steps, in radians."""
    if form == "airfoil":
        own = sides_of(item)
        start = len(own.upper) // 8
        return np.concatenate([np.diff(np.arctan(np.diff(line[start:]) / np.diff(AT[start:]))) for line in (own.upper, own.lower)])
    steps = np.diff(along(item.points, item.closed, _PLACES), axis=0)
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    return np.asarray((np.diff(heading) + np.pi) % (2 * np.pi) - np.pi)


def _whole(item: Outline, form: str) -> bool:
    return crossing(item.points, item.closed) is None and (form != "airfoil" or is_airfoil(item) is None)


def _counts(values: Sequence[float] | Numbers, edges: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """(K,) how many values lie in each bin, those beyond in the first and the last."""
    inner = np.clip(np.asarray(values, np.float64), edges[0], np.nextafter(edges[-1], -np.inf))
    return np.asarray(np.histogram(inner, edges)[0])

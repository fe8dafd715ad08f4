"""Judges of pen drawings: how they are made up of strokes, and what they look like. N items, D features, K bins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.strokes_items import Drawing
from ..maths.polyline import Points
from .domain import Domain, Score
from .extractor import Extractor, leading
from .scores import Rule

Numbers = NDArray[np.float64]
_CELLS, _DIRECTIONS, _APART = 12, 4, 0.02
"""Side of the maps of directions, how many directions, and how far apart points on a line are looked at."""
_COMPONENTS = 64
_LEAST_SIDE = 0.1
"""Share of the canvas to which smaller drawings count as being as large, so that a dot isn't blown up."""
_NEED = 20


class Strokes(Domain):
    """Pen drawings."""

    def extractor(self) -> Extractor:
        """Principal components of maps of ink by place and direction, the drawing's own box being the frame."""
        rows = np.array([directions(item) for item in self.reference], np.float32)
        mean = rows.mean(0)
        axes = leading(rows - mean, min(_COMPONENTS, rows.shape[1]))

        def features(items: NDArray[Any]) -> NDArray[Any]:
            found: NDArray[Any] = (np.array([directions(item) for item in items], np.float32) - mean) @ axes
            return found

        return Extractor(f"raw-directions{axes.shape[1]}", features, cheap=True)

    def scores(self) -> list[Score]:
        lower = Rule("lower", _NEED)

        def histogram(name: str, values: Any, edges: NDArray[np.floating[Any]]) -> Score:
            return Score(name, lower, "histogram", lambda items: np.array([_counts(values(item), edges) for item in items]))

        return [
            Score("on canvas", Rule("higher", _NEED), "mean", lambda items: np.array([_inside(item) for item in items], float)),
            Score("unique", Rule("higher", _NEED), "set", lambda items: len(set(items)) / len(items), 1.0),
            histogram("strokes", lambda item: [len(item.strokes)], np.arange(1, 32) - 0.5),
            histogram("points per stroke", lambda item: [len(stroke) for stroke in item.strokes], np.arange(1, 26) - 0.5),
            histogram("ink", lambda item: [sum(_lengths(stroke).sum() for stroke in item.unit())], np.linspace(0, 8, 33)),
            histogram("turns", _turns, np.linspace(-np.pi, np.pi, 25)),
            histogram("shape of the box", _aspect, np.linspace(-1.5, 1.5, 13)),
            histogram("jumps", _jumps, np.linspace(0, 1.4, 29)),
        ]


def directions(item: Drawing) -> Numbers:
    """(4 * 12 * 12,) ink by direction (modulo half a turn) and place, spread over neighbours; the root evens out dense places."""
    strokes = item.unit()
    every = np.concatenate(strokes)
    low, high = every.min(0), every.max(0)
    side = max(float((high - low).max()), _LEAST_SIDE)
    maps = np.zeros((_DIRECTIONS, _CELLS + 2, _CELLS + 2))
    for stroke in strokes:
        points, angles, ink = _traced((stroke - (low + high) / 2) / side + 0.5)
        place = points.clip(-0.04, 1.04) * (_CELLS - 1) + 1
        corner = np.floor(place).astype(np.int64)
        part = place - corner
        turn = angles / np.pi * _DIRECTIONS
        lower = np.floor(turn).astype(np.int64)
        for more, share in ((0, 1 - (turn - lower)), (1, turn - lower)):
            for x, y in ((0, 0), (0, 1), (1, 0), (1, 1)):
                weight = ink * share * np.abs(1 - x - part[:, 0]) * np.abs(1 - y - part[:, 1])
                np.add.at(maps, ((lower + more) % _DIRECTIONS, corner[:, 1] + y, corner[:, 0] + x), weight)
    for axis in (1, 2):
        maps = 0.5 * maps + 0.25 * (np.roll(maps, 1, axis) + np.roll(maps, -1, axis))
    found: Numbers = np.sqrt(maps[:, 1:-1, 1:-1]).ravel()
    return found


def _traced(stroke: Points) -> tuple[Points, Numbers, Numbers]:
    """(points (n,2) close together on a stroke, their directions 0 to pi, the ink that each stands for)."""
    lengths = _lengths(stroke)
    if not lengths.sum():
        return stroke[:1], np.zeros(1), np.full(1, _APART)
    counts = np.ceil(lengths / _APART).astype(np.int64)
    piece = np.repeat(np.arange(len(lengths)), counts)
    share = (np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / counts[piece]
    steps = np.diff(stroke, axis=0)
    angles = np.arctan2(steps[:, 1], steps[:, 0]) % np.pi
    return stroke[piece] + share[:, None] * steps[piece], angles[piece], lengths[piece] / counts[piece]


def _lengths(stroke: Points) -> Numbers:
    """(n-1,) lengths of a stroke's pieces."""
    steps = np.diff(stroke, axis=0)
    found: Numbers = np.hypot(steps[:, 0], steps[:, 1])
    return found


def _counts(values: Any, edges: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """(K,) how many values lie in each bin, those beyond in the first and the last."""
    inner = np.clip(np.asarray(values, np.float64), edges[0], np.nextafter(edges[-1], 0))
    return np.asarray(np.histogram(inner, edges)[0])


def _inside(item: Drawing) -> bool:
    every = np.concatenate(item.unit())
    return bool(every.min() >= -1e-6 and every.max() <= 1 + 1e-6)


def _turns(item: Drawing) -> Numbers:
    """The angles by which the pen turns at the points within strokes."""
    found = [np.zeros(0)]
    for stroke in item.unit():
        steps = np.diff(stroke, axis=0)
        headings = np.arctan2(steps[:, 1], steps[:, 0])
        found.append((np.diff(headings) + np.pi) % (2 * np.pi) - np.pi)
    return np.concatenate(found)


def _aspect(item: Drawing) -> Sequence[float]:
    """The natural logarithm of width by height."""
    every = np.concatenate(item.unit())
    width, height = np.maximum(every.max(0) - every.min(0), 0.02)
    return [float(np.log(width / height))]


def _jumps(item: Drawing) -> Sequence[float]:
    """How far the pen goes between strokes, in canvases."""
    strokes = item.unit()
    return [float(np.hypot(*(after[0] - before[-1]))) for before, after in itertools.pairwise(strokes)]

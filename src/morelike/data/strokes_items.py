"""A pen drawing: what stands between files of drawings and their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput
from ..maths.polyline import Points, simplified

FINEST = 0.004
"""Points that lie no further from the line of the others, as a share of the canvas, are left out when drawings are read."""
MOST_POINTS = 20_000
"""Points of one drawing after that."""
_BEYOND = 0.02
"""Share of the canvas by which lines may leave it; beyond, their own box is the canvas."""
_LARGEST = 1e9
_Number = TypeVar("_Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """Pen strokes in the order of drawing: each (n,2) points x, y, of n >= 1, y downwards, on a canvas of `size` (width, height)."""

    strokes: tuple[Points, ...]
    size: tuple[float, float]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Drawing):
            return NotImplemented
        alike = self.size == other.size and len(self.strokes) == len(other.strokes)
        return alike and all(np.array_equal(mine, own) for mine, own in zip(self.strokes, other.strokes, strict=True))

    def __hash__(self) -> int:
        return hash((self.size, tuple(stroke.tobytes() for stroke in self.strokes)))

    def __len__(self) -> int:
        """How many points there are."""
        return sum(map(len, self.strokes))

    def unit(self) -> list[Points]:
        """The strokes on a canvas whose longer side is 1, centred in a square from 0 to 1."""
        side = max(self.size)
        offset = (side - np.array(self.size)) / 2
        return [(stroke + offset) / side for stroke in self.strokes]


def drawing(strokes: Sequence[Points], canvas: tuple[float, float, float, float] | None = None) -> Drawing:
    """A drawing of raw strokes, without the points that a line doesn't need. `canvas` (left, top, width, height): where none is known, or
    lines leave it, it is their own box with a margin. Raises BadInput where there are no strokes, or what they say is no drawing."""
    kept = [moving(np.asarray(stroke, np.float64).reshape(-1, 2)) for stroke in strokes if len(stroke)]
    if not kept:
        raise BadInput("it has no strokes")
    every = np.concatenate(kept)
    if not np.isfinite(every).all() or np.abs(every).max() > _LARGEST:
        raise BadInput("it has coordinates that are no finite numbers, or beyond a billion")
    low, high = every.min(0), every.max(0)
    side = float((high - low).max()) or 1.0
    corner, size = (low + high) / 2 - 0.55 * side, np.full(2, 1.1 * side)
    if canvas is not None:
        own, extent = np.array(canvas[:2]), np.array(canvas[2:])
        slack = _BEYOND * extent.max()
        if (low >= own - slack).all() and (high <= own + extent + slack).all():
            corner, size = own, extent
    tolerance = FINEST * float(size.max())
    found = Drawing(tuple(simplified(np.clip(stroke - corner, 0, size), tolerance) for stroke in kept), (float(size[0]), float(size[1])))
    if len(found) > MOST_POINTS:
        raise BadInput(f"it has {len(found):,} points; at most {MOST_POINTS:,} are taken")
    return found


def moving(points: NDArray[_Number]) -> NDArray[_Number]:
    """Points (n,2) without those that repeat the one before."""
    kept = np.ones(len(points), dtype=np.bool_)
    kept[1:] = (points[1:] != points[:-1]).any(1)
    return points[kept]

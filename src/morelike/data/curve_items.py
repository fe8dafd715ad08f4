"""An outline: what stands between files of points and their codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..core.errors import BadInput
from ..maths.airfoil import Sides, sides
from ..maths.outline import crossing
from ..maths.polyline import Points

LEAST, MOST = 20, 5_000
"""Points of an outline."""
_LARGEST = 1e9
_SAME = 1e-9
"""Points nearer to each other than this share of the outline's size are one."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Points (P,2) float64, x to the right, y upwards, in the source's units; a closed outline may repeat its first point at its end, and
    an airfoil goes from the trailing edge to the trailing edge."""

    points: Points
    closed: bool = True
    at: Points | None = None
    """(P,) where along the outline its points lie, 0 to 1, of one that a code was decoded to; None: by their share of its length."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outline):
            return NotImplemented
        return self.closed == other.closed and np.array_equal(self.points, other.points)

    def __hash__(self) -> int:
        return hash((self.closed, self.points.tobytes()))

    def __str__(self) -> str:
        wide, high = self.points.max(0) - self.points.min(0)
        return f"{'closed' if self.closed else 'open'} outline of {len(self)} points, {wide:.4g} wide, {high:.4g} high"

    def __len__(self) -> int:
        """How many points there are."""
        return len(self.points)

    @property
    def size(self) -> float:
        """The longer side of its box."""
        return float((self.points.max(0) - self.points.min(0)).max())


def outline(points: Points, closed: bool = True) -> Outline:
    """An outline of raw points, without those that repeat the one before. Raises BadInput where they are none: too few, not finite, all on
    one line, crossing itself. What it says of a point counts from 1."""
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(points):
        raise BadInput("it has no points")
    bad = ~(np.abs(points) < _LARGEST).all(1)
    if bad.any():
        raise BadInput(f"point {int(bad.argmax()) + 1} has a coordinate that is no finite number, or beyond a billion")
    if len(points) > MOST:
        raise BadInput(f"it has {len(points):,} points; at most {MOST:,} are taken")
    size = float((points.max(0) - points.min(0)).max())
    moved = np.ones(len(points), np.bool_)
    moved[1:] = np.hypot(*np.diff(points, axis=0).T) > _SAME * size
    numbers = np.flatnonzero(moved)
    if len(numbers) < LEAST:
        raise BadInput(f"it has {len(numbers)} different points; {LEAST} at least are needed")
    found = Outline(points[numbers], closed)
    if np.linalg.svd(found.points - found.points.mean(0), compute_uv=False)[1] < 1e-6 * size:
        raise BadInput("all its points lie on one straight line")
    crossed = crossing(found.points, closed)
    if crossed is not None:
        one, other = (int(numbers[place]) + 1 for place in crossed)
        raise BadInput(f"it crosses itself: the line after point {one} and the line after point {other}")
    return found


@lru_cache(maxsize=8192)
def sides_of(item: Outline) -> Sides:
    """Both sides of an airfoil, which many ask for. Raises BadInput where it is none."""
    return sides(item.points)


def is_airfoil(item: Outline) -> str | None:
    """Why an outline is no airfoil with two sides over one chord; None where it is one."""
    if not item.closed:
        return "it is open"
    try:
        sides_of(item)
    except BadInput as error:
        return str(error)
    return None

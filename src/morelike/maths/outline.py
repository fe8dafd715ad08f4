"""Plane curves through points: length, area, crossings, and places along them. Points are (P,2) float64, x to the right, y upwards."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .polyline import Points

Numbers = NDArray[np.float64]
_ROWS = 256
"""Pieces of a line that are compared with all others at once."""
_SAME = 1e-9


def pieces(points: Points, closed: bool) -> Points:
    """(S,2) steps from each point to the next one, and of a closed line from the last to the first."""
    return np.diff(np.concatenate([points, points[:1]]) if closed else points, axis=0)


def length(points: Points, closed: bool) -> float:
    """Of the line, in its own units."""
    return float(np.hypot(*pieces(points, closed).T).sum())


def signed_area(points: Points) -> float:
    """Of what a closed line goes round, positive where it does so against the clock (the shoelace formula)."""
    x, y = (points - points.mean(0)).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def centre(points: Points) -> Numbers:
    """(2,) the centre of mass of what a closed line goes round, or of its points where that has no area."""
    middle = points.mean(0)
    x, y = (points - middle).T
    turn = x * np.roll(y, -1) - np.roll(x, -1) * y
    if abs(turn.sum()) < 1e-12 * max(1e-300, float(np.abs(points - middle).max()) ** 2):
        return np.asarray(middle)
    return np.asarray(middle + np.array([((x + np.roll(x, -1)) * turn).sum(), ((y + np.roll(y, -1)) * turn).sum()]) / (3 * turn.sum()))


def roundness(points: Points) -> float:
    """4 pi area by the square of the length: 1 of a circle, less of all else (the isoperimetric quotient)."""
    return 4 * math.pi * abs(signed_area(points)) / max(length(points, True) ** 2, 1e-300)


def along(points: Points, closed: bool, count: int) -> Points:
    """(count,2) points at even steps of the line's length, the first one being its first; of an open line the last its last."""
    steps = np.hypot(*pieces(points, closed).T)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    line = np.concatenate([points, points[:1]]) if closed else points
    wanted = np.linspace(0.0, at[-1], count, endpoint=not closed)
    return np.stack([np.interp(wanted, at, line[:, axis]) for axis in (0, 1)], 1)


def crossing(points: Points, closed: bool) -> tuple[int, int] | None:
    """The numbers of the points at which the first two pieces begin that cross each other; None where no two do. Lines that touch don't."""
    if closed:
        # a first point that is repeated at the end is one point, whatever rounding made of it
        repeated = np.hypot(*(points[-1] - points[0])) <= _SAME * np.ptp(points, axis=0).max()
        points = np.concatenate([points[:-1] if repeated else points, points[:1]])
    start, end = points[:-1], points[1:]
    low, high = np.minimum(start, end), np.maximum(start, end)
    count = len(start)
    for first in range(0, count, _ROWS):
        rows = np.arange(first, min(first + _ROWS, count))
        near = np.triu(np.ones((len(rows), count), np.bool_), first + 2)
        if closed and first == 0:
            near[0, -1] = False
        for axis in (0, 1):
            near &= (low[rows, None, axis] <= high[None, :, axis]) & (high[rows, None, axis] >= low[None, :, axis])
        one, other = np.nonzero(near)
        one += first
        apart = _turn(start[one], end[one], start[other]) * _turn(start[one], end[one], end[other]) < 0
        apart &= _turn(start[other], end[other], start[one]) * _turn(start[other], end[other], end[one]) < 0
        if apart.any():
            place = int(apart.argmax())
            return int(one[place]), int(other[place])
    return None


def _turn(first: Points, second: Points, third: Points) -> Numbers:
    """(n,) whether third points lie to the left (1) or right (-1) of the line from first to second, or on it within rounding (0)."""
    ahead, beside = second - first, third - first
    cross = ahead[:, 0] * beside[:, 1] - ahead[:, 1] * beside[:, 0]
    slack = 1e-12 * (np.abs(ahead[:, 0] * beside[:, 1]) + np.abs(ahead[:, 1] * beside[:, 0]))
    return np.where(np.abs(cross) <= slack, 0.0, np.sign(cross))

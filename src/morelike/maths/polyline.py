"""Lines through points: curves made straight, and fewer points for the same line. Points are (n,2) float64."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_PIECES = 16
"""Straight pieces of a Bezier curve: they leave it by less than a thousandth of its control polygon's length."""
_ARC_STEP = math.pi / 24


def bezier(control: Points) -> Points:
    """(16,2) points on a Bezier curve after its first: `control` (3,2) is quadratic, (4,2) cubic."""
    found: Points = _weights(len(control) - 1) @ control
    return found


@cache
def _weights(degree: int) -> Points:
    """(16,degree+1) Bernstein polynomials at 1/16, 2/16, ... 1."""
    t = np.linspace(0, 1, _PIECES + 1)[1:, None]
    return np.hstack([math.comb(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree + 1)])


def arc(begin: Points, radii: tuple[float, float], turn: float, large: bool, clockwise: bool, end: Points) -> Points:
    """(n,2) points after `begin` on the arc of an ellipse turned by `turn` degrees, up to `end` (SVG 1.1, appendix F.6.5 and F.6.6)."""
    first, second = abs(radii[0]), abs(radii[1])
    if not (first and second) or np.array_equal(begin, end):
        return end[None].copy()
    angle = math.radians(turn)
    back = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    half = back @ ((begin - end) / 2)
    grown = math.sqrt(max(1.0, float((half[0] / first) ** 2 + (half[1] / second) ** 2)))
    first, second = first * grown, second * grown
    below = float((first * half[1]) ** 2 + (second * half[0]) ** 2)
    root = math.sqrt(max(0.0, (first * second) ** 2 / below - 1.0)) * (-1 if large == clockwise else 1)
    centre = np.array([root * first * half[1] / second, -root * second * half[0] / first])
    start, stop = (math.atan2((sign * half[1] - centre[1]) / second, (sign * half[0] - centre[0]) / first) for sign in (1, -1))
    swept = (stop - start) % (2 * math.pi) if clockwise else -((start - stop) % (2 * math.pi))
    pieces = max(1, math.ceil(abs(swept) / _ARC_STEP))
    angles = start + swept * np.arange(1, pieces + 1) / pieces
    flat = np.stack([first * np.cos(angles) + centre[0], second * np.sin(angles) + centre[1]], 1)
    found: Points = flat @ back + (begin + end) / 2
    found[-1] = end
    return found


def distances(points: Points, begin: Points, end: Points) -> NDArray[np.float64]:
    """(n,) distances of points from the straight piece between `begin` and `end`."""
    along = end - begin
    length = float(along @ along)
    away = points - begin
    if length:
        away -= np.minimum(np.maximum(away @ along / length, 0), 1)[:, None] * along
    found: NDArray[np.float64] = np.hypot(away[:, 0], away[:, 1])
    return found


def simplified(points: Points, tolerance: float) -> Points:
    """Fewer of the points, so that none of the others lies further than `tolerance` from the line, ends kept (Ramer 1972; Douglas,
    Peucker 1973). Simplified again, it stays the same."""
    kept = np.zeros(len(points), dtype=np.bool_)
    kept[[0, -1]] = True
    parts = [(0, len(points) - 1)]
    while parts:
        begin, end = parts.pop()
        if end - begin < 2:
            continue
        away = distances(points[begin + 1 : end], points[begin], points[end])
        furthest = int(away.argmax())
        if away[furthest] > tolerance:
            middle = begin + 1 + furthest
            kept[middle] = True
            parts += [(begin, middle), (middle, end)]
    return points[kept]

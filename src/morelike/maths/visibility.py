"""Ways around obstacles: convex polygons in a plane, what they block, and the shortest way past them. M segments, V corners."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_TOUCH = 1e-9
"""Metres that a way may lie inside an obstacle: it may go along a wall."""
SIDES = 32


def circle(x: float, y: float, radius: float) -> Points:
    """(V,2) corners of the polygon around a circle that it lies within."""
    angle = np.arange(SIDES) * (2 * math.pi / SIDES)
    return np.array([x, y]) + radius / math.cos(math.pi / SIDES) * np.stack([np.cos(angle), np.sin(angle)], 1)


def convex(corners: Points) -> bool:
    """Whether corners in their order go round once and always turn the same way."""
    edges = np.roll(corners, -1, 0) - corners
    after = np.roll(edges, -1, 0)
    turns = edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]
    if not ((turns > 0).all() or (turns < 0).all()):
        return False
    angles = np.arctan2(turns, (edges * after).sum(1))
    return abs(abs(float(angles.sum())) - 2 * math.pi) < 1e-6


def counterclockwise(corners: Points) -> Points:
    """The same corners, so that the inside lies to the left."""
    x, y = corners.T
    return corners if float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) > 0 else corners[::-1].copy()


def widened(corners: Points, by: float) -> Points:
    """Corners (counterclockwise) of the convex polygon whose sides lie `by` further out."""
    edges = np.roll(corners, -1, 0) - corners
    normal = np.stack([edges[:, 1], -edges[:, 0]], 1) / np.hypot(*edges.T)[:, None]
    before = np.roll(normal, 1, 0)
    # where the two moved sides of a corner meet
    found: Points = corners + by * (before + normal) / (1 + (before * normal).sum(1, keepdims=True))
    return found


def blocked(begin: Points, end: Points, polygon: Points) -> NDArray[np.bool_]:
    """(M,) whether segments from `begin` to `end` (M,2) pass through the inside of a convex polygon (counterclockwise) (clipping: Cyrus,
    Beck 1978)."""
    edges = np.roll(polygon, -1, 0) - polygon
    normal = np.stack([edges[:, 1], -edges[:, 0]], 1) / np.hypot(*edges.T)[:, None]
    first = ((begin[:, None] - polygon) * normal).sum(2) + _TOUCH
    last = ((end[:, None] - polygon) * normal).sum(2) + _TOUCH
    low, high = np.zeros(len(begin)), np.ones(len(begin))
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = first / (first - last)
    for side in range(len(polygon)):
        one, other = first[:, side], last[:, side]
        high = np.where((one >= 0) & (other >= 0), -1.0, high)
        low = np.where((one > 0) & (other < 0), np.maximum(low, cut[:, side]), low)
        high = np.where((one < 0) & (other > 0), np.minimum(high, cut[:, side]), high)
    found: NDArray[np.bool_] = high > low
    return found


def crosses(path: Points, polygons: Sequence[Points]) -> bool:
    """Whether a way (T,2) passes through any of the polygons."""
    return any(bool(blocked(path[:-1], path[1:], polygon).any()) for polygon in polygons)


def within(point: Points, polygon: Points) -> bool:
    """Whether a point (2,) lies inside a convex polygon (counterclockwise)."""
    edges = np.roll(polygon, -1, 0) - polygon
    off = edges[:, 0] * (point - polygon)[:, 1] - edges[:, 1] * (point - polygon)[:, 0]
    return bool((off > _TOUCH * np.hypot(*edges.T)).all())


def shortest(start: Points, goal: Points, polygons: Sequence[Points]) -> Points | None:
    """(K,2) the shortest way from `start` to `goal` (2,) past convex polygons, over their corners (visibility graph: Lozano-Pérez, Wesley
    1979; Dijkstra 1959); None where there is none."""
    corners = [corner for polygon in polygons for corner in polygon if not any(within(corner, other) for other in polygons)]
    nodes = np.array([start, goal, *corners])
    seen = _seen(nodes, polygons)
    far = np.hypot(*(nodes[:, None] - nodes).transpose(2, 0, 1))
    best, queue = {0: 0.0}, [(0.0, 0)]
    before: dict[int, int] = {}
    while queue:
        length, node = heapq.heappop(queue)
        if node == 1:
            way = [1]
            while way[-1]:
                way.append(before[way[-1]])
            return nodes[way[::-1]]
        if length > best[node]:
            continue
        for other in np.flatnonzero(seen[node]).tolist():
            longer = length + float(far[node, other])
            if longer < best.get(other, math.inf):
                best[other], before[other] = longer, node
                heapq.heappush(queue, (longer, other))
    return None


def _seen(nodes: Points, polygons: Sequence[Points]) -> NDArray[np.bool_]:
    """(V,V) which nodes see each other."""
    count = len(nodes)
    one, other = np.triu_indices(count, 1)
    free = np.ones(len(one), np.bool_)
    for polygon in polygons:
        free &= ~blocked(nodes[one], nodes[other], polygon)
    found = np.zeros((count, count), np.bool_)
    found[one[free], other[free]] = True
    return found | found.T


def length(path: Points) -> float:
    """Metres along a way (T,2)."""
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def along(path: Points, distance: float) -> Points:
    """(2,) the point so far along a way; its end where that is further."""
    steps = np.hypot(*np.diff(path, axis=0).T)
    reached = np.concatenate([[0.0], steps.cumsum()])
    place = min(distance, reached[-1])
    return np.array([np.interp(place, reached, path[:, axis]) for axis in range(2)])

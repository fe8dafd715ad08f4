"""Lift of an airfoil in a flow without friction, by panels.  P points, P - 1 panels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .polyline import Points

Numbers = NDArray[np.float64]
ANGLE = 4.0
"""Degrees between chord and flow."""
_PANELS = 100


def lift(points: Points, degrees: float) -> float:
    """The lift coefficient at an angle of attack in degrees from the chord: sources on 100 panels and vorticity of one form on all, no
    flow through their middles, and both sides leaving the trailing edge at one speed (Hess, Smith 1967, Calculation of potential flow
    about arbitrary bodies). Lift is that of the whole circulation (Kutta, Joukowski). `points` (P,2) go round from the trailing edge over
    the upper side; a blunt trailing edge is closed at its middle. No friction, no stall: it says too much where flows separate.
    """
    line = _evened(points)
    steps = np.diff(line, axis=0)
    sizes = np.hypot(*steps.T)
    along = steps / sizes[:, None]
    # against the clock, the outside lies to the right
    normal = np.stack([along[:, 1], -along[:, 0]], 1)
    source, vortex = _induced((line[:-1] + line[1:]) / 2, line[:-1], along, sizes)
    # vorticity falls to nothing at the trailing edge, where an even one is 4 % wrong on cusps; unknown are the sources and its strength
    place = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    shape = 6 * place * (1 - place)
    swirl = (vortex * shape[:, None]).sum(1)
    unknown = np.concatenate([source, swirl[:, None]], 1)
    matrix = np.concatenate([(unknown * normal[:, None]).sum(2), (unknown[[0, -1]] * along[[0, -1], None]).sum((0, 2))[None]])
    nose = line[_PANELS // 2]
    tilt = math.atan2(line[0, 1] - nose[1], line[0, 0] - nose[0]) + math.radians(degrees)
    flow = np.array([math.cos(tilt), math.sin(tilt)])
    right = -np.append(normal @ flow, (along[[0, -1]] @ flow).sum())
    strength = np.linalg.solve(matrix, right)[-1]
    return float(2 * strength * (shape * sizes).sum() / np.hypot(*(line[0] - nose)))


def _evened(points: Points) -> Points:
    """(101,2) points by the cosine along each side, ends at the middle of the trailing edge."""
    tail = (points[0] + points[-1]) / 2
    nose = int(np.hypot(*(points - tail).T).argmax())
    parts = []
    for side in (points[: nose + 1], points[nose:]):
        at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(side, axis=0).T))])
        wanted = (1 - np.cos(np.linspace(0, math.pi, _PANELS // 2 + 1))) / 2 * at[-1]
        parts.append(np.stack([np.interp(wanted, at, side[:, axis]) for axis in (0, 1)], 1))
    line = np.concatenate([parts[0], parts[1][1:]])
    # a wedge along the chord closes what is open
    share = np.linspace(0, 1, len(line))[:, None]
    reach = np.abs(line - line[_PANELS // 2]) @ np.abs((tail - line[_PANELS // 2]) / np.hypot(*(tail - line[_PANELS // 2])))
    weight = (reach / reach.max())[:, None]
    upper = (share <= 0.5).astype(float)
    return np.asarray(line + weight * (upper * (tail - points[0]) + (1 - upper) * (tail - points[-1])))


def _induced(at: Points, start: Points, along: Points, sizes: Numbers) -> tuple[Numbers, Numbers]:
    """((P-1,P-1,2), the same): velocities at places `at`, the panels' middles, by sources of strength 1 on each panel, and by vorticity of
    strength 1 with the clock (Katz, Plotkin 2001, eq. 10.17, 10.18, 10.39 and 10.40)."""
    away = at[:, None] - start
    x = (away * along).sum(2)
    y = away[..., 1] * along[:, 0] - away[..., 0] * along[:, 1]
    angle = np.arctan2(y, x - sizes) - np.arctan2(y, x)
    angle = (angle + math.pi) % (2 * math.pi) - math.pi
    # a panel's own middle is looked at from outside, to its right
    np.fill_diagonal(angle, -math.pi)
    angle, log = angle / (2 * math.pi), np.log(np.hypot(x - sizes, y) / np.hypot(x, y)) / (2 * math.pi)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    return -log[..., None] * along + angle[..., None] * across, angle[..., None] * along + log[..., None] * across

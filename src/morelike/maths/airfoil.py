"""Airfoils as a camber line and a thickness over the chord.  M + 1 stations from the leading edge (x = 0) to the trailing one (x = 1).

Thickness is sqrt(x) (1 - x) exp(s), with s a spline, and a wedge for a blunt trailing edge: the class function of Kulfan 2008, Universal
parametric geometry representation method, eq. 1 and 3, with a shape function that can't be negative. So the upper side lies above the lower
one at every station, and such an outline can't cross itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput
from .bspline import clamped
from .polyline import Points

Numbers = NDArray[np.float64]
STATIONS = 80
"""M: stations are dense at both ends, (1 - cos(pi j / M)) / 2."""
THICK, CAMBER = 12, 12
"""Coefficients of s, and of the camber line, of which both ends are zero."""
NUMBERS = THICK + CAMBER - 1
"""Of the code: those of s, the inner ones of the camber line, the gap at the trailing edge."""
_ANGLES = np.linspace(0.0, math.pi, STATIONS + 1)
AT = (1 - np.cos(_ANGLES)) / 2
_CLASS = np.sin(_ANGLES / 2) * np.cos(_ANGLES / 2) ** 2
_THICK, _CAMBER = clamped(_ANGLES / math.pi, THICK), clamped(_ANGLES / math.pi, CAMBER)[:, 1:-1]
_INNER = slice(1, -1)
THINNEST, THICKEST = math.log(0.01), math.log(20.0)
"""Range of s: 0.01 is a tenth of a percent of the chord at nine tenths of it."""
_WEIGHT = 0.002
"""Share of the chord by which all stations weigh in a fit of s: where there is no thickness, s is hardly known."""
_BACKWARDS, _BELOW = 2e-3, 2e-3
"""Share of the chord by which a side may go backwards, and lie on the wrong side of the other one, as coarse files have it."""
_BLUNTEST = 0.1
"""Largest share of the chord that a trailing edge may be open."""


@dataclass(frozen=True, slots=True)
class Sides:
    """y of both sides at the stations, (M+1,) each, in chords."""

    upper: Numbers
    lower: Numbers

    @property
    def thickness(self) -> Numbers:
        return self.upper - self.lower

    @property
    def camber(self) -> Numbers:
        return (self.upper + self.lower) / 2

    def points(self) -> Points:
        """(2M+1,2) from the trailing edge over the upper side to the leading edge, and back below."""
        return np.stack([np.concatenate([AT[::-1], AT[1:]]), np.concatenate([self.upper[::-1], self.lower[1:]])], 1)


def chord_frame(points: Points) -> tuple[Points, int]:
    """(points with the leading edge at 0, 0 and the middle of the trailing edge at 1, 0, upper side first; the leading edge's number).

    `points` go once round from the trailing edge to the trailing edge. The leading edge is the point furthest from the trailing edge.
    """
    tail = (points[0] + points[-1]) / 2
    nose = int(np.hypot(*(points - tail).T).argmax())
    along = tail - points[nose]
    turn = np.array([[along[0], along[1]], [-along[1], along[0]]]) / max(float(along @ along), 1e-300)
    found = (points - points[nose]) @ turn.T
    if found[:nose, 1].sum() / max(1, nose) < found[nose + 1 :, 1].sum() / max(1, len(points) - nose - 1):
        return found[::-1], len(points) - 1 - nose
    return found, nose


def sides(points: Points) -> Sides:
    """Both sides of an airfoil at the stations. Raises BadInput where a side goes backwards, or the lower one lies above the upper one."""
    framed, nose = chord_frame(points)
    if not 3 <= nose <= len(points) - 4:
        raise BadInput("it doesn't go round an airfoil: from the trailing edge to the leading edge and back")
    gap = abs(framed[0, 1] - framed[-1, 1])
    if gap > _BLUNTEST:
        raise BadInput(f"it is open: its ends lie {gap:.2g} of the chord apart")
    found = Sides(_side(framed[: nose + 1][::-1], "upper"), _side(framed[nose:], "lower"))
    if found.thickness.min() < -_BELOW:
        place = int(found.thickness.argmin())
        raise BadInput(f"its sides cross: at {AT[place]:.3f} of the chord the lower one lies {-found.thickness[place]:.2g} above the other")
    return found


def _side(points: Points, name: str) -> Numbers:
    """(M+1,) y at the stations of points from the leading to the trailing edge, by Akima's interpolation (1970) over the stations' angle,
    in which an airfoil's round nose is smooth."""
    from scipy.interpolate import Akima1DInterpolator

    back = float(-np.diff(points[:, 0]).min())
    if back > _BACKWARDS:
        raise BadInput(f"its {name} side goes backwards by {back:.2g} of the chord, so it has no one thickness there")
    angles = np.maximum.accumulate(np.arccos(np.clip(1 - 2 * points[:, 0], -1, 1)))
    kept = np.concatenate([[True], np.diff(angles) > 1e-9])
    if kept.sum() < 4:
        raise BadInput(f"its {name} side has fewer than 4 points")
    return np.asarray(Akima1DInterpolator(angles[kept], points[kept, 1])(_ANGLES.clip(angles[kept][0], angles[kept][-1])))


def coded(own: Sides) -> Numbers:
    """(23,) the code of an airfoil, by least squares: of s on the thickness it makes, by Gauss and Newton from a fit of its logarithm."""
    gap = max(0.0, float(own.thickness[-1]))
    ratio = np.maximum((own.thickness - gap * AT)[_INNER] / _CLASS[_INNER], math.exp(THINNEST))
    basis, scale = _THICK[_INNER], _CLASS[_INNER] + _WEIGHT / ratio
    shape = _solved(basis * (scale * ratio)[:, None], scale * ratio * np.log(ratio))
    for _ in range(2):
        made = np.exp((basis @ shape).clip(-20, 20))
        shape = shape + _solved(basis * (scale * made)[:, None], scale * (ratio - made))
    return np.concatenate([shape.clip(THINNEST, THICKEST), _solved(_CAMBER, own.camber), [gap]])


def _solved(matrix: Numbers, wanted: Numbers) -> Numbers:
    return np.asarray(np.linalg.lstsq(matrix, wanted, rcond=None)[0])


def decoded(code: Numbers) -> Sides:
    """The airfoil of a code (23,); numbers out of range are brought into it."""
    shape, camber, gap = np.split(np.asarray(code, np.float64), [THICK, NUMBERS - 1])
    half = (_CLASS * np.exp(_THICK @ shape.clip(THINNEST, THICKEST)) + AT * gap.clip(0.0, _BLUNTEST)) / 2
    line = _CAMBER @ camber.clip(-1.0, 1.0)
    return Sides(line + half, line - half)


def most_thickness(own: Sides) -> float:
    """The largest thickness, in chords: at the top of the parabola through the highest station and its neighbours."""
    return _top(own.thickness)


def most_camber(own: Sides) -> float:
    """The camber line's largest height above the chord, in chords, with its sign: positive where it is arched upwards."""
    line = own.camber
    return _top(line) if line.max() >= -line.min() else -_top(-line)


def nose_radius(own: Sides) -> float:
    """Of curvature at the leading edge, in chords: thickness is 2 sqrt(2 r x) there. Read off the first five stations inside."""
    near = slice(1, 6)
    return float(np.mean((own.thickness[near] ** 2 / (8 * AT[near] * (1 - AT[near]) ** 2)).clip(0, None)))


def scaled(own: Sides, thickness: float | None, camber: float | None) -> Sides:
    """The same airfoil with its thickness and camber line multiplied so that their largest values are those wanted (None: as they are).
    Where there is no camber to multiply, a parabola is added."""
    thick, line = own.thickness, own.camber
    if thickness is not None:
        thick = thick * (thickness / max(most_thickness(own), 1e-9))
    if camber is not None:
        now = most_camber(own)
        if abs(now) < 1e-3 or now * camber < 0:
            now, line = camber, line + (camber - now) * 4 * AT * (1 - AT)
            now = most_camber(Sides(line, line))
        line = line * (camber / now if now else 0.0)
    return Sides(line + thick / 2, line - thick / 2)


def _top(values: Numbers) -> float:
    """The largest value of a smooth function at uneven stations."""
    place = int(values.argmax())
    if not 0 < place < STATIONS:
        return float(values[place])
    x, y = AT[place - 1 : place + 2] - AT[place], values[place - 1 : place + 2]
    bend, slope, height = np.linalg.solve(np.stack([x**2, x, np.ones(3)], 1), y)
    return float(height - slope**2 / (4 * bend)) if bend < 0 else float(height)

"""Cubic B-splines with even knots on [0, 1]: their basis, for curves with ends and for closed ones.  n places, K coefficients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]
_DEGREE = 3


def clamped(at: ArrayLike, count: int) -> Numbers:
    """(n,K) values at places `at` (n,) of a basis whose first and last coefficients are the curve's ends; K >= 4."""
    inner = np.linspace(0.0, 1.0, count - _DEGREE + 1)
    return _basis(np.asarray(at, np.float64).clip(0.0, 1.0), np.concatenate([np.zeros(_DEGREE), inner, np.ones(_DEGREE)]))


def periodic(at: ArrayLike, count: int) -> Numbers:
    """(n,K) values of a basis that goes on at 0 as it ends at 1, with two derivatives; K >= 4."""
    knots = np.arange(-_DEGREE, count + _DEGREE + 1) / count
    whole = _basis(np.asarray(at, np.float64) % 1.0, knots)
    found = whole[:, :count].copy()
    found[:, :_DEGREE] += whole[:, count:]
    return found


def _basis(at: Numbers, knots: Numbers) -> Numbers:
    """(n, len(knots) - 4) by the recursion of de Boor 1972, On calculating with B-splines, eq. 6; the last piece holds its right end."""
    last = np.flatnonzero(np.diff(knots) > 0)[-1]
    piece = np.minimum(np.searchsorted(knots, at, side="right") - 1, last)
    found = np.zeros((len(at), len(knots) - 1))
    found[np.arange(len(at)), piece] = 1.0
    for degree in range(1, _DEGREE + 1):
        low, high = knots[: -degree - 1], knots[degree:-1]
        rise = _ratio(at[:, None] - low, high - low)
        fall = _ratio(knots[degree + 1 :] - at[:, None], knots[degree + 1 :] - knots[1:-degree])
        found = rise * found[:, :-1] + fall * found[:, 1:]
    return found


def _ratio(above: Numbers, below: Numbers) -> Numbers:
    """0 where a piece has no length."""
    return np.divide(above, below, out=np.zeros_like(above), where=np.broadcast_to(below > 0, above.shape))

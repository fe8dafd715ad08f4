"""What is measured of levels (H,W) of kinds of tiles (`maths.reach`): their ground, how uneven it is, gaps, windows.

After Smith, Whitehead 2010, Analyzing the expressive range of a level generator: linearity and leniency, here by the column.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .reach import PLATFORM, SOLID

Kinds = NDArray[np.integer]


def ground(kinds: Kinds) -> NDArray[np.int64]:
    """(W,) the height above the lowest row of the highest tile that carries and has none free below it; 0 over a gap."""
    carries = (kinds == SOLID) | (kinds == PLATFORM)
    found: NDArray[np.int64] = np.logical_and.accumulate(carries[::-1], axis=0).sum(0)
    return found


def uneven(heights: NDArray[np.int64]) -> float:
    """The mean absolute distance of the ground from its best straight line, in tiles: 0 is a level that is a line."""
    at = np.arange(len(heights))
    slope, height = np.polyfit(at, heights, 1) if len(at) > 1 else (0.0, float(heights.mean()))
    return float(np.abs(heights - slope * at - height).mean())


def gaps(kinds: Kinds) -> NDArray[np.bool_]:
    """(W,) columns without ground."""
    found: NDArray[np.bool_] = np.equal(ground(kinds), 0)
    return found


def windows_of(ids: NDArray[np.integer], shape: tuple[int, int]) -> list[bytes]:
    """Every window of a shape, as bytes that can be compared."""
    cut = np.lib.stride_tricks.sliding_window_view(ids, shape)
    return [np.ascontiguousarray(one).tobytes() for one in cut.reshape(-1, *shape)]

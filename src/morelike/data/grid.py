"""Pictures side by side with gaps between them; small ones are enlarged without smoothing. Pure: arrays in, an array out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..core.errors import BadInput
from .pixels import as_hwc, on_white, to_levels

_SHOWN = 56
"""Pictures are shown at least about this many pixels long."""
_BACKGROUND = 208


def rgb8(item: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """(H,W,3) uint8 for showing: alpha on white, other channel counts by their first; floats from low..high (their own range)."""
    array = as_hwc(item)
    if array.dtype.kind == "f":
        bottom = float(np.nanmin(array)) if low is None else low
        top = float(np.nanmax(array)) if high is None else high
        scaled = (array - bottom) * (255.0 / (top - bottom) if top > bottom else 0.0)
        array = np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)
    array = to_levels(array, np.dtype(np.uint8))
    if array.shape[2] == 4:
        return on_white(array)
    return array if array.shape[2] == 3 else np.repeat(array[:, :, :1], 3, axis=2)


def grid(items: Sequence[np.ndarray], columns: int | None = None, gap: int = 4, scale: int | None = None) -> np.ndarray:
    """(rows, columns, 3) uint8: all items on one light grey page, `gap` pixels apart.

    `scale` enlarges by whole numbers (nearest neighbour); by default until the longest side has 56 pixels. `columns`
    is by default the square root of the number of items, rounded up. Raises BadInput for no items.
    """
    if len(items) == 0:
        raise BadInput("there is nothing to draw: the list of pictures is empty.")
    arrays = [as_hwc(item) for item in items]
    floats = [array for array in arrays if array.dtype.kind == "f"]
    low = min((float(np.nanmin(array)) for array in floats), default=None)
    high = max((float(np.nanmax(array)) for array in floats), default=None)
    height, width = max(array.shape[0] for array in arrays), max(array.shape[1] for array in arrays)
    scale = math.ceil(_SHOWN / max(height, width)) if scale is None else scale
    across = min(columns or math.ceil(math.sqrt(len(arrays))), len(arrays))
    down = math.ceil(len(arrays) / across)
    cell_height, cell_width = height * scale + gap, width * scale + gap
    page = np.full((down * cell_height + gap, across * cell_width + gap, 3), _BACKGROUND, dtype=np.uint8)
    for number, array in enumerate(arrays):
        shown = np.repeat(np.repeat(rgb8(array, low, high), scale, axis=0), scale, axis=1)
        top, left = gap + number // across * cell_height, gap + number % across * cell_width
        page[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return page

"""Pictures of outlines: a sheet of them, filled, in one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..maths.polyline import Points
from .curve_items import Outline
from .drawing import write_png

_WIDE, _MARGIN, _FINER = 180, 10, 3
_FLATTEST, _HIGHEST = 0.25, 1.2
"""Heights of a cell by its width."""
_INK, _FILL, _RULE = (30, 58, 110), (206, 220, 240), (228, 231, 236)
_MOST_COLUMNS = 6


def contact_sheet(items: Sequence[Outline], path: Path, columns: int | None = None) -> None:
    """Writes one PNG: outlines side by side, each in the middle of a cell, all in one scale."""
    columns = max(1, min(columns or min(_MOST_COLUMNS, math.ceil(math.sqrt(len(items)))), max(1, len(items))))
    rows = max(1, -(-len(items) // columns))
    boxes = [(item.points.min(0), item.points.max(0)) for item in items]
    extents = np.array([high - low for low, high in boxes]).reshape(-1, 2)
    # one outline that is far larger than the others doesn't make these too small to see
    wide, tall = (max(float(side), 1e-12) for side in np.quantile(extents, 0.95, axis=0)) if len(items) else (1.0, 1.0)
    inner = _WIDE - 2 * _MARGIN
    height = round(min(max(tall / wide * inner + 2 * _MARGIN, _FLATTEST * _WIDE), _HIGHEST * _WIDE))
    scale = min(inner / wide, (height - 2 * _MARGIN) / tall)
    page = Image.new("RGB", (columns * _WIDE + 1, rows * height + 1), "white")
    for number, (item, (low, high)) in enumerate(zip(items, boxes, strict=True)):
        own = (item.points - (low + high) / 2) * [scale, -scale] + [_WIDE / 2, height / 2]
        page.paste(_cell(own, item.closed, height), ((number % columns) * _WIDE, (number // columns) * height))
    pen = ImageDraw.Draw(page)
    for column in range(columns + 1):
        pen.line([(column * _WIDE, 0), (column * _WIDE, rows * height)], _RULE)
    for row in range(rows + 1):
        pen.line([(0, row * height), (columns * _WIDE, row * height)], _RULE)
    write_png(np.asarray(page), path)


def _cell(points: Points, closed: bool, height: int) -> Image.Image:
    """One outline, drawn three times as large and made small again, so that its line is smooth."""
    found = Image.new("RGB", (_WIDE * _FINER, height * _FINER), "white")
    pen = ImageDraw.Draw(found)
    places = [(float(x), float(y)) for x, y in points * _FINER]
    if closed:
        pen.polygon(places, _FILL)
        places.append(places[0])
    pen.line(places, _INK, _FINER + 1, joint="curve")
    return found.resize((_WIDE, height), Image.Resampling.LANCZOS)

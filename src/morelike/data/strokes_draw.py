"""Pictures of pen drawings: a sheet of them, and small grey ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .drawing import write_png
from .strokes_items import Drawing

_CELL, _MARGIN, _FINER = 96, 10, 3
_FIRST, _LAST = (74, 144, 226), (18, 24, 38)
"""Colours of the first and of the last stroke."""
_RULE = (228, 231, 236)
_MOST_COLUMNS = 10


def shelf(count: int) -> int:
    """Columns of a sheet of so many drawings."""
    return min(_MOST_COLUMNS, max(1, math.ceil(math.sqrt(count * 1.6))))


def contact_sheet(items: Sequence[Drawing], path: Path, columns: int | None = None) -> None:
    """Writes one PNG: drawings side by side, strokes from blue (the first) to black (the last), so that their order shows."""
    columns = max(1, min(columns or shelf(len(items)), max(1, len(items))))
    rows = max(1, -(-len(items) // columns))
    page = Image.new("RGB", (columns * _CELL + 1, rows * _CELL + 1), "white")
    for number, item in enumerate(items):
        page.paste(_cell(item), ((number % columns) * _CELL, (number // columns) * _CELL))
    pen = ImageDraw.Draw(page)
    for column in range(columns + 1):
        pen.line([(column * _CELL, 0), (column * _CELL, rows * _CELL)], _RULE)
    for row in range(rows + 1):
        pen.line([(0, row * _CELL), (columns * _CELL, row * _CELL)], _RULE)
    write_png(np.asarray(page), path)


def _cell(item: Drawing) -> Image.Image:
    """One drawing, drawn three times as large and made small again, so that its lines are smooth."""
    large, width = _CELL * _FINER, round(2.4 * _FINER)
    found = Image.new("RGB", (large, large), "white")
    pen = ImageDraw.Draw(found)
    last = max(1, len(item.strokes) - 1)
    for number, stroke in enumerate(item.unit()):
        colour = tuple(round(one + (other - one) * number / last) for one, other in zip(_FIRST, _LAST, strict=True))
        corners = (np.clip(stroke, -0.2, 1.2) * (_CELL - 2 * _MARGIN) + _MARGIN) * _FINER
        points = [(float(x), float(y)) for x, y in corners]
        pen.line(points, colour, width, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], colour)
    return found.resize((_CELL, _CELL), Image.Resampling.LANCZOS)

"""Pictures of tracks: a sheet of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .drawing import write_png
from .strokes_draw import shelf
from .trajectory_items import Track

_CELL, _MARGIN, _FINER = 96, 8, 3
_FIRST, _LAST = (120, 170, 230), (18, 24, 38)
_RULE = (228, 231, 236)


def contact_sheet(items: Sequence[Track], path: Path, columns: int | None = None) -> None:
    """Writes one PNG: tracks side by side in one scale, each centred; a dot a position, from blue (the first) to black, a ring where it
    begins."""
    columns = max(1, min(columns or shelf(len(items)), max(1, len(items))))
    rows = max(1, -(-len(items) // columns))
    spans = [float((item.points.max(0) - item.points.min(0)).max()) for item in items]
    span = float(np.quantile(spans, 0.9)) if spans else 1.0
    page = Image.new("RGB", (columns * _CELL + 1, rows * _CELL + 1), "white")
    for number, item in enumerate(items):
        page.paste(_cell(item, max(span, 1e-9)), ((number % columns) * _CELL, (number // columns) * _CELL))
    pen = ImageDraw.Draw(page)
    for column in range(columns + 1):
        pen.line([(column * _CELL, 0), (column * _CELL, rows * _CELL)], _RULE)
    for row in range(rows + 1):
        pen.line([(0, row * _CELL), (columns * _CELL, row * _CELL)], _RULE)
    write_png(np.asarray(page), path)


def _cell(item: Track, span: float) -> Image.Image:
    """One track, drawn three times as large and made small again; `span` metres fill a cell."""
    large = _CELL * _FINER
    found = Image.new("RGB", (large, large), "white")
    pen = ImageDraw.Draw(found)
    middle = (item.points.max(0) + item.points.min(0)) / 2
    places = (item.points - middle) / span * (_CELL - 2 * _MARGIN) * (1, -1) + _CELL / 2
    corners = [(float(x), float(y)) for x, y in (places * _FINER).clip(-9 * large, 9 * large)]
    pen.line(corners, _RULE, 3, joint="curve")
    last = max(1, len(corners) - 1)
    for number, (x, y) in enumerate(corners):
        colour = tuple(round(one + (other - one) * number / last) for one, other in zip(_FIRST, _LAST, strict=True))
        radius = 5.0
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], colour)
    x, y = corners[0]
    pen.ellipse([x - 10, y - 10, x + 10, y + 10], outline=_FIRST, width=3)
    return found.resize((_CELL, _CELL), Image.Resampling.LANCZOS)

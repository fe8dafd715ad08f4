"""Pictures of tracks: a sheet of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .drawing import write_png
from .strokes_draw import shelf
from .trajectory_items import Track

_CELL, _MARGIN, _FINER = 96, 8, 3
_FIRST, _LAST = (120, 170, 230), (18, 24, 38)
_RULE = (228, 231, 236)
_WIDE, _EDGE, _WALL = 720, 24, (196, 202, 212)
_WAYS = ((37, 99, 190), (217, 119, 6), (5, 130, 110), (170, 60, 150), (110, 90, 200), (190, 60, 60))


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


def draw_map(tracks: Sequence[Track], obstacles: Sequence[np.ndarray], shortest: np.ndarray, path: Path) -> None:
    """Writes one PNG: ways past obstacles, polygons (V,2) in metres, and the shortest one (K,2), dashed."""
    every = np.concatenate([*(track.points for track in tracks), *obstacles, shortest])
    low, high = every.min(0), every.max(0)
    scale = _FINER * (_WIDE - 2 * _EDGE) / max(float((high - low).max()), 1e-9)
    size = (high - low) * scale + 2 * _EDGE * _FINER
    page = Image.new("RGB", (int(size[0]), int(size[1])), "white")
    pen = ImageDraw.Draw(page)

    def placed(points: np.ndarray) -> list[tuple[float, float]]:
        return [(float(x), float(size[1] - y)) for x, y in (points - low) * scale + _EDGE * _FINER]

    for polygon in obstacles:
        pen.polygon(placed(polygon), _WALL)
    for one, other in pairwise(placed(shortest)):
        parts = max(1, int(np.hypot(other[0] - one[0], other[1] - one[1]) / (8 * _FINER)))
        ends = [tuple(np.array(one) + (np.array(other) - one) * part / parts) for part in range(parts + 1)]
        for begin, end in list(pairwise(ends))[::2]:
            pen.line([begin, end], _LAST, _FINER)
    for number, track in enumerate(tracks):
        corners, colour = placed(track.points), _WAYS[number % len(_WAYS)]
        pen.line(corners, colour, 2 * _FINER, joint="curve")
        for x, y in corners:
            pen.ellipse([x - 7, y - 7, x + 7, y + 7], colour)
    for x, y in (placed(shortest)[0], placed(shortest)[-1]):
        pen.ellipse([x - 16, y - 16, x + 16, y + 16], outline=_LAST, width=6)
    write_png(np.asarray(page.resize((page.width // _FINER, page.height // _FINER), Image.Resampling.LANCZOS)), path)


def draw_crowds(crowds: Sequence[Sequence[Track]], path: Path) -> None:
    """Writes one PNG: the ways of several crowds of one scene side by side, a line each, a ring where it begins."""
    every = np.concatenate([track.points for crowd in crowds for track in crowd])
    low, high = every.min(0), every.max(0)
    scale = _FINER * (_WIDE - 2 * _EDGE) / max(float((high - low).max()), 1e-9)
    width, height = ((high - low) * scale + 2 * _EDGE * _FINER).astype(int).tolist()
    page = Image.new("RGB", (width * len(crowds), height), "white")
    pen = ImageDraw.Draw(page)
    for number, crowd in enumerate(crowds):
        pen.line([(number * width, 0), (number * width, height)], _RULE, 3)
        for place, track in enumerate(crowd):
            points = (track.points - low) * scale + _EDGE * _FINER
            corners = [(float(x) + number * width, float(height - y)) for x, y in points]
            colour = _WAYS[place % len(_WAYS)]
            pen.line(corners, colour, _FINER, joint="curve")
            x, y = corners[0]
            pen.ellipse([x - 8, y - 8, x + 8, y + 8], outline=colour, width=3)
    write_png(np.asarray(page.resize((page.width // _FINER, page.height // _FINER), Image.Resampling.LANCZOS)), path)


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

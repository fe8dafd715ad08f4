"""Files of drawings: JSON lines (strokes of points, strokes as path data, Quick, Draw!) and SVG, read and written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import BadInput
from ..maths.polyline import Points
from .strokes_draw import shelf
from .strokes_items import Drawing, drawing
from .strokes_path import path_strokes
from .strokes_svg import paths, svg, traced

_LONGEST_LINE = 8 << 20
_MOST = 1 << 30
"""Bytes of a file of JSON lines, unpacked."""
FIELDS = ("strokes", "drawing")
_KANJIVG = (0.0, 0.0, 109.0, 109.0)


def json_lines(stream: Any, packed: bool) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line) of the lines that aren't empty. Raises BadInput for a line or file that is too long, or damaged."""
    source = gzip.GzipFile(fileobj=stream) if packed else stream
    read, number = 0, 0
    try:
        while line := source.readline(_LONGEST_LINE + 1):
            number, read = number + 1, read + len(line)
            if len(line) > _LONGEST_LINE or read > _MOST:
                raise BadInput(f"line {number:,} ends beyond the {_LONGEST_LINE:,} bytes a line, or {_MOST:,} a file, that are read")
            if line.strip():
                yield number, line
    except (OSError, EOFError) as error:
        raise BadInput(f"it can't be unpacked after line {number:,}: {error}") from error


def record(line: bytes) -> dict[str, Any]:
    """What a line holds. Raises BadInput where it is no JSON object with strokes or a drawing."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"it is no JSON: {error}"[:120]) from error
    if not isinstance(found, dict) or not any(isinstance(found.get(name), list) for name in FIELDS):
        raise BadInput('it is no object with a list "strokes" or "drawing"')
    return found


def drawing_of(found: dict[str, Any]) -> Drawing:
    """The drawing of a record: strokes of path data, of points [x, y] or [x, y, time], or Quick, Draw!'s [xs, ys] or [xs, ys, times].

    A `size` [width, height] in it is the canvas; KanjiVG's is 109 x 109, Quick, Draw!'s 256 x 256. Points that are all above the
    axis, as Omniglot has them, are turned y downwards. Raises BadInput where it is no drawing.
    """
    if isinstance(found.get("drawing"), list):
        strokes = [_columns(stroke, number) for number, stroke in enumerate(found["drawing"], 1)]
        return drawing(strokes, _size(found) or (0.0, 0.0, 255.0, 255.0))
    given = found["strokes"]
    if given and all(isinstance(stroke, str) for stroke in given):
        return drawing([line for stroke in given for line in path_strokes(stroke)], _size(found) or _KANJIVG)
    strokes = [_rows(stroke, number) for number, stroke in enumerate(given, 1)]
    filled = [stroke for stroke in strokes if len(stroke)]
    every = np.concatenate(filled) if filled else np.zeros((1, 2))
    canvas = _size(found)
    if canvas is None and every[:, 1].max() <= 0 and every[:, 1].min() < 0:
        strokes = [stroke * [1, -1] for stroke in strokes]
        # Omniglot's canvas, which its strokes don't name
        canvas = (0.0, 0.0, 105.0, 105.0)
    return drawing(strokes, canvas)


def _size(found: dict[str, Any]) -> tuple[float, float, float, float] | None:
    size = found.get("size")
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) in (int, float) and 0 < side < 1e9 for side in size):
        return None
    return (0.0, 0.0, float(size[0]), float(size[1]))


def _columns(stroke: Any, number: int) -> Points:
    if not isinstance(stroke, list) or len(stroke) < 2 or not all(isinstance(part, list) for part in stroke[:2]):
        raise BadInput(f"stroke {number} is not [[x, ...], [y, ...]]")
    if len(stroke[0]) != len(stroke[1]):
        raise BadInput(f"stroke {number} has {len(stroke[0])} x but {len(stroke[1])} y")
    return _floats(stroke[:2], number).T.reshape(-1, 2)


def _rows(stroke: Any, number: int) -> Points:
    if not isinstance(stroke, list) or not all(isinstance(point, list) and len(point) >= 2 for point in stroke):
        raise BadInput(f"stroke {number} is not [[x, y], ...]")
    return _floats([point[:2] for point in stroke], number).reshape(-1, 2)


def _floats(values: list[list[Any]], number: int) -> Points:
    if not all(type(value) in (int, float) for part in values for value in part):
        raise BadInput(f"stroke {number} holds something that is no number")
    try:
        return np.array(values, np.float64)
    except OverflowError as error:
        raise BadInput(f"stroke {number} holds a number that is too large") from error


def read_file(path: Path) -> list[Drawing]:
    """The drawings of an .svg, .jsonl or .ndjson file, packed by gzip or not. Raises BadInput with file and line."""
    try:
        if path.suffix.lower() == ".svg":
            found = traced(path.read_bytes())
            return [drawing(found.strokes, found.canvas)]
        with path.open("rb") as stream:
            return [_numbered(number, line) for number, line in json_lines(stream, path.suffix.lower() == ".gz")]
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror or error}.") from error
    except BadInput as error:
        raise BadInput(f"{path}: {error}.") from error


def _numbered(number: int, line: bytes) -> Drawing:
    try:
        return drawing_of(record(line))
    except BadInput as error:
        raise BadInput(f"line {number:,}: {error}") from error


def write_file(items: Sequence[Drawing], path: Path, ending: str) -> None:
    """Writes .svg (one drawing, or a sheet of them), .jsonl, .ndjson, or a folder "" with an .svg each."""
    if ending == "":
        path.mkdir()
        for number, item in enumerate(items):
            (path / f"{number:05d}.svg").write_text(svg(item.strokes, *item.size), encoding="utf-8")
        return
    if ending == ".svg":
        text = svg(items[0].strokes, *items[0].size) if len(items) == 1 else _sheet(items)
    else:
        rows = [_quick_draw(item) if ending == ".ndjson" else _points(item) for item in items]
        text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def _points(item: Drawing) -> dict[str, Any]:
    return {"size": list(item.size), "strokes": [np.round(stroke, 3).tolist() for stroke in item.strokes]}


def _quick_draw(item: Drawing) -> dict[str, Any]:
    """Whole numbers 0 to 255, as Quick, Draw! has them."""
    return {"drawing": [np.rint(stroke * 255).clip(0, 255).astype(int).T.tolist() for stroke in item.unit()]}


def _sheet(items: Sequence[Drawing]) -> str:
    """One SVG with the drawings side by side, each 100 x 100."""
    columns = shelf(len(items))
    rows = -(-len(items) // columns)
    groups = [
        paths(item.unit(), 0.02, f"translate({100 * (number % columns) + 8} {100 * (number // columns) + 8}) scale(84)")
        for number, item in enumerate(items)
    ]
    size = f"0 0 {100 * columns} {100 * rows}"
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}">', *groups, "</svg>", ""])

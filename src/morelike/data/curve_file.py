"""Files of outlines: airfoils' .dat in both formats, .csv and .txt of x and y, .npz of many; read and written.  P points, N outlines."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.errors import BadInput
from ..maths.outline import along
from ..maths.polyline import Points
from .arrays import load_npz, npy_header
from .curve_items import MOST, Outline, outline
from .files import Files, FolderFiles, guarded

MOST_BYTES = 1 << 20
"""Of one file of points."""
TEXTS = (".dat", ".csv", ".tsv", ".txt")
KEY = "xy"
_COMMENT = ("#", "!", "%")
_SPLIT = re.compile(r"[\s,;]+")
_OPEN = 0.05
"""Share of its size that the ends of an outline may lie apart, for it to be a closed one."""
_BLUNT, _NEAR = 0.1, 0.25
"""The same of an airfoil's .dat, which is always closed; and of a file that is taken for one, to be refused for its gap."""
_WIDTH = 9


def outline_of(text: str, name: str) -> Outline:
    """The outline in a file's text: .dat of Selig (once round from the trailing edge) or Lednicer (counts, upper side, lower side), or rows
    of x and y. Raises BadInput, which names the line."""
    dat = name.lower().endswith(".dat")
    rows, words, gaps = _rows(text, dat)
    if not rows:
        raise BadInput("it holds no rows of two numbers")
    points, lines = np.array([pair for _, pair in rows]), [number for number, _ in rows]
    if dat and _counts(points[0]):
        return outline(_lednicer(points, lines))
    if words:
        raise BadInput(f"line {words[0]} holds words among the points: it seems that two outlines are in one file; give each one its own")
    apart = float(np.hypot(*(points[0] - points[-1])))
    size = float((points.max(0) - points.min(0)).max()) if np.isfinite(points).all() else math.inf
    if dat:
        if gaps and _starts_anew(points, lines, gaps[0]):
            raise BadInput(f"line {gaps[0]} begins a second outline; give each one a file of its own")
        if apart > _BLUNT * size:
            where = f"its first point (line {lines[0]}) and its last one (line {lines[-1]}) lie {apart:.3g} apart"
            raise BadInput(f"it is open: {where}, and an airfoil goes from the trailing edge back to it")
    return _placed(points, dat or apart <= _OPEN * size, lines)


def _rows(text: str, dat: bool) -> tuple[list[tuple[int, tuple[float, float]]], list[int], list[int]]:
    """(line number and point of each row, numbers of lines of words after the first point, numbers of lines that follow an empty one)."""
    rows: list[tuple[int, tuple[float, float]]] = []
    words: list[int] = []
    gaps: list[int] = []
    empty = False
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell for cell in _SPLIT.split(line.strip()) if cell]
        if not cells or line.lstrip().startswith(_COMMENT):
            empty = empty or (not cells and bool(rows))
            continue
        try:
            pair = [float(cell) for cell in cells]
        except ValueError:
            if rows and not (len(rows) == 1 and dat):
                words.append(number)
            elif number > 3:
                raise BadInput(f"line {number} is {line.strip()[:40]!r}, which is no x and y") from None
            continue
        if len(pair) != 2:
            if not rows:
                continue  # a heading of numbers, such as a date
            raise BadInput(f"line {number} has {len(pair)} numbers, and a point has two")
        if empty:
            gaps.append(number)
        empty = False
        rows.append((number, (pair[0], pair[1])))
        if len(rows) > 2 * MOST:
            raise BadInput(f"it has more than {2 * MOST:,} points")
    return rows, words, gaps


def _placed(points: Points, closed: bool, lines: Sequence[int]) -> Outline:
    """The outline, refused with the line's number where a point is no finite one."""
    bad = ~np.isfinite(points).all(1)
    if bad.any():
        raise BadInput(f"line {lines[int(bad.argmax())]} holds a number that is not finite")
    return outline(points, closed)


def _counts(first: Points) -> bool:
    """Whether the first row of a .dat says how many points each side has."""
    return bool((first >= 2).all() and (first == np.rint(first)).all())


def _lednicer(points: Points, lines: Sequence[int]) -> Points:
    """Once round, of counts and both sides from the leading edge."""
    upper, lower = int(points[0, 0]), int(points[0, 1])
    rest = points[1:]
    if upper + lower != len(rest):
        raise BadInput(f"line {lines[0]} says {upper:,} and {lower:,} points, but {len(rest):,} follow")
    bad = ~np.isfinite(rest).all(1)
    if bad.any():
        raise BadInput(f"line {lines[int(bad.argmax()) + 1]} holds a number that is not finite")
    top, bottom = rest[:upper], rest[upper:]
    if top[0, 0] > top[-1, 0] or bottom[0, 0] > bottom[-1, 0]:
        raise BadInput(f"line {lines[0]} says that two sides follow, but they don't go from the leading edge to the trailing edge")
    return np.concatenate([top[::-1], bottom[1:] if np.array_equal(top[0], bottom[0]) else bottom])


def _starts_anew(points: Points, lines: Sequence[int], line: int) -> bool:
    """Whether what follows an empty line goes round once more by itself: its ends meet, and so do those of what comes before."""
    cut = list(lines).index(line)
    parts = [points[:cut], points[cut:]]
    return all(len(part) > 3 and np.hypot(*(part[0] - part[-1])) <= _OPEN * np.ptp(part, axis=0).max() for part in parts)


def looks_like_outline(files: Files, name: str) -> bool:
    """Whether a .dat file holds rows of two numbers, but for a name, that begin with counts or come back to where they began; numbers over
    a time don't."""
    if not 0 < files.sizes[name] <= MOST_BYTES:
        return False
    try:
        rows, _, _ = _rows(read_text(files, name), True)
    except BadInput:
        return False
    points = np.array([pair for _, pair in rows]).reshape(-1, 2)
    if len(points) < 4 or _counts(points[0]):
        return len(points) >= 4
    steps, extent = np.diff(points[:, 0]), np.ptp(points, axis=0).max()
    return bool((steps > 0).any() and (steps < 0).any() and np.hypot(*(points[0] - points[-1])) <= _NEAR * extent)


def read_text(files: Files, name: str) -> str:
    """A small text file; letters that are no UTF-8 stand in names only, and are taken one byte each."""
    data = files.read(name, MOST_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def holds_outlines(files: Files, name: str) -> bool:
    """Whether an .npz holds an array `xy` (N,P,2), by its header."""
    try:
        with guarded(name), files.open(name) as stream, zipfile.ZipFile(stream) as archive:
            if f"{KEY}.npy" not in archive.namelist():
                return False
            with archive.open(f"{KEY}.npy") as part:
                shape, dtype = npy_header(part, name)
    except BadInput:
        return False
    return len(shape) == 3 and shape[2] == 2 and shape[1] > 3 and dtype.kind in "fiu"


def rows_closed(points: Points) -> bool:
    """Whether rows of an .npz are closed outlines: the ends of most lie near each other."""
    size = np.ptp(points, axis=1).max(1)
    apart = np.hypot(*(points[:, 0] - points[:, -1]).T)
    return bool(np.nanmedian(apart / np.maximum(size, 1e-300)) <= _OPEN)


def read_file(path: Path) -> list[Outline]:
    """The outlines of a user's own file: one of a .dat, .csv or .txt, all of an .npz. Raises BadInput with file and line or row."""
    files = FolderFiles(path.parent, [path.name])
    try:
        if path.suffix.lower() == ".npz":
            if not holds_outlines(files, path.name):
                raise BadInput(f"it holds no array {KEY} of the shape (outlines, points, 2)")
            many = np.asarray(load_npz(files, path.name)[KEY], np.float64)
            closed = rows_closed(many)
            return [_row(number, points, closed) for number, points in enumerate(many)]
        return [outline_of(read_text(files, path.name), path.name)]
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


def _row(number: int, points: Points, closed: bool) -> Outline:
    try:
        return outline(points, closed)
    except BadInput as error:
        raise BadInput(f"row {number}: {error}") from error


def write_file(items: Sequence[Outline], path: Path, ending: str, names: Sequence[str] = ()) -> None:
    """Writes .dat (Selig's format, one outline), .csv (outline, x, y), .svg, .npz (`xy`), or a folder "" with a .dat each. Raises BadInput
    for several outlines in one .dat."""
    names = names or [f"morelike {number}" for number in range(len(items))]
    if ending == "":
        path.mkdir()
        for number, (item, name) in enumerate(zip(items, names, strict=True)):
            (path / f"{number:05d}.dat").write_text(_dat(item, name), encoding="utf-8")
    elif ending == ".dat":
        if len(items) != 1:
            raise BadInput(f"a .dat file holds one outline, not {len(items):,}: name a folder, or a .csv or .npz file")
        path.write_text(_dat(items[0], names[0]), encoding="utf-8")
    elif ending == ".csv":
        rows = [f"{number},{x:.8g},{y:.8g}\n" for number, item in enumerate(items) for x, y in item.points.tolist()]
        path.write_text("outline,x,y\n" + "".join(rows), encoding="utf-8")
    elif ending == ".svg":
        path.write_text(_svg(items), encoding="utf-8")
    else:
        counts = {len(item) for item in items}
        same = [item.points if len(counts) == 1 else along(item.points, item.closed, max(counts)) for item in items]
        with path.open("wb") as stream:
            np.savez_compressed(stream, xy=np.stack(same))


def _dat(item: Outline, name: str) -> str:
    return name + "\n" + "".join(f" {x:.{_WIDTH - 1}f} {y:.{_WIDTH - 1}f}\n" for x, y in item.points.tolist())


def _svg(items: Sequence[Outline]) -> str:
    """A sheet of outlines in one scale, each in a cell of its own."""
    columns = max(1, math.ceil(math.sqrt(len(items) / 2)))
    boxes = np.array([np.concatenate([item.points.min(0), item.points.max(0)]) for item in items])
    wide, high = (boxes[:, 2:] - boxes[:, :2]).max(0) * 1.2
    rows = -(-len(items) // columns)
    paths = []
    for number, (item, box) in enumerate(zip(items, boxes, strict=True)):
        corner = np.array([(number % columns + 0.5) * wide, (number // columns + 0.5) * high])
        own = (item.points - (box[:2] + box[2:]) / 2) * [1, -1] + corner
        places = "L".join(f"{x:.6g},{y:.6g}" for x, y in own.tolist())
        paths.append(f'<path d="M{places}{"z" if item.closed else ""}"/>')
    group = f'<g fill="none" stroke="black" stroke-width="{max(wide, high) / 300:.3g}" stroke-linejoin="round">'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns * wide:.6g} {rows * high:.6g}">'
    return "\n".join([head, group, *paths, "</g>", "</svg>", ""])

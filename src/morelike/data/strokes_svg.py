"""Pen lines of SVG files: elements, transforms and canvas to strokes, and back. Nothing outside the file is ever read.

A filled shape is taken by its outline; texts, pictures and what only serves others (defs, masks, markers) have no strokes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

import numpy as np

from ..core.errors import BadInput
from ..maths.polyline import Points
from .strokes_path import MOST_POINTS, NUMBER, path_strokes

MOST_BYTES = 16 << 20
_DEPTH = 200
_TRANSFORM = re.compile(r"[\s,]*(matrix|translate|scale|rotate|skewX|skewY)\s*\(([^()]*)\)")
_LIST = re.compile(rf"[\s,]*(?:{NUMBER}[\s,]*)*")
_LENGTH = re.compile(rf"\s*({NUMBER})\s*(?:px|pt|pc|mm|cm|in|em|ex)?\s*$")
_PER_CENT = re.compile(rf"\s*({NUMBER})\s*%\s*$")
_DRAWN = ("path", "polyline", "polygon", "line", "rect", "circle", "ellipse")
_ASIDE = ("defs", "symbol", "clippath", "mask", "pattern", "marker", "metadata", "style", "script", "title", "desc", "filter")
_NOT_DRAWN = ("text", "image", "use", "foreignobject")


@dataclass(slots=True)
class Traced:
    """What an SVG file draws: `strokes` in its own units, and its canvas (left, top, width, height) where it names one."""

    strokes: list[Points] = field(default_factory=list)
    canvas: tuple[float, float, float, float] | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    """Names of elements that have no strokes, such as text -> how many."""


def traced(data: bytes) -> Traced:
    """The strokes of an SVG file in the order of drawing. Raises BadInput where it is damaged, too large, or declares entities."""
    if len(data) > MOST_BYTES:
        raise BadInput(f"it has {len(data):,} bytes; at most {MOST_BYTES:,} are read")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reader.begin, reader.end
    parser.EntityDeclHandler = _no_entities
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BadInput(f"line {error.lineno}: it is no XML that can be read ({expat.ErrorString(error.code)})") from error
    except BadInput as error:
        raise BadInput(f"line {parser.CurrentLineNumber}: {error}") from error
    if not reader.svg:
        raise BadInput("it holds no svg element")
    return reader.found


def _no_entities(*declared: object) -> None:
    raise BadInput("it declares entities, which aren't read; save it as plain SVG")


class _Reader:
    """Follows the elements of a file; a transform is a (2,3) matrix."""

    def __init__(self) -> None:
        self.found, self.svg, self.points = Traced(), False, 0
        self.above: list[tuple[Points, bool, tuple[float, float] | None]] = [(np.eye(2, 3), True, None)]
        """The transform of each open element, whether its content is drawn, and the width and height that per cent are of."""

    def begin(self, tag: str, given: dict[str, str]) -> None:
        name = tag.rpartition(":")[2].lower()
        matrix, shown, extent = self.above[-1]
        if len(self.above) > _DEPTH:
            raise BadInput(f"elements are nested more than {_DEPTH} deep")
        hidden = given.get("display") == "none" or "display:none" in given.get("style", "").replace(" ", "")
        shown = shown and name not in _ASIDE and not hidden
        first = name == "svg" and not self.svg
        if extent is not None:
            given = _in_pixels({"width": "100%", "height": "100%", **given} if name == "svg" else given, extent)
        if first:
            self.svg, self.found.canvas = True, _canvas(given)
        elif name == "svg":
            matrix = joined(matrix, _placed(given))
        if name == "svg":
            canvas = _canvas(given)
            extent = None if canvas is None else canvas[2:]
        if "transform" in given:
            matrix = joined(matrix, transform(given["transform"]))
        self.above.append((matrix, shown, extent))
        if shown and name in _NOT_DRAWN:
            self.found.left_out[name] += 1
        for line in _shape(name, given) if shown and name in _DRAWN else ():
            self.points += len(line)
            if self.points > MOST_POINTS:
                raise BadInput(f"its lines have more than {MOST_POINTS:,} points")
            with np.errstate(all="ignore"):
                placed = line @ matrix[:, :2].T + matrix[:, 2]
            if not np.isfinite(placed).all():
                raise BadInput(f"a {name} has coordinates that are no finite numbers")
            self.found.strokes.append(placed)

    def end(self, tag: str) -> None:
        self.above.pop()


def joined(outer: Points, inner: Points) -> Points:
    """The (2,3) matrix that does `inner`, then `outer`."""
    with np.errstate(all="ignore"):  # what overflows is refused where it places a line
        return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def transform(text: str) -> Points:
    """The (2,3) matrix of a transform attribute. Raises BadInput where it can't be read."""
    found, place = np.eye(2, 3), 0
    while text[place:].strip(" \t\r\n,"):
        match = _TRANSFORM.match(text, place)
        if match is None:
            raise BadInput(f"the transform {text[:60]!r} can't be read")
        found, place = joined(found, _matrix(match[1], _numbers(match[2]), text)), match.end()
    return found


def _matrix(name: str, values: list[float], text: str) -> Points:
    turn = math.radians(values[0]) if values and math.isfinite(values[0]) else 0.0
    match name, values:
        case "matrix", [a, b, c, d, e, f]:
            return np.array([[a, c, e], [b, d, f]])
        case "translate", [x, *y] if len(y) < 2:
            return np.array([[1.0, 0.0, x], [0.0, 1.0, y[0] if y else 0.0]])
        case "scale", [x, *y] if len(y) < 2:
            return np.array([[x, 0.0, 0.0], [0.0, y[0] if y else x, 0.0]])
        case "rotate", [_]:
            return np.array([[math.cos(turn), -math.sin(turn), 0.0], [math.sin(turn), math.cos(turn), 0.0]])
        case "rotate", [angle, x, y]:
            there, turned, back = (_matrix(*one, text) for one in (("translate", [x, y]), ("rotate", [angle]), ("translate", [-x, -y])))
            return joined(joined(there, turned), back)
        case "skewX", [_]:
            return np.array([[1.0, math.tan(turn), 0.0], [0.0, 1.0, 0.0]])
        case "skewY", [_]:
            return np.array([[1.0, 0.0, 0.0], [math.tan(turn), 1.0, 0.0]])
    raise BadInput(f"the transform {text[:60]!r} can't be read")


def _numbers(text: str) -> list[float]:
    """Raises BadInput for what is no list of numbers: a part that is skipped would shift all that come after it."""
    if not _LIST.fullmatch(text):
        raise BadInput(f"{text[:40]!r} are no numbers")
    return [float(value) for value in re.findall(NUMBER, text)]


def _placed(given: dict[str, str]) -> Points:
    """The (2,3) matrix of an svg element within another: its view box in the middle of its place."""
    x, y, width, height = (_length(given.get(key, "")) for key in ("x", "y", "width", "height"))
    box = _numbers(given.get("viewBox", ""))
    if len(box) != 4 or min(box[2:]) <= 0 or width <= 0 or height <= 0:
        return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    left, top, wide, high = box
    scale = min(width / wide, height / high)
    across, down = x + (width - scale * wide) / 2 - scale * left, y + (height - scale * high) / 2 - scale * top
    return np.array([[scale, 0.0, across], [0.0, scale, down]])


def _canvas(given: dict[str, str]) -> tuple[float, float, float, float] | None:
    box = _numbers(given.get("viewBox", ""))
    if len(box) == 4 and all(map(math.isfinite, box)) and min(box[2:]) > 0:
        return (box[0], box[1], box[2], box[3])
    width, height = (_length(given.get(side, "")) for side in ("width", "height"))
    return (0.0, 0.0, width, height) if width > 0 and height > 0 else None


def _in_pixels(given: dict[str, str], extent: tuple[float, float]) -> dict[str, str]:
    """Attributes whose lengths in per cent are put into the units of a view of `extent` (SVG 1.1, section 7.10)."""
    width, height = extent
    wholes = dict.fromkeys(("x", "x1", "x2", "cx", "rx", "width"), width) | dict.fromkeys(("y", "y1", "y2", "cy", "ry", "height"), height)
    wholes["r"] = math.hypot(width, height) / math.sqrt(2)
    found = dict(given)
    for key in wholes.keys() & given.keys():
        part = _PER_CENT.match(given[key])
        if part is not None:
            found[key] = repr(float(part[1]) / 100 * wholes[key])
    return found


def _length(text: str) -> float:
    """A length without its unit; 0 where there is none, or it is no plain number (100%)."""
    found = _LENGTH.match(text)
    value = float(found[1]) if found else 0.0
    return value if math.isfinite(value) else 0.0


def _shape(name: str, given: dict[str, str]) -> list[Points]:
    """The strokes of one element; none where it draws nothing."""
    if name == "path":
        return path_strokes(given.get("d", ""))
    if name in ("polyline", "polygon"):
        values = _numbers(given.get("points", ""))
        points = np.array(values[: len(values) // 2 * 2]).reshape(-1, 2)
        return [np.concatenate([points, points[:1]]) if name == "polygon" else points] if len(points) else []

    def value(key: str) -> float:
        text = given.get(key, "").strip()
        if text not in ("", "auto") and not _LENGTH.match(text):
            raise BadInput(f"a {name} has {key}={text[:30]!r}, which is no number of pixels")
        return _length(text)

    if name == "line":
        return [np.array([[value("x1"), value("y1")], [value("x2"), value("y2")]])]
    if name == "rect":
        x, y, width, height = value("x"), value("y"), value("width"), value("height")
        across, down = min(value("rx") or value("ry"), width / 2), min(value("ry") or value("rx"), height / 2)
        if min(across, down, width, height) > 0:
            return path_strokes(_rounded(x, y, (width, height), (across, down)))
        corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]
        return [np.array(corners)] if width > 0 and height > 0 else []
    first, second = (value("r"), value("r")) if name == "circle" else (value("rx"), value("ry"))
    angles = np.linspace(0, 2 * np.pi, 49)
    outline = np.stack([first * np.cos(angles) + value("cx"), second * np.sin(angles) + value("cy")], 1)
    return [outline] if first > 0 and second > 0 else []


def _rounded(x: float, y: float, size: tuple[float, float], corner: tuple[float, float]) -> str:
    """Path data of a rectangle whose corners are quarters of ellipses (SVG 1.1, section 9.2)."""
    (width, height), (rx, ry) = size, corner
    turns = [f"a{rx!r} {ry!r} 0 0 1 {dx * rx!r} {dy * ry!r}" for dx, dy in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    sides = [f"h{width - 2 * rx!r}", f"v{height - 2 * ry!r}", f"h{2 * rx - width!r}", f"v{2 * ry - height!r}"]
    return f"M{x + rx!r} {y!r}" + "".join(side + turn for side, turn in zip(sides, turns, strict=True)) + "z"


def svg(strokes: Sequence[Points], width: float, height: float, title: str = "") -> str:
    """An SVG file of strokes, a path each, in the order of drawing; a single point is a dot."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}">'
    return "\n".join([head, *([f"<title>{escape(title)}</title>"] if title else []), paths(strokes, max(width, height) / 50), "</svg>", ""])


def paths(strokes: Sequence[Points], thick: float, placed: str = "") -> str:
    """A group of strokes, `placed` by its transform."""
    move = f' transform="{placed}"' if placed else ""
    pen = f'<g{move} fill="none" stroke="black" stroke-width="{thick:.3g}" stroke-linecap="round" stroke-linejoin="round">'
    return "\n".join([pen, *(f'<path d="{_path(stroke)}"/>' for stroke in strokes), "</g>"])


def _path(stroke: Points) -> str:
    first, *rest = (f"{x:.6g},{y:.6g}" for x, y in stroke)
    return f"M{first}L{' '.join(rest or [first])}"

"""Pen drawings <-> moves of the pen, as ids or as stroke-5 (Ha, Eck 2017, arXiv:1704.03477). N items, T places, V vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from ..core.errors import BadInput
from ..core.spec import Array, Tokens
from ..maths.moves import Cells, PenRules, ids_of, lift_id, strokes_of
from ..maths.polyline import Points, simplified
from .strokes_draw import contact_sheet
from .strokes_file import read_file, write_file
from .strokes_items import Drawing, moving
from .world import World

Form = Literal["moves", "stroke5"]
_SIDE, _LEAST_SIDE, _MOST_SIDE = 64, 8, 512
TOLERANCE = 0.75
"""Cells that points left out may lie from the line."""
_LONGEST, _MOST_LONGEST = 400, 4096
"""Places of the longest drawing where nothing else is asked for, and the most that can be."""
_ROUNDED = 8
"""stroke-5 has a multiple of so many places, which nets for signals halve."""


class StrokesCodec(World):
    """Raw item: `Drawing`. Decoded: drawings on the canvas of the training items, or on a square where theirs differ in shape.

    `form` "moves": ids, two a point (dx, dy) and one that lifts the pen, on a grid of `side` x `side` cells. "stroke5": (5,T) numbers,
    dx and dy in their own spread, then three channels of which one is +1: the pen goes on, is lifted after this point, has ended.
    """

    kind: ClassVar[str] = "strokes"
    loss: ClassVar[str] = "points lie on a grid, those that the line hardly needs are left out; the pen's speed and the line's width"
    forms: ClassVar[Mapping[str, str]] = {
        ".svg": "one drawing, or a sheet of several", ".jsonl": "strokes of points, a drawing a line",
        ".ndjson": "strokes as Quick, Draw! has them, a drawing a line", "": "an .svg a drawing",
    }  # fmt: skip
    page: ClassVar[tuple[int, int]] = (5, 10)

    def __init__(self, form: Form, side: int, window: int, size: tuple[float, float], spread: float, said: Sequence[str] = ()) -> None:
        """`window`: T; `size`: (width, height) of the canvas of what is decoded; `spread`: standard deviation of the moves, in cells."""
        self.form: Form = form
        self.side, self.size, self.spread, self._said = side, size, spread, list(said)
        self.stop = lift_id(side) + 1
        self.spec: Tokens | Array = Tokens((window,), self.stop + 1, self.stop) if form == "moves" else Array((5, window))
        self.dtype = np.min_scalar_type(self.stop) if form == "moves" else np.dtype(np.float32)

    @classmethod
    def fit(  # type: ignore[override]  # each codec names its own settings
        cls, items: Iterable[Drawing], form: Form = "moves", side: int = _SIDE, window: int | None = None
    ) -> Self:
        """Reads the training items. `side`: cells along the canvas's longer side; `window`: the most places that a drawing may take, 400
        where nothing is said. Raises BadInput for settings that can't be."""
        if form not in get_args(Form):
            raise BadInput(f"codec.form must be one of {', '.join(get_args(Form))}, not {form!r}.")
        if not _LEAST_SIDE <= side <= _MOST_SIDE:
            raise BadInput(f"codec.side must be between {_LEAST_SIDE} and {_MOST_SIDE} cells, not {side}.")
        if window is not None and not _ROUNDED <= window <= _MOST_LONGEST:
            raise BadInput(f"codec.window must be between {_ROUNDED} and {_MOST_LONGEST} places, not {window}.")
        probe = cls(form, side, window or _LONGEST, (1.0, 1.0), 1.0)
        longest, coarser, count, sizes, steps = 1, 0, 0, set(), [np.ones(1)]
        for item in items:
            strokes, tolerance = probe.cells(item)
            longest, coarser, count = max(longest, probe.length(strokes)), coarser + (tolerance > TOLERANCE), count + 1
            steps.append(np.diff(np.concatenate(strokes).astype(np.float64), axis=0).ravel())
            sizes.add(item.size)
        places = longest + 1 if form == "moves" else -(-(longest + 1) // _ROUNDED) * _ROUNDED
        size = max(sizes) if len({round(width / height, 2) for width, height in sizes}) == 1 else (256.0, 256.0)
        limit = f"take more than {window or _LONGEST} places and are drawn with fewer points (codec.window)"
        said = [f"{coarser:,} of {count:,} training drawings {limit}."] if coarser else []
        return cls(form, side, places, size, float(np.concatenate(steps).std()) or 1.0, said)

    def describe(self) -> list[str]:
        """Sentences on how drawings are written."""
        places = self.spec.shape[-1]
        ids = f"two ids a point, one to lift the pen, a stop: at most {places}" if self.form == "moves" else f"as stroke-5: (5, {places})"
        return [*self._said, f"Moves of the pen on a grid of {self.side} x {self.side} cells, {ids}."]

    def cells(self, item: Drawing) -> tuple[list[Cells], float]:
        """(strokes (n,2) of cells without what the line doesn't need, the tolerance in cells at which they fit into T)."""
        raw = [moving(np.rint(stroke * (self.side - 1)).astype(np.int64).clip(0, self.side - 1)) for stroke in item.unit()]
        tolerance = TOLERANCE
        while True:
            found = [simplified(stroke.astype(np.float64), tolerance).astype(np.int64) for stroke in raw]
            if self.length(found) < self.spec.shape[-1]:
                return found, tolerance
            if tolerance > 2 * self.side:
                # with two points a stroke there is still no room: the last strokes are lost
                raw = raw[: max(1, 3 * len(raw) // 4)]
            tolerance *= 2

    def length(self, strokes: Sequence[Cells]) -> int:
        """Places that strokes take, without the end."""
        points = sum(map(len, strokes))
        return 2 * points + len(strokes) - 1 if self.form == "moves" else points

    def encode(self, items: Sequence[Drawing]) -> np.ndarray:
        """(N,T) ids padded with the stop, or (N,5,T) of stroke-5; drawings that are too long are made coarser until they fit."""
        strokes = [self.cells(item)[0] for item in items]
        if self.form == "stroke5":
            return np.stack([self._signal(own) for own in strokes]) if strokes else np.zeros((0, *self.spec.shape), np.float32)
        out = np.full((len(items), *self.spec.shape), self.stop, dtype=self.dtype)
        for row, own in enumerate(strokes):
            ids = ids_of(own, self.side)
            out[row, : len(ids)] = ids
        return out

    def _signal(self, strokes: Sequence[Cells]) -> np.ndarray:
        """(5,T) stroke-5."""
        points = np.concatenate([np.full((1, 2), self.side // 2), *strokes])
        many = len(points) - 1
        pen = np.full(self.spec.shape[-1], 2)
        pen[:many] = 0
        pen[np.cumsum([len(stroke) for stroke in strokes]) - 1] = 1
        out = np.zeros(self.spec.shape, np.float32)
        out[:2, :many] = np.diff(points, axis=0).T / self.spread
        out[2:] = 2 * np.eye(3)[pen].T - 1
        return out

    def decode(self, x: np.ndarray) -> list[Drawing]:
        """N drawings of ids (N,T), or of stroke-5 (N,5,T), each up to its end; one without a point becomes a dot in the middle."""
        if self.form == "stroke5":
            return [self._placed(self._of_signal(row)) for row in np.asarray(x, np.float64)]
        found = [strokes_of(row[: _first(row == self.stop)].tolist(), self.side) for row in np.asarray(x).astype(np.int64)]
        return [self._placed([one.astype(np.float64) for one in strokes]) for strokes in found]

    def _of_signal(self, row: np.ndarray) -> list[Points]:
        pen = row[2:].argmax(0)
        many = _first(pen == 2)
        points = (np.cumsum(row[:2, :many].T * self.spread, axis=0) + self.side // 2).clip(-self.side, 2 * self.side)
        ends = np.flatnonzero(pen[:many] == 1) + 1
        return [part for part in np.split(points, ends) if len(part)]

    def _placed(self, strokes: Sequence[Points]) -> Drawing:
        """Strokes in cells on the codec's canvas."""
        side = max(self.size)
        offset = (side - np.array(self.size)) / 2
        return Drawing(tuple(one / (self.side - 1) * side - offset for one in strokes or [np.full((1, 2), self.side / 2)]), self.size)

    def state(self) -> dict[str, Any]:
        return {
            "form": self.form, "side": self.side, "window": self.spec.shape[-1], "size": list(self.size), "spread": self.spread,
            "said": list(self._said),
        }  # fmt: skip

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        width, height = state["size"]
        return cls(state["form"], int(state["side"]), int(state["window"]), (width, height), state["spread"], state["said"])

    def machine(self) -> PenRules | None:
        return PenRules(self.side) if self.form == "moves" else None

    def broken(self, item: Drawing) -> str | None:
        points, slack = np.concatenate(item.strokes), 1e-6 * max(item.size)
        return "the pen leaves the canvas" if (points < -slack).any() or (points > np.array(item.size) + slack).any() else None

    def read(self, path: Path) -> list[Drawing]:
        """The drawings of an .svg, .jsonl or .ndjson file. Raises BadInput with file and line."""
        return read_file(path)

    def draw(self, items: Sequence[Drawing], path: Path, columns: int | None = None) -> None:
        """Writes one PNG: drawings side by side, strokes from blue (the first) to black (the last)."""
        contact_sheet(items, path, columns)

    def write(self, items: Sequence[Drawing], path: Path, ending: str) -> None:
        """Writes drawings as `forms` says."""
        write_file(items, path, ending)


def _first(where: np.ndarray) -> int:
    """The first true place, or how many places there are."""
    return int(where.argmax()) if where.any() else len(where)

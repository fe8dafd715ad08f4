"""What judges know of game levels: whether they can be played, how long the way is, which tiles and patterns they have, what is copied.

N levels, H rows, W columns, V tiles, K bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.contract import Raw
from ..data.level import LevelCodec
from ..maths.level_measures import ground, uneven, windows_of
from ..maths.reach import FREE, joined, steps
from ..maths.sokoban import NODES, Solved, solve
from .domain import Domain, Score
from .extractor import Array, Extractor, Floats, leading
from .scores import Rule

Numbers = NDArray[np.float64]
_LEAST = 20
_PATTERNS = 2_000
"""Patterns of the training items that have a bin of their own, the commonest; all others share one."""
_COPIED = 8
"""Columns (of levels of one size, a square's side) that are compared with the training items."""
_DIMENSIONS = 32


class Level(Domain):
    """Scores of levels of one layout; what a level's search found is kept, for several scores read it."""

    def __init__(self, facts: Mapping[str, Any], reference: Sequence[Raw]) -> None:
        super().__init__(facts, reference)
        self.codec = LevelCodec.restore(facts)
        layout = self.layout = self.codec.layout
        self._kinds = layout.legend.kinds(layout.tiles)
        self._found: dict[str, int | None] = {}
        self._seen = {piece for item in reference for piece in self._pieces(item)}

    def ids(self, item: Raw) -> NDArray[np.integer]:
        """(H,W) ids."""
        return self.codec.tiles_of(item)

    def has(self, *words: str) -> NDArray[np.bool_]:
        """(V,) the tiles that have one of the words."""
        return self.layout.legend.having(self.layout.tiles, *words)

    def extractor(self) -> Extractor:
        """Which tiles lie where, in 4 x 4 parts of the level, and which tiles are neighbours: the leading principal components of the
        training items: `raw-tiles32`."""
        rows = np.stack([self._counts_of(item) for item in self.reference])
        mean = rows.mean(0)
        directions = leading(rows - mean, min(_DIMENSIONS, rows.shape[1]))

        def features(items: Array) -> Array:
            found: Floats = (np.stack([self._counts_of(item) for item in items]) - mean) @ directions
            return found

        return Extractor(f"raw-tiles{directions.shape[1]}", features, cheap=True)

    def scores(self) -> list[Score]:
        own = {"platformer": self._platformer, "sokoban": self._sokoban, "rooms": self._rooms, "none": list}[self.layout.game]
        worse = Rule("lower", _LEAST)
        return [
            *own(),
            Score("tiles", worse, "histogram", self._tiles),
            Score("patterns-2x2", worse, "histogram", self._patterns(2)),
            Score("patterns-3x3", worse, "histogram", self._patterns(3)),
            Score("copied-windows", Rule("lower", _LEAST, bar=False), "mean", self._copied),
        ]

    def _platformer(self) -> list[Score]:
        worse = Rule("lower", _LEAST)
        return [
            Score("playable", Rule("higher", _LEAST), "mean", lambda items: np.array([self.way(item) is not None for item in items])),
            Score("path-length", worse, "histogram", lambda items: _binned([self._ratio(item) for item in items], np.arange(1, 2, 0.04))),
            Score("difficulty", worse, "histogram", lambda items: _binned([self.codec.difficulty(item) for item in items], _TENTHS)),
            Score("linearity", worse, "histogram", lambda items: _binned([self._uneven(item) for item in items], np.arange(0, 4, 0.25))),
        ]

    def _sokoban(self) -> list[Score]:
        better, every = Rule("higher", _LEAST), np.arange(0, 80, 4)
        return [
            Score("well-formed", better, "mean", lambda items: np.array([self.codec.broken(item) is None for item in items])),
            Score("solvable", better, "mean", lambda items: np.array([self.way(item) is not None for item in items])),
            Score("pushes", Rule("lower", _LEAST), "histogram", lambda items: _binned([self.way(item) for item in items], every)),
        ]

    def _rooms(self) -> list[Score]:
        better, each = Rule("higher", _LEAST), np.arange(0, 25)
        return [
            Score("doors-joined", better, "mean", lambda items: np.array([self.way(item) is not None for item in items])),
            Score("doors", Rule("lower", _LEAST), "histogram", lambda items: _binned([self._doors(item) for item in items], each)),
        ]

    def way(self, item: Raw) -> int | None:
        """Steps to the exit, pushes of a solution, or 0 where all doors are joined; None where there is none (or none was found)."""
        if item not in self._found:
            self._found[item] = self._search(item)
        return self._found[item]

    def _search(self, item: Raw) -> int | None:
        ids = self.ids(item)
        if self.layout.game == "platformer":
            return steps(self._kinds[ids], upwards=self.layout.upwards, round=self.layout.upwards)
        if self.layout.game == "sokoban":
            found = solved(self.codec, item)
            return found.pushes if found is not None and found.answer == "solved" else None
        return 0 if joined(self._kinds[ids] == FREE, self.has("door")[ids]) else None

    def _ratio(self, item: Raw) -> float | None:
        found = self.way(item)
        return None if found is None else found / max(self.layout.height if self.layout.upwards else self.ids(item).shape[1], 1)

    def _uneven(self, item: Raw) -> float:
        return uneven(ground(self._kinds[self.ids(item)]))

    def _doors(self, item: Raw) -> float:
        return float(self.has("door")[self.ids(item)].sum())

    def _tiles(self, items: Sequence[Raw]) -> Numbers:
        return np.stack([np.bincount(self.ids(item).ravel(), minlength=len(self.layout.tiles)) for item in items]).astype(np.float64)

    def _patterns(self, side: int) -> Any:
        """Counts of squares of tiles by the commonest ones of the training items, the last bin being all others."""
        every, often = np.unique(np.concatenate([self._squares(item, side) for item in self.reference]), return_counts=True)
        known = np.sort(every[np.argsort(-often, kind="stable")[:_PATTERNS]])

        def counts(items: Sequence[Raw]) -> Numbers:
            found = np.zeros((len(items), len(known) + 1))
            for row, item in enumerate(items):
                own = self._squares(item, side)
                at = np.minimum(np.searchsorted(known, own), len(known) - 1)
                found[row] = np.bincount(np.where(known[at] == own, at, len(known)), minlength=len(known) + 1)
            return found

        return counts

    def _squares(self, item: Raw, side: int) -> NDArray[np.int64]:
        """A number for each square of tiles; of more than 2^63 possible ones some share theirs."""
        cut = np.lib.stride_tricks.sliding_window_view(self.ids(item), (side, side)).reshape(-1, side * side)
        powers = np.array([pow(len(self.layout.tiles), place, 1 << 62) for place in range(side * side)], np.int64)
        numbers: NDArray[np.int64] = (cut.astype(np.int64) * powers).sum(1)
        return numbers

    def _pieces(self, item: Raw) -> list[bytes]:
        ids = self.ids(item).astype(np.uint16)
        side = min(_COPIED, *ids.shape)
        if self.layout.along == "columns":
            return windows_of(ids, (ids.shape[0], side))
        return windows_of(ids, (side, ids.shape[1])) if self.layout.upwards else windows_of(ids, (side, side))

    def _copied(self, items: Sequence[Raw]) -> Numbers:
        """Of each level, the share of windows that occur in the training items."""
        return np.array([np.mean([piece in self._seen for piece in self._pieces(item)]) for item in items])

    def _counts_of(self, item: Raw) -> Floats:
        ids, vocab = self.ids(item), len(self.layout.tiles)
        bands = np.array_split(ids, min(4, ids.shape[0]))
        cut = [part for band in bands for part in np.array_split(band, min(4, ids.shape[1]), axis=1)]
        parts = [np.bincount(part.ravel(), minlength=vocab) / part.size for part in cut]
        pairs = np.bincount((ids[:, :-1].astype(np.int64) * vocab + ids[:, 1:]).ravel(), minlength=vocab * vocab)
        found: Floats = np.sqrt(np.concatenate([*parts, pairs / max(1, pairs.sum())])).astype(np.float32)
        return found


_TENTHS = np.arange(0.0, 1.0, 0.05)


def solved(codec: LevelCodec, item: Raw, nodes: int = NODES) -> Solved | None:
    """What a search of so many states finds of a Sokoban level; None where it isn't well-formed."""
    if codec.broken(item) is not None:
        return None
    layout, ids = codec.layout, codec.tiles_of(item)
    wall, player, box, goal = (layout.legend.having(layout.tiles, word)[ids] for word in ("wall", "player", "box", "goal"))
    row, column = np.argwhere(player)[0].tolist()
    return solve(wall, box, goal, (row, column), nodes=nodes)


def _binned(values: Sequence[float | None], edges: NDArray[Any]) -> Numbers:
    """(N,K) one count in the bin of each value; none where there is no value."""
    found = np.zeros((len(values), len(edges) + 1))
    for row, value in enumerate(values):
        if value is not None:
            found[row, np.searchsorted(edges, value, side="right")] = 1
    return found

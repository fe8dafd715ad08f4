"""Game levels: grids of tiles <-> ids, in columns, in rows, or as a grid; long levels by windows.

H rows, W columns of an example, V tiles. A raw item is a text: rows of H or more tiles with line ends between.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from ..core.contract import Raw
from ..core.errors import BadInput
from ..core.spec import Tokens
from ..maths.constraint import Machine
from ..maths.level_rules import Counted, SideScroller
from ..maths.reach import FREE, PLATFORM, SOLID, joined, path, steps
from .files import FolderFiles
from .level_draw import draw_levels
from .level_read import check_tiles, grids, rooms, size
from .level_tiles import GAMES, Game, Legend, hardness
from .text_files import read_text
from .world import World

Form = Literal["columns", "rows", "grid"]
WINDOW = 32
"""Columns (of levels that are climbed, rows) of an example, where nothing else is asked for."""
_SMALL = 400
"""Levels of one size with at most so many tiles are examples as they are."""
_SOME = 100
"""Levels that are looked at to see whether they have ways through."""
_SPARSE = 4
"""Windows of levels that are held out lie a fourth of a window apart; those that are learnt, one column."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How levels become ids; JSON values."""

    tiles: str
    """Id -> tile."""
    words: dict[str, list[str]]
    height: int
    width: int
    form: Form
    game: Game
    along: Literal["columns", "rows", ""]
    """Where a level goes on beyond an example; "" = examples are whole levels."""
    counts: tuple[int, int] = (0, 0)
    """Sokoban: boxes of every level, or 0 where their number differs; and the most there are."""
    way: bool = False
    """Platformer: passable tiles on the shortest way through an example have ids of their own, those after the tiles'."""

    @property
    def legend(self) -> Legend:
        return Legend({tile: frozenset(words) for tile, words in self.words.items()})

    @property
    def upwards(self) -> bool:
        return self.along == "rows"


class LevelCodec(World):
    """Ids column by column from the left, each from the top (`columns`), row by row (`rows`), or (H,W) as they lie (`grid`)."""

    kind: ClassVar[str] = "level"
    loss: ClassVar[str] = "levels of another height are filled up with empty rows on top, or lose their top rows"
    forms: ClassVar[Mapping[str, str]] = {
        ".txt": "levels as text, blank lines between", ".json": "a list of levels, each a list of rows", "": "of .txt files, one a level",
    }  # fmt: skip
    page: ClassVar[tuple[int, int]] = (6, 3)

    def __init__(self, layout: Layout, said: Sequence[str] = ()) -> None:
        self.layout, self._said = layout, tuple(said)
        kinds = layout.legend.kinds(layout.tiles)
        walked = np.flatnonzero((kinds == FREE) | (kinds == PLATFORM)) if layout.way else np.empty(0, np.int64)
        self._tile = np.append(np.arange(len(kinds)), walked)
        """Id -> number of its tile."""
        self._walked = np.arange(len(kinds))
        self._walked[walked] = len(kinds) + np.arange(len(walked))
        self._kinds = kinds[self._tile]
        self.dtype = np.dtype(np.uint8 if len(self._tile) <= 256 else np.uint16)
        shape = (layout.height, layout.width) if layout.form == "grid" else (layout.height * layout.width,)
        period = {"columns": layout.height, "rows": layout.width}.get(layout.form, 0)
        self.spec: Tokens = Tokens(shape, len(self._tile), period=period)
        points = [ord(tile) for tile in layout.tiles]
        self._table = np.full(max(points) + 2, -1, np.int64)
        self._table[points] = np.arange(len(points))
        self._points = np.array(points, np.uint32)

    @classmethod
    def fit(  # type: ignore[override]  # its settings are named
        cls, items: Iterable[str], *, window: int | None = None, form: str | None = None, game: str | None = None,
        legend: str | None = None, way: bool | None = None,
    ) -> Self:  # fmt: skip
        """`window`: columns (or rows) of an example of long levels. `form`: columns, rows or grid. `game`: which rules hold
        (platformer, sokoban, rooms, none). `legend`: the path of a legend, or its JSON. `way`: learn the shortest way through each
        example of a platformer with it, by default where most levels have one; examples without are then left out.

        Raises BadInput for levels of several sizes that can't be one data set, and for settings out of range.
        """
        levels = list(items)
        if not levels:
            raise BadInput("there are no levels to learn from.")
        sizes = Counter(map(size, levels))
        known = _legend(legend)
        tiles = "".join(sorted({*known.words, *(set("".join(levels)) - {"\n"})}))
        rules = _one_of("codec.game", game, GAMES) or known.game(tiles)
        along, said = _direction(sizes, window is None)
        height, width = _usual(sizes, along, WINDOW if window is None else window, window is not None)
        said += _narrowed(sizes, along, height, width) if window is None else []
        walked = along == "columns" or (rules == "platformer" and not along and width >= height)
        chosen: Form = _one_of("codec.form", form, get_args(Form)) or ("columns" if walked else "rows")
        if (chosen, along) in (("rows", "columns"), ("columns", "rows")):
            raise BadInput(f"codec.form={chosen} doesn't fit levels that go on in {along}: take {along} or grid.")
        counts = _boxes(levels, known, tiles) if rules == "sokoban" else (0, 0)
        layout = Layout(tiles, known.json(), height, width, chosen, rules, along, counts)
        fits = rules == "platformer" and chosen == "columns"
        if way and not fits:
            raise BadInput("codec.way=true is for levels of a platformer that are learnt in columns.")
        if fits and way is not False and (way or cls(layout).walkable(levels[:_SOME])):
            layout = replace(layout, way=True)
        return cls(layout, said)

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """(N, *spec.shape); of a level longer than an example, its beginning. Raises BadInput for tiles and sizes that weren't learnt."""
        out = np.empty((len(items), self.layout.height, self.layout.width), self.dtype)
        for number, item in enumerate(items):
            out[number] = self.tiles_of(item, f"item {number}")[: self.layout.height, : self.layout.width]
        return self.arranged(self.marked(out))

    def walkable(self, levels: Sequence[str]) -> bool:
        """Whether most of these levels have a way through."""
        return 2 * sum(steps(self._kinds[self.tiles_of(level)]) is not None for level in levels) > len(levels)

    def marked(self, tiles: np.ndarray) -> np.ndarray:
        """Ids (N,H,W) of tiles (N,H,W), the shortest way through each marked where ways are learnt and there is one."""
        if not self.layout.way:
            return tiles
        found = tiles.copy()
        for own, kinds in zip(found, self._kinds[tiles], strict=True):
            if (way := path(kinds)) is not None:
                place = tuple(np.array(way).T)
                own[place] = self._walked[own[place]]
        return found

    def tiles_of(self, item: str, where: str = "the level") -> np.ndarray:
        """(rows, columns) ids of a whole level of any length, its other side as learnt. Raises BadInput."""
        rows, columns = size(item)
        own, layout = np.frombuffer(item.encode("utf-32-le"), np.uint32), self.layout
        if len(own) != rows * (columns + 1) - 1:
            raise BadInput(f"{where}: its rows are not of one length.")
        ids = self._table[np.minimum(np.append(own, 10), len(self._table) - 1)].reshape(rows, columns + 1)[:, :-1]
        if (ids < 0).any():
            check_tiles(item, frozenset(layout.tiles), where, "what the model knows")
        if layout.along == "columns" and rows != layout.height:
            sky = np.full((max(0, layout.height - rows), columns), layout.tiles.index(layout.legend.empty(layout.tiles)))
            ids = np.concatenate([sky, ids[max(0, rows - layout.height) :]])
        good = (ids.shape[0] == layout.height or (layout.upwards and ids.shape[0] > layout.height)) and (
            ids.shape[1] == layout.width or (layout.along == "columns" and ids.shape[1] > layout.width)
        )
        if not good:
            least = " at least" if layout.along else ""
            hint = f"; codec.window sets the number of {layout.along} (learn anew with a smaller one)" if layout.along else ""
            raise BadInput(f"{where} is {_sized(rows, columns)}, but{least} {_sized(layout.height, layout.width)} are needed{hint}.")
        found: np.ndarray = ids.astype(self.dtype)
        return found

    def pieces(self, items: Sequence[str], dense: bool) -> tuple[np.ndarray, np.ndarray] | None:
        """(examples (M, *spec.shape), (M,) the number of the level each is of): windows at every column or row, or a quarter of a window
        apart; None where levels are examples themselves."""
        layout = self.layout
        if not layout.along:
            return None
        size_, axis = (layout.width, 1) if layout.along == "columns" else (layout.height, 0)
        found, owner = [], []
        for number, item in enumerate(items):
            ids = self.tiles_of(item, f"level {number}")
            view = np.lib.stride_tricks.sliding_window_view(ids, size_, axis)
            cut = (view.transpose(1, 0, 2) if axis else view.transpose(0, 2, 1))[:: 1 if dense else max(1, size_ // _SPARSE)]
            found.append(self.marked(cut))
            owner += [number] * len(cut)
        ids, of = np.concatenate(found), np.array(owner, np.int64)
        if self.layout.way and (whole := (ids >= len(self.layout.tiles)).any((1, 2))).any():
            ids, of = ids[whole], of[whole]
        return self.arranged(ids), of

    def arranged(self, grid: np.ndarray) -> np.ndarray:
        """Ids (N,H,W) as they are learnt."""
        if self.layout.form == "grid":
            return grid
        turned = grid.transpose(0, 2, 1) if self.layout.form == "columns" else grid
        return np.ascontiguousarray(turned).reshape(len(grid), -1)

    def grid_of(self, x: np.ndarray) -> np.ndarray:
        """Tiles (N,H,W) of examples, or of longer rows of ids (N,L)."""
        layout = self.layout
        ids: np.ndarray = self._tile[np.asarray(x).astype(np.int64).clip(0, self.spec.vocab - 1)]
        if layout.form == "grid":
            return ids
        if layout.form == "columns":
            return ids.reshape(len(ids), -1, layout.height).transpose(0, 2, 1)
        return ids.reshape(len(ids), -1, layout.width)

    def decode(self, x: np.ndarray) -> list[str]:
        points = self._points[self.grid_of(x)]
        ended = np.concatenate([points, np.full((*points.shape[:2], 1), 10, np.uint32)], 2)
        return [one.tobytes().decode("utf-32-le")[:-1] for one in ended]

    def state(self) -> dict[str, Any]:
        return {**asdict(self.layout), "counts": list(self.layout.counts), "said": list(self._said)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        known = {name: value for name, value in state.items() if name != "said"}
        return cls(Layout(**{**known, "counts": tuple(known["counts"])}), state["said"])

    def facts(self) -> dict[str, Any]:
        return self.state()

    def describe(self) -> list[str]:
        layout, rule = self.layout, self.machine() is not None
        what = {"platformer": "a game of jumps", "sokoban": "Sokoban", "rooms": "rooms with doors", "none": "no game that is known"}
        whole = f"windows of {layout.along}" if layout.along else "whole levels"
        obeys = "what is drawn obeys its rules" if rule else "its rules are measured, not enforced"
        return [
            *self._said,
            f"{len(layout.tiles)} tiles {layout.tiles!r}, {whole}: {_sized(layout.height, layout.width)}, as {layout.form}",
            *(["learnt with the shortest way through each; what has none by itself is left out"] if layout.way else []),
            f"{what[layout.game]}: {obeys}" if layout.game != "none" else "no game that is known: no rules",
        ]

    def machine(self) -> Machine | None:
        layout, kinds = self.layout, self._kinds
        if layout.game == "platformer" and layout.form == "columns":
            return SideScroller(kinds, layout.height) if {FREE, SOLID} <= set(kinds.tolist()) else None
        if layout.game == "sokoban" and layout.form == "rows" and not layout.along:
            has = layout.legend.having
            parts = (has(layout.tiles, "wall"), has(layout.tiles, "player"), has(layout.tiles, "box"), has(layout.tiles, "goal"))
            return Counted(*parts, layout.height, layout.width, *layout.counts)
        return None

    def broken(self, item: Raw) -> str | None:
        """Platformer: the exit can't be reached. Sokoban: what isn't well-formed. Rooms: doors that aren't joined."""
        layout = self.layout
        ids = self.tiles_of(item)
        kinds = self._kinds[ids]
        if layout.game == "platformer":
            return None if steps(kinds, upwards=layout.upwards, round=layout.upwards) is not None else "the exit can't be reached"
        if layout.game == "rooms":
            return None if joined(kinds == FREE, layout.legend.having(layout.tiles, "door")[ids]) else "doors that aren't joined"
        machine = self.machine()
        return machine.broken(ids) if isinstance(machine, Counted) else None

    def difficulty(self, item: Raw) -> float:
        """Enemies, and columns without ground, by the column."""
        return hardness(item, self.layout.tiles, self.layout.legend)

    def measured(self, name: str, x: np.ndarray) -> np.ndarray | None:
        return np.array([self.difficulty(item) for item in self.decode(x)], np.float32) if name == "difficulty" else None

    def write(self, items: Sequence[str], path: Path, ending: str) -> None:
        if ending == "":
            path.mkdir()
            for number, item in enumerate(items):
                (path / f"level-{number + 1:0{len(str(len(items)))}d}.txt").write_text(item + "\n", encoding="utf-8")
        elif ending == ".json":
            path.write_text(json.dumps([item.split("\n") for item in items], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        else:
            path.write_text("\n\n".join(items) + "\n", encoding="utf-8")

    def read(self, path: Path) -> list[str]:
        text = read_text(FolderFiles(path.parent, [path.name]), path.name).text
        if not isinstance(text, str):
            raise BadInput(f"{path} is larger than 32 MB; give a part of it.")
        read = rooms(text, path.name) if path.suffix.lower() == ".json" else None
        levels = grids(text, path.name) if read is None else [level for level, _ in read]
        for level in levels:
            check_tiles(level, frozenset(self.layout.tiles), path.name, "what the model knows")
        return levels

    def draw(self, items: Sequence[str], path: Path, columns: int | None = None) -> None:
        """Writes one PNG of tile pictures, levels side by side."""
        draw_levels(items, self.layout.legend, path, columns)


def _legend(given: str | None) -> Legend:
    """From JSON or the path of a file; without one no tile means anything."""
    if given is None:
        return Legend({})
    if given.lstrip().startswith("{"):
        return Legend.of(given, "the legend")
    path = Path(given).expanduser()
    if not path.is_file():
        raise BadInput(f"there is no legend {given}: codec.legend is the path of a JSON file.")
    return Legend.of(path.read_bytes()[: 1 << 20].decode("utf-8", "replace"), path.name)


def _one_of(name: str, value: str | None, known: Sequence[str]) -> Any:
    if value is not None and value not in known:
        raise BadInput(f"{name} must be one of {', '.join(known)}, not {value!r}.")
    return value


def _direction(sizes: Mapping[tuple[int, int], int], whole: bool) -> tuple[Literal["columns", "rows", ""], list[str]]:
    """(where levels go on beyond an example, what is to be said of their sizes); `whole`: small ones of one size don't. Raises
    BadInput for sizes that are no one data set."""
    if whole and len(sizes) == 1 and (one := next(iter(sizes)))[0] * one[1] <= _SMALL:
        return "", []
    heights, widths = (Counter(dict.fromkeys(side, 0)) for side in zip(*sizes, strict=True))
    if sum(rows > columns for rows, columns in sizes) * 2 <= len(sizes):
        usual = _commonest(sizes, 0)
        other = sum(count for (rows, _), count in sizes.items() if rows != usual)
        if min(rows for rows, _ in sizes) * 2 < usual or max(rows for rows, _ in sizes) > 2 * usual:
            raise BadInput(f"levels of {min(heights)} to {max(heights)} rows are no one data set: most have {usual}; take the others out.")
        said = f"{other} levels have more or fewer than {usual} rows: their top rows are cut, or filled with empty tiles"
        return "columns", [said] if other else []
    if len(widths) > 1:
        raise BadInput(f"levels that are climbed must be of one width, but theirs are {', '.join(map(str, sorted(widths)))} columns.")
    return "rows", []


def _commonest(sizes: Mapping[tuple[int, int], int], side: int) -> int:
    counts: Counter[int] = Counter()
    for one, count in sizes.items():
        counts[one[side]] += count
    return max(counts, key=lambda length: (counts[length], length))


def _usual(sizes: Mapping[tuple[int, int], int], along: str, window: int, asked: bool) -> tuple[int, int]:
    """(H, W) of an example. Raises BadInput for a window that no level holds."""
    if not along:
        return next(iter(sizes))
    shortest = min(one[1 if along == "columns" else 0] for one in sizes)
    if not 2 <= window <= shortest and asked:
        raise BadInput(f"codec.window must be between 2 and {shortest}, the {along} of the shortest level, not {window}.")
    window = min(window, shortest)
    return (_commonest(sizes, 0), window) if along == "columns" else (window, _commonest(sizes, 1))


def _narrowed(sizes: Mapping[tuple[int, int], int], along: str, height: int, width: int) -> list[str]:
    """What is to be said where one short level makes the windows of all others short."""
    side = 1 if along == "columns" else 0
    own, usual = (height, width)[side], int(np.median([one[side] for one, count in sizes.items() for _ in range(count)]))
    if not along or own >= min(WINDOW, usual // 2):
        return []
    short = f"the shortest level has {own} {along}, so {own} of each are seen at once"
    return [f"{short}; half of the levels have {usual} or more: take short ones out"]


def _sized(rows: int, columns: int) -> str:
    return f"{rows} rows of {columns} tiles"


def _boxes(levels: Sequence[str], legend: Legend, tiles: str) -> tuple[int, int]:
    """(boxes of every level, or 0 where their number differs; the most there are)."""
    boxes = {tile for tile, has in zip(tiles, legend.having(tiles, "box"), strict=True) if has}
    found = {sum(map(level.count, boxes)) for level in levels}
    return (next(iter(found)) if len(found) == 1 else 0), max(found)

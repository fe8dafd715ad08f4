"""Pictures of levels: each tile a small drawing in the colour of what it is, so that a level can be read at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .drawing import write_png
from .grid import grid
from .level_tiles import Legend, Words

Colour = tuple[int, int, int]
TILE = 12
"""Pixels of a tile's side."""
_LONG = 64
"""Levels with more columns are drawn one under another, with smaller tiles."""
_SKY, _FLOOR, _INK = (207, 227, 245), (240, 232, 214), (58, 52, 60)


def draw_levels(items: Sequence[str], legend: Legend, path: Path, columns: int | None = None) -> None:
    """Writes one PNG of levels side by side on a grey page."""
    tiles = {tile for item in items for tile in item if tile != "\n"}
    inside = any("floor" in words for words in legend.words.values())
    widest = max(item.find("\n") for item in items)
    small = 6 if widest > _LONG else TILE
    drawn = {tile: _tile(legend.words.get(tile), tile, inside)[:: TILE // small, :: TILE // small] for tile in tiles}
    pictures = [np.concatenate([np.concatenate([drawn[tile] for tile in row], 1) for row in item.split("\n")]) for item in items]
    tall = pictures[0].shape[0] > 2 * pictures[0].shape[1]
    across = columns or (8 if tall else 1 if widest > _LONG else None)
    write_png(grid(pictures, across, gap=8, scale=1), path)


def _tile(words: Words | None, tile: str, inside: bool) -> np.ndarray:
    """(12,12,3) uint8 of one tile: the first of `_PICTURES` that its words name."""
    back = _FLOOR if inside else _SKY
    if words is None:
        # unknown tiles differ by colour
        return _filled((90 + ord(tile) * 37 % 140, 90 + ord(tile) * 73 % 140, 90 + ord(tile) * 11 % 140))
    made = next((picture(back, words) for named, picture in _PICTURES if words & named), None)
    return _filled(back) if made is None else made


def _filled(colour: Colour) -> np.ndarray:
    return np.full((TILE, TILE, 3), colour, np.uint8)


def _bevelled(colour: Colour) -> np.ndarray:
    """A stone: lighter above and left, darker below and right."""
    made = _filled(colour)
    made[0, :], made[:, 0] = np.minimum(np.array(colour) + 28, 255), np.minimum(np.array(colour) + 28, 255)
    made[-1, :], made[:, -1] = np.array(colour) * 7 // 10, np.array(colour) * 7 // 10
    return made


def _disc(made: np.ndarray, radius: float, colour: Colour, inner: float = 0.0, high: float = 5.5) -> np.ndarray:
    rows, columns = np.mgrid[:TILE, :TILE]
    away = np.hypot(rows - high, columns - 5.5)
    made[(away <= radius) & (away >= inner)] = colour
    return made


def _figure(made: np.ndarray, colour: Colour) -> np.ndarray:
    made[5:11, 3:9] = colour
    return _disc(made, 2.6, (244, 204, 164), high=3.0)


def _enemy(made: np.ndarray) -> np.ndarray:
    made = _disc(made, 4.6, (196, 62, 58), high=6.5)
    made[10:, 2:10] = (110, 34, 34)
    made[5:7, 3:5], made[5:7, 7:9] = 255, 255
    return made


def _coin(made: np.ndarray) -> np.ndarray:
    return _disc(_disc(made, 4.2, (214, 150, 30)), 2.9, (250, 210, 80))


def _ring(made: np.ndarray) -> np.ndarray:
    return _disc(_disc(made, 4.2, (204, 72, 62), inner=2.6), 1.2, (204, 72, 62))


def _box(back: Colour, colour: Colour) -> np.ndarray:
    made = _filled(back)
    made[1:11, 1:11] = np.array(colour) * 7 // 10
    made[2:10, 2:10] = colour
    for at in range(2, 10):
        made[at, at], made[at, 11 - at] = np.array(colour) * 7 // 10, np.array(colour) * 7 // 10
    return made


def _pipe(words: Words) -> np.ndarray:
    """Half a pipe: light on its left side, dark on its right one, with a rim on top."""
    made = _filled((70, 160, 78))
    left = any("left" in word for word in words)
    if left:
        made[:, :2], made[:, 4:6] = (36, 96, 48), (150, 214, 140)
    else:
        made[:, -2:], made[:, 6:9] = (36, 96, 48), (52, 128, 62)
    if any("top" in word for word in words):
        made[0], made[-2] = (36, 96, 48), (36, 96, 48)
    return made


def _question(colour: Colour) -> np.ndarray:
    made = _bevelled(colour)
    dark = np.array(colour) // 2
    made[2:4, 4:8], made[3:6, 7:9], made[5:7, 5:8], made[8:10, 5:7] = dark, dark, dark, dark
    return made


def _bricks() -> np.ndarray:
    made = _filled((186, 96, 64))
    made[3::4] = (110, 56, 42)
    made[0:3, 5], made[4:7, 0], made[4:7, 11], made[8:11, 5] = [(110, 56, 42)] * 4
    return made


def _door(back: Colour) -> np.ndarray:
    made = _filled(back)
    made[1:, 2:10] = (120, 76, 44)
    made[2:, 3:9] = (160, 106, 62)
    made[6:8, 7] = _INK
    return made


def _stripes(back: Colour, colour: Colour, every: int) -> np.ndarray:
    made = _filled(back)
    made[::every] = colour
    return made


def _platform(back: Colour) -> np.ndarray:
    made = _filled(back)
    made[:4] = (150, 110, 70)
    made[0] = (190, 150, 104)
    return made


def _spikes(back: Colour) -> np.ndarray:
    made = _filled(back)
    rows, columns = np.mgrid[:TILE, :TILE]
    made[rows >= 2 * np.abs(columns % 6 - 2.5)] = (110, 108, 120)
    return made


def _player(back: Colour, words: Words) -> np.ndarray:
    return _figure(_ring(_filled(back)) if "goal" in words else _filled(back), (61, 107, 189))


_Picture = Callable[[Colour, Words], np.ndarray]
_PICTURES: list[tuple[set[str], _Picture]] = [
    ({"player"}, _player),
    ({"box"}, lambda back, words: _box(back, (96, 153, 84) if "goal" in words else (190, 134, 74))),
    ({"goal"}, lambda back, _: _ring(_filled(back))),
    ({"enemy", "monster"}, lambda back, _: _enemy(_filled(back))),
    ({"coin", "collectable"}, lambda back, _: _coin(_filled(back))),
    ({"pipe"}, lambda _, words: _pipe(words)),
    ({"cannon"}, lambda *_: _bevelled((72, 76, 84))),
    ({"full question block"}, lambda *_: _question((236, 176, 62))),
    ({"question block"}, lambda *_: _question((196, 160, 110))),
    ({"breakable"}, lambda *_: _bricks()),
    ({"door"}, lambda back, _: _door(back)),
    ({"stair"}, lambda back, _: _stripes(back, (120, 110, 100), 3)),
    ({"platform", "solidtop"}, lambda back, _: _platform(back)),
    ({"damaging", "hazard"}, lambda back, _: _spikes(back)),
    ({"element"}, lambda *_: _stripes((94, 152, 214), (140, 186, 232), 4)),
    ({"block"}, lambda *_: _bevelled((150, 138, 128))),
    ({"wall"}, lambda *_: _bevelled((94, 88, 104))),
    ({"void"}, lambda *_: _filled((46, 44, 54))),
    ({"solid"}, lambda *_: _bevelled((176, 112, 72))),
]
"""Words and the picture of a tile that has one of them; the first that fits is taken."""

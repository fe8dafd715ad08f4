"""What the tiles of a game mean: a legend gives each a few words (solid, passable, enemy, coin, door), and from these follow its kind
for a walk (`maths.reach`), its colour, and which rules a game has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from ..core.errors import BadInput
from ..maths.level_measures import gaps
from ..maths.reach import DEADLY, FREE, PLATFORM, SOLID

Game = Literal["platformer", "sokoban", "rooms", "none"]
"""Which rules hold: walk and jump from side to side (or upwards), push boxes onto goals, doors that are joined, or none that are known."""
GAMES: tuple[Game, ...] = get_args(Game)
Words = frozenset[str]

SOKOBAN: dict[str, Words] = {
    "#": frozenset({"wall", "solid"}), " ": frozenset({"floor", "passable", "empty"}), "@": frozenset({"player", "passable"}),
    "$": frozenset({"box"}), ".": frozenset({"goal", "passable"}), "*": frozenset({"box", "goal"}), "+": frozenset({"player", "goal"}),
}  # fmt: skip
"""The tiles of Sokoban as they are usually written."""
_SOLID = {"solid", "wall", "block", "void"}
_OPEN = {"passable", "empty", "floor", "door", "stair", "monster", "enemy"}
_AGAINST = (("solid", "passable"), ("solid", "empty"), ("wall", "floor"), ("wall", "passable"))


@dataclass(frozen=True, slots=True)
class Legend:
    """Tile -> its words, in lower case."""

    words: Mapping[str, Words]
    name: str = "the legend"

    @classmethod
    def of(cls, text: str, name: str) -> Legend:
        """From JSON: {"tiles": {tile: words}} or {tile: words}, words being a list or one text. Raises BadInput for what is none, for a
        tile that comes twice, is no single character, or whose words contradict each other."""
        try:
            loaded = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, name))
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{name} is no legend: it is no JSON ({error}).") from error
        tiles = loaded.get("tiles", loaded) if isinstance(loaded, dict) else None
        if not isinstance(tiles, dict) or not tiles:
            raise BadInput(f'{name} is no legend: it must be {{"tiles": {{tile: [words]}}}}, as in {{"tiles": {{"X": ["solid"]}}}}.')
        return cls({tile: _words(tile, value, name) for tile, value in tiles.items()}, name)

    def kinds(self, tiles: str) -> np.ndarray:
        """(V,) the kind of each tile for a walk: FREE, SOLID, PLATFORM or DEADLY."""
        return np.array([_kind(self.words.get(tile, frozenset())) for tile in tiles], np.int64)

    def having(self, tiles: str, *words: str) -> np.ndarray:
        """(V,) bool: the tiles that have one of the words."""
        return np.array([bool(self.words.get(tile, frozenset()) & set(words)) for tile in tiles], np.bool_)

    def empty(self, tiles: str) -> str:
        """The tile that fills what isn't there: one that is called empty, else a passable one."""
        for word in ("empty", "void", "floor", "passable"):
            for tile in tiles:
                if word in self.words.get(tile, frozenset()):
                    return tile
        return tiles[0]

    def game(self, tiles: str) -> Game:
        """Which rules the tiles speak of."""
        has = {word for tile in tiles for word in self.words.get(tile, frozenset())}
        if {"box", "goal", "player"} <= has:
            return "sokoban"
        if {"floor", "door"} <= has:
            return "rooms"
        return "platformer" if "solid" in has and has & {"empty", "passable"} else "none"

    def json(self) -> dict[str, list[str]]:
        return {tile: sorted(words) for tile, words in self.words.items()}


def hardness(level: str, tiles: str, legend: Legend) -> float:
    """Enemies, and columns without ground, by the column; of levels higher than wide, enemies alone."""
    grid = np.array([[tiles.index(tile) for tile in row] for row in level.split("\n")])
    enemies = legend.having(tiles, "enemy", "monster", "hazard")[grid].sum()
    holes = gaps(legend.kinds(tiles)[grid]).sum() if grid.shape[1] >= grid.shape[0] else 0
    return float((enemies + holes) / grid.shape[1])


def is_legend(loaded: Any) -> bool:
    """Whether JSON values look like a legend: single characters as keys, under "tiles" or by themselves."""
    tiles = loaded.get("tiles", loaded) if isinstance(loaded, dict) else None
    return isinstance(tiles, dict) and len(tiles) > 1 and all(isinstance(tile, str) and len(tile) == 1 for tile in tiles)


def _once(pairs: Iterable[tuple[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and found[key] != value:
            raise BadInput(f"{name} says two things of the tile {key!r}: {found[key]} and {value}; keep one of them.")
        found[key] = value
    return found


def _words(tile: str, value: Any, name: str) -> Words:
    if len(tile) != 1:
        raise BadInput(f"{name}: a tile is one character, not {tile!r}.")
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise BadInput(f"{name}: the words of {tile!r} must be texts, not {value!r}.")
    whole = {text.lower() for text in texts}
    words = frozenset(part.strip() for text in whole for part in re.split(r"[+(),/;]", text) if part.strip())
    clash = next((pair for pair in _AGAINST if set(pair) <= words), None)
    if clash is not None:
        raise BadInput(f"{name} contradicts itself: the tile {tile!r} is called {clash[0]} and {clash[1]}; keep one of them.")
    return words


def _kind(words: Words) -> int:
    if "solid" in words and "damaging" in words:
        return DEADLY
    if "solidtop" in words or "platform" in words:
        return PLATFORM
    if "openable" in words or (words & _OPEN and not words & {"solid", "element"}):
        return FREE
    return SOLID if words & (_SOLID | {"element", "box"}) else FREE

"""Dungeons of linked rooms: rooms are laid side by side, doors that face each other are joined, all others are walled up.

H rows, W columns of a room, N rooms. A side is (rows, columns) to the next room: up, down, left or right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import Refused
from ..core.noise import Noise
from ..maths.reach import FREE, joined
from .level import LevelCodec

Side = tuple[int, int]
Cell = tuple[int, int]
SIDES: tuple[Side, ...] = ((-1, 0), (1, 0), (0, -1), (0, 1))
_TRIES = 64
"""Doors that are tried for each room that is wanted."""
_DEPTH = 2
"""Doors lie in the outermost two rows or columns of a room."""


@dataclass(frozen=True, slots=True)
class Dungeon:
    """Rooms in their places."""

    level: str
    rooms: int
    links: int
    """Pairs of rooms that are joined."""
    walled: int
    """Doors that had no room behind them, or no door there, and became walls."""


def usable(codec: LevelCodec, room: NDArray[np.integer]) -> bool:
    """Whether a room (H,W) has a door, and all its doors are joined by ways on foot."""
    layout = codec.layout
    doors = layout.legend.having(layout.tiles, "door")[room]
    return bool(doors.any()) and joined(layout.legend.kinds(layout.tiles)[room] == FREE, doors)


def link(codec: LevelCodec, rooms: Sequence[NDArray[np.integer]], count: int, noise: Noise) -> Dungeon:
    """`count` rooms of `rooms`, all usable, that are reached from each other on foot. Each further room is put before an open door that
    is drawn, and is one with a door there, drawn among those not used yet, else among all.

    Raises Refused where no room fits any open door before there are `count`.
    """
    doors = codec.layout.legend.having(codec.layout.tiles, "door")
    sides = [_lines(doors[room]) for room in rooms]
    order: list[int] = np.argsort(noise.uniform((len(rooms),), "rooms")[0].numpy()).tolist()
    picks = noise.uniform((count * _TRIES,), "doors")[0].numpy().tolist()
    placed: dict[Cell, int] = {(0, 0): max(order, key=lambda number: len(sides[number]))}
    for pick in picks:
        ends = [
            (_next(cell, side), _back(side), lines) for cell, number in placed.items() for side, lines in sides[number].items()
            if _next(cell, side) not in placed
        ]  # fmt: skip
        if len(placed) == count or not ends:
            break
        cell, wanted, lines = ends[int(pick * len(ends))]
        used = set(placed.values())
        fitting = [number for number in order if sides[number].get(wanted, frozenset()) & lines]
        fresh = [number for number in fitting if number not in used] or fitting
        # a room with one door would close the last open end
        on = [number for number in fresh if len(sides[number]) > 1] if len(ends) == 1 else fresh
        if fresh:
            placed[cell] = (on or fresh)[0]
    if len(placed) < count:
        raise Refused(f"only {len(placed)} of {count} rooms could be linked: the rooms that were drawn have too few doors; ask for fewer")
    return _built(codec, {cell: rooms[number].copy() for cell, number in placed.items()})


def _lines(doors: NDArray[np.bool_]) -> dict[Side, frozenset[int]]:
    """Of a room's doors (H,W), the columns (of left and right, the rows) where one leads to each side that has any."""
    found = {side: np.flatnonzero((doors & _band(doors.shape, side)).any(0 if side[0] else 1)).tolist() for side in SIDES}
    return {side: frozenset(lines) for side, lines in found.items() if lines}


def _next(cell: Cell, side: Side) -> Cell:
    return cell[0] + side[0], cell[1] + side[1]


def _back(side: Side) -> Side:
    return -side[0], -side[1]


def _band(shape: tuple[int, ...], side: Side) -> NDArray[np.bool_]:
    """(H,W) the places of a room where a door leads to a side: its outermost rows or columns without the corners."""
    height, width = shape
    found = np.zeros((height, width), np.bool_)
    rows = slice(_DEPTH, height - _DEPTH) if not side[0] else slice(0, _DEPTH) if side[0] < 0 else slice(height - _DEPTH, height)
    columns = slice(_DEPTH, width - _DEPTH) if not side[1] else slice(0, _DEPTH) if side[1] < 0 else slice(width - _DEPTH, width)
    found[rows, columns] = True
    return found


def _built(codec: LevelCodec, placed: dict[Cell, NDArray[np.integer]]) -> Dungeon:
    """Opens a way through both walls where doors face each other, and walls up what is left of the doors."""
    layout = codec.layout
    doors = layout.legend.having(layout.tiles, "door")
    door, wall = int(np.argmax(doors)), int(np.argmax(layout.legend.having(layout.tiles, "wall", "solid")))
    kept = {cell: np.zeros(room.shape, np.bool_) for cell, room in placed.items()}
    links = walled = 0
    for cell, room in placed.items():
        for side in ((1, 0), (0, 1)):
            if (other := _next(cell, side)) not in placed:
                continue
            here, there = _band(room.shape, side), _band(room.shape, _back(side))
            axis = 0 if side[0] else 1
            facing = (doors[room] & here).any(axis) & (doors[placed[other]] & there).any(axis)
            links += bool(facing.any())
            for own, band in ((cell, here), (other, there)):
                kept[own] |= band & np.expand_dims(facing, axis)
    for cell, room in placed.items():
        inside = np.zeros(room.shape, np.bool_)
        inside[_DEPTH:-_DEPTH, _DEPTH:-_DEPTH] = True
        lost = doors[room] & ~kept[cell] & ~inside
        walled += int(lost.sum())
        room[lost], room[kept[cell]] = wall, door
    rows, columns = zip(*placed, strict=True)
    height, width = layout.height, layout.width
    nothing = layout.tiles.index(layout.legend.empty(layout.tiles))
    page = np.full(((max(rows) - min(rows) + 1) * height, (max(columns) - min(columns) + 1) * width), nothing)
    for (row, column), room in placed.items():
        top, left = (row - min(rows)) * height, (column - min(columns)) * width
        page[top : top + height, left : left + width] = room
    level = "\n".join("".join(layout.tiles[number] for number in row) for row in page.tolist())
    return Dungeon(level, len(placed), links, walled)

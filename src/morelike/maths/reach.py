"""Whether a level of a jumping game can be walked through: breadth-first search over tiles under a written model of jumps.

H rows (0 on top), W columns. A level is (H,W) kinds of tiles: FREE, SOLID, PLATFORM (passable, and carries), DEADLY (solid, and kills who
stands on it). A state is (row, column, phase): phase 0 stands or falls, 1 hangs at the top of a jump, 2 and above rise.

In one step of time the figure, one tile large, moves by one row at most and by one column at most, to either side:
- on something that carries: walks one column, or jumps, which is to rise with `jump` rows to go;
- rising: one row up, then perhaps one column sideways; or the key is let go, and it falls from here;
- at the top it hangs for one step, in which it may go one column sideways;
- falling: one row down, then perhaps one column sideways. Below the lowest row and above the first there is no room: the first ends
  the game, the second stops the rise.
So a jump is `jump` rows high and 2 * `jump` + 1 columns wide on even ground: with 4, as in Super Mario Bros., gaps of 8 are cleared.
Enemies are free tiles here: they are jumped over or on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FREE, SOLID, PLATFORM, DEADLY = range(4)
JUMP = 4
"""Rows that a jump rises."""
ENTRY = 4
"""The start is the lowest place to stand in the first column that has one, among so many."""

Kinds = NDArray[np.integer]
State = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Board:
    """A level as sets of places: whole numbers whose bit row * (W + 1) + column is a place; the last column is a wall."""

    height: int
    width: int
    free: int
    carried: int
    """Places above a tile that carries."""
    deadly: int
    """Places above a tile that kills."""
    round: bool = False
    """Whether the left side is next to the right one."""

    @classmethod
    def of(cls, tiles: Kinds, *, round: bool = False) -> Board:
        """Of kinds (H,W)."""
        height, width = tiles.shape
        step = width + 1
        free = _bits((tiles == FREE) | (tiles == PLATFORM))
        below = _bits((tiles == SOLID) | (tiles == PLATFORM)) >> step
        return cls(height, width, free, below & free, _bits(tiles == DEADLY) >> step & free, round)

    @property
    def step(self) -> int:
        """Bits of a row."""
        return self.width + 1

    def column(self, number: int) -> int:
        """The places of a column."""
        return sum(1 << row * self.step + number for row in range(self.height))

    def row(self, number: int) -> int:
        """The places of a row."""
        return ((1 << self.width) - 1) << number * self.step

    def rows(self, count: int) -> int:
        """The places of the first rows."""
        return (1 << max(0, count) * self.step) - 1

    def around(self, row: int, column: int) -> int:
        """A place, those next to it, and those above and below them."""
        here = 1 << row * self.step + column
        across = here | self.beside(here)
        return across | across << self.step | across >> self.step

    def beside(self, places: int) -> int:
        """The places next to these, left and right, free or not."""
        found = places << 1 | places >> 1
        if self.round:
            found |= (places & self.column(0)) << self.width - 1 | (places & self.column(self.width - 1)) >> self.width - 1
        return found


def _bits(flags: NDArray[np.bool_]) -> int:
    padded = np.pad(flags, ((0, 0), (0, 1)))
    return int.from_bytes(np.packbits(padded, bitorder="little").tobytes(), "little")


def first_steps(board: Board, upwards: bool) -> int:
    """Where the game begins: the lowest place to stand of the first column that has one; of levels that are climbed, all places of the
    lowest row that has any. 0 = nowhere."""
    stand = board.carried & ~board.deadly
    if upwards:
        return next((found for row in range(board.height - 1, -1, -1) if (found := stand & board.row(row))), 0)
    for column in range(min(ENTRY, board.width)):
        if found := stand & board.column(column):
            return 1 << found.bit_length() - 1
    return 0


def steps(tiles: Kinds, *, jump: int = JUMP, upwards: bool = False, round: bool = False) -> int | None:
    """Steps of the shortest way from the start to the exit of a level (H,W); None where there is none.

    The exit is the last column (the first row of a level that is climbed), standing, or in the air above the last two rows.
    """
    found = _search(Board.of(tiles, round=round), jump, upwards)
    return None if found is None else len(found) - 1


def _search(board: Board, jump: int, upwards: bool) -> list[list[int]] | None:
    """Places by phase that are first reached after 0, 1, ... steps of time, the last being in the exit; None where it isn't reached."""
    low, high = _exits(board, upwards)
    now = [first_steps(board, upwards), *[0] * jump]
    seen, found = list(now), [now]
    while any(now):
        if now[0] & low or any(part & high for part in now[1:]):
            return found
        now = [new & ~old for new, old in zip(_after(board, now, jump), seen, strict=True)]
        seen = [old | new for old, new in zip(seen, now, strict=True)]
        found.append(now)
    return None


def _exits(board: Board, upwards: bool) -> tuple[int, int]:
    """Places where the game is won: of who stands or falls, and of who hangs or rises."""
    goal = board.row(0) if upwards else board.column(board.width - 1)
    return goal & (board.carried | board.rows(board.height - 2)), goal


def _after(board: Board, now: list[int], jump: int) -> list[int]:
    """Places by phase after one step of time from `now`; phases of rising are those below `jump` + 1, which lasts no time."""
    free, across = board.free, board.beside
    ground = now[0] & board.carried
    down = (now[0] & ~board.carried) << board.step & free
    found = [(across(ground) | down | across(down) | across(now[1])) & free, *now[1:]]
    for part in now[1:]:
        found[0] |= part
    found[0] &= ~board.deadly
    for phase in range(2, jump + 2):
        up = (ground if phase == jump + 1 else now[phase]) >> board.step & free
        found[phase - 1] = (up | across(up)) & free
    return found


def path(tiles: Kinds, *, jump: int = JUMP, upwards: bool = False, round: bool = False) -> list[tuple[int, int]] | None:
    """The (row, column) places of one shortest way, from the start to the exit, jumping where it must; None where there is none."""
    board = Board.of(tiles, round=round)
    found = _search(board, jump, upwards)
    if found is None:
        return None
    low, high = _exits(board, upwards)
    here = next(state for state in _states(board, [part & (high if phase else low) for phase, part in enumerate(found[-1])]))
    way = [here[:2]]
    for before in found[-2::-1]:
        near = board.around(here[0], here[1])
        here = next(state for state in _states(board, [part & near for part in before]) if here in _moves(tiles, state, jump, round))
        way.append(here[:2])
    return way[::-1]


def _states(board: Board, parts: list[int]) -> Iterator[State]:
    """The states of places by phase, who stands or falls before who jumps, the lowest first."""
    for phase, part in enumerate(parts):
        while part:
            bit = part.bit_length() - 1
            yield bit // board.step, bit % board.step, phase
            part ^= 1 << bit


def _moves(tiles: Kinds, state: State, jump: int, round: bool) -> Iterator[State]:
    """The states one step of time after a state."""
    height, width = tiles.shape
    row, column, phase = state
    below = tiles[row + 1, column] if row + 1 < height else FREE

    def landed(down: int, across: int, then: int) -> Iterator[State]:
        """One row up, down or none, where that is free, then one column to the side, where that is free."""
        to = row + down
        if not 0 <= to < height or tiles[to, column] not in (FREE, PLATFORM):
            return
        side = (column + across) % width if round else column + across
        deadly = then == 0 and to + 1 < height and 0 <= side < width and tiles[to + 1, side] == DEADLY
        if 0 <= side < width and tiles[to, side] in (FREE, PLATFORM) and not deadly:
            yield to, side, then

    for across in (-1, 0, 1):
        if phase >= 2:
            yield from landed(-1, across, phase - 1)
        elif phase == 1:
            yield from landed(0, across, 0)
        elif below in (SOLID, PLATFORM):
            yield from landed(0, across, 0)
            yield from landed(-1, across, jump)
        else:
            yield from landed(1, across, 0)
    if phase:
        yield from landed(0, 0, 0)


def joined(walkable: NDArray[np.bool_], places: NDArray[np.bool_]) -> bool:
    """Whether all `places` (H,W) lie in one piece of `walkable` (H,W), by steps up, down, left and right."""
    height, width = walkable.shape
    board = Board(height, width, _bits(walkable), 0, 0)
    wanted = _bits(places & walkable)
    if wanted != _bits(places):
        return False
    found, before = wanted & -wanted, 0
    while found != before:
        before = found
        found |= (board.beside(found) | found << board.step | found >> board.step) & board.free
    return not wanted & ~found

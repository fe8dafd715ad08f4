"""The pen's moves as ids: dx and dy on a grid of G x G cells, and one id that lifts it. n states, V ids with the stop.

Ids 0..2G-2 are dx = id - (G-1), the next 2G-1 are dy, then the lift, then the stop. A drawing is strokes with a lift between every two; a
stroke is a pair dx dy a point. The first pair counts from the middle of the grid, later ones from the point before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .constraint import DEAD, Flags, Ints

Cells = NDArray[np.int64]
_NEW, _ON, _DOWN, _MUST = range(4)
"""What comes next: dx of a stroke's first point; dx, a lift or the end; dy; a dy that isn't 0, for dx was and the pen must move."""


def lift_id(side: int) -> int:
    """The id that lifts the pen; the stop is the next."""
    return 2 * (2 * side - 1)


def ids_of(strokes: Sequence[Cells], side: int) -> list[int]:
    """The ids of strokes of cells (n,2), each 0..side-1."""
    found: list[int] = []
    here = np.full(2, side // 2)
    for number, stroke in enumerate(strokes):
        if number:
            found.append(lift_id(side))
        steps = np.diff(np.concatenate([here[None], stroke]), axis=0) + side - 1
        steps[:, 1] += 2 * side - 1
        found += steps.ravel().tolist()
        here = stroke[-1]
    return found


def strokes_of(ids: Sequence[int], side: int) -> list[Cells]:
    """The strokes of any ids without the stop: an id that can't stand where it does is passed over."""
    found: list[list[tuple[int, int]]] = [[]]
    x, y, across = side // 2, side // 2, None
    for number in ids:
        if number == lift_id(side):
            across = None
            if found[-1]:
                found.append([])
        elif number < 2 * side - 1:
            across = number - side + 1
        elif across is not None:
            x, y, across = x + across, y + number - (2 * side - 1) - side + 1, None
            found[-1].append((x, y))
    return [np.array(stroke, np.int64) for stroke in found if stroke]


class PenRules:
    """A `Machine`: the pen stays on the grid, every stroke has a point, the pen moves while it is down. A state is (what next, x, y)."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.start = (_NEW * side + side // 2) * side + side // 2

    def step(self, states: Ints) -> Ints:
        side, steps = self.side, 2 * self.side - 1
        moves = np.arange(-side + 1, side)[None]
        phase, x, y = (part[:, None] for part in self._parts(states))
        across, down = x + moves, y + moves
        next_down = np.where((phase == _ON) & (moves == 0), _MUST, _DOWN)
        found = np.full((len(states), 2 * steps + 2), DEAD, dtype=np.int64)
        may = (phase <= _ON) & (across >= 0) & (across < side)
        found[:, :steps] = np.where(may, (next_down * side + across) * side + y, DEAD)
        may = (phase >= _DOWN) & (down >= 0) & (down < side) & ~((phase == _MUST) & (moves == 0))
        found[:, steps : 2 * steps] = np.where(may, (_ON * side + x) * side + down, DEAD)
        found[:, 2 * steps] = np.where(phase == _ON, (_NEW * side + x) * side + y, DEAD)[:, 0]
        return found

    def accepts(self, states: Ints) -> Flags:
        return np.asarray((states != DEAD) & (self._parts(states)[0] == _ON))

    def fits(self, states: Ints, left: int) -> Flags:
        needed = np.array([2, 0, 1, 1])[self._parts(states)[0]]
        return np.asarray((states != DEAD) & (needed <= left))

    def why_not(self, length: int) -> str:
        return f"no drawing has as few as {length} ids: one point takes 2"

    def _parts(self, states: Ints) -> tuple[Ints, Ints, Ints]:
        place, y = np.divmod(np.maximum(states, 0), self.side)
        phase, x = np.divmod(place, self.side)
        return phase, x, y

"""Whether a Sokoban level can be solved: best-first search over pushes, with corners and blocks that can't be undone left out.

Places are bits of whole numbers, row * (W + 1) + column; the last column is a wall. A state is (boxes, the pusher's region).
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import count, permutations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NODES = 20_000
"""States that are looked into before the answer is "unknown"."""
Answer = Literal["solved", "unsolvable", "unknown"]
_FAR = 1 << 20


@dataclass(frozen=True, slots=True)
class Solved:
    """What the search found."""

    answer: Answer
    pushes: int
    """Pushes of the solution that was found, not the fewest; 0 where there is none."""
    nodes: int
    """States that were looked into."""


def solve(
    walls: NDArray[np.bool_], boxes: NDArray[np.bool_], goals: NDArray[np.bool_], player: tuple[int, int], *, nodes: int = NODES
) -> Solved:
    """Of a level (H,W). "unsolvable" is proved: no state is left; "unknown": `nodes` states were looked into.

    Greedy best-first search (Pearl 1984, Heuristics, section 2.3.1) by the least sum of push distances from boxes to goals, each goal
    taken once; squares from which no goal is reached are left out (Junghanns, Schaeffer 2001, Sokoban: enhancing general single-agent
    search methods using domain knowledge, section 4.3).
    """
    level = _Level.of(walls, goals)
    start, where = _bits(boxes), 1 << int(player[0]) * level.step + int(player[1])
    if start.bit_count() != len(level.distances) or start & level.dead:
        return Solved("unsolvable", 0, 0)
    first = (start, level.region(where, start))
    order = count()
    queue = [(level.far(start), next(order), 0, first)]
    seen = {first}
    looked = 0
    while queue:
        _, _, pushes, (now, region) = heapq.heappop(queue)
        if now == level.goals:
            return Solved("solved", pushes, looked)
        if looked == nodes:
            return Solved("unknown", 0, looked)
        looked += 1
        for after, at in level.pushes(now, region):
            state = (after, level.region(at, after))
            if state not in seen and (far := level.far(after)) < _FAR:
                seen.add(state)
                heapq.heappush(queue, (far, next(order), pushes + 1, state))
    return Solved("unsolvable", 0, looked)


@dataclass(frozen=True, slots=True)
class _Level:
    step: int
    floor: int
    goals: int
    dead: int
    """Where a box never gets to a goal."""
    distances: tuple[dict[int, int], ...]
    """For each goal: pushes from a place (one bit) to it, other boxes aside."""

    @classmethod
    def of(cls, walls: NDArray[np.bool_], goals: NDArray[np.bool_]) -> _Level:
        step = walls.shape[1] + 1
        floor, targets = _bits(~walls), _bits(goals & ~walls)
        distances = tuple(_pulled(goal, floor, step) for goal in _each(targets))
        reached = 0
        for one in distances:
            for place in one:
                reached |= place
        return cls(step, floor, targets, floor & ~reached, distances)

    def region(self, at: int, boxes: int) -> int:
        """All places that the pusher gets to."""
        free, step, found, before = self.floor & ~boxes, self.step, at, 0
        while found != before:
            before = found
            found |= (found << 1 | found >> 1 | found << step | found >> step) & free
        return found

    def pushes(self, boxes: int, region: int) -> list[tuple[int, int]]:
        """(boxes, the pusher's place) after each push, those that can't be undone left out."""
        found = []
        free = self.floor & ~boxes & ~self.dead
        for by in (1, -1, self.step, -self.step):
            for box in _each(boxes & _moved(region, by) & _moved(free, -by)):
                to = _moved(box, by)
                after = boxes ^ box | to
                if not self._stuck(to, after):
                    found.append((after, box))
        return found

    def _stuck(self, box: int, boxes: int) -> bool:
        """Whether a box now stands in a square of four boxes or walls that are not all on goals."""
        solid, step = ~self.floor | boxes, self.step
        for across in (1, -1):
            for down in (step, -step):
                square = box | _moved(box, across) | _moved(box, down) | _moved(box, across + down)
                if square & solid == square and square & boxes & ~self.goals:
                    return True
        return False

    def far(self, boxes: int) -> int:
        """The least sum of push distances, each goal taken once; up to five boxes exactly, else each box to its nearest goal."""
        table = [[one.get(box, _FAR) for one in self.distances] for box in _each(boxes)]
        if len(table) > 5:
            return sum(min(row) for row in table)
        return min(sum(map(list.__getitem__, table, way)) for way in permutations(range(len(table))))


def _pulled(goal: int, floor: int, step: int) -> dict[int, int]:
    """Pushes from every place to a goal: breadth-first by pulling a box away from it."""
    found, queue = {goal: 0}, deque([goal])
    while queue:
        place = queue.popleft()
        for by in (1, -1, step, -step):
            before, pusher = _moved(place, -by), _moved(place, -2 * by)
            if before & floor and pusher & floor and before not in found:
                found[before] = found[place] + 1
                queue.append(before)
    return found


def _moved(places: int, by: int) -> int:
    return places << by if by > 0 else places >> -by


def _each(places: int) -> list[int]:
    """Each place of a set as a set of one."""
    found = []
    while places:
        one = places & -places
        found.append(one)
        places ^= one
    return found


def _bits(flags: NDArray[np.bool_]) -> int:
    padded = np.pad(flags, ((0, 0), (0, 1)))
    return int.from_bytes(np.packbits(padded, bitorder="little").tobytes(), "little")

"""The rules of games as automata over tiles, for drawing levels that obey them (`maths.constraint.Machine`).

H rows, W columns, V tiles, n some states. Sets of rows are whole numbers, bit r = row r, 0 on top.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .constraint import DEAD, Flags, Ints
from .reach import DEADLY, ENTRY, FREE, JUMP, PLATFORM, SOLID

_UNKNOWN = -2


class _Front(NamedTuple):
    """What columns before this one leave behind: rows by which it is entered in each phase (0 falls or stands), or how many columns
    had no place to start."""

    entries: tuple[int, ...]
    waited: int = 0


class _Place(NamedTuple):
    """A state: what is left behind, and of this column how many tiles are decided, and rows of tiles that are free, carry, or kill."""

    front: _Front
    done: int
    free: int
    carrying: int
    deadly: int


def _begun(front: _Front) -> _Place:
    """The state before a column."""
    return _Place(front, 0, 0, 0, 0)


class SideScroller:
    """Levels in column order that can be walked through from left to right, without a step to the left (`maths.reach` has the jumps).

    What `reach.steps` finds playable but by a way that goes left somewhere is not drawn; what is drawn is always playable. An id is
    allowed as long as the column can still be completed so that somebody who has come here gets on: states are interned as they come.
    """

    start = 0

    def __init__(self, kinds: NDArray[np.integer], height: int, jump: int = JUMP) -> None:
        """`kinds` (V,) of the tiles, FREE and SOLID among them."""
        self._kinds, self._height, self._jump = np.asarray(kinds, np.int64), height, jump
        self._used = np.unique(self._kinds).tolist()
        self._rows = (1 << height) - 1
        self._low = (1 << max(0, height - 2)) - 1
        """All rows but the two lowest."""
        self._places = [_begun(_Front(()))]
        self._numbers = {self._places[0]: 0}
        self._next = np.full((1024, 4), _UNKNOWN, np.int64)
        self._rest = np.zeros(1024, np.int64)
        """Ids until the column is complete."""
        self._now = np.zeros(1024, np.bool_)
        """Whether the level may end with this column."""

    def step(self, states: Ints) -> Ints:
        known = np.unique(states)
        for state in known[(self._next[known] == _UNKNOWN).any(1)].tolist():
            self._next[state] = DEAD
            for kind in self._used:
                after = self._after(self._places[state], kind)
                self._next[state, kind] = after
        return self._next[states][:, self._kinds]

    def accepts(self, states: Ints) -> Flags:
        ends: Flags = (self._rest[states] == 0) & self._now[states]
        return ends

    def fits(self, states: Ints, left: int) -> Flags:
        alive = np.not_equal(states, DEAD)
        own = np.where(alive, states, 0)
        over = left - self._rest[own]
        whole: Flags = alive & (over >= 0) & (over % self._height == 0) & ((over > 0) | self._now[own])
        return whole

    def why_not(self, length: int) -> str:
        if length % self._height:
            return f"levels are made of whole columns of {self._height} tiles, and {length} tiles are none"
        return "no level can be walked through with these tiles"

    def _after(self, place: _Place, kind: int) -> int:
        """The number of the state after one more tile, DEAD where nobody gets on."""
        bit = 1 << place.done
        place = _Place(
            place.front, place.done + 1, place.free | bit * (kind in (FREE, PLATFORM)), place.carrying | bit * (kind in (SOLID, PLATFORM)),
            place.deadly | bit * (kind == DEADLY),
        )  # fmt: skip
        if place.done < self._height:
            return self._number(place)
        free = place.free
        carried, deadly = place.carrying >> 1 & free, place.deadly >> 1 & free
        if place.front.entries:
            reached = [rows & free for rows in place.front.entries]
            reached[0] &= ~deadly
        else:
            stand = carried & ~deadly
            if not stand:
                waited = place.front.waited + 1
                return DEAD if waited >= ENTRY else self._number(_begun(_Front((), waited)))
            reached = [1 << stand.bit_length() - 1, *[0] * self._jump]
        return self._number(_begun(_Front(self._leaving(reached, free, carried, deadly))))

    def _number(self, place: _Place) -> int:
        if (known := self._numbers.get(place)) is not None:
            return known
        now, later = self._open(place)
        if not later:
            self._numbers[place] = DEAD
            return DEAD
        number = len(self._places)
        self._places.append(place)
        self._numbers[place] = number
        if number == len(self._rest):
            self._next = np.concatenate([self._next, np.full_like(self._next, _UNKNOWN)])
            self._rest = np.concatenate([self._rest, np.zeros_like(self._rest)])
            self._now = np.concatenate([self._now, np.zeros_like(self._now)])
        self._rest[number], self._now[number] = -place.done % self._height, now
        return number

    def _open(self, place: _Place) -> tuple[bool, bool]:
        """(whether the level may end with this column, whether it may go on): somebody in it gets on if its open tiles are chosen well.

        Who hangs or rises gets on, who stands too, and who falls if there is a row between it and the lowest, to be carried there. One open
        tile at most must carry for that: so each way in can be looked at by itself.
        """
        still = self._rows >> place.done << place.done
        free = place.free | still
        carried, deadly = (place.carrying | still) >> 1 & free, place.deadly >> 1
        if not place.front.entries:
            stands = bool(carried & ~deadly) if place.done else False
            return stands, stands or place.front.waited + 1 < ENTRY or not place.done
        low, *high = place.front.entries
        safe = (carried | self._low) & ~deadly
        # who rises above what kills must have room to rise
        up = free & (~deadly | free << 1)
        good = bool(low & free & safe) or any(rows & (up if number else free) for number, rows in enumerate(high))
        return good, good

    def _leaving(self, reached: list[int], free: int, carried: int, deadly: int) -> tuple[int, ...]:
        """Rows by which the next column is entered in each phase, from those by which this one was: first all that is reached here."""
        jump, before = self._jump, [-1]
        while reached != before:
            before = list(reached)
            ground = reached[0] & carried
            for rows in reached[1:]:
                reached[0] |= rows
            reached[0] |= (before[0] & ~carried) << 1 & free
            reached[0] &= ~deadly
            for phase in range(2, jump + 2):
                reached[phase - 1] |= (ground if phase == jump + 1 else reached[phase]) >> 1 & free
        ground = reached[0] & carried
        falling = (reached[0] & ~carried) << 1 & free
        rising = [(ground if phase == jump + 1 else reached[phase]) >> 1 & free for phase in range(2, jump + 2)]
        return (ground | falling | reached[1], *rising)


class Counted:
    """Sokoban levels (H,W) in row order: walls all around, one player, as many boxes as goals.

    A state is (place, players, boxes, goals), and all of them are laid out beforehand.
    """

    def __init__(  # what a tile is, and what a level has
        self, wall: Flags, player: Flags, box: Flags, goal: Flags, height: int, width: int, boxes: int, most: int
    ) -> None:
        """(V,) flags of the tiles; `boxes` of each level, or 0 where at least one and at most `most` may be."""
        self._flags, self._height, self._width = (wall, player, box, goal), height, width
        self._most, self._exact = most, boxes
        size = most + 1
        self._shape = (height * width + 1, 2, size, size)
        self.start = 0
        states = np.arange(int(np.prod(self._shape)))
        place, players, put, goals = np.unravel_index(states, self._shape)
        row, column = place // width, place % width
        edge = (row == 0) | (row >= height - 1) | (column == 0) | (column == width - 1)
        players, put, goals = (has[:, None] + flag for has, flag in zip((players, put, goals), (player, box, goal), strict=True))
        good = (place < height * width)[:, None] & (players < 2) & (put <= most) & (goals <= most) & (~edge[:, None] | wall)
        then = np.broadcast_to(np.minimum(place + 1, height * width)[:, None], good.shape)
        after = np.ravel_multi_index((then, players % 2, put % size, goals % size), self._shape)
        self._next = np.where(good, after, DEAD)
        self._least = self._needed()

    def _needed(self) -> Ints:
        """(states,) inner places that are still needed at least; a large number where the inner places left are too few."""
        place, players, put, goals = np.unravel_index(np.arange(int(np.prod(self._shape))), self._shape)
        _, player, box, goal = self._flags
        both = bool((box & goal).any()), bool((player & goal).any())
        least = np.maximum(self._exact or 1, np.maximum(put, goals))
        boxes, spots, one = least - put, least - goals, 1 - players
        shared = np.minimum(boxes, spots) if both[0] else np.zeros_like(boxes)
        needed = boxes + spots - shared
        lonely = spots - shared if both[1] else np.zeros_like(boxes)
        needed = needed + np.where((one > 0) & (lonely > 0), 0, one)
        left = np.array([self._inner(at) for at in range(self._height * self._width + 1)])[place]
        fits: Ints = np.where(needed <= left, needed, 1 << 40)
        return fits

    def _inner(self, place: int) -> int:
        """Places from `place` on that lie inside the border."""
        inside = np.zeros((self._height, self._width), np.bool_)
        inside[1:-1, 1:-1] = True
        return int(inside.ravel()[place:].sum())

    def step(self, states: Ints) -> Ints:
        found: Ints = self._next[states]
        return found

    def accepts(self, states: Ints) -> Flags:
        place, players, boxes, goals = np.unravel_index(states, self._shape)
        full: Flags = (place == self._height * self._width) & (players == 1) & (boxes == goals) & (boxes >= 1)
        return full & (boxes == self._exact) if self._exact else full

    def fits(self, states: Ints, left: int) -> Flags:
        alive = np.not_equal(states, DEAD)
        own = np.where(alive, states, 0)
        place = own // int(np.prod(self._shape[1:]))
        whole: Flags = alive & (place + left == self._height * self._width) & (self._least[own] < 1 << 40)
        return whole

    def why_not(self, length: int) -> str:
        wanted = f"a player, {self._exact or 'as many'} boxes{' and as many' if self._exact else ' as'} goals inside a border of walls"
        return f"levels of {self._height} x {self._width} tiles with {wanted} can't be {length} tiles long"

    def broken(self, ids: Ints) -> str | None:
        """The first rule that a level (H,W) breaks, in words."""
        wall, player, box, goal = (flags[ids] for flags in self._flags)
        inside = np.zeros(ids.shape, np.bool_)
        inside[1:-1, 1:-1] = True
        if not wall[~inside].all():
            return "a border that isn't all walls"
        if player.sum() != 1:
            return "no player" if not player.any() else "several players"
        if box.sum() != goal.sum() or not box.any():
            return "boxes and goals that differ in number, or none"
        return "another number of boxes" if self._exact and box.sum() != self._exact else None

"""The longest span of each text that occurs verbatim in the training text: rolling hashes, ever longer, over ever fewer places.

P characters of training text, Q characters of the texts asked about. A span is a run of characters inside one training text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .text_codes import Hashes, Ids, Texts, mix, points, spread

_ODD_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_ODD_BASE, -1, 1 << 64)
_FILTER_BITS = 22


def _powers(base: int, count: int) -> Hashes:
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


@dataclass(slots=True)
class _Rolling:
    """Prefix sums of c_i b^i modulo 2^64: the hash of any run takes one subtraction and one product (Karp, Rabin 1987)."""

    sums: Hashes
    """(P+1,)."""
    inverse: Hashes
    """(P,): b^-i."""

    @classmethod
    def of(cls, values: Hashes) -> _Rolling:
        """Of mixed code points (P,)."""
        sums = np.zeros(len(values) + 1, np.uint64)
        np.cumsum(values * _powers(_ODD_BASE, len(values)), out=sums[1:])
        return cls(sums, _powers(_INVERSE, len(values)))

    def at(self, places: Ids, length: int) -> Hashes:
        """The hashes of the runs of `length` characters that start at `places`."""
        return (self.sums[places + length] - self.sums[places]) * self.inverse[places]


def _without_repeats(values: Hashes) -> Hashes:
    ordered = np.sort(values)
    return ordered[np.concatenate([np.ones(1, bool), ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


def _among(values: Hashes, table: Hashes) -> NDArray[np.bool_]:
    """Whether each value is in the sorted `table`; a filter of 4 M places spares most values the search."""
    if not len(table):
        return np.zeros(len(values), bool)
    marked = np.zeros(1 << _FILTER_BITS, bool)
    marked[spread(table, _FILTER_BITS)] = True
    found = marked[spread(values, _FILTER_BITS)]
    likely = np.flatnonzero(found)
    place = np.minimum(np.searchsorted(table, values[likely]), len(table) - 1)
    found[likely] = table[place] == values[likely]
    return found


class Spans:
    """A training text that can be asked for the longest span it shares with others."""

    def __init__(self, training: Texts) -> None:
        """`training`: whole texts; a span never runs from one into the next."""
        codes, starts = points(training)
        # A mark of its own after each text, unlike any character, so that no run across it is ever found.
        values = np.insert(mix(codes), starts[1:], mix(np.arange(len(training)) + (1 << 40)))
        self._rolling, self._size = _Rolling.of(values), len(values)

    def longest(self, items: Texts) -> Ids:
        """(N,) characters: the longest run of each item that occurs in the training text.

        Lengths double until nothing is found, then rise by one between the last two. A run that is found begins with a shorter one
        that is found, so both sides keep only the places of the step before: the work falls as the runs grow.
        """
        codes, starts = points(items)
        longest = np.zeros(len(items), np.int64)
        if not len(codes) or not self._size:
            return longest
        asked = _Asked(_Rolling.of(mix(codes)), np.arange(len(codes)), np.repeat(starts[1:], np.diff(starts)))
        there: Ids = np.arange(self._size)
        item = np.repeat(np.arange(len(items)), np.diff(starts))
        length = 1
        while len(asked.places):
            asked_next, there_next = self._step(asked, there, length)
            alive = np.zeros(len(items), bool)
            alive[item[asked_next.places]] = True
            if length > 1:
                # Items that end between the last two lengths: step by one, only over their own places.
                ended = asked.only(~alive[item[asked.places]])
                within, inside = there, length // 2
                while len(ended.places):
                    longest[item[ended.places]] = inside
                    inside += 1
                    if inside == length:
                        break
                    ended, within = self._step(ended, within, inside)
            asked, there, length = asked_next, there_next, length * 2
        return longest

    def _step(self, asked: _Asked, there: Ids, length: int) -> tuple[_Asked, Ids]:
        """The places on both sides at which a run of `length` starts that is on the other side too."""
        asked = asked.only(asked.places + length <= asked.ends)
        there = there[there + length <= self._size]
        wanted, offered = asked.rolling.at(asked.places, length), self._rolling.at(there, length)
        hit = _among(offered, _without_repeats(wanted))
        return asked.only(_among(wanted, _without_repeats(offered[hit]))), there[hit]


@dataclass(slots=True)
class _Asked:
    """Places in the texts asked about, and where the text of each ends."""

    rolling: _Rolling
    places: Ids
    all_ends: Ids
    """(Q,): for every character."""

    @property
    def ends(self) -> Ids:
        return self.all_ends[self.places]

    def only(self, keep: NDArray[np.bool_]) -> _Asked:
        return _Asked(self.rolling, self.places[keep], self.all_ends)

"""Copies: a text that is one unbroken part of another, each row of its own (extractive answers). V vocabulary.

A state is the set of places in the source at which the copy may have arrived, as in a suffix automaton (Blumer et al. 1985);
states are numbered as they are met.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from ..core.errors import BadInput
from ..core.spec import Tokens
from .constraint import DEAD, Constraint, Flags, Ints

_MOST_LENGTH = 10_000
Symbols = bytes | tuple[int, ...]


def spans(texts: Sequence[bytes] | Sequence[Sequence[int]], spec: Tokens, pieces: Sequence[bytes] | None = None) -> Constraint:
    """Row i is one unbroken part of texts[i], at least one id long.

    With `pieces`, the UTF-8 bytes of each id, texts are bytes (of any vocabulary) and parts are whole characters; without, texts
    are ids of the same vocabulary, up to their stop. Raises BadInput for a text of more than 10,000 bytes or ids.
    """
    ids: dict[Symbols, list[int]] = {}
    for number in range(spec.vocab):
        piece = (number,) if pieces is None else pieces[number]
        if piece and number != spec.stop:
            ids.setdefault(piece, []).append(number)
    machines: dict[Symbols, SpanMachine] = {}
    which = []
    for row, text in enumerate(texts):
        if len(text) > _MOST_LENGTH:
            raise BadInput(f"row {row}: the text to copy from has {len(text):,} bytes or ids; at most {_MOST_LENGTH:,} are taken")
        source: Symbols = _before_stop(text, spec.stop) if pieces is None else bytes(text)
        if source not in machines:
            machines[source] = SpanMachine(source, ids, spec)
        which.append(list(machines).index(source))
    return Constraint(list(machines.values()), spec, which)


def _before_stop(ids: Sequence[int], stop: int | None) -> tuple[int, ...]:
    return tuple(takewhile(lambda number: number != stop, map(int, ids)))


class SpanMachine:
    """Which places of one source a copy may have arrived at; a `Machine`. State 0 is the empty copy, which may begin anywhere."""

    start = 0

    def __init__(self, source: Symbols, ids: dict[Symbols, list[int]], spec: Tokens) -> None:
        """`ids`: every piece and the ids that write it."""
        self.vocab, self.stops, self.source = spec.vocab, spec.stop is not None, source
        self.whole = [isinstance(source, tuple) or at == len(source) or source[at] & 0xC0 != 0x80 for at in range(len(source) + 1)]
        """Whether a copy may begin or end here: not inside a character's bytes."""
        sizes = sorted({len(piece) for piece in ids})
        self.moves = [
            [(number, at + size) for size in sizes if at + size <= len(source) for number in ids.get(source[at : at + size], ())]
            for at in range(len(source) + 1)
        ]
        self.ways = [0] * (len(source) + 1)
        """For every place a bit n: the copy can end well after n further ids."""
        for at in range(len(source), -1, -1):
            self.ways[at] = int(self.whole[at])
            for _, after in self.moves[at]:
                self.ways[at] |= self.ways[after] << 1
        everywhere = tuple(at for at in range(len(source)) if self.whole[at])
        self.places: list[tuple[int, ...]] = [everywhere]
        self.numbers: dict[tuple[int, ...], int] = {}
        self.lengths = [self._lengths(everywhere) & ~1]
        self.rows: list[Ints | None] = [None]

    def _lengths(self, places: tuple[int, ...]) -> int:
        ways = 0
        for at in places:
            ways |= self.ways[at]
        return ways

    def _row(self, state: int) -> Ints:
        """(V,) the states after every id."""
        row = self.rows[state]
        if row is None:
            row = np.full(self.vocab, DEAD, dtype=np.int64)
            after: dict[int, list[int]] = {}
            for at in self.places[state]:
                for number, place in self.moves[at]:
                    after.setdefault(number, []).append(place)
            for number, places in after.items():
                row[number] = self._number(tuple(places))
            self.rows[state] = row
        return row

    def _number(self, places: tuple[int, ...]) -> int:
        if places not in self.numbers:
            self.numbers[places] = len(self.places)
            self.places.append(places)
            self.lengths.append(self._lengths(places))
            self.rows.append(None)
        return self.numbers[places]

    def step(self, states: Ints) -> Ints:
        return np.stack([self._row(state) for state in states.tolist()])

    def accepts(self, states: Ints) -> Flags:
        return np.array([bool(self.lengths[state] & 1) for state in states.tolist()], dtype=np.bool_)

    def fits(self, states: Ints, left: int) -> Flags:
        wanted = (1 << left + 1) - 1 if self.stops else 1 << left
        each, back = np.unique(states, return_inverse=True)
        good = np.array([state != DEAD and bool(self.lengths[state] & wanted) for state in each.tolist()], dtype=np.bool_)
        found: Flags = good[back].reshape(states.shape)
        return found

    def why_not(self, length: int) -> str:
        if not len(self.source):
            return "the text to copy from is empty"
        if not self.lengths[self.start]:
            return "no part of the text to copy from can be written with this model's vocabulary"
        if self.stops:
            return f"no part of the text to copy from can be written with {length} ids"
        return f"no part of the text to copy from takes exactly {length} ids, and this model writes no shorter ones"

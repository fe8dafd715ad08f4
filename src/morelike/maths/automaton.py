"""Finite automata over bytes, and the same over the ids of a vocabulary. S states, V vocabulary, E edges.

Thompson 1968 (regular expression to nondeterministic automaton) and Rabin, Scott 1959 (subset construction). Characters are
ranges of their UTF-8 bytes, so that one automaton serves characters, bytes and pieces of any length.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput, Refused
from .constraint import DEAD, Flags, Ints

Table = NDArray[np.int32]
Ranges = tuple[tuple[int, int], ...]
"""Code points from..to, both included, in order and apart."""

MOST_STATES = 20_000
_MOST_PARTS = 100_000
_MOST_WORK = 20_000_000
"""Moves looked at while states are laid out: some ten seconds."""
_MOST_CELLS = 1 << 26
"""Of the table over ids: 256 MB."""
LAST = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)


def union(*parts: Ranges) -> Ranges:
    """Code points of any of the parts."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(span for part in parts for span in part):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """All other code points."""
    gaps, at = [], 0
    for low, high in ranges:
        if low > at:
            gaps.append((at, low - 1))
        at = high + 1
    return (*gaps, (at, LAST)) if at <= LAST else tuple(gaps)


def utf8(ranges: Ranges) -> Iterator[tuple[tuple[int, int], ...]]:
    """The UTF-8 encodings of the code points (surrogates left out) as products of byte ranges, from..to."""
    for low, high in ranges:
        for first, last in ((0, 0x7F), (0x80, 0x7FF), (0x800, _SURROGATES[0] - 1), (_SURROGATES[1] + 1, 0xFFFF), (0x10000, LAST)):
            if max(low, first) <= min(high, last):
                yield from _products(max(low, first), min(high, last), (last > 0x7F) + (last > 0x7FF) + (last > 0xFFFF))


def _products(low: int, high: int, after: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Splits low..high, whose encodings have `after` bytes after the first, until bytes vary independently of each other."""
    for place in range(1, after + 1):
        tail = (1 << 6 * place) - 1
        if low & ~tail != high & ~tail:
            if low & tail:
                yield from _products(low, low | tail, after)
                yield from _products((low | tail) + 1, high, after)
                return
            if high & tail != tail:
                yield from _products(low, (high & ~tail) - 1, after)
                yield from _products(high & ~tail, high, after)
                return
    yield tuple(zip(chr(low).encode(), chr(high).encode(), strict=True))


class Parts:
    """A nondeterministic automaton over bytes while it is being built: states with free moves and moves by a range of bytes."""

    def __init__(self) -> None:
        self.free: list[list[int]] = []
        self.moves: list[list[tuple[int, int, int]]] = []

    def new(self) -> int:
        """A further state. Raises BadInput where there are too many."""
        if len(self.free) >= _MOST_PARTS:
            raise BadInput(f"the pattern is too large: it has more than {_MOST_PARTS:,} parts; use fewer or shorter repetitions")
        self.free.append([])
        self.moves.append([])
        return len(self.free) - 1

    def characters(self, ranges: Ranges, start: int, end: int) -> None:
        """Moves from `start` to `end` by one of the characters; equal endings share their states."""
        endings: dict[tuple[tuple[int, int], ...], int] = {(): end}
        for product in utf8(ranges):
            target = end
            for place in range(len(product) - 1, 0, -1):
                ending = product[place:]
                if ending not in endings:
                    endings[ending] = self.new()
                    self.moves[endings[ending]].append((*product[place], target))
                target = endings[ending]
            self.moves[start].append((*product[0], target))

    def closure(self, states: frozenset[int]) -> frozenset[int]:
        """All that free moves reach."""
        seen, waiting = set(states), list(states)
        while waiting:
            for state in self.free[waiting.pop()]:
                if state not in seen:
                    seen.add(state)
                    waiting.append(state)
        return frozenset(seen)


@dataclass(frozen=True, slots=True, eq=False)
class Automaton:
    """Deterministic, over bytes; it begins in state 0."""

    table: Table
    """(S,256) the next state, `DEAD` where there is none."""
    accepting: Flags
    """(S,)"""

    def matches(self, text: bytes) -> bool:
        """Whether the whole text is accepted."""
        state = 0
        for byte in text:
            state = int(self.table[state, byte])
            if state == DEAD:
                return False
        return bool(self.accepting[state])


def determinise(parts: Parts, start: int, end: int) -> Automaton:
    """The subset construction (Rabin, Scott 1959). Raises BadInput above `MOST_STATES` states, or where it would take too long."""
    first = parts.closure(frozenset((start,)))
    numbers, waiting = {first: 0}, [first]
    known: dict[frozenset[int], int] = {}
    rows: list[Table] = []
    work = 0
    for members in waiting:
        row: Table = np.full(256, DEAD, dtype=np.int32)
        moves = [move for state in members for move in parts.moves[state]]
        work += len(moves)
        if work > _MOST_WORK:
            raise BadInput("the pattern is too tangled to be laid out: use fewer or shorter repetitions, or plainer classes")
        edges = sorted({low for low, _, _ in moves} | {high + 1 for _, high, _ in moves})
        begins: dict[int, list[int]] = defaultdict(list)
        ends: dict[int, list[int]] = defaultdict(list)
        for low, high, target in moves:
            begins[low].append(target)
            ends[high + 1].append(target)
        reached: Counter[int] = Counter()
        for low, after in pairwise(edges):
            reached.update(begins[low])
            reached.subtract(ends[low])
            targets = frozenset(target for target, count in reached.items() if count)
            if not targets:
                continue
            work += len(targets)
            if targets not in known:
                whole = parts.closure(targets)
                if whole not in numbers:
                    if len(numbers) >= MOST_STATES:
                        raise BadInput(f"the pattern needs more than {MOST_STATES:,} states: use fewer or shorter repetitions")
                    numbers[whole] = len(numbers)
                    waiting.append(whole)
                known[targets] = numbers[whole]
            row[low:after] = known[targets]
        rows.append(row)
    return Automaton(np.stack(rows), np.array([end in members for members in waiting]))


def over_pieces(table: Table, pieces: Sequence[bytes]) -> Table:
    """(S+1,V) the state after every piece, `DEAD` where it leads nowhere or the piece is empty; the last row is that of `DEAD`.

    Raises Refused where the table would be too large.
    """
    states, vocab = len(table) + 1, len(pieces)
    if states * vocab > _MOST_CELLS:
        raise Refused(f"a constraint of {states:,} states over {vocab:,} ids is too large: use a simpler one or fewer ids")
    columns = np.ascontiguousarray(np.vstack((table, np.full((1, 256), DEAD, dtype=np.int32))).T)
    found = np.full((vocab, states), DEAD, dtype=np.int32)
    unmoved: Table = np.append(np.arange(states - 1, dtype=np.int32), np.int32(DEAD))
    path, before = [unmoved], b""  # what each beginning of the piece makes of every state; sorted pieces share beginnings
    for number in sorted(range(vocab), key=pieces.__getitem__):
        piece = pieces[number]
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(before, piece, strict=False))
        shared = sum(1 for _ in alike)
        del path[shared + 1 :]
        for byte in piece[shared:]:
            path.append(columns[byte][path[-1]])
        if piece:
            found[number] = path[-1]
        before = piece
    return np.ascontiguousarray(found.T)


class TableMachine:
    """An automaton over the ids of a vocabulary, as one table; a `Machine`."""

    start = 0

    def __init__(self, automaton: Automaton, pieces: Sequence[bytes], *, stops: bool, name: str) -> None:
        """`pieces`: the bytes of each id; an empty one is never written. `name`: what the reader asked for, in a sentence."""
        self.after = over_pieces(automaton.table, pieces)
        self.accepting = np.append(automaton.accepting, False)
        self.stops, self.name = stops, name
        self.sources, self.targets = _edges(self.after)
        self.least = self._least()
        self.exactly: list[Flags] = [self.accepting]

    def _least(self) -> Ints:
        """(S+1,) the fewest ids to acceptance, breadth first; the largest int64 where there is no way."""
        least = np.where(self.accepting, 0, np.iinfo(np.int64).max)
        for ids in range(len(least)):
            sources = self.sources[least[self.targets] == ids]
            fresh = sources[least[sources] > ids + 1]
            if not len(fresh):
                break
            least[fresh] = ids + 1
        return least

    def step(self, states: Ints) -> Ints:
        return self.after[states].astype(np.int64)

    def accepts(self, states: Ints) -> Flags:
        return self.accepting[states]

    def fits(self, states: Ints, left: int) -> Flags:
        if self.stops:
            found: Flags = self.least[states] <= left
            return found
        if (left + 1) * len(self.accepting) > _MOST_CELLS:
            raise Refused(f"{self.name} has too many states for a text of {left:,} ids: use a simpler one, or a shorter text")
        while len(self.exactly) <= left:
            reached = np.zeros_like(self.accepting)
            reached[self.sources[self.exactly[-1][self.targets]]] = True
            self.exactly.append(reached)
        return self.exactly[left][states]

    def why_not(self, length: int) -> str:
        least = int(self.least[self.start])
        if least == np.iinfo(np.int64).max:
            return f"nothing that this model's vocabulary can write satisfies {self.name}"
        if least > length:
            return f"the shortest text that satisfies {self.name} takes {least} ids, and there is room for {length}"
        return f"no text of exactly {length} ids satisfies {self.name}, and this model writes no shorter ones"


def _edges(after: Table) -> tuple[Ints, Ints]:
    """(E,) sources and targets of the distinct moves of a table (S+1,V)."""
    sources, targets = [], []
    rows = max(1, (1 << 22) // max(1, after.shape[1]))
    for at in range(0, len(after), rows):
        ordered = np.sort(after[at : at + rows], axis=1)
        fresh = ordered != DEAD
        fresh[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
        source, column = np.nonzero(fresh)
        sources.append(source + at)
        targets.append(ordered[source, column].astype(np.int64))
    return np.concatenate(sources), np.concatenate(targets)

"""Strings that must occur, each row its own. N nodes, V vocabulary, K strings, E edges.

One machine follows how much of each string the text's end spells (Aho, Corasick 1975) and which strings have occurred (a bit each).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput, Refused
from ..core.spec import Tokens
from .constraint import DEAD, Constraint, Flags, Ints

MOST_SLOTS = 10
_MOST_BYTES = 2000
_MOST_CELLS = 1 << 26
_NEVER = 1 << 30
_NAMED, _SHOWN = 3, 40
"""Strings that a sentence names, and characters that it shows of each."""


def slots(rows: Sequence[Sequence[str]], spec: Tokens, pieces: Sequence[bytes]) -> Constraint:
    """Row i's text holds every string of rows[i], case as given; they may overlap. `pieces`: the UTF-8 bytes of each id.

    Raises BadInput for an empty string or too many; Refused where the tables take too much memory.
    """
    machines: dict[tuple[bytes, ...], SlotMachine] = {}
    which, cells = [], 0
    for row, strings in enumerate(rows):
        key = tuple(dict.fromkeys(string.encode() for string in strings))
        if not all(key) or len(key) > MOST_SLOTS or sum(map(len, key)) > _MOST_BYTES:
            raise BadInput(f"row {row}: at most {MOST_SLOTS} strings of {_MOST_BYTES:,} bytes together must occur, and none may be empty")
        if key not in machines:
            cells += (1 + sum(map(len, key))) * len(pieces)
            if cells > _MOST_CELLS:
                raise Refused(f"the strings of {len(rows)} rows over {len(pieces):,} ids take too much memory: ask for fewer rows at once")
            machines[key] = SlotMachine(key, pieces)
        which.append(list(machines).index(key))
    return Constraint(list(machines.values()), spec, which)


class SlotMachine:
    """A state is node << K | which strings have occurred; a `Machine`. What has occurred stays, so room to spare never hurts."""

    start = 0

    def __init__(self, strings: Sequence[bytes], pieces: Sequence[bytes]) -> None:
        self.strings, self.bits = tuple(strings), len(strings)
        self.full = (1 << self.bits) - 1
        goto, ends = _aho_corasick(strings)
        self.node, self.gain = _over_pieces(goto, ends, pieces)
        alone = np.array([_fewest(string, set(pieces)) for string in strings], dtype=np.int64)
        missing = ~np.arange(self.full + 1)[:, None] >> np.arange(self.bits) & 1
        self.enough: Ints = np.minimum((missing * alone).sum(1), _NEVER)
        """(2**K,) ids that surely suffice: every missing string spelt out, one after another."""
        self._least: Ints | None = None

    def step(self, states: Ints) -> Ints:
        node, held = states >> self.bits, states & self.full
        after = (self.node[node].astype(np.int64) << self.bits) | self.gain[node] | held[:, None]
        return np.where(self.node[node] == DEAD, DEAD, after)

    def accepts(self, states: Ints) -> Flags:
        found: Flags = (states & self.full) == self.full
        return found

    def fits(self, states: Ints, left: int) -> Flags:
        alive = states != DEAD
        found: Flags = alive & (self.enough[states & self.full] <= left)
        if not np.array_equal(found, alive):  # only when room gets tight: overlapping strings may take fewer ids than one after another
            found = alive & (self.least[np.where(alive, states, 0)] <= left)
        return found

    def why_not(self, length: int) -> str:
        named = ", ".join(map(_short, self.strings[:_NAMED]))
        named += f" and {self.bits - _NAMED} more" if self.bits > _NAMED else ""
        least = int(self.least[self.start])
        if least >= _NEVER:
            return f"not all of {named} can be written with this model's vocabulary"
        return f"{named} take at least {least} ids together, and there is room for {length}"

    @property
    def least(self) -> Ints:
        """(N * 2**K,) the fewest ids until every string has occurred, from every state; shortest paths, most strings first."""
        if self._least is None:
            source, target, gain = self._edges()
            least = np.full((len(self.node), self.full + 1), _NEVER, dtype=np.int64)
            least[:, self.full] = 0
            for held in range(self.full - 1, -1, -1):
                here = np.full(len(self.node), _NEVER, dtype=np.int64)
                inside = (gain | held) == held
                np.minimum.at(here, source[~inside], 1 + least[target[~inside], gain[~inside] | held])
                for _ in range(len(here)):
                    before = here.copy()
                    np.minimum.at(here, source[inside], 1 + before[target[inside]])
                    if np.array_equal(here, before):
                        break
                least[:, held] = np.minimum(here, _NEVER)
            self._least = least.ravel()
        return self._least

    def _edges(self) -> tuple[Ints, Ints, Ints]:
        """(E,) source, target and gain of the distinct moves."""
        moves = [np.unique(np.stack((node, gain))[:, node != DEAD], axis=1) for node, gain in zip(self.node, self.gain, strict=True)]
        source = np.repeat(np.arange(len(moves)), [move.shape[1] for move in moves])
        target, gain = np.concatenate(moves, axis=1).astype(np.int64)
        return source, target, gain


def _short(string: bytes) -> str:
    text = string.decode()
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def _aho_corasick(strings: Sequence[bytes]) -> tuple[Ints, Ints]:
    """(N,256) the node after every byte and (N,) which strings end at a node: the failure function filled in breadth first."""
    goto, ends = [[0] * 256], [0]
    for number, string in enumerate(strings):
        node = 0
        for byte in string:
            if not goto[node][byte]:
                goto[node][byte] = len(goto)
                goto.append([0] * 256)
                ends.append(0)
            node = goto[node][byte]
        ends[node] |= 1 << number
    fail, waiting = [0] * len(goto), [child for child in goto[0] if child]
    for node in waiting:
        ends[node] |= ends[fail[node]]
        for byte, child in enumerate(goto[node]):
            if child:
                fail[child] = goto[fail[node]][byte]
                waiting.append(child)
            else:
                goto[node][byte] = goto[fail[node]][byte]
    return np.array(goto, dtype=np.int64), np.array(ends, dtype=np.int64)


def _over_pieces(goto: Ints, ends: Ints, pieces: Sequence[bytes]) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
    """(N,V) the node after every piece (`DEAD` after an empty one) and the strings that occurred on the way."""
    node = np.repeat(np.arange(len(goto), dtype=np.int32)[:, None], len(pieces), 1)
    gain = np.zeros(node.shape, dtype=np.int16)
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    spelled = np.zeros((lengths.max(initial=0), len(pieces)), dtype=np.uint8)
    for number, piece in enumerate(pieces):
        spelled[: len(piece), number] = np.frombuffer(piece, dtype=np.uint8)
    for place in range(len(spelled)):
        longer = np.nonzero(lengths > place)[0]
        node[:, longer] = goto[node[:, longer], spelled[place, longer]]
        gain[:, longer] |= ends[node[:, longer]].astype(np.int16)
    node[:, lengths == 0] = DEAD
    return node, gain


def _fewest(string: bytes, pieces: set[bytes]) -> int:
    """The fewest pieces that spell `string`, or a number beyond any length."""
    longest = max(map(len, pieces), default=0)
    fewest = [0]
    for end in range(1, len(string) + 1):
        starts = range(max(0, end - longest), end)
        fewest.append(1 + min((fewest[start] for start in starts if string[start:end] in pieces), default=_NEVER))
    return min(fewest[-1], _NEVER)

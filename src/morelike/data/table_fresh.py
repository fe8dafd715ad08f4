"""Fresh values for columns that are never learnt: written like the training values, different from one another and from all of them.

What is kept of the training values are the letters and digits that each place takes, and a table of bits in which one in eight is set;
so a value can't be told to be among them, only to be not among them.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

_CLASSES = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SHAPES = 50
_ROOM = 20
"""A shape takes so many times more values than training had, else each place takes its whole class of characters."""
_BITS = 8
_TRIES = 20
_SEED = 8191
_COUNTER_SPAN = 3
_COUNTER_LEAST = 10


@dataclass(frozen=True, slots=True)
class Fresh:
    """Shapes by how common they are, or the continuation of a counter."""

    shapes: tuple[tuple[str, ...], ...]
    """For each shape the characters that each place takes."""
    shares: tuple[float, ...]
    taken: np.ndarray
    """(bytes,) uint8: the bits of the training values' hashes."""
    counter: int | None = None
    """The number that comes next, where the values count the rows."""

    @classmethod
    def fit(cls, values: Sequence[str]) -> Self:
        """From the values of all rows, in the rows' order."""
        following = _counter(values)
        if following is not None:
            return cls((), (), np.zeros(0, np.uint8), following)
        groups: dict[str, list[str]] = {}
        for value in dict.fromkeys(values):
            groups.setdefault(shape(value), []).append(value)
        common = Counter({form: len(group) for form, group in groups.items()}).most_common(_SHAPES)
        total = sum(count for _, count in common)
        shapes = tuple(_places(groups[form]) for form, _ in common)
        bits = np.zeros(max(64, len(set(values)) * _BITS + 7 & ~7), np.uint8)
        for value in values:
            bits[zlib.crc32(value.encode("utf-8", "surrogatepass")) % len(bits)] = 1
        return cls(shapes, tuple(count / total for _, count in common), np.packbits(bits))

    def __contains__(self, value: str) -> bool:
        """Whether a value may be one of the training values; of others one in eight may seem so."""
        return bool(self.taken[(place := self._place(value)) >> 3] >> (7 - (place & 7)) & 1)

    def _place(self, value: str) -> int:
        return zlib.crc32(value.encode("utf-8", "surrogatepass")) % (len(self.taken) * 8)

    def draw(self, count: int, salt: int = 0) -> list[str]:
        """`count` values, the same ones each time for one salt, all different."""
        if self.counter is not None:
            return [str(number) for number in range(self.counter, self.counter + count)]
        # the raw words of PCG64 are fixed for ever, the methods of numpy's Generator are not
        turns = (np.random.PCG64([_SEED, salt] if salt else _SEED).random_raw(count) >> np.uint64(11)).astype(np.float64) / 2.0**53
        chosen = np.searchsorted(np.cumsum(self.shares), turns).clip(max=len(self.shapes) - 1)
        out, used = [""] * count, set[str]()
        bits = np.unpackbits(self.taken)
        for number, places in enumerate(self.shapes):
            left = np.flatnonzero(chosen == number).tolist()
            for turn in range(_TRIES):
                left = self._fill(out, left, places, np.random.PCG64([_SEED, number, turn, *([salt] if salt else [])]), used, bits)
                if not left:
                    break
            for row in left:
                # the shape is used up: the row's number makes the value longer
                out[row] = self._longer("".join(place[0] for place in places), row, used, bits)
        return out

    @staticmethod
    def _fill(
        out: list[str], rows: list[int], places: tuple[str, ...], words: np.random.PCG64, used: set[str], bits: np.ndarray
    ) -> list[int]:
        """Writes a value of the shape into each row that gets a new one; the rows that don't."""
        if not rows:
            return rows
        drawn = words.random_raw(len(rows) * len(places)).reshape(len(rows), len(places)) >> np.uint64(16)
        letters = [np.array(list(place))[drawn[:, column] % np.uint64(len(place))] for column, place in enumerate(places)]
        left = []
        for row, value in zip(rows, map("".join, zip(*letters, strict=True)), strict=True):
            if value in used or bits[zlib.crc32(value.encode("utf-8", "surrogatepass")) % len(bits)]:
                left.append(row)
                continue
            used.add(value)
            out[row] = value
        return left

    @staticmethod
    def _longer(start: str, row: int, used: set[str], bits: np.ndarray) -> str:
        number = row
        while (value := f"{start}{number}") in used or bits[zlib.crc32(value.encode("utf-8", "surrogatepass")) % len(bits)]:
            number += 1_000_003
        used.add(value)
        return value

    def state(self) -> dict[str, Any]:
        """JSON values; `taken` is kept apart."""
        return {"shapes": [list(shape) for shape in self.shapes], "shares": list(self.shares), "counter": self.counter}

    @classmethod
    def restore(cls, state: Mapping[str, Any], taken: np.ndarray) -> Self:
        shapes = tuple(tuple(str(place) for place in shape) for shape in state["shapes"])
        return cls(shapes, tuple(map(float, state["shares"])), taken, state["counter"])


def counts_rows(values: Sequence[str]) -> bool:
    """Whether values number the rows: whole numbers that rise by little from row to row."""
    return _counter(values) is not None


def _counter(values: Sequence[str]) -> int | None:
    """The number after the last of values that count the rows, or None where they don't."""
    if len(values) < _COUNTER_LEAST or not all(value.isascii() and value.isdigit() and len(value) < 16 for value in values):
        return None
    if any(value[0] == "0" and len(value) > 1 for value in values):
        return None
    numbers = np.array(list(map(int, values)), dtype=np.int64)
    rises = bool((np.diff(numbers) > 0).all()) and numbers[-1] - numbers[0] < _COUNTER_SPAN * len(numbers)
    return int(numbers[-1]) + 1 if rises else None


def shape(value: str) -> str:
    """A value with its digits as 9 and its ASCII letters as a and A."""
    return "".join(_kind(letter) for letter in value)


def _kind(letter: str) -> str:
    for kind, letters in zip("9aA", _CLASSES, strict=True):
        if letter in letters:
            return kind
    return letter


def _places(values: Sequence[str]) -> tuple[str, ...]:
    """The characters that each place of values of one shape takes: those seen, or their whole class where these give too few values."""
    seen = [sorted(set(column)) for column in zip(*values, strict=True)]
    room = np.prod([float(len(place)) for place in seen])
    if room >= _ROOM * len(values):
        return tuple("".join(place) for place in seen)
    wide = []
    for number, place in enumerate(seen):
        whole = next((letters for letters in _CLASSES if place[0] in letters), "".join(place))
        # a number that never begins with zero goes on not to; what is the same in all values stays
        narrow = len(place) == 1 and len(values) > 1
        wide.append("".join(place) if narrow else whole.replace("0", "") if number == 0 and "0" not in place else whole)
    return tuple(wide)

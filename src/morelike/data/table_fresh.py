"""Fresh values for columns that are never learnt: written like the training values, different from one another and from all of them.

What is kept of the training values are the letters and digits that each place takes, and a table of bits in which one in eight is set;
so a value can't be told to be among them, only to be not among them.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as count_from
from itertools import islice
from typing import Any, Self

import numpy as np

_CLASSES = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SHAPES = 50
_ROOM = 20
"""A shape takes so many times more values than training had, else each place takes its whole class of characters."""
_BITS = 8
_DRAWN = 3
"""A shape is drawn from so many times as often as it has values, which leaves one in twenty of them."""
_BLOCK_LEAST, _BLOCK_MOST = 32, 16_384
"""Values drawn at once."""
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
        following = _counter(values) or _shuffled(values)
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
        """`count` values, the same ones each time for one salt, all different. Each depends on those before it only."""
        bits = np.unpackbits(self.taken).tolist()
        if self.counter is not None:
            following = map(str, count_from(self.counter))
            return list(islice((value for value in following if not _set(bits, value)) if bits else following, count))
        # the raw words of PCG64 are fixed for ever, the methods of numpy's Generator are not
        turns = (np.random.PCG64([_SEED, salt] if salt else _SEED).random_raw(count) >> np.uint64(11)).astype(np.float64) / 2.0**53
        chosen = np.searchsorted(np.cumsum(self.shares), turns).clip(max=len(self.shapes) - 1)
        streams = [_stream(places, [number, salt]) for number, places in enumerate(self.shapes)]
        out: list[str] = []
        used: set[str] = set()
        for number in chosen.tolist():
            used.add(value := next(value for value in streams[number] if value not in used and not _set(bits, value)))
            out.append(value)
        return out

    def state(self) -> dict[str, Any]:
        """JSON values; `taken` is kept apart."""
        return {"shapes": [list(shape) for shape in self.shapes], "shares": list(self.shares), "counter": self.counter}

    @classmethod
    def restore(cls, state: Mapping[str, Any], taken: np.ndarray) -> Self:
        shapes = tuple(tuple(str(place) for place in shape) for shape in state["shapes"])
        return cls(shapes, tuple(map(float, state["shares"])), taken, state["counter"])


def _set(bits: Sequence[int], value: str) -> bool:
    """Whether the bit of a value is set."""
    return bool(bits[zlib.crc32(value.encode("utf-8", "surrogatepass")) % len(bits)])


def _stream(places: tuple[str, ...], seed: Sequence[int]) -> Iterator[str]:
    """Values of a shape without end, some of them more than once: it grows by a place once it has been drawn from so often that few of
    its values are left."""
    for level in count_from():
        words = np.random.PCG64([_SEED, *seed, level])
        left, size = _DRAWN * math.prod(map(len, places)), _BLOCK_LEAST
        while left > 0:
            drawn = words.random_raw(min(left, size) * len(places)).reshape(-1, len(places)) >> np.uint64(16)
            letters = [np.array(list(place))[drawn[:, column] % np.uint64(len(place))] for column, place in enumerate(places)]
            yield from map("".join, zip(*letters, strict=True))
            left, size = left - size, min(2 * size, _BLOCK_MOST)
        places = _longer(places)


def _longer(places: tuple[str, ...]) -> tuple[str, ...]:
    """A shape with one more digit after its last digit, or at its end where it has none; what was a digit alone is no zero then."""
    digits = [number for number, place in enumerate(places) if place[0] in _CLASSES[0]]
    end = digits[-1] + 1 if digits else len(places)
    start = places[end - 1 : end]
    if digits and end - 2 not in digits:
        start = (start[0].replace("0", "") or _CLASSES[0][1:],)
    return (*places[: end - 1], *start, _CLASSES[0], *places[end:])


def counts_rows(values: Sequence[str]) -> bool:
    """Whether values number the rows: whole numbers that rise by little from row to row."""
    return _counter(values) is not None


def _counter(values: Sequence[str]) -> int | None:
    """The number after the last of values that count the rows, or None where they don't."""
    numbers = _whole(values)
    rises = len(numbers) and bool((np.diff(numbers) > 0).all()) and numbers[-1] - numbers[0] < _COUNTER_SPAN * len(numbers)
    return int(numbers[-1]) + 1 if rises else None


def _shuffled(values: Sequence[str]) -> int | None:
    """The number after the largest of values that would count the rows if these were sorted, or None where they wouldn't."""
    numbers = np.unique(_whole(values))
    return int(numbers[-1]) + 1 if len(numbers) and numbers[-1] - numbers[0] < _COUNTER_SPAN * len(numbers) else None


def _whole(values: Sequence[str]) -> np.ndarray:
    """(N,) int64; or none at all where too few are there or not all are whole numbers without leading zeros."""
    plain = all(value.isascii() and value.isdigit() and len(value) < 16 and (value == "0" or value[0] != "0") for value in values)
    return np.array(list(map(int, values)) if plain and len(values) >= _COUNTER_LEAST else [], dtype=np.int64)


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

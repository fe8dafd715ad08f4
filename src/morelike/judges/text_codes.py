"""Texts as numbers: code points, units (words or characters), and hashed n-grams of them, all items at once.

N items, P characters or units of all items one after another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Texts = Sequence[str] | NDArray[Any]
"""(N,) of str: a list, or an array of objects."""
Hashes = NDArray[np.uint64]
Ids = NDArray[np.integer]

_BASE, _ODD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LOOKED_AT = 1_000_000
_SPACED = 20
_WORD = re.compile(r"[^\s!-/:-@\[-`{-~\u2000-\u206f\u3000-\u303f\uff00-\uff0f]+|\S")


def points(items: Texts) -> tuple[NDArray[np.uint32], Ids]:
    """(P,) code points of all items and (N+1,) where each item starts."""
    lengths = np.fromiter((len(item) for item in items), np.int64, len(items))
    joined = "".join(items).encode("utf-32-le", "surrogatepass")
    return np.frombuffer(joined, np.uint32), np.concatenate([np.zeros(1, np.int64), lengths.cumsum()])


def mix(values: Ids) -> Hashes:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): 64 bits that look random of each whole number."""
    z = values.astype(np.uint64) + _BASE
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


def spread(hashes: Hashes, bits: int) -> Ids:
    """(P,) the leading bits of each hash, its low bits mixed in: a place in a table of 2^bits."""
    return ((hashes * _ODD) >> np.uint64(64 - bits)).astype(np.int64)


def grams(ids: Ids, item: Ids, order: int) -> tuple[Hashes, Ids]:
    """Hashes of all runs of `order` ids (P,) inside one item, and the item of each. Two runs share a hash with chance 2^-64 or so."""
    if len(ids) < order:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    base = mix(ids)
    rolled = base[: len(base) - order + 1].copy()
    for place in range(1, order):
        rolled = rolled * _BASE + base[place : len(base) - order + 1 + place]
    inside = item[: len(rolled)] == item[order - 1 :]
    return rolled[inside], item[: len(rolled)][inside]


@dataclass(slots=True)
class Units:
    """What counts as one unit of text: words, or single characters where the script has no spaces.

    The rule: words, where at least one in 20 of the first million characters of the training text is white space inside a line;
    else characters without white space. A word is a run without white space and ASCII or general punctuation, or one such mark.
    """

    words: bool
    known: dict[str, int] = field(default_factory=dict)
    """Word -> id, in order of appearance."""

    @classmethod
    def of(cls, training: Texts) -> Units:
        """By the rule, on training items."""
        seen = spaces = 0
        for text in training:
            seen, spaces = seen + len(text), spaces + sum(map(str.isspace, text)) - text.count("\n") - text.count("\r")
            if seen >= _LOOKED_AT:
                break
        return cls(words=seen > 0 and spaces * _SPACED >= seen)

    @property
    def name(self) -> str:
        return "words" if self.words else "characters"

    def lists(self, text: str) -> list[str]:
        """The units of one text."""
        return _WORD.findall(text) if self.words else [letter for letter in text if not letter.isspace()]

    def flat(self, items: Texts) -> tuple[Ids, Ids]:
        """(P,) unit ids of all items and (P,) the item of each; a word that is new gets a new id."""
        known = self.known
        found = [[known.setdefault(unit, len(known)) for unit in self.lists(text)] for text in items]
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        ids = np.fromiter((unit for units in found for unit in units), np.int64, int(lengths.sum()))
        return ids, np.repeat(np.arange(len(found)), lengths)


def some_of(items: Texts, most: int, seed: int) -> list[str]:
    """As many whole items, in random order, as hold at most `most` characters; at least one."""
    kept: list[str] = []
    used = 0
    for row in np.random.Generator(np.random.PCG64(seed)).permutation(len(items)):
        if kept and used + len(items[row]) > most:
            break
        kept.append(items[row])
        used += len(items[row])
    return kept

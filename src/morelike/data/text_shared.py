"""One vocabulary for texts and what they answer to, where texts quote their sources."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .text import learn
from .text_bpe import BytePairs

_LOOKED_AT = 2000
_SHARE = 0.2
_WORD = re.compile(r"\w+")


def quoted(texts: Sequence[str], sources: Sequence[str]) -> float:
    """The share of the words of texts that stand in their own sources (any case), from 2,000 pairs at most."""
    found = total = 0
    for row in np.unique(np.linspace(0, len(texts) - 1, _LOOKED_AT).astype(int)).tolist():
        words, there = _WORD.findall(texts[row].lower()), set(_WORD.findall(sources[row].lower()))
        found, total = found + sum(word in there for word in words), total + len(words)
    return found / max(total, 1)


def shared_pairs(texts: Sequence[str], sources: Sequence[str], vocab: int | None = None) -> BytePairs | None:
    """Byte pairs of both sides, where a fifth of the words of texts come from their sources; else None: each side learns its own.

    A net that reads and writes the same ids can copy them (names, numbers, terms).
    """
    if quoted(texts, sources) < _SHARE:
        return None
    both = [side[row] for side in (texts, sources) for row in range(len(side))]
    return learn(both, sum(map(len, both)), vocab)

"""Keys of tunes, motions of voices, and runs of notes that two tunes share.

T steps, V voices; pitches are MIDI's, -1 for silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
"""How well each semitone above the tonic fits (Krumhansl, Kessler 1982, Tracing the dynamic changes in perceived tonal organization)."""
SCALES = (frozenset((0, 2, 4, 5, 7, 9, 11)), frozenset((0, 2, 3, 5, 7, 8, 9, 10, 11)))
"""Semitones of major, and of all forms of minor."""


def key_of(weights: Floats) -> int:
    """The likeliest key by the correlation of pitch classes' weights (12,) with the profiles (Krumhansl 1990, chapter 4): the tonic's
    pitch class, plus 12 for minor."""
    profiles = np.stack([np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(12)])
    spread = weights - weights.mean()
    centred = profiles - profiles.mean(1, keepdims=True)
    return int((centred @ spread / np.linalg.norm(centred, axis=1)).argmax())


def in_key(weights: Floats, key: int) -> float:
    """The share of pitch classes' weights (12,) that lies in the key's scale."""
    tonic, minor = key % 12, key // 12
    own = sum(float(weights[(tonic + semitone) % 12]) for semitone in SCALES[minor])
    return own / float(weights.sum())


def parallels(sounding: Ints) -> tuple[int, int]:
    """(how often two voices move by parallel fifths, octaves or unisons, how often two voices that both sound both move) from one step of
    (T,V) pitches to the next."""
    faults = moves = 0
    for upper in range(sounding.shape[1]):
        for lower in range(upper + 1, sounding.shape[1]):
            one, other = sounding[:, upper], sounding[:, lower]
            both = (one[:-1] >= 0) & (one[1:] >= 0) & (other[:-1] >= 0) & (other[1:] >= 0)
            moved = both & (one[:-1] != one[1:]) & (other[:-1] != other[1:])
            apart = np.abs(one - other) % 12
            perfect = (apart[:-1] == apart[1:]) & np.isin(apart[1:], (0, 7))
            # in the same direction: parallel, not by contrary motion
            same = np.sign(one[1:] - one[:-1]) == np.sign(other[1:] - other[:-1])
            faults, moves = faults + int((moved & perfect & same).sum()), moves + int(moved.sum())
    return faults, moves


class Runs:
    """The longest run of symbols that a sequence shares with any of many."""

    def __init__(self, known: Sequence[Sequence[int]]) -> None:
        self._known = [tuple(one) for one in known]
        self._seen: dict[int, set[int]] = {}

    def longest(self, sequence: Sequence[int]) -> int:
        """Symbols; 0 where none is shared. Runs within a shared run are shared, so the length is found by halving."""
        own = tuple(sequence)
        least, most = 0, len(own)
        while least < most:
            middle = (least + most + 1) // 2
            if self._shares(own, middle):
                least = middle
            else:
                most = middle - 1
        return least

    def _shares(self, own: tuple[int, ...], length: int) -> bool:
        if length not in self._seen:
            self._seen[length] = {hash(one[at : at + length]) for one in self._known for at in range(len(one) - length + 1)}
        seen = self._seen[length]
        return any(hash(own[at : at + length]) in seen for at in range(len(own) - length + 1))

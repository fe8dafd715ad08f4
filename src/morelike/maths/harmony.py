"""What teachers of four-part writing look for, as counts over voices.

Voices are whole numbers (..., T, V): the MIDI number of the pitch (60 is middle C) that each of V voices sounds at each of T steps, the
highest voice first; zero or below is silence. What stands before T and V is kept: (N,T,V) gives a number a tune. Steps say nothing of
repeated notes, so a voice that stays on its pitch doesn't move.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FIFTH, OCTAVE = 7, 0
"""Semitones of the intervals whose parallels are forbidden; whole octaves more are the same interval, and a unison is an octave."""
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
"""How well each of the twelve pitch classes fits a key, from the tonic up (Krumhansl, Kessler 1982)."""
_TONICS = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")
KEYS = tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in _TONICS)
"""Names of the 24 keys, in the order of `key_fits`."""
SCALES = (frozenset((0, 2, 4, 5, 7, 9, 11)), frozenset((0, 2, 3, 5, 7, 8, 9, 10, 11)))
"""Semitones above the tonic of major, and of all forms of minor."""


def parallels(voices: ArrayLike, interval: int) -> tuple[Ints, Ints]:
    """(...) parallels, and (...) moves in which they could have been: counts over pairs of voices from a step to the next.

    A move of a pair is a step at which both go to another pitch. It is parallel where both go the same way, from `interval` semitones
    (FIFTH or OCTAVE, octaves left out) to as many: contrary motion from an octave to a unison doesn't count.
    """
    x = _voices(voices)
    found, moves = np.zeros(x.shape[:-2], np.int64), np.zeros(x.shape[:-2], np.int64)
    before, after = x[..., :-1, :], x[..., 1:, :]
    change = np.where((before > 0) & (after > 0), after - before, 0)
    for one, other in combinations(range(x.shape[-1]), 2):
        both = (change[..., one] != 0) & (change[..., other] != 0)
        same_way = both & ((change[..., one] > 0) == (change[..., other] > 0))
        from_it = np.abs(before[..., one] - before[..., other]) % 12 == interval
        to_it = np.abs(after[..., one] - after[..., other]) % 12 == interval
        moves += both.sum(-1)
        found += (same_way & from_it & to_it).sum(-1)
    return found, moves


def crossings(voices: ArrayLike) -> Ints:
    """(...) steps at which some voice sounds lower than a voice that is written below it; silent voices cross nothing."""
    x = _voices(voices)
    crossed = np.zeros(x.shape[:-1], bool)
    for upper, lower in combinations(range(x.shape[-1]), 2):
        crossed |= (x[..., upper] > 0) & (x[..., lower] > 0) & (x[..., upper] < x[..., lower])
    counts: Ints = crossed.sum(-1)
    return counts


def outside(voices: ArrayLike, ranges: ArrayLike) -> Ints:
    """(...) sounding steps, over all voices, below the lowest or above the highest pitch of their voice in `ranges` (V,2)."""
    x, bounds = _voices(voices), np.asarray(ranges)
    counts: Ints = ((x > 0) & ((x < bounds[:, 0]) | (x > bounds[:, 1]))).sum((-2, -1))
    return counts


def ranges(voices: ArrayLike) -> Ints:
    """(V,2) the lowest and the highest pitch that each voice sounds in any tune and step; (0, 0) of a voice that is always silent."""
    x = _voices(voices)
    flat = x.reshape(-1, x.shape[-1])
    sounds = flat > 0
    high = np.where(sounds, flat, 0).max(0, initial=0)
    low = np.where(sounds, flat, 1 << 30).min(0, initial=1 << 30)
    return np.stack([np.where(high > 0, low, 0), high], 1)


def pitch_classes(voices: ArrayLike) -> Ints:
    """(...,12) for how many steps, over all voices, each pitch class sounds; C first."""
    x = _voices(voices)
    return np.stack([((x > 0) & (x % 12 == place)).sum((-2, -1)) for place in range(12)], -1)


def key_fits(counts: ArrayLike) -> Floats:
    """(...,24) how well pitch classes (...,12) fit each of `KEYS`: the correlation with the key's profile, in -1..1; all 0 without notes.

    Krumhansl and Schmuckler's algorithm (Krumhansl 1990, chapter 4). The highest fit names the key, and is how clear it is.
    """
    shares = _standardised(np.asarray(counts, np.float64))
    profiles = np.stack([np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(12)])
    fits: Floats = shares @ _standardised(profiles).T
    return fits


def key_of(weights: ArrayLike) -> int:
    """The likeliest of `KEYS` by its fit to pitch classes' weights (12,): the tonic's pitch class, plus 12 for minor."""
    return int(key_fits(weights).argmax())


def in_key(weights: Floats, key: int) -> float:
    """The share of pitch classes' weights (12,) that lies in the scale of a key (its place in `KEYS`)."""
    tonic, minor = key % 12, key // 12
    own = sum(float(weights[(tonic + semitone) % 12]) for semitone in SCALES[minor])
    return own / float(weights.sum())


def _standardised(x: Floats) -> Floats:
    """Rows of mean zero and length one; all zeros where a row is constant."""
    centred = x - x.mean(-1, keepdims=True)
    length = np.sqrt((centred**2).sum(-1, keepdims=True))
    found: Floats = np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-12)
    return found


def _voices(voices: ArrayLike) -> Ints:
    """Signed and wide, so that pitches can be subtracted. Raises ValueError for fewer than two axes."""
    x = np.asarray(voices, np.int64)
    if x.ndim < 2:
        raise ValueError(f"voices have steps and voices (..., T, V), not the shape {x.shape}")
    return x

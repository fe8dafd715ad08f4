"""What judges know of tunes: pitches, intervals, rhythm, keys, the motion of voices, and runs of notes taken from training tunes.

N tunes, T steps, V voices.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.contract import Raw
from ..data.music import crossed
from ..data.music_forms import placed
from ..data.tune import Note, Tune
from ..maths.harmony import FIFTH, OCTAVE, in_key, key_of, parallels
from ..maths.runs import Runs
from .domain import Domain, Score
from .extractor import Extractor
from .scores import Rule

Numbers = NDArray[np.float64]
_LEAP, _LENGTH = 12, 16
"""Semitones and steps beyond which all count as one."""


class Music(Domain):
    """Scores of tunes on the codec's grid."""

    def __init__(self, facts: Mapping[str, Any], reference: Sequence[Raw]) -> None:
        super().__init__(facts, reference)
        self._slots = tuple(facts["slots"])
        self._runs: Runs | None = None

    def extractor(self) -> Extractor:
        """Shares of pitch classes, leaps, lengths and intervals over the lowest note, the register, and how dense the notes are."""
        return Extractor("raw-notes", lambda items: np.array([self._features(item) for item in items]), cheap=True)

    def scores(self) -> list[Score]:
        lower, higher = Rule("lower", 20), Rule("higher", 20)
        found = [
            Score("pitch-classes", lower, "histogram", _each(pitch_classes)),
            Score("leaps", lower, "histogram", _each(leaps)),
            Score("lengths", lower, "histogram", _each(lengths)),
            Score("rhythm", lower, "histogram", _each(rhythm)),
            Score("harmony", lower, "histogram", _each(harmony)),
            Score("keys", lower, "histogram", _each(keys)),
            Score("in-key", higher, "mean", _each(share_in_key)),
            Score("longest-copy", Rule("lower", 20, bar=False), "mean", _each(self.longest_copy)),
        ]
        if len(self._slots) > 1:
            found += [
                # none are worse than few, so that a trivial model that never moves sets no bar
                Score("parallels", Rule("lower", 20, bar=False), "mean", _each(self.parallels)),
                Score("rules-kept", higher, "mean", _each(self.rules_kept)),
            ]
        return found

    def parallels(self, tune: Tune) -> float:
        """Parallel fifths, octaves and unisons per 100 moves of two voices at once; NaN where none move."""
        sounding = self._sounding(tune)
        fifths, moves = parallels(sounding, FIFTH)
        faults = int(fifths) + int(parallels(sounding, OCTAVE)[0])
        return 100 * faults / int(moves) if moves else float("nan")

    def rules_kept(self, tune: Tune) -> float:
        """The share of steps at which no voice is out of its range or above the one over it."""
        sounding = self._sounding(tune)
        ranges = np.asarray(self.told["ranges"])
        out = ((sounding >= 0) & ((sounding < ranges[:, 0]) | (sounding > ranges[:, 1]))).any(1)
        bad = out | crossed(sounding, self.told["groups"])
        return float(1 - bad.mean()) if len(bad) else float("nan")

    def longest_copy(self, tune: Tune) -> float:
        """The longest run of a voice's notes that a training tune has too, at whatever pitch it begins, as a share of the voice's notes;
        the mean over voices of four notes or more."""
        if self._runs is None:
            self._runs = Runs([line for item in self.reference for line in _lines(item)])
        runs = self._runs
        shares = [runs.longest(line) / len(line) for line in _lines(tune) if len(line) > 2]
        return float(np.mean(shares)) if shares else float("nan")

    def _sounding(self, tune: Tune) -> NDArray[np.int64]:
        """(T,V) the pitch in each slot, -1 for silence."""
        most = Counter(self._slots)
        found = np.full((tune.length, len(self._slots)), -1, np.int64)
        for note, place in placed(tune, dict(most)):
            if place >= 0:
                found[note.start : note.end, self._slots.index(note.voice) + place] = note.pitch
        return found

    def _features(self, tune: Tune) -> Numbers:
        shares = [_shares(counts(tune)) for counts in (pitch_classes, leaps, lengths, harmony)]
        pitches = np.array([note.pitch for note in tune.notes] or [60])
        steps = max(1, tune.length)
        dense = [len(tune.notes) / steps, sum(note.length for note in tune.notes) / steps / max(1, len(self._slots))]
        return np.concatenate([*shares, [pitches.mean() / 24, pitches.std() / 12, *dense]])


def _each(function: Callable[[Tune], Any]) -> Callable[[Sequence[Raw]], Numbers]:
    """The same of many tunes."""
    return lambda items: np.array([function(item) for item in items], np.float64)


def _shares(counts: Numbers) -> Numbers:
    shares: Numbers = counts / max(1.0, float(counts.sum()))
    return shares


def pitch_classes(tune: Tune) -> Numbers:
    """(12,) steps in which each sounds; C is 0."""
    found = np.zeros(12)
    for note in tune.notes:
        found[note.pitch % 12] += note.length
    return found


def leaps(tune: Tune) -> Numbers:
    """(25,) semitones from a note of a voice to its next, -12 or less to 12 or more."""
    found = np.zeros(2 * _LEAP + 1)
    for line in _melodies(tune):
        for one, other in pairwise(line):
            found[int(np.clip(other.pitch - one.pitch, -_LEAP, _LEAP)) + _LEAP] += 1
    return found


def lengths(tune: Tune) -> Numbers:
    """(16,) notes of 1, 2, ... steps; the last: of 16 or more."""
    return np.bincount([min(note.length, _LENGTH) - 1 for note in tune.notes], minlength=_LENGTH).astype(float)


def rhythm(tune: Tune) -> Numbers:
    """(16,) steps from a time at which notes begin to the next one."""
    starts = sorted({note.start for note in tune.notes})
    apart = np.minimum(np.diff(starts), _LENGTH) if len(starts) > 1 else np.zeros(0, np.int64)
    return np.bincount(apart.astype(np.int64) - 1, minlength=_LENGTH).astype(float)


def harmony(tune: Tune) -> Numbers:
    """(12,) steps in which each interval sounds over the lowest note, in semitones without octaves."""
    sounding: dict[int, list[int]] = defaultdict(list)
    for note in tune.notes:
        for step in range(note.start, note.end):
            sounding[step].append(note.pitch)
    found = np.zeros(12)
    for pitches in sounding.values():
        pitches.sort()
        for pitch in pitches[1:]:
            found[(pitch - pitches[0]) % 12] += 1
    return found


def keys(tune: Tune) -> Numbers:
    """(24,) one for the likeliest key, major then minor."""
    found = np.zeros(24)
    if tune.notes:
        found[key_of(pitch_classes(tune))] = 1
    return found


def share_in_key(tune: Tune) -> float:
    """The share of sounding time that lies in the tune's own likeliest key; NaN without notes."""
    weights = pitch_classes(tune)
    return in_key(weights, key_of(weights)) if tune.notes else float("nan")


def _melodies(tune: Tune) -> list[list[Note]]:
    """The notes of each voice, of those that begin together the highest."""
    found: dict[int, list[Note]] = defaultdict(list)
    for note in tune.notes:
        own = found[note.voice]
        if not own or own[-1].start != note.start:
            own.append(note)
    return list(found.values())


def _lines(tune: Tune) -> list[list[int]]:
    """Each voice as symbols: its leaps, and the lengths of the notes before them."""
    return [
        [(other.pitch - one.pitch + 128) * 1024 + min(one.length, 1023) for one, other in pairwise(line)]
        for line in _melodies(tune)
    ]

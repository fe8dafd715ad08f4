"""Tunes as ids, in three forms: voices by steps, pitches by steps, and one event after another.

N tunes, T steps or events, V voices (slots), R pitches.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .tune import Note, Tune, tidy

Ids = NDArray[np.int64]
_MOST_SLOTS = 8
_KEPT = 0.995
LENGTHS = 32
"""Steps of the longest note that one event says, and of the longest rest."""


def slots_of(tunes: Sequence[Tune]) -> tuple[int, ...]:
    """The voice of each slot: a voice has as many as it has notes at once, but few notes may go without; at most eight in all."""
    at_once: dict[int, Counter[int]] = defaultdict(Counter)
    for tune in tunes:
        for note, place in placed(tune, {}):
            at_once[note.voice][place] += 1
    total = sum(sum(counts.values()) for counts in at_once.values())
    found: list[tuple[int, int, int]] = []
    for voice, counts in at_once.items():
        found += [(count, voice, place) for place, count in counts.items()]
    found.sort(key=lambda one: (-one[0], one[1:]))
    chosen, kept = [], 0
    for count, voice, place in found[:_MOST_SLOTS]:
        if kept >= _KEPT * total:
            break
        chosen.append((voice, place))
        kept += count
    return tuple(voice for voice, _ in sorted(chosen))


def placed(tune: Tune, most: dict[int, int]) -> Iterator[tuple[Note, int]]:
    """Every note with the place that it takes among those of its voice that sound at once: the first that is free, higher notes first.
    `most`: how many places a voice has; a note that finds none has the place -1."""
    ends: dict[int, list[int]] = defaultdict(list)
    for note in tune.notes:
        taken = ends[note.voice]
        place = next((place for place, end in enumerate(taken) if end <= note.start), len(taken))
        if place >= most.get(note.voice, 0 if most else 128):
            yield note, -1
            continue
        if place == len(taken):
            taken.append(0)
        taken[place] = note.end
        yield note, place


@dataclass(frozen=True)
class Voices:
    """(T,V) ids: 0 is silence, 1..R the pitches. Where `holds`, these begin notes and R+1..2R go on with one; else equal neighbours are
    one note."""

    low: int
    """The lowest pitch."""
    pitches: int
    slots: tuple[int, ...]
    """The voice of each slot."""
    holds: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.slots),)

    @property
    def vocab(self) -> int:
        return 1 + self.pitches * (2 if self.holds else 1)

    def encode(self, tune: Tune) -> Ids:
        x = np.zeros((tune.length, len(self.slots)), np.int64)
        most = Counter(self.slots)
        first = {voice: self.slots.index(voice) for voice in most}
        for note, place in placed(tune, dict(most)):
            if place < 0:
                continue
            slot, begins = first[note.voice] + place, 1 + note.pitch - self.low
            x[note.start : note.end, slot] = begins + (self.pitches if self.holds else 0)
            x[note.start, slot] = begins
        return x

    def decode(self, ids: Ids) -> tuple[list[Note], int]:
        notes = []
        sounding = self.pitches_of(ids)
        for slot, voice in enumerate(self.slots):
            own = sounding[:, slot]
            begins = np.concatenate([[True], own[1:] != own[:-1]]) if len(own) else np.zeros(0, bool)
            if self.holds:
                begins |= (ids[:, slot] >= 1) & (ids[:, slot] <= self.pitches)
            starts = np.flatnonzero(begins)
            for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(own)], strict=True):
                if own[start] >= 0:
                    notes.append(Note(int(own[start]), start, end - start, voice))
        return notes, len(ids)

    def pitches_of(self, ids: Ids) -> Ids:
        """The pitch that sounds under each id, -1 for silence."""
        return np.where(ids == 0, -1, (ids - 1) % self.pitches + self.low)


@dataclass(frozen=True)
class Roll:
    """(T,R) ids: 1 where a pitch sounds, 0 where it doesn't. Voices and repeated notes are not told apart."""

    low: int
    pitches: int

    vocab: ClassVar[int] = 2

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.pitches,)

    def encode(self, tune: Tune) -> Ids:
        x = np.zeros((tune.length, self.pitches), np.int64)
        for note in tune.notes:
            x[note.start : note.end, note.pitch - self.low] = 1
        return x

    def decode(self, ids: Ids) -> tuple[list[Note], int]:
        notes = []
        edges = np.diff(np.pad(ids == 1, ((1, 1), (0, 0))).astype(np.int8), axis=0)
        for place in range(self.pitches):
            starts, ends = np.flatnonzero(edges[:, place] == 1), np.flatnonzero(edges[:, place] == -1)
            notes += [Note(self.low + place, int(start), int(end - start)) for start, end in zip(starts, ends, strict=True)]
        return notes, len(ids)


@dataclass(frozen=True)
class Events:
    """(T,) ids: a rest of 1..32 steps moves the time on; a note is its voice (where there are several), its pitch, its length."""

    low: int
    pitches: int
    voices: int
    """At least one; with one, none is said."""

    shape: ClassVar[tuple[int, ...]] = ()

    @property
    def first_voice(self) -> int:
        return LENGTHS

    @property
    def first_pitch(self) -> int:
        return LENGTHS + (self.voices if self.voices > 1 else 0)

    @property
    def first_length(self) -> int:
        return self.first_pitch + self.pitches

    @property
    def vocab(self) -> int:
        return self.first_length + LENGTHS

    def encode(self, tune: Tune) -> Ids:
        found, now = [], 0
        for note in tune.notes:
            if note.voice >= self.voices:
                continue
            found += self._rest(note.start - now)
            now = note.start
            found += self._note(note)
        return np.array(found + self._rest(tune.length - now), np.int64)

    def _rest(self, steps: int) -> list[int]:
        return [LENGTHS - 1] * (steps // LENGTHS) + ([steps % LENGTHS - 1] if steps % LENGTHS else [])

    def _note(self, note: Note) -> list[int]:
        voice = [self.first_voice + note.voice] if self.voices > 1 else []
        return [*voice, self.first_pitch + note.pitch - self.low, self.first_length + min(note.length, LENGTHS) - 1]

    def decode(self, ids: Ids) -> tuple[list[Note], int]:
        """What is no note, as a model may draw it, is passed over."""
        notes: list[Note] = []
        now, voice, pitch = 0, 0, -1
        for number in ids.tolist():
            if number < LENGTHS:
                now, pitch = now + number + 1, -1
            elif number < self.first_pitch:
                voice, pitch = number - self.first_voice, -1
            elif number < self.first_length:
                pitch = number - self.first_pitch + self.low
            elif pitch >= 0:
                notes.append(Note(pitch, now, number - self.first_length + 1, voice))
                pitch = -1
        return list(tidy(notes)), max([now, *(note.end for note in notes)])


Form = Voices | Roll | Events
"""How a tune on the codec's grid becomes ids, and comes back: `encode` gives (t, ...) ids of its t steps or events without a stop,
`decode` (notes, steps) of such ids."""

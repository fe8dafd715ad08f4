"""A tune: notes of some voices, with their times in ticks. The raw item of music, and what it is on a grid of steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

LOWEST, HIGHEST = 0, 127
"""Pitches of MIDI: 60 is middle C, 69 the A of 440 Hz."""
TEMPO = 100.0
"""Quarters a minute where nothing says how fast it goes."""
VELOCITY = 80


class Note(NamedTuple):
    """One note. Times are in ticks of its tune."""

    pitch: int
    start: int
    length: int
    voice: int = 0
    velocity: int = VELOCITY

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Tune:
    """Notes in order of start, voice and pitch, the highest first; no two of one voice and pitch sound at once."""

    notes: tuple[Note, ...]
    length: int
    """In ticks, a rest at the end included."""
    resolution: int = 4
    """Ticks a quarter note."""
    tempo: float = TEMPO
    """Quarter notes a minute."""
    metre: tuple[int, int] = (4, 4)
    key: tuple[int, bool] | None = None
    """(sharps, or flats below 0; whether it is minor)."""
    programs: tuple[int, ...] = ()
    """The MIDI instrument of each voice, 0..127; 0, a piano, where there is none."""

    def __len__(self) -> int:
        """How many notes there are."""
        return len(self.notes)

    @property
    def voices(self) -> int:
        """One more than the last voice that has a note."""
        return max((note.voice for note in self.notes), default=-1) + 1

    @property
    def bar(self) -> int:
        """Ticks a bar, at least one."""
        return max(1, self.resolution * 4 * self.metre[0] // self.metre[1])


def tidy(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Notes in order, each ended where the next of its voice and pitch begins; of two that begin together the longer one stays."""
    own: dict[tuple[int, int], list[Note]] = defaultdict(list)
    for note in sorted(notes, key=lambda note: (note.start, -note.length)):
        before = own[note.voice, note.pitch]
        if before and before[-1].start == note.start:
            continue
        if before and before[-1].end > note.start:
            before[-1] = before[-1]._replace(length=note.start - before[-1].start)
        before.append(note)
    found = [note for group in own.values() for note in group]
    return tuple(sorted(found, key=lambda note: (note.start, note.voice, -note.pitch)))


def on_grid(tune: Tune, steps: int) -> Tune:
    """The same with times rounded to `steps` a quarter note, halves up. A note that rounds to nothing lasts one step, or is left out where
    another of its voice that begins after it takes that step, or where the tune has ended: a voice of single notes stays one."""
    if tune.resolution == steps:
        return tune
    half, whole = tune.resolution // 2, tune.resolution
    rounded = [((n.start * steps + half) // whole, (n.end * steps + half) // whole) for n in tune.notes]
    latest: dict[tuple[int, int], int] = {}
    for note, (start, _) in zip(tune.notes, rounded, strict=True):
        latest[note.voice, start] = max(note.start, latest.get((note.voice, start), 0))
    notes, length = [], max(1, (tune.length * steps + half) // whole)
    for note, (start, end) in zip(tune.notes, rounded, strict=True):
        if end > start or (start < length and latest[note.voice, start] < note.end):
            notes.append(Note(note.pitch, start, max(1, end - start), note.voice, note.velocity))
    clean = tidy(notes)
    return replace(tune, notes=clean, length=max([length, *(note.end for note in clean)]), resolution=steps)


def cut(tune: Tune, start: int, end: int) -> Tune:
    """The ticks from `start` up to `end`; notes that go beyond are cut there."""
    notes = []
    for pitch, begin, length, voice, velocity in tune.notes:
        if begin >= end:
            break
        first, last = max(begin, start), min(begin + length, end)
        if first < last:
            notes.append(Note(pitch, first - start, last - first, voice, velocity))
    notes.sort(key=lambda note: (note.start, note.voice, -note.pitch))
    return replace(tune, notes=tuple(notes), length=min(end, tune.length) - start)


def transposed(tune: Tune, by: int) -> Tune:
    """The same some semitones higher; its key is then not known."""
    if not by:
        return tune
    return replace(tune, notes=tuple(note._replace(pitch=note.pitch + by) for note in tune.notes), key=None)


def joined(tunes: Sequence[Tune], rest: int = 1) -> Tune:
    """One tune of several, one after another with `rest` bars of rest between, in the first one's tempo, metre and ticks."""
    first, notes, at = tunes[0], [], 0
    for one in tunes:
        own = on_grid(one, first.resolution)
        notes += [note._replace(start=note.start + at) for note in own.notes]
        at += -(-own.length // first.bar) * first.bar + rest * first.bar
    return replace(first, notes=tidy(notes), length=at - rest * first.bar)


def coarsest(tunes: Sequence[Tune], kept: float = 0.98) -> int:
    """The tunes' own steps a quarter note where they have at most 12; else the fewest (1, 2, 3, 4, 6, 8 or 12) on which the share `kept`
    of all notes begins, a fiftieth of a step off at most."""
    finest = max(tune.resolution for tune in tunes)
    if finest <= 12 and len({tune.resolution for tune in tunes}) == 1:
        return finest
    starts = [note.start / tune.resolution for tune in tunes for note in tune.notes]
    for steps in (1, 2, 3, 4, 6, 8):
        near = sum(abs(start * steps - round(start * steps)) <= steps / 50 for start in starts)
        if near >= kept * len(starts):
            return steps
    return 12

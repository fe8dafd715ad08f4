"""Chords under a given melody: what counting reaches on Nottingham's folk tunes, and what a trained model does.

Protocol. The tunes of `nottingham_midi.zip` with the split of its folder (754, 90, 90), on a grid of eighth notes. The melody of a test
tune is given, whole; of each beat (a quarter, or a dotted quarter where the metre counts eighths in threes) the chord is to be said: the
set of pitch classes that the second track sounds where the beat begins, none included. "right" is the share of all test beats whose set
is the real one, "tunes" the mean over tunes. The counting models move every tune to C major or A minor by the key of its melody alone.

commonest       always the commonest chord
under the note  the commonest chord under the pitch class that the melody has at the beat
hmm             hidden chords, visible pitch classes of the melody's eighths within the beat, each by itself given the chord; moves of
                chords are counted apart where a bar begins; of each beat the likeliest chord given the whole melody (forwards and
                backwards); smoothing and how much the notes weigh are chosen on the validation tunes
model           a trained model of voices fills in the second one (`morelike restore --keep melody`); of so many draws the chord that
                most of them have

python benchmarks/accompany.py [--model FOLDER [--draws 8] [--tunes 90] [--seed 0] [temperature=0.8 ...]]
"""

from __future__ import annotations

import argparse
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import morelike
from morelike.data.music_midi import read_midi
from morelike.data.tune import Tune, on_grid
from morelike.house.recipe import parse_value
from morelike.house.tunes import Part, fill
from morelike.maths.harmony import key_fits

PARTS = ("train", "valid", "test")
STEPS, SILENT = 2, 12
SETTINGS = list(product((0.3, 0.6, 1.0), (0.3,), (0.5, 0.9)))
"""Tried for the hidden Markov model: weight of the notes, pseudo-counts of a chord's notes, share of the moves from this very chord."""
Chord = frozenset[int]


@dataclass(frozen=True)
class Song:
    """A tune on eighths."""

    tune: Tune
    beats: list[int]
    """(B,) eighths at which beats begin."""
    first: list[int]
    """(B,) 1 where a bar begins."""
    chords: list[Chord]
    """Of each beat."""
    moved: int
    """Semitones, -6..5, that move the melody to C major or A minor."""
    notes: list[np.ndarray]
    """The pitch classes that the melody has in a beat's eighths in C major or A minor, 12 for silence."""
    dance: str
    """Jig, reel, ...: told to models that learnt with it."""


def song(tune: Tune, dance: str) -> Song:
    own = on_grid(tune, STEPS)
    top, bottom = own.metre
    beat = 3 if bottom == 8 and top % 3 == 0 else max(1, 4 * STEPS // bottom)
    melody = np.full(own.length, SILENT)
    for note in own.notes:
        if note.voice == 0:
            melody[note.start : note.end] = note.pitch % 12
    key = int(key_fits(np.bincount(melody, minlength=13)[:12]).argmax())
    by = (6 - (key if key < 12 else key - 9)) % 12 - 6
    in_c = np.where(melody == SILENT, SILENT, (melody + by) % 12)
    beats = list(range(0, own.length, beat))
    first = [int(at % own.bar == 0) for at in beats]
    return Song(own, beats, first, chords_of(own, beats), by, [in_c[at : at + beat] for at in beats], dance)


def chords_of(tune: Tune, beats: Sequence[int]) -> list[Chord]:
    sounding: list[set[int]] = [set() for _ in range(tune.length)]
    for note in tune.notes:
        for step in range(note.start, note.end) if note.voice else ():
            sounding[step].add(note.pitch % 12)
    return [frozenset(sounding[beat]) if beat < len(sounding) else frozenset() for beat in beats]


def nottingham(folder: Path) -> dict[str, list[Song]]:
    found: dict[str, list[Song]] = {part: [] for part in PARTS}
    rows = (folder / "nottingham" / "splits.csv").read_text().splitlines()[1:]
    with zipfile.ZipFile(folder / "nottingham" / "nottingham_midi.zip") as archive:
        names = {Path(name).name: name for name in archive.namelist()}
        for row in rows:
            file, part, dance = row.split(",")
            found[part].append(song(read_midi(archive.read(names[file]), file)[0], dance))
    return found


def moved(chord: Chord, by: int) -> Chord:
    return frozenset((pitch + by) % 12 for pitch in chord)


class Counts:
    """Chords of training tunes in C major or A minor: how often each came, under which notes, and after which."""

    def __init__(self, songs: Sequence[Song]) -> None:
        self.names = sorted({moved(chord, one.moved) for one in songs for chord in one.chords}, key=sorted)
        index = {name: number for number, name in enumerate(self.names)}
        count = len(self.names)
        self.often, self.notes, self.at = np.zeros(count), np.zeros((count, 13)), np.zeros((13, count))
        self.moves = np.zeros((2, count, count))
        for one in songs:
            own = [index[moved(chord, one.moved)] for chord in one.chords]
            for beat, chord in enumerate(own):
                notes = one.notes[beat]
                self.often[chord] += 1
                self.at[notes[0], chord] += 1
                np.add.at(self.notes[chord], notes, 1)
                if beat:
                    self.moves[one.first[beat], own[beat - 1], chord] += 1


Accompanist = Callable[[Song], list[Chord]]


def commonest(counts: Counts, under: bool) -> Accompanist:
    def accompany(one: Song) -> list[Chord]:
        rows = [counts.at[one.notes[beat][0]] if under else counts.often for beat in range(len(one.beats))]
        return [moved(counts.names[int(row.argmax())], -one.moved) for row in rows]

    return accompany


def hidden_markov(counts: Counts, weight: float, spread: float, own: float) -> Accompanist:
    common = counts.often / counts.often.sum()
    emit = np.log((counts.notes + spread) / (counts.notes + spread).sum(1, keepdims=True))
    after = counts.moves.sum(2, keepdims=True)
    known = np.where(after > 0, own, 0.0)
    moves = known * counts.moves / np.maximum(after, 1) + (1 - known) * common

    def accompany(one: Song) -> list[Chord]:
        likely = np.array([weight * emit[:, one.notes[beat]].sum(1) for beat in range(len(one.beats))])
        likely = np.exp(likely - likely.max(1, keepdims=True))
        forward, backward = np.zeros_like(likely), np.ones_like(likely)
        for beat in range(len(likely)):
            before = common if beat == 0 else forward[beat - 1] @ moves[one.first[beat]]
            forward[beat] = before * likely[beat]
            forward[beat] /= forward[beat].sum()
        for beat in reversed(range(len(likely) - 1)):
            backward[beat] = moves[one.first[beat + 1]] @ (likely[beat + 1] * backward[beat + 1])
            backward[beat] /= backward[beat].sum()
        return [moved(counts.names[number], -one.moved) for number in (forward * backward).argmax(1)]

    return accompany


def trained(folder: Path, draws: int, seed: int, dials: dict[str, Any]) -> Accompanist:
    package = morelike.load(folder).package

    def accompany(one: Song) -> list[Chord]:
        where = {"tune_type": one.dance} if "tune_type" in package.conditions else {}
        tunes = fill(package, one.tune, Part(keep=(1,)), draws, where, seed, **dials)
        drawn = [chords_of(on_grid(tune, STEPS), one.beats) for tune in tunes]
        return [Counter(chords).most_common(1)[0][0] for chords in zip(*drawn, strict=True)]

    return accompany


def right(accompany: Accompanist, songs: Sequence[Song]) -> tuple[float, float]:
    """(of all beats, mean over tunes)."""
    hits = [np.mean([a == b for a, b in zip(accompany(one), one.chords, strict=True)]) for one in songs]
    weights = [len(one.beats) for one in songs]
    return float(np.average(hits, weights=weights)), float(np.mean(hits))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--model", type=Path)
    asked.add_argument("--draws", type=int, default=8)
    asked.add_argument("--tunes", type=int, default=90, help="of the test tunes, the first so many")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("dials", nargs="*", metavar="key=value")
    words = asked.parse_args()
    songs = nottingham(Path(os.environ.get("MORELIKE_DATA") or Path(__file__).parent.parent / "shared" / "data"))
    test, counts = songs["test"][: words.tunes], Counts(songs["train"])
    print(f"{len(counts.names)} chords; {len(test)} test tunes, {sum(len(one.beats) for one in test):,} beats\n{'':16}   right   tunes")

    def row(name: str, accompany: Accompanist) -> None:
        print(f"{name:16}" + "".join(f"{share:8.3f}" for share in right(accompany, test)), flush=True)

    if words.model is not None:
        dials = {pair.partition("=")[0]: parse_value(pair.partition("=")[2]) for pair in words.dials}
        row(words.model.name, trained(words.model, words.draws, words.seed, dials))
        return
    row("commonest", commonest(counts, False))
    row("under the note", commonest(counts, True))
    best = max(SETTINGS, key=lambda one: right(hidden_markov(counts, *one), songs["valid"])[0])
    row(f"hmm {best}", hidden_markov(counts, *best))


if __name__ == "__main__":
    main()

"""Three voices under a given soprano: what counting chords reaches on Bach's chorales, with and without the hard rules.

Protocol. The separated chorales (`Jsb16thSeparated.json.gz`; the split of Boulanger-Lewandowski et al. 2012: 229, 76, 77 pieces), every
fourth step, that is one chord a quarter note. The test pieces' sopranos are given, whole; alto, tenor and bass are to be found. Both
models know chords (alto, tenor, bass) of the training pieces and move every piece to C major or A minor by the key of its soprano alone
(Krumhansl and Schmuckler's algorithm), so that nothing but the soprano is used.

most frequent   of the chords seen under this pitch of the soprano, the commonest
hmm             hidden chords, visible sopranos (as Allan, Williams 2005, with counts for tables): Viterbi's path; the two weights of
                smoothing are chosen by cells right on the validation pieces

"ruled" leaves a model only the chords that keep every voice within its range in the training pieces and cross no voices.
"right" is the share of cells of the three voices that are Bach's own pitch, "class" in any octave. Out of range per 100 notes, crossed
per 100 steps, parallel fifths and octaves per 100 moves of two voices.

model           a trained model of voices on quarter notes fills in the three voices (`morelike restore --keep soprano`), its hard rules
                kept as its kind of data says; the same pieces, drawn with the seed given

python benchmarks/harmonise.py [--model FOLDER [--seed 0] [temperature=0.5 particles=64 ...]]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import morelike
from morelike.data.music import MusicCodec
from morelike.data.tune import Note, Tune, on_grid, tidy
from morelike.house.recipe import parse_value
from morelike.house.tunes import Part, fill
from morelike.maths.harmony import FIFTH, OCTAVE, crossings, key_fits, outside, parallels, pitch_classes, ranges

PARTS = ("train", "valid", "test")
CANDIDATES = 100
"""Chords looked at a step: the likeliest for the soprano alone; Viterbi's search is exact among them."""
WEIGHTS = [(own, spread) for own in (0.6, 0.9) for spread in (0.1, 1.0)]
"""Tried for the hidden Markov model: share of the moves from this very chord, and pseudo-counts of a chord's sopranos."""
PITCHES = 128
Harmoniser = Callable[[np.ndarray], np.ndarray]
"""A soprano (T,) -> alto, tenor and bass (T,3)."""


def chorales(folder: Path) -> dict[str, list[np.ndarray]]:
    """Pieces (T,4), a step a quarter, soprano first; 0 is silence."""
    with gzip.open(folder / "jsb_chorales" / "Jsb16thSeparated.json.gz") as stream:
        pieces = json.load(stream)
    return {part: [np.maximum(np.array(piece)[::4], 0) for piece in pieces[part]] for part in PARTS}


def to_c(soprano: np.ndarray) -> int:
    """Semitones, -6..5, that move a soprano (T,) to C major or A minor."""
    key = int(key_fits(pitch_classes(soprano[:, None])).argmax())
    tonic = key if key < 12 else key - 12 + 3  # a minor key has the notes of the major key three semitones above
    return (6 - tonic) % 12 - 6


class Chords:
    """The chords (K,3) of training pieces in C major or A minor, how often each came, and under which sopranos."""

    def __init__(self, pieces: Sequence[np.ndarray]) -> None:
        moved = [np.where(piece > 0, piece + to_c(piece[:, 0]), 0) for piece in pieces]
        self.bounds = ranges(np.concatenate(pieces))
        whole = [[tuple(chord) if min(chord) > 0 else None for chord in piece.tolist()] for piece in moved]
        names = sorted({chord[1:] for piece in whole for chord in piece if chord})
        self.index = {name: place for place, name in enumerate(names)}
        self.pitches = np.array(names)
        self.under = np.zeros((PITCHES, len(names)))
        self.starts, self.moves = np.zeros(len(names)), np.zeros((len(names), len(names)))
        for piece in whole:
            before = None
            for step, chord in enumerate(piece):
                now = self.index[chord[1:]] if chord else None
                if chord and now is not None:
                    self.under[chord[0], now] += 1
                    if before is not None:
                        self.moves[before, now] += 1
                    elif not step:
                        self.starts[now] += 1
                before = now
        self.counts = self.under.sum(0)

    def allowed(self, soprano: int, moved: int) -> np.ndarray:
        """(K,) chords that keep the ranges and cross neither each other nor the soprano (its pitch in C, moved by so much)."""
        all_four = np.column_stack((np.full(len(self.pitches), soprano), self.pitches)) - moved
        within = (all_four[:, 1:] >= self.bounds[1:, 0]) & (all_four[:, 1:] <= self.bounds[1:, 1])
        return np.asarray(within.all(1) & (np.diff(all_four, axis=1) <= 0).all(1))

    def candidates(self, soprano: int, moved: int, ruled: bool, spread: float) -> tuple[np.ndarray, np.ndarray]:
        """(C,) the likeliest chords under a soprano, best first, and log p(soprano | chord) of each."""
        sopranos = self.under.sum(1) + 1
        emit = np.log((self.under[soprano] + spread * sopranos[soprano] / sopranos.sum()) / (self.counts + spread))
        score = emit + np.log(self.counts)
        if ruled:
            score[~self.allowed(soprano, moved)] = -np.inf
        best = np.argsort(-score, kind="stable")[:CANDIDATES]
        best = best[np.isfinite(score[best])]
        if not len(best):
            raise ValueError(f"no chord of the training pieces keeps the rules under the soprano's pitch {soprano - moved}")
        return best, emit[best]


def most_frequent(chords: Chords, ruled: bool) -> Harmoniser:
    def harmonise(soprano: np.ndarray) -> np.ndarray:
        moved, found = to_c(soprano), np.zeros((len(soprano), 3), np.int64)
        for step, pitch in enumerate(soprano):
            if pitch > 0:
                found[step] = chords.pitches[chords.candidates(pitch + moved, moved, ruled, 1e-6)[0][0]] - moved
        return found

    return harmonise


def hidden_markov(chords: Chords, ruled: bool, own: float, spread: float) -> Harmoniser:
    common = chords.counts / chords.counts.sum()
    after = chords.moves.sum(1, keepdims=True)
    known = np.where(after > 0, own, 0.0)
    moves = np.log(known * chords.moves / np.maximum(after, 1) + (1 - known) * common)
    starts = np.log(own * chords.starts / chords.starts.sum() + (1 - own) * common)

    def harmonise(soprano: np.ndarray) -> np.ndarray:
        moved, found = to_c(soprano), np.zeros((len(soprano), 3), np.int64)
        sounds = np.flatnonzero(soprano > 0)
        if not len(sounds):
            return found
        known = {pitch: chords.candidates(pitch + moved, moved, ruled, spread) for pitch in set(soprano[sounds].tolist())}
        places, emits = zip(*(known[pitch] for pitch in soprano[sounds].tolist()), strict=True)
        came, score = [], starts[places[0]] + emits[0]
        for before, now, emit in zip(places[:-1], places[1:], emits[1:], strict=True):
            ways = score[:, None] + moves[np.ix_(before, now)]
            came.append(ways.argmax(0))
            score = ways[came[-1], np.arange(len(now))] + emit
        at = int(score.argmax())
        for step in reversed(range(len(sounds))):
            found[sounds[step]] = chords.pitches[places[step][at]] - moved
            at = int(came[step - 1][at]) if step else 0
        return found

    return harmonise


def trained(folder: Path, seed: int, dials: dict[str, Any]) -> Harmoniser:
    """A model's own voices. Raises ValueError for one that doesn't know four voices on quarter notes."""
    package = morelike.load(folder).package
    codec = package.codec
    if not (isinstance(codec, MusicCodec) and codec.steps == 1 and codec.form.shape == (4,)):
        raise ValueError(f"{folder} holds no model of four voices on quarter notes: train with codec.steps=1")

    def harmonise(soprano: np.ndarray) -> np.ndarray:
        edges = [0, *(np.flatnonzero(np.diff(soprano)) + 1).tolist(), len(soprano)]
        notes = [Note(int(soprano[a]), a, b - a, 0) for a, b in pairwise(edges) if soprano[a] > 0]
        tune = fill(package, Tune(tidy(notes), len(soprano), 1), Part(keep=(1,)), 1, seed=seed, **dials)[0]
        found: np.ndarray = np.maximum(codec.form.pitches_of(codec.form.encode(on_grid(tune, 1))), 0)  # type: ignore[union-attr]
        return np.pad(found[: len(soprano), 1:], ((0, max(0, len(soprano) - len(found))), (0, 0)))

    return harmonise


def right(found: Sequence[np.ndarray], real: Sequence[np.ndarray], octave: bool = True) -> float:
    """The share of sounding cells of the three lower voices that have the real pitch, or its class."""
    one, other = (np.concatenate(pieces)[:, 1:] for pieces in (found, real))
    same = one == other if octave else (one - other) % 12 == 0
    return float(same[other > 0].mean())


def row(found: Sequence[np.ndarray], real: Sequence[np.ndarray], bounds: np.ndarray) -> str:
    steps, notes = sum(map(len, found)), sum(int((piece > 0).sum()) for piece in found)
    out = sum(int(outside(piece, bounds)) for piece in found)
    crossed = sum(int(crossings(piece)) for piece in found)
    fifths, moves = np.sum([parallels(piece, FIFTH) for piece in found], 0)
    octaves = sum(int(parallels(piece, OCTAVE)[0]) for piece in found)
    rates = (out / notes, crossed / steps, fifths / moves, octaves / moves)
    return f"{right(found, real):8.3f}{right(found, real, False):8.3f}" + "".join(f"{100 * rate:10.2f}" for rate in rates)


def sung(harmonise: Harmoniser, pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [np.column_stack((piece[:, 0], harmonise(piece[:, 0]))) for piece in pieces]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--model", type=Path)
    asked.add_argument("--pieces", type=int, default=77, help="of the test pieces, the first so many")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("dials", nargs="*", metavar="key=value")
    words = asked.parse_args()
    folder = Path(os.environ.get("MORELIKE_DATA") or Path(__file__).parent.parent / "shared" / "data")
    pieces = chorales(folder)
    chords, test = Chords(pieces["train"]), pieces["test"][: words.pieces]
    keys = Counter(to_c(piece[:, 0]) for piece in pieces["train"])
    print(f"{len(chords.pitches):,} chords in the training pieces, moved by {min(keys)}..{max(keys)} semitones")
    print(f"ranges of the voices: {chords.bounds.tolist()}")
    if words.model is not None:
        model = trained(words.model, words.seed, {pair.split('=')[0]: parse_value(pair.split('=')[1]) for pair in words.dials})
        print(f"\n{'':24}   right   class out of r.   crossed    fifths   octaves")
        print(f"{words.model.name:24}{row(sung(model, test), test, chords.bounds)}")
        return
    tried = {pair: right(sung(hidden_markov(chords, False, *pair), pieces["valid"]), pieces["valid"]) for pair in WEIGHTS}
    own, spread = max(tried, key=lambda pair: tried[pair])
    print(f"hmm on validation: {', '.join(f'{pair} {value:.3f}' for pair, value in tried.items())}")
    print(f"\n{'':24}   right   class out of r.   crossed    fifths   octaves")
    print(f"{'Bach':24}{row(test, test, chords.bounds)}")
    for ruled in (False, True):
        models = {"most frequent": most_frequent(chords, ruled), "hmm": hidden_markov(chords, ruled, own, spread)}
        for name, harmonise in models.items():
            print(f"{name + ', ruled' * ruled:24}{row(sung(harmonise, test), test, chords.bounds)}", flush=True)


if __name__ == "__main__":
    main()

"""Rules of four-part writing, against examples made by hand and against a plain loop."""

from __future__ import annotations

import gzip
import json
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from morelike.maths.harmony import (
    FIFTH,
    KEYS,
    OCTAVE,
    crossings,
    in_key,
    key_fits,
    key_of,
    outside,
    parallels,
    pitch_classes,
    ranges,
)  # fmt: skip

C, D, E, F, G, A, B = 60, 62, 64, 65, 67, 69, 71
some_voices = arrays(np.int64, some.tuples(some.integers(1, 9), some.integers(1, 4)), elements=some.integers(-1, 24))


@pytest.mark.parametrize(
    ("first", "second", "fifths", "octaves", "moves"),
    [
        ((G, C), (A, D), 1, 0, 1),
        ((G + 12, C), (A + 12, D), 1, 0, 1),  # a twelfth is a fifth
        ((C + 12, C), (D + 12, D), 0, 1, 1),
        ((C, C), (D, D), 0, 1, 1),  # unisons
        ((C + 12, C), (C + 12, C), 0, 0, 0),  # nobody moves
        ((G, C), (G, F), 0, 0, 0),  # one moves
        ((C + 12, C), (D, D), 0, 0, 1),  # contrary motion into a unison
        ((G, C), (B, E), 1, 0, 1),
        ((G, C), (A, C + 4), 0, 0, 1),  # a fifth into a fourth
        ((0, C), (A, D), 0, 0, 0),  # out of silence
        ((G, C), (-1, D), 0, 0, 0),
    ],
)
def test_parallels_of_two_voices(first: tuple[int, int], second: tuple[int, int], fifths: int, octaves: int, moves: int) -> None:
    voices = [first, second]
    assert [int(count) for count in parallels(voices, FIFTH)] == [fifths, moves]
    assert [int(count) for count in parallels(voices, OCTAVE)] == [octaves, moves]


def test_a_triad_in_block_motion() -> None:
    """Soprano and bass an octave apart, the alto a fifth above the bass: one of each a step, of three pairs."""
    found, moves = parallels([[72, 67, 60], [74, 69, 62], [76, 71, 64]], FIFTH)
    assert (int(found), int(moves)) == (2, 6)
    found, _ = parallels([[72, 67, 60], [74, 69, 62], [76, 71, 64]], OCTAVE)
    assert int(found) == 2


@settings(max_examples=60, deadline=None)
@given(voices=some_voices, interval=some.sampled_from([FIFTH, OCTAVE]))
def test_parallels_are_those_of_a_plain_loop(voices: np.ndarray, interval: int) -> None:
    count = moved = 0
    for before, after in zip(voices[:-1].tolist(), voices[1:].tolist(), strict=True):
        for i, j in combinations(range(voices.shape[1]), 2):
            if min(before[i], before[j], after[i], after[j]) <= 0 or before[i] == after[i] or before[j] == after[j]:
                continue
            moved += 1
            same_way = (after[i] - before[i]) * (after[j] - before[j]) > 0
            count += same_way and abs(before[i] - before[j]) % 12 == interval == abs(after[i] - after[j]) % 12
    assert [int(found) for found in parallels(voices, interval)] == [count, moved]


def test_crossings_are_steps() -> None:
    voices = [[G, E, C], [C, E, C], [G, C, E], [C, E, G], [G, 0, C], [C, -1, G], [C, C, C]]
    assert int(crossings(voices)) == 4  # steps 1, 2, 3 and 5: the outer voices cross past a silent one
    assert crossings([voices, voices[:1] * 7]).tolist() == [4, 0]


def test_outside_its_range() -> None:
    bounds = ranges([[[G, C], [A, 0]], [[F, D], [B, -1]]])
    assert bounds.tolist() == [[F, B], [C, D]]
    assert int(outside([[F, C], [B, D]], bounds)) == 0
    assert int(outside([[E, C + 3], [B + 1, 0], [G, C - 1]], bounds)) == 4
    assert ranges([[0, C], [-1, D]]).tolist() == [[0, 0], [C, D]]


@settings(max_examples=40, deadline=None)
@given(voices=some_voices)
def test_nothing_is_outside_its_own_range(voices: np.ndarray) -> None:
    assert int(outside(voices, ranges(voices))) == 0


def test_pitch_classes_are_counted() -> None:
    assert pitch_classes([[C, E], [C + 12, 0], [G, -1]]).tolist() == [2, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("tonic", range(12))
def test_scales_are_in_their_key(tonic: int) -> None:
    """A scale with its tonic and fifth doubled, as cadences do."""
    for steps, mode in (((0, 2, 4, 5, 7, 9, 11, 0, 7), 0), ((0, 2, 3, 5, 7, 8, 11, 0, 7), 12)):
        fits = key_fits(pitch_classes([[C + tonic + step] for step in steps]))
        assert int(fits.argmax()) == mode + tonic
        weights = pitch_classes([[C + tonic + step] for step in (*steps, 1)])
        assert key_of(weights) == mode + tonic
        assert in_key(weights, mode + tonic) == pytest.approx(9 / 10)
        assert 0.8 < fits.max() < 1
    assert KEYS[0] == "C major"
    assert KEYS[12 + 9] == "A minor"


def test_fits_are_correlations() -> None:
    counts = np.arange(12)
    profile = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
    fits = key_fits(counts)
    assert fits[0] == pytest.approx(np.corrcoef(counts, profile)[0, 1])
    assert fits[7] == pytest.approx(np.corrcoef(counts, np.roll(profile, 7))[0, 1])
    assert key_fits(profile)[0] == pytest.approx(1.0)
    assert key_fits(np.zeros(12)).tolist() == [0.0] * 24
    assert key_fits(np.stack([counts, profile])).shape == (2, 24)


@settings(max_examples=40, deadline=None)
@given(voices=some_voices, shift=some.integers(1, 30))
def test_a_transposed_tune_is_as_good(voices: np.ndarray, shift: int) -> None:
    moved = np.where(voices > 0, voices + shift, voices)
    for interval in (FIFTH, OCTAVE):
        assert parallels(voices, interval) == parallels(moved, interval)
    assert crossings(voices) == crossings(moved)
    fits, other = key_fits(pitch_classes(voices)), key_fits(pitch_classes(moved))
    assert np.allclose(np.roll(fits[:12], shift), other[:12])
    assert np.allclose(np.roll(fits[12:], shift), other[12:])


@pytest.mark.parametrize("voices", [np.zeros((0, 4), int), np.zeros((1, 4), int), np.zeros((3, 0), int)])
def test_empty_tunes_have_nothing(voices: np.ndarray) -> None:
    assert [int(found) for found in parallels(voices, FIFTH)] == [0, 0]
    assert int(crossings(voices)) == 0
    assert pitch_classes(voices).sum() == 0


def test_small_unsigned_pitches_are_subtracted_as_numbers() -> None:
    assert int(parallels(np.array([[C, G], [D, A]], np.uint8), FIFTH)[0]) == 1
    with pytest.raises(ValueError, match="steps and voices"):
        parallels([C, D], FIFTH)


def chorales() -> Path:
    folder = Path(os.environ.get("MORELIKE_DATA") or Path(__file__).parent.parent / "shared" / "data")
    return folder / "jsb_chorales" / "Jsb16thSeparated.json.gz"


@pytest.mark.skipif(not chorales().exists(), reason="the chorales of shared/data are not here")
def test_bach_keeps_the_rules() -> None:
    with gzip.open(chorales()) as stream:
        tunes = [np.array(tune) for tune in json.load(stream)["test"]]
    fifths, moves = np.sum([parallels(tune, FIFTH) for tune in tunes], 0)
    octaves = sum(int(parallels(tune, OCTAVE)[0]) for tune in tunes)
    assert fifths < 0.01 * moves
    assert octaves < 0.01 * moves
    shuffled = [np.random.default_rng(0).permutation(tune) for tune in tunes]
    assert sum(int(parallels(tune, FIFTH)[0]) for tune in shuffled) > 5 * fifths
    clear = np.array([key_fits(pitch_classes(tune)).max() for tune in tunes])
    assert np.median(clear) > 0.85

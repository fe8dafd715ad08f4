"""Tunes: files there and back, forms, rules, sound, bad input, and a model from MIDI files to harmonies."""

from __future__ import annotations

import contextlib
import itertools
import json
import struct
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import morelike
from conftest import Runner
from morelike.core.abilities import Continues
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.data.music import MusicCodec
from morelike.data.music_file import as_json, from_json, parsed, tunes_of
from morelike.data.music_forms import Events, Roll, Voices
from morelike.data.music_midi import midi_bytes, read_midi, write_midi
from morelike.data.music_sound import RATE, sound, write_wav
from morelike.data.open import open_source
from morelike.data.tune import Note, Tune, coarsest, cut, joined, on_grid, tidy
from morelike.maths.constraint import Constraint
from morelike.maths.decoding import stream
from morelike.maths.voicing import EventRules, Voicing
from morelike.testing import check_codec


@st.composite
def tunes(draw: st.DrawFn) -> Tune:
    row = st.tuples(st.integers(40, 90), st.integers(0, 60), st.integers(1, 30), st.integers(0, 2), st.integers(1, 127))
    rows = draw(st.lists(row, min_size=1, max_size=12))
    notes = tidy(Note(*row) for row in rows)
    voices = sorted({note.voice for note in notes})
    notes = tidy(note._replace(voice=voices.index(note.voice)) for note in notes)
    length = max(note.end for note in notes) + draw(st.integers(0, 3))
    metre = draw(st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 16)]))
    key = draw(st.sampled_from([None, (2, False), (-3, True)]))
    return Tune(notes, length, 480, draw(st.sampled_from([60.0, 100.0, 120.0])), metre, key)


@settings(max_examples=25, deadline=None)
@given(tunes())
def test_midi_there_and_back(tune: Tune) -> None:
    again, mended = read_midi(midi_bytes(tune), "a.mid")
    assert not mended
    assert again == tune


@settings(max_examples=12, deadline=None)
@given(tunes())
def test_json_there_and_back(tune: Tune) -> None:
    assert from_json(json.loads(json.dumps(as_json(tune))), "a.json, tune 1") == tune


@settings(max_examples=12, deadline=None)
@given(st.lists(tunes(), min_size=1, max_size=2))
def test_the_laws_of_the_codec_in_every_form(found: list[Tune]) -> None:
    for form in ("voices", "roll", "events"):
        codec = MusicCodec.fit(found, form=form, steps=4, window=48)
        pieces = [piece for tune in found for piece in codec.parts(tune)]
        check_codec(codec, pieces)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=30))
def test_events_hold_a_tune_without_loss(steps: list[tuple[int, int]]) -> None:
    notes, now = [], 0
    for rest, length in steps:
        notes.append(Note(60 + length % 12, now + rest, 1 + length % 32))
        now = notes[-1].end
    form = Events(60, 12, 1)
    clean = tidy(notes)
    again, length = form.decode(form.encode(Tune(clean, now, 4)))
    assert (tuple(again), length) == (clean, now)


def test_held_and_struck_notes_are_told_apart() -> None:
    tune = Tune((Note(60, 0, 2), Note(60, 2, 2)), 4, 4)
    form = Voices(60, 1, (0,), holds=True)
    assert form.encode(tune)[:, 0].tolist() == [1, 2, 1, 2]
    assert form.decode(form.encode(tune))[0] == [Note(60, 0, 2), Note(60, 2, 2)]
    assert Roll(60, 1).decode(Roll(60, 1).encode(tune))[0] == [Note(60, 0, 4)]


def test_windows_lose_nothing_and_transposing_stays_within() -> None:
    tune = Tune(tuple(Note(60 + place % 5, place, 1) for place in range(50)), 50, 4)
    codec = MusicCodec.fit([tune], form="voices", window=16, transpose=3)
    pieces = codec.parts(tune)
    assert [piece.length for piece in pieces] == [16, 16, 16, 16]
    assert [note.pitch for piece in pieces[:3] for note in piece.notes] == [note.pitch for note in tune.notes[:48]]
    assert pieces[-1] == cut(tune, 34, 50)
    # five pitches leave no room to transpose
    assert codec.parts(tune, training=True) == pieces
    low = Tune((Note(60, 0, 16),), 16, 4)
    assert {piece.notes[0].pitch for piece in codec.parts(low, training=True)} == {60, 61, 62, 63}


def test_the_grid_is_the_coarsest_that_fits() -> None:
    def of(*starts: int) -> Tune:
        return Tune(tidy(Note(60, start, 10) for start in starts), 2000, 480)

    assert coarsest([of(0, 480, 960)]) == 1
    assert coarsest([of(0, 240, 960)]) == 2
    assert coarsest([of(0, 160, 320)]) == 3
    assert on_grid(of(0, 118, 241), 4).notes == (Note(60, 0, 1), Note(60, 1, 1), Note(60, 2, 1))
    # sixteenths in one voice on a grid of eighths: those between are left out; a chord of short notes stays
    run = Tune(tidy(Note(60 + start, start, 1) for start in range(8)), 8, 4)
    assert on_grid(run, 2).notes == tuple(Note(60 + start, start // 2, 1) for start in range(0, 8, 2))
    assert len(on_grid(Tune(tidy([Note(60, 0, 1), Note(64, 0, 1)]), 4, 4), 1)) == 2
    two = joined([of(0), of(0)])
    assert [note.start for note in two.notes] == [0, 2 * 1920 + 1920]


def test_a_note_sounds_at_its_pitch_and_nothing_clicks() -> None:
    for pitch, hertz in ((69, 440.0), (57, 220.0), (81, 880.0)):
        heard = sound(Tune((Note(pitch, 0, 8),), 8, 4, 60.0)).astype(float)
        power = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        assert power.argmax() * RATE / len(heard) == pytest.approx(hertz, abs=1.0)
    heard = sound(Tune((Note(48, 0, 4), Note(72, 1, 2), Note(60, 4, 4)), 8, 4)).astype(float) / 32767
    assert np.abs(heard).max() == pytest.approx(0.9, abs=0.01)
    assert heard[0] == heard[-1] == 0
    # the highest sine of note 72 changes by 2 pi f / RATE of its part a sample; a click would change by far more
    assert np.abs(np.diff(heard)).max() < 0.5


def test_wav_is_what_players_expect(tmp_path: Path) -> None:
    write_wav(Tune((Note(69, 0, 4),), 4, 4, 60.0), tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        assert file.getnframes() == pytest.approx(RATE * 1.29, rel=0.01)


# files that are odd


def track(*events: tuple[int, bytes]) -> bytes:
    body = b"".join(bytes([delta]) + event for delta, event in events)
    return b"MTrk" + struct.pack(">I", len(body)) + body


def midi(*tracks: bytes, form: int = 1, division: int = 96) -> bytes:
    return b"MThd" + struct.pack(">IHHH", 6, form, len(tracks), division) + b"".join(tracks)


END = (0, b"\xff\x2f\x00")
NOTE = ((0, b"\x90\x3c\x40"), (96, b"\x80\x3c\x40"))


def test_midi_within_riff_is_read() -> None:
    plain = midi(track(*NOTE))
    wrapped = b"RIFF" + struct.pack("<I", len(plain) + 12) + b"RMIDdata" + struct.pack("<I", len(plain)) + plain
    assert read_midi(wrapped, "a.rmi")[0] == read_midi(plain, "a.mid")[0]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"hello, this is no music", "doesn't begin with MThd"),
        (midi(track(END)), "no notes"),
        (midi(track((0, b"\x99\x3c\x40"), (96, b"\x89\x3c\x40"), END)), "only drums"),
        (midi(track(*NOTE), division=0), "no ticks"),
        (midi(track(*NOTE), form=2), "format 2"),
        (midi(track((0, b"\x90\x3c\x40"), *[(127, b"\xb0\x07\x40")] * 3, (0, b"\x80\x3c\x40")), division=1)[:-1], None),
        (midi(b"MTrk\x00\x00\x00\x0c\x00\x90\x3c\x40\xff\xff\xff\x7f\x80\x3c\x40\x00"), "lasts 2,796,203 quarter notes"),
    ],
)
def test_what_can_not_be_read_is_refused_in_a_sentence(data: bytes, says: str | None) -> None:
    if says is None:
        assert read_midi(data, "a.mid")[0].length == 381
        return
    with pytest.raises(BadInput, match=says):
        read_midi(data, "a.mid")


def test_what_is_damaged_is_mended_and_said() -> None:
    hanging = midi(track((0, b"\x90\x3c\x40"), (96, b"\x90\x3e\x40"), (96, b"\x80\x3e\x00"), END))
    tune, said = read_midi(hanging, "a.mid")
    assert tune.notes == (Note(60, 0, 192, 0, 64), Note(62, 96, 96, 0, 64))
    assert "without an end" in next(iter(said))
    tune, said = read_midi(midi(track(*NOTE, END))[:-4], "a.mid")
    assert len(tune) == 1
    assert "break off" in next(iter(said))
    odd = midi(track((0, b"\xff\x58\x04\x00\x00\x18\x08"), (0, b"\xff\x58\x04\x07\x03\x18\x08"), *NOTE, END))
    tune, said = read_midi(odd, "a.mid")
    assert tune.metre == (7, 8)
    assert "make no sense" in next(iter(said))
    tune, said = read_midi(midi(track(*NOTE, (0, b"\x99\x23\x40"), (9, b"\x89\x23\x40"), END)), "a.mid")
    assert (len(tune), next(iter(said))) == (1, "notes of drums left out")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 400))
def test_any_bytes_are_read_or_refused(noise: bytes, at: int) -> None:
    data = bytearray(midi_bytes(Tune((Note(60, 0, 4), Note(64, 4, 4, 1)), 8, 4)))
    data[at % len(data) : at % len(data) + len(noise)] = noise
    notes: tuple[Note, ...] = ()
    with contextlib.suppress(BadInput):
        notes = read_midi(bytes(data), "a.mid")[0].notes
    assert notes == tidy(notes)


def test_a_folder_says_what_was_left_out(tmp_path: Path) -> None:
    for number in range(12):
        write_midi(Tune((Note(60 + number, 0, 4), Note(62, 4, 4)), 8, 4), tmp_path / f"{number}.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd nothing")
    (tmp_path / "drums.mid").write_bytes(midi(track((0, b"\x99\x3c\x40"), (96, b"\x89\x3c\x40"), END)))
    (tmp_path / "hangs.mid").write_bytes(midi(track((0, b"\x90\x3c\x40"), (96, b"\xb0\x07\x40"), END)))
    rows = [f"{number}.mid,{'test' if number > 8 else 'train'},{'reel' if number % 2 else 'jig'}" for number in range(12)]
    (tmp_path / "splits.csv").write_text("\n".join(["file,split,dance", *rows]))
    source = open_source(str(tmp_path))
    assert (source.kind, len(source.items)) == ("music", 13)
    assert {name for name, _ in source.skipped} == {"broken.mid", "drums.mid"}
    assert any("without an end" in note and "hangs.mid" in note for note in source.notes)
    assert source.split is not None
    assert {name: len(rows) for name, rows in source.split.items()} == {"train": 9, "holdout": 3}


def test_lists_of_pitches() -> None:
    found, _ = tunes_of({"train": [[[72, 60], [72, 60], [74, -1]]], "test": [[[70, 58]]]}, "a-quarter.json")
    assert found[0] == ("train", Tune((Note(72, 0, 2, 0), Note(60, 0, 2, 1), Note(74, 2, 1, 0)), 3, 1))
    chords, _ = tunes_of([[[60, 64], [60], []]], "b.json")
    assert chords[0][1] == Tune((Note(64, 0, 1), Note(60, 0, 2)), 3, 4)
    with pytest.raises(BadInput, match=r"c.json, tune 1, step 2: '300' is no pitch"):
        tunes_of([[[60], [300]]], "c.json")
    with pytest.raises(BadInput, match="no JSON"):
        parsed(b"[[[60", "d.json")


# rules


def test_voices_never_cross_in_whatever_order_they_are_settled() -> None:
    pitch = torch.tensor([-1, 0, 1, 2, 3])
    rules = Voicing(pitch, torch.tensor([[1, 3], [0, 2], [0, 1]]), torch.zeros(3, dtype=torch.int64))
    good = set()
    for row in itertools.product(range(5), repeat=3):
        pitches = [int(pitch[place]) for place in row]
        heard = [one for one in pitches if one >= 0]
        within = all(one < 0 or low <= one <= high for one, (low, high) in zip(pitches, ((1, 3), (0, 2), (0, 1)), strict=True))
        if within and heard == sorted(heard, reverse=True):
            good.add(row)
    for order in itertools.permutations(range(3)):
        rows = {((0, 0, 0), frozenset[int]())}
        for voice in order:
            after = set()
            for row, known in rows:
                flags = torch.tensor([[[place in known for place in range(3)]]])
                allowed = rules.allowed(torch.tensor([[row]]), flags)[0, 0, voice]
                assert bool(allowed.any())
                for number in allowed.nonzero()[:, 0].tolist():
                    after.add(((*row[:voice], number, *row[voice + 1 :]), known | {voice}))
            rows = after
        assert {row for row, _ in rows} <= good
        # all voices that sound: nothing that keeps the rules is ruled out
        assert {row for row in good if 0 not in row} <= {row for row, _ in rows}


def test_the_grammar_of_events_takes_tunes_and_nothing_else() -> None:
    form = Events(60, 3, 2)
    rules = EventRules(32, np.array([[60, 61], [61, 62]]), 60, 3, 32)

    def takes(ids: list[int]) -> bool:
        state = np.array([rules.start])
        for number in ids:
            state = rules.step(state)[:, number]
            if state[0] < 0:
                return False
        return bool(rules.accepts(state)[0])

    fine = Tune((Note(60, 1, 3, 0), Note(62, 1, 2, 1)), 4, 4)
    ids = form.encode(fine).tolist()
    assert takes(ids)
    assert not takes(ids[:-1][:2])
    assert not takes([3])
    low = form.encode(Tune((Note(60, 0, 1, 1),), 1, 4)).tolist()
    assert not takes(low)


def test_events_end_with_a_whole_beat_after_their_notes() -> None:
    form, rules = Events(60, 1, 1), EventRules(32, np.array([[60, 60]]), 60, 1, 32, beat=4)
    rest, note = (lambda steps: steps - 1), (lambda steps: [form.first_pitch, form.first_length + steps - 1])

    def ended(ids: list[int]) -> tuple[bool, bool]:
        """(whether a tune may end here, whether it may within two more ids)."""
        state = np.array([rules.start])
        for number in ids:
            state = rules.step(state)[:, number]
        return bool(rules.accepts(state)[0]), bool(rules.fits(state, 2)[0])

    assert ended([*note(3), rest(4)]) == (True, True)
    # a beat broken off, and a note that goes on beyond the end
    assert ended([*note(3), rest(3)]) == (False, True)
    assert ended([*note(5), rest(4)]) == (False, True)
    assert ended([*note(5), rest(4), rest(4)]) == (True, True)
    assert ended(note(5)[:1]) == (False, True)
    assert ended([rest(4)]) == (False, False)


class Even(Continues):
    """Every id is as likely as any other."""

    def __init__(self, vocab: int) -> None:
        self.vocab = vocab

    def next(self, ids: Tensor, condition: object = None, state: object = None) -> tuple[Tensor, object]:
        return torch.zeros(len(ids), self.vocab), None

    def surprise(self, x: Tensor, condition: object = None) -> Tensor:
        raise NotImplementedError


def test_tunes_drawn_as_events_are_whole_bars() -> None:
    tunes = [Tune(tune.notes, 16, 4) for tune in chorales()]
    codec = MusicCodec.fit(tunes, form="events")
    assert codec.beat == 16
    # one in four ends on its second beat: a whole number of beats is left
    some = MusicCodec.fit([*tunes[15:], *(Tune(tune.notes[:10], 12, 4) for tune in tunes[:15])], form="events")
    assert some.beat == 4
    # pieces of a longer tune too
    later = tuple(note._replace(start=note.start + 32) for note in tunes[1].notes)
    assert [part.length for part in codec.parts(Tune(tunes[0].notes + later, 64, 4))] == [32, 32]
    spec = codec.spec
    state = Noise(0, 40)
    drawn = torch.stack(list(stream(Even(spec.vocab), spec, {}, noise=state, constraint=Constraint([codec.machine()], spec))), 1)  # type: ignore[list-item]
    found = codec.decode(drawn.numpy())
    assert {tune.length % 16 for tune in found} == {0}
    assert all(codec.broken(tune) is None for tune in found)
    assert codec.broken(Tune((Note(60, 0, 4),), 13, 4)) == "an end within a beat"


def chorales() -> list[Tune]:
    """Two voices in thirds and sixths, the lower one following a scale."""
    found = []
    for number in range(60):
        notes = []
        for place in range(8):
            low = 48 + (number + place * (1 + number % 3)) % 9
            notes += [Note(low + (4 if (number + place) % 2 else 9), 2 * place, 2, 0), Note(low, 2 * place, 2, 1)]
        found.append(Tune(tidy(notes), 16, 4))
    return found


def test_tunes_are_arranged_as_another_class_has_them(tmp_path: Path, morelike_cli: Runner) -> None:
    for number, tune in enumerate(chorales()):
        # plain: the lower voice repeats one pitch
        plain = tuple(note if note.voice == 0 else note._replace(pitch=48) for note in tune.notes)
        for kind, notes in (("moving", tune.notes), ("plain", plain)):
            (tmp_path / "songs" / kind).mkdir(parents=True, exist_ok=True)
            write_midi(Tune(notes, tune.length, tune.resolution), tmp_path / "songs" / kind / f"{number}.mid")
    source = open_source(tmp_path / "songs")
    [label] = source.columns
    model = morelike.train(
        str(tmp_path / "songs"), model="rnn-nade", condition=(label,), out=str(tmp_path / "m"), steps=60, seed=0, size="xs",
    )  # fmt: skip
    from morelike.house.tunes import arrange

    tune = model.codec.read(tmp_path / "songs" / "moving" / "3.mid")[0]
    before, found = arrange(model.package, tune, {label: "plain"}, n=2)
    melody = [(n.pitch, n.start) for n in on_grid(tune, model.codec.steps).notes if n.voice == 0]
    assert all([(n.pitch, n.start) for n in one.tune.notes if n.voice == 0] == melody for one in found)
    assert before is not None
    assert before < 0.5 < (found[0].style or 0.0)
    low = [note.pitch for one in found for note in one.tune.notes if note.voice == 1]
    assert np.mean(np.array(low) == 48) > 0.5
    place = str(tmp_path / "songs" / "moving" / "3.mid")
    out = str(tmp_path / "plain.mid")
    ended = morelike_cli("translate", str(tmp_path / "m"), place, "--to", f"{label}=plain", "--out", out)
    assert f"{label}=plain: probability 0." in ended.out
    assert Path(out).is_file()
    for wrong, why in (
        ([], "name the class that the tune is to be of"), (["--to", "other=plain"], f"a tune goes to one class: --to {label}="),
        (["--to", f"{label}=waltz"], "waltz"), (["--to", f"{label}=plain", "--stop", "x"], "--stop isn't for tunes"),
    ):  # fmt: skip
        ended = morelike_cli("translate", str(tmp_path / "m"), place, *wrong, "--out", str(tmp_path / "no.mid"))
        assert ended.code == 2
        assert why in ended.err
        assert not (tmp_path / "no.mid").exists()


@pytest.mark.parametrize("family", ["masked", "rnn-nade"])
def test_from_midi_files_to_harmonies(family: str, tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    for number, tune in enumerate(chorales()):
        write_midi(tune, tmp_path / "songs" / f"{number}.mid")
    model = morelike.train(
        str(tmp_path / "songs"), model=family, out=str(tmp_path / "m"), steps=4, seed=0, size="xs",
    )  # fmt: skip
    assert model.codec.spec.shape == (8, 2)
    assert {"pitch-classes", "parallels", "rules-kept", "longest-copy"} <= set(model.card["scores"])
    from morelike.house.tunes import Part, fill, without_place

    assert not [fault for fault in map(model.codec.broken, model.sample(20, seed=2)) if fault is not None]
    assert [fault for fault in map(model.codec.broken, model.sample(20, seed=2, rules=False)) if fault is not None]
    given = chorales()[7]
    found = fill(model.package, given, Part(keep=(1,)), n=3, seed=1)
    soprano = [(note.pitch, note.start) for note in on_grid(given, 2).notes if note.voice == 0]
    for tune in found:
        assert [(note.pitch, note.start) for note in tune.notes if note.voice == 0] == soprano
        assert model.codec.broken(tune) is None
    with pytest.raises(BadInput, match="every voice is kept: there is nothing to draw"):
        fill(model.package, given, Part(keep=(1, 2)))
    longer = fill(model.package, given, Part(more=3), n=1)[0]
    assert longer.length == 8 + 3 * 8
    assert cut(longer, 0, 8).notes == on_grid(given, 2).notes
    bars = fill(model.package, longer, Part(bars=(2, 3)), n=1, seed=3)[0]
    assert cut(bars, 0, 8).notes == cut(longer, 0, 8).notes
    assert cut(bars, 24, 32).notes == cut(longer, 24, 32).notes
    # a voice that isn't kept stays outside of the bars
    lower = fill(model.package, longer, Part(keep=(1,), bars=(2, 2)), n=1, seed=3)[0]
    assert cut(lower, 0, 8).notes == cut(longer, 0, 8).notes
    assert cut(lower, 16, 32).notes == cut(longer, 16, 32).notes
    # bars that are no whole steps don't drift
    odd = replace(longer, metre=(5, 16))
    seventh = fill(model.package, odd, Part(bars=(7, 7)), n=1, seed=3)[0]
    assert cut(seventh, 0, 15).notes == cut(odd, 0, 15).notes
    assert cut(seventh, 18, 32).notes == cut(odd, 18, 32).notes
    with pytest.raises(BadInput, match="the bars 1 to 13"):
        fill(model.package, odd, Part(bars=(14, 14)))
    three = replace(given, notes=tidy([*given.notes, Note(40, 0, 4, 2), Note(41, 4, 4, 2)]))
    assert [without_place(model.codec, three, part) for part in (Part(bars=(1, 1)), Part(keep=(1,)))] == [2, 0]
    with pytest.raises(BadInput, match="the bars 1 to 1"):
        fill(model.package, given, Part(bars=(2, 2)))
    with pytest.raises(BadInput, match="voices 1 to 2"):
        fill(model.package, given, Part(keep=(3,)))


def test_another_reader_of_midi_reads_the_same(tmp_path: Path) -> None:
    symusic = pytest.importorskip("symusic", reason="symusic, which tests compare with, is not installed")
    notes = (Note(50 + 9 * voice + 5 * step % 8, 4 * step, 1 + step % 4, voice) for step in range(16) for voice in range(3))
    tune = Tune(tidy(notes), 64, 4, 90.0)
    write_midi(tune, tmp_path / "tune.mid")
    score = symusic.Score(str(tmp_path / "tune.mid"))
    scale = score.ticks_per_quarter // tune.resolution
    found = {(note.pitch, note.start, note.duration, voice) for voice, track in enumerate(score.tracks) for note in track.notes}
    assert found == {(note.pitch, note.start * scale, note.length * scale, note.voice) for note in tune.notes}
    assert score.tempos[0].qpm == pytest.approx(90, abs=0.01)

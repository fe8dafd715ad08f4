"""Music <-> ids: voices by steps, a roll of pitches by steps, or events. Raw items are tunes (`data.tune.Tune`).

N items, T steps or events, V voices, R pitches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch

from ..core.errors import BadInput
from ..core.spec import Tokens
from ..maths.constraint import Machine
from ..maths.voicing import Beside, EventRules, Voicing
from .music_draw import draw_tunes
from .music_file import FORMS, tunes_in, write_tunes
from .music_forms import LENGTHS, Events, Form, Roll, Voices, placed, slots_of
from .tune import HIGHEST, LOWEST, Tune, coarsest, cut, on_grid, tidy, transposed
from .world import World

Named = Literal["voices", "roll", "events"]
_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24)
_WINDOW, _EVENTS = 64, 384
_LONGEST = 4096
_ORDERLY = 0.05
"""Voices are in an order where at most this share of steps has two neighbours the other way round; a beat is one that at most this share
of tunes breaks off."""


class MusicCodec(World):
    """Raw item: a `Tune`. Decoded: the same on the grid, in the training tunes' commonest tempo, metre and instruments.

    `form` says how it is written for the model. "voices": (T,V) the pitch of each voice at each step; "roll": (T,R) which pitches sound;
    "events": (T,) notes one after another. Tunes longer than a window are cut into several examples.
    """

    kind: ClassVar[str] = "music"
    loss: ClassVar[str] = "times between the grid's steps, loudness, and what the form doesn't tell apart"
    forms: ClassVar[Mapping[str, str]] = FORMS
    page: ClassVar[tuple[int, int]] = (4, 2)

    def __init__(self, form: Form, window: int, ends: bool, grid: Mapping[str, Any]) -> None:
        """`window`: T; `ends`: whether a tune may end before it, so that there is a stop. `grid`: steps, tempo, metre, programs, velocity,
        ranges (of each voice or slot: lowest, highest), groups (slots of one number keep their order), transpose, said; of events the beat
        with which tunes end."""
        self.form, self.grid = form, dict(grid)
        self.ranges = np.asarray(grid["ranges"], np.int64).reshape(-1, 2)
        self.spec: Tokens = Tokens((window, *form.shape), form.vocab + ends, form.vocab if ends else None)
        self.dtype = np.min_scalar_type(self.spec.vocab - 1)

    @classmethod
    def fit(  # type: ignore[override]
        cls, items: Iterable[Tune], form: Named | None = None, steps: int | None = None, window: int | None = None, transpose: int = 0
    ) -> Self:
        """Pitches of the whole source, of which the training items are a part; all else of the training items.

        `steps`: of a quarter note; by default the fewest that 98 % of notes begin on. `window`: T; by default the longest tune, at most
        64 steps or 384 events. `transpose`: learn every tune also up to so many semitones higher and lower, within the pitches. Raises
        BadInput for settings that can't be.
        """
        _check(form, steps, window, transpose)
        train = [tune for tune in items if tune.notes]
        if not train:
            raise BadInput("no training tune has a note")
        steps = steps or coarsest(train[:200])
        train = [on_grid(tune, steps) for tune in train]
        whole = getattr(items, "whole", train)
        pitches = {note.pitch for tune in whole for note in tune.notes}
        low, high = min(pitches), max(pitches)
        slots = slots_of(train)
        # chords that nobody took apart into voices are a roll
        form = form or ("roll" if len(slots) > 1 and len(set(slots)) == 1 else "voices")
        made: Form
        if form == "voices":
            made = Voices(low, high - low + 1, slots, any(_repeats(tune) for tune in train))
        elif form == "roll":
            made = Roll(low, high - low + 1)
        else:
            made = Events(low, high - low + 1, min(16, max(tune.voices for tune in train)))
        coded = [made.encode(tune) for tune in train]
        window = min(window or (_EVENTS if form == "events" else _WINDOW), max(map(len, coded)) + (form == "events"))
        ends = form == "events" or any(round(tune.length * steps / tune.resolution) < window for tune in whole)
        first = Counter((tune.metre, tune.programs) for tune in train).most_common(1)[0][0]
        grid = {
            "steps": steps, "tempo": float(np.median([tune.tempo for tune in train])), "metre": list(first[0]),
            "programs": list(first[1]), "velocity": int(np.median([note.velocity for tune in train for note in tune.notes])),
            "transpose": transpose, "groups": _groups(made, coded), "ranges": _ranges(made, coded, train), "said": _said(made, train),
            "beat": _beat(train) if form == "events" else 1,
        }  # fmt: skip
        return cls(made, window, ends, grid)

    @property
    def steps(self) -> int:
        """Of a quarter note."""
        return int(self.grid["steps"])

    @property
    def beat(self) -> int:
        """Steps of which events make a tune a whole number."""
        return int(self.grid.get("beat", 1))

    def describe(self) -> list[str]:
        """Sentences on the grid and the form."""
        steps = f"{self.steps} {'step' if self.steps == 1 else 'steps'} a quarter note"
        low, pitches = self.form.low, self.form.pitches
        how = {
            Voices: f"voices (codec.form=voices): the pitches of {self.spec.shape[-1]} voices at each step",
            Roll: f"a roll (codec.form=roll): which of {pitches} pitches sound at each step; voices and repeated notes are not told apart",
            Events: f"events (codec.form=events): rests, and each note's pitch and length, at most {LENGTHS} steps",
        }[type(self.form)]
        unit = "events" if isinstance(self.form, Events) else f"steps ({self.spec.shape[0] / self.steps:g} quarters)"
        shifted = self.grid["transpose"]
        more = [f"Training tunes are also learnt up to {shifted} semitones higher and lower."] if shifted else []
        return [
            f"Written as {how}.",
            f"Times are rounded to {steps}; pitches {low} to {low + pitches - 1}; examples of {self.spec.shape[0]} {unit}.",
            *more, *self.grid["said"],
        ]  # fmt: skip

    def pieces(self, items: Sequence[Tune], dense: bool) -> tuple[np.ndarray, np.ndarray]:
        """The parts of all tunes, coded; `dense`: also transposed."""
        found = [(number, part) for number, item in enumerate(items) for part in self.parts(item, dense)]
        return self.encode([part for _, part in found]), np.array([number for number, _ in found], np.int64)

    def parts(self, item: Tune, training: bool = False) -> list[Tune]:
        """A tune as examples within the window, side by side, the last one ending where the tune does. `training`: also transposed."""
        tune, window = on_grid(item, self.steps), self.spec.shape[0]
        found = []
        if isinstance(self.form, Events):
            found = self._by_events(tune, window - 1)
        else:
            last = max(0, tune.length - window)
            starts = [*range(0, last, window), last]
            found = [cut(tune, start, start + window) for start in starts]
            found = [piece for piece in found if piece.notes] or found[:1]
        reach = self.grid["transpose"] if training else 0
        return [shifted for piece in found for shifted in self._shifted(piece, reach)]

    def _shifted(self, piece: Tune, reach: int) -> list[Tune]:
        own = [note.pitch for note in piece.notes] or [self.form.low]
        low, high = self.form.low - min(own), self.form.low + self.form.pitches - 1 - max(own)
        return [transposed(piece, by) for by in range(max(-reach, low), min(reach, high) + 1)]

    def _by_events(self, tune: Tune, most: int) -> list[Tune]:
        """Pieces of at most so many events, halved where they have more."""
        if tune.length < 2 or len(self.form.encode(tune)) <= most:
            return [tune]
        half = tune.length // 2
        half -= half % self.beat if half > self.beat else 0
        return [*self._by_events(cut(tune, 0, half), most), *self._by_events(cut(tune, half, tune.length), most)]

    def encode(self, items: Sequence[Tune]) -> np.ndarray:
        """(N,*) ids of tunes within the window, padded with the stop. Raises BadInput for pitches never seen and for longer tunes."""
        out = np.full((len(items), *self.spec.shape), self.spec.stop or 0, dtype=self.dtype)
        low, pitches = self.form.low, self.form.pitches
        for row, item in enumerate(items):
            tune = on_grid(item, self.steps)
            strange = next((note.pitch for note in tune.notes if not low <= note.pitch < low + pitches), None)
            if strange is not None:
                raise BadInput(f"a tune has the pitch {strange}; this model knows {low} to {low + pitches - 1}: transpose it")
            ids = self.form.encode(tune)
            room = self.spec.shape[0] - isinstance(self.form, Events)
            if len(ids) > room:
                raise BadInput(f"a tune has {len(ids):,} steps or events; a window holds {room:,}")
            out[row, : len(ids)] = ids
        return out

    def decode(self, x: np.ndarray) -> list[Tune]:
        """N tunes from ids (N,*), each up to its first stop."""
        found = []
        for row in np.asarray(x).astype(np.int64):
            stops = np.flatnonzero((row == (-1 if self.spec.stop is None else self.spec.stop)).reshape(len(row), -1).any(1))
            notes, length = self.form.decode(row[: stops[0]] if len(stops) else row)
            notes = [note._replace(velocity=self.grid["velocity"]) for note in notes]
            found.append(self.tune(notes, length))
        return found

    def tune(self, notes: Sequence[Any], length: int) -> Tune:
        """A tune on the grid, of `length` steps, in the usual tempo, metre and instruments."""
        grid, metre = self.grid, self.grid["metre"]
        return Tune(tidy(notes), length, self.steps, grid["tempo"], (metre[0], metre[1]), programs=tuple(grid["programs"]))

    def state(self) -> dict[str, Any]:
        form = {"name": type(self.form).__name__.lower(), **vars(self.form)}
        return {"form": form, "window": self.spec.shape[0], "ends": self.spec.stop is not None, "grid": self.grid}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        own = dict(state["form"])
        name = own.pop("name")
        own |= {"slots": tuple(own["slots"])} if "slots" in own else {}
        kinds: dict[str, Any] = {"voices": Voices, "roll": Roll, "events": Events}
        form: Form = kinds[name](**own)
        return cls(form, int(state["window"]), bool(state["ends"]), state["grid"])

    def machine(self) -> Machine | None:
        if not isinstance(self.form, Events):
            return None
        form = self.form
        return EventRules(LENGTHS, self.ranges, form.low, form.pitches, LENGTHS, self.beat)

    def beside(self) -> Beside | None:
        """The rules of voices that sound together, where they are known."""
        if not isinstance(self.form, Voices):
            return None
        pitch = np.append(self.form.pitches_of(np.arange(self.form.vocab)), [-1] * (self.spec.vocab - self.form.vocab))
        voicing = Voicing(torch.from_numpy(pitch), torch.from_numpy(self.ranges), torch.tensor(self.grid["groups"]))
        return Beside(voicing, self.spec.stop)

    def broken(self, item: Tune) -> str | None:
        """A voice out of its range, or above the one over it; of a roll nothing is asked."""
        if isinstance(self.form, Roll):
            return None
        if isinstance(self.form, Events):
            out = any(not self.ranges[n.voice, 0] <= n.pitch <= self.ranges[n.voice, 1] for n in item.notes if n.voice < len(self.ranges))
            late = "an end within a beat" if on_grid(item, self.steps).length % self.beat else None
            return "a voice out of its range" if out else late if item.notes else "no note"
        sounding = self.form.pitches_of(self.form.encode(on_grid(item, self.steps)))
        heard = sounding >= 0
        if bool((heard & ((sounding < self.ranges[:, 0]) | (sounding > self.ranges[:, 1]))).any()):
            return "a voice out of its range"
        return "voices that cross" if crossed(sounding, self.grid["groups"]).any() else None

    def facts(self) -> dict[str, Any]:
        slots = list(self.form.slots) if isinstance(self.form, Voices) else []
        return {"steps": self.steps, "slots": slots, "ranges": self.ranges.tolist(), "groups": list(self.grid["groups"])}

    def read(self, path: Path) -> list[Tune]:
        """The tunes of a MIDI or JSON file. Raises BadInput with file and place."""
        return tunes_in(path)

    def draw(self, items: Sequence[Tune], path: Path, columns: int | None = None) -> None:
        """Writes one PNG: a piano roll of each tune, voices in colours."""
        coarse = [on_grid(tune, self.steps) for tune in items]
        notes = [[(note.start, note.length, note.pitch, note.voice) for note in tune.notes] for tune in coarse]
        draw_tunes(notes, path, columns or 2, coarse[0].bar if coarse else 16)

    def write(self, items: Sequence[Tune], path: Path, ending: str) -> None:
        """Writes tunes as `forms` says."""
        write_tunes(items, path, ending)


def _check(form: str | None, steps: int | None, window: int | None, transpose: int) -> None:
    if form is not None and form not in get_args(Named):
        raise BadInput(f"codec.form must be one of {', '.join(get_args(Named))}, not {form!r}.")
    if steps is not None and steps not in _STEPS:
        raise BadInput(f"codec.steps must be one of {', '.join(map(str, _STEPS))} a quarter note, not {steps}.")
    if window is not None and not 2 <= window <= _LONGEST:
        raise BadInput(f"codec.window must be between 2 and {_LONGEST:,} steps or events, not {window}.")
    if not LOWEST <= transpose <= HIGHEST:
        raise BadInput(f"codec.transpose must be between 0 and {HIGHEST} semitones, not {transpose}.")


def _repeats(tune: Tune) -> bool:
    """Whether a note is struck again at once, which only files that tell holds from repeats say."""
    ends = {(note.voice, note.pitch, note.end) for note in tune.notes}
    return any((note.voice, note.pitch, note.start) in ends for note in tune.notes)


def _beat(train: Sequence[Tune]) -> int:
    """Steps: the longest of a bar of the commonest metre, half of one, and a quarter note of which nearly all tunes are whole numbers."""
    bar = Counter(tune.bar for tune in train).most_common(1)[0][0]
    whole = (beat for beat in (bar, bar // 2, train[0].resolution) if beat)
    return next((beat for beat in whole if sum(tune.length % beat != 0 for tune in train) <= _ORDERLY * len(train)), 1)


def _groups(form: Form, coded: Sequence[np.ndarray]) -> list[int]:
    """A number for each slot: one for all where they lie in order, the highest first, in nearly all steps; else its voice."""
    if not isinstance(form, Voices):
        return []
    alike = [0] * len(form.slots)
    steps = crossed(form.pitches_of(np.concatenate(coded)), alike)
    return alike if steps.mean() <= _ORDERLY else list(form.slots)


def crossed(sounding: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """(T,) bool: whether at a step of (T,V) pitches, -1 for silence, a voice is above an earlier one of its group."""
    found = np.zeros(len(sounding), bool)
    for number in set(groups):
        own = sounding[:, [slot for slot, group in enumerate(groups) if group == number]]
        ceiling = np.minimum.accumulate(np.where(own < 0, HIGHEST + 1, own), 1)
        found |= (own[:, 1:] > ceiling[:, :-1]).any(1)
    return found


def _ranges(form: Form, coded: Sequence[np.ndarray], train: Sequence[Tune]) -> list[list[int]]:
    """[lowest, highest] of each slot or voice in the training tunes; [] of a roll."""
    if isinstance(form, Roll):
        return []
    if isinstance(form, Voices):
        heard = form.pitches_of(np.concatenate(coded))
        own = [heard[heard[:, slot] >= 0, slot] for slot in range(len(form.slots))]
    else:
        assert isinstance(form, Events)
        own = [np.array([note.pitch for tune in train for note in tune.notes if note.voice == voice]) for voice in range(form.voices)]
    return [[int(pitches.min()), int(pitches.max())] if len(pitches) else [LOWEST, LOWEST] for pitches in own]


def _said(form: Form, train: Sequence[Tune]) -> list[str]:
    """What the form has no room for."""
    if isinstance(form, Voices):
        most = dict(Counter(form.slots))
        lost = sum(place < 0 for tune in train for _, place in placed(tune, most))
        total = sum(len(tune) for tune in train)
        what = f"{lost:,} of {total:,} notes have no place, for more sound at once than {len(form.slots)} voices hold."
        held = "Held and repeated notes are not told apart." if not form.holds else ""
        return [text for text in (what if lost else "", held) if text]
    if isinstance(form, Events):
        lost = sum(note.length > LENGTHS for tune in train for note in tune.notes)
        return [f"{lost:,} notes are longer than {LENGTHS} steps, and cut."] if lost else []
    return []

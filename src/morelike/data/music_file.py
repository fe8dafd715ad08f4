"""Files of tunes: MIDI, lists of notes or of steps as JSON, and sound."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import BadInput
from .columns import split_word
from .files import FolderFiles
from .music_midi import LARGEST, read_midi, write_midi
from .music_sound import write_wav
from .tune import HIGHEST, LOWEST, TEMPO, Note, Tune, joined, tidy

FORMS: Mapping[str, str] = {
    "": "a folder of MIDI files, one a tune", ".mid": "MIDI, several tunes one after another", ".wav": "sound, one after another",
    ".json": "lists of notes",
}  # fmt: skip
JSON = (".json", ".json.gz")
_JSON_LARGEST = 256 << 20
_LONGEST = 100_000
_VALUES = (("32", 8), ("16", 4), ("sixteenth", 4), ("eighth", 2), ("8", 2), ("quarter", 1), ("4", 1), ("half", 1))
"""Words of a file's name, and how many steps a quarter note then has."""


def write_tunes(tunes: Sequence[Tune], path: Path, ending: str) -> None:
    """Writes tunes to `path` as `FORMS[ending]` says."""
    if ending == "":
        path.mkdir()
        digits = max(5, len(str(len(tunes) - 1)))
        for number, tune in enumerate(tunes):
            write_midi(tune, path / f"{number:0{digits}d}.mid")
    elif ending == ".json":
        path.write_text(json.dumps({"tunes": [as_json(tune) for tune in tunes]}), encoding="utf-8")
    else:
        (write_midi if ending == ".mid" else write_wav)(joined(tunes), path)


def as_json(tune: Tune) -> dict[str, Any]:
    """A tune as JSON values; `from_json` is the inverse."""
    return {
        "notes": [list(note) for note in tune.notes], "length": tune.length, "resolution": tune.resolution, "tempo": tune.tempo,
        "metre": list(tune.metre), "key": None if tune.key is None else list(tune.key), "programs": list(tune.programs),
    }  # fmt: skip


def tunes_in(path: Path) -> list[Tune]:
    """The tunes of a user's own file. Raises BadInput with file and place."""
    files = FolderFiles(path.parent, [path.name])
    if path.name.lower().endswith(JSON):
        return [tune for _, tune in tunes_of(parsed(read_bytes(files, path.name), path.name), path.name)[0]]
    return [read_midi(files.read(path.name, LARGEST), path.name)[0]]


def read_bytes(files: Any, name: str) -> bytes:
    """A JSON file's bytes, unpacked where it is gzipped. Raises BadInput for one that is damaged or unpacks to more than 256 MB."""
    data: bytes = files.read(name, _JSON_LARGEST)
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            data = stream.read(_JSON_LARGEST + 1)
    except (OSError, EOFError, ValueError) as error:
        raise BadInput(f"{name} can't be unpacked: {error}") from error
    if len(data) > _JSON_LARGEST:
        raise BadInput(f"{name} unpacks to more than {_JSON_LARGEST:,} bytes")
    return data


def is_music(data: bytes) -> bool:
    """Whether the beginning of a JSON text looks like tunes: lists of steps (lists of numbers), or what `write_tunes` writes."""
    head = data[:4096].decode("utf-8", "replace")
    if re.match(r'\s*\{\s*"tunes"\s*:\s*\[\s*\{\s*"notes"', head):
        return True
    return bool(re.match(r'\s*(\{\s*"\w+"\s*:\s*)?\[\s*\[\s*\[\s*(-?\d+(\.0)?\s*[,\]]|\])', head))


def parsed(data: bytes, name: str) -> Any:
    """The JSON value of bytes. Raises BadInput where it is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is no JSON that can be read: {error}") from error


def shape(value: Any) -> dict[str, int]:
    """How many tunes each part of a JSON value holds."""
    return {key: len(_list(part)) for key, part in _parts(value).items()}


def voices_of(value: Any) -> int:
    """How many voices the steps of a JSON value have: equally many pitches in every step of every tune, -1 for silence; else 0."""
    steps = [step for part in _parts(value).values() for tune in _list(part) for step in _list(tune)]
    counts = {len(_list(step)) for step in steps}
    return counts.pop() if len(counts) == 1 else 0


def tunes_of(value: Any, name: str) -> tuple[list[tuple[str | None, Tune]], list[str]]:
    """((the split that it is of, a tune) of a JSON value, what was understood). Known are an object of the splits' names, and a list: of
    tunes, each a list of steps, each the list of the pitches that sound; or what `write_tunes` writes.

    Raises BadInput with file, tune and step.
    """
    if isinstance(value, dict) and isinstance(value.get("tunes"), list):
        return [(None, from_json(tune, f"{name}, tune {number}")) for number, tune in enumerate(value["tunes"], 1)], []
    parts = _parts(value)
    if any(key and split_word(key) is None for key in parts) or not all(isinstance(part, list) for part in parts.values()):
        raise BadInput(f"{name} holds no tunes: its keys should be train, valid and test, each a list of tunes, or tunes")
    voices = voices_of(value)
    resolution, how = _resolution(name)
    found = []
    for key, part in parts.items():
        for number, tune in enumerate(part, 1):
            where = f"{name}, tune {number}" + (f" of {key}" if key else "")
            found.append((split_word(key) if key else None, _from_steps(_list(tune), bool(voices), resolution, where)))
    what = f"{voices} voices, for every step has as many pitches" if voices else "chords without voices"
    return found, [f"{name}: {what}; {how}"]


def _parts(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"": value}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _resolution(name: str) -> tuple[int, str]:
    """(steps a quarter note, how that is known)."""
    plain = name.lower()
    for word, steps in _VALUES:
        if re.search(rf"(?<!\d){word}(?!\d)", plain):
            return steps, f"{steps} {'step' if steps == 1 else 'steps'} a quarter note, by its name"
    return 4, "4 steps a quarter note, for nothing says how many"


def _from_steps(steps: list[Any], voices: bool, resolution: int, where: str) -> Tune:
    if len(steps) > _LONGEST:
        raise BadInput(f"{where} has {len(steps):,} steps; at most {_LONGEST:,} are read")
    began: dict[tuple[int, int], int] = {}
    notes = []
    for number, step in enumerate([*steps, []]):
        if not isinstance(step, list):
            raise BadInput(f"{where}, step {number + 1}: a list of pitches is expected, not {str(step)[:40]!r}")
        now = {(_pitch(value, where, number), place if voices else 0) for place, value in enumerate(step)} if step else set()
        now = {one for one in now if one[0] >= 0}
        for one in [one for one in began if one not in now]:
            notes.append(Note(one[0], began[one], number - began.pop(one), one[1]))
        for one in now:
            began.setdefault(one, number)
    return Tune(tidy(notes), len(steps), resolution)


def _pitch(value: Any, where: str, step: int) -> int:
    """A MIDI pitch, or -1 for silence (-1, or no number)."""
    if isinstance(value, float) and math.isnan(value):
        return -1
    if not isinstance(value, int | float) or isinstance(value, bool) or value != int(value) or not -1 <= value <= HIGHEST:
        raise BadInput(f"{where}, step {step + 1}: {str(value)[:40]!r} is no pitch of {LOWEST} to {HIGHEST}, nor -1 for silence")
    return int(value)


def from_json(value: Any, where: str) -> Tune:
    """A tune from `as_json`'s values. Raises BadInput naming what is wrong."""
    try:
        notes = [Note(*map(int, row)) for row in value["notes"]]
        length, resolution = int(value.get("length", 0)), int(value.get("resolution", 4))
        tempo, key = float(value.get("tempo", TEMPO)), value.get("key")
        metre, programs = tuple(map(int, value.get("metre", (4, 4)))), tuple(map(int, value.get("programs", ())))
        own_key = None if key is None else (int(key[0]), bool(key[1]))
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise BadInput(f"{where} is no tune: {error}") from error
    good = all(LOWEST <= note.pitch <= HIGHEST and note.start >= 0 and note.length > 0 and 0 <= note.voice < 256 for note in notes)
    loud = all(0 < note.velocity <= 127 for note in notes) and all(0 <= program <= 127 for program in programs)
    fits = len(metre) == 2 and 1 <= metre[0] <= 64 and metre[1] in (1, 2, 4, 8, 16, 32, 64)
    short = max([length, *(note.end for note in notes)]) <= _LONGEST * resolution
    if not (good and loud and fits and short and resolution > 0 and 0 < tempo < 1e4):
        raise BadInput(f"{where} has a note, metre or tempo out of range")
    clean = tidy(notes)
    end = max([length, *(note.end for note in clean)])
    return Tune(clean, end, resolution, tempo, (metre[0], metre[1]), own_key, programs)


def said(mended: Mapping[str, Counter[str]]) -> list[str]:
    """Sentences on what was mended: file -> words -> how often."""
    total: Counter[str] = Counter()
    files: dict[str, list[str]] = {}
    for name, counts in mended.items():
        total += counts
        for words in counts:
            files.setdefault(words, []).append(name)
    places = {words: f"{len(own):,} {'file' if len(own) == 1 else 'files'}, first {own[0]}" for words, own in files.items()}
    return [f"{total[words]:,} {words} (in {place})" for words, place in places.items()]

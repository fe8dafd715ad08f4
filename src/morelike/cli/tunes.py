"""The verbs `restore`, `extend` and `translate` for models of music: from a MIDI file and what is to be drawn of it to files."""

from __future__ import annotations

import re
from pathlib import Path

from ..core.errors import BadInput
from ..data.music import MusicCodec
from ..data.tune import Tune
from ..house import tunes as house
from ..house import writing
from ..house.model import Model
from ..house.tunes import Part
from . import show
from .drawing import dials_of, where_of
from .tasking import Words

_MOST_BARS = 256
_NAMES = {"melody": 1, "soprano": 1, "alto": 2, "tenor": 3, "bass": 4}


def restore(model: Model, words: Words, kept: str | None, bars: str | None, n: int | None, out: str | None, as_json: bool) -> None:
    """Draws voices or bars of a tune anew, and writes the alternatives."""
    _fill(model, words, Part(_voices(kept), _bars(bars)), n or 1, out or "restored.mid", as_json)


def extend(model: Model, words: Words, n: int, length: int | None, out: str | None, as_json: bool) -> None:
    """Goes on with a tune by some bars, by default 4, and writes the alternatives."""
    more = 4 if length is None else length
    if more > _MOST_BARS:
        raise BadInput(f"at most {_MOST_BARS} bars are added at once, not {more}")
    _fill(model, words, Part(more=more), n, out or "extended.mid", as_json)


def translate(model: Model, words: Words, to: str | None, kept: str | None, n: int, out: str | None, as_json: bool) -> None:
    """Draws all but some voices of a tune anew as another class has them, by default all but the melody, and writes the best."""
    label, equals, value = (to or "").partition("=")
    if not equals:
        raise BadInput("name the class that the tune is to be of: --to CONDITION=CLASS")
    place = writing.target(out or "arranged.mid", model.codec.kind, n)
    tunes = _tunes(model, words)
    before, found = house.arrange(model.package, tunes[0], {label: value}, _voices(kept) or (1,), n, words.seed, **dials_of(words.dials))
    writing.write(place, [one.tune for one in found], model.codec, {}, {})
    if as_json:
        show.as_json({"path": str(place.path), "to": {label: value}, "given": before, "styles": [one.style for one in found]})
        return
    _say_first(tunes)
    if before is None:
        show.say(f"{n:,} {'tune' if n == 1 else 'tunes'}: {place.path}")
    else:
        after = ", ".join(f"{one.style:.2f}" for one in found)
        show.say(f"{to}: probability {before:.2f} of the tune that was given, {after} of what was drawn: {place.path}")


def _tunes(model: Model, words: Words) -> list[Tune]:
    """The tunes of the file that is named, of which the first is taken."""
    path = words.file if words.file is not None else words.text
    if path is None:
        raise BadInput("there is no tune: name a MIDI file, or a JSON file of tunes")
    if not Path(path).is_file():
        raise BadInput(f"{path} is a folder; a file is needed" if Path(path).is_dir() else f"there is no file {path}")
    assert isinstance(model.codec, MusicCodec)
    found: list[Tune] = model.codec.read(Path(path))
    return found


def _say_first(tunes: list[Tune]) -> None:
    if len(tunes) > 1:
        show.say(f"the file holds {len(tunes):,} tunes, of which the first is taken")


def _fill(model: Model, words: Words, part: Part, n: int, out: str, as_json: bool) -> None:
    tunes = _tunes(model, words)
    place = writing.target(out, model.codec.kind, n)
    codec = model.codec
    assert isinstance(codec, MusicCodec)
    found = house.fill(model.package, tunes[0], part, n, where_of(model, words.where), words.seed, **dials_of(words.dials))
    writing.write(place, found, codec, {}, {})
    lost = house.without_place(codec, tunes[0], part)
    broken = [fault for fault in map(codec.broken, found) if fault is not None]
    if as_json:
        show.as_json({"path": str(place.path), "n": n, "notes": [len(one) for one in found], "broken": broken, "left_out": lost})
        return
    show.say(f"{n:,} {'tune' if n == 1 else 'tunes'}: {place.path}")
    _say_first(tunes)
    if lost:
        show.say(f"{lost:,} notes have no place in the {codec.spec.shape[1]} voices of this model, and were left out")
    if broken:
        show.say(f"rules broken in {len(broken):,} of {n:,} ({broken[0]}), as in what was given")


def _voices(text: str | None) -> tuple[int, ...]:
    """Numbers, or names of voices, with commas between. Raises BadInput for anything else."""
    if text is None:
        return ()
    words = text.lower().replace(" ", "").split(",")
    if not all(word in _NAMES or re.fullmatch(r"\d{1,3}", word) for word in words):
        raise BadInput(f"--keep {text!r} is no list of voices, such as 1 or 1,4 or {', '.join(_NAMES)}")
    return tuple(_NAMES.get(word) or int(word) for word in words)


def _bars(text: str | None) -> tuple[int, int] | None:
    """One bar, or the first and the last. Raises BadInput for anything else."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text.strip())
    if found is None:
        raise BadInput(f"--bars {text!r} is no bar or bars, such as 3 or 3-4")
    return int(found[1]), int(found[2] or found[1])

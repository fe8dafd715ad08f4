"""The verbs `extend` and `restore` for models of levels: from files to files."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import BadInput
from ..house import levels as house
from ..house import writing
from ..house.model import Model
from . import show
from .audience import RichAudience
from .drawing import dials_of, where_of
from .tasking import Words

_USUAL = 4


def extend(model: Model, words: Words, n: int, length: int | None, out: str | None, as_json: bool) -> None:
    """Prints the ways in which the level of a file goes on, each whole, or writes them as `sample` does."""
    if words.file is None:
        raise BadInput("name the level that is to go on: --file level.txt")
    if words.constraint is not None or words.stop:
        raise BadInput("constraints and stop strings are for texts; levels obey the rules of their game")
    place = None if out is None else writing.target(out, model.codec.kind, n)
    level = house.read_level(model.package, words.file)
    found = house.extend(model.package, level, n, length, where_of(model, words.where), words.seed, dials_of(words.dials))
    if place is not None:
        writing.write(place, found, model.codec, {}, {})
    if as_json:
        show.as_json({"file": words.file, "levels": found, "path": None if place is None else str(place.path)})
    elif place is not None:
        show.say(f"{n:,} {'level' if n == 1 else 'levels'}: {place.path}")
    else:
        print("\n\n".join(found))


def restore(model: Model, known: str | None, box: str | None, words: Words, n: int | None, out: str | None, as_json: bool) -> None:
    """Fills a box of a level and writes the ways to do so, by default as a picture beside the level that was given."""
    audience = RichAudience(as_json)
    if known is None or box is None:
        raise BadInput("name the level and what of it is to be filled: --known level.txt --box left,top,width,height, in tiles")
    parts = box.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise BadInput(f"--box {box!r} is not left,top,width,height in whole tiles")
    left, top, width, height = (int(part) for part in parts)
    path = Path(out) if out is not None else (model.folder or Path()) / "restored.png"
    place = writing.file_for(str(path), {ending: what for ending, what in writing.forms_of("level").items() if ending})
    if place.exists() and Path(known).exists() and place.samefile(known):
        raise BadInput(f"{known} is the level that is read, and would be lost: name another file with --out")
    level = house.read_level(model.package, known)
    where, dials = where_of(model, words.where), dials_of(words.dials)
    found = house.restore(model.package, level, (left, top, width, height), n or _USUAL, where, words.seed, dials)
    if place.suffix.lower() == ".png":
        model.codec.draw([found.shown, *found.levels], place)
    else:
        writing.write(writing.Target(place, place.suffix.lower()), found.levels, model.codec, {}, {})
    if as_json:
        show.as_json({"known": known, "box": [left, top, width, height], "drawn": found.drawn, "kept": found.kept, "path": str(place)})
    else:
        audience.say(f"{found.kept} of {found.drawn} draws make a whole level")
        show.say(f"{len(found.levels)} levels, the likeliest first: {place}")

"""The verb `extend` for models of drawings: from the strokes of a file to whole drawings."""

from __future__ import annotations

from ..core.errors import BadInput
from ..house import drawings as house
from ..house import writing
from ..house.model import Model
from . import show
from .drawing import dials_of, where_of
from .tasking import Words


def extend(model: Model, words: Words, n: int, out: str | None, as_json: bool) -> None:
    """Draws the ways in which the drawing of a file goes on, each whole, and writes them."""
    path = words.file if words.file is not None else words.text
    if path is None:
        raise BadInput("there is no drawing: name an SVG file, or JSON lines of strokes")
    place = writing.target(out or "extended.svg", model.codec.kind, n)
    given = house.read_drawing(model.package, path)
    found = house.extend(model.package, given, n, where_of(model, words.where), words.seed, dials_of(words.dials))
    writing.write(place, found, model.codec, {}, {})
    if as_json:
        show.as_json({"path": str(place.path), "n": n, "given": len(given.strokes), "strokes": [len(one.strokes) for one in found]})
    else:
        show.say(f"{n:,} {'drawing' if n == 1 else 'drawings'}: {place.path}")

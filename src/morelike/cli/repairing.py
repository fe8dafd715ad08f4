"""The verb `restore` for models of pictures: from what is known of one to PNGs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..core.errors import BadInput
from ..house import repairing as house
from ..house import writing
from ..house.model import Model
from ..house.repairing import OPERATIONS, How
from ..tasks.repairing import STEPS
from . import show
from .audience import RichAudience
from .drawing import dials_of, where_of
from .tasking import Words

USUAL = 4


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed of a picture that is to be restored."""

    op: str | None = None
    known: str | None = None
    mask: str | None = None
    box: str | None = None
    at: str | None = None
    sigma: float | None = None

    @property
    def options(self) -> dict[str, object]:
        return {"--op": self.op, "--known": self.known, "--mask": self.mask, "--box": self.box, "--at": self.at, "--sigma": self.sigma}


def restore(model: Model, typed: Typed, words: Words, n: int | None, out: str | None, as_json: bool, audience: RichAudience) -> None:
    """Draws what is missing of a picture and writes the alternatives, and a sheet of them beside what is known."""
    if words.text is not None or words.file is not None:
        raise BadInput("of a picture say what is known of it, and how: --op mask --known FILE --box left,top,width,height")
    if typed.op is None:
        raise BadInput(f"nothing says what is known of the picture: add --op {'|'.join(OPERATIONS)}")
    if typed.known is None:
        raise BadInput(f"--op {typed.op} needs the picture of which this is known: add --known FILE")
    n = USUAL if n is None else n
    dials = dials_of(words.dials)
    if others := sorted(dials.keys() - {"steps"}):
        raise BadInput(f"pictures are restored with the dial steps, not {others[0]}: leave it out")
    sheet = writing.file_for(out if out is not None else str((model.folder or Path()) / "restored.png"))
    if sheet.suffix.lower() != ".png":
        raise BadInput(f"pictures are written as PNG: {sheet} must end in .png")
    places = [sheet.with_name(f"{sheet.stem}-{number}{sheet.suffix}") for number in range(1, n + 1)]
    if any(place.exists() and place.samefile(typed.known) for place in (sheet, *places) if Path(typed.known).exists()):
        raise BadInput(f"{typed.known} is the picture that is read, and would be lost: name another one with --out")
    how = How(
        typed.op, typed.mask, _numbers(typed.box, "--box", ("left", "top", "width", "height")),  # type: ignore[arg-type]  # four of them
        _numbers(typed.at, "--at", ("left", "top")), typed.sigma,  # type: ignore[arg-type]  # two
    )  # fmt: skip
    where = where_of(model, words.where)
    found = house.restore(model.package, typed.known, how, n, where, words.seed, int(dials.get("steps", STEPS)))
    for place, item in zip(places, found.items, strict=True):
        writing.whole(place, partial(writing.write_picture, item=item, codec=model.codec))
    model.codec.draw([found.shown, *found.items], sheet, n + 1)
    if as_json:
        paths = [str(place) for place in places]
        show.as_json({"op": found.op, "known": typed.known, "n": n, "paths": paths, "sheet": str(sheet), "apart": found.apart})
    else:
        show.say(f"{n:,} {'picture' if n == 1 else 'pictures'} beside what is known: {sheet}; each by itself: {places[0]} and on")


def _numbers(text: str | None, name: str, meanings: tuple[str, ...]) -> tuple[int, ...] | None:
    """Whole numbers with commas between. Raises BadInput for anything else."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != len(meanings) or not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise BadInput(f"{name} {text!r} is not {','.join(meanings)} in whole pixels")
    return tuple(int(part) for part in parts)

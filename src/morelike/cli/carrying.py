"""The verb `translate` for pictures: from files to files."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import BadInput
from ..house import carrying, varying, writing
from ..house.model import Model
from . import show
from .audience import RichAudience
from .drawing import dials_of, where_of
from .tasking import Words


def translate(
    model: Model, words: Words, ends: tuple[str | None, str | None], out: str | None, as_json: bool, audience: RichAudience
) -> None:
    """Makes others of a picture, or of a folder of them. `ends`: (from, to), of which both may be None."""
    way = varying.way(model.package, ends, where_of(model, words.where), words.seed, dials_of(words.dials))
    path = words.file or words.text
    if path is None:
        raise BadInput("there is nothing to translate: give a picture, or a folder of them")
    source, codec = Path(path), model.codec
    files = carrying.files_in(way.codec, source)
    place = Path(out) if out is not None else (model.folder or Path()) / f"{source.resolve().stem}-to-{way.new.replace('=', '-')}"
    if source.is_dir():
        place = writing.target(str(place) + "/", codec.kind, len(files)).path
        with audience.watch("translating", len(files)) as bar:
            made = carrying.carried(files, way.make, lambda done: bar.advance(done, {}))
            writing.whole(place, lambda new: writing.write_pictures(new, made, codec))
    else:
        place = writing.file_for(str(place if out is not None else place.with_name(f"{place.name}.png")))
        if place.suffix.lower() != ".png":
            raise BadInput(f"one picture is written as PNG: {place} must end in .png")
        ((_, item),) = carrying.carried(files, way.make)
        writing.whole(place, lambda new: writing.write_picture(new, item, codec))
    if as_json:
        show.as_json({"from": way.old, "to": way.new, "pictures": len(files), "path": str(place)})
    else:
        show.say(f"{len(files):,} {'picture' if len(files) == 1 else 'pictures'} from {way.old} to {way.new}: {place}")

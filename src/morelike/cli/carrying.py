"""The verb `translate` for models that go between two sets of pictures: from files to files."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import BadInput
from ..house import carrying, writing
from ..house.model import Model
from . import show
from .audience import RichAudience


def translate(
    model: Model, path: str | None, ends: tuple[str | None, str | None], out: str | None, as_json: bool, audience: RichAudience
) -> None:
    """Carries a picture, or a folder of them, over to the other set. `ends`: (from, to), of which one may be None."""
    way = carrying.way_of(model.package, ends[1], ends[0])
    if path is None:
        raise BadInput("there is nothing to translate: give a picture, or a folder of them")
    source, codec = Path(path), model.codec
    files = carrying.files_in(codec, source)
    place = Path(out) if out is not None else (model.folder or Path()) / f"{source.resolve().stem}-to-{way.new}"
    if source.is_dir():
        place = writing.target(str(place) + "/", codec.kind, len(files)).path
        with audience.watch("translating", len(files)) as bar:
            made = carrying.carried(model.package, files, way, lambda done: bar.advance(done, {}))
            writing.whole(place, lambda new: writing.write_pictures(new, made, codec))
    else:
        place = writing.file_for(str(place if out is not None else place.with_name(f"{place.name}.png")))
        if place.suffix.lower() != ".png":
            raise BadInput(f"one picture is written as PNG: {place} must end in .png")
        ((_, item),) = carrying.carried(model.package, files, way)
        writing.whole(place, lambda new: writing.write_picture(new, item, codec))
    if as_json:
        show.as_json({"from": way.old, "to": way.new, "pictures": len(files), "path": str(place)})
    else:
        show.say(f"{len(files):,} {'picture' if len(files) == 1 else 'pictures'} from {way.old} to {way.new}: {place}")

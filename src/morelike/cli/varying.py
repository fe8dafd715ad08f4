"""The verbs that begin at a picture: `vary`, and `explain` for models that denoise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.abilities import Denoises
from ..core.errors import Refused
from ..house import denoising, writing
from ..house.model import Model, check_count
from . import show
from .drawing import where_of


@dataclass(frozen=True, slots=True)
class Wish:
    """What is known, how many are to be made of it, and where they go."""

    known: str
    strength: float
    n: int
    where: Sequence[str]
    out: str | None
    seed: int


def vary(model: Model, wish: Wish, as_json: bool) -> None:
    """Makes others like a given one: writes pictures, prints texts and rows of numbers."""
    check_count(wish.n)
    kind, place = model.codec.kind, None
    if wish.out is not None or kind == "image":
        place = writing.target(wish.out or str((model.folder or Path()) / "variations.png"), kind, wish.n)
    items = model.vary(wish.known, wish.n, wish.strength, where_of(model, wish.where), wish.seed)
    if place is not None:
        writing.write(place, items, model.codec, {}, {})
    plain = list(items) if kind == "text" else [[float(value) for value in row] for row in items] if kind == "vector" else []
    if as_json:
        show.as_json({"items": plain, "strength": wish.strength, "path": None if place is None else str(place.path)})
    elif place is not None:
        show.say(f"{wish.n:,} like {wish.known}, strength {wish.strength:g}: {place.path}")
    else:
        for item in plain:
            print(item if isinstance(item, str) else ", ".join(f"{value:.6g}" for value in item))


def animates(model: Model, item: str | None, out: str | None) -> bool:
    """Whether `explain` shows the denoising: for pictures of a model that denoises, unless an item's latent is to be looked at.

    Raises Refused where `out` asks for an animation and there is none.
    """
    able = model.codec.kind == "image" and isinstance(model.package.model, Denoises)
    if out is not None and Path(out).suffix.lower() in (".gif", ".webp") and not (able and item is None):
        family = model.package.recipe.model
        why = "without an item to look at" if able else f"of models that remove noise from pictures, as {family} doesn't"
        raise Refused(f"{out}: `explain` makes an animation {why}; name a .png")
    return able and item is None


def animate(model: Model, n: int, where: Sequence[str], out: str | None, as_json: bool) -> None:
    """Writes how samples come out of noise, as an animated picture."""
    place = writing.file_for(out or str((model.folder or Path()) / "denoising.gif"), denoising.FORMS)
    pages = denoising.frames(model.package, n, where_of(model, where))
    denoising.write(place, pages)
    if as_json:
        show.as_json({"samples": n, "frames": len(pages), "path": str(place)})
    else:
        show.say(f"{n:,} samples from noise to picture, what the model takes each to become below, {len(pages)} frames: {place}")

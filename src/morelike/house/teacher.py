"""The trained model that a student learns from: found, checked, and what the student takes over from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import registry
from ..core.abilities import ABILITIES
from ..core.contract import Trainable
from ..core.errors import BadInput, BadPackage, Refused
from . import package
from .able import families
from .recast import Codecs
from .recipe import AUTO, Recipe
from .start import family_of


@dataclass(frozen=True, slots=True)
class Teacher:
    """A saved model that another one learns from. The student's package doesn't need it."""

    name: str
    """Its folder, as it was given."""
    package: package.Package
    digest: str
    """SHA-256 of its weights' file."""

    @property
    def codecs(self) -> Codecs:
        return Codecs(self.name, self.package.codec, self.package.conditions)

    def parts(self, device: Any) -> dict[str, Trainable]:
        """What the student stands on, on a device."""
        return {"teacher": self.package.model.to(device)}

    def filled(self, recipe: Recipe) -> Recipe:
        """The request with the teacher's conditions, and its size and nets where it doesn't say otherwise."""
        own = self.package.recipe
        family = registry.family(str(recipe.model)).load()
        nets = family.wants(self.package.model.spec, self.package.model.conditions, family.Settings())  # type: ignore[attr-defined]
        values: dict[str, Any] = {"condition": list(self.package.conditions), "codec": own.codec, "teacher_weights": self.digest}
        if "size" not in recipe.model_fields_set:
            values["size"] = own.size
            same = {name: {**net, **recipe.nets.get(name, {})} for name, net in own.nets.items() if name in nets}
            values["nets"] = {**recipe.nets, **same}
        return recipe.model_copy(update=values)

    def card(self) -> dict[str, Any]:
        """What the student's card says of it."""
        own = self.package.card
        data = own.get("data", {}).get("name")
        return {"teacher": {"name": self.name, "weights": self.digest, "family": own.get("family"), "data": data}}


def teacher_of(recipe: Recipe, custom: type[Trainable] | None = None) -> Teacher | None:
    """What the recipe's model learns from, or None where it learns by itself.

    Raises BadInput, BadPackage or Refused, each in a sentence, where a teacher is missing, is none, or is of no use.
    """
    family = None if custom is not None or recipe.model in (None, AUTO) else registry.family(str(recipe.model)).load()
    needed = getattr(family, "needs", {}).get("teacher")
    name = recipe.teacher
    if needed is None:
        if name is None:
            return None
        raise BadInput(f"teacher={name}: {recipe.model or 'the model'} learns from data alone; --model distilled learns from a teacher")
    able = families((tuple(key for key, ability in ABILITIES.items() if ability is needed),))
    if name is None:
        raise BadInput(f"{recipe.model} learns from a trained {' or '.join(able)}: train that first, then name it, teacher=runs/NAME")
    where = Path(name)
    card = package.read_card(where)
    taught = family_of(name, card)
    if taught not in able:
        raise Refused(f"{name} is a {taught}, which can't teach {recipe.model}; families that can: {', '.join(able)}")
    _agreed(recipe, name, card)
    if wrong := package.wrong_files(where, card):
        raise BadPackage(f"{name} has changed since it was saved ({', '.join(wrong)}), so nothing learns from it")
    return Teacher(name, package.load(where), package.weights_digest(card))


def _agreed(recipe: Recipe, name: str, card: dict[str, Any]) -> None:
    """Raises BadInput where the request contradicts the teacher."""
    if recipe.codec and recipe.codec != card["recipe"].get("codec", {}):
        raise BadInput(f"{name} brings its own codec; leave out {', '.join(f'codec.{key}' for key in recipe.codec)}")
    if recipe.condition is not None and set(recipe.condition) != set(card["conditions"]):
        known = ", ".join(card["conditions"]) or "nothing"
        raise BadInput(f"{name} is conditioned on {known}, and so is its student: leave --condition out")
    if recipe.teacher_weights not in (None, package.weights_digest(card)):
        raise BadInput(f"{name} has other weights than those that this run learns from; train into another folder, without that recipe")

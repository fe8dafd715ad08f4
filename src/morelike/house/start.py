"""Continuing from a saved model: what a run takes over from it, and what it then can't choose."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..core import registry
from ..core.contract import Generator, Player, Trainable
from ..core.errors import BadInput, BadPackage, Refused
from ..core.settings import build_settings
from ..nets.adapter import ALPHA, SHARE, adapt, addon, affordable, merge, size
from ..training.state import put, weights
from . import package
from .build import build
from .recast import Codecs
from .recipe import OWN, Recipe


@dataclass(frozen=True, slots=True)
class Start:
    """A saved model that a run continues from."""

    name: str
    """Its folder, as it was given."""
    package: package.Package
    """An add-on is taken into its weights."""
    digest: str
    """SHA-256 of its weights' file."""

    @property
    def codecs(self) -> Codecs:
        return Codecs(self.name, self.package.codec, self.package.conditions)

    def filled(self, recipe: Recipe) -> Recipe:
        """The request with the model's own size, settings, nets and conditions where it doesn't say otherwise, and a rank.

        A setting that shapes nets (dropout) reaches them. Raises Refused where no add-on is small enough.
        """
        own = self.package.recipe
        family = registry.family(str(own.model)).load()
        settings = {**own.settings, **recipe.settings}
        spec, conditions = self.package.model.spec, self.package.model.conditions
        before, after = (
            family.wants(spec, conditions, build_settings(family, values))  # type: ignore[attr-defined]
            for values in (own.settings, settings)
        )
        nets = {name: {**own.nets.get(name, {}), **_changed(before[name].settings, net.settings)}
                for name, net in after.items() if name in before}  # fmt: skip
        nets |= {name: {**nets.get(name, {}), **values} for name, values in recipe.nets.items()}
        rank = recipe.rank
        if recipe.tune == "adapter" and rank is None:
            rank = self._rank()
        values = {"size": own.size, "settings": settings, "nets": nets, "rank": rank, "start_weights": self.digest}
        return recipe.model_copy(update={**values, "condition": list(self.package.conditions)})

    def _rank(self) -> int:
        model = self.package.model
        rank = affordable(model)
        if not rank:
            share = size(model) / sum(p.numel() for p in model.parameters())
            raise Refused(
                f"an add-on of rank 1 would have {share:.1%} of the parameters of {self.name}, more than {SHARE:.0%}: its nets are small; "
                "use --tune full, or ask for it with rank=1"
            )
        return rank

    def made(self, recipe: Recipe) -> Trainable:
        """A model of a filled recipe that begins where the saved one ended. Raises BadInput where the recipe asks for other nets."""
        model = build(recipe, self.package.model.spec, self.package.model.conditions)
        try:
            put(model, weights(self.package.model))
        except BadPackage as error:
            raise BadInput(f"these settings ask for other nets than those of {self.name}: {error}") from error
        if recipe.tune == "adapter":
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(recipe.seed)
                adapt(model, int(recipe.rank or 1))
        return model

    def card(self, model: Trainable, recipe: Recipe, folder: Path) -> dict[str, Any]:
        """What the new model's card says of its beginning."""
        own = self.package.card
        data = own.get("data", {})
        began = {"name": self.name, "weights": self.digest, "family": own.get("family"), "data": data.get("name")}
        if recipe.tune == "full":
            return {"start": began}
        trained = sum(value.numel() for value in addon(model).values())
        base = {"path": Path(os.path.relpath(Path(self.name).resolve(), folder.resolve())).as_posix(), "given": self.name,
                "weights": self.digest, "rank": recipe.rank, "alpha": ALPHA, "trained": trained}  # fmt: skip
        return {"start": began, "base": base}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in after.items() if before.get(key) != value}


def start_of(recipe: Recipe, folder: Path, custom: type[Trainable] | None = None) -> Start | None:
    """What the recipe continues from, or None. `folder`: where the new run goes.

    Raises BadInput, BadPackage or Refused, each in a sentence, where nothing can continue from it.
    """
    if recipe.start is None:
        if recipe.tune == "adapter" or recipe.rank is not None:
            raise BadInput("an adapter is added to a saved model: name that with --from MODEL")
        return None
    name = recipe.start
    if custom is not None:
        raise Refused("a class of one's own can't continue from a saved model")
    if recipe.rank is not None and recipe.tune == "full":
        raise BadInput("a rank is that of an adapter: give --tune adapter with it")
    where = Path(name)
    card = package.read_card(where)
    if folder.resolve() == where.resolve():
        raise BadInput(f"{name} can't be continued into its own folder; choose another with --out")
    _agreed(recipe, name, card)
    if wrong := package.wrong_files(where, card):
        raise BadPackage(f"{name} has changed since it was saved ({', '.join(wrong)}), so nothing continues from it")
    loaded = package.load(where)
    if loaded.model.needs:
        raise Refused(f"{name} is a {card['family']}, which learns from a teacher: train a new one, teacher=FOLDER, or add --more MINUTES")
    if not isinstance(loaded.model, Generator):
        raise Refused(f"{name} is a {card['family']}, which is no generator")
    if loaded.recipe.tune == "adapter":
        merge(loaded.model)
    if recipe.tune == "adapter":
        _can_be_adapted(loaded, name)
    return Start(name, loaded, package.weights_digest(card))


def family_of(name: str, card: Mapping[str, Any]) -> str:
    """The family of the saved model `name`. Raises Refused for a class of the user's own."""
    family = str(card.get("family"))
    if family.startswith(OWN):
        raise Refused(f"{name} needs a class of one's own ({family.removeprefix(OWN)}); only models of the registry can be continued")
    return family


def _agreed(recipe: Recipe, name: str, card: Mapping[str, Any]) -> None:
    """Raises where the request contradicts the saved model."""
    family = family_of(name, card)
    if recipe.model not in (None, family):
        raise BadInput(f"{name} is a {family}, which --model {recipe.model} contradicts; leave --model out")
    own = card["recipe"].get("size", "s")
    if "size" in recipe.model_fields_set and recipe.size != own:
        raise BadInput(f"the nets of {name} have the size {own}, which --size {recipe.size} contradicts; leave --size out")
    if recipe.codec:
        raise BadInput(f"{name} brings its own codec; leave out {', '.join(f'codec.{key}' for key in recipe.codec)}")
    if recipe.condition is not None and set(recipe.condition) != set(card["conditions"]):
        known = ", ".join(card["conditions"]) or "nothing"
        raise BadInput(f"{name} is conditioned on {known}, which --condition contradicts; leave --condition out")
    if recipe.start_weights not in (None, package.weights_digest(card)):
        raise BadInput(f"{name} has other weights than those that this recipe began with; train into another folder, without that recipe")


def _can_be_adapted(loaded: package.Package, name: str) -> None:
    """Raises Refused where an add-on could not hold all that training changes."""
    family = loaded.recipe.model
    if loaded.recipe.tune == "adapter":
        raise Refused(f"{name} is itself an add-on; add to its base, or go on with --tune full")
    if not size(loaded.model):
        raise Refused(f"{family} has no linear layers to add to; use --tune full")
    players = loaded.model.players()
    if not all(isinstance(player, Player) for player in players):
        raise Refused(f"{family} also learns without gradient, which an add-on can't hold; use --tune full")
    linear = {id(p) for layer in loaded.model.modules() if type(layer) is torch.nn.Linear for p in layer.parameters()}
    for player in players:
        if isinstance(player, Player) and not any(id(p) in linear for p in player.params):
            raise Refused(f"the {player.name} of {family} has no linear layers to add to; use --tune full")


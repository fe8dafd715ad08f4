"""From names to a model: family from the registry, nets by role, weights drawn from the seed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from ..core import registry
from ..core.contract import Generator, Optim, Player, Trainable
from ..core.errors import BadInput, Refused, UnknownName, those_that_can
from ..core.settings import build_settings
from ..core.spec import Conditions, Spec
from ..nets.build import build as build_net
from ..nets.build import resolved as resolved_net
from .recipe import Recipe


def find(name: str) -> tuple[type[Trainable], dict[str, Any]]:
    """The family's class and the presets of its registry line."""
    line = registry.family(name)
    return line.load(), dict(line.settings)


def build(
    recipe: Recipe, spec: Spec, conditions: Conditions, *, custom: type[Trainable] | None = None,
    parts: Mapping[str, Trainable] | None = None,
) -> Trainable:  # fmt: skip
    """A fresh model on the CPU; `parts`: what it stands on while it learns. Raises Refused where the family can't learn such data,
    UnknownName for unknown keys, BadInput for values that no model can be built with."""
    family, presets = (custom, {}) if custom is not None else find(str(recipe.model))
    why = family.refuses(spec, conditions)
    if why is not None:
        able = [] if custom is not None else learners(spec, conditions)
        raise Refused(f"{recipe.model} can't learn this: {why}{those_that_can(able)}")
    if not conditions and custom is None and registry.family(str(recipe.model)).conditional:
        raise Refused(f"{recipe.model} learns what a condition leaves open, and there is none: name one with --condition")
    inner = {key: {**presets[key], **own} for key, own in recipe.settings.items() if isinstance(own, dict) and key in presets}
    settings = build_settings(family, {**presets, **recipe.settings, **inner})
    wants = family.wants(spec, conditions, settings)
    for name in recipe.nets:
        if name not in wants:
            raise UnknownName(f"net of {recipe.model}", name, wants)
    seen = {} if getattr(family, "blind", False) else conditions
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(recipe.seed)
            told = {name: {**(seen if net.told else {}), **net.also} for name, net in wants.items()}
            nets = {name: build_net(net, told[name], recipe.size, recipe.nets.get(name)) for name, net in wants.items()}
            model = family(spec, conditions, nets, parts, settings)
    except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        chosen = [f"{key}={value!r}" for key, value in recipe.settings.items()]
        chosen += [f"nets.{net}.{key}={value!r}" for net, values in recipe.nets.items() for key, value in values.items()]
        if not chosen:
            raise
        raise BadInput(f"{recipe.model} can't be built with {', '.join(chosen)}: {error}") from error
    _check_optimisers(recipe, {player.name: player.optim for player in model.players() if isinstance(player, Player)})
    return model


def learners(spec: Spec, conditions: Conditions) -> list[str]:
    """The names of the registry's generators that learn such data by themselves, the trivial ones left out."""
    lines = [line for line in registry.FAMILIES.values() if not line.purpose.startswith("baseline")]
    loaded: list[tuple[str, Any]] = [(line.name, line.load()) for line in lines if conditions or not line.conditional]
    alone = [(name, family) for name, family in loaded if issubclass(family, Generator) and not family.needs]
    return [name for name, family in alone if family.refuses(spec, conditions) is None]


def _check_optimisers(recipe: Recipe, players: Mapping[str, Optim]) -> None:
    """Raises UnknownName or BadInput for what no optimiser can be made of."""
    for name in recipe.optim:
        if name not in players:
            raise UnknownName(f"player of {recipe.model}", name, players)
    known = [field.name for field in fields(Optim)]
    for player, default in players.items():
        values = recipe.optim.get(player, {})
        for key in values:
            if key not in known:
                raise UnknownName(f"setting of the optimiser of {player}", key, known)
        try:
            # JSON, for only there does strict mode take lists as tuples
            optim = TypeAdapter(Optim).validate_json(json.dumps({**asdict(default), **values}), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            raise BadInput(f"optim.{player}.{first['loc'][0]}: {first['msg']} (it is {first['input']!r})") from error
        for key in ("lr", "weight_decay", "warmup", "clip"):
            if not 0 <= getattr(optim, key) < math.inf:
                raise BadInput(f"the {key} of {player} must be a number of at least 0, not {getattr(optim, key)}")
        if not all(0 <= beta < 1 for beta in optim.betas):
            raise BadInput(f"the betas of {player} must lie between 0 and 1, not {optim.betas}")


def resolved(recipe: Recipe, model: Trainable) -> dict[str, Any]:
    """The recipe's `settings`, `nets` and `optim` with every default written out: they hold whatever the defaults become."""
    wants = model.wants(model.spec, model.conditions, model.settings)
    players = [player for player in model.players() if isinstance(player, Player)]
    found = {
        "settings": asdict(model.settings),
        "nets": {name: resolved_net(net, recipe.size, recipe.nets.get(name)) for name, net in wants.items()},
        "optim": {player.name: {**asdict(player.optim), **recipe.optim.get(player.name, {})} for player in players},
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def device_of(wish: str) -> torch.device:
    """"auto" takes a GPU where torch finds one. Raises Refused for a device that isn't there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wish == "auto":
        wish = next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[wish]:
        raise Refused(f"no {wish} device on this machine; use --device cpu, or auto")
    return torch.device(wish)

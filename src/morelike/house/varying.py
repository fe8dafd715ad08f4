"""From a given picture: others like it, what it would be in another class, and what a model makes that learnt such pictures as a condition.

N items, n of them, * an item's shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Encodes, Translates
from ..core.errors import BadInput, Refused
from ..core.spec import lift
from ..tasks.varying import check_strength, recast, varied
from .able import generator
from .carrying import Making, carry, way_of
from .package import Package
from .prepare import as_items
from .reading import item_of
from .sampling import CHUNK, conditions_for, draw, encode_value, fixed_conditions

STRENGTH = 0.5


def vary(package: Package, item: Any, n: int, strength: float, where: Mapping[str, Any], seed: int = 0) -> Any:
    """n raw items like one: the path of a picture, a row of numbers, a text or a raw item. What `where` doesn't say of its conditions is
    unknown. Raises BadInput for a strength outside 0..1, and Refused for a model that can't, and for tables."""
    model, codec = generator(package, "vary"), package.codec
    if codec.kind == "table":
        raise Refused("rows of a table are not varied: fix some columns with `sample --where` and draw the others")
    check_strength(strength)
    condition = {name: value.expand(n, *value.shape[1:]) for name, value in fixed_conditions(package, where).items()}
    x = lift(codec.spec, torch.from_numpy(item_of(codec, item))).to(model.device)
    made = draw(
        model, n, condition, seed=seed, chunk=min(n, CHUNK),
        by=lambda own, noise, _: varied(model, x, strength, own, noise),  # type: ignore[arg-type]  # it has one of the abilities
    )  # fmt: skip
    return codec.decode(made.numpy())


def way(package: Package, ends: tuple[str | None, str | None], where: Mapping[str, Any], seed: int, dials: Mapping[str, Any]) -> Making:
    """How pictures are translated: between two sets, to another class (`ends`: from, to), or as the condition of what is made.

    Raises BadInput, UnknownName or Refused for what the model wasn't told, or can't do.
    """
    given, to = ends
    if isinstance(package.model, Translates):
        if where or dials:
            rest = "--where is for texts, and dials for models that are told pictures"
            raise BadInput(f"a model that goes between two sets takes items and where they are to go, and nothing else: {rest}")
        sets = way_of(package, to, given)
        return Making(package.codec, lambda items: carry(package, items, sets), sets.old, sets.new)
    if to is None and given is None:
        name = picture_condition(package)
        if name is None:
            if not isinstance(package.model, Encodes) or not package.conditions:
                generator(package, "translate")
            others = "train on pairs (--condition), or name the class that they are to become with --to"
            raise Refused(f"{package.recipe.model} was not told pictures, so that it can't make one of another: {others}")
        return Making(package.conditions[name], lambda items: paint(package, items, where, seed, dials), name, "picture")
    if where or dials:
        raise BadInput("a picture goes to another class by --to and --from alone: leave the rest out")
    generator(package, "translate pictures to another class")
    source, target = class_of(package, given, "--from"), class_of(package, to, "--to")
    if not target:
        raise BadInput("nothing says which class the pictures are to become: name one with --to, as in --to label=5")
    _check_classes(package, source, target)
    return Making(package.codec, lambda items: to_class(package, items, source, target), given or "any class", str(to))


def picture_condition(package: Package) -> str | None:
    """The first condition that is a picture, if there is one."""
    return next((name for name, codec in package.conditions.items() if codec.kind == "image"), None)


def paint(package: Package, items: Sequence[Any], where: Mapping[str, Any], seed: int, dials: Mapping[str, Any]) -> np.ndarray:
    """(N,*) raw items, one for each picture of `items` as the model's picture condition; its other conditions come from `where`, or are
    drawn as for a sample."""
    name = picture_condition(package)
    assert name is not None
    condition = conditions_for(package, len(items), {**where, name: list(items)}, seed)
    made = draw(package.model, len(items), condition, seed=seed, dials=dials, chunk=min(len(items), CHUNK))
    return as_items(package.codec.decode(made.numpy()))


def class_of(package: Package, text: str | None, option: str) -> dict[str, Tensor]:
    """{condition: id (1,1)} of NAME=CLASS, or of CLASS alone where the model has one class condition; {} for None. Raises BadInput or
    UnknownName."""
    if text is None:
        return {}
    classes = {name: codec for name, codec in package.conditions.items() if codec.kind == "category"}
    if not classes:
        raise BadInput(f"{option} {text} names a class, and this model is conditioned on none")
    name, equals, value = text.partition("=")
    if not equals:
        if len(classes) > 1:
            raise BadInput(f"{option} {text} doesn't say of which condition: write {' or '.join(f'{known}={text}' for known in classes)}")
        [name], value = classes, text
    if name not in classes:
        raise BadInput(f"{option} {text}: {name!r} is no class condition of this model; there is {', '.join(classes)}")
    return {name: encode_value(classes[name], value, name)}


def _check_classes(package: Package, source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    """Raises BadInput where source and target are one class, or the source isn't named to a model that must be told it."""
    name = next(iter(target))
    if name in source and torch.equal(source[name], target[name]):
        raise BadInput("--from and --to name the same class: there is nothing to change")
    if not source and not package.recipe.train.drop:
        raise BadInput(f"{package.recipe.model} must be told of which class the pictures are: name it with --from {name}=...")


@torch.no_grad()
def to_class(package: Package, items: Sequence[Any], source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> np.ndarray:
    """(N,*) raw items of another class with as much as can be kept of `items`, 128 at a time."""
    model, codec = package.model, package.codec
    assert isinstance(model, Encodes)
    found = []
    for at in range(0, len(items), CHUNK):
        x = lift(codec.spec, torch.from_numpy(np.asarray(codec.encode(items[at : at + CHUNK])))).to(package.model.device)
        old, new = ({name: value.to(x.device).expand(len(x), 1) for name, value in one.items()} for one in (source, target))
        found.append(as_items(codec.decode(recast(model, x, old, new).cpu().numpy())))
    return np.concatenate(found)

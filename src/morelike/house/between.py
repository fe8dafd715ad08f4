"""Interpolation between what a user gives: texts, pictures, rows of numbers, or two seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..core.abilities import Encodes, Prior
from ..core.errors import BadInput
from ..core.spec import lift
from ..data.text import TextCodec
from ..tasks.between import between, between_seeds
from .able import generator
from .package import Package
from .reading import item_of
from .sampling import conditions_for
from .texts import drawn_conditions, strange


def interpolate(package: Package, ends: tuple[Any, Any], n: int, where: Mapping[str, Any], seed: int = 0) -> tuple[Any, list[str]]:
    """(n raw items from one end to the other, notes). The ends are texts, paths of pictures, rows of numbers or raw items; for a model
    that only draws its latents they are two seeds. Conditions that `where` doesn't fix are drawn once, as for a sample."""
    model, codec = generator(package, "interpolate"), package.codec
    condition = {name: value.to(model.device) for name, value in conditions_for(package, 1, where, seed).items()}
    notes = drawn_conditions(package, condition, where)
    if isinstance(model, Encodes):
        rows = [lift(codec.spec, torch.from_numpy(item_of(codec, end))) for end in ends]
        if isinstance(codec, TextCodec):
            notes += strange(codec, "".join(ends))
        x = between(model, torch.cat(rows).to(model.device), n, condition)
    else:
        assert isinstance(model, Prior)
        x = between_seeds(model, (_seed(ends[0], package), _seed(ends[1], package)), n, condition)
    return codec.decode(x.cpu().numpy()), notes


def _seed(value: Any, package: Package) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) >= 1 << 62:
        raise BadInput(f"{package.recipe.model} can't find the latent of {str(value)!r}: give two whole numbers, the seeds to go between")
    return int(value)

"""Through the latents: between what a user gives (texts, pictures, rows of numbers, or two seeds), and along each latent number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..core.abilities import Encodes, Prior
from ..core.contract import Generator
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import lift
from ..data.text import TextCodec
from ..tasks.between import between, between_seeds
from ..tasks.traversing import traverse
from .able import generator
from .package import Package
from .reading import item_of
from .sampling import conditions_for, likeliest_under_rules
from .texts import drawn_conditions, strange

_USUAL = 256
"""Latents that say how far a number usually goes."""


def interpolate(package: Package, ends: tuple[Any, Any], n: int, where: Mapping[str, Any], seed: int = 0) -> tuple[Any, list[str]]:
    """(n raw items from one end to the other, notes). The ends are texts, paths of pictures, rows of numbers or raw items; for a model
    that only draws its latents they are two seeds. Conditions that `where` doesn't fix are drawn once, as for a sample."""
    model, codec = generator(package, "interpolate"), package.codec
    condition = {name: value.to(model.device) for name, value in conditions_for(package, 1, where, seed).items()}
    notes = drawn_conditions(package, condition, where)
    if isinstance(model, Encodes):
        rows = [_example(package, end) for end in ends]
        if isinstance(codec, TextCodec):
            notes += strange(codec, "".join(ends))
        x = between(model, torch.cat(rows).to(model.device), n, condition, likeliest_under_rules(package))
    else:
        assert isinstance(model, Prior)
        x = between_seeds(model, (_seed(ends[0], package), _seed(ends[1], package)), n, condition)
    return codec.decode(x.cpu().numpy()), notes


def traversal(package: Package, start: Any, n: int, rows: int, where: Mapping[str, Any], seed: int = 0) -> dict[str, Any]:
    """{"items": rows * n raw items, those of one latent number after another, "numbers", "effects", "from", "notes"}.

    `start` is an item whose latent is the middle, or None: the mean latent of samples. Raises Refused for text, which `explain` reads
    otherwise, and for tables.
    """
    model, codec = generator(package, "show what its latent numbers do"), package.codec
    if codec.kind in ("text", "table"):
        raise Refused(f"what latent numbers do is shown for pictures and rows of numbers, not for the kind {codec.kind!r}")
    condition = {name: value.to(model.device) for name, value in conditions_for(package, 1, where, seed).items()}
    notes = drawn_conditions(package, condition, where)
    middle = None if start is None else _latent(package, model, start, condition)
    found = traverse(model, middle, _usual(model, condition), n, rows, condition)  # type: ignore[arg-type]  # it decodes
    items = codec.decode(found.x.flatten(0, 1).numpy())
    origin = "the mean latent" if start is None else str(start)
    return {"items": items, "numbers": list(found.numbers), "effects": list(found.effects), "from": origin, "notes": notes}


def _latent(package: Package, model: Generator, start: Any, condition: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(1, *latent) of an item."""
    if isinstance(model, Encodes):
        with torch.inference_mode():
            return model.encode(_example(package, start).to(model.device), condition)
    assert isinstance(model, Prior)
    return model.prior(Noise(_seed(start, package), 1, path=("interpolate",)).to(model.device))


@torch.no_grad()
def _usual(model: Generator, condition: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(256, *latent): draws of the prior, or else the codes of samples."""
    noise = Noise(0, _USUAL, path=("usual",)).to(model.device)
    if isinstance(model, Prior):
        return model.prior(noise)
    assert isinstance(model, Encodes)
    own = {name: value.expand(_USUAL, *value.shape[1:]) for name, value in condition.items()}
    return model.encode(model.sample(own, noise=noise), own)


def _example(package: Package, value: Any) -> torch.Tensor:
    """(1,*) x of what a user gives."""
    return lift(package.codec.spec, torch.from_numpy(item_of(package.codec, value)))


def _seed(value: Any, package: Package) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) >= 1 << 62:
        raise BadInput(f"{package.recipe.model} can't find the latent of {str(value)!r}: give two whole numbers, the seeds to go between")
    return int(value)

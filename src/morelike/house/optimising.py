"""Searching a model's latent for items with a wanted property: parsed, searched, decoded, and measured again. n items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Density, Encodes, Predicts, Prior
from ..core.errors import BadInput, Refused, UnknownName
from ..core.noise import Noise
from ..core.spec import Array, elements, lift
from ..data.world import World
from ..judges.measures import MEASURES
from ..tasks.optimising import ascend, typical
from ..tasks.searching import search
from .able import generator
from .package import Package
from .prepare import raw_of
from .reading import item_of
from .sampling import conditions_for, likeliest_under_rules

_STRAY = 0.5
"""Deviation of the noise on the latent of an item to begin with, for all but the first."""
_MOST = 1000
_SHAPES = ("curve",)
"""Kinds of data of which every item can be measured, and quickly."""


@dataclass(slots=True)
class Optimised:
    """Items from latents that were moved towards a wish, those nearest to it first."""

    items: Any
    """(n,) raw items."""
    predicted: dict[str, np.ndarray]
    """Target -> (n,) by the model's own head, of the latents."""
    measured: dict[str, np.ndarray]
    """Target -> (n,) of the items themselves, NaN where one can't be measured; only targets that can be measured."""
    before: dict[str, np.ndarray]
    """The same of what the latents stood for before they were moved."""
    wanted: dict[str, float]
    nats: tuple[float, float] | None = None
    """Median -log p(item) before and after a search, in nats, of a model that has a likelihood: how far it strayed from the data."""

    def rows(self) -> list[dict[str, Any]]:
        """One an item."""
        both = {"predicted": self.predicted, "measured": self.measured}
        values = [{key: {name: _plain(own[place]) for name, own in each.items()} for key, each in both.items()}
                  for place in range(len(self.items))]  # fmt: skip
        return [{"item": str(item), **own} for item, own in zip(self.items, values, strict=True)]

    def errors(self) -> dict[str, dict[str, float | int | None]]:
        """Target -> mean distances of the measured from the wanted value, before and after, and how many items could be measured."""
        found: dict[str, dict[str, float | int | None]] = {}
        for name in self.measured:
            each = {key: np.abs(own[name] - self.wanted[name]) for key, own in (("before", self.before), ("after", self.measured))}
            known = {key: value[np.isfinite(value)] for key, value in each.items()}
            found[name] = {key: float(value.mean()) if len(value) else None for key, value in known.items()}
            found[name]["items"] = len(known["after"])
        return found


def optimise(package: Package, towards: Sequence[str], start: Any = None, n: int = 8, seed: int = 0) -> Optimised:
    """n items whose latents the model's head gives the wanted numbers, "logp=4"; from draws of the prior, or from around an item's latent.

    Of data whose properties follow from their shape (outlines) no head is needed: latents are searched, and every trial is measured.
    Raises Refused for a model without such a head, UnknownName or BadInput for a wish that it can't have.
    """
    if not 1 <= n <= _MOST:
        raise BadInput(f"the number of items must be between 1 and {_MOST:,}, not {n}")
    if package.codec.kind in _SHAPES:
        return _searched(package, towards, start, n, seed)
    model, codec = generator(package, "optimise"), package.codec
    assert isinstance(model, Predicts)
    assert isinstance(model, Encodes)
    if not model.targets:
        raise Refused(f"this {package.recipe.model} learnt no property to move towards: train it with --condition NAME, of numbers")
    wanted = dict(_wished(text, model.targets) for text in towards)
    coded = {name: float(np.asarray(package.conditions[name].encode([[value]]))[0, 0]) for name, value in wanted.items()}

    def worth(z: Tensor) -> Tensor:
        found = model.predict(z)
        return -torch.stack([(found[name][:, 0] - value).square() for name, value in coded.items()]).sum(0)

    condition = {name: value.to(model.device) for name, value in conditions_for(package, n, {}, seed).items()}
    noise = Noise(seed, n, path=("optimise",)).to(model.device)
    begun, norms = _begun(package, start, condition, noise)
    z = ascend(worth, begun, norms)
    with torch.no_grad():
        order = torch.argsort(worth(z), descending=True, stable=True)
        z, begun = z[order], begun[order]
        condition = {name: value[order] for name, value in condition.items()}
        predicted = {name: _decoded(package, name, value) for name, value in model.predict(z).items()}
    items, first = (_written(package, latents, condition) for latents in (z, begun))
    return Optimised(items, predicted, _measured(codec.kind, wanted, items), _measured(codec.kind, wanted, first), wanted)


def _searched(package: Package, towards: Sequence[str], start: Any, n: int, seed: int) -> Optimised:
    """By trial: latents are decoded and what comes out is measured."""
    model: Any = generator(package, "be searched for a property")
    codec = package.codec
    assert isinstance(codec, World)
    wanted = dict(_wished(text, codec.properties()) for text in towards)
    told = {name: value for name, value in wanted.items() if name in package.conditions}
    condition = {name: value.to(model.device) for name, value in conditions_for(package, n, told, seed).items()}
    noise = Noise(seed, n, path=("optimise",)).to(model.device)
    begun, norms = _begun(package, start, condition, noise)
    shape = begun.shape[1:]

    def items_of(z: Tensor) -> Any:
        rows = torch.arange(n, device=z.device).repeat_interleave(len(z) // n)
        with torch.no_grad():
            x = model.decode(z.view(-1, *shape), {name: value[rows] for name, value in condition.items()})
        return raw_of(codec, x.cpu().numpy())

    def distances(items: Any) -> np.ndarray:
        found = _measured(codec.kind, wanted, items)
        return np.stack([(found[name] - value) / scale[name] for name, value in wanted.items()])

    before = items_of(begun.flatten(1))
    scale = {name: max(float(np.nanstd(values)), 1e-2 * abs(wanted[name]), 1e-6)
             for name, values in _measured(codec.kind, wanted, before).items()}  # fmt: skip

    def worth(z: Tensor) -> Tensor:
        found = -np.square(distances(items_of(z))).sum(0)
        return torch.from_numpy(np.nan_to_num(found, nan=-np.inf)).to(z)

    z, most = search(worth, begun.flatten(1), norms, noise)
    items = items_of(z)
    nats = (_nats(package, before, condition), _nats(package, items, condition)) if isinstance(model, Density) else None
    items = items[torch.argsort(most, descending=True, stable=True).cpu().numpy()]
    measured = _measured(codec.kind, wanted, items)
    return Optimised(items, {}, measured, _measured(codec.kind, wanted, before), wanted, nats)


def _nats(package: Package, items: Any, condition: dict[str, Tensor]) -> float:
    """Median -log p(item), in nats: of an outline at the edge of what the code can say it is any number."""
    model: Any = package.model
    x = lift(model.spec, torch.from_numpy(package.codec.encode(items))).to(model.device)
    with torch.no_grad():
        return -float(model.log_prob(x, condition, noise=Noise(0, len(x), path=("optimise",)).to(model.device)).median())


def _wished(text: str, targets: Sequence[str]) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name not in targets:
        raise UnknownName("property of this model", name, targets)
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise BadInput(f"{text!r}: say which value is wanted, {name}=NUMBER")
    return name, number


def _begun(package: Package, start: Any, condition: dict[str, Tensor], noise: Noise) -> tuple[Tensor, tuple[float, float]]:
    """((n,L) latents to begin with, the norms that they may have)."""
    model: Any = package.model
    assert isinstance(model.latent, Array)
    low, high = typical(elements(model.latent))
    if start is None:
        # a latent that no prior is written down for is a draw's own
        drawn = model.prior(noise) if isinstance(model, Prior) else model.encode(model.sample(condition, noise=noise), condition)
        return drawn, (low, high)
    x = lift(model.spec, torch.from_numpy(item_of(package.codec, start))).to(model.device)
    with torch.no_grad():
        own = model.encode(x, {name: value[:1] for name, value in condition.items()})
    # a posterior's mean lies nearer to the origin than draws of the prior do
    spread = torch.full((noise.size, 1), _STRAY, device=own.device)
    spread[0] = 0.0
    return own + spread * noise.normal(model.latent.shape, "around"), (0.0, max(high, float(own.norm())))


def _written(package: Package, z: Tensor, condition: dict[str, Tensor]) -> Any:
    """Raw items of latents, the likeliest id after each, under the rules of the kind where it has any."""
    model: Any = package.model
    x = (likeliest_under_rules(package) or model.decode)(z, condition)
    return raw_of(package.codec, x.cpu().numpy())


def _decoded(package: Package, name: str, value: Tensor) -> np.ndarray:
    """(n,) a target in its own units."""
    return np.asarray(package.conditions[name].decode(value.cpu().numpy()), np.float64)[:, 0]


def _measured(kind: str, wanted: dict[str, float], items: Any) -> dict[str, np.ndarray]:
    known = MEASURES.get(kind, {})
    return {name: known[name].function(list(items)) for name in wanted if name in known}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

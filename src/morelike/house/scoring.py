"""The verb `score`: how likely each item is under a model, in nats and in bits per dimension.

N items, D dimensions of one: the numbers of an array, the ids of a sequence up to its stop, the columns of a row that hold a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.abilities import Density
from ..core.contract import Generator
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import Tokens, lift, lift_all, live
from ..tasks import classifying
from . import bayes
from .able import generator
from .audience import Audience
from .package import Package
from .prepare import Prepared
from .reading import item_of
from .sampling import encode_value, fixed_conditions

MOST_DRAWS = 100_000
_BATCH, _BATCH_OF_IDS = 256, 32
_SHOWN = 5
WORDS = {"exact": "the exact likelihood", "bound": "a bound: it is at least as likely", "estimate": "an estimate"}


@dataclass(frozen=True, slots=True)
class Scored:
    """How likely items are, of x as coded: a mass for ids and pictures of whole levels, a density for real numbers."""

    nats: NDArray[np.float64]
    """(N,) log p(item)."""
    dimensions: NDArray[np.int64]
    """(N,) D."""
    names: tuple[str, ...]
    """(N,) what each item is called."""
    tight: str
    """"exact", "bound" or "estimate"."""

    @property
    def bits_per_dimension(self) -> NDArray[np.float64]:
        """(N,) -log2 p / D."""
        return np.asarray(-self.nats / math.log(2) / np.maximum(self.dimensions, 1))

    def summary(self) -> dict[str, Any]:
        """{"n", "nats": {"mean", "standard_error"}, "bits_per_dimension", "tight", "least", "most", "items"}: the least and the most
        likely by bits per dimension."""
        order = np.argsort(-self.bits_per_dimension, kind="stable")
        error = float(self.nats.std(ddof=1) / math.sqrt(len(self.nats))) if len(self.nats) > 1 else None
        return {
            "n": len(self.nats), "tight": self.tight,
            "nats": {"mean": float(self.nats.mean()), "standard_error": error},
            "bits_per_dimension": float(-self.nats.sum() / math.log(2) / max(1, self.dimensions.sum())),
            "least": [self._item(int(row)) for row in order[:_SHOWN]], "most": [self._item(int(row)) for row in order[::-1][:_SHOWN]],
        }  # fmt: skip

    def _item(self, row: int) -> dict[str, Any]:
        bits = float(self.bits_per_dimension[row])
        return {"item": self.names[row], "nats": float(self.nats[row]), "bits_per_dimension": bits}

    def rows(self) -> list[list[str]]:
        """(N,) rows of `item`, `nats`, `bits_per_dimension` as text."""
        pairs = zip(self.names, self.nats, self.bits_per_dimension, strict=True)
        return [[name, f"{nats:.6f}", f"{bits:.6f}"] for name, nats, bits in pairs]


def score_items(package: Package, items: Sequence[Any], where: Mapping[str, Any], draws: int | None = None) -> Scored:
    """Items as a user gives them: texts, paths of pictures, rows of numbers, raw items. Where the class isn't given with `where`, it is
    summed over, each weighed by its share of the training data. Raises Refused for a model without a likelihood, and for tables."""
    model = _with_draws(generator(package, "score"), draws)
    if package.codec.kind == "table":
        raise Refused("rows of a file are scored by `detect`, which names their odd cells too; `score` takes data that is split: --data")
    if not len(items):
        raise BadInput("there is nothing to score: no item was given")
    codes = [item_of(package.codec, item) for item in items]
    if any(len(code) != 1 for code in codes):
        raise BadInput("an item is longer than the model's window: give it in parts")
    x = lift(package.codec.spec, torch.from_numpy(np.concatenate(codes)))
    label = bayes.label_of(package)
    if label is None or label in where:
        fixed = fixed_conditions(package, where)
        nats = _log_probs(model, x, {name: value.expand(len(x), *value.shape[1:]) for name, value in fixed.items()})
    else:
        nats = _over_classes(package, model, x, where)
    names = tuple(str(item) if isinstance(item, str) else str(number) for number, item in enumerate(items))
    return Scored(nats, _dimensions(model, x), names, model.tight)


def _over_classes(package: Package, model: Any, x: Tensor, where: Mapping[str, Any]) -> NDArray[np.float64]:
    """(N,) log of the sum of p(x | class) p(class)."""
    ruled = bayes.classifier(package)
    fixed_conditions(package, {**where, ruled.label: ruled.names[0]})
    others = {name: encode_value(package.conditions[name], value, name).expand(len(x), -1) for name, value in where.items()}
    nats = classifying.likelihoods(model, x, ruled.label, len(ruled.names), others)
    with np.errstate(divide="ignore"):
        return np.asarray(np.logaddexp.reduce(nats + np.log(ruled.prior / ruled.prior.sum()), axis=1))


def score_data(package: Package, data: Prepared, audience: Audience, draws: int | None = None) -> Scored:
    """The held-out items of data, each under its own conditions."""
    model = _with_draws(generator(package, "score"), draws)
    part = data.holdout
    if not len(part):
        raise BadInput(f"{data.source.name} has no held-out items to score")
    nats, dimensions = [], []
    step = _BATCH_OF_IDS if isinstance(package.codec.spec, Tokens) else _BATCH
    with audience.watch("scoring", len(part)) as bar:
        for start in range(0, len(part), step):
            rows = slice(start, start + step)
            x = lift(package.codec.spec, torch.from_numpy(np.ascontiguousarray(part.x[rows])))
            told = {name: torch.from_numpy(np.ascontiguousarray(part.condition[name][rows])) for name in package.conditions}
            nats.append(_log_probs(model, x, lift_all(model.conditions, told), start))
            dimensions.append(_dimensions(model, x))
            bar.advance(start + len(x), {})
    numbers = data.split.holdout if len(data.split.holdout) == len(part) else np.arange(len(part))
    return Scored(np.concatenate(nats), np.concatenate(dimensions), tuple(str(number) for number in numbers), model.tight)


def _log_probs(model: Any, x: Tensor, condition: Mapping[str, Tensor], first: int = 0) -> NDArray[np.float64]:
    """(B,) nats; a bound or an estimate draws by each item's own counted noise."""
    noise = Noise(0, torch.arange(first, first + len(x)), path=("score",)).to(model.device)
    own = {name: value.to(model.device) for name, value in condition.items()}
    with torch.inference_mode():
        return np.asarray(model.log_prob(x.to(model.device), own, noise=noise).double().cpu().numpy())


def _dimensions(model: Generator, x: Tensor) -> NDArray[np.int64]:
    return np.asarray(live(model.spec, x).flatten(1).sum(1).numpy(), dtype=np.int64)


def _with_draws(model: Generator, draws: int | None) -> Any:
    """The model, which draws so many latents for its bound. Raises BadInput for a number that is none, or a model that draws none."""
    assert isinstance(model, Density)
    if draws is None:
        return model
    if "draws" not in {field.name for field in fields(model.settings)}:
        raise BadInput(f"--draws is for bounds that are drawn; that of {type(model).__name__} is {WORDS[model.tight]}")
    if not 1 <= draws <= MOST_DRAWS:
        raise BadInput(f"the number of importance samples is between 1 and {MOST_DRAWS:,}, not {draws}")
    # a shallow copy: the model that was lent keeps its own setting
    eager: Any = copy(model)
    eager.settings = replace(model.settings, draws=draws)
    return eager

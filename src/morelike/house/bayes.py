"""The verb `classify`: Bayes' rule from a model's likelihoods, on one item or on held-out data beside what anyone would try first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.abilities import Density
from ..core.contract import Generator
from ..core.errors import BadInput, BadPackage, Refused
from ..core.spec import lift
from ..data.category import CategoryCodec
from ..data.loader import encode_all, take
from ..data.text import TextCodec
from ..judges.intervals import wilson
from ..tasks import classifying, rivals
from .able import generator
from .audience import Audience
from .package import Package
from .prepare import Prepared, as_items, raw_column
from .reading import item_of
from .sampling import fixed_conditions
from .texts import strange

MOST_JUDGED, MOST_FITTED = 2000, 1000
"""Held-out items that are classified, and validation items that the temperature is fitted on."""
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ruled:
    """A model as a classifier."""

    package: Package
    model: Generator
    label: str
    names: tuple[str, ...]
    prior: NDArray[np.float64]
    """(K,) training counts."""

    @property
    def density(self) -> Density:
        assert isinstance(self.model, Density)
        return self.model

    @property
    def how(self) -> str:
        """What the likelihoods are, in words."""
        words = {"exact": "from the exact likelihood", "bound": "from a bound on the likelihood", "estimate": "from an estimate"}
        return words[self.density.tight]


def label_of(package: Package) -> str | None:
    """The name of the model's first condition that is a class."""
    return next((name for name, codec in package.conditions.items() if isinstance(codec, CategoryCodec)), None)


def classifier(package: Package) -> Ruled:
    """Raises Refused for a model without a likelihood or without a label, BadPackage without the training counts."""
    model = generator(package, "classify")
    label = label_of(package)
    if label is None:
        raise Refused("this model knows no classes: train one with --condition LABEL on data that has labels, then it can classify")
    codec = package.conditions[label]
    assert isinstance(codec, CategoryCodec)
    counts = package.card.get("histograms", {}).get(label, ())
    if len(counts) != len(codec.names) or not sum(counts):
        raise BadPackage(f"the card has no training counts of {label!r}, which are the prior")
    return Ruled(package, model, label, codec.names, np.array(counts, dtype=np.float64))


def classify_one(package: Package, value: Any, where: dict[str, Any]) -> dict[str, Any]:
    """{"label", "probabilities": {name: p}, "log_likelihoods": {name: nats}, "how", "notes"} of one item.

    `where` fixes other conditions.
    """
    ruled = classifier(package)
    if ruled.label in where:
        raise BadInput(f"{ruled.label} is what is asked: it can't be fixed with --where")
    others = fixed_conditions(package, {**where, ruled.label: ruled.names[0]})
    del others[ruled.label]
    x = lift(package.codec.spec, torch.from_numpy(item_of(package.codec, value)))
    nats = classifying.likelihoods(ruled.density, x, ruled.label, len(ruled.names), others)
    log_probs = classifying.posterior(nats, ruled.prior)[0]
    order = np.argsort(-log_probs, kind="stable")
    return {
        "label": ruled.names[int(order[0])],
        "probabilities": {ruled.names[int(k)]: float(np.exp(log_probs[k])) for k in order},
        "log_likelihoods": {ruled.names[int(k)]: float(nats[0, k]) for k in order},
        "how": ruled.how,
        "notes": strange(package.codec, str(value)) if isinstance(package.codec, TextCodec) else [],
    }


def classify_data(package: Package, data: Prepared, audience: Audience, seed: int = 0) -> dict[str, Any]:
    """{"n", "classes", "how", "temperature", "rows": [{"name", "accuracy", "low", "high", "calibration_error", "log_loss"}], "confused"}.

    The hold-out (2,000 items of it at most) is classified by the model, by the model with a temperature fitted on validation data, by
    naive Bayes and logistic regression on raw features of the same training part (20,000 items of it at most), and by the commonest class.
    """
    ruled = classifier(package)
    real, rows = _labels(ruled, data, data.split.holdout, MOST_JUDGED, seed)
    fit_real, fit_rows = _labels(ruled, data, data.split.validation, MOST_FITTED, seed)
    if not len(rows):
        raise BadInput(f"{data.source.name} has no held-out items with a {ruled.label} to classify")
    nats = _likelihoods(ruled, data, rows, audience, "classifying")
    results = {package.recipe.model or "model": classifying.posterior(nats, ruled.prior)}
    temperature = None
    if len(fit_rows):
        fitted = _likelihoods(ruled, data, fit_rows, audience, "fitting a temperature")
        sharpness = classifying.fitted_sharpness(fitted, ruled.prior, fit_real)
        temperature = 1 / sharpness
        results[f"{package.recipe.model or 'model'}, calibrated"] = classifying.posterior(nats, ruled.prior, sharpness)
    known, known_rows = _labels(ruled, data, data.split.train, rivals.MOST_ITEMS, seed)
    if len(known_rows):
        audience.say("training naive Bayes and logistic regression")
        pair = [as_items(list(take(data.source.items, part))) for part in (known_rows, rows)]
        results |= rivals.rivals(_plain(pair[0]), known, _plain(pair[1]), len(ruled.names))
    results["commonest class"] = classifying.posterior(np.zeros((len(rows), len(ruled.names))), ruled.prior)
    return {
        "n": len(rows), "classes": len(ruled.names), "label": ruled.label, "how": ruled.how, "temperature": temperature,
        "rows": [_row(name, log_probs, real) for name, log_probs in results.items()],
        "confused": classifying.worst_pairs(next(iter(results.values())), real, ruled.names),
    }  # fmt: skip


def _row(name: str, log_probs: NDArray[np.float64], real: Ids) -> dict[str, Any]:
    share = wilson(float((log_probs.argmax(1) == real).mean()), len(real))
    errors = {"calibration_error": classifying.calibration_error(log_probs, real), "log_loss": classifying.log_loss(log_probs, real)}
    return {"name": name, "accuracy": share.value, "low": share.low, "high": share.high, **errors}


def _plain(items: np.ndarray) -> Any:
    """Items for scikit-learn: a list of texts, or an array."""
    return items.tolist() if items.dtype == object else items


def _labels(ruled: Ruled, data: Prepared, part: np.ndarray, most: int, seed: int) -> tuple[Ids, np.ndarray]:
    """(classes in the model's numbering, item numbers) of a part of the data, `most` at most. Raises BadInput for a class that the model
    doesn't know, or data without labels."""
    column = data.source.columns.get(ruled.label)
    if column is None or not column.categories:
        raise BadInput(f"{data.source.name} has no labels {ruled.label!r}, so it can't be said how well the model classifies it")
    rows = part[rivals.thinned(len(part), most, seed)]
    met = sorted({column.categories[int(number)] for number in np.unique(column.values[rows])} - set(ruled.names))
    if met:
        raise BadInput(f"{data.source.name} has classes that the model doesn't know: {', '.join(met[:5])}{', ...' if len(met) > 5 else ''}")
    numbers = {name: number for number, name in enumerate(ruled.names)}
    return np.array([numbers[column.categories[int(value)]] for value in column.values[rows]], dtype=np.int64), rows


def _likelihoods(ruled: Ruled, data: Prepared, rows: np.ndarray, audience: Audience, what: str) -> NDArray[np.float64]:
    package = ruled.package
    x = lift(package.codec.spec, torch.from_numpy(encode_all(package.codec, data.source.items, rows)))
    others: dict[str, Tensor] = {}
    for name, codec in package.conditions.items():
        if name == ruled.label:
            continue
        if name not in data.source.columns:
            raise BadInput(f"the model is conditioned on {name} too, which {data.source.name} doesn't have")
        values = np.asarray(codec.encode(raw_column(data.source.columns[name], rows)))
        others[name] = lift(codec.spec, torch.from_numpy(values))
    with audience.watch(what, len(x)) as bar:
        return classifying.likelihoods(
            ruled.density, x, ruled.label, len(ruled.names), others, advance=lambda done: bar.advance(done, {})
        )

"""Scores of samples against the training split, in groups that share their passes over the data.

A group names its scores with direction and smallest number of items, and measures one set of n items at a time. To add
a score: one line in `rules` and one entry in `measure`. A group that can't be built raises `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput, Refused
from ..maths.distance import (
    Neighbourhoods,
    euclidean,
    frechet_distance,
    mean_across,
    mean_within,
    moments,
    neighbourhoods,
    radii,
    unit_scale,
)
from .intervals import Floats, Measure, around, jackknife, resampled, resamples, wilson

Ids = NDArray[np.integer]
REFERENCE_ITEMS = 10_000
NGRAMS = "raw-ngrams"
"""How the names of extractors of n-gram frequencies begin."""
OUTLYING = "raw-morgan"
"""The same of those that put what is no item of its kind far from all: among few good items it widens neighbourhoods, and recall."""
_DIVERSITY_ITEMS = 2_000


@dataclass(frozen=True, slots=True)
class Rule:
    """How to read a score, and below how many items it refuses."""

    better: Literal["lower", "higher"]
    smallest: int
    bar: bool = True
    """Whether the best trivial model sets a ceiling; False where being trivial is no help: noise copies nothing and is varied."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier of raw items, from the house."""

    name: str
    classify: Callable[[NDArray[np.generic]], NDArray[np.generic]]
    """(N, ...) raw items -> (N,) class ids."""
    classes: tuple[str, ...]

    def __call__(self, items: NDArray[np.generic]) -> Ids:
        """(N,) class ids. Raises BadInput for ids that are no class."""
        parts = [np.asarray(self.classify(items[at : at + 4096])).reshape(-1) for at in range(0, len(items), 4096)]
        ids = np.concatenate(parts or [np.zeros(0)]).astype(np.int64)
        if len(ids) != len(items) or (len(ids) and not 0 <= ids.min() <= ids.max() < len(self.classes)):
            raise BadInput(f"the classifier {self.name!r} must return one class id of 0..{len(self.classes) - 1} for each item")
        return ids


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One set of n items as the scores see it."""

    role: Literal["generated", "holdout", "baseline", "copier"]
    rows: Ids
    """(n,): which of the set's items these are."""
    features: Mapping[str, Floats]
    """Extractor name -> (n,D)."""
    asked: Ids | None = None
    """(n,): the label each item was asked for; the true one of held-out items."""
    classes: Ids | None = None
    """(n,): the classifier's verdict."""
    items: NDArray[Any] | None = None
    """(n, ...): the raw items themselves, for scores that read them."""

    @property
    def intervals(self) -> bool:
        return self.role in ("generated", "holdout")


class Group(Protocol):
    """Some scores that share their passes over the data."""

    @property
    def rules(self) -> Mapping[str, Rule]: ...

    @property
    def extractor(self) -> str: ...

    def measure(self, shown: Shown) -> dict[str, Measure]: ...


def check_features(features: Floats, what: str) -> None:
    """Raises Refused where features are not finite."""
    bad = int((~np.isfinite(features).all(1)).sum())
    if bad:
        raise Refused(f"the features of {bad} of {len(features)} {what} are not finite")


def check_spread(features: Floats) -> None:
    """Raises Refused where the training split's features are constant, so that no distance means anything."""
    if len(features) < 2 or float(features.std(0, dtype=np.float64).max()) <= 1e-6 * max(1.0, float(np.abs(features).max())):
        raise Refused("the training items are all alike in these features")


def feature_rules(extractor: str, dimensions: int) -> dict[str, Rule]:
    """The rules of the scores on one extractor's features of so many dimensions.

    On n-gram frequencies simple texts lie in the thick of the real ones: they set no bar for precision and density.
    """
    telling = not extractor.startswith(NGRAMS)
    return {
        f"frechet.{extractor}": Rule("lower", max(50, 2 * dimensions)),
        f"kernel.{extractor}": Rule("lower", 20),
        f"precision.{extractor}": Rule("higher", 50, bar=telling),
        f"recall.{extractor}": Rule("higher", 50, bar=not extractor.startswith(OUTLYING)),
        f"density.{extractor}": Rule("higher", 50, bar=telling),
        f"coverage.{extractor}": Rule("higher", 50),
        f"diversity.{extractor}": Rule("higher", 20, bar=False),
    }


def class_rules(classes: int) -> dict[str, Rule]:
    """The rules of the scores that need a classifier of so many classes."""
    return {"classes": Rule("lower", 10 * classes), "label-accuracy": Rule("higher", 50)}


class FeatureScores:
    """Distances, neighbourhoods and diversity on one extractor's features."""

    def __init__(self, extractor: str, reference: Floats, rows: Ids, classes: Ids | None, seed: int) -> None:
        """`reference` (M,D), all there is; `rows` (R,): at most 10,000 of them in random order, for all but the means; `classes` (R,)."""
        check_features(reference, "training items")
        check_spread(reference)
        self.extractor, self.seed = extractor, seed
        dimensions = reference.shape[1]
        self.rules = feature_rules(extractor, dimensions)
        self.mean, self.covariance = moments(reference)
        self.some = np.ascontiguousarray(reference[rows])
        if len(self.some) < 20:
            raise Refused(f"needs at least 20 training items, has {len(self.some)}")
        self.centre, self.scale = unit_scale(self.some)
        self.scaled = (self.some - self.centre) / self.scale
        self.within = float(mean_within(self.scaled)[0])
        self.radii = radii(self.some, 3, 5)
        self.real, self.shares = _class_spreads(self.some[:_DIVERSITY_ITEMS], None if classes is None else classes[:_DIVERSITY_ITEMS])

    def measure(self, shown: Shown) -> dict[str, Measure]:
        x = shown.features[self.extractor]
        check_features(x, "items")
        weights = resamples(len(x), self.seed) if shown.intervals else None
        near = neighbourhoods(self.some, x, self.radii)
        values = {"frechet": self._frechet(x, weights), "kernel": self._kernel(x, weights), **_neighbour_measures(near)}
        varied = self._diversity(x, shown.classes, weights)
        if varied is not None:
            values["diversity"] = varied
        return {f"{name}.{self.extractor}": value for name, value in values.items()}

    def _frechet(self, x: Floats, weights: Ids | None) -> Measure:
        value = frechet_distance(*moments(x), self.mean, self.covariance)
        if weights is None:
            return Measure(value)
        rows, draws = x.astype(np.float64), np.empty(len(weights))
        for b, count in enumerate(weights):
            mean = count @ rows / len(rows)
            centred = rows - mean
            draws[b] = frechet_distance(mean, (centred * count[:, None]).T @ centred / (len(rows) - 1), self.mean, self.covariance)
        return resampled(value, draws, 0.0)

    def _kernel(self, x: Floats, weights: Ids | None) -> Measure:
        x = (x - self.centre) / self.scale
        across = mean_across(x, self.scaled)
        value = float(mean_within(x)[0] + self.within - 2.0 * across.mean())
        if weights is None:
            return Measure(value)
        draws = mean_within(x, weights) - 2.0 * (weights @ across) / len(x)
        return resampled(value, draws)

    def _diversity(self, x: Floats, classes: Ids | None, weights: Ids | None) -> Measure | None:
        """Mean distance of two samples of one class over that of two real items of it; classes weighed by their real share."""
        made = real = 0.0
        draws = np.zeros(0 if weights is None else len(weights))
        for name, spread in self.real.items():
            mine = np.arange(len(x)) if classes is None else np.flatnonzero(classes == name)
            if len(mine) < 2:
                continue
            share = self.shares[name]
            made += share * float(mean_within(x[mine], None, euclidean)[0])
            real += share * spread
            if weights is not None:
                draws += share * mean_within(x[mine], weights[:, mine], euclidean)
        if real <= 0:
            return None
        return Measure(made / real) if weights is None else resampled(made / real, draws / real, 0.0)


def _class_spreads(features: Floats, classes: Ids | None) -> tuple[dict[int, float], dict[int, float]]:
    """Mean distance of two items of one class, and its share, for each class of at least two items; without classes all are class 0."""
    ids = np.zeros(len(features), np.int64) if classes is None else classes
    names = [int(name) for name, count in zip(*np.unique(ids, return_counts=True), strict=True) if count >= 2]
    spreads = {name: float(mean_within(features[ids == name], None, euclidean)[0]) for name in names}
    return spreads, {name: float((ids == name).mean()) for name in names}


def _neighbour_measures(near: Neighbourhoods) -> dict[str, Measure]:
    samples, reference = len(near.precise), len(near.recalled)
    return {
        "precision": wilson(float(near.precise.mean()), samples),
        "recall": jackknife(float(near.recalled.mean()), near.recalls_alone, reference),
        "density": around(float(near.dense.mean()), float(near.dense.std()) / samples**0.5, 0.0),
        "coverage": jackknife(float(near.covered.mean()), near.covers_alone, reference),
    }


class ClassScores:
    """Lost classes and label accuracy, by a classifier."""

    def __init__(self, classifier: Classifier | None, reference: Ids | None, seed: int) -> None:
        """`reference` (M,): the classifier's verdict on training items, so that its mistakes weigh on both sides alike."""
        if classifier is None or reference is None:
            raise Refused("needs class labels, and this data has none")
        if len(classifier.classes) < 2:
            raise Refused("needs at least two classes")
        self.extractor, self.seed, self.names = classifier.name, seed, classifier.classes
        self.real = self._shares(reference)
        self.rules = class_rules(len(self.names))

    def _shares(self, classes: Ids) -> Floats:
        return np.bincount(classes, minlength=len(self.names)) / max(1, len(classes))

    def measure(self, shown: Shown) -> dict[str, Measure]:
        """`classes`: total variation between class shares, half the sum of absolute differences, 0 to 1."""
        if shown.classes is None:
            return {}
        shares, n = self._shares(shown.classes), len(shown.classes)
        draws = np.random.Generator(np.random.PCG64(self.seed)).multinomial(n, shares, 1000) / n
        deviation = float(np.abs(draws - self.real).sum(1).std()) / 2
        out = {"classes": around(float(np.abs(shares - self.real).sum()) / 2, deviation, 0.0, 1.0)}
        if shown.asked is not None:
            out["label-accuracy"] = wilson(float((shown.classes == shown.asked).mean()), n)
        return out

    def table(self, shown: Shown) -> list[dict[str, Any]]:
        """For each class: real and generated share; lost: below half of the real share, over: above double it.

        A class is listed only where its interval lies clear of the real share: chance in small classes is no loss.
        """
        if shown.classes is None:
            return []
        n, rows = len(shown.classes), []
        for number, (name, real, share) in enumerate(zip(self.names, self.real, self._shares(shown.classes), strict=True)):
            bounds = wilson(float(share), n)
            lost = share < real / 2 and (bounds.high or 0.0) < real
            over = share > 2 * real and (bounds.low or 0.0) > real
            row: dict[str, Any] = {"name": name, "real": float(real), "generated": float(share), "lost": bool(lost), "over": bool(over)}
            if shown.asked is not None and (shown.asked == number).any():
                row["label_accuracy"] = float((shown.classes[shown.asked == number] == number).mean())
            rows.append(row)
        return rows

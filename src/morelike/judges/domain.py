"""What judges know of a kind of data with rules of its own: features to compare items by, and scores in its own terms.

N items, D features, K bins.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.contract import Raw
from ..core.errors import Refused
from .extractor import Extractor
from .intervals import RESAMPLES, Measure, resampled, resamples, wilson
from .scores import Classifier, Group, Ids, Rule, Shown

Numbers = NDArray[np.float64]
OWN = "items"
"""What stands for an extractor's name in scores that read the items themselves."""
_SETS = 20
"""Resamples of a score that reads a whole set anew each time."""


@dataclass(frozen=True, slots=True)
class Score:
    """A score in the terms of one kind of data."""

    name: str
    rule: Rule
    how: Literal["mean", "histogram", "set"]
    function: Callable[[Sequence[Raw]], Any]
    """mean: (N,) numbers, whose mean is the value (NaN where an item has none); histogram: (N,K) counts, the value being the total
    variation distance of the set's shares from those of the training items; set: one number of the whole set."""
    most: float = math.inf
    """The largest value that a set can have; its interval ends there."""


class Domain(ABC):
    """One kind of data. `facts` are those of its codec (`World.facts`), `reference` the training items that judges are given."""

    def __init__(self, facts: Mapping[str, Any], reference: Sequence[Raw]) -> None:
        self.told, self.reference = facts, reference

    @abstractmethod
    def extractor(self) -> Extractor:
        """Features (N,D) of items by which sets and neighbours are compared; its name begins with "raw-"."""

    @abstractmethod
    def scores(self) -> list[Score]:
        """In the order of the report."""


class DomainScores(Group):
    """Some scores of one kind against the training items."""

    def __init__(self, scores: Sequence[Score], reference: Sequence[Raw], seed: int) -> None:
        self.scores, self.seed = scores, seed
        self._shares = {score.name: _shares(_counts(score, reference).sum(0)) for score in scores if score.how == "histogram"}

    @property
    def rules(self) -> dict[str, Rule]:
        return {score.name: score.rule for score in self.scores}

    @property
    def extractor(self) -> str:
        return OWN

    def measure(self, shown: Shown) -> dict[str, Measure]:
        assert shown.items is not None
        items = list(shown.items)
        found = {score.name: self._one(score, items, shown.intervals) for score in self.scores}
        return {name: measure for name, measure in found.items() if np.isfinite(measure.value)}

    def _one(self, score: Score, items: Sequence[Raw], interval: bool) -> Measure:
        weights = resamples(len(items), self.seed)
        if score.how == "set":
            value = float(score.function(items))
            if not interval:
                return Measure(value)
            picked = [np.repeat(np.arange(len(items)), one).tolist() for one in weights[:_SETS]]
            drawn = [float(score.function([items[row] for row in rows])) for rows in picked]
            return resampled(value, np.resize(np.array(drawn), RESAMPLES) - float(np.mean(drawn)) + value, largest=score.most)
        if score.how == "mean":
            each = np.asarray(score.function(items), np.float64)
            known = np.isfinite(each)
            if not known.any():
                return Measure(float("nan"))
            value = float(each[known].mean())
            draws = (weights[:, known] @ each[known]) / np.maximum(weights[:, known].sum(1), 1)
            if not interval:
                return Measure(value)
            # a share of yes and no: resamples of all yes don't move, and that says too much
            share = bool(np.isin(each[known], (0.0, 1.0)).all())
            return replace(wilson(value, int(known.sum())), draws=draws) if share else resampled(value, draws)
        counts, real = _counts(score, items), self._shares[score.name]
        value = _distance(_shares(counts.sum(0)), real)
        if not interval:
            return Measure(value)
        return resampled(value, np.array([_distance(_shares(one @ counts), real) for one in weights]), 0.0, 1.0)


def domain_groups(domain: Domain, seed: int) -> Iterator[tuple[list[str], Callable[[], Group]]]:
    """Score names and how to build their group, one by one: what can't be measured takes no other with it."""
    for score in domain.scores():

        def build(own: Score = score) -> Group:
            return DomainScores([own], domain.reference, seed)

        yield [score.name], build


def domain_classifier(
    name: str, extractor: Extractor, items: NDArray[Any], labels: Ids | None, names: tuple[str, ...]
) -> Classifier | None:
    """Logistic regression on the kind's features, fitted on labelled training items; None without labels."""
    if labels is None or len(np.unique(labels)) < 2:
        return None
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(extractor(items), labels)
    return Classifier(name, lambda given: model.predict(extractor(given)), names)


def _counts(score: Score, items: Sequence[Raw]) -> Numbers:
    counts: Numbers = np.asarray(score.function(items), np.float64)
    if counts.ndim != 2 or len(counts) != len(items):
        raise Refused(f"{score.name} gave counts of the shape {counts.shape} for {len(items)} items")
    return counts


def _shares(counts: Numbers) -> Numbers:
    total = counts.sum()
    return counts / total if total > 0 else counts


def _distance(first: Numbers, second: Numbers) -> float:
    """Total variation: half the sum of absolute differences, 0 to 1."""
    return float(np.abs(first - second).sum() / 2)

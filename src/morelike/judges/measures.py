"""What can be measured of one item, by name: what `reward` and `optimise` steer by. N items.

A kind of data with judges of its own offers each of their scores that is a mean over items (`Domain.scores`); the others are listed
here. A wish is a name alone, where more is better within 0..1, or NAME=VALUE, where nearer is better.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.contract import Raw
from ..core.errors import BadInput, UnknownName
from ..data.curve_measures import FORMS, measure
from .domain import Domain
from .molecule_measures import log_p, qed, weight

Numbers = NDArray[np.float64]
Function = Callable[[Sequence[Raw]], Numbers]
_MATCHES = "matches"
_LONGEST_PATTERN = 1000


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of an item, NaN where it has none."""

    function: Function
    """(N,) of N items."""
    unit: bool = False
    """Whether it lies in 0..1, so that there is a best value."""
    lower: bool = False
    """Whether less is better."""


def _length(items: Sequence[Raw]) -> Numbers:
    return np.array([len(item) for item in items], np.float64)


def _letters(items: Sequence[Raw]) -> Numbers:
    """Share of the characters that are letters; 0 of an empty text."""
    return np.array([sum(map(str.isalpha, item)) / max(1, len(item)) for item in items], np.float64)


MEASURES: Mapping[str, Mapping[str, Measure]] = {
    "text": {"length": Measure(_length), "letters": Measure(_letters, unit=True)},
    "molecule": {
        "qed": Measure(qed, unit=True), "logp": Measure(log_p), "mol_weight": Measure(weight), "length": Measure(_length),
    },
    "curve": {name: Measure(measure(name)) for known in FORMS.values() for name in known},
}  # fmt: skip
"""Kind of data -> name -> measure."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A reward of items, (N,) in 0..1: a measure itself, or how near it is to a value."""

    name: str
    function: Function
    value: float | None = None
    """None: more is better, or less where `lower`."""
    scale: float = 1.0
    """The measure's standard deviation over training items: so far away from the value the reward is 1/e."""
    lower: bool = False

    def __call__(self, items: Sequence[Raw]) -> Numbers:
        """0 where an item has no such number, such as a broken one."""
        found = self.function(items)
        best = 1.0 - found if self.lower else found
        worth = best if self.value is None else np.exp(-np.abs(found - self.value) / self.scale)
        return np.nan_to_num(worth, nan=0.0)


def measures(kind: str, domain: Domain | None, reference: Sequence[Raw]) -> dict[str, Measure]:
    """All that can be measured of items of a kind; of `domain` a score is a unit one where that of the training items `reference` is."""
    found = {}
    for score in domain.scores() if domain is not None else ():
        if score.how == "mean":
            own = np.asarray(score.function(reference), np.float64)
            within = bool(((own >= 0) & (own <= 1) | np.isnan(own)).all())
            found[score.name] = Measure(score.function, within, score.rule.better == "lower")
    return {**found, **MEASURES.get(kind, {})}


def wish(text: str, kind: str, domain: Domain | None, reference: Sequence[Raw]) -> Wish:
    """The wish that a text says: "qed", "logp=3", for texts also "matches=PATTERN" (a regular expression found anywhere).

    Raises UnknownName for a measure that the kind doesn't have, BadInput where the wish says too little or too much.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if kind == "text" and name == _MATCHES:
        return Wish(name, _matching(value))
    known = measures(kind, domain, reference)
    if name not in known:
        raise UnknownName("measure", name, [*known, *([_MATCHES] if kind == "text" else [])])
    measure = known[name]
    if not equals:
        if not measure.unit:
            raise BadInput(f"{name} has no best value of its own: say which is wanted, {name}=NUMBER")
        return Wish(name, measure.function, lower=measure.lower)
    try:
        wanted = float(value)
    except ValueError:
        wanted = float("nan")
    if not np.isfinite(wanted):
        raise BadInput(f"{name}={value}: a number is wanted, such as {name}=3")
    own = measure.function(reference)
    scale = float(np.nanstd(own)) if np.isfinite(own).any() else 0.0
    return Wish(name, measure.function, wanted, scale or 1.0)


def _matching(pattern: str) -> Function:
    """1 where a regular expression is found, else 0. Raises BadInput for one that is none."""
    if not pattern or len(pattern) > _LONGEST_PATTERN:
        raise BadInput(f"{_MATCHES}=PATTERN takes a regular expression of 1 to {_LONGEST_PATTERN:,} characters")
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise BadInput(f"{_MATCHES}={pattern}: it is no regular expression: {error}") from error
    return lambda items: np.array([found.search(item) is not None for item in items], np.float64)

"""How well a model predicts held-out text: nats per character and per byte, against the best trivial model's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import Refused
from .intervals import Floats, Measure, resampled, resamples
from .scores import Rule

MODEL = "model"
"""The judged model's name among the likelihoods."""
ADAPTIVE = "adaptive-nats-per-character"
_SMALLEST = 5


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What a model says of each of n held-out items."""

    nats: Floats
    """(n,): minus the log-probability of the whole item, its end included where items end."""
    characters: NDArray[np.integer]
    """(n,)."""
    bytes: NDArray[np.integer]
    """(n,): in UTF-8."""
    tight: str = "exact"
    """"exact", "bound" (the truth is no larger) or "estimate"."""
    adaptive: Floats | None = None
    """(n,): the nats where the model goes on learning from the text as it is scored; None for models that don't."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Scores measured already, without a floor: the samples' measures and each trivial model's values."""

    rules: Mapping[str, Rule]
    own: Mapping[str, Measure]
    baselines: Mapping[str, Mapping[str, float]]
    n: int
    extractor: str
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Further keys of a score's entry."""


def likelihood_rules() -> dict[str, Rule]:
    """The rules of the likelihood's scores."""
    return {name: Rule("lower", _SMALLEST) for name in ("nats-per-character", "nats-per-byte")}


def likelihood_scores(likelihoods: Mapping[str, Likelihood], seed: int) -> Ready:
    """`nats-per-character` and `nats-per-byte`: total nats over total length, bootstrapped over items.

    Raises Refused where the model has no likelihood or the held-out text is too short.
    """
    if MODEL not in likelihoods:
        raise Refused("needs a likelihood, and this family has none")
    own = likelihoods[MODEL]
    n = len(own.nats)
    if n < _SMALLEST or not own.characters.sum():
        raise Refused(f"needs at least {_SMALLEST} held-out items with text, has {n}")
    if not np.isfinite(own.nats).all():
        raise Refused("the likelihood of some held-out items is no finite number")
    weights = resamples(n, seed)
    measures, baselines = {}, {name: _values(each) for name, each in likelihoods.items() if name != MODEL}
    for name, value in _values(own).items():
        lengths = own.characters if name.endswith("character") else own.bytes
        draws = (weights @ own.nats) / np.maximum(weights @ lengths, 1)
        measures[name] = resampled(value, draws, 0.0)
    rules = likelihood_rules()
    if own.adaptive is not None:
        draws = (weights @ own.adaptive) / np.maximum(weights @ own.characters, 1)
        measures[ADAPTIVE] = resampled(float(own.adaptive.sum() / own.characters.sum()), draws, 0.0)
        rules[ADAPTIVE] = Rule("lower", _SMALLEST, bar=False)
    return Ready(rules, measures, baselines, n, f"log-likelihood, {own.tight}")


def _values(each: Likelihood) -> dict[str, float]:
    total = float(each.nats.sum())
    return {"nats-per-character": total / max(1, int(each.characters.sum())), "nats-per-byte": total / max(1, int(each.bytes.sum()))}

"""What was made under a picture condition, beside the real picture that belongs to it. n items, * an item's shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import Refused
from .extractor import Array
from .intervals import around
from .likelihood import Ready
from .scores import Rule

TOLD = "told-error"
_SMALLEST = 20
_ANOTHER = "another item"


@dataclass(frozen=True, slots=True)
class Told:
    """Raw items (n,*): made under conditions of held-out items, and these items themselves."""

    made: Array
    real: Array


def told_rules() -> dict[str, Rule]:
    """The rule of the score."""
    return {TOLD: Rule("lower", _SMALLEST)}


def told_scores(told: Told) -> Ready:
    """`told-error`: mean absolute difference to the real picture, in shares of the values' range, beside that of another held-out one.

    Raises Refused for fewer than 20 items.
    """
    if len(told.real) < _SMALLEST:
        raise Refused(f"needs at least {_SMALLEST} held-out items, has {len(told.real)}")
    made, real = (items.reshape(len(items), -1).astype(np.float64) for items in (told.made, told.real))
    span = float(real.max() - real.min()) or 1.0
    each, others = (np.abs(items - real).mean(1) / span for items in (made, np.roll(real, 1, 0)))
    own = around(float(each.mean()), float(each.std() / np.sqrt(len(each))), 0.0)
    return Ready(told_rules(), {TOLD: own}, {_ANOTHER: {TOLD: float(others.mean())}}, len(each), "values")

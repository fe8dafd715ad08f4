"""For families that treat a class label by keeping one thing a class: which condition it is, and each example's class."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..core.spec import Conditions, Tokens


def refuses_conditions(conditions: Conditions) -> str | None:
    """Why these conditions are more than one class label, or None."""
    match list(conditions.values()):
        case [] | [Tokens(shape=(1,))]:
            return None
    return f"it can be conditioned on one class label and on nothing else, not on {', '.join(conditions)}"


def count_classes(conditions: Conditions) -> int:
    """Classes of the label; 0 where there is no condition."""
    return sum(spec.vocab for spec in conditions.values() if isinstance(spec, Tokens))


def classes_of(
    conditions: Conditions, condition: Mapping[str, Tensor] | None, size: int, given: Mapping[str, Tensor] | None = None
) -> Tensor:
    """(size,) int64: each example's class, or the number of classes where no label is given."""
    count = count_classes(conditions)
    for name in conditions:
        if condition and name in condition:
            label = condition[name].view(-1)
            return label if given is None else torch.where(given[name], label, count)
    return torch.full((size,), count)

"""The one condition encoder, which lives inside every net: (condition, given) -> a vector for each example."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..core.spec import Conditions, Spec, Tokens, elements


class ConditionEncoder(nn.Module):
    """Sums one vector a condition: embedded ids (mean over positions) or a small net over numbers; a learned null where not given."""

    def __init__(self, conditions: Conditions, width: int) -> None:
        super().__init__()
        self.width = width
        self.specs = dict(conditions)
        self.embed = nn.ModuleDict({name: _embedder(spec, width) for name, spec in conditions.items()})
        self.null = nn.ParameterDict({name: nn.Parameter(torch.zeros(width)) for name in conditions})

    def forward(self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], batch: int) -> Tensor | None:
        """(B, width), or None where there are no conditions at all. A condition missing from the mapping counts as not given."""
        total: Tensor | None = None
        for name, spec in self.specs.items():
            null = self.null[name].expand(batch, -1)
            if name in condition:
                value = condition[name]
                flat = value.flatten(1)
                vector = self.embed[name](flat).mean(1) if isinstance(spec, Tokens) else self.embed[name](flat.float())
                vector = torch.where(given[name][:, None], vector, null)
            else:
                vector = null
            total = vector if total is None else total + vector
        return total


def _embedder(spec: Spec, width: int) -> nn.Module:
    if isinstance(spec, Tokens):
        return nn.Embedding(spec.vocab, width)
    return nn.Sequential(nn.Linear(elements(spec), width), nn.SiLU(), nn.Linear(width, width))

"""A decoder of series as a sum that a reader can take apart: trend, seasons and the rest.

B batch, C channels, T steps, Z numbers of the latent, P degrees, S steps of a season.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.spec import Array, Conditions, Spec, elements
from .condition import ConditionEncoder


@dataclass(frozen=True, slots=True)
class TrendSettings:
    """The parts of the sum."""

    width: int = 128
    degree: int = 3
    """Of the trend's polynomial; 0 = there is none."""
    season: int = 0
    """Steps of a season; 0 = there is none."""


class TrendDecoder(nn.Module):
    """`forward(z, condition, given)`: (B,Z) -> (B,C,T), level and trend + season + rest (TimeVAE: Desai, Freeman, Wang, Beaver 2021,
    arXiv:2111.08095, section 3). Conditions are added to what every part reads."""

    def __init__(self, inputs: Spec, output: Array, conditions: Conditions, settings: TrendSettings) -> None:
        super().__init__()
        channels, length = output.shape
        width, self.shape = settings.width, output.shape
        self.condition = ConditionEncoder(conditions, width)
        self.first = nn.Sequential(nn.Linear(elements(inputs), width), nn.SiLU())
        self.trend = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, channels * (settings.degree + 1)))
        self.season = nn.Linear(width, channels * settings.season) if settings.season else None
        self.rest = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, channels * length))
        at = torch.linspace(0, 1, length)
        self.register_buffer("powers", torch.stack([at**power for power in range(settings.degree + 1)]), persistent=False)
        self.powers: Tensor

    def parts(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """"trend", "season" (where there is one) and "rest", (B,C,T) each."""
        read, (channels, length) = self.first(z.flatten(1)), self.shape
        vector = self.condition(condition, given, len(z))
        read = read if vector is None else read + vector
        found = {"trend": self.trend(read).view(len(z), channels, -1) @ self.powers}
        if self.season is not None:
            one = self.season(read).view(len(z), channels, -1)
            found["season"] = one.repeat(1, 1, -(-length // one.shape[2]))[..., :length]
        return {**found, "rest": self.rest(read).view(len(z), channels, length)}

    def forward(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        return torch.stack(list(self.parts(z, condition, given).values())).sum(0)

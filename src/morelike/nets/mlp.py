"""Plain nets of vectors for every role: whatever comes in is flattened, whatever goes out is shaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.spec import Conditions, Spec, elements
from .blocks import Dropout, FourierTime
from .condition import ConditionEncoder


@dataclass(frozen=True, slots=True)
class MLPSettings:
    """Hidden layers of one width, with the activation named."""

    width: int = 256
    depth: int = 3
    activation: str = "silu"
    dropout: float = 0.0


_ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "relu": nn.ReLU, "leaky": nn.LeakyReLU, "tanh": nn.Tanh}


class MLP(nn.Module):
    """`forward(x, condition, given)`, or with `timed` `forward(x, t, condition, given)`: (B,*) -> (B, *output.shape)."""

    def __init__(self, inputs: Spec, output: Spec, conditions: Conditions, settings: MLPSettings, timed: bool = False) -> None:
        super().__init__()
        self.shape = output.shape
        self.width = width = settings.width
        self.condition = ConditionEncoder(conditions, width)
        self.time = FourierTime(width) if timed else None
        self.first = nn.Linear(elements(inputs), width)
        layers: list[nn.Module] = []
        for _ in range(settings.depth - 1):
            layers += [_ACTIVATIONS[settings.activation](), Dropout(settings.dropout), nn.Linear(width, width)]
        self.rest = nn.Sequential(*layers, _ACTIVATIONS[settings.activation](), nn.Linear(width, elements(output)))

    def embed(self, x: Tensor, *rest: Tensor | Mapping[str, Tensor]) -> Tensor:
        """(B, width): what the last layer reads; takes what `forward` takes."""
        *time, condition, given = rest
        h = self.first(x.flatten(1))
        if self.time is not None and isinstance(time[0], Tensor):
            h = h + self.time(time[0])
        vector = self.condition(condition, given, x.shape[0])
        if vector is not None:
            h = h + vector
        features: Tensor = self.rest[:-1](h)
        return features

    def forward(self, x: Tensor, *rest: Tensor | Mapping[str, Tensor]) -> Tensor:
        out: Tensor = self.rest[-1](self.embed(x, *rest))
        return out.view(-1, *self.shape)


@dataclass(frozen=True, slots=True)
class DenseSettings:
    """Hidden layers of one width."""

    width: int = 256
    depth: int = 2


class DenseMLP(nn.Module):
    """`forward(x, condition, given)`: (B,*) -> (B, *output.shape). Every layer reads all that came before it, side by side (Huang et al.
    2017, arXiv:1608.06993), and ends in a norm over the batch and a rectifier: the family must say that its loss mixes examples."""

    def __init__(self, inputs: Spec, output: Spec, conditions: Conditions, settings: DenseSettings) -> None:
        super().__init__()
        self.shape = output.shape
        width, into = settings.width, elements(inputs)
        self.condition = ConditionEncoder(conditions, width)
        self.layers = nn.ModuleList(nn.Linear(into + place * width, width) for place in range(settings.depth))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(settings.depth))
        self.out = nn.Linear(into + settings.depth * width, elements(output))

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        rows = x.flatten(1)
        vector = self.condition(condition, given, len(rows))
        for place, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            own = layer(rows) if place or vector is None else layer(rows) + vector
            rows = torch.cat((F.relu(norm(own)), rows), 1)
        out: Tensor = self.out(rows)
        return out.view(-1, *self.shape)

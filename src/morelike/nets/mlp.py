"""Plain nets of vectors for every role: whatever comes in is flattened, whatever goes out is shaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
        width = settings.width
        self.condition = ConditionEncoder(conditions, width)
        self.time = FourierTime(width) if timed else None
        self.first = nn.Linear(elements(inputs), width)
        layers: list[nn.Module] = []
        for _ in range(settings.depth - 1):
            layers += [_ACTIVATIONS[settings.activation](), Dropout(settings.dropout), nn.Linear(width, width)]
        self.rest = nn.Sequential(*layers, _ACTIVATIONS[settings.activation](), nn.Linear(width, elements(output)))

    def forward(self, x: Tensor, *rest: Tensor | Mapping[str, Tensor]) -> Tensor:
        *time, condition, given = rest
        h = self.first(x.flatten(1))
        if self.time is not None and isinstance(time[0], Tensor):
            h = h + self.time(time[0])
        vector = self.condition(condition, given, x.shape[0])
        if vector is not None:
            h = h + vector
        out: Tensor = self.rest(h)
        return out.view(-1, *self.shape)

"""A recurrent net from one series to another of the same length. B batch, C channels in, O channels out, T steps, D width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..core.spec import Array, Conditions
from .condition import ConditionEncoder


@dataclass(frozen=True, slots=True)
class CellsSettings:
    """The cells."""

    width: int = 48
    depth: int = 2


class SeriesCells(nn.Module):
    """`forward(x, condition, given)`: (B,C,T) -> (B,O,T), each step from those up to it; where the output is one number (O,), its mean
    over the steps: (B,O)."""

    def __init__(self, inputs: Array, output: Array, conditions: Conditions, settings: CellsSettings) -> None:
        super().__init__()
        self.width = settings.width
        self.condition = ConditionEncoder(conditions, settings.width)
        self.cells = nn.GRU(inputs.shape[0], settings.width, settings.depth, batch_first=True)
        self.out = nn.Linear(settings.width, output.shape[0])
        self.whole = len(output.shape) == 1

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        vector = self.condition(condition, given, len(x))
        begin = None if vector is None else vector.expand(self.cells.num_layers, -1, -1).contiguous()
        hidden, _ = self.cells(x.transpose(1, 2), begin)
        out: Tensor = self.out(hidden)
        return out.mean(1) if self.whole else out.transpose(1, 2)

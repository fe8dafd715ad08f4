"""Series step by step: a recurrent net over time, and within a step each channel by those before it.

B batch, C channels, T steps, N steps of a batch, D width, K parts of a mixture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.spec import Array, Conditions
from .blocks import Dropout
from .condition import ConditionEncoder


@dataclass(frozen=True, slots=True)
class StepsSettings:
    """The cells and the mixtures."""

    width: int = 128
    depth: int = 1
    mixture: int = 8
    """Gaussians of each channel."""
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class StepState:
    """What is remembered of a series: the cells (depth,B,D) and the last two steps (B,C)."""

    hidden: Tensor
    last: Tensor
    before: Tensor

    def rows(self, index: Tensor) -> StepState:
        """The state of the rows `index` (B',)."""
        return StepState(self.hidden[:, index], self.last[index], self.before[index])


class StepByStep(nn.Module):
    """p(x_t | x before t) as mixtures of Gaussians, each channel given those before it in the step (RNADE: Uria, Murray, Larochelle 2013,
    arXiv:1306.0186). A part's mean is the step before, times a learnt factor, and what the net adds: a walk is where it begins."""

    def __init__(self, spec: Array, conditions: Conditions, settings: StepsSettings) -> None:
        super().__init__()
        channels, width = spec.shape[0], settings.width
        self.channels, self.parts = channels, settings.mixture
        self.condition = ConditionEncoder(conditions, width)
        self.first = nn.Linear(2 * channels, width)
        self.cells = nn.GRU(width, width, settings.depth, batch_first=True)
        self.dropout = Dropout(settings.dropout)
        self.open = nn.Linear(width + 2 * channels, width)
        self.told = nn.Parameter(torch.randn(channels, width) / width**0.5)
        self.own = nn.Parameter(torch.zeros(channels, width))
        self.out = nn.Parameter(torch.randn(channels, width, 3 * settings.mixture) * (0.1 / width**0.5))
        self.shift = nn.Parameter(torch.zeros(channels, 3, settings.mixture))
        self.keeps = nn.Parameter(torch.ones(channels))
        with torch.no_grad():
            # parts begin apart from each other, narrow ones among them
            self.shift[:, 1] = torch.linspace(-0.5, 0.5, settings.mixture)
            self.shift[:, 2] = torch.linspace(-2.0, 0.0, settings.mixture)

    def begin(self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], count: int) -> StepState:
        """The state before the first step."""
        vector = self.condition(condition, given, count)
        empty = self.shift.new_zeros(count, self.channels)
        hidden = self.shift.new_zeros(self.cells.num_layers, count, self.cells.hidden_size)
        return StepState(hidden if vector is None else hidden + vector, empty, empty)

    def advance(self, state: StepState, x: Tensor) -> StepState:
        """The state after a step x (B,C)."""
        told = torch.cat((x, x - state.last), 1)
        _, hidden = self.cells(F.silu(self.first(told))[:, None], state.hidden)
        return StepState(hidden, x, state.last)

    def knows(self, state: StepState) -> Tensor:
        """(B,D) what a step's mixtures are read from."""
        return self._knows(state.hidden[-1], state.last, state.last - state.before)

    def _knows(self, hidden: Tensor, last: Tensor, change: Tensor) -> Tensor:
        out: Tensor = self.open(torch.cat((self.dropout(hidden), last, change), -1))
        return out

    def mixture(self, knows: Tensor, last: Tensor, channel: int, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(log-weights, means, log-deviations) (N,K) of a channel, given the channels `before` it (N, channel) in its step."""
        inner = knows + self.own[channel] + before @ self.told[:channel]
        return self._parted(F.silu(inner) @ self.out[channel], last[:, channel], channel)

    def _parted(self, out: Tensor, last: Tensor, channel: int) -> tuple[Tensor, Tensor, Tensor]:
        weights, means, scales = (out.float().view(-1, 3, self.parts) + self.shift[channel]).unbind(1)
        return weights.log_softmax(1), self.keeps[channel] * last[:, None] + means, scales.clamp(-7.0, 3.0)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,T,C) log density of each value of x (B,C,T) given those before it."""
        steps = x.transpose(1, 2)
        count, length, channels = steps.shape
        state = self.begin(condition, given, count)
        last = torch.cat((state.last[:, None], steps[:, :-1]), 1)
        change = last - torch.cat((state.last[:, None], last[:, :-1]), 1)
        read, _ = self.cells(F.silu(self.first(torch.cat((last, change), 2)))[:, 1:], state.hidden)
        hidden = torch.cat((state.hidden[-1][:, None], read), 1)
        knows = self._knows(hidden, last, change).flatten(0, 1)
        flat, last = steps.flatten(0, 1), last.flatten(0, 1)
        found = []
        for channel in range(channels):
            weights, means, scales = self.mixture(knows, last, channel, flat[:, :channel])
            found.append(mixed(flat[:, channel], weights, means, scales))
        return torch.stack(found, 1).view(count, length, channels)


def mixed(x: Tensor, weights: Tensor, means: Tensor, scales: Tensor) -> Tensor:
    """(N,) log density of x (N,) under mixtures of Gaussians: log-weights, means and log-deviations (N,K)."""
    apart = (x[:, None] - means) * torch.exp(-scales)
    return torch.logsumexp(weights - scales - 0.5 * apart.square(), 1) - 0.9189385332046727

"""A classical expert and a neural net in one likelihood: log p = w_net log p_net + w_expert log p_expert - log of their sum over all ids.

The expert (context mixing) knows what followed every context; the net knows what the counts can't. A small gate sets both weights at
every place from how sure each of them is. B batch, T length, V vocabulary, F confidence features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.abilities import Condition
from ..core.contract import Batch, Learner, Net, Optim, Player, Terms
from ..core.settings import check_ranges
from ..core.spec import Conditions, Spec, elements, live
from .autoregressive import Autoregressive, AutoregressiveSettings
from .mixing import ContextMixing, MixingSettings
from .sequences import IdById

_MOST_NUMBERS = 1 << 24
"""Numbers in one table of log-probabilities: 64 MB."""
_COUNT_BY = 0.2
"""Share of the run after which the expert counts what it has seen so far, if no pass has ended yet."""
_ABOUT_BOTH = 5
"""Features of net and expert together: entropies, largest log-probabilities, their divergence."""


@dataclass(frozen=True, slots=True)
class HybridSettings(AutoregressiveSettings):
    """The net's settings, and the expert's and the gate's own."""

    orders: int = 8
    """The expert's longest context, in ids."""
    hidden: int = 32
    """Hidden units of the gate."""
    every: int = 4
    """The gate learns at each so-manieth step: asking the expert takes time, and the gate is small."""

    def __post_init__(self) -> None:
        AutoregressiveSettings.__post_init__(self)
        check_ranges(self, orders=(0, 32), hidden=(1, 1 << 14), every=(1, 1 << 20))


@dataclass(frozen=True, slots=True)
class HybridState:
    """Both parts' states."""

    net: Any
    expert: Any

    def rows(self, index: Tensor) -> HybridState:
        """The state of the rows `index`."""
        return HybridState(self.net.rows(index), self.expert.rows(index))


class Hybrid(IdById):
    """Mixes log-linearly (Hinton 2002's product of experts, with weights set at every place). The net learns as if alone; the gate learns
    on training text with each batch's own counts taken out, or it would trust the longest contexts far too much."""

    Settings = HybridSettings
    settings: HybridSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, None, parts, settings)
        own = self.settings
        self.expert = ContextMixing(spec, {}, settings=MixingSettings(orders=own.orders))
        # the net plays by itself here: the same losses and states as alone
        self.net = Autoregressive(spec, conditions, nets, settings=own)
        features = self.expert.confidences + _ABOUT_BOTH
        last = nn.Linear(own.hidden, 2)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.gate = nn.Sequential(nn.Linear(features, own.hidden), nn.SiLU(), last)

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return ContextMixing.refuses(spec, {}) or Autoregressive.refuses(spec, conditions)

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: HybridSettings) -> dict[str, Net]:
        return Autoregressive.wants(spec, conditions, settings)

    def players(self) -> list[Player | Learner]:
        counts = Learner("counts", self._see, self.expert.settle)
        gate = Player("gate", list(self.gate.parameters()), self._gate_loss, every=self.settings.every, optim=Optim("adam", lr=3e-3))
        return [counts, *self.net.players(), gate]

    def _see(self, batch: Batch) -> Terms:
        # a run shorter than a pass must not end with an expert that never counted
        if batch.progress > _COUNT_BY and self.expert.untaught:
            self.expert.settle()
        return self.expert.see(batch)

    def _mix(self, net: Tensor, expert: Tensor, confidence: Tensor) -> Tensor:
        """(..., V) log-probabilities from both parts' and the expert's features (..., F)."""
        shares = [part.exp() for part in (net, expert)]
        about = [
            -(shares[0] * net).sum(-1), -(shares[1] * expert).sum(-1), net.amax(-1), expert.amax(-1),
            (shares[0] * (net - expert)).sum(-1).clamp(max=10.0),
        ]  # fmt: skip
        # both weights begin at a half
        weight = F.softplus(self.gate(torch.cat((confidence, torch.stack(about, -1)), -1)).float() - 0.4328)
        return (weight[..., :1] * net + weight[..., 1:] * expert).log_softmax(-1)

    def _both(self, x: Tensor, condition: Condition, given: Condition, without: bool) -> Tensor:
        """(B,T,V) log-probabilities; `without`: x is training text."""
        with torch.no_grad():
            # the net as it learns, dropout included: without it, it knows the training text too well, and the gate would trust it too much
            net = self.net.log_probs(x, condition, given)
            with torch.autocast(x.device.type, enabled=False):
                expert, confidence = self.expert.expert_log_probs(x, without=without)
        with torch.autocast(x.device.type, enabled=False):
            return self._mix(net, expert, confidence)

    def _gate_loss(self, batch: Batch) -> Terms:
        x, there = batch.data, live(self.spec, batch.data)
        mixed = self._both(x, batch.condition, batch.given, without=True)
        nats = -(mixed.gather(-1, x[..., None])[..., 0] * there).sum(1)
        return {"loss": nats / elements(self.spec), "nats": nats.detach()}

    def surprise(self, x: Tensor, condition: Condition = None) -> Tensor:
        rows = max(1, _MOST_NUMBERS // (x.shape[1] * self.spec.vocab))
        nats = []
        for at in range(0, len(x), rows):
            part = x[at : at + rows]
            own = {name: value[at : at + rows] for name, value in (condition or {}).items()}
            nats.append(-self._both(part, own, None, without=False).gather(-1, part[..., None])[..., 0])
        return torch.cat(nats) * live(self.spec, x)

    def next(self, ids: Tensor, condition: Condition = None, state: Any = None) -> tuple[Tensor, Any]:
        past = (None, None) if state is None else (state.net, state.expert)
        net, own = self.net.next(ids, condition, past[0])
        expert, confidence, other = self.expert.next_with_features(ids, past[1])
        return self._mix(net.log_softmax(-1), expert, confidence), HybridState(own, other)

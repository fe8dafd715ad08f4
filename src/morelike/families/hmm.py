"""The hidden Markov model with discrete ids, by expectation-maximisation; exact likelihood.

B batch, T length, V vocabulary, S hidden states, G groups (the classes, then one for all data). Everything is scaled place by place
(Rabiner 1989, section V.A), in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Learner, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Conditions, Spec, Tokens, live, sequential
from ..maths.contexts import after_stop
from ..maths.decoding import Dials
from .labels import classes_of, count_classes, refuses_conditions
from .sequences import IdById

_MOST_NUMBERS = 1 << 27
"""Most numbers in all tables: 1 GB."""
_PRIOR = 1e-2
"""Pseudo-counts of every start, move and id: none is ever impossible."""


@dataclass(frozen=True, slots=True)
class HMMSettings(Dials):
    """The model's size, when it is done, and the defaults of drawing (`Dials`)."""

    states: int = 32
    passes: int = 30
    tolerance: float = 1e-3
    """Converged when a pass gains fewer nats an id."""

    def __post_init__(self) -> None:
        Dials.__post_init__(self)
        check_ranges(self, states=(1, 1 << 16), passes=(1, 100_000), tolerance=(0, 100))


@dataclass(frozen=True, slots=True)
class HMMState:
    """What is known after some ids."""

    ahead: Tensor
    """(B,S) float64: the distribution of the next hidden state."""
    group: Tensor
    """(B,) int64."""
    ended: Tensor
    """(B,) bool: a stop has come."""

    def rows(self, index: Tensor) -> HMMState:
        """The state of the rows `index`, (B',) int64."""
        return HMMState(self.ahead[index], self.group[index], self.ended[index])


class HMM(IdById):
    """p(x) = sum over hidden paths of start(z_1) emit(x_1 | z_1) move(z_2 | z_1) emit(x_2 | z_2) ... (Rabiner 1989).

    Each pass is one step of Baum and Welch (1970), with pseudo-counts of 0.01. The stop is an id that hidden states emit; after it
    nothing but stops can come. Under a label, a model for each class; where no label is given, one for all the data, which counts
    every example. A class never seen keeps the model that it began with.
    """

    Settings = HMMSettings
    settings: HMMSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        groups, count, vocab = count_classes(conditions) + 1, self.settings.states, self.spec.vocab
        if groups * count * (vocab + count) > _MOST_NUMBERS:
            raise ValueError(f"{count} hidden states for {vocab} ids and {groups} models don't fit; take fewer")
        noise = Noise(0, count, path=("hmm",))
        # one start for all groups, uneven: near an even one the first passes gain almost nothing
        self._table("start", torch.full((groups, count), 1 / count))
        self._table("move", _shares((2 * noise.normal((count,), "move")).exp()).repeat(groups, 1, 1))
        self._table("emit", _shares((2 * noise.normal((vocab,), "emit")).exp()).repeat(groups, 1, 1))
        self.start: Tensor
        self.move: Tensor
        self.emit: Tensor
        self.start_count: Tensor
        self.move_count: Tensor
        self.emit_count: Tensor
        self.register_buffer("score", torch.tensor([-math.inf, 0.0, 0.0], dtype=torch.float64))
        self.score: Tensor

    def _table(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values.double())
        self.register_buffer(f"{name}_count", torch.zeros_like(values, dtype=torch.float64))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Tokens) or not sequential(spec):
            return "it learns sequences of ids (text, notes, ...), one after another"
        return refuses_conditions(conditions)

    def players(self) -> list[Player | Learner]:
        return [Learner("expectations", self._see, self._settle, passes=self.settings.passes)]

    def _see(self, batch: Batch) -> Terms:
        """The E step: adds a batch's expected counts to its class's and to those of all data."""
        x, everybody = batch.data, len(self.start) - 1
        nats = self._expect(x, everybody)
        if everybody:
            group = classes_of(self.conditions, batch.condition, batch.size, batch.given).to(x.device)
            for one in group[group < everybody].unique().tolist():  # type: ignore[no-untyped-call]
                self._expect(x[group == one], one)
        self.score[1] -= nats.sum()
        self.score[2] += live(self.spec, x).sum()
        return {"loss": nats.float()}

    def _expect(self, x: Tensor, one: int) -> Tensor:
        """(B,) nats under the model of a group; adds its expected starts, moves and emissions to the sums (Rabiner 1989, eqs. 37
        and 40)."""
        alive, move, emit = live(self.spec, x), self.move[one], self.emit[one].T.contiguous()
        filtered, scale, ahead = [], [], self.start[one].expand(len(x), -1)
        for t in range(x.shape[1]):
            joint = ahead * emit[x[:, t]]
            scale.append(torch.where(alive[:, t], joint.sum(1), 1.0))
            filtered.append(joint / scale[t][:, None])
            ahead = filtered[t] @ move
        emitted, moved = torch.zeros_like(emit), torch.zeros_like(move)
        backward = torch.ones_like(ahead)
        for t in range(x.shape[1] - 1, -1, -1):
            here = alive[:, t, None]
            posterior = torch.where(here, filtered[t] * backward, 0)
            emitted.index_add_(0, x[:, t], posterior)
            if t > 0:
                weight = torch.where(here, emit[x[:, t]] * backward / scale[t][:, None], 0)
                moved += filtered[t - 1].T @ weight
                backward = torch.where(here, weight @ move.T, 1)
        self.start_count[one] += posterior.sum(0)
        self.move_count[one] += moved * move
        self.emit_count[one] += emitted.T
        return -torch.where(alive, torch.stack(scale, 1).log(), 0).sum(1)

    def _settle(self) -> bool:
        """The M step from the sums, which are then cleared."""
        seen = self.start_count.sum(1) > 0
        for name in ("start", "move", "emit"):
            counts = self.get_buffer(f"{name}_count")
            fresh = _shares(counts + _PRIOR)
            self.get_buffer(name).copy_(torch.where(seen.view(-1, *[1] * (counts.dim() - 1)), fresh, self.get_buffer(name)))
            counts.zero_()
        before, now = float(self.score[0]), float(self.score[1] / self.score[2])
        self.score[0], self.score[1], self.score[2] = now, 0.0, 0.0
        # under other data than before (continued from a saved model) the score may fall: no sign of an end
        return math.isfinite(before) and abs(now - before) < self.settings.tolerance

    def _group(self, condition: Condition, size: int) -> Tensor:
        return classes_of(self.conditions, condition, size).to(self.start.device)

    def surprise(self, x: Tensor, condition: Condition = None) -> Tensor:
        """By the forward recursion (Rabiner 1989, eqs. 91 to 103); any T."""
        group, alive, nats = self._group(condition, len(x)), live(self.spec, x), []
        ahead = self.start[group]
        for t in range(x.shape[1]):
            ahead, likelihood = self._step(ahead, group, x[:, t])
            nats.append(-likelihood.log())
        return torch.where(alive, torch.stack(nats, 1), 0).float()

    def _step(self, ahead: Tensor, group: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(the next hidden state's distribution (B,S), p(ids | past) (B,)) once ids (B,) are seen."""
        joint = ahead * self.emit.mT[group, ids]
        likelihood = joint.sum(1)
        filtered = joint / likelihood[:, None]
        if len(self.start) == 1:
            return filtered @ self.move[0], likelihood
        return (filtered[:, None] @ self.move[group])[:, 0], likelihood

    def states(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B,T) int64: the likeliest hidden path of each row of x (B,T) (Viterbi 1967); past the stop it stays where it is."""
        group, alive = self._group(condition, len(x)), live(self.spec, x)
        move, emit = self.move[group].log(), self.emit.mT
        best = self.start[group].log() + emit[group, x[:, 0]].log()
        stay, back = torch.arange(best.shape[1], device=x.device).expand_as(best), []
        for t in range(1, x.shape[1]):
            value, origin = (best[:, :, None] + move).max(1)
            here = alive[:, t, None]
            best = torch.where(here, value + emit[group, x[:, t]].log(), best)
            back.append(torch.where(here, origin, stay))
        path = [best.argmax(1)]
        for origin in reversed(back):
            path.append(origin.gather(1, path[-1][:, None])[:, 0])
        return torch.stack(path[::-1], 1)

    def next(self, ids: Tensor, condition: Condition = None, state: Any = None) -> tuple[Tensor, Any]:
        if state is None:
            group = self._group(condition, len(ids))
            state = HMMState(self.start[group], group, torch.zeros_like(group, dtype=torch.bool))
        ahead, stop = state.ahead, self.spec.stop
        for t in range(ids.shape[1]):
            ahead, _ = self._step(ahead, state.group, ids[:, t])
        ended = state.ended if stop is None else state.ended | (ids == stop).any(1)
        emit = self.emit[0] if len(self.start) == 1 else self.emit[state.group]
        probability = ahead @ emit if emit.dim() == 2 else (ahead[:, None] @ emit)[:, 0]
        return after_stop(probability.log().float(), ended, stop), HMMState(ahead, state.group, ended)



def _shares(weights: Tensor) -> Tensor:
    """Weights (..., n) divided by their sum."""
    return weights / weights.sum(-1, keepdim=True)

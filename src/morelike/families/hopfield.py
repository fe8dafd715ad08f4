"""Hopfield nets: memories that are found again from a part of them.

B batch, D elements, N memories.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..core.abilities import Condition, Infills
from ..core.contract import Batch, Generator, Learner, Player, Terms
from ..core.errors import BadInput
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from ..maths.reservoir import keep
from .labels import classes_of, refuses_conditions

_MOST_ELEMENTS = 1 << 16
_MOST_NUMBERS = 1 << 26
"""Most numbers that memories may hold: 256 MB."""


@dataclass(frozen=True, slots=True)
class HopfieldSettings:
    """Which net, and how much it holds. Raises BadInput for a number out of its range."""

    form: Literal["modern", "binary"] = "modern"
    """"modern": real values, one step of attention over the memories; "binary": signs, one neuron after another."""
    memories: int = 2048
    """At most so many training items are kept: a random sample."""
    beta: float = 8.0
    """Sharpness of "modern", for examples of unit spread: low, and the answer is a mean of many memories; high, and it is one."""
    rounds: int = 20
    """Updates at most."""

    def __post_init__(self) -> None:
        if self.form not in ("modern", "binary"):
            raise BadInput(f"form is modern or binary, not {self.form!r}")
        check_ranges(self, memories=(1, 1 << 20), beta=(1e-3, 1e6), rounds=(1, 10_000))


class Hopfield(Generator, Infills):
    """Binary: Hopfield 1982, Neural networks and physical systems with emergent collective computational abilities. Modern: Ramsauer et al.
    2020, arXiv:2008.02217, eq. 3, with the distance in place of the product, so that long memories are not favoured.

    It has no distribution of its own: a sample is the memory that a random start falls into, so it copies, and is shown to.
    """

    Settings = HopfieldSettings
    settings: HopfieldSettings
    dials = ("beta", "rounds")
    kept: Tensor
    keys: Tensor
    group: Tensor

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        size = elements(spec)
        self.quantised = isinstance(spec, Array) and spec.bin > 0
        most = min(self.settings.memories, max(1, _MOST_NUMBERS // size))
        self.register_buffer("kept", torch.zeros(most, size))
        self.register_buffer("keys", torch.full((most,), math.inf))
        self.register_buffer("group", torch.zeros(most, dtype=torch.int64))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array):
            return "a Hopfield net remembers real-valued arrays, not ids or mixed rows"
        if elements(spec) > _MOST_ELEMENTS:
            return f"it takes at most {_MOST_ELEMENTS:,} numbers an example, not {elements(spec):,}: scale them down with codec.size"
        return refuses_conditions(conditions)

    def players(self) -> list[Player | Learner]:
        return [Learner("memories", self._see)]

    def _see(self, batch: Batch) -> Terms:
        group = classes_of(self.conditions, batch.condition, batch.size).to(self.kept.device)
        keep(self.kept, self.keys, batch.data.flatten(1), batch.noise.uniform((), "keep"), (self.group, group))
        return {"seen": torch.ones(batch.size, device=batch.data.device)}

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: `beta`, `rounds`. Where a class is given, among its own memories."""
        mean, deviation = self._scale()
        start = mean + deviation * noise.normal((self.kept.shape[1],), "start")
        return self._recalled(start, torch.zeros_like(start, dtype=torch.bool), condition, noise, dials)

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: `beta`, `rounds`. What is unknown starts from random values; only what is known is compared in the first round."""
        mean, deviation = self._scale()
        mask = known.flatten(1)
        start = torch.where(mask, x.flatten(1), mean + deviation * noise.normal((self.kept.shape[1],), "start"))
        return self._recalled(start, mask, condition, noise, dials)

    def _scale(self) -> tuple[Tensor, Tensor]:
        """Mean (D,) and the spread () of the memories."""
        held = self.kept[self.keys.isfinite()]
        if not len(held):
            return self.kept[0], self.kept.new_ones(())
        return held.mean(0), held.std(0, correction=0).square().mean().sqrt().clamp(min=1e-3)

    def _recalled(self, start: Tensor, known: Tensor, condition: Condition, noise: Noise, dials: dict[str, Any]) -> Tensor:
        rounds = int(dials.get("rounds", self.settings.rounds))
        allowed = self.keys.isfinite()[None, :]
        if condition:
            own = allowed & (self.group == classes_of(self.conditions, condition, len(start)).to(self.group.device)[:, None])
            allowed = torch.where(own.any(1, keepdim=True), own, allowed)
        if self.settings.form == "modern":
            beta = float(dials.get("beta", self.settings.beta)) / float(self._scale()[1]) ** 2
            out = _attend(start, known, self.kept, allowed, beta, rounds)
        else:
            out = torch.stack([self._settled(*rows, noise[place : place + 1], rounds) for place, rows in
                               enumerate(zip(start, known, allowed.expand(len(start), -1), strict=True))])  # fmt: skip
        return out.view(-1, *self.spec.shape)

    def _settled(self, start: Tensor, known: Tensor, allowed: Tensor, noise: Noise, rounds: int) -> Tensor:
        """(D,) of one example: signs of what it holds, around middle grey or the memories' mean, written with the memories' extremes."""
        middle = 0.0 if self.quantised else self._scale()[0]
        patterns = _signs(self.kept[allowed] - middle)
        found = settle(patterns, _signs(start - middle)[None], known[None], noise, rounds)[0]
        high, low = (self.kept.max(), self.kept.min())
        return torch.where(known, start, torch.where(found > 0, high, low))


def _attend(start: Tensor, known: Tensor, memories: Tensor, allowed: Tensor, beta: float, rounds: int) -> Tensor:
    """(B,D): each round takes the mean of the memories, weighed by exp(-beta/2 |distance|^2 / D); the first looks at what is known only."""
    state, watched = start, known | ~known.any(1, keepdim=True)
    for _ in range(rounds):
        seen = watched.to(state.dtype)
        count = seen.sum(1, keepdim=True)
        apart = (seen * state.square()).sum(1, keepdim=True) - 2 * (seen * state) @ memories.T + seen @ memories.square().T
        score = (-0.5 * beta * apart / count * memories.shape[1]).masked_fill(~allowed, -math.inf)
        fresh = torch.where(known, start, score.softmax(1) @ memories)
        moved = float((fresh - state).abs().max())
        state, watched = fresh, torch.ones_like(known)
        if moved < 1e-5:
            break
    return state


def settle(patterns: Tensor, start: Tensor, known: Tensor, noise: Noise, rounds: int) -> Tensor:
    """(B,D) signs at which nothing changes any more, or after `rounds` sweeps over all neurons in a random order.

    `patterns` (N,D) and `start` (B,D) of -1 and 1; neurons that are `known` (B,D) stay. Hebb's weights W = (1/D) sum of outer products
    without self-coupling are never formed: a neuron's field is that of the N overlaps less its own part, O(N) for each neuron.
    """
    count, size = patterns.shape
    state = start.clone()
    overlap = state @ patterns.T
    for sweep in range(rounds):
        before = state.clone()
        order = noise[:1].uniform((size,), f"order {sweep}")[0].argsort()
        for neuron in order.tolist():
            own = patterns[:, neuron]
            field = overlap @ own - count * state[:, neuron]
            new = torch.where(field == 0, state[:, neuron], torch.where(field > 0, 1.0, -1.0))
            new = torch.where(known[:, neuron], state[:, neuron], new)
            overlap += (new - state[:, neuron])[:, None] * own
            state[:, neuron] = new
        if bool((state == before).all()):
            break
    return state


def _signs(x: Tensor) -> Tensor:
    return torch.where(x > 0, 1.0, -1.0)

"""Context mixing: counts of what followed every context, mixed by a learned gate; one pass over the data, exact likelihood.

B batch, T length, V vocabulary, K experts, N places, F features. Contexts: the last n ids, n = 0 to 8, and three of words
(`maths/contexts.py`); how they are mixed: `maths/mixing.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Adapts
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Conditions, Spec, live
from ..maths.contexts import ContextState, after_stop, context_keys, find_breaks
from ..maths.counts import count, empty, merge
from ..maths.decoding import Dials
from ..maths.mixing import FEATURES, Evidence, Gate, Table, bases, fit_gate, fresh_gate
from .counts import Counted, CountedState, refuses_ids

_GATE_NUMBERS = 24 << 20
"""Numbers in all evidence that the gate is fitted on."""
_GATE_BATCH = 1000
_MOST_LOGITS = 1 << 20
_HELD, _LEAST_HELD, _MOST_HELD = 1 / 16, 5000, 1 / 4
"""The gate is fitted on a sixteenth of the windows, or on enough for 5,000 ids, but at most on a quarter."""
_FIRST_CHUNK, _CHUNK_SHARE = 128, 64
RECENT_WEIGHT = 2
"""In the adaptive likelihood, one id of the text at hand counts as so many of the training text."""


@dataclass(frozen=True, slots=True)
class MixingSettings(Dials):
    """How much is counted, and the defaults of drawing (`Dials`)."""

    orders: int = 8
    """The longest context, in ids."""
    hidden: int = 32
    """Hidden units of the gate."""
    most: int = 4_000_000
    """At most so many ids are counted, the first that come; windows come in random order. About 60 bytes each in the package."""

    def __post_init__(self) -> None:
        Dials.__post_init__(self)
        check_ranges(self, orders=(0, 32), hidden=(1, 1 << 14), most=(1, math.inf))


class ContextMixing(Counted, Adapts):
    """The gate is fitted on windows that are kept out of the counts until then: a gate fitted on text that is in the counts would
    trust the longest contexts far too much. Which ids end words is found in the text itself."""

    Settings = MixingSettings
    settings: MixingSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        settings = settings or MixingSettings()
        super().__init__(spec, conditions, settings, bases(settings.orders))
        self.confidences = self.experts * FEATURES
        """F: confidence features of a place."""
        self.register_buffer("breaks", torch.zeros(self.spec.vocab, dtype=torch.bool))
        self.breaks: Tensor
        for field in fields(Gate):
            self.register_buffer(f"gate_{field.name}", getattr(fresh_gate(self.experts, settings.hidden), field.name))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return refuses_ids(spec) or (f"it learns without conditions, not under {', '.join(conditions)}" if conditions else None)

    @property
    def gate(self) -> Gate:
        """What weighs the experts."""
        return Gate(*(self.get_buffer(f"gate_{field.name}") for field in fields(Gate)))

    def _contexts(self, x: Tensor, state: CountedState) -> tuple[Tensor, ContextState]:
        return context_keys(x, state.contexts, self.settings.orders, self.spec.stop, self.breaks)

    def _keys(self, x: Tensor) -> Tensor:
        """(B,T,K) of whole rows."""
        return self._contexts(x, self._start(len(x)))[0][:, :-1]

    def _mixed(self, evidence: Evidence) -> Tensor:
        return self.gate.mix(evidence)

    def _learn(self, x: Tensor, counted: Tensor, group: Tensor) -> None:
        if not len(self.table.keys):
            self.breaks = find_breaks(x, counted, self.spec.vocab, self.spec.stop)
        share = min(_MOST_HELD, max(_HELD, _LEAST_HELD / max(1, int(counted.sum()))))
        aside = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        aside[Noise(0, len(x), path=("aside",)).uniform(()).argsort()[: round(len(x) * share)].to(x.device)] = True
        self._add(x[~aside], counted[~aside])
        x, counted = x[aside], counted[aside]
        if bool(counted.any()):
            self._fit(self._keys(x)[counted], x[counted])
            self._add(x, counted)

    def _add(self, x: Tensor, counted: Tensor) -> None:
        table = self.table
        for rows in self._pieces(x):
            table = merge(table, count(self._keys(x[rows]), x[rows], counted[rows]))
        self._keep(table)

    def _fit(self, keys: Tensor, ids: Tensor) -> None:
        """Fits the gate on places with contexts (N,K) whose ids (N,) are not in the counts."""
        order = Noise(0, len(ids), path=("fit",)).uniform(()).argsort().to(ids.device)
        batches, room = [], _GATE_NUMBERS
        for rows in torch.split(order, max(1, min(_GATE_BATCH, _MOST_LOGITS // self.spec.vocab))):
            batches.append((self._evidence(keys[rows], [(self.table, 1)]), ids[rows]))
            room -= batches[-1][0].log_probs.numel()
            if room < 0:
                break
        gate = fit_gate(self.gate, batches)
        for field in fields(Gate):
            setattr(self, f"gate_{field.name}", getattr(gate, field.name))

    def adaptive(self, ids: Tensor) -> Tensor:
        """(N,) nats of one running text (N,) under a model that also counts the text itself, chunk by chunk, as it goes.

        A valid code: a chunk (128 ids, later a 64th of what came before) is scored with the counts of the training text and of the
        chunks before it, these with weight 2; the gate stays as it is. Items of their own follow each other, each with its stop.
        """
        recent, state, nats, start = empty(self.device), self._start(1), [], 0
        while start < len(ids):
            x = ids[None, start : start + max(_FIRST_CHUNK, start // _CHUNK_SHARE)]
            keys, contexts = self._contexts(x, state)
            state = CountedState(contexts, state.group)
            nats.append(self._nats(keys[0, :-1], x[0], [(self.table, 1), (recent, RECENT_WEIGHT)]))
            recent = merge(recent, count(keys[:, :-1], x))
            start += x.shape[1]
        return torch.cat(nats) if nats else torch.zeros(0, device=ids.device)

    def next_with_features(self, ids: Tensor, state: Any = None) -> tuple[Tensor, Tensor, Any]:
        """As `next`, with the standardised confidence features (B,F): (log-probabilities (B,V), features, state)."""
        state = state or self._start(len(ids))
        keys, contexts = self._contexts(ids, state)
        gate, parts = self.gate, [self._evidence(part, [(self.table, 1)]) for part in self._parts(keys[:, -1])]
        logits = after_stop(torch.cat([gate.mix(part) for part in parts]), contexts.ended, self.spec.stop)
        return logits, torch.cat([gate.standardised(part) for part in parts]), CountedState(contexts, state.group)

    def expert_log_probs(self, x: Tensor, without: bool = False) -> tuple[Tensor, Tensor]:
        """(log-probabilities (B,T,V) of each id of x (B,T) given those before it, standardised confidence features (B,T,F)).

        For a model that mixes this one with another. `without`: x is part of the training text, and what it added to the counts is
        taken out first, so that a loss on training text sees what it would see on a new one. Past a stop the values mean nothing.
        """
        keys = self._keys(x)
        tables: list[Table] = [(self.table, 1)]
        if without:
            tables.append((count(keys, x, live(self.spec, x)), -1))
        gate, log_probs, features = self.gate, [], []
        for part in self._parts(keys.flatten(0, 1)):
            evidence = self._evidence(part, tables)
            log_probs.append(gate.mix(evidence))
            features.append(gate.standardised(evidence))
        return torch.cat(log_probs).view(*x.shape, -1), torch.cat(features).view(*x.shape, -1)

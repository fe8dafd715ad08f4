"""What families that count contexts share: the text held until a pass ends, the table, likelihoods and drawing.

B batch, T length, V vocabulary, K experts (contexts of a place), N places.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Learner, Player, Terms
from ..core.spec import Conditions, Spec, Tokens, elements, live, sequential
from ..maths.contexts import ContextState, after_stop, beginning
from ..maths.counts import ID_BITS, KEY_BITS, Counts, discounts, empty
from ..maths.mixing import GRID, Evidence, Table, gather
from .labels import classes_of
from .sequences import IdById

_MOST_NUMBERS = 1 << 22
"""Numbers in the largest array of one chunk: 16 MB."""
_LINE = 4096
"""Places of a row whose contexts are read at once."""
_AT_ONCE = 1 << 20
"""Ids that are counted at once: their contexts take about 100 MB."""


@dataclass(frozen=True, slots=True)
class CountedState:
    """The contexts so far, and each row's class."""

    contexts: ContextState
    group: Tensor
    """(B,) int64; the number of classes where none is given."""

    def rows(self, index: Tensor) -> CountedState:
        """The state of the rows `index`, (B',) int64."""
        return CountedState(self.contexts.rows(index), self.group[index])


def refuses_ids(spec: Spec) -> str | None:
    """Why this is no sequence of ids that can be counted, or None."""
    if not isinstance(spec, Tokens) or not sequential(spec):
        return "it counts sequences of ids (text, notes, ...), one after another"
    if spec.vocab > 1 << ID_BITS:
        return f"it counts ids below {1 << ID_BITS:,}, and here there are {spec.vocab:,}"
    return None


class Counted(IdById):
    """Learns only from whole passes: before the first one ends, all ids are alike. A further pass adds to the counts.

    Contexts never reach across the windows that training gives, but across any length in `surprise` and `next`.
    """

    grows: ClassVar[tuple[str, ...]] = ("text", "groups", "keys", "first", "ids", "counts")
    """Buffers whose size depends on the data (`training.state.put`)."""

    def __init__(self, spec: Spec, conditions: Conditions, settings: Any, base: Sequence[int]) -> None:
        """`base`: the expert that each expert falls back to, as `maths.mixing.gather` takes it."""
        super().__init__(spec, conditions, None, None, settings)
        self.base, self.experts = list(base), len(base)
        self.register_buffer("text", torch.zeros(0, *spec.shape, dtype=torch.int32))
        self.register_buffer("groups", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.register_buffer("discount", torch.tensor([0.0, 0.5, 0.5, 0.5]).repeat(self.experts, 1))
        for field in fields(Counts):
            self.register_buffer(field.name, getattr(empty(), field.name))
        self.text: Tensor
        self.groups: Tensor
        self.filled: Tensor
        self.discount: Tensor

    @abstractmethod
    def _contexts(self, x: Tensor, state: CountedState) -> tuple[Tensor, ContextState]:
        """(keys (B,k+1,K) before each id of x (B,k) and after the last, the contexts then)."""

    @abstractmethod
    def _mixed(self, evidence: Evidence) -> Tensor:
        """(N,V) log-probabilities."""

    @abstractmethod
    def _learn(self, x: Tensor, counted: Tensor, group: Tensor) -> None:
        """The end of a pass: takes in x (M,T) where `counted` (M,T), rows of the classes `group` (M,)."""

    @property
    def table(self) -> Counts:
        """All that was counted."""
        return Counts(*(self.get_buffer(field.name) for field in fields(Counts)))

    def players(self) -> list[Player | Learner]:
        return [Learner("counts", self.see, self.settle)]

    @property
    def untaught(self) -> bool:
        """Whether nothing has been counted yet."""
        return len(self.get_buffer("keys")) == 0

    def see(self, batch: Batch) -> Terms:
        """Holds the batch's ids until the pass ends, `most` of them in all."""
        filled, most = int(self.filled), -(-self.settings.most // elements(self.spec))
        new = batch.data[: max(0, most - filled)]
        if filled + len(new) > len(self.text):
            room = max(len(new), len(self.text))
            self.text = torch.cat((self.text, self.text.new_zeros(room, *self.spec.shape)))
            self.groups = torch.cat((self.groups, self.groups.new_zeros(room)))
        self.text[filled : filled + len(new)] = new.to(torch.int32)
        group = classes_of(self.conditions, batch.condition, batch.size, batch.given)
        self.groups[filled : filled + len(new)] = group[: len(new)].to(self.groups)
        self.filled += len(new)
        return {"seen": torch.ones(batch.size, device=batch.data.device)}

    def settle(self) -> bool:
        """Counts what is held; what came in earlier passes stays counted."""
        filled = int(self.filled)
        x = self.text[:filled].long()
        self._learn(x, live(self.spec, x), self.groups[:filled].long())
        self.text, self.groups, self.filled = self.text[:0].clone(), self.groups[:0].clone(), torch.zeros_like(self.filled)
        return True

    def _pieces(self, x: Tensor) -> Iterator[slice]:
        """Rows of x (M,T) that are counted at once."""
        step = max(1, _AT_ONCE // x.shape[1])
        return (slice(start, start + step) for start in range(0, len(x), step))

    def _keep(self, table: Counts) -> None:
        """Takes a table for its own, and finds each expert's discounts."""
        for field in fields(Counts):
            setattr(self, field.name, getattr(table, field.name))
        numbers = torch.arange(self.experts + 1, device=table.keys.device)
        edges = table.first[torch.searchsorted(table.keys, numbers << KEY_BITS)].tolist()
        for k in range(self.experts):
            self.discount[k] = discounts(table.counts[edges[k] : edges[k + 1]])

    def _start(self, size: int, condition: Condition = None) -> CountedState:
        contexts = beginning(size, self.settings.orders, self.spec.stop, self.device)
        return CountedState(contexts, classes_of(self.conditions, condition, size).to(self.device))

    def _evidence(self, keys: Tensor, tables: list[Table]) -> Evidence:
        return gather(keys, tables, self.discount, self.base, self.spec.vocab)

    def _parts(self, keys: Tensor) -> tuple[Tensor, ...]:
        """Keys (N,K) in parts that are small enough to be looked up at once."""
        width = self.spec.vocab * (self.experts if self.spec.vocab <= GRID else 4)
        return torch.split(keys, max(1, _MOST_NUMBERS // width))

    def _nats(self, keys: Tensor, ids: Tensor, tables: list[Table]) -> Tensor:
        """(N,) nats of ids (N,) in the contexts (N,K)."""
        found, done = [], 0
        for part in self._parts(keys):
            own = ids[done : done + len(part), None]
            found.append(-self._mixed(self._evidence(part, tables)).gather(1, own)[:, 0])
            done += len(part)
        return torch.cat(found)

    def surprise(self, x: Tensor, condition: Condition = None) -> Tensor:
        """Any T: contexts are read over the whole row, in bounded memory."""
        alive, nats, state = live(self.spec, x), torch.zeros(x.shape, device=x.device), self._start(len(x), condition)
        for start in range(0, x.shape[1], _LINE):
            piece = slice(start, start + _LINE)
            keys, contexts = self._contexts(x[:, piece], state)
            state = CountedState(contexts, state.group)
            here = alive[:, piece]
            if bool(here.any()):
                nats[:, piece][here] = self._nats(keys[:, :-1][here], x[:, piece][here], [(self.table, 1)])
        return nats

    def next(self, ids: Tensor, condition: Condition = None, state: Any = None) -> tuple[Tensor, Any]:
        state = state or self._start(len(ids), condition)
        keys, contexts = self._contexts(ids, state)
        logits = torch.cat([self._mixed(self._evidence(part, [(self.table, 1)])) for part in self._parts(keys[:, -1])])
        return after_stop(logits, contexts.ended, self.spec.stop), CountedState(contexts, state.group)

"""Recurrent nets for sequences of ids: plain, LSTM or GRU cells; with attention where a condition is a sequence.

B batch, T length, S a condition's length, V vocabulary, D width, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from ..core.spec import Array, Conditions, Spec, Tokens, elements, live
from .around import Around
from .attention import Layout
from .blocks import Dropout, on_beat
from .condition import ConditionEncoder

Cell = Literal["rnn", "lstm", "gru"]
_CELLS: dict[str, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
Hidden = tuple[Tensor, ...]
"""(L,B,D) each: one tensor, or hidden and cell for an LSTM."""


@dataclass(frozen=True, slots=True)
class RecurrentSettings:
    """Size and cell: plain (Elman 1990), LSTM (Hochreiter, Schmidhuber 1997) or GRU (Cho et al. 2014, arXiv:1406.1078)."""

    width: int = 512
    depth: int = 2
    cell: str = "lstm"
    dropout: float = 0.0
    around: bool = False
    """Of columns laid one after another, a place is told what stands beside it in the column before."""


def cells_of(settings: RecurrentSettings, width: int, depth: int, both: bool = False) -> nn.RNNBase:
    """Cells whose recurrent weights are orthogonal at first: (B,T,width) -> (B,T,width); `both`: read in both directions."""
    made: nn.RNNBase = _CELLS[settings.cell](
        width, width // 2 if both else width, depth, batch_first=True, dropout=settings.dropout if depth > 1 else 0.0, bidirectional=both
    )
    for name, p in made.named_parameters():
        if name.startswith("weight_hh"):
            for gate in p.data.chunk(p.shape[0] // p.shape[1]):
                nn.init.orthogonal_(gate)
    return made


class BothWays(nn.Module):
    """Reads embedded ids forwards and backwards (Schuster, Paliwal 1997): (embedded (B,S,D), live (B,S)) -> (B,S,D)."""

    def __init__(self, width: int, settings: RecurrentSettings) -> None:
        super().__init__()
        self.cells = cells_of(settings, width, 1, both=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, embedded: Tensor, there: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(embedded, there.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        read, _ = nn.utils.rnn.pad_packed_sequence(self.cells(packed)[0], batch_first=True, total_length=embedded.shape[1])
        out: Tensor = self.norm(read)
        return out


@dataclass(frozen=True, slots=True)
class RecurrentState:
    """What a causal recurrent net remembers: hidden states, and what it attends to."""

    hidden: Hidden | None
    vector: Tensor | None
    read: Tensor | None
    mask: Tensor | None
    seen: int = 0
    """Places read."""
    recent: Tensor | None = None
    """(B,P) the last ids, where places are told what stands around them."""

    def rows(self, index: Tensor) -> RecurrentState:
        """The state of the rows `index`."""
        hidden = None if self.hidden is None else tuple(part[:, index].contiguous() for part in self.hidden)
        parts = (self.vector, self.read, self.mask, self.recent)
        vector, read, mask, recent = (None if part is None else part[index] for part in parts)
        return RecurrentState(hidden, vector, read, mask, self.seen, recent)


class CausalRecurrent(nn.Module):
    """Logits of the id at every place given those before it; conditions that are sequences are attended to at every place
    (Luong et al. 2015, arXiv:1508.04025, "general" scores). `inputs` an Array: a context vector is passed to every start."""

    def __init__(self, inputs: Spec, output: Tokens, conditions: Conditions, settings: RecurrentSettings) -> None:
        super().__init__()
        self.spec, width = output, settings.width
        self.condition = ConditionEncoder(conditions, width, lambda wide: BothWays(wide, settings))
        self.context = nn.Linear(elements(inputs), width) if isinstance(inputs, Array) else None
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.embed = nn.Embedding(output.vocab, width)
        self.beat = nn.Embedding(output.period, width) if output.period else None
        self.around = Around.of(output, width, settings.around)
        self.cells = cells_of(settings, width, settings.depth)
        crossed = bool(self.condition.readers)
        self.score = nn.Linear(width, width, bias=False) if crossed else None
        self.join = nn.Linear(2 * width, width) if crossed else None
        self.dropout = Dropout(settings.dropout)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, output.vocab)
        self.several = settings.cell == "lstm"

    def forward(
        self, ids: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], context: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (N,V) at the live places of ids (B,T) and some others, and their places (N,) in the flattened batch (None = all)."""
        there = live(self.spec, ids)
        state = self.begin(condition, given, ids.shape[0], context)
        before = torch.cat((self.start.expand(len(ids), 1, -1), self.embed(ids[:, :-1])), 1)
        if self.around is not None:
            before = before + self.around(ids[:, :-1], 0, ids.shape[1])
        longest = int(there.any(0).sum())  # a few long items set T, and no cell need run beyond the longest of this batch
        h, _ = self._through(before[:, :longest], state)
        layout = Layout.of(there)
        return self.head(self.norm(layout.pack(nn.functional.pad(h, (0, 0, 0, ids.shape[1] - longest))))), layout.index

    def begin(
        self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], batch: int, context: Tensor | None = None
    ) -> RecurrentState:
        """The state before the first id."""
        vector = self.condition(condition, given, batch)
        if self.context is not None and context is not None:
            own = self.context(context)
            vector = own if vector is None else vector + own
        read = self.condition.sequence(condition, given, batch)
        return RecurrentState(None, vector, *(read if read is not None else (None, None)))

    def step(self, ids: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """Logits (B,V) after ids (B,k) more, or distributions over ids (B,k,V), and the new state."""
        embedded = ids @ self.embed.weight if ids.is_floating_point() else self.embed(ids)
        if state.hidden is None:
            embedded = torch.cat((self.start.expand(len(ids), 1, -1), embedded), 1)
        recent = None
        if self.around is not None:
            known = self.around.kept(state.recent, ids)
            embedded, recent = embedded + self.around(known, state.seen, embedded.shape[1]), self.around.needed(known)
        h, hidden = self._through(embedded, state)
        return self.head(self.norm(h[:, -1])), replace(state, hidden=hidden, seen=state.seen + embedded.shape[1], recent=recent)

    def _through(self, embedded: Tensor, state: RecurrentState) -> tuple[Tensor, Hidden]:
        if state.vector is not None:
            embedded = embedded + state.vector[:, None]
        embedded = on_beat(self.beat, embedded, state.seen)
        past = None if state.hidden is None else state.hidden if self.several else state.hidden[0]
        h, hidden = self.cells(self.dropout(embedded), past)
        if self.score is not None and self.join is not None and state.read is not None:
            scores = self.score(h) @ state.read.transpose(1, 2)
            if state.mask is not None:
                scores = scores.masked_fill(~state.mask[:, None], -1e4)
            seen = scores.float().softmax(-1).to(h.dtype) @ state.read.to(h.dtype)
            h = torch.tanh(self.join(torch.cat((h, seen), 2)))
        return self.dropout(h), hidden if isinstance(hidden, tuple) else (hidden,)

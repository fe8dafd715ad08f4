"""Transformers for sequences of ids, by role: the next id at every place (causal), every id from its surroundings, or one vector.

B batch, T length, V vocabulary, D width, N rows (see `attention.Layout`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..core.spec import Array, Conditions, Spec, Tokens, elements, live, quotable
from .around import Around
from .attention import Block, Cache, CrossAttention, Layout, grid_turns, normed, turns
from .blocks import Dropout, on_beat
from .condition import ConditionEncoder, as_table
from .decode_step import DecodeStep
from .pointer import Pointer, Quotable


@dataclass(frozen=True, slots=True)
class TransformerSettings:
    """Size of a transformer."""

    width: int = 256
    depth: int = 4
    head: int = 32
    """Width of a head."""
    share: int = 2
    """So many heads share their keys and values."""
    dropout: float = 0.0
    reading: int = 2
    """Blocks that read a condition which is a sequence."""
    around: bool = False
    """Of columns laid one after another, a place is told what stands beside it in the column before."""

    @property
    def heads(self) -> int:
        return max(1, self.width // self.head)

    @property
    def groups(self) -> int:
        return self.heads // self.share if self.heads % self.share == 0 else self.heads


class Reader(nn.Module):
    """Reads embedded ids in both directions: (embedded (B,T,D), live (B,T)) -> (B,T,D). `by`: the places' turns; None = those of 0.."""

    def __init__(self, width: int, depth: int, settings: TransformerSettings) -> None:
        super().__init__()
        self.head = width // settings.heads
        self.blocks = nn.ModuleList(Block(width, settings.heads, settings.groups, settings.dropout) for _ in range(depth))
        self.dropout = Dropout(settings.dropout)

    def forward(self, embedded: Tensor, there: Tensor, by: Tensor | None = None) -> Tensor:
        layout = Layout.of(there)
        rows = self.dropout(layout.pack(embedded))
        by = turns(0, layout.length, self.head, rows.device) if by is None else by
        for block in self.blocks:
            rows, _ = block(rows, layout, False, by)
        return layout.pad(normed(rows))


@dataclass(frozen=True, slots=True)
class CausalState:
    """What a causal transformer remembers: each block's cache, the condition's vector, keys and ids, and how many ids came."""

    caches: tuple[Cache, ...]
    vector: Tensor | None
    others: tuple[Cache, ...]
    mask: Tensor | None
    source: Quotable | None
    seen: int
    quick: DecodeStep | None = None
    """What takes one id more, where it applies."""
    recent: Tensor | None = None
    """(B,P) the last ids, where places are told what stands around them."""

    def rows(self, index: Tensor) -> CausalState:
        """The state of the rows `index`."""
        vector, mask, recent = (None if part is None else part[index] for part in (self.vector, self.mask, self.recent))
        caches, others = (tuple(cache.rows(index) for cache in held) for held in (self.caches, self.others))
        source = None if self.source is None else self.source.rows(index)
        return CausalState(caches, vector, others, mask, source, self.seen, self.quick, recent)


class CausalTransformer(nn.Module):
    """Logits of the id at every place given those before it; with conditions that are sequences, a decoder with cross-attention, which
    copies where there is one such condition and its alphabet is the output's.

    `inputs` an Array: a context vector is passed to every call that starts a sequence.
    """

    def __init__(self, inputs: Spec, output: Tokens, conditions: Conditions, settings: TransformerSettings) -> None:
        super().__init__()
        self.spec, width, self.head_width = output, settings.width, settings.width // settings.heads
        self.embed = nn.Embedding(output.vocab, width)
        self.quoted = quotable(output, conditions)
        tables = {self.quoted: self.embed} if self.quoted else {}
        self.condition = ConditionEncoder(conditions, width, lambda wide: Reader(wide, settings.reading, settings), tables)
        self.pointer = Pointer(width) if self.quoted else None
        crossed = bool(self.condition.readers)
        self.context = nn.Linear(elements(inputs), width) if isinstance(inputs, Array) else None
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(
            Block(width, settings.heads, settings.groups, settings.dropout, crossed) for _ in range(settings.depth)
        )
        self.dropout = Dropout(settings.dropout)
        self.head = nn.Linear(width, output.vocab, bias=False)
        self.beat = nn.Embedding(output.period, width) if output.period else None
        self.around = Around.of(output, width, settings.around)
        beats = () if self.beat is None else (self.beat.weight,)
        for table in (self.embed.weight, self.head.weight, *beats):
            nn.init.normal_(table, std=0.02)
            as_table(table)

    def forward(
        self, ids: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], context: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (N,V) at the live places of ids (B,T) and some others, and their places (N,) in the flattened batch (None = all)."""
        there = live(self.spec, ids)
        layout = Layout.of(there)
        state = self.begin(condition, given, ids.shape[0], context)
        before = torch.cat((self.start.expand(len(ids), 1, -1), self.embed(ids[:, :-1])), 1)
        if self.around is not None:
            before = before + self.around(ids[:, :-1], 0, ids.shape[1])
        rows, _ = self._through(before, layout, state)
        return self._logits(rows, layout.pack(before), layout, state), layout.index

    def _logits(self, rows: Tensor, before: Tensor, layout: Layout, state: CausalState) -> Tensor:
        logits: Tensor = self.head(rows)
        if self.pointer is None or state.source is None:
            return logits
        mixed: Tensor = self.pointer(rows, before, logits, layout, state.source)
        return mixed

    def begin(
        self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], batch: int, context: Tensor | None = None
    ) -> CausalState:
        """The state before the first id."""
        vector = self.condition(condition, given, batch)
        if self.context is not None and context is not None:
            own = self.context(context)
            vector = own if vector is None else vector + own
        read = self.condition.sequence(condition, given, batch)
        if read is None:
            return CausalState((), vector, (), None, None, 0)
        crosses = [block.cross for block in self.blocks]
        others = tuple(cross.keys(read[0]) for cross in crosses if isinstance(cross, CrossAttention))
        source = None
        if self.pointer is not None and self.quoted is not None and self.quoted in condition:
            ids = condition[self.quoted][:, : read[0].shape[1]]
            source = self.pointer.begin(read[0], self.embed(ids), ids, read[1] & given[self.quoted][:, None])
        return CausalState((), vector, others, read[1], source, 0)

    def step(self, ids: Tensor, state: CausalState) -> tuple[Tensor, CausalState]:
        """Logits (B,V) after ids (B,k) more, and the new state. What lies further back than the Spec's length is forgotten."""
        count, most = ids.shape[1] + (state.seen == 0), self.spec.shape[0]
        if state.caches and len(state.caches[0]) + count > most:
            short = tuple(cache.latest(max(1, most - count)) for cache in state.caches)
            state = replace(state, caches=short)
        told = None
        if self.around is not None:
            known = self.around.kept(state.recent, ids)
            told = self.around(known, state.seen, count)
            state = replace(state, recent=self.around.needed(known))
        exact = not (self.training or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"))
        if state.quick is not None and count == 1 and exact:
            vector = state.vector
            if self.beat is not None:
                own = self.beat.weight[state.seen % self.beat.num_embeddings].expand(len(ids), -1)
                vector = own if vector is None else vector + own
            if told is not None:
                vector = told[:, 0] if vector is None else vector + told[:, 0]
            logits, caches = state.quick(ids[:, 0], state.caches, state.seen, vector)
            return logits, replace(state, caches=caches, seen=state.seen + 1)
        embedded = self.embed(ids)
        if state.seen == 0:
            embedded = torch.cat((self.start.expand(len(ids), 1, -1), embedded), 1)
            state = replace(state, quick=DecodeStep.of(self.embed, self.blocks, self.head))
        embedded = embedded if told is None else embedded + told
        dropped = max(0, embedded.shape[1] - most)
        embedded, state = embedded[:, dropped:], replace(state, seen=state.seen + dropped)
        layout = Layout(*embedded.shape[:2])
        rows, caches = self._through(embedded, layout, state)
        last = rows.view(*embedded.shape[:2], -1)[:, -1]
        logits = self._logits(last, embedded[:, -1], Layout(len(last), 1), state)
        return logits, replace(state, caches=caches, seen=state.seen + embedded.shape[1])

    def _through(self, embedded: Tensor, layout: Layout, state: CausalState) -> tuple[Tensor, tuple[Cache, ...]]:
        """(B,T,D) embedded ids -> (N,D) normed rows and every block's cache."""
        if state.vector is not None:
            embedded = embedded + state.vector[:, None]
        embedded = on_beat(self.beat, embedded, state.seen)
        rows = self.dropout(layout.pack(embedded))
        caches: list[Cache] = []
        by = turns(state.seen, layout.length, self.head_width, rows.device)
        for number, block in enumerate(self.blocks):
            other = (state.others[number], state.mask) if state.others else None
            past = state.caches[number] if state.caches else None
            rows, cache = block(rows, layout, True, by, other, past)
            caches.append(cache)
        return normed(rows), tuple(caches)


class TokenEncoder(nn.Module):
    """Reads the ids of a sequence or a grid, all at once: a vector for the whole, or logits for every place."""

    def __init__(self, inputs: Tokens, output: Spec, conditions: Conditions, settings: TransformerSettings) -> None:
        super().__init__()
        self.spec, width = inputs, settings.width
        self.places = isinstance(output, Tokens)
        self.condition = ConditionEncoder(conditions, width, lambda wide: Reader(wide, settings.reading, settings))
        # one id beyond the vocabulary stands for "not known"
        self.embed = nn.Embedding(inputs.vocab + 1, width)
        # turns tell only how far apart places are; of a grid it matters where a place is, also when nothing is known
        self.where = nn.Embedding(elements(inputs), width) if len(inputs.shape) > 1 else None
        self.read = Reader(width, settings.depth, settings)
        outputs = output.vocab if isinstance(output, Tokens) else elements(output)
        self.head = nn.Linear(width, outputs)
        for table in (self.embed, *([] if self.where is None else [self.where])):
            nn.init.normal_(table.weight, std=0.02)
            as_table(table.weight)
        if self.places:
            as_table(self.head.weight)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """x (B,*) ids up to and including V ("not known") -> (B, *output.shape) or logits (B,T,V).

        Of a sequence, x may be the first places alone. Only places up to the first stop count; logits past it mean nothing.
        """
        flat = x.flatten(1)
        embedded, there = self.embed(flat), live(self.spec, flat)
        if self.where is not None:
            embedded = embedded + self.where.weight
        vector = self.condition(condition, given, x.shape[0])
        if vector is not None:
            embedded = embedded + vector[:, None]
        told = self.condition.sequence(condition, given, x.shape[0])
        if told is not None:
            embedded, there = torch.cat((embedded, told[0]), 1), torch.cat((there, told[1]), 1)
        by = self._turns(flat.shape[1], embedded.shape[1] - flat.shape[1], x.device)
        read = self.read(embedded, there, by)[:, : flat.shape[1]]
        there = there[:, : flat.shape[1]]
        if self.places:
            out: Tensor = self.head(read)
            return out
        pooled = (read * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        out = self.head(pooled)
        return out

    def _turns(self, count: int, told: int, device: torch.device) -> Tensor:
        """Of the first `count` places of x, and of `told` of a condition, which stand behind the longest x, however short this one is."""
        longest = elements(self.spec)
        line = turns(0, longest + told, self.read.head, device)
        own = line if len(self.spec.shape) == 1 else grid_turns(self.spec.shape[0], self.spec.shape[1], self.read.head, device)
        return torch.cat((own[:count], line[longest:]))

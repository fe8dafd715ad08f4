"""A net that goes through a grid of ids row by row: cells with gates along the rows, and within a row every id given those before it.

B batch, T rows, R places of a row, V vocabulary, C planes (ids but the first one and the stop), W width, H head, K rows above, N rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.spec import Conditions, Tokens
from .blocks import Dropout
from .condition import ConditionEncoder
from .recurrent import Hidden, RecurrentSettings, cells_of


@dataclass(frozen=True, slots=True)
class RowsSettings:
    """Size of what goes along the rows, and of what goes along a row."""

    width: int = 256
    depth: int = 1
    cell: str = "lstm"
    head: int = 128
    """Hidden numbers of each place (H)."""
    above: int = 4
    """Rows above whose neighbourhood a place sees (K)."""
    reach: int = 12
    """Places to either side that it sees there, and before it in its own row."""
    dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class RowsState:
    """What is known of the rows so far; never changed in place."""

    out: Tensor
    """(B,W) of the row that comes."""
    hidden: Hidden
    vector: Tensor | None
    above: Tensor
    """(B,K,C,R) planes of the last rows, the nearest first."""

    def rows(self, index: Tensor) -> RowsState:
        """The state of the rows `index` of the batch."""
        hidden = tuple(part[:, index].contiguous() for part in self.hidden)
        return RowsState(self.out[index], hidden, None if self.vector is None else self.vector[index], self.above[index])


class RowByRow(nn.Module):
    """p(row | rows above) by recurrent cells, and within it p(id | ids before it) by weights that all places share (NADE: Larochelle,
    Murray 2011; over a recurrent net: Boulanger-Lewandowski et al. 2012, arXiv:1206.6392, section 5).

    Beyond the paper a place also sees what lies near it in the last rows and before it in its own, by weights that depend on the distance
    alone: what a step up or down means is learnt once for all places (after Johnson 2017, Generating polyphonic music using tied
    parallel networks).
    """

    ids: Tensor
    """(C,) int64: the ids that have a plane."""

    def __init__(self, spec: Tokens, conditions: Conditions, settings: RowsSettings) -> None:
        super().__init__()
        places, width, head = spec.shape[1], settings.width, settings.head
        self.spec, self.settings = spec, settings
        self.reach = min(settings.reach, places - 1)
        self.register_buffer("ids", torch.tensor([i for i in range(1, spec.vocab) if i != spec.stop]), persistent=False)
        planes = len(self.ids)
        self.condition = ConditionEncoder(conditions, width)
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.inward = nn.Linear(planes * places, width)
        self.cells = cells_of(RecurrentSettings(width, settings.depth, settings.cell, settings.dropout), width, settings.depth)
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(settings.dropout)
        self.told = nn.Linear(width, head)
        self.place = nn.Parameter(0.02 * torch.randn(places, head))
        self.before = nn.Parameter(torch.randn(places, planes, head) * (planes * places) ** -0.5)
        self.near = nn.Linear((settings.above + 1) * planes * (2 * self.reach + 1), head, bias=False)
        self.deep = nn.Linear(head, head)
        self.outward = nn.Linear(head, spec.vocab)
        self.level = nn.Linear(width, places * spec.vocab)
        self.ends = nn.Linear(width, 1) if spec.stop is not None else None

    def planes(self, x: Tensor) -> Tensor:
        """(*,R,C) float32: which id stands at a place; all zero for the first id."""
        return (x[..., None] == self.ids).float()

    def forward(
        self, x: Tensor, there: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """(log-probabilities (N,R,V) of the ids of the rows `there` (B,T) of x (B,T,R), each given what comes before it; the log-odds
        (N,) that the grid ends before such a row)."""
        planes = self.planes(x)
        embedded = torch.cat((self.start.expand(len(x), 1, -1), self.inward(planes[:, :-1].flatten(2))), 1)
        vector = self.condition(condition, given, len(x))
        h, _ = self._through(embedded, vector, None)
        h, stack = h[there], self._stack(planes)[there]
        known = self._above(stack, h) + self._before(planes[there])
        level = self.level(h).view(len(h), -1, self.spec.vocab)
        return self._log_probs(known, level), self._ends(h)

    def begin(self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], batch: int) -> RowsState:
        """The state before the first row."""
        vector = self.condition(condition, given, batch)
        out, hidden = self._through(self.start.expand(batch, 1, -1), vector, None)
        return RowsState(out[:, 0], hidden, vector, out.new_zeros(batch, self.settings.above, len(self.ids), self.spec.shape[1]))

    def advance(self, state: RowsState, row: Tensor) -> RowsState:
        """The state after one more row (B,R)."""
        planes = self.planes(row)
        out, hidden = self._through(self.inward(planes.flatten(1))[:, None], state.vector, state.hidden)
        above = torch.cat((planes.transpose(1, 2)[:, None], state.above), 1)[:, : self.settings.above]
        return replace(state, out=out[:, 0], hidden=hidden, above=above)

    def open(self, state: RowsState) -> tuple[Tensor, Tensor | None]:
        """(what the places (B,R,H) know before the row's first id, the log-odds (B,) that the grid ends here)."""
        blank = state.above.new_zeros(len(state.above), 1, *state.above.shape[2:])
        return self._above(torch.cat((blank, state.above), 1).flatten(1, 2), state.out), self._ends(state.out)

    def log_probs(self, known: Tensor, place: int, state: RowsState) -> Tensor:
        """(B,V) of the id at a place, from what the places know (B,R,H)."""
        columns = slice(place * self.spec.vocab, (place + 1) * self.spec.vocab)
        level = F.linear(state.out, self.level.weight[columns], self.level.bias[columns])
        return self._log_probs(known[:, place], level)

    def tell(self, known: Tensor, place: int, ids: Tensor) -> None:
        """Adds to what the places know (B,R,H), in place, the id at one of them (B,)."""
        planes = self.planes(ids)
        known[:, place + 1 :] += (planes @ self.before[place])[:, None]
        # the place at distance d to the right sees this one at d places before it
        far = min(self.reach, known.shape[1] - place - 1)
        near = self.near.weight.view(known.shape[2], -1, 2 * self.reach + 1)
        weight = near[:, : planes.shape[1], self.reach - far : self.reach].flip(2)
        known[:, place + 1 : place + 1 + far] += torch.einsum("bc,hcd->bdh", planes, weight)

    def _through(self, embedded: Tensor, vector: Tensor | None, hidden: Hidden | None) -> tuple[Tensor, Hidden]:
        if vector is not None:
            embedded = embedded + vector[:, None]
        past = hidden if hidden is None or len(hidden) > 1 else hidden[0]
        h, new = self.cells(self.dropout(embedded), past)
        return self.dropout(self.norm(h)), new if isinstance(new, tuple) else (new,)

    def _stack(self, planes: Tensor) -> Tensor:
        """(B,T,(K+1)C,R): each row's own planes and those of the rows above it, the nearest first."""
        rows = planes.transpose(2, 3)
        padded = F.pad(rows, (0, 0, 0, 0, self.settings.above, 0))
        length, above = rows.shape[1], self.settings.above
        return torch.cat([padded[:, above - back : above - back + length] for back in range(above + 1)], 2)

    def _kernel(self) -> Tensor:
        """(H,(K+1)C,places) weights of what lies near, 0 where a place must not look: at itself and what follows in its own row."""
        kernel = self.near.weight.view(len(self.near.weight), -1, 2 * self.reach + 1)
        places = torch.arange(kernel.shape[2], device=kernel.device)
        later = (torch.arange(kernel.shape[1], device=kernel.device) < len(self.ids))[:, None] & (places >= self.reach)
        return kernel.masked_fill(later, 0.0)

    def _above(self, stack: Tensor, h: Tensor) -> Tensor:
        """(N,R,H) from the stack of rows (N,(K+1)C,R) and the cells (N,W)."""
        # a table of what each place sees, for the places outweigh all else: a product with it is twice as fast as a convolution
        seen = F.pad(stack, (self.reach, self.reach)).unfold(2, 2 * self.reach + 1, 1).transpose(1, 2).flatten(2)
        known: Tensor = F.linear(seen, self._kernel().flatten(1)) + self.told(h)[:, None] + self.place
        return known

    def _before(self, planes: Tensor) -> Tensor:
        """(N,R,H): the sum over all places before of the weights of what stands there (N,R,C)."""
        count, width = planes.shape[1], self.before.shape[2]
        earlier = torch.ones(count, count, device=planes.device).triu(1)
        weights = self.before[:, :, None] * earlier[:, None, :, None]
        return (planes.flatten(1) @ weights.view(-1, count * width)).view(-1, count, width)

    def _log_probs(self, known: Tensor, level: Tensor) -> Tensor:
        """(*,V) from what places know (*,H) and the cells' own odds for them (*,V)."""
        z = F.relu(known)
        logits = (self.outward(z + F.relu(self.deep(z))) + level).float()
        if self.spec.stop is not None:
            never = torch.arange(self.spec.vocab, device=logits.device) == self.spec.stop
            logits = logits.masked_fill(never, -torch.inf)
        out: Tensor = logits.log_softmax(-1)
        return out

    def _ends(self, h: Tensor) -> Tensor | None:
        return None if self.ends is None else self.ends(h)[:, 0].float()

"""A Bayesian network over the columns of a table: the tree of Chow and Liu, or up to two parents; likelihood and conditioning are exact.

B batch, F fields, C cells of all fields together, K states of a field, P of its first parent, Q of its second (1 for none), T numbers in
the tables of all fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ..core.abilities import Allowed, Condition, Density, Infills, Narrows
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Conditions, Spec
from ..maths.chow_liu import fit_table, information, spanning_forest
from ..maths.two_parents import Variables, best_network
from .bayesnet_narrow import NarrowedNet
from .cells import NEVER, Celled, refuses_rows

_MOST_NUMBERS = 1 << 24
"""Most numbers in the tables of all fields: 64 MB."""
_LARGEST_TABLE = 1 << 17
_SCORED = 20_000
"""Rows of the sample by which second parents are chosen."""
_GAPS = 12
"""Most classes of rows by how many of their values are missing."""
_AT_ONCE = 1 << 22
"""Numbers of the messages held at once: 32 MB."""


@dataclass(frozen=True, slots=True)
class BayesNetSettings:
    """How fine the tables are."""

    parents: Literal[1, 2] = 2
    """At most so many of each field."""
    bins: int = 32
    """Most states of a real field, a missing one apart; fewer where there are few rows (twice their cube root)."""
    states: int = 128
    """Most states of a category field."""
    keep: int = 50_000
    """At most so many rows set the tree and the bins, and at most 128 MB of them."""

    def __post_init__(self) -> None:
        check_ranges(self, parents=(1, 2), bins=(1, 1000), states=(2, 1 << 16), keep=(1, 1 << 24))


class BayesNet(Celled, Density, Infills, Narrows):
    """p(x) = product over fields of P(state | parents' states) P(value | state).

    With one parent it is the tree that Chow and Liu (1968) proved best; with two, one parent of the first may stand beside it where
    that makes the examples likelier (`maths.chow_liu.TwoParents`). An edge is kept where the mutual information, less its bias, is
    above 0; tables lean on smaller ones by leave-one-out likelihood.

    A state is an id of a category; of a real field it is "missing" or a run of neighbouring quantile cells with about as many rows
    as the others, within which cells keep their own shares. Of a category with more ids than states, the most frequent ones have
    states of their own, and all others share the last: among those the id is independent of the other fields given that state, so
    that memory stays bounded whatever the categories.
    """

    grows: ClassVar[tuple[str, ...]] = (*Celled.grows, "pairs", "tables")
    Settings = BayesNetSettings
    settings: BayesNetSettings
    tight: Literal["exact", "bound", "estimate"]

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        settings = settings or BayesNetSettings()
        super().__init__(spec, conditions, settings)
        self.tight = "estimate" if any(field.bin for field in self.fields) else "exact"
        # gaps come together: where several fields can have them, a class of rows by their number is one variable more, summed out
        self.hidden = sum(bool(field.missing) for field in self.fields) > 1 and settings.parents == 2
        count = len(self.fields) + self.hidden
        fit = max(4, math.isqrt(_MOST_NUMBERS // count))
        widest = max(min(field.categories, settings.states) if field.categories else settings.bins + 1 for field in self.fields)
        self.most = min(fit, widest)
        cells = len(self.counts)
        gone = torch.zeros(cells, dtype=torch.bool)
        for place, field in enumerate(self.fields):
            gone[int(self.first[place]) + torch.tensor(field.missing if field.categories else (0,), dtype=torch.int64)] = True
        # a function of the Spec alone: not saved
        self.register_buffer("gone", gone, persistent=False)
        self.register_buffer("state", torch.zeros(cells, dtype=torch.int64))
        self.register_buffer("sizes", torch.ones(count, dtype=torch.int64))
        self.register_buffer("parents", torch.full((count, 2), -1))
        self.register_buffer("order", torch.arange(count))
        self.register_buffer("classes", torch.zeros(len(self.fields) + 1 if self.hidden else 0, dtype=torch.int64))
        self.register_buffer("share", torch.zeros(cells, dtype=torch.float64))
        self.register_buffer("sorted", torch.zeros(cells, dtype=torch.int64))
        self.register_buffer("reach", torch.zeros(cells, dtype=torch.float64))
        self.register_buffer("pairs", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("tables", torch.zeros(0))
        self.gone: Tensor
        """(C,) bool: cells that say that there is no value."""
        self.state: Tensor
        """(C,): the state of each cell."""
        self.sizes: Tensor
        """(F,): states of each field, and last those of the hidden class, if there is one; so too where fields are named below."""
        self.parents: Tensor
        """(F,2): the fields that each hangs on, or -1; the second is a parent of the first."""
        self.order: Tensor
        """(F,): the fields, parents first."""
        self.classes: Tensor
        """(F+1,) or none: the hidden class of rows with so many gaps."""
        self.share: Tensor
        """(C,): log P(cell | state)."""
        self.sorted: Tensor
        """(C,): all cells, those of a state side by side."""
        self.reach: Tensor
        """(C,): the number of its state among those of all fields, plus the state's share up to and with each of the sorted cells."""
        self.pairs: Tensor
        """(T,), or none where nothing is being counted: how often states met, field by field, (Q,P,K) each."""
        self.tables: Tensor
        """(T,): log P(state | parents' states), field by field, (Q,P,K) each."""
        self._learn(self.kept)

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return refuses_rows(spec, conditions)

    # learning

    def _arrange(self, cells: Tensor) -> None:
        for place, field in enumerate(self.fields):
            first = int(self.first[place])
            own = slice(first, first + (field.categories or 1 + int(self.filled[self.reals.index(place)])))
            states = self._group_ids(self.counts[own]) if field.categories else self._group_cells(self.counts[own])
            self.state[own], self.sizes[place] = states, int(states.max()) + 1
        if self.hidden:
            self._group_rows(cells)
        states = self._told(cells)
        weights = information(states.cpu().numpy(), self.sizes.tolist())
        network = [(place, parent, -1) for place, parent in spanning_forest(weights)]
        if self.settings.parents == 2 and len(states):
            most = min(_LARGEST_TABLE, _MOST_NUMBERS // len(self.sizes))
            gone = [self._gone(place) for place in range(len(self.sizes))]
            network = best_network(states[:_SCORED], Variables(self.sizes.tolist(), gone, most, self.hidden), weights)
        for rank, (place, one, two) in enumerate(network):
            self.order[rank] = place
            self.parents[place] = torch.tensor([one, two])

    def _group_ids(self, counts: Tensor) -> Tensor:
        """The state of each id: its own, or the last for all that are not among the K - 1 most frequent."""
        if len(counts) <= self.most:
            return torch.arange(len(counts), device=counts.device)
        states = torch.full_like(counts, self.most - 1)
        states[counts.argsort(descending=True, stable=True)[: self.most - 1]] = torch.arange(self.most - 1, device=counts.device)
        return states

    def _group_cells(self, counts: Tensor) -> Tensor:
        """The state of each cell of a real field: 0 where missing, then runs of about as many rows each."""
        live = counts[1:].double()
        total = float(live.sum())
        most = max(1, min(self.settings.bins, self.most - 1, round(2 * total ** (1 / 3))))
        middle = (live.cumsum(0) - live / 2) / max(total, 1.0)
        run = (middle * most).long().clamp(max=most - 1).unique(return_inverse=True)[1]
        return torch.cat((run.new_zeros(1), run + 1))

    def _group_rows(self, cells: Tensor) -> None:
        """The hidden class of each number of gaps: runs of about as many rows each."""
        counts = torch.bincount(self._gaps(cells), minlength=len(self.fields) + 1).double()
        total = float(counts.sum())
        most = max(1, min(_GAPS, round(2 * total ** (1 / 3))))
        middle = (counts.cumsum(0) - counts / 2) / max(total, 1.0)
        self.classes.copy_((middle * most).long().clamp(max=most - 1).unique(return_inverse=True)[1])
        self.sizes[-1] = int(self.classes.max()) + 1

    def _gaps(self, cells: Tensor) -> Tensor:
        """(B,) int64: how many categories of each row say that there is no value."""
        return (self.gone[cells + self.first] & (self.last >= 0)).sum(1)

    def _told(self, cells: Tensor) -> Tensor:
        """(B,F) int64 states, with the hidden class by the number of gaps."""
        states = self._states(cells)
        return torch.cat((states, self.classes[self._gaps(cells)][:, None]), 1) if self.hidden else states

    def _gone(self, place: int) -> Tensor | None:
        """(K,) bool: the states of a field in which no cell has a value; None where all have."""
        if place == len(self.fields):
            return None
        own = (self.field == place) & self._used()
        there = torch.zeros(int(self.sizes[place]), dtype=torch.int64, device=own.device)
        gone = there.index_add(0, self.state[own], (~self.gone[own]).long()) == 0
        return gone if bool(gone.any()) else None

    def _clear(self) -> None:
        self.pairs = self.pairs.new_zeros(sum(math.prod(shape) for shape in self._shapes()))

    def _count(self, cells: Tensor) -> None:
        codes = self._codes(self._told(cells)).flatten()
        self.pairs.index_add_(0, codes, torch.ones_like(codes, dtype=torch.int32))

    def _above(self) -> Tensor:
        """(F,2) int64: states of each field's parents; 1 for none."""
        return torch.where(self.parents >= 0, self.sizes[self.parents.clamp(min=0)], 1)

    def _shapes(self) -> list[tuple[int, int, int]]:
        """(Q,P,K) of each field's table."""
        return [(two, one, own) for (one, two), own in zip(self._above().tolist(), self.sizes.tolist(), strict=True)]

    def _codes(self, states: Tensor) -> Tensor:
        """(B,F): where in the tables each field's state stands, given its parents'."""
        one, two = (torch.where(parent >= 0, states[:, parent.clamp(min=0)], 0) for parent in self.parents.T)
        above = self._above()
        lengths = above.prod(1) * self.sizes
        return lengths.cumsum(0) - lengths + (two * above[:, 0] + one) * self.sizes + states

    def _finish(self) -> None:
        self._finish_cells()
        pairs, self.pairs = self.pairs, self.pairs[:0].clone()
        tables, done = [], 0
        for place, shape in enumerate(self._shapes()):
            counts = pairs[done : done + math.prod(shape)].view(shape)
            done += math.prod(shape)
            own = counts.sum((0, 1)).double()
            prior = torch.full_like(own, 1 / shape[2])
            if place < len(self.fields) and not self.fields[place].categories and own[0] == 0:
                prior[0] = NEVER
            tables.append(fit_table(counts, (own + prior) / (own + prior).sum(), self._gone(place))[0].float().flatten())
        self.tables = torch.cat(tables)

    def _finish_cells(self) -> None:
        """Shares of cells within their states, each state leaning on equal shares by the weight of one row."""
        used, state = self._used(), self._starts()[self.field] + self.state
        count = int(self.sizes.sum())
        zeros = torch.zeros(count, dtype=torch.float64, device=state.device)
        members = zeros.index_add(0, state[used], torch.ones_like(self.share[used]))
        mass = self.counts.double() + 1 / members[state.clamp(max=count - 1)]
        total = zeros.index_add(0, state[used], mass[used])
        share = torch.where(used, mass / total[state.clamp(max=count - 1)], 0.0)
        self.share.copy_(share.log())
        self.sorted.copy_(torch.where(used, state, count).argsort(stable=True))
        self.reach.copy_(torch.where(used[self.sorted], share[self.sorted].cumsum(0), math.inf))

    def _starts(self) -> Tensor:
        """(F,) int64: where each field's states begin among the states of all."""
        return self.sizes.cumsum(0) - self.sizes

    # use

    def _states(self, cells: Tensor) -> Tensor:
        return self.state[cells + self.first]

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """Exact; the mass of ids and of "missing", the density of reals."""
        cells = self._cells(x)
        states = self._states(cells)
        each = states.new_ones(len(states), 1)
        told = [torch.cat((states, own * each), 1) for own in range(int(self.sizes[-1]))] if self.hidden else [states]
        network = torch.stack([self.tables[self._codes(own)].double().sum(1) for own in told]).logsumexp(0)
        return (network + self.share[cells + self.first].sum(1) + self._densities(x, cells)).float()

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        u = noise.uniform((len(self.sizes),), "state").double().T.contiguous()
        states = torch.zeros(u.shape, dtype=torch.int64, device=u.device)
        for place, (one, two), table in self._downwards():
            above = self._row(states, one, two, table.shape[1])
            mass = table.flatten(0, 1).cumsum(1)
            # each row of the table ends a whole number after the one before it: one search serves all rows of the batch
            reach = (mass / mass[:, -1:] + torch.arange(len(mass), device=u.device)[:, None]).flatten()
            states[place] = torch.searchsorted(reach, u[place] + above, right=True) - above * table.shape[2]
        return self._draw(states.T.contiguous(), noise)

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Exact: fields are summed out from the last to the first (Pearl 1988, section 4.2, for a tree), then drawn from the first on.

        No dials."""
        states = self._told(self._cells(torch.where(known, x, 0.0))).T.contiguous()
        u = noise.uniform((len(self.sizes),), "state").double().T.contiguous()
        step, some = self.at_once(), known.any(0).tolist()
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            told, own = known.T[:, rows], states[:, rows]
            evidence = {}
            for place in (place for place, one in enumerate(some) if one):
                others = torch.nn.functional.one_hot(own[place], int(self.sizes[place])) == 0
                evidence[place] = torch.zeros(others.shape, dtype=torch.float64, device=x.device).masked_fill(
                    others & told[place][:, None], -math.inf
                )
            self.fill(own, evidence, u[:, rows])
        return torch.where(known, x, self._draw(states.T.contiguous(), noise))

    def narrow(self, allow: Mapping[int, Allowed], condition: Condition = None, *, seed: int = 0) -> NarrowedNet:
        """Exact, as `infill` is: a set is a factor of its field's states. The order of `allow` says nothing here."""
        return NarrowedNet(self, allow)

    def at_once(self) -> int:
        """Examples whose messages may be held at once."""
        return max(1, _AT_ONCE // sum(two * one + own for two, one, own in self._shapes()))

    def fill(self, states: Tensor, evidence: Mapping[int, Tensor], u: Tensor) -> None:
        """Draws states (F,B) in place, with u (F,B) in (0, 1). `evidence`: field -> (B or 1, K) log-weights of its states."""
        told, rows = self._upwards(evidence), torch.arange(states.shape[1], device=states.device)
        for place, (one, two), table in self._downwards():
            weights = table.flatten(0, 1)[self._row(states, one, two, table.shape[1])].log()
            weights = weights + evidence.get(place, 0.0)
            for above in {-1, one, two}:
                message = told.get((place, above))
                if message is not None:
                    weights = weights + (message[:, 0] if above < 0 else message.expand(len(rows), -1, -1)[rows, states[above]])
            reach = (weights - weights.amax(1, keepdim=True)).exp().cumsum(1)
            drawn = torch.searchsorted(reach, (u[place] * reach[:, -1])[:, None], right=True)[:, 0]
            states[place] = drawn.clamp(max=table.shape[2] - 1)

    def log_mass(self, evidence: Mapping[int, Tensor]) -> Tensor:
        """(B or 1,) float64: log of the mean of the exponential of the sum of the evidence (as `fill` takes it)."""
        told = self._upwards(evidence)
        total = torch.zeros(1, dtype=torch.float64, device=self.tables.device)
        for place, (one, _), table in self._downwards():
            if one < 0:
                total = total + (table[0].log() + evidence.get(place, 0.0) + told.get((place, -1), torch.zeros(1, 1, 1))[:, 0]).logsumexp(1)
        return total

    def _upwards(self, evidence: Mapping[int, Tensor]) -> dict[tuple[int, int], Tensor]:
        """(field, parent of it or -1) -> (B, the parent's states or 1, K): log-likelihood of what is known below both, by their states.

        Fields are summed out from the last to the first. Fields with nothing known below are left out.
        """
        told: dict[tuple[int, int], Tensor] = {}
        for place, (one, two), table in reversed(list(self._downwards())):
            below = {above: told[place, above] for above in {-1, one, two} if (place, above) in told}
            if one < 0 or not (place in evidence or below):
                continue
            weights = below.pop(-1, torch.zeros(1, 1, table.shape[2], dtype=torch.float64, device=table.device))
            if place in evidence:
                weights = weights + evidence[place][:, None]
            message, key = _summed(table, weights, below.get(one), below.get(two)), (one, two)
            told[key] = told[key] + message if key in told else message
        return told

    def _downwards(self) -> Iterator[tuple[int, tuple[int, int], Tensor]]:
        """(field, its parents or -1, (Q,P,K) float64 P(state | parents' states)), parents first."""
        parents, shapes = self.parents.tolist(), self._shapes()
        ends = list(accumulate(math.prod(shape) for shape in shapes))
        for place in self.order.tolist():
            one, two = parents[place]
            own = self.tables[ends[place] - math.prod(shapes[place]) : ends[place]]
            yield place, (one, two), own.view(shapes[place]).double().exp()

    def _row(self, states: Tensor, one: int, two: int, size: int) -> Tensor:
        """(B,) int64: the row of a field's table by its parents' states, states (F,B); `size` is P."""
        first = states[one] if one >= 0 else torch.zeros_like(states[0])
        return first if two < 0 else states[two] * size + first

    def _draw(self, states: Tensor, noise: Noise) -> Tensor:
        """(B,F) values of states (B,F), of which the hidden class is left out."""
        u = noise.uniform((2, len(self.fields)), "cell")
        return self.decoded(self.cells_of(states, u[:, 0]), u[:, 1])

    def cells_of(self, states: Tensor, u: Tensor) -> Tensor:
        """(B,F) cells of states (B,F), each as often as it has a share of its state's mass; u (B,F) in (0, 1)."""
        count = len(self.fields)
        place = torch.searchsorted(self.reach, states[:, :count] + self._starts()[:count] + u.double(), right=True)
        return self.sorted[place.clamp(max=len(self.sorted) - 1)] - self.first


def _summed(table: Tensor, weights: Tensor, first: Tensor | None, second: Tensor | None) -> Tensor:
    """(B,Q,P): log of the sum over a field's states of its table (Q,P,K) times what is known below: weights (B,1,K), those by the first
    parent's state too (B,P,K) and by the second's (B,Q,K), all as logarithms."""
    if first is None and second is None:
        high = weights.amax(2, keepdim=True)
        return ((weights - high).exp()[:, 0] @ table.flatten(0, 1).T).log().view(-1, *table.shape[:2]) + high
    if second is None and first is not None:
        own = weights + first
        high = own.amax(2, keepdim=True)
        return torch.einsum("bpk,qpk->bqp", (own - high).exp(), table).log() + high.mT
    second = weights if second is None else weights + second
    if first is None:
        high = second.amax(2, keepdim=True)
        return torch.einsum("bqk,qpk->bqp", (second - high).exp(), table).log() + high
    highs = first.amax(2, keepdim=True), second.amax(2, keepdim=True)
    one, two = (first - highs[0]).exp(), (second - highs[1]).exp()
    sums = [(one * table[state] @ two[:, state, :, None])[:, :, 0] for state in range(len(table))]
    # only what is below the best by 690 nats and more is cut off
    return torch.stack(sums, 1).clamp(min=1e-300).log() + highs[0].mT + highs[1]

"""What table families that count share: rows as cells (ids, and quantile cells of reals), cut on a sample, counted over all rows.

B batch, F fields, C cells of all fields together. A category's cells are its ids; a real field's first cell is "missing".
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core.contract import Batch, Generator, Learner, Player, Terms
from ..core.spec import Conditions, Row, Spec
from ..maths.bins import Bins, cut, stack
from ..maths.reservoir import keep

CELLS = 512
"""Most cells of a real field, without the missing one."""
NEVER = 1e-6
"""Rows that "missing" leans on where no number was ever missing: it has a likelihood, but is too rare for any uniform number to draw."""
_LEAST = 8
"""Values a cell of a real field, where more differ than there are cells for them."""
_MOST_BYTES = 1 << 27
_MOST_CATEGORIES = 1 << 24


def refuses_rows(spec: Spec, conditions: Conditions) -> str | None:
    """Why these are no rows to be counted without conditions, or None."""
    if not isinstance(spec, Row):
        return "it learns rows of a table (categories and numbers)"
    if sum(field.categories for field in spec.fields) > _MOST_CATEGORIES:
        return f"it counts at most {_MOST_CATEGORIES:,} categories in all fields together"
    return f"it learns the joint distribution of all columns, without conditions, not under {', '.join(conditions)}" if conditions else None


class Celled(Generator):
    """A random sample of the first pass sets the cells and the structure; a second pass counts all rows, but where the sample held
    them all. A further run learns anew. Before the first pass ends, all cells are alike.
    """

    grows: ClassVar[tuple[str, ...]] = ("kept", "keys")
    """Buffers whose size depends on the data (`training.state.put`): the sample, gone when it has been read."""

    def __init__(self, spec: Spec, conditions: Conditions, settings: Any) -> None:
        """`settings.keep`: rows of the sample, at most 128 MB of them."""
        super().__init__(spec, conditions, None, None, settings)
        assert isinstance(spec, Row)
        self.fields = spec.fields
        self.reals = [place for place, field in enumerate(spec.fields) if not field.categories]
        widths = torch.tensor([field.categories or CELLS + 1 for field in spec.fields])
        first = widths.cumsum(0) - widths
        self.rows = max(1, min(self.settings.keep, _MOST_BYTES // (4 * len(spec.fields))))
        self.register_buffer("kept", torch.zeros(0, len(spec.fields)))
        self.register_buffer("keys", torch.zeros(0))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64))
        self.register_buffer("edges", torch.zeros(len(self.reals), CELLS + 1, dtype=torch.float64))
        self.register_buffer("filled", torch.zeros(len(self.reals), dtype=torch.int64))
        self.register_buffer("counts", torch.zeros(int(widths.sum()), dtype=torch.int64))
        # functions of the Spec alone: not saved
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("field", torch.repeat_interleave(torch.arange(len(widths)), widths), persistent=False)
        self.register_buffer("last", torch.tensor([field.categories - 1 for field in spec.fields]), persistent=False)
        self.kept: Tensor
        self.keys: Tensor
        self.seen: Tensor
        self.turn: Tensor
        self.edges: Tensor
        self.filled: Tensor
        self.counts: Tensor
        self.first: Tensor
        """(F,) int64: where each field's cells begin among all."""
        self.field: Tensor
        """(C,) int64: the field of each cell."""
        self.last: Tensor
        """(F,) int64: the highest id of each category."""

    @abstractmethod
    def _arrange(self, cells: Tensor) -> None:
        """Sets the structure from the sample's cells (n,F) and their `counts`; n may be 0."""

    @abstractmethod
    def _clear(self) -> None:
        """All sums but `counts` to zero."""

    @abstractmethod
    def _count(self, cells: Tensor) -> None:
        """Adds rows' cells (B,F) to all sums but `counts`."""

    @abstractmethod
    def _finish(self) -> None:
        """From the sums to what draws and scores."""

    @property
    def bins(self) -> Bins:
        """The cells of the real fields."""
        return Bins(self.edges, self.filled)

    def _used(self) -> Tensor:
        """(C,) bool: which cells there are; of reals with few different values the last ones are none."""
        most = self.last + 1
        if self.reals:
            most[self.reals] = self.filled + 1
        return torch.arange(len(self.field), device=most.device) - self.first[self.field] < most[self.field]

    def players(self) -> list[Player | Learner]:
        return [Learner("counts", self.see, self.settle, passes=2)]

    def see(self, batch: Batch) -> Terms:
        """Takes in a batch: of the first pass into the sample, of the second into the counts."""
        x = batch.data
        if self.turn == 0:
            if not len(self.keys):
                self.kept, self.keys = x.new_zeros(self.rows, x.shape[1]), x.new_full((self.rows,), math.inf)
                self.seen = torch.zeros_like(self.seen)
            keep(self.kept, self.keys, x, batch.noise.uniform((), "keep"))
            self.seen += len(x)
        else:
            cells = self._cells(x)
            self._tally(cells)
            self._count(cells)
        return {"seen": torch.ones(batch.size, device=x.device)}

    def settle(self) -> bool:
        """The end of a pass; True where all is counted."""
        if self.turn == 0:
            sample = self.kept[self.keys.isfinite()]
            whole = int(self.seen) <= len(sample)
            self._learn(sample)
            self.kept, self.keys = self.kept[:0].clone(), self.keys[:0].clone()
            if whole:
                return True
            self.counts.zero_()
            self._clear()
            self.turn += 1
            return False
        self._finish()
        self.turn = torch.zeros_like(self.turn)
        return True

    def _learn(self, sample: Tensor) -> None:
        """Everything from a sample (n,F)."""
        edges, filled = stack([self._cut(sample[:, place]) for place in self.reals], CELLS)
        self.edges.copy_(edges)
        self.filled.copy_(filled)
        cells = self._cells(sample)
        self.counts.zero_()
        self._tally(cells)
        self._arrange(cells)
        self._clear()
        self._count(cells)
        self._finish()

    def _cut(self, values: Tensor) -> Tensor:
        """The edges of one real field's cells."""
        values = values[values.isfinite()]
        distinct = len(values.unique())  # type: ignore[no-untyped-call]
        return cut(values, CELLS if distinct <= CELLS else max(32, min(CELLS, len(values) // _LEAST)))

    def _tally(self, cells: Tensor) -> None:
        flat = (cells + self.first).flatten()
        self.counts.index_add_(0, flat, torch.ones_like(flat))

    def _cells(self, x: Tensor) -> Tensor:
        """(B,F) int64 number of each value's cell within its field. Ids outside the categories become the nearest."""
        cells = torch.minimum(x.nan_to_num().clamp(min=0).round(), self.last.to(x)).long()
        if self.reals:
            cells[:, self.reals] = self.bins.number(x[:, self.reals])
        return cells

    def _densities(self, x: Tensor, cells: Tensor) -> Tensor:
        """(B,) float64: the log-density of all reals within their cells, times `bin` where a field has one (the midpoint rule)."""
        steps = torch.tensor([math.log(self.fields[place].bin or 1.0) for place in self.reals], device=x.device)
        own = cells[:, self.reals]
        return (self.bins.log_density(x[:, self.reals], own) + steps * (own > 0)).sum(1)

    def places(self, field: int, x: Tensor) -> Tensor:
        """(*) float64: number of the cell, from 0, plus share of its mass up to numbers x (*) float64 of a real field."""
        number = self.reals.index(field)
        bins, own = Bins(self.edges[number : number + 1], self.filled[number : number + 1]), x.reshape(-1, 1)
        cell = bins.number(own)
        return (cell - 1 + bins.share(own, cell)).view(x.shape)

    def decoded(self, cells: Tensor, share: Tensor) -> Tensor:
        """(B,F) float32: ids, and reals at these shares (B,F), in (0, 1), of their cells' mass."""
        x = cells.float()
        if self.reals:
            x[:, self.reals] = self.bins.place(cells[:, self.reals], share[:, self.reals])
        return x

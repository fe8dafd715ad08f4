"""Rows as digits, each one of a few ids: categories (large ones as two digits), and reals cut into quantile bins with "missing" an id.

B batch, F fields, D digits, R real fields, K coarse bins of a real (its digit's ids), M most fine cells of a real.

A coarse bin is what a model predicts; how a real lies within its bin is counted once: fine cells of even density share the bin's mass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.abilities import Condition
from ..core.contract import Batch, Terms, all_given
from ..core.spec import Row
from ..maths.bins import Bins, cut, stack
from ..maths.reservoir import keep

LARGEST = 2048
"""Categories of one digit, at most."""
_FINE = 1024
_A_CELL, _A_BIN = 16, 16
"""Values of a fine cell and of a coarse bin, at least, in a field where most values differ."""
_REPEATED = 5
"""A value that is alone in its fine cell and comes so often is drawn as itself."""
_MOST_BYTES = 1 << 26
_FIT_BY = 0.02
"""Share of the run after which bins are cut on what has been seen so far, if no pass has ended yet."""
_SIZES = 128
"""Groups are filled up to a multiple of it."""
_UNSEEN = -30.0
"""Added to the logit of "missing" where training had nothing missing: never drawn, and still not impossible."""


@dataclass(frozen=True, slots=True)
class Digit:
    """One digit: its field, how many ids it has, and of a field in two digits which part it is."""

    field: int
    size: int
    high: bool = False
    low: bool = False


def digits_of(spec: Row, bins: int) -> list[Digit]:
    """The digits of a Row in the order of drawing: fields of few ids first, the high digit of a field right before the low one.

    Early digits then have few different beginnings, which drawing works on once each.
    """
    found: list[tuple[int, list[Digit]]] = []
    for place, field in enumerate(spec.fields):
        count = field.categories or bins + 1
        if field.categories > LARGEST:
            base = math.isqrt(count - 1) + 1
            found.append((count, [Digit(place, -(-count // base), high=True), Digit(place, base, low=True)]))
        else:
            found.append((count, [Digit(place, count)]))
    return [digit for _, own in sorted(found, key=lambda one: one[0]) for digit in own]


class Digits(nn.Module):
    """Rows <-> digits. Until the bins are cut on data, they are those of a standard normal number."""

    grows: ClassVar[tuple[str, ...]] = ("kept", "keys")
    """Buffers whose size depends on the data (`training.state.put`): the sample, gone when it has been read."""

    def __init__(self, spec: Row, bins: int, rows: int) -> None:
        """`rows`: size of the sample that the bins are cut on, at most 64 MB of numbers."""
        super().__init__()
        self.fields, self.bins, self.digits = spec.fields, bins, digits_of(spec, bins)
        self.sizes = [digit.size for digit in self.digits]
        self.reals = [place for place, field in enumerate(spec.fields) if not field.categories]
        self.real_digits = [next(d for d, digit in enumerate(self.digits) if digit.field == place) for place in self.reals]
        self.rows = max(1, min(rows, _MOST_BYTES // (4 * max(1, len(self.reals)))))
        count = len(self.reals)
        self.register_buffer("kept", torch.zeros(0, count))
        self.register_buffer("keys", torch.zeros(0))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self.register_buffer("missing", torch.ones(count, dtype=torch.bool))
        self.register_buffer("edges", torch.full((count, _FINE + 1), math.inf, dtype=torch.float64))
        self.register_buffer("cells", torch.full((count,), bins))
        self.register_buffer("top", torch.full((count, _FINE + 1), math.inf, dtype=torch.float64))
        self.register_buffer("point", torch.full((count, _FINE + 1), torch.nan))
        self.kept: Tensor
        self.keys: Tensor
        self.fitted: Tensor
        self.missing: Tensor
        """(R,) bool: whether anything was missing so far; all True before any data."""
        self.edges: Tensor
        self.cells: Tensor
        self.top: Tensor
        """(R,M+1) float64: coarse bin plus the share of its mass up to the upper edge of fine cell k; 0 at k = 0."""
        self.point: Tensor
        """(R,M+1): the one value of a fine cell, NaN where values differ."""
        inner = torch.special.ndtri(torch.linspace(0, 1, bins + 1, dtype=torch.float64))
        inner[0], inner[-1] = 2 * inner[1] - inner[2], 2 * inner[-2] - inner[-3]
        self.edges[:, : bins + 1] = inner
        self.top[:, : bins + 1] = torch.arange(bins + 1)

    @property
    def _bins(self) -> Bins:
        return Bins(self.edges, self.cells)

    def see(self, batch: Batch) -> Terms:
        """Takes a random sample of the reals, until the bins are cut."""
        x = batch.data[:, self.reals]
        if not self.fitted:
            if not len(self.keys):
                self.kept, self.keys = x.new_zeros(self.rows, x.shape[1]), x.new_full((self.rows,), math.inf)
                self.missing.zero_()
            keep(self.kept, self.keys, x, batch.noise.uniform((), "keep"))
        self.missing |= x.isnan().any(0)
        if batch.progress >= _FIT_BY and not self.fitted:
            self.settle()
        return {"seen": torch.ones(batch.size, device=x.device)}

    def settle(self) -> bool:
        """Cuts the bins, once: what learns from the digits relies on them."""
        if not self.fitted:
            sample = self.kept[self.keys.isfinite()]
            own = [self._fit(number, sample[:, number]) for number in range(len(self.reals))]
            edges, cells = stack(own, _FINE)
            self.edges.copy_(edges)
            self.cells.copy_(cells)
            self.kept, self.keys = self.kept[:0].clone(), self.keys[:0].clone()
            self.fitted.fill_(True)
        return True

    def _fit(self, number: int, values: Tensor) -> Tensor:
        """The edges of a real's fine cells; sets their shares and values."""
        values = values[values.isfinite()]
        found, counts = values.unique(return_counts=True)  # type: ignore[no-untyped-call]
        few = len(found) <= _FINE and 4 * len(found) <= len(values)
        edges = cut(values, _FINE if few else max(8, min(_FINE, len(values) // _A_CELL)))
        cell = torch.searchsorted(edges, found.double(), right=True)
        mass = torch.zeros(len(edges), dtype=torch.float64, device=values.device).index_add_(0, cell, counts.double())[1:].clamp(min=1)
        bins = min(self.bins, max(8, len(values) // _A_BIN))
        group = torch.arange(len(mass), device=values.device)
        if len(mass) > bins:
            middle = (mass.cumsum(0) - mass / 2) / mass.sum()
            group = torch.unique_consecutive((bins * middle).long(), return_inverse=True)[1]
        whole = torch.zeros_like(mass).index_add_(0, group, mass)
        before = (whole.cumsum(0) - whole)[group]
        self.top[number] = math.inf
        self.top[number, 0] = 0
        # the last cell of a bin ends at a whole number, whatever the rounding
        last = torch.cat((group[1:] != group[:-1], group.new_ones(1, dtype=torch.bool)))
        self.top[number, 1 : len(mass) + 1] = group + torch.where(last, 1.0, (mass.cumsum(0) - before) / whole[group])
        alone = (torch.bincount(cell, minlength=_FINE + 1)[cell] == 1) & (counts >= _REPEATED)
        self.point[number] = torch.nan
        self.point[number, cell[alone]] = found[alone]
        return edges

    def _fine(self, cell: Tensor) -> tuple[Tensor, Tensor]:
        """`top` below and above fine cells (B,R), (B,R) float64 each."""
        at = cell.clamp(min=1).T
        return self.top.gather(1, at - 1).T, self.top.gather(1, at).T

    def encode(self, x: Tensor) -> Tensor:
        """(B,D) int64 digits of rows x (B,F). Ids outside the categories become the nearest."""
        out = x.new_zeros(len(x), len(self.digits), dtype=torch.int64)
        for place, digit in enumerate(self.digits):
            count = self.fields[digit.field].categories
            if not count:
                continue
            ids = x[:, digit.field].nan_to_num().round().clamp(0, count - 1).long()
            base = self.digits[place + 1].size if digit.high else digit.size
            out[:, place] = ids // base if digit.high else ids % base
        if self.reals:
            own = x[:, self.reals]
            low, high = self._fine(self._bins.number(own))
            out[:, self.real_digits] = torch.where(own.isnan(), self.bins, ((low + high) / 2).long())
        return out

    def decode(self, digits: Tensor, u: Tensor) -> Tensor:
        """(B,F) float32 rows of digits (B,D); u (B,R) in (0, 1): where in their bins the reals lie."""
        out = torch.zeros(len(digits), len(self.fields), device=digits.device)
        for place, digit in enumerate(self.digits):
            if self.fields[digit.field].categories:
                base = self.digits[place + 1].size if digit.high else 1
                out[:, digit.field] += digits[:, place] * base
        if self.reals:
            coarse = digits[:, self.real_digits]
            mass = coarse + u.double()
            cell = torch.searchsorted(self.top, mass.T.contiguous(), right=True).T
            cell = torch.minimum(cell.clamp(min=1), self.cells)
            low, high = self._fine(cell)
            share = ((mass - low) / (high - low)).clamp(1e-9, 1 - 1e-9)
            value, point = self._bins.place(cell, share), self.point.gather(1, cell.T).T
            value = torch.where(point.isnan(), value, point)
            out[:, self.reals] = torch.where(coarse == self.bins, torch.nan, value)
        return out

    def log_density(self, x: Tensor) -> Tensor:
        """(B,) float64: the log-density of the reals of x (B,F) within their coarse bins, times `bin` where a field has one (the
        midpoint rule)."""
        own = x[:, self.reals]
        if not self.reals:
            return own.double().sum(1)
        cell = self._bins.number(own)
        low, high = self._fine(cell)
        steps = torch.tensor([math.log(self.fields[place].bin or 1.0) for place in self.reals], device=x.device)
        within = self._bins.log_density(own, cell) + (high - low).log() + steps
        return torch.where(own.isnan(), 0.0, within).sum(1)

    def of(self, field: int) -> list[int]:
        """The digits of a field, one after another."""
        return [place for place, digit in enumerate(self.digits) if digit.field == field]

    def places(self, field: int, x: Tensor) -> Tensor:
        """(*) float64: coarse bin plus share of its mass up to numbers x (*) float64 of a real field; `decode` is the inverse."""
        number = self.reals.index(field)
        bins = Bins(self.edges[number : number + 1], self.cells[number : number + 1])
        own = x.to(self.top.device).reshape(-1, 1)
        cell = bins.number(own)
        low, high = (self.top[number][cell[:, 0] - below] for below in (1, 0))
        point = self.point[number][cell[:, 0]]
        share = torch.where(point.isnan(), bins.share(own, cell)[:, 0], (own[:, 0] > point).double())
        return (low + share * (high - low)).view(x.shape)

    def closed(self) -> Tensor:
        """(V,) to be added to the logits of all digits, side by side: minus infinity for bins that don't exist."""
        out = torch.zeros(sum(self.sizes), device=self.cells.device)
        starts = _starts(self.sizes)
        for number, place in enumerate(self.real_digits):
            most = self.top[number].gather(0, self.cells[number : number + 1])
            own = out[starts[place] : starts[place + 1]]
            own[:-1].masked_fill_(torch.arange(self.bins, device=out.device) >= most, -math.inf)
            own[-1:].masked_fill_(~self.missing[number], _UNSEEN)
        return out

    def beyond(self, place: int, digits: Tensor) -> Tensor | None:
        """(B,V_d) bool: ids of a low digit that its field lacks under the high digit in `digits` (B,D); None for any other digit."""
        digit = self.digits[place]
        if not digit.low:
            return None
        last, rest = divmod(self.fields[digit.field].categories - 1, digit.size)
        return (digits[:, place - 1] == last)[:, None] & (torch.arange(digit.size, device=digits.device) > rest)


class Rows:
    """What rows know so far, and which of them know the same: the net is asked once for those.

    Only rows that begin alike, or in groups that do, without conditions, are compared.
    """

    def __init__(self, net: Any, digits: Tensor, condition: Condition, group: Tensor | None = None) -> None:
        """`net`: with `sizes`, `begin`, `tell` and `logits`, as `nets.fields.Fields` has them; `digits` (B,D) are changed in place; rows
        of one `group` (B,) know the same."""
        self.net, self.digits = net, digits
        if group is None and bool((digits == digits[:1]).all()):
            group = torch.zeros(len(digits), dtype=torch.int64, device=digits.device)
        self.group: Tensor | None = None
        """(B,) int64: rows of one number know the same."""
        self._one: Tensor | None = None
        """(G,) int64: a row of each group, and some again."""
        if group is not None and not condition:
            self._join(group)
        self.known = net.begin(digits if self._one is None else digits[self._one], *all_given(condition))
        """(G,W) or (B,W): what the net makes of what each group, or row, knows."""

    def logits(self, digit: int) -> Tensor:
        """(G,V_d) of groups and some again, or (B,V_d) of rows."""
        found: Tensor = self.net.logits(self.known, digit)
        return found.float()

    def own(self) -> Tensor:
        """(G,D) or (B,D): the digits that `logits` are those of."""
        return self.digits if self._one is None else self.digits[self._one]

    def tell(self, digit: int, ids: Tensor) -> None:
        """Every row knows its id (B,) of one more digit, or knew it."""
        # what was known is not told again
        fresh = torch.where(self.digits[:, digit] == ids, self.net.sizes[digit], ids)
        self.digits[:, digit] = ids
        if self.group is not None:
            before = self.group
            self._join(before * (int(ids.max()) + 1) + ids)
            self.known = self.known[before if self._one is None else before[self._one]]
        self.known = self.net.tell(self.known, digit, fresh if self._one is None else fresh[self._one])

    def split(self, size: int) -> list[Rows]:
        """So many rows each, where none are in groups; `digits` stay the same memory."""
        found = []
        for digits, known in zip(torch.split(self.digits, size), torch.split(self.known, size), strict=True):
            part = copy(self)
            part.digits, part.known = digits, known
            found.append(part)
        return found

    def _join(self, group: Tensor) -> None:
        """Rows of one number (B,) know the same from now on."""
        _, group = torch.unique(group, return_inverse=True)
        count = int(group.max()) + 1
        if count >= max(2, 0.8 * len(group)):
            # hardly any two rows alike: no more comparing
            self.group = self._one = None
            return
        # to few different sizes: each new one is prepared for, and kept, by the matrix products
        size = -(-count // _SIZES) * _SIZES if count > _SIZES else 1 << (count - 1).bit_length()
        self.group = group
        self._one = group.new_zeros(size).scatter_(0, group, torch.arange(len(group), device=group.device))


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where each digit's logits begin, and where they end."""
    return [sum(sizes[:number]) for number in range(len(sizes) + 1)]

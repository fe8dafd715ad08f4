"""Quantile cells of real numbers: which cell a number lies in, how dense it is there, and numbers drawn from a cell.

B batch, R real fields, M most cells of a field. Cell 0 is "missing" (NaN); cell k >= 1 lies between edges k - 1 and k. Within a cell
the density is even, but that TAIL of an outermost cell's mass lies beyond its outer edge, falling off exponentially with a mean
distance of the cell's width: every number has a density, and all of it is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

TAIL = 0.02
"""Share of an outermost cell's mass beyond the outer edge."""
_NARROWEST = 1e-3
"""Width of the one cell around a number that is the same everywhere, times the number's size where that is above 1."""


def cut(values: Tensor, cells: int) -> Tensor:
    """(k+1,) float64 rising edges of k <= `cells` cells of about as many of the values (n,) each; (-3, 3) without values.

    An inner edge lies in the middle between two neighbouring values, the outer ones half the last gap further out: where no more
    values than cells differ, each has a cell of its own. `values` must be finite.
    """
    found, counts = torch.unique(values.double(), return_counts=True)
    if len(found) == 0:
        return torch.tensor([-3.0, 3.0], dtype=torch.float64, device=values.device)
    if len(found) == 1:
        half = _NARROWEST * float(found.abs().clamp(min=1.0)) / 2
        return torch.cat((found - half, found + half))
    middles, below = (found[1:] + found[:-1]) / 2, counts.cumsum(0)[:-1]
    if len(found) > cells:
        wanted = torch.arange(1, cells, device=values.device) * (len(values) / cells)
        after = torch.searchsorted(below.double(), wanted.double()).clamp(max=len(below) - 1)
        before = (after - 1).clamp(min=0)
        nearer = (wanted - below[before]).abs() < (below[after] - wanted).abs()
        middles = middles[torch.where(nearer, before, after).unique()]  # type: ignore[no-untyped-call]
    low, high = found[0] - (found[1] - found[0]) / 2, found[-1] + (found[-1] - found[-2]) / 2
    return torch.cat((low[None], middles, high[None]))


def stack(edges: list[Tensor], most: int) -> tuple[Tensor, Tensor]:
    """(edges (R,M+1) float64, filled up with infinity; cells (R,) int64) of R fields' edges; M = `most`."""
    out = torch.full((len(edges), most + 1), math.inf, dtype=torch.float64)
    for row, own in zip(out, edges, strict=True):
        row[: len(own)] = own
    return out, torch.tensor([len(own) - 1 for own in edges], dtype=torch.int64)


@dataclass(frozen=True, slots=True)
class Bins:
    """The cells of R real fields."""

    edges: Tensor
    """(R,M+1) float64, as `stack` gives them."""
    cells: Tensor
    """(R,) int64, without the missing one."""

    def number(self, x: Tensor) -> Tensor:
        """(B,R) int64 cell of each number of x (B,R); numbers beyond the ends lie in the outermost cells."""
        inside = torch.searchsorted(self.edges, x.double().T.contiguous(), right=True).T
        return torch.where(x.isnan(), 0, torch.minimum(inside.clamp(min=1), self.cells))

    def _within(self, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Lower edge, width, and the mass beyond the lower and the upper edge, (B,R) float64 each, of cells (B,R) of number >= 1."""
        upper = cell.clamp(min=1).T
        low = self.edges.gather(1, upper - 1).T
        width = self.edges.gather(1, upper).T - low
        return low, width, TAIL * (cell == 1), TAIL * (cell == self.cells)

    def log_density(self, x: Tensor, cell: Tensor) -> Tensor:
        """(B,R) float64 log-density of x (B,R) within its cells (B,R); 0 where missing."""
        low, width, under, over = self._within(cell)
        beyond = torch.maximum(low - x, x - low - width) / width
        inner, outer = torch.log1p(-under - over), math.log(TAIL) - beyond
        return torch.where(cell == 0, 0.0, torch.where(beyond > 0, outer, inner) - width.log())

    def place(self, cell: Tensor, u: Tensor) -> Tensor:
        """(B,R) float32 numbers at the shares u (B,R), in (0, 1), of their cells' mass from below; NaN in cell 0."""
        low, width, under, over = self._within(cell)
        u = u.double()
        middle = low + width * (u - under) / (1 - under - over)
        left = low + width * (u / TAIL).log()
        right = low + width - width * ((1 - u) / TAIL).log()
        x = torch.where(u < under, left, torch.where(1 - u < over, right, middle))
        return torch.where(cell == 0, torch.nan, x).float()

    def share(self, x: Tensor, cell: Tensor) -> Tensor:
        """(B,R) float64: the share of the mass of cells (B,R) of number >= 1 that lies below numbers x (B,R); `place` is its inverse."""
        low, width, under, over = self._within(cell)
        at = (x.double() - low) / width
        inside = under + (1 - under - over) * at.clamp(0, 1)
        return torch.where(at < 0, under * at.exp(), torch.where(at > 1, 1 - over * (1 - at).exp(), inside))

"""A Gaussian copula over the columns of a table: each column as it is, tied to the others by one correlation matrix.

B batch, F fields, C cells of all fields together, k the degree of a Hermite polynomial.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Conditions, Spec
from .cells import NEVER, Celled, refuses_rows

_DEGREES = 48
"""Terms of the series that links two columns' scores to their correlation. Of correlations below 0.9 what is cut off is below
0.9^49 = 0.6 % of the score's variance."""
_HIGHEST = 0.995
_LEAST_EIGENVALUE = 1e-6
_SHRINK = 0.99


@dataclass(frozen=True, slots=True)
class CopulaSettings:
    """How much sets the cells."""

    keep: int = 50_000
    """At most so many rows set the cells, and at most 128 MB of them."""

    def __post_init__(self) -> None:
        check_ranges(self, keep=(1, 1 << 24))


class Copula(Celled):
    """Behind each field stands a normal variable; it is cut into intervals, one for each cell, of the cells' shares: ids in their
    order, reals by size with "missing" below all. The margins are therefore those of the data (Sklar's theorem: Nelsen 2006, section 2.3).

    The correlation of two normal variables is what gives the mean product of their normal scores (the mean of each interval) that
    was counted, by Mehler's series in Hermite polynomials: it is consistent, as the polychoric estimate is (Olsson 1979), and needs one
    pass. Categories count as ordered: ties that follow no order are lost. Conditioning is not exact, so it fills nothing in.
    """

    Settings = CopulaSettings
    settings: CopulaSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        settings = settings or CopulaSettings()
        super().__init__(spec, conditions, settings)
        count, double = len(self.fields), torch.float64
        self.register_buffer("reach", torch.zeros(len(self.counts), dtype=double))
        self.register_buffer("score", torch.zeros(len(self.counts), dtype=double))
        self.register_buffer("products", torch.zeros(count, count, dtype=double))
        self.register_buffer("factor", torch.eye(count, dtype=double))
        self.reach: Tensor
        """(C,): f plus the share of field f's mass up to and with the cell."""
        self.score: Tensor
        """(C,): the mean of the normal variable in the cell's interval, by the sample's shares."""
        self.products: Tensor
        """(F,F): sums of products of scores."""
        self.factor: Tensor
        """(F,F): the correlation matrix's lower Cholesky factor."""
        self._learn(self.kept)

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return refuses_rows(spec, conditions)

    # learning

    def _arrange(self, cells: Tensor) -> None:
        self._finish_margins()
        low, high = self._shares()
        bounds = torch.special.ndtri(torch.stack((low, high))).clamp(-8.0, 8.0)
        density = torch.exp(-bounds.square() / 2) / math.sqrt(2 * math.pi)
        mass = high - low
        self.score.copy_(torch.where(mass > 0, (density[0] - density[1]) / mass.clamp(min=1e-12), 0.0))

    def _clear(self) -> None:
        self.products.zero_()

    def _count(self, cells: Tensor) -> None:
        score = self.score[cells + self.first]
        self.products.addmm_(score.T, score)

    def _finish(self) -> None:
        self._finish_margins()
        rows = float(self.counts[self.field == 0].sum())
        correlation = self._correlations(self.products / max(rows, 1.0)) if rows else torch.eye(len(self.fields)).to(self.factor)
        values, vectors = torch.linalg.eigh(correlation)
        # pairs that were estimated one by one need not fit together: the nearest matrix in the eigenvalues does
        mended = (vectors * values.clamp(min=_LEAST_EIGENVALUE)) @ vectors.T
        spread = mended.diagonal().sqrt()
        self.factor.copy_(torch.linalg.cholesky(mended / torch.outer(spread, spread)))

    def _finish_margins(self) -> None:
        """Shares of the cells, each field leaning on equal shares by the weight of one row."""
        used, count = self._used(), len(self.fields)
        zeros = torch.zeros(count, dtype=torch.float64, device=used.device)
        members = zeros.index_add(0, self.field, used.double())
        prior = 1 / members[self.field]
        gone = self.first[self.reals]
        prior[gone] = torch.where(self.counts[gone] == 0, NEVER, prior[gone])
        mass = used * (self.counts + prior)
        share = mass / zeros.index_add(0, self.field, mass)[self.field]
        self.reach.copy_(share.cumsum(0))

    def _shares(self) -> tuple[Tensor, Tensor]:
        """(C,) each: the share of its field's mass below each cell, and up to and with it."""
        below = torch.cat((self.reach.new_zeros(1), self.reach[:-1]))
        return (below - self.field).clamp(0.0, 1.0), (self.reach - self.field).clamp(0.0, 1.0)

    def _correlations(self, products: Tensor) -> Tensor:
        """(F,F) from mean products of scores: E[s t] = sum over k of r^k a_k b_k, which rises with r, solved by halving."""
        terms = list(self._hermite())
        wanted = products - torch.outer(terms[0], terms[0])
        low, high = torch.full_like(products, -_HIGHEST), torch.full_like(products, _HIGHEST)
        for _ in range(24):
            middle = (low + high) / 2
            value = torch.zeros_like(middle)
            for term in reversed(terms[1:]):
                value = (value + torch.outer(term, term)) * middle
            low, high = torch.where(value < wanted, middle, low), torch.where(value < wanted, high, middle)
        tied = torch.outer(terms[1], terms[1]) > 1e-9
        return torch.where(tied, (low + high) / 2, 0.0).fill_diagonal_(1.0)

    def _hermite(self) -> Iterator[Tensor]:
        """(F,) float64 for k = 0, 1, ...: E[score h_k(z)], h_k the normalised Hermite polynomials (those of the probabilists)."""
        bounds = torch.special.ndtri(torch.stack(self._shares())).clamp(-8.0, 8.0)
        weight = torch.exp(-bounds.square() / 2) / math.sqrt(2 * math.pi)
        zeros = torch.zeros(len(self.fields), dtype=torch.float64, device=bounds.device)
        mass = torch.special.ndtr(bounds)
        yield zeros.index_add(0, self.field, self.score * (mass[1] - mass[0]))
        before, now = torch.zeros_like(bounds), torch.ones_like(bounds)
        for k in range(1, _DEGREES + 1):
            # the integral of h_k times the normal density from a to b is (h_(k-1)(a) density(a) - h_(k-1)(b) density(b)) / sqrt(k)
            ends = now * weight / math.sqrt(k)
            yield zeros.index_add(0, self.field, self.score * (ends[0] - ends[1]))
            before, now = now, (bounds * now - math.sqrt(k - 1) * before) / math.sqrt(k)

    def correlations(self) -> Tensor:
        """(F,F) float64: of the normal scores of values whose places within their cells are drawn evenly; a little nearer to none."""
        rows = max(1.0, float(self.counts[self.field == 0].sum()))
        return (_SHRINK * self.products / rows).fill_diagonal_(1.0)

    # use

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        z = noise.normal((len(self.fields),), "latent").double() @ self.factor.T
        return self.values(torch.special.ndtr(z))

    def values(self, u: Tensor) -> Tensor:
        """(B,F) float32 rows at the shares u (B,F), in (0, 1), of each field's mass: the margins' quantiles."""
        places = torch.arange(len(self.fields), device=u.device)
        u = u.double().clamp(1e-9, 1 - 1e-9) + places
        found = torch.searchsorted(self.reach, u, right=True).clamp(max=len(self.reach) - 1)
        low, high = (share[found] for share in self._shares())
        share = ((u - places - low) / (high - low).clamp(min=1e-12)).clamp(1e-6, 1 - 1e-6)
        return self.decoded(found - self.first, share)

    def interval(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The shares of each field's mass below and up to the cell of x (B,F), (B,F) float64 each, and (B,) the log-density of all reals
        within their cells."""
        cells = self._cells(x)
        low, high = (share[cells + self.first] for share in self._shares())
        return low, high, self._densities(x, cells)

"""An any-order model of rows under demands: the fields in demand come first, all their combinations with the probability of each.

G combinations, B batch, D digits, V ids of a digit, R real fields, K coarse bins of a real.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..core.abilities import Allowed, Condition, Narrowed, Within, check_allowed
from ..core.errors import Refused
from ..core.noise import Noise
from ..maths.pieces import Pieces, thin
from .digits import Rows

if TYPE_CHECKING:
    from .table_ar import TableAR

MOST = 1 << 14
"""Combinations that are gone through, at most; of more a quarter of so many is drawn."""
_AT_ONCE = 1 << 12
_POINTS = 32
"""Places in a bin at which a marginal is read."""


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Combinations of what is known so far."""

    digits: Tensor
    """(G,D) int64."""
    weights: Tensor
    """(G,) float64, log of their probability."""
    exact: bool = True


class NarrowedAR(Narrowed):
    """p(fields in demand) by the chain rule in their order, for every combination that is allowed; of a real a combination has a coarse
    bin with the share of it that is allowed. Exact up to MOST combinations (and 10^-9 of the mass); with more, some are kept by
    sequential Monte Carlo, without bias of the mass. The other fields are drawn after them.
    """

    def __init__(self, model: TableAR, allow: Mapping[int, Allowed], condition: Condition, seed: int) -> None:
        check_allowed(model.spec, allow)
        self.model, self.condition, self.seed = model, condition, seed
        self.allow = dict(allow)
        digits = model.digits
        self.pieces = {place: Pieces(digits.places(place, own.edges())) for place, own in allow.items() if isinstance(own, Within)}
        leaves = _Leaves(model.unknown[None], torch.zeros(1, dtype=torch.float64, device=model.device))
        with torch.no_grad():
            for place in allow:
                for digit in digits.of(place):
                    leaves = self._grown(leaves, digit)
        self.leaves, self.exact = leaves, leaves.exact
        self.log_mass = float(leaves.weights.logsumexp(0))

    def _told(self, count: int) -> dict[str, Tensor]:
        """The one condition for so many rows."""
        return {name: value.expand(count, *value.shape[1:]) for name, value in (self.condition or {}).items()}

    def _evidence(self, leaves: _Leaves, digit: int) -> Tensor:
        """(V,) or (G,V) float64: log of the share of each id of a digit that is allowed."""
        own, digits = self.model.digits.digits[digit], self.model.digits
        allowed = self.allow.get(own.field)
        if allowed is None:
            share = torch.ones(own.size)
        elif isinstance(allowed, Within):
            share = self.pieces[own.field].weights(digits.bins)
            share = torch.cat((share, share.new_full((1,), float(allowed.missing))))
        elif not own.high and not own.low:
            share = allowed.ids
        else:
            high, base = (digit, digits.sizes[digit + 1]) if own.high else (digit - 1, own.size)
            table = torch.zeros(digits.sizes[high] * base, dtype=torch.bool)
            table[: len(allowed.ids)] = allowed.ids
            grid = table.view(-1, base).to(leaves.digits.device)
            share = grid.any(1) if own.high else grid[leaves.digits[:, high]]
        return share.to(self.model.device).double().log()

    def _weighed(self, leaves: _Leaves, digit: int) -> Tensor:
        """(G,V) float64: log of the probability of each combination with each id of one more digit, as far as it is allowed."""
        net, closed = self.model.nets["fields"], self.model.closed()
        parts = [Rows(net, part, self._told(len(part))) for part in torch.split(leaves.digits, _AT_ONCE)]
        log_probs = torch.cat([self.model.log_probs(part, closed, digit) for part in parts])
        return leaves.weights[:, None] + log_probs.double() + self._evidence(leaves, digit)

    def _grown(self, leaves: _Leaves, digit: int) -> _Leaves:
        """The combinations with one more digit."""
        if not len(leaves.weights):
            return leaves
        weights = self._weighed(leaves, digit)
        row, ids = (weights > -torch.inf).nonzero(as_tuple=True)
        own, exact = weights[row, ids], leaves.exact
        if len(own) > MOST:
            kept, own = thin(own, MOST // 4, float(Noise(self.seed, 1, path=("narrow", digit)).uniform(())))
            row, ids, exact = row[kept], ids[kept], exact and len(kept) < MOST // 4
        digits = leaves.digits[row]
        digits[:, digit] = ids
        return _Leaves(digits, own, exact)

    def sample(self, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: `temperature`, which the combinations' joint probability is tempered by as one."""
        if self.log_mass == -torch.inf:
            raise Refused("the model gives these demands no probability")
        model, temperature = self.model, dials.get("temperature", self.model.settings.temperature)
        weights = self.leaves.weights - self.leaves.weights.max()
        leaf = noise.choice((weights / temperature).exp() if temperature else (weights == 0).double(), "combination")
        digits = self.leaves.digits[leaf]
        model.fill(digits, Rows(model.nets["fields"], digits, self._told(noise.size), leaf), noise, dials)
        return self._decoded(digits, noise.uniform((len(model.digits.reals),), "within").double())

    def _decoded(self, digits: Tensor, u: Tensor) -> Tensor:
        """(B,F) rows of digits (B,D) with the reals at the shares u (B,R) float64 of what is allowed of their bins."""
        own, number = self.model.digits, {}
        for place, pieces in self.pieces.items():
            if not len(pieces.ends):
                continue
            real = own.reals.index(place)
            unit = digits[:, own.real_digits[real]].clamp(max=own.bins - 1)
            u[:, real], number[place] = pieces.place(unit, u[:, real])
        x = own.decode(digits, u)
        for place, chosen in number.items():
            ends = self.allow[place].ends.to(x.device)[chosen]  # type: ignore[union-attr]  # pieces are of reals alone
            # rounding may have left the interval by a hair; NaN stays
            x[:, place] = x[:, place].clamp(ends[:, 0], ends[:, 1])
        return x

    def marginal(self, field: int) -> tuple[Tensor, Tensor]:
        """As `Narrowed.marginal`; a bin of a real is read at 32 places."""
        own, spec = self.model.digits, self.model.spec.fields[field]
        chances = self._ids(field)
        if spec.categories:
            return torch.arange(spec.categories, device=chances.device).float(), chances[: spec.categories]
        live = (chances[:-1] > 0).nonzero()[:, 0]
        u = (torch.arange(_POINTS, device=live.device, dtype=torch.float64) + 0.5) / _POINTS
        digits = torch.zeros(len(live) * _POINTS, len(own.digits), dtype=torch.int64, device=live.device)
        digits[:, own.of(field)[0]] = live.repeat_interleave(_POINTS)
        shares = torch.full((len(digits), len(own.reals)), 0.5, dtype=torch.float64, device=live.device)
        shares[:, own.reals.index(field)] = u.repeat(len(live))
        values = self._decoded(digits, shares)[:, field]
        weights = chances[live].repeat_interleave(_POINTS) / _POINTS
        return torch.cat((values, values.new_full((1,), torch.nan))), torch.cat((weights, chances[-1:]))

    @torch.no_grad()
    def _ids(self, field: int) -> Tensor:
        """(categories and more,) or (K+1,) float64: the probability of each id or bin of a field."""
        own, leaves = self.model.digits, self.leaves
        *high, last = own.of(field)
        if field not in self.allow:
            for digit in high:
                leaves = self._grown(leaves, digit)
        above = leaves.digits[:, high[0]] if high else torch.zeros_like(leaves.digits[:, 0])
        total = torch.zeros(own.sizes[high[0]] if high else 1, own.sizes[last], dtype=torch.float64, device=above.device)
        if field in self.allow:
            total.view(-1).index_add_(0, above * own.sizes[last] + leaves.digits[:, last], (leaves.weights - self.log_mass).exp())
        else:
            total.index_add_(0, above, (self._weighed(leaves, last) - self.log_mass).exp())
        return (total / total.sum()).flatten()

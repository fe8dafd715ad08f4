"""A Bayesian network of rows under demands: a set of values is a factor of its field's states, summed out with the others.

B batch, F fields, C cells of one field, K states of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..core.abilities import Allowed, Among, Narrowed, Within, check_allowed
from ..core.errors import Refused
from ..core.noise import Noise
from ..maths.pieces import Pieces

if TYPE_CHECKING:
    from .bayesnet import BayesNet

_POINTS = 8
"""Places in a cell at which a marginal is read."""


@dataclass(frozen=True, slots=True)
class _Own:
    """What is allowed of one field."""

    cells: Tensor
    """(C,) float64: P(cell, allowed | the cell's state)."""
    state: Tensor
    """(C,) int64."""
    evidence: Tensor
    """(1,K) float64: log P(allowed | state)."""
    pieces: Pieces | None
    """Of a real: the allowed parts of the line of cells 1, 2, ..."""
    ends: Tensor | None


class NarrowedNet(Narrowed):
    """P(allowed) is summed out exactly (Pearl 1988, section 4.2); states, cells and values are drawn from what is allowed of them."""

    exact = True

    def __init__(self, net: BayesNet, allow: Mapping[int, Allowed]) -> None:
        check_allowed(net.spec, allow)  # type: ignore[arg-type]  # it takes rows alone
        self.net = net
        self.own = {place: self._of(place, allowed) for place, allowed in allow.items()}
        self.evidence = {place: own.evidence for place, own in self.own.items()}
        some = all(bool((own.evidence > -math.inf).any()) for own in self.own.values())
        self.log_mass = float(net.log_mass(self.evidence)) if some else -math.inf

    def _of(self, place: int, allowed: Allowed | None) -> _Own:
        net, field = self.net, self.net.fields[place]
        count = field.categories or 1 + int(net.filled[net.reals.index(place)])
        cells = slice(int(net.first[place]), int(net.first[place]) + count)
        pieces = ends = None
        share = torch.ones(count, dtype=torch.float64, device=net.share.device)
        if isinstance(allowed, Among):
            share = allowed.ids.to(share)
        elif isinstance(allowed, Within):
            pieces, ends = Pieces(net.places(place, allowed.edges().to(share.device))), allowed.ends.to(share.device)
            share = torch.cat((share.new_full((1,), float(allowed.missing)), pieces.weights(count - 1)))
        mass, state = net.share[cells].exp() * share, net.state[cells]
        evidence = mass.new_zeros(int(net.sizes[place])).index_add_(0, state, mass).log()[None]
        return _Own(mass, state, evidence, pieces, ends)

    def sample(self, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        if self.log_mass == -math.inf:
            raise Refused("the model gives these demands no probability")
        net, count = self.net, len(self.net.fields)
        u = noise.uniform((len(net.sizes),), "state").double().T.contiguous()
        states = torch.zeros(u.shape, dtype=torch.int64, device=u.device)
        net.fill(states, self.evidence, u)
        within = noise.uniform((2, count), "cell").double()
        cells = net.cells_of(states.T.contiguous(), within[:, 0])
        for place, own in self.own.items():
            cells[:, place] = _cell(own, states[place], within[:, 0, place])
        return self._values(cells, within[:, 1])

    def _values(self, cells: Tensor, u: Tensor) -> Tensor:
        """(B,F) values in cells (B,F) at the shares u (B,F) float64 of what is allowed of them."""
        number = {}
        for place, own in self.own.items():
            if own.pieces is not None and len(own.pieces.ends):
                u[:, place], number[place] = own.pieces.place((cells[:, place] - 1).clamp(min=0), u[:, place])
        x = self.net.decoded(cells, u)
        for place, chosen in number.items():
            ends = self.own[place].ends
            assert ends is not None
            # rounding may have left the interval by a hair; NaN stays
            x[:, place] = x[:, place].clamp(ends[chosen, 0], ends[chosen, 1])
        return x

    def marginal(self, field: int) -> tuple[Tensor, Tensor]:
        """As `Narrowed.marginal`; a cell of a real is read at 8 places."""
        own = self.own.get(field) or self._of(field, None)
        live = (own.evidence[0] > -math.inf).nonzero()[:, 0]
        each = torch.full((len(live), own.evidence.shape[1]), -math.inf, dtype=torch.float64, device=live.device)
        each[torch.arange(len(live)), live] = 0.0
        parts = [self.net.log_mass({**self.evidence, field: own.evidence + part}) for part in torch.split(each, self.net.at_once())]
        chance = torch.zeros_like(own.evidence[0]).index_copy_(0, live, (torch.cat(parts) - self.log_mass - own.evidence[0, live]).exp())
        cells = own.cells * chance[own.state]
        cells = cells / cells.sum()
        if self.net.fields[field].categories:
            return torch.arange(len(cells), device=cells.device).float(), cells
        u = (torch.arange(_POINTS, dtype=torch.float64, device=cells.device) + 0.5) / _POINTS
        there = torch.arange(1, len(cells), device=cells.device)[cells[1:] > 0]
        rows = torch.ones(len(there) * _POINTS, len(self.net.fields), dtype=torch.int64, device=cells.device)
        rows[:, field] = there.repeat_interleave(_POINTS)
        shares = torch.full(rows.shape, 0.5, dtype=torch.float64, device=cells.device)
        shares[:, field] = u.repeat(len(there))
        values = self._values(rows, shares)[:, field]
        weights = cells[there].repeat_interleave(_POINTS) / _POINTS
        return torch.cat((values, values.new_full((1,), math.nan))), torch.cat((weights, cells[:1]))


def _cell(own: _Own, states: Tensor, u: Tensor) -> Tensor:
    """(B,) cells of states (B,), each as often as the allowed part of it has a share of its state's; u (B,) in (0, 1)."""
    order = own.state.argsort(stable=True)
    total = own.evidence[0].exp()
    live = total > 0
    mass = torch.where(live[own.state], own.cells / total[own.state], 0.0)[order]
    # each state ends a whole number after the one before it
    rank = live.long().cumsum(0) - 1
    reach = mass.cumsum(0)
    place = torch.searchsorted(reach, rank[states] + u, right=True)
    return order[place.clamp(max=len(order) - 1)]

"""Constraints on sequences of ids: samples that are valid by construction, with an exactly renormalised likelihood.

B batch, k prefix, T length, V vocabulary, n some states. At every step the ids that can't lead to a valid sequence within the
room that is left lose their probability and the others are renormalised, so the constrained model is a distribution: its
probabilities sum to one over the valid sequences that fit. (Locally renormalised, that is: a beginning keeps the model's own
odds among the beginnings that can be ended, however few their ends.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.abilities import Condition, Continues
from ..core.errors import BadInput, Refused
from ..core.spec import Tokens, live

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
DEAD = -1
"""The state after an id that leads nowhere."""
_LOCAL = 32
"""Bits of a state that number it within its machine; the bits above say which machine."""
_IMPOSSIBLE = -1e4
"""Nats that stand for probability zero: where a model gives none to all that is allowed, the allowed ids are equally likely."""


class Machine(Protocol):
    """An automaton over ids other than the stop; states are whole numbers from 0, `DEAD` is none of them."""

    start: int

    def step(self, states: Ints) -> Ints:
        """(n,V) the states after every id, `DEAD` where it leads nowhere; `states` (n,) are alive."""

    def accepts(self, states: Ints) -> Flags:
        """(n,) bool: a sequence may end here."""

    def fits(self, states: Ints, left: int) -> Flags:
        """(*,) bool: acceptance is reached within `left` further ids, after exactly so many where there is no stop; never from `DEAD`."""

    def why_not(self, length: int) -> str:
        """A sentence: why no sequence of `length` ids fits."""


class Constraint:
    """A machine for each row. States are (B,) int64 on the CPU, those of all machines in one numbering.

    A sequence is valid if its ids before the stop lead to an accepting state; where the Spec has no stop, all its ids must.
    """

    def __init__(self, machines: Sequence[Machine], spec: Tokens, which: Sequence[int] | None = None) -> None:
        """`which`: the number of each row's machine; None: every row has the first."""
        self.machines, self.spec = tuple(machines), spec
        self.which = None if which is None else tuple(which)

    def rows(self, index: Sequence[int]) -> Constraint:
        """The constraint of the rows `index`."""
        return self if self.which is None else Constraint(self.machines, self.spec, [self.which[row] for row in index])

    def start(self, batch: int) -> Tensor:
        """(B,) states before the first id. Raises BadInput where the constraint was made for another number of rows."""
        which = (0,) * batch if self.which is None else self.which
        if len(which) != batch:
            raise BadInput(f"the constraint was made for {len(which)} rows, not for {batch}")
        return torch.tensor([(number << _LOCAL) + self.machines[number].start for number in which], dtype=torch.int64)

    def fits(self, states: Tensor, left: int) -> Tensor:
        """(B,) bool: acceptance is reached within `left` further ids; after exactly so many where there is no stop."""
        found = np.zeros(len(states), dtype=np.bool_)
        for _, machine, places, local in self._groups(states):
            found[places] = machine.fits(local, left)
        return torch.from_numpy(found)

    def allowed(self, states: Tensor, left: int) -> Tensor:
        """(B,V) bool: the ids after which acceptance is still reached, `left` being the room after this id; stop where accepting."""
        found = np.zeros((len(states), self.spec.vocab), dtype=np.bool_)
        for _, machine, places, local in self._groups(states):
            found[places] = machine.fits(machine.step(local), left)
            if self.spec.stop is not None:
                found[places, self.spec.stop] = machine.accepts(local)
        return torch.from_numpy(found)

    def advance(self, states: Tensor, ids: Tensor) -> Tensor:
        """(B,) states after `ids` (B,): `DEAD` after an id that leads nowhere, the same state after the stop."""
        found, chosen = np.full(len(states), DEAD, dtype=np.int64), ids.numpy()
        for number, machine, places, local in self._groups(states):
            after = machine.step(local)[np.arange(len(local)), chosen[places]]
            found[places] = np.where(after == DEAD, DEAD, after + (number << _LOCAL))
        after_all = torch.from_numpy(found)
        return after_all if self.spec.stop is None else torch.where(ids == self.spec.stop, states, after_all)

    def _groups(self, states: Tensor) -> Iterator[tuple[int, Machine, Ints, Ints]]:
        """(number, machine, which rows (n,), their states within it (n,)) for every machine that has living rows."""
        values: Ints = states.numpy()
        owner = values >> _LOCAL
        for number in np.unique(owner[values != DEAD]).tolist():
            places = np.nonzero(owner == number)[0]
            yield number, self.machines[number], places, values[places] & ((1 << _LOCAL) - 1)

    def begin(self, batch: int, length: int, prefix: Tensor) -> Tensor:
        """(B,) states after `prefix` (B,k). Raises Refused where nothing within `length` is valid, BadInput where nothing so begun is."""
        states = self.start(batch)
        bad = (~self.fits(states, length)).nonzero()
        if len(bad):
            machine = self.machines[int(states[int(bad[0])]) >> _LOCAL]
            raise Refused(machine.why_not(length) + ("" if self.which is None else f" (row {int(bad[0])})"))
        ended = torch.zeros(batch, dtype=torch.bool)
        for place, ids in enumerate(prefix.cpu().unbind(1)):
            good = self.allowed(states, length - place - 1)[torch.arange(batch), ids] | ended
            if not bool(good.all()):
                row = int((~good).nonzero()[0])
                raise BadInput(f"no valid text begins like the prefix of row {row}: its id number {place + 1} breaks the constraint")
            states = torch.where(ended, states, self.advance(states, ids))
            if self.spec.stop is not None:
                ended |= ids == self.spec.stop
        return states


def certain(logits: Tensor) -> Tensor:
    """(B,V) log-probabilities in float32, none below -10,000 nats, so that a renormalised sum is never empty. Raises Refused for logits
    that are no numbers."""
    if bool(logits.isnan().any()):
        raise Refused("the model gave probabilities that are no numbers: its training went wrong; train it anew")
    return torch.log_softmax(logits.float(), -1).clamp(min=_IMPOSSIBLE)


def allowed_along(constraint: Constraint, x: Tensor) -> Tensor:
    """(B,T,V) bool: what the constraint allows at each place of valid sequences x (B,T); everything where nothing is, as past the stop."""
    batch, length = x.shape
    ids, counted = x.cpu(), live(constraint.spec, x.cpu())
    states = constraint.start(batch)
    found = torch.zeros(batch, length, constraint.spec.vocab, dtype=torch.bool)
    for place in range(length):
        found[:, place] = constraint.allowed(states, length - place - 1)
        states = torch.where(counted[:, place], constraint.advance(states, ids[:, place]), states)
    return (found | ~found.any(2, keepdim=True)).to(x.device)


@torch.no_grad()
def constrained_log_prob(model: Continues, x: Tensor, condition: Condition, constraint: Constraint) -> Tensor:
    """(B,) nats of x (B,T) under the constrained model: the sum over t of log p(x_t) - log(sum of p over what is allowed at t).

    -inf where x is not valid. Raises Refused where a row has no valid sequence at all.
    """
    batch, length = x.shape
    states = constraint.begin(batch, length, x[:, :0])
    counted = live(constraint.spec, x)
    total = torch.zeros(batch, dtype=torch.float64, device=x.device)
    new, state = x[:, :0], None
    for place in range(length):
        logits, state = model.next(new, condition, state)
        log_probs = certain(logits)
        allowed = constraint.allowed(states, length - place - 1).to(x.device)
        new = x[:, place : place + 1]
        mass = log_probs.masked_fill(~allowed, -torch.inf).logsumexp(1)
        here = torch.where(allowed.gather(1, new), log_probs.gather(1, new), -torch.inf)[:, 0] - mass
        total += torch.where(counted[:, place], here, 0.0)
        states = torch.where(counted[:, place].cpu(), constraint.advance(states, new[:, 0].cpu()), states)
    return total.float().nan_to_num(nan=-torch.inf, neginf=-torch.inf)

"""A network of discrete variables with up to two parents each, and whether one variable that nobody sees helps it.

N examples, F variables. A state is a whole number below its variable's size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .chow_liu import fit_table, information, joint_counts

_TRIED = 800
"""Bounds how many pairs of parents are tried: some ten thousand."""
_FOLDS, _COMPARED = 3, 4000
"""Parts and examples by which networks with and without a hub are compared."""
Network = list[tuple[int, int, int]]
"""(variable, first parent, second parent), -1 for none, parents first."""
Hub = Literal["none", "free", "shared"]
_KINDS: tuple[Hub, ...] = ("shared", "free", "none")


@dataclass(frozen=True, slots=True)
class Variables:
    """What is known of the variables besides their states."""

    sizes: list[int]
    gone: Sequence[Tensor | None]
    """Of each variable (K,) bool, which states say that there is no value (`fit_table`); None where no state does."""
    most: int
    """Numbers in a table."""
    hidden: bool = False
    """Whether the last variable is one that is summed out in use: a hub that the others may hang on."""


class TwoParents:
    """Finds a network in which each variable has up to two parents, the second of which is a parent of the first: sums over it are never
    over more than three variables (a partial 2-tree: Arnborg, Proskurowski 1989).

    From a root on, the variable and the parents are added that gain most: the score of its examples, each under the counts of all
    others (`conditional`), less that under its margin. A second parent must gain log N nats, and of the pairs only those are tried that
    hold one of the variables that tell most about the new one. Of several roots the one of highest sum is taken.

    With a hub, that is the root, and costs nothing as one of two parents. "shared": every variable has it as a parent, so that what is
    left is a tree given the hub (Friedman, Geiger, Goldszmidt 1997, with the hub in the place of their class).
    """

    def __init__(self, states: Tensor, variables: Variables, weights: np.ndarray, hub: Hub = "none") -> None:
        """`states` (N,F) int64; `weights` (F,F): `information`."""
        self.states, self.own, self.weights = states, variables, weights
        self.hub = len(variables.sizes) - 1 if hub != "none" else -1
        self.shared = hub == "shared"
        count = len(variables.sizes)
        nearest = max(2, min(8, _TRIED // count))
        self.near = [set(np.argsort(-row, kind="stable")[:nearest].tolist()) for row in weights - np.diag(np.full(count, np.inf))]
        self.roots = np.argsort(-np.maximum(weights, 0).sum(1), kind="stable")[: max(1, min(5, _TRIED // (4 * count)))].tolist()
        if self.hub >= 0:
            self.roots = [self.hub]
        self.known: dict[tuple[int, ...], float] = {}

    def find(self) -> Network:
        """The network."""
        found = [self._grow(root) for root in self.roots]
        return max(found, key=lambda grown: grown[0])[1]

    def _grow(self, root: int) -> tuple[float, Network]:
        """(sum of gains, the network) from one root on."""
        best = {place: (0.0, -1, -1) for place in range(len(self.own.sizes)) if place != root}
        parents, total, new = {root: (-1, -1)}, 0.0, root
        network = [(root, -1, -1)]
        while best:
            for place, (gain, one, two) in best.items():
                offers = list(self._offers(place, new, parents[new]))
                # where all share the hub, none stands without it, even where it tells nothing
                best[place] = offers[0] if self.shared and new == root else max([(gain, one, two), *offers])
            new = max(best, key=lambda place: (best[place][0], -place))
            gain, one, two = best.pop(new)
            parents[new], total = (one, two), total + gain
            network.append((new, one, two))
        return total, network

    def _offers(self, place: int, new: int, above: tuple[int, int]) -> Iterator[tuple[float, int, int]]:
        """(gain, first parent, second parent) of a variable, with a variable just added that has the parents `above`."""
        if (self.weights[place, new] > 0 and not self.shared) or (self.shared and new == self.hub):
            yield self._gain(place, new), new, -1
        for other in above:
            close = {new} if other == self.hub else {new, other}
            if other < 0 or not close & self.near[place] or (self.shared and other != self.hub):
                continue
            if math.prod(self.own.sizes[one] for one in (place, new, other)) > self.own.most:
                continue
            gain = self._gain(place, *sorted((new, other)))
            least = max(self._gain(place, new), self._gain(place, other)) + (0.0 if other == self.hub else math.log(len(self.states)))
            if gain > least:
                yield gain, new, other

    def _gain(self, place: int, *parents: int) -> float:
        """Nats that the parents gain over none; of a single one that is not near, as the mutual information has it."""
        if len(parents) == 1 and parents[0] not in self.near[place] and parents[0] != self.hub:
            return len(self.states) * float(self.weights[place, parents[0]])
        key = (place, *parents)
        if key not in self.known:
            margin = _margin(self.states, place, self.own.sizes[place])
            counts = _counts(self.states, place, parents, self.own.sizes)
            own = torch.bincount(self.states[:, place], minlength=len(margin)).double()
            self.known[key] = fit_table(counts, margin, self.own.gone[place])[1] - float((own * margin.log()).sum())
        return self.known[key]


def best_network(states: Tensor, variables: Variables, weights: np.ndarray) -> Network:
    """The network over states (N,F). Where the last variable is hidden, it is a hub if examples that are left out are about as likely so
    or likelier: of the kinds within a standard error of the best, the one that leans most on it."""
    hub: Hub = "none"
    if variables.hidden and variables.sizes[-1] > 1 and len(states) >= 10 * _FOLDS:
        some = states[:_COMPARED]
        nats = {kind: _left_out(some, variables, kind) for kind in _KINDS}
        best = max(_KINDS, key=lambda kind: float(nats[kind].sum()))
        behind = {kind: nats[best] - nats[kind] for kind in _KINDS}
        hub = next(kind for kind, own in behind.items() if kind == best or own.mean() <= own.std() / math.sqrt(len(own)))
    return _found(states, variables, weights, hub)


def _left_out(states: Tensor, variables: Variables, hub: Hub) -> Tensor:
    """(N,) nats of each example, by a network that was learnt from the other folds."""
    fold = torch.arange(len(states), device=states.device) % _FOLDS
    found = torch.empty(len(states), dtype=torch.float64, device=states.device)
    for number in range(_FOLDS):
        learnt = states[fold != number]
        network = _found(learnt, variables, information(learnt.cpu().numpy(), variables.sizes), hub)
        found[fold == number] = log_likelihood(network, learnt, states[fold == number], variables)
    return found


def _found(states: Tensor, variables: Variables, weights: np.ndarray, hub: Hub) -> Network:
    if hub == "none" and variables.hidden:
        weights = weights.copy()
        weights[-1], weights[:, -1] = 0.0, 0.0
    return TwoParents(states, variables, weights, hub).find()


def log_likelihood(network: Network, learnt: Tensor, asked: Tensor, variables: Variables) -> Tensor:
    """(M,) float64 nats of states `asked` (M,F) under the network with tables of the states `learnt` (N,F); a hidden variable is summed
    out."""
    sizes, hidden = variables.sizes, variables.sizes[-1] if variables.hidden else 1
    rows = asked.repeat_interleave(hidden, 0)
    if variables.hidden:
        rows[:, -1] = torch.arange(hidden, device=rows.device).repeat(len(asked))
    total = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for place, one, two in network:
        parents = tuple(sorted(parent for parent in (one, two) if parent >= 0))
        table = fit_table(_counts(learnt, place, parents, sizes), _margin(learnt, place, sizes[place]), variables.gone[place])[0].flatten()
        code = torch.zeros_like(rows[:, 0])
        for variable in (*parents, place):
            code = code * sizes[variable] + rows[:, variable]
        total += table[code]
    return total.view(-1, hidden).logsumexp(1)


def _margin(states: Tensor, place: int, size: int) -> Tensor:
    """(K,) float64 shares of a variable's states, each with a share of one example more."""
    own = torch.bincount(states[:, place], minlength=size).double()
    return (own + 1 / size) / (own.sum() + 1)


def _counts(states: Tensor, place: int, parents: tuple[int, ...], sizes: list[int]) -> Tensor:
    """(Q,P,K) how often a variable's states met those of its parents."""
    shape = [1, 1, *(sizes[one] for one in (*parents, place))][-3:]
    return joint_counts(states, (*parents, place), sizes).view(shape)

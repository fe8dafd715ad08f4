"""The best tree over discrete variables (Chow and Liu 1968), second parents, and how far tables lean on smaller ones.

N examples, F variables. A state is a whole number below its variable's size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

_MOST_WORK = 1 << 31
_PULLS = 10.0 ** torch.arange(-3.0, 6.25, 0.5, dtype=torch.float64)
_TRIED = 800
"""Bounds how many pairs of parents are tried: some ten thousand."""


def information(states: np.ndarray, sizes: list[int]) -> np.ndarray:
    """(F,F) float64 mutual information of each pair of variables in nats, from states (N,F), less its bias (Miller 1955; here with the
    numbers of states and pairs that were seen): about 0 for independent variables, below it as often as above.

    With many variables only the first rows are counted, so that N F^2 stays below 2^31, but never fewer than 1,000.
    """
    count = states.shape[1]
    states = np.ascontiguousarray(states[: max(1000, _MOST_WORK // max(1, count**2))].T)
    found, n = np.zeros((count, count)), states.shape[1]
    if n == 0:
        return found
    table = np.arange(n + 1, dtype=np.float64)
    table[1:] *= np.log(table[1:])

    def measures(codes: np.ndarray) -> np.ndarray:
        counts = np.bincount(codes)
        return np.array([np.log(n) - table[counts].sum() / n, np.count_nonzero(counts)])

    own = np.array([measures(column) for column in states])
    for i in range(count):
        base = states[i] * max(sizes)
        for j in range(i):
            entropy, pairs = measures(base + states[j])
            bias = (pairs - own[i, 1] - own[j, 1] + 1) / (2 * n)
            found[i, j] = found[j, i] = own[i, 0] + own[j, 0] - entropy - bias
    return found


def spanning_forest(weights: np.ndarray) -> list[tuple[int, int]]:
    """(variable, its parent or -1), parents first: the edges of largest sum among `weights` (F,F) > 0 without a circle (Prim 1957)."""
    count = len(weights)
    nearest, reach = np.full(count, -1), np.zeros(count)
    left, order = np.ones(count, dtype=bool), []
    for _ in range(count):
        # where nothing more can be reached, a new tree begins at the variable that tells most about the others
        start = reach if bool((reach[left] > 0).any()) else np.maximum(weights, 0).sum(1)
        chosen = int(np.where(left, start, -np.inf).argmax())
        order.append((chosen, int(nearest[chosen])))
        left[chosen] = False
        closer = left & (weights[chosen] > reach)
        nearest[closer], reach[closer] = chosen, weights[chosen][closer]
    return order


def fit_table(counts: Tensor, margin: Tensor) -> tuple[Tensor, float]:
    """(log P(state | the parents' states), how likely the examples are under it in nats) from how often they met.

    `counts` (Q,P,K): by the second parent's state, the first's and the own one; Q = 1, or P = Q = 1, where there are fewer parents. The
    rows lean on the table of the parent that tells more, and that leans on the margin (K,): `conditional`. float64.
    """
    second, first, size = counts.shape
    if second == 1:
        chances, _, score = conditional(counts[0], margin)
        return chances.log().view(counts.shape), score
    means = [(conditional(counts.sum(0), margin), (1, first, size)), (conditional(counts.sum(1), margin), (second, 1, size))]
    (*chosen, _), shape = max(means, key=lambda mean: mean[0][2])
    mean, left_out = (rows.view(shape).expand(counts.shape).reshape(-1, size) for rows in chosen)
    chances, _, score = conditional(counts.reshape(-1, size), mean, left_out)
    return chances.log().view(counts.shape), score


def conditional(counts: Tensor, mean: Tensor, mean_left_out: Tensor | None = None) -> tuple[Tensor, Tensor, float]:
    """(P(state | row); the same for an example of that state and row, under the counts of all others; the log of those of all examples,
    summed up, in nats): (P,K) float64 twice and a number.

    P = (n_pk + a m_k) / (n_p + a) from counts (P,K), with the mean m, (K,) or (P,K), of a Dirichlet prior of weight a. Of the weights from
    0.001 to a million the one of highest score is taken. `mean_left_out`: the mean without the example, where its own counts are in it.
    """
    counts, total = counts.double(), counts.double().sum(1, keepdim=True)
    others = (mean if mean_left_out is None else mean_left_out).expand_as(counts)
    row, column = (counts > 0).nonzero(as_tuple=True)
    seen, pulls = counts[row, column], _PULLS.to(counts.device)[:, None]
    nats = (seen * ((seen - 1 + pulls * others[row, column]) / (total[row, 0] - 1 + pulls)).log()).sum(1)
    best = int(nats.argmax())
    pull = pulls[best]
    left_out = ((counts - 1).clamp(min=0) + pull * others) / ((total - 1).clamp(min=0) + pull)
    return (counts + pull * mean) / (total + pull), left_out, float(nats[best])


def joint_counts(states: Tensor, places: tuple[int, ...], sizes: list[int]) -> Tensor:
    """How often each combination of the states of these variables comes in states (N,F): of the shape of their sizes."""
    code = torch.zeros_like(states[:, 0])
    for place in places:
        code = code * sizes[place] + states[:, place]
    shape = [sizes[place] for place in places]
    return torch.bincount(code, minlength=math.prod(shape)).view(shape)


class TwoParents:
    """Finds a network in which each variable has up to two parents, the second of which is a parent of the first: sums over it are never
    over more than three variables (a partial 2-tree: Arnborg, Proskurowski 1989).

    From a root on, the variable and the parents are added that gain most: the score of its examples, each under the counts of all
    others (`conditional`), less that under its margin. A second parent must gain log N nats, and of the pairs only those are tried that
    hold one of the variables that tell most about the new one. Of several roots the one of highest sum is taken.
    """

    def __init__(self, states: Tensor, sizes: list[int], weights: np.ndarray, most: int) -> None:
        """`states` (N,F) int64; `weights` (F,F): `information`; `most`: numbers in a table."""
        count = len(sizes)
        self.states, self.sizes, self.weights, self.most = states, sizes, weights, most
        nearest = max(2, min(8, _TRIED // count))
        self.near = [set(np.argsort(-row, kind="stable")[:nearest].tolist()) for row in weights - np.diag(np.full(count, np.inf))]
        self.roots = np.argsort(-np.maximum(weights, 0).sum(1), kind="stable")[: max(1, min(5, _TRIED // (4 * count)))].tolist()
        self.known: dict[tuple[int, ...], float] = {}

    def find(self) -> list[tuple[int, int, int]]:
        """(variable, first parent, second parent), -1 for none, parents first."""
        found = [self._grow(root) for root in self.roots]
        return max(found, key=lambda grown: grown[0])[1]

    def _grow(self, root: int) -> tuple[float, list[tuple[int, int, int]]]:
        """(sum of gains, the network) from one root on."""
        best = {place: (0.0, -1, -1) for place in range(len(self.sizes)) if place != root}
        parents, total, new = {root: (-1, -1)}, 0.0, root
        network = [(root, -1, -1)]
        while best:
            for place, (gain, one, two) in best.items():
                best[place] = max([(gain, one, two), *self._offers(place, new, parents[new])])
            new = max(best, key=lambda place: (best[place][0], -place))
            gain, one, two = best.pop(new)
            parents[new], total = (one, two), total + gain
            network.append((new, one, two))
        return total, network

    def _offers(self, place: int, new: int, above: tuple[int, int]) -> Iterator[tuple[float, int, int]]:
        """(gain, first parent, second parent) of a variable, with a variable just added that has the parents `above`."""
        if self.weights[place, new] > 0:
            yield self._gain(place, new), new, -1
        for other in above:
            if other < 0 or not {new, other} & self.near[place] or self.sizes[new] * self.sizes[other] * self.sizes[place] > self.most:
                continue
            gain = self._gain(place, *sorted((new, other)))
            least = max(self._gain(place, new), self._gain(place, other)) + math.log(len(self.states))
            if gain > least:
                yield gain, new, other

    def _gain(self, place: int, *parents: int) -> float:
        """Nats that the parents gain over none; of a single one that is not near, as the mutual information has it."""
        if len(parents) == 1 and parents[0] not in self.near[place]:
            return len(self.states) * float(self.weights[place, parents[0]])
        key = (place, *parents)
        if key not in self.known:
            own = torch.bincount(self.states[:, place], minlength=self.sizes[place]).double()
            margin = (own + 1 / len(own)) / (own.sum() + 1)
            counts = joint_counts(self.states, (*parents, place), self.sizes).view(-1, *(self.sizes[one] for one in (*parents[-1:], place)))
            self.known[key] = fit_table(counts, margin)[1] - float((own * margin.log()).sum())
        return self.known[key]

"""The best tree over discrete variables (Chow and Liu 1968), and how far tables lean on smaller ones.

N examples, F variables. A state is a whole number below its variable's size.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

_MOST_WORK = 1 << 31
_PULLS = 10.0 ** torch.arange(-3.0, 6.25, 0.5, dtype=torch.float64)


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


def fit_table(counts: Tensor, margin: Tensor, gone: Tensor | None = None) -> tuple[Tensor, float]:
    """(log P(state | the parents' states), how likely the examples are under it in nats) from how often they met.

    `counts` (Q,P,K): by the second parent's state, the first's and the own one; Q = 1, or P = Q = 1, where there are fewer parents. The
    rows lean on the table of the parent that tells more, and that leans on the margin (K,): `conditional`. float64.

    `gone` (K,) bool: states that say that there is no value. Whether there is one, and which, then lean each as far as suits them:
    how values come is another matter than how gaps do.
    """
    if gone is None or not bool(counts[..., gone].any()) or not bool(counts[..., ~gone].any()):
        return _fit_table(counts, margin)
    parts = (~gone, gone)
    either = torch.stack([counts[..., part].sum(2) for part in parts], 2)
    chances, nats = _fit_table(either, torch.stack([margin[part].sum() for part in parts]))
    found = torch.empty(counts.shape, dtype=torch.float64, device=counts.device)
    for number, part in enumerate(parts):
        own, more = _fit_table(counts[..., part], margin[part] / margin[part].sum())
        found[..., part], nats = own + chances[..., number : number + 1], nats + more
    return found, nats


def _fit_table(counts: Tensor, margin: Tensor) -> tuple[Tensor, float]:
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

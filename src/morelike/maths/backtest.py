"""Value at risk and expected shortfall from simulated outcomes, and the tests by which such numbers are held against what came."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def value_at_risk(gains: Floats, level: float) -> Floats:
    """(*) the loss that gains (M,*) exceed on the bad side with probability 1 - `level` only: minus their (1 - level) quantile."""
    found: Floats = -np.quantile(gains, 1 - level, axis=0, method="weibull")
    return found


def expected_shortfall(gains: Floats, level: float) -> Floats:
    """(*) the mean loss in the worst 1 - `level` of gains (M,*), the member on the edge by its share (Acerbi, Tasche 2002,
    arXiv:cond-mat/0104295, definition 2.6)."""
    ordered = np.sort(np.asarray(gains, np.float64), axis=0)
    worst = (1 - level) * len(ordered)
    weights = np.clip(worst - np.arange(len(ordered)), 0, 1).reshape(-1, *[1] * (ordered.ndim - 1))
    found: Floats = -(weights * ordered).sum(0) / worst
    return found


@dataclass(frozen=True, slots=True)
class Test:
    """A likelihood ratio and how often chance alone makes a larger one."""

    ratio: float
    p: float


def kupiec(broken: NDArray[np.bool_], level: float) -> Test:
    """Whether losses went beyond the value at risk (`broken`, (N,)) as often as they should, 1 - `level`: the likelihood ratio of the
    share that was seen against the one asked for, chi-squared with 1 degree of freedom (Kupiec 1995, J. Derivatives 3(2), 73-84)."""
    count, seen = len(broken), int(broken.sum())
    ratio = 2 * (_log_likelihood(seen, count, seen / count) - _log_likelihood(seen, count, 1 - level))
    return Test(max(0.0, ratio), math.erfc(math.sqrt(max(0.0, ratio) / 2)))


def christoffersen(broken: NDArray[np.bool_]) -> Test:
    """Whether days beyond the value at risk (`broken`, (N,) in order of time) come in clusters: the likelihood ratio of a Markov chain
    against independence, chi-squared with 1 degree of freedom (Christoffersen 1998, Int. Economic Review 39(4), section 3.2)."""
    before, after = np.asarray(broken[:-1], bool), np.asarray(broken[1:], bool)
    alone = _log_likelihood(int(after.sum()), len(after), after.mean() if len(after) else 0.0)
    chained = 0.0
    for state in (False, True):
        own = after[before == state]
        chained += _log_likelihood(int(own.sum()), len(own), own.mean() if len(own) else 0.0)
    ratio = max(0.0, 2 * (chained - alone))
    return Test(ratio, math.erfc(math.sqrt(ratio / 2)))


def both(broken: NDArray[np.bool_], level: float) -> Test:
    """Kupiec's and Christoffersen's ratios together, chi-squared with 2 degrees of freedom (Christoffersen 1998, section 3.3)."""
    ratio = kupiec(broken, level).ratio + christoffersen(broken).ratio
    return Test(ratio, math.exp(-ratio / 2))


def _log_likelihood(seen: int, count: int, share: float) -> float:
    """Of `seen` of `count` trials, each with the probability `share`; 0 log 0 is 0."""
    terms = ((seen, share), (count - seen, 1 - share))
    return sum(many * (math.log(chance) if chance > 0 else -math.inf) for many, chance in terms if many)

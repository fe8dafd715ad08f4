"""How far apart two tables' columns and pairs of columns lie: the differences that tables are judged by, each for many resamples at once.

N rows of the real table, M of the made one, B weightings of the made rows: `weights` (M,B) says how often each row counts (a column of
ones is the plain value, the others a bootstrap). Every difference is 0 for equal and 1 for disjoint distributions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ids = NDArray[np.integer]

_TABLE = 1 << 20
"""Most cells of a contingency table that is counted in place; a larger one is squeezed to the cells that occur."""


def ones(rows: int) -> Floats:
    """(rows, 1): every row counts once."""
    return np.ones((rows, 1), np.float32)


def largest_gap(real: Floats, made: Floats, weights: Floats) -> Floats:
    """(B,): the Kolmogorov-Smirnov statistic of real (N,) and made (M,): the largest distance of their distribution functions.

    Missing values (NaN) are left out on both sides; 1 where only one side has any number, 0 where neither has.
    """
    there = np.isfinite(made)
    made, weights, real = made[there], weights[there], np.sort(real[np.isfinite(real)])
    if not len(real) or not len(made):
        return np.full(weights.shape[1], float(len(real) != len(made)))
    order = np.argsort(made, kind="stable")
    values, first = np.unique(made[order], return_index=True)
    steps = np.add.reduceat(weights[order], first, axis=0, dtype=np.float64)
    after = np.cumsum(steps, 0)
    after /= np.maximum(after[-1], 1e-12)
    before = np.vstack([np.zeros((1, weights.shape[1])), after[:-1]])
    # Between two made values only the real function rises, so the gap is largest at either end of the stretch.
    at = np.abs(after - (np.searchsorted(real, values, "right") / len(real))[:, None]).max(0)
    under = np.abs(before - (np.searchsorted(real, values, "left") / len(real))[:, None]).max(0)
    gap: Floats = np.maximum(at, under)
    return gap


def total_variation(real: Ids, made: Ids, weights: Floats) -> Floats:
    """(B,): half the sum of absolute differences of the shares of ids (N,) and (M,), whole numbers from 0."""
    size = 1 + max(int(real.max(initial=-1)), int(made.max(initial=-1)))
    shares = np.bincount(real, minlength=size) / max(1, len(real))
    order = np.argsort(made, kind="stable")
    kinds, first = np.unique(made[order], return_index=True)
    counts = np.zeros((size, weights.shape[1]))
    if len(first):
        counts[kinds] = np.add.reduceat(weights[order], first, axis=0, dtype=np.float64)
    counts /= np.maximum(counts.sum(0), 1e-12)
    variation: Floats = np.abs(counts - shares[:, None]).sum(0) / 2
    return variation


def contingency_gap(real: Sequence[Ids], made: Sequence[Ids], weights: Floats) -> Floats:
    """(B,): total variation of the joint shares of two or more columns of ids, (N,) each and (M,) each."""
    cells = [np.zeros(len(side[0]), np.int64) for side in (real, made)]
    size = 1
    for columns in zip(real, made, strict=True):
        width = 1 + max(int(column.max(initial=0)) for column in columns)
        cells = [so_far * width + column for so_far, column in zip(cells, columns, strict=True)]
        size *= width
        if size > _TABLE:
            kinds, together = np.unique(np.concatenate(cells), return_inverse=True)
            cells, size = [together[: len(cells[0])], together[len(cells[0]) :]], len(kinds)
    return total_variation(cells[0], cells[1], weights)


def correlation(first: Floats, second: Floats, weights: Floats) -> Floats:
    """(B,): Pearson's correlation of two columns (M,) over the rows that have both; 0 where a side is constant or no row has both."""
    there = np.isfinite(first) & np.isfinite(second)
    out = np.zeros(weights.shape[1])
    if not there.any():
        return out
    # Scaled beforehand: sums of squares of raw values (dates in seconds) would lose all digits.
    a, b = (_unit(column[there]) for column in (first, second))
    w = weights[there].astype(np.float64)
    total = np.maximum(w.sum(0), 1e-12)
    mean_a, mean_b, ab, aa, bb = (np.stack([a, b, a * b, a * a, b * b]) @ w) / total
    spread = np.maximum(aa - mean_a**2, 0.0) * np.maximum(bb - mean_b**2, 0.0)
    np.divide(ab - mean_a * mean_b, np.sqrt(spread), out=out, where=spread > 1e-18)
    return np.clip(out, -1.0, 1.0)


def _unit(column: Floats) -> Floats:
    centred = column - column.mean()
    scale = float(np.abs(centred).max())
    # A constant column's mean may differ from it by rounding: what is left is no spread.
    return centred / scale if scale > 1e-12 * float(np.abs(column).max()) else np.zeros_like(centred)


def correlation_gap(real: tuple[Floats, Floats], made: tuple[Floats, Floats], weights: Floats) -> Floats:
    """(B,): half the absolute difference of the two tables' correlations of one pair of columns, (N,) each and (M,) each."""
    gap: Floats = np.abs(correlation(*real, ones(len(real[0]))) - correlation(*made, weights)) / 2
    return gap


def equal_bins(edges_of: Floats, column: Floats, bins: int = 10) -> Ids:
    """(M,) bin numbers of a column by `bins` bins of equal width over the range of `edges_of` (N,).

    0 lies below the range, `bins` + 1 at its largest value and above (as numpy's digitize has it), `bins` + 2 is missing.
    """
    known = edges_of[np.isfinite(edges_of)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    found = np.digitize(np.where(np.isfinite(column), column, low), np.linspace(low, high, bins + 1))
    ids: Ids = np.where(np.isfinite(column), found, bins + 2)
    return ids


def area_under_curve(positive: Floats, negative: Floats) -> tuple[float, float]:
    """(AUC, its standard deviation) of the scores of P positive and Q negative items: the chance that a positive scores higher, ties half.

    The deviation is that of DeLong, DeLong, Clarke-Pearson 1988 ("Comparing the areas under two or more correlated ROC curves",
    section 3): each item's own share of the AUC, over both sides. Raises ValueError where a side is empty.
    """
    if not len(positive) or not len(negative):
        raise ValueError("an AUC needs items of both sides")

    def placed(items: Floats, among: Floats) -> Floats:
        ranked = np.sort(among)
        shares: Floats = (np.searchsorted(ranked, items, "left") + np.searchsorted(ranked, items, "right")) / (2 * len(ranked))
        return shares

    own, others = placed(positive, negative), 1.0 - placed(negative, positive)
    return float(own.mean()), float(np.sqrt(own.var() / len(own) + others.var() / len(others)))


def resampled_areas(scores: Floats, positive: NDArray[np.bool_], weights: NDArray[np.number]) -> tuple[Floats, Floats]:
    """((B,) areas under the receiver's curve, (B,) average precisions) of scores (N,) that should be higher where `positive` (N,), each
    item counted as often as `weights` (B,N) say; ties half, and as one threshold. NaN where one side weighs nothing."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    sides = [np.add.reduceat((weights * side)[:, order].astype(np.float64), starts, axis=1) for side in (positive, ~positive)]
    hits, misses = (np.cumsum(side, 1) for side in sides)
    with np.errstate(divide="ignore", invalid="ignore"):
        above = misses[:, -1:] - misses + sides[1] / 2
        area: Floats = (sides[0] * above).sum(1) / (hits[:, -1] * misses[:, -1])
        precision: Floats = (sides[0] * np.nan_to_num(hits / (hits + misses))).sum(1) / hits[:, -1]
    return area, precision

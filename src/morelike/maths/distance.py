"""Distances between two sets of feature vectors, and neighbourhoods in them.

N, M items, D features, k neighbours. Everything takes arrays (N,D) and works in their own precision (float32 or
float64; anything else is read as float64), block by block: memory grows with N + M and one block, never with N * M.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]
_BLOCK = 1 << 22
"""Most elements of one block of an (N,M) table: 16 MB in float32."""


def _features(x: ArrayLike) -> Floats:
    array = np.asarray(x)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    return array if array.ndim == 2 else array.reshape(len(array), -1)


def _rows(count: int, width: int) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, width))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


# Fréchet distance


def moments(x: ArrayLike) -> tuple[Floats, Floats]:
    """Mean (D,) and unbiased covariance (D,D) of x (N,D), in float64; the covariance of one item is zero."""
    rows = _features(x)
    mean = rows.mean(0, dtype=np.float64)
    covariance = np.zeros((rows.shape[1], rows.shape[1]))
    for part in _rows(len(rows), rows.shape[1]):
        centred = rows[part] - mean
        covariance += centred.T @ centred
    return mean, covariance / max(1, len(rows) - 1)


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def frechet_distance(mean_x: ArrayLike, cov_x: ArrayLike, mean_y: ArrayLike, cov_y: ArrayLike) -> float:
    """Squared Fréchet distance of two Gaussians, in squared feature units; singular covariances are welcome.

    |m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x^1/2 C_y C_x^1/2)^1/2): Dowson, Landau 1982, "The Fréchet distance between
    multivariate normal distributions", as used by Heusel et al. 2017, arXiv:1706.08500, eq. 6. The symmetric form
    has real eigenvalues; those below zero are rounding and count as zero.
    """
    first, second = np.asarray(cov_x, np.float64), np.asarray(cov_y, np.float64)
    root = _root(first)
    shared = np.linalg.eigvalsh(root @ second @ root)
    gap = np.asarray(mean_x, np.float64) - np.asarray(mean_y, np.float64)
    distance = gap @ gap + np.trace(first) + np.trace(second) - 2.0 * np.sqrt(np.maximum(shared, 0.0)).sum()
    return max(0.0, float(distance))


# Kernel distance


def polynomial_kernel(x: Floats, y: Floats) -> Floats:
    """(N,M): (x . y / D + 1)^3 (Bińkowski et al. 2018, arXiv:1801.01401, "KID")."""
    base: Floats = x @ y.T
    base /= x.shape[1]
    base += 1.0
    cube = base * base
    cube *= base
    return cube


def unit_scale(reference: ArrayLike) -> tuple[Floats, float]:
    """(mean (D,), scale): (x - mean) / scale has mean square 1 per dimension over the reference; scale 1 where it is constant.

    The cubic kernel is nearly linear on features much smaller than 1, and then sees little more than the means: on the
    same digits, pixels drawn independently stand at the floor as they are and far above it at unit scale.
    """
    rows = _features(reference)
    mean = rows.mean(0, dtype=np.float64)
    scale = float(np.sqrt(rows.var(0, dtype=np.float64).mean()))
    return mean.astype(rows.dtype), scale or 1.0


def euclidean(x: Floats, y: Floats) -> Floats:
    """(N,M): |x - y|."""
    table = squared_distances(x, y)
    return np.sqrt(table, out=table)


Pairwise = Callable[[Floats, Floats], Floats]
"""(N,D), (M,D) -> (N,M)."""


def mean_across(x: ArrayLike, y: ArrayLike, pairwise: Pairwise = polynomial_kernel) -> Floats:
    """(N,) float64: the mean of pairwise(x_i, y_j) over all j."""
    rows, columns = _features(x), _features(y)
    out = np.empty(len(rows))
    for part in _rows(len(rows), len(columns)):
        out[part] = pairwise(rows[part], columns).mean(1, dtype=np.float64)
    return out


def mean_within(x: ArrayLike, weights: ArrayLike | None = None, pairwise: Pairwise = polynomial_kernel) -> Floats:
    """(B,) float64: the mean of pairwise(x_i, x_j) over i != j, weighted by w_bi w_bj; weights (B,N), all ones at first.

    Pairs of an item with itself never count, also where a bootstrap drew it twice: the U-statistic stays unbiased.
    The pair function must be symmetric. A row of weights with fewer than two items in it gives 0.
    """
    rows = _features(x)
    w_BN = np.ones((1, len(rows))) if weights is None else np.asarray(weights, np.float64)
    total = np.zeros(len(w_BN))
    w_NB = w_BN.T.astype(rows.dtype)
    for part in _rows(len(rows), len(rows)):
        # Blocks left of the diagonal mirror those on its right: they count twice instead of being computed.
        table = pairwise(rows[part], rows[part.start :])
        size = part.stop - part.start
        table[np.arange(size), np.arange(size)] = 0.0
        if weights is None:
            total += table[:, :size].sum(dtype=np.float64) + 2.0 * table[:, size:].sum(dtype=np.float64)
        else:
            square = table[:, :size] @ w_NB[part]
            beside = table[:, size:] @ w_NB[part.stop :]
            total += np.einsum("bn,nb->b", w_BN[:, part], square.astype(np.float64) + 2.0 * beside)
    pairs = w_BN.sum(1) ** 2 - (w_BN**2).sum(1)
    means: Floats = np.divide(total, pairs, out=np.zeros_like(total), where=pairs > 0)
    return means


def kernel_distance_unbiased(x: ArrayLike, y: ArrayLike) -> float:
    """Unbiased squared maximum mean discrepancy of x (N,D) and y (M,D) under the cubic polynomial kernel; may be below 0.

    The U-statistic of Gretton et al. 2012 (eq. 3) with the kernel of Bińkowski et al. 2018, arXiv:1801.01401; N and M
    may differ. Raises ValueError for fewer than two items on a side.
    """
    rows, columns = _features(x), _features(y)
    if min(len(rows), len(columns)) < 2:
        raise ValueError(f"the unbiased kernel distance needs at least 2 items on each side, has {len(rows)} and {len(columns)}")
    within = mean_within(rows)[0] + mean_within(columns)[0]
    return float(within - 2.0 * mean_across(rows, columns).mean())


# Neighbours


def squared_distances(x: Floats, y: Floats) -> Floats:
    """(N,M): |x - y|^2, never below 0; its rounding error is about 1e-7 (float32) of the squared norms."""
    table: Floats = x @ y.T
    table *= -2.0
    table += np.einsum("nd,nd->n", x, x)[:, None]
    table += np.einsum("md,md->m", y, y)
    return np.maximum(table, 0.0, out=table)


def nearest(x: ArrayLike, y: ArrayLike, k: int = 1, itself: NDArray[np.integer] | None = None) -> tuple[Floats, NDArray[np.integer]]:
    """Distances (N,k), ascending, and row numbers (N,k) of the k nearest rows of y for each row of x.

    `itself` (N,): the row of y that is x_i itself and is not its own neighbour. The distances found are computed anew
    from differences, so an exact copy is at exactly 0. Raises ValueError where y has fewer than k other rows.
    """
    rows, columns = _features(x), _features(y)
    if k > len(columns) - (itself is not None):
        raise ValueError(f"{k} neighbours asked of {len(columns)} items")
    distances, numbers = np.empty((len(rows), k), rows.dtype), np.empty((len(rows), k), np.int64)
    for part in _rows(len(rows), len(columns)):
        table = squared_distances(rows[part], columns)
        if itself is not None:
            table[np.arange(len(table)), itself[part]] = np.inf
        found = np.argpartition(table, k - 1, axis=1)[:, :k] if k > 1 else table.argmin(1)[:, None]
        exact = np.linalg.norm(columns[found] - rows[part][:, None], axis=2)
        order = exact.argsort(1, kind="stable")
        distances[part], numbers[part] = np.take_along_axis(exact, order, 1), np.take_along_axis(found, order, 1)
    return distances, numbers


def radii(x: ArrayLike, *neighbours: int) -> Floats:
    """(K,N): squared distances of each row of x to its k-th nearest other row, for each k asked, by `squared_distances`.

    Raises ValueError where there are not more rows than the largest k.
    """
    rows = _features(x)
    if max(neighbours) >= len(rows):
        raise ValueError(f"the distance to neighbour {max(neighbours)} needs more than {max(neighbours)} items, has {len(rows)}")
    out = np.empty((len(neighbours), len(rows)), rows.dtype)
    wanted = [k - 1 for k in neighbours]
    for part in _rows(len(rows), len(rows)):
        table = squared_distances(rows[part], rows)
        table[np.arange(len(table)), np.arange(part.start, part.stop)] = np.inf
        out[:, part] = np.partition(table, wanted, axis=1)[:, wanted].T
    return out


@dataclass(frozen=True, slots=True)
class Neighbourhoods:
    """Who lies in whose neighbourhood, for N samples and M reference items."""

    precise: NDArray[np.bool_]
    """(N,): the sample lies in the k=3 ball of some reference item."""
    dense: Floats
    """(N,): number of k=5 reference balls that hold the sample, over 5."""
    recalled: NDArray[np.bool_]
    """(M,): the reference item lies in the k=3 ball of some sample."""
    covered: NDArray[np.bool_]
    """(M,): the k=5 ball of the reference item holds some sample."""
    recalls_alone: NDArray[np.integer]
    """(N,): how many reference items are recalled by this sample only."""
    covers_alone: NDArray[np.integer]
    """(N,): how many reference items are covered by this sample only."""


PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5


def neighbourhoods(reference: ArrayLike, samples: ArrayLike, reference_radii: Floats | None = None) -> Neighbourhoods:
    """One pass for `precision`, `recall`, `density` and `coverage`; balls are closed.

    `reference_radii`: `radii(reference, 3, 5)` where the caller has it. Raises ValueError for too few items.
    """
    real, made = _features(reference), _features(samples)
    edges = radii(real, PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS) if reference_radii is None else reference_radii
    reach = radii(made, PRECISION_NEIGHBOURS)[0]
    precise, dense = np.empty(len(made), bool), np.empty(len(made))
    recalled, covered = _Hits(len(real)), _Hits(len(real))
    for part in _rows(len(made), len(real)):
        table = squared_distances(made[part], real)
        precise[part] = (table <= edges[0]).any(1)
        inside = table <= edges[1]
        dense[part] = inside.sum(1) / DENSITY_NEIGHBOURS
        covered.add(inside, part.start)
        recalled.add(table <= reach[part, None], part.start)
    return Neighbourhoods(
        precise, dense, recalled.count > 0, covered.count > 0, recalled.alone(len(made)), covered.alone(len(made))
    )


class _Hits:
    """Counts for each reference item how many samples reach it, and remembers one of them."""

    def __init__(self, size: int) -> None:
        self.count = np.zeros(size, np.int64)
        self.owner = np.zeros(size, np.int64)

    def add(self, inside: NDArray[np.bool_], start: int) -> None:
        found = inside.sum(0)
        hit = np.flatnonzero(found)
        self.owner[hit] = inside[:, hit].argmax(0) + start
        self.count += found

    def alone(self, samples: int) -> NDArray[np.integer]:
        """(samples,): how many items only this sample reaches."""
        return np.bincount(self.owner[self.count == 1], minlength=samples)


def precision(reference: ArrayLike, samples: ArrayLike) -> float:
    """Share of samples inside the reference's manifold, k = 3 (Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 2)."""
    return float(neighbourhoods(reference, samples).precise.mean())


def recall(reference: ArrayLike, samples: ArrayLike) -> float:
    """Share of reference items inside the samples' manifold, k = 3 (Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 2)."""
    return float(neighbourhoods(reference, samples).recalled.mean())


def density(reference: ArrayLike, samples: ArrayLike) -> float:
    """Mean number of reference balls around a sample over k, k = 5; may pass 1 (Naeem et al. 2020, arXiv:2002.09797, "density")."""
    return float(neighbourhoods(reference, samples).dense.mean())


def coverage(reference: ArrayLike, samples: ArrayLike) -> float:
    """Share of reference items whose k = 5 ball holds a sample (Naeem et al. 2020, arXiv:2002.09797, "coverage")."""
    return float(neighbourhoods(reference, samples).covered.mean())

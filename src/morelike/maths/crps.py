"""Scores of forecasts that are ensembles: the continuous ranked probability score and coverage.

M members, * the shape of what is forecast.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SQRT_PI = math.sqrt(math.pi)


def crps(ensemble: Floats, truth: Floats) -> Floats:
    """(*) the continuous ranked probability score of ensembles (M,*) against what came (*), in its units; 0 is best.

    E|X - y| - E|X - X'| / 2 (Gneiting, Raftery 2007, eq. 21) with the second mean over pairs of different members (Ferro 2014,
    doi:10.1002/qj.2270, eq. 7): without bias for the distribution that the members are drawn of, whatever M is. Raises ValueError for
    fewer than two members.
    """
    members = np.sort(np.asarray(ensemble, np.float64), axis=0)
    count = len(members)
    if count < 2:
        raise ValueError(f"an ensemble has two members at least, not {count}")
    # sum over pairs of |x_i - x_j| in order of size: member i is added i times and taken away M - 1 - i times
    weights = (2.0 * np.arange(count) - count + 1).reshape(-1, *[1] * (members.ndim - 1))
    apart = 2 * (weights * members).sum(0) / (count * (count - 1))
    found: Floats = np.abs(members - truth).mean(0) - apart / 2
    return found


def gaussian_crps(mean: Floats, deviation: Floats, truth: Floats) -> Floats:
    """(*) the score of normal distributions in closed form (Gneiting et al. 2005, doi:10.1175/MWR2904.1, eq. 5)."""
    z = (np.asarray(truth, np.float64) - mean) / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
    found: Floats = deviation * (z * (2 * below - 1) + 2 * density - 1 / _SQRT_PI)
    return found


def interval(ensemble: Floats, level: float) -> tuple[Floats, Floats]:
    """((*), (*)) the ends of the central interval that holds the share `level` of an ensemble (M,*); quantiles at k / (M + 1), so that
    a further member lies in it with this probability, whatever the distribution is (as far as M members can say)."""
    low, high = np.quantile(ensemble, [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
    return low, high


def covered(ensemble: Floats, truth: Floats, level: float) -> NDArray[np.bool_]:
    """(*) whether what came lies in the central interval."""
    low, high = interval(ensemble, level)
    found: NDArray[np.bool_] = (truth >= low) & (truth <= high)
    return found

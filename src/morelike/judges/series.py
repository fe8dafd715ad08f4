"""Judges of time series: how windows go on, what lies in them, and what a model learns from them. N windows, T rows, C channels, L lags.

Windows of a set and of the training items are compared in the training items' own standard deviations; missing values lie on the line
between their neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.contract import Raw
from ..data.series_calendar import Calendar
from ..data.series_items import Series
from ..data.series_scale import filled
from .domain import Domain, Score
from .extractor import Extractor, leading
from .scores import Rule

Numbers = NDArray[np.float64]
_LAGS, _COMPONENTS, _QUADRATIC, _FOLDS = 24, 64, 12, 5
_NEED = 20
_TAILS = (0.01, 0.99)
_INNER = np.linspace(0.01, 0.99, 99)
_RIDGE, _CLASSES_RIDGE = 1e-3, 0.03
"""Penalties by the row, of predictions and of the classifier."""
_PAST = 4
"""Rows that the next one is predicted from."""
_STEPS = np.linspace(-4, 4, 33)
_PARTS = 24
"""Most parts that a season is cut into: hours of the day."""


class TimeSeries(Domain):
    """Windows of series."""

    def __init__(self, facts: Mapping[str, Any], reference: Sequence[Raw]) -> None:
        super().__init__(facts, reference)
        rows = stacked(reference)
        self._mean, spread = rows.mean((0, 1)), rows.std((0, 1))
        self._spread = np.where(spread > 0, spread, 1.0)
        self._real = self._scaled(reference)
        self._varies = spread > 0

    def _scaled(self, items: Sequence[Raw]) -> Numbers:
        """(N,T,C) in standard deviations of the training items."""
        found: Numbers = (stacked(items) - self._mean) / self._spread
        return found

    def extractor(self) -> Extractor:
        """Principal components of windows, levels and changes."""
        rows = both(self._real)
        mean = rows.mean(0)
        axes = leading((rows - mean).astype(np.float32), min(_COMPONENTS, rows.shape[1]))

        def features(items: NDArray[Any]) -> NDArray[Any]:
            found: NDArray[Any] = (both(self._scaled(list(items))) - mean).astype(np.float32) @ axes
            return found

        return Extractor(f"raw-windows{axes.shape[1]}", features, cheap=True)

    def scores(self) -> list[Score]:
        varies = self._varies
        found = [
            self._against("autocorrelation", lambda x: autocorrelation(x)[:, varies]),
            self._set("spectrum", lambda x: spectrum_distance(x[:, :, varies], self._real[:, :, varies]), 1.0),
            self._against("values", lambda x: np.quantile(x, _INNER, axis=(0, 1))),
            self._against("tails", lambda x: np.quantile(x, _TAILS, axis=(0, 1))),
            self._against("changes", lambda x: np.quantile(np.diff(x, axis=1), _INNER, axis=(0, 1)) / self._jumps()),
            self._against("kurtosis of changes", lambda x: np.log(kurtosis(np.diff(x, axis=1)))[varies]),
            self._set("discriminative", lambda x: discriminative(x, self._real), 0.5),
            self._set("predictive", lambda x: predictive(x, self._real)),
            Score("unique", Rule("higher", _NEED), "set", lambda items: len(set(items)) / len(items), 1.0),
        ]
        if varies.sum() > 1:
            found.insert(1, self._against("cross-correlation", lambda x: cross_correlation(x[:, :, varies])))
        if self.told.get("seasons"):
            found.append(Score("calendar", Rule("lower", _NEED), "set", self._calendar()))
        if any(np.isnan(item.values).any() for item in self.reference):
            found.append(Score("gaps", Rule("lower", _NEED), "histogram", lambda items: np.array([_gaps(item) for item in items])))
        if self.told.get("uneven"):
            found.append(Score("steps", Rule("lower", _NEED), "histogram", self._steps()))
        return found

    def _calendar(self) -> Callable[[Sequence[Raw]], float]:
        """The mean absolute difference, from the training items, of means at each hour, weekday and month that the codec tells."""
        seasons = Calendar(tuple(self.told["seasons"]))

        def means(items: Sequence[Raw]) -> Numbers:
            rows, found = self._scaled(items).reshape(-1, len(self._mean)), []
            for parts in np.concatenate([seasons.parts(item.times) for item in items], 1):
                sums = np.stack([np.bincount(parts, column, _PARTS) for column in rows.T], 1)
                count = np.bincount(parts, minlength=_PARTS)[:, None]
                found.append(sums / np.where(count > 0, count, np.nan))
            return np.concatenate(found)

        real = means(self.reference)
        return lambda items: float(np.nanmean(np.abs(means(items) - real)))

    def _jumps(self) -> Numbers:
        found = np.diff(self._real, axis=1).std((0, 1))
        return np.where(found > 0, found, 1.0)

    def _set(self, name: str, function: Callable[[Numbers], float], most: float = np.inf) -> Score:
        return Score(name, Rule("lower", _NEED), "set", lambda items: function(self._scaled(items)), most)

    def _against(self, name: str, statistic: Callable[[Numbers], Numbers]) -> Score:
        """The mean absolute difference of a statistic of the set from that of the training items."""
        real = statistic(self._real)
        return self._set(name, lambda x: float(np.abs(statistic(x) - real).mean()))

    def _steps(self) -> Callable[[Sequence[Raw]], Any]:
        middle = float(np.median(np.concatenate([steps for item in self.reference if (steps := item.steps()) is not None])))

        def counts(items: Sequence[Raw]) -> Any:
            ratios = [np.log2(np.maximum(item.steps(), 1e-12) / middle).clip(_STEPS[0], _STEPS[-1]) for item in items]
            return np.array([np.histogram(one, _STEPS)[0] for one in ratios])

        return counts


def stacked(items: Sequence[Raw]) -> Numbers:
    """(N,T,C) values of series of one length, without gaps."""
    values: Numbers = np.asarray([item.values for item in items])
    if np.isnan(values).any():
        usual = np.nan_to_num(np.nanmean(np.where(np.isnan(values).all((0, 1)), 0.0, values), (0, 1)))
        values = np.asarray([filled(one, usual) for one in values])
    return values


def both(x: Numbers) -> Numbers:
    """(N, T*C + (T-1)*C) levels and changes of windows (N,T,C), the changes in their own standard deviation over all."""
    changes = np.diff(x, axis=1)
    spread = changes.std((0, 1))
    return np.concatenate([x.reshape(len(x), -1), (changes / np.where(spread > 0, spread, 1.0)).reshape(len(x), -1)], 1)


def autocorrelation(x: Numbers) -> Numbers:
    """(L,C) correlation of rows so far apart within windows (N,T,C), at lags 1 to 24, or as far as they reach; 0 for constant channels."""
    centred = x - x.mean((0, 1))
    variance = (centred**2).mean((0, 1))
    safe = np.where(variance > 0, variance, 1.0)
    lags = range(1, min(_LAGS, x.shape[1] - 1) + 1)
    return np.array([(centred[:, lag:] * centred[:, :-lag]).mean((0, 1)) / safe for lag in lags])


def cross_correlation(x: Numbers) -> Numbers:
    """(C*(C-1)/2,) correlations between channels of windows (N,T,C)."""
    flat = x.reshape(-1, x.shape[2])
    spread = flat.std(0)
    scaled = (flat - flat.mean(0)) / np.where(spread > 0, spread, 1.0)
    table = scaled.T @ scaled / len(flat)
    found: Numbers = table[np.triu_indices(x.shape[2], 1)]
    return found


def spectrum_distance(first: Numbers, second: Numbers) -> float:
    """Total variation distance, 0 to 1, between the shares of power at each frequency but 0, averaged over channels."""
    return float(np.abs(_power(first) - _power(second)).sum(0).mean() / 2)


def _power(x: Numbers) -> Numbers:
    """(F,C) shares of power at the frequencies 1 to T/2 by window, windows (N,T,C) less their own mean."""
    power = (np.abs(np.fft.rfft(x - x.mean(1, keepdims=True), axis=1)) ** 2)[:, 1:].mean(0)
    total = power.sum(0)
    found: Numbers = power / np.where(total > 0, total, 1.0)
    return found


def kurtosis(x: Numbers) -> Numbers:
    """(C,) fourth standardised moments of (N,T,C): 3 for a normal, 1.8 for a uniform distribution; 1 for constants."""
    centred = x - x.mean((0, 1))
    variance = (centred**2).mean((0, 1))
    return np.where(variance > 0, (centred**4).mean((0, 1)) / np.where(variance > 0, variance, 1.0) ** 2, 1.0)


def discriminative(x: Numbers, real: Numbers) -> float:
    """|accuracy - 0.5| of telling windows (N,T,C) from as many real ones: 0 = not at all, 0.5 = always.

    A ridge classifier on principal components of levels and changes and their products, cross-validated in five blocks; the fast twin
    of the recurrent classifier of Yoon et al. 2019 (TimeGAN).
    """
    count = min(len(x), len(real))
    some = [one[np.linspace(0, len(one) - 1, count).astype(np.int64)] for one in (x, real)]
    rows, labels = _quadratic(np.concatenate(some)), np.repeat([1.0, -1.0], count)
    # neighbouring windows overlap, so blocks of them are left out together
    fold = np.tile(np.arange(count) * _FOLDS // count, 2)
    right = np.zeros(len(rows), bool)
    for number in range(_FOLDS):
        kept = fold != number
        predicted = rows[~kept] @ _ridge(rows[kept], labels[kept], _CLASSES_RIDGE)
        right[~kept] = (predicted > 0) == (labels[~kept] > 0)
    return float(abs(right.mean() - 0.5))


def _quadratic(x: Numbers) -> Numbers:
    """(N,F) principal components of levels and of changes of windows (N,T,C), their products, and 1."""
    parts = []
    for rows in (x, np.diff(x, axis=1)):
        flat: Numbers = rows.reshape(len(rows), -1).copy()
        flat -= flat.mean(0)
        found: Numbers = flat @ leading(flat.astype(np.float32), min(_QUADRATIC, flat.shape[1]))
        spread = found.std(0)
        parts.append((found / np.where(spread > 0, spread, 1.0)).clip(-6, 6))
    linear = np.concatenate(parts, 1)
    upper = np.triu_indices(linear.shape[1])
    return np.concatenate([linear, (linear[:, :, None] * linear[:, None])[:, upper[0], upper[1]], np.ones((len(x), 1))], 1)


def _ridge(rows: Numbers, targets: Numbers, penalty: float = _RIDGE) -> Numbers:
    """Weights of a least-squares fit with a small penalty."""
    square = rows.T @ rows
    square[np.diag_indices_from(square)] += penalty * len(rows)
    return np.asarray(np.linalg.solve(square, rows.T @ targets), np.float64)


def predictive(x: Numbers, real: Numbers) -> float:
    """Mean absolute error, in standard deviations, of the next row of real windows as a linear model of the four rows before it says,
    fitted on windows (N,T,C): train on synthetic, test on real."""
    past = min(_PAST, x.shape[1] - 1)
    rows, targets = _lagged(x, past)
    weights = _ridge(rows, targets)
    tested, wanted = _lagged(real[np.linspace(0, len(real) - 1, min(len(real), 2000)).astype(np.int64)], past)
    return float(np.abs(tested @ weights - wanted).mean())


def _lagged(x: Numbers, past: int) -> tuple[Numbers, Numbers]:
    """((M, past*C + 1) rows before, (M,C) the row that follows)."""
    length, channels = x.shape[1:]
    before = np.concatenate([x[:, lag : length - past + lag] for lag in range(past)], 2).reshape(-1, past * channels)
    return np.concatenate([before, np.ones((len(before), 1))], 1), x[:, past:].reshape(-1, channels)


def _gaps(item: Series) -> Numbers:
    """(2*C,) how many values of each channel are missing, and how many are not."""
    missing = np.isnan(item.values).sum(0)
    return np.concatenate([missing, len(item) - missing]).astype(np.float64)

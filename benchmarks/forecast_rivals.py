"""What forecasts are held against: seasonal naive and vector autoregression, as distributions over paths, by numpy alone.

L steps, C channels, B origins (the number of the first step that is forecast), H steps ahead, M paths.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class SeasonalNaive:
    """The value a season before, plus the errors that this made from some origin of the training part on, whole paths of all channels."""

    def __init__(self, train: Array, season: int, horizon: int) -> None:
        self.season, self.horizon = season, horizon
        origins = np.arange(season, len(train) - horizon + 1)
        self.errors = np.stack([train[o : o + horizon] - self._point(train, o) for o in origins])

    def _point(self, values: Array, origin: int) -> Array:
        last = values[origin - self.season : origin]
        return np.asarray(last[np.arange(self.horizon) % self.season])

    def paths(self, values: Array, origins: Array, members: int, rng: np.random.Generator) -> Array:
        """(M,B,H,C)."""
        points = np.stack([self._point(values, origin) for origin in origins])
        return np.asarray(points + self.errors[rng.integers(len(self.errors), size=(members, len(origins)))])


class VectorAutoregression:
    """x_t = c + A_1 x_{t-1} + ... + A_p x_{t-p} + e_t by least squares, of the order 1..`most` with the least BIC (Luetkepohl 2005, section
    4.3); e_t drawn from its residuals, all channels of a step together."""

    def __init__(self, train: Array, most: int) -> None:
        fitted = {order: self._fit(train, order, most) for order in range(1, most + 1)}
        self.order = min(fitted, key=lambda order: fitted[order][2])
        self.weights, self.errors, _ = self._fit(train, self.order, self.order)

    @staticmethod
    def _fit(train: Array, order: int, skipped: int) -> tuple[Array, Array, float]:
        """((1 + p C, C) weights, residuals, BIC), of the steps after the first `skipped`."""
        rows = [np.ones((len(train) - skipped, 1)), *(train[skipped - lag : len(train) - lag] for lag in range(1, order + 1))]
        past, now = np.concatenate(rows, 1), train[skipped:]
        weights = np.linalg.lstsq(past, now, rcond=None)[0]
        errors = now - past @ weights
        _, size = np.linalg.slogdet(errors.T @ errors / len(errors))
        return weights, errors, float(size + np.log(len(errors)) / len(errors) * weights.size)

    def paths(self, values: Array, origins: Array, members: int, horizon: int, rng: np.random.Generator) -> Array:
        """(M,B,H,C)."""
        count, channels = members * len(origins), values.shape[1]
        past = np.stack([values[origin - self.order : origin][::-1] for origin in origins])
        past = np.broadcast_to(past, (members, *past.shape)).reshape(count, -1)
        out = np.empty((count, horizon, channels))
        for step in range(horizon):
            out[:, step] = self.weights[0] + past @ self.weights[1:] + self.errors[rng.integers(len(self.errors), size=count)]
            past = np.concatenate([out[:, step], past[:, :-channels]], 1)
        return out.reshape(members, len(origins), horizon, channels)

"""Where in the day, the week and the year the rows of a series lie, as channels of x. N windows, L rows, K numbers of a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..core.errors import BadInput
from .series_items import DAY, Series

_SEASONS = {"day": (DAY, 1), "week": (7 * DAY, 3), "year": (round(365.2425 * DAY), 1)}
"""Microseconds, and waves that tell its times: three tell every day of a week from the others."""
_TWICE = 2
"""So often training must go through a season for it to be learnt."""
_CANDIDATES = 20_000
"""At most so many times are tried for the beginning of a drawn window."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The seasons that a model is told of."""

    seasons: tuple[str, ...]

    @classmethod
    def fit(cls, items: Sequence[Series]) -> Self | None:
        """The seasons that are longer than two rows, and that a training series goes through twice; None for series without dates, or
        without such a season."""
        spans, steps = [0.0], []
        for item in items:
            own = item.steps()
            if item.times is None or item.times.dtype.kind != "M" or own is None or not len(own):
                return None
            spans.append(float(own.sum()))
            steps.append(np.median(own))
        step = float(np.median(steps)) if steps else 0.0
        found = tuple(name for name, (period, _) in _SEASONS.items() if 2 * step < period and _TWICE * period <= max(spans))
        return cls(found) if found else None

    def described(self, told: bool) -> str:
        """A sentence: whether the model is told of the seasons that there are."""
        where = f"where in the {' and the '.join(self.seasons)} each row lies"
        return f"told {where}" if told else f"nothing tells {where}, so drawn times only go on from training (codec.calendar=true tells it)"

    @property
    def width(self) -> int:
        """K."""
        return sum(2 * _SEASONS[name][1] for name in self.seasons)

    def signals(self, times: np.ndarray | None) -> np.ndarray:
        """(K,L) sines and cosines of unit variance. Raises BadInput where no dates are known."""
        if times is None or times.dtype.kind != "M":
            raise BadInput("the model goes by the calendar, and the series has no dates; give them too.")
        passed = times.astype("datetime64[us]").astype(np.int64)
        found = []
        for name in self.seasons:
            period, waves = _SEASONS[name]
            turn = 2 * np.pi * (passed % period) / period
            for wave in range(1, waves + 1):
                found += [np.sin(wave * turn), np.cos(wave * turn)]
        out: np.ndarray = np.sqrt(2.0) * np.array(found)
        return out

    def parts(self, times: np.ndarray) -> np.ndarray:
        """(S,L) the hour of the day, the day of the week, the month of the year (0 ...) of dates, as far as there are these seasons."""
        days = times.astype("datetime64[D]")
        every = {
            "day": (times - days).astype("timedelta64[h]").astype(np.int64),
            "week": (days.astype(np.int64) + 3) % 7,
            "year": times.astype("datetime64[M]").astype(np.int64) % 12,
        }  # fmt: skip
        return np.array([every[name] for name in self.seasons])

    def nearest(self, signals: np.ndarray, times: np.ndarray) -> np.ndarray:
        """(N,) which of the times (M,) is most like the first row of signals (N,K,L): the calendar turns at one pace, so it decides."""
        found: np.ndarray = (signals[:, :, 0] @ self.signals(times)).argmax(1)
        return found

    def rows(self, times: np.ndarray) -> int:
        """How many rows, of which the times (2,) are two, go through the longest season; at most so many as are tried."""
        step = float((times[1] - times[0]).astype("timedelta64[us]").astype(np.int64))
        return int(np.clip(np.ceil(_SEASONS[self.seasons[-1]][0] / step), 1, _CANDIDATES))

"""How time goes by between the rows of a series. N windows, L rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from .series_clock import usual_step
from .series_items import Series

_LEAST, _MOST = 1e-9, 40.0
"""Least step whose logarithm is taken, and the largest logarithm that is undone."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Learnt from the training series."""

    kind: str
    """numpy's type of the times."""
    start: str
    """The time at which what is drawn begins: one step after the end of training."""
    step: float
    """Time between rows, microseconds or the file's own unit; 0 where it varies."""
    mean: float = 0.0
    spread: float = 1.0
    """Of the logarithms of steps that vary."""

    @classmethod
    def fit(cls, items: Sequence[Series]) -> Self | None:
        """None where nothing is known but the order of the rows."""
        steps = [own for item in items if (own := item.steps()) is not None and len(own)]
        if not steps:
            return None
        every = np.concatenate(steps)
        usual, middle = usual_step(every), float(np.median(every))
        last = max(item.times[-1] for item in items if item.times is not None and len(item))
        after = last + (np.timedelta64(round(middle), "us") if last.dtype.kind == "M" else middle)
        if usual is not None:
            return cls(str(last.dtype), str(after), usual)
        logs = np.log(np.maximum(every, _LEAST))
        return cls(str(last.dtype), str(after), 0.0, float(logs.mean()), float(logs.std()) or 1.0)

    @property
    def uneven(self) -> bool:
        return not self.step

    def signal(self, item: Series) -> np.ndarray:
        """(L,) the scaled logarithm of the time since the row before; the first row's is the second's."""
        steps = item.steps()
        if steps is None or not len(steps):
            return np.zeros(len(item))
        found = (np.log(np.maximum(steps, _LEAST)) - self.mean) / self.spread
        return np.concatenate([found[:1], found])

    def times(self, signals: np.ndarray) -> np.ndarray:
        """(N,L) times of signals (N,L); where steps are even only their shape counts."""
        start = np.array([self.start]).astype(self.kind)[0]
        passed = np.tile(np.arange(signals.shape[1]) * self.step, (len(signals), 1))
        if self.uneven:
            steps = np.exp(np.minimum(signals * self.spread + self.mean, _MOST))
            passed = np.cumsum(steps, 1) - steps[:, :1]
        return np.asarray(start + (np.rint(passed).astype("timedelta64[us]") if start.dtype.kind == "M" else passed))

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        return asdict(self)

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `state`."""
        return cls(**state)

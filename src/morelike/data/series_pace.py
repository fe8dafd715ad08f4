"""How time goes by between the rows of a series. N windows, L rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np

from ..maths.calendar import continued, month_ends, months, next_months, next_workdays, workdays
from .series_clock import usual_step
from .series_items import DAY, Series

_LEAST, _MOST = 1e-9, 40.0
"""Least step whose logarithm is taken, and the largest logarithm that is undone."""
_DAY, _HOUR = np.timedelta64(1, "D"), DAY / 24


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
    by: Literal["step", "workdays", "months", "month ends"] = "step"
    """What the step is one of, or (months) so many of."""

    @classmethod
    def fit(cls, items: Sequence[Series]) -> Self | None:
        """None where nothing is known but the order of the rows."""
        steps = [own for item in items if (own := item.steps()) is not None and len(own)]
        if not steps:
            return None
        every = np.concatenate(steps)
        timed = [item.times for item in items if item.times is not None and len(item) > 1]
        latest = max(timed, key=lambda times: times[-1])
        kind, begun = str(latest.dtype), str(continued(latest, 1)[0][0])
        monthly, ends = {months(times) for times in timed}, {month_ends(times) for times in timed}
        if len(monthly) == 1 and (step := monthly.pop()):
            return cls(kind, begun, float(step), by="months")
        if len(ends) == 1 and (step := ends.pop()):
            return cls(kind, begun, float(step), by="month ends")
        usual, middle = usual_step(every), float(np.median(every))
        if usual is None and all(workdays(times) for times in timed):
            return cls(kind, begun, 1.0, by="workdays")
        after = str(latest[-1] + (np.timedelta64(round(middle), "us") if latest.dtype.kind == "M" else middle))
        if usual is not None:
            return cls(kind, after, usual)
        logs = np.log(np.maximum(every, _LEAST))
        return cls(kind, after, 0.0, float(logs.mean()), float(logs.std()) or 1.0)

    @property
    def uneven(self) -> bool:
        return not self.step

    def described(self) -> str | None:
        """A sentence where the step is no plain one."""
        return {
            "workdays": "rows are working days: drawn times go on from Monday to Friday, whatever the holidays",
            "months": "rows are months: drawn times go on by them", "month ends": "rows are ends of months: drawn times go on by them",
        }.get(self.by)  # fmt: skip

    def signal(self, item: Series) -> np.ndarray:
        """(L,) the scaled logarithm of the time since the row before; the first row's is the second's."""
        steps = item.steps()
        if steps is None or not len(steps):
            return np.zeros(len(item))
        found = (np.log(np.maximum(steps, _LEAST)) - self.mean) / self.spread
        return np.concatenate([found[:1], found])

    def at(self, rows: np.ndarray) -> np.ndarray:
        """(*) times so many rows after the start; where steps vary, so many hours."""
        start = np.array([self.start]).astype(self.kind)[0]
        if self.by == "workdays":
            return next_workdays(start, rows)
        if self.by == "months":
            return next_months(start, rows * round(self.step))
        if self.by == "month ends":
            return next_months(start + _DAY, rows * round(self.step)) - _DAY
        passed = rows * (self.step or _HOUR)
        return np.asarray(start + (np.rint(passed).astype("timedelta64[us]") if start.dtype.kind == "M" else passed))

    def passed(self, signals: np.ndarray) -> np.ndarray:
        """(N,L) time since the first row, of signals (N,L) of steps that vary."""
        steps = np.exp(np.minimum(signals * self.spread + self.mean, _MOST))
        found = np.cumsum(steps, 1) - steps[:, :1]
        return np.rint(found).astype("timedelta64[us]") if self.kind.startswith("datetime") else found

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        return asdict(self)

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `state`."""
        return cls(**state)

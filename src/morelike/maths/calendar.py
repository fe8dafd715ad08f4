"""How the times of a series go on.  L times, N further ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.datetime64] | NDArray[np.float64]
_DAY = np.timedelta64(1, "D")
_MOSTLY, _HOLIDAYS = 0.9, 10
"""Least share of steps to the next working day, and most working days that are left out."""


def workdays(times: Times) -> bool:
    """Whether times are days from Monday to Friday at one hour, one after the other but for holidays, over a weekend at least."""
    if times.dtype.kind != "M" or len(times) < 2:
        return False
    days = times.astype("datetime64[D]")
    if (times - days != times[0] - days[0]).any() or not np.is_busday(days).all():
        return False
    steps = np.busday_count(days[:-1], days[1:])
    over = (np.diff(days).astype(np.int64) > steps).any()
    return bool(over and (steps >= 1).all() and (steps == 1).mean() >= _MOSTLY and steps.max() <= _HOLIDAYS)


def months(times: Times) -> int:
    """Months from each time to the next where that is a whole number of them, on one day of the month at one hour; else 0."""
    if times.dtype.kind != "M" or len(times) < 2:
        return 0
    first = times.astype("datetime64[M]")
    apart = np.diff(first).astype(np.int64)
    same = (times - first == times[0] - first[0]).all() and (apart == apart[0]).all()
    return int(apart[0]) if same and apart[0] > 0 else 0


def month_ends(times: Times) -> int:
    """Months from each time to the next where all lie on the last day of one, at one hour; else 0."""
    if times.dtype.kind != "M":
        return 0
    after: NDArray[np.datetime64] = np.add(times, _DAY)
    first = after.astype("datetime64[D]") == after.astype("datetime64[M]").astype("datetime64[D]")
    return months(after) if first.all() else 0


def next_workdays(start: np.datetime64, rows: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """The working days so many `rows` (*) after a time, at its hour."""
    day = start.astype("datetime64[D]")
    found: NDArray[np.datetime64] = np.busday_offset(day, rows, roll="forward").astype(start.dtype) + (start - day)
    return found


def next_months(start: np.datetime64, rows: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """The times so many months (*) after one, on its day and at its hour."""
    first = start.astype("datetime64[M]")
    found: NDArray[np.datetime64] = (first + rows).astype(start.dtype) + (start - first.astype(start.dtype))
    return found


def continued(times: Times, count: int) -> tuple[Times, str]:
    """(N further times, how they were found): by the step between all, by months on one day of the month, by weekdays, else by the
    commonest step, which is said. Raises ValueError for fewer than two times."""
    if len(times) < 2:
        raise ValueError("two times at least say how they go on")
    steps = np.diff(times)
    ahead = np.arange(1, count + 1)
    even = np.allclose(steps, steps[0], rtol=1e-6) if steps.dtype.kind == "f" else bool((steps == steps[0]).all())
    if even:
        return times[-1] + ahead * steps[0], ""
    if apart := months(times):
        return next_months(times[-1], ahead * apart), "by months"
    if apart := month_ends(times):
        return next_months(times[-1] + _DAY, ahead * apart) - _DAY, "by months"
    if workdays(times):
        return next_workdays(times[-1], ahead), "by weekdays"
    values, counts = np.unique(steps, return_counts=True)
    step = values[counts.argmax()]
    return times[-1] + ahead * step, "the times are uneven, and go on by their commonest step"

"""How the times of a series go on.  L times, N further ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.datetime64] | NDArray[np.float64]
_DAY = np.timedelta64(1, "D")
_FRIDAY = 4


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
    if times.dtype.kind == "M":
        months = times.astype("datetime64[M]")
        within = times - months
        apart = np.diff(months).astype(np.int64)
        if (within == within[0]).all() and (apart == apart[0]).all() and apart[0] > 0:
            return (months[-1] + ahead * apart[0]).astype(times.dtype) + within[0], "by months"
        days = times.astype("datetime64[D]")
        weekday = (days.astype(np.int64) + 3) % 7
        if (steps[weekday[:-1] != _FRIDAY] == _DAY).all() and (steps[weekday[:-1] == _FRIDAY] == 3 * _DAY).all():
            return np.busday_offset(days[-1], ahead).astype(times.dtype) + (times[-1] - days[-1]), "by weekdays"
    values, counts = np.unique(steps, return_counts=True)
    step = values[counts.argmax()]
    return times[-1] + ahead * step, "the times are uneven, and go on by their commonest step"

"""The time column of a file of series: which it is, that it rises, where there are gaps, and how times are written. N rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..core.errors import BadInput
from .series_items import DAY
from .table_columns import is_missing
from .table_dates import DateFormat

NAMES = frozenset(["time", "timestamp", "t", "seconds", "second", "date", "datetime", "hour", "day", "ds", "epoch", "unixtime"])
"""Headers by which a column of plain numbers is a time."""
_NEARLY = 1.2
"""Steps that differ by no more than this factor count as one: months."""
_REGULAR, _GAPS = 0.98, 0.01
"""Least share of steps of one length in a regular series, and most gaps by the row."""
_ZONES = 2
"""Summer and winter."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How times are written; `form` None = plain numbers."""

    name: str
    form: DateFormat | None

    @classmethod
    def find(cls, name: str, texts: Sequence[str], least: float = 1.0) -> Self | None:
        """The clock of a column if at least that share of its cells are dates, or numbers under a header that says time."""
        filled = [text for text in texts if not is_missing(text)]
        if not filled:
            return None
        distinct = list(dict.fromkeys(filled))
        form = DateFormat.find(distinct)
        if form is not None and form.days and form.pattern != "%Y%m%d":
            known = np.isfinite(form.parse(distinct)).mean()
            return cls(name, form) if known >= least else None
        if name.strip().lower() not in NAMES:
            return None
        return cls(name, None) if np.isfinite(_plain(distinct)).mean() >= least else None

    def times(self, texts: Sequence[str]) -> np.ndarray:
        """(N,) datetime64[us], NaT for what is no time; or float64, NaN for what is none."""
        if self.form is None:
            return _plain(texts)
        counted = self.form.parse(list(texts))
        out = np.full(len(counted), np.datetime64("NaT"), "datetime64[us]")
        known = np.isfinite(counted)
        out[known] = (counted[known].astype(np.int64) * (DAY // self.form.per_day)).astype("datetime64[us]")
        return out

    def write(self, times: np.ndarray) -> list[str]:
        """Times as the file writes them."""
        if self.form is None or times.dtype.kind != "M":
            return [f"{time:.12g}" for time in times.astype(np.float64).tolist()]
        return self.form.write(times.astype("datetime64[us]").astype(np.int64) // (DAY // self.form.per_day))

    def mixed(self) -> str | None:
        """What is wrong with a clock that isn't one: dates written in several ways, or of several zones."""
        if self.form is None:
            return None
        if self.form.others:
            return f"is written as {self.form.pattern} and as {self.form.others[0]}"
        zone = self.form.zone
        if zone is not None and len({*zone.offsets, *zone.others}) > _ZONES:
            return f"mixes {len({*zone.offsets, *zone.others})} zones"
        return None

    def json(self) -> str:
        """For `restore`."""
        return json.dumps({"name": self.name, "form": None if self.form is None else self.form.state()})

    @classmethod
    def restore(cls, text: str) -> Self:
        """The inverse of `json`."""
        state: dict[str, Any] = json.loads(text)
        return cls(state["name"], None if state["form"] is None else DateFormat.restore(state["form"]))


def _plain(texts: Sequence[str]) -> np.ndarray:
    out = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        try:
            out[row] = float(text)
        except ValueError:
            continue
    return out


def check_rising(times: np.ndarray, texts: Sequence[str], lines: Sequence[int], where: str) -> None:
    """Raises BadInput with the line of the first time that is none, comes twice or goes back."""
    bad = np.isnat(times) if times.dtype.kind == "M" else ~np.isfinite(times)
    if bad.any():
        row = int(bad.argmax())
        raise BadInput(f"{where}, line {lines[row]}: the time {texts[row]!r} can't be read like the others; mend or remove the row.")
    steps = np.diff(times).astype(np.float64)
    if (steps <= 0).any():
        row = int((steps <= 0).argmax()) + 1
        what = "comes twice" if steps[row - 1] == 0 else f"lies before that of the row above, {texts[row - 1]}"
        many = int((steps <= 0).sum())
        also = f" (and {many - 1:,} more)" if many > 1 else ""
        raise BadInput(
            f"{where}, line {lines[row]}: the time {texts[row]} {what}{also}; sort the rows and keep one a time, call the column that "
            "tells several series apart 'id', or read the file as a table (--kind table)."
        )


def usual_step(steps: np.ndarray) -> float | None:
    """The step of a regular series, in the steps' unit; None where steps are irregular. Gaps are some few longer steps."""
    if not len(steps):
        return None
    middle = float(np.median(steps))
    near = (steps <= middle * _NEARLY) & (steps >= middle / _NEARLY)
    regular = near.mean() >= _REGULAR and (~near).sum() <= max(1, _GAPS * len(steps)) and (steps[~near] > middle).all()
    return middle if regular else None


def gaps(steps: np.ndarray, usual: float) -> np.ndarray:
    """Rows after which time is missing."""
    return np.flatnonzero(steps > usual * _NEARLY)

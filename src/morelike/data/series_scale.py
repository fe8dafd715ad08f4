"""How values of a series become a signal of about unit scale. N windows, L rows, C channels, D channels of the signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..core.errors import BadInput
from .series_clock import usual_step
from .series_items import Series

_DIGITS = 8
"""Most decimals that are kept as such."""
_PLAIN = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Learnt from the training series."""

    names: tuple[str, ...]
    logs: tuple[bool, ...]
    """Which channels are logarithms."""
    mean: np.ndarray
    spread: np.ndarray
    """(C,) standard deviation; 0 = constant."""
    jumps: np.ndarray
    """(C,1) standard deviation of what is added from row to row; 1 where nothing is."""
    gaps: tuple[int, ...]
    """Channels that have missing values."""
    digits: tuple[int | None, ...]
    """Decimals of each channel; None = any number."""
    changes: bool
    start: tuple[str, str] | None
    """(numpy type, value) of the time at which what is drawn begins; None without times."""
    step: float
    """Time between rows, microseconds or the file's own unit; 0 where it varies."""
    pace: tuple[float, float]
    """Mean and standard deviation of the logarithm of the steps that vary."""

    @property
    def width(self) -> int:
        """D."""
        return len(self.names) + len(self.gaps) + int(self.uneven)

    @property
    def uneven(self) -> bool:
        return self.start is not None and not self.step

    @classmethod
    def fit(cls, items: Sequence[Series], changes: bool, log: bool, said: list[str]) -> Self:
        """`said` hears of channels that are constant, have gaps, or have no logarithm. Raises BadInput for a channel without a value."""
        names = items[0].names
        every = np.concatenate([item.values for item in items])
        empty = np.isnan(every).all(0)
        if empty.any():
            raise BadInput(f"the channel {names[int(empty.argmax())]!r} has no value in the training part; remove the column.")
        positive = np.nanmin(every, 0) > 0
        logs = tuple((log & positive).tolist())
        if log and not positive.all():
            said.append(f"no logarithm is taken of {_listed(names, ~positive)}: not all of it is positive")
        bent = _bent(every, logs)
        mean, spread = np.nanmean(bent, 0), np.nanstd(bent, 0)
        spread = np.where(spread > _PLAIN * np.abs(mean), spread, 0.0)
        usual = np.where(logs, np.exp(np.where(logs, mean, 0.0)), mean)
        steps = np.concatenate([np.diff(_bent(filled(item.values, usual), logs), axis=0) for item in items])
        jumps = steps.std(0) if len(steps) else np.zeros(len(names))
        missing = np.isnan(every)
        if (spread == 0).any():
            said.append(f"constant throughout, kept so: {_listed(names, spread == 0)}")
        if missing.any():
            cells = f"{int(missing.sum()):,} of {missing.size:,} values are missing ({_listed(names, missing.any(0))})"
            said.append(f"{cells}; gaps are learnt and drawn like the values")
        start, step, pace = _clocked(items, said)
        return cls(
            names, logs, mean, spread, np.where(jumps > 0, jumps, 1.0)[:, None], tuple(np.flatnonzero(missing.any(0)).tolist()),
            tuple(decimals(every[:, channel]) for channel in range(len(names))), changes, start, step, pace,
        )  # fmt: skip

    def bent(self, values: np.ndarray) -> np.ndarray:
        """(L,C) values, or their logarithms. Raises BadInput where one has none."""
        if any(self.logs) and (bad := (values[:, list(self.logs)] <= 0).any(0)).any():
            name = np.array(self.names)[list(self.logs)][int(bad.argmax())]
            raise BadInput(f"the channel {name!r} has a value that is not positive, and the model takes its logarithm.")
        return _bent(values, self.logs)

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """(C,L) levels of values (L,C)."""
        found: np.ndarray = ((self.bent(values) - self.mean) / np.where(self.spread > 0, self.spread, 1.0)).T
        return found

    def signals(self, item: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """((C,L) levels without gaps, (C,L) changes to each row from the one before, (D-C,L) the other channels)."""
        missing = np.isnan(item.values)
        full = filled(item.values, np.where(self.logs, np.exp(np.where(self.logs, self.mean, 0.0)), self.mean))
        level = self.scaled(full)
        bent = self.bent(full)
        change = np.diff(bent, axis=0, prepend=bent[:1]).T / self.jumps
        rest = [np.where(missing[:, channel], 1.0, -1.0) for channel in self.gaps]
        if self.uneven:
            rest.append(self._paces(item))
        return level, change, np.array(rest).reshape(len(rest), len(item))

    def _paces(self, item: Series) -> np.ndarray:
        """(L,) the scaled logarithm of the time since the row before; the first row's is the second's."""
        steps = item.steps()
        if steps is None or not len(steps):
            return np.zeros(len(item))
        mean, spread = self.pace
        found = (np.log(np.maximum(steps, 1e-9)) - mean) / spread
        return np.concatenate([found[:1], found])

    def values(self, x: np.ndarray) -> np.ndarray:
        """(...,L,C) of signals (...,C,L)."""
        spread = self.spread[:, None]
        levels = self.mean[:, None] + spread * x
        if self.changes:
            levels[..., 1:] = x[..., 1:] * np.where(spread > 0, self.jumps, 0.0)
            levels = np.cumsum(levels, axis=-1)
        found = np.moveaxis(levels, -1, -2)
        for channel, (log, digits) in enumerate(zip(self.logs, self.digits, strict=True)):
            column = found[..., channel]
            column = np.exp(np.minimum(column, 700.0)) if log else column
            found[..., channel] = column if digits is None else np.round(column, digits)
        return found

    def missing(self, x: np.ndarray) -> np.ndarray:
        """(N,L,C) bool: where signals (N,D,L) say that a value is missing."""
        count = len(self.names)
        out = np.zeros((len(x), x.shape[2], count), bool)
        for place, channel in enumerate(self.gaps):
            out[:, :, channel] = x[:, count + place] > 0
        return out

    def times(self, x: np.ndarray) -> np.ndarray | None:
        """(N,L) times of signals (N,D,L), None without any."""
        if self.start is None:
            return None
        start = np.array([self.start[1]]).astype(self.start[0])[0]
        if self.uneven:
            paces = np.exp(np.clip(x[:, -1] * self.pace[1] + self.pace[0], -700, 40))
            passed = np.cumsum(paces, 1) - paces[:, :1]
        else:
            passed = np.tile(np.arange(x.shape[2]) * self.step, (len(x), 1))
        if self.start[0] == "float64":
            return np.asarray(start + passed)
        return np.asarray(start + np.rint(passed).astype("timedelta64[us]"))

    def described(self) -> str:
        """A sentence's end."""
        what = "changes from row to row after the first level" if self.changes else "levels"
        logs = f", logarithms of {_listed(self.names, np.array(self.logs))}" if any(self.logs) else ""
        gaps = f", with a channel of gaps for {_listed(self.names, np.isin(np.arange(len(self.names)), self.gaps))}" if self.gaps else ""
        return f"{what}{logs} in standard deviations of training{gaps}{', with the time between rows' if self.uneven else ''}"

    def state(self) -> dict[str, Any]:
        """For `restore`: JSON values."""
        return {
            "names": list(self.names), "logs": list(self.logs), "mean": self.mean.tolist(), "spread": self.spread.tolist(), "jumps": self.jumps.tolist(),
            "gaps": list(self.gaps), "digits": list(self.digits), "changes": self.changes,
            "start": None if self.start is None else list(self.start), "step": self.step, "pace": list(self.pace),
        }  # fmt: skip

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `state`."""
        low, high = state["pace"]
        start = None if state["start"] is None else (str(state["start"][0]), str(state["start"][1]))
        arrays = [np.asarray(state[key], np.float64) for key in ("mean", "spread", "jumps")]
        return cls(
            tuple(state["names"]), tuple(state["logs"]), *arrays, tuple(state["gaps"]), tuple(state["digits"]), bool(state["changes"]),
            start, float(state["step"]), (float(low), float(high)),
        )  # fmt: skip


def filled(values: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """(L,C) values with missing ones on the line between their neighbours, at the ends like the nearest, `usual` (C,) where there is none."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    out, rows = values.copy(), np.arange(len(values))
    for channel in np.flatnonzero(missing.any(0)):
        gone = missing[:, channel]
        out[gone, channel] = usual[channel] if gone.all() else np.interp(rows[gone], rows[~gone], values[~gone, channel])
    return out


def decimals(values: np.ndarray) -> int | None:
    """The fewest decimals that write all values (L,), missing ones left out; None where it takes more than eight."""
    known = values[np.isfinite(values)]
    for digits in range(_DIGITS + 1):
        if np.abs(np.round(known, digits) - known).max(initial=0.0) <= _PLAIN * 10.0**-digits:
            return digits
    return None


def _bent(values: np.ndarray, logs: Sequence[bool]) -> np.ndarray:
    if not any(logs):
        return values
    out = values.copy()
    out[:, list(logs)] = np.log(out[:, list(logs)])
    return out


def _listed(names: Sequence[str], which: np.ndarray) -> str:
    found = [name for name, one in zip(names, which, strict=True) if one]
    return ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")


def _clocked(items: Sequence[Series], said: list[str]) -> tuple[tuple[str, str] | None, float, tuple[float, float]]:
    """(the time after the last of training, the usual step or 0, the logarithms of steps that vary)."""
    timed = [item for item in items if item.times is not None and len(item)]
    steps = [own for item in items if (own := item.steps()) is not None and len(own)]
    if not timed or not steps:
        return None, 0.0, (0.0, 1.0)
    every = np.concatenate(steps)
    usual = usual_step(every)
    last = max(item.times[-1] for item in timed if item.times is not None)
    usually = float(np.median(every))
    after = last + (np.timedelta64(round(usually), "us") if last.dtype.kind == "M" else usually)
    start = (str(last.dtype), str(after))
    if usual is not None:
        return start, usual, (0.0, 1.0)
    logs = np.log(np.maximum(every, 1e-9))
    said.append("time goes by unevenly: the time between rows is learnt and drawn as a channel of its own")
    return start, 0.0, (float(logs.mean()), float(logs.std()) or 1.0)

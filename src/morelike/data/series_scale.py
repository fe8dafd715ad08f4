"""How values of a series become a signal of about unit scale. N windows, L rows, C channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..core.errors import BadInput
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
        steps = np.concatenate([np.diff(_bent(filled(item.values, _usual(mean, logs)), logs), axis=0) for item in items])
        jumps = steps.std(0) if len(steps) else np.zeros(len(names))
        missing = np.isnan(every)
        if (spread == 0).any():
            said.append(f"constant throughout, kept so: {_listed(names, spread == 0)}")
        if missing.any():
            cells = f"{int(missing.sum()):,} of {missing.size:,} values are missing ({_listed(names, missing.any(0))})"
            said.append(f"{cells}; gaps are learnt and drawn like the values")
        digits = tuple(decimals(every[:, channel]) for channel in range(len(names)))
        gaps = tuple(np.flatnonzero(missing.any(0)).tolist())
        return cls(names, logs, mean, spread, np.where(jumps > 0, jumps, 1.0)[:, None], gaps, digits, changes)

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
        """((C,L) levels without gaps, (C,L) changes to each row from the one before, (gaps,L) +1 where a value is missing, else -1)."""
        missing = np.isnan(item.values)
        full = filled(item.values, _usual(self.mean, self.logs))
        bent = self.bent(full)
        change = np.diff(bent, axis=0, prepend=bent[:1]).T / self.jumps
        return self.scaled(full), change, np.where(missing[:, list(self.gaps)].T, 1.0, -1.0)

    def values(self, x: np.ndarray) -> np.ndarray:
        """(...,L,C) of signals (...,C,L)."""
        spread = self.spread[:, None]
        levels = self.mean[:, None] + spread * x
        if self.changes:
            levels[..., 1:] = x[..., 1:] * np.where(spread > 0, self.jumps, 0.0)
            levels = np.cumsum(levels, axis=-1)
        found: np.ndarray = np.moveaxis(levels, -1, -2)
        for channel, (log, digits) in enumerate(zip(self.logs, self.digits, strict=True)):
            column = found[..., channel]
            column = np.exp(np.minimum(column, 700.0)) if log else column
            found[..., channel] = column if digits is None else np.round(column, digits)
        return found

    def missing(self, x: np.ndarray) -> np.ndarray:
        """(N,L,C) bool: where signals (N, C + gaps or more, L) say that a value is missing."""
        count = len(self.names)
        out = np.zeros((len(x), x.shape[2], count), bool)
        for place, channel in enumerate(self.gaps):
            out[:, :, channel] = x[:, count + place] > 0
        return out

    def described(self) -> str:
        """A sentence's end."""
        what = "changes from row to row after the first level" if self.changes else "levels"
        logs = f", logarithms of {_listed(self.names, np.array(self.logs))}" if any(self.logs) else ""
        gaps = f", with a channel of gaps for {_listed(self.names, np.isin(np.arange(len(self.names)), self.gaps))}" if self.gaps else ""
        return f"{what}{logs} in standard deviations of training{gaps}"

    def state(self) -> dict[str, Any]:
        """For `restore`: JSON values."""
        numbers = {"mean": self.mean.tolist(), "spread": self.spread.tolist(), "jumps": self.jumps.tolist()}
        return {
            "names": list(self.names), "logs": list(self.logs), **numbers, "gaps": list(self.gaps), "digits": list(self.digits),
            "changes": self.changes,
        }  # fmt: skip

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `state`."""
        mean, spread, jumps = (np.asarray(state[key], np.float64) for key in ("mean", "spread", "jumps"))
        gaps, digits = tuple(state["gaps"]), tuple(state["digits"])
        return cls(tuple(state["names"]), tuple(state["logs"]), mean, spread, jumps, gaps, digits, bool(state["changes"]))


def _usual(mean: np.ndarray, logs: Sequence[bool]) -> np.ndarray:
    """(C,) what stands for a channel without any value: its mean, or the exponential of that of its logarithms."""
    return np.where(logs, np.exp(np.where(logs, mean, 0.0)), mean)


def filled(values: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """(L,C) values with missing ones on the line between their neighbours, at the ends like the nearest; `usual` (C,) where none is."""
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

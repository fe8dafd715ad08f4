"""One stretch of a time series. T rows in time, C channels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DAY = 86_400_000_000
"""Microseconds."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Series:
    """Rows that follow each other."""

    values: np.ndarray
    """(T,C) float64; NaN = missing."""
    names: tuple[str, ...]
    """The channels'."""
    times: np.ndarray | None = None
    """(T,) datetime64[us], or float64 in a unit of the file's own; None = nothing is known but the order."""

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        """Tells a series from all others: its size, names and a digest of what is in it."""
        digest = hashlib.sha256(np.ascontiguousarray(self.values).tobytes())
        digest.update(b"" if self.times is None else np.ascontiguousarray(self.times).tobytes())
        return f"Series({len(self)} x {', '.join(self.names)}, {digest.hexdigest()[:32]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Series) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def part(self, start: int, stop: int) -> Series:
        """Rows `start` up to `stop`."""
        return Series(self.values[start:stop], self.names, None if self.times is None else self.times[start:stop])

    def steps(self) -> np.ndarray | None:
        """(T-1,) float64 times between rows: microseconds, or the file's own unit; None without times."""
        if self.times is None:
            return None
        found: np.ndarray = np.diff(self.times).astype(np.float64)
        return found


def series(values: object, names: Sequence[str] | None = None, times: object = None) -> Series:
    """A series of anything that is (T,C) or (T,) numbers; channels are called x1, x2, ... where nothing is said."""
    array = np.asarray(values, np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise ValueError(f"a series is (rows, channels), not of the shape {array.shape}")
    known = tuple(names) if names is not None else tuple(f"x{number}" for number in range(1, array.shape[1] + 1))
    stamps = None if times is None else np.asarray(times)
    if stamps is not None:
        stamps = stamps.astype("datetime64[us]" if stamps.dtype.kind == "M" else np.float64)
    return Series(array, known, stamps)

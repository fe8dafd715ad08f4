"""Windows of time series <-> signals. N windows, T rows in time, C channels of the data, D channels of a signal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from ..core.errors import BadInput
from ..core.spec import Array
from .files import FolderFiles
from .series_calendar import Calendar
from .series_clock import Clock
from .series_draw import draw_series
from .series_items import Series
from .series_pace import Pace
from .series_read import read_rows, read_series
from .series_scale import Scale
from .series_write import write_series
from .world import World

Form = Literal["levels", "changes"]
WINDOW = 24
_LEAST, _MOST = 2, 8192
_SPARSE, _ENOUGH = 4, 500
"""Windows that are learnt begin at every row; those that are held out up to a fourth of a window apart, as long as there are 500."""
_WHOLE = 10
"""So many series of one length, no longer than 512 rows, are examples as they are."""
_LONGEST_WHOLE = 512
_MOST_NUMBERS = 1 << 29
"""Windows that overlap are kept in memory: at most so many numbers; above, they begin further apart."""


class SeriesCodec(World):
    """Raw item: `Series`. x: (D,T) float32 of about unit scale: the C channels, then +1 where a value is missing and -1 where it isn't for
    each channel that has gaps (values under them lie on the line between their neighbours), then the logarithm of the time since the row
    before where time goes by unevenly, then sines and cosines of the calendar where it is told.

    `form` "levels": each value less its channel's mean, by its standard deviation. "changes": the first row so; below it what is added
    from row to row, by its own standard deviation. `log`: of the logarithms of channels that are positive throughout.
    """

    kind: ClassVar[str] = "series"
    loss: ClassVar[str] = "windows don't know what comes before; numbers keep the decimals that their channel has"
    forms: ClassVar[Mapping[str, str]] = {
        ".csv": "all series below each other, numbered", ".jsonl": "a series a line: its channels as lists", "": "a .csv a series",
    }  # fmt: skip
    page: ClassVar[tuple[int, int]] = (5, 6)

    def __init__(
        self, window: int, scale: Scale, pace: Pace | None = None, clock: Clock | None = None, calendar: Calendar | None = None,
        said: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """`window`: T."""
        self.window, self.scale, self.pace, self.clock, self.calendar, self._said = window, scale, pace, clock, calendar, tuple(said)
        self._uneven = pace is not None and pace.uneven
        told = 0 if calendar is None else calendar.width
        self.spec: Array = Array((len(scale.names) + len(scale.gaps) + self._uneven + told, window), told=told)
        self.dtype = np.dtype(np.float32)

    @property
    def names(self) -> list[str]:
        """The C channels'."""
        return list(self.scale.names)

    @classmethod
    def fit(  # type: ignore[override]  # its settings are named
        cls, items: Iterable[Series], *, window: int | None = None, form: Form = "levels", log: bool = False, calendar: bool = False,
        clock: str | None = None,
    ) -> Self:  # fmt: skip
        """`window`: rows of an example, 24 where nothing is said (or the length that ten and more short series share); `form`: levels or
        changes; `log`: whether to take logarithms; `calendar`: whether each row is told where in the day, the week and the year it lies;
        `clock`: how times are written, JSON.

        Raises BadInput for settings that can't be, and for series that are all shorter than a window.
        """
        series = list(items)
        if not series:
            raise BadInput("there are no series to learn from.")
        if not isinstance(calendar, bool):
            raise BadInput(f"codec.calendar must be true or false, not {calendar!r}.")
        if form not in get_args(Form):
            raise BadInput(f"codec.form must be one of {', '.join(get_args(Form))}, not {form!r}.")
        if window is not None and not _LEAST <= window <= _MOST:
            raise BadInput(f"codec.window must be between {_LEAST} and {_MOST:,} rows, not {window}.")
        lengths = [len(item) for item in series]
        whole = len(series) >= _WHOLE and len(set(lengths)) == 1 and lengths[0] <= _LONGEST_WHOLE
        rows = window if window is not None else lengths[0] if whole else WINDOW
        if max(lengths) < rows:
            raise BadInput(
                f"the longest training series has {max(lengths)} rows, fewer than a window of {rows}; give more rows, or a smaller window "
                f"(codec.window={max(2, max(lengths) // 4)})."
            )
        said = []
        short = sum(length < rows for length in lengths)
        if short:
            said.append(f"{short:,} of {len(series):,} training series are shorter than a window of {rows} rows and are left out")
        scale, pace = Scale.fit(series, form == "changes", log, said), Pace.fit(series)
        if pace is not None and pace.uneven:
            said.append("time goes by unevenly: the time between rows is learnt and drawn as a channel of its own")
        seasons = Calendar.fit(series)
        if calendar and seasons is None:
            raise BadInput(
                "codec.calendar=true needs a column of dates, and series that go twice through a day, a week or a year by rows that tell "
                "its parts apart."
            )
        if seasons is not None:
            said.append(seasons.described(calendar))
        if pace is not None and (how := pace.described()) is not None:
            said.append(how)
        return cls(rows, scale, pace, None if clock is None else Clock.restore(clock), seasons if calendar else None, said)

    def pieces(self, items: Sequence[Series], dense: bool) -> tuple[np.ndarray, np.ndarray] | None:
        """Windows at every row, or (not `dense`) up to a fourth of a window apart; series that are shorter than one give none.

        Raises BadInput where all are.
        """
        starts = [max(0, len(item) - self.window + 1) for item in items]
        if not sum(starts):
            longest = max((len(item) for item in items), default=0)
            raise BadInput(
                f"a part of the split has {longest} rows at most, fewer than a window of {self.window}; give more rows, or a smaller "
                f"window (codec.window={max(2, longest // 2)})."
            )
        apart = 1 if dense else max(1, min(self.window // _SPARSE, sum(starts) // _ENOUGH))
        apart = max(apart, -(-sum(starts) * self.spec.shape[0] * self.window // _MOST_NUMBERS))
        found, owner = [], []
        for number, item in enumerate(items):
            if len(item) < self.window:
                continue
            places = np.arange(0, starts[number], apart)
            found.append(self._windows(item, places))
            owner += [number] * len(places)
        return np.concatenate(found), np.array(owner, np.int64)

    def _windows(self, item: Series, places: np.ndarray) -> np.ndarray:
        """(N,D,T) windows that begin at some rows."""
        level, change, _ = self.scale.signals(item)
        cut = places[:, None] + np.arange(self.window)
        x = np.concatenate([level, self.beyond(item)])[:, cut].transpose(1, 0, 2)
        if self.scale.changes:
            x[:, : len(level), 1:] = change[:, cut[:, 1:]].transpose(1, 0, 2)
        return np.ascontiguousarray(x, np.float32)

    def beyond(self, item: Series) -> np.ndarray:
        """(D - C, L) the channels of x that are no values: gaps, the time between rows, and the calendar. Raises BadInput where no dates
        are known, and the calendar needs them."""
        told = [] if self.calendar is None else [self.calendar.signals(item.times)]
        uneven = [self.pace.signal(item)[None]] if self.pace is not None and self._uneven else []
        return np.concatenate([self.scale.signals(item)[2], *uneven, *told])

    def encode(self, items: Sequence[Series]) -> np.ndarray:
        """(N,D,T) of the first T rows of each. Raises BadInput where one is shorter."""
        out = np.empty((len(items), *self.spec.shape), np.float32)
        for number, item in enumerate(items):
            if len(item) < self.window:
                raise BadInput(f"series {number} has {len(item)} rows; the model's windows have {self.window}.")
            if item.names != self.scale.names:
                item = self._in_order(item, f"series {number}")
            out[number] = self._windows(item.part(0, self.window), np.zeros(1, np.int64))[0]
        return out

    def _in_order(self, item: Series, where: str) -> Series:
        lacking = next((name for name in self.scale.names if name not in item.names), None)
        if lacking is not None:
            raise BadInput(f"{where} lacks the channel {lacking!r}; the model knows {', '.join(self.scale.names[:8])}.")
        return Series(item.values[:, [item.names.index(name) for name in self.scale.names]], self.scale.names, item.times)

    def decode(self, x: np.ndarray) -> list[Series]:
        """N series of signals (N,D,L); their times go on from where the training series end."""
        signals = np.asarray(x, np.float64)
        values = self.to_values(signals)
        values[self.scale.missing(signals)] = np.nan
        times = None if self.pace is None else self._times(self.pace, signals)
        return [Series(one, self.scale.names, None if times is None else times[row]) for row, one in enumerate(values)]

    def _times(self, pace: Pace, signals: np.ndarray) -> np.ndarray:
        """(N,L) times of signals (N,D,L): from the end of training on, or where the calendar that was drawn is next after it."""
        own, told = np.split(signals, [signals.shape[1] - self.spec.told], axis=1)
        first = np.zeros(len(signals), np.int64)
        if self.calendar is not None:
            first = self.calendar.nearest(told, pace.at(np.arange(self.calendar.rows(pace.at(np.arange(2))))))
        if pace.uneven:
            out: np.ndarray = pace.at(first)[:, None] + pace.passed(own[:, -1])
            return out
        return pace.at(first[:, None] + np.arange(signals.shape[2]))

    def to_x(self, values: np.ndarray) -> np.ndarray:
        """(C,L) float32 of the values (L,C) of a series of any length, missing ones NaN: the first C channels of x."""
        known = np.asarray(values, np.float64)
        found = self.scale.scaled(known)
        if self.scale.changes:
            found = np.concatenate([found[:, :1], np.diff(self.scale.bent(known), axis=0).T / self.scale.jumps], 1)
        return found.astype(np.float32)

    def to_values(self, x: np.ndarray) -> np.ndarray:
        """(L,C) of (C or D,L), or (N,L,C) of (N,C or D,L), float64 with the decimals that each channel has: the inverse of `to_x`."""
        signals = np.asarray(x, np.float64)[..., : len(self.scale.names), :]
        return self.scale.values(signals)

    def state(self) -> dict[str, Any]:
        pace, clock = self.pace and self.pace.state(), self.clock and self.clock.json()
        scale, told = self.scale.state(), [] if self.calendar is None else list(self.calendar.seasons)
        return {"window": self.window, "scale": scale, "pace": pace, "clock": clock, "calendar": told, "said": list(self._said)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        pace = None if state["pace"] is None else Pace.restore(state["pace"])
        clock = None if state["clock"] is None else Clock.restore(state["clock"])
        # models of before the calendar don't have it
        calendar = Calendar(tuple(state["calendar"])) if state.get("calendar") else None
        return cls(int(state["window"]), Scale.restore(state["scale"]), pace, clock, calendar, state["said"])

    def facts(self) -> dict[str, Any]:
        return {
            "window": self.window, "names": list(self.scale.names), "uneven": self._uneven,
            "seasons": [] if self.calendar is None else list(self.calendar.seasons),
        }  # fmt: skip

    def describe(self) -> list[str]:
        count = len(self.scale.names)
        channels = f"{count} channel{'s' if count > 1 else ''} ({', '.join(self.scale.names[:8])}{', ...' if count > 8 else ''})"
        return [*self._said, f"windows of {self.window} rows of {channels}: {self.scale.described()}"]

    def read(self, path: Path) -> list[Series]:
        """The series of a user's file, whole, their channels in the model's order. Raises BadInput with file and line."""
        found = read_series(read_rows(FolderFiles(path.parent, [path.name]), path.name))
        return [self._in_order(item, path.name) for item in found.items]

    def draw(self, items: Sequence[Series], path: Path, columns: int | None = None) -> None:
        """Writes one PNG of lines, a plot a series."""
        draw_series(items, path, columns)

    def write(self, items: Sequence[Series], path: Path, ending: str) -> None:
        write_series(items, path, ending, self.clock, self.scale.digits)

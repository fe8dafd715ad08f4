"""Dates and times as a table writes them <-> days, seconds or microseconds since 1970. N cells."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np

from .table_zones import KINDS, Zone, seconds, tail_pattern, written

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SHORT = tuple(month[:3] for month in _MONTHS)
_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%d-%b-%Y",
    "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d-%b-%y", "%d. %b %Y",
    "%d. %B %Y", "%a, %d %b %Y",
)  # fmt: skip
"""In the order in which they are preferred where several fit: with slashes the month comes first, else the day."""
_TIMES = (
    "%H:%M:%S", "%H:%M", "%H:%M:%S.%3", "%H:%M:%S.%6", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p", "%H:%M:%S,%3", "%H:%M:%S,%6",
)  # fmt: skip
_ROUGH = re.compile(
    "([0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{2,4}|[12][0-9]{7}"
    "|(?:[MTWFS][a-z]{2}, )?[0-9]{1,2}(?:[ -]|\\. )[A-Z][a-z]{2,8}[ -][0-9]{2,4}|[A-Z][a-z]{2,8} [0-9]{1,2}, [0-9]{4})?"
    "(?:((?:^|, |[ T]))([0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,6})?)?(?: ?[AP]M)?)(.{0,40}))?"
)
"""(day, what joins them, time, tail) of what may be a date."""
_KINDS = {
    "Y": "[12][0-9]{3}", "y": "[0-9]{2}", "m": "0[1-9]|1[0-2]", "d": "0[1-9]|[12][0-9]|3[01]", "H": "[01][0-9]|2[0-3]",
    "I": "0[1-9]|1[0-2]", "M": "[0-5][0-9]", "S": "[0-5][0-9]", "3": "[0-9]{3}", "6": "[0-9]{6}", "p": "[AP]M",
    "a": "|".join(_WEEK), "b": "|".join(_SHORT), "B": "|".join(_MONTHS),
    "~m": "0?[1-9]|1[0-2]", "~d": "0?[1-9]|[12][0-9]|3[01]", "~H": "[01]?[0-9]|2[0-3]", "~I": "0?[1-9]|1[0-2]",
    "-m": "[1-9]|1[0-2]", "-d": "[1-9]|[12][0-9]|3[01]", "-H": "1?[0-9]|2[0-3]", "-I": "[1-9]|1[0-2]", **KINDS,
}  # fmt: skip
"""What a token takes: %-m numbers without a leading zero, %~m both."""
_TOKEN = re.compile("(%[-:~]?[A-Za-z0-9])")
_WIDTH = {"Y": 4, "3": 3, "6": 6}
_UNITS = {"day": 1, "second": 86_400, "microsecond": 86_400_000_000}
_SAMPLE = 200
_LOOKED_AT = 5
_NAMED = {60_000_000: (1, "minute"), 3_600_000_000: (1, "hour"), 86_400_000_000: (1, "day"), 1_000_000: (1, "second")}
"""Steps in microseconds that have names."""
_DURATION = re.compile("([+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)) ?(w|d|h|min|s|)", re.ASCII)
_DAYS_IN = {"": 1.0, "w": 7.0, "d": 1.0, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86_400}
_FIRST_YEAR = 69
"""Years of two digits from this on are of the twentieth century."""


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> tuple[re.Pattern[str], str]:
    """(regular expression with a group a token, the tokens' letters)."""
    found = [piece for piece in _TOKEN.split(pattern) if piece]
    letters = "".join(piece[-1] for piece in found if piece[0] == "%")
    return re.compile("".join(f"({_KINDS[piece[1:]]})" if piece[0] == "%" else re.escape(piece) for piece in found)), letters


def _both(pattern: str) -> tuple[str, ...]:
    """A pattern, and the one whose numbers stand without a leading zero."""
    bare = re.sub("%([mdHI])", "%-\\1", pattern)
    return (pattern,) if bare == pattern or "%Y%m%d" in pattern else (pattern, bare)


def _swapped(pattern: str) -> str:
    """A pattern with the places of day and month exchanged."""
    return pattern.translate({ord("d"): "m", ord("m"): "d"})


def _likely(texts: Sequence[str]) -> list[str]:
    """The patterns that any of some texts follows, the preferred first."""
    found: set[tuple[int, int, str]] = set()
    days = [pattern for one in _DAYS for pattern in _both(one)]
    for text in texts:
        match = _ROUGH.fullmatch(text)
        if match is None or not text:
            continue
        day, joint, time = match[1] or "", match[2] or "", match[3] or ""
        tail = tail_pattern(match[4] or "")
        if tail is None:
            continue
        times = [f"{joint}{pattern}" for one in _TIMES for pattern in _both(one)] if time else [""]
        fit = [(number, pattern + tail) for number, pattern in enumerate(times) if _compiled(pattern)[0].fullmatch(joint + time)]
        for row, before in enumerate(days if day else [""]):
            if _compiled(before)[0].fullmatch(day):
                found |= {(row, number, before + after) for number, after in fit}
    return [pattern for _, _, pattern in sorted(found)]


@dataclass(frozen=True, slots=True)
class DateFormat:
    """A pattern in the letters of `strftime` (%3 and %6 are digits of a second); the column's others are only read."""

    pattern: str
    unit: str = "day"
    step: int = 1
    """The grid, in units."""
    offset: int = 0
    others: tuple[str, ...] = ()
    guessed: bool = False
    """Whether days and months could as well stand the other way round."""
    zone: Zone | None = None
    """Where cells say how far their clock is ahead of UTC. Then numbers count moments, and the grid is the clock's."""

    @classmethod
    def find(cls, texts: Sequence[str]) -> Self | None:
        """The pattern that most of the distinct `texts` follow, with others where they are needed; None where most are no dates."""
        sample = texts[:: max(1, len(texts) // _SAMPLE)]
        if sum(_ROUGH.fullmatch(text) is not None for text in sample) * 2 < len(sample):
            return None
        found: list[str] = []
        guessed = False
        left: Sequence[str] = texts
        while likely := _likely(left[:_LOOKED_AT]):
            # the parse also tells the 31st of April from a date
            read = [np.isfinite(cls(pattern, "second").parse(left)) for pattern in likely]
            best = max(range(len(likely)), key=lambda row: (read[row].sum(), -row))
            if not read[best].any() or (not found and read[best].sum() * 2 < len(left)):
                break
            found.append(likely[best])
            other = likely.index(_swapped(likely[best])) if _swapped(likely[best]) in likely else best
            guessed = guessed or (other != best and bool((read[other] == read[best]).all()))
            left = [text for text, fine in zip(left, read[best], strict=True) if not fine]
        if not found:
            return None
        patterns = "".join(found)
        unit = "microsecond" if "%3" in patterns or "%6" in patterns else "second" if "%M" in patterns else "day"
        return cls(found[0], unit, others=tuple(found[1:]), guessed=guessed)._in_zone(texts).on_grid(texts)

    def _in_zone(self, texts: Sequence[str]) -> Self:
        """The same with the zone that dates among `texts` say."""
        clock, tails = self._clock(texts)
        rows = [row for row, tail in enumerate(tails) if tail]
        if not rows:
            return self
        ahead = [seconds(tails[row]) for row in rows]
        names = [tails[row] for row in rows if tails[row].isalpha()]
        zone = Zone.learn(clock[rows] // self._per_second - np.array(ahead), ahead, names)
        # UTC by one name is a part of the pattern
        own = self.pattern.replace("%Z", names[0]) if names and len({*tails}) == 1 and zone.offsets == (0,) else self.pattern
        return replace(self, pattern=own, zone=zone)

    @property
    def swapped(self) -> Self | None:
        """The same with day and month exchanged; None where nobody writes dates so."""
        pattern = _swapped(self.pattern)
        day = re.split("[ T]%[HI]", pattern.replace("%-", "%"))[0]
        return replace(self, pattern=pattern) if pattern != self.pattern and day in _DAYS else None

    @property
    def days(self) -> bool:
        """Whether there are days, not times alone."""
        return "d" in self.pattern

    def on_grid(self, texts: Sequence[str]) -> Self:
        """The same with the coarsest grid on which all dates among `texts` lie."""
        values = self.parse(texts)
        counted = np.unique(self._shown(values[np.isfinite(values)].astype(np.int64)))
        if len(counted) < 10:
            return self
        step = int(np.gcd.reduce(np.diff(counted)))
        return replace(self, step=step, offset=int(counted[0] % step))

    @property
    def per_day(self) -> int:
        """Units in a day."""
        return _UNITS[self.unit]

    @property
    def rises(self) -> bool:
        """Whether all cells are written by one pattern and one clock."""
        return not self.others and (self.zone is None or len({*self.zone.offsets, *self.zone.others}) == 1)

    @property
    def _per_second(self) -> int:
        return max(1, self.per_day // 86_400)

    def parse(self, texts: Sequence[str]) -> np.ndarray:
        clock, tails = self._clock(texts)
        if self.zone is None:
            return clock
        known = np.isfinite(clock)
        # a clock that doesn't say where it stands is the column's own
        ahead = self.zone.of_clock(np.where(known, clock, 0).astype(np.int64) // self._per_second)
        told = [row for row, tail in enumerate(tails) if tail]
        ahead[told] = [seconds(tails[row]) for row in told]
        moments: np.ndarray = clock - ahead * self._per_second
        return moments

    def _shown(self, values: np.ndarray) -> np.ndarray:
        """(N,) int64: what the column's clock shows at moments (N,)."""
        return values if self.zone is None else values + self.zone.at(values // self._per_second) * self._per_second

    def moment(self, clock: np.ndarray) -> np.ndarray:
        """(N,) moments at which the column's clock shows these; of an hour that comes twice the first."""
        return clock if self.zone is None else clock - self.zone.of_clock(clock // self._per_second) * self._per_second

    def _clock(self, texts: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """((N,) float64 units since 1970 that the cells show, NaN for what is no date; the N offsets beside them, "" for none)."""
        out, tails = np.full(len(texts), np.nan), [""] * len(texts)
        left = np.arange(len(texts))
        for pattern in (self.pattern, *self.others):
            expression, letters = _compiled(pattern)
            matches = [expression.fullmatch(texts[row]) for row in left.tolist()]
            rows = np.array([row for row, match in zip(left.tolist(), matches, strict=True) if match], dtype=np.int64)
            if len(rows):
                groups = dict(zip(letters, zip(*(match.groups() for match in matches if match), strict=True), strict=True))
                out[rows] = self._counted(groups)
                for row, tail in zip(rows.tolist(), groups.get("z", groups.get("Z", ())), strict=False):
                    tails[row] = tail
            left = left[np.isnan(out[left])]
            if not len(left):
                break
        return out, tails

    def _counted(self, groups: Mapping[str, Sequence[str]]) -> np.ndarray:
        """(N,) float64 units since 1970 from the tokens' texts; NaN for a day that its month doesn't have."""
        number = {letter: np.array(list(map(int, texts)), dtype=np.int64) for letter, texts in groups.items() if letter not in "abBpzZ"}
        count = len(next(iter(groups.values())))
        zero, one = np.zeros(count, np.int64), np.ones(count, np.int64)
        year = number.get("Y", one * 1970)
        if "y" in number:
            year = number["y"] + np.where(number["y"] < _FIRST_YEAR, 2000, 1900)
        month = number.get("m", one)
        for letter, names in (("b", _SHORT), ("B", _MONTHS)):
            if letter in groups:
                month = np.array([names.index(text) + 1 for text in groups[letter]], dtype=np.int64)
        hour = number.get("H", zero)
        if "I" in number:
            hour = number["I"] % 12 + 12 * np.array([text == "PM" for text in groups["p"]], dtype=np.int64)
        months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
        days = months.astype("datetime64[D]") + (number.get("d", one) - 1)
        seconds = (hour * 60 + number.get("M", zero)) * 60 + number.get("S", zero)
        micro = number.get("6", number.get("3", zero) * 1000)
        scale = _UNITS[self.unit]
        within = {"day": zero, "second": seconds, "microsecond": seconds * 1_000_000 + micro}[self.unit]
        counted = days.astype(np.int64) * scale + within
        return np.where(days.astype("datetime64[M]") == months, counted.astype(np.float64), np.nan)

    def snap(self, values: np.ndarray) -> np.ndarray:
        clock = values if self.zone is None else self._shown(np.nan_to_num(np.rint(values)).astype(np.int64))
        snapped: np.ndarray = np.rint((clock - self.offset) / self.step) * self.step + self.offset
        return snapped if self.zone is None else self.moment(snapped.astype(np.int64)).astype(np.float64)

    def up(self, values: np.ndarray) -> np.ndarray:
        """(N,) int64 moved up to the column's grid."""
        clock = self._shown(values)
        found: np.ndarray = self.moment(self.offset - (-(clock - self.offset) // self.step) * self.step)
        return found

    def write(self, values: np.ndarray) -> list[str]:
        moments = values.astype(np.int64)
        counted = self._shown(moments)
        scale = _UNITS[self.unit]
        days = (counted // scale).astype("datetime64[D]")
        within = counted % scale * (86_400_000_000 // scale)
        months = days.astype("datetime64[M]")
        year, month = months.astype("datetime64[Y]").astype(np.int64) + 1970, months.astype(np.int64) % 12 + 1
        seconds = within // 1_000_000
        parts = {
            "Y": year, "y": year % 100, "m": month, "d": (days - months).astype(np.int64) + 1, "H": seconds // 3600,
            "I": (seconds // 3600 + 11) % 12 + 1, "M": seconds // 60 % 60, "S": seconds % 60, "3": within % 1_000_000 // 1000,
            "6": within % 1_000_000,
        }  # fmt: skip
        names = {"b": _SHORT, "B": _MONTHS}
        columns: list[list[Any]] = []
        form = ""
        for piece in _TOKEN.split(self.pattern):
            letter = piece[-1:]
            if not piece.startswith("%"):
                form += piece
            elif letter in names:
                form += "%s"
                columns.append([names[letter][number - 1] for number in month.tolist()])
            elif letter in "zZ":
                form += "%s"
                columns.append(self._tails(piece, (counted - moments) // self._per_second))
            elif letter == "a":
                form += "%s"
                columns.append([_WEEK[number % 7] for number in (days.astype(np.int64) + 3).tolist()])
            elif letter == "p":
                form += "%s"
                columns.append(["PM" if number >= 43_200 else "AM" for number in seconds.tolist()])
            else:
                form += "%d" if piece[1] == "-" else f"%0{_WIDTH.get(letter, 2)}d"
                columns.append(parts[letter].tolist())
        return [form % row for row in zip(*columns, strict=True)]

    def _tails(self, token: str, ahead: np.ndarray) -> list[str]:
        """Offsets (N,) as the column writes them."""
        names = {} if self.zone is None else dict(self.zone.names)
        shown = {one: written(one, token, names) for one in np.unique(ahead).tolist()}
        return [shown[one] for one in ahead.tolist()]

    def said(self) -> str:
        words = f"dates written as {self.pattern}" if "d" in self.pattern else f"times written as {self.pattern}"
        count, name = _NAMED.get(self.step * _UNITS["microsecond"] // _UNITS[self.unit], (self.step, self.unit))
        at = "" if self.zone is None else f", at {self.zone.said()}"
        return f"{words}, to the {name}{at}" if count == 1 else f"{words}, to {count:,} {name}s{at}"

    def caveat(self) -> str:
        guess = "; whether the day or the month comes first can't be told from them" if self.guessed else ""
        guess += "" if self.zone is None else self.zone.caveat()
        others = ", ".join(self.others)
        return guess + (f"; dates of training that are written as {others} stay so, new ones never are" if self.others else "")

    def state(self) -> dict[str, Any]:
        return {"kind": "date", **asdict(self)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        own = {key: value for key, value in state.items() if key != "kind"}
        zone = None if own.get("zone") is None else Zone.restore(own["zone"])
        return cls(**{**own, "others": tuple(map(str, own["others"])), "zone": zone})


def duration(text: str) -> float:
    """Days that a person wrote: 3d, 2h, 1.5w, 30min, 90s, or a number of days; NaN for anything else."""
    found = _DURATION.fullmatch(text)
    return float(found[1]) * _DAYS_IN[found[2]] if found else math.nan

"""What people write for a value of a column, as text or as an object of Python, in the column's own units."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .table_arrow import DURATIONS
from .table_columns import TRUTH, is_missing
from .table_dates import DateFormat
from .table_numbers import Format, NumberFormat
from .table_zones import NAMES, seconds

_FINER = 6
"""Decimals of a bound beyond those of its column."""
_ISO = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:[ T][0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?)?)?)?")
_OFFSET = re.compile(rf"(.*:[0-9]{{2}}(?:[.,][0-9]{{1,9}})?(?: ?[AP]M)?) ?({'|'.join(NAMES)}|[-+][01][0-9](?::?[0-5][0-9])?)")
_LENGTHS = (("S", 1), ("M", 60), ("H", 3600), ("I", 3600))
"""The letter of the finest part that is written, and how many seconds it covers."""
_CLOCKS = ("%H:%M:%S.%6", "%H:%M:%S", "%H:%M", "%I:%M %p")
_DAY = 86_400
_LONG = re.compile(rf"([-+]?[0-9]+(?:\.[0-9]+)?) ?({'|'.join(DURATIONS)})")


def measure(form: Format, text: str) -> float:
    """A number or a date that a person wrote, in a column's units and not rounded to them; NaN for anything else. A date that says less
    than the column is its beginning."""
    return span(form, text)[0]


def span(form: Format, text: str) -> tuple[float, float]:
    """(first, last) of what a person wrote, as `measure`: a day, an hour or a minute is all of it.

    Beside the column's own format, plain numbers, dates such as 2024-05, 2024-05-31, 2024-05-31 14:30 (on the column's own clock unless an
    offset follows), and other units of time are read.
    """
    if isinstance(form, DateFormat):
        return _moments(form, text)
    assert isinstance(form, NumberFormat)
    number = _number(form, text)
    return number, number


def _number(form: NumberFormat, text: str) -> float:
    finer = 0 if form.digits else _FINER
    bare = replace(form, prefix="", suffix="")
    core = text.strip().removeprefix(form.prefix.strip()).removesuffix(form.suffix.strip()).strip()
    for own, tried in ((form, text), (bare, core), (NumberFormat(decimals=form.decimals, digits=form.digits), core)):
        whole, fine = own.parse([tried])[0], replace(own, decimals=own.decimals + finer).parse([tried])[0] / 10.0**finer
        if math.isfinite(whole):
            return float(whole if abs(whole - fine) < 10.0**-_FINER * max(1.0, abs(whole)) else fine)
    unit, long = DURATIONS.get(form.suffix.strip()), _LONG.fullmatch(text.strip())
    if unit is None or long is None:
        return math.nan
    return float(long[1]) * DURATIONS[long[2]] / unit * (1 if form.digits else 10.0**form.decimals)


def _moments(form: DateFormat, text: str) -> tuple[float, float]:
    """The span of a date. One that says its offset is none of a column that has no zone."""
    number = float(form.parse([text])[0])
    if math.isfinite(number):
        return number, number
    ahead: int | None = None
    if (said := _OFFSET.fullmatch(text)) and form.zone is not None:
        text, ahead = said[1], seconds(said[2])
    for pattern in _shorter(form):
        start = float(replace(form, pattern=pattern, others=(), zone=None).parse([text])[0])
        if math.isfinite(start):
            length = next((own for letter, own in _LENGTHS if letter in pattern), _DAY)
            return _between(form, start, start + (0 if "%3" in pattern or "%6" in pattern else length * form.per_day / _DAY), ahead)
    if "d" in form.pattern and _ISO.fullmatch(text):
        try:
            date = np.datetime64(text)
        except ValueError:
            return math.nan, math.nan
        start, end = (float(one.astype("datetime64[us]").astype(np.int64)) * form.per_day / (_DAY * 10**6) for one in (date, date + 1))
        return _between(form, start, start if "." in text else end, ahead)
    return math.nan, math.nan


def _between(form: DateFormat, start: float, end: float, ahead: int | None) -> tuple[float, float]:
    """From what a clock shows first to the last unit before `end`; both the same for less than a unit."""
    clock = np.array([start, max(start, end - 1)])
    first, last = form.moment(clock) if ahead is None else clock - ahead * form.per_day // _DAY
    return float(first), float(last)


def _shorter(form: DateFormat) -> list[str]:
    """The column's patterns without offset, with or without leading zeros; then also without seconds, minutes, time; and times of day."""
    found: list[str] = []
    for pattern in (form.pattern, *form.others):
        time = [match.end() for match in re.finditer("%-?[HMSIp36]", pattern)]
        whole = pattern[: time[-1]] if time else pattern
        minute = re.sub(":%S([.,]%[36])?", "", whole)
        day = [re.sub("(, |[ T])%-?[HI].*", "", whole)] if "d" in pattern else list(_CLOCKS)
        found += [whole, minute, minute.replace(":%M", ""), *day]
    free = [re.sub("%-?([mdHI])", "%~\\1", pattern) for pattern in found if "%Y%m" not in pattern]
    return list(dict.fromkeys([*found, *free, *(pattern.replace(" %p", "%p") for pattern in free)]))


def truth(text: str) -> bool | None:
    """What a cell says of yes or no."""
    return TRUTH.get(text.strip().lower())


def alike(text: str, words: Sequence[str]) -> list[str]:
    """The words that a text that a column doesn't have means: those with other spaces around them, or where it holds truth values alone,
    those that say the same; else none."""
    if spaced := [word for word in words if word.strip() == text.strip() and not is_missing(word)]:
        return spaced
    real = [word for word in words if not is_missing(word)]
    if truth(text) is None or any(truth(word) is None for word in real):
        return []
    return [word for word in real if truth(word) == truth(text)]


def as_typed(value: Any, words: Sequence[str], form: Format | None) -> str:
    """A value of Python as a person would type it for a column with these `words` and this format: truth values in the column's words,
    "" for what is missing."""
    if isinstance(value, str):
        return value
    if value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float | np.floating) and math.isnan(value)):
        return ""
    if isinstance(value, np.datetime64 | np.timedelta64) and np.isnat(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "|".join(alike(str(bool(value)), words)) or (str(int(value)) if isinstance(form, NumberFormat) else str(bool(value)))
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", timespec="microseconds")
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, datetime.timedelta | np.timedelta64):
        return f"{np.timedelta64(value, 'us').astype(np.int64)} us"
    text = str(value)
    if isinstance(form, NumberFormat) and form.decimal != "." and isinstance(value, float | np.floating):
        return text.replace(".", form.decimal)
    return text

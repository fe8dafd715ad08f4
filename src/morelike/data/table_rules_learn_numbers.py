"""Rules of numbers learnt from the rows: sums to the last place, and numbers or dates that are never below others.

N rows, S sampled ones, D columns of numbers or of dates. Rules are looked for in the sample, and kept where no row at all breaks them;
what shuffled rows would seldom break is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from ..core.errors import Refused
from .table_columns import CategoryColumn, ColumnCode, NumberColumn
from .table_dates import DateFormat
from .table_numbers import NumberFormat
from .table_rules import Columns, Rule
from .table_rules_offset import Above, Total

LEAST = 200
"""Rows that must speak for a rule."""
_SAMPLE = 5_000
_MOST = 60
"""Most columns of numbers among which rules are looked for."""
_RESTS, _TOTALS = 20, 10
"""A sum has at most so many different rests, and its column so many times more numbers."""
_WEIGHT = 0.4
"""How far from 1 the weight of a part may lie: the rest may go with it a little. What is a sum is then counted exactly."""
_BROKEN = 0.02
"""Share of the rows that break an order after shuffling."""
_EXACT = 2.0**53


class Numbers:
    """The columns of numbers, or of dates, and what sampled rows hold in them."""

    def __init__(self, columns: Columns, codes: Sequence[ColumnCode], dates: bool) -> None:
        self.columns = columns
        self.forms: dict[str, NumberFormat | DateFormat] = {}
        for code in codes:
            form = code.form if isinstance(code, CategoryColumn | NumberColumn) else None
            if isinstance(form, DateFormat) if dates else isinstance(form, NumberFormat) and not form.digits:
                assert isinstance(form, NumberFormat | DateFormat)
                self.forms[code.name] = form
        self.names = list(self.forms)[:_MOST]
        units = [_unit(self.forms[name]) for name in self.names]
        step = max(1, len(next(iter(columns.values()))) // _SAMPLE)
        times = [max(units) // unit for unit in units]
        read = [self.forms[name].parse(columns[name][::step].tolist()) * by for name, by in zip(self.names, times, strict=True)]
        self.values = np.stack(read, 1) if read else np.empty((0, 0))
        """(S,D) float64 whole numbers in the smallest unit of all, NaN where there is none."""


def _unit(form: NumberFormat | DateFormat) -> int:
    return form.per_day if isinstance(form, DateFormat) else 10**form.decimals


def sums(numbers: Numbers, taken: Sequence[str]) -> Iterator[Rule]:
    """Columns that are the sum of two or more others and of one of at most 20 rests: candidates by least squares."""
    there = np.isfinite(numbers.values)
    if len(numbers.names) < 3 or (there.sum(0) >= LEAST).sum() < 3:
        return
    means = np.where(there, numbers.values, 0.0).sum(0) / np.maximum(there.sum(0), 1)
    # a gap counts as the mean, so that a column with gaps hides no sum of others
    centred = np.where(there, numbers.values - means, 0.0)
    scale = np.maximum(centred.std(0), 1e-9)
    for target, name in enumerate(numbers.names):
        others = [place for place in range(len(numbers.names)) if place != target]
        rows = there[:, target]
        weights = np.linalg.lstsq(centred[rows][:, others] / scale[others], centred[rows, target], rcond=None)[0] / scale[others]
        parts = [place for place, weight in zip(others, weights, strict=True) if abs(weight - 1) < _WEIGHT]
        if len(parts) < 2 or not _is_sum(numbers.values[there[:, [target, *parts]].all(1)][:, [target, *parts]]):
            continue
        try:
            rule = Total.fit(name, [numbers.names[part] for part in parts], numbers.columns, taken, given=False)
        except Refused:
            continue
        if len(rule.rests) <= _RESTS:
            yield rule


def _is_sum(values: np.ndarray) -> bool:
    """Whether of the first column of (S,1+P) few rests are left beside all others, and at least twice as many without any one of them."""
    if len(values) < LEAST or np.abs(values).max() * values.shape[1] >= _EXACT:
        return False
    rest = values[:, 0] - values[:, 1:].sum(1)
    rests = len(np.unique(rest))
    if rests > _RESTS or rests * _TOTALS > len(np.unique(values[:, 0])):
        return False
    return all(len(np.unique(rest + part)) >= 2 * rests for part in values[:, 1:].T)


def orders(numbers: Numbers, taken: Sequence[str]) -> Iterator[Rule]:
    """Columns that are never below others of the same unit: dates, or numbers whose names share a word or that carry one currency."""
    for high, column in enumerate(numbers.names):
        parts = []
        for low, name in enumerate(numbers.names):
            likely = low != high and _same_unit(name, column, numbers) and _never_below(*numbers.values[:, [low, high]].T)
            if likely and (rule := _above(column, [name], numbers, taken)) is not None and rule.kept(numbers.columns).all():
                parts.append(name)
        rule = _above(column, parts, numbers, taken) if parts else None
        if rule is not None:
            yield rule


def _above(column: str, parts: Sequence[str], numbers: Numbers, taken: Sequence[str]) -> Above | None:
    try:
        return Above.fit(column, parts, numbers.columns, taken, given=False)
    except Refused:
        return None


def _same_unit(first: str, second: str, numbers: Numbers) -> bool:
    one, two = numbers.forms[first], numbers.forms[second]
    if isinstance(one, DateFormat) or isinstance(two, DateFormat):
        return True
    marks = one.prefix + one.suffix, two.prefix + two.suffix
    if any(mark.strip() for mark in marks):
        return marks[0].strip() == marks[1].strip()
    return one.decimals == two.decimals and bool(_words(first) & _words(second))


def _words(name: str) -> set[str]:
    """A header's words of at least three letters."""
    return {word.lower() for word in re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name) if len(word) > 2}


def _never_below(small: np.ndarray, large: np.ndarray) -> bool:
    """Whether none of the second numbers (S,) is below its first, some are above, and shuffled ones would often be below."""
    both = np.isfinite(small) & np.isfinite(large)
    small, large = small[both], large[both]
    if len(small) < LEAST or (large < small).any() or (large == small).all():
        return False
    shifted = [float((np.roll(large, len(large) * step // 7) < small).mean()) for step in range(1, 7)]
    return float(np.mean(shifted)) >= _BROKEN

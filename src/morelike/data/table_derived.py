"""Demands on columns that a rule adds up of others: covered by demands on what they are made of, and tested on the rows themselves.

All bounds are whole numbers in units of the rule. A cover lets through every row that fulfils the demands, and others too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .table import TableCodec
from .table_columns import NumberColumn, Unlearnt
from .table_demands import Demand, Shown, Visible
from .table_numbers import CLIP, Format
from .table_rules_offset import Above, Offset, Scale

_BANDS = 8
_FAR = 1e300


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a column's numbers lie."""

    low: float
    high: float
    always: bool
    """Whether it is always a number."""

    def times(self, units: int) -> Reach:
        return Reach(self.low * units, self.high * units, self.always)


def derived(codec: TableCodec, name: str) -> bool:
    """Whether a column is added up of others."""
    return isinstance(codec.rules.writer.get(name), Offset)


def shown_of(codec: TableCodec, name: str) -> Shown:
    """A column as people see it. Raises UnknownName for one that isn't there, Refused for one that is not learnt."""
    return Derived(codec, name) if derived(codec, name) else Visible(codec, name)


def reach_of(codec: TableCodec, name: str, form: Format) -> Reach:
    """Of a visible or a coded column, in units of `form`; without bounds for one whose values are fresh."""
    if derived(codec, name):
        return Derived(codec, name).reach()
    numbers = form.parse(_texts(codec, name))
    there = numbers[np.isfinite(numbers)]
    return Reach(float(there.min()), float(there.max()), len(there) == len(numbers)) if len(there) else Reach(-math.inf, math.inf, False)


def _texts(codec: TableCodec, name: str) -> list[str]:
    """The words of a visible or a coded column, and the ends of its numbers; of one with a single value that value."""
    code, _, show = codec.view(name)
    if isinstance(code, Unlearnt):
        return [show(code.text)] if code.fresh is None else [""]
    visible = Visible(codec, name)
    return [*visible.words, *(visible.texts(np.array([-CLIP, CLIP], np.float32)) if isinstance(code, NumberColumn) else [])]


class Derived(Shown):
    """A column that a rule adds up of others and of what comes on top."""

    def __init__(self, codec: TableCodec, name: str) -> None:
        rule = codec.rules.writer[name]
        assert isinstance(rule, Offset)
        super().__init__(name, rule.scale.words, rule.scale.form)
        self.codec, self.rule = codec, rule
        self.parts = {part: reach_of(codec, part, scale.form).times(scale.times) for part, scale in rule.parts.items()}
        top = reach_of(codec, rule.makes[0], rule.top_form)
        spare = [text for text in _texts(codec, rule.makes[0]) if np.isnan(rule.top_form.parse([text])[0])]
        # a gap on top is a gap of the whole, which fulfils nothing that only numbers do
        self.top = Reach(top.low, top.high, top.always or all(word in self.words for word in spare))

    def reach(self) -> Reach:
        """Of the column itself, in its own units."""
        lows, highs = ([getattr(part, side) for part in self.parts.values()] for side in ("low", "high"))
        units = self.rule.scale.times
        if isinstance(self.rule, Above):
            found = Reach(self.rule.low, max(self.rule.high, max(highs) + 1 + self._grid()), not self.words)
        else:
            found = Reach(sum(lows) + self.top.low, sum(highs) + self.top.high, not self.words)
            if not self._sure():
                found = Reach(-math.inf, math.inf, False)
        return Reach(math.floor(found.low / units) if found.low > -_FAR else -math.inf, found.high / units, found.always)

    def written(self) -> str:
        """Which values there are, in words."""
        own = self.reach()
        assert self.form is not None
        if not (math.isfinite(own.low) and math.isfinite(own.high)):
            return f"it holds {self.form.said()}"
        low, high = self.form.write(self.form.snap(np.array([own.low, own.high])))
        return f"it goes from {low} to {high}"

    def _grid(self) -> int:
        """How far its own grid may move a number."""
        return self.rule.scale.form.step * self.rule.scale.times

    def _sure(self) -> bool:
        """Whether all that it is made of is always a number, or it is itself none."""
        return len(self.rule.makes) == 1 and self.top.always and all(part.always for part in self.parts.values())

    def cover(self, demands: Sequence[Demand], bands: int = _BANDS) -> list[list[Demand]]:
        """Demands on what it is made of, such that each row that fulfils `demands` on this column fulfils those of one of the lists; no row
        fulfils those of two. None where nothing fulfils all of them. `bands`: parts of a column, at most, in which the others are bounded
        each for itself, below and above."""
        if self.words and self.all_hold(self.words, demands).any():
            return [[]]
        low, high = self._hull(demands)
        own = self.reach()
        low, high = max(low, own.low), min(high, own.high)
        if low > high:
            return []
        units = self.rule.scale.times
        low = math.ceil(low) * units if math.isfinite(low) else low
        high = (math.floor(high) + 1) * units - 1 if math.isfinite(high) else high
        if isinstance(self.rule, Above):
            return self._above(self.rule, low, high, bands)
        return list(self._banded(low, high, bands)) if self._sure() else [[]]

    def _hull(self, demands: Sequence[Demand]) -> tuple[float, float]:
        """The least and the largest number that fulfil all demands, in its own units; (1, 0) for none."""
        ends = np.array([end for demand in demands for pair in self.read(demand)[1] for end in pair])
        ends = np.unique(np.concatenate([ends[np.isfinite(ends)], [-_FAR, _FAR]]))
        ends = np.unique(np.concatenate([np.nextafter(ends, -np.inf), ends, np.nextafter(ends, np.inf)]))
        good = ends[self.hold_numbers(ends, demands)]
        if not len(good):
            return 1.0, 0.0
        return (-math.inf if good[0] <= -_FAR else float(good[0])), (math.inf if good[-1] >= _FAR else float(good[-1]))

    def _above(self, rule: Above, low: float, high: float, bands: int) -> list[list[Demand]]:
        """Of a column that is the largest of its parts and what comes on top; it is moved up to its grid and into its range."""
        low = low - self._grid() - 1 if low > rule.low else -math.inf
        if self._sure() and len(self.parts) == 1:
            (part,) = self.parts
            # its range may pull it down again, but never below its part
            return list(self._banded(low, high if high < rule.high else math.inf, bands, {part: high}))
        found = []
        for name, own in self.parts.items():
            least = low - self.top.high if len(self.parts) == 1 else -math.inf
            found += self._bounds(name, own, least, high)
        return [found]

    def _banded(self, low: float, high: float, bands: int, most: Mapping[str, float] | None = None) -> Iterator[list[Demand]]:
        """Lists of demands with which parts and top can add up to a number from `low` to `high`; `most`: bounds of parts themselves."""
        whole: dict[str | None, Reach] = {None: self.top}
        for name, own in self.parts.items():
            whole[name] = Reach(own.low, min(own.high, (most or {}).get(name, math.inf)), own.always)
        plain = [name for name in self.parts if not derived(self.codec, name) and math.isfinite(whole[name].high - whole[name].low)]
        if not plain:
            found = self._others(whole, low, high)
            yield from [] if found is None else [found]
            return
        pivot = max(plain, key=lambda name: whole[name].high - whole[name].low)
        others = {name: own for name, own in whole.items() if name != pivot}
        least, largest = sum(own.low for own in others.values()), sum(own.high for own in others.values())
        scale, own = self.rule.parts[pivot], whole[pivot]
        # where the bounds of the others change
        slopes = [np.linspace(end - largest, end - least, bands + 1) for end in (low, high) if math.isfinite(end - largest + least)]
        edges = self._edges(scale, max(own.low, low - largest), min(own.high, high - least), slopes)
        parted: list[tuple[int, int, list[Demand]]] = []
        for first, last in itertools.pairwise(edges):
            found = self._others(others, low - (last * scale.times), high - first * scale.times)
            if found is None:
                continue
            if parted and parted[-1][1:] == (first, found):
                parted[-1] = (parted[-1][0], last, found)
            else:
                parted.append((first, last, found))
        for first, last, found in parted:
            yield [*self._between(pivot, scale, first, last), *found]

    def _edges(self, scale: Scale, low: float, high: float, slopes: Sequence[np.ndarray]) -> list[int]:
        """Where bands begin that go from `low` to `high` and have `slopes` among their ends, and where the last one ends, in units of the
        column."""
        if low > high:
            return []
        places = [low, high, *(place for slope in slopes for place in slope.tolist())]
        inside = np.array([place for place in places if low <= place <= high])
        step, offset = scale.form.step, scale.form.offset
        rows = np.unique(np.floor((inside / scale.times - offset) / step).astype(np.int64))
        return [*(rows * step + offset).tolist(), int(rows[-1] + 1) * step + offset]

    def _between(self, name: str, scale: Scale, first: int, last: int) -> list[Demand]:
        """From `first` on and below `last`, in units of the column."""
        low, high = scale.form.write(np.array([first, last], np.float64))
        return [Demand(name, ">=", low), Demand(name, "<", high)]

    def _others(self, parts: Mapping[str | None, Reach], low: float, high: float) -> list[Demand] | None:
        """Demands with which some parts (None: the top) can add up to a number from `low` to `high`; None where they can't."""
        found = []
        lows, highs = sum(own.low for own in parts.values()), sum(own.high for own in parts.values())
        if highs < low or lows > high:
            return None
        for name, own in parts.items():
            found += self._bounds(name, own, low - (highs - own.high), high - (lows - own.low))
        return found

    def _bounds(self, name: str | None, own: Reach, low: float, high: float) -> list[Demand]:
        """That a part (None: the top) which is a number isn't outside some bounds, as far as that says anything."""
        form = self.rule.top_form if name is None else self.rule.parts[name].form
        units = 1 if name is None else self.rule.parts[name].times
        step, offset = (1, 0) if name is None else (form.step, form.offset)
        column, found = name or self.rule.makes[0], []
        if own.low == own.high:
            return []
        if own.low < low:
            end = math.floor((min(low, own.high + units) / units - offset) / step) * step + offset
            found.append(Demand(column, "<", form.write(np.array([end], np.float64))[0], negated=True))
        if own.high > high:
            end = math.ceil((max(high, own.low - units) / units - offset) / step) * step + offset
            found.append(Demand(column, ">", form.write(np.array([end], np.float64))[0], negated=True))
        return found

"""Rules of numbers: a column that is a sum of others, or never below them, is coded as what comes on top and added up again, exactly.

N rows. All columns of a rule are counted in one unit, the smallest that any of them writes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from ..core.errors import Refused
from .table_columns import ColumnCode, is_missing, label, pack, restore_format
from .table_dates import DateFormat
from .table_infer import category, format_of, number
from .table_numbers import NumberFormat
from .table_rules import Columns, Rule, Rules, Way, by_distinct, free_name, objects
from .table_rules_map import unpacked

ALONE = "(alone)"
"""Stands for what comes on top where there is nothing to add it to."""
_EXACT = 2.0**53
_SHOWN = 4
_UNITS = {1: "days", 86_400: "seconds"}


@dataclass(frozen=True, slots=True)
class Scale:
    """A column's cells as whole numbers."""

    form: NumberFormat | DateFormat
    times: int
    """Units of the rule in one of the column's own."""
    own: Mapping[int, str]
    """The spelling of numbers that the format writes differently."""
    words: tuple[str, ...]
    """Cells that are no numbers, the commonest first."""

    @classmethod
    def fit(cls, texts: np.ndarray) -> Self | None:
        """From training cells (N,); None where they are no dates and no numbers of a fixed number of decimals."""
        counts = Counter(texts.tolist())
        form = format_of([text for text in counts if not is_missing(text)])
        if not isinstance(form, DateFormat) and (not isinstance(form, NumberFormat) or form.digits):
            return None
        commonest = [text for text, _ in counts.most_common()]
        values = form.parse(commonest)
        spelt: dict[int, str] = {}
        for text, value in zip(commonest, values.tolist(), strict=True):
            if value == value:  # noqa: PLR0124  # no NaN
                spelt.setdefault(int(value), text)
        written = form.write(np.array(list(spelt), dtype=np.float64))
        own = {value: text for (value, text), plain in zip(spelt.items(), written, strict=True) if text != plain}
        return cls(form, 1, own, tuple(text for text, value in zip(commonest, values, strict=True) if np.isnan(value)))

    @property
    def unit(self) -> int:
        """How many of its own units there are in one, or in a day."""
        return self.form.per_day if isinstance(self.form, DateFormat) else 10**self.form.decimals

    def in_units(self, unit: int) -> Self:
        """The same in units of which so many are in one, or in a day."""
        return replace(self, times=unit // self.unit)

    def read(self, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """((N,) int64 in units of the rule, (N,) bool: which cells are numbers)."""
        values = by_distinct(self.form.parse, texts)
        known = np.isfinite(values)
        return np.where(known, values, 0).astype(np.int64) * self.times, known

    def up(self, values: np.ndarray) -> np.ndarray:
        """(N,) int64 in units of the rule, moved up to the next that the column can write."""
        own = -(-values // self.times)
        if isinstance(self.form, DateFormat):
            return self.form.up(own) * self.times
        grid = self.form.offset - (-(own - self.form.offset) // self.form.step) * self.form.step
        found: np.ndarray = grid * self.times
        return found

    def write(self, values: np.ndarray) -> np.ndarray:
        """(N,) array of `str` of numbers in units of the rule."""
        distinct, rows = np.unique(values // self.times, return_inverse=True)
        texts = self.form.write(distinct.astype(np.float64))
        if self.own:
            texts = [self.own.get(value, text) for value, text in zip(distinct.tolist(), texts, strict=True)]
        return objects(texts)[rows]

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays = {f"own {key}": array for key, array in pack(list(self.own.values())).items()}
        arrays |= {f"word {key}": array for key, array in pack(self.words).items()}
        return {"form": self.form.state(), "times": self.times}, arrays | {"own": np.array(list(self.own), dtype=np.int64)}

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        own = dict(zip(np.asarray(arrays["own"]).tolist(), unpacked(arrays, "own"), strict=True))
        form = restore_format(state["form"])
        assert isinstance(form, NumberFormat | DateFormat)
        return cls(form, int(state["times"]), own, unpacked(arrays, "word"))


def scales(cells: Columns, names: Sequence[str]) -> dict[str, Scale]:
    """The columns' scales in one unit. Raises Refused where they have none."""
    found: dict[str, Scale] = {}
    for name in names:
        scale = Scale.fit(cells[name])
        if scale is None:
            raise Refused(f"{name} holds no dates and no numbers of a fixed number of decimals; an order or a sum needs such columns")
        found[name] = scale
    dates = [name for name, scale in found.items() if isinstance(scale.form, DateFormat)]
    if dates and len(dates) < len(found):
        number = next(name for name in found if name not in dates)
        raise Refused(f"{dates[0]} holds dates and {number} numbers, which can't be compared")
    unit = max(scale.unit for scale in found.values())
    found = {name: scale.in_units(unit) for name, scale in found.items()}
    for name, scale in found.items():
        largest = np.abs(scale.form.parse(list(dict.fromkeys(cells[name].tolist()))))
        if np.nanmax(largest, initial=0.0) * scale.times * len(found) >= _EXACT:
            raise Refused(f"the numbers of {name} are too large to be added up exactly")
    return found


@dataclass(frozen=True, slots=True)
class Base:
    """What a column is added to, in units of the rule."""

    value: np.ndarray
    """(N,) int64."""
    known: np.ndarray
    """(N,) bool: where there is something to add to."""
    least: np.ndarray
    """(N,) int64: the smallest sum that obeys."""


class Offset(Rule):
    """A column coded as what comes on top of others, and beside that as its own cells where the others are missing."""

    def __init__(self, column: str, made: tuple[str, ...], scale: Scale, parts: Mapping[str, Scale], usual: int, given: bool) -> None:
        """`made`: the name of what comes on top, and that of the column's own cells where training needs them; `usual`: the column's
        median, for rows of which nothing is known."""
        self.writes, self.makes, self.scale, self.parts, self.usual, self.given = (column,), made, scale, dict(parts), usual, given
        self.reads = tuple(self.parts)
        # what comes on top is written in the rule's unit
        decimals = 0 if isinstance(scale.form, DateFormat) else len(str(scale.unit * scale.times)) - 1
        self.top_form = NumberFormat(decimals=decimals)
        self._words = frozenset(scale.words)

    @classmethod
    def fit(cls, column: str, parts: Sequence[str], cells: Columns, taken: Sequence[str], given: bool = True) -> Self:
        """From training cells; `taken`: names that coded columns can't have. Raises Refused where the columns can't be added up."""
        found = scales(cells, [column, *parts])
        scale = found.pop(column)
        _, there = scale.read(cells[column])
        if not there.any():
            raise Refused(f"{column} has no numbers")
        rule = cls._fitted(column, (), scale, found, cells, given)
        alone = bool((there & ~rule.base(cells).known).any())
        names = free_name(rule.top_name(), taken), free_name(f"{column} alone", taken)
        rule.makes = names if alone else names[:1]
        return rule

    @classmethod
    @abstractmethod
    def _fitted(
        cls, column: str, made: tuple[str, ...], scale: Scale, parts: Mapping[str, Scale], cells: Columns, given: bool
    ) -> Self: ...

    @abstractmethod
    def base(self, cells: Columns) -> Base:
        """What is added to."""

    @abstractmethod
    def obeying(self, value: np.ndarray, base: Base) -> tuple[np.ndarray, np.ndarray]:
        """((N,) int64 the nearest values that obey, (N,) bool: which of them are possible in a column that may also be missing)."""

    def view(self, name: str, rules: Rules) -> Way:
        without = "the rule" if self.given else "learnt rules (codec.learn=false)"
        raise Refused(f"{name} is {self.made_of()}; fix {' or '.join(self.parts)} instead, or train without {without}")

    @abstractmethod
    def made_of(self) -> str:
        """What the column is made of, in words."""

    @abstractmethod
    def top_name(self) -> str:
        """What comes on top, as a column's name."""

    def shrink(self, cells: Columns) -> Columns:
        base, (value, there) = self.base(cells), self.scale.read(cells[self.writes[0]])
        both, alone = there & base.known, there & ~base.known
        own = cells[self.writes[0]]
        top = own.copy()
        top[both] = objects(self.top_form.write((value - base.value)[both].astype(np.float64)))
        top[alone] = ALONE
        stands = np.full(len(own), "", dtype=object)
        stands[alone] = own[alone]
        return dict(zip(self.makes, (top, stands), strict=False))

    def grow(self, cells: Columns, coded: Columns) -> Columns:
        base = self.base(cells)
        texts = coded[self.makes[0]]
        top = by_distinct(self.top_form.parse, texts)
        counted = np.isfinite(top)
        value, there = np.full(len(texts), self.usual, np.int64), np.zeros(len(texts), bool)
        if len(self.makes) > 1:
            own, there = self.scale.read(coded[self.makes[1]])
            value[there] = own[there]
        added = counted & base.known
        value[added] = base.value[added] + np.rint(top[added]).astype(np.int64)
        value, possible = self.obeying(value, base)
        written = self.scale.write(value)
        if self._words:
            word = by_distinct(lambda listed: np.array([text in self._words for text in listed], dtype=bool), texts)
            lost = ~possible | (counted & ~base.known & ~there)
            written[lost] = self.scale.words[0]
            written[word] = texts[word]
        return {self.writes[0]: written}

    def code(self, names: tuple[str, str], texts: Sequence[str], knots: int) -> ColumnCode:
        return number(names, texts, knots)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays: dict[str, np.ndarray] = {}
        plain = []
        for row, scale in enumerate((self.scale, *self.parts.values())):
            values, own = scale.state()
            plain.append(values)
            arrays |= {f"scale{row} {key}": array for key, array in own.items()}
        return {"column": self.writes[0], "made": list(self.makes), "parts": list(self.parts), "scales": plain, "usual": self.usual}, arrays

    @staticmethod
    def _restored(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> tuple[str, tuple[str, ...], Scale, dict[str, Scale], int]:
        found = []
        for row, values in enumerate(state["scales"]):
            start = f"scale{row} "
            found.append(Scale.restore(values, {key.removeprefix(start): own for key, own in arrays.items() if key.startswith(start)}))
        parts = dict(zip(map(str, state["parts"]), found[1:], strict=True))
        return str(state["column"]), tuple(map(str, state["made"])), found[0], parts, int(state["usual"])


def _median(value: np.ndarray, there: np.ndarray) -> int:
    ranked = np.sort(value[there])
    return int(ranked[len(ranked) // 2])


class Above(Offset):
    """A number or date that is never below others of one unit, of which the largest counts; within its training range where that is
    possible."""

    kind: ClassVar[str] = "order"

    def __init__(
        self, column: str, made: tuple[str, ...], scale: Scale, parts: Mapping[str, Scale], usual: int, given: bool, limits: tuple[int, int]
    ) -> None:
        """`limits`: its range, in units of the rule."""
        super().__init__(column, made, scale, parts, usual, given)
        self.low, self.high = limits
        self.strict: frozenset[str] = frozenset()
        """The parts that it never equals either."""

    @classmethod
    def _fitted(cls, column: str, made: tuple[str, ...], scale: Scale, parts: Mapping[str, Scale], cells: Columns, given: bool) -> Self:
        value, there = scale.read(cells[column])
        return cls(column, made, scale, parts, _median(value, there), given, (int(value[there].min()), int(value[there].max())))

    def base(self, cells: Columns) -> Base:
        found = [scale.read(cells[name]) for name, scale in self.parts.items()]
        known = np.logical_or.reduce([there for _, there in found])
        none = np.iinfo(np.int64).min
        value = np.maximum.reduce([np.where(there, value, none) for value, there in found])
        beyond = [value + (name in self.strict) for name, (value, _) in zip(self.parts, found, strict=True)]
        least = np.maximum.reduce([np.where(there, value, none) for value, (_, there) in zip(beyond, found, strict=True)])
        return Base(np.where(known, value, 0), known, np.where(known, least, 0))

    def obeying(self, value: np.ndarray, base: Base) -> tuple[np.ndarray, np.ndarray]:
        within = self.scale.up(value.clip(self.low, self.high))
        raised: np.ndarray = np.where(base.known, np.maximum(within, self.scale.up(base.least)), within)
        return raised, raised <= self.high

    def kept(self, cells: Columns) -> np.ndarray:
        base, (value, there) = self.base(cells), self.scale.read(cells[self.writes[0]])
        found: np.ndarray = ~(base.known & there) | (value >= base.least)
        return found

    def top_name(self) -> str:
        lows = ", ".join(self.parts)
        unit = _UNITS.get(self.scale.unit * self.scale.times, "microseconds") if isinstance(self.scale.form, DateFormat) else ""
        return f"{self.writes[0]} - {lows if len(self.parts) == 1 else f'max({lows})'}" + (f" ({unit})" if unit else "")

    def made_of(self) -> str:
        return f"made of {' and '.join(self.parts)} and what comes on top"

    def describe(self) -> str:
        words = ("before", "after") if isinstance(self.scale.form, DateFormat) else ("below", "above")
        said = [f"always {words[1]} {name}" if name in self.strict else f"never {words[0]} {name}" for name in self.parts]
        return f"{self.writes[0]} is {' and '.join(said)}"

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        plain, arrays = super().state()
        return plain | {"strict": sorted(self.strict), "low": self.low, "high": self.high}, arrays

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        rule = cls(*cls._restored(state, arrays), bool(state["given"]), (int(state["low"]), int(state["high"])))
        rule.strict = frozenset(map(str, state["strict"]))
        return rule


class Total(Offset):
    """A number that is the exact sum of others and of a rest, which is one of those seen."""

    kind: ClassVar[str] = "sum"

    def __init__(
        self, column: str, made: tuple[str, ...], scale: Scale, parts: Mapping[str, Scale], usual: int, given: bool, rests: np.ndarray
    ) -> None:
        """`rests` (R,) int64, rising, in units of the rule."""
        super().__init__(column, made, scale, parts, usual, given)
        self.rests = rests

    @classmethod
    def _fitted(cls, column: str, made: tuple[str, ...], scale: Scale, parts: Mapping[str, Scale], cells: Columns, given: bool) -> Self:
        if scale.times != 1:
            finer = next(name for name, part in parts.items() if part.times == 1)
            raise Refused(f"{finer} has more decimals than {column}, which so can't be its sum exactly")
        value, there = scale.read(cells[column])
        rule = cls(column, made, scale, parts, _median(value, there), given, np.zeros(1, np.int64))
        base = rule.base(cells)
        if not (base.known & there).any():
            raise Refused(f"no row has both {column} and all of {', '.join(parts)}")
        rule.rests = np.unique((value - base.value)[base.known & there])
        return rule

    def base(self, cells: Columns) -> Base:
        found = [scale.read(cells[name]) for name, scale in self.parts.items()]
        known = np.logical_and.reduce([there for _, there in found])
        value = np.where(known, np.add.reduce([value for value, _ in found]), 0)
        return Base(value, known, value)

    def obeying(self, value: np.ndarray, base: Base) -> tuple[np.ndarray, np.ndarray]:
        rest = value - base.value
        after = np.searchsorted(self.rests, rest).clip(max=len(self.rests) - 1)
        before = (after - 1).clip(min=0)
        nearest = np.where(rest - self.rests[before] < self.rests[after] - rest, self.rests[before], self.rests[after])
        return np.where(base.known, base.value + nearest, value), np.ones(len(value), bool)

    def kept(self, cells: Columns) -> np.ndarray:
        base, (value, there) = self.base(cells), self.scale.read(cells[self.writes[0]])
        found: np.ndarray = ~(base.known & there) | np.isin(value - base.value, self.rests)
        return found

    def solved(self, cells: Columns, part: str) -> np.ndarray:
        """(N,) the cells of a part with which the sum is right, by the rest that leaves it nearest to what stands there. All columns of the
        rule are numbers."""
        base, (value, _), (own, _) = self.base(cells), self.scale.read(cells[self.writes[0]]), self.parts[part].read(cells[part])
        left = value - base.value + own
        nearest = np.abs(left[:, None] - self.rests - own[:, None]).argmin(1)
        return self.parts[part].write(left - self.rests[nearest])

    def code(self, names: tuple[str, str], texts: Sequence[str], knots: int) -> ColumnCode:
        return category(names[0], Counter(texts), self.top_form) if names[0] == self.makes[0] else super().code(names, texts, knots)

    def top_name(self) -> str:
        return " - ".join([self.writes[0], *self.parts])

    def made_of(self) -> str:
        return f"added up of {', '.join(self.parts)} and a rest"

    def describe(self) -> str:
        text = f"{self.writes[0]} = {' + '.join(self.parts)}"
        if self.rests.tolist() == [0]:
            return text
        shown = ", ".join(map(label, self.top_form.write(self.rests[:_SHOWN].astype(np.float64))))
        if len(self.rests) == 1:
            return f"{text} + {shown}"
        return f"{text} + one of the {len(self.rests):,} seen ({shown}{', ...' if len(self.rests) > _SHOWN else ''})"

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        plain, arrays = super().state()
        return plain, arrays | {"rests": self.rests}

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        return cls(*cls._restored(state, arrays), bool(state["given"]), np.asarray(arrays["rests"], np.int64))

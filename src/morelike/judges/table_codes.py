"""Tables as numbers for judges: every column read as numbers or as categories, by what the training cells hold.

N rows, C columns of cells, D columns that are compared. They are read from the cells that a user gets, not from the codec's arrays, so
that models of another coding, and files of another maker, are judged alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput, Refused
from ..data.table_columns import is_missing
from .extractor import Extractor, Floats

Table = NDArray[Any]
"""(N,C) object array of str."""
_NEARLY_ALL = 0.95
_LOOKED_AT = 100
_IDENTIFIER, _FEW = 0.5, 20
_DIMENSIONS, _SLOTS = 256, 64

_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_AFFIXES = " \t$€£¥%"
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?")
_CODE = re.compile(r"[+-]?0\d")
_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


def _plain(cell: str) -> float:
    cell = cell.strip(_AFFIXES)
    return float(cell) if _PLAIN.fullmatch(cell) else np.nan


def _thousands(cell: str) -> float:
    cell = cell.strip(_AFFIXES)
    return float(cell.replace(",", "")) if _THOUSANDS.fullmatch(cell) else _plain(cell)


def _comma(cell: str) -> float:
    cell = cell.strip(_AFFIXES)
    return float(cell.replace(".", "").replace(",", ".")) if _COMMA.fullmatch(cell) else np.nan


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _iso(cell: str) -> float:
    try:
        return _seconds(datetime.fromisoformat(cell.strip()))
    except ValueError:
        return np.nan


def _dated(pattern: str) -> Callable[[str], float]:
    def read(cell: str) -> float:
        try:
            return _seconds(datetime.strptime(cell.strip(), pattern))
        except ValueError:
            return np.nan

    return read


_READERS: dict[str, Callable[[str], float]] = {
    "number": _plain,
    "number, thousands separated": _thousands,
    "number, decimal comma": _comma,
    "date, year first": _iso,
    **{f"date, {day + clock}": _dated(day + clock) for day in _DAYS for clock in _CLOCKS},
    **{f"time, {clock}": _dated(clock) for clock in ("%H:%M", "%H:%M:%S")},
}
"""How a column of numbers or dates may be written, the plainest first; dates and times become seconds."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is compared."""

    name: str
    place: int
    """Which of the C columns."""
    kind: Literal["number", "category"]
    reader: str = ""
    """How a number is written."""
    values: tuple[str, ...] = ()
    """A category's training values, the most frequent first: the ids. The id after the last is any other value."""

    @property
    def ids(self) -> int:
        """How many ids a category has, that of unknown values included."""
        return len(self.values) + 1


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A table as numbers."""

    columns: tuple[Column, ...]
    x: Floats
    """(N,D) float64: numbers, NaN where there is none; whole-number ids of categories."""

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> Coded:
        return Coded(self.columns, self.x[rows])

    def ids(self, column: int) -> NDArray[np.integer]:
        """(N,) the ids of a category column."""
        return self.x[:, column].astype(np.int64)


@dataclass(frozen=True, slots=True)
class TableCodes:
    """Cells to numbers, as fitted on training cells."""

    columns: tuple[Column, ...]
    width: int
    """C."""
    _known: Mapping[int, Mapping[str, int]] = field(repr=False)

    @classmethod
    def fit(cls, training: Table, names: Sequence[str], left_out: Collection[str] = ()) -> TableCodes:
        """Looks at training cells (N,C) under their names (C).

        A column is of numbers where one way of writing reads at least 95 % of its cells that are no missing marker and more than two of
        them differ (two are a flag); codes with leading zeros are none. All others are categories, each missing marker a value of its
        own. Not compared are `left_out` (what the codec doesn't learn), constants, and columns of words that mostly differ
        (identifiers, free text). Raises BadInput where the shapes don't fit and Refused where no column is left.
        """
        if training.ndim != 2 or training.shape[1] != len(names):
            raise BadInput(f"a table of shape {training.shape} can't have {len(names)} column names")
        found = [
            column
            for place, name in enumerate(names)
            if name not in left_out and (column := _column(name, place, Counter(training[:, place].tolist()))) is not None
        ]
        if not found:
            raise Refused("no column of the table can be compared: all are constant, identifiers or free text")
        known = {column.place: {value: number for number, value in enumerate(column.values)} for column in found}
        return cls(tuple(found), len(names), known)

    def __call__(self, cells: Table) -> Coded:
        """Cells (N,C) as numbers. Raises BadInput for another number of columns."""
        if cells.ndim != 2 or cells.shape[1] != self.width:
            raise BadInput(f"the table has shape {cells.shape}; {self.width} columns are expected")
        x = np.empty((len(cells), len(self.columns)))
        for number, column in enumerate(self.columns):
            values = cells[:, column.place].tolist()
            if column.kind == "category":
                known, other = self._known[column.place], len(column.values)
                x[:, number] = [known.get(value, other) for value in values]
            else:
                read = _READERS[column.reader]
                seen = {value: read(value) for value in set(values)}
                x[:, number] = [seen[value] for value in values]
        x[np.isinf(x)] = np.nan
        return Coded(self.columns, x)


def _column(name: str, place: int, counts: Counter[str]) -> Column | None:
    """What a column is, of its distinct cells and how often each is there; None where it isn't compared."""
    if len(counts) < 2:
        return None
    reader = _reader(counts)
    if reader is not None:
        return Column(name, place, "number", reader)
    rows = sum(counts.values())
    if len(counts) > max(_FEW, _IDENTIFIER * rows):
        return None
    values = tuple(sorted(counts, key=lambda value: (-counts[value], value)))
    return Column(name, place, "category", values=values)


def _reader(counts: Counter[str]) -> str | None:
    """The first way of writing that reads nearly all cells, or None."""
    cells = [cell for cell in counts if not is_missing(cell)]
    if not cells or any(_CODE.match(cell.strip()) and _PLAIN.fullmatch(cell.strip()) for cell in cells):
        return None
    total = sum(counts[cell] for cell in cells)
    some = cells[:: -(-len(cells) // _LOOKED_AT)]
    if sum(any(letter.isdigit() for letter in cell) for cell in some) < len(some) / 2:
        return None
    for name, read in _READERS.items():
        if np.isnan([read(cell) for cell in some]).mean() > 0.5:
            continue
        values = {cell: read(cell) for cell in cells}
        right = sum(counts[cell] for cell, value in values.items() if np.isfinite(value))
        if right >= _NEARLY_ALL * total and len({value for value in values.values() if np.isfinite(value)}) > 2:
            return name
    return None


class Places:
    """Rows as points whose squared distance is a sum over columns, each at most about 1: a mixed distance after Gower 1971.

    A number is its share of training values below it (ties in the middle), so outliers don't set the scale; a category counts 1 where it
    differs. Of one category at most 64 values (fewer in wide tables) are told apart, the rest are one. Gower sums absolute
    differences instead of squares; squares let one matrix product find the nearest rows.
    """

    def __init__(self, training: Coded) -> None:
        """`training`: the rows that ranks are taken from."""
        self.slots = int(np.clip(_DIMENSIONS // max(1, len(training.columns)), 1, _SLOTS))
        self.ranked = [
            np.sort(column[np.isfinite(column)]) if kind.kind == "number" else np.zeros(0)
            for kind, column in zip(training.columns, training.x.T, strict=True)
        ]
        self.dimensions = sum(self._width(column) for column in training.columns)

    def _width(self, column: Column) -> int:
        return 2 if column.kind == "number" else min(column.ids, self.slots + 1)

    def __call__(self, coded: Coded) -> Floats:
        """(N, dimensions) float32."""
        out = np.zeros((len(coded), self.dimensions), np.float32)
        start = 0
        for number, column in enumerate(coded.columns):
            width = self._width(column)
            if column.kind == "number":
                values, ranked = coded.x[:, number], self.ranked[number]
                known = np.isfinite(values)
                below = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
                out[:, start] = np.where(known, below / max(1, 2 * len(ranked)), 0.5)
                out[:, start + 1] = ~known * np.float32(np.sqrt(0.75))
            else:
                ids = np.minimum(coded.ids(number), width - 1)
                out[np.arange(len(coded)), start + ids] = np.sqrt(0.5)
            start += width
        return out


def raw_table(codes: TableCodes, training: Table) -> Extractor:
    """Rows as points (`Places`), fitted on training cells (N,C): `raw-table`."""
    places = Places(codes(training))
    return Extractor("raw-table", lambda items: places(codes(items)), cheap=True)

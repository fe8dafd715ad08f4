"""A file's rows beside a table model's columns: by name, in any order; what the model can't know of them is said with row and column.

N rows, C columns of the model, F fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import BadInput, Refused
from ..data.files import FolderFiles
from ..data.table import Cells, TableCodec
from ..data.table_arrow import ArrowTypes, is_frame
from ..data.table_columns import CategoryColumn, ColumnCode, NumberColumn, is_missing
from ..data.table_csv import read_sheet
from ..data.table_demands import Visible
from ..data.table_numbers import Format
from ..data.table_open import cells_of
from ..data.table_read import measure
from ..data.table_rules import Rule, by_distinct
from ..data.table_rules_offset import Above, Offset
from .package import Package

_SHOWN = 5


def codec_of(package: Package, task: str) -> TableCodec:
    """The codec of a model of tables that stand under no condition. Raises Refused for another one."""
    if not isinstance(package.codec, TableCodec):
        raise Refused(f"this model makes data of the kind {package.codec.kind!r}; only models of tables can {task}")
    if package.conditions:
        raise Refused(f"this model is conditioned on {', '.join(package.conditions)}; only one that learnt all columns can {task}")
    return package.codec


def placed(codec: TableCodec) -> Iterator[tuple[ColumnCode, slice, tuple[str, ...]]]:
    """(coded column, its fields, the visible columns that it is made of) of each column that is learnt."""
    makers = {made: rule for rule in codec.rules.rules for made in rule.makes}
    place = 0
    for column in codec.columns:
        if column.fields:
            made_of = makers[column.name].about if column.name in makers else (column.name,)
            yield column, slice(place, place + len(column.fields)), made_of
        place += len(column.fields)


def shown_by(codec: TableCodec, column: ColumnCode) -> dict[int, list[str]]:
    """Of each visible column (its number) that can be told from a coded one alone, what it shows for each id; "" for a number."""
    own: tuple[str, ...] = ()
    match column:
        case CategoryColumn(values=words):
            own = words
        case NumberColumn(markers=words):
            own = words
    found = {}
    for number, name in enumerate(codec.names):
        try:
            code, _, way = codec.view(name)
        except Refused:
            continue
        if code is column:
            found[number] = [*(["0"] if isinstance(column, NumberColumn) else []), *map(way, own)]
    return found


@dataclass(frozen=True, slots=True)
class Known:
    """What training had of a visible column."""

    words: frozenset[str]
    form: Format | None
    low: float
    high: float
    """Its least and its largest number."""
    rows: int
    """How many training rows it was counted on."""

    @classmethod
    def of(cls, codec: TableCodec, name: str) -> Known:
        """Of a column that is learnt."""
        try:
            visible = Visible(codec, name)
        except Refused:
            return cls._of_several(codec, name)
        code, numbers = visible.code, visible.numbers(visible.words)
        if isinstance(code, NumberColumn):
            numbers = np.concatenate([code.quantiles.values, numbers])
        numbers = numbers[np.isfinite(numbers)]
        low, high = (numbers.min(), numbers.max()) if len(numbers) else (np.nan, np.nan)
        return cls(frozenset(visible.words), visible.form, float(low), float(high), rows_of(code))

    @classmethod
    def _of_several(cls, codec: TableCodec, name: str) -> Known:
        """Of a column that is made of several, so that its own numbers aren't kept."""
        rule = codec.rules.writer[name]
        counted = max(rows_of(column) for column in codec.columns)
        if not isinstance(rule, Offset):
            return cls(frozenset(), None, np.nan, np.nan, counted)
        low, high = (rule.low, rule.high) if isinstance(rule, Above) else (-np.inf, np.inf)
        return cls(frozenset(rule.scale.words), rule.scale.form, low / rule.scale.times, high / rule.scale.times, counted)

    def strange(self, texts: Sequence[str]) -> np.ndarray:
        """(N,) bool: new words, or words for a number."""
        there = np.zeros(len(texts), bool) if self.form is None else np.isfinite(self.form.parse(texts))
        found: np.ndarray = ~there & np.array([text not in self.words and not is_missing(text) for text in texts], bool)
        return found

    def new(self, texts: Sequence[str]) -> np.ndarray:
        """(N,) bool: what is strange, numbers out of the range of training, and gaps where training had none."""
        found = self.strange(texts)
        if self.form is not None:
            values = self.form.parse(texts)
            found |= (values < self.low) | (values > self.high)
        if not any(map(is_missing, self.words)):
            found |= np.array([is_missing(text) for text in texts], bool)
        return found


def rows_of(column: ColumnCode) -> int:
    """How many training rows a column was counted on."""
    return int(column.counts.sum()) if isinstance(column, CategoryColumn | NumberColumn) else 0


def beside(names: tuple[str, ...], cells: np.ndarray, more: Mapping[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """A table with more columns at its end, under names that it doesn't have yet."""
    found = list(names)
    for name in more:
        while name in found:
            name += "_"
        found.append(name)
    return found, np.concatenate([cells, *(column.astype(object)[:, None] for column in more.values())], 1)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a file, or of a table in memory."""

    name: str
    """What it is called in sentences."""
    names: tuple[str, ...]
    """Of its columns, in its order."""
    cells: np.ndarray
    """(N, its columns) array of `str`, as they stand there."""
    codec: TableCodec
    notes: list[str]
    types: ArrowTypes | None = None
    """What the cells of a data frame were."""

    @classmethod
    def read(cls, codec: TableCodec, rows: Any) -> Rows:
        """From a CSV or TSV file, cells, or a data frame. Raises BadInput where it can't be read or has no column of the model."""
        notes: list[str] = []
        types: ArrowTypes | None = None
        if is_frame(rows):
            rows, notes = cells_of(rows)
            types = rows.types
            rows = Cells(rows.names, _as_written(codec, rows))
        if isinstance(rows, Cells):
            names, cells, name, headed = list(rows.names), rows.cells, "the table", True
        else:
            if not isinstance(rows, str | Path):
                raise BadInput(f"rows come from a CSV file, a data frame or Cells, not from a {type(rows).__name__}: write it as CSV first")
            path = Path(rows)
            if path.suffix.lower() == ".parquet":
                raise BadInput(f"{path.name} is Parquet; this reads CSV only: write it as CSV first")
            if not path.is_file():
                raise BadInput(f"there is no file {path}" if not path.exists() else f"{path} is a folder; a CSV file is needed")
            sheet = read_sheet(FolderFiles(path.parent, [path.name]), path.name)
            names, cells, notes, name, headed = sheet.names, sheet.cells, sheet.notes, path.name, sheet.headed
        if not headed and len(names) == len(codec.names):
            names = list(codec.names)
        if not set(names) & (set(codec.names) - codec.unlearnt):
            raise BadInput(f"{name} has none of the columns that the model learnt ({_listed(codec.names)}); its columns: {_listed(names)}")
        found = cls(name, tuple(names), cells, codec, list(notes), types)
        found.notes.extend(found._said_of_columns())
        return found

    def _said_of_columns(self) -> list[str]:
        said = []
        extra = [name for name in self.names if name not in self.codec.names]
        if extra:
            said.append(f"{self.name} has columns that the model doesn't know: {_listed(extra)}; nothing is made of them")
        return said

    def lacking(self) -> list[str]:
        """Columns that the model learnt and the rows don't have."""
        return [name for name in self.codec.names if name not in self.codec.unlearnt and name not in self.names]

    def needed(self, label: str | None = None) -> list[str]:
        """Columns that a likelihood needs and the rows don't have: not those that others determine, nor those of the `label`."""
        told = set() if label is None else {name for name in self.codec.names if _same(self.codec, name, label)}
        made_of = {name for _, _, names in placed(self.codec) for name in names} - told
        return [name for name in self.codec.names if name in made_of and name not in self.names]

    def texts(self, name: str) -> list[str]:
        """The N cells of a column."""
        found: list[str] = self.cells[:, self.names.index(name)].tolist()
        return found

    def arranged(self) -> np.ndarray:
        """(N,C) cells under the model's columns; a column that isn't there is empty."""
        whole = np.full((len(self.cells), len(self.codec.names)), "", dtype=object)
        for number, name in enumerate(self.codec.names):
            if name in self.names:
                whole[:, number] = self.texts(name)
        return whole

    def known(self) -> np.ndarray:
        """(N,C) bool: cells of the file that say something: no new words, nor words for a number."""
        found: np.ndarray = ~self.strange() & np.array([name in self.names for name in self.codec.names])
        return found

    def missing(self) -> np.ndarray:
        """(N,C) bool: cells that are a sign of a missing value, or whose column isn't there."""
        found = np.ones((len(self.cells), len(self.codec.names)), bool)
        for number, name in enumerate(self.codec.names):
            if name in self.names:
                texts = self.texts(name)
                gone = {text: is_missing(text) for text in set(texts)}
                found[:, number] = [gone[text] for text in texts]
        return found

    def strange(self) -> np.ndarray:
        """(N,C) bool: cells with a value that training lacked and that isn't near any that it had: a new word, or a word for a number."""
        return self._marked(Known.strange)

    def new(self) -> np.ndarray:
        """(N,C) bool: new words, numbers out of the range of training, and missing cells where training had none."""
        return self._marked(Known.new)

    def _marked(self, marks: Callable[[Known, Sequence[str]], np.ndarray]) -> np.ndarray:
        found = np.zeros((len(self.cells), len(self.codec.names)), bool)
        for number, name in enumerate(self.codec.names):
            if name in self.names and name not in self.codec.unlearnt:
                own = Known.of(self.codec, name)
                found[:, number] = by_distinct(partial(marks, own), self.cells[:, self.names.index(name)])
        return found

    def broken(self) -> list[tuple[Rule, np.ndarray]]:
        """(rule, (N,) bool: the rows that break it) for each rule of columns that are all in the file."""
        columns = {name: self.cells[:, self.names.index(name)] for name in self.codec.names if name in self.names}
        told = [rule for rule in self.codec.rules.rules if set(rule.about) <= set(columns)]
        return [(rule, ~rule.kept(columns)) for rule in told]

    def say(self, cells: np.ndarray, what: str) -> list[str]:
        """A sentence on each column of which some `cells` (N,C) are True, with the first row; rows count from 1, without the header."""
        said = []
        for number in np.flatnonzero(cells.any(0)).tolist():
            name, rows = self.codec.names[number], np.flatnonzero(cells[:, number])
            more = f" ({len(rows):,} cells)" if len(rows) > 1 else ""
            shown = self.texts(name)[int(rows[0])]
            said.append(f"{self.name}, row {int(rows[0]) + 1:,}, column {name}: {shown!r} {what}{more}")
        return said


def _as_written(codec: TableCodec, rows: Cells) -> np.ndarray:
    """The cells of a frame with its dates and durations as the model's columns write them, whatever other rows were written like."""
    cells = rows.cells.copy()
    for number, name in enumerate(rows.names):
        form = Known.of(codec, name).form if name in codec.names and name not in codec.unlearnt else None
        texts = list(dict.fromkeys(cells[:, number].tolist()))
        if form is None:
            continue
        said = zip(texts, form.parse(texts).tolist(), strict=True)
        other = {text: measure(form, text) for text, value in said if math.isnan(value) and not is_missing(text)}
        written = {text: form.write(np.array([value]))[0] for text, value in other.items() if value.is_integer()}
        cells[:, number] = [written.get(text, text) for text in cells[:, number].tolist()]
    return cells


def _same(codec: TableCodec, name: str, other: str) -> bool:
    """Whether both columns are told from one coded column."""
    try:
        return codec.view(name)[0] is codec.view(other)[0]
    except Refused:
        return False


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")

"""A file's rows beside a table model's columns: by name, in any order; what the model can't know of them is said with row and column.

N rows, C columns of the model, F fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..core.errors import BadInput, Refused
from ..data.table import Cells, TableCodec
from ..data.table_columns import CategoryColumn, ColumnCode, NumberColumn, is_missing
from ..data.table_rules import Rule, by_distinct
from .package import Package
from .table_forms import Form, changed, forms_of
from .table_frames import Given, Readable, Rewritten, opened
from .table_known import Known

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
class Rows:
    """Rows of a file, of a data frame, or of a table in memory."""

    name: str
    """What it is called in sentences."""
    names: tuple[str, ...]
    """Of its columns, in its order."""
    cells: np.ndarray
    """(N, its columns) array of `str`, written as in training."""
    codec: TableCodec
    notes: list[str]
    given: Given
    """As they stand there."""
    forms: Mapping[str, Form]
    """Of the columns that are written otherwise than in training."""

    @classmethod
    def read(cls, codec: TableCodec, rows: Given | Readable, *, own: bool = False) -> Rows:
        """From a CSV, TSV or Parquet file, a data frame, or cells in memory; `own`: rows that are written as in training already. Raises
        BadInput where it can't be read, has no column of the model, or where a column can be read in two ways."""
        given = rows if isinstance(rows, Given) else opened(rows)
        name, table = given.name, given.table
        if not given.headed and len(table.names) == len(codec.names):
            given = replace(given, table=Cells(codec.names, table.cells, table.types, table.delimiter))
            table = given.table
        learnt = set(codec.names) - codec.unlearnt
        if not set(table.names) & learnt:
            raise BadInput(
                f"{name} has none of the columns that the model learnt ({_listed(codec.names)}); its columns: {_listed(table.names)}"
            )
        known = {} if own else {one: Known.of(codec, one) for one in codec.names if one in learnt and one in table.names}
        forms, said = forms_of(name, table, known)
        cells = changed(table, {one: form.read for one, form in forms.items()})
        found = cls(name, table.names, cells, codec, [*given.notes, *said], given, forms)
        found.notes.extend(found._said_of_columns())
        return found

    def written(self, name: str, texts: Sequence[str]) -> list[str]:
        """Cells of a column, written as in training, in the form of the file."""
        return [self.forms[name].write(text) for text in texts] if name in self.forms else list(texts)

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

    def shown(self, name: str) -> list[str]:
        """The N cells of a column as they stand in the file."""
        found: list[str] = self.given.table.cells[:, self.names.index(name)].tolist()
        return found

    def rewritten(self, cells: np.ndarray | None = None, more: Mapping[str, tuple[np.ndarray, bool | None]] | None = None) -> Rewritten:
        """The rows as they came, or with other `cells` (N, their columns), in the form of the file; with `more` columns."""
        ways = {name: form.read for name, form in self.forms.items()}
        return Rewritten.like(self.codec, self.given, self.given.table.cells if cells is None else cells, ways, more)

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
            shown = self.shown(name)[int(rows[0])]
            said.append(f"{self.name}, row {int(rows[0]) + 1:,}, column {name}: {shown!r} {what}{more}")
        return said


def _same(codec: TableCodec, name: str, other: str) -> bool:
    """Whether both columns are told from one coded column."""
    try:
        return codec.view(name)[0] is codec.view(other)[0]
    except Refused:
        return False


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")

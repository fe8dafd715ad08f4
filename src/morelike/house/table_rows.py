"""A file's rows beside a table model's columns: by name, in any order; what the model can't know of them is said with row and column.

N rows, C columns of the model, F fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import BadInput, Refused
from ..data.files import FolderFiles
from ..data.table import Cells, TableCodec
from ..data.table_columns import CategoryColumn, ColumnCode, NumberColumn, is_missing
from ..data.table_csv import read_sheet
from ..data.table_numbers import Format
from .package import Package

_SHOWN = 5


def codec_of(package: Package, task: str) -> TableCodec:
    """The codec of a model of tables that stand under no condition. Raises Refused for another one."""
    if not isinstance(package.codec, TableCodec):
        raise Refused(f"this model makes data of the kind {package.codec.kind!r}; only models of tables can {task}")
    if package.conditions:
        raise Refused(f"this model is conditioned on {', '.join(package.conditions)}; only one that learnt all columns can {task}")
    return package.codec


def placed(codec: TableCodec) -> Iterator[tuple[int, ColumnCode, slice]]:
    """(number, column, its fields) of each column that is learnt."""
    place = 0
    for number, column in enumerate(codec.columns):
        if column.fields:
            yield number, column, slice(place, place + len(column.fields))
        place += len(column.fields)


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

    @classmethod
    def read(cls, codec: TableCodec, rows: str | Path | Cells) -> Rows:
        """From a CSV or TSV file, or cells in memory. Raises BadInput where it can't be read or has no column of the model."""
        if isinstance(rows, Cells):
            names, cells, notes, name, headed = list(rows.names), rows.cells, [], "the table", True
        else:
            path = Path(rows)
            if not path.is_file():
                raise BadInput(f"there is no file {path}" if not path.exists() else f"{path} is a folder; a CSV file is needed")
            sheet = read_sheet(FolderFiles(path.parent, [path.name]), path.name)
            names, cells, notes, name, headed = sheet.names, sheet.cells, sheet.notes, path.name, sheet.headed
        if not headed and len(names) == len(codec.names):
            names = list(codec.names)
        if not set(names) & {column.name for column in codec.columns if column.fields}:
            raise BadInput(f"{name} has none of the columns that the model learnt ({_listed(codec.names)}); its columns: {_listed(names)}")
        found = cls(name, tuple(names), cells, codec, list(notes))
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
        return [column.name for column in self.codec.columns if column.fields and column.name not in self.names]

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

    def encoded(self) -> np.ndarray:
        """(N,F) float32."""
        return self.codec.encode(self.arranged())

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
        found = np.zeros((len(self.cells), len(self.codec.names)), bool)
        for number, column, _ in placed(self.codec):
            if column.name in self.names:
                texts = self.texts(column.name)
                new = {text: _strange(column, text) for text in set(texts)}
                found[:, number] = [new[text] for text in texts]
        return found

    def beyond(self) -> np.ndarray:
        """(N,C) bool: numbers below the least or above the largest of training."""
        found = np.zeros((len(self.cells), len(self.codec.names)), bool)
        for number, column, _ in placed(self.codec):
            if column.name in self.names and (known := _numbers(column)) is not None:
                form, had = known
                values = form.parse(self.texts(column.name))
                found[:, number] = (values < had.min()) | (values > had.max())
        return found

    def new(self) -> np.ndarray:
        """(N,C) bool: new words, numbers out of the range of training, and missing cells where training had none."""
        new: np.ndarray = self.strange() | self.beyond()
        missing = self.missing()
        for number, column, _ in placed(self.codec):
            known = getattr(column, "values", getattr(column, "markers", ()))
            if column.name in self.names and not any(map(is_missing, known)):
                new[:, number] |= missing[:, number]
        return new

    def say(self, cells: np.ndarray, what: str) -> list[str]:
        """A sentence on each column of which some `cells` (N,C) are True, with the first row; rows count from 1, without the header."""
        said = []
        for number in np.flatnonzero(cells.any(0)).tolist():
            name, rows = self.codec.names[number], np.flatnonzero(cells[:, number])
            more = f" ({len(rows):,} cells)" if len(rows) > 1 else ""
            shown = self.texts(name)[int(rows[0])]
            said.append(f"{self.name}, row {int(rows[0]) + 1:,}, column {name}: {shown!r} {what}{more}")
        return said

    def by_field(self, cells: np.ndarray) -> Tensor:
        """(N,F) bool of (N,C): what holds for a column holds for its fields."""
        found = torch.zeros(len(cells), len(self.codec.spec.fields), dtype=torch.bool)
        for number, _, own in placed(self.codec):
            found[:, own] = torch.from_numpy(cells[:, number])[:, None]
        return found


def _numbers(column: ColumnCode) -> tuple[Format, np.ndarray] | None:
    """How a column writes its numbers or dates, and those that training had (with the least and the largest); None for words."""
    if not isinstance(column, CategoryColumn | NumberColumn) or column.form is None:
        return None
    listed = column.form.parse(column.values if isinstance(column, CategoryColumn) else column.markers)
    own = column.quantiles.values if isinstance(column, NumberColumn) else np.zeros(0)
    return column.form, np.concatenate([own, listed[np.isfinite(listed)]])


def _strange(column: ColumnCode, text: str) -> bool:
    if not column.unseen([text]) or is_missing(text):
        return False
    return not (isinstance(column, CategoryColumn) and column.form is not None and bool(np.isfinite(column.form.parse([text])[0])))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")

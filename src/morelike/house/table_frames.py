"""Rows of tables as what they came from: CSV, Parquet, data frames, Arrow tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput
from ..data.files import FolderFiles
from ..data.table import Cells, TableCodec
from ..data.table_arrow import SUFFIXES as PARQUET
from ..data.table_arrow import arrow_of, from_cells, give_back, is_frame, joined, plain_table, read_parquet, to_cells, with_texts
from ..data.table_arrow_types import types_of
from ..data.table_csv import read_sheet
from ..data.table_numbers import NumberFormat
from .table_forms import changed

Readable = str | Path | Cells | Any
"""The path of a CSV, TSV or Parquet file, cells, or a data frame (of types that need not be installed)."""


@dataclass(frozen=True, slots=True)
class Given:
    """Rows as they were given."""

    name: str
    """What they are called in sentences."""
    table: Cells
    headed: bool = True
    """Whether the names stood in the file."""
    notes: tuple[str, ...] = ()
    index: Any = None
    """Of a frame of pandas."""


def opened(rows: Readable) -> Given:
    """Rows from where they are. Raises BadInput where they can't be read, or there are none."""
    if isinstance(rows, Cells):
        return Given("the table", rows)
    if is_frame(rows):
        frame: Any = rows
        index = frame.index if type(frame).__module__.startswith("pandas") else None
        table, origin, said = arrow_of(frame if index is None else frame.reset_index(drop=True))
        return _typed("the frame", table, origin, said, index)
    if not isinstance(rows, str | Path):
        raise BadInput(f"rows come from a CSV or Parquet file, as a data frame or as Cells, not from a {type(rows).__name__}")
    path = Path(rows)
    if not path.is_file():
        raise BadInput(f"there is no file {path}" if not path.exists() else f"{path} is a folder; a file of rows is needed")
    files = FolderFiles(path.parent, [path.name])
    if path.suffix.lower() in PARQUET:
        return _typed(path.name, joined({path.name: read_parquet(files, path.name)}), "pyarrow")
    sheet = read_sheet(files, path.name)
    return Given(path.name, Cells(sheet.names, sheet.cells, delimiter=sheet.delimiter), sheet.headed, tuple(sheet.notes))


def _typed(name: str, table: Any, origin: str, said: Sequence[str] = (), index: Any = None) -> Given:
    names, cells, types, notes = to_cells(table, origin)
    if not len(cells):
        raise BadInput(f"{name} has columns ({', '.join(names[:6])}{', ...' if len(names) > 6 else ''}) and no rows.")
    return Given(name, Cells(names, cells, types), notes=(*said, *notes), index=index)


def given_back(codec: Codec, items: Any) -> Any:
    """Raw items as their source had them: rows of a data frame as such a frame, of Parquet as an Arrow table, all else as it is."""
    return give_back(codec.types, codec.names, items) if isinstance(codec, TableCodec) and codec.types is not None else items


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Rows that a task gives back, in the form in which they came."""

    codec: TableCodec
    table: Cells
    ways: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    """What makes a cell as training had it, of the columns that are written otherwise."""
    added: Mapping[str, bool] = field(default_factory=dict)
    """Columns of numbers that were added; True: of whole ones."""
    index: Any = None

    @classmethod
    def like(
        cls, codec: TableCodec, given: Given, cells: np.ndarray, ways: Mapping[str, Callable[[str], str]],
        more: Mapping[str, tuple[np.ndarray, bool | None]] | None = None,
    ) -> Rewritten:  # fmt: skip
        """`cells` (N, columns of `given`), with `more` columns at the end under names that it doesn't have yet: texts, and whether they are
        numbers (True: whole ones, None: words)."""
        names, added = list(given.table.names), dict[str, bool]()
        for name, (texts, whole) in (more or {}).items():
            while name in names:
                name += "_"
            names.append(name)
            added |= {} if whole is None else {name: whole}
            cells = np.concatenate([cells, texts.astype(object)[:, None]], 1)
        types = given.table.types
        if types is not None:
            known = [(given.table.names, types), *([(codec.names, codec.types)] if codec.types is not None else [])]
            types = types_of(names, known, _numbers(codec) | added)
        return cls(codec, Cells(names, cells, types, given.table.delimiter), ways, added, given.index)

    def handed(self) -> Any:
        """A data frame (with the index that it had), an Arrow table, or of CSV (N, columns) text."""
        table = self.table
        if table.types is None:
            return table.cells
        found = give_back(table.types, table.names, table.cells)
        if self.index is not None and table.types.origin == "pandas" and len(self.index) == len(found):
            found.index = self.index
        return found

    def arrow(self) -> Any:
        """An Arrow table in the rows' types, else in those of the model's source, else with plain numbers as numbers; a column with cells
        that its type can't hold is text."""
        names, codec = self.table.names, self.codec
        if self.table.types is not None:
            return from_cells(self.table.types, names, self.table.cells)
        cells, numbers = changed(self.table, self.ways), _numbers(codec) | dict(self.added)
        if codec.types is None:
            return with_texts(plain_table(names, cells, numbers), cells)
        return with_texts(from_cells(types_of(names, [(codec.names, codec.types)], numbers), names, cells), cells)


def arrow_table(codec: TableCodec, cells: np.ndarray) -> Any:
    """Drawn rows (N,C) as an Arrow table: in the types of their source, or where that had none with plain numbers as numbers."""
    return Rewritten(codec, Cells(codec.names, cells, codec.types)).arrow()


def _numbers(codec: TableCodec) -> dict[str, bool]:
    """The columns of plain numbers; True: of whole ones."""
    forms = {column.name: getattr(column, "form", None) for column in codec.columns}
    plain = {name: form for name, form in forms.items() if isinstance(form, NumberFormat) and form.is_plain}
    return {name: not (form.decimals or form.digits) for name, form in plain.items()}

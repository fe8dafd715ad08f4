"""A table's rows as plain numbers and ids, for what models are compared with, and its column of classes. N rows, D columns, K classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput, Refused, UnknownName
from ..data.table import TableCodec
from ..data.table_columns import CategoryColumn, is_missing
from ..judges.table_codes import TableCodes
from .table_rows import placed

MOST_CLASSES, _USUAL = 100, 10
"""Classes of a column, at most, where it is named and where it is looked for."""


@dataclass(frozen=True, slots=True)
class Target:
    """The column of classes: those of its values that are no sign of a missing one."""

    name: str
    place: int
    """Among the C columns."""
    field: int
    """Among the F fields."""
    ids: tuple[int, ...]
    """(K,) ids of the classes."""
    classes: tuple[str, ...]

    def labels(self, cells: np.ndarray) -> NDArray[np.int64]:
        """(N,) class of each of the rows (N,C), -1 where it has none or one that training lacked."""
        numbers = {text: number for number, text in enumerate(self.classes)}
        return np.array([numbers.get(text, -1) for text in cells[:, self.place].tolist()], dtype=np.int64)


def target_of(codec: TableCodec, column: str | None = None) -> Target:
    """The column named, else the last one that is learnt, if it has 2 to 10 classes.

    Raises UnknownName for a column that isn't there, Refused for one that holds no classes, BadInput where none is named or found.
    """
    learnt = list(placed(codec))
    if column is not None:
        if column not in codec.names:
            raise UnknownName("column", column, codec.names)
        learnt = [one for one in learnt if one[1].name == column]
        if not learnt:
            raise Refused(f"{column} is not learnt: {codec.columns[codec.names.index(column)].describe()}")
    place, code, own = learnt[-1]
    ids = [number for number, value in enumerate(getattr(code, "values", ())) if not is_missing(value)]
    fits = isinstance(code, CategoryColumn) and 2 <= len(ids) <= (_USUAL if column is None else MOST_CLASSES)
    if not fits or not isinstance(code, CategoryColumn):
        if column is None:
            raise BadInput(f"which column holds the classes? The last one, {code.name}, has none or too many: name one with --column NAME")
        raise Refused(f"a column of 2 to {MOST_CLASSES} classes is needed, and {column} is none: {code.describe()}")
    return Target(code.name, place, own.start, tuple(ids), tuple(code.values[number] for number in ids))


@dataclass(frozen=True, slots=True)
class Features:
    """Rows without their column of classes, as fitted on training rows."""

    codes: TableCodes

    @classmethod
    def fit(cls, codec: TableCodec, training: np.ndarray, without: str) -> Features:
        """Looks at training rows (N,C). Raises Refused where no other column can be compared."""
        left_out = {column.name for column in codec.columns if not column.fields} | {without}
        return cls(TableCodes.fit(training, codec.names, left_out))

    @property
    def ids(self) -> list[int]:
        """(D,) how many ids a column has, 0 for numbers."""
        return [column.ids if column.kind == "category" else 0 for column in self.codes.columns]

    def __call__(self, cells: np.ndarray) -> NDArray[np.float64]:
        """(N,D)."""
        return np.asarray(self.codes(cells).x, dtype=np.float64)

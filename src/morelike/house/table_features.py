"""A table's rows as plain numbers and ids, for what models are compared with, and its column of classes. N rows, D columns, K classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput, Refused, UnknownName
from ..data.table import TableCodec
from ..data.table_columns import CategoryColumn, is_missing
from ..judges.table_codes import TableCodes

MOST_CLASSES, _USUAL = 100, 10
"""Classes of a column, at most, where it is named and where it is looked for."""


@dataclass(frozen=True, slots=True)
class Target:
    """The column of classes: those of its values that are no sign of a missing one."""

    name: str
    place: int
    """Among the C columns."""
    column: CategoryColumn
    """The coded column that it is told from."""
    field: int
    """Among the F fields, that of the coded column."""
    ids: tuple[tuple[int, ...], ...]
    """For each of the K classes the ids of the coded column that show it."""
    classes: tuple[str, ...]

    def labels(self, cells: np.ndarray) -> NDArray[np.int64]:
        """(N,) class of each of the rows (N,C), -1 where it has none or one that training lacked."""
        numbers = {text: number for number, text in enumerate(self.classes)}
        return np.array([numbers.get(text, -1) for text in cells[:, self.place].tolist()], dtype=np.int64)


def target_of(codec: TableCodec, column: str | None = None) -> Target:
    """The column named, else the last one that is learnt, if it has 2 to 10 classes.

    Raises UnknownName for a column that isn't there, Refused for one that holds no classes, BadInput where none is named or found.
    """
    if column is not None and column not in codec.names:
        raise UnknownName("column", column, codec.names)
    name = column or [name for name in codec.names if name not in codec.unlearnt][-1]
    said = next((code.describe() for code in codec.columns if code.name == name), f"{name}: {_ruled(codec, name)}.")
    if name in codec.unlearnt:
        raise Refused(f"{name} is not learnt: {said}")
    try:
        code, own, show = codec.view(name)
    except Refused as refused:
        parts = " or ".join(codec.rules.writer[name].reads)
        if column is not None:
            raise Refused(f"{name} is made of several columns ({_ruled(codec, name)}): no column of classes; ask for {parts}") from refused
        code = None
    groups: dict[str, list[int]] = {}
    if isinstance(code, CategoryColumn):
        for number, text in enumerate(map(show, code.values)):
            if not is_missing(text):
                groups.setdefault(text, []).append(number)
    if not isinstance(code, CategoryColumn) or not 2 <= len(groups) <= (_USUAL if column is None else MOST_CLASSES):
        if column is None:
            raise BadInput(f"which column holds the classes? The last one, {name}, has none or too many: name one with --column NAME")
        raise Refused(f"a column of 2 to {MOST_CLASSES} classes is needed, and {column} is none: {said}")
    return Target(name, codec.names.index(name), code, own.start, tuple(map(tuple, groups.values())), tuple(groups))


def _ruled(codec: TableCodec, name: str) -> str:
    return codec.rules.writer[name].describe() if name in codec.rules.writer else ""


@dataclass(frozen=True, slots=True)
class Features:
    """Rows without their column of classes, as fitted on training rows."""

    codes: TableCodes

    @classmethod
    def fit(cls, codec: TableCodec, training: np.ndarray, without: str) -> Features:
        """Looks at training rows (N,C). Raises Refused where no other column can be compared."""
        return cls(TableCodes.fit(training, codec.names, {*codec.unlearnt, without}))

    @property
    def ids(self) -> list[int]:
        """(D,) how many ids a column has, 0 for numbers."""
        return [column.ids if column.kind == "category" else 0 for column in self.codes.columns]

    def __call__(self, cells: np.ndarray) -> NDArray[np.float64]:
        """(N,D)."""
        return np.asarray(self.codes(cells).x, dtype=np.float64)

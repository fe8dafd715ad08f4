"""Small tables for tests: of columns, the code of one column, and cells there and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from morelike.data.table import Cells
from morelike.data.table_infer import infer


def table(**columns: list[str]) -> Cells:
    cells = np.empty((len(next(iter(columns.values()))), len(columns)), dtype=object)
    for number, column in enumerate(columns.values()):
        cells[:, number] = column
    return Cells(tuple(columns), cells)


def one(column: list[str], name: str = "x") -> Any:
    """The code of one column."""
    return infer(name, f"{name}?", column, column, 20_000)


def back(code: Any, texts: list[str]) -> list[str]:
    return list(code.decode(code.encode(texts)))

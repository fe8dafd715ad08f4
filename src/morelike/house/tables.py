"""Tables conditioned on their own columns: exactly, by families that fill in what is not known. F fields of a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import BadInput, Refused, UnknownName
from ..data.table import TableCodec
from ..data.table_columns import CategoryColumn
from .package import Package


def own_columns(package: Package, where: Mapping[str, Any]) -> dict[str, str]:
    """Those of `where` that name columns of the table itself, and not conditions, as text."""
    names = package.codec.names if isinstance(package.codec, TableCodec) else ()
    return {name: str(value) for name, value in where.items() if name in names and name not in package.conditions}


def fields_of(codec: TableCodec, where: Mapping[str, str]) -> tuple[Tensor, Tensor]:
    """((F,) values, (F,) bool which of them are known) of columns as text.

    Raises Refused for a column that is not learnt, UnknownName or BadInput for a value that the model can't write.
    """
    values, known, place = np.zeros(len(codec.spec.fields), np.float32), np.zeros(len(codec.spec.fields), bool), 0
    for column in codec.columns:
        width = len(column.fields)
        if column.name in where:
            text = where[column.name]
            if not width:
                raise Refused(f"{column.name} is not learnt, so nothing follows from it: {column.describe()}")
            if isinstance(column, CategoryColumn) and text not in column.values:
                raise UnknownName(f"value of {column.name}", text, column.values)
            coded = column.encode([text])
            written = str(column.decode(coded)[0])
            if column.unseen([text]) or written != text:
                raise BadInput(f"{text!r} is no value of {column.name} that the model can write; the nearest is {written!r}")
            values[place : place + width], known[place : place + width] = coded[0], True
        place += width
    return torch.from_numpy(values), torch.from_numpy(known)

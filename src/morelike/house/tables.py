"""Tables conditioned on their own columns: exactly, by families that fill in what is not known. F fields of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    values, known = np.zeros(len(codec.spec.fields), np.float32), np.zeros(len(codec.spec.fields), bool)
    for name, text in where.items():
        column, place, way = codec.view(name)
        if not column.fields:
            raise Refused(f"{name} is not learnt, so nothing follows from it: {column.describe()}")
        if isinstance(column, CategoryColumn):
            text = _category(name, text, column.values, way)
        coded = column.encode([text])
        written = str(column.decode(coded)[0])
        if column.unseen([text]) or written != text:
            raise BadInput(f"{text!r} is no value of {name} that the model can write; the nearest is {written!r}")
        if known[place].any() and not np.array_equal(values[place], coded[0]):
            raise BadInput(f"{name} = {where[name]} doesn't go with what the other columns are fixed to")
        values[place], known[place] = coded[0], True
    return torch.from_numpy(values), torch.from_numpy(known)


def _category(name: str, text: str, coded: Sequence[str], way: Callable[[str], str]) -> str:
    """The one coded value that gives a visible one."""
    found = [value for value in coded if way(value) == text]
    if not found:
        raise UnknownName(f"value of {name}", text, {way(value) for value in coded})
    if len(found) > 1:
        raise Refused(f"{len(found):,} values give {name} = {text} by a rule; fix one of them: {', '.join(found[:4])}")
    return found[0]

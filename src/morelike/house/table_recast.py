"""Other data for a table's model, such as `judge --data`: brought into its columns and their form, as training had them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.errors import BadInput
from ..data.source import Source
from ..data.table import Cells, TableCodec
from ..data.table_arrow_types import ArrowTypes, types_of
from ..data.table_open import class_columns
from .table_forms import Form, changed
from .table_frames import Given, Rewritten
from .table_rows import Rows


class Recast(Cells):
    """Cells written as in training, and how their file writes them."""

    def __init__(self, codec: TableCodec, cells: np.ndarray, types: ArrowTypes | None, delimiter: str, forms: Mapping[str, Form]) -> None:
        super().__init__(codec.names, cells, types, delimiter)
        self.forms = forms


def recasting(codec: TableCodec) -> Callable[[Source], tuple[Source, list[str]]]:
    """What brings a source into the columns of a codec: (the source, sentences on what was changed). One that fits stays as it is, and so
    does a table that lies in files.

    Raises BadInput where a column is missing, or can be read in two ways.
    """

    def recast(source: Source) -> tuple[Source, list[str]]:
        items = source.items
        if not isinstance(items, Cells):
            return source, []
        rows = Rows.read(codec, Given(source.name, items))
        lacking = rows.lacking()
        if lacking:
            raise BadInput(f"{source.name} lacks the column {lacking[0]!r} of the model ({len(lacking)} missing)")
        if not rows.forms and items.names == codec.names:
            return source, []
        types = None if items.types is None else types_of(codec.names, [(items.names, items.types)], {})
        new = Recast(codec, rows.arranged(), types, items.delimiter, rows.forms)
        return replace(source, items=new, columns=class_columns(new)), rows.notes

    return recast


def as_source(codec: TableCodec, items: Any, cells: np.ndarray) -> Rewritten:
    """Rows (N,C) as training had them, written as `items`, the source of some of them, were."""
    forms = items.forms if isinstance(items, Recast) else {}
    types = items.types if isinstance(items, Cells) else None
    table = Cells(codec.names, cells, types, getattr(items, "delimiter", codec.delimiter))
    written = Cells(codec.names, changed(table, {name: form.write for name, form in forms.items()}), types, table.delimiter)
    return Rewritten(codec, written, {name: form.read for name, form in forms.items()})


def part(codec: TableCodec, source: Source, numbers: np.ndarray) -> Rows:
    """The held-out rows of a source, by their numbers."""
    items, name = source.items, f"the held-out rows of {source.name}"
    if isinstance(items, Recast):
        written = as_source(codec, items, items[numbers]).table
        return Rows(name, codec.names, items[numbers], codec, [], Given(name, written), items.forms)
    return Rows.read(codec, Given(name, Cells(items.names, items[numbers], getattr(items, "types", None), items.delimiter)), own=True)

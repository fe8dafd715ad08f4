"""Rows of tables as what they were learnt from: data frames, Arrow tables, Parquet."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.contract import Codec
from ..data.table import TableCodec
from ..data.table_arrow import from_cells, give_back, plain_table
from ..data.table_numbers import NumberFormat


def given_back(codec: Codec, items: Any) -> Any:
    """Raw items as their source had them: rows of a data frame as such a frame, of Parquet as an Arrow table, all else as it is."""
    return give_back(codec.types, codec.names, items) if isinstance(codec, TableCodec) and codec.types is not None else items


def arrow_table(codec: TableCodec, cells: np.ndarray) -> Any:
    """Rows (N,C) as an Arrow table: in the types of their source, or where that had none with plain numbers as numbers."""
    if codec.types is not None:
        return from_cells(codec.types, codec.names, cells)
    forms = {column.name: getattr(column, "form", None) for column in codec.columns}
    plain = {name: form for name, form in forms.items() if isinstance(form, NumberFormat) and form.is_plain}
    return plain_table(codec.names, cells, {name: not (form.decimals or form.digits) for name, form in plain.items()})

"""Parquet files and data frames <-> cells as text, exact both ways: the types of the columns are kept beside the cells.

Whatever holds columns is first made an Arrow table (`pyarrow`, extra `tables`). N rows, C columns.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import chain, count
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .files import READ_LIMIT, Files, guarded
from .table_arrow_types import ArrowTypes, library
from .table_columns import is_missing
from .table_labels import KEY, labelled, noted
from .table_numbers import plain_number
from .table_zones import offset_text

SUFFIXES = (".parquet", ".pq")
_NULLS = ("", "NA", "NULL", "<NA>", "#N/A", "missing", "\\N")
"""The first of these that no text of a column is stands for its nulls."""
_EPOCH = "1970-01-01 "
_UNITS = ("s", "ms", "us")
DURATIONS = {"d": 86_400 * 10**9, "h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}
"""Units of durations in billionths of a second, the coarsest first."""
_NANO = {unit: DURATIONS[unit] for unit in (*_UNITS, "ns")}


def is_frame(data: Any) -> bool:
    """Whether something in memory is a data frame: of pandas, polars, pyarrow, or another that gives its columns to Arrow."""
    return hasattr(data, "__dataframe__") or (hasattr(data, "__arrow_c_stream__") and hasattr(data, "columns"))


def arrow_of(frame: Any) -> tuple[Any, str, list[str]]:
    """(Arrow table, origin, what is to be said) of a data frame. Raises BadInput where a column holds values of several types."""
    pa = library("pyarrow", "a data frame")
    origin = type(frame).__module__.partition(".")[0]
    if isinstance(frame, pa.Table):
        return frame, "pyarrow", []
    if origin != "pandas":
        make = getattr(frame, "to_arrow", None) or (lambda: pa.table(frame))
        return make(), "polars" if origin == "polars" else "pyarrow", []
    names = list(map(str, frame.columns))
    if twice := [name for number, name in enumerate(names) if name in names[:number]]:
        raise BadInput(f"the data frame has two columns called {twice[0]!r}; a table needs names that are all different.")
    index, notes = frame.index, []
    if index.name is not None or index.nlevels > 1 or not (index == np.arange(len(index))).all():
        notes.append("the data frame's index is no part of the table; frame.reset_index() makes it a column")
    try:
        table = pa.Table.from_pandas(frame.set_axis(names, axis=1), preserve_index=False)
        return table.replace_schema_metadata({**(table.schema.metadata or {}), **noted(frame)}), "pandas", notes
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        why = "; ".join(map(str, error.args))
        raise BadInput(f"the data frame can't be read: {why}. A column holds one type of values; make it text with astype(str).") from error


def read_parquet(files: Files, file: str) -> Any:
    """The Arrow table of a Parquet file. Raises BadInput, naming it, where it is damaged or holds more than 1 GB of values."""
    parquet = library("pyarrow.parquet", f"{file}: reading Parquet")
    pa = sys.modules["pyarrow"]
    try:
        with guarded(file), files.open(file) as stream:
            opened = parquet.ParquetFile(stream if stream.seekable() else pa.BufferReader(files.read(file)))
            size = sum(opened.metadata.row_group(number).total_byte_size for number in range(opened.metadata.num_row_groups))
            if size > READ_LIMIT:
                raise BadInput(f"{file} holds {size >> 20:,} MB of values; Parquet is read into memory, so give a part of its rows.")
            return opened.read()
    except pa.ArrowException as error:
        raise BadInput(f"{file} can't be read as Parquet: {error}.") from error


def joined(tables: Mapping[str, Any]) -> Any:
    """The rows of all tables, by the names of the first one's columns. Raises BadInput where files have other columns or types."""
    pa = sys.modules["pyarrow"]
    names = next(iter(tables.values())).column_names
    for file, table in tables.items():
        if len(set(table.column_names)) != len(table.column_names):
            raise BadInput(f"{file} has two columns of one name; a table needs names that are all different.")
        if set(table.column_names) != set(names):
            other = sorted(set(table.column_names) ^ set(names))[0]
            raise BadInput(f"{file} has other columns than the other files of its table (look at {other!r}); they need the same ones.")
    try:
        return pa.concat_tables([table.select(names) for table in tables.values()], promote_options="permissive")
    except pa.ArrowException as error:
        raise BadInput(f"the files {', '.join(tables)} have columns of other types: {error}.") from error


def to_cells(table: Any, origin: str) -> tuple[list[str], np.ndarray, ArrowTypes, list[str]]:
    """(names, cells (N,C) of `str`, types, notes) of an Arrow table; columns of lists, structures and bytes are left out, said.

    Raises BadInput where no column is left.
    """
    pa = library("pyarrow", "a table")
    if table.nbytes > READ_LIMIT:
        raise BadInput(f"the table holds {table.nbytes >> 20:,} MB; a table is read into memory, so give a part of its rows.")
    notes = [
        f"{column.name}: holds {column.type}, which is no column of a table; left out" for column in table.schema if _odd(pa, column.type)
    ]
    table = table.select([column.name for column in table.schema if not _odd(pa, column.type)])
    if not table.num_columns:
        raise BadInput("no column of the table holds numbers, texts, dates or truth values.")
    cells = np.empty((table.num_rows, table.num_columns), dtype=object)
    nulls, categories, kept = [], {}, []
    for number, column in enumerate(table.schema):
        values = table.column(number).combine_chunks()
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        words: list[str] | None = None
        if pa.types.is_dictionary(column.type):
            words = _texts(pa, values.dictionary, column.type.value_type).to_pylist() if isinstance(values, pa.DictionaryArray) else []
            categories[column.name] = tuple(word for word in words if word is not None)
            values = values.cast(column.type.value_type)
        texts = _texts(pa, values, values.type)
        distinct = texts.dictionary_encode()
        known = [word for word in distinct.dictionary.to_pylist() if word is not None]
        nulls.append(next(mark for mark in _marks() if mark not in set(known).union(words or ())))
        ids = distinct.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        pool = np.empty(len(known) + 1, dtype=object)
        pool[:] = [*known, nulls[-1]]
        cells[:, number] = pool[ids]
        kept.append(column)
    schema = pa.schema(kept, metadata=_pandas_only(table.schema.metadata))
    types = ArrowTypes(origin, base64.b64encode(schema.serialize()).decode(), tuple(nulls), categories)
    return list(table.column_names), cells, types, notes


def _marks() -> Iterator[str]:
    """Signs of null, without end."""
    return chain(_NULLS, (f"<null {number}>" for number in count()))


def _pandas_only(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes] | None:
    """Of a schema's notes those by which pandas finds its own types and labels again."""
    return {key: note for key, note in (metadata or {}).items() if key in (b"pandas", KEY)} or None


def _odd(pa: Any, kind: Any) -> bool:
    """Whether values of an Arrow type are no single number, text, date or truth value."""
    types = pa.types
    if types.is_dictionary(kind):
        return _odd(pa, kind.value_type)
    plain = (
        types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_string, types.is_large_string, types.is_date,
        types.is_time, types.is_timestamp, types.is_duration, types.is_null, types.is_string_view,
    )  # fmt: skip
    return not any(test(kind) for test in plain)


def _texts(pa: Any, values: Any, kind: Any) -> Any:
    """Values of an Arrow type as texts, null where they are null; moments of a zone as its clock shows them, with the offset from UTC."""
    types = pa.types
    if types.is_timestamp(kind) and kind.tz is not None:
        with suppress(pa.ArrowInvalid):
            return _zoned(pa, values.cast(pa.timestamp("us", kind.tz)))
    if types.is_timestamp(kind):
        return _times(pa, values.cast(pa.timestamp(kind.unit)))
    if types.is_duration(kind):
        return _durations(pa, values)
    if types.is_date(kind):
        return values.cast(pa.date32()).cast(pa.string())
    if types.is_null(kind):
        return pa.nulls(len(values), pa.string())
    return values.cast(pa.string())


def _zoned(pa: Any, values: Any) -> Any:
    """Moments of a zone in millionths, such as 2020-07-06 03:46:40+02:00; of one that this machine doesn't know in UTC."""
    compute = library("pyarrow.compute", "a column with a time zone")
    clock = moments = values.cast(pa.timestamp("us"))
    with suppress(pa.ArrowInvalid):
        clock = compute.local_timestamp(values)
    ahead = compute.subtract(clock, moments).cast(pa.duration("s")).cast(pa.int64())
    tails = pa.array([None if one is None else offset_text(one) for one in ahead.to_pylist()], pa.string())
    return compute.binary_join_element_wise(_clock(pa, clock), tails, "")


def _times(pa: Any, values: Any) -> Any:
    """Moments in the coarsest unit that holds them all: days, seconds, thousandths, millionths; those finer still as whole numbers."""
    days = values.cast(pa.date32())
    return days.cast(pa.string()) if days.cast(values.type).equals(values) else _clock(pa, values)


def _clock(pa: Any, values: Any) -> Any:
    """The same, never as days."""
    for unit in _UNITS:
        try:
            return values.cast(pa.timestamp(unit)).cast(pa.string())
        except pa.ArrowInvalid:
            continue
    return values.cast(pa.int64()).cast(pa.string())


def _durations(pa: Any, values: Any) -> Any:
    """Durations as whole numbers of the coarsest unit that holds them all, with its name: 90 min."""
    compute = library("pyarrow.compute", "a column of durations")
    counted = values.cast(pa.int64())
    known = counted.drop_null().to_numpy(zero_copy_only=False)
    long = _NANO[values.type.unit]
    name, unit = next((name, unit) for name, unit in DURATIONS.items() if unit <= long or not (known % (unit // long)).any())
    return compute.binary_join_element_wise(compute.divide(counted, max(1, unit // long)).cast(pa.string()), f" {name}", "")


def _long(pa: Any, texts: Any, kind: Any) -> Any:
    """The inverse of `_durations`; numbers without a unit are counted in the type's own."""
    found = []
    for text in texts.to_pylist():
        number, _, name = (text or "").partition(" ")
        if text is not None and (not number.lstrip("-").isdigit() or (name and name not in DURATIONS)):
            raise pa.ArrowInvalid(f"{text!r} is no duration")
        found.append(None if text is None else int(number) * (DURATIONS[name] if name else _NANO[kind.unit]) // _NANO[kind.unit])
    return pa.array(found, pa.int64()).cast(kind)


def _values(pa: Any, texts: Any, kind: Any) -> Any:
    """The inverse of `_texts`. Raises ArrowInvalid where a text is no such value."""
    types = pa.types
    if types.is_timestamp(kind):
        naive = pa.timestamp(kind.unit)
        if kind.tz is not None:
            with suppress(pa.ArrowInvalid):
                return texts.cast(kind)
        try:
            read = texts.cast(naive)
        except pa.ArrowInvalid:
            read = texts.cast(pa.int64()).cast(naive)
        return read if kind.tz is None else read.cast(pa.int64()).cast(kind)
    if types.is_duration(kind):
        return _long(pa, texts, kind)
    if types.is_time(kind):
        days = sys.modules["pyarrow.compute"].binary_join_element_wise(_EPOCH, texts, "")
        return days.cast(pa.timestamp(kind.unit)).cast(kind)
    if types.is_date(kind):
        return texts.cast(pa.date32()).cast(kind)
    if types.is_null(kind):
        return pa.nulls(len(texts))
    return texts.cast(kind)


def from_cells(types: ArrowTypes, names: Sequence[str], cells: np.ndarray) -> Any:
    """The Arrow table of cells (N,C), in the types that they came from; a text that is no such value becomes null."""
    pa = library("pyarrow", "a table of the types it was read from")
    library("pyarrow.compute", "a table of the types it was read from")
    schema = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(types.schema)))
    fields, arrays = [], []
    for number, name in enumerate(names):
        column = schema.field(name)
        values = [None if text == types.nulls[number] else text for text in cells[:, number].tolist()]
        array, column = _column(pa, values, column, types.categories.get(name))
        fields.append(column if column.nullable or not array.null_count else column.with_nullable(True))
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=schema.metadata))


def _column(pa: Any, values: list[str | None], column: Any, categories: Sequence[str] | None) -> tuple[Any, Any]:
    """(array, field) of one column's texts."""
    if not pa.types.is_dictionary(column.type):
        return _array(pa, values, column.type), column
    kind = column.type
    known = list(dict.fromkeys([*(categories or ()), *(text for text in values if text is not None)]))
    ids = {text: row for row, text in enumerate(known)}
    if len(known) > np.iinfo(kind.index_type.to_pandas_dtype()).max:
        kind = pa.dictionary(pa.int32(), kind.value_type, kind.ordered)
    index = pa.array([None if text is None else ids[text] for text in values], kind.index_type)
    words = _array(pa, known, kind.value_type)
    return pa.DictionaryArray.from_arrays(index, words, ordered=kind.ordered), column.with_type(kind)


def _array(pa: Any, values: Sequence[str | None], kind: Any) -> Any:
    """Texts as an array of a type; where some are no such values, numbers too large are taken into its range and others are null."""
    texts = pa.array(values, pa.string())
    try:
        return _values(pa, texts, kind)
    except pa.ArrowInvalid:
        known = {text: _fitting(pa, text, kind) for text in set(values) if text is not None}
        return _values(pa, pa.array([None if text is None else known[text] for text in values], pa.string()), kind)


def _fitting(pa: Any, text: str, kind: Any) -> str | None:
    """The text, or for a whole number that is too large, or written with an exponent, the same within the type's range; None for others."""
    tried = [text]
    if pa.types.is_integer(kind) and plain_number(text):
        # fresh identifiers have the digits of the training values, and may so pass the largest number
        tried.append(str(int(Decimal(text)) % int(np.iinfo(kind.to_pandas_dtype()).max)))
    for one in tried:
        try:
            _values(pa, pa.array([one], pa.string()), kind)
        except pa.ArrowInvalid:
            continue
        return one
    return None


def plain_table(names: Sequence[str], cells: np.ndarray, numbers: Mapping[str, bool]) -> Any:
    """The Arrow table of cells (N,C) that no types are known of: texts, and the columns of plain `numbers` (True: whole ones), where a cell
    that is no number is null."""
    pa = library("pyarrow", "writing Parquet")
    arrays = []
    for number, name in enumerate(names):
        texts = cells[:, number].tolist()
        if name not in numbers:
            arrays.append(pa.array(texts, pa.string()))
            continue
        arrays.append(_array(pa, texts, pa.int64() if numbers[name] else pa.float64()))
    return pa.Table.from_arrays(arrays, names=list(names))


def with_texts(table: Any, cells: np.ndarray) -> Any:
    """An Arrow table of cells (N,C) that had no types, in which columns that lost a cell for their type's sake are text."""
    pa = sys.modules["pyarrow"]
    for number, name in enumerate(table.column_names):
        texts = cells[:, number].tolist()
        if table.column(number).null_count > sum(map(is_missing, texts)):
            table = table.set_column(number, name, pa.array([None if is_missing(text) else text for text in texts], pa.string()))
    return table


def give_back(types: ArrowTypes, names: Sequence[str], cells: np.ndarray) -> Any:
    """Cells as what the table came as: a frame of pandas or polars with the same types, else an Arrow table."""
    table = from_cells(types, names, cells)
    if types.origin == "pandas":
        library("pandas", "a data frame")
        return labelled(table.to_pandas(), table.schema.metadata)
    if types.origin == "polars":
        return library("polars", "a data frame of polars").from_arrow(table)
    return table


def parquet_writer(table: Any) -> Callable[[Any], None]:
    """What writes an Arrow table to a path."""
    parquet = library("pyarrow.parquet", "writing Parquet")
    return lambda path: parquet.write_table(table, path)

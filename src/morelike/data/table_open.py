"""Finds tables among files: CSV and TSV by written rules, Parquet by its ending, with an official split by file names or a column of that
name; and data frames in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import BadInput
from . import table_stored
from .columns import SPLITS, category_column, is_official, split_indices, split_word
from .files import READ_LIMIT, Files
from .source import Column, Source
from .table import Cells
from .table_arrow import SUFFIXES as PARQUET
from .table_arrow import arrow_of, is_frame, joined, read_parquet, to_cells
from .table_arrow_types import ArrowTypes
from .table_csv import Sheet, parse_sheet, read_sheet
from .table_numbers import is_quantity
from .table_stored import StoredCells, StoredSheet, Unindexed, stored_sheet
from .text_files import blocks, detect, is_text, packed, plain_name, read_text
from .text_items import Stored
from .text_records import file_splits, prose
from .text_tables import is_pairs

SUFFIXES = (".csv", ".tsv", ".tab")
_ASIDE = ("readme", "license", "licence", "copying", "notice", "citation")
_BESIDE = {"rules": "rules.toml", "facts": "facts.tsv"}
"""Settings of the codec, and the files beside a table that they are read from."""
_CLASSES, _NUMBERS = 100, 20
_HEAD = 1 << 18
_FILES = frozenset(["file", "filename", "file_name", "path", "image"])
_FILE_NAME = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,3}$")
_RULE = "each line has the same number of cells, and some column holds numbers or few different words"

Found = tuple[str, Callable[[], Source]]
"""A data set's label and what opens it."""


def found_table(name: str, files: Files, kind: str | None, alone: bool) -> list[Found]:
    """All tables among the files: one of the files whose names say their splits, else one of each file.

    `kind` "table" takes any file that is named itself (`alone`), and tables that would else be read as pairs of texts.
    """
    forced = kind == "table"
    if kind is not None and not forced:
        return []
    names = [file for file in files.sizes if alone or not (_aside(file) or plain_name(file).name in _BESIDE.values())]
    ending = {file: plain_name(file).suffix.lower() for file in names}
    if forced and alone:
        chosen = [file for file in names if ending[file] in SUFFIXES or is_text(files, file)]
    else:
        chosen = [file for file in names if ending[file] in SUFFIXES and is_table(files, file, forced, alone)]
    parquet = [file for file in names if ending[file] in PARQUET]
    found: list[Found] = []
    for some, opener in ((chosen, partial(open_tables, forced=forced)), (parquet, open_parquet)):
        some = [file for file in some if opener is open_parquet or ending[file] not in PARQUET]
        if len(some) > 1 and any(file_splits(some)[0].values()):
            found.append((", ".join(some), partial(opener, name, files, some)))
        else:
            found += [(file, partial(opener, name, files, [file])) for file in some]
    return found


def _aside(file: str) -> bool:
    return plain_name(file).name.lower().startswith(_ASIDE)


def is_table(files: Files, file: str, forced: bool = False, alone: bool = False) -> bool:
    """Whether a CSV or TSV is a table of attributes by its first rows: not pairs of texts, some column no text.

    A legend to other files is one only where it is named itself (`alone`), `forced` takes whatever has cells.
    """
    try:
        if not forced and is_pairs(files, file):
            return False
        block = next(blocks(files, file), b"")[:_HEAD]
        encoding = detect(block)
        text = block[encoding.mark :].decode(encoding.name, "replace")
        # the last line is cut somewhere, perhaps inside a quote
        head = text[: text.rfind("\n") + 1] if len(block) == _HEAD else text
        sheet = parse_sheet(file, head or text)
    except BadInput:
        # a file that is broken is opened all the same, so that what is wrong with it is said
        return is_text(files, file)
    columns = [sheet.cells[:, column].tolist() for column in range(len(sheet.names))]
    legend = not alone and any(name.lower() in _FILES and _file_names(texts) for name, texts in zip(sheet.names, columns, strict=True))
    return forced or not (legend or all(map(prose, columns)))


def _file_names(texts: Sequence[str]) -> bool:
    """Whether nearly all cells are names of files: then the table is a legend to them."""
    return sum(_FILE_NAME.search(text) is not None for text in texts) * 10 > len(texts) * 9


def open_tables(name: str, files: Files, chosen: Sequence[str], forced: bool = False) -> Source:
    """One table of the rows of all `chosen` files, with the official split that their names say. Raises BadInput, naming file and line."""
    words, said = file_splits(list(chosen)) if len(chosen) > 1 else (dict.fromkeys(chosen), [])
    large = _stored(files, chosen)
    if large:
        return _large(name, large, words, said, "a table: asked for" if forced else f"a table: {_RULE}")
    sheets = {file: read_sheet(files, file) for file in chosen}
    notes = [*said, *(note for sheet in sheets.values() for note in sheet.notes)]
    names, parts = _joined(sheets, notes)
    cells = np.concatenate(parts)
    marks = [words[file] for file, part in zip(sheets, parts, strict=True) for _ in range(len(part))]
    items = Cells(names, cells, delimiter=sheets[chosen[0]].delimiter)
    source = _source(name, items, marks, notes, "a table: asked for" if forced else f"a table: {_RULE}")
    return _ruled(source, files, chosen)


def _stored(files: Files, chosen: Sequence[str]) -> list[StoredSheet]:
    """The rows of files that are too large for memory, found where they lie; none where they aren't, or where quotes can't be counted."""
    if sum(files.sizes[file] for file in chosen) <= table_stored.LARGE and not any(map(packed, chosen)):
        return []
    read = {file: read_text(files, file, table_stored.LARGE // len(chosen)) for file in chosen}
    if all(isinstance(one.text, str) for one in read.values()):
        return []
    sheets = []
    for file, one in read.items():
        text = one.text if isinstance(one.text, Stored) else Stored(np.frombuffer(one.text.encode(), np.uint8), 0, len(one.text.encode()))
        try:
            sheets.append(stored_sheet(file, text, one.notes))
        except Unindexed as error:
            if sum(files.sizes[file] for file in chosen) > READ_LIMIT:
                raise BadInput(str(error)) from error
            return []
    return sheets


def _large(name: str, sheets: list[StoredSheet], words: Mapping[str, str | None], said: Sequence[str], why: str) -> Source:
    """A table that stays in its files. Raises BadInput where files have other columns."""
    main = next((sheet for sheet in sheets if sheet.headed), sheets[0])
    notes = [*said, *(note for sheet in sheets for note in sheet.notes)]
    for sheet in sheets:
        sheet.order = _order(main.names, sheet.names, sheet.headed, sheet.file, notes)
    items = StoredCells([main, *(sheet for sheet in sheets if sheet is not main)])
    marks = np.concatenate([np.full(len(sheet.starts) - 1, words[sheet.file] or "") for sheet in items.sheets])
    split = {mark: np.flatnonzero(marks == mark) for mark in SPLITS if (marks == mark).any()} if len(sheets) > 1 else {}
    notes.append(f"{items.nbytes >> 20:,} MB of text stay on disk; no column can be a condition (use --where), and no rules are learnt")
    return Source(name, "table", items, {}, split if is_official(split) else None, tuple(notes), why_kind=why)


def _order(main: Sequence[str], names: Sequence[str], headed: bool, file: str, notes: list[str]) -> list[int] | None:
    """Where the columns of one file's table stand in another file; None where they stand alike. Raises BadInput where they are others."""
    if list(names) == list(main) or (not headed and len(names) == len(main)):
        return None
    lacking = [name for name in main if name not in names]
    extra = [name for name in names if name not in main]
    if lacking or extra:
        what = f"lacks the column {lacking[0]!r}" if lacking else f"has a column {extra[0]!r} that the others lack"
        raise BadInput(f"{file} {what}; files of one table need the same columns. Give the path of one of them, or mend it.")
    notes.append(f"{file}: its columns stand in another order and were sorted as in the first file")
    return [names.index(name) for name in main]


def open_parquet(name: str, files: Files, chosen: Sequence[str]) -> Source:
    """One table of the rows of all `chosen` Parquet files, with the official split that their names say. Raises BadInput."""
    words, said = file_splits(list(chosen)) if len(chosen) > 1 else (dict.fromkeys(chosen), [])
    tables = {file: read_parquet(files, file) for file in chosen}
    names, cells, types, notes = to_cells(joined(tables), "pyarrow")
    marks = [words[file] for file, table in tables.items() for _ in range(len(table))]
    return _ruled(_source(name, _named(names, cells, types), marks, [*said, *notes], "a table: Parquet"), files, chosen)


def in_memory(data: Any) -> Source | None:
    """The table of a data frame; None for what is none. Raises BadInput where it can't be one."""
    if not is_frame(data):
        return None
    table, origin, said = arrow_of(data)
    names, cells, types, notes = to_cells(table, origin)
    return _source("frame", _named(names, cells, types), [], [*said, *notes], f"a table: a data frame ({origin})")


def _named(names: Sequence[str], cells: np.ndarray, types: ArrowTypes) -> Cells:
    if not len(cells):
        raise BadInput("the table has columns and no rows.")
    return Cells(names, cells, types)


def _source(name: str, items: Cells, marks: Sequence[str | None], notes: list[str], why: str) -> Source:
    """A table with its columns as conditions and its split: by the files' `marks`, else by a column."""
    names, cells = items.names, items.cells
    if not any(marks) and (place := _split_column(names, cells)) is not None:
        marks = [split_word(word) for word in cells[:, place].tolist()]
        notes.append(f"the column {names[place]!r} says the official split; it is no part of the table")
        types = None if items.types is None else items.types.dropped(place)
        items = Cells([*names[:place], *names[place + 1 :]], np.delete(cells, place, axis=1), types, items.delimiter)
    split = split_indices(marks)
    columns = class_columns(items)
    return Source(name, "table", items, columns, split if is_official(split) else None, tuple(notes), why_kind=why)


def _ruled(source: Source, files: Files, chosen: Sequence[str]) -> Source:
    """The table with the rules and facts that lie beside it."""
    settings = _beside(files, chosen)
    notes = [f"{Path(path).name} lies beside the table: its {key} are taken unless codec.{key} is none" for key, path in settings.items()]
    return replace(source, settings=settings, notes=(*source.notes, *notes))


def _beside(files: Files, chosen: Sequence[str]) -> dict[str, str]:
    """The files of rules and facts in the folder of the first table; none in a zip."""
    table = files.local(chosen[0])
    if table is None or table.name in _BESIDE.values():
        return {}
    return {key: str(table.parent / name) for key, name in _BESIDE.items() if (table.parent / name).is_file()}


def _joined(sheets: dict[str, Sheet], notes: list[str]) -> tuple[list[str], list[np.ndarray]]:
    """(names, the cells of each file in the order of the first file's names). Raises BadInput where files have other columns."""
    main = next(sheet for sheet in (*(one for one in sheets.values() if one.headed), *sheets.values()))
    parts = []
    for file, sheet in sheets.items():
        order = _order(main.names, sheet.names, sheet.headed, file, notes)
        parts.append(sheet.cells if order is None else sheet.cells[:, order])
    return main.names, parts


def _split_column(names: Sequence[str], cells: np.ndarray) -> int | None:
    """The column called split, if all its cells name one and there is something to train on and to hold out."""
    place = next((number for number, name in enumerate(names) if name.lower() in ("split", "partition", "fold_name")), None)
    if place is None or len(names) < 2:
        return None
    words = {split_word(word) for word in set(cells[:, place].tolist())}
    return place if None not in words and "train" in words and len(words) > 1 else None


def class_columns(items: Cells) -> dict[str, Column]:
    """The columns of at most 100 different words or 20 numbers, as classes, so that they can be conditions."""
    found = {}
    for number, name in enumerate(items.names):
        texts = items.cells[:, number].tolist()
        distinct = set(texts)
        most = _NUMBERS if sum(map(is_quantity, distinct)) * 2 > len(distinct) else _CLASSES
        if 1 < len(distinct) <= min(most, max(2, len(texts) // 5)):
            found[name] = category_column(name, texts)
    return found

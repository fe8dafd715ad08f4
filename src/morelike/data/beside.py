"""Tables that lie beside pictures: CSV, TSV or JSON lines whose column `file` names them; any column can be a condition."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .columns import category_column
from .files import Files
from .source import Column

SUFFIXES = (".csv", ".tsv", ".jsonl")
_TABLE_LIMIT = 64 << 20
_FILE_FIELDS = ("file", "filename", "file_name", "image", "path", "img")
_LABEL_FIELDS = ("label", "class", "category", "target")
_CAPTION_FIELDS = ("caption", "text", "description", "prompt", "sentence")
"""These are captions however few differ."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands ("FILE, line N"), the file that it names, and its other fields in lower case."""

    where: str
    file: str
    values: dict[str, str]


@dataclass(slots=True)
class PictureTable:
    """What the tables of one name say of each picture."""

    name: str
    rows: list[Row | None]
    """One a picture; None where no row names it."""
    clashes: dict[str, str] = field(default_factory=dict)
    """Field -> a sentence on two rows of one picture that disagree in it."""
    stray: list[Row] = field(default_factory=list)
    """Rows that name no picture."""
    again: list[Row] = field(default_factory=list)
    """Rows of pictures that had one before."""

    @property
    def fields(self) -> list[str]:
        """All fields but that of the file, in their order."""
        return list(dict.fromkeys(key for row in self.rows if row is not None for key in row.values))

    @property
    def whole(self) -> bool:
        """Whether every picture has a row."""
        return all(row is not None for row in self.rows)

    def values(self, name: str) -> list[str]:
        """A field's value of each picture, empty where there is none."""
        return ["" if row is None else row.values.get(name, "") for row in self.rows]


def read_tables(places: Sequence[Files], pictures: Sequence[str], notes: list[str]) -> list[PictureTable]:
    """The tables among `places` that name some of the pictures; those of one name in several folders are one. `notes` hears of the rest."""
    found: dict[str, PictureTable] = {}
    own = Names(pictures)
    for files in places:
        for path in sorted(name for name in files.sizes if name.lower().endswith(SUFFIXES)):
            rows = _rows(files, path, notes)
            if any(own.numbers(path, row.file) for row in rows):
                name = PurePosixPath(path).name
                table = found.setdefault(name, PictureTable(name, [None] * len(pictures)))
                for row in rows:
                    _place(table, own.numbers(path, row.file), row)
    return list(found.values())


class Names:
    """Pictures by path, and by file name."""

    def __init__(self, pictures: Sequence[str]) -> None:
        self._by_path = {path: [number] for number, path in enumerate(pictures)}
        self._by_name: dict[str, list[int]] = {}
        for number, path in enumerate(pictures):
            self._by_name.setdefault(PurePosixPath(path).name, []).append(number)

    def numbers(self, table: str, file: str, by_name: bool = True) -> list[int]:
        """The pictures that a row means: by its path from the table's folder, from the top, or else `by_name`, the file's alone."""
        beside = str(PurePosixPath(table).parent / file)
        found = self._by_path.get(beside) or self._by_path.get(file)
        return found or (self._by_name.get(PurePosixPath(file).name, []) if by_name else [])


def _place(table: PictureTable, numbers: Sequence[int], row: Row) -> None:
    """Puts a row to the pictures that it names; what disagrees with an earlier row is kept as a sentence."""
    if not numbers:
        table.stray.append(row)
    for number in numbers:
        before = table.rows[number]
        if before is None:
            table.rows[number] = row
            continue
        table.again.append(row)
        for key in {*before.values, *row.values}:
            if before.values.get(key, "") != row.values.get(key, ""):
                sentence = f"{row.where}: {row.file} has another {key!r} than in {before.where}; keep one row a picture."
                table.clashes.setdefault(key, sentence)


def _rows(files: Files, path: str, notes: list[str]) -> list[Row]:
    """The rows of one table; none, and a note, where it can't be read, and none where it has no column of files."""
    if files.sizes[path] > _TABLE_LIMIT:
        notes.append(f"{path} is larger than {_TABLE_LIMIT >> 20} MB and was left alone")
        return []
    kind = "JSON lines" if path.lower().endswith(".jsonl") else "TSV" if path.lower().endswith(".tsv") else "CSV"
    try:
        text = files.read(path).decode("utf-8-sig")
        read = _json_lines(text) if kind == "JSON lines" else _separated(text, "\t" if kind == "TSV" else _comma(text))
    except (UnicodeDecodeError, ValueError, RecursionError, csv.Error) as error:
        notes.append(f"{path} isn't {kind} in UTF-8 and was left alone ({error})")
        return []
    key = next((name for name in _FILE_FIELDS if any(name in values for _, values in read[:1])), None)
    if key is None:
        return []
    rest = [(line, values.get(key, ""), {name: value for name, value in values.items() if name != key}) for line, values in read]
    return [Row(f"{path}, line {line}", file.replace("\\", "/"), values) for line, file, values in rest]


def _comma(text: str) -> str:
    """What separates the fields of a CSV: a semicolon where its header has no comma, as spreadsheets of many languages write it."""
    header = text.partition("\n")[0]
    return ";" if ";" in header and "," not in header else ","


def _separated(text: str, delimiter: str) -> list[tuple[int, dict[str, str]]]:
    """(line, fields) of each row under a header."""
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    found = []
    for row in reader:
        plain = {str(key).strip().lower(): value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
        found.append((reader.line_num, plain))
    return found


def _json_lines(text: str) -> list[tuple[int, dict[str, str]]]:
    """(line, fields) of each object; values that are lists or objects are left out. Raises ValueError naming the line."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        if not isinstance(values, dict):
            raise ValueError(f"line {number} is no object")
        found.append((number, {key.strip().lower(): _word(value) for key, value in values.items() if not isinstance(value, (dict, list))}))
    return found


def _word(value: Any) -> str:
    """A JSON value as a CSV would hold it."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def columns_of(table: PictureTable) -> dict[str, Column]:
    """The fields, captions aside, that hold one of few values for every picture; a label's field is called "label"."""
    count, columns = len(table.rows), {}
    for name in table.fields if table.whole else ():
        values = table.values(name)
        label, distinct = name in _LABEL_FIELDS, len(set(values))
        left_out = name == "split" or name in _CAPTION_FIELDS or name in table.clashes
        if left_out or not all(values) or distinct < 2 or (not label and distinct > few(count)):
            continue
        if distinct > count // 2 and count > 20:
            values_are = f"the column {name!r} has {distinct:,} different values for {count:,} pictures"
            raise BadInput(f"{table.name}: {values_are}; labels must repeat.")
        columns[named(name)] = category_column(named(name), values)
    return columns


def few(count: int) -> int:
    """How many different values of so many pictures are classes."""
    return max(2, min(100, count // 5))


def named(name: str) -> str:
    """What a field is called as a column."""
    return "label" if name in _LABEL_FIELDS else name


def asked_column(table: PictureTable, name: str, pictures: Sequence[str], notes: list[str]) -> Column:
    """A field as a condition: a number where all values are, a class where few values repeat, else a text, which pictures may lack.

    Raises BadInput naming file and line for rows that disagree, and for numbers that are missing or not finite.
    """
    if name in table.clashes:
        raise BadInput(table.clashes[name])
    values = table.values(name)
    gaps = [number for number, value in enumerate(values) if not value.strip()]
    filled = [value for value in values if value.strip()]
    if not filled:
        raise BadInput(f"{table.name}: the column {name!r} is empty for every picture.")
    caption = name in _CAPTION_FIELDS
    if not gaps and not caption and len(set(values)) <= few(len(values)):
        return category_column(name, values)
    numbers = [] if caption else [_number(value) for value in filled]
    if numbers and all(value is not None for value in numbers):
        return _numbers(table, name, values, pictures)
    if gaps:
        first = f"{name!r} is empty" if table.rows[gaps[0]] is not None else "there is no row"
        notes.append(f"{table.name}: {len(gaps):,} of {len(values):,} pictures have no {name} (first {pictures[gaps[0]]}: {first})")
    found = np.empty(len(values), dtype=object)
    found[:] = [value.strip() for value in values]
    return Column(name, found)


def _numbers(table: PictureTable, name: str, values: Sequence[str], pictures: Sequence[str]) -> Column:
    """A column of numbers. Raises BadInput for the first picture without a finite one."""
    for number, value in enumerate(values):
        row = table.rows[number]
        if row is None:
            raise BadInput(f"{table.name} has no row for {pictures[number]}, so that it has no {name!r}; add one, or remove the picture.")
        if not math.isfinite(_number(value) if value.strip() else math.nan):  # type: ignore[arg-type]  # all that are filled are numbers
            raise BadInput(f"{row.where}: {name!r} is {value or 'empty'}, but a finite number is expected for every picture.")
    return Column(name, np.array([float(value) for value in values], dtype=np.float32))


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def stray_notes(table: PictureTable) -> list[str]:
    """Sentences on rows without a picture, and on pictures with several rows."""
    said = []
    for rows, what in ((table.stray, "names no picture that is there"), (table.again, "names a picture that has a row before")):
        if rows:
            more = f", and {len(rows) - 1:,} more rows" if len(rows) > 1 else ""
            said.append(f"{rows[0].where} {what} ({rows[0].file or 'empty'}){more}: left out")
    return said

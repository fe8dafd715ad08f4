"""JSON lines, CSV and TSV as text: rows with the line they stand in."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence

from ..core.errors import BadInput
from .files import READ_LIMIT, Files
from .text_files import blocks, detect, lines, plain_name, read_text
from .text_records import PLAIN, PROSE_LETTERS, SOURCES, TARGETS, Record, prose

JSON_LINES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv")
_FIELD_LIMIT = 64 << 20
_DIGIT = re.compile(r"\d")
_LOOKED_AT = 200
_NAMED_LETTERS, _TAB_LETTERS = 2, 4
"""Letters that a text has on average where its column is named as one, and in a column of a TSV."""
_KNOWN = frozenset([*TARGETS, *SOURCES, *PLAIN])


def _whole(files: Files, file: str, notes: list[str]) -> str:
    read = read_text(files, file, READ_LIMIT)
    if not isinstance(read.text, str):
        raise BadInput(f"{file} has more than {READ_LIMIT >> 30} GB of rows; give a part of it, or a running text, which may be larger.")
    notes += read.notes
    return read.text


def json_lines(files: Files, file: str, notes: list[str]) -> list[Record]:
    """One object a line; empty lines are passed over. Raises BadInput naming the line that is no object."""
    found = []
    for number, line in enumerate(lines(_whole(files, file, notes)), 1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{where}: isn't JSON ({error}). Mend or remove the line.") from error
        if not isinstance(values, dict):
            raise BadInput(f"{where}: holds {type(values).__name__}, but an object with named fields is expected ({{\"text\": ...}}).")
        found.append(Record(values, where))
    if not found:
        raise BadInput(f"{file} holds no rows.")
    return found


def table(files: Files, file: str, notes: list[str]) -> list[Record]:
    """Rows of a CSV or TSV by its header's names; without one, two columns are `source` and `target`. Raises BadInput naming the line."""
    rows = _parsed(file, _whole(files, file, notes))
    first = next(rows, None)
    if first is None:
        raise BadInput(f"{file} holds no rows.")
    body = list(rows)
    names = _header(first[1], [row for _, row in body[:_LOOKED_AT]])
    if names is not None and not {name.lower() for name in names} & _KNOWN:
        said = ", ".join(names)
        notes.append(f"{file}: the first line was read as the columns' names ({said}); if it is a row, put a line of names above it")
    if names is None:
        names, body = ["source", "target"][-len(first[1]) :], [first, *body]
        if len(first[1]) > 2:
            raise BadInput(f"{file} has {len(first[1])} columns and no header; call one target (and one source) in a first line of names.")
    found = []
    for number, row in body:
        if len(row) != len(names):
            has = f"{len(row)} {'field' if len(row) == 1 else 'fields'}"
            raise BadInput(f"{file}, line {number}: has {has}, but there are {len(names)} columns ({', '.join(names)}).")
        found.append(Record(dict(zip(names, row, strict=True)), f"{file}, line {number}"))
    if not found:
        raise BadInput(f"{file} holds no rows below its header.")
    return found


def _parsed(file: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of each row that isn't empty. Tabs are never quoted, commas and semicolons may be."""
    if plain_name(file).suffix.lower() == ".tsv":
        yield from ((number, line.split("\t")) for number, line in enumerate(lines(text), 1) if line.strip(" "))
        return
    head = text[: text.find("\n")] if "\n" in text else text
    delimiter = ";" if head.count(";") > head.count(",") else ","
    before = csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    number = 1
    try:
        for row in reader:
            if any(row):
                yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(f"{file}, line {number}: isn't CSV ({error}).") from error
    finally:
        csv.field_size_limit(before)


def _header(first: Sequence[str], below: Sequence[Sequence[str]]) -> list[str] | None:
    """The first row's names, if it is a header: a name that is known, or one short word a column where the rows below are longer."""
    cells = [cell.strip() for cell in first]
    if {cell.lower() for cell in cells} & _KNOWN and len(set(cells)) == len(cells):
        return cells
    if all(cells) and len(set(cells)) == len(cells) and all(len(cell.split()) == 1 and len(cell) <= 30 for cell in cells) and below:
        longer = sum(any(len(cell.split()) > 1 for cell in row) for row in below)
        return cells if longer * 10 > len(below) * 9 else None
    return None


def is_pairs(files: Files, file: str) -> bool:
    """Whether a CSV or TSV is text by its first rows: two columns of text, a column of text with a known name, or more columns, most of
    them text, without a header, which is then asked for."""
    try:
        block = next(blocks(files, file), b"")
        encoding = detect(block)
        text = codecs.getincrementaldecoder(encoding.name)("replace").decode(block[encoding.mark :])
        rows: list[list[str]] = []
        for _, row in _parsed(file, text):
            rows.append(row)
            if len(rows) > _LOOKED_AT:
                break
    except BadInput:
        return False
    if not rows:
        return False
    width = len(rows[0])
    names = _header(rows[0], rows[1:])
    body = [row for row in (rows if names is None else rows[1:]) if len(row) == width]
    known = [column for column, cell in enumerate(names or ()) if cell.lower() in _KNOWN]
    if any(prose([row[column] for row in body], _NAMED_LETTERS) for column in known):
        return True
    # two columns with tabs between are hardly ever anything but pairs; with commas they may be a table
    least = _TAB_LETTERS if plain_name(file).suffix.lower() == ".tsv" else PROSE_LETTERS
    texts = sum(prose([row[column] for row in body], least) for column in range(width))
    return texts >= 2 and (width == 2 or (names is None and texts * 2 > width and not _numbers_below_words(rows, width)))


def _numbers_below_words(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether some column has digits in every cell but its first: the first row is then the header of a table of attributes."""
    columns = ([row[column] for row in rows if len(row) == width] for column in range(width))
    digits = ([bool(_DIGIT.search(cell)) for cell in cells] for cells in columns)
    return any(len(found) > 2 and not found[0] and all(found[1:]) for found in digits)

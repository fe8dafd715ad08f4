"""CSV and TSV files <-> cells: delimiter, header and ragged rows by written rules; every repair is said with its line.

N rows, C columns.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from ..core.errors import BadInput
from .files import READ_LIMIT, Files
from .table_columns import is_missing
from .table_numbers import is_number, is_quantity
from .text_files import plain_name, read_text

_DELIMITERS = (",", ";", "\t", "|")
_TABBED = (".tsv", ".tab")
_LOOKED_AT = 200
FIELD_LIMIT = 64 << 20
LEFT_OUT = 0.05
"""Rows that are too long may be left out up to this share; more are no accident."""
_SHOWN = 3
MOST_COLUMNS = 20_000
_BLOCK = 16_384
"""So many rows are written at a time."""
SEPARATOR = re.compile(r"sep=([^\w\"\s]|\t)[ \t]*\r?\n", re.IGNORECASE)
"""The line by which a file tells Excel its delimiter."""
_FORMULA = re.compile(r"[=+\-@\t\r]")
_PHONE = re.compile(r"(\+[1-9][0-9 \xa0().\-/]{5,24}[0-9])(?: ?(?:x|ext\.?) ?[0-9]{1,6})?")
_PHONE_DIGITS = range(7, 17)
"""An international number has at most 15 digits (ITU-T E.164), beside them the zero of "+44 (0)118"."""
_UNCLOSED = "unexpected end of data"


@dataclass(slots=True)
class Sheet:
    """One file's table, and what was said about it."""

    names: list[str]
    cells: np.ndarray
    """(N,C) array of `str`."""
    notes: list[str] = field(default_factory=list)
    headed: bool = True
    """Whether the names stood in the file."""
    delimiter: str = ","
    """With which such a table is written as CSV."""


def read_sheet(files: Files, file: str) -> Sheet:
    """The table of a CSV or TSV file. Raises BadInput, naming file, line and column, where it isn't one."""
    read = read_text(files, file, READ_LIMIT)
    if not isinstance(read.text, str):
        raise BadInput(f"{file} has more than {READ_LIMIT >> 30} GB; a table is read into memory, so give a part of its rows.")
    return parse_sheet(file, read.text, read.notes)


def parse_sheet(file: str, text: str, notes: Sequence[str] = ()) -> Sheet:
    """As `read_sheet`, from a text that was read already."""
    said = list(notes)
    delimiter = sniff_delimiter(file, text)
    lines, rows = parsed(file, text, delimiter, said)
    names, headed, body = heading(file, rows, said)
    return Sheet(names, _cells(file, names, body, lines[1:] if headed else lines, said), said, headed, written_with(file, delimiter))


def heading(file: str, rows: list[list[str]], said: list[str]) -> tuple[list[str], bool, list[list[str]]]:
    """(names, whether the first row holds them, the rows below). Raises BadInput where there are no rows."""
    if not rows:
        raise BadInput(f"{file} holds no rows.")
    headed = is_header(rows[0], rows[1 : _LOOKED_AT + 1])
    first = rows[0] if headed else [""] * len(rows[0])
    body = rows[1:] if headed else rows
    if not body:
        raise BadInput(f"{file} has a header ({', '.join(first[:6])}{', ...' if len(first) > 6 else ''}) and no rows below it.")
    width = Counter(map(len, body)).most_common(1)[0][0]
    if rows[0][0].lstrip().startswith("#") and len(rows[0]) < width:
        raise BadInput(f"{file} begins with {rows[0][0].strip()[:60]!r}, a comment. Delete the lines above the header.")
    if len(rows[0]) == 1 and width > 2 and any(cell.strip() for cell in body[0][1:]):
        raise BadInput(
            f"{file} begins with {rows[0][0].strip()[:60]!r} alone, but most rows have {width} cells. Delete the lines above the header."
        )
    if headed and width == len(first) + 1 and all(len(row) == width for row in body):
        said.append(f"{file}: the header has one name less than the rows have cells, so the first column was unnamed")
        first = ["", *first]
    if len(first) > MOST_COLUMNS:
        raise BadInput(f"{file} has {len(first):,} columns; at most {MOST_COLUMNS:,} are read.")
    if not headed:
        said.append(f"{file}: the first line is no header (its cells look like those below), so columns are named by their numbers")
    return _names(file, first, said if headed else []), headed, body


def sniff_delimiter(file: str, text: str) -> str:
    """What separates the cells: of comma, semicolon, tab and bar the one by which most of the first 200 rows are as wide as the first,
    unless the file says it."""
    if named := SEPARATOR.match(text):
        return named[1]
    wanted = "\t" if plain_name(file).suffix.lower() in _TABBED else ","
    best, most = wanted, 0.0
    for delimiter in sorted(_DELIMITERS, key=lambda one: one != wanted):
        widths = _widths(text[: 1 << 20], delimiter)
        if not widths or widths[0] < 2:
            continue
        # columns decide between delimiters that fit about equally well
        fit = sum(width == widths[0] for width in widths) / len(widths) + min(widths[0], 50) / 1000
        if fit > most + 1e-9:
            best, most = delimiter, fit
    return best


def written_with(file: str, delimiter: str) -> str:
    """The delimiter of CSV like a file: its own, but commas for a TSV, whose tabs belong to its ending."""
    return "," if plain_name(file).suffix.lower() in _TABBED else delimiter


def _widths(text: str, delimiter: str) -> list[int]:
    """How many cells the first rows have that aren't empty."""
    before = csv.field_size_limit(FIELD_LIMIT)
    try:
        return [len(row) for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), _LOOKED_AT) if row]
    finally:
        csv.field_size_limit(before)


def parsed(file: str, text: str, delimiter: str, notes: list[str]) -> tuple[list[int], list[list[str]]]:
    """(line where each row begins, rows), empty lines and Excel's line of the delimiter left out. Strict at first, to find an open quote;
    then as spreadsheets do."""
    if named := SEPARATOR.match(text):
        # an empty line in its place, so that lines keep their numbers
        text = text[named.end() - 1 :]
    before = csv.field_size_limit(FIELD_LIMIT)
    try:
        return _all_rows(text, delimiter, True)
    except _NotCsv as error:
        if _UNCLOSED in error.why:
            column = f", column {error.column}" if error.column else ""
            raise BadInput(f"{file}, line {error.line}{column}: a quote is opened and never closed. Close it, or double it.") from error
        if "delimiter" in error.why or "expected after" in error.why:
            notes.append(f"{file}, line {error.line}: text follows a closing quote; it was joined to the cell, there and wherever else")
            try:
                return _all_rows(text, delimiter, False)
            except _NotCsv as again:
                raise BadInput(f"{file}, line {again.line}: isn't CSV ({again.why}).") from again
        raise BadInput(f"{file}, line {error.line}: isn't CSV ({error.why}).") from error
    finally:
        csv.field_size_limit(before)


class _NotCsv(Exception):
    """What csv.Error says, with the row's place."""

    def __init__(self, why: str, line: int, column: int) -> None:
        super().__init__(why)
        self.why, self.line, self.column = why, line, column


def _all_rows(text: str, delimiter: str, strict: bool) -> tuple[list[int], list[list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    lines, rows, line = [], [], 1
    try:
        for row in reader:
            if row and not (len(row) == 1 and not row[0].strip()):
                lines.append(line)
                rows.append(row)
            line = reader.line_num + 1
    except csv.Error as error:
        raise _NotCsv(str(error), line, _open_column(text, line, delimiter)) from error
    return lines, rows


def _open_column(text: str, line: int, delimiter: str) -> int:
    """The number, from 1, of the cell in which a quote stays open at the end of a line; 0 where none does."""
    begun = next(islice(io.StringIO(text), line - 1, None), "")
    inside, column = False, 1
    for letter in begun:
        if letter == '"':
            inside = not inside
        elif letter == delimiter and not inside:
            column += 1
    return column if inside else 0


def is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names: in columns of numbers it has words, and no word that comes again below."""
    for_it = against = 0
    for column, cell in enumerate(first):
        cells = [row[column] for row in below if len(row) > column and not is_missing(row[column])]
        number = is_number(cell.strip())
        if not cells:
            continue
        if sum(map(is_number, cells)) * 2 > len(cells):
            for_it, against = for_it + (not number and not is_missing(cell)), against + number
        elif not is_missing(cell) and cell in cells:
            against += 1
    if for_it == against == 0:
        filled = [cell for cell in first if cell.strip()]
        return bool(filled) and len(set(filled)) == len(filled) and not any(map(is_number, filled))
    return for_it >= against


def _names(file: str, first: Sequence[str], notes: list[str]) -> list[str]:
    """Names without surrounding spaces, all there and all different."""
    names: list[str] = []
    taken = {cell.strip() for cell in first}
    for number, cell in enumerate(first, 1):
        name = re.sub(r"\s+", " ", cell).strip()
        if not name:
            name = _other(f"column {number}", taken)
            notes.append(f"{file}: column {number} has no name and was called {name!r}")
        elif name in names:
            again, name = name, _other(f"{name}.2", taken)
            notes.append(f"{file}: column {number} has the same name as one before it, {again!r}, and was called {name!r}")
        taken.add(name)
        names.append(name)
    return names


def _other(name: str, taken: set[str]) -> str:
    """`name`, or the first of its followers that is free."""
    stem, number = name, 2
    if name.endswith(".2"):
        stem = name[:-2]
    while name in taken:
        name = f"{stem}.{number}"
        number += 1
    return name


def _cells(file: str, names: Sequence[str], body: list[list[str]], lines: Sequence[int], notes: list[str]) -> np.ndarray:
    """(N,C): short rows filled up with empty cells, empty cells beyond the last column cut off, longer rows left out. Raises BadInput."""
    width = len(names)
    short = [row for row, cells in enumerate(body) if len(cells) < width]
    long = [row for row, cells in enumerate(body) if len(cells) > width and any(cell.strip() for cell in cells[width:])]
    over = [row for row, cells in enumerate(body) if len(cells) > width]
    if len(long) > LEFT_OUT * len(body):
        row = long[0]
        raise BadInput(
            f"{file}, line {lines[row]}: has {len(body[row])} cells, but there are {width} columns ({', '.join(names[:6])}"
            f"{', ...' if width > 6 else ''}); {len(long):,} of {len(body):,} rows are too long. Quote cells that hold the separator."
        )
    for row in short:
        body[row] = body[row] + [""] * (width - len(body[row]))
    if short:
        last = names[-1]
        notes.append(f"{file}: {_rows(short, lines)} too few cells; empty ones were added at the end, up to column {last!r}")
    if len(over) > len(long):
        notes.append(f"{file}: {_rows([row for row in over if row not in set(long)], lines)} empty cells beyond the last column, cut off")
    if long:
        notes.append(f"{file}: {_rows(long, lines)} more cells than there are columns and can't be put in place; left out")
    gone = set(long)
    out = np.empty((len(body) - len(gone), width), dtype=object)
    kept = (cells for row, cells in enumerate(body) if row not in gone) if gone else iter(body)
    # equal cells of a column share one string
    pools: list[dict[str, str]] = [{} for _ in names]
    for number, cells in enumerate(kept):
        out[number] = [pool.setdefault(cell, cell) for pool, cell in zip(pools, cells, strict=False)]
    return out


def _rows(rows: Sequence[int], lines: Sequence[int]) -> str:
    """"3 rows (lines 4, 7, 9) have"."""
    return shown_rows(len(rows), [f"{lines[row]}" for row in rows[:_SHOWN]])


def shown_rows(count: int, lines: Sequence[str]) -> str:
    """The same from how many rows there are and the lines of the first."""
    shown = ", ".join(lines[:_SHOWN]) + (", ..." if count > _SHOWN else "")
    return f"1 row (line {shown}) has" if count == 1 else f"{count:,} rows (lines {shown}) have"


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would run a cell: it begins with = + - @ and is no number, telephone number or row of dashes."""
    return bool(_FORMULA.match(cell)) and not is_quantity(cell) and bool(cell.strip("-")) and not _is_phone(cell)


def _is_phone(cell: str) -> bool:
    found = _PHONE.fullmatch(cell)
    return found is not None and sum(letter.isdigit() for letter in found[1]) in _PHONE_DIGITS


def write_csv(names: Sequence[str], cells: np.ndarray, path: Path, delimiter: str = ",") -> None:
    """Writes names and rows, (N,C) array of `str`, as CSV (UTF-8, LF), whole or not at all.

    What would be a formula gets an apostrophe before it. Raises BadInput where the place can't be written.
    """
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8", newline="", errors="replace") as stream:
            writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
            writer.writerow(_harmless(names))
            for start in range(0, len(cells), _BLOCK):
                writer.writerows(_all_harmless(cells[start : start + _BLOCK]).tolist())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BadInput(f"{path} can't be written: {error.strerror or error}.") from error


def _all_harmless(cells: np.ndarray) -> np.ndarray:
    """(N,C) cells with an apostrophe before each formula; the same array where there is none."""
    out = cells
    for number in range(cells.shape[1]):
        texts = cells[:, number].tolist()
        bad = {text for text in set(texts) if text[:1] in _BEGIN and is_formula(text)}
        if bad:
            out = out.copy() if out is cells else out
            out[:, number] = ["'" + text if text in bad else text for text in texts]
    return out


def _harmless(row: Sequence[str]) -> list[str]:
    return ["'" + cell if cell[:1] in _BEGIN and is_formula(cell) else cell for cell in row]


_BEGIN = frozenset("=+-@\t\r")

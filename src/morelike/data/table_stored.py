"""Tables too large for memory: rows stay in their files, and where each begins is found in one pass that honours quotes.

N rows, C columns. As `table_csv` does, empty lines are skipped, short rows filled up, longer rows left out unless what is beyond is empty.
"""

from __future__ import annotations

import csv
import gc
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import overload

import numpy as np

from ..core.errors import BadInput
from .table_csv import FIELD_LIMIT, LEFT_OUT, SEPARATOR, heading, parsed, shown_rows, sniff_delimiter, written_with
from .text_items import Stored

LARGE = 128 << 20
"""Tables of more bytes of text stay in their files."""
_HEAD = 1 << 20
_BLOCK = 1 << 20
_NEAR = 32 << 20
_CELLS = 1 << 14
"""Read at once: few enough to stay in the processor's own memory."""
_AT_ONCE = 8192
_QUOTE, _LINE, _RETURN = b'"\n\r'
_BLANK = "".join(map(chr, range(33)))
_SHOWN = 3


class Unindexed(Exception):
    """A file whose rows can't be found by counting quotes; it says which line and why."""


@dataclass(slots=True)
class StoredSheet:
    """One large file's rows: where they lie, and what was said about them."""

    file: str
    text: Stored
    delimiter: str
    names: list[str]
    headed: bool
    starts: np.ndarray
    """(N+1,) int64: the byte where each row begins, and where the last one ends."""
    notes: list[str] = field(default_factory=list)
    order: list[int] | None = None
    """The places of the table's columns among the file's, where they differ."""

    def read(self, rows: np.ndarray) -> list[list[str]]:
        """The cells of rows in rising order. Raises BadInput where the file has changed."""
        width, found = len(self.names), []
        for start in range(0, len(rows), _AT_ONCE):
            found += _body(self._bytes(rows[start : start + _AT_ONCE]), self.delimiter, width)
        if len(found) != len(rows):
            what = f"{len(rows):,} rows were asked for and {len(found):,} found"
            raise BadInput(f"{self.file}: {what}; the file has changed, or carriage returns alone end some of its lines.")
        return found if self.order is None else [[row[place] for place in self.order] for row in found]

    def _bytes(self, rows: np.ndarray) -> bytes:
        """The text of some rows, each with its line end."""
        starts, ends = self.starts[rows], self.starts[rows + 1]
        first, last = int(starts[0]), int(ends[-1])
        if rows[-1] - rows[0] + 1 == len(rows):
            return self.text.read(first, last)
        if last - first <= _NEAR:
            near = self.text.read(first, last)
            parts = [near[start:end] for start, end in zip((starts - first).tolist(), (ends - first).tolist(), strict=True)]
        else:
            parts = [self.text.read(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        return b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts)


class StoredCells:
    """A table whose rows lie in files: as `table.Cells`, but cells are read when they are asked for."""

    def __init__(self, sheets: Sequence[StoredSheet]) -> None:
        """The rows of all sheets, one after another, in the columns of the first."""
        self.sheets, self.names, self.types = tuple(sheets), tuple(sheets[0].names), None
        self.delimiter = written_with(sheets[0].file, sheets[0].delimiter)
        """With which such a table is written as CSV."""
        self._ends = np.cumsum([len(sheet.starts) - 1 for sheet in sheets])
        self.chunk = max(256, _CELLS // len(self.names))
        """So many rows are best read at once."""

    @property
    def nbytes(self) -> int:
        """Bytes of text."""
        return sum(len(sheet.text) for sheet in self.sheets)

    def __len__(self) -> int:
        return int(self._ends[-1])

    @overload
    def __getitem__(self, rows: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray: ...
    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        """(C,) cells of one row, (k,C) of several: objects of `str`."""
        if isinstance(rows, int | np.integer):
            one: np.ndarray = self[np.array([range(len(self))[rows]])][0]
            return one
        wanted = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows, dtype=np.int64)
        order = np.argsort(wanted, kind="stable")
        out = np.empty((len(wanted), len(self.names)), dtype=object)
        if len(wanted):
            out[order] = self._read(wanted[order])
        return out

    def _read(self, rows: np.ndarray) -> list[list[str]]:
        """The rows of these rising numbers."""
        found = []
        for sheet, (begin, end) in zip(self.sheets, pairwise([0, *self._ends.tolist()]), strict=True):
            own = rows[np.searchsorted(rows, begin) : np.searchsorted(rows, end)]
            found += sheet.read(own - begin) if len(own) else []
        return found

    def blocks(self) -> Iterator[tuple[int, list[list[str]]]]:
        """(number of the first row, the cells of each column): all rows, some thousand at a time."""
        width = len(self.names)
        for start in range(0, len(self), self.chunk):
            flat = list(chain.from_iterable(self._read(np.arange(start, min(start + self.chunk, len(self))))))
            yield start, [flat[column::width] for column in range(width)]


def _body(raw: bytes, delimiter: str, width: int) -> list[list[str]]:
    """The rows of some text, each of `width` cells."""
    before, collects = csv.field_size_limit(FIELD_LIMIT), gc.isenabled()
    # many new lists set the collector off again and again, which takes longer than the reading
    gc.disable()
    try:
        rows = list(csv.reader(io.StringIO(raw.decode("utf-8", "replace"), newline=""), delimiter=delimiter))
    finally:
        csv.field_size_limit(before)
        if collects:
            gc.enable()
    if width > 1 and set(map(len, rows)) == {width}:
        return rows
    found = []
    for row in rows:
        if not row or (len(row) == 1 and not row[0].strip(_BLANK)) or any(cell.strip() for cell in row[width:]):
            continue
        found.append(row[:width] + [""] * (width - len(row)))
    return found


def stored_sheet(file: str, text: Stored, notes: Sequence[str] = ()) -> StoredSheet:
    """Finds the rows of a large CSV or TSV file. Raises BadInput, naming file and line, where it isn't one, and Unindexed."""
    said = list(notes)
    raw = text.read(0, _HEAD)
    head = (raw[: raw.rfind(b"\n") + 1] or raw).decode("utf-8", "replace")
    delimiter = sniff_delimiter(file, head)
    _, rows = parsed(file, _whole_rows(head), delimiter, said)
    names, headed, _ = heading(file, rows, said)
    starts = _index(file, text, delimiter, len(names), said, headed + bool(SEPARATOR.match(head)))
    return StoredSheet(file, text, delimiter, names, headed, starts, said)


def _whole_rows(head: str) -> str:
    """The beginning of a text up to its last line that ends outside quotes."""
    while head.count('"') % 2:
        cut = head.rfind("\n", 0, len(head) - 1)
        if cut < 0:
            return head
        head = head[: cut + 1]
    return head


@dataclass(slots=True)
class _Found:
    """What the pass over a file's bytes gathers."""

    starts: list[np.ndarray] = field(default_factory=list)
    short: list[int] = field(default_factory=list)
    """Bytes where the first rows with too few cells begin."""
    over: list[int] = field(default_factory=list)
    long: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"short": 0, "over": 0, "long": 0})

    def add(self, what: str, places: np.ndarray) -> None:
        kept: list[int] = getattr(self, what)
        kept += places[: max(0, _SHOWN + 1 - len(kept))].tolist()
        self.counts[what] += len(places)

    def forget(self, place: int) -> None:
        """Takes the header out of what is said of rows."""
        for what in self.counts:
            kept: list[int] = getattr(self, what)
            if kept[:1] == [place]:
                kept.pop(0)
                self.counts[what] -= 1


def _index(file: str, text: Stored, delimiter: str, width: int, notes: list[str], above: int) -> np.ndarray:
    """(N+1,) where rows begin, without the first `above`. Raises BadInput where too many rows are too long or a quote stays open."""
    found, place, left = _Found(), 0, b""
    size = len(text)
    while place < size or left:
        fresh = text.read(place, min(place + _BLOCK, size)) if place < size else b""
        block = left + fresh
        place += len(fresh)
        used = _rows_of(file, text, block, place - len(block), delimiter, width, found, last=place >= size)
        left = block[used:]
        if len(left) > FIELD_LIMIT or (place >= size and left):
            raise BadInput(f"{file}, line {_line(text, place - len(left))}: a quote is opened and never closed. Close it, or double it.")
    starts = np.concatenate([*found.starts, np.array([size])])
    for _ in range(above):
        found.forget(int(starts[0]))
        starts = starts[1:]
    if len(starts) < 2:
        raise BadInput(f"{file} has a header and no rows below it.")
    _say(file, text, found, len(starts) - 1, width, notes)
    return starts


def _rows_of(
    file: str, text: Stored, block: bytes, offset: int, delimiter: str, width: int, found: _Found, *, last: bool
) -> int:
    """Adds the rows that end within a block, which begins with a row; how many bytes they take."""
    if last and block and not block.endswith(b"\n"):
        block += b"\n"
        added = 1
    else:
        added = 0
    letters = np.frombuffer(block, np.uint8)
    quotes, breaks, cuts = letters == _QUOTE, letters == _LINE, letters == ord(delimiter)
    if quotes.any():
        inside = np.cumsum(quotes, dtype=np.uint8) & 1
        _strays(file, text, letters, np.flatnonzero(quotes & inside.view(bool)), offset, delimiter)
        outside = inside == 0
        breaks, cuts = breaks & outside, cuts & outside
    ends = np.flatnonzero(breaks) + 1
    if not len(ends):
        return 0
    begins = np.concatenate(([0], ends[:-1]))
    used = int(ends[-1])
    cells = np.add.reduceat(cuts[:used].view(np.uint8), begins, dtype=np.int64) + 1
    kept = np.ones(len(begins), dtype=bool)
    if (cells == 1).any():
        solid = (letters[:used] > ord(" ")) & ~quotes[:used]
        kept &= (cells > 1) | (np.add.reduceat(solid.view(np.uint8), begins, dtype=np.int64) > 0)
    wide = np.flatnonzero(cells > width)
    for row in wide.tolist():
        beyond = next(csv.reader(io.StringIO(block[begins[row] : ends[row]].decode("utf-8", "replace"), newline=""), delimiter=delimiter))
        kept[row] = not any(cell.strip() for cell in beyond[width:])
    found.add("short", begins[kept & (cells < width)] + offset)
    found.add("over", begins[wide[kept[wide]]] + offset)
    found.add("long", begins[wide[~kept[wide]]] + offset)
    found.starts.append(begins[kept] + offset)
    return used - added


def _strays(file: str, text: Stored, letters: np.ndarray, opening: np.ndarray, offset: int, delimiter: str) -> None:
    """Raises Unindexed where a quote opens in the middle of a cell, so that quotes can't be counted."""
    before = letters[opening[opening > 0] - 1]
    wrong = (before != ord(delimiter)) & (before != _LINE) & (before != _QUOTE)
    if wrong.any():
        line = _line(text, offset + int(opening[opening > 0][wrong.argmax()]))
        raise Unindexed(f"{file}, line {line}: a quote stands in the middle of a cell. Quote the cell, and double the quote.")


def _line(text: Stored, place: int) -> str:
    """The number of the line that holds a byte."""
    return f"{sum(text.read(at, min(at + _BLOCK, place)).count(_LINE) for at in range(0, place, _BLOCK)) + 1:,}"


def _say(file: str, text: Stored, found: _Found, rows: int, width: int, notes: list[str]) -> None:
    """Notes on the rows that aren't as wide as the first. Raises BadInput where too many are too long."""
    lines = {what: [_line(text, place) for place in getattr(found, what)] for what in found.counts}
    if found.counts["long"] > LEFT_OUT * (rows + found.counts["long"]):
        raise BadInput(
            f"{file}, line {lines['long'][0]}: has more cells than the {width} columns, as have {found.counts['long']:,} rows. "
            "Quote cells that hold the separator."
        )
    said = {
        "short": "too few cells; empty ones were added at the end", "over": "empty cells beyond the last column, cut off",
        "long": "more cells than there are columns and can't be put in place; left out",
    }  # fmt: skip
    notes += [f"{file}: {shown_rows(found.counts[what], lines[what])} {text}" for what, text in said.items() if found.counts[what]]

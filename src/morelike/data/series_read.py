"""Text of series <-> rows: CSV, TSV, numbers between spaces; a time column, one that names the series, channels.

N rows, C channels.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.errors import BadInput
from .files import READ_LIMIT, Files
from .series_clock import Clock, check_rising, gaps, usual_step
from .series_items import Series
from .table_columns import is_missing
from .table_csv import heading, parsed, sniff_delimiter
from .table_numbers import NumberFormat
from .text_files import read_text

_SPACES = re.compile(r"[ \t]+")
ID_NAMES = frozenset(["id", "series", "series_id", "unique_id", "item_id", "sensor", "sensor_id", "station", "symbol", "ticker"])


@dataclass(slots=True)
class Rows:
    """The cells of a file, by the lines they stand in."""

    file: str
    names: list[str]
    cells: np.ndarray
    """(N,C) array of `str`."""
    lines: list[int]
    notes: list[str] = field(default_factory=list)
    comma: bool = False
    """Whether a comma may be a decimal one: cells are parted by semicolons."""

    def column(self, name: str) -> list[str]:
        found: list[str] = self.cells[:, self.names.index(name)].tolist()
        return found


@dataclass(slots=True)
class Found:
    """The series of one file."""

    items: list[Series]
    ids: list[str]
    """The series' names; one file's single series has the empty name."""
    labels: dict[str, list[str]]
    """Words that stay the same throughout each series."""
    clock: Clock | None
    notes: list[str]


def read_rows(files: Files, file: str) -> Rows:
    """The cells of a file. Raises BadInput with file and line where rows are of several widths."""
    read = read_text(files, file, READ_LIMIT)
    if not isinstance(read.text, str):
        raise BadInput(f"{file} has more than {READ_LIMIT >> 30} GB; a series is read into memory, so give a part of its rows.")
    return rows_of(file, read.text, read.notes)


def rows_of(file: str, text: str, notes: Sequence[str] = ()) -> Rows:
    """As `read_rows`, from a text that was read already."""
    said: list[str] = list(notes)
    delimiter = sniff_delimiter(file, text)
    start = text.lstrip("\n").split("\n", 1)[0]
    if delimiter not in start and len(start.split()) > 1:
        text, delimiter = "\n".join(_SPACES.sub("\t", line.strip()) for line in text.split("\n")), "\t"
    lines, rows = parsed(file, text, delimiter, said)
    names, headed, body = heading(file, rows, said)
    lines = lines[1:] if headed else lines
    width = len(names)
    for row, cells in enumerate(body):
        if len(cells) == width:
            continue
        if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
            body[row] = cells[:width]
            continue
        usual = Counter([width, *map(len, body)]).most_common(1)[0][0]
        usual = width if usual == len(cells) else usual
        raise BadInput(f"{file}, line {lines[row]}: has {len(cells)} cells, but {usual} are usual; mend the row.")
    out = np.empty((len(body), width), dtype=object)
    out[:] = body
    if out.shape[1] > 1 and headed and names[0] == "column 1" and Counter(out[:, 0].tolist()).most_common(1)[0][1] == 1:
        names, out = _without_index(names, out, said)
    return Rows(file, names, out, lines, said, delimiter == ";")


def _without_index(names: list[str], cells: np.ndarray, said: list[str]) -> tuple[list[str], np.ndarray]:
    """A first column without a name that numbers the rows is no channel."""
    if cells[:, 0].tolist() in ([str(row) for row in range(len(cells))], [str(row) for row in range(1, len(cells) + 1)]):
        said.append("the first column has no name and numbers the rows: left out")
        return names[1:], cells[:, 1:]
    return names, cells


def clock_of(rows: Rows, least: float = 1.0) -> Clock | None:
    """The first column that is a time."""
    for name in rows.names:
        found = Clock.find(name, rows.column(name), least)
        if found is not None:
            return found
    return None


def numbers(rows: Rows, name: str) -> np.ndarray:
    """(N,) a channel, NaN = missing. Raises BadInput with line and column of the first cell that is no number."""
    texts = rows.column(name)
    plain = ["nan" if is_missing(text) else text for text in texts]
    try:
        found = np.array(plain, dtype=object).astype(np.float64)
    except ValueError:
        distinct = list(dict.fromkeys(text for text in plain if text != "nan"))
        form = NumberFormat.find(distinct, rows.comma)
        # formats without significant digits count in their last decimal
        unit = 1.0 if form is None or form.digits else 10.0**-form.decimals
        read = np.full(len(distinct), np.nan) if form is None else form.parse(distinct) * unit
        by_text = dict(zip(distinct, read.tolist(), strict=True))
        found = np.array([by_text.get(text, np.nan) for text in plain])
    bad = ~np.isfinite(found) & np.array([text != "nan" for text in plain])
    if bad.any():
        row = int(bad.argmax())
        what = f"{texts[row]!r} is no number" + (f" (and {int(bad.sum()) - 1:,} more)" if bad.sum() > 1 else "")
        raise BadInput(f"{rows.file}, line {rows.lines[row]}, column {name!r}: {what}; mend it or leave it empty.")
    return found


def is_words(rows: Rows, name: str) -> bool:
    """Whether most cells of a column are words."""
    texts = [text for text in rows.column(name) if not is_missing(text)]
    words = [text for text in texts if NumberFormat.find([text]) is None] if len(texts) <= 200 else _words(texts)
    return bool(texts) and 2 * len(words) > len(texts)


def _words(texts: Sequence[str]) -> list[str]:
    some = texts[:: max(1, len(texts) // 200)]
    return [text for text in some if NumberFormat.find([text]) is None] * (len(texts) // len(some))


def read_series(rows: Rows) -> Found:
    """The series among rows: one, or one for each value of a column that names series.

    Rows that run backwards in time are turned round; gaps in a regular time cut a series. Raises BadInput with file and line.
    """
    clock, notes = clock_of(rows, 0.5), list(rows.notes)
    others = [name for name in rows.names if clock is None or name != clock.name]
    words = [name for name in others if is_words(rows, name)]
    key = _key(others, words)
    channels = [name for name in others if name != key and name not in words]
    if not channels:
        raise BadInput(f"{rows.file} has no column of numbers beside its time; a series needs one.")
    values = np.stack([numbers(rows, name) for name in channels], 1)
    if clock is not None and (wrong := clock.mixed()) is not None:
        raise BadInput(f"{rows.file}: the time column {clock.name!r} {wrong}; write all times in one way.")
    groups = [("", np.arange(len(values)))] if key is None else _groups(rows.column(key))
    found = Found([], [], {name: [] for name in words if name != key}, clock, notes)
    texts = [] if clock is None else rows.column(clock.name)
    stamps = None if clock is None else clock.times(texts)
    reversed_ = cut = 0
    for name, index in groups:
        where = f"{rows.file}, {key} {name}" if key is not None else rows.file
        times = None if stamps is None else stamps[index]
        if times is not None and len(times) > 1 and (np.diff(times).astype(np.float64) < 0).all():
            index, times, reversed_ = index[::-1], times[::-1], reversed_ + 1
        if times is not None:
            check_rising(times, [texts[row] for row in index.tolist()], [rows.lines[row] for row in index.tolist()], where)
        item = Series(values[index], tuple(channels), times)
        parts = _cut(item, [rows.lines[row] for row in index.tolist()], where, notes)
        cut += len(parts) - 1
        for part, own in parts:
            found.items.append(part)
            found.ids.append(name)
            for word, said in found.labels.items():
                said.append(_label(rows, word, index[own]))
    if reversed_:
        notes.append(f"{rows.file}: time runs backwards throughout, so rows were turned round")
    return found


def _key(others: Sequence[str], words: Sequence[str]) -> str | None:
    """The column that names series: one with such a name, else the first of words."""
    named = [name for name in others if name.strip().lower() in ID_NAMES]
    return named[0] if named else words[0] if words else None


def _groups(texts: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows.setdefault(text, []).append(row)
    return [(name, np.array(own)) for name, own in rows.items()]


def _label(rows: Rows, name: str, index: np.ndarray) -> str:
    """The word that stays throughout a series. Raises BadInput where it changes."""
    texts = rows.cells[index, rows.names.index(name)].tolist()
    other = next((row for row, text in zip(index.tolist(), texts, strict=True) if text != texts[0]), None)
    if other is not None:
        raise BadInput(
            f"{rows.file}, line {rows.lines[other]}, column {name!r}: {rows.column(name)[other]!r} is no number, and a word must stay the "
            "same throughout a series; remove the column."
        )
    return str(texts[0])


def _cut(item: Series, lines: Sequence[int], where: str, notes: list[str]) -> list[tuple[Series, np.ndarray]]:
    """A series in parts without gaps in time, with the rows of each."""
    steps, every = item.steps(), np.arange(len(item))
    usual = None if steps is None else usual_step(steps)
    places = [] if steps is None or usual is None else (gaps(steps, usual) + 1).tolist()
    if places:
        count = "a gap in time" if len(places) == 1 else f"{len(places):,} gaps in time, the first"
        notes.append(f"{where}: {count} before line {lines[places[0]]}; no window spans one")
    edges = [0, *places, len(item)]
    return [(item.part(start, stop), every[start:stop]) for start, stop in itertools.pairwise(edges)]

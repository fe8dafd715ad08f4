"""Opens text: one file as a running text or a list of lines, folders of files, tables, aligned files, lists in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .arrays import role
from .columns import is_official
from .files import Files
from .source import Items, Source
from .text_aligned import aligned, open_aligned
from .text_files import is_numbers, is_text, lines, plain_name, read_text
from .text_folder import open_folder
from .text_items import Lines, Text, passages
from .text_records import PLAIN, SOURCES, TARGETS, Record, file_splits, from_parts, from_records
from .text_tables import JSON_LINES, TABLES, is_pairs, json_lines, table

KINDS = ("text", "lines")
"""Kinds of data that this module opens: `text`, and `lines` to read each line as an item."""
_SUFFIXES = ((".txt", ".text"), (".md",), ("",))
"""Endings of text files in a folder, those of the first group that is there."""
_ASIDE = ("readme", "license", "licence", "copying", "notice", "citation", "makefile", "changelog")
_NOT_RUNNING = frozenset([*JSON_LINES, *TABLES, ".json", ".html", ".xml", ".toml", ".yaml", ".yml", ".cff", ".svg"])
_LOOKED_AT = 20_000
_TRIED = 20
_LIST_LEAST = 10
_LIST_DISTINCT = 0.9
_LIST_MEDIAN = 200
_WRAP_LEAST = 40

Found = tuple[str, Callable[[], Source]]
"""A data set's label and what opens it."""


def found_text(name: str, files: Files, kind: str | None, condition: Sequence[str], alone: bool) -> list[Found]:
    """All sets of texts among the files: aligned files, JSON lines, tables of text, and text files.

    `alone`: the path was one file's own, so whatever it is called, it is meant.
    """
    if alone:
        return _single(name, files, next(iter(files.sizes)), kind)
    names = [file for file in files.sizes if not _aside(file)]
    found: list[Found] = []
    if stems := aligned(names):
        found.append(("aligned files", partial(open_aligned, name, files, stems, condition)))
    taken = {file for tongues in stems.values() for file in tongues.values()}
    names = [file for file in names if file not in taken]
    ending = {file: plain_name(file).suffix.lower() for file in names}
    found += _tables(name, files, [file for file in names if ending[file] in JSON_LINES], _json)
    found += _tables(name, files, [file for file in names if ending[file] in TABLES and is_pairs(files, file)], _table)
    texts = _text_files(files, names, ending)
    if texts and (kind or not is_numbers(files, texts[0])):
        label = texts[0] if len(texts) == 1 else f"{len(texts):,} text files"
        left = [file for file in names if file not in texts and any(ending[file] in group for group in _SUFFIXES[:-1])]
        found.append((label, partial(_noting, left, partial(open_folder, name, files, texts, kind, judge=is_list))))
    return found


def _noting(left: Sequence[str], opened: Callable[[], Source]) -> Source:
    """A source with a note on text files that are not part of it."""
    source = opened()
    if not left:
        return source
    shown = ", ".join(left[:3]) + (f" and {len(left) - 3:,} more" if len(left) > 3 else "")
    return replace(source, notes=(*source.notes, f"left out, for other text files are named otherwise: {shown}"))


def _aside(file: str) -> bool:
    return PurePosixPath(file).name.lower().startswith(_ASIDE)


def _single(name: str, files: Files, file: str, kind: str | None) -> list[Found]:
    """A file that was named itself: anything that is text, but a table only where it is one of text."""
    ending = plain_name(file).suffix.lower()
    if ending in JSON_LINES:
        return _tables(name, files, [file], _json)
    if ending in TABLES and is_pairs(files, file):
        return _tables(name, files, [file], _table)
    if kind is None and (ending in _NOT_RUNNING or not (ending in _SUFFIXES[0] or is_text(files, file)) or is_numbers(files, file)):
        return []
    return [(file, partial(open_text, name, files, file, kind))]


def _text_files(files: Files, names: Sequence[str], ending: Mapping[str, str]) -> list[str]:
    for group in _SUFFIXES:
        if chosen := [file for file in names if ending[file] in group]:
            return [file for file in chosen if group != ("",) or is_text(files, file)]
    others = [file for file in names if ending[file] not in _NOT_RUNNING]
    same = len({ending[file] for file in others}) == 1
    return others if same and all(is_text(files, file) for file in others[:_TRIED]) else []


_Reader = Callable[[Files, str, list[str]], list[Record]]
_json: tuple[str, _Reader] = ("JSON lines", json_lines)
_table: tuple[str, _Reader] = ("a table of texts", table)


def _tables(name: str, files: Files, names: Sequence[str], how: tuple[str, _Reader]) -> list[Found]:
    """One set of the files whose names say their splits, else a set of each file."""
    if not names:
        return []
    what, read = how
    together = len(names) > 1 and any(file_splits(names)[0].values())
    notes: list[str] = []

    def opened(chosen: Sequence[str]) -> Source:
        parts = {file: partial(read, files, file, notes) for file in chosen}
        return from_parts(name, parts, f"{what}: a text a row", notes)

    return [(", ".join(names), partial(opened, names))] if together else [(file, partial(opened, [file])) for file in names]


def open_text(name: str, files: Files, file: str, kind: str | None) -> Source:
    """One text file: a running text, or a list where its lines look like one or `kind` is "lines"."""
    read = read_text(files, file)
    if kind is not None and plain_name(file).suffix.lower() in _NOT_RUNNING:
        read.notes.append(f"{file} is read as plain text, as asked for: what stands between its fields and any header are learnt too")
    listed, why = is_list(read.text) if kind is None else (kind == "lines", "asked for")
    if listed:
        return _lines(name, file, read.text, why, read.notes)
    items, _ = passages(name, [read.text])
    return Source(name, "text", items, notes=tuple(read.notes), why_kind=f"a running text: {why}", ordered=True)


def is_list(text: Text) -> tuple[bool, str]:
    """(whether the lines are items, the rule that decided in words), by the first 20,000 lines."""
    first = []
    for line in lines(text):
        first.append(line)
        if len(first) == _LOOKED_AT:
            break
    other = "(--kind lines reads each line as an item)"
    if len(first) < _LIST_LEAST:
        return False, f"{len(first)} lines are fewer than a list's {_LIST_LEAST} {other}"
    if empty := next((number for number, line in enumerate(first, 1) if not line.strip()), 0):
        return False, f"line {empty:,} is empty, which a list's never are {other}"
    if len(set(first)) < _LIST_DISTINCT * len(first):
        return False, f"only {len(set(first)) / len(first):.0%} of the lines are distinct, less than a list's {_LIST_DISTINCT:.0%} {other}"
    lengths = np.array([len(line) for line in first])
    if np.median(lengths) > _LIST_MEDIAN:
        return False, f"half of the lines have more than {_LIST_MEDIAN} characters {other}"
    if lengths.mean() >= _WRAP_LEAST and (lengths >= 0.85 * lengths.max()).mean() > 0.5:
        return False, f"the lines are wrapped at about {lengths.max()} characters {other}"
    rule = f"at least {_LIST_LEAST} lines, none empty, nine in ten distinct, half of at most {_LIST_MEDIAN} characters, not wrapped"
    return True, f"{rule} (--kind text reads one running text)"


def _lines(name: str, file: str, text: Text, why: str, notes: list[str]) -> Source:
    items: Items
    if isinstance(text, str):
        every = list(lines(text))
        items = [line for line in every if line.strip()]
        empty = len(every) - len(items)
    else:
        items = Lines(text)
        empty = items.empty
    if not len(items):
        raise BadInput(f"{file} holds no line that isn't empty.")
    if empty:
        notes = [*notes, f"{file}: {empty:,} empty {'line was' if empty == 1 else 'lines were'} left out"]
    return Source(name, "text", items, notes=tuple(notes), why_kind=f"a list, each line an item: {why}")


def in_memory(data: Any) -> Source | None:
    """A source of a list of str, of (texts, labels) or of named lists of them; None where `data` isn't text."""
    if isinstance(data, tuple) and len(data) == 2 and _texts(data[0]):
        return _from_lists({"x": data[0], "label": data[1]})
    if _texts(data):
        return _from_lists({"x": data})
    if isinstance(data, Mapping) and any(_texts(data[key]) and role(str(key))[1] in _FIELDS for key in data):
        return _from_lists(data)
    return None


_FIELDS = frozenset([*TARGETS, *SOURCES, *PLAIN])


def _texts(data: Any) -> bool:
    """Whether data are several str."""
    if isinstance(data, np.ndarray):
        return data.ndim == 1 and len(data) > 0 and (data.dtype.kind == "U" or (data.dtype == object and isinstance(data[0], str)))
    return isinstance(data, (list, tuple)) and len(data) > 0 and isinstance(data[0], str)


def _from_lists(lists: Mapping[str, Any]) -> Source:
    """Named lists of one length; names with a split's word (x_train, test_label) make the official split."""
    parts: dict[str | None, dict[str, list[Any]]] = {}
    for key, values in lists.items():
        split, base = role(str(key))
        parts.setdefault(split, {})[base] = np.asarray(values).tolist() if not isinstance(values, (list, tuple)) else list(values)
    records = []
    for split, fields in parts.items():
        lengths = {key: len(values) for key, values in fields.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{size:,} of {key}" for key, size in lengths.items())
            raise BadInput(f"lists of one length are needed, but there are {listed}.")
        word = split or ("train" if len(parts) > 1 else None)
        for number, row in enumerate(zip(*fields.values(), strict=True)):
            where = f"item {number}" + (f" of {split}" if split else "")
            values = {key: value.item() if isinstance(value, np.generic) else value for key, value in zip(fields, row, strict=True)}
            for key, value in values.items():
                if key in _FIELDS and not isinstance(value, (str, list, type(None))):
                    raise BadInput(f"{where}: {key} is {type(value).__name__}, but texts (str) are expected.")
            records.append(Record(values, where, word))
    why = "a list of str is text, each an item"
    source = from_records("texts", records, why)
    assert source.split is None or is_official(source.split)
    return source

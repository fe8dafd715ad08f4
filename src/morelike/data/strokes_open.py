"""Finds pen drawings among files: .svg, a drawing each, and JSON lines of strokes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .columns import category_column, is_official, split_indices, split_word
from .files import Files, guarded
from .source import Column, Source
from .strokes_file import FIELDS, drawing_of, json_lines, record
from .strokes_items import Drawing, drawing
from .strokes_svg import MOST_BYTES, traced
from .text_files import plain_name
from .text_open import Found

_LINES = (".jsonl", ".ndjson")
_CLASSES = ("label", "class", "word", "character", "alphabet", "drawer", "n_strokes")
"""Fields that are classes; the first that is there and has a name a drawer can know is the default condition."""
_DEFAULTS = ("label", "class", "word", "character", "folder")
_MANY = 2000


def found_strokes(name: str, files: Files, kind: str | None, condition: Sequence[str], alone: bool) -> list[Found]:
    """All sets of drawings among the files: the .svg files together, and the files of JSON lines that hold strokes together."""
    endings = {file: plain_name(file).suffix.lower() for file in files.sizes}
    svgs = [file for file in files.sizes if endings[file] == ".svg"]
    found: list[Found] = []
    if svgs:
        found.append((svgs[0] if len(svgs) == 1 else f"{len(svgs):,} SVG files", partial(open_svg, name, files, svgs)))
    lines = [file for file in files.sizes if endings[file] in _LINES]
    forced = kind == "strokes" and alone
    lines = [file for file in lines if forced or _has_strokes(files, file)]
    if lines:
        found.append((lines[0] if len(lines) == 1 else f"{len(lines):,} files of strokes", partial(open_lines, name, files, lines)))
    return found


def _packed(file: str) -> bool:
    return file.lower().endswith(".gz")


def _has_strokes(files: Files, file: str) -> bool:
    """Whether the first line holds strokes."""
    try:
        with guarded(file), files.open(file) as stream:
            _, line = next(json_lines(stream, _packed(file)))
            found = record(line)
    except (BadInput, StopIteration):
        return False
    return any(isinstance(found.get(field), list) and found[field] and isinstance(found[field][0], (list, str)) for field in FIELDS)


def open_svg(name: str, files: Files, chosen: Sequence[str]) -> Source:
    """A drawing a file; the folders they lie in are their classes, or their official split. Files that can't be read are left out and
    named. Raises BadInput where none is left."""
    items: list[Drawing] = []
    kept: list[str] = []
    skipped: list[tuple[str, str]] = []
    left: Counter[str] = Counter()
    for file in chosen:
        try:
            found = traced(files.read(file, MOST_BYTES))
            if not found.strokes and found.left_out:
                raise BadInput(f"it has no strokes, only {_counted(found.left_out)}; turn text into paths first")
            items.append(drawing(found.strokes, found.canvas))
        except BadInput as error:
            skipped.append((file, str(error)))
            continue
        kept.append(file)
        left += found.left_out
    if not items:
        raise BadInput(f"{name} holds no drawing that can be read: {skipped[0][0]}: {skipped[0][1]}.")
    notes = [f"left out of the drawings, for they have no strokes: {_counted(left)}"] if left else []
    parents = [PurePosixPath(file).parent.parts for file in kept]
    marks = [next((split_word(part) for part in parts if split_word(part)), None) for parts in parents]
    folders = [next((part for part in reversed(parts) if not split_word(part)), "") for parts in parents]
    columns = {"folder": category_column("folder", folders)} if len(set(folders)) > 1 else {}
    return _source(name, items, columns, marks, notes, skipped, kept)


def _counted(names: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in names.most_common())


def open_lines(name: str, files: Files, chosen: Sequence[str]) -> Source:
    """A drawing a line; where several files say nothing of classes, the file's name is one. Lines that can't be read are left out and
    named. Raises BadInput where none is left."""
    items: list[Drawing] = []
    records: list[dict[str, Any]] = []
    names: list[str] = []
    skipped: list[tuple[str, str]] = []
    marks: list[str | None] = []
    stems = {file: plain_name(file).stem for file in chosen}
    for file in chosen:
        with guarded(file), files.open(file) as stream:
            for number, line in json_lines(stream, _packed(file)):
                try:
                    found = record(line)
                    items.append(drawing_of(found))
                except BadInput as error:
                    skipped.append((f"{file}, line {number:,}", str(error)))
                    continue
                own = {} if split_word(stems[file]) or len(chosen) == 1 else {"label": stems[file]}
                records.append({**own, **{key: value for key, value in found.items() if key not in FIELDS}})
                names.append(f"{file}, line {number:,}")
                marks.append(split_word(stems[file]) if len(chosen) > 1 else None)
    if not items:
        why = f"{skipped[0][0]}: {skipped[0][1]}" if skipped else f"{chosen[0]} is empty"
        raise BadInput(f"{name} holds no drawing that can be read: {why}.")
    notes: list[str] = []
    columns = _columns(records, notes)
    return _source(name, items, columns, marks, notes, skipped, names)


def _columns(records: Sequence[dict[str, Any]], notes: list[str]) -> dict[str, Column]:
    """Classes of the fields that every record has; Omniglot's alphabets; KanjiVG's components, as texts."""
    found: dict[str, Column] = {}
    for field in _CLASSES:
        values = [row.get(field) for row in records]
        missing = sum(not isinstance(value, (str, int)) for value in values)
        if missing == len(values):
            continue
        if missing:
            notes.append(f"{missing:,} of {len(values):,} drawings have no {field!r}, so it can't be a condition")
            continue
        words = [str(value) for value in values]
        if 1 < len(set(words)) <= min(_MANY, len(words) // 2):
            found[field] = category_column(field, words)
    if "character" in found and "alphabet" not in found and all("/" in row["character"] for row in records):
        found["alphabet"] = category_column("alphabet", [row["character"].split("/")[0] for row in records])
    if all(isinstance(row.get("components"), list) for row in records):
        texts = np.empty(len(records), dtype=object)
        texts[:] = [" ".join(str(part) for part in row["components"]) for row in records]
        found["components"] = Column("components", texts)
    if all(isinstance(row.get("char"), str) and len(row["char"]) == 1 for row in records):
        scripts = [_script(row["char"]) for row in records]
        found |= {"script": category_column("script", scripts)} if len(set(scripts)) > 1 else {}
    return found


def _script(letter: str) -> str:
    return "hiragana" if "\u3040" <= letter <= "\u309f" else "katakana" if "\u30a0" <= letter <= "\u30ff" else "kanji"


def _source(
    name: str, items: list[Drawing], columns: dict[str, Column], marks: Sequence[str | None], notes: Sequence[str],
    skipped: Sequence[tuple[str, str]], names: Sequence[str],
) -> Source:  # fmt: skip
    split = split_indices(marks)
    default = tuple(field for field in _DEFAULTS if field in columns)[:1]
    source = Source(name, "strokes", items, columns, split if is_official(split) else None, tuple(notes), tuple(skipped), names)
    return replace(source, conditions=default, why_kind="pen drawings: SVG files, or JSON lines with strokes")

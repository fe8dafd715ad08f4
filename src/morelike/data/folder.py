"""Folders of pictures (or zips of them): sub-folders are classes, train/val/test an official split, a CSV may hold both."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..core.errors import BadInput
from .columns import category_column, is_official, natural, split_indices, split_word
from .files import Files
from .picture_file import SUFFIXES, looks_like_picture
from .pictures import check_pictures
from .progress import Progress
from .source import Column, Source

_FILE_LIMIT = 256 << 20
_TABLE_LIMIT = 64 << 20
_FILE_FIELDS = ("file", "filename", "file_name", "image", "path", "img")
_LABEL_FIELDS = ("label", "class", "category", "target")
_ASIDE = frozenset([".csv", ".tsv", ".json", ".jsonl", ".md", ".html", ".toml", ".yaml", ".yml", ".cff"])
_ASIDE_STEMS = ("readme", "license", "licence", "copying", "notice", "citation", "makefile")


def pictures_in(files: Files) -> list[str]:
    """Names of files that are pictures by their ending, or by their first bytes where they have none."""
    found = []
    for name in files.sizes:
        suffix, aside = PurePosixPath(name).suffix.lower(), PurePosixPath(name).name.lower().startswith(_ASIDE_STEMS)
        if suffix in SUFFIXES or (not suffix and not aside and looks_like_picture(files.head(name))):
            found.append(name)
    return sorted(found, key=natural)


def strangers(files: Files, pictures: Sequence[str]) -> list[tuple[str, str]]:
    """(file, why) for files among the pictures that are neither pictures nor what usually lies beside them."""
    known = set(pictures)
    return [
        (name, "isn't a picture, by its ending")
        for name in files.sizes
        if name not in known
        and PurePosixPath(name).suffix.lower() not in _ASIDE
        and not PurePosixPath(name).name.lower().startswith(_ASIDE_STEMS)
    ]


def open_pictures(name: str, files: Files, pictures: Sequence[str], beside: Files, progress: Progress | None = None) -> Source:
    """A source of the files `pictures`; tables (CSV) are looked for in `beside`. Raises BadInput where too many are bad."""

    def load(number: int) -> Path | bytes:
        picture = pictures[number]
        return files.local(picture) or files.read(picture, _FILE_LIMIT)

    checked = check_pictures(name, pictures, load, progress)
    kept = [pictures[number] for number in checked.good]
    words, labels, notes = _by_folders(kept)
    columns: dict[str, Column] = {}
    if labels is not None:
        columns["label"] = category_column("label", labels)
    split = split_indices(words)
    for table, rows in _tables(beside, kept, notes):
        if not split and "split" in rows[0]:
            split = split_indices([split_word(row.get("split") or "") for row in rows])
            notes.append(f"the official split is that of {table}")
        for key, values in _table_columns(table, rows, len(kept)).items():
            columns.setdefault(key, values)
    skipped = (*checked.skipped, *strangers(files, pictures))
    return Source(
        name,
        "image",
        checked.pictures,
        columns,
        split if is_official(split) else None,
        (*notes, *checked.notes),
        skipped,
        [PurePosixPath(picture).name for picture in kept],
        why_kind=f"{files.where.name} holds {len(pictures):,} picture files",
    )


def _by_folders(names: Sequence[str]) -> tuple[list[str | None], list[str] | None, list[str]]:
    """(split word an item, class name an item or None, notes) from the folders that the files lie in."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    notes: list[str] = []
    common = 0
    while all(len(parts) > common for parts in folders) and len({parts[common] for parts in folders}) == 1:
        common += 1
    if common and all(len(parts) == common for parts in folders) and split_word(folders[0][common - 1]) is None:
        only = folders[0][common - 1]
        notes.append(f"all pictures lie in one folder, {only!r}: a single class is nothing to condition on, so there are no labels")
    folders = [parts[common:] for parts in folders]
    first = {parts[0] if parts else "" for parts in folders}
    words: list[str | None] = [None] * len(names)
    if all(split_word(part) for part in first) and any(split_word(part) == "train" for part in first):
        words = [split_word(parts[0]) for parts in folders]
        folders = [parts[1:] for parts in folders]
        notes.append(f"the official split is by the folders {', '.join(sorted(first))}")
    bare = sum(not parts for parts in folders)
    if bare == len(folders):
        return words, None, notes
    if bare:
        notes.append(f"{bare:,} pictures lie beside the class folders and have no class, so there are no labels")
        return words, None, notes
    return words, [parts[0] for parts in folders], notes


def _tables(beside: Files, names: Sequence[str], notes: list[str]) -> list[tuple[str, list[dict[str, str]]]]:
    """(file, one row a picture) for each CSV whose file column names the pictures; rows of the same file must agree."""
    found = []
    for table in sorted(name for name in beside.sizes if name.lower().endswith(".csv")):
        if beside.sizes[table] > _TABLE_LIMIT:
            notes.append(f"{table} is larger than {_TABLE_LIMIT >> 20} MB and was left alone")
            continue
        try:
            rows = list(csv.DictReader(io.StringIO(beside.read(table).decode("utf-8-sig"), newline="")))
        except (UnicodeDecodeError, csv.Error) as error:
            notes.append(f"{table} isn't a CSV in UTF-8 and was left alone ({error})")
            continue
        fields = {str(field).lower(): field for field in rows[0]} if rows else {}
        key = next((fields[field] for field in _FILE_FIELDS if field in fields), None)
        if key is None:
            continue
        by_name: dict[str, dict[str, str]] = {}
        for row in rows:
            lowered = {str(field).lower(): str(value) for field, value in row.items() if field != key and value is not None}
            file = PurePosixPath(row[key] or "").name
            before = by_name.get(file)
            by_name[file] = lowered if before is None else {field: value for field, value in lowered.items() if before.get(field) == value}
        matched = [by_name.get(PurePosixPath(name).name) for name in names]
        if all(row is not None for row in matched):
            found.append((table, [row for row in matched if row is not None]))
        elif any(row is not None for row in matched):
            notes.append(f"{table} names only {sum(row is not None for row in matched):,} of {len(names):,} pictures and was left alone")
    return found


def _table_columns(table: str, rows: Sequence[Mapping[str, str]], count: int) -> dict[str, Column]:
    """A table's fields that hold one of few values for every picture; a label's field is called "label"."""
    columns = {}
    for field in rows[0]:
        values = [row.get(field, "") for row in rows]
        label = field in _LABEL_FIELDS
        distinct = len(set(values))
        if field == "split" or not all(values) or distinct < 2 or (not label and distinct > max(2, min(100, count // 5))):
            continue
        name = "label" if label else field
        if distinct > count // 2 and count > 20:
            raise BadInput(f"{table}: the column {field!r} has {distinct:,} different values for {count:,} pictures; labels must repeat.")
        columns[name] = category_column(name, values)
    return columns

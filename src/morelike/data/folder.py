"""Folders of pictures (or zips of them): sub-folders are classes, train/val/test an official split, trainA and trainB
two sets, a and b pairs; a table beside them may hold classes, split and pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..core.errors import BadInput, UnknownName
from . import paired, two_sets
from .beside import SUFFIXES as TABLES
from .beside import PictureTable, asked_column, columns_of, named, read_tables, stray_notes
from .columns import category_column, is_official, natural, split_indices, split_word
from .derived import NAMES, derived
from .files import Files, FolderFiles, ZipFiles
from .picture_file import SUFFIXES, looks_like_picture
from .progress import Progress
from .source import Column, Source

_FILE_LIMIT = 256 << 20
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


def open_pictures(
    name: str, files: Files, pictures: Sequence[str], beside: Files, progress: Progress | None = None, condition: Sequence[str] = ()
) -> Source:
    """A source of the files `pictures`; tables (CSV, TSV, JSON lines) are looked for in `beside` and among the files. Columns of
    `condition` are taken whatever they hold.

    Raises BadInput where too many pictures are bad, or a table's row that is needed, UnknownName for a condition that isn't there.
    """
    pairs, tables, notes = _understood(files, beside, pictures, condition)

    def load(picture: str) -> Path | bytes:
        return files.local(picture) or files.read(picture, _FILE_LIMIT)

    read = paired.read(name, pairs, load, progress)
    words, labels, said = _by_folders(pairs.names)
    notes = [*pairs.notes, *said, *notes]
    columns = dict(read.columns)
    if labels is not None:
        columns["label"] = category_column("label", labels)
    split = split_indices(words)
    for table in tables:
        table.rows = [table.rows[number] for number in read.good]
        if not split and table.whole and "split" in table.fields:
            split = split_indices([split_word(word) for word in table.values("split")])
            notes.append(f"the official split is that of {table.name}")
        for key, values in columns_of(table).items():
            columns.setdefault(key, values)
    columns |= _asked(tables, columns, condition, pairs.items, notes)
    return Source(
        name,
        "image",
        read.pictures,
        columns,
        split if is_official(split) else None,
        (*notes, *read.notes),
        (*read.skipped, *strangers(files, pictures)),
        [PurePosixPath(picture).name for picture in pairs.items],
        why_kind=f"{files.where.name} holds {len(pictures):,} picture files",
        conditions=tuple(pairs.told),
    )


def _understood(
    files: Files, beside: Files, pictures: Sequence[str], condition: Sequence[str]
) -> tuple[paired.Pairs, list[PictureTable], list[str]]:
    """(which pictures are learnt, and which belong to each; tables that name them; sentences on the tables)."""
    pairs = None if "label" in condition else paired.by_folders(pictures, condition)
    if pairs is not None:
        tables, notes = _tables(files, beside, pairs.items, ())
    else:
        tables, notes = _tables(files, beside, pictures, condition)
        if (found := paired.by_tables(tables, pictures, condition)) is not None:
            pairs, rows = found
            for table in tables:
                table.rows = [table.rows[row] for row in rows]
    pairs = pairs or paired.Pairs(list(pictures), list(pictures))
    for table in tables:
        notes += stray_notes(table)
        there = sum(row is not None for row in table.rows)
        if not table.whole:
            named_are = f"{table.name} names only {there:,} of {len(pairs.items):,} pictures"
            notes.append(f"{named_are}: its columns are left out unless they are asked for")
    return pairs, tables, notes


def _tables(
    files: Files, beside: Files, pictures: Sequence[str], condition: Sequence[str]
) -> tuple[list[PictureTable], list[str]]:
    """(tables that name pictures, sentences on them). A zip's neighbours count where they have what is asked for and nothing else has."""
    notes: list[str] = []
    tables = read_tables([beside] if files is beside else [beside, files], pictures, notes)
    known = {named(field) for table in tables for field in table.fields}
    condition = [name for name in condition if name in known or derived(name) is None]
    if beside is files and isinstance(files, ZipFiles) and set(condition) - known - {"label"}:
        folder = files.where.parent
        near = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in TABLES and path.is_file())
        tables += read_tables([FolderFiles(folder, near)], pictures, notes)
        known |= {named(field) for table in tables for field in table.fields}
    absent = [name for name in condition if name not in known | {"label"}]
    if absent and notes:
        raise BadInput(f"no table beside the pictures has a column {absent[0]!r}, but {'; '.join(notes)}")
    return tables, notes


def _asked(
    tables: Sequence[PictureTable], columns: Mapping[str, Column], condition: Sequence[str], pictures: Sequence[str], notes: list[str]
) -> dict[str, Column]:
    """The columns asked for that are no classes of every picture. Says which there are besides."""
    free = {field: table for table in reversed(tables) for field in table.fields if field != "split" and named(field) not in columns}
    found = {}
    for name in condition:
        if name in columns or (name not in free and derived(name) is not None):
            continue
        if name not in free:
            raise UnknownName("condition", name, [*columns, *free, *NAMES])
        found[name] = asked_column(free[name], name, pictures, notes)
    rest = [field for field in free if field not in found]
    if rest:
        shown = ", ".join(rest[:12]) + (", ..." if len(rest) > 12 else "")
        notes.append(f"more columns lie beside the pictures: {shown} (--condition NAME learns one as a condition)")
    return found


def _by_folders(names: Sequence[str]) -> tuple[list[str | None], list[str] | None, list[str]]:
    """(split word an item, class name an item or None, notes) from the folders that the files lie in."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    notes: list[str] = []
    if (sets := two_sets.by_folders(folders)) is not None:
        return sets[0], sets[1], [sets[2]]
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

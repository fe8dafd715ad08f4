"""Finds molecules among files: .smi one a line, CSV and TSV with a column of SMILES; and lists of SMILES in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from ..core.errors import BadInput
from .columns import category_column, is_official, split_indices
from .files import Files
from .molecule_file import LINES, NAMES, TABLES, cleaned, listed
from .source import Column, Source
from .table_csv import sniff_delimiter
from .text_files import blocks, plain_name
from .text_open import Found
from .text_records import file_splits

_CLASSES = 100
_HEAD = 4096


def found_molecules(name: str, files: Files, kind: str | None, condition: Sequence[str], alone: bool) -> list[Found]:
    """All sets of molecules among the files: one of the files whose names say their splits, else one of each file.

    `kind` "molecule" takes any table, or any file that is named itself (`alone`), and then looks for its column of SMILES.
    """
    forced = kind == "molecule"
    ending = {file: plain_name(file).suffix.lower() for file in files.sizes}
    if forced and alone:
        chosen = list(files.sizes)
    else:
        chosen = [file for file in files.sizes if ending[file] in LINES]
        chosen += [file for file in files.sizes if ending[file] in TABLES[: 3 if not forced else 4] and _has_smiles(files, file)]
    if not chosen:
        return []
    if len(chosen) > 1 and any(file_splits(chosen)[0].values()):
        return [(", ".join(chosen), partial(open_molecules, name, files, chosen, forced))]
    return [(file, partial(open_molecules, name, files, [file], forced)) for file in chosen]


def _has_smiles(files: Files, file: str) -> bool:
    """Whether the first line of a table names a column smiles."""
    try:
        head = next(blocks(files, file), b"")[:_HEAD].decode("utf-8", "replace")
    except BadInput:
        return False
    delimiter = sniff_delimiter(file, head)
    first = head.lstrip("\ufeff").splitlines()[:1]
    return any(cell.strip().strip('"').lower().replace(" ", "_") in NAMES for line in first for cell in line.split(delimiter))


def open_molecules(name: str, files: Files, chosen: Sequence[str], forced: bool = False) -> Source:
    """The molecules of all `chosen` files, with the official split that their names say; columns of numbers and of few words beside them.

    Raises BadInput where none is left.
    """
    words, notes = file_splits(list(chosen)) if len(chosen) > 1 else (dict.fromkeys(chosen), [])
    items: list[str] = []
    marks: list[str | None] = []
    cells: dict[str, list[str]] = {}
    for file in chosen:
        found = listed(files, file)
        clean = cleaned(file, found)
        for column in {**cells, **found.others}:
            before = cells.setdefault(column, [""] * len(items))
            own = found.others.get(column)
            before += [""] * len(clean.rows) if own is None else [own[row] for row in clean.rows]
        items += clean.items
        marks += [words[file]] * len(clean.items)
        notes = [*notes, *found.notes, *clean.notes]
    if not items:
        raise BadInput(f"{name} holds no molecule that can be read: {notes[-1] if notes else 'it is empty'}.")
    columns: dict[str, Column] = {}
    for column, texts in cells.items():
        made = _column(column, texts, notes)
        columns |= {} if made is None else {column: made}
    split = split_indices(marks)
    why = "molecules: asked for" if forced else "molecules: a file of SMILES, or a column called smiles"
    return Source(name, "molecule", items, columns, split if is_official(split) else None, tuple(notes), why_kind=why)


def _column(name: str, texts: Sequence[str], notes: list[str]) -> Column | None:
    """A column of numbers, or of few different words; None for names and other texts. Gaps in numbers are said."""
    numbers = [_number(text) for text in texts]
    there = [number for number in numbers if not math.isnan(number)]
    filled = sum(bool(text) for text in texts)
    if filled and len(there) == filled:
        if len(there) < len(texts):
            notes.append(f"the column {name!r} has {len(texts) - len(there):,} gaps, so it can't be a condition")
            return None
        return Column(name, np.array(numbers, np.float32))
    if len(there) > filled // 2:
        strange = next(text for text in texts if text and math.isnan(_number(text)))
        notes.append(f"the column {name!r} has {filled - len(there):,} cells that are no number, such as {strange[:40]!r}, so it isn't one")
    if 1 < len(set(texts)) <= min(_CLASSES, max(2, len(texts) // 5)):
        return category_column(name, texts)
    return None


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        return math.nan
    return found if math.isfinite(found) and abs(found) < 1e30 else math.nan

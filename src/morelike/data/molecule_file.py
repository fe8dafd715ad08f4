"""Molecules in files: SMILES one a line, or in a column of a table; what is no molecule is left out, counted and said with its line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import BadInput
from .files import READ_LIMIT, Files, FolderFiles
from .molecule_text import LONGEST, canonical, fault, known, largest_part, split_smiles, strange_element
from .table_csv import parsed, sniff_delimiter
from .text_files import plain_name, read_text

LINES = (".smi", ".smiles", ".ism", ".can")
TABLES = (".csv", ".tsv", ".tab", ".txt")
NAMES = ("smiles", "canonical_smiles", "canonicalsmiles", "isomeric_smiles", "smile")
_SHOWN = 5
_LOOKED_AT = 50


@dataclass(slots=True)
class Listed:
    """SMILES as a file has them, with their lines and the cells of the other columns."""

    smiles: list[str]
    lines: list[int]
    others: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Cleaned:
    """The molecules of a file: `rows` numbers them among what was listed."""

    items: list[str]
    rows: list[int]
    notes: list[str]


def listed(files: Files, file: str) -> Listed:
    """What a file lists. Raises BadInput, naming the file, where no column holds SMILES."""
    read = read_text(files, file, READ_LIMIT)
    if not isinstance(read.text, str):
        raise BadInput(f"{file} has more than {READ_LIMIT >> 30} GB; molecules are read into memory, so give a part of it.")
    return from_text(file, read.text, list(read.notes))


def from_text(file: str, text: str, notes: list[str]) -> Listed:
    """As `listed`, from a text that was read already."""
    if plain_name(file).suffix.lower() in LINES:
        rows = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
        if rows and rows[0][1][0].lower() in NAMES:
            rows = rows[1:]
        if not rows:
            raise BadInput(f"{file} holds no SMILES: it has no line that isn't empty.")
        return Listed([cells[0] for _, cells in rows], [number for number, _ in rows], {}, notes)
    lines, cells = parsed(file, text, sniff_delimiter(file, text), notes)
    place, headed = column_of(file, cells)
    names = [name.strip() or f"column {number + 1}" for number, name in enumerate(cells[0])] if headed else []
    body, lines = (cells[1:], lines[1:]) if headed else (cells, lines)
    smiles = [row[place].strip() if place < len(row) else "" for row in body]
    others = {name: [row[at].strip() if at < len(row) else "" for row in body] for at, name in enumerate(names) if at != place}
    return Listed(smiles, lines, others, notes)


def column_of(file: str, cells: Sequence[Sequence[str]]) -> tuple[int, bool]:
    """(the column of SMILES, whether the first row holds names): one called smiles, else the only one whose first cells all are.

    Raises BadInput naming the columns where there is none.
    """
    if not cells:
        raise BadInput(f"{file} holds no rows.")
    first = [cell.strip().lower().replace(" ", "_") for cell in cells[0]]
    called = [number for number, name in enumerate(first) if name in NAMES]
    if called:
        return called[0], True
    headed = fault(cells[0][0].strip()) is not None and len(cells) > 1
    body = [row for row in cells[1 : _LOOKED_AT + 1] if len(row) == len(first)] or [cells[0]]
    like = [at for at in range(len(first)) if all(_looks_like_smiles(row[at].strip()) for row in body)]
    if len(like) != 1:
        shown = ", ".join(cell.strip()[:30] for cell in cells[0][:6])
        raise BadInput(f"{file} has no column of SMILES (its first line: {shown}); call the column smiles in a first line of names.")
    return like[0], headed


def _looks_like_smiles(text: str) -> bool:
    """Letters of SMILES alone, an atom among them."""
    try:
        return any(one[0].isalpha() or one[0] == "[" for one in split_smiles(text))
    except BadInput:
        return False


def cleaned(file: str, found: Listed) -> Cleaned:
    """The molecules that can be learnt, canonical, by written rules: of salts and mixtures the largest part; nothing of more than 200
    symbols, and no elements beyond those of organic chemistry."""
    items: list[str] = []
    rows: list[int] = []
    why: dict[str, list[str]] = {}
    salts: list[int] = []
    for number, (smiles, line) in enumerate(zip(found.smiles, found.lines, strict=True)):
        item, reason = _clean(smiles)
        if item is None:
            kind, _, more = reason.partition("|")
            why.setdefault(kind, []).append(f"line {line:,}" + (f": {more}" if more else ""))
            continue
        if "." in smiles:
            salts.append(line)
        items.append(item)
        rows.append(number)
    notes = []
    for kind, places in why.items():
        shown = "; ".join(places[:_SHOWN]) + ("; ..." if len(places) > _SHOWN else "")
        many = "is" if len(places) == 1 else "are"
        notes.append(f"{file}: of {len(found.smiles):,} lines {len(places):,} {many} {kind}, and left out ({shown})")
    if salts:
        shown = ", ".join(f"{line:,}" for line in salts[:_SHOWN]) + (", ..." if len(salts) > _SHOWN else "")
        many = "1 is a salt or mixture" if len(salts) == 1 else f"{len(salts):,} are salts or mixtures"
        notes.append(f"{file}: {many}, of which the largest part was kept (line {shown})")
    return Cleaned(items, rows, notes)


def _clean(smiles: str) -> tuple[str | None, str]:
    """(the molecule, "") or (None, "what such lines are|what this one is")."""
    try:
        symbols = split_smiles(smiles)
    except BadInput as error:
        return None, f"no molecule|{error}"
    if len(symbols) > LONGEST:
        return None, f"longer than {LONGEST} symbols|{len(symbols):,}"
    item: str | None = smiles
    if known() and (item := canonical(smiles)) is None:
        return None, f"no molecule|{smiles[:40]}: {fault(smiles)}"
    assert item is not None
    if "." in item:
        item = largest_part(item)
    if (element := strange_element(split_smiles(item))) is not None:
        return None, f"of an element whose bonds aren't known here|{element}"
    return item, ""


def molecules_in(path: Path) -> list[str]:
    """The molecules of a user's own file. Raises BadInput naming file and line for one that is none."""
    found = listed(FolderFiles(path.parent, [path.name]), path.name)
    items = []
    for smiles, line in zip(found.smiles, found.lines, strict=True):
        item, reason = _clean(smiles)
        if item is None:
            raise BadInput(f"{path.name}, line {line:,}: {reason.rpartition('|')[2]}")
        items.append(item)
    return items

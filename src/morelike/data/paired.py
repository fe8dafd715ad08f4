"""Pictures that belong to pictures: folders `a` and `b`, or a table beside the pictures one of whose columns names other pictures.

N pairs, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .beside import Names, PictureTable, Row
from .image import ImageCodec
from .picture_file import SUFFIXES
from .pictures import Checked, Pictures, check_pictures
from .progress import Progress
from .source import Column

FOLDERS = ("a", "b")
_ENOUGH = 0.5
"""Share of two folders' pictures, or of a column's cells, that must have a partner: with fewer they are no pairs."""


@dataclass(slots=True)
class Pairs:
    """Which pictures are learnt, and which belong to each."""

    items: list[str]
    names: list[str]
    """Of each item, with the folders that are classes or splits."""
    told: dict[str, list[str]] = field(default_factory=dict)
    """Condition -> the picture file of each item; {} where there are no pairs."""
    where: dict[str, list[str]] = field(default_factory=dict)
    """Condition -> where each is named ("pairs.csv, line 3"), or ""."""
    notes: tuple[str, ...] = ()

    def keep(self, rows: Sequence[int]) -> None:
        """Only the pairs numbered `rows`."""
        self.items, self.names = [self.items[row] for row in rows], [self.names[row] for row in rows]
        for one in (self.told, self.where):
            one.update({name: [values[row] for row in rows] for name, values in one.items()})


@dataclass(frozen=True, slots=True)
class Read:
    """What the first pass over the files gives."""

    pictures: Pictures
    columns: Mapping[str, Column]
    """A column of pictures for each condition."""
    good: np.ndarray
    """(N,) int64: the items that can be read, with all that belongs to them."""
    skipped: list[tuple[str, str]]
    notes: list[str]


def by_folders(pictures: Sequence[str], asked: Sequence[str]) -> Pairs | None:
    """The pairs of folders `a` and `b`: `b` is learnt given `a`, or `a` given `b` where the condition asked for is `b`; None where most
    files have no partner of their name. Raises BadInput for one without."""
    parts = [PurePosixPath(picture).parts for picture in pictures]
    depth = next((depth for depth, part in enumerate(parts[0][:-1]) if part.lower() in FOLDERS), None) if parts else None
    if depth is None or not all(len(own) > depth + 1 and own[depth].lower() in FOLDERS for own in parts):
        return None
    sides: dict[str, dict[str, str]] = {name: {} for name in FOLDERS}
    written: dict[str, str] = {}
    twice = ""
    for picture, own in zip(pictures, parts, strict=True):
        side, key = own[depth].lower(), str(PurePosixPath(*own[:depth], *own[depth + 1 :]).with_suffix(""))
        written[side] = own[depth]
        if key in sides[side]:
            twice = f"{sides[side][key]} and {picture} have one name, so that their partner can't be told: rename one of them."
        sides[side][key] = picture
    first, second = (sides[name] for name in FOLDERS)
    if len(first.keys() & second.keys()) < _ENOUGH * max(len(first), len(second), 1):
        return None
    if twice:
        raise BadInput(twice)
    for one, other, name in ((first, second, "b"), (second, first, "a")):
        lonely = next((key for key in one if key not in other), None)
        if lonely is not None:
            partner = PurePosixPath(*PurePosixPath(lonely).parts[:depth], written[name], *PurePosixPath(lonely).parts[depth:])
            raise BadInput(f"{one[lonely]} has no partner: there is no {partner}, with any ending; put it there, or remove the other.")
    learnt = "a" if written["b"] in asked and written["a"] not in asked else "b"
    told = "b" if learnt == "a" else "a"
    keys, partners = list(sides[learnt]), list(map(sides[told].__getitem__, sides[learnt]))
    turned = f"; --condition {written[learnt]} turns it round" if written[learnt] != written[told] else ""
    note = f"pairs of pictures: {written[learnt]} is learnt given {written[told]}, by the files' names{turned}"
    items = [sides[learnt][key] for key in keys]
    return Pairs(items, keys, {written[told]: partners}, {written[told]: [""] * len(keys)}, (note,))


def by_tables(tables: Sequence[PictureTable], pictures: Sequence[str], asked: Sequence[str]) -> tuple[Pairs, list[int]] | None:
    """(the pairs of the columns that name pictures, the numbers of the pictures that are learnt). None where there are no such columns.

    Raises BadInput, naming file and line, for a cell that names none.
    """
    known, told, where = Names(pictures), {}, {}
    partners: set[int] = set()
    for table in tables:
        for name in table.fields:
            if name not in told and _names_pictures(table, name, known):
                told[name], where[name] = table, [row.where if row is not None else "" for row in table.rows]
                partners |= {number for row in table.rows if row is not None for number in _numbers(row, name, known)}
    if not told:
        return None
    rows = [all(table.rows[number] is not None for table in told.values()) for number in range(len(pictures))]
    kept = [number for number, there in enumerate(rows) if there]
    found = {name: [_partner(table, name, number, pictures, known) for number in kept] for name, table in told.items()}
    left = [number for number, there in enumerate(rows) if not there and number not in partners]
    if left:
        if any(name in told for name in asked):
            raise BadInput(f"{next(iter(told.values())).name} has no row for {pictures[left[0]]}; add one, or remove the picture.")
        return None
    items = [pictures[number] for number in kept]
    note = f"pairs of pictures: a picture is learnt given its {' and '.join(found)}, which {next(iter(told.values())).name} names"
    return Pairs(items, items, found, {name: [places[number] for number in kept] for name, places in where.items()}, (note,)), kept


def _names_pictures(table: PictureTable, name: str, known: Names) -> bool:
    """Whether a column's cells are names of picture files, most of which are there."""
    rows = [row for row in table.rows if row is not None]
    named = [cell for row in rows if (cell := row.values.get(name, "").strip())]
    if not named or not all(PurePosixPath(cell).suffix.lower() in SUFFIXES for cell in named):
        return False
    return sum(len(_numbers(row, name, known)) == 1 for row in rows) >= _ENOUGH * len(rows)


def _numbers(row: Row, name: str, known: Names) -> list[int]:
    """The pictures that a cell may mean, looked for from the table's folder on."""
    cell, table = row.values.get(name, "").strip().replace("\\", "/"), row.where.rpartition(", line ")[0]
    return known.numbers(table, cell, by_name="/" not in cell) if cell else []


def _partner(table: PictureTable, name: str, number: int, pictures: Sequence[str], known: Names) -> str:
    row = table.rows[number]
    assert row is not None
    cell = row.values.get(name, "").strip()
    if not cell:
        raise BadInput(f"{row.where}: {name!r} of {row.file} is empty, but every picture needs one; fill it in, or remove both.")
    found = _numbers(row, name, known)
    if len(found) != 1:
        which = "isn't there" if not found else f"may be {pictures[found[0]]} or {pictures[found[1]]}: write its path"
        raise BadInput(f"{row.where}: the {name!r} of {row.file} is {cell}, which {which}.")
    return pictures[found[0]]


def read(name: str, pairs: Pairs, load: Callable[[str], Path | bytes], progress: Progress | None = None) -> Read:
    """Decodes each file once; a pair of which one can't be read is left out of `pairs`. `load` gives a file's path or bytes.

    Raises BadInput where too many files are bad, or the pictures of a pair have other proportions.
    """

    def check(name: str, files: Sequence[str]) -> Checked:
        return check_pictures(name, files, lambda number: load(files[number]), progress)

    checked, opened = check(name, pairs.items), {}
    good, skipped = checked.good, list(checked.skipped)
    for told, partners in pairs.told.items():
        distinct = list(dict.fromkeys(partners))
        opened[told] = found = check(f"{name}, {told}", distinct)
        bad = dict(found.skipped)
        for number in good:
            if partners[number] in bad:
                place = f", named in {pairs.where[told][number]}," if pairs.where[told][number] else ""
                skipped.append((partners[number], f"{bad[partners[number]]}{place} and {pairs.items[number]} is left out with it"))
        good = np.array([number for number in good if partners[number] not in bad], dtype=np.int64)
    learnt, columns = checked.pictures.subset(np.flatnonzero(np.isin(checked.good, good))), {}
    places = {told: {file: row for row, file in enumerate(dict.fromkeys(partners))} for told, partners in pairs.told.items()}
    pairs.keep(good.tolist())
    for told, found in opened.items():
        rows = np.searchsorted(found.good, [places[told][partner] for partner in pairs.told[told]])
        check_shapes(pairs, told, learnt, found.pictures.subset(rows))
        columns[told] = Column(told, rows, pictures=found.pictures)
    return Read(learnt, columns, good, skipped, checked.notes)


def check_shapes(pairs: Pairs, name: str, learnt: Pictures, told: Pictures) -> None:
    """Raises BadInput for the first pair whose sides are in other proportions: its places can't belong together. `told` is one an item."""
    for row, (one, other) in enumerate(zip(learnt.facts.shapes.tolist(), told.facts.shapes.tolist(), strict=True)):
        place = f"{pairs.where[name][row]}: " if pairs.where[name][row] else ""
        check_sizes(f"{place}{pairs.told[name][row]}", other[:2], pairs.items[row], one[:2])


def check_sizes(name: str, size: Sequence[int], learnt: str, own: Sequence[int]) -> None:
    """Raises BadInput where the sides (H,W) of two pictures, called `name` and `learnt`, are in other proportions."""
    (height, width), (rows, columns) = sorted((tuple(size), tuple(own)))
    # sides of the smaller, a pixel of which may be rounding
    if abs(height - rows * width / columns) > 1 and abs(width - columns * height / rows) > 1:
        sizes = f"{name} is {size[1]} x {size[0]} pixels and {learnt} {own[1]} x {own[0]}"
        raise BadInput(f"{sizes}: the sides of both must be in one proportion; cut one of them to the shape of the other.")


def codec_of(pictures: ImageCodec, learnt: Any, told: Any) -> ImageCodec:
    """The codec of pictures `told` (training items) that belong to the pictures `learnt`: as large beside these as they are in the
    files, and at most as large."""
    ratio = float(np.median(_heights(told) / _heights(learnt)))
    _, height, width = pictures.shape
    share = min(1.0, ratio)
    return ImageCodec.fit(told, size=(max(1, round(height * share)), max(1, round(width * share))))


def _heights(items: Any) -> np.ndarray:
    """(N,) rows of each picture."""
    if isinstance(items, Pictures):
        return items.facts.shapes[:, 0].astype(np.float64)
    return np.array([len(item) for item in items], dtype=np.float64)

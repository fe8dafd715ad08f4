"""The verb `restore` for tables: missing cells filled in by a model's conditional distribution given the known cells of their row.

N rows with gaps, F fields, R copies of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..core.abilities import Infills
from ..core.errors import BadInput
from ..tasks.imputing import likeliest
from .able import generator
from .audience import Audience, Bar
from .package import Package
from .sampling import CHUNK_OF_ROWS, checked
from .table_frames import Readable, Rewritten
from .table_given import Filler
from .table_rows import Rows, codec_of

DRAWS = 32
"""Fillings of a row, of which the best one takes the commonest words and the median numbers."""
MOST_COPIES = 100
_COPY = 1 << 40
"""Apart in the numbers of noise; so copy k of a row doesn't depend on how many rows or copies there are."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Tables without gaps."""

    names: tuple[str, ...]
    copies: list[Rewritten]
    """The rows of each copy in their order, written as they came."""
    counts: dict[str, int]
    """How many cells of each column were filled."""
    notes: list[str]

    @property
    def tables(self) -> list[Any]:
        """Each copy as what the rows came as: a data frame, an Arrow table, or of CSV (N, columns) text."""
        return [copy.handed() for copy in self.copies]

    def summary(self) -> dict[str, Any]:
        """JSON values."""
        rows = len(self.copies[0].table)
        return {"rows": rows, "filled": sum(self.counts.values()), "columns": self.counts, "copies": len(self.copies), "notes": self.notes}


def restore(
    package: Package, rows: Readable, n: int = 1, *, best: bool = False, seed: int = 0, dials: Mapping[str, Any] | None = None,
    audience: Audience,
) -> Filled:  # fmt: skip
    """n tables (1 to 100), each missing cell drawn given the known cells of its row; with `best` one, of the likeliest values.

    Known cells and columns that aren't learnt come back as they are. A value that the model never saw says nothing about the others of
    its row. Raises BadInput for a file that can't be read or an n out of range, Refused for a model that doesn't `Infills`.
    """
    codec = codec_of(package, "fill in a table")
    model = generator(package, "fill in a table")
    assert isinstance(model, Infills)
    if not 1 <= n <= MOST_COPIES:
        raise BadInput(f"the number of filled tables must be between 1 and {MOST_COPIES}, not {n}")
    if best and n > 1:
        raise BadInput("there is one best filling; -n asks for several drawn ones")
    found = Rows.read(codec, rows)
    strange, missing = found.strange(), found.missing()
    notes = [*found.notes, *found.say(strange, "is no value that the model knows; it stays, and nothing follows from it")]
    notes += [f"{found.name} lacks the column {name}, which is taken as unknown" for name in found.lacking()]
    notes += _broken(found, strange | missing)
    learnt = np.array([name not in codec.unlearnt for name in codec.names])
    there = learnt & np.array([name in found.names for name in codec.names])
    rowed = np.flatnonzero((missing & there).any(1))
    asked = _Asked(found.arranged()[rowed], (found.known() & ~missing)[rowed], (missing & learnt)[rowed], rowed)
    tables, vain = [], np.zeros(len(rowed), bool)
    filler = Filler(model, codec, checked(model, dials or {}))
    for copy in range(n):
        with audience.watch(f"filling in {found.name}", len(rowed)) as bar:
            filled, broken = _best(filler, asked, seed, bar) if best else _drawn(filler, asked, copy, seed, bar)
        table = found.given.table.cells.copy()
        for number in np.flatnonzero(there).tolist():
            name, gone = codec.names[number], asked.filled[:, number] & ~broken
            table[rowed[gone], found.names.index(name)] = found.written(name, filled[gone, number].tolist())
        tables.append(found.rewritten(table))
        vain |= broken
    if vain.any():
        which = f"row {int(rowed[np.flatnonzero(vain)[0]]) + 1:,}" + (f" and {int(vain.sum()) - 1:,} others" if vain.sum() > 1 else "")
        notes.append(f"{found.name}, {which}: gaps stay, for nothing that was drawn obeys the rules there")
    gaps = missing[rowed] & ~vain[:, None]
    counts = {codec.names[number]: int(gaps[:, number].sum()) for number in np.flatnonzero(there & missing.any(0)).tolist()}
    return Filled(found.names, tables, counts, notes)


def _broken(found: Rows, unknown: np.ndarray) -> list[str]:
    """A sentence on each rule that known cells break, whatever stands in the gaps."""
    said = []
    for rule, bad in found.broken():
        own = [found.codec.names.index(name) for name in rule.about]
        rows = np.flatnonzero(bad & ~unknown[:, own].any(1))
        if len(rows):
            more = f" ({len(rows):,} rows)" if len(rows) > 1 else ""
            said.append(f"{found.name}, row {int(rows[0]) + 1:,}: its known cells break a rule and stay: {rule.describe()}{more}")
    return said


@dataclass(frozen=True, slots=True)
class _Asked:
    """Rows with gaps."""

    cells: np.ndarray
    """(N,C)."""
    known: np.ndarray
    """(N,C) bool."""
    filled: np.ndarray
    """(N,C) bool."""
    numbers: np.ndarray
    """(N,) of the rows in their file."""

    def __getitem__(self, rows: slice) -> _Asked:
        return _Asked(self.cells[rows], self.known[rows], self.filled[rows], self.numbers[rows])

    def repeated(self, copies: int) -> _Asked:
        """Each row so many times, with other numbers."""
        cells, known, filled = (np.repeat(part, copies, 0) for part in (self.cells, self.known, self.filled))
        return _Asked(cells, known, filled, (self.numbers[:, None] + np.arange(copies) * _COPY).reshape(-1))


def _drawn(filler: Filler, asked: _Asked, copy: int, seed: int, bar: Bar) -> tuple[np.ndarray, np.ndarray]:
    """(cells (N,C), (N,) bool: where nothing was found that obeys the rules)."""
    parts, bad = [asked.cells[:0]], [np.zeros(0, bool)]
    for start in range(0, len(asked.cells), CHUNK_OF_ROWS):
        some = asked[start : start + CHUNK_OF_ROWS]
        x, broken = filler.draw(some.cells, some.known, some.filled, torch.from_numpy(some.numbers) + copy * _COPY, seed, "restore")
        parts.append(filler.complete(x, some.cells, some.known, some.filled))
        bad.append(broken)
        bar.advance(min(start + CHUNK_OF_ROWS, len(asked.cells)), {})
    return np.concatenate(parts), np.concatenate(bad)


def _best(filler: Filler, asked: _Asked, seed: int, bar: Bar) -> tuple[np.ndarray, np.ndarray]:
    """As `_drawn`, of the commonest ids and the medians of 32 draws."""
    fields = filler.codec.spec.fields
    categories = [bool(field.categories) for field in fields]
    parts, bad, step = [asked.cells[:0]], [np.zeros(0, bool)], CHUNK_OF_ROWS // DRAWS
    for start in range(0, len(asked.cells), step):
        some = asked[start : start + step]
        more = some.repeated(DRAWS)
        drawn, _ = filler.draw(more.cells, more.known, more.filled, torch.from_numpy(more.numbers), seed, "restore")
        x = likeliest(drawn.view(-1, DRAWS, len(fields)), categories, filler.beside)
        parts.append(filler.complete(x, some.cells, some.known, some.filled))
        bad.append(filler.broken(x, some.cells, some.known, some.filled))
        bar.advance(min(start + step, len(asked.cells)), {})
    return np.concatenate(parts), np.concatenate(bad)

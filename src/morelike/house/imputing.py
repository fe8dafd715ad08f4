"""The verb `restore` for tables: missing cells filled in by a model's conditional distribution given the known cells of their row.

N rows with gaps, F fields, R copies of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Infills
from ..core.errors import BadInput
from ..core.noise import Noise
from ..data.table import Cells, TableCodec
from ..data.table_columns import CategoryColumn, NumberColumn, is_missing
from ..tasks.imputing import impute, likeliest
from .able import generator
from .audience import Audience, Bar, Silent
from .package import Package
from .sampling import CHUNK_OF_ROWS, checked
from .table_rows import Rows, codec_of, placed

DRAWS = 32
"""Fillings of a row, of which the best one takes the commonest words and the median numbers."""
MOST_COPIES = 100
_COPY = 1 << 40
"""Apart in the numbers of noise; so copy k of a row doesn't depend on how many rows or copies there are."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Tables without gaps."""

    names: tuple[str, ...]
    tables: list[np.ndarray]
    """Cells (N, columns) of each copy, in the order of the file."""
    counts: dict[str, int]
    """How many cells of each column were filled."""
    notes: list[str]

    def summary(self) -> dict[str, Any]:
        """JSON values."""
        rows = len(self.tables[0])
        return {"rows": rows, "filled": sum(self.counts.values()), "columns": self.counts, "copies": len(self.tables), "notes": self.notes}


def restore(
    package: Package, rows: str | Path | Cells, n: int = 1, *, best: bool = False, seed: int = 0, dials: Mapping[str, Any] | None = None,
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
    learnt = np.array([bool(column.fields) and column.name in found.names for column in codec.columns])
    rowed = np.flatnonzero((missing & learnt).any(1))
    known = ~found.by_field(strange | missing)[rowed]
    x = torch.from_numpy(found.encoded())[rowed]
    tables = []
    filler = _Filler(model, codec, checked(model, dials or {}))
    for copy in range(n):
        with audience.watch(f"filling in {found.name}", len(rowed)) as bar:
            drawn = filler.best(x, known, rowed, seed, bar) if best else filler.draw(x, known, rowed, copy, seed, bar)
        table, cells = found.cells.copy(), codec.decode(drawn.numpy())
        for number in np.flatnonzero(learnt).tolist():
            gone = missing[rowed, number]
            table[rowed[gone], found.names.index(codec.names[number])] = cells[gone, number]
        tables.append(table)
    counts = {codec.names[number]: int(missing[:, number].sum()) for number in np.flatnonzero(learnt & missing.any(0)).tolist()}
    return Filled(found.names, tables, counts, notes)


class _Filler:
    """Draws for gaps, never a sign of a missing value."""

    def __init__(self, model: Infills, codec: TableCodec, dials: Mapping[str, Any]) -> None:
        self.model, self.dials = model, dials
        fields = codec.spec.fields
        self.categories = [bool(field.categories) for field in fields]
        self.beside = [-1] * len(fields)
        self.usual = torch.zeros(len(fields))
        self.allowed: dict[int, Tensor] = {}
        for _, column, own in placed(codec):
            if isinstance(column, CategoryColumn):
                open_, counts = [not is_missing(value) for value in column.values], column.counts
            elif isinstance(column, NumberColumn) and column.markers:
                # the first id says that there is a number
                open_, counts = [True, *(not is_missing(marker) for marker in column.markers)], column.counts
                self.beside[own.stop - 1] = own.start
            else:
                continue
            self.allowed[own.start] = torch.tensor(open_)
            self.usual[own.start] = float(np.where(open_, counts, -1).argmax())

    def _refuses(self, x: Tensor) -> Tensor:
        bad = torch.zeros_like(x, dtype=torch.bool)
        for place, open_ in self.allowed.items():
            bad[:, place] = ~open_.to(x.device)[x[:, place].nan_to_num().long()]
        for place, category in enumerate(self.categories):
            if not category:
                number = self.beside[place] < 0 or x[:, self.beside[place]] == 0
                bad[:, place] = x[:, place].isnan() & number
        return bad

    def draw(self, x: Tensor, known: Tensor, rows: np.ndarray, copy: int, seed: int, bar: Bar) -> Tensor:
        """(N,F) on the CPU: rows x (N,F), numbered `rows`, with what isn't `known` drawn."""
        x, known = x.clone(), known.clone()
        for place, open_ in self.allowed.items():
            # a column that can only be a number is one
            if int(open_.sum()) == 1:
                x[:, place] = torch.where(known[:, place], x[:, place], float(open_.nonzero()[0, 0]))
                known[:, place] = True
        parts = [x[:0]]
        index = torch.from_numpy(rows) + copy * _COPY
        for start in range(0, len(x), CHUNK_OF_ROWS):
            some = slice(start, start + CHUNK_OF_ROWS)
            noise = Noise(seed, index[some], path=("restore",))
            parts.append(impute(self.model, x[some], known[some], self._refuses, self.usual, noise=noise, dials=self.dials).cpu())
            bar.advance(min(start + CHUNK_OF_ROWS, len(x)), {})
        return torch.cat(parts)

    def best(self, x: Tensor, known: Tensor, rows: np.ndarray, seed: int, bar: Bar) -> Tensor:
        """(N,F): the commonest ids and the medians of 32 draws."""
        parts, step = [x[:0]], CHUNK_OF_ROWS // DRAWS
        for start in range(0, len(x), step):
            some = slice(start, start + step)
            own, there = (part[some].repeat_interleave(DRAWS, 0) for part in (x, known))
            numbers = (rows[some, None] + np.arange(DRAWS) * _COPY).reshape(-1)
            drawn = self.draw(own, there, numbers, 0, seed, Silent()).view(-1, DRAWS, x.shape[1])
            parts.append(likeliest(drawn, self.categories, self.beside))
            bar.advance(min(start + step, len(x)), {})
        return torch.cat(parts)

"""What some known cells of rows say of a table's coded columns, and the rest of the rows drawn from a model given them.

N rows, C visible columns, F fields, K ids of a field, R rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Infills
from ..core.noise import Noise
from ..data.table import TableCodec
from ..data.table_columns import CategoryColumn, ColumnCode, NumberColumn, is_missing
from ..data.table_rules import by_distinct, columns_of
from ..data.table_rules_offset import ALONE, Total
from ..data.table_rules_range import Unique
from ..tasks.imputing import impute
from .table_known import Known
from .table_rows import placed, shown_by

ROUNDS = 20
"""Times that rows are drawn again which break a rule."""


@dataclass(frozen=True, slots=True)
class Told:
    """Rows of which some cells are known, for a model."""

    x: Tensor
    """(N,F)."""
    known: Tensor
    """(N,F) bool."""
    open: dict[int, Tensor]
    """(N,K) bool by the place of a category: the ids that agree with what is known, and may stand there."""
    usual: Tensor
    """(N,F) the commonest of these ids."""
    beside: list[int]
    """As `beside_of` says."""

    def refuses(self, x: Tensor, rows: Tensor) -> Tensor:
        """(B,F) bool of x (B,F), which stand for `rows` (B,) of these: what may not stand there."""
        bad = torch.zeros_like(x, dtype=torch.bool)
        for place, own in self.open.items():
            ids = x[:, place].nan_to_num().long()[:, None]
            bad[:, place] = ~own.to(x.device)[rows].gather(1, ids)[:, 0]
        for place, category in enumerate(self.beside):
            if place not in self.open:
                number = torch.ones_like(bad[:, place]) if category < 0 else x[:, category] == 0
                bad[:, place] = x[:, place].isnan() & number
        return bad


def beside_of(codec: TableCodec) -> list[int]:
    """(F,) the place of the category that says whether a real is there; -1 for none, and for categories."""
    found = [-1] * len(codec.spec.fields)
    for _, own, _ in placed(codec):
        if own.stop - own.start > 1:
            found[own.stop - 1] = own.start
    return found


def told(codec: TableCodec, cells: np.ndarray, known: np.ndarray, filled: np.ndarray) -> Told:
    """Of `cells` (N,C) those `known` (N,C) bool; those `filled` (N,C) bool may be no sign of a missing value.

    A coded column is known where all cells that it is made of are. Else a category is open to the ids that show what is known; where none
    does, the known cells contradict each other, and it is open to all.
    """
    places = {name: number for number, name in enumerate(codec.names)}
    x = torch.from_numpy(codec.encode(cells))
    there = torch.zeros(x.shape, dtype=torch.bool)
    usual = torch.zeros(x.shape)
    open_: dict[int, Tensor] = {}
    for column, own, made_of in placed(codec):
        sure = torch.from_numpy(known[:, [places[name] for name in made_of]].all(1))
        there[:, own] = sure[:, None]
        if not codec.spec.fields[own.start].categories:
            continue
        assert isinstance(column, CategoryColumn | NumberColumn)
        agree, fit = _agreeing(codec, column, cells, known), _fitting(codec, column, filled, places)
        both = agree & fit
        both = np.where(both.any(1, keepdims=True), both, np.where(agree.any(1, keepdims=True), agree, True))
        open_[own.start] = torch.from_numpy(both)
        usual[:, own.start] = torch.from_numpy(np.where(both, column.counts, -1).argmax(1).astype(np.float32))
        alone = torch.from_numpy(both.sum(1) == 1) & ~sure
        x[:, own.start] = torch.where(alone, usual[:, own.start], x[:, own.start])
        there[:, own.start] |= alone
    return Told(x, there, open_, usual, beside_of(codec))


def agreeing(codec: TableCodec, column: CategoryColumn, cells: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N,K) bool: the ids of a coded column that show every known cell; all where none does."""
    found = _agreeing(codec, column, cells, known)
    return np.where(found.any(1, keepdims=True), found, True)


def _agreeing(codec: TableCodec, column: ColumnCode, cells: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N,K) bool: the ids that show every known cell."""
    assert isinstance(column, CategoryColumn | NumberColumn)
    found = np.ones((len(cells), len(column.counts)), bool)
    for number, shown in shown_by(codec, column).items():
        if isinstance(column, CategoryColumn) and known[:, number].any():
            listed = np.array(shown, dtype=object)
            same = by_distinct(lambda texts, listed=listed: np.array([listed == text for text in texts], bool), cells[:, number])  # type: ignore[misc]
            # a cell that no id shows is read as the nearest
            found &= same | ~(known[:, number] & same.any(1))[:, None]
    return found


def _fitting(codec: TableCodec, column: ColumnCode, filled: np.ndarray, places: Mapping[str, int]) -> np.ndarray:
    """(N,K) bool: the ids that show no sign of a missing value where a cell is to be filled."""
    assert isinstance(column, CategoryColumn | NumberColumn)
    words = column.values if isinstance(column, CategoryColumn) else ("0", *column.markers)
    found = np.ones((len(filled), len(words)), bool)
    for number, shown in shown_by(codec, column).items():
        gone = np.array([is_missing(text) for text in shown])
        found &= ~(filled[:, number, None] & gone)
    for rule in codec.rules.rules:
        if rule.makes and column.name == rule.makes[0] and not shown_by(codec, column):
            # what comes on top of others: a gap, or that there is nothing that it could come on top of
            gone = np.array([is_missing(word) or word == ALONE for word in words])
            found &= ~(filled[:, places[rule.writes[0]], None] & gone)
    return found


class Filler:
    """Rows drawn from a model given known cells, such that they obey the rules."""

    def __init__(self, model: Infills, codec: TableCodec, dials: Mapping[str, Any] | None = None) -> None:
        self.model, self.codec, self.dials = model, codec, dials
        self.beside = beside_of(codec)
        self.values = {column.name: column.values for column in codec.columns if isinstance(column, CategoryColumn)}
        places = {name: number for number, name in enumerate(codec.names)}
        self.rules = [(rule, [places[name] for name in rule.about]) for rule in codec.rules.rules if not isinstance(rule, Unique)]

    def draw(
        self, cells: np.ndarray, known: np.ndarray, filled: np.ndarray, index: Tensor, seed: int, what: str
    ) -> tuple[Tensor, np.ndarray]:
        """(rows (N,F) on the CPU, (N,) bool: which of them break a rule about a cell that is `filled`, drawn again and again in vain)."""
        own = told(self.codec, cells, known, filled)
        out, rows = own.x.clone(), torch.arange(len(cells))
        for turn in range(ROUNDS):
            noise = Noise(seed, index[rows], path=(what,) if turn == 0 else (what, "again", turn))

            def refuses(x: Tensor, numbers: Tensor, rows: Tensor = rows) -> Tensor:
                return own.refuses(x, rows.to(numbers.device)[numbers])

            drawn = impute(self.model, own.x[rows], own.known[rows], refuses, own.usual[rows], noise=noise, dials=self.dials)
            out[rows] = drawn.cpu()
            some = rows.numpy()
            bad = self.broken(out[rows], cells[some], known[some], filled[some])
            rows = rows[torch.from_numpy(bad)]
            if not len(rows):
                break
        broken = np.zeros(len(cells), bool)
        broken[rows.numpy()] = True
        return out, broken

    def broken(self, x: Tensor, cells: np.ndarray, known: np.ndarray, filled: np.ndarray) -> np.ndarray:
        """(N,) bool: which rows break a rule about a cell that is filled and others that are known or filled too."""
        found = np.zeros(len(cells), bool)
        columns: dict[str, np.ndarray] | None = None
        for rule, about in self.rules:
            asked = filled[:, about].any(1) & (known | filled)[:, about].all(1)
            if asked.any():
                columns = columns_of(self.codec.names, self.complete(x, cells, known, filled)) if columns is None else columns
                found |= asked & ~rule.kept(columns)
        return found

    def complete(self, x: Tensor, cells: np.ndarray, known: np.ndarray, filled: np.ndarray) -> np.ndarray:
        """(N,C) cells: those that are known, and others that follow from them and from x (N,F). Where a sum is known and some of its parts
        are filled, one of these is what the others leave of it: the last of numbers, else the last category, if it has that value."""
        table, stays = self.codec.completed(x.numpy(), cells, known), known
        for rule, about in self.rules:
            if not isinstance(rule, Total):
                continue
            bad = ~rule.kept(columns_of(self.codec.names, table)) & known[:, about[-1]] & (known | filled)[:, about].all(1)
            several = filled[:, about[:-1]].sum(1) > 1
            parts = sorted(zip(about[-2::-1], reversed(rule.reads), strict=True), key=lambda part: part[1] in self.values)
            for number, name in parts:
                rows = np.flatnonzero(bad & filled[:, number])
                bad[rows] = False
                if len(rows):
                    cell = rule.solved(columns_of(self.codec.names, table[rows]), name)
                    fit = ~Known.of(self.codec, name).new(cell.tolist())
                    if name in self.values:
                        # of several gaps the others can be drawn anew, until this one is a value that it had
                        fit &= ~several[rows] | np.isin(cell.astype(str), self.values[name])
                    table, stays = table.copy(), stays.copy()
                    table[rows[fit], number], stays[rows[fit], number] = cell[fit], True
        return table if stays is known else self.codec.completed(x.numpy(), np.where(stays, table, cells), stays)


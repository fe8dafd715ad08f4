"""The verb `detect`: rows of a table by how unlikely a model finds them, the oddest explained cell by cell.  N rows, C columns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.abilities import Density, Infills
from ..core.errors import BadInput
from ..data.table import TableCodec
from ..data.table_columns import CategoryColumn, ColumnCode, NumberColumn
from ..tasks.detecting import DRAWS, redrawn, surprise
from .able import generator
from .audience import Audience
from .package import Package
from .table_features import Target
from .table_rows import Rows, beside, placed

SHOWN, CELLS = 10, 3
"""Rows that are explained, and cells of each."""
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Detected:
    """Rows and how odd they are."""

    names: tuple[str, ...]
    cells: np.ndarray
    """As they were, (N, columns)."""
    scores: Floats
    """(N,) nats."""
    how: str
    top: list[dict[str, Any]]
    notes: list[str]
    evaluation: dict[str, Any] | None = field(default=None)

    @property
    def ranks(self) -> NDArray[np.int64]:
        """(N,) 1 for the oddest."""
        order = np.argsort(-self.scores, kind="stable")
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(1, len(order) + 1)
        return ranks

    def table(self) -> tuple[list[str], np.ndarray]:
        """(names, cells) of the rows in their order, with score and rank."""
        added = [np.array([f"{score:.4f}" for score in self.scores]), self.ranks.astype(str)]
        return beside(self.names, self.cells, {"score": added[0], "rank": added[1]})

    def summary(self) -> dict[str, Any]:
        """JSON values."""
        found = {"n": len(self.scores), "how": self.how, "top": self.top, "notes": self.notes}
        return found | ({"evaluation": self.evaluation} if self.evaluation is not None else {})


def detect(package: Package, found: Rows, audience: Audience, label: Target | None = None) -> Detected:
    """Scores rows: -log p(row) in nats; a cell that training never came near adds log(training rows + 1), the
    surprise of a value that none of so many rows had. `label` is a column that is not looked at.

    Raises BadInput for rows that lack a column, Refused for a model without a likelihood.
    """
    codec, model = found.codec, generator(package, "detect")
    assert isinstance(model, Density)
    lacking = [name for name in found.lacking() if label is None or name != label.name]
    if lacking:
        raise BadInput(f"{found.name} lacks the column {lacking[0]!r}, and the likelihood of a row needs all of them")
    new = found.new()
    if label is not None:
        new[:, label.place] = False
    x = torch.from_numpy(found.encoded())
    with audience.watch(f"scoring {found.name}", len(x)) as bar:
        without = None if label is None else (label.field, range(codec.spec.fields[label.field].categories))
        scores = surprise(model, x, without=without, advance=lambda done: bar.advance(done, {}))
    extra = np.zeros(len(x))
    for number, column, _ in placed(codec):
        extra += new[:, number] * math.log(1 + _rows_of(column))
    how = {"exact": "the exact likelihood", "bound": "a bound on the likelihood", "estimate": "an estimate of the likelihood"}[model.tight]
    notes = [*found.notes, *found.say(new, "is nothing that training had or came near")]
    detected = Detected(found.names, found.cells, scores + extra, how, [], notes)
    order = np.argsort(-detected.scores, kind="stable")[:SHOWN]
    explained = _explained(model, codec, found, x, order, new, label) if isinstance(model, Infills) else [[] for _ in order]
    detected.top = [
        {"row": int(row) + 1, "rank": rank, "score": float(detected.scores[row]), "cells": cells}
        for rank, (row, cells) in enumerate(zip(order, explained, strict=True), 1)
    ]
    return detected


def _rows_of(column: ColumnCode) -> int:
    """How many training rows a column was counted on."""
    return int(column.counts.sum()) if isinstance(column, CategoryColumn | NumberColumn) else 0


def _explained(
    model: Infills, codec: TableCodec, rows: Rows, x: torch.Tensor, order: np.ndarray, new: np.ndarray, label: Target | None
) -> list[list[dict[str, Any]]]:
    """For each row of `order` its oddest cells: {"column", "value", "usual", "share"}; share: how many of 64 draws of the cell, given the
    rest of its row, are the same word or lie at least as far out as the number."""
    columns = [one for one in placed(codec) if label is None or one[0] != label.place]
    drawn = redrawn(model, x[order], [own for _, _, own in columns])
    found = []
    for at, row in enumerate(order.tolist()):
        cells = []
        for place, (number, column, _) in enumerate(columns):
            value = rows.texts(column.name)[row]
            usual, share = _usual(column, value, codec.decode(drawn[at, place])[:, number].tolist())
            # what training never had is odder than anything that the draws can show
            odd = -1.0 if new[row, number] else share
            cells.append((odd, {"column": column.name, "value": value, "usual": usual, "share": max(odd, 0.0)}))
        found.append([cell for _, cell in sorted(cells, key=lambda pair: pair[0])[:CELLS]])
    return found


def _usual(column: ColumnCode, value: str, draws: list[str]) -> tuple[str, float]:
    """(what the draws mostly are, the share of them that are like the value)."""
    form = column.form if isinstance(column, NumberColumn) else None
    own = np.nan if form is None else float(form.parse([value])[0])
    numbers = np.zeros(0) if form is None else form.parse(draws)
    numbers = np.sort(numbers[np.isfinite(numbers)])
    if form is None or np.isnan(own) or not len(numbers):
        commonest = max(sorted(set(draws)), key=draws.count)
        return commonest or "(empty)", draws.count(value) / len(draws)
    low, high = form.write(form.snap(np.quantile(numbers, [0.05, 0.95], method="nearest")))
    share = 2 * min(int((numbers >= own).sum()), int((numbers <= own).sum())) / DRAWS
    return f"{low} to {high}" if low != high else low, min(1.0, share)


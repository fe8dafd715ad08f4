"""The verb `detect`: rows of a table by how unlikely a model finds them, the oddest explained cell by cell.  N rows, C columns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.abilities import Density, Infills
from ..core.errors import BadInput, Refused
from ..data.table import TableCodec
from ..data.table_columns import CategoryColumn
from ..data.table_numbers import Format
from ..tasks.detecting import surprise
from .able import generator
from .audience import Audience
from .package import Package
from .table_bayes import Ruled
from .table_frames import Rewritten
from .table_given import Filler
from .table_known import Known, rows_of
from .table_rows import Rows

SHOWN, CELLS, DRAWS = 10, 3, 64
"""Rows that are explained, cells of each, and draws of a cell."""
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Detected:
    """Rows and how odd they are."""

    rows: Rows
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

    def rewritten(self) -> Rewritten:
        """The rows in their order and form, with score and rank."""
        scores = np.array([f"{score:.4f}" for score in self.scores])
        return self.rows.rewritten(more={"score": (scores, False), "rank": (self.ranks.astype(str), True)})

    @property
    def table(self) -> Any:
        """The same as what the rows came as: a data frame, an Arrow table, or of CSV (N, columns + 2) text."""
        return self.rewritten().handed()

    def summary(self) -> dict[str, Any]:
        """JSON values."""
        found = {"n": len(self.scores), "how": self.how, "top": self.top, "notes": self.notes}
        return found | ({"evaluation": self.evaluation} if self.evaluation is not None else {})


def detect(package: Package, found: Rows, audience: Audience, label: Ruled | None = None) -> Detected:
    """Scores rows: -log p(row) in nats; a cell that training never came near, or that breaks a rule, adds log(training rows + 1), the
    surprise of a value that none of so many rows had. `label` has a column that is not looked at.

    Raises BadInput for rows that lack a column, Refused for a model without a likelihood.
    """
    codec, model = found.codec, generator(package, "detect")
    assert isinstance(model, Density)
    lacking = found.needed(None if label is None else label.target.name)
    if lacking:
        raise BadInput(f"{found.name} lacks the column {lacking[0]!r}, and the likelihood of a row needs all of them")
    new = found.new()
    if label is None:
        with audience.watch(f"scoring {found.name}", len(found.cells)) as bar:
            x = torch.from_numpy(codec.encode(found.arranged()))
            scores = surprise(model, x, advance=lambda done: bar.advance(done, {}))
    else:
        new[:, label.target.place] = False
        scores = -np.logaddexp.reduce(label.joints(found, audience, f"scoring {found.name}"), axis=1)
    broken, said = _broken(found, new, None if label is None else label.target.name)
    how = {"exact": "the exact likelihood", "bound": "a bound on the likelihood", "estimate": "an estimate of the likelihood"}[model.tight]
    notes = [*found.notes, *found.say(new, "is nothing that training had or came near"), *said]
    extra = (new | broken).sum(1) * math.log(1 + max(map(rows_of, codec.columns)))
    detected = Detected(found, scores + extra, how, [], notes)
    order = np.argsort(-detected.scores, kind="stable")[:SHOWN]
    without = None if label is None else label.target.place
    explained = _explained(model, found, order, new | broken, without) if isinstance(model, Infills) else [[] for _ in order]
    detected.top = [
        {"row": int(row) + 1, "rank": rank, "score": float(detected.scores[row]), "cells": cells}
        for rank, (row, cells) in enumerate(zip(order, explained, strict=True), 1)
    ]
    return detected


def _broken(found: Rows, new: np.ndarray, label: str | None) -> tuple[np.ndarray, list[str]]:
    """((N,C) bool: the last cell of each rule that a row breaks, unless one of its cells is `new`; a sentence on each rule)."""
    cells, said = np.zeros(new.shape, bool), []
    for rule, bad in found.broken():
        own = [found.codec.names.index(name) for name in rule.about]
        rows = np.flatnonzero(bad & ~new[:, own].any(1))
        if label in rule.about or not len(rows):
            continue
        cells[rows, own[-1]] = True
        name, first = rule.about[-1], int(rows[0])
        more = f" ({len(rows):,} rows)" if len(rows) > 1 else ""
        said.append(f"{found.name}, row {first + 1:,}, column {name}: {found.shown(name)[first]!r} breaks a rule: {rule.describe()}{more}")
    return cells, said


def _explained(model: Infills, rows: Rows, order: np.ndarray, odd: np.ndarray, label: int | None) -> list[list[dict[str, Any]]]:
    """For each row of `order` its oddest cells: {"column", "value", "usual", "share"}; share: how many of 64 draws of the cell, given the
    rest of its row, are the same word or lie at least as far out as the number. `odd` (N,C): cells that are odd in themselves."""
    codec, filler = rows.codec, Filler(model, rows.codec)
    cells, known = (np.repeat(part[order], DRAWS, 0) for part in (rows.arranged(), rows.known()))
    if label is not None:
        known[:, label] = False
    index = torch.arange(len(cells))
    found: list[list[tuple[float, dict[str, Any]]]] = [[] for _ in order]
    for number, name in enumerate(codec.names):
        if name in codec.unlearnt or name not in rows.names or number == label:
            continue
        there = known.copy()
        there[:, number] = False
        x, _ = filler.draw(cells, there, np.zeros(cells.shape, bool), index, 0, f"explain {name}")
        drawn = codec.completed(x.numpy(), cells, there)[:, number].reshape(len(order), DRAWS).tolist()
        form = Known.of(codec, name).form if not _worded(codec, name) else None
        for at, row in enumerate(order.tolist()):
            value = rows.texts(name)[row]
            usual, share = _usual(form, value, drawn[at])
            # what training never had is odder than anything that the draws can show
            share = -1.0 if odd[row, number] else share
            if share >= 0 and usual == [value or "(empty)"]:
                continue
            shown = {"column": name, "value": rows.shown(name)[row], "usual": " to ".join(rows.written(name, usual))}
            found[at].append((share, shown | {"share": max(share, 0.0)}))
    return [[cell for _, cell in sorted(own, key=lambda pair: pair[0])[:CELLS]] for own in found]


def _worded(codec: TableCodec, name: str) -> bool:
    """Whether a column's cells are compared as words: those of few values."""
    try:
        return isinstance(codec.view(name)[0], CategoryColumn)
    except Refused:
        return False


def _usual(form: Format | None, value: str, draws: list[str]) -> tuple[list[str], float]:
    """(what the draws mostly are, a value or the least and the largest; the share of them that are like the value), as numbers where there
    is a `form`."""
    own = np.nan if form is None else float(form.parse([value])[0])
    numbers = np.zeros(0) if form is None else form.parse(draws)
    numbers = np.sort(numbers[np.isfinite(numbers)])
    if form is None or np.isnan(own) or not len(numbers):
        commonest = max(sorted(set(draws)), key=draws.count)
        return [commonest or "(empty)"], draws.count(value) / len(draws)
    low, high = form.write(form.snap(np.quantile(numbers, [0.05, 0.95], method="nearest")))
    share = 2 * min(int((numbers >= own).sum()), int((numbers <= own).sum())) / DRAWS
    return [low, high] if low != high else [low], min(1.0, share)


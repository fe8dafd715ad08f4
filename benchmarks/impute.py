"""Filling gaps by a model against the commonest value (or the median) and k nearest neighbours, on held-out rows with hidden cells.

Hides 20 % of the cells of held-out rows at random, fills them in and prints for each column the accuracy (categories) or the mean absolute
error and the root of the mean squared one over the training deviation (numbers), then their means. Cells that were missing from the
beginning are not scored. Neighbours are the rows of the whole training part nearest in the cells that are known, as scikit-learn's
KNNImputer measures it (numbers standardised, categories as flags); k, and whether they count alike, by 1/distance or by their median, are
chosen on validation rows, once for categories and once for each of the two errors of numbers. The model and the trivial fill give
medians for the absolute error of numbers and means for the squared one.

python benchmarks/impute.py MODEL DATA [--rows 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import morelike
from morelike.data.table import Cells
from morelike.data.table_columns import is_missing
from morelike.house.prepare import prepare
from morelike.house.table_evidence import table_facts
from morelike.judges.table_codes import TableCodes

HIDDEN, MOST_NEIGHBOURS, DRAWS = 0.2, 100, 32
KS = (1, 3, 5, 10, 20, 50, 100)
Array = np.ndarray[Any, Any]


class Neighbours:
    """The training rows nearest to rows with gaps."""

    def __init__(self, codes: TableCodes, training: Array) -> None:
        self.codes, self.real = codes, codes(training)
        self.mean, self.spread = np.nanmean(self.real.x, 0), np.nanstd(self.real.x, 0) + 1e-9
        self.gone = np.array([[is_missing(cell) for cell in training[:, column.place]] for column in codes.columns]).T
        self.points, self.owner = self._points(self.real.x)

    def _points(self, x: Array) -> tuple[Array, Array]:
        """(N,E) features of coded rows, and (E,) the column of each."""
        parts, owner = [], []
        for number, column in enumerate(self.codes.columns):
            if column.kind == "number":
                parts.append(np.nan_to_num((x[:, number, None] - self.mean[number]) / self.spread[number]))
            else:
                parts.append(np.eye(column.ids)[x[:, number].astype(int)])
            owner += [number] * parts[-1].shape[1]
        return np.concatenate(parts, 1).astype(np.float32), np.array(owner)

    def nearest(self, cells: Array, hidden: Array) -> tuple[Array, Array]:
        """(N,100) training rows by distance, and the distances; `hidden` (N,D) of the coded columns."""
        known = (~hidden)[:, self.owner].astype(np.float32)
        asked = self._points(np.where(hidden, 0.0, self.codes(cells).x))[0] * known
        rows, found = [], []
        for start in range(0, len(cells), 100):
            own, mask = asked[start : start + 100], known[start : start + 100]
            distance = mask @ (self.points**2).T - 2 * own @ self.points.T + (own**2).sum(1)[:, None]
            best = np.argpartition(distance, MOST_NEIGHBOURS, 1)[:, :MOST_NEIGHBOURS]
            near = np.take_along_axis(distance, best, 1)
            order = near.argsort(1)
            rows.append(np.take_along_axis(best, order, 1))
            found.append(np.take_along_axis(near, order, 1))
        return np.concatenate(rows), np.sqrt(np.concatenate(found).clip(min=1e-6))

    def fill(self, rows: Array, distances: Array, number: int, k: int, how: str) -> Array:
        """(N,) coded values of a column: the vote, the mean or the median of k neighbours, those that miss it left out."""
        values, weights = self.real.x[rows[:, :k], number], 1 / distances[:, :k] if how == "weighed" else np.ones((len(rows), k))
        weights = np.where(self.gone[rows[:, :k], number] | np.isnan(values), 0.0, weights)
        column = self.codes.columns[number]
        if column.kind == "number" and how == "median":
            return np.nan_to_num(np.nanmedian(values, 1), nan=self.mean[number])
        if column.kind == "number":
            total = weights.sum(1)
            mean = (np.nan_to_num(values) * weights).sum(1) / np.maximum(total, 1e-12)
            return np.asarray(np.where(total > 0, mean, self.mean[number]))
        votes = np.zeros((len(rows), column.ids))
        np.add.at(votes, (np.arange(len(rows))[:, None], values.astype(int)), weights)
        return votes.argmax(1)


def errors(codes: TableCodes, spread: Array, truth: Array, filled: Array, scored: Array) -> Array:
    """(D,3): accuracy of categories; mean absolute and root mean squared error of numbers over the training deviation; else NaN."""
    found = np.full((len(codes.columns), 3), np.nan)
    for number, column in enumerate(codes.columns):
        rows = scored[:, number]
        if not rows.any():
            continue
        real, made = truth[rows, number], filled[rows, number]
        if column.kind == "category":
            found[number, 0] = (real == made).mean()
        else:
            gap = np.abs(real - made) / spread[number]
            found[number, 1:] = gap.mean(), np.sqrt((gap**2).mean())
    return found


def torn(codes: TableCodes, cells: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """(cells with 20 % hidden, which coded ones were hidden, which of these are scored)."""
    hidden = rng.random((len(cells), len(codes.columns))) < HIDDEN
    out = cells.copy()
    gone = np.zeros_like(hidden)
    for number, column in enumerate(codes.columns):
        gone[:, number] = [is_missing(cell) for cell in cells[:, column.place]]
        out[hidden[:, number], column.place] = ""
    return out, hidden, hidden & ~gone


def chosen(near: Neighbours, cells: Array, rng: np.random.Generator) -> list[tuple[int, str]]:
    """(k, how) of least mean error on validation rows: for accuracy, absolute and squared error."""
    _, hidden, scored = torn(near.codes, cells, rng)
    rows, distances = near.nearest(cells, hidden)
    truth, tried = near.codes(cells).x, [(k, how) for k in KS for how in ("alike", "weighed", "median")]
    means = []
    for k, how in tried:
        filled = np.stack([near.fill(rows, distances, number, k, how) for number in range(truth.shape[1])], 1)
        means.append(np.nanmean(errors(near.codes, near.spread, truth, filled, scored), 0) * [-1, 1, 1])
    return [tried[int(best)] for best in np.nan_to_num(np.array(means)).argmin(0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = morelike.load(options.model)
    prepared = prepare(model.package.recipe, options.data)
    items, facts, rng = prepared.source.items, table_facts(model.codec), np.random.default_rng(options.seed)
    assert facts is not None
    train = items[prepared.split.train]
    codes = TableCodes.fit(train, facts.names, facts.left_out)
    test = items[np.sort(rng.permutation(prepared.split.holdout)[: options.rows])]
    near = Neighbours(codes, train)
    choice = chosen(near, items[rng.permutation(prepared.split.validation)[: options.rows]], rng)
    cells, hidden, scored = torn(codes, test, rng)
    truth, width = codes(test).x, range(len(codes.columns))

    began = time.perf_counter()
    best = codes(model.impute(Cells(facts.names, cells), best=True, seed=options.seed).tables[0]).x
    seconds = time.perf_counter() - began
    copies = [codes(table).x for table in model.impute(Cells(facts.names, cells), DRAWS, seed=options.seed).tables]
    rows, distances = near.nearest(test, hidden)
    usual = [
        np.nanmedian(near.real.x[:, number]) if codes.columns[number].kind == "number"
        else np.bincount(near.real.ids(number)[~near.gone[:, number]]).argmax()
        for number in width
    ]  # fmt: skip
    each = [np.stack([near.fill(rows, distances, number, k, how) for number in width], 1) for k, how in choice]
    fills = {
        "model": [best, best, np.nanmean(copies, 0)],
        "usual": [np.tile(usual, (len(test), 1)), np.tile(usual, (len(test), 1)), np.tile(near.mean, (len(test), 1))],
        "neighbours": each,
    }
    found = {
        name: np.stack([errors(codes, near.spread, truth, fill, scored)[:, kind] for kind, fill in enumerate(three)], 1)
        for name, three in fills.items()
    }
    print(f"{len(test):,} held-out rows, {int(hidden.sum()):,} cells hidden, {int(scored.sum()):,} scored; filled in {seconds:.0f} s")
    print("neighbours: " + ", ".join(f"k = {k}, {how}" for k, how in choice) + " (accuracy, MAE, RMSE)")
    for kind, measure in enumerate(("accuracy", "MAE / deviation (medians)", "RMSE / deviation (means)")):
        print(f"{measure:28s}" + "".join(f"{name:>12s}" for name in found))
        there = np.flatnonzero(~np.isnan(found["model"][:, kind]))
        for number in there:
            print(f"  {codes.columns[number].name:26s}" + "".join(f"{table[number, kind]:12.3f}" for table in found.values()))
        print(f"  {'mean':26s}" + "".join(f"{table[there, kind].mean():12.3f}" for table in found.values()))


if __name__ == "__main__":
    main()

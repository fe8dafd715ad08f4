"""How far three columns at a time are from the training table's: what neither single columns nor pairs can show.

N rows of the real table, M of the made one, D columns, K triples, B weightings (one for the value, then the bootstrap's).
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from ..core.errors import Refused
from ..maths.table_distance import contingency_gap, ones
from .intervals import Floats, Measure, resamples
from .scores import Ids, Rule, Shown
from .table_codes import Coded, Table, TableCodes
from .table_scores import items_of, percent, some_rows

THREE = "three-way-error"
SMALLEST = 50
BINS = 10
_MOST_TRIPLES = 200
_MOST_CELLS = 20_000_000


def marginal_rules() -> dict[str, Rule]:
    """The rule of `three-way-error`."""
    return {THREE: Rule("lower", SMALLEST)}


def column_triples(columns: int, seed: int = 0) -> list[tuple[int, int, int]]:
    """The K triples of columns that are compared: all of them, or 200 at random where there are more."""
    count = comb(columns, 3)
    if count <= _MOST_TRIPLES:
        return list(combinations(range(columns), 3))
    rng, found = np.random.Generator(np.random.PCG64(seed)), dict[tuple[int, int, int], None]()
    while len(found) < _MOST_TRIPLES:
        first, second, third = sorted(rng.choice(columns, 3, replace=False).tolist())
        found[first, second, third] = None
    return list(found)


def even_bins(edges_of: Floats, column: Floats) -> Ids:
    """(M,) bin numbers of a column by the deciles of `edges_of` (N,); equal deciles are one, 10 is a missing number."""
    known = edges_of[np.isfinite(edges_of)]
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="higher")) if len(known) else np.zeros(0)
    ids: Ids = np.where(np.isfinite(column), np.searchsorted(edges, column, "right"), BINS)
    return ids


def triple_errors(real: Coded, made: Coded, triples: list[tuple[int, int, int]], weights: Floats | None = None) -> Floats:
    """(K,B) 0..1 for each triple: the total variation of its joint shares, numbers cut at the real deciles (the three-way marginals of
    McKenna, Miklau, Sheldon 2021, arXiv:2108.04978, section 2)."""
    weights = ones(len(made)) if weights is None else weights

    def ids(side: Coded, number: int) -> Ids:
        return side.ids(number) if real.columns[number].kind == "category" else even_bins(real.x[:, number], side.x[:, number])

    used = sorted({number for triple in triples for number in triple})
    known = {number: (ids(real, number), ids(made, number)) for number in used}
    sides = [[[known[number][side] for number in triple] for side in (0, 1)] for triple in triples]
    return np.stack([contingency_gap(ours, theirs, weights) for ours, theirs in sides])


class MarginalScores:
    """`three-way-error`, in percent, against the whole training split."""

    extractor = "cells"

    def __init__(self, codes: TableCodes, training: Table, seed: int) -> None:
        """`training` (N,C): at most 20 million cells of it are looked at. Raises Refused for fewer than three columns."""
        self.triples = column_triples(len(codes.columns), seed) if len(codes.columns) > 2 else []
        if not self.triples:
            raise Refused("needs at least three columns that can be compared")
        rows = some_rows(len(training), max(1, _MOST_CELLS // training.shape[1]), seed)
        self.codes, self.real, self.seed, self.rules = codes, codes(training[rows]), seed, marginal_rules()

    def measure(self, shown: Shown) -> dict[str, Measure]:
        made = self.codes(items_of(shown))
        weights = ones(len(made))
        if shown.intervals:
            weights = np.concatenate([weights, resamples(len(made), self.seed).T.astype(np.float32)], 1)
        return {THREE: percent(100.0 * triple_errors(self.real, made, self.triples, weights).mean(0), shown)}

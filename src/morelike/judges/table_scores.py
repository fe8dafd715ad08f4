"""Scores of tables: shapes of columns, trends of pairs, whether boosted trees tell rows apart, copying, and use for training.

`shape-error` and `trend-error` are those of SDMetrics' QualityReport (definitions of versions 0.17 to 0.20, docs.sdv.dev/sdmetrics), in
percent: 100 times one minus the report's property score. Where they differ from it is said at `column_errors` and `pair_errors`.

N rows of the real table, M of the made one, D columns, P pairs of columns, B weightings (one for the value, then the bootstrap's).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ..core.errors import Refused
from ..maths.distance import nearest
from ..maths.table_distance import (
    area_under_curve,
    contingency_gap,
    correlation_gap,
    equal_bins,
    largest_gap,
    ones,
    total_variation,
)
from .intervals import Floats, Measure, around, resampled, resamples, wilson
from .scores import Ids, Rule, Shown
from .table_codes import Coded, Column, Places, Table, TableCodes

SHAPE, TREND, AUC, CLOSEST = "shape-error", "trend-error", "two-sample-auc", "closest-record"
USES = ("train-on-generated-auc", "train-on-generated-accuracy")
"""By area under the curve for two classes, by accuracy for more."""
MOST_ROWS = 10_000
"""Most rows of a side that trees learn from, or that nearest rows are looked for among."""
_MOST_ASKED = 2_000
_MOST_PAIRS = 500
_MOST_CELLS = 20_000_000
_SMALLEST = 50
_FOLDS = 3
_MOST_INPUTS = 100
"""Most columns that the boosted trees look at; of a wider table so many at random."""
_TREES: dict[str, Any] = {"max_iter": 100, "learning_rate": 0.1, "max_leaf_nodes": 31, "early_stopping": False, "random_state": 0}
_MOST_IDS = 254
"""Most categories that the boosted trees take as such."""


def table_rules(classes: int = 0) -> dict[str, Rule]:
    """The rules of the scores of tables; `classes`: how many values the known column of classes has, 0 without one.

    Columns drawn each on their own have the right shapes by construction, and noise copies nothing: neither sets a bar.
    """
    rules = {SHAPE: Rule("lower", _SMALLEST, bar=False), TREND: Rule("lower", _SMALLEST), AUC: Rule("lower", _SMALLEST)}
    rules[CLOSEST] = Rule("lower", _SMALLEST, bar=False)
    return rules | ({USES[0 if classes == 2 else 1]: Rule("higher", _SMALLEST)} if classes else {})


def some_rows(count: int, most: int, seed: int) -> Ids:
    """At most `most` of 0..count-1, at random and ascending."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.Generator(np.random.PCG64(seed)).choice(count, most, replace=False))


# Shapes and trends


def column_errors(real: Coded, made: Coded, weights: Floats | None = None) -> Floats:
    """(D,B) 0..1 for each column: 1 - KSComplement of numbers, missing ones left out, 1 - TVComplement of categories.

    Two differences from SDMetrics: a missing marker of a category column is a value like any other (so it is there too where the marker
    is a word, as in Adult), and a column without any number on one side counts as all wrong instead of not at all.
    """
    weights = ones(len(made)) if weights is None else weights
    return np.stack([
        largest_gap(real.x[:, number], made.x[:, number], weights) if column.kind == "number"
        else total_variation(real.ids(number), made.ids(number), weights)
        for number, column in enumerate(real.columns)
    ])  # fmt: skip


def column_pairs(columns: int, seed: int = 0) -> list[tuple[int, int]]:
    """The P pairs of columns that are compared: all of them, or 500 at random where there are more."""
    pairs = list(combinations(range(columns), 2))
    return [pairs[row] for row in some_rows(len(pairs), _MOST_PAIRS, seed)]


def pair_errors(
    real: Coded, made: Coded, pairs: Sequence[tuple[int, int]], weights: Floats | None = None, *, own_range: bool = False
) -> Floats:
    """(P,B) 0..1 for each pair: 1 - CorrelationSimilarity (Pearson, over rows that have both) of two numbers, else
    1 - ContingencySimilarity, numbers cut into 10 bins of equal width over the real range, missing ones a bin of their own.

    Differences from SDMetrics: a correlation with a constant made column is 0, where the report leaves the pair out. The report cuts
    each table over its own range, so one outlier moves all bins: `own_range` does so too, for comparison with published numbers.
    """
    weights = ones(len(made)) if weights is None else weights
    sides = (real, made)
    binned: dict[int, tuple[Ids, Ids]] = {}

    def ids(number: int) -> tuple[Ids, Ids]:
        if real.columns[number].kind == "category":
            return real.ids(number), made.ids(number)
        if number not in binned:
            x, y = (side.x[:, number] for side in sides)
            binned[number] = equal_bins(x, x), equal_bins(y if own_range else x, y)
        return binned[number]

    out = np.empty((len(pairs), weights.shape[1]))
    for row, (first, second) in enumerate(pairs):
        if real.columns[first].kind == real.columns[second].kind == "number":
            both = [(side.x[:, first], side.x[:, second]) for side in sides]
            out[row] = correlation_gap(both[0], both[1], weights)
        else:
            a, b = ids(first), ids(second)
            out[row] = contingency_gap((a[0], b[0]), (a[1], b[1]), weights)
    return out


def shape_error(real: Coded, made: Coded) -> float:
    """Percent: the mean of `column_errors` over columns."""
    return 100.0 * float(column_errors(real, made).mean())


def trend_error(real: Coded, made: Coded, *, own_range: bool = False) -> float:
    """Percent: the mean of `pair_errors` over pairs of columns. Raises Refused for fewer than two columns."""
    pairs = column_pairs(len(real.columns))
    if not pairs:
        raise Refused("needs at least two columns that can be compared")
    return 100.0 * float(pair_errors(real, made, pairs, own_range=own_range).mean())


def items_of(shown: Shown) -> Table:
    """The rows themselves. Raises Refused where there are none."""
    if shown.items is None:
        raise Refused("needs the rows themselves")
    return shown.items


class ShapeScores:
    """`shape-error` and `trend-error` against the whole training split."""

    extractor = "cells"

    def __init__(self, codes: TableCodes, training: Table, seed: int) -> None:
        """`training` (N,C): at most 20 million cells of it are looked at."""
        rows = some_rows(len(training), max(1, _MOST_CELLS // max(1, training.shape[1])), seed)
        self.codes, self.real, self.seed = codes, codes(training[rows]), seed
        self.rules = {name: rule for name, rule in table_rules().items() if name in (SHAPE, TREND)}
        self.pairs = column_pairs(len(codes.columns), seed)

    def measure(self, shown: Shown) -> dict[str, Measure]:
        made = self.codes(items_of(shown))
        weights = ones(len(made))
        if shown.intervals:
            weights = np.concatenate([weights, resamples(len(made), self.seed).T.astype(np.float32)], 1)
        found = {SHAPE: column_errors(self.real, made, weights)}
        if self.pairs:
            found[TREND] = pair_errors(self.real, made, self.pairs, weights)
        return {name: percent(100.0 * errors.mean(0), shown) for name, errors in found.items()}


def percent(means: Floats, shown: Shown) -> Measure:
    """The first of some values (B,) in percent; the others are the bootstrap's."""
    value = float(means[0])
    return resampled(value, means[1:], 0.0, 100.0) if shown.intervals else Measure(value)


# Boosted trees


def _kept(columns: tuple[Column, ...], without: int | None) -> list[int]:
    """The columns that the trees look at."""
    there = [number for number in range(len(columns)) if number != without]
    return [there[row] for row in some_rows(len(there), _MOST_INPUTS, 0)]


def _learner(columns: tuple[Column, ...], without: int | None = None) -> Any:
    """Boosted trees for `_inputs` of such columns."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    categories = [columns[number].kind == "category" for number in _kept(columns, without)]
    return HistGradientBoostingClassifier(categorical_features=categories, **_TREES)


def _inputs(coded: Coded, without: int | None = None) -> Floats:
    """Columns for the trees: of a category, what is rarer than its first 253 values is one."""
    kept = _kept(coded.columns, without)
    x = coded.x[:, kept]
    for place, number in enumerate(kept):
        if coded.columns[number].kind == "category":
            np.minimum(x[:, place], _MOST_IDS - 1, out=x[:, place])
    return x


def two_sample_auc(real: Coded, made: Coded, seed: int = 0) -> Measure:
    """How well boosted trees tell made rows from real ones: cross-validated AUC, 3 folds (Lopez-Paz, Oquab 2017, arXiv:1610.06545).

    About 0.5 where they can't, 1 where they always can; below 0.5 where made rows repeat real ones, which then stand on both sides.
    The interval is DeLong's for each fold, as if folds were independent: a little narrow (500 rows of Adult a side: 21 of 24 hold 0.5).
    """
    both = Coded(real.columns, np.concatenate([real.x, made.x]))
    side = np.repeat([0, 1], [len(real), len(made)])
    rng = np.random.Generator(np.random.PCG64(seed))
    # Each side is dealt out on its own, so that every fold holds both in the same shares.
    fold = np.concatenate([rng.permutation(np.arange(len(part)) % _FOLDS) for part in (real, made)])
    x, found = _inputs(both), []
    for number in range(_FOLDS):
        test = fold == number
        scores = _learner(both.columns).fit(x[~test], side[~test]).decision_function(x[test])
        found.append(area_under_curve(scores[side[test] == 1], scores[side[test] == 0]))
    values, deviations = np.array(found).T
    return around(float(values.mean()), float(np.sqrt((deviations**2).sum()) / _FOLDS), 0.0, 1.0)


class TwoSampleScores:
    """`two-sample-auc` against as many training rows."""

    extractor = "boosted-trees"

    def __init__(self, codes: TableCodes, training: Table, seed: int) -> None:
        self.codes, self.seed = codes, seed
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(training))[:MOST_ROWS]
        self.real = codes(training[order])
        self.rules = {AUC: table_rules()[AUC]}

    def measure(self, shown: Shown) -> dict[str, Measure]:
        items = items_of(shown)
        made = self.codes(items[some_rows(len(items), MOST_ROWS, self.seed)])
        measure = two_sample_auc(self.real[: len(made)], made, self.seed)
        return {AUC: measure if shown.intervals else Measure(measure.value)}


# Copying


class ClosestScores:
    """`closest-record`: the share of rows nearer to a training row than to any of as many held-out rows; 0.5 is no copying.

    The "DCR score" of Zhang et al. 2023, arXiv:2310.09656, as a share. Rows as far from both count half.
    Of M training rows only as many are looked among as are held out, h: a pure copier scores about 0.5 + 0.5 h / M, so `memory`,
    which asks all of them, is the sharper one.
    """

    extractor = "raw-table"

    def __init__(self, codes: TableCodes, training: Table, heldout: Table, seed: int) -> None:
        """`heldout` (h,C): the rows that `Shown.rows` of the held-out set counts in. At most 10,000 of each side are looked among."""
        size = min(len(training), len(heldout), MOST_ROWS)
        if size < _SMALLEST:
            raise Refused(f"needs at least {_SMALLEST} training and held-out rows, has {len(training)} and {len(heldout)}")
        seen = codes(training[some_rows(len(training), MOST_ROWS, seed)])
        self.codes, self.places, self.seed = codes, Places(seen), seed
        self.training = self.places(seen[some_rows(len(seen), size, seed + 1)]).astype(np.float64)
        self.rows = some_rows(len(heldout), size, seed)
        self.heldout = self.places(codes(heldout[self.rows])).astype(np.float64)
        self.rules = {CLOSEST: table_rules()[CLOSEST]}

    def measure(self, shown: Shown) -> dict[str, Measure]:
        items = items_of(shown)
        rows = some_rows(len(items), _MOST_ASKED, self.seed)
        x = self.places(self.codes(items[rows])).astype(np.float64)
        near, far = nearest(x, self.training)[0][:, 0], self._held(x, shown, rows)
        tied = np.abs(near - far) <= 1e-9
        share = float(np.where(tied, 0.5, near < far).mean())
        return {CLOSEST: wilson(share, len(rows)) if shown.intervals else Measure(share)}

    def _held(self, x: Floats, shown: Shown, rows: Ids) -> Floats:
        """(n,) the distance to the nearest held-out row; a held-out row is not its own neighbour."""
        if shown.role != "holdout":
            distances: Floats = nearest(x, self.heldout)[0][:, 0]
            return distances
        itself = np.searchsorted(self.rows, shown.rows[rows])
        itself = np.minimum(itself, len(self.rows) - 1)
        among = self.rows[itself] == shown.rows[rows]
        out = np.empty(len(x))
        out[among] = nearest(x[among], self.heldout, 1, itself[among])[0][:, 0]
        out[~among] = nearest(x[~among], self.heldout)[0][:, 0]
        return out


# Use


class UseScores:
    """`train-on-generated-auc` (two classes) or `-accuracy` (more): boosted trees that learn a column from the shown rows and are asked
    held-out ones; the floor learns from as many training rows (Esteban et al. 2017, arXiv:1706.02633: TSTR)."""

    extractor = "boosted-trees"

    def __init__(self, codes: TableCodes, training: Table, heldout: Table, target: str, seed: int) -> None:
        """`target`: the name of the column of classes. Raises Refused for a column of numbers or one that isn't compared."""
        names = [column.name for column in codes.columns]
        if target not in names:
            raise Refused(f"the column {target!r} is not there, or constant, an identifier or free text")
        self.codes, self.target, self.seed = codes, names.index(target), seed
        column = codes.columns[self.target]
        if column.kind != "category":
            raise Refused(f"needs a column of classes; {target} holds numbers")
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(training))[:MOST_ROWS]
        self.real = self._known(codes(training[order]))
        self.test = self._known(codes(heldout[some_rows(len(heldout), MOST_ROWS, seed)]))
        if not len(self.test):
            raise Refused(f"no held-out row has a known class of {target}")
        self.name = USES[0] if len(column.values) == 2 else USES[1]
        self.rules = {self.name: table_rules(len(column.values))[self.name]}

    def _known(self, coded: Coded) -> Coded:
        """The rows whose class is one of the training data's."""
        return coded[np.flatnonzero(coded.ids(self.target) < len(coded.columns[self.target].values))]

    def measure(self, shown: Shown) -> dict[str, Measure]:
        """Nothing where the rows hold fewer than two classes."""
        items = items_of(shown)
        made = self.real[: len(items)]
        if shown.role != "holdout":
            made = self._known(self.codes(items[some_rows(len(items), MOST_ROWS, self.seed)]))
        classes = made.ids(self.target)
        if len(np.unique(classes)) < 2:
            return {}
        trees = _learner(made.columns, self.target).fit(_inputs(made, self.target), classes)
        truth, asked = self.test.ids(self.target), _inputs(self.test, self.target)
        if self.name == USES[1]:
            measure = wilson(float((trees.predict(asked) == truth).mean()), len(truth))
        elif len(np.unique(truth)) < 2:
            return {}
        else:
            scores = trees.decision_function(asked)
            measure = around(*area_under_curve(scores[truth == 1], scores[truth == 0]), 0.0, 1.0)
        return {self.name: measure if shown.intervals else Measure(measure.value)}


def class_column(codes: TableCodes) -> str | None:
    """The column that is most likely the class: the table's last, where it has two to ten values. None elsewhere."""
    last = codes.columns[-1]
    return last.name if last.kind == "category" and len(last.values) <= 10 and last.place == codes.width - 1 else None

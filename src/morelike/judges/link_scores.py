"""Scores of linked tables: how many children parents have, the children's columns, and how these go with the parents'.

P parents, M children, B weightings of parents (one for the value, then the bootstrap's: the children of a parent are no independent rows).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import Refused
from ..maths.table_distance import ones, total_variation
from .intervals import Floats, Measure, around, resamples
from .scores import Ids, Shown
from .table_codes import Coded, Table, TableCodes
from .table_scores import CLOSEST, ClosestScores, column_errors, column_pairs, pair_errors, some_rows

COUNTS, CHILD_SHAPE, CHILD_TREND, ACROSS = "children-error", "child.shape-error", "child.trend-error", "link.trend-error"
COPIES = "child.closest-record"
SCORES = (COUNTS, ACROSS, CHILD_SHAPE, CHILD_TREND, COPIES)
TRIVIAL = "random-keys"
SMALLEST = 50
"""Fewer held-out parents are not scored."""
_MOST_PARENTS, _MOST_CHILDREN = 2_000, 100_000
_MOST_CELLS = 20_000_000
_MOST_PAIRS = 500


@dataclass(frozen=True, slots=True)
class Family:
    """Parents (P,C) and children (M,D) as text, without their keys, and each child's parent."""

    parents: Table
    children: Table
    owner: Ids
    """(M,)."""

    def of(self, rows: Ids) -> Family:
        """The parents numbered `rows`, rising, with their children."""
        place = np.full(len(self.parents), -1)
        place[rows] = np.arange(len(rows))
        theirs = np.flatnonzero(place[self.owner] >= 0)
        return Family(self.parents[rows], self.children[theirs], place[self.owner[theirs]])


@dataclass(frozen=True, slots=True)
class Names:
    """The columns' names, and those that are not compared."""

    parents: Sequence[str]
    children: Sequence[str]
    left_out: tuple[frozenset[str], frozenset[str]]


def parents_of(training: Family, heldout: Family) -> int:
    """How many parents are compared: as many as are held out, at most 2,000, with at most about 100,000 children."""
    each = max(1.0, len(training.owner) / max(1, len(training.parents)))
    return max(1, min(len(heldout.parents), _MOST_PARENTS, int(_MOST_CHILDREN / each)))


def link_scores(training: Family, heldout: Family, made: Family, names: Names, seed: int) -> dict[str, dict[str, Any]]:
    """{score: {"value", "low", "high", "n", "floor", "floor_low", "floor_high", "ceiling", "ceiling_name", "better", "extractor"} or
    {"refused": reason}}, as `judges.ladder.climb` has them, against the training parents; errors in percent.

    `children-error` is the total variation between the shares of parents with so many children; `child.` are the children's own columns
    and pairs, `link.trend-error` all pairs of a parent's and a child's column (definitions as in `table_scores`). The floor is held-out
    families, the trivial model training rows that get a random parent. All sets have as many parents (`parents_of`).
    """
    n = parents_of(training, heldout)
    try:
        if min(n, len(made.parents)) < SMALLEST:
            raise Refused(f"needs at least {SMALLEST} held-out and generated parents, has {len(heldout.parents)} and {len(made.parents)}")
        measured = _Measured(training, names, seed)
        floor = heldout.of(some_rows(len(heldout.parents), n, seed))
        sets = {"own": made.of(np.arange(n)), "floor": floor, TRIVIAL: shuffled(training, n, seed)}
        found = {name: measured(family) for name, family in sets.items()}
    except Refused as reason:
        return {name: {"refused": str(reason)} for name in SCORES}
    scores = {name: _entry(name, n, {part: values[name] for part, values in found.items()}) for name in SCORES if name in found["own"]}
    try:
        return scores | {COPIES: _closest(measured.codes[1], training, heldout, made, seed)}
    except Refused as reason:
        return scores | {COPIES: {"refused": str(reason)}}


def _closest(codes: TableCodes, training: Family, heldout: Family, made: Family, seed: int) -> dict[str, Any]:
    """Whether children lie nearer to training children than to held-out ones, by their own columns. Raises Refused for few of them."""
    group = ClosestScores(codes, training.children, heldout.children, seed)
    rows = [np.arange(len(family.children)) for family in (made, heldout)]
    own = group.measure(Shown("generated", rows[0], {}, items=made.children))[CLOSEST]
    floor = group.measure(Shown("holdout", rows[1], {}, items=heldout.children))[CLOSEST]
    return _line(own, floor, len(made.children)) | {"extractor": group.extractor}


def shuffled(training: Family, n: int, seed: int) -> Family:
    """n training parents and as many training children as these have on average, each given one of the parents at random."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = some_rows(len(training.parents), n, seed)
    count = round(len(training.owner) * n / len(training.parents))
    return Family(training.parents[rows], training.children[rng.integers(len(training.children), size=count)], rng.integers(n, size=count))


def _entry(name: str, n: int, parts: Mapping[str, Measure]) -> dict[str, Any]:
    # rows of training data have the right columns of their own: they set no bar there
    bar = {"ceiling": parts[TRIVIAL].value, "ceiling_name": TRIVIAL} if name in (COUNTS, ACROSS) else {}
    return _line(parts["own"], parts["floor"], n) | bar


def _line(own: Measure, floor: Measure, n: int) -> dict[str, Any]:
    return {
        "value": own.value, "low": own.low, "high": own.high, "floor": floor.value, "floor_low": floor.low, "floor_high": floor.high,
        "ceiling": None, "ceiling_name": None, "better": "lower", "n": n, "extractor": "cells",
    }  # fmt: skip


class _Measured:
    """The scores of a family against the training one."""

    def __init__(self, training: Family, names: Names, seed: int) -> None:
        """Raises Refused where no column of the children can be compared."""
        width = training.parents.shape[1] + training.children.shape[1]
        rows = some_rows(len(training.owner), max(1, _MOST_CELLS // width), seed)
        self.counts, self.seed = np.bincount(training.owner, minlength=len(training.parents)), seed
        self.codes = (
            TableCodes.fit(training.parents, names.parents, names.left_out[0]),
            TableCodes.fit(training.children[rows], names.children, names.left_out[1]),
        )
        self.real = self._joined(training, rows)
        told, own = (len(codes.columns) for codes in self.codes)
        self.own = [(first + told, second + told) for first, second in column_pairs(own, seed)]
        across = [(first, told + second) for first in range(told) for second in range(own)]
        self.across = [across[row] for row in some_rows(len(across), _MOST_PAIRS, seed)]
        self.told = told

    def _joined(self, family: Family, rows: Ids) -> Coded:
        """The columns of parents and children, a row for each of the children `rows`."""
        parents, children = self.codes[0](family.parents), self.codes[1](family.children[rows])
        return Coded((*parents.columns, *children.columns), np.concatenate([parents.x[family.owner[rows]], children.x], 1))

    def __call__(self, family: Family) -> dict[str, Measure]:
        """The scores in percent. Raises Refused where there are no children."""
        if not len(family.owner):
            raise Refused("needs children; the parents that are compared have none")
        size = len(family.parents)
        weights = np.concatenate([ones(size), resamples(size, self.seed).T.astype(np.float32)], 1)
        joined, each = self._joined(family, np.arange(len(family.owner))), weights[family.owner]
        counts = np.bincount(family.owner, minlength=size)
        real, made = (Coded(side.columns[self.told :], side.x[:, self.told :]) for side in (self.real, joined))
        found = {COUNTS: total_variation(self.counts, counts, weights), CHILD_SHAPE: column_errors(real, made, each).mean(0)}
        if self.own:
            found[CHILD_TREND] = pair_errors(self.real, joined, self.own, each).mean(0)
        found[ACROSS] = pair_errors(self.real, joined, self.across, each).mean(0)
        return {name: _percent(values) for name, values in found.items()}


def _percent(values: Floats) -> Measure:
    return around(100.0 * float(values[0]), 100.0 * float(values[1:].std()), 0.0, 100.0)


def link_verdict(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Sentences on the scores of a link."""
    said = []
    for name, what in ((COUNTS, "The number of children"), (ACROSS, "What goes with what between parent and child")):
        score = scores.get(name, {"refused": ""})
        if "refused" in score:
            continue
        how = "beats" if score["value"] < score["ceiling"] else "does not beat"
        said.append(f"{what} is {score['value']:.1f}% off (real held-out families: {score['floor']:.1f}%); it {how} random keys "
                    f"({score['ceiling']:.1f}%).")  # fmt: skip
    refused = scores.get(ACROSS, {}).get("refused", "there are no scores")
    return " ".join(said) or f"The link could not be judged: it {refused}."

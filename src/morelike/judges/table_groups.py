"""What the ladder measures of a table: which scores, on which columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from ..core.errors import Refused
from .membership import MEMBERSHIP, MembershipScores, membership_rules
from .scores import Group, Rule
from .table_codes import Table, TableCodes
from .table_kept import KEPT, Keeps, KeptScores
from .table_marginals import THREE, MarginalScores, marginal_rules
from .table_scores import (
    AUC,
    CLOSEST,
    SHAPE,
    TREND,
    USES,
    ClosestScores,
    ShapeScores,
    TwoSampleScores,
    UseScores,
    class_column,
    table_rules,
)


def all_rules() -> dict[str, Rule]:
    """The rules of all scores of tables that need no column of classes."""
    return table_rules() | marginal_rules() | membership_rules()


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What the ladder must know of a table besides its cells."""

    names: tuple[str, ...]
    """(C,)."""
    left_out: frozenset[str] = frozenset()
    """Columns that the codec doesn't learn: identifiers, free text, constants."""
    target: str | None = None
    """The column of classes; without one it is looked for (`class_column`)."""
    rules: tuple[Keeps, Table] | None = None
    """Where there are rules: which rows obey them all, and the held-out rows (h,C) as they are written."""
    fitted: TableCodes | None = None
    """The codes as fitted on the training cells, where they were already."""

    def codes(self, training: Table) -> TableCodes:
        """Those of the training cells (N,C). Raises as `TableCodes.fit`."""
        return self.fitted or TableCodes.fit(training, self.names, self.left_out)


def table_groups(facts: TableFacts, training: Table, heldout: Table, seed: int) -> Iterator[tuple[list[str], Callable[[], Group]]]:
    """Score names and how to build their group, for tables of cells (N,C); `heldout`: the rows that `Shown.rows` counts in."""
    try:
        codes = facts.codes(training)
    except Refused as reason:
        yield list(all_rules()), partial(_refuse, reason)
        return
    if facts.rules is not None:
        keeps, written = facts.rules
        yield [KEPT], lambda: KeptScores(keeps, written)
    target = facts.target if facts.target is not None else class_column(codes)
    yield [SHAPE, TREND], lambda: ShapeScores(codes, training, seed)
    yield [THREE], lambda: MarginalScores(codes, training, seed)
    yield [AUC], lambda: TwoSampleScores(codes, training, seed)
    if target is not None:
        values = next((len(column.values) for column in codes.columns if column.name == target), 0)
        yield [USES[0 if values == 2 else 1]], lambda: UseScores(codes, training, heldout, target, seed)
    yield [CLOSEST], lambda: ClosestScores(codes, training, heldout, seed)
    yield [MEMBERSHIP], lambda: MembershipScores(codes, training, heldout, seed)


def _refuse(reason: Refused) -> Group:
    raise reason

"""What training had of a table's columns: their words, their form, their range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import Refused
from ..data.table import TableCodec
from ..data.table_columns import CategoryColumn, ColumnCode, NumberColumn, is_missing
from ..data.table_demands import Visible
from ..data.table_numbers import Format
from ..data.table_rules_offset import Above, Offset


@dataclass(frozen=True, slots=True)
class Known:
    """What training had of a visible column."""

    words: frozenset[str]
    form: Format | None
    low: float
    high: float
    """Its least and its largest number."""
    rows: int
    """How many training rows it was counted on."""

    @classmethod
    def of(cls, codec: TableCodec, name: str) -> Known:
        """Of a column that is learnt."""
        try:
            visible = Visible(codec, name)
        except Refused:
            return cls._of_several(codec, name)
        code, numbers = visible.code, visible.numbers(visible.words)
        if isinstance(code, NumberColumn):
            numbers = np.concatenate([code.quantiles.values, numbers])
        numbers = numbers[np.isfinite(numbers)]
        low, high = (numbers.min(), numbers.max()) if len(numbers) else (np.nan, np.nan)
        return cls(frozenset(visible.words), visible.form, float(low), float(high), rows_of(code))

    @classmethod
    def _of_several(cls, codec: TableCodec, name: str) -> Known:
        """Of a column that is made of several, so that its own numbers aren't kept."""
        rule = codec.rules.writer[name]
        counted = max(rows_of(column) for column in codec.columns)
        if not isinstance(rule, Offset):
            return cls(frozenset(), None, np.nan, np.nan, counted)
        low, high = (rule.low, rule.high) if isinstance(rule, Above) else (-np.inf, np.inf)
        return cls(frozenset(rule.scale.words), rule.scale.form, low / rule.scale.times, high / rule.scale.times, counted)

    def strange(self, texts: Sequence[str]) -> np.ndarray:
        """(N,) bool: new words, or words for a number."""
        there = np.zeros(len(texts), bool) if self.form is None else np.isfinite(self.form.parse(texts))
        found: np.ndarray = ~there & np.array([text not in self.words and not is_missing(text) for text in texts], bool)
        return found

    def new(self, texts: Sequence[str]) -> np.ndarray:
        """(N,) bool: what is strange, numbers out of the range of training, and gaps where training had none."""
        found = self.strange(texts)
        if self.form is not None:
            values = self.form.parse(texts)
            found |= (values < self.low) | (values > self.high)
        if not any(map(is_missing, self.words)):
            found |= np.array([is_missing(text) for text in texts], bool)
        return found


def rows_of(column: ColumnCode) -> int:
    """How many training rows a column was counted on."""
    return int(column.counts.sum()) if isinstance(column, CategoryColumn | NumberColumn) else 0

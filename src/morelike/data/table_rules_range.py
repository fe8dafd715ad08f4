"""Rules of single columns: a range of numbers or dates, a grid, allowed values, and values that never come twice. N rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeVar

import numpy as np

from ..core.errors import Refused
from .table_columns import CategoryColumn, ColumnCode, NumberColumn, Unlearnt, is_missing, label, pack, restore_format
from .table_infer import category, identifier
from .table_numbers import Format, NumberFormat
from .table_rules import Columns, Rule, by_distinct
from .table_rules_map import unpacked

_SHOWN = 4
AnyFormat = TypeVar("AnyFormat", bound=Format)


class Ranged(Rule):
    """What a column may hold. A column's code never leaves what training has, so only rows that obey may be trained on."""

    kind = "range"

    def __init__(
        self, column: str, form: Format | None, limits: tuple[float, float], step: int, values: Sequence[str], missing: bool, said: str
    ) -> None:
        """`limits` and `step` (0 = any) in units of `form`, without which there are none; `values`: those allowed, empty = all;
        `missing`: whether signs of missing values are allowed; `said`: the rule in words."""
        self.column, self.form, self.limits, self.step = column, form, limits, step
        self.values, self.missing, self.said = tuple(values), missing, said

    @property
    def about(self) -> tuple[str, ...]:
        return (self.column,)

    def kept(self, cells: Columns) -> np.ndarray:
        return by_distinct(self._allowed, cells[self.column])

    def _allowed(self, texts: list[str]) -> np.ndarray:
        """(D,) bool of distinct cells."""
        found = np.ones(len(texts), dtype=bool)
        if self.values:
            found &= np.array([text in self.values for text in texts], dtype=bool)
        if self.form is not None:
            number = self.form.parse(texts)
            found &= np.isfinite(number) & (number >= self.limits[0]) & (number <= self.limits[1])
            if self.step:
                found &= np.mod(np.nan_to_num(number), self.step) == 0
        gone = np.array([is_missing(text) and text not in self.values for text in texts], dtype=bool)
        return np.where(gone, self.missing, found)

    def recode(self, code: ColumnCode, train: Sequence[str], whole: Sequence[str]) -> ColumnCode:
        """Raises Refused for a column whose values are not learnt but issued."""
        if code.name != self.column:
            return code
        if isinstance(code, Unlearnt) and (code.fresh is not None or not self._allowed([code.text])[0]):
            raise Refused(f"{self.describe()}: that can't be kept, for {code.describe().removesuffix('.')}")
        if self.values and not isinstance(code, CategoryColumn):
            return category(code.name, Counter(train))
        if self.step and isinstance(code, NumberColumn):
            return NumberColumn(code.names, self.on_grid(code.form), code.quantiles, code.markers, code.counts, code.own)
        return code

    def on_grid(self, form: AnyFormat) -> AnyFormat:
        """A column's format with a grid that the rule allows."""
        if not self.step or not isinstance(form, NumberFormat) or (form.step % self.step == 0 and form.offset % self.step == 0):
            return form
        return replace(form, step=self.step, offset=0)

    def describe(self) -> str:
        return self.said

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        form = None if self.form is None else self.form.state()
        plain = {"column": self.column, "form": form, "step": self.step, "missing": self.missing, "said": self.said}
        arrays = {f"value {key}": array for key, array in pack(self.values).items()}
        return plain, arrays | {"limits": np.array(self.limits, dtype=np.float64)}

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        form = None if state["form"] is None else restore_format(state["form"])
        low, high = np.asarray(arrays["limits"]).tolist()
        values = unpacked(arrays, "value")
        return cls(str(state["column"]), form, (low, high), int(state["step"]), values, bool(state["missing"]), str(state["said"]))


class Unique(Rule):
    """A column whose values never come twice: it is not learnt, each row gets a fresh one."""

    kind = "unique"

    def __init__(self, columns: Sequence[str]) -> None:
        """More `columns` than one: only their combination never comes twice."""
        self.columns = tuple(columns)

    @property
    def about(self) -> tuple[str, ...]:
        return self.columns

    def kept(self, cells: Columns) -> np.ndarray:
        """False from the second time on that a value comes; missing ones don't count."""
        seen: set[tuple[str, ...]] = set()
        found = np.ones(len(cells[self.columns[0]]), dtype=bool)
        for row, key in enumerate(zip(*(cells[name].tolist() for name in self.columns), strict=True)):
            found[row] = key not in seen
            if not any(map(is_missing, key)):
                seen.add(key)
        return found

    def recode(self, code: ColumnCode, train: Sequence[str], whole: Sequence[str]) -> ColumnCode:
        if self.columns != (code.name,) or (isinstance(code, Unlearnt) and code.fresh is not None):
            return code
        if all(map(is_missing, whole)):
            raise Refused(f"{code.name} is empty, so there is nothing like which fresh values could be made")
        return identifier(code.name, whole)

    def describe(self) -> str:
        return f"{' and '.join(self.columns)} {'never comes' if len(self.columns) == 1 else 'never come together'} twice"

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"columns": list(self.columns)}, {}

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        return cls([str(name) for name in state["columns"]])


def shown(values: Sequence[str]) -> str:
    """The first of some values."""
    return ", ".join(map(label, values[:_SHOWN])) + (", ..." if len(values) > _SHOWN else "")

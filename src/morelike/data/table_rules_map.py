"""Rules of words: a column that others determine, and columns of which only some combinations are allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..core.errors import Refused
from .table_columns import CategoryColumn, ColumnCode, pack, unpack
from .table_infer import MOST, category
from .table_rules import Columns, Rule, Rules, Way, objects

_JOINT = " | "


class Determined(Rule):
    """A functional dependency: equal cells in the columns read have equal cells in the column written, missing ones included."""

    kind = "determines"

    def __init__(self, reads: Sequence[str], column: str, keys: Sequence[Sequence[str]], values: Sequence[str], given: bool = True) -> None:
        """`keys`: for each column read its M cells; `values`: the M cells that go with them, the first for whatever is none of these."""
        self.reads, self.writes, self.given = tuple(reads), (column,), given
        self.keys, self.values = tuple(map(tuple, keys)), tuple(values)
        self._known = dict(zip(zip(*self.keys, strict=True), self.values, strict=True))

    @classmethod
    def fit(
        cls, reads: Sequence[str], column: str, cells: Columns, facts: Mapping[str, str] | None = None, given: bool = True
    ) -> Self:
        """The commonest value that goes with each key in the training cells; `facts` come first, for one column read."""
        counts = Counter(zip(zip(*(cells[name].tolist() for name in reads), strict=True), cells[column].tolist(), strict=True))
        found: dict[tuple[str, ...], str] = {(key,): value for key, value in (facts or {}).items()}
        for (key, value), _ in counts.most_common():
            found.setdefault(key, value)
        first = counts.most_common(1)[0][0][0]
        order = [first, *(key for key in found if key != first)]
        return cls(reads, column, list(zip(*order, strict=True)), [found[key] for key in order], given)

    def _made(self, cells: Columns) -> list[str | None]:
        return [self._known.get(key) for key in zip(*(cells[name].tolist() for name in self.reads), strict=True)]

    def kept(self, cells: Columns) -> np.ndarray:
        """Rows with a key that training lacked obey too: nothing is known of it."""
        pairs = zip(self._made(cells), cells[self.writes[0]].tolist(), strict=True)
        return np.array([made is None or made == cell for made, cell in pairs], dtype=bool)

    def grow(self, cells: Columns, coded: Columns) -> Columns:
        return {self.writes[0]: objects([self.values[0] if made is None else made for made in self._made(cells)])}

    def recode(self, code: ColumnCode, train: Sequence[str], whole: Sequence[str]) -> ColumnCode:
        """What determines others takes only values that training has."""
        if code.name not in self.reads or isinstance(code, CategoryColumn):
            return code
        counts = Counter(train)
        if len(counts) > MOST:
            raise Refused(f"{code.name} has {len(counts):,} different values, too many to determine {self.writes[0]}; at most {MOST:,} do")
        return category(code.name, counts)

    def view(self, name: str, rules: Rules) -> Way:
        joint = rules.writer.get(self.reads[0])
        if isinstance(joint, Together):
            return joint.makes[0], lambda text: self._known.get(tuple(joint.row(text)[read] for read in self.reads), self.values[0])
        coded, before = rules.view(self.reads[0])
        return coded, lambda text: self._known.get((before(text),), self.values[0])

    def describe(self) -> str:
        return f"{' and '.join(self.reads)} {'gives' if len(self.reads) == 1 else 'give'} {self.writes[0]}"

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        packs = {f"key{number}": texts for number, texts in enumerate(self.keys)} | {"value": self.values}
        arrays = {f"{name} {key}": array for name, texts in packs.items() for key, array in pack(texts).items()}
        return {"reads": list(self.reads), "column": self.writes[0]}, arrays

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        reads = [str(name) for name in state["reads"]]
        keys = [unpacked(arrays, f"key{number}") for number in range(len(reads))]
        return cls(reads, str(state["column"]), keys, unpacked(arrays, "value"), bool(state["given"]))


def unpacked(arrays: Mapping[str, np.ndarray], name: str) -> tuple[str, ...]:
    """Strings that were packed under a name."""
    return unpack({key: arrays[f"{name} {key}"] for key in ("bytes", "lengths")})


class Together(Rule):
    """Allowed combinations: several columns of words are one column of those combinations that training has."""

    kind = "together"

    def __init__(self, columns: Sequence[str], made: str, combinations: Sequence[Sequence[str]], given: bool = True) -> None:
        """`combinations`: for each column its M cells, the commonest combination first."""
        self.writes, self.makes, self.given = tuple(columns), (made,), given
        self.combinations = tuple(map(tuple, combinations))
        rows = list(zip(*self.combinations, strict=True))
        self._texts = dict(zip(rows, _joined(rows), strict=True))
        self._rows = {text: row for row, text in self._texts.items()}

    @classmethod
    def fit(cls, columns: Sequence[str], made: str, cells: Columns, given: bool = True) -> Self:
        """The combinations that training cells have."""
        counts = Counter(zip(*(cells[name].tolist() for name in columns), strict=True))
        return cls(columns, made, list(zip(*(row for row, _ in counts.most_common()), strict=True)), given)

    def _of(self, cells: Columns) -> list[tuple[str, ...]]:
        return list(zip(*(cells[name].tolist() for name in self.writes), strict=True))

    def kept(self, cells: Columns) -> np.ndarray:
        return np.array([row in self._texts for row in self._of(cells)], dtype=bool)

    def shrink(self, cells: Columns) -> Columns:
        # one that training lacked is none of the categories, and so read as the commonest
        return {self.makes[0]: objects([self._texts.get(row, "") for row in self._of(cells)])}

    def grow(self, cells: Columns, coded: Columns) -> Columns:
        rows = [self._rows[text] for text in coded[self.makes[0]].tolist()]
        return {name: objects([row[number] for row in rows]) for number, name in enumerate(self.writes)}

    def code(self, names: tuple[str, str], texts: Sequence[str], knots: int) -> ColumnCode:
        return category(names[0], Counter(texts))

    def view(self, name: str, rules: Rules) -> Way:
        return self.makes[0], lambda text: self.row(text)[name]

    def row(self, text: str) -> dict[str, str]:
        """The visible cells of a combination, by their columns."""
        return dict(zip(self.writes, self._rows[text], strict=True))

    def describe(self) -> str:
        return f"{' and '.join(self.writes)} stand only in the {len(self._rows):,} combinations seen"

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        packs = {f"column{number}": texts for number, texts in enumerate(self.combinations)}
        arrays = {f"{name} {key}": array for name, texts in packs.items() for key, array in pack(texts).items()}
        return {"columns": list(self.writes), "made": self.makes[0]}, arrays

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        columns = [str(name) for name in state["columns"]]
        combinations = [unpacked(arrays, f"column{number}") for number in range(len(columns))]
        return cls(columns, str(state["made"]), combinations, bool(state["given"]))


def _joined(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A text for each combination, all different."""
    texts: dict[str, None] = {}
    for row in rows:
        text = _JOINT.join(row)
        while text in texts:
            text += "'"
        texts[text] = None
    return list(texts)

"""Rules between a table's columns, obeyed by coding: what a rule fixes is taken out before a model sees it, and made again afterwards.

N rows, C visible columns, K coded ones. A rule may read visible columns, write some of them, and make coded columns in their stead;
`grow` undoes `shrink` and gives rows that obey, whatever the coded cells hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from ..core.errors import BadInput
from .table_columns import ColumnCode

Columns = Mapping[str, np.ndarray]
"""(N,) arrays of `str` by the columns' names."""
Way = tuple[str, Callable[[str], str]]
"""A column's name, and what makes another column's cell of one of its cells."""


def by_distinct(function: Callable[[list[str]], np.ndarray], texts: np.ndarray) -> np.ndarray:
    """(N, ...) what `function` makes of N texts, which it is asked once for each distinct one."""
    listed = texts.tolist()
    rows = {text: row for row, text in enumerate(dict.fromkeys(listed))}
    found: np.ndarray = function(list(rows))[np.fromiter(map(rows.__getitem__, listed), np.int64, len(listed))]
    return found


def objects(texts: Sequence[str]) -> np.ndarray:
    """(N,) array of `str` objects."""
    out = np.empty(len(texts), dtype=object)
    out[:] = texts
    return out


class Rule(ABC):
    """One rule. Those that write no column only say which rows obey, and how a column is to be coded."""

    kind: ClassVar[str]
    reads: tuple[str, ...] = ()
    """Visible columns that must be there before the written ones are made."""
    writes: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    """Names of the coded columns."""
    given: bool = True
    """False: learnt from the rows."""

    @property
    def about(self) -> tuple[str, ...]:
        """The visible columns that it binds."""
        return (*self.reads, *self.writes)

    @abstractmethod
    def kept(self, cells: Columns) -> np.ndarray:
        """(N,) bool: which rows obey."""

    @abstractmethod
    def describe(self) -> str:
        """The rule, in words."""

    def shrink(self, cells: Columns) -> Columns:
        """The coded columns of visible ones."""
        return {}

    def grow(self, cells: Columns, coded: Columns) -> Columns:
        """The written columns, from visible ones that are there already and the coded ones."""
        return {}

    def code(self, names: tuple[str, str], texts: Sequence[str], knots: int) -> ColumnCode:
        """The code of a coded column, from its training cells; `names` of it and of the category that may stand before its numbers."""
        raise NotImplementedError(names)

    def recode(self, code: ColumnCode, train: Sequence[str], whole: Sequence[str]) -> ColumnCode:
        """The code of a visible column, from what it would be without the rule, its training cells and those of all rows."""
        return code

    def view(self, name: str, rules: Rules) -> Way:
        """The coded column that a written one can be told from, and how. Raises Refused where it is made of several."""
        raise NotImplementedError(name)

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """JSON values and arrays; `restore` is the inverse."""

    @classmethod
    @abstractmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self: ...


class Rules:
    """All rules of a table, in an order in which each finds what it reads."""

    def __init__(self, names: Sequence[str], rules: Sequence[Rule] = ()) -> None:
        """`names` of the visible columns. Raises BadInput where two rules write one column, or rules go in a circle."""
        self.names, self.rules = tuple(names), _ordered(rules)
        self.writer = {name: rule for rule in self.rules for name in rule.writes}
        placed: list[str] = []
        for name in self.names:
            stead = self.writer[name].makes if name in self.writer else (name,)
            placed += [made for made in stead if made not in placed]
        self.coded = tuple(placed)
        """(K,) the coded columns' names, those that rules make in the place of what they write."""

    def shrink(self, cells: np.ndarray) -> np.ndarray:
        """(N,K) coded cells of visible ones (N,C)."""
        if not self.writer:
            return cells
        visible = columns_of(self.names, cells)
        found = dict(visible)
        for rule in self.rules:
            found |= rule.shrink(visible)
        return _together([found[name] for name in self.coded], len(cells))

    def grow(self, coded: np.ndarray, stays: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
        """(N,C) visible cells of coded ones (N,K). `stays`: cells (N,C), and a mask (N,C) of those that stand whatever the coded ones say;
        others follow from them."""
        if not self.writer and stays is None:
            return coded
        own = columns_of(self.coded, coded)
        found = self._over({name: own[name] for name in self.names if name not in self.writer}, stays)
        for rule in self.rules:
            found |= self._over(rule.grow(found, own), stays)
        return _together([found[name] for name in self.names], len(coded))

    def needed(self, names: Iterable[str]) -> tuple[list[Rule], set[str]]:
        """(the rules, in their order, and the coded columns that some visible columns are made by)."""
        rules: list[Rule] = []
        wanted, coded = list(names), set()
        while wanted:
            name = wanted.pop()
            rule = self.writer.get(name)
            if rule is None:
                coded.add(name)
            elif rule not in rules:
                rules.append(rule)
                coded |= set(rule.makes)
                wanted += rule.reads
        return [rule for rule in self.rules if rule in rules], coded

    def _over(self, columns: Columns, stays: tuple[np.ndarray, np.ndarray] | None) -> dict[str, np.ndarray]:
        """Columns with the cells that stay in them."""
        if stays is None:
            return dict(columns)
        places = {name: self.names.index(name) for name in columns}
        return {name: np.where(stays[1][:, place], stays[0][:, place], columns[name]) for name, place in places.items()}

    def kept(self, cells: np.ndarray, given: bool = False) -> np.ndarray:
        """(N,) bool: which rows of visible cells (N,C) obey all rules, or all that are `given`."""
        visible = columns_of(self.names, cells)
        found = np.ones(len(cells), dtype=bool)
        for rule in self.rules:
            if rule.given or not given:
                found &= rule.kept(visible)
        return found

    def view(self, name: str) -> Way:
        """The coded column that a visible one can be told from, and how. Raises Refused where it is made of several."""
        return self.writer[name].view(name, self) if name in self.writer else (name, str)

    def describe(self) -> list[str]:
        """A sentence on each rule."""
        return [f"Rule ({'given' if rule.given else 'learnt'}): {rule.describe()}." for rule in self.rules]

    def state(self) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        plain: list[dict[str, Any]] = []
        arrays: dict[str, np.ndarray] = {}
        for number, rule in enumerate(self.rules):
            values, own = rule.state()
            plain.append({"kind": rule.kind, "given": rule.given, **values})
            arrays |= {f"rule{number} {key}": array for key, array in own.items()}
        return plain, arrays


def free_name(name: str, taken: Sequence[str]) -> str:
    """A name that neither a column nor the category beside one has."""
    while name in taken or f"{name}?" in taken:
        name += "'"
    return name


def columns_of(names: Sequence[str], cells: np.ndarray) -> dict[str, np.ndarray]:
    """Cells (N,C) by the columns' names."""
    return {name: cells[:, number] for number, name in enumerate(names)}


def _together(columns: Sequence[np.ndarray], rows: int) -> np.ndarray:
    out = np.empty((rows, len(columns)), dtype=object)
    for number, column in enumerate(columns):
        out[:, number] = column
    return out


def _ordered(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Each rule after those that write what it reads."""
    writer: dict[str, Rule] = {}
    for rule in rules:
        for name in rule.writes:
            if name in writer:
                raise BadInput(f"two rules would determine {name!r}: {writer[name].describe()}; {rule.describe()}. Leave one of them out.")
            writer[name] = rule
    done: list[Rule] = []
    waiting = list(rules)
    while waiting:
        missing = {name for rule in waiting for name in rule.writes}
        ready = [rule for rule in waiting if not missing & set(rule.reads)]
        if not ready:
            circle = _circle(waiting, writer)
            raise BadInput(f"rules go in a circle: {' -> '.join(circle)}. Leave one of them out.")
        done += ready
        waiting = [rule for rule in waiting if rule not in ready]
    return tuple(done)


def _circle(waiting: Sequence[Rule], writer: Mapping[str, Rule]) -> list[str]:
    """Columns of which each is needed for the one before, ending where they began."""
    path = [next(name for rule in waiting for name in rule.writes)]
    while path.count(path[-1]) < 2:
        path.append(next(name for name in writer[path[-1]].reads if name in writer and writer[name] in waiting))
    return path[path.index(path[-1]) :][::-1]

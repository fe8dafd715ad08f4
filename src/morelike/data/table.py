"""Tables: rows of cells as text <-> fields (N,F), each column by its own code; what is not learnt is made afresh on the way back.

N rows, C visible columns, F fields. Rules between columns stand between the cells and the columns' codes (`table_rules`).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, overload, runtime_checkable

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput, Refused, UnknownName
from ..core.spec import Row
from .source import Items
from .table_arrow_types import ArrowTypes
from .table_columns import CODES, ColumnCode, is_missing, label
from .table_draw import draw_columns
from .table_fakes import PersonalColumn
from .table_infer import has_comma, infer, may_be_thousands, negatives
from .table_personal import personal
from .table_rules import Rule, Rules
from .table_rules_given import given_rules
from .table_rules_learn import learnt
from .table_rules_map import Determined, Together
from .table_rules_offset import Above, Total
from .table_rules_range import Ranged, Unique
from .table_scan import Infer, infer_stored
from .table_stored import StoredCells

KNOTS = 20_000
"""Quantiles kept of one column, at most."""
_ALL_KNOTS = 4_000_000
_CODES: dict[str, type[ColumnCode]] = {**CODES, PersonalColumn.kind: PersonalColumn}


@runtime_checkable
class Chosen(Protocol):
    """Some items of many, as `data.loader.take` gives them."""

    @property
    def whole(self) -> Items: ...
    @property
    def numbers(self) -> np.ndarray: ...
RULES: dict[str, type[Rule]] = {rule.kind: rule for rule in (Determined, Together, Above, Total, Ranged, Unique)}


class Cells:
    """A table in memory: the text of each cell, and the columns' names."""

    def __init__(self, names: Sequence[str], cells: np.ndarray, types: ArrowTypes | None = None, delimiter: str = ",") -> None:
        """`cells` (N,C) array of `str` objects; `types`: what they were before they became text, where that is known; `delimiter`: with
        which such a table is written as CSV.

        Raises ValueError where the names don't fit, or one comes twice.
        """
        self.names, self.cells, self.types, self.delimiter = tuple(names), cells, types, delimiter
        if cells.ndim != 2 or cells.shape[1] != len(self.names) or len(set(self.names)) != len(self.names):
            raise ValueError(f"{len(self.names)} names, all different, are needed for cells of shape {cells.shape}")

    def __len__(self) -> int:
        return len(self.cells)

    @overload
    def __getitem__(self, rows: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray: ...
    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        """(C,) cells of one row, (k,C) of several."""
        found: np.ndarray = self.cells[rows]
        return found


class TableCodec(Codec):
    """Raw item: (C,) array of `str`. Decoded: (N,C) array of `str` with every column in its order."""

    kind: ClassVar[str] = "table"
    loss: ClassVar[str] = (
        "numbers are rounded to their column's grid and kept within its training range; of a column with more than 20,000 different ones "
        "so many quantiles are kept, between which single precision rounds; a number written in several ways comes back in the commonest; "
        "words that training lacked are read as the column's commonest (where it has few numbers: as the nearest; missing cells where "
        "training had none: as the median); rows that break a rule become ones that obey; identifiers and free text are not kept"
    )

    def __init__(self, columns: Sequence[ColumnCode], rules: Rules | None = None) -> None:
        """One code a coded column; `rules` make the visible columns of them, by default they are the same. Raises BadInput where none of
        them has anything to learn."""
        self.columns = tuple(columns)
        self.rules = Rules([column.name for column in self.columns]) if rules is None else rules
        self.names = self.rules.names
        self.spec: Row = Row(tuple(field for column in self.columns for field in column.fields))
        self.types: ArrowTypes | None = None
        """What the cells were in the file or frame that they came from."""
        self.delimiter = ","
        """With which its rows are written as CSV."""
        self._unseen: list[str] = []
        self._negative: list[str] = []
        self._looked_at = ""
        self._said: list[str] = []
        if not self.spec.fields:
            why = "; ".join(column.describe().rstrip(".") for column in self.columns[:5])
            raise BadInput(f"no column of the table can be learnt: {why}.")

    @classmethod
    def fit(  # type: ignore[override]  # it has settings of its own
        cls, items: Iterable[Any], *, rules: Any = None, facts: Any = None, learn: bool = True, learn_personal: str | Sequence[str] = (),
        context: Sequence[str] = (),
    ) -> Self:  # fmt: skip
        """Infers each column, and unless `learn` is False rules between them, from the training rows. `rules`, `facts`: files of given
        ones, or what such files hold (`table_rules_file`). Items that are some of a `Cells` (`data.loader.take`) also show which signs of
        missing values, counters and identifiers the other rows have. `learn_personal`: the columns (as a list, or with commas between
        them) that are learnt although they hold names, addresses and the like. `context`: columns that the others are to be drawn given,
        of which no learnt rule makes anything else. Of `StoredCells` no rules are learnt.

        Raises BadInput where there is no row or nothing to learn, or for rules that contradict one another or the rows, UnknownName for a
        column to learn that isn't there, and Refused for rules that can't be coded.
        """
        if not isinstance(learn, bool):
            raise BadInput(f"codec.learn is true or false, not {learn!r}.")
        whole = getattr(items, "whole", items)
        if isinstance(whole, StoredCells):
            if any(one is not None and one != "none" for one in (rules, facts)):
                raise Refused("rules are not kept for a table that is too large for memory; give a part of its rows, or codec.rules=none")
            return cls._fit_stored(whole, items, learn_personal)
        cells = rows_of(items)
        names = whole.names if isinstance(whole, Cells) else tuple(f"column {number}" for number in range(1, cells.shape[1] + 1))
        if not len(cells):
            raise BadInput("the table has no rows to learn from.")
        every = all_rows = whole.cells if isinstance(whole, Cells) else cells
        given = given_rules(names, cells, getattr(items, "numbers", None), rules, facts)
        if given.rules:
            cells, every = cells[given.kept], every[Rules(names, given.rules).kept(every)]
        codes = []
        for number, code in enumerate(_codes(names, cells, every, learn_personal)):
            codes.append(given.coded(code, cells[:, number].tolist(), every[:, number].tolist()))
        found = learnt(names, cells, codes, given.rules) if learn else []
        found = [rule for rule in found if not set(rule.writes) & set(context)]
        codec = cls._of(codes, Rules(names, [*given.rules, *found]), cells, _knots(names))
        codec._said = given.said
        codec._negative = [said for number, code in enumerate(codes) if (said := negatives(code, all_rows[:, number].tolist()))]
        if every is not cells:
            others = [(column.name, texts) for column, texts in codec._others(every) if texts]
            codec._unseen = [f"{name} ({len(texts):,}, such as {label(texts[0])})" for name, texts in others]
        if isinstance(whole, Cells):
            codec.types = None if whole.types is None else whole.types.without(codec.unlearnt)
            codec.delimiter = whole.delimiter
        return codec

    @classmethod
    def _fit_stored(cls, whole: StoredCells, items: Iterable[Any], learn_personal: str | Sequence[str]) -> Self:
        """As `fit`, of a table that lies in files."""
        train = items.numbers if isinstance(items, Chosen) else np.arange(len(whole))
        columns, said = infer_stored(whole, train, lambda comma: _inference(whole.names, learn_personal, comma))
        codec = cls(columns)
        codec._looked_at, codec.delimiter = said, whole.delimiter
        return codec

    @classmethod
    def _of(cls, codes: Sequence[ColumnCode], rules: Rules, cells: np.ndarray, knots: int) -> Self:
        """With the codes of visible columns that stay, and those of the columns that rules make of training cells."""
        known = {code.name: code for code in codes}
        makers = {made: rule for rule in rules.rules for made in rule.makes}
        beside = dict(zip(rules.coded, _beside(rules.coded), strict=True))
        coded = rules.shrink(cells)
        columns = [
            makers[name].code((name, beside[name]), coded[:, number].tolist(), knots) if name in makers else known[name]
            for number, name in enumerate(rules.coded)
        ]
        return cls(columns, rules)

    def _others(self, every: np.ndarray) -> list[tuple[ColumnCode, list[str]]]:
        """Which different cells of each visible column that is coded training lacked."""
        places = {name: number for number, name in enumerate(self.names)}
        shown = [column for column in self.columns if column.name in places]
        return [(column, column.unseen(list(dict.fromkeys(every[:, places[column.name]].tolist())))) for column in shown]

    @property
    def unlearnt(self) -> frozenset[str]:
        """The visible columns that no model sees: identifiers, free text, constants."""
        return frozenset(column.name for column in self.columns if not column.fields) & set(self.names)

    def obeys(self, items: Items) -> np.ndarray:
        """(N,) bool: which rows obey the rules that were given."""
        if not any(rule.given for rule in self.rules.rules):
            # without reading a table that is larger than memory
            return np.ones(len(items), dtype=bool)
        return self.rules.kept(rows_of(items), given=True)

    def describe(self) -> list[str]:
        """A sentence on each column, and on what is lost."""
        text = [*([self._looked_at] if self._looked_at else []), *(column.describe() for column in self.columns)]
        gone = [name for name in self.names if name in self.unlearnt]
        if gone:
            text.append(f"Not learnt: {', '.join(gone)}. They are in the output, in their places.")
        if self._unseen:
            text.append(f"Values outside training that training lacked, read as the commonest or nearest: {', '.join(self._unseen)}.")
        if self._negative:
            text.append(f"Negative where nearly all other numbers are not: {', '.join(self._negative)}.")
        return [*text, *self.describe_rules()]

    def describe_rules(self) -> list[str]:
        """A sentence on each rule, and on what was done about rows that break one."""
        return [*self.rules.describe(), *self._said]

    def view(self, name: str) -> tuple[ColumnCode, slice, Callable[[str], str]]:
        """The coded column that a visible one can be told from, the place of its fields in a row, and what makes the visible cell of a
        coded one. Raises Refused for a column that is made of several."""
        coded, way = self.rules.view(name)
        place = 0
        for column in self.columns:
            if column.name == coded:
                return column, slice(place, place + len(column.fields)), way
            place += len(column.fields)
        raise UnknownName("column", name, self.names)

    def encode(self, items: Items) -> np.ndarray:
        """(N,F) float32. Raises BadInput where rows have another number of cells."""
        cells = rows_of(items)
        if cells.shape[1] != len(self.names):
            shown = ", ".join(self.names[:6]) + (", ..." if len(self.names) > 6 else "")
            raise BadInput(f"rows of {cells.shape[1]} cells don't fit a model of {len(self.names)} columns ({shown}).")
        return self.encode_first(self.rules.shrink(cells))

    def encode_first(self, cells: np.ndarray) -> np.ndarray:
        """(N,f) float32 of the first c coded columns alone, from their cells (N,c)."""
        columns = self.columns[: cells.shape[1]]
        out = np.empty((len(cells), sum(len(column.fields) for column in columns)), np.float32)
        place = 0
        for number, column in enumerate(columns):
            width = len(column.fields)
            if width:
                texts = cells[:, number].tolist()
                rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
                coded = column.encode(list(rows))
                out[:, place : place + width] = coded[np.fromiter(map(rows.__getitem__, texts), np.int64, len(texts))]
            place += width
        return out

    def decode(  # type: ignore[override]  # an array serves as the sequence
        self, x: np.ndarray, first: np.ndarray | None = None
    ) -> np.ndarray:
        """(N,C) array of `str`. Fresh values differ within one call; the same rows get the same ones again. `first` (N,c): cells that the
        first c coded columns are known to hold.

        Fakes of personal values depend on the first row too, which tells one drawing from another.
        """
        coded = self._coded(x)
        if first is not None:
            coded[:, : first.shape[1]] = first
        return self.rules.grow(coded)

    def shown(self, x: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
        """(N,) cells of each of some columns that are learnt, as `decode` gives them."""
        rules, needed = self.rules.needed(names)
        coded, place = {}, 0
        for column in self.columns:
            if column.name in needed:
                coded[column.name] = column.decode(x[:, place : place + len(column.fields)])
            place += len(column.fields)
        found = {name: cells for name, cells in coded.items() if name in self.names}
        for rule in rules:
            found |= rule.grow(found, coded)
        return {name: found[name] for name in names}

    def completed(self, x: np.ndarray, cells: np.ndarray, known: np.ndarray) -> np.ndarray:
        """(N,C) array of `str`: as `decode`, but what is `known` (N,C) bool of `cells` (N,C) stands, and by the rules others follow from
        it."""
        return self.rules.grow(self._coded(x), (cells, known))

    def _coded(self, x: np.ndarray) -> np.ndarray:
        """(N,K) cells of the coded columns."""
        x = np.asarray(x)
        seed = zlib.crc32(np.ascontiguousarray(x[:1], dtype=np.float32).tobytes())
        out = np.empty((len(x), len(self.columns)), dtype=object)
        place = 0
        for number, column in enumerate(self.columns):
            width = len(column.fields)
            own = x[:, place : place + width]
            out[:, number] = column.draw(len(x), seed) if isinstance(column, PersonalColumn) else column.decode(own)
            place += width
        return out

    def state(self) -> dict[str, Any]:
        plain: list[dict[str, Any]] = []
        arrays: dict[str, np.ndarray] = {}
        for number, column in enumerate(self.columns):
            values, own = column.state()
            plain.append({"kind": column.kind, **values})
            arrays |= {f"{number} {key}": array for key, array in own.items()}
        rules, own = self.rules.state()
        types = {} if self.types is None else {"types": self.types.state()}
        plain_rules = {"names": list(self.names), "rules": rules, "said": self._said, "delimiter": self.delimiter}
        return {"columns": plain, "unseen": self._unseen, "negative": self._negative, **plain_rules, **types, **arrays, **own}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        own: dict[str, dict[str, np.ndarray]] = {}
        for key, value in state.items():
            number, _, name = key.partition(" ")
            if name:
                own.setdefault(number, {})[name] = np.asarray(value)
        columns = [_CODES[values["kind"]].restore(values, own.get(str(number), {})) for number, values in enumerate(state["columns"])]
        rules = []
        for row, values in enumerate(state["rules"]):
            rules.append(RULES[values["kind"]].restore(values, own.get(f"rule{row}", {})))
            rules[-1].given = bool(values["given"])
        codec = cls(columns, Rules([str(name) for name in state["names"]], rules))
        codec._unseen = [str(text) for text in state["unseen"]]
        codec._negative = [str(text) for text in state.get("negative", [])]
        codec._said = [str(text) for text in state["said"]]
        codec.types = ArrowTypes.restore(state["types"]) if "types" in state else None
        codec.delimiter = str(state.get("delimiter", ","))
        return codec

    def draw(self, items: Items, path: Path, columns: int | None = None) -> None:
        """Writes one PNG: a small histogram a column, at most 24 of them."""
        cells = self.rules.shrink(rows_of(items))
        draw_columns([(column, cells[:, number]) for number, column in enumerate(self.columns) if column.fields], path, columns)


def _inference(names: Sequence[str], learn_personal: str | Sequence[str], comma: bool = False) -> Infer:
    """What infers the columns; `comma`: some have decimal commas. Raises UnknownName for one to learn that isn't there."""
    knots = _knots(names)
    asked, beside = _asked(learn_personal, names), _beside(names)

    def code(number: int, train: Sequence[str] | Counter[str], whole: Sequence[str]) -> ColumnCode:
        fakes = None if names[number] in asked else _fakes(names[number], whole)
        return fakes or infer(names[number], beside[number], train, whole, knots, comma)

    return code


def _knots(names: Sequence[str]) -> int:
    """Quantiles kept of each column."""
    return max(1000, min(KNOTS, _ALL_KNOTS // len(names)))


def _codes(names: Sequence[str], cells: np.ndarray, every: np.ndarray, learn_personal: str | Sequence[str]) -> list[ColumnCode]:
    """What each column would be without rules, from the cells (N,C) of training and those of all rows."""
    texts = [(cells[:, number].tolist(), every[:, number].tolist()) for number in range(len(names))]
    code = _inference(names, learn_personal)
    found = [code(number, *both) for number, both in enumerate(texts)]
    if any(map(has_comma, found)):
        code = _inference(names, learn_personal, comma=True)
        found = [code(number, *texts[number]) if may_be_thousands(column) else column for number, column in enumerate(found)]
    return found


def rows_of(items: Items) -> np.ndarray:
    """(N,C) array of `str` of a table's rows. Raises BadInput where they have different numbers of cells."""
    if isinstance(items, Cells):
        return items.cells
    if isinstance(items, Chosen) and isinstance(items.whole, Cells | StoredCells):
        chosen: np.ndarray = items.whole[items.numbers]
        return chosen
    if isinstance(items, np.ndarray) and items.ndim == 2:
        return items if items.dtype == object else items.astype(str).astype(object)
    rows = [np.asarray(row, dtype=object) for row in items]
    if len({row.shape for row in rows}) > 1 or any(row.ndim != 1 for row in rows):
        raise BadInput("rows must have one cell for each column, the same number in each.")
    return np.stack(rows) if rows else np.empty((0, 0), dtype=object)


def _asked(which: str | Sequence[str], names: Sequence[str]) -> frozenset[str]:
    """The columns named. Raises UnknownName for one that isn't there."""
    asked = [which] if isinstance(which, str) and which in names else which.split(",") if isinstance(which, str) else list(map(str, which))
    found = frozenset(stripped for name in asked if (stripped := name.strip()))
    for name in found:
        if name not in names:
            raise UnknownName("column of codec.learn_personal", name, names)
    return found


def _fakes(name: str, whole: Sequence[str]) -> PersonalColumn | None:
    """The column's code, where it says who people are."""
    found = personal(name, [text for text in dict.fromkeys(whole) if not is_missing(text)])
    return None if found is None else PersonalColumn.of(name, found, whole)


def _beside(names: Sequence[str]) -> list[str]:
    """For each column the name of the category that may stand before its number: NAME?, or with more marks where that is a column's."""
    taken, found = set(names), []
    for name in names:
        mark = f"{name}?"
        while mark in taken:
            mark += "?"
        taken.add(mark)
        found.append(mark)
    return found

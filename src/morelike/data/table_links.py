"""Two tables linked by a key: which is the parent, which column of the child names its parent, and the rows joined.

P rows of the parent's table, M of the child's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import BadInput, Refused, UnknownName
from .source import Source
from .split import Split
from .table import Cells
from .table_columns import is_missing, label
from .table_rules import free_name

_NEARLY = 0.98
"""Share of different values from which a column may be meant as the parents' key; what is wrong with it is said then."""
_MOST_DANGLING = 0.5
_SHOWN = 3
_DECIMAL = re.compile(r"(\d+)\.0+")
_GENERAL = frozenset(["id", "key", "pk", "no", "nr", "num", "number", "code", "uuid", "guid", "index", "ref"])
_LEAST_PREFIX = 3


@dataclass(frozen=True, slots=True)
class Link:
    """Each row of `child` has in `column` the `key` of one row of `parent`."""

    parent: str
    key: str
    child: str
    column: str

    def __str__(self) -> str:
        return f"{self.child}.{self.column}={self.parent}.{self.key}"


@dataclass(frozen=True, slots=True)
class Linked:
    """Two tables, and whose child each row is."""

    link: Link
    parent: Source
    child: Source
    """Rows without a parent are left out."""
    owner: np.ndarray
    """(M,) int64: the number of each child's parent among the parent's rows."""
    notes: tuple[str, ...]

    @property
    def counts(self) -> np.ndarray:
        """(P,) int64: children of each parent."""
        return np.bincount(self.owner, minlength=len(self.parent.items))

    @property
    def count_name(self) -> str:
        """The name of the column that says how many children a parent has."""
        return free_name(f"{self.link.child} per {self.link.parent}", self.parent.items.names)

    def counted(self) -> Source:
        """The parent's table with the number of children as its last column."""
        cells = np.column_stack([self.parent.items.cells, self.counts.astype(str).astype(object)])
        items = Cells([*self.parent.items.names, self.count_name], cells, delimiter=self.parent.items.delimiter)
        return replace(self.parent, items=items, settings={})

    def joined(self, context: Mapping[str, str], split: Split) -> Source:
        """Each child's row behind what it is drawn given: columns of `counted` under other names. Children of held-out parents are held
        out."""
        told = self.counted().items
        places = [told.names.index(name) for name in context]
        own = [number for number, name in enumerate(self.child.items.names) if name != self.link.column]
        names = [*context.values(), *(self.child.items.names[number] for number in own)]
        cells = np.concatenate([told.cells[self.owner][:, places], self.child.items.cells[:, own]], 1)
        parts = {"train": split.train, "validation": split.validation, "holdout": split.holdout}
        official = {name: np.flatnonzero(np.isin(self.owner, rows)) for name, rows in parts.items()}
        return replace(self.child, items=Cells(names, cells, delimiter=self.child.items.delimiter), columns={}, split=official, settings={})

    def context(self, names: Sequence[str]) -> dict[str, str]:
        """Columns of `counted` and the names that they have among the child's."""
        found: dict[str, str] = {}
        for name in names:
            other = f"{name} ({self.link.parent})" if name in self.child.items.names else name
            found[name] = free_name(other, [*self.child.items.names, *found.values(), *(own for own in names if own != name)])
        return found


def plain_key(text: str) -> str:
    """A key without spaces around it, and without the decimals that a spreadsheet adds to whole numbers beside gaps."""
    text = text.strip()
    found = _DECIMAL.fullmatch(text)
    return found[1] if found else text


def linked(where: str, tables: Mapping[str, Source], asked: str | None = None) -> Linked:
    """The tables by their names as parent and child; `asked`: their link as CHILD.COLUMN=PARENT.COLUMN, else it is found.

    Raises Refused for tables too large for memory, and BadInput or UnknownName, naming table, row and column, where there is no link, more
    than one, or one that most children break.
    """
    cells = {name: source.items for name, source in tables.items()}
    if large := [name for name, items in cells.items() if not isinstance(items, Cells)]:
        raise Refused(f"{', '.join(large)} in {where} is too large for memory; linked tables are read whole, so give a part of the rows.")
    link = _asked(asked, cells) if asked is not None else _only(where, cells)
    parent, child = tables[link.parent], tables[link.child]
    owner, notes = _owners(link, parent.items, child.items)
    beside = [name for name in tables if name not in (link.parent, link.child)]
    notes += [f"left alone: {', '.join(beside)}"] if beside else []
    notes += ["rules beside the tables are left alone"] if parent.settings or child.settings else []
    kept = np.flatnonzero(owner >= 0)
    items = Cells(child.items.names, child.items.cells[kept], delimiter=child.items.delimiter)
    child = replace(child, items=items, columns={}, split=None)
    return Linked(link, parent, child, owner[kept], tuple(notes))


def _only(where: str, tables: Mapping[str, Cells]) -> Link:
    """The one link between two tables. Raises BadInput where there is none, or more."""
    names = ", ".join(tables)
    how = "name the link of a parent and its children, codec.link=CHILD.COLUMN=PARENT.COLUMN, or give the path of one table"
    if len(tables) > 2:
        raise BadInput(f"{where} holds {len(tables)} data sets ({names}); two tables at most are learnt together: {how}.")
    graded = list(_links(tables))
    found = [link for link, grade in graded if grade == max(grade for _, grade in graded)]
    if len(found) > 1:
        ways = ", ".join(f"codec.link={link}" for link in found[:4])
        raise BadInput(f"{where} holds two tables that {len(found)} columns could link; say which: {ways}.")
    if not found:
        raise BadInput(f"{where} holds 2 data sets ({names}), and no column of one names rows of the other; {how}.")
    return found[0]


def _links(tables: Mapping[str, Cells]) -> Iterator[tuple[Link, int]]:
    """Links between two tables and how sure they are: a column of nearly different values, and one of the other table whose values are
    mostly among them and whose name says so (the same name, or like `customer_id` for the `id` of customers)."""
    for parent, child in (tuple(tables), tuple(tables)[::-1]):
        for key, keys in _columns(tables[parent]):
            filled = [text for text in keys if not is_missing(text)]
            known = set(filled)
            if not filled or len(known) < _NEARLY * len(keys):
                continue
            plain = {plain_key(text) for text in known}
            for column, texts in _columns(tables[child]):
                grade = _named_alike(column, key, parent)
                if not grade:
                    continue
                values = {plain_key(text) for text in texts if not is_missing(text)}
                if len(values & plain) > _MOST_DANGLING * len(values):
                    yield Link(parent, key, child, column), grade


def _columns(cells: Cells) -> Iterator[tuple[str, list[str]]]:
    for number, name in enumerate(cells.names):
        yield name, cells.cells[:, number].tolist()


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]


def _named_alike(column: str, key: str, parent: str) -> int:
    """How much a child's column is called like the parent's key or table: 2 all of it, 1 its last word (`shipping_customer_id`), else 0."""
    telling, own = ([word for word in _words(name) if word not in _GENERAL] for name in (column, key))
    alike = [any(_same_word(word, other) for other in (*_words(parent), *own)) for word in telling]
    return 0 if not alike else 2 if all(alike) else int(alike[-1])


def _same_word(one: str, other: str) -> bool:
    """Whether words are the same, or one begins the other (cust, customers), or they are singular and plural."""
    short, long = sorted((one, other), key=len)
    ending = short[:-1] if short.endswith("y") and long.endswith("ies") else short
    return one == other or (len(ending) >= _LEAST_PREFIX and long.startswith(ending))


def _asked(text: str, tables: Mapping[str, Cells]) -> Link:
    """The link that was named. Raises BadInput for another form, UnknownName for tables and columns that are not there."""
    child, equals, parent = text.partition("=")
    if not equals:
        raise BadInput(f"a link is written CHILD.COLUMN=PARENT.COLUMN, as in orders.customer_id=customers.id; got {text!r}")
    (one, column), (other, key) = (_named_column(side.strip(), tables) for side in (child, parent))
    if one == other:
        raise BadInput(f"{text!r} links {one} with itself; a link is between two tables: {', '.join(tables)}")
    return Link(other, key, one, column)


def _named_column(text: str, tables: Mapping[str, Cells]) -> tuple[str, str]:
    table = next((name for name in tables if text.startswith(f"{name}.")), None)
    if table is None:
        raise UnknownName("table", text.partition(".")[0], tables)
    column = text[len(table) + 1 :]
    if column not in tables[table].names:
        raise UnknownName(f"column of {table}", column, tables[table].names)
    return table, column


def _owners(link: Link, parent: Cells, child: Cells) -> tuple[np.ndarray, list[str]]:
    """((M,) int64 number of each child's parent or -1, what was left out). Raises BadInput for parents without a key of their own, and
    where most children have no parent."""
    rows: dict[str, int] = {}
    for row, text in enumerate(parent.cells[:, parent.names.index(link.key)].tolist()):
        place = f"{link.parent}, row {row + 1}, column {link.key!r}"
        if is_missing(text):
            raise BadInput(f"{place}: the key is missing; each parent needs its own. Fill it in, or leave the row out.")
        if (first := rows.setdefault(plain_key(text), row)) != row:
            raise BadInput(f"{place}: {label(text)} is the key of row {first + 1} too; each parent needs its own.")
    texts = child.cells[:, child.names.index(link.column)].tolist()
    owner = np.array([rows.get(plain_key(text), -1) for text in texts], dtype=np.int64)
    lost = np.flatnonzero(owner < 0)
    if not len(lost):
        return owner, []
    named = Counter(label(texts[row]) for row in lost.tolist()).most_common(_SHOWN)
    shown = ", ".join(f"row {row + 1}" for row in lost[:_SHOWN].tolist()) + (", ..." if len(lost) > _SHOWN else "")
    what = f"{link.child}, column {link.column!r}: {len(lost):,} of {len(texts):,} rows have no parent in {link.parent}.{link.key}"
    what += f" ({shown}; {', '.join(text for text, _ in named)})"
    if len(lost) > _MOST_DANGLING * len(texts):
        raise BadInput(f"{what}: that is most of them, so this is no link. Add the parents, or name another link (codec.link=...).")
    return owner, [f"{what}; left out"]

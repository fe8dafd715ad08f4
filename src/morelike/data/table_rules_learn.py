"""Rules learnt from the rows: columns that others determine, and combinations that are clearly all there are.

N rows, C columns. A learnt rule forbids what training lacks: only what no training row breaks, and what chance would have broken many
times, is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from .table_columns import CategoryColumn, ColumnCode, NumberColumn
from .table_rules import Columns, Rule, columns_of, free_name
from .table_rules_learn_numbers import LEAST, Numbers, orders, sums
from .table_rules_map import Determined, Together

_SAMPLE = 5_000
_REPEATED = 0.8
"""Share of the rows whose determinant comes more than once."""
_NATS = 50.0
"""A dependency is learnt where chance alone would give it with a probability of at most exp(-50)."""
_KINDS, _DENSE, _FEWER = 4, 0.25, 0.5
_MOST = 60
"""Most columns whose combinations are looked at."""


def learnt(names: Sequence[str], cells: np.ndarray, codes: Sequence[ColumnCode], given: Sequence[Rule]) -> list[Rule]:
    """Rules that training cells (N,C) obey, of columns that no `given` rule writes; `codes`: what each column would be without rules."""
    found: list[Rule] = []
    if len(cells) < LEAST:
        return found
    columns = columns_of(names, cells)
    learnable = [code for code in codes if code.fields]
    taken = [*names, *(made for rule in given for made in rule.makes)]
    numbers, dates = Numbers(columns, learnable, False), Numbers(columns, learnable, True)
    for rule in (*_dependencies(columns, learnable), *sums(numbers, taken), *orders(numbers, taken), *orders(dates, taken)):
        if _fits(rule, [*given, *found]):
            found.append(rule)
    free = [code for code in learnable if not any(code.name in rule.writes for rule in (*given, *found))]
    return [*found, *_combinations(columns, free, taken)]


def _fits(rule: Rule, others: Sequence[Rule]) -> bool:
    """Whether nobody else writes the rule's column, and it closes no circle."""
    reach = set(rule.reads)
    while more := {name for other in others if reach & set(other.writes) for name in other.reads} - reach:
        reach |= more
    return not set(rule.writes) & (reach | {name for other in others for name in other.writes})


def _ids(texts: np.ndarray) -> np.ndarray:
    """(N,) int64 numbers of the distinct cells."""
    rows: dict[str, int] = {}
    return np.array([rows.setdefault(text, len(rows)) for text in texts.tolist()], dtype=np.int64)


def _dependencies(columns: Columns, codes: Sequence[ColumnCode]) -> Iterator[Rule]:
    """For each column the coarsest category that determines it; of two that determine each other the first, words before numbers."""
    step = max(1, len(next(iter(columns.values()))) // _SAMPLE)
    some = np.stack([_ids(columns[code.name][::step]) for code in codes], 1) if codes else np.empty((0, 0), np.int64)
    found: dict[int, int] = {}
    for place in sorted(range(len(codes)), key=lambda place: _fineness(codes, place)):
        if not isinstance(codes[place], CategoryColumn):
            continue
        own = None
        for other in _determined(some, place):
            finer, same = _fineness(codes, place), _fineness(codes, other)
            if other in found or not (finer[0] > same[0] or (finer[0] == same[0] and finer < same)):
                continue
            own = _ids(columns[codes[place].name]) if own is None else own
            if _depends(own, _ids(columns[codes[other].name])):
                found[other] = place
    for other, place in sorted(found.items()):
        yield Determined.fit([codes[place].name], codes[other].name, columns, given=False)


def _fineness(codes: Sequence[ColumnCode], place: int) -> tuple[int, bool, int]:
    """(how many values there are, whether they are numbers, the place): only finer columns determine others, so there is no circle."""
    code = codes[place]
    values = len(code.values) if isinstance(code, CategoryColumn) else len(code.quantiles.values) if isinstance(code, NumberColumn) else 0
    return values, getattr(code, "form", None) is not None, place


def _determined(ids: np.ndarray, place: int) -> list[int]:
    """The columns of (N,C) that never differ where the one at `place` is the same."""
    rows = ids[np.argsort(ids[:, place], kind="stable")]
    same = rows[1:, place] == rows[:-1, place]
    differ = ((rows[1:] != rows[:-1]) & same[:, None]).any(0)
    differ[place] = True
    return np.flatnonzero(~differ).tolist()


def _depends(ids: np.ndarray, other: np.ndarray) -> bool:
    """Whether ids (N,) determine the others, far beyond chance."""
    _, first, group, sizes = np.unique(ids, return_index=True, return_inverse=True, return_counts=True)
    if not (other[first][group] == other).all():
        return False
    repeats = len(ids) - len(sizes)
    if repeats < LEAST or sizes[sizes > 1].sum() < _REPEATED * len(ids):
        return False
    logs = np.log(np.bincount(other) / len(other))
    different, often = np.unique(sizes, return_counts=True)
    # log of the chance that a group of n rows has one value: of the sum of p^n
    chances = [float(np.logaddexp.reduce(size * logs)) for size in different.tolist()]
    return -float(np.dot(chances, often)) >= _NATS


def _combinations(columns: Columns, codes: Sequence[ColumnCode], taken: Sequence[str]) -> Iterator[Rule]:
    """Pairs of categories that stand in few of their combinations, each of which came at least twice (Good 1953: those that never came
    are then about as rare as those that came once, none), and in far fewer than they would by chance."""
    categories = [code for code in codes if isinstance(code, CategoryColumn) and len(code.values) >= _KINDS][:_MOST]
    used: set[str] = set()
    step = max(1, len(next(iter(columns.values()))) // _SAMPLE)
    some = {code.name: _ids(columns[code.name][::step]) for code in categories}
    for first, second in combinations(categories, 2):
        if {first.name, second.name} & used or np.unique(_pairs(some[first.name], some[second.name]), return_counts=True)[1].min() < 2:
            continue
        ids = [_ids(columns[code.name]) for code in (first, second)]
        shares = [np.bincount(one) / len(one) for one in ids]
        whole = len(shares[0]) * len(shares[1])
        _, often = np.unique(_pairs(*ids), return_counts=True)
        if often.min() < 2 or len(often) > _DENSE * whole:
            continue
        expected = float((1 - (1 - np.outer(*shares)) ** len(ids[0])).sum()) if whole <= _SAMPLE**2 else np.inf
        if len(often) <= _FEWER * expected:
            used |= {first.name, second.name}
            made = free_name(f"{first.name} + {second.name}", taken)
            yield Together.fit([first.name, second.name], made, columns, given=False)


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N,) a number for each combination of two ids."""
    found: np.ndarray = first * (int(second.max()) + 1) + second
    return found

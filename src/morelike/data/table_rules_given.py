"""Rules that were given: checked against the table, against one another, and built from the rows that obey them.

N training rows. All that is wrong is said before anything is learnt.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from ..core.errors import BadInput, Refused, UnknownName
from .table_columns import ColumnCode, is_missing
from .table_dates import DateFormat
from .table_infer import format_of
from .table_numbers import Format, NumberFormat
from .table_read import measure
from .table_rules import Columns, Rule, Rules, columns_of, free_name
from .table_rules_file import Facts, Range, RulesFile, read_facts, read_rules
from .table_rules_map import Determined, Together
from .table_rules_offset import Above, Total
from .table_rules_range import Ranged, Unique, shown

_MOST_RESTS = 100
_MATCHES, _AGREES = 0.5, 0.95
_SHOWN = 5
_MOST_BROKEN = 0.5


@dataclass(frozen=True, slots=True)
class Given:
    """Rules that were given, and what they make of the training rows."""

    rules: list[Rule] = field(default_factory=list)
    kept: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """(N,) bool: the rows that obey them all."""
    said: list[str] = field(default_factory=list)

    def coded(self, code: ColumnCode, train: Sequence[str], whole: Sequence[str]) -> ColumnCode:
        """The code of a column, as the rules want it."""
        if not any(code.name in rule.writes for rule in self.rules):
            for rule in self.rules:
                code = rule.recode(code, train, whole)
        return code


def given_rules(names: Sequence[str], cells: np.ndarray, numbers: np.ndarray | None, rules: Any, facts: Any) -> Given:
    """The rules of a file and of facts (None, or the word none: there are none) for training cells (N,C); `numbers` of theirs in the table.

    Raises UnknownName, BadInput or Refused, each in a sentence: for columns that are not there, rules that contradict one another or most
    rows, and rules that can't be coded.
    """
    rules, facts = (None if isinstance(one, str) and one == "none" else one for one in (rules, facts))
    if rules is None and facts is None:
        return Given()
    wish = read_rules({} if rules is None else rules)
    _known(wish, names)
    columns = columns_of(names, cells)
    triples = {} if facts is None else read_facts(facts)
    pairs, said = _mapped(wish, triples, columns, numbers)
    first = _built(wish, pairs, columns)
    _compatible(first)
    Rules(names, first)
    kept = np.ones(len(cells), dtype=bool)
    for rule in first:
        obeys = rule.kept(columns)
        said += _broken(rule, obeys, numbers)
        kept &= obeys
    if not kept.any():
        raise BadInput("no row obeys all of the rules; leave some of them out or mend the table.")
    built = first if kept.all() else _built(wish, pairs, columns_of(names, cells[kept]))
    return Given(built, kept, said)


def _known(wish: RulesFile, names: Sequence[str]) -> None:
    """Raises UnknownName for a column that the table doesn't have, BadInput where one is named twice in a rule."""
    named: list[list[str]] = [[one.column] for one in wish.range]
    named += [one.columns for one in wish.order] + [one.columns for one in wish.together] + [one.columns for one in wish.unique]
    named += [[one.total, *one.parts] for one in wish.sum] + [[one.column, *one.by] for one in wish.determined]
    for columns in named:
        for name in columns:
            if name not in names:
                raise UnknownName("column in the rules", name, names)
        if len(set(columns)) < len(columns):
            raise BadInput(f"a rule names a column twice: {', '.join(columns)}.")
    for column, count in Counter(one.column for one in wish.range).items():
        if count > 1:
            raise BadInput(f"{column} has {count} ranges in the rules; give one [[range]] with all of its limits.")


def _broken(rule: Rule, obeys: np.ndarray, numbers: np.ndarray | None) -> list[str]:
    """What is said of the rows that break a rule. Raises BadInput where most do."""
    rows = np.flatnonzero(~obeys)
    if not len(rows):
        return []
    places = (rows if numbers is None else np.asarray(numbers)[rows]) + 1
    where = ", ".join(f"{place:,}" for place in places[:_SHOWN].tolist()) + (", ..." if len(places) > _SHOWN else "")
    if len(rows) > _MOST_BROKEN * len(obeys):
        what = "no row obeys it" if len(rows) == len(obeys) else f"{len(rows):,} of {len(obeys):,} training rows break it (rows {where})"
        raise BadInput(f"the rule that {rule.describe()}: {what}. Mend the rule or the table.")
    return [f"{len(rows):,} of {len(obeys):,} training rows break the rule that {rule.describe()}, and are left out (rows {where})."]


def _built(wish: RulesFile, facts: Mapping[tuple[str, str], dict[str, str]], cells: Columns) -> list[Rule]:
    """The rules, fitted on training cells."""
    taken = list(cells)
    ranges = {one.column: _ranged(one, cells[one.column]) for one in wish.range}
    found: list[Rule] = [*ranges.values(), *_orders(wish, ranges, cells, taken), *_sums(wish, cells, taken)]
    joint = [tuple(one.columns) for one in wish.together]
    joint += [by for one in wish.determined if len(by := tuple(one.by)) > 1 and not any(set(by) <= set(other) for other in joint)]
    for columns in joint:
        together = Together.fit(columns, free_name(" + ".join(columns), taken), cells)
        taken += together.makes
        found.append(together)
    # facts say the same as a rule without, and more
    found += [Determined.fit(one.by, one.column, cells) for one in wish.determined if one.by[1:] or (one.by[0], one.column) not in facts]
    found += [Determined.fit([subject], column, cells, known) for (subject, column), known in facts.items()]
    return [*found, *(Unique(one.columns) for one in wish.unique)]


def _orders(wish: RulesFile, ranges: Mapping[str, Ranged], cells: Columns, taken: list[str]) -> Iterator[Rule]:
    """The orders, those of one column together."""
    lows: dict[str, dict[str, bool]] = {}
    for order in wish.order:
        for low, high in zip(order.columns, order.columns[1:], strict=False):
            own = lows.setdefault(high, {})
            own[low] = own.get(low, False) or order.strict
    _no_circle(lows)
    for column, parts in lows.items():
        above = Above.fit(column, list(parts), cells, taken)
        above.strict = frozenset(low for low, strict in parts.items() if strict)
        if column in ranges:
            above.scale = replace(above.scale, form=ranges[column].on_grid(above.scale.form))
        taken += above.makes
        yield above


def _sums(wish: RulesFile, cells: Columns, taken: list[str]) -> Iterator[Rule]:
    for one in wish.sum:
        total = Total.fit(one.total, one.parts, cells, taken)
        if one.rest == "none":
            total.rests = np.zeros(1, np.int64)
        elif len(total.rests) > _MOST_RESTS:
            raise Refused(f"{one.total} less {', '.join(one.parts)} leaves {len(total.rests):,} different rests, too many for a rule")
        taken += total.makes
        yield total


def _no_circle(lows: Mapping[str, Mapping[str, bool]]) -> None:
    """Raises BadInput for columns that would have to be below themselves; `Rules` finds the circles of other rules."""
    for start in lows:
        path, reach = [start], set(lows[start])
        while more := {low for name in reach for low in lows.get(name, ())} - reach:
            reach |= more
        if start in reach:
            circle = [*path, *(name for name in lows if name in reach and name != start), start]
            raise BadInput(f"the orders in the rules contradict one another: {' <= '.join(circle)}. Leave one of them out.")


def _ranged(one: Range, texts: np.ndarray) -> Ranged:
    """A range in the units of the column's format."""
    distinct = list(dict.fromkeys(texts.tolist()))
    numeric = not (one.min is None and one.max is None and one.multiple_of is None)
    form = format_of([text for text in distinct if not is_missing(text)]) if numeric else None
    if numeric and form is None:
        raise Refused(f"the rules give {one.column} a range, but it holds words; give its allowed values instead")
    low = -math.inf if form is None or one.min is None else _limit(one, one.min, form)
    high = math.inf if form is None or one.max is None else _limit(one, one.max, form)
    if low > high:
        raise BadInput(f"the rules contradict themselves: {one.column} has min = {_plain(one.min)} above max = {_plain(one.max)}.")
    values = [str(value) for value in one.values or ()]
    limits = {"at least": one.min, "at most": one.max, "a multiple of": one.multiple_of, "one of": shown(values) or None}
    said = [f"{word} {_plain(limit)}" for word, limit in limits.items() if limit is not None] + ["never missing"] * (not one.missing)
    step = 0 if form is None or one.multiple_of is None else _step(one, one.multiple_of, form)
    return Ranged(one.column, form, (low, high), step, values, one.missing, f"{one.column} is {', '.join(said) or 'anything'}")


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _limit(one: Range, value: float | datetime | date | str, form: Format) -> float:
    """A limit in units of the column's format."""
    if isinstance(form, NumberFormat) and isinstance(value, float):
        return float(Decimal(repr(value)) * (1 if form.digits else 10**form.decimals))
    if isinstance(form, DateFormat) and not isinstance(value, float):
        text = value if isinstance(value, str) else f"{value:%Y-%m-%d %H:%M:%S}"
        if not math.isnan(number := measure(form, text)):
            return number
    what = "dates" if isinstance(form, DateFormat) else "numbers"
    raise BadInput(f"the rules give {one.column}, which holds {what}, the limit {value!r}, which is none.")


def _step(one: Range, multiple: float, form: Format) -> int:
    """The grid in units of the column's format. Raises Refused for one that the column can't write."""
    if not isinstance(form, NumberFormat) or form.digits:
        raise Refused(f"{one.column} has no fixed number of decimals, so it can't be kept to multiples of {multiple:g}")
    step = Decimal(repr(multiple)) * 10**form.decimals
    if step != int(step):
        raise Refused(f"{one.column} is written with {form.decimals} decimals, which multiples of {multiple:g} don't fit")
    return int(step)


def _compatible(rules: Sequence[Rule]) -> None:
    """Raises Refused for rules that can't be coded together."""
    writer = {name: rule for rule in rules for name in rule.writes}
    keys = {rule.columns[0] for rule in rules if isinstance(rule, Unique) and len(rule.columns) == 1}
    for rule in rules:
        for name in (*rule.reads, *rule.writes):
            if name in keys:
                raise Refused(f"{name} can't be unique, so issued afresh, and stand in another rule: {rule.describe()}")
        if isinstance(rule, Unique) and len(rule.columns) > 1 and not keys & set(rule.columns):
            raise Refused(f"{rule.describe()}: that can't be coded for learnt columns; name one column that is unique by itself")
        if isinstance(rule, Ranged):
            _ranges_fit(rule, writer)
        if isinstance(rule, Determined) and (odd := next((n for n in rule.reads if isinstance(writer.get(n), Above | Total)), None)):
            raise Refused(f"{odd} is added up anew in each row, so it can't determine {rule.writes[0]}")


def _ranges_fit(rule: Ranged, writer: Mapping[str, Rule]) -> None:
    """Raises Refused where a column that is added up anew could leave its range."""
    own = writer.get(rule.column)
    if isinstance(own, Total) or (isinstance(own, Above) and rule.values):
        raise Refused(f"{rule.describe()}: that can't be kept where {own.describe()}; give ranges of {' and '.join(own.reads)} instead")
    waiting = list(own.reads) if isinstance(own, Above) else []
    while waiting:
        below = writer.get(waiting.pop())
        if isinstance(below, Total) and rule.limits[1] < math.inf:
            raise Refused(f"{rule.describe()}: that can't be kept where it is never below a sum: {below.describe()}")
        waiting += below.reads if isinstance(below, Above) else []


# Facts


def _mapped(
    wish: RulesFile, facts: Facts, cells: Columns, numbers: np.ndarray | None
) -> tuple[dict[tuple[str, str], dict[str, str]], list[str]]:
    """((column of the subjects, column of the objects) -> object of each subject, what is said of it)."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    said = []
    for relation, pairs in wish.facts.items():
        if relation not in facts:
            raise UnknownName("relation in [facts] of the rules, which no fact has:", relation, facts)
        for pair in pairs if isinstance(pairs[0], list) else [pairs]:
            if len(pair) != 2:
                raise BadInput(f"[facts] of the rules: {relation} needs two columns, of the subjects and of the objects.")
            for name in pair:
                if name not in cells:
                    raise UnknownName("column in [facts] of the rules", name, cells)
            found[str(pair[0]), str(pair[1])] = facts[relation]
    for relation in [relation for relation in facts if relation not in wish.facts]:
        likely = _likely(facts[relation], cells)
        found |= dict.fromkeys(likely, facts[relation])
        where = "; ".join(f"{subject} and {column}" for subject, column in likely)
        why = _disagreement(facts[relation], cells, numbers) or f"no two columns hold what {relation} joins"
        said.append(f"Facts: {relation} is read of {where}." if likely else f"Facts: {why}; {relation} is not used.")
    if facts and not found:
        why = next(filter(None, (_disagreement(known, cells, numbers) for known in facts.values())), "")
        why = why or f"no columns of the table hold what the facts join ({', '.join(facts)})"
        raise BadInput(f"{why}. Mend the facts, or name their columns under [facts] in the rules.")
    return found, said


def _likely(known: Mapping[str, str], cells: Columns) -> list[tuple[str, str]]:
    """The pairs of columns most of whose values are subjects and objects, and that agree with the facts."""
    return [(subject, column) for subject, column, agrees in _joining(known, cells, _MATCHES) if np.mean(list(agrees.values())) >= _AGREES]


def _joining(known: Mapping[str, str], cells: Columns, matches: float) -> Iterator[tuple[str, str, dict[int, bool]]]:
    """(column of subjects, column of objects, whether a row agrees with the facts, by the numbers of the rows that they speak of), where
    half the values of the first are subjects and this share of the second objects, one at least."""
    values = {name: {text for text in texts.tolist() if not is_missing(text)} for name, texts in cells.items()}
    objects = set(known.values())
    subjects = [name for name, own in values.items() if own and len(own & known.keys()) >= _MATCHES * len(own)]
    columns = [name for name, own in values.items() if own & objects and len(own & objects) >= matches * len(own)]
    for subject in subjects:
        for column in columns:
            pairs = enumerate(zip(cells[subject].tolist(), cells[column].tolist(), strict=True))
            if subject != column:
                yield subject, column, {row: known[first] == second for row, (first, second) in pairs if first in known}


def _disagreement(known: Mapping[str, str], cells: Columns, numbers: np.ndarray | None) -> str:
    """What the two columns that agree best with the facts say otherwise, and in which row first; "" where no columns hold them."""
    tried = list(_joining(known, cells, 0.0))
    if not tried:
        return ""
    subject, column, agrees = max(tried, key=lambda one: sum(one[2].values()))
    if all(agrees.values()):
        return ""
    row = min(row for row, agree in agrees.items() if not agree)
    place = (row if numbers is None else int(numbers[row])) + 1
    first, second = cells[subject][row], cells[column][row]
    many = f"{len(agrees) - sum(agrees.values()):,} of {len(agrees):,} rows"
    return f"{many} disagree with the facts, row {place:,} first: {subject} {first} has {column} {second}, by the facts {known[first]}"

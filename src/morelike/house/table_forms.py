"""A file's columns in another form than training had them: decimal commas, other dates, other words for yes and no. Each is read by its own
form where only one fits, and what is filled in is written in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from ..core.errors import BadInput
from ..data.table import Cells
from ..data.table_arrow_types import kinds
from ..data.table_columns import BOOLEAN, is_missing
from ..data.table_dates import DateFormat
from ..data.table_numbers import NumberFormat, is_number, is_quantity, readings
from ..data.table_read import measure
from .table_known import Known

Way = Callable[[str], str]
_MOMENT = ("%Y-%m-%d %H:%M:%S.%6", "%Y-%m-%d %H:%M:%S.%3", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
_TYPED = {
    "day": DateFormat(_MOMENT[3], "microsecond", others=_MOMENT),
    "second": DateFormat(_MOMENT[2], "microsecond", others=_MOMENT),
    "moment": DateFormat(_MOMENT[0], "microsecond", others=_MOMENT),
}
"""How the types of dates look as text (`data.table_arrow`)."""


@dataclass(frozen=True, slots=True)
class Form:
    """One column's way between the file and the model."""

    read: Way
    """A cell of the file as the model's training file would have it; what is no value of the form stays."""
    write: Way
    """The inverse."""


def forms_of(file: str, table: Cells, known: Mapping[str, Known]) -> tuple[dict[str, Form], list[str]]:
    """(the form of each column that differs from the one `known` of training, sentences on them).

    Raises BadInput, naming file, row and column, where cells of a column can be read in two ways or need two forms.
    """
    typed = {} if table.types is None else kinds(table.types, table.names)
    forms, columns = dict[str, tuple[Form, str]](), []
    for name, own in known.items():
        column = _Column(file, name, own, table.cells[:, table.names.index(name)])
        form = _truth(column) or _typed(typed.get(name, "text"), column)
        if form is not None:
            # what a type is as text is nobody's way to write it
            forms[name] = form, "" if name in typed else column.texts[0]
        elif typed.get(name, "text") == "text" and own.form is not None:
            columns.append(column)
    if any(column.differs() for column in columns):
        dates = [column for column in columns if isinstance(column.known.form, DateFormat)]
        forms |= _dates(dates) | _numbers([column for column in columns if column not in dates])
    return {name: form for name, (form, _) in forms.items()}, _said(file, forms)


def changed(table: Cells, ways: Mapping[str, Way]) -> np.ndarray:
    """The cells of a table, those of some columns changed; the same array where there are none."""
    if not ways:
        return table.cells
    out = table.cells.copy()
    for name, way in ways.items():
        place = table.names.index(name)
        known = {text: way(text) for text in set(out[:, place].tolist())}
        out[:, place] = [known[text] for text in out[:, place].tolist()]
    return out


def _said(file: str, found: Mapping[str, tuple[Form, str]]) -> list[str]:
    shown = [(name, text, form.read(text)) for name, (form, text) in found.items() if text and form.read(text) != text]
    if not shown:
        return []
    name, text, read = shown[0]
    more = f", and {len(shown) - 1:,} other columns likewise" if len(shown) > 1 else ""
    return [f"{file}, column {name}: written otherwise than in training; {text!r} is read as {read!r}{more}"]


class _Column:
    """A column of the file beside what training had of it."""

    def __init__(self, file: str, name: str, known: Known, cells: np.ndarray) -> None:
        self.file, self.name, self.known, self.cells = file, name, known, cells
        texts = [text for text in dict.fromkeys(cells.tolist()) if not is_missing(text)]
        values = np.zeros(len(texts)) if known.form is None else known.form.parse(texts)
        self.texts = texts
        self.unread = [text for text, value in zip(texts, values.tolist(), strict=True) if np.isnan(value) and text not in known.words]
        self.values = [text for text, value in zip(texts, values.tolist(), strict=True) if not np.isnan(value)]

    def differs(self) -> bool:
        """Whether some cells are values that the model's form can't read."""
        if isinstance(self.known.form, DateFormat):
            return bool(self.unread) and DateFormat.find(self.unread) is not None
        return bool(self.numbers)

    @property
    def numbers(self) -> list[str]:
        """The cells that are numbers (with a unit where training had one) and that the model's form can't read."""
        model = self.known.form
        return list(filter(is_quantity if isinstance(model, NumberFormat) and model.unit else is_number, self.unread))

    def refuse(self, text: str, why: str) -> NoReturn:
        row = self.cells.tolist().index(text) + 1
        raise BadInput(f"{self.file}, row {row:,}, column {self.name}: {text!r} {why}")


def _truth(column: _Column) -> Form | None:
    """Other words for yes and no than in training, in their order: false, true."""
    own = _pair(word for word in column.known.words if not is_missing(word))
    there = _pair(column.texts)
    if own is None or there is None or set(column.texts) <= column.known.words:
        return None
    read = dict(zip(there, own, strict=True))
    write = {word: text for text, word in read.items()}
    return Form(lambda text: read.get(text, text), lambda text: write.get(text, text))


def _pair(words: Iterable[str]) -> tuple[str, str] | None:
    """The two words for no and yes as one or both `words` spell them; None where they are others, or none."""
    listed = list(words)
    if not 1 <= len(listed) <= 2:
        return None
    pair = next((pair for pair in BOOLEAN if {word.lower() for word in listed} <= set(pair)), None)
    if pair is None:
        return None
    spelt = {word.lower(): word for word in listed}
    like = listed[0]
    other = str.upper if like.isupper() else str.title if like.istitle() else str.lower
    return spelt.get(pair[0], other(pair[0])), spelt.get(pair[1], other(pair[1]))


def _typed(kind: str, column: _Column) -> Form | None:
    """The form of a column whose values had a type."""
    form, words = column.known.form, column.known.words
    if isinstance(form, DateFormat) and (kind in _TYPED or kind == "zoned"):
        own = _TYPED["second" if kind == "moment" and form.unit != "microsecond" else kind] if kind in _TYPED else _zoned(column, form)
        return _date_form(_clocked(column, own), form, words)
    if isinstance(form, NumberFormat) and kind in ("whole", "number", "null"):
        rounded = kind == "whole" and bool(form.decimals or form.digits)
        return None if form.is_plain and not rounded else _number_form(NumberFormat(), form, rounded)
    return _duration_form(form) if isinstance(form, NumberFormat) and kind == "duration" else None


def _zoned(column: _Column, model: DateFormat) -> DateFormat:
    """How a type of moments in a zone looks as text; of a column of nothing but gaps, at the offsets of the model's clock."""
    fraction = ".%6" if model.unit == "microsecond" else ""
    return DateFormat.find(column.texts) or DateFormat(f"%Y-%m-%d %H:%M:%S{fraction}%:z", model.unit, zone=model.zone)


def _clocked(column: _Column, form: DateFormat) -> DateFormat:
    """Dates of the file as moments where the model's are: what has no offset is on the model's own clock. Raises BadInput where only the
    file's dates have one."""
    model = column.known.form
    assert isinstance(model, DateFormat)
    if form.zone is not None and model.zone is None:
        column.refuse(column.texts[0], "is a moment of a zone, training had none: its times can't be compared")
    return replace(form, zone=model.zone, unit=model.unit) if form.zone is None and model.zone is not None else form


def _duration_form(model: NumberFormat) -> Form:
    """Durations of a type, in any unit of time, in the model's; such a type takes every unit."""

    def read(text: str) -> str:
        value = measure(model, text)
        return model.write(np.array([value]))[0] if np.isfinite(value) and (model.digits or value.is_integer()) else text

    return Form(read, str)


def _number_form(own: NumberFormat, model: NumberFormat, rounded: bool = False) -> Form:
    """Between the signs of the file and those of the model; `rounded`: the file has room for whole numbers only."""

    def read(text: str) -> str:
        plain = own.plain(text)
        return text if plain is None else model.dressed(plain)

    def write(text: str) -> str:
        plain = model.plain(text)
        if plain is None:
            return text
        return own.dressed(str(round(float(plain))) if rounded else plain)

    return Form(read, write)


def _date_form(own: DateFormat, model: DateFormat, words: frozenset[str]) -> Form:
    """Between two ways to write dates; words of the model stay as they are."""

    def way(source: DateFormat, target: DateFormat, kept: frozenset[str]) -> Way:
        def change(text: str) -> str:
            value = np.nan if text in kept else source.parse([text])[0]
            if np.isnan(value):
                return text
            days, within = divmod(int(value), source.per_day)
            return target.write(np.array([days * target.per_day + within * target.per_day // source.per_day]))[0]

        return change

    return Form(way(own, model, words), way(model, own, frozenset()))


def _numbers(columns: Sequence[_Column]) -> dict[str, tuple[Form, str]]:
    """(form, a text that it is about) of the columns of numbers that are written otherwise than in training. What a column alone leaves
    open, such as 1.234, is decided by the decimal sign of the others."""
    found = {column.name: _candidates(column) for column in columns}
    votes = {one[0].decimal for one in found.values() if one and len({form.decimal for form in one}) == 1}
    chosen = {}
    for column in columns:
        form = _number(column, found[column.name], votes)
        if form is not None:
            chosen[column.name] = form
    return chosen


def _candidates(column: _Column) -> list[NumberFormat]:
    """The forms that read all numbers of a column. Raises BadInput where there are numbers and no form reads all."""
    texts = [*column.values, *column.numbers]
    found = readings(texts) if texts else []
    if texts and not found:
        sides = {sign: [text for text in texts if any(form.decimal == sign for form in readings([text]))] for sign in ".,"}
        points, commas = ([text for text in sides[sign] if text not in sides[other]] for sign, other in (".,", ",."))
        if points and commas:
            fewer, more = sorted((points, commas), key=len)
            column.refuse(fewer[0], f"has another decimal sign than {more[0]!r} in the same column: write all its numbers in one way")
    return found


def _number(column: _Column, candidates: list[NumberFormat], votes: set[str]) -> tuple[Form, str] | None:
    model = column.known.form
    assert isinstance(model, NumberFormat)
    texts = [*column.values, *column.numbers]
    if not candidates:
        # nothing but gaps: what is filled in is written like the other columns
        if texts or len(votes) != 1 or model.decimal in votes:
            return None
        decimal = next(iter(votes))
        return _number_form(replace(model, decimal=decimal, thousands="" if model.thousands == decimal else model.thousands), model), ""
    pool = [form for form in candidates if form.decimal in votes] if len(votes) == 1 else candidates
    pool = pool or candidates
    meant = {tuple(map(form.plain, texts)): form for form in reversed(pool)}
    if len(meant) > 1:
        if not votes and not column.unread:
            return None
        one, other = (dict(zip(texts, plain, strict=True)) for plain in list(meant)[:2])
        text = next(text for text in texts if one[text] != other[text])
        column.refuse(text, f"may be {one[text]} or {other[text]}: write it without separators of thousands, with a decimal point or comma")
    own = next((form for form in pool if (form.decimal, form.thousands) == (model.decimal, model.thousands)), pool[0])
    if (own.decimal, own.thousands, own.unit) == (model.decimal, model.thousands, model.unit) and not column.unread:
        return None
    units = own.unit + model.unit
    if own.unit != model.unit and ((own.unit and model.unit) or "%" in units or "°" in units):
        said = f"training had {model.unit!r}" if model.unit else "training had none"
        text = next(text for text in texts if own.unit in text)
        column.refuse(text, f"has the unit {own.unit!r}, {said}: its numbers can't be compared" if own.unit else f"has no unit, {said}")
    return _number_form(own, model), next(iter([*column.numbers, *texts]))


def _dates(columns: Sequence[_Column]) -> dict[str, tuple[Form, str]]:
    """As `_numbers`, of dates: whether the day comes before the month is decided by the other columns where one leaves it open."""
    own = {column.name: DateFormat.find([*column.values, *column.unread]) for column in columns if column.values or column.unread}
    votes = {_day_first(form) for form in own.values() if form is not None and form.swapped is not None and not form.guessed}
    chosen = {}
    for column in columns:
        form, model = own.get(column.name), column.known.form
        assert isinstance(model, DateFormat)
        if form is None or form.days != model.days:
            continue
        _one_order(column, form)
        if form.guessed and form.swapped is not None:
            if len(votes) == 1:
                form = form if _day_first(form) in votes else form.swapped
            elif column.unread or votes:
                column.refuse([*column.unread, *column.values][0], "may have the day or the month first: write it as YEAR-MONTH-DAY")
            else:
                continue
        if form.pattern not in (model.pattern, *model.others) or column.unread:
            form = _clocked(column, form)
            chosen[column.name] = _date_form(form, model, column.known.words), next(iter([*column.unread, *column.values]))
    return chosen


def _day_first(form: DateFormat) -> bool:
    return form.pattern.replace("-d", "d").index("d") < form.pattern.index("m")


def _one_order(column: _Column, form: DateFormat) -> None:
    """Raises BadInput where some dates have the day first and others, written with the same signs, the month."""
    swapped = form.swapped
    if swapped is None or swapped.pattern not in form.others:
        return
    alone = [replace(form, pattern=pattern, others=()) for pattern in (form.pattern, swapped.pattern)]
    texts = [*column.values, *column.unread]
    read = [np.isfinite(one.parse(texts)) for one in alone]
    first, second = (texts[int(np.flatnonzero(a & ~b)[0])] for a, b in (read, read[::-1]))
    column.refuse(second, f"has day and month in another order than {first!r} in the same column: write all its dates in one way")

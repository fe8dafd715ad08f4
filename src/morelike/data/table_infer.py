"""Which kind each column of a table is, by written rules on its training cells. N cells, D distinct ones."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .table_columns import CategoryColumn, ColumnCode, NumberColumn, Unlearnt, is_missing, label
from .table_dates import DateFormat
from .table_fresh import Fresh, counts_rows, shape
from .table_numbers import ATOM, PLAIN, Format, NumberFormat, Quantiles

FEW = 20
"""A column of at most so many numbers is coded as categories."""
MOST = 100_000
"""Categories that a column may have."""
SPIKE = 0.05
"""A value of a column of many that has this share of the rows, and is ten times as common as most, is a value of its own."""
_STANDS_OUT = 10
_FAR_OUT, _FAR, _MIDDLE = 0.005, 3, 0.02
"""So is one with the first share that lies so many times as far from all but the last share of either end as these are wide."""
_ODD = 0.01
"""Up to this share of negative numbers is remarkable."""
_WORDS = 20
"""So many different words may stand among the numbers of a column."""
_CODE = re.compile("[-+]?(?:0[0-9]+|9[0-9]{15}|[0-9]{17,})")
"""Digits that are more than a number: zeros lead, or there are too many for a float to hold."""
_CODES, _LONG_CODE = 0.01, 5
"""Numbers are codes from this share of such cells on; and from one on where all have so many digits or more."""
_IDENTIFIERS = frozenset(["id", "ids", "uuid", "guid", "identifier", "ssn", "iban", "isbn", "vin", "email"])
_LAST = frozenset([
    "key", "pk", "rowid", "mail", "phone", "telephone", "tel", "serial", "barcode", "url", "token", "account", "zip", "zipcode",
    "postcode", "code", "no", "nr", "number", "num",
])  # fmt: skip
"""Words that make a header an identifier's where they stand at its end; those above do so anywhere."""
_CLOCK = frozenset(["year", "date", "time", "day", "month", "hour", "week", "age"])
_DISTINCT, _HINTED = 0.9, 0.5
_LEAST_ROWS, _LEAST_HINTED = 50, 20
_TEXT_WORDS, _TEXT_LETTERS, _LONG = 4, 40, 20


def infer(
    name: str, beside: str, train: Sequence[str] | Counter[str], whole: Sequence[str], knots: int, comma: bool = False
) -> ColumnCode:
    """The code of a column. `beside` names the category that may stand before a number; `whole` are the cells of all rows, of which `train`
    are some (or how often each of those comes): only the signs of missing values, counters and what is never learnt are read from it.
    `knots`: quantiles kept. `comma`: other columns have decimal commas."""
    counts = Counter(train)
    if len(counts) == 1:
        return _constant(name, counts)
    for text in dict.fromkeys(whole):
        if is_missing(text) and text not in counts:
            counts[text] = 0
    texts = [text for text in counts if not is_missing(text)]
    form = format_of(texts, comma)
    if form is None:
        return _words(name, counts, texts, whole)
    values = _numbers(counts, form)
    filled = sum(counts[text] for text in texts)
    distinct = len(set(values.values()))
    if isinstance(form, NumberFormat) and not form.decimals and not form.digits:
        hint = _hint(name)
        if _is_key(hint, distinct, filled) or (distinct == filled and _counter(name, whole)):
            return identifier(name, whole)
        if hint and distinct <= MOST:
            return _category(name, counts, None)
    return _numeric((name, beside), counts, form, knots)


def category(name: str, counts: Counter[str], form: Format | None = None) -> ColumnCode:
    """The code of a column that is to be one of categories, from how often each cell comes in training."""
    return _constant(name, counts) if len(counts) == 1 else _category(name, counts, form)


def number(names: tuple[str, str], train: Sequence[str], knots: int) -> ColumnCode:
    """The code of a column that was made: numbers with a point and without separators, with words among them. `names` as in `infer`."""
    counts = Counter(train)
    texts = [text for text in counts if PLAIN(text)]
    form = NumberFormat.find(texts) if len(counts) > 1 else None
    return category(names[0], counts) if form is None else _numeric(names, counts, form, knots)


def _constant(name: str, counts: Counter[str]) -> Unlearnt:
    text = next(iter(counts))
    return Unlearnt(name, f"always {label(text)}, kept so" if text else "always empty, kept so", text)


def _numeric(names: tuple[str, str], counts: Counter[str], form: Format, knots: int) -> ColumnCode:
    """Numbers: as categories where they are few."""
    values = _numbers(counts, form)
    by_value = _by_value(counts, values)
    spiked = _spikes(by_value, sum(counts.values()))
    filled = sum(count for text, count in counts.items() if not is_missing(text))
    few = len(by_value) <= FEW and len(by_value) * 3 <= max(filled, 6)
    if few or (len(spiked) > 1 and len(by_value) - len(spiked) <= FEW):
        return _category(names[0], counts, form)
    return _number(names, form, counts, values, spiked, knots)


def _spikes(by_value: dict[float, int], rows: int) -> set[float]:
    """The numbers that are common and stand out."""
    usual = float(np.median(list(by_value.values())))
    common = {value for value, count in by_value.items() if count >= max(SPIKE * rows, _STANDS_OUT * usual)}
    return common | _far_out(by_value, rows)


def _far_out(by_value: dict[float, int], rows: int) -> set[float]:
    """The numbers that come again and again far from the others, such as 9999 among ages, which mostly stand for something else."""
    values = np.array(sorted(by_value))
    upto = np.cumsum([by_value[value] for value in values.tolist()])
    low, high = values[np.searchsorted(upto, np.array([_MIDDLE, 1 - _MIDDLE]) * upto[-1])].tolist()
    reach = _FAR * (high - low)
    least = max(_FAR_OUT * rows, ATOM)
    return {value for value, count in by_value.items() if count >= least and reach and not low - reach <= value <= high + reach}


def negatives(code: ColumnCode, texts: Sequence[str]) -> str:
    """Which of a column's cells, of all rows in their order, are negative, where hardly any number is; else nothing."""
    form = getattr(code, "form", None)
    if not isinstance(form, NumberFormat):
        return ""
    counts = Counter(texts)
    values = _numbers(counts, form)
    count = sum(counts[text] for text, value in values.items() if value < 0)
    if not 0 < count <= _ODD * sum(counts[text] for text in values):
        return ""
    row, text = next((row, text) for row, text in enumerate(texts, 1) if values.get(text, 0.0) < 0)
    return f"{code.name} ({count:,}; the first is {label(text.strip())} in row {row:,})"


def _numbers(counts: Counter[str], form: Format) -> dict[str, float]:
    """The numbers among the cells, by their text."""
    values = zip(counts, form.parse(list(counts)).tolist(), strict=True)
    return {text: value for text, value in values if not math.isnan(value)}


def has_comma(column: ColumnCode) -> bool:
    """Whether a column's numbers have decimal commas."""
    form = getattr(column, "form", None)
    return isinstance(form, NumberFormat) and form.decimal == "," and form.decimals > 0


def may_be_thousands(column: ColumnCode) -> bool:
    """Whether a column's numbers have three decimals after a point, which may as well be whole numbers with points for thousands."""
    form = getattr(column, "form", None)
    return isinstance(form, NumberFormat) and form.is_plain and form.decimals == 3


def format_of(texts: Sequence[str], comma: bool = False) -> Format | None:
    """The number or date format of distinct cells that aren't missing, or None where they are words."""
    if not texts:
        return None
    found: list[Format | None] = [DateFormat.find(texts)]
    if not _are_codes(texts):
        found.append(NumberFormat.find(texts, comma))
    for form in found:
        if form is None or (isinstance(form, DateFormat) and "%Y%m%d" in form.pattern and len(texts) < FEW):
            continue
        words = int(np.isnan(form.parse(texts)).sum())
        if words <= _WORDS and words * 2 <= len(texts):
            return form
    return None


def _are_codes(texts: Sequence[str]) -> bool:
    """Whether distinct cells are codes of digits: a single one among many numbers makes none of these, unless all are of one long form."""
    codes = sum(_CODE.fullmatch(text) is not None for text in texts)
    some = codes > 1 or len(texts) <= FEW
    return (some and codes >= _CODES * len(texts)) or (codes > 0 and len(texts[0]) >= _LONG_CODE and len(set(map(len, texts))) == 1)


def _words_of(name: str) -> set[str]:
    """A header's words in small letters: `PatientID`, `patient_id`."""
    return {word.lower() for word in re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def _hint(name: str) -> bool:
    """Whether a header calls its column an identifier."""
    words = re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return bool(_words_of(name) & _IDENTIFIERS) or (bool(words) and words[-1].lower() in _LAST)


def _counter(name: str, whole: Sequence[str]) -> bool:
    """Whether a column numbers the rows, and isn't called a time, which may rise from row to row too."""
    return not _words_of(name) & _CLOCK and counts_rows([text for text in whole if not is_missing(text)])


def _is_key(hint: bool, distinct: int, filled: int) -> bool:
    return hint and filled >= _LEAST_HINTED and distinct >= _DISTINCT * filled


def _words(name: str, counts: Counter[str], texts: Sequence[str], whole: Sequence[str]) -> ColumnCode:
    """A column of words: free text, an identifier or categories."""
    filled = sum(counts[text] for text in texts)
    share = len(texts) / max(1, filled)
    some = texts[:1000]
    letters = sum(map(len, some)) / max(1, len(some))
    words = sum(len(text.split()) for text in some) / max(1, len(some))
    if len(texts) > FEW and share >= _HINTED and (words >= _TEXT_WORDS or letters >= _TEXT_LETTERS):
        return Unlearnt(name, f"free text ({len(texts):,} different ones of {words:.0f} words), not learnt: the column stays, empty")
    hinted = _hint(name) and filled >= _LEAST_HINTED and share >= _HINTED
    unique = filled >= _LEAST_ROWS and share >= _DISTINCT
    if unique and not hinted and letters >= _LONG and len(set(map(shape, some))) * 2 > len(some):
        return Unlearnt(name, f"long texts, each of its own shape ({len(texts):,} different ones), not learnt: the column stays, empty")
    if hinted or unique or len(texts) > MOST:
        return identifier(name, whole)
    return _category(name, counts, None)


def count_on(name: str, following: int) -> Unlearnt:
    """A column that numbers the rows, whose next number is `following`."""
    fresh = Fresh((), (), np.zeros(0, np.uint8), following)
    return Unlearnt(name, f"numbers the rows; never learnt, fresh values go on from {following:,}", fresh=fresh)


def identifier(name: str, whole: Sequence[str]) -> Unlearnt:
    """A column that is never learnt: each row gets a fresh value like those of `whole`."""
    filled = [text for text in whole if not is_missing(text)]
    distinct = len(set(filled))
    fresh = Fresh.fit(filled)
    if fresh.counter is not None:
        return count_on(name, fresh.counter)
    gone = len(whole) - len(filled)
    lost = f"; that {gone:,} are missing is not learnt" if gone else ""
    why = f"like an identifier ({distinct:,} different values in {len(filled):,}); never learnt, each row gets a fresh one{lost}"
    return Unlearnt(name, why, fresh=fresh)


def _category(name: str, counts: Counter[str], form: Format | None) -> CategoryColumn:
    """Words by how common they are, numbers by their value with words after them."""
    order = sorted(counts, key=lambda text: (-counts[text], text))
    if form is not None:
        values = _numbers(counts, form)
        order.sort(key=lambda text: (text not in values, values.get(text, 0.0)))
    return CategoryColumn(name, order, np.array([counts[text] for text in order], dtype=np.int64), form)


def _by_value(counts: Counter[str], values: dict[str, float]) -> dict[float, int]:
    """How often each number comes, however it is spelt."""
    found: dict[float, int] = {}
    for text, value in values.items():
        found[value] = found.get(value, 0) + counts[text]
    return found


def _number(
    names: tuple[str, str], form: Format, counts: Counter[str], values: dict[str, float], spiked: set[float], knots: int
) -> NumberColumn:
    commonest: dict[float, str] = {}
    for text, count in counts.most_common():
        if text in values and count:
            commonest.setdefault(values[text], text)
    by_value = _by_value(counts, values)
    words = sorted((text for text in counts if text not in values), key=lambda text: (-counts[text], text))
    common = sorted(spiked, key=lambda value: (-by_value[value], value))
    markers = [*words, *(commonest[value] for value in common)]
    rest = [value for value in commonest if value not in spiked]
    quantiles = Quantiles.fit(np.array(rest), np.array([by_value[value] for value in rest]), knots)
    kept = quantiles.values
    # only numbers that come often or are written otherwise than the format writes keep their spelling
    written = form.write(form.snap(kept))
    own = {value: commonest[value] for value, text in zip(kept.tolist(), written, strict=True) if commonest[value] != text}
    tally = [sum(by_value[value] for value in rest), *(counts[word] for word in words), *(by_value[value] for value in common)]
    return NumberColumn(names, form, quantiles, markers, np.array(tally, dtype=np.int64), own)

"""What large tables hold, found out without holding them: columns are inferred from a sample of the training rows, and one pass over all
rows counts categories, finds the extremes of numbers, and marks the values of identifiers as taken.

N rows, C columns.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from .table_columns import ColumnCode, NumberColumn, Unlearnt, is_missing
from .table_dates import DateFormat
from .table_fresh import Fresh, counts_rows
from .table_infer import MOST, count_on, has_comma
from .table_numbers import NumberFormat
from .table_stored import StoredCells

SAMPLE = 50_000
"""Training rows from which columns are inferred, at most."""
_SAMPLED_CELLS = 2_000_000
_COUNTED = 2_000_000
"""Distinct values that are counted exactly, of all columns together."""
_HEAD, _FIRST = 5_000, 10_000
"""Rows that may show a counter, and sampled ones that say what is to be gathered of a column."""
_WORDS = 20
_BITS = 8
_RISING = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
"""Days that stand in the order of their texts."""

Infer = Callable[[int, "Sequence[str] | Counter[str]", Sequence[str]], ColumnCode]
"""(number of a column, its training cells or how often each comes, cells of all rows) -> its code."""


def infer_stored(cells: StoredCells, train: np.ndarray, inference: Callable[[bool], Infer]) -> tuple[list[ColumnCode], str]:
    """(the code of each column, a sentence on what was looked at), from the training rows numbered `train`.

    `inference`: what infers the columns of tables with decimal commas, or without.
    """
    count = len(cells.names)
    size = min(len(train), SAMPLE, max(1000, _SAMPLED_CELLS // count))
    some = cells[train[np.argsort(np.random.PCG64(0).random_raw(len(train)), kind="stable")[:size]]]
    head = cells[np.arange(min(len(cells), _HEAD, max(100, _SAMPLED_CELLS // count)))]
    whole = [_rows_that_show(head[:, number].tolist(), some[:, number].tolist()) for number in range(count)]
    infer = inference(False)
    codes = [infer(number, some[:_FIRST, number].tolist(), whole[number][:_FIRST]) for number in range(count)]
    if any(map(has_comma, codes)):
        infer = inference(True)
        codes = [infer(number, some[:_FIRST, number].tolist(), whole[number][:_FIRST]) for number in range(count)]
    limit = min(MOST, _COUNTED // count) + 1
    facts = [_Facts(number, some[:, number].tolist(), whole[number], codes[number], limit) for number in range(count)]
    inside = np.zeros(len(cells), dtype=bool)
    inside[train] = True
    for start, block in cells.blocks():
        chosen = inside[start : start + len(block[0])].tolist()
        for fact, texts in zip(facts, block, strict=True):
            fact.see(texts, chosen)
    columns = [fact.column(infer) for fact in facts]
    return columns, (
        f"Columns were inferred from {size:,} of {len(train):,} training rows; categories (up to {facts[0].limit - 1:,} a column), "
        "ranges of plain numbers and dates, and words among numbers were read from all of them."
    )


def _rows_that_show(head: list[str], some: list[str]) -> list[str]:
    """The first rows' cells of a column that numbers the rows, as only consecutive rows show, else the sampled ones."""
    return head if counts_rows([text for text in head if not is_missing(text)]) else some


class _Facts:
    """What the pass gathers of one column."""

    def __init__(self, number: int, some: list[str], whole: Sequence[str], code: ColumnCode, limit: int) -> None:
        self.number, self.some, self.whole, self.code, self.limit = number, some, whole, code, limit
        self.counts: Counter[str] | None = Counter()
        self.words: set[str] = set()
        self.low = self.high = ""
        fresh = code.fresh if isinstance(code, Unlearnt) else None
        self.counter = None if fresh is None or fresh.counter is None else 0
        self.taken: Taken | None = Taken() if fresh is not None and self.counter is None else None
        form = code.form if isinstance(code, NumberColumn) else None
        plain = isinstance(form, NumberFormat) and form.is_plain
        rising = isinstance(form, DateFormat) and form.rises and form.pattern.startswith(_RISING)
        self._form = form if plain or rising else None

    def see(self, texts: Sequence[str], chosen: Sequence[bool]) -> None:
        """Takes cells of some rows, of which those `chosen` are for training."""
        if self.taken is not None:
            self.taken.add(texts)
        if self.counter is not None:
            self.counter = max(self.counter, 1 + max(map(int, filter(str.isdecimal, texts)), default=-1))
        if self.counts is None and self._form is None:
            return
        train = list(compress(texts, chosen))
        if self.counts is not None:
            self.counts.update(train)
            if len(self.counts) > self.limit:
                train, self.counts = list(self.counts), None
        if self.counts is None and self._form is not None:
            self._range(train)

    def _range(self, texts: Sequence[str]) -> None:
        """Takes the extremes of numbers or dates, and the words among them."""
        assert self._form is not None
        texts = [text for text in texts if text not in self.words] if self.words else texts
        ends = _ends(texts, isinstance(self._form, DateFormat))
        if not np.isfinite(self._form.parse(ends)).all():
            values = self._form.parse(texts)
            broken = np.isnan(values)
            if len(self.words) < _WORDS:
                self.words.update(text for text, wrong in zip(texts, broken.tolist(), strict=True) if wrong)
            if broken.all():
                return
            ends = (texts[int(np.nanargmin(values))], texts[int(np.nanargmax(values))])
        known = [*ends, *([self.low, self.high] if self.low else [])]
        values = self._form.parse(known)
        self.low, self.high = known[int(values.argmin())], known[int(values.argmax())]

    def column(self, infer: Infer) -> ColumnCode:
        """The column's code, now that all rows were seen."""
        if self.counts is not None:
            code = infer(self.number, self.counts, self.whole)
        elif self.low:
            code = infer(self.number, [*self.some, self.low, self.high, *sorted(self.words)[:_WORDS]], self.whole)
        else:
            code = self.code
        fresh = code.fresh if isinstance(code, Unlearnt) else None
        if fresh is None:
            return code
        if fresh.counter is not None and self.counter is not None:
            return count_on(code.name, self.counter)
        better = fresh if self.taken is None else self.taken.put(fresh)
        assert isinstance(code, Unlearnt)
        return code.renewed(better)


def _ends(texts: Sequence[str], rising: bool) -> tuple[str, ...]:
    """The texts of the smallest and the largest; one that is no number where any is none."""
    if not texts:
        return ()
    if rising:
        return min(texts), max(texts)
    try:
        values = np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return ("",)
    return (texts[int(values.argmin())], texts[int(values.argmax())]) if np.isfinite(values).all() else ("",)


class Taken:
    """The hashes of values, of which bits are made once their number is known."""

    def __init__(self) -> None:
        self._hashes: list[np.ndarray] = []

    def add(self, texts: Iterable[str]) -> None:
        own = {zlib.crc32(text.encode("utf-8", "surrogatepass")) for text in texts if not is_missing(text)}
        self._hashes.append(np.fromiter(own, np.uint32, len(own)))

    def put(self, fresh: Fresh) -> Fresh:
        """The same fresh values with these bits."""
        hashes = np.unique(np.concatenate(self._hashes)) if self._hashes else np.empty(0, np.uint32)
        bits = np.zeros(max(64, len(hashes) * _BITS + 7 & ~7), dtype=bool)
        bits[hashes % len(bits)] = True
        return replace(fresh, taken=np.packbits(bits))

"""What each column of a table is, and how it is coded: categories, numbers and dates, and what is not learnt.

N cells, D distinct cells, f fields of one column.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from ..core.spec import Field
from .table_dates import DateFormat
from .table_fresh import Fresh
from .table_numbers import Format, NumberFormat, Quantiles

MISSING = frozenset([
    "", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "NaT", "null", "NULL", "Null", "?", "-", "--", ".", "\\N", "missing",
])  # fmt: skip
"""Cells that mean that there is no value; spaces around them don't count. "None" and "none" may be values."""
_SHOWN = 4
_QUANTILES = ("values", "below", "upto", "often")
BOOLEAN = (
    ("0", "1"), ("f", "t"), ("false", "true"), ("n", "y"), ("no", "yes"), ("off", "on"), ("nein", "ja"), ("non", "oui"),
    ("falsch", "wahr"), ("no", "si"), ("no", "sí"),
)  # fmt: skip
"""Words, in small letters, for no and yes."""
TRUTH = {word: said for pair in BOOLEAN for word, said in zip(pair, (False, True), strict=True)}


def is_missing(text: str) -> bool:
    """Whether a cell is one of the known signs of a missing value."""
    return text in MISSING or text.strip() in MISSING


def pack(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Strings as two arrays: their bytes, and the length of each."""
    raw = [text.encode("utf-8", "surrogatepass") for text in texts]
    return {"bytes": np.frombuffer(b"".join(raw), np.uint8).copy(), "lengths": np.array([len(one) for one in raw], dtype=np.int64)}


def unpack(arrays: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """The inverse of `pack`."""
    whole, ends = np.asarray(arrays["bytes"], np.uint8).tobytes(), np.cumsum(arrays["lengths"]).tolist()
    starts = [0, *ends][: len(ends)]
    return tuple(whole[start:end].decode("utf-8", "surrogatepass") for start, end in zip(starts, ends, strict=True))


def _objects(texts: Sequence[str]) -> np.ndarray:
    """(N,) array of `str`, which numpy would else turn into one of fixed length."""
    out = np.empty(len(texts), dtype=object)
    out[:] = texts
    return out


class ColumnCode(ABC):
    """One column: its fields, and the way there and back."""

    kind: ClassVar[str]
    name: str
    fields: tuple[Field, ...]

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(D,f) float32 of distinct cells."""

    @abstractmethod
    def decode(self, x: np.ndarray) -> np.ndarray:
        """(N,) array of `str` from (N,f); any finite number and NaN are taken."""

    @abstractmethod
    def unseen(self, texts: Sequence[str]) -> list[str]:
        """Those of the distinct cells that can't be told from another value once they are encoded."""

    @abstractmethod
    def describe(self) -> str:
        """A sentence for `check`."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """JSON values and arrays; `restore` is the inverse."""

    @classmethod
    @abstractmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self: ...


class Unlearnt(ColumnCode):
    """A column that no model sees: a constant, free text (which stays empty), or an identifier (which gets fresh values)."""

    kind = "unlearnt"
    fields = ()

    def __init__(self, name: str, why: str, text: str = "", fresh: Fresh | None = None) -> None:
        """`text` stands in every row, unless `fresh` gives each its own."""
        self.name, self.why, self.text, self.fresh = name, why, text, fresh

    def renewed(self, fresh: Fresh) -> Unlearnt:
        """The same column with other fresh values."""
        return Unlearnt(self.name, self.why, self.text, fresh)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.empty((len(texts), 0), np.float32)

    def decode(self, x: np.ndarray) -> np.ndarray:
        return _objects([self.text] * len(x) if self.fresh is None else self.fresh.draw(len(x)))

    def unseen(self, texts: Sequence[str]) -> list[str]:
        return []

    def describe(self) -> str:
        return f"{self.name}: {self.why}."

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        plain = {"name": self.name, "why": self.why, "text": self.text, "fresh": None if self.fresh is None else self.fresh.state()}
        return plain, {} if self.fresh is None else {"taken": self.fresh.taken}

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        fresh = None if state["fresh"] is None else Fresh.restore(state["fresh"], np.asarray(arrays["taken"], np.uint8))
        return cls(str(state["name"]), str(state["why"]), str(state["text"]), fresh)


class CategoryColumn(ColumnCode):
    """Ids of the distinct cells. A word that training lacks is read as the commonest, a number as the nearest."""

    kind = "category"

    def __init__(self, name: str, values: Sequence[str], counts: np.ndarray, form: Format | None) -> None:
        """`values` in the order of their ids, `counts` (K,) how often each came; `form` where they are numbers or dates."""
        self.name, self.values, self.counts, self.form = name, tuple(values), counts, form
        gone = tuple(number for number, value in enumerate(self.values) if is_missing(value))
        self.fields = (Field(name, len(self.values), missing=gone),)
        self._ids = {value: number for number, value in enumerate(self.values)}
        self._usual = int(counts.argmax())
        self._gone = next((number for number, value in enumerate(self.values) if is_missing(value)), self._usual)
        self._array = _objects(self.values)
        self._numbers = np.zeros(0) if form is None else form.parse(self.values)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        ids = np.array([self._ids.get(text, -1) for text in texts], dtype=np.int64)
        for row in np.flatnonzero(ids < 0).tolist():
            ids[row] = self._nearest(texts[row])
        return ids[:, None].astype(np.float32)

    def _nearest(self, text: str) -> int:
        number = np.nan if self.form is None else float(self.form.parse([text])[0])
        if np.isnan(number):
            return self._gone if is_missing(text) else self._usual
        return int(np.nanargmin(np.abs(self._numbers - number)))

    def decode(self, x: np.ndarray) -> np.ndarray:
        ids = np.rint(np.nan_to_num(x[:, 0], nan=self._usual)).clip(0, len(self.values) - 1).astype(np.int64)
        found: np.ndarray = self._array[ids]
        return found

    def unseen(self, texts: Sequence[str]) -> list[str]:
        return [text for text in texts if text not in self._ids]

    def describe(self) -> str:
        total = max(1, int(self.counts.sum()))
        real = [value for value in self.values if not is_missing(value)]
        order = np.argsort(-self.counts, kind="stable")[:_SHOWN].tolist()
        shown = ", ".join(f"{label(self.values[row])} {self.counts[row] / total:.0%}" for row in order)
        truths = {TRUTH.get(value.strip().lower()) for value in real}
        what = "boolean" if truths == {False, True} else f"{len(self.values):,} categories"
        if self.form is not None:
            what = f"{len(real):,} different {'dates' if isinstance(self.form, DateFormat) else 'numbers'}, coded as categories"
        gone = sum(int(count) for value, count in zip(self.values, self.counts, strict=True) if is_missing(value)) / total
        missing = f"; {gone:.1%} missing" if gone else ""
        return f"{self.name}: {what} ({shown}{', ...' if len(self.values) > _SHOWN else ''}){missing}."

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"name": self.name, "form": None if self.form is None else self.form.state()}, {**pack(self.values), "counts": self.counts}

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        form = None if state["form"] is None else restore_format(state["form"])
        return cls(str(state["name"]), unpack(arrays), np.asarray(arrays["counts"], np.int64), form)


class NumberColumn(ColumnCode):
    """Normal scores of a number or a date; where cells are missing, or single values are common, a category says which stands first.

    Its id 0 is "a number"; then the score is real, else NaN.
    """

    kind = "number"

    def __init__(
        self,
        names: tuple[str, str],
        form: Format,
        quantiles: Quantiles,
        markers: Sequence[str],
        counts: np.ndarray,
        own: Mapping[float, str],
    ) -> None:
        """`names` of the column and of its category; `markers` the words and common values in the order of their ids, from 1;
        `counts` (1 + markers,) of numbers and of each; `own` the spelling of numbers that `form` writes differently."""
        self.names, self.name, self.form, self.quantiles = names, names[0], form, quantiles
        self.markers, self.counts, self.own = tuple(markers), counts, dict(own)
        gone = tuple(number for number, marker in enumerate(self.markers, 1) if is_missing(marker))
        self.fields = (*([Field(names[1], len(self.markers) + 1, missing=gone)] if self.markers else []), Field(names[0]))
        self._ids = {marker: number for number, marker in enumerate(self.markers, 1)}
        spikes = form.parse(self.markers)
        self._spikes = {float(value): number for number, value in enumerate(spikes, 1) if np.isfinite(value)}
        self._word = next((number for number, value in enumerate(spikes, 1) if np.isnan(value)), 0)
        self._array = _objects([*self.markers, ""])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        values = self.form.parse(texts)
        ids = np.array([self._ids.get(text, 0) for text in texts], dtype=np.int64)
        if self._spikes:
            ids = np.array([self._spikes.get(value, number) for value, number in zip(values.tolist(), ids.tolist(), strict=True)], np.int64)
        ids[(ids == 0) & np.isnan(values)] = self._word
        values[ids > 0] = np.nan
        scores = self.quantiles.encode(values)
        # a word where training had none: nothing says "missing" here, so it is the median
        scores[(ids == 0) & np.isnan(values)] = 0.0
        return np.stack([ids, scores] if self.markers else [scores], 1).astype(np.float32)

    def decode(self, x: np.ndarray) -> np.ndarray:
        out = np.empty(len(x), dtype=object)
        ids = np.zeros(len(x), np.int64)
        if self.markers:
            ids = np.rint(np.nan_to_num(x[:, 0])).clip(0, len(self.markers)).astype(np.int64)
            out[:] = self._array[(ids - 1).clip(min=0)]
        numbers = ids == 0
        values = self.form.snap(self.quantiles.decode(x[numbers, -1]))
        distinct, rows = np.unique(values, return_inverse=True)
        texts = self.form.write(distinct)
        if self.own:
            texts = [self.own.get(value, text) for value, text in zip(distinct.tolist(), texts, strict=True)]
        out[numbers] = _objects(texts)[rows]
        return out

    def unseen(self, texts: Sequence[str]) -> list[str]:
        values = self.form.parse(texts)
        return [text for text, value in zip(texts, values.tolist(), strict=True) if np.isnan(value) and text not in self._ids]

    def describe(self) -> str:
        low, high = self.form.write(self.form.snap(self.quantiles.values[[0, -1]]))
        total = max(1, int(self.counts.sum()))
        shown = ", ".join(f"{label(one)} {count / total:.0%}" for one, count in zip(self.markers, self.counts[1:], strict=True))
        text = f"{self.name}: {self.form.said()}, from {low} to {high}{self.form.caveat()}"
        return text + (f"; values of their own: {shown}." if self.markers else ".")

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays = {key: getattr(self.quantiles, key) for key in _QUANTILES}
        arrays |= {f"marker {key}": array for key, array in pack(self.markers).items()}
        arrays |= {f"own {key}": array for key, array in pack(list(self.own.values())).items()}
        arrays |= {"own": np.array(list(self.own), dtype=np.float64), "counts": self.counts}
        return {"names": list(self.names), "form": self.form.state()}, arrays

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        def packed(what: str) -> tuple[str, ...]:
            return unpack({key: arrays[f"{what} {key}"] for key in ("bytes", "lengths")})

        quantiles = Quantiles(*(np.asarray(arrays[key]) for key in _QUANTILES))
        own = dict(zip(np.asarray(arrays["own"]).tolist(), packed("own"), strict=True))
        name, first = (str(name) for name in state["names"])
        return cls((name, first), restore_format(state["form"]), quantiles, packed("marker"), np.asarray(arrays["counts"]), own)


def label(text: str) -> str:
    """A cell as a sentence shows it."""
    shown = re.sub(r"\s+", " ", text)
    return (shown if len(shown) <= 24 else shown[:23] + "…") if shown.strip() else "(empty)"


def restore_format(state: Mapping[str, Any]) -> Format:
    """The inverse of a format's `state`."""
    return DateFormat.restore(state) if state["kind"] == "date" else NumberFormat.restore(state)


CODES: dict[str, type[ColumnCode]] = {code.kind: code for code in (Unlearnt, CategoryColumn, NumberColumn)}

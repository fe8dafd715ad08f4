"""Demands on a table's columns, such as age>60 or city=Bern|Zug: read, tested on cells, and turned into sets of a codec's fields.

N cells, M numbers, L intervals. A demand is about the text that a column shows: what the codec writes is what is tested.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..core.abilities import Allowed, Among, Within
from ..core.errors import BadInput, Refused, UnknownName
from .table import TableCodec
from .table_columns import CategoryColumn, NumberColumn, is_missing, label
from .table_dates import DateFormat
from .table_numbers import CLIP, Format, NumberFormat
from .table_read import alike, span

SIGNS = (">=", "<=", "!=", "=", ">", "<")
_FURTHEST = int(np.float32(CLIP + 1).view(np.int32))


@dataclass(frozen=True, slots=True)
class Demand:
    """COLUMN SIGN VALUE; `negated`: that it does not hold."""

    column: str
    sign: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        return f"{'not ' if self.negated else ''}{self.column}{self.sign}{self.value}"


def read_demand(text: str, names: Iterable[str]) -> Demand:
    """A demand on one of the columns `names`, the longest name that fits. Raises UnknownName for another column, BadInput where there is
    no sign behind one."""
    names = list(names)
    found = []
    for name in names:
        rest = text.strip()[len(name) :].lstrip()
        sign = next((sign for sign in SIGNS if rest.startswith(sign)), None)
        if sign is not None and text.strip().startswith(name):
            found.append((len(name), Demand(name, sign, rest[len(sign) :].strip())))
    if found:
        return max(found, key=lambda one: one[0])[1]
    ends = [text.index(sign) for sign in SIGNS if sign in text]
    if not ends and text.strip() and not any(text.strip().startswith(name) for name in names):
        raise UnknownName("column", text.strip(), names)
    if not ends or not text[: min(ends)].strip():
        raise BadInput(f"{text!r} is no demand: write COLUMN=VALUE, or another of {' '.join(SIGNS)} in place of =")
    raise UnknownName("column", text[: min(ends)].strip(), names)


class Shown:
    """One column as people see it: demands on it, tested on cells."""

    def __init__(self, name: str, words: Sequence[str], form: Format | None) -> None:
        """`words`: cells that it may hold and that count as such; `form` of all others, None for none."""
        self.name, self.words, self.form = name, list(words), form

    def numbers(self, texts: Sequence[str]) -> np.ndarray:
        """(N,) float64, NaN where a cell is no number or date."""
        return np.full(len(texts), np.nan) if self.form is None else self.form.parse(texts)

    def holds(self, texts: Sequence[str], demand: Demand) -> np.ndarray:
        """(N,) bool: whether cells fulfil a demand. Raises BadInput or UnknownName for a value that the column can't have."""
        words = self.read(demand)[0]
        return self._met(np.array([text in words for text in texts], dtype=bool), self.numbers(texts), demand)

    def hold_numbers(self, numbers: np.ndarray, demands: Sequence[Demand]) -> np.ndarray:
        """(N,) bool: whether numbers, in the column's units, fulfil all demands."""
        found: np.ndarray = np.all([self._met(np.zeros(len(numbers), bool), numbers, demand) for demand in demands], axis=0)
        return found

    def _met(self, found: np.ndarray, numbers: np.ndarray, demand: Demand) -> np.ndarray:
        for low, high in self.read(demand)[1]:
            found = found | ((numbers >= low) & (numbers <= high))
        flip = (demand.sign == "!=") != demand.negated
        turned: np.ndarray = ~found if flip else found
        return turned

    def all_hold(self, texts: Sequence[str], demands: Sequence[Demand]) -> np.ndarray:
        """(N,) bool: whether cells fulfil all of them."""
        found: np.ndarray = np.all([self.holds(texts, demand) for demand in demands], axis=0)
        return found

    def read(self, demand: Demand) -> tuple[frozenset[str], list[tuple[float, float]]]:
        """(texts, intervals of numbers with both ends inside) that a demand names."""
        if demand.sign not in ("=", "!="):
            bound, last = self._measured(demand.value, demand)
            above, beyond = np.nextafter(last, np.inf), np.nextafter(bound, -np.inf)
            return frozenset(), [{">": (above, np.inf), ">=": (bound, np.inf), "<": (-np.inf, beyond), "<=": (-np.inf, last)}[demand.sign]]
        parts = [demand.value] if demand.value in self.words else [part.strip() for part in demand.value.split("|")]
        words: set[str] = set()
        spans: list[tuple[float, float]] = []
        for part in parts:
            if part in self.words:
                words.add(part)
            elif is_missing(part):
                words |= self._gaps(demand)
            elif same := alike(part, self.words):
                words.update(same)
            elif ".." in part and self.form is not None:
                spans.append(self._ends(part, demand))
            else:
                spans.append(self._value(part))
        return frozenset(words), spans

    def _ends(self, text: str, demand: Demand) -> tuple[float, float]:
        """The interval that LOW..HIGH names, either end perhaps open. Raises BadInput where the ends are reversed, or one is none."""
        low, high = (side.strip() for side in text.split("..", 1))
        start = self._measured(low, demand)[0] if low else -math.inf
        end = self._measured(high, demand)[1] if high else math.inf
        if start > end:
            raise BadInput(f"{demand}: {low} is above {high}, so nothing lies between them; the lower end comes first, {high}..{low}")
        return start, end

    def _gaps(self, demand: Demand) -> set[str]:
        gone = {text for text in self.words if is_missing(text)}
        if not gone:
            raise BadInput(f"{demand}: {self.name} has no missing values, so the model writes none")
        return gone

    def _value(self, text: str) -> tuple[float, float]:
        """The interval of one number, or of a whole day. Raises UnknownName or BadInput for what the column doesn't hold."""
        number, last = (math.nan, math.nan) if self.form is None else span(self.form, text)
        if not (last > number or (self.form is not None and self.form.snap(np.array([number]))[0] == number)):
            raise BadInput(f"{text!r} is no value of {self.name}" + ("" if self.form is None else f", which holds {self.form.said()}"))
        return number, last

    def _measured(self, text: str, demand: Demand) -> tuple[float, float]:
        """A bound as numbers in the column's units, from where to where it reaches. Raises BadInput where it is none."""
        if self.form is None:
            meant = f"{demand.sign}{text}"
            hint = f"write {self.name}={meant}" if meant in self.words else "fix them with = or !="
            raise BadInput(f"{demand}: {self.name} holds words, which have no order; {hint}")
        number, last = span(self.form, text)
        if math.isnan(number):
            hint = f" (for at least, write {self.name}>=...)" if text[:1] in ("=", ">", "<") else ""
            raise BadInput(f"{demand}: {text!r} can't be compared with {self.name}, which holds {self.form.said()}{hint}")
        return number, last


class Visible(Shown):
    """One column, and the coded column in which it shows."""

    def __init__(self, codec: TableCodec, name: str) -> None:
        """Raises UnknownName for a column that isn't there, Refused for one that is not learnt, or made of several."""
        self.code, self.place, self.show = codec.view(name)
        if not self.code.fields:
            raise Refused(f"{name} is not learnt, so nothing follows from it: {self.code.describe()}")
        own: tuple[str, ...] = ()
        match self.code:
            case CategoryColumn(values=words) | NumberColumn(markers=words):
                own = words
        shown = [self.show(text) for text in own]
        form: Format | None = getattr(self.code, "form", None)
        if list(own) != shown:
            there = [text for text in dict.fromkeys(shown) if not is_missing(text)]
            form = DateFormat.find(there) or NumberFormat.find(there)
        # what each id shows: of a category all of them, of a number those from 1 on
        super().__init__(name, shown, form)

    def written(self) -> str:
        """Which values there are, in words."""
        if isinstance(self.code, NumberColumn):
            low, high = self.texts(np.array([-CLIP, CLIP], np.float32))
            words = f", or {', '.join(map(label, self.words))}" if self.words else ""
            return f"it goes from {low} to {high}{words}"
        return f"it is one of {', '.join(label(text) for text in self.words[:12])}{', ...' if len(self.words) > 12 else ''}"

    def texts(self, x: np.ndarray) -> list[str]:
        """M cells of a number's codes x (M,) float32."""
        rows = np.zeros((len(x), len(self.code.fields)), np.float32)
        rows[:, -1] = x
        return [self.show(text) for text in self.code.decode(rows).tolist()]

    def boxes(self, demands: Sequence[Demand]) -> list[dict[int, Allowed]]:
        """Boxes, which don't overlap, of the column's fields; none where nothing fulfils all demands."""
        words = self.all_hold(self.words, demands) if self.words else np.zeros(0, bool)
        if not isinstance(self.code, NumberColumn):
            return [{self.place.start: Among(torch.from_numpy(words))}] if words.any() else []
        ends = self._intervals(demands)
        real = Within(torch.from_numpy(ends), bool(self.all_hold(self.texts(np.array([np.nan], np.float32)), demands)[0]))
        number: dict[int, Allowed] = {self.place.stop - 1: real}
        some = len(ends) > 0 or real.missing
        if not self.words:
            return [number] if some else []
        # a gap or a common value stands in the category alone, whatever the number beside it
        first = Among(torch.tensor([True] + [False] * len(words)))
        found: list[dict[int, Allowed]] = [{self.place.start: first, **number}] if some else []
        if words.any():
            found.append({self.place.start: Among(torch.from_numpy(np.append(False, words)))})
        return found

    def _intervals(self, demands: Sequence[Demand]) -> np.ndarray:
        """(L,2) float32: where codes of the number lie whose texts fulfil all demands. Texts rise with codes, so the only places where
        that can change are the first codes that reach a bound."""
        bounds = [bound for demand in demands for low, high in self.read(demand)[1] for bound in (low, np.nextafter(high, np.inf))]
        starts = np.unique(np.concatenate(([-_FURTHEST], self._first(np.array([bound for bound in bounds if np.isfinite(bound)])))))
        starts = starts[starts <= _FURTHEST]
        good = self.all_hold(self.texts(_code(starts)), demands)
        change = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).astype(np.int8)))
        ends = [
            (-np.inf if first == 0 else _code(starts[first]), np.inf if last == len(starts) else _code(starts[last] - 1))
            for first, last in change.reshape(-1, 2).tolist()
        ]
        return np.array(ends, dtype=np.float32).reshape(-1, 2)

    def _first(self, bounds: np.ndarray) -> np.ndarray:
        """(M,) int64: the lowest code, as `_code` counts them, whose number is at least each bound; one beyond the last for none."""
        low, high = np.full(len(bounds), -_FURTHEST), np.full(len(bounds), _FURTHEST + 1)
        while len(bounds) and (low < high).any():
            middle = (low + high) // 2
            reached = self.numbers(self.texts(_code(np.minimum(middle, _FURTHEST)))) >= bounds
            high = np.where((low < high) & reached, middle, high)
            low = np.where((low < high) & ~reached, middle + 1, low)
        return low

    def _value(self, text: str) -> tuple[float, float]:
        """The interval of one number, or of a whole day or minute. Raises UnknownName or BadInput where the model can't write it, with
        the nearest that it can."""
        number, last = (math.nan, math.nan) if self.form is None else span(self.form, text)
        if last > number:
            return number, last
        if isinstance(self.code, NumberColumn) and self.form is not None:
            near = self.texts(self.code.quantiles.encode(np.array([number])).astype(np.float32)) if math.isfinite(number) else []
            if not near or self.form.parse(near)[0] != number:
                nearest = f"; the nearest is {near[0]!r}" if near else f": {self.written()}"
                raise BadInput(f"{text!r} is no value of {self.name} that the model can write{nearest}")
        elif not bool((self.numbers(self.words) == number).any()):
            raise UnknownName(f"value of {self.name}", text, dict.fromkeys(self.words))
        return number, number


def _code(keys: np.ndarray) -> np.ndarray:
    """float32 of whole numbers that count them in their order, 0 for 0."""
    sizes = np.abs(np.asarray(keys, dtype=np.int64)).astype(np.int32).view(np.float32)
    signed: np.ndarray = np.where(np.asarray(keys) < 0, -sizes, sizes).astype(np.float32)
    return signed

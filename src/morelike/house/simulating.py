"""What if: rows of a table's model in which demands come with other shares or a column with another mean, while all else follows.

k demands, G cells: the 2^k ways in which they hold or not, times the bands of a column that is shifted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..data.table import TableCodec
from ..data.table_columns import NumberColumn
from ..data.table_dates import DateFormat, duration
from ..data.table_demands import Demand, Shown, read_demand
from ..data.table_derived import derived, shown_of
from ..data.table_read import measure
from . import asking
from .package import Package
from .sampling import conditions_for, draw
from .tables import Given, Where, opened, split

_MOST = 6
_EDGES = (0.001, 0.01, *(part / 20 for part in range(1, 20)), 0.99, 0.999)
"""Where bands of a shifted column end, as shares of its probability: the top one bounds the means that can be reached."""
_ROWS = 5_000
"""Rows that the change of the other columns is read from, before and after."""
_COUNTED = 1 << 14
"""Rows on which probabilities are counted, where a column is derived."""
_ROUNDS = 2_000
_FEW = 12


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be otherwise."""

    shares: Sequence[str]
    """DEMAND:SHARE or DEMAND:xFACTOR."""
    shift: str | None
    """COLUMN=+NUMBER or COLUMN=-NUMBER, of dates a duration such as +3d."""
    where: Where | None
    seed: int
    dials: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Cell:
    """One way in which the demands hold or not."""

    given: Given
    holds: tuple[bool, ...]
    number: float
    """Mean of the shifted column in it, NaN where it is no number or nothing is shifted."""


def simulate(package: Package, n: int, change: Change, precision: str) -> tuple[np.ndarray, dict[str, Any]]:
    """(rows (n,C), {"shares", "shift", "given", "covered", "kept", "changed", "rows_compared", "noise"}).

    Of all distributions with these shares and this mean the one nearest to the model's (in relative entropy) is drawn from: cells are
    reweighted by iterative scaling (Csiszár 1975), a shifted mean by exponential tilting over at most 24 bands; within a cell rows
    are the model's own. Each cell gets its share of n up to rounding. Raises Refused for a family that can't and for what has no
    probability, UnknownName or BadInput for a demand, share or shift that can't be.
    """
    codec = opened(package, "simulate")[1]
    fixed, before = split(package, change.where)
    if package.conditions:
        raise Refused("simulate reweights the columns of a table; this model is conditioned on " + ", ".join(package.conditions))
    if not change.shares and change.shift is None:
        raise BadInput("nothing is changed: give --set DEMAND:SHARE, as in --set smoker=yes:0.5, or --shift COLUMN=+NUMBER")
    conditions_for(package, 1, fixed, change.seed)
    demands, wanted = zip(*(_share(text, codec.names) for text in change.shares), strict=True) if change.shares else ((), ())
    if len(demands) > _MOST:
        raise BadInput(f"at most {_MOST} shares can be set at once, not {len(demands)}")
    shift = None if change.shift is None else _shift(Given(package, (), before), change.shift, before)
    cells, masses = _cells(package, demands, before, shift)
    held = np.array([cell.holds for cell in cells], dtype=bool).reshape(len(cells), len(demands))
    now = masses @ held
    shares = np.array([share * own if times else share for (share, times), own in zip(wanted, now, strict=True)])
    _check(demands, shares, now)
    lift = np.array([cell.number for cell in cells])
    weights = _scaled(masses, held, shares, lift, None if shift is None else shift.mean + shift.by)
    drawn = [_rows(package, cells, weights, count, change, precision) for count in (n, _ROWS)]
    plain = _rows(package, [_Cell(Given(package, (), before), (), math.nan)], np.ones(1), _ROWS, change, precision)
    whole = [cell.given for cell in cells if cell.given.derived]
    report = {
        "covered": list(dict.fromkeys(one.column for given in whole for one in given.derived)),
        "kept": sum(given.fit for given in whole) / max(1, sum(given.drawn for given in whole)) if whole else None,
        "given": list(map(str, before)),
        "shares": [
            {"demand": str(one), "before": float(old), "asked": float(new), "reached": _obeyed(codec, one, drawn[0])}
            for one, old, new in zip(demands, now, shares, strict=True)
        ],
        "shift": None if shift is None else shift.said(drawn[0]),
        **_changed(codec, plain, drawn[1], {*(one.column for one in demands), *(() if shift is None else (shift.visible.name,))}),
    }
    return drawn[0], report


def _share(text: str, names: Sequence[str]) -> tuple[Demand, tuple[float, bool]]:
    """(demand, (share or factor, whether it is a factor))."""
    demand, colon, number = text.rpartition(":")
    plain = number.strip().removeprefix("x").removesuffix("%")
    try:
        share = float(plain) / (100 if number.strip().endswith("%") else 1)
    except ValueError:
        share = math.nan
    times = number.strip().startswith("x")
    if not colon or not share >= 0 or math.isinf(share) or (not times and share > 1):
        raise BadInput(f"{text!r} is no share: write DEMAND:SHARE with a share from 0 to 1, as in smoker=yes:0.5, or :x2 for twice as many")
    return read_demand(demand, names), (share, times)


@dataclass(frozen=True, slots=True)
class _Shift:
    """A column whose mean moves."""

    visible: Shown
    mean: float
    """Under the model, in the column's units."""
    by: float
    bands: list[tuple[Demand, float]]
    """Demands that part the column, and the mean of each; NaN for what is no number."""
    place: int
    """The column's number."""

    def said(self, rows: np.ndarray) -> dict[str, Any]:
        """{"column", "before", "asked", "reached"}: its means, the last one in rows (N,C)."""
        column = self.visible
        reached = float(np.nanmean(column.numbers(rows[:, self.place].tolist())))
        means = {"before": self.mean, "asked": self.mean + self.by, "reached": reached}
        return {"column": column.name, **{name: asking.as_text(column, number) for name, number in means.items()}}


def _shift(given: Given, text: str, before: Sequence[Demand]) -> _Shift:
    """What --shift says. Raises BadInput for a column that has no numbers or dates, or for no number or duration."""
    demand = read_demand(text, given.codec.names)
    visible = shown_of(given.codec, demand.column)
    form = visible.form
    if form is None or demand.sign != "=":
        raise BadInput(f"--shift {text}: it takes COLUMN=+NUMBER, of a column of numbers or dates, as in --shift age=+5")
    by = duration(demand.value) * form.per_day if isinstance(form, DateFormat) else measure(form, demand.value.removeprefix("+"))
    if not math.isfinite(by):
        kind = "duration (3d, 2h, 30min, or a number of days)" if isinstance(form, DateFormat) else "number"
        raise BadInput(f"--shift {text}: {demand.value!r} is no {kind}")
    texts, weights = asking.numbers_under(given, visible)
    numbers = visible.numbers(texts)
    order = np.argsort(numbers, kind="stable")
    texts, numbers, weights = [texts[row] for row in order], numbers[order], weights[order]
    middle = weights.cumsum() - weights / 2
    group = np.searchsorted(_EDGES, middle / weights.sum(), side="right")
    # one number is never parted
    group = np.maximum.accumulate(np.where(np.append(True, np.diff(numbers) > 0), group, 0))
    bands = []
    for number in np.unique(group):
        own = np.flatnonzero(group == number)
        inside = Demand(visible.name, "=", f"{texts[own[0]]}..{texts[own[-1]]}")
        bands.append((inside, float((numbers * weights)[own].sum() / weights[own].sum())))
    low, high = numbers[0], numbers[-1]
    mean = float((numbers * weights).sum() / weights.sum())
    if not bands[0][1] < mean + by < bands[-1][1]:
        ends = (asking.as_text(visible, float(number)) for number in (low, high, mean, bands[0][1], bands[-1][1]))
        raise BadInput(
            "--shift {}: {} goes from {} to {}, with a mean of {}; the smallest mean that can be reached is {}, the largest {}".format(
                text, visible.name, *ends
            )
        )
    whole = Demand(visible.name, "=", f"{texts[0]}..{texts[-1]}", negated=True)
    return _Shift(visible, mean, by, [*bands, (whole, math.nan)], given.codec.names.index(visible.name))


def _cells(
    package: Package, demands: Sequence[Demand], before: Sequence[Demand], shift: _Shift | None
) -> tuple[list[_Cell], np.ndarray]:
    """(cells that have a probability, their probabilities (G,) given `before`): the model's own, or where one is about a derived column
    counted on 16,384 rows."""
    alone = Given(package, (), before)
    bands = [(None, math.nan)] if shift is None else shift.bands
    named = [*before, *demands, *(band for band, _ in bands if band is not None)]
    counted: dict[str, np.ndarray] | None = None
    if any(derived(alone.codec, one.column) for one in named):
        counted = alone.codec.shown(alone.rows(enough=_COUNTED), list(dict.fromkeys(one.column for one in named)))
    cells, masses = [], []
    for holds in itertools.product((True, False), repeat=len(demands)):
        own = [one if held else replace(one, negated=True) for one, held in zip(demands, holds, strict=True)]
        for band, number in bands:
            given = Given(package, own if band is None else [*own, band], before, empty=True)
            mass = given.chance() if counted is None else float(given.obeying(counted, given.demands).mean())
            if mass > 0:
                cells.append(_Cell(given, holds, number))
                masses.append(mass)
    if not cells:
        raise Refused(f"the model gives {' and '.join(map(str, before))} no probability")
    return cells, np.array(masses) / sum(masses)


def _check(demands: Sequence[Demand], shares: np.ndarray, now: np.ndarray) -> None:
    for demand, share, own in zip(demands, shares, now, strict=True):
        if share > 1:
            raise BadInput(f"{demand} has a share of {own:.4g} already: {share / own:.4g} times as much is more than everything")
        if (share > 0 and own == 0) or (share < 1 and own == 1):
            raise Refused(f"{demand} has a share of {own:.0f} under the model, and there is nothing to draw the rest from")


def _scaled(masses: np.ndarray, held: np.ndarray, shares: np.ndarray, lift: np.ndarray, target: float | None) -> np.ndarray:
    """(G,) weights nearest to `masses` in relative entropy with these shares of `held` (G,k) and this mean of `lift` (G,), which is over
    the cells that have a number alone. Raises BadInput where there are none."""
    weights, there = masses.copy(), np.isfinite(lift)
    for _ in range(_ROUNDS):
        for own, share in zip(held.T, shares, strict=True):
            for side, wanted in ((own, share), (~own, 1 - share)):
                total = weights[side].sum()
                weights[side] *= wanted / total if total > 0 else 0.0
        if target is not None:
            weights[there] = _tilted(weights[there], lift[there], target)
        error = np.abs(weights @ held - shares).max(initial=abs(weights.sum() - 1))
        if error < 1e-9 and (target is None or abs(np.average(lift[there], weights=weights[there]) - target) < 1e-6 * np.ptp(lift[there])):
            return weights
    what = "these shares" if target is None else "these shares and this mean"
    raise BadInput(f"{what} can't all be reached together: one of them rules out another")


def _tilted(weights: np.ndarray, numbers: np.ndarray, mean: float) -> np.ndarray:
    """weights * exp(t * number), of the same sum and with this mean; t by bisection."""
    scaled = (numbers - numbers.min()) / max(np.ptp(numbers), 1e-300)
    low, high = -1e4, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        own = weights * np.exp(middle * scaled - max(0.0, middle))
        low, high = (middle, high) if own @ numbers < mean * own.sum() else (low, middle)
    tilted: np.ndarray = own * (weights.sum() / own.sum())
    return tilted


def _rows(package: Package, cells: Sequence[_Cell], weights: np.ndarray, n: int, change: Change, precision: str) -> np.ndarray:
    """(n,C) rows, of each cell its share of n up to rounding, in random order."""
    exact = n * weights
    counts = np.floor(exact + 1e-9).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: n - counts.sum()]] += 1
    places = Noise(change.seed, n, path=("simulate",)).uniform(()).argsort(stable=True)
    cell = torch.empty(n, dtype=torch.int64)
    cell[places] = torch.repeat_interleave(torch.arange(len(cells)), torch.from_numpy(counts))

    def by(condition: Mapping[str, Tensor], noise: Noise, dials: Mapping[str, Any]) -> Tensor:
        own = cell[noise.index.cpu().clamp(max=n - 1)].to(noise.index.device)
        out: Tensor | None = None
        for number in own.unique().tolist():  # type: ignore[no-untyped-call]
            rows = (own == number).nonzero()[:, 0]
            drawn = cells[number].given.sample({}, noise[rows], dials, n)
            out = drawn.new_zeros(noise.size, drawn.shape[1]) if out is None else out
            out[rows] = drawn
        assert out is not None
        return out

    x = draw(package.model, n, seed=change.seed, precision=precision, dials=change.dials, by=by)
    return np.asarray(package.codec.decode(x.numpy()))


def _obeyed(codec: TableCodec, demand: Demand, rows: np.ndarray) -> float:
    return float(shown_of(codec, demand.column).holds(rows[:, codec.names.index(demand.column)].tolist(), demand).mean())


def _changed(codec: TableCodec, before: np.ndarray, after: np.ndarray, left_out: set[str]) -> dict[str, Any]:
    """{"changed": [{"column", "value" (None for a mean), "before", "after", "effect"}], "rows_compared", "noise"}: of each other column
    what moved most, in standard deviations, as far as it is beyond the noise."""
    found = []
    noise = 3 * math.sqrt(2 / len(before))
    for number, name in enumerate(codec.names):
        if name in left_out:
            continue
        try:
            visible = shown_of(codec, name)
        except Refused:
            # not learnt
            continue
        moved = _moved(visible, before[:, number].tolist(), after[:, number].tolist())
        if moved and moved[0]["effect"] > noise:
            found.append({"column": name, **moved[0]})
    found.sort(key=lambda one: -one["effect"])
    return {"changed": found, "rows_compared": len(before), "noise": noise}


def _moved(visible: Shown, before: list[str], after: list[str]) -> list[dict[str, Any]]:
    """Each value's share and the mean, before and after, what moved most first."""
    found: list[dict[str, Any]] = []
    numbers = [visible.numbers(texts) for texts in (before, after)]
    if isinstance(getattr(visible, "code", None), NumberColumn) or len(set(before)) > _FEW:
        means = [float(np.nanmean(own)) if np.isfinite(own).any() else math.nan for own in numbers]
        spread = float(np.nanstd(np.concatenate(numbers))) if np.isfinite(means).all() else math.nan
        if spread > 0:
            texts = [asking.as_text(visible, mean) for mean in means]
            found.append({"value": None, "before": texts[0], "after": texts[1], "effect": abs(means[1] - means[0]) / spread})
    for word in dict.fromkeys(visible.words):
        old, new = (float(np.mean([text == word for text in texts])) for texts in (before, after))
        spread = math.sqrt((old + new) / 2 * (1 - (old + new) / 2))
        if spread > 0:
            found.append({"value": word, "before": old, "after": new, "effect": abs(new - old) / spread})
    return sorted(found, key=lambda one: -one["effect"])

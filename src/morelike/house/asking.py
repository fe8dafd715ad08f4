"""Questions to a table's model: how probable something is under demands, and how a column is distributed under them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Allowed, Among, Narrows
from ..core.errors import BadInput, Refused
from ..core.spec import lift_all
from ..data.table_columns import CategoryColumn, NumberColumn
from ..data.table_demands import Demand, Shown, Visible, read_demand
from ..data.table_derived import shown_of
from ..data.table_numbers import NumberFormat
from ..judges.intervals import Measure, wilson
from .package import Package
from .sampling import fixed_conditions
from .tables import Given, Where, opened, split

_TRIES = 8
"""Independent estimates where the model's probability is one."""
_T = 2.365
"""97.5% point of Student's distribution with 7 degrees of freedom."""


def ask(package: Package, events: Sequence[str], where: Where | None = None) -> dict[str, Any]:
    """`distribution` of a column that `events` names alone, else `chance` that all the events hold. Raises Refused for a family that
    can't, UnknownName, BadInput or Refused for columns and values."""
    codec = opened(package, "ask")[1]
    if not events:
        raise BadInput('there is nothing to ask: name a column, or an event such as "age>60"')
    fixed, before = split(package, where)
    condition = lift_all(package.model.conditions, fixed_conditions(package, fixed))
    condition = {name: value.to(package.model.device) for name, value in condition.items()}
    if len(events) == 1 and events[0] in codec.names:
        return distribution(package, events[0], before, condition)
    return chance(package, [read_demand(text, codec.names) for text in events], before, condition)


def chance(package: Package, events: Sequence[Demand], before: Sequence[Demand], condition: Mapping[str, Tensor]) -> dict[str, Any]:
    """{"event", "given", "probability", "exact", "interval", "kept", "given_probability", "rows", "counted_interval"}.

    `interval`: 95%, of the estimate's own error; None where the probability is the model's own. Where boxes cover demands on derived
    columns it is that of the shares that fit (Wilson's intervals, put together), where boxes are estimates themselves Student's, over 8
    independent ones. `rows`: training rows that meet the demands, as many as the model expects; `counted_interval`: what a share counted
    on so many rows is good to (Wilson), for the model's own error is not known.
    """
    both, alone = Given(package, events, before, empty=True), Given(package, (), before)
    value, interval = _ratio(both, alone, condition, 0), None
    if both.sure and alone.sure and not (both.exact and alone.exact):
        found = quotient(both.measured(condition), alone.measured(condition) if before else Measure(1.0, 1.0, 1.0))
        interval = [found.low, found.high]
    elif not (both.exact and alone.exact):
        ratios = [value, *(_ratio(both, alone, condition, seed) for seed in range(1, _TRIES))]
        value, half = float(np.mean(ratios)), _T * float(np.std(ratios, ddof=1)) / math.sqrt(_TRIES)
        interval = [max(0.0, value - half), min(1.0, value + half)]
    found_of = _said(alone, before, condition, interval is None)
    counted = wilson(min(1.0, value), max(1, round(found_of["rows"])))
    kept = [len(own.fit) / own.drawn for given in (both, alone) if (own := given.tried(condition) if given.derived else None)]
    return {
        "event": list(map(str, events)), **found_of, "probability": value, "interval": interval,
        "kept": min(kept, default=None), "counted_interval": [counted.low, counted.high],
    }  # fmt: skip


def quotient(above: Measure, below: Measure) -> Measure:
    """A share over a larger one's, both with 95% intervals, with its own: their logarithms' distances, squared and added (Zou and Donner
    2008, "Construction of confidence limits about effect measures: a general approach")."""
    value = min(1.0, above.value / below.value)
    low, high = (above.low or 0.0, above.high or 0.0), (below.low or 0.0, below.high or 0.0)
    if not above.value > 0:
        return Measure(0.0, 0.0, min(1.0, low[1] / high[0]) if high[0] > 0 else 1.0)
    down = math.hypot(math.log(above.value / low[0]), math.log(high[1] / below.value))
    up = math.hypot(math.log(low[1] / above.value), math.log(below.value / high[0]))
    return Measure(value, value * math.exp(-down), min(1.0, value * math.exp(up)))


def _ratio(both: Given, alone: Given, condition: Mapping[str, Tensor], seed: int) -> float:
    """P(event and demands) / P(demands)."""
    whole = alone.chance(condition, seed) if alone.demands else 1.0
    if not whole > 0:
        raise Refused(f"the model gives {' and '.join(map(str, alone.demands))} no probability, so nothing follows from it")
    return min(1.0, both.chance(condition, seed) / whole) if both.boxes else 0.0


def _said(alone: Given, before: Sequence[Demand], condition: Mapping[str, Tensor], exact: bool) -> dict[str, Any]:
    """What every answer says of the demands."""
    whole = alone.chance(condition) if before else 1.0
    counts = next(column.counts for column in alone.codec.columns if isinstance(column, CategoryColumn | NumberColumn))
    return {"given": list(map(str, before)), "given_probability": whole, "exact": exact, "rows": whole * float(counts.sum())}


def distribution(package: Package, name: str, before: Sequence[Demand], condition: Mapping[str, Tensor]) -> dict[str, Any]:
    """{"column", "given", "given_probability", "exact", "rows", "drawn", "values": {text: probability}, the likeliest first,
    "numbers"}.

    `drawn`: how many rows it is counted on; None where it isn't.
    `values` of a number are its gaps and common values alone. `numbers`: {"probability", "mean", "quartiles": [3 texts]} of all that can
    be counted, from the model's probabilities of small parts of its range; None for words.
    """
    alone = Given(package, (), before)
    visible = shown_of(alone.codec, name)
    words, numbers, weights, exact = _any_spread(alone, visible, condition)
    found = _said(alone, before, condition, exact)
    found["drawn"] = None if isinstance(visible, Visible) and not alone.derived else len(alone.rows(condition))
    numbers, weights = [*words, *numbers], np.array([*words.values(), *weights])
    own = visible.numbers(numbers)
    there = np.isfinite(own) & (weights > 0)
    order = np.argsort(own[there], kind="stable")
    texts, own, weights = [numbers[row] for row in np.flatnonzero(there)[order]], own[there][order], weights[there][order]
    summary = None
    if len(own):
        reach = weights.cumsum() / weights.sum()
        quartiles = [texts[min(int(np.searchsorted(reach, share)), len(texts) - 1)] for share in (0.25, 0.5, 0.75)]
        mean = as_text(visible, float((own * weights).sum() / weights.sum()))
        summary = {"probability": float(weights.sum()), "mean": mean, "quartiles": quartiles}
    ranked = dict(sorted(words.items(), key=lambda one: -one[1]))
    return {"column": name, **found, "values": ranked, "numbers": summary}


def numbers_under(alone: Given, visible: Shown) -> tuple[list[str], np.ndarray]:
    """(texts of what can be counted in a column, their probabilities), under demands, gaps left out."""
    words, texts, weights, _ = _any_spread(alone, visible, {})
    texts, weights = [*words, *texts], np.array([*words.values(), *weights])
    there = np.isfinite(visible.numbers(texts)) & (weights > 0)
    if not there.any():
        raise BadInput(f"{visible.name} has no numbers under these demands")
    return [texts[row] for row in np.flatnonzero(there)], weights[there]


def _any_spread(alone: Given, visible: Shown, condition: Mapping[str, Tensor]) -> tuple[dict[str, float], list[str], np.ndarray, bool]:
    """As `_spread`; counted on rows where the column is derived, or a demand is on one that is."""
    if isinstance(visible, Visible) and not alone.derived:
        with torch.inference_mode():
            return _spread(alone, visible, condition)
    rows = alone.codec.shown(alone.rows(condition), [visible.name])[visible.name]
    counts = {text: count / len(rows) for text, count in Counter(rows.tolist()).items()}
    words = {text: counts.get(text, 0.0) for text in visible.words}
    texts = [text for text in counts if text not in words]
    return words, texts, np.array([counts[text] for text in texts]), False


def _spread(
    alone: Given, visible: Visible, condition: Mapping[str, Tensor]
) -> tuple[dict[str, float], list[str], np.ndarray, bool]:  # fmt: skip
    """(word -> probability, texts of numbers, their probabilities, whether all of it is exact)."""
    boxes = alone.narrowed(condition) if alone.demands else [alone.model.narrow({}, condition)]
    masses = np.exp([box.log_mass for box in boxes])
    if not masses.sum() > 0:
        raise Refused(f"the model gives {' and '.join(map(str, alone.demands))} no probability, so nothing follows from it")
    start, last = visible.place.start, visible.place.stop - 1
    words: dict[str, float] = {}
    texts: list[str] = []
    weights: list[np.ndarray] = []
    exact = True
    for box, allow, mass in zip(boxes, alone.boxes or [{}], masses / masses.sum(), strict=True):
        exact = exact and box.exact
        if not mass > 0:
            continue
        share = mass
        if visible.words:
            ids = mass * box.marginal(start)[1].cpu().numpy()
            number = isinstance(visible.code, NumberColumn)
            for text, chance in zip(visible.words, ids[number:], strict=True):
                words[text] = words.get(text, 0.0) + float(chance)
            share = float(ids[0]) if number else 0.0
        if share > 0:
            real = box if not visible.words else _numbers_of(alone.model, allow, start, len(visible.words), condition)
            values, own = (part.cpu().numpy() for part in real.marginal(last))
            texts += visible.texts(values)
            weights.append(share * own)
            exact = exact and real.exact
    return words, texts, np.concatenate(weights) if weights else np.zeros(0), exact


def _numbers_of(model: Narrows, allow: Mapping[int, Allowed], place: int, count: int, condition: Mapping[str, Tensor]) -> Any:
    """The model under a box in which a column is a number besides, and none of its `count` words."""
    return model.narrow({**allow, place: Among(torch.tensor([True] + [False] * count))}, condition)


def as_text(visible: Shown, number: float) -> str:
    """A mean as people read it: a date as a date, a number with three digits more than its column."""
    if isinstance(visible.form, NumberFormat):
        return f"{number / 10.0 ** (0 if visible.form.digits else visible.form.decimals):.6g}"
    assert visible.form is not None
    return visible.form.write(visible.form.snap(np.array([number])))[0]

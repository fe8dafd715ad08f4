"""Questions to a table's model: how probable something is under demands, and how a column is distributed under them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Allowed, Among, Narrows
from ..core.errors import BadInput, Refused
from ..core.spec import lift_all
from ..data.table_columns import CategoryColumn, NumberColumn
from ..data.table_demands import Demand, Visible, read_demand
from ..data.table_numbers import NumberFormat
from ..judges.intervals import wilson
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
    """{"event", "given", "probability", "exact", "interval", "given_probability", "rows", "counted_interval"}.

    `interval`: 95%, of the estimate's own error (Student's, over 8 independent ones); None where the probability is the model's own.
    `rows`: training rows that meet the demands, as many as the model expects; `counted_interval`: what a share counted on so many
    rows is good to (Wilson), for the model's own error is not known.
    """
    both, alone = Given(package, events, before, empty=True), Given(package, (), before)
    ratios = [_ratio(both, alone, condition, 0)]
    exact = both.exact and alone.exact
    if not exact:
        ratios += [_ratio(both, alone, condition, seed) for seed in range(1, _TRIES)]
    value = float(np.mean(ratios))
    half = 0.0 if exact else _T * float(np.std(ratios, ddof=1)) / math.sqrt(_TRIES)
    found = _said(alone, before, condition, exact)
    counted = wilson(min(1.0, value), max(1, round(found["rows"])))
    return {
        "event": list(map(str, events)), **found, "probability": value,
        "interval": None if exact else [max(0.0, value - half), min(1.0, value + half)],
        "counted_interval": [counted.low, counted.high],
    }  # fmt: skip


def _ratio(both: Given, alone: Given, condition: Mapping[str, Tensor], seed: int) -> float:
    """P(event and demands) / P(demands)."""
    whole = alone.chance(condition, seed) if alone.demands else 1.0
    if not whole > 0:
        raise Refused(f"the model gives {' and '.join(map(str, alone.demands))} no probability, so nothing follows from it")
    return both.chance(condition, seed) / whole


def _said(alone: Given, before: Sequence[Demand], condition: Mapping[str, Tensor], exact: bool) -> dict[str, Any]:
    """What every answer says of the demands."""
    whole = alone.chance(condition) if before else 1.0
    counts = next(column.counts for column in alone.codec.columns if isinstance(column, CategoryColumn | NumberColumn))
    return {"given": list(map(str, before)), "given_probability": whole, "exact": exact, "rows": whole * float(counts.sum())}


def distribution(package: Package, name: str, before: Sequence[Demand], condition: Mapping[str, Tensor]) -> dict[str, Any]:
    """{"column", "given", "given_probability", "exact", "rows", "values": {text: probability}, the likeliest first, "numbers"}.

    `values` of a number are its gaps and common values alone. `numbers`: {"probability", "mean", "quartiles": [3 texts]} of all that can
    be counted, from the model's probabilities of small parts of its range; None for words.
    """
    alone = Given(package, (), before)
    visible = Visible(alone.codec, name)
    with torch.inference_mode():
        words, numbers, weights, exact = _spread(alone, visible, condition)
    found = _said(alone, before, condition, exact)
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


def numbers_under(alone: Given, visible: Visible) -> tuple[list[str], np.ndarray]:
    """(texts of what can be counted in a column, their probabilities), under demands, gaps left out."""
    with torch.inference_mode():
        words, texts, weights, _ = _spread(alone, visible, {})
    texts, weights = [*words, *texts], np.array([*words.values(), *weights])
    there = np.isfinite(visible.numbers(texts)) & (weights > 0)
    if not there.any():
        raise BadInput(f"{visible.name} has no numbers under these demands")
    return [texts[row] for row in np.flatnonzero(there)], weights[there]


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


def as_text(visible: Visible, number: float) -> str:
    """A mean as people read it: a date as a date, a number with three digits more than its column."""
    if isinstance(visible.form, NumberFormat):
        return f"{number / 10.0 ** (0 if visible.form.digits else visible.form.decimals):.6g}"
    assert visible.form is not None
    return visible.form.write(visible.form.snap(np.array([number])))[0]

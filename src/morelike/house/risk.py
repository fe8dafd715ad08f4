"""What if, for series: paths under stress, and what a weighted sum of channels may lose on them. Numbers on data, never advice.

n paths, N steps ahead, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.errors import BadInput, UnknownName
from ..core.noise import Noise
from ..data.series_items import Series
from ..maths.backtest import expected_shortfall, value_at_risk
from ..tasks.forecasting import complete, spread_out
from .forecasting import Completed
from .series_view import View

if TYPE_CHECKING:
    from .model import Model

Floats = NDArray[np.float64]
LEVELS = (0.95, 0.99)
_WILDEST = 100.0


@dataclass(frozen=True, slots=True)
class Stress:
    """What is to be otherwise."""

    shifts: Sequence[str] = ()
    """COLUMN=+NUMBER, COLUMN=-NUMBER or COLUMN=xFACTOR."""
    volatility: float = 1.0
    """By how much paths stray further from their median."""
    weights: str | None = None
    """COLUMN=NUMBER with commas between."""
    levels: Sequence[float] = LEVELS

    def shift_of(self, names: Sequence[str]) -> dict[int, tuple[float, bool]]:
        """Channel -> (number, whether it is a factor). Raises BadInput, or UnknownName for a column that isn't there."""
        found = {}
        for text in self.shifts:
            name, sign, number = text.rpartition("=")
            value = _number(number.strip().removeprefix("x"))
            if not sign or not math.isfinite(value) or (number.strip().startswith("x") and value <= 0):
                raise BadInput(f"--shift {text}: it takes COLUMN=+NUMBER, COLUMN=-NUMBER or COLUMN=xFACTOR, as in --shift {names[0]}=x1.1")
            found[_channel(name, names)] = (value, number.strip().startswith("x"))
        return found

    def weights_of(self, names: Sequence[str]) -> Floats:
        """(C,). Raises BadInput, or UnknownName for a column that isn't there."""
        out = np.zeros(len(names))
        for part in (self.weights or "").split(","):
            name, sign, number = part.rpartition("=")
            value = _number(number)
            if not sign or not math.isfinite(value):
                raise BadInput(f"--weights {self.weights!r} is no list of COLUMN=NUMBER, as in --weights {names[0]}=1")
            out[_channel(name, names)] = value
        return out

    def check(self) -> None:
        """Raises BadInput for numbers out of range."""
        if not 0 <= self.volatility <= _WILDEST:
            raise BadInput(f"--volatility is a factor from 0 to {_WILDEST:g}, not {self.volatility:g}")
        for level in self.levels:
            if not 0.5 <= level < 1:
                raise BadInput(f"--level is a share from 0.5 to below 1, such as 0.99, not {level:g}")


@dataclass(frozen=True, slots=True, eq=False)
class Stressed:
    """Paths, plain and under stress."""

    plain: Completed
    stressed: Completed
    risk: dict[str, Any] | None
    notes: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """JSON values: of each channel the median at the last step, before and after."""
        names, last = self.plain.item.names, -1
        ends = [
            {"column": name, "known": _last(self.plain.item, number), "median": float(self.plain.median[last, number]),
             "stressed": float(self.stressed.median[last, number])}
            for number, name in enumerate(names)
        ]  # fmt: skip
        return {"n": len(self.plain.paths), "ends": ends, "risk": self.risk, "notes": self.notes}


def stressed(
    model: Model, plain: Completed, ahead: int, asked: Stress, where: Mapping[str, Any] | None, seed: int, steps: int
) -> Stressed:
    """`stress` by a model in the user's hands. Raises BadInput where there is nothing to go on to."""
    if ahead < 1:
        raise BadInput("a scenario needs a number of steps: ahead from 1 on")
    return stress(View.of(model.package, "have scenarios", where), plain, ahead, asked, seed, steps)


def stress(view: View, plain: Completed, ahead: int, asked: Stress, seed: int, steps: int) -> Stressed:
    """Paths of which some channels are shifted, all others drawn given these, each path spread out from the median by `volatility`; and
    what the weighted sum of the channels gains or loses from the last known step to the last one ahead.

    A shift grows evenly over the steps ahead and is whole at the last. Raises BadInput for what can't be.
    """
    asked.check()
    names = plain.item.names
    shifts = asked.shift_of(names)
    moved = plain.paths.copy()
    share = np.arange(1, ahead + 1) / ahead
    for channel, (value, times) in shifts.items():
        own = moved[:, -ahead:, channel]
        moved[:, -ahead:, channel] = own * (1 + (value - 1) * share) if times else own + value * share
    if shifts and len(shifts) < len(names):
        moved = _followed(view, plain, moved, list(shifts), ahead, seed, steps)
    if asked.volatility != 1:
        moved[:, -ahead:] = spread_out(moved[:, -ahead:], np.full((1, 1), asked.volatility))
    found = Completed(plain.item, moved, plain.level, plain.calibrated, [])
    risk = None if asked.weights is None else _risk(plain, found, ahead, asked.weights_of(names), asked.levels)
    return Stressed(plain, found, risk, list(plain.notes))


def _followed(view: View, plain: Completed, moved: Floats, shifted: list[int], ahead: int, seed: int, steps: int) -> Floats:
    """(n,L,C) paths whose other channels are drawn anew ahead, given the shifted ones."""
    item, length = plain.item, len(plain.item)
    rows = []
    for path in moved:
        given = path.copy()
        given[length - ahead :, [channel for channel in range(len(item.names)) if channel not in shifted]] = np.nan
        rows.append(view.levels(Series(given, item.names, item.times)))
    known = rows[0][1]
    noise = Noise(seed, len(rows), path=("stress",)).to(view.model.device)
    drawn = complete(view.how(steps), torch.stack([one for one, _ in rows]).to(view.model.device), known.to(view.model.device), noise=noise)
    out = moved.copy()
    values = view.values(drawn.double().cpu().numpy())
    gone = ~known[: len(item.names)].numpy().T
    out[:, gone] = values[:, gone]
    return out


def _risk(plain: Completed, stressed: Completed, ahead: int, weights: Floats, levels: Sequence[float]) -> dict[str, Any]:
    """{"value": of the sum now, "levels": [{"level", "value_at_risk", "expected_shortfall", and both under stress}]}, losses positive."""
    now = np.array([_last(plain.item, channel) for channel in range(len(weights))])
    gains = [(one.paths[:, -1] - now) @ weights for one in (plain, stressed)]
    rows = []
    for level in levels:
        if len(gains[0]) * (1 - level) < 1:
            enough = math.ceil(10 / (1 - level))
            raise BadInput(f"{len(gains[0]):,} paths are too few to say what is lost at {level:g}: draw {enough:,} (-n)")
        before, after = ((float(value_at_risk(own, level)), float(expected_shortfall(own, level))) for own in gains)
        rows.append({
            "level": level, "value_at_risk": before[0], "expected_shortfall": before[1], "stressed_value_at_risk": after[0],
            "stressed_expected_shortfall": after[1],
        })  # fmt: skip
    return {"value": float(now @ weights), "steps": ahead, "levels": rows}


def _last(item: Series, channel: int) -> float:
    column = item.values[:, channel]
    return float(column[np.isfinite(column)][-1])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _channel(name: str, names: Sequence[str]) -> int:
    if name.strip() not in names:
        raise UnknownName("column", name.strip(), names)
    return list(names).index(name.strip())



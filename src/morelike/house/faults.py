"""The verb `detect` for series: values that a model finds odd given all around them, with a threshold from sound data.

L steps, C channels, T steps of a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import BadInput
from ..core.noise import Noise
from ..data.series_items import Series
from ..tasks.faults import DRAWS, FAULTS, Usual, residuals
from ..tasks.forecasting import complete
from .audience import Audience
from .series_view import View

Floats = NDArray[np.float64]
RATE = 0.01
_SHOWN = 10
_ENOUGH = 8
"""Windows of sound data below which thresholds mean little (one window of 288 rows: 16 % of sound values were alarms instead of 1 %)."""
_MOST_SOUND = 4096
"""Steps of sound data that residuals are held against."""


@dataclass(slots=True, eq=False)
class Faults:
    """Every value of a series and how odd it is."""

    item: Series
    scores: Floats
    """(L,C) nats; NaN where the value is missing."""
    kinds: NDArray[np.int64]
    """(L,C) numbers of `tasks.faults.FAULTS`."""
    rate: float
    notes: list[str] = field(default_factory=list)

    @property
    def threshold(self) -> float:
        """Scores above it are alarms."""
        return float(-np.log(self.rate))

    def alarms(self) -> list[dict[str, Any]]:
        """Runs of alarms of one column, the highest scores first: {"column", "first", "last" (rows from 1 on), "fault", "score"}."""
        found = []
        high = np.nan_to_num(self.scores) > self.threshold
        for channel, name in enumerate(self.item.names):
            edges = np.flatnonzero(np.diff(np.concatenate([[False], high[:, channel], [False]]).astype(int))).reshape(-1, 2)
            for start, stop in edges.tolist():
                top = start + int(self.scores[start:stop, channel].argmax())
                fault = FAULTS[int(self.kinds[top, channel])]
                score = float(self.scores[top, channel])
                found.append({"column": name, "first": start + 1, "last": stop, "fault": fault, "score": score})
        return sorted(found, key=lambda one: -one["score"])

    def summary(self) -> dict[str, Any]:
        """JSON values."""
        alarms = self.alarms()
        share = float((np.nan_to_num(self.scores) > self.threshold).mean())
        return {"steps": len(self.item), "rate": self.rate, "threshold": self.threshold, "share": share, "alarms": len(alarms),
                "top": alarms[:_SHOWN], "notes": self.notes}  # fmt: skip


def detect(
    view: View, given: Any, rate: float, audience: Audience, held_out: Callable[[], Sequence[Series]], *, seed: int = 0, draws: int = DRAWS
) -> Faults:
    """How odd each value of a series is. `held_out` gives sound data of the same sort: its residuals say what is usual.

    Raises BadInput for a series shorter than a window, a rate that can't be, or without sound data.
    """
    if not 0 < rate <= 0.5:
        raise BadInput(f"--rate is the share of sound values that may be alarms, above 0 and at most 0.5, not {rate:g}")
    item = view.known(given)
    if len(item) < view.codec.window:
        raise BadInput(f"the series has {len(item)} rows, and the model looks at windows of {view.codec.window}")
    sound = [one for one in held_out() if len(one) >= view.codec.window]
    if not sound:
        raise BadInput("what is usual is learnt from the validation part of the model's data: say where it lies with --data")
    found = [_residuals(view, one.part(0, _MOST_SOUND), audience, "what is usual", seed, draws) for one in sound[:8]]
    usual = Usual.of(np.concatenate(found, 2))
    scores, kinds = usual.scores(_residuals(view, item, audience, "looking for faults", seed, draws))
    missing = np.isnan(item.values)
    out = Faults(item, np.where(missing, np.nan, scores.T), kinds.T, rate)
    windows = sum(len(one) for one in sound) / view.codec.window
    if windows < _ENOUGH:
        out.notes.append(
            f"what is usual is read from {windows:.0f} windows of sound data: alarms will be many more than --rate says; train with a "
            "shorter codec.window, or give more data"
        )
    if missing.any():
        out.notes.append(f"{int(missing.sum()):,} missing values are drawn, and not scored")
    return out


def _residuals(view: View, item: Series, audience: Audience, what: str, seed: int, draws: int) -> Floats:
    """(4,C,L)."""
    levels, known = (one.to(view.model.device) for one in view.levels(item))
    how = view.how()
    noise = Noise(seed, draws, path=("detect",)).to(view.model.device)
    if not bool(known.all()):
        levels = _median(how, levels, known, noise)
    channels = len(view.codec.names)
    with audience.watch(what, channels) as bar:
        watched = replace(how, advance=lambda done: bar.advance(done, {}))
        return residuals(watched, levels, channels, noise=noise)


def _median(how: Any, levels: Tensor, known: Tensor, noise: Noise) -> Tensor:
    """(D,L) gaps filled with the medians of draws."""
    drawn = complete(how, levels.expand(noise.size, -1, -1), known, noise=noise.under("gaps"))
    return torch.where(known, levels, drawn.median(0).values)

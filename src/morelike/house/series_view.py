"""A user's series as a model of series sees it, and back.  L steps, C channels of the data, D channels of x, n paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.contract import Generator
from ..core.errors import BadInput
from ..core.spec import lift_all
from ..data.series import SeriesCodec
from ..data.series_clock import usual_step
from ..data.series_items import Series, series
from ..maths.calendar import continued
from ..tasks.forecasting import How, Window
from ..tasks.repairing import STEPS
from .able import generator
from .package import Package
from .sampling import fixed_conditions

Floats = NDArray[np.float64]
_MOST = 1 << 20
"""Most steps of one series."""


@dataclass(frozen=True, slots=True)
class View:
    """A model of series and its codec."""

    model: Generator
    codec: SeriesCodec
    condition: Mapping[str, Tensor]

    @classmethod
    def of(cls, package: Package, task: str, where: Mapping[str, Any] | None = None) -> View:
        """Raises BadInput for a model of other data, Refused for one that can't fill in, naming those that can."""
        codec = package.codec
        if not isinstance(codec, SeriesCodec):
            raise BadInput(f"only models of series {task}, and this one learnt the kind {codec.kind!r}")
        model = generator(package, "fill in a series")
        fixed = lift_all(model.conditions, fixed_conditions(package, where or {}))
        return cls(model, codec, {name: value.to(model.device) for name, value in fixed.items()})

    def how(self, steps: int = STEPS) -> How:
        """How it draws."""
        scale = self.codec.scale
        jumps = torch.from_numpy(np.where(scale.spread > 0, scale.spread, 1.0) / scale.jumps[:, 0]).float() if scale.changes else None
        return How(self.model, Window(self.codec.window, jumps), self.condition, steps)

    def levels(self, item: Series) -> tuple[Tensor, Tensor]:
        """((D,L) levels in x's units, 0 where nothing is known; (D,L) bool: known). That nothing will be missing counts as known, and so do
        times."""
        level = self.codec.scale.scaled(item.values)
        rest = self.codec.beyond(item)
        rest[: len(self.codec.scale.gaps)] = -1.0
        whole = np.concatenate([level, rest])
        known = np.isfinite(whole)
        return torch.from_numpy(np.where(known, whole, 0.0)).float(), torch.from_numpy(known)

    def values(self, levels: Floats) -> Floats:
        """(...,L,C) of levels (...,D,L), with the decimals of each channel."""
        scale, own = self.codec.scale, np.array(levels[..., : len(self.codec.names), :], np.float64)
        if scale.changes:
            spread = np.where(scale.spread > 0, scale.spread, 1.0)[:, None]
            own[..., 1:] = np.diff(own, axis=-1) * spread / scale.jumps
        return self.codec.to_values(own)

    def known(self, given: Any) -> Series:
        """One series of a user's: a file, a `Series` or an array (L,C). Missing rows of a regular time are put in, as gaps. Raises BadInput
        where it is none, or several, or has other channels."""
        if isinstance(given, str | Path):
            path = Path(given)
            if not path.is_file():
                raise BadInput(f"there is no file {path}")
            parts = self.codec.read(path)
            return self._checked(_joined(parts, path.name), path.name)
        item = given if isinstance(given, Series) else series(given, self.codec.names)
        if sorted(item.names) != sorted(self.codec.names):
            raise BadInput(f"the series has the channels {', '.join(item.names)}, and the model knows {', '.join(self.codec.names)}")
        order = [item.names.index(name) for name in self.codec.names]
        return self._checked(Series(item.values[:, order], tuple(self.codec.names), item.times), "the series")

    def _checked(self, item: Series, name: str) -> Series:
        if not 2 <= len(item) <= _MOST:
            raise BadInput(f"{name} has {len(item):,} rows; from 2 to {_MOST:,} can be gone on from")
        empty = np.isnan(item.values).all(0)
        if empty.any():
            raise BadInput(f"{name} has no value at all in the column {item.names[int(empty.argmax())]!r}; the model needs one at least")
        return item

    def longer(self, item: Series, ahead: int) -> tuple[Series, str]:
        """(the series with so many unknown rows more, how its times go on if that isn't plain)."""
        values = np.concatenate([item.values, np.full((ahead, item.values.shape[1]), np.nan)])
        if item.times is None or not ahead:
            return Series(values, item.names, item.times), ""
        further, how = continued(item.times, ahead)
        return Series(values, item.names, np.concatenate([item.times, further])), how


def _joined(parts: Sequence[Series], name: str) -> Series:
    """The parts of one series between gaps in its time, with empty rows in these. Raises BadInput where they are no such parts."""
    if len(parts) == 1:
        return parts[0]
    steps = np.concatenate([own for part in parts if (own := part.steps()) is not None])
    step = usual_step(steps)
    starts = [part.times for part in parts if part.times is not None]
    if step is None or len(starts) < len(parts):
        raise BadInput(f"{name} holds {len(parts):,} series; give one of them")
    first = starts[0][0]
    rows = [np.asarray(times - first).astype(np.float64) / step for times in starts]
    places = np.rint(np.concatenate(rows)).astype(np.int64)
    if (np.diff(places) <= 0).any() or np.abs(np.concatenate(rows) - places).max() > 0.1 or places[-1] >= _MOST:
        raise BadInput(f"{name} holds {len(parts):,} series; give one of them, or rows at even times")
    values = np.full((places[-1] + 1, parts[0].values.shape[1]), np.nan)
    values[places] = np.concatenate([part.values for part in parts])
    count = np.arange(len(values)) * step
    times = first + (np.rint(count).astype("timedelta64[us]") if first.dtype.kind == "M" else count)
    return Series(values, parts[0].names, times)

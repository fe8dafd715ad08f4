"""Series completed: gaps filled, gone on with beyond their end, with intervals that held on data which the model hasn't learnt.

L steps, C channels of the data, D channels of x, n paths, B stretches of a back-test.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import BadInput
from ..data.series_items import Series
from ..maths.crps import interval
from ..tasks.forecasting import conformal, paths, spread_out, starts, stride
from ..tasks.repairing import MOST_STEPS, STEPS
from .audience import Audience
from .series_view import View
from .writing import write_text

if TYPE_CHECKING:
    from .model import Model
    from .prepare import Prepared

Floats = NDArray[np.float64]
MOST_PATHS, MOST_WINDOWS = 10_000, 50
"""Most paths, and how many windows a forecast may reach ahead: errors pile up."""
_STRETCHES, _MEMBERS = 200, 40
"""Stretches of validation data that intervals are held against, and paths of each."""
FILE = "forecast.json"
"""In the model's folder: what was found about its intervals."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be drawn."""

    ahead: int = 0
    n: int = 100
    level: float = 0.8
    """Share of what comes that the intervals are to hold."""
    seed: int = 0
    steps: int = STEPS

    def check(self) -> None:
        """Raises BadInput for numbers out of range."""
        if self.ahead < 0:
            raise BadInput(f"--ahead takes a number of steps from 1 on, not {self.ahead}")
        if not 2 <= self.n <= MOST_PATHS:
            raise BadInput(f"the number of paths must be between 2 and {MOST_PATHS:,}, not {self.n}: intervals are read from them")
        if not 0 < self.level < 1:
            raise BadInput(f"--interval is the share that intervals hold, above 0 and below 1 such as 0.9, not {self.level:g}")
        if not 1 <= self.steps <= MOST_STEPS:
            raise BadInput(f"steps must be between 1 and {MOST_STEPS:,}, not {self.steps}")


@dataclass(frozen=True, slots=True, eq=False)
class Completed:
    """Ways in which one series goes on, or its gaps are filled."""

    item: Series
    """What is known, NaN where nothing is, the steps ahead included."""
    paths: Floats
    """(n,L,C); what is known is the same in all."""
    level: float
    calibrated: bool
    """Whether intervals were widened by what held on validation data."""
    notes: list[str] = field(default_factory=list)

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """(L,C)."""
        found: NDArray[np.bool_] = np.isnan(self.item.values)
        return found

    @property
    def median(self) -> Floats:
        """(L,C)."""
        found: Floats = np.median(self.paths, axis=0)
        return found

    def bounds(self) -> tuple[Floats, Floats]:
        """((L,C), (L,C)) the ends of the intervals."""
        return interval(self.paths, self.level)

    def filled(self) -> Series:
        """The series with medians where nothing was known."""
        return Series(np.where(self.drawn, self.median, self.item.values), self.item.names, self.item.times)


def validation(prepared: Prepared) -> list[Series]:
    """The series of the validation part."""
    return [prepared.source.items[int(number)] for number in prepared.split.validation]


def restore(model: Model, given: Any, wish: Wish, where: Mapping[str, Any] | None, audience: Audience) -> Completed:
    """n ways to complete a series. Factors of intervals are found on the validation part of the model's data, where it is at hand, once for
    each length, and kept in the model's folder.

    Raises BadInput for what isn't a series like the model's, has nothing to be drawn, or reaches too far.
    """
    view = View.of(model.package, "are gone on with so", where)
    wish.check()
    item, notes = view.known(given), []
    if not wish.ahead and not np.isnan(item.values).any():
        raise BadInput("the series has no empty cells and nothing says how far to go on: add --ahead STEPS")
    window = view.codec.window
    if wish.ahead > MOST_WINDOWS * window:
        raise BadInput(f"--ahead {wish.ahead:,} is too far for a model of windows of {window} steps: at most {MOST_WINDOWS * window:,}")
    if len(item) < window - stride(window):
        notes.append(f"the model looks back over {window - stride(window)} steps, and the series has {len(item)}: the rest is guessed")
    item, said = view.longer(item, wish.ahead)
    notes += [f"times go on {said}" if said.startswith("by") else said] if said else []
    levels, known = view.levels(item)
    how = view.how(wish.steps)
    with audience.watch("drawing paths", len(starts(known.numpy(), window))) as bar:
        how = replace(how, advance=lambda done: bar.advance(done, {}))
        drawn = view.values(paths(how, levels[None], known, wish.n, seed=wish.seed)[:, 0])
    drawn = np.where(np.isnan(item.values), drawn, item.values)
    factors = _factors(model, view, known, wish, audience)
    if factors is None:
        notes.append("intervals are the model's own: there is no validation data here to hold them against")
    else:
        drawn = np.where(np.isnan(item.values), spread_out(drawn, factors), item.values)
    return Completed(item, drawn, wish.level, factors is not None, notes)


def back_test(view: View, items: Sequence[Series], hidden: NDArray[np.bool_], n: int, *, seed: int = 0, steps: int = STEPS) -> Floats:
    """(n,B,L,C) draws of B series, all of L steps and known throughout, in which `hidden` (L,C) is drawn."""
    levels = torch.stack([view.levels(item)[0] for item in items])
    known = torch.ones(levels.shape[1:], dtype=torch.bool)
    known[: hidden.shape[1]] = ~torch.from_numpy(hidden.T.copy())
    return view.values(paths(view.how(steps), levels, known, n, seed=seed))


def stretches(items: Sequence[Series], length: int, most: int = _STRETCHES) -> list[Series]:
    """At most so many stretches of so many steps without gaps, evenly spread over series."""
    found: list[tuple[Series, int]] = []
    for item in items:
        gone = np.concatenate([[0], np.isnan(item.values).any(1).cumsum()])
        if len(item) >= length:
            found += [(item, int(start)) for start in np.flatnonzero(gone[length:] == gone[:-length])]
    chosen = np.unique(np.linspace(0, max(0, len(found) - 1), min(most, len(found))).round().astype(np.int64))
    return [found[place][0].part(found[place][1], found[place][1] + length) for place in chosen]


def _held_out(model: Model) -> list[Series]:
    """The validation part of the data that the model learnt from; none where it isn't there, or isn't that any more."""
    try:
        return validation(model.opened(offline=True))
    except BadInput:
        return []


def _factors(model: Model, view: View, known: Tensor, wish: Wish, audience: Audience) -> Floats | None:
    """(L,C) by which paths are spread out from their median, None where nothing can be said."""
    count, kept = len(view.codec.names), _Kept.of(model)
    hidden = ~known[:count].numpy().T
    out, table, length = np.ones(hidden.shape), dict(kept.tables), len(hidden)
    context = view.codec.window - stride(view.codec.window)
    inside = hidden.copy()
    inside[length - wish.ahead :] = False
    found: dict[str, tuple[NDArray[np.bool_], str]] = {}
    if wish.ahead:
        pattern = np.zeros((context + wish.ahead, count), bool)
        pattern[context:] = True
        found["ahead"] = (pattern, f"{wish.ahead} ahead, {wish.level:g}, {wish.steps} steps")
    if inside.any():
        pattern = _longest(inside, context)
        digest = zlib.crc32(np.packbits(pattern).tobytes() + str(pattern.shape).encode())
        found["gap"] = (pattern, f"gap {digest:08x}, {wish.level:g}, {wish.steps} steps")
    series: list[Series] | None = None
    for name, (pattern, key) in found.items():
        if key not in table:
            series = _held_out(model) if series is None else series
            own = stretches(series, len(pattern))
            if len(own) * (1 - wish.level) < 2:
                return None
            with audience.watch("holding intervals against validation data", 1) as bar:
                drawn = back_test(view, own, pattern, _MEMBERS, steps=wish.steps)
                bar.advance(1, {})
            truth = np.stack([item.values for item in own])
            table[key] = np.where(pattern, conformal(drawn, truth, wish.level), 1.0)[pattern.any(1)].tolist()
        factors = np.asarray(table[key])
        if name == "ahead":
            out[length - wish.ahead :] = factors
        else:
            # one factor for each channel: gaps are of many lengths
            mean = np.array([own[own != 1.0].mean() if (own != 1.0).any() else 1.0 for own in factors.T])
            out = np.where(inside, mean, out)
    if series is not None:
        _Kept(kept.digest, table).write(model.folder)
    return out


def _longest(inside: NDArray[np.bool_], context: int) -> NDArray[np.bool_]:
    """(G,C) the longest run of steps with a gap, and what is around it."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside.any(1), [False]]).astype(int)))
    runs = edges.reshape(-1, 2)
    start, stop = runs[(runs[:, 1] - runs[:, 0]).argmax()]
    around = context // 2
    pattern = np.zeros((stop - start + 2 * around, inside.shape[1]), bool)
    pattern[around : around + stop - start] = inside[start:stop]
    return pattern


@dataclass(frozen=True, slots=True)
class _Kept:
    """Factors that were found before, of the same weights."""

    digest: str
    tables: dict[str, list[list[float]]]

    @classmethod
    def of(cls, model: Model) -> _Kept:
        digest, folder = str(model.card.get("files", {}).get("weights.safetensors", "")), model.folder
        try:
            read = json.loads((folder / FILE).read_text(encoding="utf-8")) if folder is not None else {}
            if read.get("weights") == digest:
                return cls(digest, {key: np.asarray(own, np.float64).tolist() for key, own in read["tables"].items()})
        except (OSError, ValueError, KeyError, AttributeError):
            # found anew
            pass
        return cls(digest, {})

    def write(self, folder: Path | None) -> None:
        if folder is None or not self.digest:
            return
        try:
            write_text(folder / FILE, json.dumps({"weights": self.digest, "tables": self.tables}))
        except BadInput:
            # a folder that can't be written to is found anew each time
            return



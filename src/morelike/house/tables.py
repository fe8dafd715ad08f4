"""Tables conditioned on their own columns: exactly, by families that narrow themselves down. F fields of a row, B batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Allowed, Narrowed, Narrows
from ..core.contract import Codec
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..data.table import TableCodec
from ..data.table_boxes import boxes_of
from ..data.table_demands import Demand, read_demand
from ..data.table_derived import derived, shown_of
from ..data.table_read import as_typed
from ..data.table_rules import by_distinct, columns_of
from ..judges.intervals import Measure, wilson
from . import able
from .package import Package
from .sampling import CHUNK_OF_ROWS

Where = Mapping[str, Any] | Sequence[str]
"""{name: value}, or sentences such as "age>60"."""
LEAST = 2_000
"""Of so many rows of a covering box one must fit, at least."""
_PATIENCE = 10 * CHUNK_OF_ROWS
"""Rows that are drawn before a smaller share is believed."""
_ENOUGH, _MOST = 10_000, 16 * CHUNK_OF_ROWS
"""Rows that fit with which a share is known well enough, and rows that are drawn for it at most."""
_AT_FIRST = 64
"""Draws of a row at first, at most."""
_APART = 1 << 40
"""Between the numbers of the noise of a row's first draw and of the next ones."""


def opened(package: Package, task: str) -> tuple[Narrows, TableCodec]:
    """The model and the codec of a table. Raises Refused for another kind of data, and for a family that can't narrow itself down."""
    model = able.generator(package, task)
    if not isinstance(package.codec, TableCodec):
        raise Refused(f"this model makes data of the kind {package.codec.kind!r}; only models of tables can {task}")
    assert isinstance(model, Narrows)
    return model, package.codec


def split(package: Package, where: Where | None) -> tuple[dict[str, Any], list[Demand]]:
    """(values of conditions, demands on columns of a table). Raises UnknownName or BadInput for what is neither."""
    codec, own = package.codec, package.conditions
    names = codec.names if isinstance(codec, TableCodec) else ()
    if isinstance(where, Mapping):
        # labels of frames may be no texts
        asked = {name if isinstance(name, str) else str(name): value for name, value in where.items()}
        there = {name: value for name, value in asked.items() if name in names and name not in own}
        others = {name: value for name, value in asked.items() if name not in there}
        return others, [_equal(codec, name, value) for name, value in there.items()]
    demands = [read_demand(text, dict.fromkeys([*own, *names])) for text in ([where] if isinstance(where, str) else where or ())]
    for demand in demands:
        if demand.column in own and demand.sign != "=":
            raise BadInput(f"{demand}: a condition takes one value, as in {demand.column}=...")
    return {one.column: one.value for one in demands if one.column in own}, [one for one in demands if one.column not in own]


def _equal(codec: Codec, name: str, value: Any) -> Demand:
    """That a column has a value, which may be an object of Python: a truth value, a date, a number."""
    assert isinstance(codec, TableCodec)
    visible = shown_of(codec, name)
    return Demand(name, "=", as_typed(value, visible.words, visible.form))


@dataclass(frozen=True, slots=True)
class Tried:
    """Rows drawn in the boxes of some demands."""

    fit: Tensor
    """(M,F) those that fulfil the demands."""
    drawn: int


class Given:
    """A table's model under demands: boxes that don't overlap, each narrowed down, drawn from in proportion to their mass.

    Where a demand is on a derived column the boxes cover it, and rows that don't fulfil it are drawn again, which conditions exactly.
    """

    def __init__(self, package: Package, demands: Sequence[Demand], before: Sequence[Demand] = (), *, empty: bool = False) -> None:
        """`before` are fixed before `demands`, so that chances under `before` alone and under both fit. Raises Refused for a family that
        can't, and what `boxes_of` raises."""
        self.package, self.demands = package, [*before, *demands]
        self.model, self.codec = opened(package, "fix columns of a table")
        self.boxes: list[dict[int, Allowed]] = boxes_of(self.codec, demands, before, empty=empty)
        self.derived = [demand for demand in self.demands if derived(self.codec, demand.column)]
        self.fit, self.drawn = 0, 0
        self._kept: dict[bytes, list[Narrowed]] = {}
        self._tried: dict[bytes, Tried] = {}

    def narrowed(self, condition: Mapping[str, Tensor] | None = None, seed: int = 0) -> list[Narrowed]:
        """Each box, under one row of each condition."""
        key = _key(condition, seed)
        if key not in self._kept:
            # probabilities in full precision, whatever rows are drawn in
            with torch.inference_mode(), torch.autocast(self.package.model.device.type, enabled=False):
                self._kept[key] = [self.model.narrow(box, condition, seed=seed) for box in self.boxes]
        return self._kept[key]

    def sample(self, condition: Mapping[str, Tensor], noise: Noise, dials: Mapping[str, Any], count: int | None = None) -> Tensor:
        """(B,F) rows x; of each condition B rows. Those numbered `count` and on are not looked at by anyone. Raises Refused where the model
        gives the demands no probability, or too few rows of the covering boxes fit.

        Row k takes the first of its own draws that fits, so it is the same whatever else is drawn.
        """
        if not self.derived:
            return self._in_boxes(condition, noise, dials)
        left = torch.arange(noise.size, device=noise.index.device)
        left = left if count is None else left[noise.index < count]
        out = torch.zeros(noise.size, len(self.package.codec.spec.fields), device=left.device)  # type: ignore[union-attr]
        done, fit, drawn, in_vain = 0, 0, 0, 0
        while len(left):
            # more at once where few are left, and the more the longer it takes
            tries = max(1, min(CHUNK_OF_ROWS // len(left), max(_AT_FIRST, done)))
            rows, again = left.repeat_interleave(tries), torch.arange(done, done + tries, device=left.device).repeat(len(left))
            own = noise[rows].shifted(again * _APART)
            x = self._in_boxes({name: value[rows] for name, value in condition.items()}, own, dials)
            good = self._fits(x).view(len(left), tries)
            found, first = good.any(1), good.int().argmax(1)
            out[left[found]] = x.view(len(left), tries, -1)[found, first[found]].float()
            fit, drawn, done = fit + int(good.sum()), drawn + len(x), done + tries
            in_vain = 0 if bool(found.any()) else in_vain + len(x)
            left = left[~found]
            if len(left) and (in_vain >= _PATIENCE or (drawn >= _PATIENCE and fit * LEAST < drawn)):
                raise self._refused(fit, drawn)
        self.fit, self.drawn = self.fit + fit, self.drawn + drawn
        return out

    def _in_boxes(self, condition: Mapping[str, Tensor], noise: Noise, dials: Mapping[str, Any]) -> Tensor:
        """(B,F) rows of the boxes."""
        out: Tensor | None = None
        groups = torch.zeros(noise.size, dtype=torch.int64, device=noise.index.device)
        if condition:
            flat = torch.cat([value.flatten(1).double() for value in condition.values()], 1)
            groups = torch.unique(flat, dim=0, return_inverse=True)[1]
        u = noise.uniform((), "box").double()
        for group in range(int(groups.max()) + 1):
            rows = (groups == group).nonzero()[:, 0]
            boxes = self.narrowed({name: value[rows[:1]] for name, value in condition.items()})
            reach = torch.tensor([math.exp(box.log_mass) for box in boxes], dtype=torch.float64, device=u.device).cumsum(0)
            if not len(reach) or not reach[-1] > 0:
                raise Refused(f"the model gives {' and '.join(map(str, self.demands))} no probability")
            chosen = torch.searchsorted(reach, u[rows] * reach[-1], right=True).clamp(max=len(boxes) - 1)
            for number in range(len(boxes)):
                own = rows[chosen == number]
                if not len(own):
                    continue
                drawn = boxes[number].sample(noise=noise[own], **dials)
                out = drawn.new_zeros(noise.size, drawn.shape[1]) if out is None else out
                out[own] = drawn
        assert out is not None
        return out

    def _fits(self, x: Tensor) -> Tensor:
        """(B,) bool: which rows fulfil the demands on derived columns."""
        if not self.derived:
            return torch.ones(len(x), dtype=torch.bool, device=x.device)
        columns = self.codec.shown(x.cpu().numpy(), [demand.column for demand in self.derived])
        return torch.from_numpy(self.obeying(columns, self.derived)).to(x.device)

    def _refused(self, fit: int, drawn: int) -> Refused:
        names = " and ".join(dict.fromkeys(demand.column for demand in self.derived))
        said = " and ".join(map(str, self.derived))
        return Refused(
            f"{said}: {names} follows from other columns by a rule, so rows are drawn that may fit and are looked at; only {fit:,} of "
            f"{drawn:,} fit, and it takes 1 in {LEAST:,}: demand a wider range, or something of the columns that {names} is made of"
        )

    def tried(self, condition: Mapping[str, Tensor] | None = None, seed: int = 0, enough: int = _ENOUGH) -> Tried:
        """Rows drawn to find the share that fits, under one row of each condition: until so many fit, 65,536 at most."""
        key = _key(condition, seed) + enough.to_bytes(8, "big")
        if key not in self._tried:
            device, parts, drawn, fit = self.package.model.device, [], 0, 0
            with torch.inference_mode(), torch.autocast(device.type, enabled=False):
                while drawn < _MOST and fit < enough:
                    noise = Noise(seed, torch.arange(drawn, drawn + CHUNK_OF_ROWS), path=("share",)).to(device)
                    own = {name: value.expand(CHUNK_OF_ROWS, *value.shape[1:]) for name, value in (condition or {}).items()}
                    x = self._in_boxes(own, noise, {})
                    parts.append(x[self._fits(x)].cpu())
                    drawn, fit = drawn + CHUNK_OF_ROWS, fit + len(parts[-1])
            self._tried[key] = Tried(torch.cat(parts), drawn)
        return self._tried[key]

    def rows(self, condition: Mapping[str, Tensor] | None = None, enough: int = _ENOUGH) -> np.ndarray:
        """(M,F) rows that fulfil everything, drawn to count on. Raises Refused where too few of the covering boxes' fit."""
        found = self.tried(condition, enough=enough)
        if len(found.fit) * LEAST < found.drawn:
            raise self._refused(len(found.fit), found.drawn)
        return found.fit.float().numpy()

    def chance(self, condition: Mapping[str, Tensor] | None = None, seed: int = 0) -> float:
        """The probability of all demands under the model; an estimate where the boxes only cover them."""
        return self._mass(condition, seed) * self._share(condition, seed).value

    def measured(self, condition: Mapping[str, Tensor] | None = None) -> Measure:
        """`chance` with its 95% interval (Wilson) where the boxes cover the demands, which has no width where they are the demands."""
        mass, share = self._mass(condition, 0), self._share(condition, 0)
        return Measure(mass * share.value, mass * (share.low or 0.0), mass * (share.high or 0.0))

    def _mass(self, condition: Mapping[str, Tensor] | None, seed: int) -> float:
        return float(sum(math.exp(box.log_mass) for box in self.narrowed(condition, seed)))

    def _share(self, condition: Mapping[str, Tensor] | None, seed: int) -> Measure:
        """Of the boxes' mass, what fits."""
        if not self.derived or not self._mass(condition, seed) > 0:
            return Measure(1.0, 1.0, 1.0)
        found = self.tried(condition, seed)
        return wilson(len(found.fit) / found.drawn, found.drawn)

    @property
    def sure(self) -> bool:
        """Whether all boxes found so far have the model's own probability."""
        return all(box.exact for boxes in self._kept.values() for box in boxes)

    @property
    def exact(self) -> bool:
        """Whether everything found so far is the model's own probability, and no estimate."""
        return self.sure and not self.derived

    def obeyed(self, rows: np.ndarray) -> np.ndarray:
        """(N,) bool: which written rows (N,C) fulfil all demands, read again from their text."""
        return self.obeying(columns_of(self.codec.names, rows), self.demands)

    def obeying(self, columns: Mapping[str, np.ndarray], demands: Sequence[Demand]) -> np.ndarray:
        """(N,) bool: which rows fulfil some demands, of the columns (N,) that these are on."""
        found = np.ones(len(next(iter(columns.values()))), dtype=bool)
        for name in dict.fromkeys(demand.column for demand in demands):
            own = [demand for demand in demands if demand.column == name]
            found &= by_distinct(partial(shown_of(self.codec, name).all_hold, demands=own), columns[name])
        return found

    def report(self, rows: np.ndarray) -> dict[str, Any]:
        """What is said of written rows (N,C): the share that obeys, the demands' mean probability under the conditions drawn, and of
        the rows drawn within covering boxes the share that fit (None where boxes are the demands)."""
        boxes = list(self._kept.values())
        chance = float(np.mean([sum(math.exp(box.log_mass) for box in own) for own in boxes])) if boxes else math.nan
        obeyed = float(self.obeyed(rows).mean()) if len(rows) else 1.0
        kept = self.fit / self.drawn if self.derived and self.drawn else None
        found = {"demands": list(map(str, self.demands)), "obeyed": obeyed, "probability": chance * (1 if kept is None else kept)}
        return {**found, "exact": self.exact, "covered": list(map(str, self.derived)), "kept": kept}


def _key(condition: Mapping[str, Tensor] | None, seed: int) -> bytes:
    return b"".join(value.cpu().numpy().tobytes() for value in (condition or {}).values()) + seed.to_bytes(8, "big")

"""Tables conditioned on their own columns: exactly, by families that narrow themselves down. F fields of a row, B batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Allowed, Narrowed, Narrows
from ..core.contract import Codec
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..data.table import TableCodec
from ..data.table_demands import Demand, Visible, boxes_of, read_demand
from ..data.table_read import as_typed
from . import able
from .package import Package

Where = Mapping[str, Any] | Sequence[str]
"""{name: value}, or sentences such as "age>60"."""


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
    visible = Visible(codec, name)
    return Demand(name, "=", as_typed(value, visible.words, visible.form))


class Given:
    """A table's model under demands: boxes that don't overlap, each narrowed down, drawn from in proportion to their mass."""

    def __init__(self, package: Package, demands: Sequence[Demand], before: Sequence[Demand] = (), *, empty: bool = False) -> None:
        """`before` are fixed before `demands`, so that chances under `before` alone and under both fit. Raises Refused for a family that
        can't, and what `boxes_of` raises."""
        self.package, self.demands = package, [*before, *demands]
        self.model, self.codec = opened(package, "fix columns of a table")
        self.boxes: list[dict[int, Allowed]] = boxes_of(self.codec, demands, before, empty=empty)
        self._kept: dict[bytes, list[Narrowed]] = {}

    def narrowed(self, condition: Mapping[str, Tensor] | None = None, seed: int = 0) -> list[Narrowed]:
        """Each box, under one row of each condition."""
        key = b"".join(value.cpu().numpy().tobytes() for value in (condition or {}).values()) + seed.to_bytes(8, "big")
        if key not in self._kept:
            # probabilities in full precision, whatever rows are drawn in
            with torch.inference_mode(), torch.autocast(self.package.model.device.type, enabled=False):
                self._kept[key] = [self.model.narrow(box, condition, seed=seed) for box in self.boxes]
        return self._kept[key]

    def sample(self, condition: Mapping[str, Tensor], noise: Noise, dials: Mapping[str, Any]) -> Tensor:
        """(B,F) rows x; of each condition B rows. Raises Refused where the model gives the demands no probability."""
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

    def chance(self, condition: Mapping[str, Tensor] | None = None, seed: int = 0) -> float:
        """The probability of all demands under the model."""
        return float(sum(math.exp(box.log_mass) for box in self.narrowed(condition, seed)))

    @property
    def exact(self) -> bool:
        """Whether everything found so far is the model's own probability, and no estimate."""
        return all(box.exact for boxes in self._kept.values() for box in boxes)

    def obeyed(self, rows: np.ndarray) -> np.ndarray:
        """(N,) bool: which written rows (N,C) fulfil all demands, read again from their text."""
        found = np.ones(len(rows), dtype=bool)
        for name in dict.fromkeys(demand.column for demand in self.demands):
            texts = rows[:, self.codec.names.index(name)].tolist()
            distinct = list(dict.fromkeys(texts))
            good = Visible(self.codec, name).all_hold(distinct, [one for one in self.demands if one.column == name])
            right = {text for text, fine in zip(distinct, good, strict=True) if fine}
            found &= np.fromiter((text in right for text in texts), bool, len(texts))
        return found

    def report(self, rows: np.ndarray) -> dict[str, Any]:
        """What is said of written rows (N,C): the share that obeys, and the demands' mean probability under the conditions drawn."""
        boxes = list(self._kept.values())
        chance = float(np.mean([sum(math.exp(box.log_mass) for box in own) for own in boxes])) if boxes else math.nan
        obeyed = float(self.obeyed(rows).mean()) if len(rows) else 1.0
        return {"demands": list(map(str, self.demands)), "obeyed": obeyed, "probability": chance, "exact": self.exact}

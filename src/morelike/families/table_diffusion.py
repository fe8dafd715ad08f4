"""Diffusion for tables: reals lose themselves in Gaussian noise, ids behind masks, and one net brings both back together.

B batch, F fields, R real fields, D digits of ids (a category of many values has two; each real has one that says whether it is missing).
t = 0 is data, t = 1 is noise and masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Field, Row, Spec
from ..maths.decoding import Dials, pick, weigh
from .digits import Digits, digits_of

_LEAST_TIME = 0.02
"""The weight of a masked id is one over the time, at most one over this."""


@dataclass(frozen=True, slots=True)
class TableDiffusionSettings:
    """The net, and the defaults of drawing. Raises BadInput for a number out of its range."""

    steps: int = 50
    """Of drawing: the net is asked once in each."""
    temperature: float = 1.0
    """Logits of ids are divided by it; 0 takes the likeliest id."""
    width: int = 512
    depth: int = 4
    lr: float = 1e-3

    def __post_init__(self) -> None:
        check_ranges(self, steps=(1, 10_000), temperature=(0, 100), width=(1, 1 << 14), depth=(1, 64))


class TableDiffusion(Generator):
    """Gaussian and absorbing diffusion side by side (Shi et al. 2024, arXiv:2410.20626, eqs. 3 to 9; TabDDPM before it: Kotelnikov et al.
    2022, arXiv:2209.15421), with the straight path x_t = (1 - t) x + t noise for reals (Lipman et al. 2022, arXiv:2210.02747) and every id
    masked with probability t (Sahoo et al. 2024, arXiv:2406.07524, eq. 10, whose weight for that is 1 / t).
    """

    Settings = TableDiffusionSettings
    settings: TableDiffusionSettings
    spec: Row
    dials = ("steps", "temperature")

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.reals, self.categories = _split(self.spec)
        self.digits = Digits(_ids(self.spec), 2, 1)
        self.sizes = self.digits.sizes

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Row) and spec.fields else "it learns rows of a table (categories and numbers)"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: TableDiffusionSettings) -> dict[str, Net]:
        assert isinstance(spec, Row)
        reals, sizes = len(_split(spec)[0]), [digit.size for digit in digits_of(_ids(spec), 2)]
        given, said = Array((reals + sum(sizes) + len(sizes),)), Array((reals + sum(sizes),))
        return {"denoiser": Net("denoiser", given, said, {"width": settings.width, "depth": settings.depth})}

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.01)
        return [Player("denoiser", list(self.nets.parameters()), self._loss, optim=optim)]

    def _loss(self, batch: Batch) -> Terms:
        reals, digits = self._coded(batch.data)
        t = batch.noise.uniform((), "time")
        start = batch.noise.normal((len(self.reals),), "noise")
        hidden = batch.noise.uniform((len(self.sizes),), "mask") < t[:, None]
        x_t = torch.lerp(reals, start, t[:, None])
        velocity, logits = self._net(x_t, digits, hidden, t, batch.condition, batch.given)
        there = ~batch.data[:, self.reals].isnan()
        of_reals = ((velocity - (start - reals)).square() * there).sum(1)
        parts = torch.split(logits, self.sizes, 1)
        each = torch.stack([F.cross_entropy(part, digits[:, d], reduction="none") for d, part in enumerate(parts)], 1)
        of_ids = (each * hidden).sum(1) / t.clamp(min=_LEAST_TIME)
        return {"loss": (of_reals + of_ids) / len(self.spec.fields), "reals": of_reals.detach(), "ids": of_ids.detach()}

    def _coded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reals (B,R), 0 where missing, and digits (B,D)."""
        reals = x[:, self.reals]
        return reals.nan_to_num(), self.digits.encode(torch.cat((x[:, self.categories], reals.isnan().to(x)), 1))

    def _net(
        self, x_t: Tensor, digits: Tensor, hidden: Tensor, t: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Velocities (B,R) and logits (B, sum of sizes), side by side, from noisy reals and digits of which some are hidden."""
        shown = [torch.where(hidden[:, d], size, digits[:, d]) for d, size in enumerate(self.sizes)]
        spread = [F.one_hot(ids, size + 1).to(x_t) for ids, size in zip(shown, self.sizes, strict=True)]
        out = self.nets["denoiser"](torch.cat((x_t, *spread), 1), t, condition, given).float()
        return out[:, : len(self.reals)], out[:, len(self.reals) :]

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: `steps`, `temperature`. Reals follow the velocity (Adams-Bashforth, second order); of the ids still hidden at time t,
        each is drawn by time s with probability (t - s) / t."""
        own = replace(self.settings, **dials)
        told, given = all_given(condition)
        x = noise.normal((len(self.reals),), "start")
        digits = torch.zeros(noise.size, len(self.sizes), dtype=torch.int64, device=x.device)
        hidden = torch.ones_like(digits, dtype=torch.bool)
        before: Tensor | None = None
        for step in range(own.steps):
            t = 1 - step / own.steps
            now = torch.full((noise.size,), t, device=x.device)
            velocity, logits = self._net(x, digits, hidden, now, told, given)
            slope = velocity if before is None else 1.5 * velocity - 0.5 * before
            x, before = x - slope / own.steps, velocity
            u = noise.under("step", step).uniform((2, len(self.sizes)), "ids")
            shown = hidden & (u[:, 0] < 1 / (own.steps - step))
            for d, part in enumerate(torch.split(logits, self.sizes, 1)):
                rows = shown[:, d].nonzero()[:, 0]
                digits[rows, d] = pick(weigh(part[rows], Dials(temperature=own.temperature)), u[rows, 1, d])
            hidden &= ~shown
        return self._whole(x, digits)

    def _whole(self, reals: Tensor, digits: Tensor) -> Tensor:
        """(B,F) rows of reals and digits."""
        ids = self.digits.decode(digits, reals.new_zeros(len(reals), 0))
        out = reals.new_zeros(len(reals), len(self.spec.fields))
        most = torch.tensor([self.spec.fields[place].categories - 1 for place in self.categories], device=out.device)
        # the two digits of a large category are drawn apart, and may point past its last value
        out[:, self.categories] = torch.minimum(ids[:, : len(self.categories)], most)
        out[:, self.reals] = torch.where(ids[:, len(self.categories) :] > 0, torch.nan, reals)
        return out


def _split(spec: Row) -> tuple[list[int], list[int]]:
    """The places of the real fields, and of the categories."""
    places = range(len(spec.fields))
    return [p for p in places if not spec.fields[p].categories], [p for p in places if spec.fields[p].categories]


def _ids(spec: Row) -> Row:
    """The categories, and for each real whether it is missing."""
    reals, categories = _split(spec)
    return Row((*(spec.fields[p] for p in categories), *(Field(f"{spec.fields[p].name} missing", 2) for p in reals)))

"""A normalizing flow for tables: the margins as they are, and a density on the unit cube that ties them, made of splines.

B batch, F fields, K bins of a spline. u (B,F): each field's share of mass below its value, drawn evenly within a cell's share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..core.abilities import Condition, Density
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Row, Spec
from ..maths.bijections import halves
from ..maths.spline import Splines, parameters
from .cells import refuses_rows
from .copula import Copula, CopulaSettings

_COUNT_BY = 0.02
"""Share of the run after which margins are set on what has been seen, if no pass has ended yet."""
_CURVES = 6
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class TableFlowSettings:
    """The flow's layers, and training. Raises BadInput for a number out of its range."""

    layers: int = 8
    """Coupling layers; two of them transform every field once."""
    bins: int = 12
    """Of a spline."""
    depth: int = 3
    """Layers of the net that says the splines of a coupling."""
    keep: int = 50_000
    """At most so many rows set the margins' cells."""
    lr: float = 1e-3

    def __post_init__(self) -> None:
        check_ranges(self, layers=(1, 64), bins=(2, 128), depth=(1, 16), keep=(1, 1 << 24))


class TableFlow(Generator, Density):
    """Sklar's theorem with a flow for the copula: margins are counted, and the density on the unit cube is a Gaussian copula's, refined
    by coupling layers of rational-quadratic splines (Durkan et al. 2019, arXiv:1906.04032, section 3), uniform at its base.

    Ids and cells are intervals of u. Drawing u evenly within them makes the likelihood a lower bound (Theis, van den Oord, Bethge 2016,
    arXiv:1511.01844, eq. 5). The flow starts as the Gaussian copula.
    """

    Settings = TableFlowSettings
    settings: TableFlowSettings
    spec: Row
    tight: Literal["exact", "bound", "estimate"] = "bound"

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.margins = Copula(spec, {}, settings=CopulaSettings(keep=self.settings.keep))
        self.register_buffer("factor", torch.eye(len(self.spec.fields), dtype=torch.float64))
        self.factor: Tensor
        """(F,F): lower Cholesky factor of the correlations of the normal scores of u, which is drawn evenly within cells: below those of
        the copula's own latent variables."""

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return refuses_rows(spec, {})

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: TableFlowSettings) -> dict[str, Net]:
        assert isinstance(spec, Row)
        found, count = {}, len(spec.fields)
        for layer in range(settings.layers):
            moved = len(halves(count, layer))
            given, said = Array((max(1, _CURVES * (count - moved)),)), Array((moved * parameters(settings.bins),))
            found[f"coupling{layer}"] = Net("encoder", given, said, {"depth": settings.depth})
        return found

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.05)
        counts = Learner("counts", self._see, self._settle, passes=2)
        return [counts, Player("flow", list(self.nets.parameters()), self._loss, optim=optim)]

    def _see(self, batch: Batch) -> Terms:
        # a run shorter than a pass must not end with margins that never counted
        if batch.progress > _COUNT_BY and not int(self.margins.counts.sum()):
            self._settle()
        return self.margins.see(batch)

    def _settle(self) -> bool:
        done = self.margins.settle()
        self.factor.copy_(torch.linalg.cholesky(self.margins.correlations()))
        return done

    def _loss(self, batch: Batch) -> Terms:
        nats = -self._log_prob(batch.data, batch.condition, batch.given, batch.noise)
        return {"loss": nats / len(self.spec.fields), "nats": nats.detach()}

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """A lower bound under one draw of u. Raises ValueError without noise."""
        if noise is None:
            raise ValueError("a bound is drawn: noise is needed")
        return self._log_prob(x, *all_given(condition), noise)

    def _log_prob(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], noise: Noise) -> Tensor:
        low, high, within = self.margins.interval(x)
        share = noise.uniform((len(self.spec.fields),), "within").to(low)
        u = (low + share * (high - low)).clamp(_EDGE, 1 - _EDGE)
        v, log_density = self._whiten(u)
        v = v.float()
        for layer in range(self.settings.layers):
            splines, moved = self._splines(layer, v, condition, given)
            y, log_slope = splines.forward(v[:, moved])
            v, log_density = v.index_copy(1, moved, y), log_density + log_slope.double().sum(1)
        return (log_density + (high - low).clamp(min=1e-300).log().sum(1) + within).float()

    def _whiten(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """u (B,F) float64 without its Gaussian copula, and (B,) the log-density of that copula at u."""
        z, factor = torch.special.ndtri(u), self.factor
        y = torch.linalg.solve_triangular(factor, z.T, upper=False).T
        log_density = (z.square() - y.square()).sum(1) / 2 - factor.diagonal().log().sum()
        return torch.special.ndtr(y).clamp(_EDGE, 1 - _EDGE), log_density

    def _splines(self, layer: int, v: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[Splines, Tensor]:
        """The splines (B,m) of a layer under the fields that it leaves as they are, and the m fields that it moves."""
        count = v.shape[1]
        moved = halves(count, layer)
        kept = sorted(set(range(count)) - set(moved))
        waves = torch.arange(1, _CURVES + 1, device=v.device) * math.pi
        seen = (v[:, kept, None] * waves).cos().flatten(1) if kept else torch.zeros(len(v), 1, device=v.device)
        raw = self.nets[f"coupling{layer}"](seen, condition, given).float()
        return Splines.of(raw.view(len(v), len(moved), -1)), torch.tensor(moved, device=v.device)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        told, given = all_given(condition)
        v = noise.uniform((len(self.spec.fields),), "base").clamp(_EDGE, 1 - _EDGE)
        for layer in reversed(range(self.settings.layers)):
            splines, moved = self._splines(layer, v, told, given)
            v = v.index_copy(1, moved, splines.inverse(v[:, moved])[0])
        z = torch.special.ndtri(v.double().clamp(_EDGE, 1 - _EDGE)) @ self.factor.T
        return self.margins.values(torch.special.ndtr(z))

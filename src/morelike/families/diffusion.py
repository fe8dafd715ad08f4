"""Flow matching on the straight path x_t = (1 - t) x + t noise: regress the velocity, then follow it from noise to data.

B batch, * the example's shape; t = 0 is data, t = 1 is noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition, Denoises, Encodes
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import BadInput, UnknownName
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec
from ..maths.solvers import SOLVERS

UNCHOSEN = 1.2
"""The guidance scale as long as none is chosen."""
_INVERSION = 40
"""Solver steps from data to its noise, and back."""


@dataclass(frozen=True, slots=True)
class DiffusionSettings:
    """The path's time weighting, and the defaults of sampling."""

    time_mean: float = 0.0
    time_std: float = 1.0
    """Training times are sigmoid(normal(mean, std)) (Esser et al. 2024, section 3.1)."""
    guidance: float = 0.0
    """Guidance scale (Ho and Salimans 2022), only with conditions and inside `guided`; 1 = none, 0 = chosen after training: the
    least with which classes are obeyed on validation data."""
    guided: tuple[float, float] = (0.3, 0.8)
    """The times between which guidance acts (Kynkäänniemi et al. 2024)."""
    solver: str = "adams"
    steps: int = 12
    lr: float = 2e-3

    def __post_init__(self) -> None:
        check_ranges(self, time_mean=(-100, 100), time_std=(0, 100), guidance=(0, 100))


class Diffusion(Generator, Denoises, Encodes):
    """Conditional flow matching (Lipman et al. 2022, eq. 23 with sigma_min = 0; Liu et al. 2022) on Array specs."""

    Settings = DiffusionSettings
    settings: DiffusionSettings
    dials = ("steps", "solver", "guidance")

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array(spec.shape)

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "diffusion learns real-valued arrays, not ids or mixed rows"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: DiffusionSettings) -> dict[str, Net]:
        _times(settings.steps, settings.solver)
        return {"denoiser": Net("denoiser", spec, spec)}

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.01)
        return [Player("denoiser", list(self.nets.parameters()), self._loss, optim=optim)]

    def _loss(self, batch: Batch) -> Terms:
        x, noise = batch.data, batch.noise.normal(self.spec.shape, "noise")
        t = torch.sigmoid(batch.noise.normal((), "time") * self.settings.time_std + self.settings.time_mean)
        t_ = t.view(-1, *[1] * (x.dim() - 1))
        velocity = self.nets["denoiser"](torch.lerp(x, noise, t_), t, batch.condition, batch.given)
        return {"loss": (velocity.float() - (noise - x)).square().flatten(1).mean(1)}

    def _velocity(self, x: Tensor, t: float, condition: Mapping[str, Tensor], weight: float) -> Tensor:
        time = torch.full((x.shape[0],), t, device=x.device)
        net = self.nets["denoiser"]
        _, given = all_given(condition)
        low, high = self.settings.guided
        weight = weight or UNCHOSEN
        guided: Tensor = net(x, time, condition, given).float()
        if not condition or weight == 1.0 or not low <= t <= high:
            return guided
        nothing = {name: torch.zeros_like(flag) for name, flag in given.items()}
        return torch.lerp(net(x, time, condition, nothing).float(), guided, weight)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: `steps`, `solver` ("euler", "heun", "adams"), `guidance`."""
        steps = int(dials.get("steps", self.settings.steps))
        weight = float(dials.get("guidance", self.settings.guidance))
        solver = str(dials.get("solver", self.settings.solver))
        times = _times(steps, solver)
        start = noise.normal(self.spec.shape, "start")
        return SOLVERS[solver](lambda x, t: self._velocity(x, t, condition or {}, weight), start, times)

    def denoise(self, x_t: Tensor, t: Tensor, condition: Condition = None) -> Tensor:
        """E[x | x_t] = x_t - t v(x_t, t)."""
        condition, given = all_given(condition)
        velocity: Tensor = self.nets["denoiser"](x_t, t, condition, given).float()
        return x_t - t.view(-1, *[1] * (x_t.dim() - 1)) * velocity

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """The noise from which the flow without guidance comes to x: it is followed back (Song et al. 2020, arXiv:2010.02502, 4.3)."""
        times = _times(_INVERSION, "adams")[::-1]
        return SOLVERS["adams"](lambda x, t: self._velocity(x, t, condition or {}, 1.0), x, times)

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """Where the flow without guidance leads from the noise z."""
        times = _times(_INVERSION, "adams")
        return SOLVERS["adams"](lambda x, t: self._velocity(x, t, condition or {}, 1.0), z, times)


def _times(steps: int, solver: str) -> list[float]:
    """The solver's times from noise to data. Raises UnknownName or BadInput for what can't be solved with."""
    if solver not in SOLVERS:
        raise UnknownName("solver", solver, SOLVERS)
    if steps < 1:
        raise BadInput(f"steps must be at least 1, not {steps}")
    return [1 - i / steps for i in range(steps + 1)]

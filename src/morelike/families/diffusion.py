"""Diffusion and flow matching: regress what leads from noise to data, then follow it.

B batch, * the example's shape; t = 0 is data, t = 1 is noise, all in the straight coordinates of `maths.paths`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..core.abilities import Condition, Denoises, Density, Encodes
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import BadInput, UnknownName
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from ..maths.likelihood import gaussian
from ..maths.ode import change_of_variables
from ..maths.paths import PATHS, wide
from ..maths.solvers import DRAWING, SOLVERS

UNCHOSEN = 1.2
"""The guidance scale as long as none is chosen."""
_INVERSION = 40
"""Solver steps from data to its noise, and back."""
_MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class DiffusionSettings:
    """The path and its training times, and the defaults of sampling. Raises UnknownName or BadInput for what can't be."""

    path: str = "flow"
    """"flow" (straight), "cosine", "linear" (DDPM) or "edm"."""
    time_mean: float = 0.0
    time_std: float = 1.0
    """Training times are sigmoid(normal): of "flow" with these, of "edm" with -1.2 + mean and 1.2 * std; the other paths draw evenly."""
    guidance: float = 0.0
    """Guidance scale (Ho and Salimans 2022), only with conditions and inside `guided`; 1 = none, 0 = chosen after training: the
    least with which classes are obeyed on validation data."""
    guided: tuple[float, float] = (0.3, 0.8)
    """The times between which guidance acts (Kynkäänniemi et al. 2024)."""
    solver: str = "adams"
    steps: int = 12
    dequantise: bool = False
    """Whether values of whole levels are learnt spread evenly over their cells, which a likelihood needs to be any good."""
    density_steps: int = 16
    """Of the likelihood's solver, four evaluations each."""
    lr: float = 2e-3

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise UnknownName("path", self.path, PATHS)
        check_ranges(self, time_mean=(-100, 100), time_std=(0, 100), guidance=(0, 100), density_steps=(1, 10_000))
        if not PATHS[self.path].normal and (self.time_mean, self.time_std) != (0.0, 1.0):
            raise BadInput(f"path={self.path} draws its training times evenly: time_mean and time_std are for flow and edm")
        _check_solver(self.steps, self.solver)


class Diffusion(Generator, Denoises, Encodes, Density):
    """Conditional flow matching (Lipman et al. 2022, eq. 23 with sigma_min = 0; Liu et al. 2022) on Array specs, or another of `PATHS`."""

    Settings = DiffusionSettings
    settings: DiffusionSettings
    spec: Array
    tight: Literal["exact", "bound", "estimate"] = "estimate"
    dials = ("steps", "solver", "guidance")

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array(spec.shape)
        self.path = PATHS[self.settings.path]
        # what codecs make has unit deviation but for pictures, of which Karras et al. 2022 take 0.5
        self.deviation = 0.5 if self.spec.bin else 1.0

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "diffusion learns real-valued arrays, not ids or mixed rows"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: DiffusionSettings) -> dict[str, Net]:
        return {"denoiser": Net("denoiser", spec, spec)}

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.01)
        return [Player("denoiser", list(self.nets.parameters()), self._loss, optim=optim)]

    def _loss(self, batch: Batch) -> Terms:
        x, noise = batch.data, batch.noise.normal(self.spec.shape, "noise")
        if self.settings.dequantise:
            x = self._spread(x, batch.noise)
        t = self.path.draw(batch.noise, self.settings.time_mean, self.settings.time_std)
        x_t, target, net = torch.lerp(x, noise, wide(t, x)), noise - x, self.nets["denoiser"]
        if self.path.told is None:
            said = net(x_t, t, batch.condition, batch.given)
        else:
            told = self.path.told(t, self.deviation)
            said = net(wide(told.scale, x) * x_t, told.time, batch.condition, batch.given)
            target = (target - wide(told.skip, x) * x_t) / wide(told.out, x)
        return {"loss": (said.float() - target).square().flatten(1).mean(1)}

    def _spread(self, x: Tensor, noise: Noise) -> Tensor:
        """x; of whole levels, at a place drawn evenly within its cell."""
        return x + self.spec.bin * (noise.uniform(self.spec.shape, "within") - 0.5) if self.spec.bin else x

    def _said(self, x_t: Tensor, t: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,*) E[noise - x | x_t] at times t (B,)."""
        net = self.nets["denoiser"]
        if self.path.told is None:
            straight: Tensor = net(x_t, t, condition, given).float()
            return straight
        told = self.path.told(t, self.deviation)
        said: Tensor = net(wide(told.scale, x_t) * x_t, told.time, condition, given).float()
        return wide(told.skip, x_t) * x_t + wide(told.out, x_t) * said

    def _velocity(self, x: Tensor, t: float, condition: Mapping[str, Tensor], weight: float) -> Tensor:
        """(B,*) guided by `weight`; 0 = not chosen."""
        time = torch.full((x.shape[0],), t, device=x.device)
        _, given = all_given(condition)
        low, high = self.settings.guided
        weight = weight or UNCHOSEN
        guided = self._said(x, time, condition, given)
        if not condition or weight == 1.0 or not low <= t <= high:
            return guided
        nothing = {name: torch.zeros_like(flag) for name, flag in given.items()}
        return torch.lerp(self._said(x, time, condition, nothing), guided, weight)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: `steps`, `solver` (one of `SOLVERS`, or "ancestral"), `guidance`. Raises UnknownName or BadInput for what can't be."""
        steps = int(dials.get("steps", self.settings.steps))
        weight = float(dials.get("guidance", self.settings.guidance))
        solver = str(dials.get("solver", self.settings.solver))
        _check_solver(steps, solver)
        times, own = self.path.times(steps), condition or {}
        start = times[0] * noise.normal(self.spec.shape, "start")

        def velocity(x: Tensor, t: float) -> Tensor:
            return self._velocity(x, t, own, weight)

        if solver in DRAWING:
            return DRAWING[solver](velocity, start, times, lambda step: noise.under(step).normal(self.spec.shape, "step"))
        return SOLVERS[solver](velocity, start, times)

    def denoise(self, x_t: Tensor, t: Tensor, condition: Condition = None) -> Tensor:
        """E[x | x_t] = x_t - t v(x_t, t)."""
        condition, given = all_given(condition)
        t = t.clamp(max=self.path.most)
        return x_t - wide(t, x_t) * self._said(x_t, t, condition, given)

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """(B,) nats by the probability-flow ODE (Song et al. 2021, arXiv:2011.13456, section 4.3): an estimate, for the solver takes
        `density_steps` steps, and where there are many dimensions the divergence is that along one direction (eq. 40).

        Values of whole levels get a place in their cell, which makes it a lower bound in the mean; without `dequantise` in training a
        poor one. Raises BadInput without noise.
        """
        if noise is None:
            raise BadInput("the likelihood of a diffusion model is an estimate that draws directions: pass `noise`")
        # autograd is needed whatever the caller's mode, and keeps nothing that was made in inference mode
        with torch.inference_mode(False), torch.autocast(x.device.type, enabled=False):
            own, given = all_given({name: value.clone() for name, value in (condition or {}).items()})
            start = self._spread(x.clone(), noise)
            directions = noise.uniform(self.spec.shape, "direction").clone()
            times = [self.path.most * (i / self.settings.density_steps) ** 2 for i in range(self.settings.density_steps + 1)]

            def velocity(x: Tensor, t: float) -> Tensor:
                return self._said(x, torch.full((len(x),), t, device=x.device), own, given)

            end, log_det = change_of_variables(velocity, start, times, torch.where(directions < 0.5, -1.0, 1.0))
            unit = torch.zeros((), device=x.device)
            cells = elements(self.spec) * math.log(self.spec.bin) if self.spec.bin else 0.0
            return gaussian(end.flatten(1), unit, unit + math.log(times[-1])).sum(1) + log_det + cells

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """The noise from which the flow without guidance comes to x: it is followed back (Song et al. 2020, arXiv:2010.02502, 4.3)."""
        times = self.path.times(_INVERSION)[::-1]
        return SOLVERS["adams"](lambda x, t: self._velocity(x, t, condition or {}, 1.0), x, times) / times[-1]

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """Where the flow without guidance leads from the noise z."""
        times = self.path.times(_INVERSION)
        return SOLVERS["adams"](lambda x, t: self._velocity(x, t, condition or {}, 1.0), times[0] * z, times)


def _check_solver(steps: int, solver: str) -> None:
    """Raises UnknownName or BadInput for what can't be solved with."""
    if solver not in SOLVERS and solver not in DRAWING:
        raise UnknownName("solver", solver, [*SOLVERS, *DRAWING])
    if steps < 1:
        raise BadInput(f"steps must be at least 1, not {steps}")
    if steps > _MOST_STEPS:
        raise BadInput(f"steps must be at most {_MOST_STEPS:,}, not {steps:,}")

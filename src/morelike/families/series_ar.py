"""Time series value by value: p(x) is the product over time of p(step | steps before it), each a product of mixtures over channels.

B batch, C channels, T steps, P particles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ..core.abilities import Condition, Density, Infills, check_known
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from ..maths.decoding import pick
from ..maths.particles import resampled
from ..nets.steps import mixed

_FARTHEST = 20.0
"""Drawn values stay so near 0: a step far outside the data feeds on itself."""


_TOLD = 0.02
"""What is told counts so little in the loss: sure as it is, its steep densities would outweigh all others."""


@dataclass(frozen=True, slots=True)
class SeriesARSettings:
    """The mixtures, and the defaults of drawing. Raises BadInput for a number out of its range."""

    mixture: int = 8
    """Gaussians of which each value is drawn."""
    jitter: float = 0.02
    """Deviation of what is added to the values learnt: a copy of the last one is no spike of density."""
    temperature: float = 1.0
    """Deviations of the Gaussians are multiplied by it."""
    particles: int = 32
    """Drafts of a series with gaps, of which what is known behind the gaps chooses."""
    drift: float = 1.0
    """Half of the training examples are moved up or down by a constant of this deviation, each channel by its own; their first step is
    not learnt. So what follows is foretold from levels that the data don't have, too."""
    lr: float = 2e-3

    def __post_init__(self) -> None:
        check_ranges(self, mixture=(1, 256), jitter=(0, 1), temperature=(0, 100), particles=(1, 4096), drift=(0, 100))


class SeriesAR(Generator, Density, Infills):
    """A recurrent net over time with mixtures of Gaussians (Graves 2013, arXiv:1308.0850, section 4), channels of a step one after another
    (Uria, Murray, Larochelle 2013, arXiv:1306.0186): exact likelihood, and what comes next given what came before is drawn exactly.
    """

    Settings = SeriesARSettings
    settings: SeriesARSettings
    spec: Array
    dials: ClassVar[tuple[str, ...]] = ("temperature", "particles")
    tight: Literal["exact", "bound", "estimate"] = "exact"

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        signal = isinstance(spec, Array) and len(spec.shape) == 2 and not spec.bin
        return None if signal else "it goes through series of real numbers, step by step"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: SeriesARSettings) -> dict[str, Net]:
        return {"steps": Net("causal", spec, spec, {"kind": "steps", "mixture": settings.mixture})}

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.01, clip=1.0)
        return [Player("steps", list(self.parameters()), self._loss, optim=optim)]

    def _loss(self, batch: Batch) -> Terms:
        x = batch.data + self.settings.jitter * batch.noise.normal(self.spec.shape, "jitter")
        moved = (batch.noise.uniform((), "moved") < 0.5).to(x) * float(self.settings.drift > 0)
        shift = self.settings.drift * batch.noise.normal((self.spec.shape[0], 1), "shift")
        shift[:, self.spec.shape[0] - self.spec.told :] = 0.0
        each = -self.nets["steps"](self._ordered(x + moved[:, None, None] * shift), batch.condition, batch.given).float()
        each = torch.cat((each[:, :1] * (1 - moved)[:, None, None], each[:, 1:]), 1)
        told = each[:, :, : self.spec.told].flatten(1).sum(1)
        own = each.flatten(1).sum(1) - told
        return {"loss": (own + _TOLD * told) / elements(self.spec), "nats": (own + told).detach()}

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """Exact; `noise` is not used."""
        return self.surprise(x, condition).double().flatten(1).sum(1).neg().float()

    def surprise(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B,C,T) nats of each value given the steps before it and the channels before it in its step."""
        nats: Tensor = -self.nets["steps"](self._ordered(x), *all_given(condition)).float().transpose(1, 2)
        return self._ordered(nats, back=True)

    def _ordered(self, x: Tensor, back: bool = False) -> Tensor:
        """(B,C,T) with what is told of a step first; `back` undoes it."""
        return x.roll(-self.spec.told if back else self.spec.told, 1) if self.spec.told else x

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dial: `temperature`."""
        x = torch.zeros(noise.size, *self.spec.shape, device=noise.index.device)
        numbers = noise.uniform(self.spec.shape, "part"), noise.normal(self.spec.shape, "value")
        warm = dials.get("temperature", self.settings.temperature)
        return self._run(x, torch.zeros_like(x, dtype=torch.bool), condition, numbers, warm)[0]

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: `temperature`, `particles`. Sequential Monte Carlo (Doucet, de Freitas, Gordon 2001): drafts of which the likelier ones,
        judged by the known values so far, are gone on with step by step. Exact where whole steps are known and come first, in the limit
        of many particles otherwise. Raises BadInput for another shape, and for known values that are none."""
        shape, count = (noise.size, *self.spec.shape), int(dials.get("particles", self.settings.particles))
        check_known(x, known, shape)
        # what is told chooses nothing
        count = 1 if _first(known[:, : x.shape[1] - self.spec.told]) else count
        parts = [noise.under("particle", i) for i in range(count)]
        drawn_by = [(own.uniform(self.spec.shape, "part"), own.normal(self.spec.shape, "value")) for own in parts]
        numbers = tuple(torch.stack(each, 1).flatten(0, 1) for each in zip(*drawn_by, strict=True))
        told = {name: value.repeat_interleave(count, 0) for name, value in (condition or {}).items()}
        again = noise.uniform((self.spec.shape[1] + 1,), "again")
        wide, there = torch.where(known, x, 0.0).repeat_interleave(count, 0), known.repeat_interleave(count, 0)
        warm = dials.get("temperature", self.settings.temperature)
        drawn, weight = self._run(wide, there, told, numbers, warm, again, count)
        best = pick(weight.view(-1, count).float(), again[:, -1])
        return torch.where(known, x, drawn.view(-1, count, *self.spec.shape)[torch.arange(len(x), device=x.device), best])

    def _run(
        self, x: Tensor, known: Tensor, condition: Condition, numbers: tuple[Tensor, ...], temperature: float, again: Tensor | None = None,
        count: int = 1,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """(x with what isn't known drawn (B,C,T), log-weights (B,) of what is). `again`: numbers by which drafts are drawn anew."""
        net: Any = self.nets["steps"]
        x, known, weight = self._ordered(x).clone(), self._ordered(known), torch.zeros(len(x), dtype=torch.float64, device=x.device)
        state = net.begin(*all_given(condition), len(x))
        for step in range(x.shape[2]):
            knows = net.knows(state)
            for channel in range(x.shape[1]):
                parts = net.mixture(knows, state.last, channel, x[:, :channel, step])
                value, told = x[:, channel, step], known[:, channel, step]
                if bool(told.any()):
                    weight = weight + torch.where(told, mixed(value, *parts).double(), 0.0)
                if not bool(told.all()):
                    drawn = _drawn(parts, numbers[0][:, channel, step], numbers[1][:, channel, step], temperature)
                    x[:, channel, step] = torch.where(told, value, drawn)
            chosen = resampled(weight, again[:, step], count) if again is not None and count > 1 else None
            if chosen is not None:
                which, weight = chosen
                x, state = x[which], state.rows(which)
            state = net.advance(state, x[:, :, step])
        return self._ordered(x, back=True), weight


def _drawn(parts: tuple[Tensor, Tensor, Tensor], uniform: Tensor, normal: Tensor, temperature: float) -> Tensor:
    """(B,) values of mixtures (B,K)."""
    weights, means, scales = parts
    part = pick(weights, uniform)[:, None]
    value = means.gather(1, part)[:, 0] + temperature * scales.gather(1, part)[:, 0].exp() * normal
    return value.clamp(-_FARTHEST, _FARTHEST)


def _first(known: Tensor) -> bool:
    """Whether whole steps are known, in each example those before all others."""
    steps = known.any(1)
    return bool((steps == known.all(1)).all()) and not bool((steps[:, 1:] & ~steps[:, :-1]).any())

"""Autoregressive pictures: p(x) is the product of p(value | those before it), each by one causal convolutional net.

B batch, C channels, H rows, W columns, P parameters of one value, M components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..core.abilities import Condition, Density
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from ..maths.likelihood import discretised_logistic, logistic

_FEW = 16
"""Up to so many levels each has a probability of its own; more are neighbours on a scale."""
_LOG_SCALE = (-7.0, 3.0)
_AT_ONCE = 64
"""Examples whose likelihood is worked out at once."""


@dataclass(frozen=True, slots=True)
class PixelCNNSettings:
    """The mixture, and the learning rate."""

    components: int = 10
    """Logistics a value is a mixture of, where there are more levels than 16."""
    lr: float = 0.01

    def __post_init__(self) -> None:
        check_ranges(self, components=(1, 1000))


class PixelCNN(Generator, Density):
    """Gated PixelCNN (van den Oord et al. 2016, arXiv:1606.05328; 1601.06759): exact nats of pictures on a grid of levels.

    Few levels have a softmax each, two of them (binarised pictures) so a Bernoulli; more are a mixture of discretised logistics
    (Salimans et al. 2017, arXiv:1701.05517, eq. 2).
    """

    Settings = PixelCNNSettings
    settings: PixelCNNSettings
    tight: Literal["exact", "bound", "estimate"] = "exact"

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        assert isinstance(spec, Array)
        self.step, self.levels = spec.bin, level_count(spec)

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if isinstance(spec, Array) and spec.bin and len(spec.shape) == 3:
            return None
        return "PixelCNN learns pictures of whole-number levels"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: PixelCNNSettings) -> dict[str, Net]:
        assert isinstance(spec, Array)
        channels, *sides = spec.shape
        each = level_count(spec) if level_count(spec) <= _FEW else 3 * settings.components
        return {"causal": Net("causal", spec, Array((channels * each, *sides)))}

    def players(self) -> list[Player | Learner]:
        optim = Optim("muon", lr=self.settings.lr, betas=(0.95, 0.99), schedule="linear")
        return [Player("pixels", list(self.parameters()), self._loss, optim=optim)]

    def log_probs(self, x: Tensor, condition: Condition, given: Condition = None) -> Tensor:
        """(B,C,H,W) nats of every value given those before it. `given`: None = all."""
        known, everything = all_given(condition)
        out: Tensor = self.nets["causal"](x, known, everything if given is None else given).float()
        out = out.view(len(x), x.shape[1], -1, *x.shape[2:])
        if self.levels <= _FEW:
            level = torch.round((x + 1) / self.step).long()
            return out.log_softmax(2).gather(2, level[:, :, None])[:, :, 0]
        weight, mean, log_scale = self._mixture(out, 2)
        each = discretised_logistic(x[:, :, None], mean, log_scale, self.step)
        return (weight.log_softmax(2) + each).logsumexp(2)

    def _mixture(self, out: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, means and log-scales of the components, along `axis`; at first they are spread evenly."""
        weight, mean, log_scale = out.chunk(3, axis)
        spread = torch.linspace(-1, 1, self.settings.components, device=out.device)
        mean = mean + spread.view(-1, *[1] * (out.dim() - axis - 1))
        return weight, mean, (log_scale - 2.0).clamp(*_LOG_SCALE)

    def _loss(self, batch: Batch) -> Terms:
        nats = -self.log_probs(batch.data, batch.condition, batch.given).flatten(1).sum(1)
        # per element, so that one clipping norm suits every size
        return {"loss": nats / elements(self.spec), "nats": nats.detach()}

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """Some examples at a time: 256 levels take many numbers a value."""
        parts = []
        for start in range(0, len(x), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            known = {name: value[rows] for name, value in (condition or {}).items()}
            parts.append(self.log_probs(x[rows], known).flatten(1).sum(1))
        return torch.cat(parts)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Value by value, with what the net has worked out kept."""
        which, where = noise.uniform(self.spec.shape, "which"), noise.uniform(self.spec.shape, "where")

        def pick(parameters: Tensor, place: tuple[int, int, int]) -> Tensor:
            return self._pick(parameters.float(), which[:, *place], where[:, *place])

        net: Any = self.nets["causal"]
        x: Tensor = net.draw(*all_given(condition), noise.size, pick)
        return x

    def _pick(self, parameters: Tensor, which: Tensor, where: Tensor) -> Tensor:
        """(B,) values from their parameters (B,P) and two numbers in (0, 1)."""
        few = self.levels <= _FEW
        weight, mean, log_scale = (parameters,) * 3 if few else self._mixture(parameters, 1)
        edges = weight.softmax(1).cumsum(1)
        own = (which[:, None] * edges[:, -1:] > edges).sum(1, keepdim=True).clamp(max=weight.shape[1] - 1)
        if few:
            return own[:, 0] * self.step - 1
        x = logistic(mean.gather(1, own), log_scale.gather(1, own), where[:, None])[:, 0]
        return torch.round((x.clamp(-1, 1) + 1) / self.step) * self.step - 1


def level_count(spec: Array) -> int:
    """How many levels there are from -1 to 1."""
    return round(2 / spec.bin) + 1

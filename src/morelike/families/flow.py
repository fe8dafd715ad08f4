"""Normalizing flows: an invertible map of x onto as many unit Gaussians, so that log p(x) = log N(z) + log |det dz/dx|.

B batch, * the example's shape, D its elements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..core.abilities import Condition, Density, Encodes, Prior
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import BadInput, UnknownName
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements, spatial
from ..maths.bijections import Affine, Bijection, Chain, Coupling, Curve, FactorOut, Flat, Logit, Say, Spline, Squeeze, halves
from ..maths.likelihood import gaussian

_COARSEST = 4
"""Pictures are halved until no side is longer; there plain nets let every place see all others."""
_DROPOUT = 0.2
"""Of the nets of pictures. On digits without it, nats of validation data rose again after 240 steps."""
_BOUND = 5.0
"""Splines are the identity beyond it."""
_MEASURED = 4096
"""Examples that set the elements' means and deviations."""
_LEAST_DEVIATION = 0.25
"""On the line, where the whole range of a picture is 6: else a pixel that never varied in training makes one item beyond all measure."""
_CURVES = ("affine", "spline")


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """The couplings, and training. Raises UnknownName or BadInput for what no flow can be made of."""

    coupling: str = "affine"
    """"affine" (RealNVP) or "spline"."""
    layers: int = 8
    """Couplings of a vector; two of them move every element once."""
    per_scale: int = 3
    """Couplings of a picture by checkerboard at each scale, and as many by channels."""
    bins: int = 8
    """Of a spline."""
    lr: float = 1e-3

    def __post_init__(self) -> None:
        if self.coupling not in _CURVES:
            raise UnknownName("coupling", self.coupling, _CURVES)
        check_ranges(self, layers=(1, 64), per_scale=(1, 16), bins=(2, 128))


class Flow(Generator, Density, Prior, Encodes):
    """Dinh, Sohl-Dickstein, Bengio 2017, arXiv:1605.08803 (affine couplings, figure 4's scales) and Durkan, Bekasov, Murray, Papamakarios
    2019, arXiv:1906.04032 (splines in their place).

    Of reals the likelihood is exact. Quantised values are spread evenly over their cells, which makes it a lower bound of the mass (Theis,
    van den Oord, Bethge 2016, arXiv:1511.01844, eq. 5); `encode` takes the middle of the cell. Elements are standardised first, once; the
    batch norm of the first paper is left out.
    """

    Settings = FlowSettings
    settings: FlowSettings
    spec: Array
    tight: Literal["exact", "bound", "estimate"]

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array((elements(spec),))
        self.tight = "bound" if self.spec.bin else "exact"
        self.line: Bijection = Logit(-1 - self.spec.bin / 2, 1 + self.spec.bin / 2) if self.spec.bin else Chain(())
        self.chain, _ = _chain(self.spec, self.settings)
        self.register_buffer("seen", torch.zeros((), dtype=torch.float64))
        self.register_buffer("total", torch.zeros(spec.shape, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(spec.shape, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(spec.shape))
        self.register_buffer("deviation", torch.ones(spec.shape))
        self.seen: Tensor
        self.total: Tensor
        self.squares: Tensor
        self.mean: Tensor
        self.deviation: Tensor

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array):
            return "a flow learns real-valued arrays, not ids or mixed rows"
        if spatial(spec) and all(size % 2 for size in spec.shape[1:]):
            sizes = [size + 1 for size in spec.shape[1:]]
            asked = f"codec.size={sizes[0]}" if len(set(sizes)) == 1 else f"'codec.size={sizes}'"
            return (
                f"a flow halves the sides of a picture, and of {' x '.join(map(str, spec.shape[1:]))} none is even; the nearest size that "
                f"will do is {' x '.join(map(str, sizes))}: {asked}"
            )
        return None

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: FlowSettings) -> dict[str, Net]:
        assert isinstance(spec, Array)
        return _chain(spec, settings)[1]

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.01)
        return [Player("flow", list(self.nets.parameters()), self._loss, optim=optim, after=self._standardise)]

    def _standardise(self, batch: Batch) -> None:
        """From the first examples: every element's mean and deviation on the line."""
        if self.seen >= _MEASURED:
            return
        y = self.line.forward(self._spread(batch.data, batch.noise), self._say({}, {}))[0].double()
        self.seen += len(y)
        self.total += y.sum(0)
        self.squares += y.square().sum(0)
        mean = self.total / self.seen
        self.mean.copy_(mean)
        self.deviation.copy_((self.squares / self.seen - mean.square()).clamp(min=_LEAST_DEVIATION**2).sqrt())

    def _say(self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Say:
        # whatever precision the nets compute in, log-determinants are those of the very numbers that they said
        return lambda net, x: self.nets[net](x, condition, given).float()

    def _loss(self, batch: Batch) -> Terms:
        nats = -self._log_prob(batch.data, batch.noise, self._say(batch.condition, batch.given))
        # per element, so that one clipping norm suits every size
        return {"loss": nats / elements(self.spec), "nats": nats.detach()}

    def _spread(self, x: Tensor, noise: Noise | None) -> Tensor:
        """x; quantised, at a place drawn evenly within its cell."""
        if not self.spec.bin:
            return x
        if noise is None:
            raise BadInput("the likelihood bound of a flow on quantised data draws places within cells: pass `noise`")
        return x + self.spec.bin * (noise.uniform(self.spec.shape, "within") - 0.5)

    def _forward(self, x: Tensor, say: Say) -> tuple[Tensor, Tensor]:
        """z (B,D) and (B,) log |det dz/dx|."""
        y, first = self.line.forward(x, say)
        z, second = self.chain.forward((y - self.mean) / self.deviation, say)
        return z, first + second - self.deviation.log().sum()

    def _inverse(self, z: Tensor, say: Say) -> Tensor:
        return self.line.inverse(self.chain.inverse(z, say) * self.deviation + self.mean, say)

    def _log_prob(self, x: Tensor, noise: Noise | None, say: Say) -> Tensor:
        """(B,) nats; exact, or the bound under one draw of the place within each cell."""
        z, log_det = self._forward(self._spread(x, noise), say)
        unit = torch.zeros((), device=z.device)
        cell = elements(self.spec) * math.log(self.spec.bin) if self.spec.bin else 0.0
        return gaussian(z, unit, unit).sum(1) + log_det + cell

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """Exact of reals; of quantised data a bound. Raises BadInput where that is asked for without noise."""
        with _full_precision(x):
            return self._log_prob(x, noise, self._say(*all_given(condition)))

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, D), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B, D)."""
        with _full_precision(x):
            return self._forward(x, self._say(*all_given(condition)))[0]

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B, *): the inverse of `encode`; quantised values come back as they were to within rounding, between their levels if z is."""
        with _full_precision(z):
            return self._inverse(z, self._say(*all_given(condition)))

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        x = self._inverse(self.prior(noise), self._say(*all_given(condition)))
        step = self.spec.bin
        return torch.round((x.clamp(-1, 1) + 1) / step) * step - 1 if step else x


def _full_precision(x: Tensor) -> torch.autocast:
    """Nets round to bf16 otherwise, and what comes back through a chain differs by a rounding that they would enlarge."""
    return torch.autocast(x.device.type, enabled=False)


def _chain(spec: Array, settings: FlowSettings) -> tuple[Bijection, dict[str, Net]]:
    """The map of x onto z, and the nets that its couplings name."""
    curve: Curve = Spline(settings.bins, _BOUND) if settings.coupling == "spline" else Affine()
    nets: dict[str, Net] = {}
    if spatial(spec):
        return _scale(spec.shape, settings.per_scale, curve, nets), nets
    return Chain(tuple(_coupling(spec.shape, halves(spec.shape[0], layer), curve, nets) for layer in range(settings.layers))), nets


def _coupling(shape: tuple[int, ...], moved: tuple[int, ...], curve: Curve, nets: dict[str, Net]) -> Coupling:
    """A coupling of channels of (C,*); its net is put among `nets`."""
    kept = tuple(sorted(set(range(shape[0])) - set(moved)))
    name, sizes = f"coupling{len(nets)}", shape[1:]
    own = {"kind": "residual" if max(sizes) > _COARSEST else "mlp", "dropout": _DROPOUT} if sizes else {}
    nets[name] = Net("encoder", Array((max(1, len(kept)), *sizes)), Array((len(moved) * curve.numbers, *sizes)), own)
    return Coupling(name, moved, kept, curve)


def _scale(shape: tuple[int, ...], count: int, curve: Curve, nets: dict[str, Net]) -> Bijection:
    """A scale and all coarser ones (Dinh et al. 2017, section 3.6): from (C,*) to a vector. Only sides that are even are halved.

    Once a side is halved, the fields of a checkerboard are channels: its couplings are couplings of channels, at the coarser scale.
    """
    factors = tuple(2 if size % 2 == 0 else 1 for size in shape[1:])
    places, channels = math.prod(factors), shape[0]
    squeezed = (channels * places, *(size // factor for size, factor in zip(shape[1:], factors, strict=True)))
    # a place among `factors` in binary has as many ones as steps from the first: their parity is its colour
    board = [channel for channel in range(squeezed[0]) if (channel // channels).bit_count() % 2 == 0]
    first = list(range(squeezed[0] // 2))
    steps: list[Bijection] = [Squeeze(factors)]
    for half in (board, first):
        other = [channel for channel in range(squeezed[0]) if channel not in half]
        steps += [_coupling(squeezed, tuple(other if layer % 2 == 0 else half), curve, nets) for layer in range(count)]
    if max(squeezed[1:]) > _COARSEST and any(size % 2 == 0 for size in squeezed[1:]):
        rest = (squeezed[0] - squeezed[0] // 2, *squeezed[1:])
        return Chain((*steps, FactorOut(squeezed, _scale(rest, count, curve, nets))))
    return Chain((*steps, Flat(squeezed)))

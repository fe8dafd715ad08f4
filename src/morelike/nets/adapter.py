"""Low-rank add-ons to linear layers: a trained net is tuned by a few numbers, its own weights unchanged.

D inputs, E outputs, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)

ALPHA = 8.0
"""The add-on counts alpha / R times, so that another rank needs no other learning rate (Hu et al. 2021, section 4.1)."""
MOST = 64
SHARE = 0.02
"""Largest share of a model's parameters that `affordable` lets an add-on have."""


class AdaptedLinear(nn.Linear):
    """y = W x + b + (alpha / R) B A x (Hu et al. 2021, arXiv:2106.09685, eq. 3); W and b keep their names and stand still.

    A is normal with variance 1 / D, B zero, so that at first it is the layer it was made from.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features, self.scale = base.in_features, base.out_features, alpha / rank
        self.weight = base.weight
        self.register_parameter("bias", base.bias)
        self.down = nn.Parameter(torch.randn_like(base.weight[:1].expand(rank, -1)) / math.sqrt(self.in_features))
        self.up = nn.Parameter(base.weight.new_zeros(self.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., E)."""
        return F.linear(x, self.weight, self.bias) + self.scale * F.linear(F.linear(x, self.down), self.up)

    def merged(self) -> nn.Linear:
        """One plain layer that does the same, up to rounding."""
        plain = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        plain.weight = nn.Parameter((self.weight + self.scale * (self.up @ self.down)).detach())
        plain.register_parameter("bias", None if self.bias is None else nn.Parameter(self.bias.detach().clone()))
        return plain


def adapt(model: nn.Module, rank: int, alpha: float = ALPHA) -> None:
    """Puts an add-on to every linear layer of the model, in place, drawn from torch's generator; all else is frozen for good."""
    model.requires_grad_(False)
    _replace(model, nn.Linear, lambda layer: AdaptedLinear(layer, rank, alpha))


def merge(model: nn.Module) -> None:
    """Takes every add-on into its layer's own weights, in place; all parameters can be trained again."""
    _replace(model, AdaptedLinear, AdaptedLinear.merged)
    model.requires_grad_(True)


def addon(model: nn.Module) -> dict[str, Tensor]:
    """The add-ons' tensors by their names in the model, detached, not copied."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, AdaptedLinear)}
    return {f"{name}.{part}": getattr(layer, part).detach() for name, layer in layers.items() for part in ("down", "up")}


def size(model: nn.Module) -> int:
    """How many numbers an add-on of rank 1 has."""
    return sum(layer.in_features + layer.out_features for layer in set(model.modules()) if type(layer) is nn.Linear)


def affordable(model: nn.Module) -> int:
    """The largest rank, 64 at most, whose add-on has at most `SHARE` of the model's parameters; 0 where there is none."""
    return min(MOST, math.floor(SHARE * sum(p.numel() for p in model.parameters()) / max(1, size(model))))


def _replace(model: nn.Module, kind: type[Layer], make: Callable[[Layer], nn.Module]) -> None:
    """Every layer of exactly this kind by another; one that stands in several places stays one."""
    made: dict[int, nn.Module] = {}
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is kind:
                if id(child) not in made:
                    made[id(child)] = make(child)
                setattr(parent, name, made[id(child)])

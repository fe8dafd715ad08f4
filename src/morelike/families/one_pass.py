"""What families share whose generator makes an example of a latent in one pass. B batch, * the example's shape, L latent dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition, Prior
from ..core.contract import Generator, Remedy, all_given
from ..core.noise import Noise
from ..core.spec import Array, Conditions, Spec, spatial

MOST_GRADIENT = 10.0
"""Largest norm of a gradient: sound games stay below; without it one bad batch threw a critic far off (three channels of 28 x 28)."""


def in_blocks(spec: Spec, conditions: Conditions) -> dict[str, int]:
    """What a game's convolutions are asked for: of pictures larger than 16 pixels they work on blocks of 2 x 2, for what a step
    costs it mostly costs at the finest level (on 28 x 28 pictures 1.5 times the steps of nets half as wide).
    Not where another picture is told, which a generator must see pixel by pixel."""
    told = any(spatial(own) for own in conditions.values() if isinstance(own, Array))
    return {"patch": 2} if len(spec.shape) == 3 and max(spec.shape[1:]) > 16 and not told else {}


class OnePass(Generator, Prior):
    """A net "generator" from a latent to x. Where x is quantised, a hyperbolic tangent keeps it in [-1, 1]."""

    reach: float = 3.0
    """The latent reaches the generator so many times larger than the label's first embedding. At 1 the generator learnt one picture a
    class and stayed there (digits, 25 s: recall 0.28 against 0.65)."""

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.latent = Array((self.settings.latent,))
        self.bounded = isinstance(spec, Array) and spec.bin > 0

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "this GAN makes real-valued arrays, not ids or mixed rows"

    def make(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """As `decode`, with each condition's presence (B,) bool."""
        x = self.nets["generator"](self.reach * z, condition, given).float()
        return torch.tanh(x) if self.bounded else x

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """One step; there are no dials."""
        return self.decode(self.prior(noise), condition)

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) from (B,L)."""
        return self.make(z, *all_given(condition))


def stronger(name: str, weight: float) -> Remedy:
    """The remedy that raises a penalty's weight five times, or puts it to the usual 0.2 where there is none."""
    more = 5 * weight or 0.2
    return Remedy(f"{name} from {weight:g} to {more:g}", {name: more})

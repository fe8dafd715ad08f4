"""Nets spelled out layer by layer in words, for those that must have exactly the layers that somebody wrote down.

B batch, * the example's shape, H W rows and columns of a picture.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..core.errors import BadInput, UnknownName
from ..core.spec import Spec, elements
from .blocks import Dropout

_SLOPE = 0.3
"""Of "leaky" below zero: Keras's own, where these words come from (PyTorch's is 0.01)."""
_DROPPED = 0.3
_MOST = 65_536
"""Units or channels of a layer."""
_PLAIN: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
_WORDS = (*_PLAIN, "leaky", "drop", "norm", "128", "spread256", "keep128", "up64", "down64")


@dataclass(frozen=True, slots=True)
class LayersSettings:
    """The layers but the last, which goes to the output's shape, as words in a row.

    `128`: linear, 128 units. `relu`, `tanh`, `sigmoid`, `leaky` (slope 0.3). `norm`: batch normalisation, so the loss mixes examples.
    `drop`: dropout of 0.3. Of pictures: `spread256`: linear without bias, to 256 channels of a quarter of the rows and columns;
    `keep128`, `up64`: transposed 5x5 convolutions of stride 1 and 2; `down64`: 5x5 convolution of stride 2.
    The last layer is linear, but a transposed 5x5 convolution of stride 2 from channels to a picture.
    """

    layers: str = "256 relu"


class Layered(nn.Module):
    """`forward(x, condition, given)`: (B,*) -> (B, *output.shape); conditions are not heard. The recipe's size changes nothing.

    Raises UnknownName for a word that is none, BadInput where a layer doesn't fit what stands before it.
    """

    def __init__(self, inputs: Spec, output: Spec, settings: LayersSettings) -> None:
        super().__init__()
        self.shape = output.shape
        stack = _Stack(inputs.shape, output.shape)
        for word in settings.layers.split():
            stack.add(word)
        self.width = math.prod(stack.shape)
        self.features = nn.Sequential(*stack.layers)
        self.last: nn.Module
        if len(stack.shape) == len(output.shape) == 3:
            channels, *sizes = stack.shape
            if [2 * size for size in sizes] != list(output.shape[1:]):
                raise BadInput(f"a picture of {output.shape[1]} x {output.shape[2]} can't be doubled from {sizes[0]} x {sizes[1]}")
            self.last = _up(channels, output.shape[0], 2)
        else:
            self.last = nn.Sequential(nn.Flatten(), nn.Linear(self.width, elements(output)))

    def embed(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B, width): what the last layer reads."""
        features: Tensor = self.features(x)
        return features.flatten(1)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        out: Tensor = self.last(self.features(x))
        return out.view(-1, *self.shape)


class _Stack:
    """Layers so far, and the shape of what they give: (units,) or (channels, H, W)."""

    def __init__(self, shape: tuple[int, ...], output: tuple[int, ...]) -> None:
        self.shape, self.output = shape, output
        self.layers: list[nn.Module] = []
        self.folded: tuple[int, ...] = ()
        """The channels, rows and columns that the units of "spread" stand for."""

    def add(self, word: str) -> None:
        found = re.fullmatch(r"(spread|keep|up|down|)(\d{1,6})", word)
        if word in _PLAIN:
            self.layers.append(_PLAIN[word]())
        elif word == "leaky":
            self.layers.append(nn.LeakyReLU(_SLOPE))
        elif word == "drop":
            self.layers.append(Dropout(_DROPPED))
        elif word == "norm":
            self.layers.append((nn.BatchNorm2d if len(self.shape) == 3 else nn.BatchNorm1d)(self.shape[0]))
        elif found is None:
            raise UnknownName("layer", word, _WORDS)
        elif not 1 <= int(found[2]) <= _MOST:
            raise BadInput(f"a layer has from 1 to {_MOST:,} units or channels, not {found[2]}")
        else:
            self._weighted(found[1], int(found[2]))

    def _weighted(self, kind: str, size: int) -> None:
        if kind in ("", "spread"):
            if len(self.shape) > 1:
                self.layers.append(nn.Flatten())
            units, self.folded = size, ()
            if kind:
                if len(self.output) != 3 or any(side % 4 for side in self.output[1:]):
                    raise BadInput("'spread' needs pictures whose sides are multiples of 4")
                self.folded = (size, self.output[1] // 4, self.output[2] // 4)
                units = math.prod(self.folded)
            self.layers.append(nn.Linear(math.prod(self.shape), units, bias=not kind))
            self.shape = (units,)
            return
        if self.folded:
            self.layers.append(nn.Unflatten(1, self.folded))
            self.shape, self.folded = self.folded, ()
        if len(self.shape) != 3:
            raise BadInput(f"{kind}{size} is a convolution, and what stands before it is no picture; begin with 'spread'")
        channels, rows, columns = self.shape
        if kind == "down":
            self.layers.append(nn.Conv2d(channels, size, 5, 2, padding=2))
            self.shape = (size, -(-rows // 2), -(-columns // 2))
        else:
            stride = 2 if kind == "up" else 1
            self.layers.append(_up(channels, size, stride))
            self.shape = (size, rows * stride, columns * stride)


def _up(channels: int, size: int, stride: int) -> nn.ConvTranspose2d:
    """5x5; `stride` times the rows and columns, as Keras's padding "same" gives."""
    return nn.ConvTranspose2d(channels, size, 5, stride, padding=2, output_padding=stride - 1)

"""Generator and critic of StyleGAN2: a latent becomes a style, which scales the features of every layer.

B batch, C channels, H W rows and columns, L latent dimensions, S width of a style, G grids from the coarsest to the finest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.noise import Noise
from ..core.spec import Array, Conditions, Spec, elements
from .blocks import crop_to, pad_to
from .condition import ConditionEncoder
from .equal import EqualConv, EqualLinear, Verdict, bent, grids, widths


@dataclass(frozen=True, slots=True)
class StyleSettings:
    """`width` channels on the finest grid, doubled towards the coarser ones up to `most` times. Of the generator only: `style`, the
    width of w, and `depth`, the layers of the mapping network (512 and 8 in the paper)."""

    width: int = 32
    most: int = 8
    style: int = 128
    depth: int = 4


def demodulation(scale: Tensor, weight: Tensor) -> Tensor:
    """(B,O): what brings outputs of unit-variance inputs back to unit variance, of input scales (B,I) and weights (O,I,*) (Karras et
    al. 2020, arXiv:1912.04958, eq. 2 and 3). In float32."""
    with torch.autocast(scale.device.type, enabled=False):
        return (scale.float().square() @ weight.float().flatten(2).square().sum(2).T + 1e-8).rsqrt()


class ModulatedConv(nn.Module):
    """(B,C,H,W), w (B,S) -> (B,C',H,W): a convolution whose weights are scaled for each example by its style, and brought back to unit
    norm unless `demodulates` is False (Karras et al. 2020, eq. 1 to 3). The input and the output are scaled in place of the weights,
    which is the same and needs one plain convolution for all examples."""

    def __init__(self, style: int, inputs: int, outputs: int, kernel: int = 3, demodulates: bool = True) -> None:
        super().__init__()
        self.style = EqualLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale, self.padding, self.demodulates = 1 / math.sqrt(inputs * kernel**2), kernel // 2, demodulates

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        weight, scale = self.weight * self.scale, self.style(w)
        out = F.conv2d(x * scale[:, :, None, None].to(x.dtype), weight, padding=self.padding)
        return out * demodulation(scale, weight)[:, :, None, None].to(out.dtype) if self.demodulates else out


class StyleLayer(nn.Module):
    """A modulated convolution, then noise, a bias and a bend; `doubles`: on a grid of twice the size."""

    def __init__(self, style: int, inputs: int, outputs: int, doubles: bool = False) -> None:
        super().__init__()
        self.conv, self.doubles = ModulatedConv(style, inputs, outputs), doubles
        self.strength, self.bias = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, noise: Noise, loud: float) -> Tensor:
        x = self.conv(doubled(x) if self.doubles else x, w)
        if loud:
            x = x + (loud * self.strength * noise.normal((1, *x.shape[2:]))).to(x.dtype)
        return bent(x + self.bias[:, None, None].to(x.dtype))


def doubled(x: Tensor) -> Tensor:
    """(B,C,2H,2W) by linear interpolation: the filter [1, 3, 3, 1] of the paper."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class StyleGenerator(nn.Module):
    """`map` takes latents to styles w, `draw` takes a w for each grid to pictures, without a last nonlinearity.

    Each grid adds its part to the picture (skip connections: Karras et al. 2020, section 4.1).
    """

    def __init__(self, latent: Spec, output: Array, conditions: Conditions, settings: StyleSettings) -> None:
        super().__init__()
        channels, *sizes = output.shape
        count, first = grids(sizes)
        self.sizes, self.levels = tuple(sizes), count + 1
        own, width, size = settings.style, widths(settings.width, settings.most, count), elements(latent)
        self.condition = ConditionEncoder(conditions, size)
        inputs = [2 * size if conditions else size, *[own] * (settings.depth - 1)]
        self.mapping = nn.ModuleList(EqualLinear(one, own, rate=0.01) for one in inputs)
        self.start = nn.Parameter(torch.randn(1, width[0], *first))
        self.first = nn.ModuleList(StyleLayer(own, width[max(0, i - 1)], width[i], doubles=i > 0) for i in range(self.levels))
        self.second = nn.ModuleList(StyleLayer(own, one, one) for one in width)
        self.pictures = nn.ModuleList(ModulatedConv(own, one, channels, kernel=1, demodulates=False) for one in width)
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def map(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,S) from (B,L)."""
        vector = self.condition(condition, given, len(z))
        w = z if vector is None else torch.cat((z, vector), 1)
        for layer in self.mapping:
            w = bent(layer(w))
        return w

    def draw(self, w: Tensor, noise: Noise, loud: float = 1.0) -> Tensor:
        """(B,C,H,W) from (B,G,S); `loud` multiplies the noise of every layer."""
        x = self.start.expand(len(w), -1, -1, -1)
        picture: Tensor | None = None
        for level, (first, second, part) in enumerate(zip(self.first, self.second, self.pictures, strict=True)):
            own = w[:, level]
            x = second(first(x, own, noise.under(level, "first"), loud), own, noise.under(level, "second"), loud)
            picture = part(x, own) if picture is None else doubled(picture) + part(x, own)
        assert picture is not None
        return crop_to(picture + self.bias, self.sizes)


class StyleCritic(nn.Module):
    """`forward(x, condition, given)`: (B,C,H,W) -> (B,) logits, by residual blocks (Karras et al. 2020, section 4.1)."""

    def __init__(self, spec: Array, conditions: Conditions, settings: StyleSettings) -> None:
        super().__init__()
        channels, *sizes = spec.shape
        count, first = grids(sizes)
        width = widths(settings.width, settings.most, count)[::-1]
        self.multiple = 2**count
        self.picture = EqualConv(channels, width[0], kernel=1)
        self.blocks = nn.ModuleList(_Halving(one, other) for one, other in pairwise(width))
        self.verdict = Verdict(width[-1], first, conditions)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        h = bent(self.picture(pad_to(x, self.multiple).contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            h = block(h)
        logit: Tensor = self.verdict(h, condition, given)
        return logit


class _Halving(nn.Module):
    """Two convolutions beside a short cut, to half the size; the sum keeps the scale."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = EqualConv(inputs, inputs), EqualConv(inputs, outputs, kernel=4, stride=2)
        self.short = EqualConv(inputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = bent(self.second(bent(self.first(x)))) + self.short(F.avg_pool2d(x, 2))
        return out * math.sqrt(0.5)

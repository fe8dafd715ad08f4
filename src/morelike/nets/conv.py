"""Convolutional encoder, decoder and critic for signals, pictures and videos (rank 1, 2 or 3), in the manner of DCGAN.

Sizes are halved until the longest side is at most 4 and doubled on the way back; any size is cropped from the next multiple. What a
net of pictures costs, it costs at its finest level: with `patch=2` that level has half the size, and blocks of 2 x 2 pixels as channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.spec import Array, Conditions, Spec, elements
from .blocks import CONV, Dropout, conv, crop_to, fold, norm, pad_to, unfold
from .condition import ConditionEncoder, PictureChannels, without_pictures


@dataclass(frozen=True, slots=True)
class ConvSettings:
    """`width` channels at full resolution, doubled each level up to `most` times."""

    width: int = 32
    most: int = 8
    norm: bool = True
    dropout: float = 0.0
    patch: int = 1
    """Space-to-depth factor (Shi et al. 2016, arXiv:1609.05158): the finest level's grid is so many times smaller."""


def levels(sizes: tuple[int, ...]) -> int:
    """How often the longest side is halved to be at most 4."""
    return max(0, math.ceil(math.log2(max(sizes) / 4)))


def folded(sizes: Sequence[int], patch: int) -> tuple[int, ...]:
    """The grid's sizes when blocks of `patch` are channels."""
    return tuple(-(-size // patch) for size in sizes)


def widths(settings: ConvSettings, count: int) -> list[int]:
    """Channels of each level, the finest first."""
    return [settings.width * min(settings.most, 2**level) for level in range(count + 1)]


class ConvEncoder(nn.Module):
    """`forward(x, condition, given)`: (B,C,*) -> (B, *output.shape). The condition scales and shifts the last features."""

    def __init__(self, spec: Array, output: Spec, conditions: Conditions, settings: ConvSettings) -> None:
        super().__init__()
        channels, *sizes = spec.shape
        rank, patch = len(sizes), settings.patch
        count = levels(folded(sizes, patch))
        self.shape, self.patch, self.multiple = output.shape, patch, patch * 2**count
        width = widths(settings, count)
        self.pictures = PictureChannels(conditions, rank)
        layers: list[nn.Module] = [conv(rank, (channels + self.pictures.count) * patch**rank, width[0]), nn.LeakyReLU(0.2)]
        for level in range(count):
            layers.append(CONV[rank](width[level], width[level + 1], 4, stride=2, padding=1))
            layers += [norm(width[level + 1])] if settings.norm else []
            layers += [nn.LeakyReLU(0.2), Dropout(settings.dropout)]
        self.features = nn.Sequential(*layers)
        flat = width[-1] * math.prod(-(-size // self.multiple) for size in sizes)
        self.hidden = nn.Linear(flat, 4 * width[0] + 128)
        self.condition = ConditionEncoder(without_pictures(conditions, rank), self.hidden.out_features)
        self.last = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(self.hidden.out_features, elements(output)))

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        h = _fast_layout(fold(pad_to(self.pictures(x, condition, given), self.multiple), self.patch))
        h = self.hidden(self.features(h).flatten(1))
        vector = self.condition(condition, given, x.shape[0])
        out: Tensor = self.last(h if vector is None else h + vector)
        return out.view(-1, *self.shape)


class Critic(nn.Module):
    """`forward(x, condition, given)`: (B,C,*) -> (B,) logits; conditions by projection (Miyato and Koyama 2018, eq. 3)."""

    def __init__(self, spec: Array, conditions: Conditions, settings: ConvSettings) -> None:
        super().__init__()
        channels, *sizes = spec.shape
        rank, patch = len(sizes), settings.patch
        count = levels(folded(sizes, patch))
        self.patch, self.multiple = patch, patch * 2**count
        width = widths(settings, count)
        self.pictures = PictureChannels(conditions, rank)
        layers: list[nn.Module] = [conv(rank, (channels + self.pictures.count) * patch**rank, width[0]), nn.LeakyReLU(0.2)]
        for level in range(count):
            layers += [CONV[rank](width[level], width[level + 1], 4, stride=2, padding=1), nn.LeakyReLU(0.2), Dropout(settings.dropout)]
        self.features = nn.Sequential(*layers)
        flat = width[-1] * math.prod(-(-size // self.multiple) for size in sizes)
        self.hidden = nn.Sequential(nn.Linear(flat, 128), nn.LeakyReLU(0.2))
        self.width = 128
        self.logit, self.condition = nn.Linear(128, 1), ConditionEncoder(without_pictures(conditions, rank), 128)

    def embed(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B, width): what the logit is read from; conditions that are no pictures come in later."""
        h = _fast_layout(fold(pad_to(self.pictures(x, condition, given), self.multiple), self.patch))
        out: Tensor = self.hidden(self.features(h).flatten(1))
        return out

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        h = self.embed(x, condition, given)
        logit: Tensor = self.logit(h)[:, 0]
        vector = self.condition(condition, given, x.shape[0])
        return logit if vector is None else logit + (vector * h).sum(1) / math.sqrt(h.shape[1])


class ConvDecoder(nn.Module):
    """`forward(z, condition, given)`: (B, *latent) -> (B,C',*) through transposed convolutions; no last nonlinearity."""

    def __init__(self, latent: Spec, output: Array, conditions: Conditions, settings: ConvSettings) -> None:
        super().__init__()
        channels, *sizes = output.shape
        rank, grid = len(sizes), folded(sizes, settings.patch)
        count = levels(grid)
        self.sizes, self.patch = tuple(sizes), settings.patch
        self.start = tuple(-(-size // 2**count) for size in grid)
        width = widths(settings, count)
        vectors = without_pictures(conditions, rank)
        self.condition, self.pictures = ConditionEncoder(vectors, 128), PictureChannels(conditions, rank)
        self.first = nn.Linear(elements(latent) + (128 if vectors else 0), width[-1] * math.prod(self.start))
        layers: list[nn.Module] = [norm(width[-1]), nn.ReLU()] if settings.norm else [nn.ReLU()]
        for level in reversed(range(count)):
            layers.append(_TRANSPOSED[rank](width[level + 1] + self.pictures.count, width[level], 4, stride=2, padding=1))
            layers += [norm(width[level])] if settings.norm else []
            layers += [nn.ReLU(), Dropout(settings.dropout)]
        self.rest = nn.Sequential(*layers, conv(rank, width[0] + self.pictures.count, channels * settings.patch**rank))
        self.channels = width[-1]

    def forward(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        vector = self.condition(condition, given, z.shape[0])
        h = z.flatten(1) if vector is None else torch.cat((z.flatten(1), vector), 1)
        h = _fast_layout(self.first(h).view(-1, self.channels, *self.start))
        for layer in self.rest:
            # a picture comes in at every size
            h = layer(self.pictures(h, condition, given) if isinstance(layer, _CONVOLUTIONS) else h)
        return crop_to(unfold(h, self.patch), self.sizes)


_TRANSPOSED: dict[int, type[nn.ConvTranspose1d] | type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}

_CONVOLUTIONS = (*CONV.values(), *_TRANSPOSED.values())


def _fast_layout(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x

"""The denoiser for signals, pictures and videos: a small U-Net on folded pixels, conditioned on time and on anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.spec import Array, Conditions
from .blocks import FourierTime, ResidualBlock, SelfAttention, Upsample, conv, crop_to, fold, norm, pad_to, unfold
from .condition import ConditionEncoder, PictureChannels, without_pictures


@dataclass(frozen=True, slots=True)
class UNetSettings:
    """Width of the first level, and the rest relative to it."""

    width: int = 64
    multiples: tuple[int, ...] = (1, 2)
    """Width of each level; each level halves the size."""
    blocks: int = 1
    """Residual blocks a level, on the way down and on the way up."""
    patch: int = 0
    """Space-to-depth factor; 0 = so that the longest side is at most 16."""
    attention: bool = True
    """Self-attention at the lowest level."""
    dropout: float = 0.0


class UNet(nn.Module):
    """Ronneberger et al. 2015 with residual blocks, time modulation and attention (Ho et al. 2020, appendix B).

    `forward(x, t, condition, given)`: (B,C,*) and (B,) -> (B,C',*), any spatial size.
    """

    def __init__(self, spec: Array, outputs: int, conditions: Conditions, settings: UNetSettings) -> None:
        super().__init__()
        channels, *sizes = spec.shape
        rank = len(sizes)
        self.patch = settings.patch or auto_patch(sizes)
        self.multiple = self.patch * 2 ** (len(settings.multiples) - 1)
        widths = [settings.width * m for m in settings.multiples]
        embedding = 2 * settings.width
        self.time, self.condition = FourierTime(embedding), ConditionEncoder(without_pictures(conditions, rank), embedding)
        self.pictures = PictureChannels(conditions, rank)

        def block(inputs: int, width: int) -> ResidualBlock:
            return ResidualBlock(rank, inputs, width, embedding, settings.dropout)

        self.stem = conv(rank, (channels + self.pictures.count) * self.patch**rank, widths[0])
        self.down, self.up, self.shrink, self.grow = nn.ModuleList(), nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            self.down.append(nn.ModuleList(block(width, width) for _ in range(settings.blocks)))
            self.up.append(nn.ModuleList(block(2 * width if i == 0 else width, width) for i in range(settings.blocks)))
            if level + 1 < len(widths):
                self.shrink.append(conv(rank, width, widths[level + 1], stride=2))
                self.grow.append(Upsample(rank, widths[level + 1], width))
        self.middle = SelfAttention(rank, widths[-1]) if settings.attention else nn.Identity()
        last = conv(rank, widths[0], outputs * self.patch**rank)
        nn.init.zeros_(last.weight)
        self.last = nn.Sequential(norm(widths[0]), nn.SiLU(), last)

    def forward(self, x: Tensor, t: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        sizes = x.shape[2:]
        embedding = self.time(t)
        vector = self.condition(condition, given, x.shape[0])
        embedding = F.silu(embedding if vector is None else embedding + vector)
        h = fold(pad_to(self.pictures(x, condition, given), self.multiple), self.patch)
        if h.dim() == 4:
            h = h.contiguous(memory_format=torch.channels_last)
        h = self.stem(h)
        skips = []
        for level, blocks in enumerate(self.down):
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, embedding)
            skips.append(h)
            if level < len(self.shrink):
                h = self.shrink[level](h)
        h = self.middle(h)
        for level in reversed(range(len(self.up))):
            if level < len(self.grow):
                h = self.grow[level](h)
            h = torch.cat((h, skips[level]), 1)
            for block in self.up[level]:  # type: ignore[attr-defined]
                h = block(h, embedding)
        return crop_to(unfold(self.last(h), self.patch), sizes)


def auto_patch(sizes: Sequence[int], most: int = 16) -> int:
    """The smallest power of two that brings the longest side to at most `most`."""
    patch = 1
    while max(sizes) > most * patch:
        patch *= 2
    return patch

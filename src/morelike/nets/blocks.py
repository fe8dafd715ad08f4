"""Blocks for signals, pictures and videos from one code: rank 1, 2 or 3 only picks the convolution.

B batch, C channels, * the spatial shape, E the embedding's width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONV: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
"""Convolution by rank."""


def conv(rank: int, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv1d | nn.Conv2d | nn.Conv3d:
    """A convolution that keeps the size (or divides it by `stride`, rounding up)."""
    return CONV[rank](inputs, outputs, kernel, stride=stride, padding=kernel // 2)


def groups(channels: int, most: int = 8) -> int:
    """The largest number of groups up to `most` that divides the channels."""
    return max(g for g in range(1, most + 1) if channels % g == 0)


def norm(channels: int) -> nn.GroupNorm:
    """Group normalisation (Wu and He 2018): no example depends on its neighbours."""
    return nn.GroupNorm(groups(channels), channels)


def fold(x: Tensor, patch: int) -> Tensor:
    """Space to depth: (B,C,*) -> (B, C*patch^rank, */patch); sizes must be multiples of `patch`."""
    if patch == 1:
        return x
    rank = x.dim() - 2
    batch, channels, *sizes = x.shape
    split = [n for size in sizes for n in (size // patch, patch)]
    x = x.reshape(batch, channels, *split)
    outer, inner = [2 + 2 * i for i in range(rank)], [3 + 2 * i for i in range(rank)]
    return x.permute(0, 1, *inner, *outer).reshape(batch, channels * patch**rank, *(s // patch for s in sizes))


def unfold(x: Tensor, patch: int) -> Tensor:
    """Depth to space: the inverse of `fold`."""
    if patch == 1:
        return x
    rank = x.dim() - 2
    batch, channels, *sizes = x.shape
    x = x.reshape(batch, channels // patch**rank, *[patch] * rank, *sizes)
    order = [axis for i in range(rank) for axis in (2 + rank + i, 2 + i)]
    return x.permute(0, 1, *order).reshape(batch, channels // patch**rank, *(s * patch for s in sizes))


def pad_to(x: Tensor, multiple: int) -> Tensor:
    """Repeats the edge at the far end of each spatial axis up to a multiple; `crop_to` undoes it."""
    sizes = x.shape[2:]
    if all(size % multiple == 0 for size in sizes):
        return x
    pads = [pad for size in reversed(sizes) for pad in (0, -size % multiple)]
    return F.pad(x, pads, mode="replicate")


def crop_to(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The first `sizes` positions of each spatial axis."""
    for axis, size in enumerate(sizes):
        x = x.narrow(axis + 2, 0, size)
    return x


class Dropout(nn.Module):
    """Zeroes a share of the features in training and scales the others up (Srivastava et al. 2014).

    On processors torch draws one number at a time: here 64 random bits serve eight features, in steps of 1/256 of the share.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.share)
        count, limit = x.numel(), min(255, max(1, round(256 * self.share)))
        words = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.uint8)[:count].view(x.shape) >= limit
        return x * kept.to(x.dtype).mul_(256 / (256 - limit))


class FourierTime(nn.Module):
    """Features of a time in [0, 1]: cosines and sines at geometric frequencies (Vaswani et al. 2017, section 3.5), then a small net."""

    def __init__(self, width: int, frequencies: int = 32) -> None:
        super().__init__()
        self.register_buffer("rates", 2 * math.pi * torch.logspace(-1, 1.5, frequencies), persistent=False)
        self.rates: Tensor
        self.net = nn.Sequential(nn.Linear(2 * frequencies, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """(B,) -> (B, width)."""
        angle = t.float()[:, None] * self.rates
        out: Tensor = self.net(torch.cat((angle.cos(), angle.sin()), 1))
        return out


class ResidualBlock(nn.Module):
    """Two convolutions with a skip; an embedding scales and shifts the second norm (Dhariwal and Nichol 2021, section 3)."""

    def __init__(self, rank: int, inputs: int, outputs: int, embedding: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = norm(inputs), norm(outputs)
        self.conv_1, self.conv_2 = conv(rank, inputs, outputs), conv(rank, outputs, outputs)
        self.modulate = nn.Linear(embedding, 2 * outputs) if embedding else None
        self.dropout = Dropout(dropout)
        self.skip = conv(rank, inputs, outputs, kernel=1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        """(B,C,*) and (B,E), already activated -> (B,C',*)."""
        h = self.norm_2(self.conv_1(F.silu(self.norm_1(x))))
        if self.modulate is not None and embedding is not None:
            scale, shift = self.modulate(embedding).view(x.shape[0], -1, *[1] * (x.dim() - 2)).chunk(2, 1)
            h = torch.addcmul(shift, h, 1 + scale)
        out: Tensor = self.skip(x) + self.conv_2(self.dropout(F.silu(h)))
        return out


class SelfAttention(nn.Module):
    """Every position looks at every other one (Vaswani et al. 2017), over flattened space, with a skip."""

    def __init__(self, rank: int, channels: int, head: int = 32) -> None:
        super().__init__()
        self.heads = max(1, channels // head)
        self.norm = norm(channels)
        self.qkv, self.out = conv(rank, channels, 3 * channels, kernel=1), conv(rank, channels, channels, kernel=1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels = x.shape[:2]
        # plain products: torch's fused CPU kernel was 10 times slower on these short sequences
        q, k, v = self.qkv(self.norm(x)).flatten(2).view(batch, 3, self.heads, channels // self.heads, -1).unbind(1)
        weight = (q.transpose(2, 3) @ k * (channels // self.heads) ** -0.5).float().softmax(-1).to(v.dtype)
        mixed = (v @ weight.transpose(2, 3)).reshape(x.shape)
        out: Tensor = x + self.out(mixed)
        return out


class Upsample(nn.Module):
    """Nearest-neighbour doubling, then a convolution (no checkerboards: Odena et al. 2016)."""

    def __init__(self, rank: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = conv(rank, inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


def on_beat(beat: nn.Embedding | None, embedded: Tensor, seen: int) -> Tensor:
    """(B,k,D) embedded ids, the first of them at place `seen`, each with what stands for its place in its group."""
    if beat is None:
        return embedded
    places = torch.arange(seen, seen + embedded.shape[1], device=embedded.device) % beat.num_embeddings
    told: Tensor = embedded + beat(places)
    return told

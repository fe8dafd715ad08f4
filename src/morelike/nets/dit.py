"""The denoiser as a transformer over patches of a signal, a picture or a video.

B batch, C channels, * the spatial shape, N patches, D width, S places of conditions that are sequences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.spec import Array, Conditions
from .attention import CrossAttention, GatedMLP, Layout, SelfAttention, normed, turns
from .blocks import Dropout, FourierTime, crop_to, fold, pad_to, unfold
from .condition import ConditionEncoder, PictureChannels, without_pictures
from .transformer import Reader, TransformerSettings
from .unet import auto_patch

_PATCHES = 64
"""Most of them where nothing else is said."""
_RATES = 16
"""Of the features of a place along an axis."""


@dataclass(frozen=True, slots=True)
class DiTSettings:
    """Size of the transformer."""

    width: int = 128
    depth: int = 4
    head: int = 32
    """Width of a head."""
    patch: int = 0
    """Side of a patch; 0 = the smallest power of two with which there are at most 64, were all sides the longest."""
    dropout: float = 0.0
    reading: int = 0
    """Blocks that read conditions which are sequences, to be looked at place by place; 0 = they are one vector, as all others."""


class DiT(nn.Module):
    """Peebles, Xie 2022, arXiv:2212.09748: patches, and blocks that time and conditions scale, shift and gate, from the identity on
    (adaLN-zero). Departures: the house's attention and gated nets, with turns by flattened place beside the paper's fixed features.

    `forward(x, t, condition, given)`: (B,C,*) and (B,) -> (B,C',*), any spatial size.
    """

    def __init__(self, spec: Array, outputs: int, conditions: Conditions, settings: DiTSettings) -> None:
        super().__init__()
        channels, *sizes = spec.shape
        self.patch = settings.patch or auto_patch(sizes, round(_PATCHES ** (1 / len(sizes))))
        width, cells = settings.width, self.patch ** len(sizes)
        heads = max(1, width // settings.head)
        sized = TransformerSettings(width, head=settings.head, dropout=settings.dropout)
        reader = (lambda wide: Reader(wide, settings.reading, sized)) if settings.reading else None
        told = without_pictures(conditions, len(sizes))
        self.time, self.condition = FourierTime(width), ConditionEncoder(told, width, reader)
        self.pictures = PictureChannels(conditions, len(sizes))
        inputs = (channels + self.pictures.count) * cells
        self.stem, self.place = nn.Linear(inputs, width), nn.Linear(2 * _RATES * len(sizes), width)
        self.blocks = nn.ModuleList(_Block(width, heads, settings.dropout, bool(self.condition.readers)) for _ in range(settings.depth))
        self.modulate, self.last = nn.Linear(width, 2 * width), nn.Linear(width, outputs * cells)
        self.head = width // heads
        for layer in (self.modulate, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, t: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        h = fold(pad_to(self.pictures(x, condition, given), self.patch), self.patch)
        grid = h.shape[2:]
        rows = self.stem(h.flatten(2).transpose(1, 2)) + self.place(_places(grid, x.device))
        embedding = self.time(t)
        vector = self.condition(condition, given, len(x))
        embedding = F.silu(embedding if vector is None else embedding + vector)
        told = self.condition.sequence(condition, given, len(x))
        by = turns(0, rows.shape[1], self.head, x.device)
        for block in self.blocks:
            rows = block(rows, embedding, by, told)
        scale, shift = self.modulate(embedding)[:, None].chunk(2, -1)
        out = self.last(torch.addcmul(shift, normed(rows), 1 + scale))
        return crop_to(unfold(out.transpose(1, 2).unflatten(2, grid), self.patch), x.shape[2:])


class _Block(nn.Module):
    """Self-attention, attention to the condition's places where there are any, gated MLP, each modulated and gated."""

    def __init__(self, width: int, heads: int, dropout: float, crossed: bool) -> None:
        super().__init__()
        self.attention, self.mlp = SelfAttention(width, heads, heads), GatedMLP(width)
        self.cross = CrossAttention(width, heads, heads) if crossed else None
        self.dropout = Dropout(dropout)
        self.modulate = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        # gates of zero make the block the identity: a second zero behind them would keep it so
        for layer in (self.attention.out, self.mlp.second):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, rows: Tensor, embedding: Tensor, by: Tensor, told: tuple[Tensor, Tensor] | None) -> Tensor:
        """(B,N,D), the embedding (B,D), already activated, and the conditions read (B,S,D) with their mask (B,S)."""
        layout = Layout(*rows.shape[:2])
        scale_1, shift_1, gate_1, scale_2, shift_2, gate_2 = self.modulate(embedding)[:, None].chunk(6, -1)
        mixed, _ = self.attention(torch.addcmul(shift_1, normed(rows), 1 + scale_1).flatten(0, 1), layout, False, by)
        rows = torch.addcmul(rows, gate_1, self.dropout(mixed).view_as(rows))
        if self.cross is not None and told is not None:
            rows = rows + self.cross(normed(rows).flatten(0, 1), layout, self.cross.keys(told[0]), told[1]).view_as(rows)
        return torch.addcmul(rows, gate_2, self.dropout(self.mlp(torch.addcmul(shift_2, normed(rows), 1 + scale_2))))


def _places(grid: Sequence[int], device: torch.device) -> Tensor:
    """(N, axes * 2 * _RATES) cosines and sines of each patch's place along every axis (Vaswani et al. 2017, section 3.5)."""
    rates = 100.0 ** (-torch.arange(_RATES, device=device) / _RATES)
    axes = torch.meshgrid(*[torch.arange(size, device=device, dtype=torch.float32) for size in grid], indexing="ij")
    angle = torch.stack([axis.flatten() for axis in axes], 1)[..., None] * rates
    return torch.cat((angle.cos(), angle.sin()), -1).flatten(1)

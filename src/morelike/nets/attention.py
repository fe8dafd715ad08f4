"""Transformer blocks over sequences of any live length: rotary positions, RMS norm, gated MLP, grouped heads, key/value cache.

B batch, T length, S the other sequence's length, D width, H heads, G groups of heads that share keys and values, E a head's width,
N rows: all live places of a batch, side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Cache = tuple[Tensor, Tensor]
"""Keys and values of what came before, (B,G,T,E) each."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which places of a padded (B,T) batch are live. Nets work on the live rows only: padding costs nothing but attention."""

    batch: int
    length: int
    index: Tensor | None = None
    """(N,) places of the live rows in the flattened (B*T); None = all of them."""
    mask: Tensor | None = None
    """(B,T) bool, True where live; None = everywhere."""

    @classmethod
    def of(cls, live: Tensor) -> Layout:
        """From (B,T) bool."""
        if bool(live.all()):
            return cls(live.shape[0], live.shape[1])
        return cls(live.shape[0], live.shape[1], live.flatten().nonzero()[:, 0], live)

    def pack(self, x: Tensor) -> Tensor:
        """(B,T,...) -> (N,...)."""
        flat = x.flatten(0, 1)
        return flat if self.index is None else flat[self.index]

    def pad(self, rows: Tensor) -> Tensor:
        """(N,...) -> (B,T,...), zero where nothing lives."""
        if self.index is None:
            return rows.view(self.batch, self.length, *rows.shape[1:])
        out = rows.new_zeros(self.batch * self.length, *rows.shape[1:])
        return out.index_copy(0, self.index, rows).view(self.batch, self.length, *rows.shape[1:])


Turns = tuple[Tensor, Tensor]
"""Cosines and sines by which features turn at each place, (T,E/2) each."""


def turns(offset: int, length: int, width: int, device: torch.device, base: float = 10_000.0) -> Turns:
    """The angles of places offset.. for heads of E = `width`: made once a pass, for all layers (Su et al. 2021, arXiv:2104.09864)."""
    rates = base ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angle = torch.arange(offset, offset + length, device=device, dtype=torch.float32)[:, None] * rates
    return angle.cos(), angle.sin()


def rotate(x: Tensor, by: Turns) -> Tensor:
    """x (B,H,T,E) with each pair of features turned by its place (Su et al. 2021, eq. 34)."""
    cosine, sine = by[0].to(x.dtype), by[1].to(x.dtype)
    first, second = x.chunk(2, 3)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), 3)


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) with grouped keys and values (Ainslie et al. 2023, arXiv:2305.13245); normed queries
    and keys keep bf16 and high rates stable (Henry et al. 2020, arXiv:2010.04245)."""

    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        if width % heads or width // heads % 2:
            raise ValueError(f"a width of {width} can't be split into {heads} heads of an even width")
        self.heads, self.groups, self.head = heads, groups, width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, groups * self.head, bias=False)
        self.value = nn.Linear(width, groups * self.head, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gain = nn.Parameter(torch.ones(self.head))
        nn.init.zeros_(self.out.weight)

    def _split(self, rows: Tensor, layout: Layout, heads: int) -> Tensor:
        return layout.pad(rows).view(layout.batch, layout.length, heads, self.head).transpose(1, 2)

    def keys(self, rows: Tensor, layout: Layout) -> Cache:
        """Keys and values of another sequence, (B,G,S,E) each, without positions."""
        return _normed(self._split(self.key(rows), layout, self.groups)), self._split(self.value(rows), layout, self.groups)

    def _asked(self, rows: Tensor, layout: Layout) -> Tensor:
        """Queries (B,H,T,E)."""
        query = _normed(self._split(self.query(rows), layout, self.heads))
        return query * self.gain.to(query.dtype)

    def across(self, rows: Tensor, layout: Layout, other: Cache, mask: Tensor | None) -> Tensor:
        """(N,D): every place looks at another sequence's `other`; `mask` (B,S) says which of its places are live."""
        return self._mixed(self._asked(rows, layout), *other, layout, None if mask is None else mask[:, None, None])

    def within(self, rows: Tensor, layout: Layout, causal: bool, by: Turns, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """(N,D): every place looks at all of its own sequence, or with `causal` at itself and what came before, `cache` included.

        `by`: the places' turns. Returns the cache with this call's keys and values added.
        """
        query = rotate(self._asked(rows, layout), by)
        key, value = self.keys(rows, layout)
        key = rotate(key, by)
        if cache is not None:
            key, value = torch.cat((cache[0], key), 2), torch.cat((cache[1], value), 2)
        mask = None if layout.mask is None or causal else layout.mask[:, None, None]
        if causal and cache is not None and layout.length > 1:
            past = key.shape[2] - layout.length
            mask = torch.ones(layout.length, key.shape[2], dtype=torch.bool, device=key.device).tril(past)
        whole = causal and cache is None and layout.length > 1
        return self._mixed(query, key, value, layout, mask, whole), (key, value)

    def _mixed(self, query: Tensor, key: Tensor, value: Tensor, layout: Layout, mask: Tensor | None, causal: bool = False) -> Tensor:
        """`mask`: True where a place may be looked at, of a shape that goes with (B,H,T,S)."""
        mixed = _attend(query, key.to(query.dtype), value.to(query.dtype), mask, causal)
        out: Tensor = self.out(layout.pack(mixed.transpose(1, 2).flatten(2)))
        return out


def _normed(x: Tensor) -> Tensor:
    return F.rms_norm(x, x.shape[-1:])


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """(B,H,T,E) by torch's fused kernel; on processors in float32, where its backward pass is 3 to 8 times faster than in bf16."""
    grouped = key.shape[1] < query.shape[1]
    if query.device.type != "cpu" or (query.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")):
        return F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal, enable_gqa=grouped)
    with torch.autocast("cpu", enabled=False):
        mixed = F.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), mask, is_causal=causal, enable_gqa=grouped
        )
    return mixed.to(query.dtype)


class GatedMLP(nn.Module):
    """SwiGLU (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # two thirds of four times the width, so that the gate costs nothing
        self.hidden = (8 * width // 3 + 31) // 32 * 32
        self.first = nn.Linear(width, 2 * self.hidden, bias=False)
        self.second = nn.Linear(self.hidden, width, bias=False)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.first(x).chunk(2, -1)
        out: Tensor = self.second(F.silu(gate) * value)
        return out


class Block(nn.Module):
    """Self-attention, cross-attention where there is another sequence, gated MLP; each on the normed sum so far."""

    def __init__(self, width: int, heads: int, groups: int, dropout: float, crossed: bool = False) -> None:
        super().__init__()
        self.norm_self, self.norm_mlp = nn.RMSNorm(width), nn.RMSNorm(width)
        self.attention = Attention(width, heads, groups)
        self.mlp = GatedMLP(width)
        self.dropout = nn.Dropout(dropout)
        self.norm_cross = nn.RMSNorm(width) if crossed else None
        self.cross = Attention(width, heads, groups) if crossed else None

    def forward(
        self,
        rows: Tensor,
        layout: Layout,
        causal: bool,
        by: Turns,
        other: tuple[Cache, Tensor | None] | None = None,
        cache: Cache | None = None,
    ) -> tuple[Tensor, Cache]:
        """(N,D) -> (N,D) and the cache with these places added. `other`: the condition's keys and values, and its live mask."""
        mixed, cache = self.attention.within(self.norm_self(rows), layout, causal, by, cache)
        rows = rows + self.dropout(mixed)
        if self.cross is not None and self.norm_cross is not None and other is not None:
            rows = rows + self.dropout(self.cross.across(self.norm_cross(rows), layout, *other))
        return rows + self.dropout(self.mlp(self.norm_mlp(rows))), cache

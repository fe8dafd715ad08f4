"""Transformer blocks over sequences of any live length: rotary positions, RMS norm, gated MLP, grouped heads, key/value cache.

B batch, T length, S the other sequence's length, D width, H heads, G groups of heads that share keys and values, E a head's width,
N rows: all live places of a batch, and a few more, side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Dropout

_ROWS = 128
"""Rows come in multiples of it: every new number of rows costs a matrix product's preparation, and memory that is kept."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which places of a padded (B,T) batch are live. Nets work on the live rows and few more: padding costs but attention."""

    batch: int
    length: int
    index: Tensor | None = None
    """(N,) places of the rows in the flattened (B*T), all live ones among them; None = all places."""
    mask: Tensor | None = None
    """(B,T) bool, True where live; None = everywhere."""

    @classmethod
    def of(cls, live: Tensor) -> Layout:
        """From (B,T) bool."""
        there = int(live.sum())
        rows = -(-there // _ROWS) * _ROWS
        if rows >= live.numel():
            return cls(live.shape[0], live.shape[1], None, None if there == live.numel() else live)
        spare = (~live).flatten().nonzero()[: rows - there, 0]
        return cls(live.shape[0], live.shape[1], torch.cat((live.flatten().nonzero()[:, 0], spare)), live)

    def pack(self, x: Tensor) -> Tensor:
        """(B,T,...) -> (N,...)."""
        flat = x.flatten(0, 1)
        return flat if self.index is None else flat[self.index]

    def pad(self, rows: Tensor) -> Tensor:
        """(N,...) -> (B,T,...); what stands where nothing lives means nothing."""
        if self.index is None:
            return rows.view(self.batch, self.length, *rows.shape[1:])
        out = rows.new_zeros(self.batch * self.length, *rows.shape[1:])
        return out.index_copy(0, self.index, rows).view(self.batch, self.length, *rows.shape[1:])


@dataclass(slots=True)
class _Store:
    keys: Tensor
    values: Tensor
    filled: int


@dataclass(frozen=True, slots=True)
class Cache:
    """Keys and values of the places so far. It grows in place with room to spare; who holds an older one still sees only its own places."""

    store: _Store
    first: int
    last: int

    @classmethod
    def of(cls, keys: Tensor, values: Tensor) -> Cache:
        """From (B,G,T,E) each."""
        return cls(_Store(keys, values, keys.shape[2]), 0, keys.shape[2])

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def keys(self) -> Tensor:
        """(B,G,T,E)."""
        return self.store.keys.narrow(2, self.first, self.last - self.first)

    @property
    def values(self) -> Tensor:
        """(B,G,T,E)."""
        return self.store.values.narrow(2, self.first, self.last - self.first)

    def rows(self, index: Tensor) -> Cache:
        """The cache of the rows `index`."""
        return Cache.of(self.keys[index], self.values[index])

    def latest(self, count: int) -> Cache:
        """Without what lies more than `count` places back."""
        return Cache(self.store, max(self.first, self.last - count), self.last)

    def grown(self, keys: Tensor, values: Tensor) -> Cache:
        """With more places (B,G,k,E) at the end."""
        if keys.requires_grad:
            return Cache.of(torch.cat((self.keys, keys), 2), torch.cat((self.values, values), 2))
        cache = self.opened(keys.shape[2])
        start = cache.last - keys.shape[2]
        cache.store.keys[:, :, start : cache.last] = keys
        cache.store.values[:, :, start : cache.last] = values
        return cache

    def opened(self, count: int) -> Cache:
        """With `count` more places at the end, in which nothing is written yet."""
        store, end = self.store, self.last + count
        frozen = store.keys.is_inference() and not torch.is_inference_mode_enabled()
        if frozen or store.keys.requires_grad or store.filled != self.last or end > store.keys.shape[2]:
            return self._roomier(count).opened(count)
        store.filled = end
        return Cache(store, self.first, end)

    def _roomier(self, more: int) -> Cache:
        batch, groups, length, width = self.keys.shape
        room = (batch, groups, 2 * (length + more) + 62, width)
        store = _Store(self.keys.new_empty(room), self.values.new_empty(room), length)
        store.keys[:, :, :length] = self.keys.detach()
        store.values[:, :, :length] = self.values.detach()
        return Cache(store, 0, length)


def turns(offset: int, length: int, width: int, device: torch.device, base: float = 10_000.0) -> Tensor:
    """(T,1,E/2) complex: the turns of places offset.. for heads of E = `width`, made once a pass for all layers (Su et al. 2021,
    arXiv:2104.09864, section 3.2.2)."""
    rates = base ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angle = torch.arange(offset, offset + length, device=device, dtype=torch.float32)[:, None] * rates
    return torch.polar(torch.ones_like(angle), angle)[:, None]


def grid_turns(height: int, width: int, head: int, device: torch.device, base: float = 10_000.0) -> Tensor:
    """(height * width,1,E/2) complex, for heads of E = `head`: one half of the features turned by the row, the other by the column, so that
    attention knows how far apart two places are each way (Heo et al. 2024, arXiv:2403.13298, section 3.2, axial)."""
    by_row = (head // 2 + 1) // 2
    rows = turns(0, height, 2 * by_row, device, base)[:, None].expand(-1, width, -1, -1)
    columns = turns(0, width, head - 2 * by_row, device, base)[None].expand(height, -1, -1, -1)
    return torch.cat((rows, columns), -1).flatten(0, 1)


def rotate(x: Tensor, by: Tensor) -> Tensor:
    """x (B,T,H,E) float32 with each pair of features turned by its place: a product of complex numbers (Su et al. 2021, eq. 13)."""
    return torch.view_as_real(torch.view_as_complex(x.view(*x.shape[:3], -1, 2)) * by).view(x.shape)


LEAST = torch.finfo(torch.float32).eps
"""What torch adds to a mean square."""


def normed(x: Tensor, gain: Tensor | None = None) -> Tensor:
    """x over its root mean square (Zhang, Sennrich 2019, arXiv:1910.07467). Without a gain where a linear map follows, which holds it."""
    if torch.is_grad_enabled():
        return F.rms_norm(x, x.shape[-1:], gain)
    # the same in half the kernels: one id a call spends most of its time on starting them
    scaled = x * torch.rsqrt((x * x).sum(-1, keepdim=True).mul_(1 / x.shape[-1]).add_(LEAST))
    return scaled if gain is None else scaled.mul_(gain)


class SelfAttention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) with grouped keys and values (Ainslie et al. 2023, arXiv:2305.13245); normed queries
    and keys keep bf16 and high rates stable (Henry et al. 2020, arXiv:2010.04245)."""

    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads, self.groups, self.head = heads, groups, _head(width, heads)
        self.inward = nn.Linear(width, (heads + 2 * groups) * self.head, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gain = nn.Parameter(torch.ones(self.head))
        nn.init.zeros_(self.out.weight)

    def forward(self, rows: Tensor, layout: Layout, causal: bool, by: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """(N,D): every place looks at all of its own sequence, or with `causal` at itself and what came before, `cache` included.

        `by`: the places' turns. Returns the cache with this call's keys and values added.
        """
        # products of queries and keys in float32: rotation and attention are faster in it on processors, and never less exact
        inward = layout.pad(self.inward(rows)).view(layout.batch, layout.length, -1, self.head).float()
        both = rotate(normed(inward[:, :, : -self.groups], self.gain), by).transpose(1, 2)
        query, key, value = both[:, : self.heads], both[:, self.heads :], inward[:, :, -self.groups :].transpose(1, 2)
        whole = cache is None
        cache = Cache.of(key, value) if cache is None else cache.grown(key, value)
        mask = None if layout.mask is None or causal else layout.mask[:, None, None]
        if causal and not whole and layout.length > 1:
            past = len(cache) - layout.length
            mask = torch.ones(layout.length, len(cache), dtype=torch.bool, device=key.device).tril(past)
        mixed = _attend(query, cache.keys, cache.values, mask, causal and whole and layout.length > 1)
        return self.out(layout.pack(mixed)), cache


class CrossAttention(nn.Module):
    """The same towards another sequence, whose places have no turns."""

    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads, self.groups, self.head = heads, groups, _head(width, heads)
        self.query = nn.Linear(width, width, bias=False)
        self.other = nn.Linear(width, 2 * groups * self.head, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gain = nn.Parameter(torch.ones(self.head))
        nn.init.zeros_(self.out.weight)

    def keys(self, other: Tensor) -> Cache:
        """Keys and values of the other sequence (B,S,D)."""
        key, value = self.other(other).unflatten(2, (-1, self.head)).float().transpose(1, 2).chunk(2, 1)
        return Cache.of(normed(key), value)

    def forward(self, rows: Tensor, layout: Layout, other: Cache, mask: Tensor | None) -> Tensor:
        """(N,D): every place looks at the other sequence; `mask` (B,S) says which of its places are live."""
        query = normed(layout.pad(self.query(rows)).view(layout.batch, layout.length, -1, self.head).float(), self.gain).transpose(1, 2)
        mixed = _attend(query, other.keys, other.values, None if mask is None else mask[:, None, None], False)
        out: Tensor = self.out(layout.pack(mixed))
        return out


def _head(width: int, heads: int) -> int:
    if width % heads or width // heads % 2:
        raise ValueError(f"a width of {width} can't be split into {heads} heads of an even width")
    return width // heads


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """(B,T,H*E) by torch's fused kernel; `mask`: True where a place may be looked at, of a shape that goes with (B,H,T,S).

    On processors never in bf16: the kernel's backward pass is 3 to 8 times slower there.
    """
    grouped = key.shape[1] < query.shape[1]
    with torch.autocast("cpu", enabled=False):
        mixed = F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal, enable_gqa=grouped)
    return mixed.transpose(1, 2).flatten(2)


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
        self.attention = SelfAttention(width, heads, groups)
        self.mlp = GatedMLP(width)
        self.dropout = Dropout(dropout)
        self.cross = CrossAttention(width, heads, groups) if crossed else None

    def forward(
        self,
        rows: Tensor,
        layout: Layout,
        causal: bool,
        by: Tensor,
        other: tuple[Cache, Tensor | None] | None = None,
        cache: Cache | None = None,
    ) -> tuple[Tensor, Cache]:
        """(N,D) -> (N,D) and the cache with these places added. `other`: the condition's keys and values, and its live mask."""
        mixed, cache = self.attention(normed(rows), layout, causal, by, cache)
        rows = rows + self.dropout(mixed)
        if self.cross is not None and other is not None:
            rows = rows + self.dropout(self.cross(normed(rows), layout, *other))
        return rows + self.dropout(self.mlp(normed(rows))), cache

"""One id more by a causal transformer on a processor, in few calls: what `Block` does, for one place a row.

With one place a row, torch's dozens of small kernels cost more than the matrix products. Here torch does these and attention, numpy,
whose calls cost a tenth, the rest, all on the same memory. B batch, D width, V vocabulary, H heads, G groups, E a head's width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import LEAST, Block, Cache, turns

Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class _Weights:
    """A block's weights: views, so that they are never out of date."""

    inward: Tensor
    out: Tensor
    first: Tensor
    second: Tensor
    gain: Floats
    heads: int

    @classmethod
    def of(cls, block: Block) -> _Weights:
        own, mlp = block.attention, block.mlp
        inward, out, first, second = (layer.weight.detach().t() for layer in (own.inward, own.out, mlp.first, mlp.second))
        return cls(inward, out, first, second, own.gain.detach().numpy(), own.heads)


@dataclass(frozen=True, slots=True)
class DecodeStep:
    """A net's weights, ready for one id at a time. Without cross-attention, dropout and gradients."""

    embed: Floats
    blocks: Sequence[_Weights]
    head: Tensor

    @classmethod
    def of(cls, embed: nn.Embedding, modules: Iterable[nn.Module], head: nn.Linear) -> DecodeStep | None:
        """None where it doesn't apply: off the processor, in other numbers than float32, with add-ons or another sequence to read."""
        blocks = [module for module in modules if isinstance(module, Block)]
        layers = [layer for b in blocks for layer in (b.attention.inward, b.attention.out, b.mlp.first, b.mlp.second)]
        plain = all(type(layer) is nn.Linear and layer.bias is None for layer in (*layers, head))
        weights = (embed.weight, head.weight, *(parameter for block in blocks for parameter in block.parameters()))
        here = all(weight.device.type == "cpu" and weight.dtype == torch.float32 for weight in weights)
        if not (plain and here) or any(block.cross is not None for block in blocks):
            return None
        return cls(embed.weight.detach().numpy(), [_Weights.of(block) for block in blocks], head.weight.detach().t())

    def __call__(self, ids: Tensor, caches: Sequence[Cache], seen: int, vector: Tensor | None) -> tuple[Tensor, tuple[Cache, ...]]:
        """Logits (B,V) after ids (B,), and the caches with this place added. `seen`: places so far; `vector` (B,D): the condition's."""
        rows = self.embed[ids.numpy()]
        if vector is not None:
            rows += vector.detach().numpy()
        by = turns(seen, 1, caches[0].keys.shape[3], ids.device).numpy()[0]
        grown = []
        for weights, cache in zip(self.blocks, caches, strict=True):
            mixed, cache = _attention(rows, weights, by, cache)
            rows += mixed
            rows += _gated(rows, weights)
            grown.append(cache)
        return torch.mm(_normed(rows), self.head), tuple(grown)


def _attention(rows: Floats, weights: _Weights, by: np.ndarray[Any, np.dtype[np.complex64]], cache: Cache) -> tuple[Floats, Cache]:
    """(B,D) -> (B,D) and the cache with this place; see `SelfAttention`."""
    heads, gain = weights.heads, weights.gain
    inward = torch.mm(_normed(rows), weights.inward).numpy().reshape(len(rows), -1, len(gain))
    turned = heads + (inward.shape[1] - heads) // 2
    both = _scaled(inward[:, :turned])
    both *= gain
    both = (both.view(np.complex64) * by).view(np.float32)
    cache = cache.opened(1)
    cache.store.keys.numpy()[:, :, cache.last - 1] = both[:, heads:]
    cache.store.values.numpy()[:, :, cache.last - 1] = inward[:, turned:]
    query = torch.from_numpy(both[:, :heads, None])
    mixed = F.scaled_dot_product_attention(query, cache.keys, cache.values, enable_gqa=turned < 2 * heads)
    return torch.mm(mixed.view(len(rows), -1), weights.out).numpy(), cache


def _gated(rows: Floats, weights: _Weights) -> Floats:
    """(B,D) -> (B,D); see `GatedMLP`."""
    both = torch.mm(_normed(rows), weights.first).numpy()
    hidden = both.shape[1] // 2
    gate = both[:, :hidden] * np.float32(0.5)
    # x / (1 + exp(-x)) without overflow
    gate += gate * np.tanh(gate)
    gate *= both[:, hidden:]
    return torch.mm(torch.from_numpy(gate), weights.second).numpy()


def _normed(rows: Floats) -> Tensor:
    return torch.from_numpy(_scaled(rows))


def _scaled(x: Floats) -> Floats:
    """x (...,E) over its root mean square; see `normed`."""
    squares = np.vecdot(x, x)
    squares *= np.float32(1 / x.shape[-1])
    squares += np.float32(LEAST)
    scaled: Floats = x / np.sqrt(squares)[..., None]
    return scaled

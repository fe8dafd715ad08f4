"""From vectors to ids and back: nearest codes of a book, and scalars rounded to few levels. N vectors, D numbers, K codes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def nearest(vectors: Tensor, book: Tensor) -> Tensor:
    """(N,) int64: which of the codes (K,D) lies nearest to each vector (N,D) (van den Oord et al. 2017, arXiv:1711.00937, eq. 1)."""
    return (book.square().sum(1) - 2 * vectors @ book.T).argmin(1)


def straight_through(vectors: Tensor, quantised: Tensor) -> Tensor:
    """The quantised values, with the gradient of the vectors (Bengio et al. 2013, arXiv:1308.3432)."""
    return vectors + (quantised - vectors).detach()


def rounded(vectors: Tensor, levels: Sequence[int]) -> Tensor:
    """(N,D) each number bounded and rounded to one of its levels, in [-1, 1], with a gradient (Mentzer et al. 2023, arXiv:2309.15505,
    section 3.1 and appendix A.1)."""
    count = torch.tensor(levels, dtype=vectors.dtype, device=vectors.device)
    half = (count - 1) * (1 - 1e-3) / 2
    offset = torch.where(count % 2 == 0, 0.5, 0.0)
    shift = torch.atanh(offset / half)
    bounded = torch.tanh(vectors + shift) * half - offset
    return straight_through(bounded, bounded.round()) / (count // 2)


def ids_of_levels(values: Tensor, levels: Sequence[int]) -> Tensor:
    """(N,) int64 in a mixed radix, of what `rounded` gives (N,D); `levels_of_ids` is the inverse."""
    count = torch.tensor(levels, device=values.device)
    digits = (values.detach() * (count // 2)).round().long() + count // 2
    return (digits * _radix(levels, values.device)).sum(1)


def levels_of_ids(ids: Tensor, levels: Sequence[int]) -> Tensor:
    """(N,D) float32 of ids (N,)."""
    count = torch.tensor(levels, device=ids.device)
    digits = ids[:, None] // _radix(levels, ids.device) % count
    return (digits - count // 2).float() / (count // 2)


def _radix(levels: Sequence[int], device: torch.device) -> Tensor:
    return torch.tensor([math.prod(levels[:place]) for place in range(len(levels))], device=device)

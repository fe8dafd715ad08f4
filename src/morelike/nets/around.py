"""What stands around a place of a grid whose columns lie one after another: told beside the id just before it.

B batch, P ids, k places, V vocabulary, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.spec import Tokens
from .condition import as_table


class Around(nn.Module):
    """Embeddings of the ids at the same row of the column before, one row above and one below it there; nothing past the edges.

    A net that goes along the ids meets these a whole column ago: told so, what carries and what is free is next to a place.
    """

    def __init__(self, spec: Tokens, width: int) -> None:
        super().__init__()
        self.period = spec.period
        self.vocab = spec.vocab
        self.left, self.above, self.below = (nn.Embedding(spec.vocab, width) for _ in range(3))
        for table in (self.left, self.above, self.below):
            nn.init.normal_(table.weight, std=0.02)
            as_table(table.weight)

    @classmethod
    def of(cls, spec: Tokens, width: int, wanted: bool) -> Around | None:
        """None where it isn't wanted, or where columns are too short to have rows above and below."""
        return cls(spec, width) if wanted and spec.period > 1 else None

    def forward(self, recent: Tensor, first: int, count: int) -> Tensor:
        """(B,k,D) for the ids that are to be said at the places `first` on. `recent` (B,P): the ids before the last of these, at least a
        column and one more, or all there are; or (B,P,V) distributions over them."""
        places = torch.arange(first, first + count, device=recent.device)
        begin = first + count - 1 - recent.shape[1]
        row = places % self.period
        told = torch.zeros(len(recent), count, self.left.embedding_dim, device=recent.device)
        for table, shift in ((self.left, 0), (self.above, -1), (self.below, 1)):
            at = places - self.period + shift
            there = (at >= 0) & (row + shift >= 0) & (row + shift < self.period)
            if not bool(there.any()):
                continue
            seen = recent[:, (at - begin).clamp(min=0)]
            own = seen @ table.weight if seen.is_floating_point() else table(seen)
            told = told + own * there[:, None]
        return told

    def kept(self, recent: Tensor | None, ids: Tensor) -> Tensor:
        """`recent` with ids (B,k), or (B,k,V), behind it."""
        if recent is None:
            return ids
        if ids.is_floating_point() and not recent.is_floating_point():
            recent = nn.functional.one_hot(recent, self.vocab).to(ids.dtype)
        elif recent.is_floating_point() and not ids.is_floating_point():
            ids = nn.functional.one_hot(ids, self.vocab).to(recent.dtype)
        return torch.cat((recent, ids), 1)

    def needed(self, recent: Tensor) -> Tensor:
        """Those of `recent` that later places look at."""
        return recent[:, -(self.period + 1) :]

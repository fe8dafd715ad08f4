"""A random sample of a stream, in place: the items with the smallest random keys (bottom-k sampling, Cohen and Kaplan 2007)."""

from __future__ import annotations

import torch
from torch import Tensor


def keep(store: Tensor, keys: Tensor, rows: Tensor, new_keys: Tensor, *beside: tuple[Tensor, Tensor]) -> None:
    """Takes `rows` (B,*) into `store` (M,*) in place where their keys (B,) are among the M smallest seen so far.

    `keys` (M,) starts at infinity, which marks an empty place. `beside`: further (store, rows) that follow the same choice.
    """
    most = len(keys)
    chosen = torch.cat((keys, new_keys)).topk(most, largest=False).indices
    arriving = chosen[chosen >= most] - most
    leaving = torch.ones_like(keys, dtype=torch.bool)
    leaving[chosen[chosen < most]] = False
    places = leaving.nonzero()[:, 0]
    for held, new in ((keys, new_keys), (store, rows), *beside):
        held[places] = new[arriving].to(held.dtype)

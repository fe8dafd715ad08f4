"""How surprised a model is by each id of a sequence of any length, given those before it. L ids, T the longest that it reads at once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..core.abilities import Continues
from ..core.spec import Tokens

_BATCH = 64


@torch.no_grad()
def surprise(model: Continues, spec: Tokens, ids: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
    """(L,) nats in float32 of each of the ids (L,), from those before it; `condition` has one row.

    What is longer than T is read in windows that overlap by half: past the first window every id is judged by at least T/2 before it.
    """
    length, window = len(ids), spec.shape[0]
    if length <= window:
        return model.surprise(ids[None], condition)[0].float().cpu() if length else torch.zeros(0)
    step = max(1, window // 2)
    starts = [*range(0, length - window, step), length - window]
    found = torch.zeros(length)
    done = 0
    for at in range(0, len(starts), _BATCH):
        some = starts[at : at + _BATCH]
        x = torch.stack([ids[start : start + window] for start in some])
        own = {name: value.expand(len(some), *value.shape[1:]) for name, value in (condition or {}).items()}
        for start, nats in zip(some, model.surprise(x, own).float().cpu(), strict=True):
            found[done : start + window] = nats[done - start :]
            done = start + window
    return found

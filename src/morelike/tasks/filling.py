"""Filling places of sequences whose other places are known, before and after: by drawing from left to right with the known ids put in.

B batch, T length, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.abilities import Condition, Continues
from ..core.noise import Noise
from ..maths.constraint import DEAD, Constraint, certain
from ..maths.decoding import Dials, pick, weigh


@torch.no_grad()
def fill(
    model: Continues, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, dials: Dials | None = None,
    constraint: Constraint | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(ids (B,T), nats (B,) of the whole rows under the model): x (B,T) where `known` (B,T), the rest drawn given what stands left of it.

    What stands right of a gap doesn't bend the draw; it is counted in the nats, so that draws can be ranked by how well it goes on.
    The constraint rules out ids, as long as the known ones keep it; a row that breaks it by known ids is free from there on.
    """
    batch, length = x.shape
    dials = dials or Dials()
    uniforms = noise.under("fill").uniform((length,), "id")
    held = None if constraint is None else constraint.start(batch)
    total = torch.zeros(batch, dtype=torch.float64)
    out, new, state = x.clone(), x[:, :0], None
    for place in range(length):
        logits, state = model.next(new, condition, state)
        log_probs = certain(logits).cpu()
        weights = log_probs
        if held is not None and constraint is not None:
            allowed = constraint.allowed(held, length - place - 1)
            weights = log_probs.masked_fill(~(allowed | ~allowed.any(1, keepdim=True)), -torch.inf)
        drawn = pick(weigh(weights, dials), uniforms[:, place].cpu())
        ids = torch.where(known[:, place].cpu(), x[:, place].cpu(), drawn)
        if held is not None and constraint is not None:
            held = torch.where(held == DEAD, DEAD, constraint.advance(held, ids))
        total -= log_probs.gather(1, ids[:, None])[:, 0]
        out[:, place] = ids.to(out.device)
        new = out[:, place : place + 1]
    return out, total

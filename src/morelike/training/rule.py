"""Rules: how a player's gradient is formed from its loss. Plain averaging, whole or accumulated in chunks."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.contract import Batch, Player, Terms


def averaged(player: Player, batch: Batch, chunks: int = 1) -> Terms:
    """Leaves the gradient of the mean loss in the player's parameters and returns the detached terms, (B,) each.

    With `chunks` > 1 the same gradient is accumulated over parts of the batch in less memory; coupled losses stay whole.
    """
    if chunks <= 1 or player.coupled:
        terms = player.loss(batch)
        terms["loss"].mean().backward()  # type: ignore[no-untyped-call]
        return {name: value.detach() for name, value in terms.items()}
    parts: list[Terms] = []
    for rows in torch.arange(batch.size).chunk(chunks):
        part = player.loss(batch[rows])
        (part["loss"].sum() / batch.size).backward()  # type: ignore[no-untyped-call]
        parts.append({name: value.detach() for name, value in part.items()})
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def gradient_norm(params: list[Tensor], clip: float) -> Tensor:
    """The gradient's 2-norm, after which it is at most `clip` (0 = unclipped)."""
    gradients = [p.grad for p in params if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    # on a processor, to look costs nothing and spares a pass over all gradients, times 1
    if clip > 0 and not (norm.device.type == "cpu" and float(norm) + 1e-6 <= clip):
        torch.nn.utils.clip_grads_with_norm_(params, clip, norm)
    return norm

"""Sequential Monte Carlo: which drafts are gone on with. B examples, P particles of each."""

from __future__ import annotations

import torch
from torch import Tensor


def resampled(weights: Tensor, uniform: Tensor, count: int) -> tuple[Tensor, Tensor] | None:
    """(which drafts are gone on with (B*P,), their log-weights from now on) by systematic resampling of log-weights (B*P,) within each
    example whose drafts count for less than half of them (effective sample size: Liu, Chen 1998); None where none does."""
    shares = weights.view(-1, count).softmax(1)
    spent = 1 / shares.square().sum(1, keepdim=True) < count / 2
    if not bool(spent.any()):
        return None
    own = torch.arange(count, device=weights.device)
    found = torch.searchsorted(shares.cumsum(1), (own + uniform.double()[:, None]) / count, right=True).clamp(max=count - 1)
    first = torch.arange(len(shares), device=weights.device)[:, None] * count
    which = (first + torch.where(spent, found, own)).flatten()
    return which, torch.where(spent, 0.0, weights.view(-1, count)).flatten()

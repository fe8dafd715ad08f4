"""Penalties on a critic's gradient with respect to what it is shown. B batch, * the shape of one example."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def zero_centred(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """(B,) squared norm of each example's gradient of the logits `critic(x)` (B,) at x (B,*) (Mescheder et al. 2018, arXiv:1801.04406,
    eq. 9: R1 at real examples, R2 at made ones). In float32, for a second derivative in bf16 would be mostly rounding."""
    with torch.autocast(x.device.type, enabled=False):
        x = x.detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1)

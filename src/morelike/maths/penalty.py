"""Penalties on a critic's gradient with respect to what it is shown, and on codes that are alike. B batch, * the shape of one example."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST = 1e-12
"""A norm has no derivative at 0."""


def zero_centred(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """(B,) squared norm of each example's gradient of the logits `critic(x)` (B,) at x (B,*) (Mescheder et al. 2018, arXiv:1801.04406,
    eq. 9: R1 at real examples, R2 at made ones). In float32, for a second derivative in bf16 would be mostly rounding."""
    with torch.autocast(x.device.type, enabled=False):
        x = x.detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def one_centred(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """(B,) squared distance from 1 of the gradient's norm (Gulrajani et al. 2017, arXiv:1704.00028, eq. 3); else as `zero_centred`."""
    return ((zero_centred(critic, x) + _LEAST).sqrt() - 1).square()


def pulling_away(codes: Tensor) -> Tensor:
    """(B,) mean squared cosine between each of the codes (B,D) and the others: 0 where all are orthogonal, 1 where they are equal.
    The mean over the batch is the pulling-away term of Zhao et al. 2016, arXiv:1609.03126, eq. 8. 0 for a batch of one."""
    unit = F.normalize(codes.flatten(1), dim=1)
    cosines = (unit @ unit.T).square()
    return (cosines.sum(1) - cosines.diagonal()) / max(1, len(codes) - 1)

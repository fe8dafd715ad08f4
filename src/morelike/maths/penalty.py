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


def path_lengths(draw: Callable[[Tensor], Tensor], w: Tensor, direction: Tensor, *, deep: bool = True) -> Tensor:
    """(B,) how far each example moves where its styles w (B,G,S) do: the norm of the gradient of `draw(w)` (B,*) along `direction`
    (B,*), its square summed over S and averaged over the grids G (Karras et al. 2020, arXiv:1912.04958, eq. 4 and appendix B). For a
    linear map J and G = 1 it is the norm of the direction times J. `deep`: with a derivative of its own. In float32."""
    with torch.autocast(w.device.type, enabled=False), torch.enable_grad():
        w = w.float() if deep else w.detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad((draw(w) * direction).sum(), w, create_graph=deep)
    return (gradient.square().sum(2).mean(1) + _LEAST).sqrt()


def pulling_away(codes: Tensor) -> Tensor:
    """(B,) mean squared cosine between each of the codes (B,D) and the others: 0 where all are orthogonal, 1 where they are equal.
    The mean over the batch is the pulling-away term of Zhao et al. 2016, arXiv:1609.03126, eq. 8. 0 for a batch of one."""
    unit = F.normalize(codes.flatten(1), dim=1)
    cosines = (unit @ unit.T).square()
    return (cosines.sum(1) - cosines.diagonal()) / max(1, len(codes) - 1)

"""Log-likelihoods of single numbers in nats, and the divergence from the unit Gaussian. Everything broadcasts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..core.errors import BadInput
from ..core.noise import Noise


def gaussian(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-density of a normal distribution with standard deviation exp(log_scale)."""
    return -0.5 * ((x - mean) * torch.exp(-log_scale)).square() - log_scale - 0.5 * math.log(2 * math.pi)


def discretised_logistic(x: Tensor, mean: Tensor, log_scale: Tensor, step: float) -> Tensor:
    """Log-mass of the cell of width `step` around x on a grid over [-1, 1]; the outermost cells take the tails.

    Salimans et al. 2017 (PixelCNN++), arXiv:1701.05517, eq. 2, for one component. The difference of two sigmoids is taken
    as s(a) - s(b) = s(a) s(-b) (1 - e^(b - a)), which keeps its digits far out in the tails and for narrow cells.
    """
    inverse = torch.exp(-log_scale)
    upper, lower = (x - mean + step / 2) * inverse, (x - mean - step / 2) * inverse
    below, above = F.logsigmoid(upper), F.logsigmoid(-lower)
    inside = below + above + torch.log(-torch.expm1(-step * inverse))
    return torch.where(x < -1 + step / 2, below, torch.where(x > 1 - step / 2, above, inside))


def gaussian_mass(x: Tensor, mean: Tensor, log_scale: Tensor, step: float) -> Tensor:
    """A bound from below on the log-mass that a normal distribution has in the cell of width `step` around x: the mean log-density over
    the cell (Theis, van den Oord, Bethge 2016, arXiv:1511.01844, section 3.1), which for a normal distribution is in closed form."""
    return gaussian(x, mean, log_scale) + math.log(step) - step**2 / 24 * torch.exp(-2 * log_scale)


def bernoulli(x: Tensor, logit: Tensor) -> Tensor:
    """Log-probability of x, -1 or +1, where `logit` is the log-odds of +1."""
    out: Tensor = _LogSigmoid.apply(x * logit)  # type: ignore[no-untyped-call]
    return out


class _LogSigmoid(torch.autograd.Function):
    """`F.logsigmoid` in two thirds of its time: the sigmoid is kept for the gradient, 1 - sigmoid(t)."""

    @staticmethod
    def forward(ctx: Any, t: Tensor) -> Tensor:
        share = torch.sigmoid(t)
        ctx.save_for_backward(share)
        # far below zero the sigmoid is no longer a number, and its logarithm is t
        return torch.minimum(share.clamp_min(1e-37).log_(), t)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (share,) = ctx.saved_tensors
        return torch.addcmul(gradient, gradient, share, value=-1)


def logistic(mean: Tensor, log_scale: Tensor, uniform: Tensor) -> Tensor:
    """A draw from the logistic distribution by its inverse distribution function; `uniform` in (0, 1)."""
    return mean + torch.exp(log_scale) * torch.logit(uniform)


def unit_gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) for each element (Kingma and Welling 2013, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def importance_bound(
    mean: Tensor, log_variance: Tensor, noise: Noise | None, draws: int, log_likelihood: Callable[[Tensor], Tensor]
) -> Tensor:
    """(B,): the importance-weighted bound on log p(x) with K draws (Burda et al. 2015, arXiv:1509.00519, eq. 8): never above it in the
    mean, and the tighter the larger K.

    `mean`, `log_variance` (B,L) of the Gaussian q(z|x); `log_likelihood` gives log p(x|z), (B,), of z (B,L). Raises BadInput without
    noise.
    """
    if noise is None:
        raise BadInput("the likelihood bound of a VAE draws latents: pass `noise`")
    unit = torch.zeros((), device=mean.device)
    terms = []
    for draw in range(draws):
        z = mean + torch.exp(0.5 * log_variance) * noise.normal(mean.shape[1:], draw)
        terms.append(log_likelihood(z) + (gaussian(z, unit, unit) - gaussian(z, mean, 0.5 * log_variance)).sum(1))
    return torch.stack(terms).logsumexp(0) - math.log(draws)

"""Splines: the identity, an inverse, slopes, ends."""

from __future__ import annotations

import pytest
import torch

from morelike.maths.spline import Splines, parameters


def raw(seed: int, scale: float = 2.0) -> torch.Tensor:
    return scale * torch.randn(50, parameters(6), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_zeros_are_the_identity() -> None:
    x = torch.linspace(0, 1, 101)
    y, log_slope = Splines.of(torch.zeros(101, parameters(5))).forward(x)
    assert torch.allclose(y, x, atol=1e-6)
    assert log_slope.abs().max() < 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_the_inverse_undoes_and_slopes_are_those_of_the_map(seed: int) -> None:
    splines = Splines.of(raw(seed))
    x = torch.rand(50, generator=torch.Generator().manual_seed(9 + seed), dtype=torch.float64).requires_grad_()
    y, log_slope = splines.forward(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(log_slope.exp(), gradient, rtol=1e-8)
    back, again = splines.inverse(y.detach())
    assert (back - x).abs().max() < 1e-9
    assert torch.allclose(again, log_slope, atol=1e-6)


def test_ends_meet_ends_and_it_rises() -> None:
    splines = Splines.of(raw(4)[:1])
    x = torch.linspace(0, 1, 1001, dtype=torch.float64)
    many = Splines(*(part.expand(1001, -1) for part in (splines.x, splines.y, splines.slope)))
    y, _ = many.forward(x)
    assert y[0].abs() < 1e-6
    assert (y[-1] - 1).abs() < 1e-6
    assert (y.diff() > 0).all()
    back, _ = many.inverse(torch.tensor([0.0, 1.0], dtype=torch.float64).repeat_interleave(torch.tensor([1, 1000])))
    assert back[0] == 0
    assert back[-1] == pytest.approx(1)

"""Restoring pictures: operators, draws of what is missing against exact posteriors, the known part kept, and the verb."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morelike.core.abilities import Denoises
from morelike.core.noise import Noise
from morelike.maths.operators import Blur, Grey, Mask, Operator, Pool
from morelike.tasks.repairing import Known, by_denoising, conjugate

# --- operators

COLOUR = (3, 8, 12)


def operators() -> dict[str, Operator]:
    known = torch.rand(8, 12, generator=torch.Generator().manual_seed(0)) < 0.5
    return {
        "mask": Mask(known), "pool 2": Pool(2), "pool 4": Pool(4), "grey": Grey((0.299, 0.587, 0.114)),
        "blur 1": Blur(1.0, 8, 12), "blur 3": Blur(3.0, 8, 12),
    }  # fmt: skip


def drawn(seed: int, like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", operators())
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_adjoint_and_pseudo_inverse_are_what_they_are_called(name: str, seed: int) -> None:
    operator, x = operators()[name], drawn(seed, torch.empty(2, *COLOUR))
    seen = operator.apply(x)
    y = operator.apply(drawn(seed + 1, x))
    torch.testing.assert_close((seen * y).sum(), (x * operator.adjoint(y)).sum())
    # the four conditions of Moore and Penrose, with y in the range
    torch.testing.assert_close(operator.apply(operator.pinv(y)), y)
    part, other = operator.project(x), operator.project(drawn(seed + 2, x))
    torch.testing.assert_close(operator.project(part), part)
    torch.testing.assert_close((part * (x - part)).sum(), torch.zeros((), dtype=x.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close((part * drawn(seed + 2, x)).sum(), (x * other).sum())


def test_blur_is_that_of_a_mirrored_picture() -> None:
    from scipy.ndimage import gaussian_filter

    x = drawn(0, torch.empty(1, 1, 16, 20))
    blurred = Blur(1.5, 16, 20, least=0.0).apply(x)[0, 0].numpy()
    assert abs(blurred - gaussian_filter(x[0, 0].numpy(), 1.5, mode="reflect", truncate=8)).max() < 2e-3


def test_pool_is_the_mean_of_squares() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert Pool(2).apply(x).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


# --- draws given what is known


class Gaussian(Denoises):
    """A normal distribution of 4 x 4 pictures, of which E[x | x_t] is known in closed form."""

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(3)
        spread = torch.randn(16, 16, generator=rng, dtype=torch.float64)
        self.mean = 0.3 * torch.randn(16, generator=rng, dtype=torch.float64)
        self.covariance = 0.02 * spread @ spread.T + 0.05 * torch.eye(16, dtype=torch.float64)

    def denoise(self, x_t: Tensor, t: Tensor, condition: Any = None) -> Tensor:
        share, flat = t.double()[0], x_t.flatten(1).double()
        around = (1 - share) ** 2 * self.covariance + share**2 * torch.eye(16, dtype=torch.float64)
        gain = (1 - share) * torch.linalg.solve(around, self.covariance)
        return (self.mean + (flat - (1 - share) * self.mean) @ gain).view_as(x_t).to(x_t.dtype)

    def draw(self, count: int, seed: int) -> Tensor:
        noise = Noise(seed, count, path=("truth",)).normal((16,)).double()
        return (self.mean + noise @ torch.linalg.cholesky(self.covariance).T).float().view(count, 1, 4, 4)

    def posterior(self, operator: Operator, least: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (16,) and covariance (16,16) given A x = y, from the normal equations."""
        seen = operator.project(torch.eye(16, dtype=torch.float64).view(16, 1, 4, 4)).reshape(16, 16)
        gain = self.covariance @ seen @ torch.linalg.pinv(seen @ self.covariance @ seen, rtol=1e-9)
        mean = self.mean + gain @ (least.double().flatten() - seen @ self.mean)
        return mean, self.covariance - gain @ seen @ self.covariance


SMALL = {"mask": Mask(torch.rand(4, 4, generator=torch.Generator().manual_seed(1)) < 0.5), "pool": Pool(2), "blur": Blur(1.0, 4, 4)}
DRAWS = 4_000


@pytest.mark.parametrize("name", SMALL)
def test_draws_of_a_gaussian_follow_its_posterior(name: str) -> None:
    model, operator = Gaussian(), SMALL[name]
    least = operator.project(model.draw(1, 0))
    x = by_denoising(model, Known(operator, least.expand(DRAWS, -1, -1, -1)), noise=Noise(0, DRAWS), steps=100, turns=6)
    flat = x.flatten(1).double()
    mean, covariance = model.posterior(operator, least)
    deviation = covariance.diagonal().clamp(min=0).sqrt()
    assert ((flat.mean(0) - mean).abs() <= 5 * deviation / DRAWS**0.5 + 2e-3).all()
    error = (torch.cov(flat.T) - covariance).abs() / (deviation[:, None] * deviation + 1e-3)
    assert error.max() < 0.15
    torch.testing.assert_close(operator.project(x), least.expand_as(x), atol=1e-5, rtol=0)


def test_without_turns_the_known_part_holds_and_nothing_follows_from_it() -> None:
    """What the conjugate gradients are for: with V = 1 the unknown pixels hear of the known ones from the net alone."""
    model, operator = Gaussian(), SMALL["mask"]
    least = operator.project(model.draw(1, 0))
    x = by_denoising(model, Known(operator, least.expand(DRAWS, -1, -1, -1)), noise=Noise(0, DRAWS), steps=24, turns=0)
    mean, covariance = model.posterior(operator, least)
    torch.testing.assert_close(operator.project(x), least.expand_as(x), atol=1e-5, rtol=0)
    assert (x.flatten(1).double().mean(0) - mean).abs().max() > 0.2 * covariance.diagonal().max().sqrt()


def test_conjugate_gradients_solve_each_row_by_itself() -> None:
    rng = torch.Generator().manual_seed(0)
    spread = torch.randn(2, 6, 6, generator=rng, dtype=torch.float64)
    matrices = spread @ spread.mT + torch.eye(6, dtype=torch.float64)
    matrices[1] *= 1e6
    seen = torch.tensor([1.0, 1, 0, 1, 0, 1], dtype=torch.float64)
    wanted = torch.randn(2, 6, generator=rng, dtype=torch.float64) * seen
    moved = conjugate(lambda u: (matrices @ u[..., None])[..., 0], lambda v: v * seen, wanted, 12)
    torch.testing.assert_close(moved * seen, wanted)
    for row, matrix in enumerate(matrices):
        kept = seen.bool()
        inner = torch.linalg.solve(matrix[kept][:, kept], wanted[row, kept])
        torch.testing.assert_close(moved[row], matrix[:, kept] @ inner)

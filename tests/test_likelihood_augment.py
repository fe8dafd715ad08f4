"""Likelihoods of single numbers, differentiable augmentation and the random sample of a stream: laws and known values."""

from __future__ import annotations

import math

import pytest
import torch

from morelike.core.noise import Noise
from morelike.maths.augment import brightness, contrast, cutout, diff_augment, saturation, translate
from morelike.maths.likelihood import discretised_logistic, gaussian, logistic, unit_gaussian_divergence
from morelike.maths.reservoir import keep


def test_discretised_logistic_is_a_mass_over_the_grid() -> None:
    step = 2 / 15
    levels = torch.arange(16) * step - 1
    mean, log_scale = torch.tensor([[-3.0], [-1.0], [0.13], [0.98]]), torch.tensor([[-1.0], [-6.9], [-3.0], [2.0]])
    mass = discretised_logistic(levels, mean, log_scale, step).double().exp().sum(1)
    torch.testing.assert_close(mass, torch.ones(4, dtype=torch.float64), atol=1e-5, rtol=0)


def test_discretised_logistic_keeps_its_digits_in_the_tails() -> None:
    mean = torch.zeros((), requires_grad=True)
    far = discretised_logistic(torch.tensor(0.9), mean, torch.tensor(-6.0), 2 / 255)
    far.backward()
    # beyond the cell the log-mass falls linearly, by 1 / scale
    assert math.isclose(float(mean.grad), math.exp(6.0), rel_tol=1e-3)  # type: ignore[arg-type]
    assert torch.isfinite(far)


def test_logistic_draws_follow_their_mass() -> None:
    step, count = 0.5, 40_000
    x = logistic(torch.tensor(0.2), torch.tensor(-1.0), Noise(0, count).uniform(()))
    levels = (torch.round((x.clamp(-1, 1) + 1) / step) * step - 1).unique(return_counts=True)
    mass = discretised_logistic(levels[0], torch.tensor(0.2), torch.tensor(-1.0), step).exp()
    torch.testing.assert_close(levels[1] / count, mass, atol=0.01, rtol=0)


def test_divergence_is_the_mean_of_the_log_ratio() -> None:
    mean, log_variance = torch.tensor(0.7), torch.tensor(-1.2)
    z = mean + torch.exp(0.5 * log_variance) * Noise(0, 200_000).normal(())
    zero = torch.zeros(())
    ratio = gaussian(z, mean, 0.5 * log_variance) - gaussian(z, zero, zero)
    assert math.isclose(float(ratio.mean()), float(unit_gaussian_divergence(mean, log_variance)), abs_tol=0.01)


@pytest.mark.parametrize("shape", [(2, 9), (3, 8, 6), (1, 4, 6, 5)])
def test_augmentation_is_differentiable_and_each_example_has_its_own(shape: tuple[int, ...]) -> None:
    x, noise = Noise(1, 6).normal(shape).requires_grad_(), Noise(2, 6)
    y = diff_augment(x, noise)
    assert y.shape == x.shape
    assert not torch.allclose(y, x)
    torch.testing.assert_close(diff_augment(x[2:4], noise[2:4]), y[2:4])
    (gradient,) = torch.autograd.grad(y.square().sum(), x)
    assert gradient.abs().sum() > 0
    torch.testing.assert_close(diff_augment(x, noise, 0.0), x)


def test_translation_moves_whole_positions_and_fills() -> None:
    x = torch.arange(10.0).view(1, 1, 10).repeat(64, 1, 1) + 5
    y = translate(x, Noise(0, 64), 0.2, fill=-1.0)
    shifts = set()
    for row in y[:, 0]:
        inside = row[row != -1]
        shifts.add(float(row[5] - x[0, 0, 5]))
        assert torch.equal(inside.diff(), torch.ones(len(inside) - 1))
        assert len(inside) == 10 - abs(int(row[5] - x[0, 0, 5]))
    assert shifts == {-2.0, -1.0, 0.0, 1.0, 2.0}


def test_colour_keeps_what_it_should() -> None:
    x, noise = Noise(1, 5).normal((3, 6, 6)), Noise(2, 5)
    added = brightness(x, noise) - x
    assert float(added.flatten(1).std(1).max()) < 1e-6
    torch.testing.assert_close(contrast(x, noise).flatten(1).mean(1), x.flatten(1).mean(1), atol=1e-5, rtol=0)
    torch.testing.assert_close(saturation(x, noise).mean(1), x.mean(1), atol=1e-5, rtol=0)
    cut = cutout(torch.ones(200, 1, 8, 8), noise=Noise(0, 200)).flatten(1).mean(1)
    assert 0.7 < float(cut.mean()) < 0.9
    assert float(cut.min()) == 0.75


def test_reservoir_keeps_the_smallest_keys_wherever_they_come() -> None:
    keys, items = torch.rand(100, generator=torch.Generator().manual_seed(0)), torch.arange(100.0)
    store, held, beside = torch.zeros(10), torch.full((10,), math.inf), torch.zeros(10, dtype=torch.int64)
    for start in range(0, 100, 7):
        rows = slice(start, start + 7)
        keep(store, held, items[rows], keys[rows], (beside, items[rows].long()))
    assert set(store.tolist()) == set(keys.argsort()[:10].tolist())
    assert torch.equal(keys[store.long()], held)
    assert torch.equal(beside, store.long())

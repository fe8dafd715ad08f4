"""The toy sets' densities and entropies are what they claim."""

from __future__ import annotations

import numpy as np
import pytest

from morelike.data.open import open_source
from morelike.data.toys import TOYS


def _cells(step: float) -> np.ndarray:
    side = np.arange(-3.0, 3.0, step) + step / 2
    return np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)


@pytest.mark.parametrize("name", TOYS)
def test_the_density_integrates_to_one_and_gives_the_entropy(name: str) -> None:
    step = 0.05
    log_prob = TOYS[name].log_prob(_cells(step))
    prob = np.exp(log_prob)
    assert prob.sum() * step**2 == pytest.approx(1.0, abs=1e-5)
    entropy = -(prob * np.where(prob > 0, log_prob, 0.0)).sum() * step**2
    assert entropy == pytest.approx(TOYS[name].entropy, abs=1e-4)


@pytest.mark.parametrize("name", TOYS)
def test_samples_have_the_density_and_follow_the_seed(name: str) -> None:
    toy = TOYS[name]
    x = toy.sample(20_000, 1)
    losses = -toy.log_prob(x)
    error = 4 * losses.std() / np.sqrt(len(x))
    assert losses.mean() == pytest.approx(toy.entropy, abs=error + 1e-9)
    assert np.array_equal(x, toy.sample(20_000, 1))
    assert not np.array_equal(x, toy.sample(20_000, 2))


@pytest.mark.parametrize("name", TOYS)
def test_samples_fill_the_density(name: str) -> None:
    toy = TOYS[name]
    x = toy.sample(20_000, 0)
    counts, edges, _ = np.histogram2d(x[:, 0], x[:, 1], bins=12, range=[[-3, 3], [-3, 3]])
    fine = np.exp(toy.log_prob(_cells(0.05))).reshape(120, 120).T * 0.05**2
    expected = fine.reshape(12, 10, 12, 10).sum(axis=(1, 3)) * len(x)
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected) + 1).all()
    assert len(edges) == 13


def test_toys_open_by_name() -> None:
    source = open_source("moons")
    assert source.kind == "vector"
    assert source.items.shape == (10_000, 2)
    assert source.columns == {}

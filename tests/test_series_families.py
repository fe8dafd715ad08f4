"""Families of series against closed forms, and on series whose entropy is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from morelike.core.contract import Batch, Learner
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Array
from morelike.house.build import build
from morelike.house.recipe import Recipe
from morelike.maths.particles import resampled
from morelike.nets.steps import mixed

COEFFICIENT, SPREAD = 0.8, 0.6
"""Of an autoregression of order 1 whose variance is 1."""


def walk(count: int, length: int, seed: int = 0) -> torch.Tensor:
    """(count, 1, length) stationary autoregressions."""
    rng = np.random.default_rng(seed)
    x = np.empty((count, length))
    x[:, 0] = rng.normal(size=count)
    for step in range(1, length):
        x[:, step] = COEFFICIENT * x[:, step - 1] + SPREAD * rng.normal(size=count)
    return torch.tensor(x[:, None], dtype=torch.float32)


def made(name: str, shape: tuple[int, int], **settings: Any) -> Any:
    return build(Recipe(model=name, size="xs", settings=settings), Array(shape), {})


def learnt(name: str, x: torch.Tensor, **settings: Any) -> Any:
    model = made(name, tuple(x.shape[1:]), **settings)  # type: ignore[arg-type]
    learner = model.players()[0]
    assert isinstance(learner, Learner)
    learner.see(Batch(x, Noise(0, len(x))))
    assert learner.settle is not None
    learner.settle()
    return model.eval()


# vector autoregression


def test_var_finds_an_autoregression_and_its_likelihood() -> None:
    model, fresh = learnt("var", walk(20_000, 6)), walk(4_000, 6, seed=1)
    assert int(model.order) == 1
    chain = np.abs(np.subtract.outer(range(6), range(6)))
    truth = torch.distributions.MultivariateNormal(torch.zeros(6), torch.tensor(COEFFICIENT**chain, dtype=torch.float32))
    assert float((truth.log_prob(fresh[:, 0]) - model.log_prob(fresh)).mean()) == pytest.approx(0.0, abs=0.005)
    drawn = model.sample(noise=Noise(0, 20_000))[:, 0]
    assert torch.allclose(torch.cov(drawn.T), torch.tensor(COEFFICIENT**chain, dtype=torch.float32), atol=0.05)


def test_var_fills_in_exactly_whatever_is_known() -> None:
    model = learnt("var", walk(20_000, 5))
    mean, covariance = model.mean, model.factor @ model.factor.T
    known, free = [0, 3], [1, 2, 4]
    value = torch.tensor([1.2, -0.7], dtype=torch.float64)
    inner = torch.linalg.inv(covariance[known][:, known])
    expected = mean[free] + covariance[free][:, known] @ inner @ (value - mean[known])
    spread = covariance[free][:, free] - covariance[free][:, known] @ inner @ covariance[known][:, free]
    count = 20_000
    x, there = torch.full((count, 1, 5), math.nan), torch.zeros(count, 1, 5, dtype=torch.bool)
    x[:, 0, known], there[:, 0, known] = value.float(), True
    found = model.infill(x, there, noise=Noise(3, count))
    assert torch.equal(found[:, 0, known], x[:, 0, known])
    assert torch.allclose(found[:, 0, free].mean(0).double(), expected, atol=0.02)
    assert torch.allclose(torch.cov(found[:, 0, free].T).double(), spread, atol=0.02)
    with pytest.raises(BadInput, match="finite"):
        model.infill(x, torch.ones_like(there), noise=Noise(3, count))


# value by value


def test_series_ar_is_a_density_and_an_untrained_one_sums_to_one() -> None:
    torch.manual_seed(0)
    model = made("series-ar", (1, 2), mixture=3)
    side = torch.linspace(-9, 9, 241)
    grid = torch.cartesian_prod(side, side)[:, None]
    with torch.no_grad():
        total = float(model.eval().log_prob(grid).double().exp().sum() * (18 / 240) ** 2)
    assert total == pytest.approx(1.0, abs=2e-3)


def test_mixtures_are_those_of_torch() -> None:
    weights, means, scales = torch.randn(3, 50, 4, generator=torch.Generator().manual_seed(0)).unbind(0)
    x = torch.linspace(-2, 2, 50)
    parts = torch.distributions.Normal(means, scales.exp())
    truth = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=weights), parts)
    assert torch.allclose(mixed(x, weights.log_softmax(1), means, scales), truth.log_prob(x), atol=1e-5)


def taught(model: Any, data: torch.Tensor, steps: int, size: int) -> None:
    """Some steps of Adam on batches of `size` rows in turn."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(steps):
        rows = torch.arange(step * size, step * size + size) % len(data)
        optimiser.zero_grad()
        model.players()[0].loss(Batch(data[rows], Noise(1, step * size + torch.arange(size))))["loss"].mean().backward()
        optimiser.step()
    model.eval()


def test_series_ar_learns_an_autoregression_to_its_entropy() -> None:
    torch.manual_seed(0)
    model = made("series-ar", (1, 6), mixture=2, jitter=0.0, drift=0.0)
    taught(model, walk(4_000, 6), 120, 200)
    entropy = 6 * 0.5 * math.log(2 * math.pi * math.e) + 5 * math.log(SPREAD)
    with torch.no_grad():
        fresh = walk(2_000, 6, seed=2)
        short = float(-model.log_prob(fresh).mean()) - entropy
        assert short < 0.15, f"{short:.3f} nats short of the entropy; independent values are {-5 * math.log(SPREAD):.1f} short"
        # a gap is drawn with an eye on what comes after it: near the mean of its neighbours' pull
        x, known = torch.zeros(3_000, 1, 6), torch.ones(3_000, 1, 6, dtype=torch.bool)
        x[:, 0, 2:4], x[:, 0, 4:], known[:, 0, 3] = 0.0, 1.5, False
        found = model.infill(x, known, noise=Noise(4, 3_000))[:, 0, 3]
    expected = COEFFICIENT * 1.5 / (1 + COEFFICIENT**2)
    assert float(found.mean()) == pytest.approx(expected, abs=0.12)
    assert float(found.std()) == pytest.approx(SPREAD / math.sqrt(1 + COEFFICIENT**2), abs=0.1)


def test_series_ar_follows_levels_that_it_has_not_seen() -> None:
    """Steps of 0.1 around levels near 0, gone on with from 6: with drift the series stays there."""
    noise = Noise(0, 2_000)
    data = (0.3 * noise.normal((1, 1), "level") + 0.1 * noise.normal((1, 10), "steps").cumsum(2)).float()
    ends = []
    for drift in (0.0, 3.0):
        torch.manual_seed(0)
        model = made("series-ar", (1, 10), mixture=2, drift=drift)
        taught(model, data, 80, 100)
        known = torch.zeros(500, 1, 10, dtype=torch.bool)
        known[..., :5] = True
        with torch.no_grad():
            ends.append(float(model.infill(data[:500] + 6, known, noise=Noise(4, 500))[:, 0, -1].mean()))
    assert abs(ends[1] - 6) < 0.6
    assert abs(ends[1] - 6) < 0.5 * abs(ends[0] - 6)


def test_drafts_that_count_for_little_are_replaced_in_proportion() -> None:
    assert resampled(torch.zeros(8).double(), torch.tensor([0.5, 0.5]), 4) is None
    which, left = resampled(torch.tensor([9.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]).double(), torch.tensor([0.5, 0.5]), 4) or (None, None)
    assert which is not None
    assert left is not None
    assert which.tolist() == [0, 0, 0, 0, 4, 5, 6, 7]
    assert left.tolist() == [0.0] * 4 + [1.0] * 4


# the others


def test_seasons_are_found_and_come_back() -> None:
    rng, steps = np.random.default_rng(0), np.arange(24)
    phase = rng.uniform(0, 2 * math.pi, (500, 1))
    x = torch.tensor(np.sin(2 * math.pi * steps / 7 + phase) + 0.1 * rng.normal(size=(500, 24)), dtype=torch.float32)[:, None]
    model = learnt("seasonal-naive", x)
    assert int(model.period) == 7
    known = torch.zeros_like(x, dtype=torch.bool)
    known[..., :12] = True
    found = model.infill(x, known, noise=Noise(0, 500))
    assert torch.equal(found[..., :12], x[..., :12])
    assert float((found - x)[..., 12:].std()) < 0.35
    assert int(learnt("seasonal-naive", walk(500, 24)).period) == 1, "a walk has no season"


def test_a_block_bootstrap_holds_training_steps_alone_in_their_order() -> None:
    x = torch.arange(40 * 12).float().view(40, 1, 12)
    drawn = learnt("block-bootstrap", x, block=6.0).sample(noise=Noise(0, 400))
    assert set(drawn.flatten().tolist()) <= set(x.flatten().tolist())
    follows = (drawn.diff(dim=2) == 1).float().mean()
    # a block goes on with 5/6, and not past the end of its series
    assert 0.6 < float(follows) < 5 / 6


def test_a_trend_decoder_is_the_sum_of_its_parts() -> None:
    model = build(Recipe(model="time-vae", size="xs", nets={"decoder": {"season": 4, "degree": 1}}), Array((2, 12)), {})
    decoder: Any = model.nets["decoder"]
    z = torch.randn(5, *model.latent.shape, generator=torch.Generator().manual_seed(0))  # type: ignore[union-attr,operator]
    parts = decoder.parts(z, {}, {})
    assert torch.allclose(decoder(z, {}, {}), parts["trend"] + parts["season"] + parts["rest"])
    assert torch.allclose(parts["trend"].diff(n=2, dim=2), torch.zeros(()), atol=1e-5), "a trend of degree 1 is a line"
    assert torch.equal(parts["season"][..., :4], parts["season"][..., 8:])


def test_timegan_has_three_phases_and_each_loss_its_own_nets() -> None:
    model = made("timegan", (2, 8), code=4)
    batch = Batch(torch.randn(6, 2, 8, generator=torch.Generator().manual_seed(0)), Noise(0, 6))
    names = {player.name: player for player in model.players()}
    assert names["critic"].during == (0.5, 1.0)
    assert names["generator"].during == (0.25, 1.0)
    early = names["generator"].loss(replace(batch, progress=0.3))["loss"].mean()
    grads = torch.autograd.grad(early, list(model.nets["generator"].parameters()), allow_unused=True)
    assert all(grad is None for grad in grads), "before the game only the supervisor learns"
    late = names["generator"].loss(replace(batch, progress=0.9))["loss"].mean()
    assert all(grad is not None for grad in torch.autograd.grad(late, list(model.nets["generator"].parameters()), allow_unused=True))


def test_series_ar_takes_what_is_told_of_a_step_first() -> None:
    torch.manual_seed(0)
    model = build(Recipe(model="series-ar", size="xs"), Array((3, 10), told=1), {}).eval()
    x = torch.randn(4, 3, 10, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        nats = model.surprise(x)
        later = x.clone()
        later[:, 1, 4] += 1
        changed = model.surprise(later) != nats
        assert not changed[:, :, :4].any()
        assert not changed[:, [0, 2], 4].any()
        assert changed[:, :, 5:].all()
        later = x.clone()
        later[:, 2, 4] += 1
        changed = model.surprise(later) != nats
        assert not changed[:, :, :4].any()
        assert changed[:, :, 4:].all()
        # what is told of steps to come chooses nothing: many drafts are as one
        known = torch.zeros(4, 3, 10, dtype=torch.bool)
        known[:, :, :5] = known[:, 2] = True
        one = model.infill(x, known, noise=Noise(0, 4), particles=1)
        assert torch.equal(model.infill(x, known, noise=Noise(0, 4), particles=16), one)
        assert torch.equal(one[known], x[known])

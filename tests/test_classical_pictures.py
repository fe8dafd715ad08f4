"""Hopfield nets, restricted Boltzmann machines and self-organising maps, against theory and enumeration."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from morelike.core.contract import Batch, Learner
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Array
from morelike.families.hopfield import Hopfield, HopfieldSettings, settle
from morelike.families.rbm import RBM, RBMSettings
from morelike.families.som import SOM, SOMSettings

TINY = Array((1, 2, 4), 2.0)


def everything(size: int) -> Tensor:
    return torch.tensor(list(product((0.0, 1.0), repeat=size)))


def tiny_rbm() -> RBM:
    model = RBM(TINY, {}, settings=RBMSettings(hidden=5, temperatures=2000, runs=200))
    draw = Noise(1, 5)
    with torch.no_grad():
        model.weight.copy_(0.8 * draw.normal((8,), "weight"))
        model.hidden_bias.copy_(draw.normal((), "hidden"))
        model.visible_bias.copy_(Noise(2, 8).normal((), "visible"))
    return model


def exact_partition(model: RBM) -> float:
    v = everything(8)
    with torch.no_grad():
        return float(torch.logsumexp(-model.free_energy(v, torch.zeros(len(v), dtype=torch.int64)).double(), 0))


def test_free_energy_is_the_sum_over_hidden_states() -> None:
    model, v, h = tiny_rbm(), everything(8)[::17], everything(5)
    energy = v @ model.visible_bias[:, None] + h @ model.hidden_bias + v @ model.weight.T @ h.T
    assert torch.allclose(-torch.logsumexp(energy, 1), model.free_energy(v, torch.zeros(len(v), dtype=torch.int64)), atol=1e-4)


def test_annealed_importance_sampling_meets_the_exact_partition() -> None:
    model = tiny_rbm()
    assert float(model.log_partition()[0]) == pytest.approx(exact_partition(model), abs=0.1)
    x = (2 * everything(8) - 1).view(-1, 1, 2, 4)
    with torch.no_grad():
        assert float(model.log_prob(x).double().exp().sum()) == pytest.approx(1.0, abs=0.1)
    with torch.no_grad():
        model.weight.zero_()
    free = torch.nn.functional.softplus(model.visible_bias).sum() + torch.nn.functional.softplus(model.hidden_bias).sum()
    assert float(model.log_partition()[0]) == pytest.approx(free.item(), abs=1e-2)


def test_gibbs_samples_are_as_likely_as_the_machine_says() -> None:
    model = tiny_rbm()
    drawn = ((model.sample(noise=Noise(3, 4000)) + 1) / 2).flatten(1)
    v = everything(8)
    share = torch.softmax(-model.free_energy(v, torch.zeros(len(v), dtype=torch.int64)), 0)
    assert torch.allclose(drawn.mean(0), share @ v, atol=0.04)
    pairs = drawn.T @ drawn / len(drawn)
    assert torch.allclose(pairs, torch.einsum("n,ni,nj->ij", share, v, v), atol=0.04)


def test_an_rbm_learns_and_fills_in() -> None:
    bars = torch.stack([torch.eye(4)[row].repeat(2, 1) for row in range(4)])[:, None] * 2 - 1
    model = RBM(TINY, {}, settings=RBMSettings(hidden=8, chains=64, steps=200))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    player = model.players()[0]
    x = bars.repeat(8, 1, 1, 1)
    for step in range(1000):
        optimiser.param_groups[0]["lr"] = 0.02 * (1 - step / 1000)
        batch = Batch(x, Noise(0, torch.arange(32) + 32 * step))
        optimiser.zero_grad()
        player.loss(batch)["loss"].mean().backward()  # type: ignore[union-attr]
        optimiser.step()
        with torch.no_grad():
            player.after(batch)  # type: ignore[union-attr, misc]
    # four equally likely pictures: log 4 nats is the best there is, 8 log 2 that of knowing nothing
    with torch.no_grad():
        assert -float(model.log_prob(bars).mean()) < math.log(4) + 0.5
    known = torch.zeros(64, 1, 2, 4, dtype=torch.bool)
    known[:, :, 0] = True
    asked = bars.repeat(16, 1, 1, 1)
    with torch.no_grad():
        filled = model.infill(asked, known, noise=Noise(4, 64))
    assert torch.equal(filled[known], asked[known])
    assert float((filled == asked).float().mean()) > 0.97


def test_numbers_out_of_range_are_refused() -> None:
    for make in (lambda: RBMSettings(hidden=0), lambda: HopfieldSettings(beta=0), lambda: SOMSettings(side=1)):
        with pytest.raises(BadInput, match="must be from"):
            make()
    assert "codec.binarise=true" in str(RBM.refuses(Array((1, 8, 8), 2 / 255), {}))


def recall(load: float, size: int = 600) -> float:
    """Mean overlap with a stored pattern after starting from it, `load` patterns a neuron."""
    patterns = torch.where(Noise(5, round(load * size)).uniform((size,), "pattern") < 0.5, -1.0, 1.0)
    free = torch.zeros(20, size, dtype=torch.bool)
    found = settle(patterns, patterns[:20], free, Noise(6, 20), 20)
    return float((found * patterns[:20]).mean())


def theory(load: float) -> float:
    """Overlap at no temperature (Amit, Gutfreund, Sompolinsky 1987, Statistical mechanics of neural networks near saturation, eqs. 4.6
    to 4.8), by iteration from 1; about 0 where there is no recall."""
    m, r = 1.0, 1.0
    for _ in range(2000):
        c = math.sqrt(2 / (math.pi * load * r)) * math.exp(-(m**2) / (2 * load * r))
        m, r = math.erf(m / math.sqrt(2 * load * r)), 1 / (1 - min(c, 0.999)) ** 2
    return m


def test_recall_breaks_down_where_theory_says() -> None:
    assert theory(0.10) > 0.98
    assert theory(0.145) < 0.1
    assert recall(0.10) == pytest.approx(theory(0.10), abs=0.02)
    assert recall(0.20) < 0.75


def learnt(learner: Learner, x: Tensor, size: int) -> None:
    """All passes of a Learner over the data."""
    for turn in range(learner.passes):
        for start in range(0, len(x), size):
            rows = torch.arange(start, min(start + size, len(x)))
            learner.see(Batch(x[rows], Noise(turn, rows)))
        if learner.settle is not None and learner.settle():
            return


@pytest.mark.parametrize("form", ["modern", "binary"])
def test_a_memory_is_completed_from_a_third_of_it(form: Any) -> None:
    spec = Array((1, 9, 20), 2.0)
    memories = torch.where(Noise(7, 4).uniform(spec.shape, "memory") < 0.5, -1.0, 1.0)
    model = Hopfield(spec, {}, settings=HopfieldSettings(form=form, memories=4))
    learnt(model.players()[0], memories, 4)  # type: ignore[arg-type]
    known = torch.zeros(4, *spec.shape, dtype=torch.bool)
    known[:, :, :3] = True
    filled = model.infill(memories, known, noise=Noise(8, 4))
    assert torch.allclose(filled, memories, atol=1e-3)
    drawn = model.sample(noise=Noise(9, 8))
    near = torch.cdist(drawn.flatten(1), torch.cat((memories, -memories)).flatten(1)).min(1).values
    # a binary net also stops at mixtures of three memories (Amit et al. 1985)
    assert float((near < 0.1).float().mean()) > (0.9 if form == "modern" else 0.2)


def test_a_map_spreads_over_the_data_and_neighbours_stay_neighbours() -> None:
    x = Noise(10, 2000).uniform((2,), "x") * 2 - 1
    model = SOM(Array((2,)), {}, settings=SOMSettings(side=8))
    learnt(model.players()[0], x, 500)  # type: ignore[arg-type]
    error = float((x - model.units[model._best(x)]).square().sum(1).mean().sqrt())
    # 64 units in a square of side 2: cells of side 0.25 have a root mean square radius of 0.10
    assert error < 0.15
    grid = model.units.view(8, 8, 2)
    steps = torch.cat(((grid[1:] - grid[:-1]).flatten(0, 1), (grid[:, 1:] - grid[:, :-1]).flatten(0, 1))).norm(dim=1)
    assert float(steps.max()) < 0.7
    assert torch.allclose(model.decode(model.encode(x)), model.units[model._best(x)], atol=1e-4)
    drawn = model.sample(noise=Noise(11, 2000))
    assert torch.allclose(drawn.std(0), x.std(0), rtol=0.1)

"""Sequence GANs: their gradients against exact sums, their relaxed ids against the laws of ids, and that they learn a toy text.

The contract's laws over both are in `test_laws.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from morelike.core.contract import Batch
from morelike.core.errors import BadInput, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Tokens, live
from morelike.data.loader import Dataset, Order
from morelike.families.rgan import RGAN, _gumbel
from morelike.families.seqgan import SeqGAN
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.house.sampling import draw
from morelike.training.loop import Trainer
from morelike.training.plan import Plan

VOCAB, LENGTH = 4, 6
CHAIN = 0.04 + sum(share * np.roll(np.eye(VOCAB), hop, 1) for hop, share in ((1, 0.66), (2, 0.18)))
"""Transition probabilities of the toy text: mostly the next id, sometimes the one after."""


def seqgan(spec: Tokens, **settings: Any) -> SeqGAN:
    model = build(Recipe(model="seqgan", size="xs", settings=settings), spec, {})
    assert isinstance(model, SeqGAN)
    return model.eval()


def rgan(spec: Tokens, **settings: Any) -> RGAN:
    model = build(Recipe(model="rgan", size="xs", settings=settings), spec, {})
    assert isinstance(model, RGAN)
    return model.eval()


def every_sequence(spec: Tokens) -> Tensor:
    ids = torch.cartesian_prod(*[torch.arange(spec.vocab)] * spec.shape[0])
    return ids if spec.stop is None else torch.unique(torch.where(live(spec, ids), ids, spec.stop), dim=0)


def text(n: int) -> np.ndarray:
    """(n, LENGTH) ids of the toy text."""
    random = np.random.default_rng(0)
    x = random.integers(VOCAB, size=(n, LENGTH))
    for place in range(1, LENGTH):
        x[:, place] = (CHAIN[x[:, place - 1]].cumsum(1) < random.random((n, 1))).sum(1).clip(max=VOCAB - 1)
    return x


def off(x: np.ndarray) -> float:
    """Total variation between the pairs of neighbouring ids in x and those of the toy text (whose single ids are uniform)."""
    pairs = np.zeros((VOCAB, VOCAB))
    np.add.at(pairs, (x[:, :-1].ravel(), x[:, 1:].ravel()), 1)
    return float(0.5 * np.abs(pairs / pairs.sum() - CHAIN / VOCAB).sum())


def trained(name: str, steps: int, **settings: Any) -> np.ndarray:
    """2,000 samples after some steps on the toy text."""
    model = build(Recipe(model=name, size="xs", settings=settings), Tokens((LENGTH,), VOCAB), {})
    data = Dataset(text(2000).astype(np.uint8))
    kept = Trainer(model, Feed(data, Order(len(data), 64, 0), by_pass=False), Plan(steps=steps, batch=64)).run() if steps else model
    return draw(kept, 2000).numpy()


def test_the_measure_tells_the_toy_text_from_noise() -> None:
    assert off(text(2000)) < 0.03
    for name in ("rgan", "seqgan"):
        assert off(trained(name, 0)) > 0.4


def test_rgan_comes_near_the_toy_text() -> None:
    assert off(trained("rgan", 250, lr=2e-3, critic_lr=8e-3)) < 0.25


class Counts(nn.Module):
    """A discriminator that likes ids to go up by one."""

    def forward(self, x: Tensor, condition: Any, given: Any) -> Tensor:
        return 2.0 * (x.diff(dim=1) == 1).sum(1) - 3.0


def test_the_policy_gradient_earns_what_the_discriminator_gives() -> None:
    """Without any likelihood: all that the generator learns, it learns from the discriminator."""
    model = seqgan(Tokens((LENGTH,), VOCAB), pretrain=0.0, likelihood=0.0, share=1.0)
    model.nets["discriminator"] = Counts()
    optimiser = torch.optim.Adam(model.nets["causal"].parameters(), 1e-2)
    earned = []
    for step in range(50):
        terms = model._generator_loss(Batch(torch.zeros(64, LENGTH, dtype=torch.int64), Noise(step, 64), progress=0.5))
        optimiser.zero_grad()
        terms["loss"].mean().backward()
        optimiser.step()
        earned.append(float(terms["reward"].mean()))
    assert np.mean(earned[:5]) < 0.5
    assert np.mean(earned[-5:]) > 0.9


@pytest.mark.parametrize(("spec", "places"), [(Tokens((3,), 3), 1), (Tokens((3,), 3), 3), (Tokens((4,), 3, stop=2), 2)])
def test_the_policy_gradient_is_that_of_the_exact_expected_reward(spec: Tokens, places: int) -> None:
    model = seqgan(spec, pretrain=0.0, likelihood=0.0, share=1.0, places=places)
    for name in ("causal", "discriminator"):
        for p in model.nets[name].parameters():
            p.data.mul_(2.0)  # policies and rewards that differ
    own = list(model.nets["causal"].parameters())
    whole = every_sequence(spec)
    with torch.no_grad():
        rewards = model._logit(whole, Batch(whole, Noise(0, len(whole)))).sigmoid()
    expected = (model.log_prob(whole).exp() * rewards).sum()
    exact = torch.cat([g.flatten() for g in torch.autograd.grad(-expected / spec.shape[0], own)])
    n = 6_000
    loss = model._generator_loss(Batch(whole[:1].expand(n, -1), Noise(1, n), progress=1.0))["loss"]
    found = torch.cat([g.flatten() for g in torch.autograd.grad(loss.mean(), own)])
    assert float(F.cosine_similarity(exact, found, dim=0)) > 0.9
    assert float(found.norm() / exact.norm()) == pytest.approx(1.0, abs=0.2)


def test_roll_outs_share_what_comes_before_them_and_nothing_else() -> None:
    spec = Tokens((6,), 5, stop=4)
    model = seqgan(spec, rollouts=3)
    x = model._roll(Batch(None, Noise(2, 40)), [0, 2, 4])
    assert x.shape == (10, 40, 6)
    for group, start in enumerate((0, 0, 0, 2, 2, 2, 4, 4, 4), 1):
        assert torch.equal(x[group, :, :start], x[0, :, :start])
        going = live(spec, x[0])[:, start]
        assert not torch.equal(x[group, going, start], x[0, going, start])
    flat = x.flatten(0, 1)
    assert bool((flat[~live(spec, flat)] == spec.stop).all())


def test_maximum_likelihood_comes_first_and_stays_as_said() -> None:
    model = seqgan(Tokens((5,), 4), pretrain=0.5, likelihood=0.25, share=0.5)
    x = torch.randint(4, (64, 5), generator=torch.Generator().manual_seed(0))
    early, late = (model._generator_loss(Batch(x, Noise(0, 64), progress=progress)) for progress in (0.4, 0.6))
    each = -model.log_prob(x) / 5
    assert torch.allclose(early["loss"], each, atol=1e-5)
    assert bool((early["reward"] == 0).all())
    drew = late["reward"] > 0
    assert 16 < int(drew.sum()) < 48
    assert torch.allclose(late["loss"][~drew], 0.25 * each[~drew], atol=1e-5)
    assert not torch.allclose(late["loss"][drew], 0.25 * each[drew], atol=1e-5)


@torch.inference_mode()
def test_the_discriminator_is_shown_half_as_it_is_and_half_made() -> None:
    """With a discriminator that says "real" to id 0 in front alone, on data that always begins so."""
    model = seqgan(Tokens((4,), 3))

    class First(nn.Module):
        def forward(self, x: Tensor, condition: Any, given: Any) -> Tensor:
            return torch.where(x[:, 0] == 0, 3.0, -3.0)

    model.nets["discriminator"] = First()
    n = 3000
    right = model._discriminator_loss(Batch(torch.zeros(n, 4, dtype=torch.int64), Noise(3, n)))["accuracy"].mean()
    first = model.next(torch.zeros(1, 0, dtype=torch.int64))[0].softmax(1)[0, 0]
    assert float(right) == pytest.approx(0.5 + 0.5 * (1 - float(first)), abs=0.04)


def test_relaxed_ids_that_are_certain_stop_as_ids_do() -> None:
    spec = Tokens((5,), 4, stop=3)
    model = rgan(spec)
    ids = torch.cartesian_prod(*[torch.arange(4)] * 5)
    stopped = torch.where(live(spec, ids), ids, 3)
    assert torch.equal(model._ended(F.one_hot(ids, 4).float()), F.one_hot(stopped, 4).float())


@pytest.mark.parametrize("relax", ["gumbel", "softmax"])
def test_relaxed_ids_are_distributions_and_those_drawn_are_the_likeliest(relax: str) -> None:
    spec = Tokens((5,), 4, stop=3)
    model = rgan(spec, relax=relax)
    noise = Noise(0, 50)
    z = model.prior(noise)
    relaxed = model._make(z, {}, {})
    assert torch.allclose(relaxed.sum(2), torch.ones(50, 5), atol=1e-5)
    assert bool((relaxed[:, 1:, 3] >= relaxed[:, :-1, 3] - 1e-6).all()), "mass comes back from the stop"
    x = model.decode(z)
    assert torch.equal(x, model.sample(noise=noise))
    assert torch.equal(x[:, 0], relaxed[:, 0].argmax(1))


def test_gumbel_noise_is_gumbel() -> None:
    g = _gumbel(Noise(0, 200).normal((500,)))
    assert float(g.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(g.var()) == pytest.approx(math.pi**2 / 6, abs=0.03)
    assert bool(torch.isfinite(_gumbel(torch.tensor([-100.0, 0.0, 100.0]))).all())


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_first_ids_follow_the_softmax_of_the_logits(temperature: float) -> None:
    """The Gumbel-max trick (Maddison et al. 2014), with the temperature that was asked for."""
    model = rgan(Tokens((2,), 4), latent=2)
    n = 20_000
    z = model.prior(Noise(0, n))
    z[:, :2] = 1.0
    net: Any = model.nets["generator"]
    with torch.inference_mode():
        net.head.bias.copy_(torch.tensor([1.0, 0.0, -1.0, 0.5]))
        logits, _ = net.step(torch.zeros(1, 0, 4), net.begin({}, {}, 1, z[:1, :2]))
        share = torch.bincount(model._ids(z, None, temperature)[:, 0], minlength=4) / n
    assert torch.allclose(share, (logits[0] / temperature).softmax(0), atol=0.015)


def test_the_penalty_of_a_linear_critic_is_known() -> None:
    model = rgan(Tokens((3,), 4))
    weight = torch.arange(12.0).view(4, 3) / 10

    class Linear(nn.Module):
        def forward(self, x: Tensor, condition: Any, given: Any) -> Tensor:
            return (x * weight).sum((1, 2))

    model.nets["critic"] = Linear()
    real, made = torch.rand(5, 3, 4), torch.rand(5, 3, 4)
    penalty = model._penalty(real, made, Batch(None, Noise(0, 5)))
    assert torch.allclose(penalty, ((weight.norm() - 1) ** 2).expand(5), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "settings", "error"),
    [
        ("rgan", {"relax": "gumble"}, UnknownName),
        ("rgan", {"softness": 0.0}, BadInput),
        ("rgan", {"critic_steps": 0}, BadInput),
        ("seqgan", {"pretrain": 1.5}, BadInput),
        ("seqgan", {"rollouts": 0}, BadInput),
        ("seqgan", {"share": 0.0}, BadInput),
    ],
)
def test_settings_out_of_range_are_refused(name: str, settings: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        build(Recipe(model=name, size="xs", settings=settings), Tokens((4,), 3), {})


def test_a_temperature_of_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="above 0"):
        rgan(Tokens((4,), 3)).sample(noise=Noise(0, 2), temperature=0.0)

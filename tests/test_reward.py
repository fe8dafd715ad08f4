"""Tuning towards a reward: the closed form of its optimum, what a high price leaves unchanged, rules, runs that resume."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import morelike
from morelike.core.contract import Batch, Player
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Tokens, live
from morelike.data.loader import Dataset, Order
from morelike.families.autoregressive import Autoregressive, AutoregressiveSettings
from morelike.families.rewarded import Rewarded, RewardedSettings
from morelike.house.prepare import Feed
from morelike.house.rewarded import sentences
from morelike.judges.measures import wish
from morelike.maths.constraint import Constraint, constrained_log_prob
from morelike.nets.build import build
from morelike.training.loop import Hooks, Trainer
from morelike.training.plan import Plan

SPEC = Tokens((3,), vocab=3, stop=2)
"""Two arms and the stop: 15 sequences."""


def net() -> Autoregressive:
    torch.manual_seed(1)
    settings = AutoregressiveSettings(net="gru", dropout=0.0)
    nets = {name: build(wish, {}, "xs", {"depth": 1, "width": 16}) for name, wish in Autoregressive.wants(SPEC, {}, settings).items()}
    return Autoregressive(SPEC, {}, nets, None, settings).eval()


def everything() -> Tensor:
    """(15,3) every sequence once."""
    x = torch.cartesian_prod(*[torch.arange(3)] * 3)
    return torch.unique(torch.where(live(SPEC, x), x, 2), dim=0)


def ones(x: Tensor) -> Tensor:
    """(N,) the share of places that hold the second arm."""
    return (x == 1).float().mean(1)


def tuned(beta: float, steps: int, constraint: Constraint | None = None) -> Rewarded:
    pair = Rewarded(net(), net(), ones, RewardedSettings(beta=beta, draws=8, lr=0.02), constraint)
    data = Dataset(np.zeros((32, 3), np.int64), {})
    Trainer(pair, Feed(data, Order(32, 16, 0), False), Plan(steps=steps, batch=16, averaging=0.0, threads=1)).run()
    return pair.eval()


class Once:
    """A machine: the first arm at most once."""

    start = 0

    def step(self, states: np.ndarray) -> np.ndarray:
        after = np.stack((states + 1, states, np.full_like(states, -1)), 1)
        return np.where(after > 1, -1, after)

    def accepts(self, states: np.ndarray) -> np.ndarray:
        return states >= 0

    def fits(self, states: np.ndarray, left: int) -> np.ndarray:
        return states >= 0

    def why_not(self, length: int) -> str:
        return "never"


def optimum(log_prob: Tensor, x: Tensor, beta: float) -> Tensor:
    """p(x) exp(r(x) / beta) / Z over all sequences."""
    return torch.softmax(log_prob + ones(x) / beta, 0)


def test_tuned_is_the_original_times_the_exponential_of_the_reward() -> None:
    x, beta = everything(), 0.2
    model = tuned(beta, 160).model
    with torch.no_grad():
        original, found = net().log_prob(x), model.log_prob(x).exp()  # type: ignore[operator]
    wanted = optimum(original, x, beta)
    moved = 0.5 * (wanted - original.exp()).abs().sum()
    assert moved > 0.3
    assert 0.5 * (found - wanted).abs().sum() < 0.04


def test_rules_are_kept_and_the_optimum_is_that_of_the_renormalised_model() -> None:
    x, beta, rules = everything(), 0.2, Constraint([Once()], SPEC)
    pair = tuned(beta, 120, rules)
    original, found = (constrained_log_prob(model, x, None, rules) for model in (net(), pair.model))  # type: ignore[arg-type]
    assert 0.5 * (found.exp() - optimum(original, x, beta)).abs().sum() < 0.04
    drawn = pair.draw({}, Noise(5, 500))
    assert int((drawn == 0).sum(1).max()) == 1
    now, before = pair.nats(drawn, {})
    assert torch.allclose(-now, constrained_log_prob(pair.model, drawn, None, rules), atol=1e-4)  # type: ignore[arg-type]
    assert torch.allclose(-before, constrained_log_prob(net(), drawn, None, rules), atol=1e-4)


def test_a_high_price_leaves_the_model_as_it_was() -> None:
    x = everything()
    model = tuned(50.0, 40).model
    with torch.no_grad():
        original, found = net().log_prob(x).exp(), model.log_prob(x).exp()  # type: ignore[operator]
    assert 0.5 * (found - original).abs().sum() < 0.02


def test_the_gradient_is_that_of_reward_less_divergence() -> None:
    """Against the exact gradient of the objective, summed over all sequences."""
    beta, pair = 0.3, Rewarded(net(), net(), ones, RewardedSettings(beta=0.3, draws=4))
    with torch.no_grad():
        for p in pair.model.parameters():
            p += 0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3))
    x, own = everything(), list(pair.model.parameters())
    now, before = (-model.surprise(x).sum(1) for model in (pair.model, pair.parts["original"]))  # type: ignore[operator]
    objective = (now.exp() * (ones(x) - beta * (now - before.detach()))).sum()
    exact = torch.cat([g.flatten() for g in torch.autograd.grad(-objective, own)])
    (player,) = pair.players()
    assert isinstance(player, Player)
    loss: Any = player.loss(Batch(None, Noise(7, 4000)))["loss"].mean() * 3
    found = torch.cat([g.flatten() for g in torch.autograd.grad(loss, own)])
    assert float(torch.cosine_similarity(exact, found, 0)) > 0.97
    assert float(found.norm() / exact.norm()) == pytest.approx(1.0, abs=0.1)


def test_a_loss_of_one_example_does_not_depend_on_its_neighbours() -> None:
    pair = Rewarded(net(), net(), ones, RewardedSettings(draws=3))
    (player,) = pair.players()
    assert isinstance(player, Player)
    batch = Batch(None, Noise(7, 6))
    together, alone = player.loss(batch)["loss"], player.loss(batch[slice(4, 5)])["loss"]
    assert torch.allclose(together[4:5], alone, atol=1e-6)


def test_stopped_and_resumed_is_bit_identical(tmp_path: Path) -> None:
    def trainer() -> Trainer:
        pair = Rewarded(net(), net(), ones, RewardedSettings(draws=2))
        feed = Feed(Dataset(np.zeros((32, 3), np.int64), {}), Order(32, 4, 0), False)
        return Trainer(pair, feed, Plan(steps=12, batch=4, threads=1), Hooks(checkpoint=tmp_path / "checkpoint.safetensors"))

    straight = trainer().run()
    trainer().run(until=5)
    second = trainer()
    second.resume(tmp_path / "checkpoint.safetensors")
    taken_up = second.run()
    assert second.progress.step == 12
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), taken_up.parameters(), strict=True))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of lines of ten letters or digits, in the folder of the file it learnt from."""
    folder = tmp_path_factory.mktemp("words")
    draw = random.Random(0)
    lines = ["".join(draw.choice("ab12") for _ in range(10)) for _ in range(300)]
    (folder / "lines.txt").write_text("\n".join(lines) + "\n")
    morelike.train(str(folder / "lines.txt"), "gru", kind="lines", steps=8, size="xs", batch=32, out=folder / "model", judge=False)
    return folder


def test_a_tuned_model_is_an_ordinary_package(words: Path) -> None:
    tuned = morelike.load(words / "model").reward("letters", steps=25, batch=8, lr=0.01, beta=0.02, out=words / "tuned")
    told = tuned.card["reward"]
    assert told["after"]["measured"]["letters"] > told["before"]["measured"]["letters"] + 0.05
    assert told["divergence"] > 3 * told["divergence_error"]
    assert told["nats_after"] > told["nats_before"]
    assert morelike.verify(words / "tuned")["ok"]
    again = morelike.load(words / "tuned")
    assert again.card["family"] == "gru"
    assert again.card["start"]["name"] == str(words / "model")
    assert list(again.sample(4, seed=3)) == list(tuned.sample(4, seed=3))
    assert any("held-out" in sentence for sentence in sentences(told))


def test_lost_variety_is_warned_of() -> None:
    one = {"reward": 0.5, "measured": {"letters": None}, "unique": 1.0, "spread": 2.0, "entropy": 9.0}
    found = {"towards": ["letters"], "drawn": 512, "divergence": 1.0, "divergence_error": 0.1, "before": one}
    assert not any("warning" in sentence for sentence in sentences({**found, "after": one}))
    assert "less various" in sentences({**found, "after": {**one, "unique": 0.9}})[-1]
    assert "less various" in sentences({**found, "after": {**one, "spread": 1.5}})[-1]


@pytest.mark.parametrize(
    ("towards", "sentence"),
    [("qed", "no measure 'qed'|unknown measure"), ("length", "say which is wanted"), ("length=x", "a number is wanted"),
     ("matches=(", "no regular expression"), ("matches=", "takes a regular expression")],
)  # fmt: skip
def test_a_wish_that_says_nothing_is_refused(towards: str, sentence: str) -> None:
    with pytest.raises((BadInput, UnknownName), match=sentence):
        wish(towards, "text", None, ["abc", "de"])


def test_a_wish_is_a_share_or_nearness() -> None:
    items = ["ab", "abcd", "1234", ""]
    assert wish("letters", "text", None, items)(items).tolist() == [1, 1, 0, 0]
    assert wish("matches=^a.*d$", "text", None, items)(items).tolist() == [0, 1, 0, 0]
    near = wish("length=4", "text", None, items)
    deviation = float(np.std([2, 4, 4, 0]))
    assert near(items) == pytest.approx(np.exp(-np.array([2, 0, 0, 4]) / deviation))


def test_molecules_are_measured_and_broken_ones_are_worth_nothing() -> None:
    pytest.importorskip("rdkit", reason="RDKit is not installed")
    items = ["CCO", "c1ccccc1", "C1CC"]
    assert wish("logp=1.6866", "molecule", None, items)(items)[1:] == pytest.approx([1.0, 0.0], abs=1e-4)
    assert wish("qed", "molecule", None, items)(items)[0] == pytest.approx(0.4068, abs=1e-3)
    assert wish("mol_weight=46.069", "molecule", None, items)(items)[0] == pytest.approx(1.0, abs=1e-4)


def test_models_that_say_no_next_id_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32))
    morelike.train(str(tmp_path / "x.npy"), "gmm", steps=1, out=tmp_path / "model", judge=False)
    with pytest.raises(Refused, match="makes no sequences"):
        morelike.load(tmp_path / "model").reward("letters", steps=1, out=tmp_path / "tuned")
    assert not (tmp_path / "tuned" / "card.json").exists()


def test_scores_of_the_kind_are_measures_too() -> None:
    pytest.importorskip("rdkit", reason="RDKit is not installed")
    from morelike.judges.molecule import Molecules

    items = ["CCO", "c1ccccc1", "CCCN"]
    domain = Molecules({}, items)
    assert wish("valid", "molecule", domain, items)(["CCO", "C1CC"]).tolist() == [1, 0]
    far = wish("nearest.tanimoto", "molecule", domain, items)  # less is better
    assert far(["CCO", "FC(F)(F)S"])[0] == 0
    assert far(["CCO", "FC(F)(F)S"])[1] > 0.5

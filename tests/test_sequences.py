"""Neural sequence families: they find a known optimum, read a condition, mix with a classical expert, and are scored exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from morelike.core.contract import Optim, Trainable
from morelike.core.noise import Noise
from morelike.core.spec import Tokens, live
from morelike.data.loader import Dataset, Order, Windows
from morelike.families.autoregressive import renamed
from morelike.families.hybrid import Hybrid
from morelike.house.build import build
from morelike.house.likelihood import likelihood, running_nats
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.nets.attention import Cache, Layout, SelfAttention
from morelike.nets.attention import turns as places
from morelike.nets.transformer import CausalTransformer, TransformerSettings
from morelike.training.loop import Trainer
from morelike.training.optimiser import Optimiser
from morelike.training.plan import Plan, turns

CHAIN = np.array([[0.1, 0.8, 0.05, 0.05], [0.05, 0.05, 0.1, 0.8], [0.8, 0.1, 0.05, 0.05], [0.05, 0.05, 0.8, 0.1]])
"""A Markov chain whose stationary distribution is nearly even: without the past an id costs log 4, with it 0.71 nats."""
WINDOW = 16


def chain(length: int, seed: int) -> np.ndarray:
    """(length,) ids of the chain."""
    rng, ids = np.random.default_rng(seed), [0]
    edges, draws = CHAIN.cumsum(1), rng.uniform(size=length)
    for u in draws[1:]:
        ids.append(int(np.searchsorted(edges[ids[-1]], u)))
    return np.array(ids, np.uint8)


def truth(ids: np.ndarray) -> float:
    """Nats an id under the chain itself."""
    return float(-np.log(CHAIN[ids[:-1], ids[1:]]).mean())


def trained(name: str, data: Dataset, spec: Tokens, conditions: Any, steps: int, **settings: Any) -> Any:
    model = build(Recipe(model=name, size="xs", settings=settings), spec, conditions)
    by_pass = bool(turns(model.players())[1])
    plan = Plan(steps=steps, batch=32)
    return Trainer(model, Feed(data, Order(len(data), 32, 0), by_pass), plan).run()


@pytest.mark.parametrize("name", ["transformer", "gru", "lstm"])
def test_a_net_finds_the_entropy_of_a_chain(name: str) -> None:
    data, held = Windows(chain(20_000, 0), WINDOW), chain(4_000, 1)
    model = trained(name, data, Tokens((WINDOW,), 4), {}, 150, dropout=0.0, lr=0.02)
    nats = running_nats(model, held).mean()
    way = (np.log(4) - nats) / (np.log(4) - truth(held))
    assert 0.93 < way < 1.01


def test_hybrid_is_no_worse_than_its_parts() -> None:
    data, held = Windows(chain(20_000, 0), WINDOW), chain(4_000, 1)
    model = trained("hybrid", data, Tokens((WINDOW,), 4), {}, 300, dropout=0.0, every=2)
    assert isinstance(model, Hybrid)
    mixed, net, expert = (running_nats(part, held).mean() for part in (model, model.net, model.expert))
    assert mixed < min(net, expert) + 0.01
    assert mixed < truth(held) + 0.05


def test_hybrid_gate_moves_to_the_better_part() -> None:
    """Where the net knows nothing, the mixture leans on the expert, and the other way round."""
    model = build(Recipe(model="hybrid", size="xs"), Tokens((WINDOW,), 4), {})
    assert isinstance(model, Hybrid)
    knowing = torch.log_softmax(torch.tensor([[[6.0, 0.0, 0.0, 0.0]]]), -1)
    flat = torch.log_softmax(torch.zeros(1, 1, 4), -1)
    features = torch.zeros(1, 1, model.expert.confidences)
    optimiser = torch.optim.Adam(model.gate.parameters(), 0.05)
    before = float(model._mix(knowing, flat, features)[..., 0].detach())
    for _ in range(30):
        optimiser.zero_grad()
        (-model._mix(knowing, flat, features)[..., 0].sum()).backward()
        optimiser.step()
    after = model._mix(knowing, flat, features)
    assert float(after[..., 0].detach()) > before + 0.05
    assert float(after.detach().exp().sum()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("name", "steps", "lr"), [("transformer", 300, 0.02), ("gru", 400, 0.01)])
def test_a_source_is_read(name: str, steps: int, lr: float) -> None:
    """The answer is the source backwards, which only attention to places can give."""
    rng = np.random.default_rng(0)
    source = rng.integers(0, 6, (2_000, 4))
    spec, told = Tokens((4,), 7, 6), Tokens((4,), 7, 6)
    data = Dataset(source[:, ::-1].copy(), {"source": source})
    model = trained(name, data, spec, {"source": told}, steps, dropout=0.0, lr=lr)
    asked = torch.from_numpy(rng.integers(0, 6, (200, 4)))
    with torch.inference_mode():
        nats = model.surprise(asked.flip(1), {"source": asked}).mean()
        wrong = model.surprise(asked.flip(1), {"source": asked.roll(1, 0)}).mean()
    assert float(nats) < 0.3 * np.log(6)
    assert float(wrong) > np.log(6)


def test_ids_that_training_lacks_are_copied() -> None:
    """The answer is the source's last three ids; asked for ids that no example had, a net with a pointer still names them."""
    rng = np.random.default_rng(0)
    train, asked = rng.integers(0, 6, (2_000, 4)), torch.from_numpy(rng.integers(6, 12, (200, 4)))
    nats = {}
    for alphabet in ("", "letters"):
        spec, told = Tokens((3,), 13, 12, alphabet), Tokens((4,), 13, 12, alphabet)
        model = trained("transformer", Dataset(train[:, 1:].copy(), {"source": train}), spec, {"source": told}, 150, dropout=0.0, lr=0.02)
        with torch.inference_mode():
            nats[alphabet] = float(model.surprise(asked[:, 1:], {"source": asked}).mean())
    assert nats["letters"] < 2 * np.log(12) < nats[""]


def test_what_a_text_quotes_is_renamed_on_both_sides() -> None:
    spec = Tokens((4,), 50, 49, "letters")
    x = torch.tensor([[7, 8, 9, 49], [1, 2, 3, 4]]).repeat(50, 1)
    source = torch.tensor([[9, 7, 7, 49], [5, 6, 6, 5]]).repeat(50, 1)
    new, told = renamed(x, source, spec, 0.5, Noise(0, 100))
    assert torch.equal(new[1::2], x[1::2])
    assert torch.equal(told[1::2], source[1::2])
    pairs = torch.stack((new[::2, 0], told[::2, 1], told[::2, 2]), 1)
    assert bool((pairs == pairs[:, :1]).all())
    assert bool((new[::2, 2] == told[::2, 0]).all())
    assert bool((new[::2, 1] == 8).all())
    assert bool((new[::2, 3] == 49).all())
    assert 10 < int((pairs[:, 0] != 7).sum()) < 40


def test_running_text_is_scored_once_with_half_a_window_of_past(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = build(Recipe(model="lstm", size="xs"), Tokens((WINDOW,), 5), {}).eval()
    ids = np.random.default_rng(0).integers(0, 5, 101)
    whole = torch.from_numpy(ids)
    stride, last, nats = WINDOW // 2, len(ids) - WINDOW, []
    with torch.inference_mode():
        for place in range(len(ids)):
            start = 0 if place < WINDOW else min(last, ((place - WINDOW) // stride + 1) * stride)
            nats.append(float(model.surprise(whole[None, start : place + 1])[0, -1]))
    assert running_nats(model, ids) == pytest.approx(nats, abs=1e-4)
    counted: Any = build(Recipe(model="ngram", size="xs"), Tokens((WINDOW,), 5), {}).eval()
    monkeypatch.setattr("morelike.house.likelihood._STRETCH", 30)
    assert running_nats(counted, ids) == pytest.approx([np.log(5)] * 101, abs=1e-4)


def test_likelihood_counts_characters_and_bytes_before_the_stop() -> None:
    model: Any = build(Recipe(model="ngram", size="xs"), Tokens((4,), 4, 3), {}).eval()
    x = np.array([[0, 1, 3, 3], [2, 2, 2, 2]])
    found = likelihood(model, Dataset(x), [b"a", "é".encode(), "日".encode(), b""])
    assert found.characters.tolist() == [2, 4]
    assert found.bytes.tolist() == [3, 12]
    assert found.nats == pytest.approx([3 * np.log(4), 4 * np.log(4)], abs=1e-4)


def test_windows_begin_elsewhere_in_each_epoch() -> None:
    data = Windows(np.arange(160) % 250, WINDOW)
    feed = Feed(data, Order(len(data), 10, 3), by_pass=False)
    first, second, again = (feed.rows(step)[1].numpy() for step in (0, 1, 1))
    assert sorted(first[:, 0] % WINDOW) == [0] * 10
    assert len(set(second[:, 0] % WINDOW)) == 1
    assert (second == again).all()
    assert sorted(second.ravel()) == sorted(first.ravel())


def test_padding_changes_no_row() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16, 4, 2)
    torch.nn.init.normal_(attention.out.weight)
    live = torch.tensor([[True, True, True, False], [True, True, False, False]])
    x = torch.randn(2, 4, 16)
    layout = Layout.of(live)
    mixed = layout.pad(attention(layout.pack(x), layout, False, places(0, 4, 4, x.device))[0])
    for row, count in enumerate((3, 2)):
        alone = Layout(1, count)
        own, _ = attention(x[row, :count], alone, False, places(0, count, 4, x.device))
        assert torch.allclose(mixed[row, :count], own, atol=1e-5)


@pytest.mark.parametrize("name", ["transformer", "gru"])
def test_rows_are_rounded_up_and_nats_stay(name: str) -> None:
    """40 x 20 places of which 328 live: the nets take 384 rows, and nobody pays for the rest."""
    spec, lengths = Tokens((20,), 7, 6), torch.arange(40) % 14 + 1
    x = torch.where(torch.arange(20) < lengths[:, None], torch.randint(6, (40, 20), generator=torch.Generator().manual_seed(0)), 6)
    model = build(Recipe(model=name, nets={"causal": {"width": 32, "depth": 1}}), spec, {}).eval()
    with torch.inference_mode():
        nats = model.surprise(x)  # type: ignore[attr-defined]
        alone = torch.cat([model.surprise(row[None]) for row in x])  # type: ignore[attr-defined]
    assert torch.allclose(nats, alone, atol=1e-5)
    assert bool((nats[~live(spec, x)] == 0).all())
    assert len(Layout.of(live(spec, x)).pack(x[..., None])) == 384


def test_tables_of_ids_are_not_orthogonalised() -> None:
    spec = Tokens((8,), 50)
    net = CausalTransformer(spec, spec, {}, TransformerSettings(width=32, depth=1))
    muon, adam = Optimiser(list(net.parameters()), Optim("muon")).inner
    tables = {id(net.embed.weight), id(net.head.weight)}
    assert not tables & {id(p) for group in muon.param_groups for p in group["params"]}
    assert tables <= {id(p) for group in adam.param_groups for p in group["params"]}


def test_averaged_copy_shares_what_grows() -> None:
    model = build(Recipe(model="hybrid", size="xs"), Tokens((WINDOW,), 4), {})
    data = Windows(chain(3_000, 0), WINDOW)
    trainer = Trainer(model, Feed(data, Order(len(data), 32, 0), by_pass=True), Plan(steps=8, batch=32))
    trainer.run()
    mine, kept = (next(part for part in whole.modules() if getattr(part, "grows", ())) for whole in (trainer.model, trainer.average))
    assert isinstance(kept, Trainable)
    assert len(mine.get_buffer("keys")) > 0
    assert all(torch.equal(mine.get_buffer(name), kept.get_buffer(name)) for name in kept.grows)  # type: ignore[attr-defined]


def test_a_cache_branches() -> None:
    keys = torch.arange(6.0).view(1, 1, 3, 2)
    start = Cache.of(keys[:, :, :1], -keys[:, :, :1])
    one, two = start.grown(keys[:, :, 1:2], keys[:, :, 1:2]), start.grown(keys[:, :, 2:], keys[:, :, 2:])
    longer = one.grown(keys[:, :, 2:], keys[:, :, 2:])
    again = one.grown(keys[:, :, :1], keys[:, :, :1])
    assert one.keys[0, 0, :, 0].tolist() == [0, 2]
    assert two.keys[0, 0, :, 0].tolist() == [0, 4]
    assert longer.keys[0, 0, :, 0].tolist() == [0, 2, 4]
    assert again.keys[0, 0, :, 0].tolist() == [0, 2, 0]
    assert longer.latest(2).values[0, 0, :, 0].tolist() == [2, 4]
    assert longer.values[0, 0, :, 0].tolist() == [0, 2, 4]
    with torch.inference_mode():
        frozen = start.grown(keys[:, :, 1:2], keys[:, :, 1:2])
    assert frozen.grown(keys[:, :, 2:], keys[:, :, 2:]).keys[0, 0, :, 0].tolist() == [0, 2, 4]

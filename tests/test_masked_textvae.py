"""Masked diffusion and the VAE of sentences: bounds against likelihoods summed by hand, infilling, stops, latents that are used."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from morelike.core.contract import Batch, Player, all_given
from morelike.core.errors import BadInput, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, Spec, Tokens, class_label, live
from morelike.families.masked import Masked
from morelike.families.textvae import TextVAE
from morelike.maths.likelihood import unit_gaussian_divergence
from morelike.nets.build import build
from morelike.training.optimiser import Optimiser

STOP = Tokens((4,), vocab=3, stop=2)
RUNNING = Tokens((8,), vocab=5)


def make(family: type[Any], spec: Spec, conditions: Conditions | None = None, **settings: Any) -> Any:
    torch.manual_seed(0)
    values = family.Settings(**settings)
    wants = family.wants(spec, conditions or {}, values)
    nets = {name: build(net, conditions or {}, "xs", {"depth": 4 if family is Masked else 1}) for name, net in wants.items()}
    return family(spec, conditions or {}, nets, None, values).eval()


def batch_of(x: Tensor, condition: Mapping[str, Tensor], step: int = 0, progress: float = 1.0) -> Batch:
    return Batch(x, Noise(1, torch.arange(len(x)) + step * len(x)), *all_given(condition), progress)


def play(model: Any, x: Tensor, condition: Mapping[str, Tensor] | None = None, *, steps: int, size: int = 64) -> Any:
    """What the trainer does, in a few lines."""
    (player,) = model.players()
    assert isinstance(player, Player)
    optimiser = Optimiser(player.params, player.optim)
    rows_of = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model.train()
    for step in range(steps):
        rows = torch.randint(len(x), (size,), generator=rows_of)
        batch = batch_of(x[rows], {name: values[rows] for name, values in (condition or {}).items()}, step, step / steps)
        model.zero_grad()
        player.loss(batch)["loss"].mean().backward()
        torch.nn.utils.clip_grad_norm_(player.params, player.optim.clip)
        optimiser.step(step / steps, 1.0)
        if player.after is not None:
            with torch.no_grad():
                player.after(batch)
    return model.eval()


def markov(count: int, stride: int = 1, seed: int = 0) -> Tensor:
    """(count, 8) ids of 0..4: the first even, each next one `stride` further round with probability 0.9, else any of the other four."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randint(5, (count, 8), generator=draw)
    for place in range(1, 8):
        jump = stride + (torch.rand(count, generator=draw) < 0.1) * torch.randint(1, 5, (count,), generator=draw)
        x[:, place] = (x[:, place - 1] + jump) % 5
    return x


def markov_log_prob(x: Tensor, stride: int = 1) -> Tensor:
    """(B,) nats: the truth of `markov`."""
    follows = (x[:, 1:] - x[:, :-1]) % 5 == stride
    return -math.log(5) + torch.where(follows, math.log(0.9), math.log(0.025)).sum(1)


def all_items(spec: Tokens) -> Tensor:
    """Every sequence of a Spec once."""
    x = torch.cartesian_prod(*[torch.arange(spec.vocab)] * spec.shape[0])
    return x if spec.stop is None else torch.unique(torch.where(live(spec, x), x, spec.stop), dim=0)


@pytest.fixture(scope="module")
def filler() -> Masked:
    """Masked diffusion trained on the toy text, two strides told apart by a label."""
    label = torch.arange(3000)[:, None] % 2
    x = torch.where(label == 0, markov(3000), markov(3000, stride=2, seed=1))
    model: Masked = play(make(Masked, RUNNING, {"label": class_label(2)}, dropout=0.0, lr=1e-2), x, {"label": label}, steps=190)
    return model


def labels(count: int, value: int) -> dict[str, Tensor]:
    return {"label": torch.full((count, 1), value)}


# masked


def test_the_middle_of_a_toy_text_is_filled_in_right(filler: Masked) -> None:
    x = markov(400, seed=2)
    known = torch.ones_like(x, dtype=torch.bool)
    known[:, 3:5] = False
    # whatever stands where nothing is known is not looked at
    holed = torch.where(known, x, 99)
    for order in ("random", "confidence"):
        filled = filler.infill(holed, known, labels(400, 0), noise=Noise(0, 400), order=order)
        assert torch.equal(filled[known], x[known])
        assert (filled == x)[:, 3:5].float().mean() > 0.7  # chance: 0.2


@torch.no_grad()
def test_the_bound_is_close_to_the_truth_and_below_it(filler: Masked) -> None:
    x = markov(400, seed=3)
    bound, other = (filler.log_prob(x, labels(400, value), noise=Noise(0, 400)).mean() for value in (0, 1))
    truth = markov_log_prob(x).mean()
    assert truth - 1.2 < bound < truth + 0.2
    assert other < bound - 4  # under the wrong label


@pytest.mark.parametrize("stride", [1, 2])
def test_drawn_texts_follow_the_label(filler: Masked, stride: int) -> None:
    x = filler.sample(labels(300, stride - 1), noise=Noise(4, 300), order="random")
    hit = ((x[:, 1:] - x[:, :-1]) % 5 == stride).float().mean()
    assert hit > 0.75
    assert x[:, 0].bincount(minlength=5).min() > 30  # every beginning, as in the data
    few = filler.sample(labels(300, stride - 1), noise=Noise(4, 300))
    one = filler.sample(labels(300, stride - 1), noise=Noise(4, 300), order="random", steps=1)
    share = [((y[:, 1:] - y[:, :-1]) % 5 == stride).float().mean() for y in (one, few)]
    assert share[0] < 0.4  # in one step no place knows of another
    assert share[1] > 0.6


def scrambled(spec: Tokens, **settings: Any) -> Masked:
    """Masked diffusion with random weights, large enough to be far from even."""
    model: Masked = make(Masked, spec, dropout=0.0, **settings)
    draw = torch.Generator().manual_seed(5)
    for p in model.parameters():
        p.data.copy_(0.5 * torch.randn(p.shape, generator=draw))
    return model


@torch.no_grad()
def by_hand(model: Masked, x: Tensor) -> tuple[Tensor, Tensor]:
    """(log p(x) under random orders with one place a step, the exact bound), (B,) each: the sum over every order of places."""
    assert isinstance(model.spec, Tokens)
    places, orders = x.shape[1], []
    for order in itertools.permutations(range(places)):
        known, total = torch.zeros_like(x, dtype=torch.bool), torch.zeros(len(x), dtype=torch.float64)
        for place in order:
            hidden = torch.where(known, x, model.spec.vocab)
            logits = model.nets["denoiser"](hidden, {}, {})[:, place].float().clone()
            before, after = known[:, :place] & (x[:, :place] == model.spec.stop), known[:, place:] & (x[:, place:] != model.spec.stop)
            if model.spec.stop is not None:
                logits[after.any(1), model.spec.stop] = -torch.inf
            nats = logits.log_softmax(1).gather(1, x[:, place : place + 1])[:, 0]
            total += torch.where(before.any(1), 0.0, nats)
            known[:, place] = True
        orders.append(total)
    every = torch.stack(orders)
    return every.logsumexp(0) - math.log(len(every)), every.mean(0)


def test_the_bound_is_the_mean_over_orders_and_masses_sum_to_one_over_items_with_a_stop() -> None:
    model = scrambled(STOP)
    x = all_items(STOP)
    truth, bound = by_hand(model, x)
    assert float(truth.exp().sum()) == pytest.approx(1.0, abs=1e-4)
    many, rows = 100, torch.arange(len(x)).repeat_interleave(100)
    with torch.no_grad():
        drawn = model.log_prob(x[rows], noise=Noise(0, len(rows))).view(-1, many).double()
    error = drawn.std(1) / math.sqrt(many)
    assert bool(((drawn.mean(1) - bound).abs() < 5 * error + 1e-4).all())
    assert bool((bound <= truth + 1e-6).all())
    assert float((truth - bound).max()) > 0.05  # so that the test can tell the two apart


def test_with_a_step_for_each_place_samples_follow_the_models_own_distribution() -> None:
    model, count = scrambled(STOP), 5000
    x = all_items(STOP)
    truth, _ = by_hand(model, x)
    with torch.no_grad():
        drawn = model.sample(noise=Noise(7, count), steps=4, order="random")
    found = (drawn[:, None] == x).all(2)
    assert bool(found.any(1).all())  # all is stop after the first stop
    error = (truth.exp() / count).sqrt()
    # a rare item that comes up a few times by chance is no error
    assert bool(((found.double().mean(0) - truth.exp()).abs() < 4.5 * error + 4 / count).all())


def test_a_known_id_rules_out_an_earlier_stop_and_a_known_stop_ends_the_item() -> None:
    model = scrambled(Tokens((6,), vocab=4, stop=3))
    x = torch.tensor([[0, 0, 0, 0, 1, 0], [0, 0, 3, 0, 0, 0]]).repeat(100, 1)
    known = torch.zeros_like(x, dtype=torch.bool)
    known[::2, 4] = known[1::2, 2] = True
    for order in ("random", "confidence"):
        filled = model.infill(x, known, noise=Noise(0, 200), steps=2, order=order)
        assert bool((filled[::2, :4] != 3).all())
        assert bool((filled[1::2, 2:] == 3).all())


@pytest.mark.parametrize("order", ["random", "confidence"])
def test_few_steps_do_not_shorten_the_items(order: str) -> None:
    spec = Tokens((8,), vocab=4, stop=3)
    draw = torch.Generator().manual_seed(0)
    x = torch.where(torch.arange(8) < torch.randint(1, 9, (2000, 1), generator=draw), torch.randint(3, (2000, 8), generator=draw), 3)
    model = play(make(Masked, spec, dropout=0.0, lr=1e-2), x, steps=60)
    for steps in (2, 8):
        drawn = model.sample(noise=Noise(0, 400), steps=steps, order=order)
        assert torch.equal(drawn == 3, (drawn == 3).cumsum(1) > 0)
        assert (drawn != 3).sum(1).float().mean() == pytest.approx(4.5, abs=0.6)


def test_what_follows_a_stop_takes_no_part_in_the_nets_work(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, source = Tokens((200,), vocab=5, stop=4), Tokens((6,), vocab=7, stop=6)
    model: Masked = make(Masked, spec, {"source": source}, dropout=0.0)
    draw = torch.Generator().manual_seed(5)
    for p in model.parameters():
        p.data.copy_(p + 0.1 * torch.randn(p.shape, generator=draw))
    x = torch.where(torch.arange(200) < torch.tensor([[3], [150], [20], [90]]), torch.randint(4, (4, 200), generator=draw), 4)
    known = torch.ones_like(x, dtype=torch.bool)
    known[:, 1:3] = known[1, 100:110] = False
    told = {"source": torch.randint(6, (4, 6), generator=draw)}
    widths: list[int] = []
    model.nets["denoiser"].register_forward_pre_hook(lambda net, args: widths.append(args[0].shape[1]))

    def answers() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return model.infill(x, known, told, noise=Noise(0, 4)), model.log_prob(x, told, noise=Noise(0, 4))

    filled, nats = answers()
    assert sorted(set(widths[:3])) == [21, 91, 151]  # the ends are drawn row by row of about the same length
    monkeypatch.setattr(Masked, "_alike", lambda self, x, known: iter([(torch.arange(len(x)), x.shape[1])]))
    plain, whole = answers()
    assert torch.equal(filled, plain)
    assert torch.allclose(nats, whole, rtol=1e-5)


def test_grids_of_ids_are_learnt_and_filled_in() -> None:
    spec = Tokens((3, 4), vocab=6)
    x = (torch.arange(3)[:, None] + torch.arange(4) + torch.arange(600)[:, None, None]) % 6
    model = play(make(Masked, spec, dropout=0.0, lr=1e-2), x, steps=60)
    known = torch.rand(50, 3, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    filled = model.infill(x[:50], known, noise=Noise(0, 50), temperature=0.0)
    assert filled.shape == model.sample(noise=Noise(0, 50)).shape == (50, 3, 4)
    assert torch.equal(filled[known], x[:50][known])
    assert (filled == x[:50]).float().mean() > 0.9


@pytest.mark.parametrize("order", ["random", "confidence"])
def test_a_row_does_not_depend_on_the_others(filler: Masked, order: str) -> None:
    whole = filler.sample(labels(8, 1), noise=Noise(3, 8), order=order, steps=5)
    alone = filler.sample(labels(2, 1), noise=Noise(3, torch.tensor([6, 2])), order=order, steps=5)
    assert torch.equal(whole[[6, 2]], alone)


def test_masked_refuses_what_it_cannot_use(filler: Masked) -> None:
    x, known = markov(2), torch.ones(2, 8, dtype=torch.bool)
    with pytest.raises(BadInput, match=r"of the shape|have the shape"):
        filler.infill(x[:, :7], known, noise=Noise(0, 2))
    with pytest.raises(BadInput, match=r"0\.\.4"):
        filler.infill(x + 5, known, noise=Noise(0, 2))
    with pytest.raises(BadInput, match="pass `noise`"):
        filler.log_prob(x)
    with pytest.raises(UnknownName, match="did you mean 'random'"):
        filler.sample(noise=Noise(0, 2), order="randm")
    with pytest.raises(BadInput, match="steps must be from 0 to"):
        filler.sample(noise=Noise(0, 2), steps=-1)
    assert Masked.refuses(Array((3,)), {}) is not None
    assert Masked.refuses(Tokens((1,), 4), {}) is not None


# text-vae


def sentences(count: int, seed: int = 0) -> Tensor:
    """(count, 7) sentences "i i ... i stop" of one id 0..4 each, 3 to 6 long, which z can tell apart."""
    draw = torch.Generator().manual_seed(seed)
    which, long = torch.randint(5, (count, 1), generator=draw), torch.randint(3, 7, (count, 1), generator=draw)
    noisy = torch.where(torch.rand(count, 7, generator=draw) < 0.3, torch.randint(5, (count, 7), generator=draw), which)
    return torch.where(torch.arange(7) < long, noisy, 5)


SENTENCE = Tokens((7,), vocab=6, stop=5)


@pytest.fixture(scope="module")
def writer() -> TextVAE:
    model: TextVAE = play(make(TextVAE, SENTENCE, latent=4, dropout=0.0), sentences(2000), steps=120)
    return model


@torch.no_grad()
def divergence(model: TextVAE, x: Tensor) -> float:
    return float(unit_gaussian_divergence(*model._posterior(x, {}, {})).sum(1).mean())


def test_the_latent_is_used_and_what_it_holds_is_written(writer: TextVAE) -> None:
    x = sentences(300, seed=1)
    with torch.no_grad():
        z = writer.encode(x)
        own, strange = (-writer._nats(x, latent, {}, {}).sum(1).mean() for latent in (z, z.roll(1, 0)))
        written = writer.decode(z)
    assert divergence(writer, x) > 1.0
    assert own > strange + 1.0
    most = torch.where(live(SENTENCE, x) & (x != 5), x, -1).mode(1).values
    assert bool(((written == 5).cumsum(1).diff(dim=1) >= (written == 5)[:, 1:].long()).all())  # all is stop after the stop
    clear = most >= 0
    assert ((written[:, 0] == most) & clear).sum() / clear.sum() > 0.5  # chance: 0.2
    assert torch.equal(written, writer.decode(z))


def test_without_its_guards_the_latent_is_given_up() -> None:
    x = markov(2000)
    bare = play(make(TextVAE, RUNNING, latent=4, dropout=0.0, free_bits=0.0, word_dropout=0.0, warmup=0.0), x, steps=80)
    guarded = play(make(TextVAE, RUNNING, latent=4, dropout=0.0), x, steps=80)
    assert divergence(bare, x[:300]) < 0.3
    assert divergence(guarded, x[:300]) > 0.7


def test_free_bits_are_paid_for_each_dimension_of_each_example() -> None:
    x = sentences(6)
    free = make(TextVAE, SENTENCE, latent=3, free_bits=50.0)
    bits = make(TextVAE, SENTENCE, latent=3, free_bits=0.0)
    (player,), (plain,) = free.players(), bits.players()
    most, least = player.loss(batch_of(x, {})), plain.loss(batch_of(x, {}))
    assert torch.allclose(most["loss"] * 7 - most["reconstruction"], torch.tensor(3 * 50.0))
    assert torch.allclose(least["loss"] * 7 - least["reconstruction"], least["kl"], atol=1e-4)
    assert torch.equal(most["kl"], least["kl"])


def test_hidden_ids_tell_the_decoder_nothing_and_stops_stay() -> None:
    x = sentences(6)
    other = torch.cat(((x[:, :1] + 1) % 5, x[:, 1:]), 1)
    model, z = make(TextVAE, SENTENCE, latent=3), torch.zeros(6, 3)
    hidden = [model._nats(y, z, {}, {}, y == 5)[:, 1:] for y in (x, other)]
    plain = [model._nats(y, z, {}, {})[:, 1:] for y in (x, other)]
    assert torch.allclose(*hidden, atol=1e-6)
    assert not torch.allclose(*plain, atol=1e-3)
    blind = make(TextVAE, SENTENCE, latent=3, word_dropout=1.0)
    (player,) = blind.players()
    batch = batch_of(x, {})
    mean, log_variance = blind._posterior(x, {}, {})
    drawn = mean + torch.exp(0.5 * log_variance) * batch.noise.normal((3,), "posterior")
    assert torch.allclose(player.loss(batch)["reconstruction"], blind._nats(x, drawn, {}, {}, x == 5).sum(1), atol=1e-4)
    # every live place is still counted, the stop among them
    assert torch.equal(hidden[0] > 0, live(SENTENCE, x)[:, 1:])


def test_the_importance_weighted_bound_rises_with_its_draws_and_its_masses_stay_below_one() -> None:
    x = all_items(Tokens((4,), vocab=4, stop=3))
    spec = Tokens((4,), vocab=4, stop=3)
    masses = []
    for draws in (1, 64):
        model = play(make(TextVAE, spec, latent=2, dropout=0.0, draws=draws), x, steps=20)
        with torch.no_grad():
            bound = model.log_prob(x, noise=Noise(0, len(x))).double()
        masses.append(float(bound.exp().sum()))
    assert masses[0] < masses[1] + 0.02
    assert 0.9 < masses[1] < 1.02


def test_active_units_counts_dimensions_that_vary(writer: TextVAE) -> None:
    x = sentences(400, seed=2)
    with torch.no_grad():
        varying = (writer.encode(x).var(0) > 0.01).float().mean()
        assert writer.active_units(x) == pytest.approx(float(varying))
        assert writer.active_units(x[:1].expand(50, -1)) == 0.0
    (player,) = writer.players()
    told = player.loss(batch_of(x[:4], {}))["active"]
    assert told.shape == (4,)
    assert float(told[0]) > 0.2


def test_dials_and_conditions_reach_the_decoder() -> None:
    label = torch.arange(1200)[:, None] % 2
    x = torch.where(label == 0, markov(1200), markov(1200, stride=2, seed=1))
    model = play(make(TextVAE, RUNNING, {"label": class_label(2)}, latent=2, dropout=0.0), x, {"label": label}, steps=100)
    for stride in (1, 2):
        drawn = model.sample(labels(200, stride - 1), noise=Noise(0, 200), temperature=0.5)
        assert ((drawn[:, 1:] - drawn[:, :-1]) % 5 == stride).float().mean() > 0.6
    whole, alone = (model.sample(labels(len(index), 0), noise=Noise(2, index), beam=2) for index in (torch.arange(6), torch.tensor([4])))
    assert torch.equal(whole[4:5], alone)
    wild = model.sample(labels(200, 0), noise=Noise(0, 200), temperature=5.0)
    assert int(wild.max()) < 5  # the id for hidden ones is never written


def test_text_vae_refuses_what_it_cannot_use(writer: TextVAE) -> None:
    with pytest.raises(BadInput, match="pass `noise`"):
        writer.log_prob(sentences(2))
    with pytest.raises(BadInput, match="word_dropout must be from 0 to 1"):
        TextVAE.Settings(word_dropout=1.5)
    with pytest.raises(BadInput, match="temperature must be a number"):
        writer.sample(noise=Noise(0, 2), temperature=-1.0)
    assert TextVAE.refuses(Tokens((3, 4), 6), {}) is not None

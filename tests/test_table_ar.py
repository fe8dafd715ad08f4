"""Any-order autoregressive rows: sums over all rows, draws against enumeration, planted conditionals, digits and their bins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morelike.core.contract import Batch, Learner, Player
from morelike.core.errors import BadInput, BadPackage
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, Field, Row, class_label
from morelike.families.digits import Digits, digits_of
from morelike.families.table_ar import TableAR, TableARSettings
from morelike.house.sampling import chunks, draw
from morelike.nets.build import build
from morelike.training.optimiser import Optimiser
from morelike.training.state import put, weights

NAN = math.nan
WORDS = Row((Field("size", 4), Field("colour", 3), Field("flag", 2)))
MIXED = Row((Field("size", 4), Field("weight"), Field("flag", 2)))
LARGE = Row((Field("town", 2503), Field("flag", 2)))


def make(spec: Row, conditions: Conditions | None = None, size: str = "xs", **values: Any) -> TableAR:
    torch.manual_seed(0)
    own = TableARSettings(**values)
    nets = {name: build(net, conditions or {}, size) for name, net in TableAR.wants(spec, conditions or {}, own).items()}
    return TableAR(spec, conditions or {}, nets, None, own).eval()


def wild(model: TableAR) -> TableAR:
    """With weights so large that every conditional is far from even."""
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.4 * torch.randn_like(p))
    return model


def play(model: TableAR, x: Tensor, *, steps: int, size: int = 128) -> TableAR:
    """What the trainer does, in a few lines: a pass ends after a third of the steps."""
    turns = model.players()
    player, learners = turns[0], [turn for turn in turns if isinstance(turn, Learner)]
    assert isinstance(player, Player)
    optimiser = Optimiser(player.params, player.optim)
    model.train()
    for step in range(steps):
        rows = torch.arange(step * size, (step + 1) * size) % len(x)
        batch = Batch(x[rows], Noise(1, rows, path=("step", step)), progress=step / steps)
        player.loss(batch)["loss"].mean().backward()
        torch.nn.utils.clip_grad_norm_(player.params, player.optim.clip)
        optimiser.step(step / steps)
        with torch.no_grad():
            for learner in learners:
                learner.see(batch)
                if step == steps // 3 and learner.settle is not None:
                    learner.settle()
    return model.eval()


def every(spec: Row) -> Tensor:
    """All rows of categories."""
    return torch.tensor(list(itertools.product(*[range(field.categories) for field in spec.fields])), dtype=torch.float32)


def fitted(values: Tensor, bins: int = 20, keep: int = 100_000, others: tuple[Field, ...] = ()) -> Digits:
    """The digits of one real field, cut on its values (n,)."""
    digits = Digits(Row((*others, Field("weight"))), bins, keep)
    x = torch.cat([torch.zeros(len(values), len(others)), values[:, None]], 1)
    digits.see(Batch(x, Noise(0, len(x))))
    digits.settle()
    return digits


def even_last(count: int = 4000) -> Tensor:
    """Rows of WORDS: `size` nearly always 0, `colour` even, `flag` less so."""
    draw = torch.Generator().manual_seed(0)
    chances = torch.rand(3, count, generator=draw)
    return torch.stack(((chances[0] < 0.02).float(), (3 * chances[1]).floor(), (chances[2] < 0.2).float()), 1)


def test_fields_of_little_entropy_are_drawn_first_by_the_likelihood() -> None:
    model, rows = make(WORDS), every(WORDS)
    assert model.order.tolist() == [0, 1, 2]
    assert [model.digits.digits[digit].field for digit in model.order.tolist()] == [2, 1, 0]
    model = wild(play(model, even_last(), steps=6))
    assert [model.digits.digits[digit].field for digit in model.order.tolist()] == [0, 2, 1]
    with torch.inference_mode():
        nats = model.log_prob(rows)
        assert torch.allclose(nats, model.log_prob(rows, order=[0, 2, 1]))
        assert not torch.allclose(nats, model.log_prob(rows, order=[2, 1, 0]), atol=0.1)
        drawn = model.sample(noise=Noise(5, 20_000))
    assert (frequencies(drawn, rows) - nats.double().exp()).abs().sum() / 2 < 0.02


def test_the_digits_of_a_field_stay_together() -> None:
    x = torch.stack((torch.arange(512) * 4, (torch.arange(512) % 2)), 1).float()
    model = play(make(LARGE), x, steps=6)
    assert model.order.tolist() == [0, 1, 2]
    model = play(make(LARGE), x * torch.tensor([0.0, 1.0]), steps=6)
    assert model.order.tolist() == [1, 2, 0]


def test_weights_without_an_order_load_and_draw_as_before() -> None:
    model = wild(make(WORDS))
    older = {name: value for name, value in weights(model).items() if name not in TableAR.later}
    again = make(WORDS)
    put(again, older)
    assert torch.equal(model.sample(noise=Noise(0, 50)), again.sample(noise=Noise(0, 50)))
    with pytest.raises(BadPackage, match="missing"):
        put(again, {name: value for name, value in older.items() if not name.endswith("bias")})


def test_a_row_is_the_same_at_any_number_beyond_the_first_chunks() -> None:
    """Chunks grow from the 32,769th row on."""
    model = wild(make(WORDS))
    few, many = (draw(model, n, seed=2) for n in (33_000, 45_000))
    assert torch.equal(few, many[:33_000])
    starts = [int(noise.index[0]) for _, noise, _ in chunks(model, 45_000, {}, 2, 4096, 65_536)]
    assert starts == [*range(0, 32_769, 4096), 40_960]


@pytest.mark.parametrize("order", [None, [1, 0, 2], [2, 1, 0]])
def test_all_rows_together_have_mass_one(order: list[int] | None) -> None:
    with torch.inference_mode():
        nats = wild(make(WORDS)).log_prob(every(WORDS), order=order)
    assert nats.std() > 0.5
    assert float(nats.double().exp().sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("order", [None, [0, 1]])
def test_a_category_in_two_digits_has_mass_one_and_no_ids_beyond(order: list[int] | None) -> None:
    model = wild(make(LARGE))
    with torch.inference_mode():
        nats = model.log_prob(every(LARGE), order=order)
        drawn = model.sample(noise=Noise(3, 4000))
    assert float(nats.double().exp().sum()) == pytest.approx(1, abs=1e-4)
    assert drawn[:, 0].max() < 2503
    assert len(drawn[:, 0].unique()) > 100


def test_a_density_and_what_is_missing_have_mass_one() -> None:
    x = torch.cat((torch.randn(600, generator=torch.Generator().manual_seed(0)), torch.full((200,), NAN)))
    rows = torch.stack((torch.arange(800) % 4, x[torch.randperm(800)], torch.arange(800) % 2), 1).float()
    model = wild(make(MIXED, bins=12))
    model.digits.see(Batch(rows, Noise(0, 800)))
    model.digits.settle()
    grid = torch.linspace(-9, 9, 6001)
    mass = 0.0
    with torch.inference_mode():
        for size, flag in itertools.product(range(4), range(2)):
            real = torch.stack((torch.full_like(grid, size), grid, torch.full_like(grid, flag)), 1)
            mass += float(model.log_prob(real).double().exp().sum() * (grid[1] - grid[0]))
            mass += float(model.log_prob(torch.tensor([[size, NAN, flag]])).exp())
    assert mass == pytest.approx(1, abs=0.01)


def frequencies(rows: Tensor, among: Tensor) -> Tensor:
    return (rows[:, None] == among[None]).all(2).double().mean(0)


def test_draws_follow_the_likelihood() -> None:
    model, rows = wild(make(WORDS)), every(WORDS)
    with torch.inference_mode():
        drawn = model.sample(noise=Noise(5, 20_000))
        distance = (frequencies(drawn, rows) - model.log_prob(rows).double().exp()).abs().sum() / 2
        cold = model.sample(noise=Noise(5, 100), temperature=0)
    assert distance < 0.02
    assert bool((cold == cold[0]).all())


@pytest.mark.parametrize(("told", "order"), [((1,), [1, 2, 0]), ((0,), [0, 2, 1]), ((0, 2), [0, 2, 1])])
def test_infill_draws_from_the_conditional(told: tuple[int, ...], order: list[int]) -> None:
    """Against p(row under the order "known fields first") summed over all rows that agree with what is known."""
    model, x = wild(make(WORDS)), torch.tensor([3.0, 1.0, 1.0])
    known = torch.tensor([place in told for place in range(3)])
    rows = every(WORDS)
    rows = rows[(rows == x)[:, known].all(1)]
    with torch.inference_mode():
        right = model.log_prob(rows, order=order).double().softmax(0)
        drawn = model.infill(x.expand(20_000, -1), known.expand(20_000, -1), noise=Noise(2, 20_000))
    assert bool((drawn[:, known] == x[known]).all())
    assert (frequencies(drawn, rows) - right).abs().sum() / 2 < 0.02


def test_a_planted_conditional_is_learnt() -> None:
    """`colour` copies `size` in 80 % of the rows, `weight` is missing in a quarter, else uniform on [size, size + 1]; all else even.
    The entropies are known, and so is what fields drawn apart pay."""
    draw = torch.Generator().manual_seed(1)
    count = 12_000
    size, other = torch.randint(4, (2, count), generator=draw)
    copied = torch.rand(count, generator=draw) < 0.8
    colour = torch.where(copied, size, other)
    weight = torch.where(torch.rand(count, generator=draw) < 0.25, NAN, size + torch.rand(count, generator=draw))
    x = torch.stack((size, colour, weight - 2), 1).float()
    model = play(make(Row((Field("size", 4), Field("colour", 4), Field("weight"))), bins=32), x[:10_000], steps=350)
    same, missing = 0.8 + 0.05, -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    entropy = math.log(4) - same * math.log(same) - 3 * 0.05 * math.log(0.05) + missing
    apart = 2 * math.log(4) + missing + 0.75 * math.log(4)
    with torch.inference_mode():
        nats = -float(model.log_prob(x[10_000:]).mean())
        drawn = model.sample(noise=Noise(0, 4000))
        x[:1000, 0] = 3
        filled = model.infill(x[:1000], torch.tensor([True, False, False]).expand(1000, -1), noise=Noise(4, 1000))
    assert nats < entropy + 0.1 * (apart - entropy)
    assert nats > entropy - 0.1
    assert float(drawn[:, 2].isnan().double().mean()) == pytest.approx(0.25, abs=0.03)
    assert float((filled[:, 1] == 3).double().mean()) == pytest.approx(same, abs=0.05)
    inside = (filled[:, 2] > 0.9) & (filled[:, 2] < 2.1)
    assert float((inside | filled[:, 2].isnan()).double().mean()) > 0.97


def test_missing_is_kept_where_known_and_never_drawn_where_never_seen() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.stack((torch.randint(4, (500,), generator=draw).float(), torch.randn(500, generator=draw), torch.zeros(500)), 1)
    model = play(make(MIXED), x, steps=6, size=100)
    with torch.inference_mode():
        drawn = model.sample(noise=Noise(0, 5000))
        told = torch.tensor([[1.0, NAN, 0.0]]).expand(50, -1)
        filled = model.infill(told, torch.tensor([False, True, False]).expand(50, -1), noise=Noise(0, 50))
        nats = model.log_prob(told[:1])
    assert not bool(drawn.isnan().any())
    assert bool(filled[:, 1].isnan().all())
    assert nats.isfinite()


def test_values_that_repeat_are_drawn_as_themselves_in_their_shares() -> None:
    """Whole numbers with very uneven shares and uneven gaps: within each bin the draw has the training shares, to the value."""
    values = torch.tensor([0.0, 0.1, 0.7, 0.75, 2.0, 2.5]).repeat_interleave(torch.tensor([400, 10, 300, 20, 150, 120]))
    digits = fitted(values, bins=3)
    coarse = digits.encode(values[:, None])[:, 0]
    assert len(coarse.unique()) <= 3
    count = 30_000
    chosen = coarse[torch.randint(len(coarse), (count,), generator=torch.Generator().manual_seed(0))]
    drawn = digits.decode(chosen[:, None], Noise(0, count).uniform((1,)))[:, 0]
    for value in values.unique():
        assert float((drawn == value).double().mean()) == pytest.approx(float((values == value).double().mean()), abs=0.01)
    assert set(drawn.tolist()) == set(values.tolist())


def test_a_value_that_came_once_is_not_given_back() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(0))
    digits = fitted(values)
    drawn = digits.decode(digits.encode(values[:, None]), Noise(0, 400).uniform((1,)))[:, 0]
    assert not set(drawn.tolist()) & set(values.tolist())


def test_bins_have_even_shares_and_the_density_follows_the_histogram() -> None:
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(0)).exp()
    digits = fitted(values)
    shares = torch.bincount(digits.encode(values[:, None])[:, 0], minlength=20) / len(values)
    assert float((shares[:20] - 0.05).abs().max()) < 0.01
    # under even bins the density is the log-normal one
    fresh = torch.randn(4000, generator=torch.Generator().manual_seed(1)).exp()
    nats = digits.log_density(fresh[:, None]) + math.log(0.05)
    right = torch.distributions.LogNormal(0.0, 1.0).log_prob(fresh)
    assert float(nats.mean()) == pytest.approx(float(right.mean()), abs=0.03)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5, width=32) | st.just(NAN), min_size=1, max_size=60), st.integers(2, 30))
def test_a_drawn_number_lies_in_the_bin_it_was_drawn_from(values: list[float], bins: int) -> None:
    x = torch.tensor(values)
    digits = fitted(x, bins, others=(Field("flag", 2),))
    rows = torch.stack((torch.arange(len(x)) % 2, x), 1).float()
    coded = digits.encode(rows)
    again = digits.encode(digits.decode(coded, Noise(0, len(x)).uniform((1,))))
    assert torch.equal(coded, again)
    assert bool(digits.log_density(rows).isfinite().all())


def test_large_categories_come_back_from_their_digits() -> None:
    digits = Digits(LARGE, 10, 100)
    assert [digit.size for digit in digits_of(LARGE, 10)] == [2, 50, 51]
    rows = every(LARGE)
    assert torch.equal(digits.decode(digits.encode(rows), torch.zeros(len(rows), 0)), rows)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    model, rows = wild(make(WORDS)), every(WORDS)
    with torch.inference_mode():
        together = model.log_prob(rows)
        alone = torch.cat([model.log_prob(rows[one : one + 1]) for one in range(len(rows))])
        drawn, few = model.sample(noise=Noise(1, 200)), model.sample(noise=Noise(1, 200)[20:23])
    assert torch.allclose(together, alone, atol=1e-4)
    assert torch.equal(drawn[20:23], few)


def test_one_field_is_asked_for_as_all_are() -> None:
    model = wild(make(WORDS))
    net, sizes = model.nets["fields"], model.digits.sizes
    ids = torch.stack([torch.arange(5) % (size + 1) for size in sizes], 1)
    with torch.inference_mode():
        known, parts = net.begin(ids, {}, {}), net(ids, {}, {}).split(sizes, 1)
        assert all(torch.allclose(part, net.logits(known, number), atol=1e-5) for number, part in enumerate(parts))


def test_a_label_is_read() -> None:
    model = wild(make(WORDS, {"label": class_label(2)}))
    rows, label = every(WORDS), torch.tensor([[0], [1]])
    with torch.inference_mode():
        nats = [model.log_prob(rows, {"label": one.expand(len(rows), 1)}) for one in label]
        drawn = model.sample({"label": label[:1].expand(20_000, 1)}, noise=Noise(5, 20_000))
    assert not torch.allclose(nats[0], nats[1], atol=0.1)
    assert (frequencies(drawn, rows) - nats[0].double().exp()).abs().sum() / 2 < 0.02


@pytest.mark.parametrize(
    "wrong",
    [
        lambda model: model.infill(torch.zeros(2, 3), torch.ones(3, 3, dtype=torch.bool), noise=Noise(0, 2)),
        lambda model: model.infill(torch.full((1, 3), 2.5), torch.ones(1, 3, dtype=torch.bool), noise=Noise(0, 1)),
        lambda model: model.infill(torch.full((1, 3), NAN), torch.ones(1, 3, dtype=torch.bool), noise=Noise(0, 1)),
        lambda model: model.log_prob(torch.zeros(1, 3), order=[0, 1, 1]),
        lambda model: TableARSettings(bins=1),
        lambda model: model.sample(noise=Noise(0, 1), temperature=-1),
    ],
)
def test_bad_input_is_refused(wrong: Callable[[TableAR], Any]) -> None:
    with pytest.raises(BadInput):
        wrong(make(WORDS))


def test_only_rows_with_fields_are_taken() -> None:
    assert TableAR.refuses(Array((2,)), {})
    assert TableAR.refuses(Row(()), {})
    assert TableAR.refuses(MIXED, {}) is None

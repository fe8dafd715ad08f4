"""TVAE, CTGAN and their coding of rows; SMOTE: known mixtures, round trips, likelihoods that sum to one, conditions that are obeyed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morelike.core.contract import Batch, Generator
from morelike.core.errors import BadInput, Refused
from morelike.core.noise import Noise
from morelike.core.spec import Conditions, Field, Row, class_label
from morelike.data.loader import Dataset, Order
from morelike.families.baseline import Smote
from morelike.families.ctgan import CTGAN
from morelike.families.modes import MODES, Modes, refuses_choices
from morelike.house.build import build
from morelike.house.judging import fit_by_passes
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.house.sampling import draw
from morelike.maths.mixture import variational_mixture
from morelike.training.loop import Trainer
from morelike.training.plan import Plan

MIXED = Row((Field("size", 4), Field("weight"), Field("flag", 2)))


def bimodal(n: int = 2000) -> Tensor:
    draw_ = torch.Generator().manual_seed(0)
    side = torch.where(torch.rand(n, generator=draw_) < 0.3, -2.0, 1.0)
    return side + 0.25 * torch.randn(n, generator=draw_)


def fitted(*columns: Tensor, spec: Row | None = None) -> Modes:
    """Modes fitted on columns (n,)."""
    modes = Modes(spec or Row(tuple(Field(f"x{place}") for place in range(len(columns)))))
    x = torch.stack(columns, 1)
    modes.see(Batch(x, Noise(0, len(x))))
    modes.settle()
    return modes


def trained(name: str, spec: Row, x: Tensor, steps: int, conditions: Conditions | None = None, **values: Any) -> Generator:
    """What the trainer makes of rows x (n,F); `values`: settings, and under "condition" the conditions' values."""
    told: Mapping[str, np.ndarray] = values.pop("condition", {})
    model = build(Recipe(model=name, size="xs", settings=values), spec, conditions or {})
    data = Dataset(x.numpy(), told)
    kept = Trainer(model, Feed(data, Order(len(x), 250, 0), by_pass=True), Plan(steps=steps, batch=250)).run()
    assert isinstance(kept, Generator)
    return kept


# modes


def test_a_bimodal_column_is_two_modes_and_a_plain_one_is_one() -> None:
    draw_ = torch.Generator().manual_seed(1)
    modes = fitted(bimodal(), torch.randn(2000, generator=draw_))
    assert (modes.weight > 0).sum(1).tolist() == [2, 1]
    own = modes.weight[0] > 0
    order = modes.mean[0][own].argsort()
    assert modes.mean[0][own][order].tolist() == pytest.approx([-2.0, 1.0], abs=0.05)
    assert modes.scale[0][own].tolist() == pytest.approx([0.25, 0.25], abs=0.06)
    assert modes.weight[0][own][order].tolist() == pytest.approx([0.3, 0.7], abs=0.03)


def test_few_values_are_modes_of_their_own_and_one_value_is_one() -> None:
    weight, mean, scale = variational_mixture(torch.stack((torch.arange(300) % 3, torch.full((300,), 0.3))), MODES)
    own = weight[0] > 0
    assert mean[0][own].sort().values.tolist() == pytest.approx([0, 1, 2], abs=0.01)
    assert weight[0][own].tolist() == pytest.approx([1 / 3] * 3, abs=0.01)
    assert (weight[1] > 0).sum() == 1
    assert float(scale[weight > 0].max()) < 0.1


def rows(n: int) -> Tensor:
    draw_ = torch.Generator().manual_seed(2)
    weight = torch.where(torch.rand(n, generator=draw_) < 0.2, torch.nan, bimodal(n))
    return torch.stack((torch.randint(4, (n,), generator=draw_).float(), weight, torch.randint(2, (n,), generator=draw_).float()), 1)


def test_rows_come_back_from_their_coding() -> None:
    x = rows(1000)
    modes = fitted(*x.T, spec=MIXED)
    for u in (None, torch.rand(1000, 1, generator=torch.Generator().manual_seed(3))):
        choices, values = modes.encode(x, u)
        assert bool((values.abs() <= 1).all())
        assert torch.equal(choices[:, 1] == MODES, x[:, 1].isnan())
        assert torch.allclose(modes.decode(choices, values), x, atol=1e-5, equal_nan=True)
        assert torch.equal(modes.one_hot(choices).sum(1), torch.full((1000,), 3.0))
    assert modes.counts[:4].tolist() == torch.bincount(x[:, 0].long()).tolist()


def test_a_mode_is_drawn_by_how_likely_it_is() -> None:
    modes = Modes(Row((Field("x"),)))
    modes.weight[0, :2] = torch.tensor([0.25, 0.75])
    u = (torch.arange(1000)[:, None] + 0.5) / 1000
    choices, _ = modes.encode(torch.zeros(1000, 1), u)
    assert torch.bincount(choices[:, 0]).tolist() == [250, 750]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.floats(-8, 8, width=32), st.just(math.nan)), min_size=1, max_size=40), st.integers(0, 99))
def test_any_numbers_are_coded(values: list[float], seed: int) -> None:
    x = torch.tensor(values)
    modes = fitted(x)
    choices, inner = modes.encode(x[:, None], torch.rand(len(x), 1, generator=torch.Generator().manual_seed(seed)))
    assert bool((inner.abs() <= 1).all())
    back = modes.decode(choices, inner)[:, 0]
    assert torch.equal(back.isnan(), x.isnan())
    assert bool(back[~x.isnan()].isfinite().all())
    scores = modes.log_probs(torch.zeros(1, len(modes.field)))
    assert bool(modes.closed()[modes.pick(scores)].isfinite().all())


def test_modes_that_there_are_not_and_missing_that_never_was_are_closed() -> None:
    modes = fitted(bimodal())
    shares = modes.log_probs(torch.zeros(1, MODES + 1)).exp()
    assert int((shares > 0.4).sum()) == 2
    assert float(shares[0, MODES]) < 1e-9


def test_too_many_categories_are_refused() -> None:
    assert refuses_choices(Row((Field("town", 30_000),))) is not None
    with pytest.raises(Refused, match=r"30,000 are more"):
        build(Recipe(model="tvae"), Row((Field("town", 30_000),)), {})


# tvae


def planted(n: int) -> tuple[Row, Tensor]:
    """A real that lies around -1.5 or 1.5 by a flag and is missing for a third value of it; beside them, noise."""
    draw_ = torch.Generator().manual_seed(4)
    kind, other = torch.randint(3, (n,), generator=draw_), torch.randint(2, (n,), generator=draw_)
    real = 3.0 * kind - 1.5 + 0.2 * torch.randn(n, generator=draw_)
    real[kind == 2] = torch.nan
    return Row((Field("kind", 3), Field("real"), Field("other", 2))), torch.stack((kind.float(), real, other.float()), 1)


def follows(y: Tensor) -> float:
    """Share of the rows whose real is what their kind says."""
    centre = 3.0 * y[:, 0] - 1.5
    right = torch.where(y[:, 0] == 2, y[:, 1].isnan(), (y[:, 1] - centre).abs() < 1.0)
    return float(right.float().mean())


def test_tvae_learns_what_hangs_together_and_bounds_its_likelihood() -> None:
    spec, x = planted(2000)
    model = trained("tvae", spec, x, 300, lr=5e-3)
    y = draw(model, 2000)
    assert follows(y) > 0.65
    assert float((y[:, 0].long().bincount(minlength=3) / 2000 - 1 / 3).abs().max()) < 0.08
    with torch.inference_mode():
        nats = -float(model.log_prob(x, noise=Noise(1, len(x))).mean())  # type: ignore[operator]
    entropy = math.log(6) + 2 / 3 * 0.5 * math.log(2 * math.pi * math.e * 0.04)
    independent = 2 * math.log(3) + math.log(2) + 2 / 3 * 0.5 * math.log(2 * math.pi * math.e * 0.04)
    assert entropy - 0.05 < nats < independent


def test_the_likelihood_of_a_row_given_its_latent_sums_to_one() -> None:
    modes = fitted(*rows(1000).T, spec=MIXED)
    grid = torch.cat((torch.linspace(-9, 9, 3601), torch.tensor([torch.nan])))
    every = torch.cartesian_prod(torch.arange(4.0), grid, torch.arange(2.0))
    width = torch.where(every[:, 1].isnan(), 1.0, 18 / 3600)
    logits = torch.randn(1, len(modes.field), generator=torch.Generator().manual_seed(5))
    nats = modes.log_likelihood(every, modes.log_probs(logits).expand(len(every), -1), torch.full((1, 1), 0.4), torch.tensor([-1.5]))
    assert float((nats.double().exp() * width).sum()) == pytest.approx(1.0, abs=1e-4)


def test_temperature_zero_is_the_likeliest_row_of_a_latent() -> None:
    spec, x = planted(500)
    model = trained("tvae", spec, x, 20)
    noise = Noise(3, 50)
    with torch.inference_mode():
        cold, warm = (model.sample({}, noise=noise, temperature=t) for t in (0.0, 1.0))
        assert torch.equal(cold.nan_to_num(9), model.decode(model.prior(noise)).nan_to_num(9))  # type: ignore[operator]
    assert not torch.equal(cold.nan_to_num(9), warm.nan_to_num(9))


@pytest.mark.parametrize(("name", "values"), [("tvae", {"latent": 0}), ("tvae", {"temperature": 200.0}), ("ctgan", {"pack": 0})])
def test_settings_out_of_their_range_are_refused(name: str, values: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="must be from"):
        build(Recipe(model=name, settings=values), MIXED, {})


def test_a_class_label_is_obeyed() -> None:
    spec, x = planted(2000)
    model = trained("tvae", spec, x, 100, {"label": class_label(3)}, lr=1e-2, condition={"label": x[:, :1].long().numpy()})
    asked = torch.arange(3).repeat(200)[:, None]
    assert float((draw(model, 600, {"label": asked})[:, 0] == asked[:, 0]).float().mean()) > 0.9


# ctgan


def asked_for(model: CTGAN, share: Tensor, n: int = 600) -> tuple[Tensor, Tensor]:
    """(rows (n,F), choices asked for (n,)) where these are drawn by shares (C,)."""
    noise = Noise(2, n)
    asked = noise.choice(share, "asked")
    model.modes.counts.copy_((share * 1000).long())
    with torch.inference_mode():
        return model.sample({}, noise=noise), asked


def test_ctgan_gives_what_it_is_asked_for_and_rare_values_as_often_as_they_are() -> None:
    spec, x = planted(2000)
    rare = x[(x[:, 0] > 0) | (torch.arange(2000) % 10 == 0)]
    model = trained("ctgan", spec, rare, 300, lr=5e-3, pack=2)
    assert isinstance(model, CTGAN)
    true = rare[:, 0].long().bincount(minlength=3) / len(rare)
    assert float(true[0]) < 0.06
    y = draw(model, 2000)
    assert float((y[:, 0].long().bincount(minlength=3) / 2000 - true).abs().max()) < 0.1
    assert follows(y) > 0.6
    kinds = model.modes.field == 0
    rows_, asked = asked_for(model, torch.where(kinds, 1 / 3, 0.0))
    assert float((rows_[:, 0] == asked).float().mean()) > 0.85


def test_real_rows_match_what_was_asked_by_the_logarithm_of_frequency() -> None:
    spec = Row((Field("a", 3), Field("b", 2), Field("x")))
    model = build(Recipe(model="ctgan", size="xs"), spec, {})
    assert isinstance(model, CTGAN)
    n = 4000
    a, b = (torch.arange(n) % 100 < 2).long() * 2, torch.arange(n) % 2
    x = torch.stack((a.float(), b.float(), torch.randn(n, generator=torch.Generator().manual_seed(6))), 1)
    model.modes.see(Batch(x, Noise(0, n)))
    coded, asked = model._matched(Batch(x, Noise(1, n)))
    assert asked is not None
    assert bool((coded.gather(1, asked[:, None]) == 1).all())
    found = torch.bincount(asked, minlength=5)[:5] / n
    common, few = math.log1p(3920), math.log1p(80)
    wanted = [common / (common + few) / 2, 0, few / (common + few) / 2, 0.25, 0.25]
    assert found.tolist() == pytest.approx(wanted, abs=0.03)
    # of the rows that have it, each is as likely: those of a rare value are many different ones
    values = coded[asked == 2][:, -1]
    assert len(values.unique()) > 0.9 * 80


def test_a_pack_is_judged_as_one_and_the_last_one_is_filled_up() -> None:
    spec, x = planted(7)
    model = build(Recipe(model="ctgan", size="xs", settings={"pack": 3}), spec, {})
    assert isinstance(model, CTGAN)
    model.eval()
    batch = Batch(x, Noise(0, 7))
    loss = model._generator_loss(batch)
    score = -(loss["loss"] - loss["missed"])
    assert score.shape == (7,)
    assert torch.allclose(score[0:3], score[0])
    assert torch.allclose(score[3:6], score[3])
    assert not torch.allclose(score[0], score[3])
    assert not torch.allclose(score[3], score[6])


def test_ctgan_under_a_label_asks_for_nothing_else() -> None:
    spec, x = planted(1500)
    label = x[:, :1].long().numpy()
    model = trained("ctgan", spec, x, 200, {"label": class_label(3)}, lr=5e-3, pack=2, condition={"label": label})
    asked = torch.arange(3).repeat(200)[:, None]
    assert float((draw(model, 600, {"label": asked})[:, 0] == asked[:, 0]).float().mean()) > 0.8


# smote


def smote(spec: Row, x: Tensor, conditions: Conditions | None = None, told: Mapping[str, np.ndarray] | None = None) -> Smote:
    model = fit_by_passes(build(Recipe(model="smote"), spec, conditions or {}), Dataset(x.numpy(), told))
    assert isinstance(model, Smote)
    return model


def test_smote_lies_between_a_row_and_one_of_its_five_nearest() -> None:
    spec = Row((Field("a"), Field("b"), Field("c", 3)))
    draw_ = torch.Generator().manual_seed(7)
    x = torch.cat((torch.randn(60, 2, generator=draw_), torch.randint(3, (60, 1), generator=draw_).float()), 1)
    apart = torch.cdist(x[:, :2], x[:, :2]).square() + (x[:, None, 2] != x[None, :, 2])
    apart.fill_diagonal_(math.inf)
    pairs = [(row, int(other)) for row in range(60) for other in apart[row].topk(5, largest=False).indices]
    low, high = (torch.stack([pick(x[one], x[other]) for one, other in pairs]) for pick in (torch.minimum, torch.maximum))
    ends = torch.stack([torch.stack((x[one], x[other])) for one, other in pairs])
    y = draw(smote(spec, x), 300)
    for row in y:
        inside = ((low[:, :2] - 1e-5 <= row[:2]) & (row[:2] <= high[:, :2] + 1e-5)).all(1)
        # on the line: both numbers are as far along
        run = ends[:, 1, :2] - ends[:, 0, :2]
        cross = (run[:, 0] * (row[1] - ends[:, 0, 1]) - run[:, 1] * (row[0] - ends[:, 0, 0])).abs()
        assert bool((inside & (cross < 1e-4) & (ends[:, :, 2] == row[2]).any(1)).any())
    assert not bool((y[:, None, :2] == x[None, :, :2]).all(2).any())


def test_smote_stays_within_its_class_and_keeps_numbers_that_one_row_lacks() -> None:
    spec, x = planted(300)
    label = x[:, :1].long().numpy()
    model = smote(spec, x, {"label": class_label(3)}, {"label": label})
    asked = torch.arange(3).repeat(60)[:, None]
    y = draw(model, 180, {"label": asked})
    assert torch.equal(y[:, :1], asked.float())
    assert follows(y) == 1.0
    half = x.clone()
    half[::2, 1] = torch.nan
    assert float(draw(smote(spec, half[half[:, 0] < 2]), 500)[:, 1].isnan().float().mean()) < 0.6


def test_smote_of_one_row_is_that_row() -> None:
    y = draw(smote(MIXED, torch.tensor([[1.0, 0.5, 0.0]])), 4)
    assert torch.equal(y, torch.tensor([[1.0, 0.5, 0.0]]).expand(4, 3))


def test_smote_is_nearer_to_training_than_fresh_rows_are() -> None:
    spec = Row(tuple(Field(f"x{place}") for place in range(5)))
    x = torch.randn(900, 5, generator=torch.Generator().manual_seed(8))
    training, held, fresh = x[:400], x[400:800], x[800:]
    nearer = [float((torch.cdist(y, training).amin(1) < torch.cdist(y, held).amin(1)).float().mean()) for y in (
        draw(smote(spec, training), 400), fresh)]  # fmt: skip
    assert nearer[0] > 0.85
    assert nearer[1] < 0.6

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
from morelike.families.modes import MODES, Modes, refuses_choices
from morelike.house.build import build
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


@pytest.mark.parametrize(("name", "values"), [("tvae", {"latent": 0}), ("tvae", {"temperature": 200.0})])
def test_settings_out_of_their_range_are_refused(name: str, values: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="must be from"):
        build(Recipe(model=name, settings=values), MIXED, {})


def test_a_class_label_is_obeyed() -> None:
    spec, x = planted(2000)
    model = trained("tvae", spec, x, 100, {"label": class_label(3)}, lr=1e-2, condition={"label": x[:, :1].long().numpy()})
    asked = torch.arange(3).repeat(200)[:, None]
    assert float((draw(model, 600, {"label": asked})[:, 0] == asked[:, 0]).float().mean()) > 0.9

"""Rows under demands on any columns: masses, draws and marginals against enumeration of all rows, and the sums that must be one."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from morelike.core.abilities import Allowed, Among, Within
from morelike.core.contract import Batch, Learner
from morelike.core.errors import BadInput, Refused
from morelike.core.noise import Noise
from morelike.core.spec import Field, Row
from morelike.families import table_narrow
from morelike.families.bayesnet import BayesNet, BayesNetSettings
from morelike.families.table_ar import TableAR, TableARSettings
from morelike.maths.bins import Bins, cut, stack
from morelike.maths.pieces import Pieces, thin
from morelike.nets.build import build

NAN = math.nan
SPEC = Row((Field("town", 5), Field("weight"), Field("flag", 2), Field("size", 4)))


def data(n: int = 3000) -> Tensor:
    """Rows in which everything hangs together; the weight is missing or on a grid of halves."""
    draw = torch.Generator().manual_seed(0)
    town = torch.randint(0, 5, (n,), generator=draw)
    size = torch.where(torch.rand(n, generator=draw) < 0.6, town % 4, torch.randint(0, 4, (n,), generator=draw))
    weight = torch.round(2 * (size + torch.randn(n, generator=draw))) / 2
    weight = torch.where(torch.rand(n, generator=draw) < 0.1 + 0.1 * (town == 2), NAN, weight)
    flag = (weight.nan_to_num() + torch.randn(n, generator=draw) > 1.5).long()
    return torch.stack([town.float(), weight, flag.float(), size.float()], 1)


def network(spec: Row, x: Tensor, **values: Any) -> BayesNet:
    model = BayesNet(spec, {}, None, None, BayesNetSettings(**values))
    (learner,) = model.players()
    assert isinstance(learner, Learner)
    assert learner.settle is not None
    learner.see(Batch(x, Noise(0, len(x))))
    learner.settle()
    return model


def autoregressive(spec: Row, x: Tensor, **values: Any) -> TableAR:
    """With random weights so large that every conditional is far from even, and bins cut on rows."""
    torch.manual_seed(0)
    own = TableARSettings(**values)
    nets = {name: build(net, {}, "xs") for name, net in TableAR.wants(spec, {}, own).items()}
    model = TableAR(spec, {}, nets, None, own).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.4 * torch.randn_like(p))
        model.digits.see(Batch(x, Noise(0, len(x))))
        model.digits.settle()
    return model


MAKERS = {"bayesnet": network, "table-ar": autoregressive}


@pytest.fixture(scope="module", params=list(MAKERS))
def model(request: pytest.FixtureRequest) -> Any:
    return MAKERS[request.param](SPEC, data())


def among(size: int, *ids: int) -> Among:
    return Among(torch.isin(torch.arange(size), torch.tensor(ids)))


def within(*ends: tuple[float, float], missing: bool = False) -> Within:
    return Within(torch.tensor(ends, dtype=torch.float32).view(-1, 2), missing)


DEMANDS: list[dict[int, Allowed]] = [
    {0: among(5, 1, 3)},
    {0: among(5, 2), 2: among(2, 1)},
    {3: among(4, 0, 3), 0: among(5, 0, 1, 2), 2: among(2, 0)},
    {1: within((0.8, 1.7))},
    {1: within((-math.inf, -0.1), (1.9, math.inf), missing=True), 0: among(5, 0, 2, 4)},
    {2: among(2, 1), 1: within((0.1, 0.4), (0.9, 1.1)), 3: among(4, 1, 2)},
    {0: among(5, 4), 1: within(missing=True)},
]


def fulfils(x: Tensor, allow: dict[int, Allowed]) -> Tensor:
    """(B,) bool of rows (B,F)."""
    good = torch.ones(len(x), dtype=torch.bool)
    for place, own in allow.items():
        if isinstance(own, Among):
            good &= own.ids[x[:, place].long()]
        else:
            value = x[:, place, None]
            good &= ((value >= own.ends[:, 0]) & (value <= own.ends[:, 1])).any(1) | (value[:, 0].isnan() & own.missing)
    return good


def grid(model: Any, order: list[int]) -> tuple[Tensor, Tensor]:
    """All rows, the weight at many fine places or missing, and the probability of each (under an order, where that matters)."""
    edges = torch.linspace(-6, 12, 18 * 40 + 1)
    places = torch.cat(((edges[1:] + edges[:-1]) / 2, torch.tensor([NAN])))
    others = torch.tensor(list(itertools.product(range(5), range(2), range(4))), dtype=torch.float32)
    x = torch.cat([others.repeat_interleave(len(places), 0), places.repeat(len(others))[:, None]], 1)[:, [0, 3, 1, 2]]
    with torch.no_grad():
        logs = model.log_prob(x, **({"order": order} if isinstance(model, TableAR) else {})).double()
    return x, (logs + torch.where(x[:, 1].isnan(), 0.0, math.log(1 / 40))).exp()


@pytest.mark.parametrize("number", range(len(DEMANDS)))
def test_masses_draws_and_marginals_are_those_of_all_rows(model: Any, number: int) -> None:
    allow = DEMANDS[number]
    # an any-order model is one distribution for each order: demands first, then the order of drawing
    x, chance = grid(model, [*allow, *(place for place in (2, 3, 0, 1) if place not in allow)])
    assert float(chance.sum()) == pytest.approx(1, abs=0.01)
    right = fulfils(x, allow)
    narrowed = model.narrow(allow)
    assert narrowed.exact
    assert math.exp(narrowed.log_mass) == pytest.approx(float(chance[right].sum()), rel=0.05, abs=1e-4)
    wanted = torch.where(right, chance, 0.0) / chance[right].sum()
    with torch.no_grad():
        rows = narrowed.sample(noise=Noise(3, 4000))
    assert bool(fulfils(rows, allow).all())
    for place, field in enumerate(SPEC.fields):
        values, weights = narrowed.marginal(place)
        assert float(weights.sum()) == pytest.approx(1)
        if isinstance(model, TableAR) and place not in allow:
            first = [*allow, place]
            own = grid(model, [*first, *(other for other in range(4) if other not in first)])[1]
            turned = torch.where(right, own, 0.0) / own[right].sum()
            close = all(
                float(weights[values == value].sum()) == pytest.approx(float(turned[x[:, place] == value].sum()), abs=0.02)
                for value in range(field.categories)
            )
            assert close
            continue
        if field.categories:
            exact = torch.stack([wanted[x[:, place] == own].sum() for own in range(field.categories)])
            assert torch.allclose(weights, exact, atol=0.02)
            seen = torch.bincount(rows[:, place].long(), minlength=field.categories)
            live = weights > 0
            assert float(((seen - 4000 * weights)[live] ** 2 / (4000 * weights[live])).sum()) < 30
        else:
            cuts = torch.tensor([-math.inf, -0.25, 0.25, 0.75, 1.25, 1.75, 2.25, math.inf])
            for low, high in itertools.pairwise(cuts):
                own = float(weights[(values > low) & (values < high)].sum())
                assert own == pytest.approx(float(wanted[(x[:, 1] > low) & (x[:, 1] < high)].sum()), abs=0.025)
                assert float(((rows[:, 1] > low) & (rows[:, 1] < high)).float().mean()) == pytest.approx(own, abs=0.035)


def test_parts_of_everything_sum_to_one_and_conditionals_too(model: Any) -> None:
    ends = np.float32([0.6, 2.2])
    after = np.nextafter(ends, np.float32(np.inf))
    parts: list[Allowed] = [
        within((-math.inf, ends[0])), within((after[0], ends[1])), within((after[1], math.inf)), within(missing=True),
    ]  # fmt: skip
    given: dict[int, Allowed] = {0: among(5, 1, 2), 3: among(4, 0, 1, 2)}
    whole = model.narrow(given).log_mass
    assert sum(math.exp(model.narrow({**given, 1: part}).log_mass - whole) for part in parts) == pytest.approx(1, abs=1e-5)
    flags = [model.narrow({**given, 2: among(2, own)}).log_mass for own in range(2)]
    assert math.exp(flags[0] - whole) + math.exp(flags[1] - whole) == pytest.approx(1, abs=1e-5)


def test_a_row_does_not_depend_on_its_neighbours(model: Any) -> None:
    narrowed = model.narrow(DEMANDS[4])
    noise = Noise(5, 60)
    with torch.no_grad():
        whole, few = narrowed.sample(noise=noise), narrowed.sample(noise=noise[10:13])
    assert torch.allclose(whole[10:13], few, atol=1e-4, equal_nan=True)


def test_what_can_not_be_is_refused(model: Any) -> None:
    nothing = model.narrow({0: among(5)})
    assert nothing.log_mass == -math.inf
    with pytest.raises(Refused, match="no probability"):
        nothing.sample(noise=Noise(0, 2))
    for wrong in ({0: among(4, 1)}, {0: within((0, 1))}, {1: among(2, 0)}, {9: among(2, 0)}):
        with pytest.raises(BadInput):
            model.narrow(wrong)


@pytest.mark.parametrize("maker", list(MAKERS))
def test_one_number_of_single_precision_has_a_mass(maker: str) -> None:
    draw = torch.Generator().manual_seed(1)
    x = torch.stack([torch.randn(4000, generator=draw), torch.randint(0, 2, (4000,), generator=draw).float()], 1)
    model = MAKERS[maker](Row((Field("a"), Field("b", 2))), x)
    narrowed, around = model.narrow({0: within((0.5, 0.5))}), model.narrow({0: within((0.499, 0.501))})
    width = float(np.spacing(np.float32(0.5))) * 0.75
    assert narrowed.log_mass == pytest.approx(around.log_mass + math.log(width / 0.002), abs=0.5)
    with torch.no_grad():
        assert set(narrowed.sample(noise=Noise(0, 50))[:, 0].tolist()) == {0.5}


def test_a_category_of_two_digits_is_narrowed_exactly() -> None:
    model = autoregressive(Row((Field("town", 2503), Field("flag", 2))), torch.zeros(8, 2))
    ids = torch.tensor([3, 77, 1200, 2502])
    every = torch.stack([torch.arange(2503).float(), torch.zeros(2503)], 1)
    with torch.no_grad():
        chance = torch.stack([model.log_prob(every + torch.tensor([0.0, flag]), order=[0, 1]).double().exp() for flag in (0.0, 1.0)])
    narrowed = model.narrow({0: among(2503, *ids.tolist()), 1: among(2, 1)})
    assert math.exp(narrowed.log_mass) == pytest.approx(float(chance[1, ids].sum()), rel=1e-3)
    values, weights = narrowed.marginal(0)
    assert values.tolist() == list(range(2503))
    assert torch.allclose(weights[ids], chance[1, ids] / chance[1, ids].sum(), atol=1e-4)
    town = model.narrow({1: among(2, 0)}).marginal(0)[1]
    with torch.no_grad():
        turned = model.log_prob(every, order=[1, 0]).double().exp()
    assert torch.allclose(town, turned / turned.sum(), atol=1e-4)


def test_beyond_so_many_combinations_the_mass_is_estimated_without_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    model = autoregressive(SPEC, data())
    allow = {3: among(4, 0, 1, 3), 0: among(5, 0, 1, 2, 4), 1: within((-0.6, 2.2)), 2: among(2, 1)}
    exact = model.narrow(allow)
    monkeypatch.setattr(table_narrow, "MOST", 40)
    found = [model.narrow(allow, seed=seed) for seed in range(200)]
    assert not any(one.exact for one in found)
    ratios = np.exp([one.log_mass - exact.log_mass for one in found])
    assert 0 < ratios.std() < 0.5
    assert ratios.mean() == pytest.approx(1, abs=4 * ratios.std() / math.sqrt(200))
    with torch.no_grad():
        assert bool(fulfils(found[0].sample(noise=Noise(0, 200)), allow).all())


def test_thinning_keeps_the_heavy_and_every_sum_in_the_mean() -> None:
    weights = torch.tensor([5.0, 0.1, 0.3, 2.0, 0.6, 0.05, 0.4, 0.2, 1e-12], dtype=torch.float64)
    total = torch.zeros_like(weights)
    for step in range(1000):
        kept, own = thin(weights.log(), 4, (step + 0.5) / 1000)
        assert len(kept) == 4
        assert {0, 3} <= set(kept.tolist())
        total[kept] += own.exp() / 1000
    assert torch.allclose(total[:-1], weights[:-1], atol=0.01)


def test_shares_of_cells_are_the_inverse_of_places() -> None:
    edges, cells = stack([cut(torch.randn(500), 8)], 8)
    bins = Bins(edges, cells)
    for number in range(1, 9):
        u = torch.linspace(0.001, 0.999, 57, dtype=torch.float64)[:, None]
        cell = torch.full((57, 1), number)
        assert torch.allclose(bins.share(bins.place(cell, u), cell), u, atol=1e-5)


def test_places_in_pieces_are_spread_by_length() -> None:
    pieces = Pieces(torch.tensor([[0.25, 1.5], [1.75, 2.0], [4.0, 4.5]], dtype=torch.float64))
    assert pieces.weights(5).tolist() == [0.75, 0.75, 0, 0, 0.5]
    share, number = pieces.place(torch.tensor([0, 1, 1, 1, 4]), torch.tensor([0.5, 0.5, 2 / 3 + 1e-6, 0.9, 0.5]))
    assert share.tolist() == pytest.approx([0.625, 0.375, 0.75, 0.925, 0.25], abs=1e-4)
    assert number.tolist() == [0, 0, 1, 1, 2]

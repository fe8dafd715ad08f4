"""Families that count rows of a table: exact sums, known answers, and draws against enumeration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morelike.core.contract import Batch, Learner
from morelike.core.noise import Noise
from morelike.core.spec import Array, Field, Row, Spec, Tokens, class_label
from morelike.families.baseline import Independent
from morelike.families.bayesnet import BayesNet, BayesNetSettings
from morelike.families.copula import Copula, CopulaSettings
from morelike.maths.bins import Bins, cut, stack
from morelike.maths.chow_liu import conditional, information, spanning_forest
from morelike.testing import ROW, check_generator, toy_dataset


def learn(model: Any, x: Tensor, size: int = 256) -> Any:
    """All passes of the model's learner."""
    (learner,) = model.players()
    assert isinstance(learner, Learner)
    for turn in range(learner.passes):
        for start in range(0, len(x), size):
            rows = x[start : start + size]
            learner.see(Batch(rows, Noise(0, torch.arange(len(rows)) + start + turn * len(x))))
        assert learner.settle is not None
        if learner.settle():
            break
    return model.eval()


def row(*sizes: int) -> Row:
    return Row(tuple(Field(f"f{place}", size) for place, size in enumerate(sizes)))


def drawn(model: Any, n: int, seed: int = 1) -> Tensor:
    with torch.inference_mode():
        return model.sample({}, noise=Noise(seed, n))


def noisy_chain(n: int, *sizes: int, keep: float = 0.8) -> Tensor:
    """Ids that follow the one before them with probability `keep`."""
    draw = torch.Generator().manual_seed(0)
    columns = [torch.randint(sizes[0], (n,), generator=draw)]
    for size in sizes[1:]:
        other, follow = torch.randint(size, (n,), generator=draw), torch.rand(n, generator=draw) < keep
        columns.append(torch.where(follow, columns[-1] % size, other))
    return torch.stack(columns, 1).float()


# bins


def test_cells_hold_equally_many_and_a_few_values_each_their_own() -> None:
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    edges = cut(values, 20)
    counts = torch.histogram(values.double(), edges).hist
    assert counts.tolist() == [200.0] * 20
    few = cut(torch.tensor([1.0, 1.0, 2.0, 4.0, 4.0]), 20)
    assert few.tolist() == [0.5, 1.5, 3.0, 5.0]
    assert cut(torch.zeros(0), 5).tolist() == [-3.0, 3.0]
    (low, high) = cut(torch.full((7,), 2.0), 5).tolist()
    assert low < 2.0 < high


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=60), st.integers(1, 12))
def test_a_drawn_number_lies_in_its_cell_and_cells_rise(values: list[float], most: int) -> None:
    edges = cut(torch.tensor(values), most)
    assert 1 <= len(edges) - 1 <= max(most, 1)
    assert bool((edges.diff() > 0).all())
    bins = Bins(*stack([edges], 12))
    wide = edges.diff() > 1e-4
    cell = torch.arange(1, len(edges))[wide].repeat_interleave(5)[:, None]
    share = torch.tensor([0.005, 0.3, 0.5, 0.7, 0.995]).repeat(int(wide.sum()))[:, None]
    x = bins.place(cell, share)
    assert torch.equal(bins.number(x), cell)
    assert bool(torch.isfinite(bins.log_density(x, cell)).all())


def test_density_within_a_cell_is_one_and_the_tails_are_reached() -> None:
    bins = Bins(*stack([torch.tensor([-1.0, 0.0, 0.5]), torch.tensor([0.0, 2.0])], 4))
    x = torch.arange(-8, 8, 0.001)[:, None].expand(-1, 2) + 0.0005
    cell = bins.number(x)
    density = bins.log_density(x, cell).exp() * 0.001
    mass = torch.stack([torch.bincount(cell[:, field], weights=density[:, field], minlength=3) for field in (0, 1)])
    assert mass[0].tolist() == pytest.approx([0.0, 1.0, 1.0], abs=1e-3)
    assert mass[1].tolist() == pytest.approx([0.0, 1.0, 0.0], abs=5e-3)
    below = bins.place(torch.tensor([[1, 1]]), torch.full((1, 2), 1e-3))
    assert float(below[0, 0]) < -1.0
    missing = torch.full((1, 2), torch.nan)
    assert bins.number(missing).tolist() == [[0, 0]]
    assert bins.log_density(missing, bins.number(missing)).tolist() == [[0.0, 0.0]]
    assert bool(bins.place(torch.zeros(1, 2, dtype=torch.int64), torch.rand(1, 2)).isnan().all())


# the tree


def test_information_is_that_of_the_plan_and_zero_where_nothing_is_shared() -> None:
    x = noisy_chain(20_000, 3, 3, keep=0.7).long().numpy()
    apart = np.random.default_rng(0).integers(0, 20, (20_000, 1))
    found = information(np.hstack([x, apart]), [3, 3, 20])
    joint = np.full((3, 3), 0.1 / 3) + np.eye(3) * (0.7 / 3)
    assert found[0, 1] == pytest.approx((joint * np.log(joint * 9)).sum(), abs=0.02)
    # without the correction it would be 19 * 2 / (2 * 20,000) = 0.00095
    assert abs(found[0, 2]) < 0.0006
    assert np.array_equal(found, found.T)


def test_the_forest_takes_the_heaviest_edges_and_none_that_is_not_positive() -> None:
    weights = np.array([[0, 5, 4, -1], [5, 0, 3, -1], [4, 3, 0, -1], [-1, -1, -1, 0]], float)
    found = spanning_forest(weights)
    edges = {frozenset((one, other)) for one, other in found if other >= 0}
    assert edges == {frozenset((0, 1)), frozenset((0, 2))}
    placed: set[int] = {-1}
    for one, parent in found:
        assert parent in placed
        placed.add(one)
    assert placed == {-1, 0, 1, 2, 3}


def test_tables_lean_on_the_margin_as_much_as_the_data_ask_for() -> None:
    margin = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    tied = conditional(torch.diag(torch.tensor([50, 30, 20])), margin)[0]
    assert float(tied.diagonal().min()) > 0.999
    draw = torch.Generator().manual_seed(0)
    free = torch.stack([torch.multinomial(margin, 6, True, generator=draw).bincount(minlength=3) for _ in range(30)])
    assert float((conditional(free, margin)[0] - margin).abs().max()) < 0.1
    for table in (tied, conditional(free, margin)[0], conditional(torch.zeros(2, 3), margin)[0]):
        assert table.sum(1).tolist() == pytest.approx([1.0] * len(table))


# the laws


@dataclass(frozen=True, slots=True)
class _Few(BayesNetSettings):
    keep: int = 40
    states: int = 3


class SmallNet(BayesNet):
    """Sets its tree on part of the toy rows and counts all in a second pass; the last two of four sizes share a state."""

    Settings = _Few

    def __init__(self, *args: Any) -> None:
        super().__init__(*args[:4], args[4] if len(args) > 4 else _Few())


@dataclass(frozen=True, slots=True)
class _FewToo(CopulaSettings):
    keep: int = 40


class SmallCopula(Copula):
    Settings = _FewToo

    def __init__(self, *args: Any) -> None:
        super().__init__(*args[:4], args[4] if len(args) > 4 else _FewToo())


@pytest.mark.parametrize("family", [BayesNet, Copula, SmallNet, SmallCopula])
def test_rows_keep_the_laws(family: type[Any]) -> None:
    check_generator(family.__name__, ROW, family)


class Peeks(BayesNet):
    def infill(self, x: Tensor, known: Tensor, condition: Any = None, *, noise: Noise, **dials: Any) -> Tensor:
        return torch.where(x[:, :1] > 0, x, super().infill(x, known, condition, noise=noise))


class Overcounts(BayesNet):
    def log_prob(self, x: Tensor, condition: Any = None, *, noise: Noise | None = None) -> Tensor:
        return super().log_prob(x) + 0.1


class Between(BayesNet):
    def sample(self, condition: Any = None, *, noise: Noise, **dials: Any) -> Tensor:
        return super().sample(condition, noise=noise) + 0.25


@pytest.mark.parametrize(("family", "law"), [(Peeks, "not known"), (Overcounts, "sum to"), (Between, "outside its categories")])
def test_the_laws_of_rows_can_fail(family: type[Any], law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_generator(family.__name__, ROW, family)


@pytest.mark.parametrize("family", [BayesNet, Copula])
@pytest.mark.parametrize(
    ("spec", "conditions"), [(Tokens((5,), 4), {}), (Array((2,)), {}), (ROW, {"label": class_label(3)}), (row(1 << 24, 2), {})]
)
def test_what_is_no_row_alone_is_refused(family: type[Any], spec: Spec, conditions: dict[str, Spec]) -> None:
    assert isinstance(family.refuses(spec, conditions), str)


# bayesnet


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 40), st.integers(2, 5), st.integers(0, 1000))
def test_masses_sum_to_one_whatever_the_rows(sizes: list[int], n: int, states: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    x = torch.from_numpy(np.stack([draw.integers(0, size, n) for size in sizes], 1)).float()
    model = BayesNet(row(*sizes), {}, settings=BayesNetSettings(states=states))
    if n:
        learn(model, x)
    every = torch.tensor(list(product(*[range(size) for size in sizes]))).float()
    assert float(model.log_prob(every).double().exp().sum()) == pytest.approx(1.0, abs=1e-5)


def test_a_chain_of_three_categories_is_its_tree() -> None:
    model = learn(BayesNet(row(3, 4, 5), {}), noisy_chain(2000, 3, 4, 5)[:, [0, 1, 2]])
    edges = {frozenset((place, parent)) for place, parent in enumerate(model.parents[:, 0].tolist()) if parent >= 0}
    assert edges == {frozenset((0, 1)), frozenset((1, 2))}
    shuffled = learn(BayesNet(row(5, 3, 4), {}), noisy_chain(2000, 3, 4, 5)[:, [2, 0, 1]])
    edges = {frozenset((place, parent)) for place, parent in enumerate(shuffled.parents[:, 0].tolist()) if parent >= 0}
    assert edges == {frozenset((1, 2)), frozenset((0, 2))}


def test_the_score_is_the_entropy_of_a_chain() -> None:
    x = noisy_chain(20_000, 3, 3, 3)
    model = learn(BayesNet(row(3, 3, 3), {}), x)
    move = -(0.8 + 0.2 / 3) * math.log(0.8 + 0.2 / 3) - 2 * (0.2 / 3) * math.log(0.2 / 3)
    assert -float(model.log_prob(x).mean()) == pytest.approx(math.log(3) + 2 * move, abs=0.02)


def test_independent_columns_have_no_edges() -> None:
    draw = torch.Generator().manual_seed(4)
    x = torch.cat((torch.randint(4, (3000, 2), generator=draw).float(), torch.randn(3000, 1, generator=draw)), 1)
    model = learn(BayesNet(Row((Field("a", 4), Field("b", 4), Field("c"))), {}), x)
    table = drawn(model, 4000)[:, :2].long()
    joint = torch.bincount(table[:, 0] * 4 + table[:, 1], minlength=16) / 4000
    assert float((joint - 1 / 16).abs().max()) < 0.02


def planted(n: int = 3000) -> tuple[Row, Tensor]:
    """A real that lies around -1, 0 or 1 by a category, and is missing in half of the rows of the last; beside them, noise."""
    draw = torch.Generator().manual_seed(1)
    kind, other = torch.randint(3, (n,), generator=draw), torch.randint(5, (n,), generator=draw)
    real = kind - 1 + 0.2 * torch.randn(n, generator=draw)
    real[(kind == 2) & (torch.rand(n, generator=draw) < 0.5)] = torch.nan
    return Row((Field("other", 5), Field("real"), Field("kind", 3))), torch.stack((other.float(), real, kind.float()), 1)


def test_a_real_that_hangs_on_a_category_is_found() -> None:
    spec, x = planted()
    model = learn(BayesNet(spec, {}), x)
    assert int(model.parents[1, 0]) == 2 or int(model.parents[2, 0]) == 1
    y = drawn(model, 6000)
    for kind in range(3):
        own, real = y[y[:, 2] == kind, 1], x[x[:, 2] == kind, 1]
        assert float(own.isnan().float().mean()) == pytest.approx(0.5 if kind == 2 else 0.0, abs=0.05)
        assert float(own.nanmean()) == pytest.approx(kind - 1, abs=0.05)
        assert float(own[~own.isnan()].std()) == pytest.approx(float(real[~real.isnan()].std()), abs=0.05)
    # entropy: the real's own, the category's, the noise's and that of missing
    gaussian = 0.5 * math.log(2 * math.pi * math.e * 0.04)
    true = math.log(3) + math.log(5) + (5 / 6) * gaussian + math.log(2) / 3
    assert -float(model.log_prob(planted(6000)[1][3000:]).mean()) == pytest.approx(true, abs=0.12)


def test_the_category_is_told_by_the_real_and_by_its_being_missing() -> None:
    spec, x = planted()
    model = learn(BayesNet(spec, {}), x)
    asked = torch.tensor([-1.0, 0.0, 1.0, torch.nan]).repeat(500)
    rows = torch.stack((torch.zeros(2000), asked, torch.zeros(2000)), 1)
    known = torch.tensor([False, True, False]).expand(2000, 3)
    filled = model.infill(rows, known, noise=Noise(0, 2000))
    right = torch.tensor([0.0, 1.0, 2.0, 2.0]).repeat(500)
    assert float((filled[:, 2] == right).float().mean()) > 0.97
    assert filled[:, 0].unique().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def webbed(n: int, seed: int = 0) -> tuple[tuple[int, ...], Tensor, Tensor]:
    """(sizes, ids (n,6) of which each hangs on two before it, their true log-probabilities (n,))."""
    sizes, parents = (3, 2, 4, 3, 2, 3), ((), (0,), (0, 1), (1, 2), (2, 3), (2, 3))
    plan, draw = np.random.default_rng(9), np.random.default_rng(seed)
    x, nats = np.zeros((n, 6), dtype=int), np.zeros(n)
    for place, above in enumerate(parents):
        table = plan.dirichlet(np.full(sizes[place], 0.4), size=tuple(sizes[one] for one in above)) * 0.9 + 0.1 / sizes[place]
        rows = np.broadcast_to(table[tuple(x[:, one] for one in above)], (n, sizes[place]))
        x[:, place] = (draw.random(n)[:, None] > rows.cumsum(1)).sum(1).clip(max=sizes[place] - 1)
        nats += np.log(rows[np.arange(n), x[:, place]])
    return sizes, torch.from_numpy(x).float(), torch.from_numpy(nats)


def test_second_parents_are_found_and_bring_the_score_to_the_entropy() -> None:
    sizes, x, _ = webbed(8000)
    _, fresh, true = webbed(4000, 1)
    lost = {}
    for parents in (1, 2):
        model = learn(BayesNet(row(*sizes), {}, settings=BayesNetSettings(parents=parents)), x)  # type: ignore[arg-type]
        lost[parents] = float((true - model.log_prob(fresh)).mean())
        for one, two in model.parents.tolist():
            assert two < 0 or two in model.parents[one].tolist()
    assert lost[2] < 0.015
    assert lost[1] > 0.05


def test_a_second_parent_that_tells_nothing_is_left_out() -> None:
    model = learn(BayesNet(row(3, 3, 3, 3, 3), {}), noisy_chain(3000, 3, 3, 3, 3, 3))
    assert bool((model.parents[:, 1] == -1).all())


@pytest.mark.parametrize(("parents", "states"), [(1, 128), (2, 128), (2, 3)])
def test_filled_in_ids_are_as_often_as_enumeration_says(parents: int, states: int) -> None:
    sizes, x, _ = webbed(3000)
    model = learn(BayesNet(row(*sizes), {}, settings=BayesNetSettings(parents=parents, states=states)), x)  # type: ignore[arg-type]
    assert bool((model.parents[:, 1] >= 0).any()) == (parents == 2)
    every = torch.tensor(list(product(*[range(size) for size in sizes])))
    places = torch.tensor([math.prod(sizes[place + 1 :]) for place in range(len(sizes))])
    mass = model.log_prob(every.float()).double().exp()
    n, start = 8000, torch.tensor([2, 1, 3, 0, 1, 2])
    for number in (0, 1, 2, 4, 8, 16, 32, 5, 18, 33, 40, 48, 51, 56, 62, 63):
        known = torch.tensor([bool(number >> place & 1) for place in range(6)])
        right = (every[:, known] == start[known]).all(1)
        wanted = torch.where(right, mass, 0.0) / mass[right].sum()
        filled = model.infill(start.float().expand(n, -1), known.expand(n, -1), noise=Noise(2, n)).long()
        found = torch.bincount((filled * places).sum(1), minlength=len(every)).double() / n
        error = (wanted * (1 - wanted) / n).sqrt()
        assert bool(((found - wanted).abs() <= 5 * error + 2e-4).all()), number
    free = torch.bincount((drawn(model, n).long() * places).sum(1), minlength=len(every)).double() / n
    assert bool(((free - mass).abs() <= 5 * (mass * (1 - mass) / n).sqrt() + 2e-4).all())


def test_rows_that_know_different_fields_are_filled_in_together() -> None:
    sizes, x, _ = webbed(3000)
    model = learn(BayesNet(row(*sizes), {}), x)
    known = torch.rand(200, 6, generator=torch.Generator().manual_seed(3)) < 0.5
    together = model.infill(x[:200], known, noise=Noise(4, 200))
    alone = torch.cat([model.infill(x[k : k + 1], known[k : k + 1], noise=Noise(4, torch.tensor([k]))) for k in range(200)])
    assert torch.equal(together, alone)
    assert torch.equal(together[known], x[:200][known])


def test_a_second_pass_counts_all_rows() -> None:
    x = noisy_chain(900, 3, 4, 5)
    whole = learn(BayesNet(row(3, 4, 5), {}), x)
    twice = learn(BayesNet(row(3, 4, 5), {}, settings=BayesNetSettings(keep=200)), x)
    edges = [{frozenset((a, b)) for a, b in enumerate(model.parents[:, 0].tolist())} for model in (whole, twice)]
    assert {edge for edge in edges[0] if -1 not in edge} == {edge for edge in edges[1] if -1 not in edge}
    every = torch.tensor(list(product(range(3), range(4), range(5)))).float()
    assert float((whole.log_prob(every) - twice.log_prob(every)).abs().max()) < 0.05
    assert twice.counts.sum() == whole.counts.sum() == 2700
    assert len(twice.kept) == len(twice.pairs) == 0


def test_reals_never_seen_are_likely_enough_and_shares_within_a_bin_are_kept() -> None:
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(5000, 1, generator=draw)
    model = learn(BayesNet(Row((Field("x"),)), {}), x)
    far = model.log_prob(torch.tensor([[-6.0], [6.0], [torch.nan]]))
    assert bool(torch.isfinite(far).all())
    assert float(far[2]) < -20
    y = drawn(model, 50_000)[:, 0]
    assert not bool(y.isnan().any())
    y = y[:5000].sort().values
    gap = (torch.special.ndtr(y) - (torch.arange(5000) + 0.5) / 5000).abs().max()
    assert float(gap) < 0.035
    test = torch.randn(5000, 1, generator=draw)
    assert -float(model.log_prob(test).mean()) == pytest.approx(0.5 * math.log(2 * math.pi * math.e), abs=0.06)


def test_a_hundred_thousand_categories_take_little_room() -> None:
    spec = Row((Field("town", 100_000), Field("other", 100_000), Field("size"), Field("flag", 2)))
    draw = torch.Generator().manual_seed(3)
    town = (torch.rand(4000, generator=draw) ** 6 * 100_000).floor()
    flag = (town < 50).float()
    x = torch.stack((town, (town * 7) % 100_000, torch.randn(4000, generator=draw), flag), 1)
    model = learn(BayesNet(spec, {}), x)
    assert model.tables.numel() <= 4 * 2**17
    assert sum(value.numel() * value.element_size() for value in model.state_dict().values()) < 12_000_000
    y = drawn(model, 500)
    assert bool(((y[:, :2] >= 0) & (y[:, :2] < 100_000)).all())
    assert bool(torch.isfinite(model.log_prob(x)).all())
    # the most frequent towns have states of their own, and keep what hangs on them
    assert float((y[y[:, 0] < 5, 3]).mean()) > 0.9
    assert float((y[y[:, 0] > 1000, 3]).mean()) < 0.1


def test_a_further_run_learns_anew() -> None:
    x = noisy_chain(300, 3, 4)
    model = learn(BayesNet(row(3, 4), {}), x)
    fresh = learn(BayesNet(row(3, 4), {}), 2 - x.clamp(max=2))
    again = learn(model, 2 - x.clamp(max=2))
    every = torch.tensor(list(product(range(3), range(4)))).float()
    assert torch.equal(again.log_prob(every), fresh.log_prob(every))


def test_a_quantised_real_has_a_mass() -> None:
    values = torch.arange(40).repeat(50).float()[:, None] * 0.1
    spec = Row((replace(Field("x"), bin=0.1),))
    model = learn(BayesNet(spec, {}), values)
    assert model.tight == "estimate"
    assert float(model.log_prob(values[:40]).exp().sum()) == pytest.approx(1.0, abs=0.01)


# copula


def correlated(n: int, r: float) -> Tensor:
    z = torch.randn(n, 2, generator=torch.Generator().manual_seed(5))
    return torch.stack((z[:, 0], r * z[:, 0] + math.sqrt(1 - r * r) * z[:, 1]), 1)


@pytest.mark.parametrize("r", [-0.8, 0.0, 0.5])
@pytest.mark.parametrize("kinds", ["rr", "rc", "cc", "bb"])
def test_the_correlation_behind_cut_columns_is_found(kinds: str, r: float) -> None:
    z = correlated(20_000, r)
    columns, fields = [], []
    for place, kind in enumerate(kinds):
        edges = {"r": None, "c": torch.tensor([-0.5, 0.2, 1.0]), "b": torch.tensor([0.7])}[kind]
        columns.append(z[:, place] if edges is None else torch.bucketize(z[:, place].contiguous(), edges).float())
        fields.append(Field(f"f{place}", 0 if edges is None else len(edges) + 1))
    model = learn(Copula(Row(tuple(fields)), {}), torch.stack(columns, 1), 2000)
    assert float((model.factor @ model.factor.T)[0, 1]) == pytest.approx(r, abs=0.035)


def test_a_copula_keeps_the_margins_and_the_share_of_missing() -> None:
    spec, x = planted()
    model = learn(Copula(spec, {}), x)
    y = drawn(model, 20_000)
    for place, size in ((0, 5), (2, 3)):
        own, found = (torch.bincount(column.long(), minlength=size) / len(column) for column in (x[:, place], y[:, place]))
        assert float((own - found).abs().max()) < 0.02
    assert float(y[:, 1].isnan().float().mean()) == pytest.approx(float(x[:, 1].isnan().float().mean()), abs=0.02)
    shares = torch.linspace(0.05, 0.95, 10)
    own, found = (torch.nanquantile(column, shares) for column in (x[:, 1], y[:, 1]))
    assert float((own - found).abs().max()) < 0.12


# the baseline


def test_independent_columns_keep_the_margins_of_rows_and_nothing_else() -> None:
    x = torch.from_numpy(toy_dataset(ROW, 2000).x)
    model = learn(Independent(ROW, {}, None, None, Independent.Settings()), x)
    y = drawn(model, 6000)
    assert float(y[:, 2].isnan().float().mean()) == pytest.approx(float(x[:, 2].isnan().float().mean()), abs=0.03)
    assert bool((y[:, :2] == y[:, :2].round()).all())
    tie = [float(torch.corrcoef(part[:, :2].T)[0, 1]) for part in (x, y)]
    assert tie[0] > 0.1
    assert abs(tie[1]) < 0.05


# odd tables


@pytest.mark.parametrize("family", [BayesNet, Copula])
def test_one_row_a_field_without_numbers_and_one_without_a_choice(family: type[Any]) -> None:
    spec = Row((Field("never"), Field("once"), Field("same", 1), Field("two", 2)))
    x = torch.tensor([[torch.nan, 0.3, 0.0, 1.0], [torch.nan, torch.nan, 0.0, 1.0], [torch.nan, 0.3, 0.0, 0.0]])
    for count in (1, 3):
        model = learn(family(spec, {}), x[:count])
        y = drawn(model, 300)
        assert float(y[:, 0].isnan().float().mean()) > 0.7
        real = y[:, 1][~y[:, 1].isnan()]
        assert float((real - 0.3).abs().median()) < 0.01
        assert bool((y[:, 2] == 0).all())
        if isinstance(model, BayesNet):
            assert bool(torch.isfinite(model.log_prob(x)).all())
            filled = model.infill(x, torch.zeros(3, 4, dtype=torch.bool), noise=Noise(1, 3))
            assert filled.shape == (3, 4)


@pytest.mark.parametrize("family", [BayesNet, Copula])
def test_a_model_that_has_seen_nothing_draws_rows(family: type[Any]) -> None:
    y = drawn(family(ROW, {}), 200)
    assert y[:, 0].unique().tolist() == [0.0, 1.0, 2.0]
    assert not bool(y[:, :2].isnan().any())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(1, 60), st.integers(0, 1000), st.sampled_from([1, 2]))
def test_any_rows_are_learnt_drawn_and_filled_in(sizes: list[int], n: int, seed: int, parents: Any) -> None:
    draw = np.random.default_rng(seed)
    reals = np.where(draw.random((n, len(sizes))) < 0.3, np.nan, draw.normal(size=(n, len(sizes))).round(1))
    columns = [draw.integers(0, size, n) if size else reals[:, place] for place, size in enumerate(sizes)]
    x = torch.from_numpy(np.stack(columns, 1)).float()
    for model in (BayesNet(row(*sizes), {}, settings=BayesNetSettings(parents=parents, keep=30)), Copula(row(*sizes), {})):
        y = drawn(learn(model, x), 20)
        for place, size in enumerate(sizes):
            assert not bool(y[:, place].isinf().any())
            assert not size or bool(((y[:, place] >= 0) & (y[:, place] < size)).all())
        if isinstance(model, BayesNet):
            assert bool(torch.isfinite(model.log_prob(torch.cat((x, y)))).all())
            known = torch.from_numpy(draw.random((n, len(sizes))) < 0.5)
            filled = model.infill(x, known, noise=Noise(1, n))
            assert torch.equal(filled[known].nan_to_num(99), x[known].nan_to_num(99))

"""Gaps that come together: the hidden class of a Bayesian network, and tables that part gaps from values."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

import morelike
from morelike.core import registry
from morelike.core.abilities import Among
from morelike.core.noise import Noise
from morelike.core.spec import Field, Row, spec_from_json, spec_to_json
from morelike.data.table_columns import CategoryColumn
from morelike.families.bayesnet import BayesNet, BayesNetSettings
from morelike.house.prepare import prepare
from morelike.house.recipe import Recipe
from morelike.house.run import default_family
from morelike.maths.chow_liu import fit_table
from table_cells import one
from test_table_families import drawn, learn


def gapped(n: int, fields: int) -> tuple[Row, Tensor]:
    """Fields of a gap (id 0) and two values. A third of the rows lack most values, the others few; values say nothing."""
    draw = torch.Generator().manual_seed(0)
    bad = torch.rand(n, 1, generator=draw) < 1 / 3
    gone = torch.rand(n, fields, generator=draw) < torch.where(bad, 0.7, 0.1)
    values = torch.randint(1, 3, (n, fields), generator=draw)
    return Row(tuple(Field(f"f{place}", 3, missing=(0,)) for place in range(fields))), torch.where(gone, 0, values).float()


def gap_correlation(x: Tensor) -> float:
    found = torch.corrcoef((x == 0).float().T)
    return float(found[~torch.eye(len(found), dtype=torch.bool)].mean())


def test_gaps_come_together_as_they_did_and_only_where_fields_say_what_a_gap_is() -> None:
    spec, x = gapped(1500, 10)
    real = gap_correlation(x)
    assert real > 0.3
    assert gap_correlation(drawn(learn(BayesNet(spec, {}), x), 4000)) == pytest.approx(real, abs=0.05)
    untold = learn(BayesNet(Row(tuple(Field(field.name, 3) for field in spec.fields)), {}), x)
    assert gap_correlation(drawn(untold, 4000)) < real - 0.05


def test_the_hidden_class_is_summed_out_of_densities_masses_and_conditionals() -> None:
    spec, x = gapped(400, 4)
    model = learn(BayesNet(spec, {}), x)
    assert int(model.sizes[-1]) > 1
    assert int((model.parents == 4).any(1).sum()) > 1
    every = torch.tensor(list(product(range(3), repeat=4))).float()
    chance = model.log_prob(every).double().exp()
    assert float(chance.sum()) == pytest.approx(1.0, abs=1e-5)
    allowed = (every[:, 0] == 0) & (every[:, 2] > 0)
    narrowed = model.narrow({0: Among(torch.tensor([True, False, False])), 2: Among(torch.tensor([False, True, True]))})
    assert narrowed.log_mass == pytest.approx(float(chance[allowed].sum().log()), abs=1e-5)
    told = torch.tensor([True, True, False, False])
    rows = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(6000, -1)
    with torch.inference_mode():
        filled = model.infill(rows, told.expand(6000, -1), noise=Noise(3, 6000))
    assert torch.equal(filled[:, :2], rows[:, :2])
    given = (every[:, 0] == 0) & (every[:, 1] == 0)
    both = float(chance[given & (every[:, 2] == 0) & (every[:, 3] == 0)].sum() / chance[given].sum())
    assert float((filled[:, 2:] == 0).all(1).float().mean()) == pytest.approx(both, abs=0.025)


def test_no_class_is_hidden_where_gaps_stand_in_one_field_or_one_parent_is_asked_for() -> None:
    spec, _ = gapped(100, 3)
    alone = Row((spec.fields[0], Field("f1", 3), Field("f2", 3)))
    assert len(BayesNet(alone, {}).sizes) == 3
    assert len(BayesNet(spec, {}, settings=BayesNetSettings(parents=1)).sizes) == 3
    assert len(BayesNet(spec, {}).sizes) == 4


def test_a_table_leans_apart_for_gaps_and_values() -> None:
    gone = torch.tensor([True, False, False, False])
    # values follow the parent, gaps don't: what gaps lean on is pulled hard, what values lean on isn't
    counts = torch.tensor([[30, 60, 0, 0], [30, 0, 60, 0], [31, 0, 0, 60]])[None]
    margin = counts.sum((0, 1)).double() / counts.sum()
    table, nats = fit_table(counts, margin, gone)
    assert torch.allclose(table.exp().sum(2), torch.ones(1, 3, dtype=torch.float64))
    assert nats > fit_table(counts, margin)[1]
    assert float(table.exp()[0, :, 0].std()) < 1e-3
    assert float((table.exp() / (1 - table.exp()[..., :1]))[0, :, 1:].diagonal().min()) > 0.99
    # where no gap was seen it is the usual table
    assert torch.equal(fit_table(counts[..., 1:], margin[1:], gone[1:])[0], fit_table(counts[..., 1:], margin[1:])[0])


def test_columns_say_which_ids_are_gaps_and_cards_keep_it() -> None:
    words = one(["a", "", "b", "a", "NA", "b"] * 20)
    assert isinstance(words, CategoryColumn)
    assert {words.values[number] for number in words.fields[0].missing} == {"", "NA"}
    numbers = one([*(str(0.37 * row) for row in range(200)), *["?"] * 50])
    assert [numbers.markers[number - 1] for number in numbers.fields[0].missing] == ["?"]
    spec = Row((*words.fields, Field("plain", 2)))
    again = spec_from_json(spec_to_json(spec))
    assert isinstance(again, Row)
    assert [field.missing for field in again.fields] == [words.fields[0].missing, ()]


def test_few_rows_get_the_family_that_serves_them() -> None:
    table = registry.kind("table")
    assert [table.family_for(count) for count in (10, 999, 1000)] == ["bayesnet", "bayesnet", "table-ar"]
    assert registry.kind("image").family_for(1) == "diffusion"


def test_few_rows_take_their_family_unless_something_is_asked_that_it_has_not(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "\n".join(f"{row % 3},{row % 7 * 0.5}" for row in range(60)), encoding="utf-8")
    recipe = Recipe(data=str(path))
    prepared = prepare(recipe)
    assert default_family(recipe, prepared) == "bayesnet"
    assert any("--model table-ar" in note for note in morelike.check(path)["notes"])
    for asked in ({"settings": {"dropout": 0.1}}, {"train": {"steps": 5}}, {"nets": {"fields": {"width": 32}}}):
        assert default_family(Recipe.parse({"data": str(path), **asked}), prepared) == "table-ar"

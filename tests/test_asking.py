"""Questions to a table's model and what-ifs: answers equal to enumeration of a small table, shares and means that are met."""

from __future__ import annotations

import csv
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import morelike
from conftest import Runner
from morelike.core.errors import BadInput, MorelikeError, Refused, UnknownName
from morelike.families import table_narrow
from morelike.house import simulating
from morelike.house.model import Model, load

COLUMNS = ("city", "rooms", "smoker", "floor")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of categories alone, which can be enumerated, and one with a rent and gaps."""
    place = tmp_path_factory.mktemp("asking")
    rng = np.random.default_rng(0)
    small, large = [",".join(COLUMNS)], ["city,rent,smoker,age"]
    for _ in range(900):
        city, rooms = rng.choice(["Bern", "Basel", "Zug"]), int(rng.integers(1, 6))
        smoker = "yes" if rng.random() < 0.1 + 0.15 * rooms * (city == "Zug") else "no"
        small.append(f"{city},{rooms},{smoker},{min(rooms, int(rng.integers(0, 4)))}")
        rent = {"Bern": 1000, "Basel": 2000, "Zug": 4000}[city] + int(rng.integers(0, 500))
        age = 20 + int(rng.integers(0, 40)) + 15 * (smoker == "yes")
        large.append(f"{city},{'' if rng.random() < 0.1 else rent},{smoker},{age}")
    (place / "small.csv").write_text("\n".join(small) + "\n", encoding="utf-8")
    (place / "large.csv").write_text("\n".join(large) + "\n", encoding="utf-8")
    morelike.train(place / "small.csv", "bayesnet", out=place / "bayesnet", judge=False)
    morelike.train(place / "small.csv", "table-ar", out=place / "table-ar", judge=False, size="xs", steps=80, batch=64)
    morelike.train(place / "large.csv", "bayesnet", out=place / "large", judge=False)
    return place


@pytest.fixture(scope="module", params=["bayesnet", "table-ar"])
def model(folder: Path, request: pytest.FixtureRequest) -> Model:
    return load(folder / request.param)


def every(model: Model, order: list[str]) -> tuple[list[dict[str, str]], np.ndarray]:
    """All rows, and their probabilities with the columns drawn in an order (which is the same to a Bayesian network)."""
    values = [column.values for column in model.codec.columns]  # type: ignore[attr-defined]
    rows = np.array(list(itertools.product(*values)), dtype=object)
    kwargs: dict[str, Any] = {"order": [COLUMNS.index(name) for name in order]} if model.card["family"] == "table-ar" else {}
    with torch.inference_mode():
        logs = model.generator.log_prob(torch.from_numpy(model.codec.encode(rows)), **kwargs)  # type: ignore[operator]
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows], logs.double().exp().numpy()


ASKED = [
    (["smoker=yes"], ["city=Zug"], ["city", "smoker"]),
    (["smoker=yes"], ["city=Zug|Bern", "rooms>=4"], ["city", "rooms", "smoker"]),
    (["smoker=yes", "rooms<3"], ["city!=Bern"], ["city", "smoker", "rooms"]),
    (["rooms=4..5"], ["rooms>1", "floor=0|1"], ["floor", "rooms"]),
    (["city=Zug"], [], ["city"]),
]
TESTS = {
    "smoker=yes": lambda row: row["smoker"] == "yes", "city=Zug": lambda row: row["city"] == "Zug",
    "city=Zug|Bern": lambda row: row["city"] != "Basel", "city!=Bern": lambda row: row["city"] != "Bern",
    "rooms>=4": lambda row: row["rooms"] in "45", "rooms<3": lambda row: row["rooms"] in "12",
    "rooms=4..5": lambda row: row["rooms"] in "45",
    "rooms>1": lambda row: row["rooms"] != "1", "floor=0|1": lambda row: row["floor"] in "01",
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(ASKED)))
def test_answers_are_those_of_enumeration(model: Model, number: int) -> None:
    events, where, first = ASKED[number]
    rows, chances = every(model, [*first, *(name for name in COLUMNS if name not in first)])
    assert chances.sum() == pytest.approx(1, abs=1e-4)
    given = np.array([all(TESTS[one](row) for one in where) for row in rows])
    both = given & np.array([all(TESTS[one](row) for one in events) for row in rows])
    found = model.ask(*events, where=where)
    assert found["exact"]
    assert found["interval"] is None
    assert found["given_probability"] == pytest.approx(chances[given].sum(), rel=1e-3)
    assert found["probability"] == pytest.approx(chances[both].sum() / chances[given].sum(), rel=1e-3)
    assert found["rows"] == pytest.approx(found["given_probability"] * 720, rel=0.15)
    low, high = found["counted_interval"]
    assert low < found["probability"] < high


def test_a_distribution_is_that_of_enumeration_and_sums_to_one(model: Model) -> None:
    rows, chances = every(model, ["city", "rooms", "smoker", "floor"])
    given = np.array([row["city"] == "Zug" for row in rows])
    found = model.ask("rooms", where={"city": "Zug"})
    exact = {str(n): chances[given & np.array([row["rooms"] == str(n) for row in rows])].sum() / chances[given].sum() for n in range(1, 6)}
    assert found["values"] == pytest.approx(exact, rel=1e-3)
    assert float(found["numbers"]["mean"]) == pytest.approx(sum(int(n) * share for n, share in exact.items()), rel=1e-3)
    reach = np.cumsum([exact[str(n)] for n in range(1, 6)])
    assert found["numbers"]["quartiles"] == [str(1 + int(np.searchsorted(reach, share))) for share in (0.25, 0.5, 0.75)]


def test_a_distribution_of_numbers_with_gaps_is_that_of_the_rows(folder: Path) -> None:
    model = load(folder / "large")
    found = model.ask("rent", where=["city=Basel", "age>30"])
    rows, report = model.sample_rows(4000, ["city=Basel", "age>30"], seed=5)
    assert report["obeyed"] == 1
    rents = np.array([float(cell) for cell in rows[:, 1] if cell])
    assert found["values"][""] == pytest.approx(1 - len(rents) / 4000, abs=0.02)
    assert found["numbers"]["probability"] + found["values"][""] == pytest.approx(1)
    assert float(found["numbers"]["mean"]) == pytest.approx(rents.mean(), rel=0.01)
    assert [float(text) for text in found["numbers"]["quartiles"]] == pytest.approx(np.quantile(rents, [0.25, 0.5, 0.75]), rel=0.02)


def test_many_combinations_give_an_estimate_with_an_interval(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folder / "table-ar")
    events, where = ["smoker=yes"], ["city!=Bern", "rooms>=2", "floor<3"]
    exact = model.ask(*events, where=where)["probability"]
    monkeypatch.setattr(table_narrow, "MOST", 16)
    found = load(folder / "table-ar").ask(*events, where=where)
    assert not found["exact"]
    low, high = found["interval"]
    assert low < found["probability"] < high
    assert abs(exact - found["probability"]) < 2 * (high - low)


@pytest.mark.parametrize(
    ("events", "where", "error", "said"),
    [
        (["smoke=yes"], [], UnknownName, "did you mean 'smoker'"), (["smoker=yess"], [], UnknownName, "did you mean 'yes'"),
        (["smoker=yes"], ["town=Bern"], UnknownName, "unknown column 'town'"), ([], [], BadInput, "nothing to ask"),
        (["smoker"], ["rooms>7"], BadInput, "no rooms"), (["smoker", "rooms"], [], BadInput, "is no demand"),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_is_said(folder: Path, events: list[str], where: list[str], error: type[MorelikeError], said: str) -> None:
    with pytest.raises(error, match=said):
        load(folder / "bayesnet").ask(*events, where=where)


def test_shares_are_reached_and_the_rest_is_the_models_own(model: Model) -> None:
    rows, report = model.simulate(3000, shares=["smoker=yes:0.5", "rooms>=4:30%"], where=["city!=Bern"], seed=1)
    smokers, large = rows[:, 2] == "yes", np.isin(rows[:, 1], ["4", "5"])
    # each cell of the two shares is rounded to whole rows
    assert smokers.mean() == pytest.approx(0.5, abs=0.001)
    assert large.mean() == pytest.approx(0.3, abs=0.001)
    assert "Bern" not in rows[:, 0]
    assert [own["asked"] for own in report["shares"]] == [0.5, 0.3]
    assert [own["reached"] for own in report["shares"]] == pytest.approx([0.5, 0.3], abs=0.001)
    all_rows, chances = every(model, ["city", "smoker", "rooms", "floor"])
    for smoker, many in itertools.product(("yes", "no"), (True, False)):
        cell = [row["city"] != "Bern" and row["smoker"] == smoker and (row["rooms"] in "45") == many for row in all_rows]
        zug = np.array([row["city"] == "Zug" for row in all_rows]) & cell
        own = rows[(smokers == (smoker == "yes")) & (large == many), 0]
        assert (own == "Zug").mean() == pytest.approx(chances[zug].sum() / chances[cell].sum(), abs=4 * 0.5 / np.sqrt(len(own)))


def test_one_share_keeps_the_odds_of_all_other_values(model: Model) -> None:
    rows, report = model.simulate(4000, shares=["city=Zug:x2"], seed=2)
    asked = report["shares"][0]
    assert asked["asked"] == pytest.approx(2 * asked["before"])
    assert (rows[:, 0] == "Zug").sum() == round(4000 * asked["asked"])
    bern = model.ask("city=Bern", where=["city!=Zug"])["probability"]
    others = rows[rows[:, 0] != "Zug", 0]
    assert (others == "Bern").mean() == pytest.approx(bern, abs=4 * 0.5 / np.sqrt(len(others)))


def test_a_mean_is_moved_and_what_hangs_on_it_follows(folder: Path) -> None:
    model = load(folder / "large")
    rows, report = model.simulate(6000, shift="age=+5", seed=3)
    before = float(model.ask("age")["numbers"]["mean"])
    assert rows[:, 3].astype(float).mean() == pytest.approx(before + 5, abs=0.6)
    assert report["shift"]["before"] == f"{before:.6g}"
    assert float(report["shift"]["asked"]) == pytest.approx(before + 5, abs=1e-3)
    assert report["changed"][0]["column"] == "smoker"
    assert report["changed"][0]["after"] != report["changed"][0]["before"]


@pytest.mark.parametrize("side", [-1, 1])
def test_means_up_to_the_limit_that_is_said_are_reached(folder: Path, side: int) -> None:
    model = load(folder / "large")
    with pytest.raises(BadInput, match=r"goes from .*the smallest mean that can be reached is .*, the largest ") as refused:
        model.simulate(10, shift=f"age={side * 500:+}")
    limits = re.findall(r"(?:is|largest) ([0-9.]+)", str(refused.value))[-2:]
    mean = float(model.ask("age")["numbers"]["mean"])
    by = float(limits[side > 0]) - mean
    with pytest.raises(BadInput, match="the largest"):
        model.simulate(10, shift=f"age={by + side * 0.01:+.4f}")
    rows, _ = model.simulate(2000, shift=f"age={by - side * 0.5:+.4f}")
    assert rows[:, 3].astype(float).mean() == pytest.approx(mean + by - side * 0.5, abs=0.3)


def test_weights_are_the_nearest_with_these_shares_and_this_mean() -> None:
    rng = np.random.default_rng(0)
    masses = rng.dirichlet(np.ones(12))
    held = np.array(list(itertools.product((True, False), repeat=2))).repeat(3, 0)
    lift = np.tile([0.0, 1.0, 3.0], 4)
    weights = simulating._scaled(masses, held, np.array([0.6, 0.2]), lift, 1.9)
    assert weights @ held == pytest.approx([0.6, 0.2])
    assert weights @ lift == pytest.approx(1.9)
    # the logarithm of the ratio is a sum of one term for each share and the number times a constant
    design = np.column_stack([np.ones(12), held, lift])
    ratio = np.log(weights / masses)
    assert design @ np.linalg.lstsq(design, ratio, rcond=None)[0] == pytest.approx(ratio, abs=1e-5)
    with pytest.raises(BadInput, match="rules out"):
        simulating._scaled(np.array([0.5, 0.5]), np.array([[True, False], [False, True]]), np.array([0.8, 0.8]), np.full(2, np.nan), None)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({}, BadInput, "nothing is changed"), ({"shares": ["smoker=yes"]}, BadInput, "is no share"),
        ({"shares": ["smoker=yes:1.5"]}, BadInput, "is no share"), ({"shares": ["smoker=yes:x9"]}, BadInput, "more than everything"),
        ({"shares": ["smokr=yes:0.5"]}, UnknownName, "did you mean 'smoker'"), ({"shift": "city=+5"}, BadInput, "a column of numbers"),
        ({"shift": "age=+500"}, BadInput, "goes from"), ({"shares": ["city=Zug:0.5"], "where": ["city=Zug"]}, Refused, "nothing to draw"),
        ({"shares": ["city=Zug:0.8", "city=Bern:0.8"]}, BadInput, "rules out"),
    ],
)  # fmt: skip
def test_what_can_not_be_simulated_is_said(folder: Path, change: dict[str, Any], error: type[MorelikeError], said: str) -> None:
    with pytest.raises(error, match=said):
        load(folder / "large").simulate(10, **change)


def test_the_verbs_print_and_write(morelike_cli: Runner, folder: Path) -> None:
    asked = morelike_cli("ask", folder / "large", "smoker=yes", "--where", "city=Zug", "--where", "age>30", "--json")
    assert asked.code == 0, asked.err
    found = json.loads(asked.out)
    said = morelike_cli("ask", folder / "large", "smoker=yes", "--where", "city=Zug", "--where", "age>30").out
    assert f"P(smoker=yes | city=Zug, age>30) = {found['probability']:.4g}" in said
    whole = morelike_cli("ask", folder / "large", "rent").out
    assert "(empty)" in whole
    assert "median" in whole
    out = folder / "what-if.csv"
    simulated = morelike_cli("simulate", folder / "large", "-n", 200, "--set", "smoker=yes:0.5", "--out", out)
    assert simulated.code == 0, simulated.err
    assert "0.5 asked for, 0.5 in the rows" in simulated.out
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["smoker"] == "yes" for row in rows) == 100
    shifted = morelike_cli("simulate", folder / "large", "-n", 200, "--shift", "age=-3", "--out", out, "--json")
    assert json.loads(shifted.out)["shift"]["column"] == "age"
    refused = morelike_cli("ask", folder / "large", "smoker=yes", "--where", "cty=Zug")
    assert refused.code == 2
    assert "did you mean 'city'" in refused.err

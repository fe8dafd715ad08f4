"""Tables from the file to the rows: trained, judged, drawn under columns that are fixed, written; what can't be is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import morelike
from conftest import Runner
from morelike.core.errors import Refused
from morelike.house.model import Model, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table in which the city says the rent, with gaps and numbers of customers, and a Bayesian network of it."""
    place = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    lines = ["customer,city,rent,smoker"]
    for row in range(400):
        city = rng.choice(["Bern", "Basel", "Zug"])
        rent = {"Bern": 1000, "Basel": 2000, "Zug": 4000}[city] + int(rng.integers(0, 500))
        lines.append(f"C-{7919 * (row + 3) % 100003:06d},{city},{'' if row % 9 == 0 else rent},{rng.choice(['yes', 'no'])}")
    (place / "flats.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    morelike.train(place / "flats.csv", "bayesnet", out=place / "model", judge=False)
    return place


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder / "model")


def test_columns_that_are_fixed_stay_and_the_others_follow(model: Model) -> None:
    rows = model.sample(300, where={"city": "Zug"}, seed=1)
    assert set(rows[:, 1]) == {"Zug"}
    rents = [float(cell) for cell in rows[:, 2] if cell]
    assert 0.05 < 1 - len(rents) / 300 < 0.2
    assert np.mean([4000 <= rent < 4500 for rent in rents]) > 0.97
    cities = model.sample(300, where={"rent": "2100"}, seed=1)[:, 1]
    assert np.mean(cities == "Basel") > 0.97


def test_a_package_verifies_itself_although_cells_are_missing(morelike_cli: Runner, folder: Path) -> None:
    ended = morelike_cli("verify", folder / "model")
    assert ended.code == 0, ended.err


def test_rows_do_not_depend_on_their_number(model: Model) -> None:
    few, many = (model.sample(n, where={"city": "Bern"}, seed=3) for n in (5, 50))
    assert (few[:, 1:] == many[:5, 1:]).all()


def test_rows_are_written_as_the_source_has_them(morelike_cli: Runner, folder: Path) -> None:
    out = folder / "more.csv"
    ended = morelike_cli("sample", folder / "model", "-n", 40, "--where", "smoker=yes", "--out", out)
    assert ended.code == 0, ended.err
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known = {row["customer"] for row in csv.DictReader((folder / "flats.csv").open(encoding="utf-8"))}
    assert [*rows[0]] == ["customer", "city", "rent", "smoker"]
    assert {row["smoker"] for row in rows} == {"yes"}
    fresh = {row["customer"] for row in rows}
    assert len(fresh) == 40
    assert not fresh & known
    assert all(len(name) == 8 and name.startswith("C-") and name[2:].isdigit() for name in fresh)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("city=Berne", "did you mean 'Bern'"), ("town=Bern", "unknown column 'town'"), ("rent=9999", "the nearest is"),
        ("customer=C-1", "is not learnt"),
    ],
)
def test_what_can_not_be_fixed_is_refused(morelike_cli: Runner, folder: Path, where: str, said: str) -> None:
    ended = morelike_cli("sample", folder / "model", "--where", where, "--out", folder / "never.csv")
    assert ended.code == 2
    assert said in ended.err
    assert not (folder / "never.csv").exists()


@pytest.mark.parametrize("family", ["bayesnet", "table-ar"])
def test_demands_are_obeyed_by_every_row_when_read_again(morelike_cli: Runner, folder: Path, family: str) -> None:
    if family != "bayesnet" and not (folder / family).exists():
        morelike.train(folder / "flats.csv", family, out=folder / family, judge=False, size="xs", steps=60, batch=64)
    place = folder / ("model" if family == "bayesnet" else family)
    wanted = ["--where", "rent>1250.5", "--where", "rent<=4100", "--where", "city!=Basel", "--where", "smoker=yes|no"]
    ended = morelike_cli("sample", place, "-n", 500, *wanted, "--out", folder / "some.csv")
    assert ended.code == 0, ended.err
    assert "all obey rent>1250.5 and rent<=4100 and city!=Basel and smoker=yes|no, which has a probability of 0." in ended.out
    with (folder / "some.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 500
    assert all(1250.5 < float(row["rent"]) <= 4100 and row["city"] in ("Bern", "Zug") for row in rows)
    gaps, report = load(place).sample_rows(50, ["rent=", "city=Zug"], seed=2)
    assert {(row[1], row[2]) for row in gaps} == {("Zug", "")}
    assert report["obeyed"] == 1
    assert report["exact"]
    assert 0 < report["probability"] < 0.2


def test_a_family_that_can_not_names_those_that_can(folder: Path) -> None:
    saved = morelike.train(folder / "flats.csv", "copula", out=folder / "copula", judge=False)
    with pytest.raises(Refused, match=r"families that can: .*bayesnet"):
        saved.sample(3, where={"city": "Bern"})


def test_a_table_is_judged(model: Model) -> None:
    result = model.judge()
    scores = result["scores"]
    assert scores["trend-error"]["value"] < scores["trend-error"]["ceiling"]
    assert scores["two-sample-auc"]["value"] < scores["two-sample-auc"]["ceiling"]


def test_a_thousand_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers, words = rng.normal(size=(60, 500)), rng.choice(["a", "b", "c"], (60, 500))
    lines = [",".join([*(f"n{column}" for column in range(500)), *(f"w{column}" for column in range(500))])]
    lines += [",".join([*(f"{number:.2f}" for number in row), *more]) for row, more in zip(numbers, words, strict=True)]
    (tmp_path / "wide.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = morelike.train(tmp_path / "wide.csv", "independent", out=tmp_path / "m", judge=False).sample(5)
    assert rows.shape == (5, 1000)
    assert set(rows[:, 500:].reshape(-1)) <= {"a", "b", "c"}

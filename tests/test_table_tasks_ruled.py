"""Tasks on a table with rules between its columns: filled, classified, scored and generated rows obey them, and use what is known once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import morelike
from morelike.core.errors import Refused, UnknownName
from morelike.data.table import Cells, TableCodec
from morelike.house.model import Model, load
from test_table_tasks import write

NAMES = ("zone", "borough", "color", "payment", "start", "end", "fare", "extra", "total")
BOROUGHS = ("Queens", "Bronx", "Kings")
PAID = {"green": ("card", "cash"), "yellow": ("card", "app"), "black": ("app",)}
RULES = """
[[determined]]
column = "borough"
by = ["zone"]
[[together]]
columns = ["color", "payment"]
[[order]]
columns = ["start", "end"]
[[sum]]
total = "total"
parts = ["fare", "extra"]
"""


def trips(count: int, seed: int) -> np.ndarray:
    """(count,9) rows: zones 0, 3, .. are in Queens; a ride takes longer from high zones; green ones have more extra."""
    rng = np.random.default_rng(seed)
    rows = np.empty((count, len(NAMES)), dtype=object)
    for row in range(count):
        zone = int(rng.choice(9, p=[0.3, 0.2, 0.2, 0.1, 0.05, 0.05, 0.04, 0.03, 0.03]))
        color = str(rng.choice([*PAID]))
        start, fare = int(rng.integers(0, 500)), int(rng.integers(5, 90))
        extra = int(rng.choice(3, p=[0.1, 0.2, 0.7] if color == "green" else [0.7, 0.2, 0.1]))
        end = start + int(rng.integers(0, 30)) + 10 * zone
        cells = [f"z{zone}", BOROUGHS[zone % 3], color, rng.choice(PAID[color]), start, end, fare, extra, fare + extra]
        rows[row] = [str(cell) for cell in cells]
    return rows


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ruled")
    (folder / "rules.toml").write_text(RULES)
    morelike.train(write(folder / "trips.csv", trips(1500, 0), NAMES), "bayesnet", out=folder / "model", judge=False)
    return folder


@pytest.fixture(scope="module")
def model(place: Path) -> Model:
    return load(place / "model")


def codec_of(model: Model) -> TableCodec:
    assert isinstance(model.codec, TableCodec)
    assert set(model.codec.rules.writer) == {"borough", "color", "payment", "end", "total"}
    return model.codec


@pytest.mark.parametrize("best", [False, True])
def test_filled_rows_obey_given_the_known_cells(model: Model, best: bool) -> None:
    codec, real = codec_of(model), trips(180, 5)
    torn = real.copy()
    hidden = np.arange(180) % 9
    torn[np.arange(180), hidden] = "?"
    torn[::4, 0] = ""
    found = model.impute(Cells(NAMES, torn), best=best)
    table, gone = found.tables[0], (torn == "?") | (torn == "")
    assert not any("stay" in note for note in found.notes)
    assert (table[~gone] == torn[~gone]).all()
    assert not np.isin(table, ["?", ""]).any()
    assert codec.rules.kept(table).all()
    # these follow
    for number, name in enumerate(NAMES):
        if name in ("fare", "extra", "total"):
            assert (table[hidden == number, number] == real[hidden == number, number]).all()
    lone = (hidden == 1) & ~gone[:, 0]
    assert lone.any()
    assert (table[lone, 1] == real[lone, 1]).all()


def test_what_determines_is_drawn_among_what_agrees(model: Model) -> None:
    torn = trips(600, 6)
    torn[:, 0], torn[:, 1], torn[:, 4:6] = "", "Queens", ""
    zones, counts = np.unique(model.impute(Cells(NAMES, torn)).tables[0][:, 0].astype(str), return_counts=True)
    assert zones.tolist() == ["z0", "z3", "z6"]
    assert np.abs(counts / 600 - np.array([0.30, 0.10, 0.04]) / 0.44).max() < 0.08


def test_gaps_stay_where_nothing_obeys_and_broken_rows_are_named(model: Model) -> None:
    torn = trips(4, 7)
    torn[0, 4], torn[0, 5] = "", "-100000"
    torn[1, 1], torn[1, 8] = "Bronx" if torn[1, 1] == "Queens" else "Queens", ""
    torn[2, [2, 3]] = ["black", ""]
    found = model.impute(Cells(NAMES, torn))
    table, said = found.tables[0], " ".join(found.notes)
    assert table[0, 4] == ""
    assert "row 1: gaps stay" in said
    assert "row 2: its known cells break a rule and stay: zone gives borough" in said
    assert table[1, 8] == str(int(torn[1, 6]) + int(torn[1, 7]))
    assert table[2, 3] == "app"
    assert (table[3] == torn[3]).all()
    assert found.counts == {"payment": 1, "total": 1, "start": 0}


def shares(model: Model, rows: np.ndarray, column: str) -> list[dict[str, float]]:
    return [row["probabilities"] for row in model.classify(Cells(NAMES, rows), column=column)["rows"]]


def log_probs(model: Model, rows: np.ndarray, number: int, values: Any) -> np.ndarray:
    found = []
    for value in values:
        changed = rows.copy()
        changed[:, number] = value
        x = torch.from_numpy(codec_of(model).encode(changed))
        found.append(model.generator.log_prob(x).double().numpy())  # type: ignore[operator]
    return np.stack(found, 1)


def test_classes_of_joint_and_determined_columns_are_sums_of_what_agrees(model: Model) -> None:
    rows = trips(30, 8)
    rows[:, 3] = "card"
    logs = log_probs(model, rows, 2, ["green", "yellow"])
    expected = np.exp(logs - np.logaddexp.reduce(logs, 1, keepdims=True))
    rows[:, 2] = "not looked at"
    found = shares(model, rows, "color")
    assert np.allclose([[one["green"], one["yellow"], one["black"]] for one in found], np.pad(expected, ((0, 0), (0, 1))), atol=1e-9)
    # the borough without its zone: all zones by their likelihood
    logs = log_probs(model, rows, 0, [f"z{zone}" for zone in range(9)])
    joint = np.exp(logs - np.logaddexp.reduce(logs, 1, keepdims=True))
    rows[:, 0] = "nowhere"
    found = shares(model, rows, "borough")
    for place, borough in enumerate(BOROUGHS):
        assert np.allclose([one[borough] for one in found], joint[:, place::3].sum(1), atol=1e-9)


def test_a_part_of_a_sum_is_told_from_the_rest_of_it(model: Model) -> None:
    rows = trips(30, 9)
    assert [one[extra] for one, extra in zip(shares(model, rows, "extra"), rows[:, 7], strict=True)] == pytest.approx([1.0] * 30)


def test_a_category_among_the_parts_of_a_sum_keeps_its_values(model: Model) -> None:
    rows = trips(150, 5)
    gaps = rows.copy()
    gaps[:, 6:8] = ""
    filled = np.asarray(model.restore(Cells(NAMES, gaps)).tables[0])
    done = filled[:, 7] != ""
    assert done.mean() > 0.9
    assert set(filled[done, 7]) <= {"0", "1", "2"}
    assert all(int(fare) + int(extra) == int(total) for fare, extra, total in filled[done, 6:9])


def test_what_is_made_of_several_is_no_class(model: Model) -> None:
    with pytest.raises(Refused, match=r"total = fare [+] extra.*ask for fare or extra"):
        model.classify(Cells(NAMES, trips(3, 1)), column="total")
    with pytest.raises(Refused, match=r"end is made of several columns .*ask for start"):
        model.detect(Cells(NAMES, trips(3, 1)), ("end", "100"))


def test_cells_that_break_a_rule_are_odd_in_themselves(model: Model) -> None:
    rows = trips(200, 10)
    rows[10, 1] = "Bronx" if rows[10, 1] == "Queens" else "Queens"
    rows[20, [2, 3]] = ["black", "cash"]
    rows[30, [4, 5]] = ["300", "299"]
    rows[40, 8] = str(int(rows[40, 8]) + 5)
    found = model.detect(Cells(NAMES, rows))
    top = {row["row"]: row["cells"][0] for row in found.top[:4]}
    assert {row: cell["column"] for row, cell in top.items()} == {11: "borough", 21: "payment", 31: "end", 41: "total"}
    assert top[41]["usual"] == str(int(rows[40, 6]) + int(rows[40, 7]))
    assert top[11]["usual"] == trips(200, 10)[10, 1]
    for words in ("row 11, column borough", "color and payment stand only", "row 31, column end: '299' breaks a rule", "total = fare"):
        assert words in " ".join(found.notes)
    # one more cell in a row that obeys, the same likelihood: what is added is log(training rows + 1)
    clean = trips(200, 10)
    training = int(max(getattr(column, "counts", np.zeros(1)).sum() for column in codec_of(model).columns))
    assert found.scores[10] - model.detect(Cells(NAMES, clean)).scores[10] == pytest.approx(np.log(training + 1))
    # a determined column may be away
    less = [number for number, name in enumerate(NAMES) if name != "borough"]
    without = model.detect(Cells(tuple(NAMES[number] for number in less), clean[:, less]))
    assert np.allclose(without.scores, model.detect(Cells(NAMES, clean)).scores)


def test_generated_rows_of_a_class_obey(model: Model) -> None:
    found = model.augment("borough")
    rows = found.table[-found.added :]
    assert codec_of(model).rules.kept(rows).all()
    counts = np.unique(found.table[:, 1].astype(str), return_counts=True)[1]
    assert len(set(counts.tolist())) == 1
    zones = rows[:, 0].tolist()
    assert zones.count("z2") > zones.count("z5") > 0


def test_questions_and_what_if_go_through_the_rules(model: Model) -> None:
    zones = sum(model.ask(f"zone=z{zone}")["probability"] for zone in (0, 3, 6))
    assert model.ask("borough=Queens")["probability"] == pytest.approx(zones)
    assert model.ask("zone=z1", where=["borough=Queens"])["probability"] == 0
    made = model.sample(200, where={"borough": "Kings", "payment": "cash"})
    assert codec_of(model).rules.kept(np.asarray(made)).all()
    assert set(np.asarray(made)[:, 1]) == {"Kings"}
    assert set(np.asarray(made)[:, 2]) == {"green"}


def test_a_misspelt_setting_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"setting of the table codec 'rulez'; did you mean 'rules'"):
        morelike.train(write(tmp_path / "trips.csv", trips(30, 0), NAMES), "bayesnet", out=tmp_path / "model", **{"codec.rulez": "none"})

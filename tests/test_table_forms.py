"""Files in another form than training had: read by their own, written back in it, or refused with row and column; never half of each."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import morelike
from conftest import Runner
from morelike.core.errors import BadInput
from morelike.data.open import open_source
from morelike.data.table import Cells, TableCodec
from morelike.data.table_numbers import NumberFormat, readings
from morelike.house.model import Model, load
from morelike.house.prepare import prepare
from morelike.house.table_recast import as_source, recasting

NAMES = ("city", "rent", "share", "rooms", "since", "smoker")
RENTS = {"Bern": 1000, "Basel": 2000, "Zug": 4000}


def flats(count: int, seed: int) -> np.ndarray:
    """(count,6) rows with decimal points, months first, and yes or no."""
    rng = np.random.default_rng(seed)
    rows = np.empty((count, len(NAMES)), dtype=object)
    for row in range(count):
        city = str(rng.choice([*RENTS]))
        rent = RENTS[city] + int(rng.integers(0, 50_000)) / 100
        day = np.datetime64("2020-01-01") + int(rng.integers(0, 900))
        year, month, number = str(day).split("-")
        since = f"{month}/{number}/{year}"
        rows[row] = [city, f"{rent:.2f}", f"{rent / 4500:.3f}", str(int(rent // 1000)), since, str(rng.choice(["yes", "no"]))]
    return rows


def swiss(rows: np.ndarray) -> np.ndarray:
    """The same rows with decimal commas, points for thousands, days first, and capitals."""
    out = rows.copy()
    out[:, 1] = [f"{float(text):,.2f}".translate(str.maketrans(",.", ".,")) if text else "" for text in rows[:, 1]]
    out[:, 2] = [text.replace(".", ",") for text in rows[:, 2]]
    out[:, 4] = [f"{text[3:5]}.{text[:2]}.{text[6:]}" if text else "" for text in rows[:, 4]]
    out[:, 5] = [text.upper() for text in rows[:, 5]]
    return out


def write(path: Path, rows: np.ndarray, names: Any = NAMES) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([names, *rows.tolist()])
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forms")
    morelike.train(write(folder / "flats.csv", flats(500, 0)), "bayesnet", out=folder / "model", judge=False)
    return folder


@pytest.fixture(scope="module")
def model(place: Path) -> Model:
    return load(place / "model")


def test_rows_are_filled_in_the_form_of_their_file(morelike_cli: Runner, model: Model, place: Path) -> None:
    torn = flats(40, 1)
    for row in range(12):
        torn[row, row % 6] = ""
    points = model.impute(Cells(NAMES, torn)).tables[0]
    file = write(place / "swiss.csv", swiss(torn)[:, ::-1], NAMES[::-1])
    ended = morelike_cli("restore", place / "model", file, "--out", place / "filled.csv", "--json")
    assert ended.code == 0, ended.err
    assert "is read as" in " ".join(ended.json["notes"])
    with (place / "filled.csv").open(encoding="utf-8", newline="") as text:
        names, *rows = csv.reader(text, delimiter=";")
    assert tuple(names) == NAMES[::-1]
    assert (np.array(rows, dtype=object)[:, ::-1] == swiss(points)).all()


def test_a_column_of_gaps_is_filled_like_the_others(model: Model) -> None:
    torn = swiss(flats(10, 2))
    torn[:, 1] = ""
    filled = model.impute(Cells(NAMES, torn)).tables[0]
    assert all("," in text and "." not in text for text in filled[:, 1])


def test_scores_and_classes_are_those_of_the_same_values(model: Model) -> None:
    rows = flats(60, 3)
    plain, other = (model.detect(Cells(NAMES, form)) for form in (rows, swiss(rows)))
    assert (plain.scores == other.scores).all()
    shown, mine = other.top[0]["cells"], plain.top[0]["cells"]
    assert [cell["value"] for cell in shown] == [swiss(rows)[other.top[0]["row"] - 1, NAMES.index(cell["column"])] for cell in shown]
    assert [cell["share"] for cell in shown] == [cell["share"] for cell in mine]
    first, second = (model.classify(Cells(NAMES, form), column="smoker")["rows"] for form in (rows, swiss(rows)))
    assert [row["label"] for row in second] == [row["label"].upper() for row in first]
    assert [list(row["probabilities"].values()) for row in second] == [list(row["probabilities"].values()) for row in first]


def test_data_to_judge_on_is_brought_into_the_form_of_training(model: Model, place: Path) -> None:
    assert isinstance(model.codec, TableCodec)
    rows = flats(500, 0)
    other = write(place / "judged.csv", swiss(rows)[:, ::-1], NAMES[::-1])
    found = prepare(model.package.recipe, other, recasting=recasting(model.codec))
    assert (found.source.items.cells == rows).all()
    assert found.codec.spec == model.codec.spec
    assert found.source.columns["city"].categories == ("Basel", "Bern", "Zug")
    same = prepare(model.package.recipe, place / "flats.csv", recasting=recasting(model.codec))
    assert same.split.fingerprint == model.package.recipe.fingerprint


def test_data_in_another_form_and_order_is_scored_and_goes_back_as_it_was(model: Model, place: Path) -> None:
    rows = flats(150, 4)
    plain = write(place / "plain.csv", rows)
    other = write(place / "other.csv", np.concatenate([swiss(rows)[:, ::-1], np.full((150, 1), "x")], 1), (*NAMES[::-1], "more"))
    assert isinstance(model.codec, TableCodec)
    source, said = recasting(model.codec)(open_source(other))
    assert "doesn't know: more" in " ".join(said)
    assert (as_source(model.codec, source.items, source.items.cells).handed() == swiss(rows)).all()
    found = model.detect(data=other)
    assert (found.scores == model.detect(data=plain).scores).all()
    assert all("," in text for text in found.table[:, 1])
    write(place / "less.csv", rows[:, :4], NAMES[:4])
    with pytest.raises(BadInput, match="lacks the column 'since'"):
        model.judge(place / "less.csv")
    with pytest.raises(BadInput, match="lacks the column 'since'"):
        model.augment("city", 20, data=place / "less.csv")


def comma(text: str, row: int) -> str:
    return text.replace(".", ",")


@pytest.mark.parametrize(
    ("column", "change", "said"),
    [
        ("rent", lambda text, row: comma(text, row) if row % 2 else text, "row 1, column rent: '.*' has another decimal sign than"),
        ("rent", lambda text, row: comma(text, row) if row == 7 else text, "row 8, column rent: '.*' has another decimal sign than"),
        ("share", lambda text, row: f"{text} %", "row 1, column share: '.* %' has the unit '%', training had none"),
        ("since", lambda text, row: "03-04-2020", "row 1, column since: '03-04-2020' may have the day or the month first"),
        ("since", lambda text, row: "13/01/2020" if row == 5 else "01/14/2020", "row 6, column since: '13/01/2020' has day and month in"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(model: Model, column: str, change: Callable[[str, int], str], said: str) -> None:
    rows = flats(20, 5)
    rows[:, NAMES.index(column)] = [change(text, row) for row, text in enumerate(rows[:, NAMES.index(column)])]
    for task in (model.impute, model.detect, lambda cells: model.classify(cells, column="city")):
        with pytest.raises(BadInput, match=said):
            task(Cells(NAMES, rows))


def test_a_model_is_asked_about_its_own_data_whatever_stands_there(place: Path) -> None:
    rows = flats(200, 8)
    rows[::3, 1] = [text.replace(".", ",") if row % 2 else text for row, text in enumerate(rows[::3, 1])]
    model = morelike.train(write(place / "mixed.csv", rows), "bayesnet", out=place / "mixed", judge=False)
    assert np.isfinite(model.detect().scores).all()


def test_thousands_or_decimals_are_told_by_the_other_columns(model: Model) -> None:
    rows = flats(1, 6)
    rows[0, 1:3] = ["1,234", "0.274"]
    assert "'1,234' is read as '1234'" in " ".join(model.detect(Cells(NAMES, rows)).notes)
    rows[0, 2] = "0,274"
    assert "'1,234' is read as '1.234'" in " ".join(model.detect(Cells(NAMES, rows)).notes)
    with pytest.raises(BadInput, match=r"row 1, column rent: '1,234' may be 1.234 or 1234|may be 1234 or 1.234"):
        model.impute(Cells(NAMES[:2], rows[:, :2]))


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("rent", lambda text: comma(text, 0)), ("rent", lambda text: f"{float(text):,.2f}"), ("rent", lambda text: f"€ {text}"),
        ("rent", lambda text: f" {text} "), ("smoker", lambda text: str(int(text == "yes"))), ("smoker", str.title),
        ("since", lambda text: f"{text[3:6]}{text[:3]}{text[6:]}"), ("since", lambda text: f"{text[6:]}-{text[:2]}-{text[3:5]}"),
        ("since", lambda text: f"{text[6:]}-{text[:2]}-{text[3:5]} 00:00:00"),
    ],
)  # fmt: skip
def test_other_ways_to_write_mean_the_same(model: Model, column: str, change: Callable[[str], str]) -> None:
    rows = flats(30, 7)
    other = rows.copy()
    other[:, NAMES.index(column)] = [change(text) for text in rows[:, NAMES.index(column)]]
    found = model.detect(Cells(NAMES, other))
    assert (found.scores == model.detect(Cells(NAMES, rows)).scores).all()
    assert any("is read as" in note for note in found.notes)
    assert (found.table[:, : len(NAMES)] == other).all()


@given(st.lists(st.decimals(-10**7, 10**7, places=2), min_size=1, max_size=20), st.sampled_from(["", ".", " "]))
@settings(max_examples=60, deadline=None)
def test_plain_numbers_come_back_from_any_signs(values: list[Any], thousands: str) -> None:
    form = NumberFormat(",", thousands, decimals=2, least=2)
    texts = [form.dressed(str(value)) for value in values]
    assert [form.plain(text) for text in texts] == [str(value) for value in values]
    assert any([own.plain(text) for text in texts] == [str(value) for value in values] for own in readings(texts))

"""Tasks on tables with known answers: a column that follows from another, planted anomalies, classes by enumeration, useless noise."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import morelike
from conftest import Runner
from morelike.core.abilities import Infills
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.data.table import Cells, TableCodec
from morelike.house import detecting, table_bayes
from morelike.house.audience import Silent
from morelike.house.model import Model, load
from morelike.house.ranking import ranked
from morelike.house.table_rows import Rows
from morelike.maths.table_distance import resampled_areas
from morelike.tasks import augmenting, table_rivals
from morelike.tasks.detecting import surprise
from morelike.tasks.imputing import impute, likeliest

CITIES = {"Bern": "BE", "Basel": "BS", "Zug": "ZG"}
RENTS = {"Bern": 1000, "Basel": 2000, "Zug": 4000}
NAMES = ("customer", "city", "canton", "rent", "smoker", "note")


def flats(count: int, seed: int) -> np.ndarray:
    """(count,6) rows: the city says the canton and about the rent; of smokers a third is unknown, by no rule."""
    rng = np.random.default_rng(seed)
    rows = np.empty((count, len(NAMES)), dtype=object)
    for row in range(count):
        city = str(rng.choice([*CITIES]))
        rent = str(RENTS[city] + int(rng.integers(0, 500)))
        rows[row] = [
            f"C-{7919 * (row + 3 + seed) % 100003:06d}", city, CITIES[city], "" if rng.random() < 0.1 else rent,
            str(rng.choice(["?", "yes", "no"], p=[1 / 3, 1 / 6, 1 / 2])), "x",
        ]  # fmt: skip
    return rows


def write(path: Path, rows: np.ndarray, names: Any = NAMES) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows.tolist()])
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table-tasks")
    morelike.train(write(folder / "flats.csv", flats(900, 0)), "bayesnet", out=folder / "model", judge=False)
    return folder


@pytest.fixture(scope="module")
def model(place: Path) -> Model:
    return load(place / "model")


# restore


def test_what_follows_from_known_cells_is_recovered_and_known_cells_stay(model: Model) -> None:
    real = flats(200, 5)
    torn = real.copy()
    rng = np.random.default_rng(1)
    for row in range(200):
        torn[row, rng.choice([1, 2])] = rng.choice(["", "NA", " ? "])
    found = model.impute(Cells(NAMES, torn), best=True)
    table = found.tables[0]
    assert (table[:, [1, 2]] == real[:, [1, 2]]).all()
    gone = (torn == "") | (torn == "?") | (torn == "NA") | (torn == " ? ")
    assert (table[~gone] == torn[~gone]).all()
    assert found.counts == {NAMES[column]: int(gone[:, column].sum()) for column in (1, 2, 3, 4)}


def test_no_filled_cell_is_a_sign_of_a_missing_value_and_shares_are_those_of_what_is_known(model: Model) -> None:
    torn = flats(1500, 6)
    torn[:, 3], torn[:, 4] = "", "?"
    table = model.impute(Cells(NAMES, torn), seed=3).tables[0]
    assert set(table[:, 4]) == {"yes", "no"}
    # a third is unknown in training: of the others a quarter smokes
    assert abs((table[:, 4] == "yes").mean() - 0.25) < 0.06
    # states of the network may reach over the border of two cities' rents
    assert np.mean([RENTS[city] <= float(rent) < RENTS[city] + 500 for city, rent in table[:, [1, 3]]]) > 0.9


def test_a_copy_of_a_row_depends_on_nothing_else(model: Model) -> None:
    torn = flats(40, 7)
    torn[:, 3] = ""
    many = model.impute(Cells(NAMES, torn), 3, seed=1).tables
    few = model.impute(Cells(NAMES, torn[:5]), 2, seed=1).tables
    assert (many[1][:5] == few[1]).all()
    assert (many[0] != many[1]).any()


class Gone(Infills):
    """Draws what is refused (0) with probability 0.9, and alone where `always`; the second field repeats the first."""

    def __init__(self, always: bool) -> None:
        self.always = always

    def infill(self, x: Tensor, known: Tensor, condition: Any = None, *, noise: Noise, **dials: Any) -> Tensor:
        u = noise.uniform((1,), "u")
        value = torch.zeros_like(u) if self.always else (u > 0.9).float() + (u > 0.95).float()
        first = torch.where(known[:, :1], x[:, :1], value)
        return torch.cat((first, torch.where(known[:, 1:], x[:, 1:], first)), 1)


def test_refused_values_are_drawn_again_or_take_the_usual() -> None:
    x, known = torch.zeros(2000, 2), torch.zeros(2000, 2, dtype=torch.bool)
    known[0] = True
    found = impute(Gone(False), x, known, lambda rows, _: rows == 0, torch.full((2000, 2), 2.0), noise=Noise(0, 2000))
    assert (found[0] == 0).all()
    assert (found[1:, 0] == found[1:, 1]).all()
    assert set(found[1:, 0].tolist()) == {1.0, 2.0}
    assert 0.45 < (found[1:, 0] == 1).float().mean() < 0.55
    usual = torch.arange(1.0, 2000).view(-1, 1).expand(-1, 2)
    assert (impute(Gone(True), x[1:], known[1:], lambda rows, _: rows == 0, usual, noise=Noise(0, 1999)) == usual).all()


def test_the_likeliest_is_the_commonest_word_and_the_median_of_the_numbers() -> None:
    draws = torch.tensor([[[0, 5.0, 1], [0, 7.0, 2], [1, torch.nan, 2], [0, 100.0, 0]]])
    assert likeliest(draws, [True, False, True], [-1, 0, -1]).tolist() == [[0.0, 7.0, 2.0]]


def test_rows_of_another_kind_are_refused_in_words(place: Path) -> None:
    model = load(place / "model")
    with pytest.raises(BadInput, match="not from a dict"):
        model.detect({"city": ["Bern"]})  # type: ignore[arg-type]


def test_the_file_that_is_read_is_not_written_over(morelike_cli: Runner, place: Path, tmp_path: Path) -> None:
    own = write(tmp_path / "own.csv", flats(20, 9))
    before = own.read_bytes()
    for verb in ("restore", "classify", "detect"):
        ended = morelike_cli(verb, place / "model", own, "--out", tmp_path / "." / "own.csv")
        assert ended.code == 2
        assert "is the file that is read" in ended.err
    assert own.read_bytes() == before


def test_restore_writes_tables_and_says_what_is_odd(morelike_cli: Runner, place: Path) -> None:
    rows = flats(6, 8)
    rows[:, 4] = "no"
    rows[0, 1], rows[1, 2], rows[2, 3] = "Berne", "", "?"
    names = ("extra", *NAMES[::-1])
    torn = write(place / "torn.csv", np.concatenate([np.full((6, 1), "kept", dtype=object), rows[:, ::-1]], 1), names)
    ended = morelike_cli("restore", place / "model", torn, "-n", 2, "--out", place / "filled.csv", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["paths"] == [str(place / "filled-1.csv"), str(place / "filled-2.csv")]
    assert "torn.csv, row 1, column city: 'Berne'" in " ".join(ended.json["notes"])
    assert "doesn't know: extra" in " ".join(ended.json["notes"])
    filled = read(place / "filled-1.csv")
    assert [*filled[0]] == [*names]
    assert filled[0]["city"] == "Berne"
    assert filled[1]["canton"] == CITIES[filled[1]["city"]]
    assert float(filled[2]["rent"]) > 0
    assert {row["extra"] for row in filled} == {"kept"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("torn.csv",), "--out FILLED.csv"), (("nowhere.csv", "--out", "x.csv"), "there is no file"),
        (("torn.csv", "--out", "x.txt"), "in .csv or .parquet"), (("torn.csv", "--out", "x.csv", "-n", "2", "--best"), "one best filling"),
        (("torn.csv", "--out", "x.csv", "--gap-length", "2"), "is for texts"), (("other.csv", "--out", "x.csv"), "none of the columns"),
    ],
)  # fmt: skip
def test_what_can_not_be_filled_is_refused(
    morelike_cli: Runner, place: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(place)
    write(place / "torn.csv", flats(3, 1))
    (place / "other.csv").write_text("a,b\n1,x\n2,y\n")
    ended = morelike_cli("restore", "model", *words)
    assert ended.code == 2
    assert said in ended.err
    assert not (place / "x.csv").exists()


def test_a_family_that_does_not_infill_is_refused(place: Path) -> None:
    saved = morelike.train(place / "flats.csv", "copula", out=place / "copula", judge=False)
    with pytest.raises(Refused, match=r"families that can: .*bayesnet"):
        saved.impute(Cells(NAMES, flats(3, 1)))
    with pytest.raises(BadInput, match="between 1 and 100"):
        load(place / "model").impute(Cells(NAMES, flats(3, 1)), 101)


# classify


def each(model: Model, rows: np.ndarray, number: int, values: Any) -> Tensor:
    """(N,K) log p(row with each value in a column), of rows in which it determines others."""
    found = []
    for value in values:
        changed = rows.copy()
        changed[:, number] = value
        found.append(model.generator.log_prob(torch.from_numpy(model.codec.encode(changed))).double())  # type: ignore[operator]
    return torch.stack(found, 1)


def test_the_class_of_a_row_is_that_of_enumeration(model: Model) -> None:
    rows = flats(50, 9)
    expected = each(model, rows, 1, CITIES).softmax(1)
    rows[:, 1] = "not looked at"
    found = model.classify(Cells(("city", "rent", "smoker"), rows[:, [1, 3, 4]]), column="city")
    shares = torch.tensor([[row["probabilities"][city] for city in CITIES] for row in found["rows"]], dtype=torch.float64)
    assert torch.allclose(shares, expected, atol=1e-9)


def test_what_determines_the_class_says_it_and_what_the_class_determines_is_heeded(model: Model) -> None:
    rows = flats(50, 9)
    torn = rows.copy()
    torn[:, 2] = "not looked at"
    found = model.classify(Cells(NAMES, torn), column="canton")["rows"]
    assert [row["probabilities"][canton] for row, canton in zip(found, rows[:, 2], strict=True)] == [1.0] * 50
    torn[:, 1:3], torn[:, 2] = "not looked at", rows[:, 2]
    assert [row["label"] for row in model.classify(Cells(NAMES, torn), column="city")["rows"]] == rows[:, 1].tolist()
    # a city that training never had says nothing, and so all cities are summed over
    torn[:, 1:3] = "not looked at"
    shares = [list(row["probabilities"].values()) for row in model.classify(Cells(NAMES, torn), column="canton")["rows"]]
    cantons = [*model.classify(Cells(NAMES, torn), column="canton")["rows"][0]["probabilities"]]
    cities = [CITIES_OF[canton] for canton in cantons]
    assert np.allclose(shares, each(model, rows, 1, cities).softmax(1).numpy(), atol=1e-9)


def test_held_out_rows_are_classified_beside_others(morelike_cli: Runner, place: Path) -> None:
    found = morelike_cli("classify", place / "model", "--column", "canton", "--json").json
    rows = {row["name"]: row for row in found["rows"]}
    assert found["classes"] == 3
    assert rows["bayesnet"]["accuracy"] == rows["boosted trees"]["accuracy"] == rows["logistic regression"]["accuracy"] == 1.0
    assert rows["bayesnet"]["auc"] == 1.0
    assert rows["commonest class"]["auc"] == 0.5
    smoker = morelike_cli("classify", place / "model").out
    # the last column is the default, a sign of a missing value no class; nothing says who smokes, and a quarter does
    assert "2 classes of smoker" in smoker


def test_classes_are_written_beside_the_rows(morelike_cli: Runner, place: Path) -> None:
    some = flats(5, 10)
    file = write(place / "some.csv", some[:, [0, 1, 3, 4, 5]], [name for name in NAMES if name != "canton"])
    ended = morelike_cli("classify", place / "model", file, "--column", "canton", "--out", place / "named.csv")
    assert ended.code == 0, ended.err
    named = read(place / "named.csv")
    assert [row["likeliest canton"] for row in named] == some[:, 2].tolist()
    assert all(float(row["probability"]) > 0.9 for row in named)


def test_what_is_no_class_is_refused(model: Model) -> None:
    rows = Cells(NAMES, flats(3, 1))
    with pytest.raises(UnknownName, match="did you mean 'canton'"):
        model.classify(rows, column="cantons")
    with pytest.raises(Refused, match="rent is none"):
        model.classify(rows, column="rent")
    with pytest.raises(Refused, match="customer is not learnt"):
        model.classify(rows, column="customer")
    with pytest.raises(BadInput, match="lacks the column 'city'"):
        model.classify(Cells(("canton", "rent", "smoker"), rows.cells[:, 2:5]))
    with pytest.raises(BadInput, match="nothing to fix"):
        model.classify(rows, where={"city": "Bern"})


def test_rivals_learn_what_can_be_learnt() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=600), rng.integers(0, 4, 600), rng.normal(size=600)], 1)
    labels = ((x[:, 1] > 1) & (np.nan_to_num(x[:, 0]) > -5)).astype(np.int64)
    x[::7, 0] = np.nan
    found = table_rivals.classifiers(x[:400], labels[:400], x[400:], [0, 5, 0], 3)
    assert found.keys() == {"boosted trees", "logistic regression", "naive Bayes"}
    for log_probs in found.values():
        assert (log_probs.argmax(1) == labels[400:]).all()
        assert np.allclose(np.exp(log_probs).sum(1), 1.0)
        assert (log_probs[:, 2] == -np.inf).all()
    odd = x[400:].copy()
    odd[0] = [9.0, 4, -9.0]
    assert table_rivals.isolation(x[:400], odd, [0, 5, 0]).argmax() == 0
    assert table_rivals.classifiers(x, np.zeros(600, np.int64), x, [0, 5, 0], 2) == {}


# detect


def test_planted_rows_are_the_oddest_and_their_cells_are_named(morelike_cli: Runner, place: Path) -> None:
    rows = flats(300, 11)
    rows[:, 3] = [cell or "1200" if city == "Bern" else cell for city, cell in rows[:, [1, 3]]]
    rows[17, 1:4] = ["Bern", "ZG", "1100"]
    rows[40, 1:4] = ["Zug", "ZG", "1001"]
    rows[41, 3] = "90000"
    rows[99, 1] = "Atlantis"
    rows[120, 2] = ""
    file = write(place / "odd.csv", rows)
    ended = morelike_cli("detect", place / "model", file, "--out", place / "scores.csv", "--json")
    assert ended.code == 0, ended.err
    top = {row["row"]: row for row in ended.json["top"][:5]}
    assert top.keys() == {18, 41, 42, 100, 121}
    assert top[18]["cells"][0]["column"] in ("canton", "city")
    assert top[42]["cells"][0]["column"] == "rent"
    assert top[100]["cells"][0] == {"column": "city", "value": "Atlantis", "usual": CITIES_OF[rows[99, 2]], "share": 0.0}
    assert "odd.csv, row 100, column city: 'Atlantis'" in " ".join(ended.json["notes"])
    scores = read(place / "scores.csv")
    in_order = sorted(scores, key=lambda row: int(row["rank"]))
    assert [int(row["rank"]) for row in in_order] == list(range(1, 301))
    assert [float(row["score"]) for row in in_order] == sorted((float(row["score"]) for row in scores), reverse=True)
    assert {int(scores[row - 1]["rank"]) for row in top} == {1, 2, 3, 4, 5}


CITIES_OF = {canton: city for city, canton in CITIES.items()}


def test_a_row_is_as_odd_as_it_is_unlikely_and_a_label_is_summed_out(model: Model) -> None:
    rows = flats(30, 12)
    x = torch.from_numpy(model.codec.encode(rows))
    alone = -model.generator.log_prob(x).double().numpy()  # type: ignore[operator]
    assert np.allclose(surprise(model.generator, x), alone, atol=1e-6)  # type: ignore[arg-type]
    assert np.allclose(model.detect(Cells(NAMES, rows)).scores, alone, atol=1e-6)
    classified = table_bayes.classifier(model.package, "smoker")
    expected = -each(model, rows, 4, ["?", "yes", "no"]).logsumexp(1).numpy()
    found = detecting.detect(model.package, Rows.read(classified.codec, Cells(NAMES, rows)), Silent(), classified)
    assert np.allclose(found.scores, expected, atol=1e-6)
    # the city is known where the canton is, and the other way round
    for label in ("city", "canton"):
        classified = table_bayes.classifier(model.package, label)
        found = detecting.detect(model.package, Rows.read(classified.codec, Cells(NAMES, rows)), Silent(), classified)
        assert np.allclose(found.scores, alone, atol=1e-6)


def test_a_label_is_found_by_the_posterior_and_the_verdict_says_who_is_ahead(morelike_cli: Runner, place: Path) -> None:
    ended = morelike_cli("detect", place / "model", "--label", "canton=ZG", "--json")
    assert ended.code == 0, ended.err
    found = ended.json["evaluation"]
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["posterior"]["auroc"] == rows["boosted trees"]["auroc"] == 1.0
    assert rows["surprise"]["auroc_low"] < 0.75
    assert any("posterior against boosted trees, AUROC: neither is ahead" in line for line in found["verdict"])
    assert "canton=ZG" in morelike_cli("detect", place / "model", "--label", "canton=ZG").out
    wrong = morelike_cli("detect", place / "model", "--label", "canton=GE")
    assert wrong.code == 2
    assert "unknown value of canton 'GE'" in wrong.err


def test_who_is_ahead_follows_the_scores() -> None:
    rng = np.random.default_rng(0)
    yes = rng.random(400) < 0.3
    good, poor = yes + rng.normal(size=400) * 0.3, rng.normal(size=400)
    found = ranked({"surprise": good, "posterior": poor, "isolation forest": poor, "boosted trees": good}, yes)
    assert [line.partition(":")[2].split(" (")[0] for line in found["verdict"]] == [
        " surprise is ahead", " surprise is ahead", " boosted trees is ahead", " boosted trees is ahead",
    ]  # fmt: skip
    row = found["rows"][0]
    assert row["auroc_low"] < row["auroc"] <= row["auroc_high"]
    assert row["auroc"] > 0.95


def test_what_training_never_came_near_is_new() -> None:
    columns = [["1", "2", "4"] * 40, [str(7 * row % 120 * 3) for row in range(120)], ["a", "b", ""] * 40]
    cells = np.array(columns, dtype=object).T
    codec = TableCodec.fit(Cells(("few", "many", "word"), cells))  # type: ignore[arg-type]
    asked = [["3", "100", ""], ["5", "-1", "c"], ["", "358", "a"], ["0", "x", "b"]]
    rows = Rows.read(codec, Cells(("few", "many", "word"), np.array(asked, dtype=object)))
    assert rows.new().astype(int).tolist() == [[0, 0, 0], [1, 1, 1], [1, 1, 0], [1, 1, 0]]
    assert rows.strange().astype(int).tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]]


def test_rows_without_a_column_have_no_likelihood(model: Model, place: Path) -> None:
    with pytest.raises(BadInput, match="lacks the column 'smoker'"):
        model.detect(Cells(("canton", "city", "rent"), flats(3, 1)[:, [2, 1, 3]]))
    copula = load(place / "copula") if (place / "copula").exists() else morelike.train(
        place / "flats.csv", "copula", out=place / "copula", judge=False
    )  # fmt: skip
    with pytest.raises(Refused, match=r"can't detect; families that can: .*bayesnet"):
        copula.detect(Cells(NAMES, flats(3, 1)))


# augment


def studied(count: int, seed: int) -> np.ndarray:
    """(count,3) rows: ill are nearly all with a dose below 15 or above 85, and one in twenty of the others."""
    rng = np.random.default_rng(seed)
    dose, age = rng.integers(0, 101, count), rng.integers(20, 90, count)
    ill = rng.random(count) < np.where(np.abs(dose - 50) > 35, 0.9, 0.05)
    rows = [[str(one), str(years), "ill" if state else "well"] for one, years, state in zip(dose, age, ill, strict=True)]
    return np.array(rows, dtype=object)


STUDY = ("dose", "age", "state")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a large study and one of its columns apart; a small study with many held-out people."""
    folder = tmp_path_factory.mktemp("study")
    write(folder / "large.csv", studied(4000, 0), STUDY)
    (folder / "small").mkdir()
    write(folder / "small" / "train.csv", studied(100, 1), STUDY)
    write(folder / "small" / "test.csv", studied(700, 2), STUDY)
    for name, family in (("model", "bayesnet"), ("noise", "independent")):
        morelike.train(folder / "large.csv", family, out=folder / name, judge=False)
    return folder


def test_rows_of_a_model_that_knows_more_are_recommended(morelike_cli: Runner, study: Path) -> None:
    out = study / "bigger.csv"
    ended = morelike_cli("augment", study / "model", "--data", study / "small", "-n", 1000, "--out", out, "--json")
    assert ended.code == 0, ended.err
    found = ended.json
    assert found["recommended"]
    assert found["verdict"][0].startswith("recommended: ")
    gains = {(row["added"], row["learner"]): row for row in found["gains"]}
    assert gains["generated", found["learner"]]["gain_low"] > 0
    small = read(study / "small" / "train.csv")
    rows = read(out)
    assert len(rows) == found["rows"]
    assert len(rows) - found["added"] <= len(small)
    assert sum(found["made"].values()) == found["added"] == 1000
    assert "not the data that the model was trained on" in ended.err


def test_noise_is_not_recommended_and_not_written(morelike_cli: Runner, study: Path) -> None:
    out = study / "never.csv"
    ended = morelike_cli("augment", study / "noise", "--data", study / "small", "-n", 300, "--out", out)
    assert ended.code == 1
    assert "not recommended" in ended.out
    assert "nothing is written" in ended.out
    assert not out.exists()
    forced = morelike_cli("augment", study / "noise", "--data", study / "small", "-n", 300, "--out", out, "--anyway", "-q")
    assert forced.code == 0
    assert out.exists()


def test_each_class_is_brought_up_to_the_largest(study: Path) -> None:
    found = load(study / "model").augment()
    classes, counts = np.unique(found.table[:, -1].astype(str), return_counts=True)
    assert classes.tolist() == ["ill", "well"]
    assert counts[0] == counts[1]
    assert found.made["well"] == 0
    assert found.made["ill"] == found.added


def test_a_family_that_can_not_draw_a_class_needs_a_number_of_rows(study: Path) -> None:
    with pytest.raises(Refused, match="families that can"):
        load(study / "noise").augment()
    with pytest.raises(BadInput, match="between 1 and"):
        load(study / "model").augment(n=0)


def test_trivial_rows_are_of_the_class_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=200), rng.integers(0, 3, 200)], 1)
    labels = (x[:, 0] > 1).astype(np.int64)
    x[3, 0] = np.nan
    more = augmenting.wanted(labels, 3)
    assert more.tolist() == [0, int((labels == 0).sum() - (labels == 1).sum()), 0]
    again = augmenting.repeated(labels, more, 0)
    assert len(again) == more.sum()
    assert (labels[again] == 1).all()
    made, classes = augmenting.interpolated(x, labels, np.array([50, 70, 0]), [0, 3], 0)
    assert np.bincount(classes).tolist() == [50, 70]
    assert (made[classes == 1, 0] > 1).all()
    assert np.nanmax(made[classes == 0, 0]) <= 1
    assert set(made[:, 1]) <= {0.0, 1.0, 2.0}


def test_resampled_areas_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    yes, scores, weights = rng.random(80) < 0.4, rng.integers(0, 12, 80) / 4, rng.integers(0, 3, (5, 80))
    area, precision = resampled_areas(scores, yes, weights)
    assert np.allclose(area, [roc_auc_score(yes, scores, sample_weight=weight) for weight in weights])
    assert np.allclose(precision, [average_precision_score(yes, scores, sample_weight=weight) for weight in weights])
    assert np.isnan(resampled_areas(scores, yes, np.array([yes * 1]))[0]).all()


def test_areas_are_those_of_the_classes() -> None:
    real = np.array([0, 1, 2, 0, 1, 2])
    sure = np.log(np.eye(3)[real] * 0.9 + 0.1 / 3)
    weights = np.array([[1, 1, 1, 2, 0, 1], [0, 2, 0, 1, 1, 2]])
    assert augmenting.areas(sure, real, weights).tolist() == [1.0, 1.0, 1.0]
    assert augmenting.areas(sure[::-1], real[::-1] * 0 + real)[0] < 1.0
    two = np.log(np.array([[0.6, 0.4], [0.4, 0.6], [0.3, 0.7], [0.5, 0.5]]))
    assert augmenting.areas(two, np.array([0, 1, 0, 1]))[0] == 0.5

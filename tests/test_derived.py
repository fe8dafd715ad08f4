"""Demands on columns that a rule adds up of others: covered by boxes that don't overlap, and met exactly by drawing again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import morelike
from morelike.core.abilities import Among, Within
from morelike.core.errors import BadInput, Refused
from morelike.data.table import Cells, TableCodec
from morelike.data.table_boxes import boxes_of
from morelike.data.table_dates import duration
from morelike.data.table_demands import read_demand
from morelike.data.table_derived import derived, shown_of
from morelike.house import simulating
from morelike.house.asking import quotient
from morelike.house.model import Model, load
from morelike.house.tables import Given
from morelike.judges.intervals import Measure, wilson

NAMES = ("start", "end", "fare", "tip", "total", "day", "back", "kind")
RULES = '[[order]]\ncolumns = ["start", "end"]\n[[sum]]\ntotal = "total"\nparts = ["fare", "tip"]\n[[order]]\ncolumns = ["day", "back"]\n'


def trips(count: int, seed: int, gaps: bool = False) -> np.ndarray:
    """(count,8) rows of numbers and dates; the end and the total lean on the kind. `gaps`: some starts and ends are missing."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, count)
    start, fare, tip = rng.integers(0, 9, count), rng.integers(1, 60, count), rng.integers(0, 4, count) * (1 + kind)
    day = np.datetime64("2019-03-01") + rng.integers(0, 40, count)
    back = day + rng.integers(0, 9, count) * (1 + kind)
    columns = [start, start + rng.integers(0, 5, count) + kind, fare, tip, fare + tip, day, back, np.array(["a", "b"])[kind]]
    cells = np.array([[str(cell) for cell in column] for column in columns], dtype=object).T
    if gaps:
        cells[rng.random(count) < 0.1, 0] = ""
        cells[rng.random(count) < 0.1, 1] = ""
    return cells


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    place = tmp_path_factory.mktemp("derived")
    (place / "rules.toml").write_text(RULES)
    lines = [",".join(NAMES), *(",".join(row) for row in trips(900, 0))]
    (place / "trips.csv").write_text("\n".join(lines) + "\n")
    morelike.train(place / "trips.csv", "bayesnet", out=place / "model", judge=False)
    return load(place / "model")


@pytest.fixture(scope="module")
def plain(model: Model) -> np.ndarray:
    """Rows of the model without demands: what is conditioned on is counted on these."""
    return model.sample_rows(40_000, seed=11)[0]


DEMANDS = {
    "end>8": lambda row: int(row[1]) > 8, "end=3..4": lambda row: int(row[1]) in (3, 4), "end!=5": lambda row: row[1] != "5",
    "total>50": lambda row: int(row[4]) > 50, "total=12|40..41": lambda row: int(row[4]) in (12, 40, 41),
    "total<=3": lambda row: int(row[4]) <= 3,
    "back>=2019-04-10": lambda row: row[6] >= "2019-04-10", "back=2019-03-05": lambda row: row[6] == "2019-03-05",
}  # fmt: skip


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("text", list(DEMANDS))
def test_boxes_cover_each_row_that_fulfils_a_demand_once(text: str, gaps: bool) -> None:
    codec = TableCodec.fit(Cells(NAMES, trips(900, 1, gaps)), rules=_rules())
    assert derived(codec, text[: next(place for place, sign in enumerate(text) if sign in "<>=!")])
    demand = read_demand(text, NAMES)
    x = codec.encode(trips(3000, 2, gaps))
    written = codec.decode(x)
    good = shown_of(codec, demand.column).holds(written[:, NAMES.index(demand.column)].tolist(), demand)
    inside = np.zeros(len(x), int)
    for box in boxes_of(codec, [demand]):
        own = np.ones(len(x), bool)
        for place, allowed in box.items():
            if isinstance(allowed, Among):
                own &= allowed.ids.numpy()[x[:, place].astype(int)]
            else:
                assert isinstance(allowed, Within)
                value = x[:, place]
                within = np.any([(value >= low) & (value <= high) for low, high in allowed.ends.numpy()], 0)
                own &= within | (np.isnan(value) & allowed.missing)
        inside += own
    assert 0 < good.sum() < len(x)
    assert inside.max() == 1
    assert (inside[good] == 1).all()
    if not gaps:
        assert [DEMANDS[text](row) for row in written] == good.tolist()


def _rules() -> dict[str, object]:
    return {
        "order": [{"columns": ["start", "end"]}, {"columns": ["day", "back"]}],
        "sum": [{"total": "total", "parts": ["fare", "tip"]}],
    }


@pytest.mark.parametrize("text", list(DEMANDS))
def test_conditional_rows_and_chances_are_those_of_plain_rows_that_are_filtered(model: Model, plain: np.ndarray, text: str) -> None:
    fits = np.array([DEMANDS[text](row) for row in plain])
    rows, report = model.sample_rows(1500, [text], seed=3)
    assert report["obeyed"] == 1
    assert 0 < report["kept"] <= 1
    assert all(DEMANDS[text](row) for row in rows)
    for event in (lambda row: row[7] == "a", lambda row: int(row[3]) > 2, lambda row: int(row[0]) > 4, lambda row: row[5] > "2019-03-15"):
        wanted, found = (np.mean([event(row) for row in own]) for own in (plain[fits], rows))
        error = np.sqrt(0.25 / len(rows) + 0.25 / fits.sum())
        assert abs(wanted - found) < 4 * error
    answer = model.ask(text)
    counted = wilson(fits.mean(), len(fits))
    assert answer["interval"][0] < answer["probability"] <= answer["interval"][1]
    assert answer["interval"][0] - 0.01 < counted.value < answer["interval"][1] + 0.01
    assert report["probability"] == pytest.approx(answer["probability"], rel=0.1)


def test_a_row_is_the_same_whatever_the_number_and_another_by_another_seed(model: Model) -> None:
    whole, few = (model.sample_rows(count, ["total=40|41", "end>3"], seed=5)[0] for count in (300, 7))
    assert (whole[:7] == few).all()
    assert not (model.sample_rows(7, ["total=40|41", "end>3"], seed=6)[0] == few).all()


def test_questions_under_a_demand_on_a_derived_column(model: Model, plain: np.ndarray) -> None:
    late = plain[plain[:, 1].astype(int) > 8]
    found = model.ask("kind=b", "total>30", where=["end>8"])
    share = np.mean((late[:, 7] == "b") & (late[:, 4].astype(int) > 30))
    assert found["interval"][0] - 0.02 < share < found["interval"][1] + 0.02
    spread = model.ask("total", where=["end>8"])
    assert spread["drawn"] >= 10_000
    assert float(spread["numbers"]["mean"]) == pytest.approx(late[:, 4].astype(int).mean(), abs=1)


def test_shares_of_derived_columns_are_reached(model: Model, plain: np.ndarray) -> None:
    rows, report = model.simulate(1500, shares=["total>50:0.4"], seed=1)
    assert np.mean(rows[:, 4].astype(int) > 50) == pytest.approx(0.4, abs=0.001)
    assert report["covered"] == ["total"]
    assert 0.3 < report["kept"] <= 1
    assert report["shares"][0]["before"] == pytest.approx(np.mean(plain[:, 4].astype(int) > 50), abs=0.02)


@pytest.mark.parametrize(("place", "shift"), [(6, "back=+3d"), (5, "day=-48h")])
def test_means_of_dates_are_moved_by_durations(
    model: Model, plain: np.ndarray, place: int, shift: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulating, "_ROWS", 500)
    rows, report = model.simulate(1000, shift=shift, seed=1)
    before, after = (own[:, place].astype("datetime64[D]").astype(int).mean() for own in (plain, rows))
    assert after - before == pytest.approx(3 if place == 6 else -2, abs=0.4)
    assert report["shift"]["before"].startswith("2019-0")
    with pytest.raises(BadInput, match="is no duration"):
        model.simulate(10, shift=shift[:-1] + "x")


def test_draws_in_vain_end_in_words(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Given, "_fits", lambda self, x: torch.zeros(len(x), dtype=torch.bool))
    with pytest.raises(Refused, match=r"total>50: total follows from .*; only 0 of 4[0-9],[0-9]{3} fit, and it takes 1 in 2,000"):
        model.sample(5, ["total>50"])
    with pytest.raises(BadInput, match=r"no total that the model can write .*it goes from [12] to 6"):
        model.sample(5, ["total>500"])


@pytest.mark.parametrize(
    ("text", "days"),
    [("3d", 3), ("+2h", 2 / 24), ("-1.5w", -10.5), ("30min", 30 / 1440), ("90s", 90 / 86_400), ("-4", -4), ("2 m", np.nan)],
)
def test_durations(text: str, days: float) -> None:
    assert duration(text) == pytest.approx(days, nan_ok=True)


def test_an_interval_of_a_quotient_holds_the_true_one_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for above, below in zip(rng.binomial(4000, 0.1, 400), rng.binomial(4000, 0.4, 400), strict=True):
        found = quotient(wilson(above / 4000, 4000), wilson(below / 4000, 4000))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.25 <= found.high
    assert 0.92 < held / 400 < 0.98
    assert quotient(Measure(0.0, 0.0, 0.01), Measure(0.5, 0.4, 0.6)).high == pytest.approx(0.025)

"""Judging of tables: values by hand, an independent slow reading of the definitions, SDMetrics' own numbers, and planted faults."""

from __future__ import annotations

import csv
import math
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelike.core.errors import BadInput, Refused
from morelike.judges.report_table import MOST_COLUMNS, MOST_MAPPED, columns_section, pairs_section, table_picture
from morelike.judges.scores import Shown
from morelike.judges.table_codes import Places, TableCodes, raw_table
from morelike.judges.table_groups import TableFacts, all_rules, table_groups
from morelike.judges.table_scores import (
    AUC,
    CLOSEST,
    SHAPE,
    TREND,
    USES,
    ClosestScores,
    ShapeScores,
    TwoSampleScores,
    UseScores,
    column_errors,
    column_pairs,
    pair_errors,
    shape_error,
    table_rules,
    trend_error,
)
from morelike.maths.table_distance import (
    area_under_curve,
    contingency_gap,
    correlation,
    equal_bins,
    largest_gap,
    ones,
    total_variation,
)

_GIVEN = os.environ.get("MORELIKE_DATA")
SHARED = Path(_GIVEN) if _GIVEN else Path(__file__).parents[2] / "shared" / "data"
NAMES = ("age", "pay", "job", "sex")


def table(*columns: object) -> np.ndarray:
    """(N,C) cells of str."""
    out = np.empty((len(columns[0]), len(columns)), object)  # type: ignore[arg-type]
    for place, column in enumerate(columns):
        out[:, place] = [str(cell) for cell in column]  # type: ignore[attr-defined]
    return out


def people(rows: int, shift: int) -> np.ndarray:
    """The table whose scores SDMetrics 0.20.1 was asked for."""
    k = range(rows)
    return table(
        [20 + (j * 37 + shift * 11) % 53 + (j % 7 == 0) * shift * 9 for j in k],
        [((j * j * 13 + shift * 5) % 997) * 1.5 + (j % 3) * 40 * (2 + shift) for j in k],
        ["abcd"[(j * j + shift * (j % 2)) % 4] for j in k],
        ["mf"[(j // 3 + shift) % 2] if j % 5 else "f" for j in k],
    )


def staff(rows: int, seed: int, linked: bool = True) -> np.ndarray:
    """Random rows in which rank and pay go with age (or don't), some pay missing."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 70, rows)
    earns, holds = (age, age) if linked else (rng.integers(18, 70, rows), rng.integers(18, 70, rows))
    pay = np.exp(earns / 25 + rng.normal(0, 0.3, rows)).round(2)
    cells = ["NA" if gone else f"{value:.2f}" for value, gone in zip(pay, rng.random(rows) < 0.1, strict=True)]
    rank = np.where(holds + rng.normal(0, 6, rows) > 45, "senior", "junior")
    return table(age, cells, rng.choice(["north", "south", "west"], rows, p=[0.6, 0.3, 0.1]), rank)


STAFF = ("age", "pay", "region", "rank")


def shown(items: np.ndarray, role: str = "generated") -> Shown:
    return Shown(role, np.arange(len(items)), {}, items=items)  # type: ignore[arg-type]


# Reading cells


def test_columns_are_read_as_what_they_hold() -> None:
    rows = 60
    k = range(rows)
    cells = table(
        [j * 1.5 for j in k], [f"{j},000.5" if j else "?" for j in k], [f"{j},25" for j in k],
        [f"2019-03-{1 + j % 28:02} 10:00:00" for j in k], [f"{1 + j % 28}/12/2020" for j in k],
        [f"{j % 7:03}" for j in k], [j % 2 for j in k], ["x"] * rows, [f"name {j}" for j in k],
        ["" if j % 3 else "yes" for j in k], [f"${j}.00" for j in k], [f"1{j}.000,5" for j in k],
    )  # fmt: skip
    names = ("plain", "thousands", "comma", "iso", "day", "code", "flag", "constant", "who", "answer", "money", "dots")
    codes = TableCodes.fit(cells, names)
    kinds = {column.name: column.kind for column in codes.columns}
    assert {name for name, kind in kinds.items() if kind == "number"} == {"plain", "thousands", "comma", "iso", "day", "money", "dots"}
    assert {name for name, kind in kinds.items() if kind == "category"} == {"code", "flag", "answer"}
    coded = codes(cells)
    x = dict(zip(kinds, coded.x.T, strict=True))
    assert x["thousands"][7] == 7000.5
    assert np.isnan(x["thousands"][0])
    assert x["comma"][3] == 3.25
    assert x["dots"][2] == 12000.5
    assert x["money"][9] == 9
    assert x["iso"][1] - x["iso"][0] == 86_400
    assert x["day"][1] - x["day"][0] == 86_400


def test_category_ids_follow_frequency_and_unknown_values_share_one() -> None:
    training = table(["b", "a", "b", "?", "c", "b", "a"])
    codes = TableCodes.fit(training, ["letter"])
    assert codes.columns[0].values == ("b", "a", "?", "c")
    assert codes(table(["b", "z", "?", "B"])).x[:, 0].tolist() == [0, 4, 2, 4]


def test_left_out_and_empty_tables_are_said() -> None:
    with pytest.raises(Refused, match="no column"):
        TableCodes.fit(table(["x"] * 9), ["constant"])
    assert [column.name for column in TableCodes.fit(people(60, 0), NAMES, ["pay"]).columns] == ["age", "job", "sex"]
    codes = TableCodes.fit(people(60, 0), NAMES)
    with pytest.raises(BadInput, match="4 columns"):
        codes(people(5, 0)[:, :3])
    with pytest.raises(BadInput, match="3 column names"):
        TableCodes.fit(people(60, 0), NAMES[:3])


def test_numbers_that_are_none_are_missing() -> None:
    codes = TableCodes.fit(table(range(30)), ["n"])
    assert np.isnan(codes(table(["nan", "inf", "1e999", "", "1_0", "=1+1"])).x).all()


# Differences by hand


def test_differences_by_hand() -> None:
    # F_real(1) = 1/2, F_made(1) = 0: the gap is 1/2; at 2 it is 1/2 - 1/4.
    real, made = np.array([1.0, 1, 2, 3]), np.array([2.0, 3, 3, np.nan, 4])
    assert largest_gap(real, made, ones(5))[0] == pytest.approx(0.5)
    assert largest_gap(real, real, ones(4))[0] == 0
    assert largest_gap(real, made + 10, ones(5))[0] == 1
    assert largest_gap(real, np.full(3, np.nan), ones(3))[0] == 1
    assert largest_gap(np.full(3, np.nan), np.full(3, np.nan), ones(3))[0] == 0
    # shares 1/2 1/4 1/4 against 1/4 0 1/4 1/2
    assert total_variation(np.array([0, 0, 1, 2]), np.array([0, 2, 3, 3]), ones(4))[0] == pytest.approx(0.5)
    # the same columns, joined the other way round
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert contingency_gap((a, b), (a, a), ones(4))[0] == pytest.approx(0.5)
    assert correlation(np.array([1.0, 2, 3]), np.array([2.0, 4, 6]), ones(3))[0] == pytest.approx(1)
    assert correlation(np.array([1.0, 2, 3]), np.array([0.1, 0.1, 0.1]), ones(3))[0] == 0
    assert correlation(np.array([1.0, 2, np.nan]), np.array([5.0, 4, 9]), ones(3))[0] == pytest.approx(-1)
    # [0, 10] in ten bins; the largest value and what lies above are the eleventh
    assert equal_bins(np.array([0.0, 10]), np.array([-1, 0, 0.99, 1, 9.9, 10, 11, np.nan])).tolist() == [0, 1, 1, 2, 10, 11, 11, 12]
    assert area_under_curve(np.array([2.0, 3]), np.array([1.0, 2]))[0] == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    with pytest.raises(ValueError, match="both sides"):
        area_under_curve(np.array([1.0]), np.array([]))


def test_large_offsets_keep_their_correlation() -> None:
    rng = np.random.default_rng(0)
    moments = 1.6e9 + rng.integers(0, 1000, 400)
    values = moments - 1.6e9 + rng.normal(0, 300, 400)
    assert correlation(moments.astype(float), values, ones(400))[0] == pytest.approx(np.corrcoef(moments, values)[0, 1], abs=1e-9)


columns = st.lists(st.one_of(st.integers(-3, 3).map(float), st.just(math.nan)), min_size=1, max_size=12)


def slow_gap(real: list[float], made: list[float]) -> float:
    real, made = ([value for value in side if not math.isnan(value)] for side in (real, made))
    if not real or not made:
        return float(len(real) != len(made))
    return max(abs(sum(r <= at for r in real) / len(real) - sum(m <= at for m in made) / len(made)) for at in [*real, *made])


@given(columns, columns, st.integers(0, 5))
def test_weighted_gaps_are_those_of_the_repeated_rows(real: list[float], made: list[float], seed: int) -> None:
    weights = np.random.default_rng(seed).multinomial(len(made), [1 / len(made)] * len(made))
    both = np.stack([np.ones(len(made)), weights], 1)
    repeated = np.repeat(made, weights).tolist()
    found = largest_gap(np.array(real), np.array(made), both)
    assert found[0] == pytest.approx(slow_gap(real, made), abs=1e-9)
    if any(not math.isnan(value) for value in repeated):
        assert found[1] == pytest.approx(slow_gap(real, repeated), abs=1e-9)
    ids = [np.nan_to_num(np.array(side), nan=4).astype(int) + 3 for side in (real, made, repeated)]
    shares = [Counter(side.tolist()) for side in ids]
    for which, column in ((1, 0), (2, 1)):
        expected = sum(abs(shares[0][k] / len(ids[0]) - shares[which][k] / len(ids[which])) for k in range(9)) / 2
        assert total_variation(ids[0], ids[1], both)[column] == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 3)), min_size=3, max_size=20))
def test_weighted_correlation_is_that_of_the_repeated_rows(rows: list[tuple[float, float, int]]) -> None:
    a, b, weights = (np.array(column) for column in zip(*rows, strict=True))
    x, y = np.repeat(a, weights), np.repeat(b, weights)
    if len(x) > 1 and x.std() > 1e-3 and y.std() > 1e-3:
        found = correlation(a, b, weights[:, None].astype(np.float32))[0]
        assert found == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-5)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=15), st.lists(st.integers(0, 4), min_size=1, max_size=15))
def test_area_under_the_curve_counts_all_pairs(positive: list[int], negative: list[int]) -> None:
    wins = sum((p > q) + 0.5 * (p == q) for p in positive for q in negative)
    assert area_under_curve(np.array(positive), np.array(negative))[0] == pytest.approx(wins / len(positive) / len(negative))


def test_contingency_of_huge_tables_is_the_same_squeezed(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    real, made = ((rng.integers(0, 40, n), rng.integers(0, 30, n)) for n in (300, 200))
    plain = contingency_gap(real, made, ones(200))
    monkeypatch.setattr("morelike.maths.table_distance._TABLE", 100)
    assert contingency_gap(real, made, ones(200)) == pytest.approx(plain)


# The published scores


def test_shape_and_trend_are_those_of_sdmetrics() -> None:
    """Golden values: QualityReport of SDMetrics 0.20.1 on the same two tables (it adds a millionth for values unseen in real data)."""
    real, made = people(240, 0), people(150, 1)
    codes = TableCodes.fit(real, NAMES)
    a, b = codes(real), codes(made)
    assert 1 - column_errors(a, b)[:, 0] == pytest.approx([0.9575, 0.9308333333333333, 0.5, 1.0], abs=1e-6)
    expected = [0.906182544875759, 0.4191666666666667, 0.8416666666666667, 0.4491666666666667, 0.8241666666666667, 0.3666666666666667]
    assert 1 - pair_errors(a, b, column_pairs(4), own_range=True)[:, 0] == pytest.approx(expected, abs=1e-9)
    assert shape_error(a, b) == pytest.approx(100 * (1 - 0.8470833338541666), abs=1e-4)
    assert trend_error(a, b, own_range=True) == pytest.approx(100 * (1 - 0.6345026463681821), abs=1e-6)


def slow_pair(real: list[tuple[str, str]], made: list[tuple[str, str]]) -> float:
    """1 - ContingencySimilarity of age (number) and job by a plain reading of the definition, bins on the real range."""
    ages = [float(age) for age, _ in real]
    low, width = min(ages), (max(ages) - min(ages)) / 10

    def key(age: str, job: str) -> tuple[int, str]:
        edges = [low + number * width for number in range(10)] + [max(ages)]
        return sum(float(age) >= edge for edge in edges), job

    shares = [{k: v / len(side) for k, v in Counter(key(*row) for row in side).items()} for side in (real, made)]
    return sum(abs(shares[0].get(k, 0) - shares[1].get(k, 0)) for k in shares[0].keys() | shares[1].keys()) / 2


def test_bins_stand_on_the_real_range() -> None:
    real, made = people(240, 0), people(150, 1)
    codes = TableCodes.fit(real, NAMES)
    errors = pair_errors(codes(real), codes(made), [(0, 2)])[:, 0]
    rows = [[(row[0], row[2]) for row in side] for side in (real.tolist(), made.tolist())]
    assert errors[0] == pytest.approx(slow_pair(rows[0], rows[1]))
    assert errors[0] != pytest.approx(pair_errors(codes(real), codes(made), [(0, 2)], own_range=True)[0, 0])


def test_wide_tables_compare_some_pairs() -> None:
    assert len(column_pairs(1000)) == 500
    assert column_pairs(3) == [(0, 1), (0, 2), (1, 2)]
    assert column_pairs(1) == []


# Planted faults


@pytest.fixture(scope="module")
def codes() -> TableCodes:
    return TableCodes.fit(staff(1500, 0), STAFF)


def test_shapes_and_trends_see_what_is_wrong(codes: TableCodes) -> None:
    group = ShapeScores(codes, staff(1500, 0), 0)
    fresh, loose = group.measure(shown(staff(500, 1))), group.measure(shown(staff(500, 2, linked=False)))
    older = staff(500, 3)
    older[:, 0] = [str(int(age) + 15) for age in older[:, 0]]
    shifted = group.measure(shown(older))
    assert fresh[SHAPE].value < 6
    assert loose[SHAPE].value < 6
    assert shifted[SHAPE].value > fresh[SHAPE].value + 5
    low = loose[TREND].low
    assert low is not None
    assert fresh[TREND].value < low
    assert group.measure(shown(staff(500, 1), "baseline"))[SHAPE].low is None


def test_bootstrap_interval_holds_another_draws_value(codes: TableCodes) -> None:
    group = ShapeScores(codes, staff(1500, 0), 0)
    here = group.measure(shown(staff(400, 10)))
    others = [group.measure(shown(staff(400, seed), "baseline"))[TREND].value for seed in range(11, 31)]
    low, high = here[TREND].low, here[TREND].high
    assert low is not None
    assert high is not None
    assert low < here[TREND].value < high
    half = (high - low) / 2
    assert 0.4 < half / (1.96 * float(np.std(others))) < 3


def test_trees_tell_broken_rows_from_real_ones(codes: TableCodes) -> None:
    group = TwoSampleScores(codes, staff(1500, 0), 0)
    fresh, loose = group.measure(shown(staff(500, 1)))[AUC], group.measure(shown(staff(500, 2, linked=False)))[AUC]
    assert 0.42 < fresh.value < 0.58
    assert fresh.low is not None
    assert fresh.low < fresh.value
    assert loose.value > 0.8


def test_closest_record_sees_copies(codes: TableCodes) -> None:
    training, heldout = staff(600, 0), staff(600, 1)
    group = ClosestScores(codes, training, heldout, 0)
    copied = group.measure(shown(training[:300]))[CLOSEST].value
    assert copied > 0.9
    assert 0.4 < group.measure(shown(staff(300, 5)))[CLOSEST].value < 0.6
    assert 0.4 < group.measure(shown(heldout, "holdout"))[CLOSEST].value < 0.6
    with pytest.raises(Refused, match="at least 50"):
        ClosestScores(codes, training, heldout[:20], 0)


def test_held_out_rows_are_told_from_themselves_by_their_place() -> None:
    """Of many held-out rows only some are looked among: the others meet all of these, the chosen all but themselves."""
    training, heldout = staff(80, 0), staff(400, 1)
    group = ClosestScores(TableCodes.fit(training, STAFF), training, heldout, 0)
    assert len(group.rows) == 80
    rows = np.arange(100, 400, 3)
    part = Shown("holdout", rows, {}, items=heldout[rows])
    points = group.places(group.codes(heldout[rows])).astype(float)
    among = group.heldout
    expected = []
    for point, row in zip(points, rows, strict=True):
        distances = np.sqrt(((among - point) ** 2).sum(1))
        expected.append(distances[group.rows != row].min())
    assert group._held(points, part, np.arange(len(rows))) == pytest.approx(np.array(expected), abs=1e-9)


def test_use_for_training(codes: TableCodes) -> None:
    group = UseScores(codes, staff(800, 0), staff(600, 1), "rank", 0)
    assert group.name == USES[0]
    real = group.measure(shown(staff(500, 1), "holdout"))[USES[0]].value
    made, loose = (group.measure(shown(staff(500, 7, linked)))[USES[0]].value for linked in (True, False))
    flipped = staff(500, 8)
    flipped[:, 3] = np.where(flipped[:, 3] == "senior", "junior", "senior")
    assert real > 0.9
    assert abs(made - real) < 0.05
    assert loose < 0.7
    assert group.measure(shown(flipped))[USES[0]].value < 0.1
    one = staff(60, 9)
    one[:, 3] = "senior"
    assert group.measure(shown(one)) == {}
    with pytest.raises(Refused, match="numbers"):
        UseScores(codes, staff(80, 0), staff(60, 1), "age", 0)
    with pytest.raises(Refused, match="'nothing'"):
        UseScores(codes, staff(80, 0), staff(60, 1), "nothing", 0)


def test_use_for_training_with_more_classes() -> None:
    def banded(seed: int) -> np.ndarray:
        cells = staff(400, seed)
        cells[:, 3] = [("young", "middle", "old")[min(2, (int(age) - 18) // 18)] for age in cells[:, 0]]
        return cells

    codes = TableCodes.fit(banded(0), STAFF)
    group = UseScores(codes, banded(0), banded(1), "rank", 0)
    right, wrong = banded(2), banded(3)
    wrong[:, 3] = np.random.default_rng(0).permutation(wrong[:, 3])
    assert group.measure(shown(right))[USES[1]].value > 0.95
    assert group.measure(shown(wrong))[USES[1]].value < 0.6


def test_places_are_a_mixed_distance() -> None:
    training = table([*range(1, 100), "NA"], ["a", "b"] * 50)
    codes = TableCodes.fit(training, ["n", "letter"])
    places = Places(codes(training))
    x = places(codes(table(["1", "99", "1", "NA", "50"], ["a", "a", "b", "a", "a"])))
    gaps = ((x[:, None] - x[None]) ** 2).sum(2)
    assert gaps[0, 1] == pytest.approx(1, abs=0.03)
    assert gaps[0, 2] == pytest.approx(1)
    assert gaps[0, 3] == pytest.approx(1, abs=0.01)
    assert gaps[0, 4] == pytest.approx(0.25, abs=0.01)
    assert raw_table(codes, training)(training).shape == (100, places.dimensions)


# The ladder's door


def test_groups_name_their_scores_and_refuse_in_words() -> None:
    facts = TableFacts(STAFF)
    training, heldout = staff(200, 0), staff(100, 1)
    found = {}
    for names, build in table_groups(facts, training, heldout, 0):
        group = build()
        assert list(group.rules) == names
        measured = group.measure(shown(staff(100, 2)))
        assert set(measured) == set(names)
        assert all(measure.low is not None and measure.low <= measure.value <= (measure.high or 0) for measure in measured.values())
        found |= measured
    assert set(found) == set(all_rules() | table_rules(2))
    names, build = next(table_groups(TableFacts(("x",)), table(["1"] * 60), table(["1"] * 60), 0))
    assert names == list(all_rules())
    with pytest.raises(Refused, match="no column"):
        build()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cells: np.full_like(cells, ""),
        lambda cells: np.full_like(cells, "999"),
        lambda cells: np.array([["é\n", "<b>", "", "1e400"]] * len(cells), object),
    ],
)
def test_odd_rows_are_measured_all_the_same(spoil: Callable[[np.ndarray], np.ndarray], codes: TableCodes) -> None:
    odd = spoil(staff(60, 3))
    for _, build in table_groups(TableFacts(STAFF), staff(200, 0), staff(100, 1), 0):
        for measure in build().measure(shown(odd)).values():
            assert math.isfinite(measure.value)
    assert column_errors(codes(staff(80, 0)), codes(odd)).min() > 0.8


# The page


def drawn(page: str) -> ElementTree.Element:
    """The page's part as a tree: raises where a tag or a sign is wrong."""
    return ElementTree.fromstring(f"<div>{page}</div>")


def test_page_shows_each_column_and_each_pair(codes: TableCodes) -> None:
    real, made = codes(staff(1500, 0)), codes(staff(400, 2, linked=False))
    picture = table_picture(real, made)
    assert [chart.name for chart in picture.charts] == list(STAFF)
    for chart in picture.charts:
        assert sum(chart.real) == pytest.approx(1)
        assert sum(chart.made) == pytest.approx(1)
    assert picture.charts[1].missing == pytest.approx((0.1, 0.1), abs=0.05)
    assert picture.charts[2].labels == ("north", "south", "west")
    assert np.mean([chart.error for chart in picture.charts]) == pytest.approx(shape_error(real, made))
    assert np.mean(list(picture.pairs.values())) == pytest.approx(trend_error(real, made))
    assert len(drawn(columns_section(picture)).findall(".//figure")) == 4
    pairs = drawn(pairs_section(picture))
    assert len([title for title in pairs.iter("title") if title.text]) == 6
    worst = max(picture.pairs, key=picture.pairs.__getitem__)
    first = pairs.find(".//tbody/tr")
    assert first is not None
    assert [cell.text for cell in first][:2] == [STAFF[place] for place in worst]


def test_page_holds_hostile_names_and_wide_tables() -> None:
    hostile = '<script>alert("x")</script> & '
    rng = np.random.default_rng(0)
    cells = table(*([hostile + letter for letter in rng.choice(list("abcdefghijklmn"), 60)] for _ in range(40)))
    made = cells.copy()
    made[:, 3] = "\x00<b>"
    codes = TableCodes.fit(cells, [f"{hostile}{place}" for place in range(40)])
    picture = table_picture(codes(cells), codes(made))
    page = columns_section(picture) + pairs_section(picture)
    assert "<script" not in page
    assert len(drawn(columns_section(picture)).findall(".//figure")) == MOST_COLUMNS
    assert "other values" not in columns_section(picture)
    assert "6 others" in columns_section(picture)
    assert len(re.findall(r'<text x="\d+" y="\d+">&lt;script', pairs_section(picture))) == MOST_MAPPED
    single = table_picture(*[TableCodes.fit(cells[:, :1], ["one"])(cells[:, :1])] * 2)
    assert pairs_section(single) == ""


def test_page_dates_are_dates() -> None:
    days = table([f"2019-{1 + j % 12:02}-{1 + j % 28:02}" for j in range(200)])
    codes = TableCodes.fit(days, ["when"])
    chart = table_picture(codes(days), codes(days)).charts[0]
    assert chart.labels == ("2019-01-01", "2019-12-28")


def test_page_times_of_day_are_times() -> None:
    times = table([f"{j % 24:02}:{j % 4 * 15:02}" for j in range(192)])
    codes = TableCodes.fit(times, ["when"])
    assert table_picture(codes(times), codes(times)).charts[0].labels == ("00:00", "23:45")


@pytest.mark.skipif(not (SHARED / "adult").is_dir(), reason="the shared data sets aren't here (MORELIKE_DATA)")
def test_adult_columns_are_the_published_kinds() -> None:
    with (SHARED / "adult" / "train.csv").open(newline="") as file:
        lines = [line for line, _ in zip(csv.reader(file), range(2001), strict=False)]
    cells = np.array(lines[1:], object)
    codes = TableCodes.fit(cells, lines[0])
    numbers = [column.name for column in codes.columns if column.kind == "number"]
    assert numbers == ["age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"]
    assert len(codes.columns) == 15
    rng = np.random.default_rng(0)
    independent = np.stack([rng.permutation(column) for column in cells.T], 1)
    real = codes(cells)
    assert shape_error(real, codes(independent)) == pytest.approx(0, abs=1e-9)
    assert 6 < trend_error(real, codes(independent)) < 12

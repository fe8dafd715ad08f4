"""Rules between columns: whatever is drawn obeys, what obeys comes back to the letter, what is learnt is true, what can't be is refused."""

from __future__ import annotations

import json
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelike.core.errors import BadInput, MorelikeError, Refused, UnknownName
from morelike.data.loader import take
from morelike.data.open import open_source
from morelike.data.table import Cells, TableCodec
from morelike.data.table_columns import CategoryColumn, is_missing
from morelike.data.table_csv import write_csv
from morelike.data.table_rules_file import read_facts, read_rules
from morelike.data.table_rules_map import Determined
from morelike.data.table_rules_offset import ALONE, Above
from morelike.house import verbs
from morelike.house.prepare import prepare
from morelike.house.recipe import Recipe
from morelike.judges.scores import Shown
from morelike.judges.table_kept import KeptScores
from morelike.testing import check_codec

DRAWS = 100_000


def table(**columns: Any) -> Cells:
    lists = [list(column) for column in columns.values()]
    cells = np.empty((len(lists[0]), len(lists)), dtype=object)
    for number, column in enumerate(lists):
        cells[:, number] = column
    return Cells(tuple(columns), cells)


def drawn(codec: TableCodec, count: int, seed: int = 0) -> dict[str, list[str]]:
    """Cells of random codes: any ids, any reals, some missing or absurd."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, len(codec.spec.fields))) * 3
    for number, field in enumerate(codec.spec.fields):
        if field.categories:
            x[:, number] = random.integers(0, field.categories, count)
    x[random.random(x.shape) < 0.02] = np.nan
    x[random.random(x.shape) < 0.02] *= 1e6
    cells = codec.decode(x)
    return {name: cells[:, number].tolist() for number, name in enumerate(codec.names)}


def restored(codec: TableCodec) -> TableCodec:
    """The codec as a package gives it back."""
    state = codec.state()
    plain = json.loads(json.dumps({key: value for key, value in state.items() if not isinstance(value, np.ndarray)}))
    return TableCodec.restore({**plain, **{key: value for key, value in state.items() if isinstance(value, np.ndarray)}})


def said(codec: TableCodec) -> list[str]:
    return [text.partition(": ")[2].rstrip(".") for text in codec.rules.describe()]


def comes_back(codec: TableCodec, cells: Cells) -> bool:
    return bool(np.array_equal(codec.decode(codec.encode(cells)), cells.cells))


# A table with a rule of every kind

RANDOM = np.random.default_rng(11)
ROWS = 600
ZONE = RANDOM.integers(0, 40, ROWS)
START = RANDOM.integers(1_500_000_000, 1_502_000_000, ROWS)
FARE, TIP = RANDOM.integers(250, 9000, ROWS), RANDOM.integers(0, 900, ROWS) * (RANDOM.random(ROWS) < 0.6)
TOTAL = FARE + TIP + RANDOM.choice([30, 80, 330], ROWS)


def moment(seconds: int) -> str:
    return str(np.datetime64(int(seconds), "s")).replace("T", " ")


RIDES = table(
    begin=[moment(second) for second in START],
    end=[moment(second) if row % 40 else "" for row, second in enumerate(START + RANDOM.integers(0, 4000, ROWS))],
    fare=[f"{cents / 100:.2f}" for cents in FARE],
    tip=[f"{cents / 100:.2f}" for cents in TIP],
    total=[f"{cents / 100:.2f}" for cents in TOTAL],
    zone=[f"zone {number}" for number in ZONE],
    town=[f"town {number % 7}" if number else "?" for number in ZONE],
    make=[f"make {row % 5}" for row in range(ROWS)],
    model=[f"model {row % 5}{'ab'[row // 5 % 2]}" for row in range(ROWS)],
    seats=[str(2 * count) for count in RANDOM.integers(1, 30, ROWS)],
    ticket=[f"T{number}" for number in RANDOM.permutation(90_000)[:ROWS]],
)
GIVEN = {
    "order": [{"columns": ["begin", "end"]}],
    "sum": [{"total": "total", "parts": ["fare", "tip"], "rest": "seen"}],
    "determined": [{"column": "town", "by": ["zone"]}],
    "together": [{"columns": ["make", "model"]}],
    "range": [{"column": "seats", "min": 2, "max": 58, "multiple_of": 2, "missing": False}],
    "unique": [{"columns": ["ticket"]}],
}


@pytest.fixture(scope="module")
def codec() -> TableCodec:
    return TableCodec.fit(RIDES, rules=GIVEN, learn=False)


@pytest.mark.parametrize("learn", [False, True])
def test_not_one_of_a_hundred_thousand_drawn_rows_breaks_a_rule(learn: bool) -> None:
    rides = drawn(restored(TableCodec.fit(RIDES, rules=None if learn else GIVEN, learn=learn)), DRAWS)
    # of one length and written year first, dates are in the order of their letters
    assert all(end == "" or begin <= end for begin, end in zip(rides["begin"], rides["end"], strict=True))
    cents = {name: [int(text.replace(".", "")) for text in rides[name]] for name in ("fare", "tip", "total")}
    rests = {total - fare - tip for fare, tip, total in zip(cents["fare"], cents["tip"], cents["total"], strict=True)}
    assert rests == {30, 80, 330}
    towns = dict(zip(RIDES.cells[:, 5], RIDES.cells[:, 6], strict=True))
    assert all(towns[zone] == town for zone, town in zip(rides["zone"], rides["town"], strict=True))
    assert set(rides["zone"]) == set(towns)
    assert set(zip(rides["make"], rides["model"], strict=True)) == set(zip(RIDES.cells[:, 7], RIDES.cells[:, 8], strict=True))
    assert {int(seats) % 2 for seats in rides["seats"]} == {0}
    assert (min(map(int, rides["seats"])), max(map(int, rides["seats"]))) == (2, 58)
    assert len(set(rides["ticket"])) == DRAWS


def test_rows_that_obey_come_back_to_the_letter(codec: TableCodec) -> None:
    back = codec.decode(codec.encode(RIDES))
    assert np.array_equal(back[:, :-1], RIDES.cells[:, :-1])
    assert codec.rules.coded == (
        "begin", "end - begin (seconds)", "fare", "tip", "total - fare - tip", "zone", "make + model", "seats", "ticket",
    )  # fmt: skip
    assert codec.names == RIDES.names


def test_the_laws_of_a_codec_hold_with_rules(codec: TableCodec) -> None:
    check_codec(codec, RIDES)  # type: ignore[arg-type]  # items by number, as a source has them
    again = restored(codec)
    x = codec.encode(RIDES)
    assert np.array_equal(again.encode(RIDES), x, equal_nan=True)
    assert again.decode(x).tolist() == codec.decode(x).tolist()
    assert again.describe() == codec.describe()
    assert [rule.given for rule in again.rules.rules] == [True] * 6


def test_what_the_rows_show_is_learnt_and_said() -> None:
    assert said(TableCodec.fit(RIDES)) == [
        "zone gives town",
        "model gives make",
        "total = fare + tip + one of the 3 seen (0.3, 0.8, 3.3)",
        "end is never before begin",
    ]
    assert said(TableCodec.fit(RIDES, learn=False)) == []


# Orders


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.none() | st.integers(-300, 300), st.none() | st.integers(0, 200), st.booleans()), min_size=30, max_size=80),
    st.booleans(),
    st.integers(0, 1000),
)
def test_a_column_is_never_below_another_whatever_is_missing(
    rows: list[tuple[int | None, int | None, bool]], strict: bool, seed: int
) -> None:
    """Decimals of different lengths, gaps on either side, a column that stands alone."""
    low = ["" if a is None else f"{a / 10:.1f}" for a, _, _ in rows] + ["1.5", "-3.1"]
    top = [None if gone else (0 if a is None else a * 10) + (d or 0) + strict for a, d, gone in rows] + [900, 901]
    high = ["NA" if t is None else f"{t / 100:.2f}" for t in top]
    cells = table(low=low, high=high, other=[str(row % 3) for row in range(len(low))])
    codec = TableCodec.fit(cells, rules={"order": [{"columns": ["low", "high"], "strict": strict}]}, learn=False)
    assert comes_back(codec, cells)
    found = drawn(codec, 2000, seed)
    for a, b in zip(found["low"], found["high"], strict=True):
        assert is_missing(a) or is_missing(b) or (Decimal(a) < Decimal(b) if strict else Decimal(a) <= Decimal(b))
    assert {b for b in found["high"] if is_missing(b)} <= {b for b in high if is_missing(b)}


def test_chains_and_several_lower_bounds_are_kept() -> None:
    random = np.random.default_rng(2)
    a, d, e = random.integers(0, 100, (3, 300))
    x = random.integers(0, 250, 300)
    cells = table(a=map(str, a), b=map(str, a + d), c=map(str, np.maximum(a + d, x) + e), x=map(str, x))
    codec = TableCodec.fit(cells, rules={"order": [{"columns": ["a", "b", "c"]}, {"columns": ["x", "c"]}]}, learn=False)
    assert said(codec) == ["b is never below a", "c is never below b and never below x"]
    assert comes_back(codec, cells)
    found = {name: np.array(list(map(int, texts))) for name, texts in drawn(codec, DRAWS).items()}
    assert (found["a"] <= found["b"]).all()
    assert (np.maximum(found["b"], found["x"]) <= found["c"]).all()
    # within the range of training too
    for name in "abcx":
        own = [int(text) for text in cells.cells[:, cells.names.index(name)]]
        assert min(own) <= found[name].min()
        assert found[name].max() <= max(own)


def test_a_column_stays_on_its_grid_above_a_finer_one() -> None:
    random = np.random.default_rng(3)
    low = random.integers(0, 1000, 200)
    high = -(-(low + random.integers(0, 300, 200)) // 50) * 50
    cells = table(low=[f"{one / 100:.2f}" for one in low], high=[f"{one / 100:.2f}" for one in high])
    codec = TableCodec.fit(cells, rules={"order": [{"columns": ["low", "high"]}]}, learn=False)
    found = drawn(codec, 20_000)
    assert {Decimal(text) % Decimal("0.5") for text in found["high"]} == {0}
    assert all(Decimal(a) <= Decimal(b) for a, b in zip(found["low"], found["high"], strict=True))


def test_what_stands_alone_has_a_column_of_its_own() -> None:
    cells = table(low=["", "3", "5", "8"] * 20, high=["2", "4", "", "9"] * 20)
    codec = TableCodec.fit(cells, rules={"order": [{"columns": ["low", "high"]}]}, learn=False)
    assert codec.rules.coded == ("low", "high - low", "high alone")
    coded = codec.rules.shrink(cells.cells[:4])
    assert coded.tolist() == [["", ALONE, "2"], ["3", "1", ""], ["5", "", ""], ["8", "1", ""]]
    # whatever a model puts side by side
    odd = np.array([["", "1", ""], ["", "", "4"], ["8", ALONE, "2"], ["3", ALONE, ""], ["8", "1", "2"]], dtype=object)
    assert codec.rules.grow(odd)[:, 1].tolist() == ["", "", "8", "4", "9"]


# Sums


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.none() | st.integers(-5000, 5000)] * 2, st.booleans()), min_size=40, max_size=80),
    st.lists(st.integers(-500, 500), min_size=1, max_size=6, unique=True),
    st.integers(0, 1000),
)
def test_a_total_is_exact_to_the_last_place(rows: list[tuple[int | None, int | None, bool]], rests: list[int], seed: int) -> None:
    rows = [*rows, (100, 200, False)]
    totals = [None if gone else (a or 0) + (b or 0) + rests[row % len(rests)] for row, (a, b, gone) in enumerate(rows)]
    parts = {"a": [a for a, _, _ in rows], "b": [b for _, b, _ in rows], "t": totals}
    cells = table(**{name: ["" if one is None else f"{one / 100:.2f}" for one in column] for name, column in parts.items()})
    codec = TableCodec.fit(cells, rules={"sum": [{"total": "t", "parts": ["a", "b"], "rest": "seen"}]}, learn=False)
    assert comes_back(codec, cells)
    seen = {Decimal(rest) / 100 for rest in rests}
    found = drawn(codec, 2000, seed)
    for a, b, t in zip(found["a"], found["b"], found["t"], strict=True):
        assert not (a and b and t) or Decimal(t) - Decimal(a) - Decimal(b) in seen


def test_rows_that_break_a_given_rule_are_left_out_and_said() -> None:
    random = np.random.default_rng(4)
    a, b = random.integers(0, 500, (2, 300))
    total = a + b
    total[[7, 20]] += 1
    cells = table(a=map(str, a), b=map(str, b), t=map(str, total))
    codec = TableCodec.fit(take(cells, np.arange(5, 300)), rules={"sum": [{"total": "t", "parts": ["a", "b"]}]}, learn=False)
    assert codec.describe()[-1] == "2 of 295 training rows break the rule that t = a + b, and are left out (rows 8, 21)."
    assert np.flatnonzero(~codec.obeys(cells)).tolist() == [7, 20]
    found = drawn(codec, 5000)
    assert all(int(x) + int(y) == int(z) for x, y, z in zip(found["a"], found["b"], found["t"], strict=True))


# Words


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from(["", "a", "b | c", "b", "c | d", "NA", "é"])] * 3), min_size=20, max_size=60), st.integers(0, 1000)
)
def test_only_combinations_seen_are_drawn_and_pairs_determine(rows: list[tuple[str, str, str]], seed: int) -> None:
    gives = {(a, b): c for a, b, c in rows}
    cells = table(a=[a for a, _, _ in rows], b=[b for _, b, _ in rows], c=[gives[a, b] for a, b, _ in rows])
    cells = table(**dict(zip("abc", cells.cells.T, strict=True)), n=[str(row % 4) for row in range(len(rows))])
    codec = TableCodec.fit(cells, rules={"determined": [{"column": "c", "by": ["a", "b"]}]}, learn=False)
    assert comes_back(codec, cells)
    found = drawn(codec, 2000, seed)
    assert all(gives[a, b] == c for a, b, c in zip(found["a"], found["b"], found["c"], strict=True))


def test_a_chain_of_dependencies_is_kept() -> None:
    street = [f"s{row % 37}" for row in range(400)]
    cells = table(state=[f"z{int(one[1:]) % 12 % 3}" for one in street], street=street, town=[f"t{int(one[1:]) % 12}" for one in street])
    codec = TableCodec.fit(cells)
    assert said(codec) == ["street gives town", "town gives state"]
    assert [column.name for column in codec.columns] == ["street"]
    assert comes_back(codec, cells)


def test_facts_determine_too(tmp_path: Path) -> None:
    path = tmp_path / "facts.tsv"
    path.write_text("# where\nzone 1\tpart-of\ttown 1\nzone 2\tpart-of\ttown 2\nzone 99\tpart-of\ttown 9\n", encoding="utf-8")
    cells = RIDES.cells[np.isin(RIDES.cells[:, 5], ["zone 1", "zone 2", "zone 3"])].copy()
    cells[0, 5:7] = "zone 1", "town 2"
    codec = TableCodec.fit(Cells(RIDES.names, cells), facts=path, learn=False)
    assert said(codec) == ["zone gives town"]
    assert "Facts: part-of is read of zone and town." in codec.describe()
    found = drawn(codec, 1000)
    assert set(zip(found["zone"], found["town"], strict=True)) == {(f"zone {n}", f"town {n}") for n in (1, 2, 3)}
    named = TableCodec.fit(Cells(RIDES.names, cells), rules={"facts": {"part-of": ["zone", "town"]}}, facts=path, learn=False)
    assert said(named) == ["zone gives town"]
    with pytest.raises(BadInput, match="line 2: x in z, but before that y"):
        read_facts([("x", "in", "y"), ("x", "in", "z")])
    with pytest.raises(BadInput, match="no columns of the table hold what the facts join"):
        TableCodec.fit(RIDES, facts=[("x", "in", "y")])
    first = next(row for row, (zone, town) in enumerate(zip(RIDES.cells[:, 5], RIDES.cells[:, 6], strict=True)) if town != "town 1")
    zone, town = RIDES.cells[first, [5, 6]]
    with pytest.raises(BadInput, match=re.escape(f"row {first + 1} first: zone {zone} has town {town}, by the facts town 1.")):
        TableCodec.fit(RIDES, facts=[(f"zone {number}", "part-of", "town 1") for number in range(40)])


# What is learnt


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_learnt_where_there_is_no_rule(seed: int) -> None:
    """Correlated columns, small and skewed ones, and a rule that one row in 500 breaks."""
    random = np.random.default_rng(seed)
    n = 1500
    level = random.normal(size=n)
    group = random.integers(0, 12, n)
    nearly = np.where(np.arange(n) % 500 == 250, (group + 3) % 12, group) // 3
    cells = table(
        price_low=[f"{9 + x:.2f}" for x in level],
        price_high=[f"{9.8 + x + random.normal() * 0.3:.2f}" for x in level],
        small=map(str, random.integers(0, 5, n)),
        sparse=np.where(random.random(n) < 0.01, "yes", "no"),
        group=[f"g{one}" for one in group],
        nearly=[f"h{one}" for one in nearly],
        street=[f"s{one}" for one in random.zipf(1.5, n).clip(max=300)],
        site=[f"q{one}" for one in random.zipf(1.5, n).clip(max=300)],
        count=map(str, random.poisson(3, n)),
        count_all=map(str, random.poisson(9, n)),
    )
    assert said(TableCodec.fit(cells)) == []


def test_a_sum_is_learnt_beside_columns_that_are_no_part_of_it() -> None:
    """One that is mostly empty, one too large to be added up, and a flag that is independent of the rests."""
    random = np.random.default_rng(5)
    net, tax, fee = random.integers(1000, 90_000, 800), random.integers(1, 9000, 800), random.choice([30, 80, 330], 800)
    cells = table(
        net=[f"{one / 100:.2f}" for one in net],
        tax=[f"{one / 100:.2f}" for one in tax],
        gross=[f"{one / 100:.2f}" for one in net + tax + fee],
        lab=[f"{random.normal() + 4:.1f}" if random.random() < 0.1 else "" for _ in net],
        flag=[f"0.0{one}" for one in random.integers(0, 2, 800)],
        account=[str(4_000_000_000_000_000 + int(one)) for one in random.integers(0, 10**15, 800)],
    )
    assert said(TableCodec.fit(cells)) == ["gross = net + tax + one of the 3 seen (0.3, 0.8, 3.3)"]


@pytest.mark.parametrize("fees", [[0], [50, 300]])
def test_a_part_of_two_values_is_a_part(fees: list[int]) -> None:
    random = np.random.default_rng(6)
    net, tax, surcharge = random.integers(1000, 90_000, 800), random.integers(1, 9000, 800), random.choice([0, 990], 800)
    gross = net + tax + surcharge + random.choice(fees, 800)
    cents = {"net": net, "tax": tax, "surcharge": surcharge, "gross": gross}
    cells = table(**{name: [f"{one / 100:.2f}" for one in column] for name, column in cents.items()})
    rests = "" if fees == [0] else " + one of the 2 seen (0.5, 3)"
    assert said(TableCodec.fit(cells)) == [f"gross = net + tax + surcharge{rests}"]


def test_combinations_are_learnt_only_where_each_is_common() -> None:
    random = np.random.default_rng(1)
    allowed = [(a, b) for a in range(12) for b in range(12) if (a * 5 + b * 7) % 6 == 0]
    rows = [allowed[row] for row in random.integers(0, len(allowed), 2000)]
    cells = table(a=[f"a{a}" for a, _ in rows], b=[f"b{b}" for _, b in rows])
    assert said(TableCodec.fit(cells)) == [f"a and b stand only in the {len(allowed)} combinations seen"]
    cells.cells[0] = "a0", "b1"
    assert said(TableCodec.fit(cells)) == []


def test_taxis_show_their_rules() -> None:
    try:
        source = open_source("taxis", offline=True)
    except MorelikeError:
        pytest.skip("the table of taxi rides is not there (MORELIKE_DATA)")
    codec = TableCodec.fit(source.items)
    assert said(codec) == [
        "pickup_zone gives pickup_borough",
        "dropoff_zone gives dropoff_borough",
        "total = fare + tip + tolls + one of the 19 seen (0, 0.3, 0.5, 0.8, ...)",
        "dropoff is never before pickup",
    ]
    assert comes_back(codec, source.items)


# Conditions


def test_visible_columns_are_told_from_coded_ones(codec: TableCodec) -> None:
    column, place, way = codec.view("town")
    assert isinstance(column, CategoryColumn)
    assert [field.name for field in codec.spec.fields[place]] == ["zone"]
    assert {way(zone) for zone in column.values} == set(RIDES.cells[:, 6])
    joint, _, model = codec.view("model")
    assert joint.name == "make + model"
    assert model(joint.values[0]).startswith("model ")  # type: ignore[attr-defined]
    assert codec.view("fare")[0].name == "fare"
    for name, instead in (("end", "fix begin instead"), ("total", "fix fare or tip instead")):
        with pytest.raises(Refused, match=instead):
            codec.view(name)
    with pytest.raises(Refused, match=r"or train without learnt rules \(codec.learn=false\)"):
        TableCodec.fit(RIDES).view("total")


def test_the_share_of_rows_that_obey_is_a_score(codec: TableCodec) -> None:
    broken = RIDES.cells.copy()
    broken[:60, 4] = "0.01"
    scores = KeptScores(codec.rules.kept, broken)
    empty = np.arange(0)
    floor = scores.measure(Shown("holdout", empty, {}, items=RIDES.cells))["rules-kept"]
    assert floor.value == pytest.approx(0.9)
    assert floor.low is not None
    assert floor.low < 0.9
    assert scores.measure(Shown("generated", empty, {}, items=codec.decode(codec.encode(broken))))["rules-kept"].value == 1.0


# Refusals


@pytest.mark.parametrize(
    ("rules", "error", "words"),
    [
        ({"order": [{"columns": ["begin", "ende"]}]}, UnknownName, "did you mean 'end'"),
        ({"orders": []}, UnknownName, "did you mean 'order'"),
        ({"order": [{"columns": ["begin"]}]}, BadInput, r"\[\[order\]\] \(number 1\), columns"),
        ({"range": [{"column": "seats", "mim": 3}]}, UnknownName, "did you mean 'min'"),
        ({"range": [{"colum": "seats"}]}, UnknownName, "did you mean 'column'"),
        ({"range": [{"min": 3}]}, BadInput, "column: it is missing"),
        ({"sum": [{"total": 3, "parts": ["tip"]}]}, BadInput, "total: it takes text in quotes, not 3"),
        ({"order": [{"columns": ["fare", "tip"]}, {"columns": ["tip", "fare"]}]}, BadInput, "contradict one another: tip <= fare <= tip"),
        ({"determined": [{"column": "town", "by": ["zone"]}, {"column": "zone", "by": ["town"]}]}, BadInput, "in a circle"),
        ({"determined": [{"column": "town", "by": ["zone"]}, {"column": "town", "by": ["model"]}]}, BadInput, "two rules would determine"),
        ({"range": [{"column": "seats", "min": 9, "max": 3}]}, BadInput, "min = 9 above max = 3"),
        ({"range": [{"column": "seats", "min": 900}]}, BadInput, "no row obeys it"),
        ({"range": [{"column": "zone", "min": 1}]}, Refused, "it holds words"),
        ({"range": [{"column": "begin", "max": 1.0}]}, BadInput, "holds dates"),
        ({"range": [{"column": "fare", "multiple_of": 0.001}]}, Refused, "2 decimals"),
        ({"range": [{"column": "ticket", "values": ["T1"]}]}, BadInput, "no row obeys it"),
        ({"sum": [{"total": "fare", "parts": ["zone", "tip"]}]}, Refused, "zone holds no dates and no numbers"),
        ({"order": [{"columns": ["zone", "fare"]}]}, Refused, "an order or a sum needs such columns"),
        ({"sum": [{"total": "fare", "parts": ["begin"]}]}, Refused, "can't be compared"),
        ({"sum": [{"total": "seats", "parts": ["tip"]}]}, Refused, "tip has more decimals than seats"),
        ({"sum": [{"total": "fare", "parts": ["tip"], "rest": "seen"}]}, Refused, "too many for a rule"),
        ({"unique": [{"columns": ["zone"]}]}, BadInput, "rows break it"),
        ({"unique": [{"columns": ["ticket", "make"]}]}, Refused, "name one column that is unique by itself"),
        ({"unique": [{"columns": ["ticket"]}], "determined": [{"column": "ticket", "by": ["zone"]}]}, MorelikeError, "ticket"),
        (
            {"sum": [{"total": "total", "parts": ["fare", "tip"], "rest": "seen"}], "range": [{"column": "total", "min": 0}]},
            Refused, "give ranges of fare and tip instead",
        ),
    ],
)  # fmt: skip
def test_rules_that_contradict_or_cannot_be_coded_are_refused(rules: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        TableCodec.fit(RIDES, rules=rules)


def test_the_rules_of_the_page_are_valid() -> None:
    page = (Path(__file__).parents[1] / "docs" / "tables.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    read = read_rules(tomllib.loads(example))
    assert all(getattr(read, section) for section in type(read).model_fields)


def test_files_of_rules_say_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    with pytest.raises(BadInput, match="can't be read"):
        read_rules(path)
    path.write_text("[[order]\n", encoding="utf-8")
    with pytest.raises(BadInput, match="no valid TOML"):
        read_rules(path)
    facts = tmp_path / "facts.tsv"
    facts.write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(BadInput, match="line 1: it has 2 cells"):
        read_facts(facts)
    facts.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="UTF-8"):
        read_facts(facts)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('[[order]]\ncolumns = ["a"]', "[[order]] (number 1), columns: it takes a list of at least 2, not ['a']"),
        ('[[together]]\ncolumns = ["a", "b", "c", "d"]', "it takes a list of at most 3"),
        ('[range]\ncolumn = "a"', "[[range]]: write it with two brackets, [[range]], and its keys below"),
        ('[[order]]\ncolumns = "a, b"', 'it takes a list, such as ["a", "b"], not'), ("[[range]]\ncolumn = 5", "it takes text in quotes"),
        ('[[range]]\ncolumn = "a"\nmin = nan', "min: it takes a number"), ('[[range]]\ncolumn = "a"\nmin = [1]', "it takes a number"),
        ('[[range]]\ncolumn = "a"\nmultiple_of = 0', "it takes a number above 0, not 0"), ("[facts]\npart = 3", "[facts], part: it takes"),
        ('[[range]]\ncolumn = "a"\nmissing = "may"', "it takes true or false"), ('order = ["a"]', "it takes keys and values"),
        ('[[sum]]\ntotal = "t"\nparts = ["a"]\nrest = "all"', "rest: it takes 'none' or 'seen', not 'all'"),
    ],
)  # fmt: skip
def test_a_rule_that_is_malformed_is_said_in_words(rules: str, said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        read_rules(tomllib.loads(rules))


def test_a_range_of_dates_and_of_allowed_values_is_kept() -> None:
    rules = {
        "range": [
            {"column": "begin", "min": "2017-07-20", "max": "2017-08-01 12:00:00"},
            {"column": "make", "values": ["make 1", "make 2", "make 3", "make 4"]},
        ]
    }
    codec = TableCodec.fit(RIDES, rules=rules, learn=False)
    rides = drawn(codec, 5000)
    assert "2017-07-20" <= min(rides["begin"]) < max(rides["begin"]) <= "2017-08-01 12:00:00"
    assert set(rides["make"]) == {"make 1", "make 2", "make 3", "make 4"}


# From files


def test_check_takes_rules_and_prints_them(tmp_path: Path) -> None:
    write_csv(RIDES.names, RIDES.cells, tmp_path / "rides.csv")
    (tmp_path / "mine.toml").write_text('[[range]]\ncolumn = "seats"\nmin = 6\n', encoding="utf-8")
    pairs = [f"codec.rules={tmp_path / 'mine.toml'}", "codec.learn=false"]
    notes = verbs.check(tmp_path / "rides.csv", pairs=pairs)["notes"]
    assert [note for note in notes if note.startswith("Rule")] == ["Rule (given): seats is at least 6."]
    assert any("are left out" in note for note in notes)
    with pytest.raises(BadInput, match="true or false"):
        verbs.check(tmp_path / "rides.csv", pairs=["codec.learn=perhaps"])


def test_rules_beside_a_table_are_taken_and_said(tmp_path: Path) -> None:
    lines = [",".join(RIDES.names), *(",".join(row) for row in RIDES.cells.tolist())]
    lines[5] = lines[5].replace(RIDES.cells[4, 0], moment(1_600_000_000))
    (tmp_path / "rides.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "rules.toml").write_text('[[order]]\ncolumns = ["begin", "end"]\n', encoding="utf-8")
    (tmp_path / "facts.tsv").write_text("zone 1\tpart-of\ttown 1\n", encoding="utf-8")
    for data in (tmp_path, tmp_path / "rides.csv"):
        source = open_source(data)
        assert source.kind == "table"
        assert source.notes[-2].startswith("rules.toml lies beside the table: its rules are taken")
    prepared = prepare(Recipe(data=str(tmp_path), codec={"facts": "none"}))
    assert isinstance(prepared.codec, TableCodec)
    assert [rule.describe() for rule in prepared.codec.rules.rules if rule.given] == ["end is never before begin"]
    off = prepare(Recipe(data=str(tmp_path), codec={"facts": "none", "rules": "none", "learn": False}))
    assert isinstance(off.codec, TableCodec)
    assert off.codec.rules.rules == ()
    left_out = len(off.train) - len(prepared.train)
    assert left_out == (4 in off.split.train)
    assert any("left out (rows 5)" in text for text in prepared.said) == bool(left_out)


def test_the_names_of_coded_columns_are_free() -> None:
    cells = table(**{"a": ["1", "2", "3"] * 9, "b": ["4", "5", "9"] * 9, "b - a": ["x", "y", "x"] * 9})
    codec = TableCodec.fit(cells, rules={"order": [{"columns": ["a", "b"]}]}, learn=False)
    assert codec.rules.coded == ("a", "b - a'", "b - a")
    assert isinstance(codec.rules.rules[0], Above)
    assert comes_back(codec, cells)


def test_an_unknown_key_gets_the_commonest_value() -> None:
    rule = Determined(["a"], "b", [["x", "y"]], ["1", "2"])
    unknown = {"a": np.array(["y", "new"], dtype=object), "b": np.array(["2", "7"], dtype=object)}
    assert rule.grow(unknown, {})["b"].tolist() == ["2", "1"]
    assert rule.kept(unknown).tolist() == [True, True]

"""Demands on columns of a table: read as typed, met by exactly the codes whose text fulfils them, refused with the nearest right one."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelike.core.abilities import Allowed, Among, Within
from morelike.core.errors import BadInput, MorelikeError, Refused, UnknownName
from morelike.data.table import Cells, TableCodec
from morelike.data.table_boxes import boxes_of
from morelike.data.table_demands import Demand, Visible, read_demand
from morelike.data.table_numbers import NumberFormat
from morelike.data.table_read import measure

NAMES = ("id", "age", "age group", "income", "price", "seen", "gain", "rooms", "length", "town")


def rows(n: int = 600) -> np.ndarray:
    """A column of each kind: whole numbers, words with spaces, words that begin with signs, prices, dates, gaps and a common number."""
    rng = np.random.default_rng(0)
    cells = np.empty((n, len(NAMES)), dtype=object)
    cells[:, 0] = [f"K-{7919 * (row + 3) % 100_003:06d}" for row in range(n)]
    cells[:, 1] = [str(age) for age in rng.integers(17, 91, n)]
    cells[:, 2] = rng.choice(["young", "old", "?"], n)
    cells[:, 3] = rng.choice(["<=50K", ">50K"], n)
    cells[:, 4] = [f"${value:,}" for value in 250 * rng.integers(4, 40_00, n)]
    cells[:, 5] = [str(np.datetime64("2023-01-01") + int(day)) for day in rng.integers(0, 500, n)]
    gain = rng.integers(100, 9_999, n)
    cells[:, 6] = ["0" if u < 0.5 else "" if u < 0.7 else str(own) for u, own in zip(rng.random(n), gain, strict=True)]
    cells[:, 7] = [str(number) for number in rng.integers(1, 7, n)]
    cells[:, 8] = [f"{value:.5g}" for value in rng.normal(3.0, 0.01, n) ** 9]
    cells[:, 9] = rng.choice(["Bern", "Bern|Köniz", "Zug"], n)
    return cells


@pytest.fixture(scope="module")
def codec() -> TableCodec:
    return TableCodec.fit(Cells(NAMES, rows()))


def demand(text: str) -> Demand:
    return read_demand(text, NAMES)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("age>60", ("age", ">", "60")), ("age >= 60", ("age", ">=", "60")), ("age group=old", ("age group", "=", "old")),
        ("income=>50K", ("income", "=", ">50K")), ("income=<=50K", ("income", "=", "<=50K")), ("gain=", ("gain", "=", "")),
        ("town!=Bern|Zug", ("town", "!=", "Bern|Zug")),
    ],
)  # fmt: skip
def test_demands_are_read_as_typed(text: str, read: tuple[str, str, str]) -> None:
    found = demand(text)
    assert (found.column, found.sign, found.value) == read


def fulfils(x: np.ndarray, box: dict[int, Allowed]) -> np.ndarray:
    """(N,) bool of codes (N,F)."""
    good = np.ones(len(x), dtype=bool)
    for place, own in box.items():
        if isinstance(own, Among):
            good &= own.ids.numpy()[x[:, place].astype(int)]
        else:
            ends, value = own.ends.numpy(), x[:, place, None]
            good &= ((value >= ends[:, 0]) & (value <= ends[:, 1])).any(1) | (np.isnan(value[:, 0]) & own.missing)
    return good


NUMBER = {"age": int, "price": lambda text: int(text.replace("$", "").replace(",", "")), "gain": int, "rooms": int, "length": float}
TRUTH = {
    "age>60": lambda row: int(row[1]) > 60, "age>60.5": lambda row: int(row[1]) > 60, "age>=61": lambda row: int(row[1]) > 60,
    "age<18": lambda row: int(row[1]) < 18, "age!=30": lambda row: row[1] != "30", "age=30..40": lambda row: 30 <= int(row[1]) <= 40,
    "age=30|44|50..52": lambda row: int(row[1]) in (30, 44, 50, 51, 52), "age=30..": lambda row: int(row[1]) >= 30,
    "age group=?": lambda row: row[2] == "?", "age group=": lambda row: row[2] == "?", "age group!=old": lambda row: row[2] != "old",
    "income=>50K": lambda row: row[3] == ">50K", "income!=>50K": lambda row: row[3] != ">50K",
    "price>500000": lambda row: NUMBER["price"](row[4]) > 500_000, "price<=$12,500": lambda row: NUMBER["price"](row[4]) <= 12_500,
    "seen>=2023-06-01": lambda row: row[5] >= "2023-06-01", "seen=2023-02-01..2023-02-28": lambda row: row[5][:7] == "2023-02",
    "gain>0": lambda row: row[6] not in ("", "0"), "gain>=0": lambda row: row[6] != "", "gain=": lambda row: row[6] == "",
    "gain=0": lambda row: row[6] == "0", "gain!=0": lambda row: row[6] != "0", "gain=NA|0": lambda row: row[6] in ("", "0"),
    "rooms>3": lambda row: int(row[7]) > 3, "rooms=2|4": lambda row: row[7] in ("2", "4"), "rooms=2.0": lambda row: row[7] == "2",
    "length>19683": lambda row: float(row[8]) > 19683, "length<=19683": lambda row: float(row[8]) <= 19683,
    "town=Bern|Köniz": lambda row: row[9] == "Bern|Köniz", "town=Bern|Zug": lambda row: row[9] in ("Bern", "Zug"),
}  # fmt: skip


@pytest.mark.parametrize("text", list(TRUTH))
def test_codes_in_a_box_are_those_whose_text_fulfils_the_demand(codec: TableCodec, text: str) -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate((codec.encode(rows()), codec.encode(rows())))
    for place, field in enumerate(codec.spec.fields):
        if not field.categories:
            x[600:, place] = np.where(np.isnan(x[600:, place]), np.nan, rng.normal(size=600) * 1.5)
    written = codec.decode(x)
    truth = np.array([TRUTH[text](row) for row in written])
    assert 0 < truth.sum() < len(truth)
    boxes = boxes_of(codec, [demand(text)])
    inside = np.stack([fulfils(x, box) for box in boxes])
    assert (inside.sum(0) == truth).all()
    own = Visible(codec, demand(text).column)
    column = NAMES.index(demand(text).column)
    assert (own.holds(written[:, column].tolist(), demand(text)) == truth).all()
    assert (own.holds(written[:, column].tolist(), replace(demand(text), negated=True)) == ~truth).all()


@settings(deadline=None, max_examples=40)
@given(st.floats(15, 95), st.floats(0, 40), st.sampled_from([">", ">=", "<", "<="]), st.booleans())
def test_interval_ends_are_the_last_codes_that_fulfil(codec: TableCodec, low: float, width: float, sign: str, negated: bool) -> None:
    demands = [Demand("age", ">=", f"{low:.3f}"), Demand("age", sign, f"{low + width:.3f}", negated)]
    visible = Visible(codec, "age")
    boxes = visible.boxes(demands)
    for own in boxes[0].values() if boxes else []:
        assert isinstance(own, Within)
        ends = own.ends.numpy()
        assert all(visible.all_hold(visible.texts(ends.flatten()), demands))
        beyond = np.array([np.nextafter(end, np.float32(side)) for pair in ends for end, side in zip(pair, (-np.inf, np.inf), strict=True)])
        beyond = beyond[np.isfinite(beyond)]
        assert not any(visible.all_hold(visible.texts(beyond), demands))
    ages = [str(age) for age in range(17, 91)]
    assert bool(boxes) == bool(visible.all_hold(ages, demands).any())


def test_boxes_of_several_columns_do_not_overlap_and_come_in_order(codec: TableCodec) -> None:
    boxes = boxes_of(codec, [demand("age<40")], [demand("gain>=0"), demand("rooms<=4"), demand("town=Zug")])
    x = codec.encode(rows())
    assert np.stack([fulfils(x, box) for box in boxes]).sum(0).max() == 1
    names = [[codec.spec.fields[place].name for place in box] for box in boxes]
    assert all(own[:2] == ["town", "rooms"] and own[-1] == "age" for own in names)
    both = boxes_of(codec, [demand("age>30"), demand("age<=32")])
    assert boxes_of(codec, [demand("age=31|32")])[0][0].ends.tolist() == both[0][0].ends.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("texts", "error", "said"),
    [
        (["towm=Bern"], UnknownName, "did you mean 'town'"), (["town=Brn"], UnknownName, "did you mean 'Bern'"),
        (["town>Bern"], BadInput, "no order"), (["age>95"], BadInput, "goes from 17 to 90"), (["age=17.5"], BadInput, "the nearest is"),
        (["age>old"], BadInput, "can't be compared"), (["age=>60"], BadInput, "no value of age"), (["age"], BadInput, "is no demand"),
        (["age>60", "age<50"], BadInput, "age>60 and age<50"), (["age="], BadInput, "no missing values"),
        (["id=K-1"], Refused, "not learnt"), (["towm"], UnknownName, "did you mean 'town'"), (["agee 5"], BadInput, "is no demand"),
        (["age=70..60"], BadInput, "70 is above 60, so nothing lies between them; the lower end comes first, 60..70"),
        (["seen>May"], BadInput, "dates written as"), (["town=Bern|Base"], UnknownName, "unknown value of town 'Base'"),
    ],
)  # fmt: skip
def test_what_can_not_be_demanded_is_said(codec: TableCodec, texts: list[str], error: type[MorelikeError], said: str) -> None:
    with pytest.raises(error, match=said.replace("(", "\\(")):
        boxes_of(codec, [demand(text) for text in texts])


def test_bounds_are_not_rounded_to_the_grid() -> None:
    form = NumberFormat(decimals=1)
    assert [measure(form, text) for text in ("1.25", "1.2", "-3")] == [12.5, 12.0, -30.0]
    dressed = NumberFormat(thousands=",", prefix="$")
    assert [measure(dressed, text) for text in ("$1,250", "1250.5", "x")] == pytest.approx([1250, 1250.5, float("nan")], nan_ok=True)


def test_every_pair_of_signs_splits_the_numbers(codec: TableCodec) -> None:
    x = np.linspace(-5, 5, 4001, dtype=np.float32)
    visible = Visible(codec, "length")
    for above, below in itertools.product((">", ">="), ("<", "<=")):
        ends = [visible.boxes([Demand("length", sign, "19683")]) for sign in (above, below)]
        inside = sum(((x >= low) & (x <= high)).astype(int) for box in ends for own in box[0].values() for low, high in own.ends.numpy())  # type: ignore[union-attr]
        equal = np.array([float(text) == 19683 for text in visible.texts(x)])
        wanted = 1 + (equal * ((above == ">=") + (below == "<=") - 1))
        assert (inside == wanted).all()


def test_demands_go_through_the_rules_of_a_table() -> None:
    rng = np.random.default_rng(0)
    zone, fare, tip = rng.integers(0, 12, 800), rng.integers(5, 50, 800), rng.integers(0, 40, 800)
    columns = [[f"z{own}" for own in zone], [("Queens", "Bronx", "Kings")[own % 3] for own in zone], fare, tip, fare + tip]
    names = ("zone", "borough", "fare", "tip", "total")
    cells = np.array([[str(cell) for cell in column] for column in columns], dtype=object).T
    codec = TableCodec.fit(Cells(names, cells))
    x = codec.encode(cells)
    queens = [read_demand("borough=Queens", names), read_demand("zone!=z3", names)]
    (box,) = boxes_of(codec, queens)
    assert (fulfils(x, box) == ((zone % 3 == 0) & (zone != 3))).all()
    with pytest.raises(BadInput, match="rule each other out"):
        boxes_of(codec, [read_demand("borough=Queens", names), read_demand("zone=z1", names)])
    assert boxes_of(codec, [read_demand("borough=Queens", names), read_demand("zone=z1", names)], empty=True) == []
    over = boxes_of(codec, [read_demand("total>30", names)])
    assert np.stack([fulfils(x, own) for own in over]).sum(0)[fare + tip > 30].tolist() == [1] * int((fare + tip > 30).sum())


@pytest.mark.parametrize(
    ("text", "from_", "before"),
    [
        ("stay=2023-01-02", "2023-01-02T00:00", "2023-01-03T00:00"),
        ("stay=2023-01-02..2023-01-03", "2023-01-02T00:00", "2023-01-04T00:00"),
        ("stay>2023-01-02", "2023-01-03T00:00", "2024-01-01T00:00"), ("stay<=2023-01-02", "2022-01-01T00:00", "2023-01-03T00:00"),
        ("stay<2023-01-02", "2022-01-01T00:00", "2023-01-02T00:00"), ("stay=2023-01-01 00:13", "2023-01-01T00:13", "2023-01-01T00:14"),
    ],
)  # fmt: skip
def test_a_day_is_all_of_it_in_a_column_with_times(text: str, from_: str, before: str) -> None:
    stays = np.datetime64("2023-01-01T00:00") + np.arange(0, 6 * 1440, 13)
    cells = np.array([[str(moment).replace("T", " "), "a"] for moment in stays], dtype=object)
    cells[::2, 1] = "b"
    codec = TableCodec.fit(Cells(("stay", "kind"), cells))
    found = boxes_of(codec, [read_demand(text, codec.names)])
    x = codec.encode(cells)
    good = np.any([fulfils(x, box) for box in found], axis=0)
    assert good.tolist() == ((stays >= np.datetime64(from_)) & (stays < np.datetime64(before))).tolist()
    assert good.any()

"""The table codec: every kind of column there and back, quantiles, formats, dates, fresh identifiers, what is said and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from morelike.core.errors import BadInput
from morelike.core.spec import Row
from morelike.data.loader import take
from morelike.data.table import Cells, TableCodec
from morelike.data.table_columns import CategoryColumn, NumberColumn, Unlearnt, pack, unpack
from morelike.data.table_csv import is_formula, parse_sheet, write_csv
from morelike.data.table_dates import DateFormat
from morelike.data.table_fresh import Fresh
from morelike.data.table_numbers import NumberFormat, Quantiles, is_number
from morelike.testing import check_codec
from table_cells import back, one, table

RANDOM = np.random.default_rng(5)
PEOPLE = table(
    id=[str(number + 7) for number in range(200)],
    card=[f"AB-{n:04d}-{c}" for n, c in zip(RANDOM.permutation(10_000)[:200], RANDOM.choice(list("xyz"), 200), strict=True)],
    age=[str(age) for age in RANDOM.integers(18, 80, 200)],
    pay=[f"{pay:.2f}" if pay > 900 else "0.00" for pay in RANDOM.lognormal(7, 1, 200)],
    weight=["" if row % 9 == 0 else "n/a" if row % 31 == 0 else f"{60 + RANDOM.normal() * 9:.1f}" for row in range(200)],
    town=RANDOM.choice(["Ulm", "Köln", "?", "None"], 200).tolist(),
    member=RANDOM.choice(["yes", "no"], 200).tolist(),
    zone=RANDOM.choice(["007", "010", "123"], 200).tolist(),
    since=[f"{day}.{month}.2019" for day, month in zip(RANDOM.integers(1, 29, 200), RANDOM.integers(1, 13, 200), strict=True)],
    seen=[f"2021-03-{row % 28 + 1:02d} {row % 24:02d}:{row * 7 % 60:02d}:00" for row in range(200)],
    country=["DE"] * 200,
    gone=[""] * 200,
    remark=[f"the {row}th person said that number {row * 37 % 101} is fine" for row in range(200)],
)


@pytest.fixture(scope="module")
def codec() -> TableCodec:
    return TableCodec.fit(PEOPLE)


def same(first: np.ndarray, second: np.ndarray) -> bool:
    return np.array_equal(first, second, equal_nan=True)


def test_each_column_gets_its_kind(codec: TableCodec) -> None:
    kinds = {column.name: type(column) for column in codec.columns}
    assert [name for name, kind in kinds.items() if kind is Unlearnt] == ["id", "card", "country", "gone", "remark"]
    assert [name for name, kind in kinds.items() if kind is NumberColumn] == ["age", "pay", "weight", "since", "seen"]
    assert [name for name, kind in kinds.items() if kind is CategoryColumn] == ["town", "member", "zone"]
    assert [(field.name, field.categories) for field in codec.spec.fields] == [
        ("age", 0), ("pay?", 2), ("pay", 0), ("weight?", 3), ("weight", 0), ("town", 4), ("member", 2), ("zone", 3), ("since", 0),
        ("seen", 0),
    ]  # fmt: skip


def test_what_is_learnt_comes_back_to_the_letter(codec: TableCodec) -> None:
    x = codec.encode(PEOPLE)
    assert x.dtype == np.float32
    assert x.shape == (200, *codec.spec.shape)
    again = codec.decode(x)
    assert again.shape == (200, len(PEOPLE.names))
    for number, column in enumerate(codec.columns):
        if column.fields:
            assert again[:, number].tolist() == PEOPLE.cells[:, number].tolist(), column.name
    assert set(again[:, 10]) == {"DE"}
    assert set(again[:, 11]) | set(again[:, 12]) == {""}


def test_the_laws_of_a_codec_hold(codec: TableCodec) -> None:
    check_codec(codec, PEOPLE)  # type: ignore[arg-type]  # items by number, as a source has them
    x = codec.encode(PEOPLE)
    assert same(codec.encode(codec.decode(x)), x)
    for row in (0, 9, 199):
        assert same(codec.encode(PEOPLE[row : row + 1])[0], x[row])
    state = codec.state()
    plain = json.loads(json.dumps({key: value for key, value in state.items() if not isinstance(value, np.ndarray)}))
    restored = TableCodec.restore({**plain, **{key: value for key, value in state.items() if isinstance(value, np.ndarray)}})
    assert restored.spec == codec.spec
    assert restored.names == codec.names
    assert same(restored.encode(PEOPLE), x)
    assert restored.decode(x).tolist() == codec.decode(x).tolist()
    assert restored.describe() == codec.describe()
    wild = torch.randn(50, *codec.spec.shape, generator=torch.Generator().manual_seed(0)).numpy() * 50
    wild[::7] = np.nan
    decoded = codec.decode(wild)
    assert all(isinstance(cell, str) for cell in decoded.reshape(-1))
    ages = decoded[:, 2].astype(int)
    assert ages.min() >= 18
    assert ages.max() < 80


def test_reals_are_missing_exactly_where_the_category_says_so(codec: TableCodec) -> None:
    x = codec.encode(PEOPLE)
    assert isinstance(codec.spec, Row)
    names = [field.name for field in codec.spec.fields]
    for name in ("pay", "weight"):
        assert np.array_equal(np.isnan(x[:, names.index(name)]), x[:, names.index(f"{name}?")] > 0)
    assert not np.isnan(x[:, names.index("age")]).any()
    weight = next(column for column in codec.columns if column.name == "weight")
    assert isinstance(weight, NumberColumn)
    assert weight.markers == ("", "n/a")


def test_nan_where_a_number_is_needed_is_the_median() -> None:
    texts = [str(number) for number in range(99, 0, -1)]
    assert one(texts).decode(np.array([[np.nan], [0.0], [-9.0], [9.0]])).tolist() == ["50", "50", "1", "99"]


def test_rows_taken_from_a_table_show_what_the_others_have() -> None:
    numbers = [str(number * 300 % 1009) for number in range(100)]
    cells = table(a=[*numbers, "", "NA"], b=[*["u", "v"] * 50, "w", "u"])
    fitted = TableCodec.fit(take(cells, np.arange(100)))
    assert [(field.name, field.categories) for field in fitted.spec.fields] == [("a?", 3), ("a", 0), ("b", 2)]
    assert fitted.decode(fitted.encode(cells))[-2:].tolist() == [["", "u"], ["NA", "u"]]
    assert "b (1, such as w)" in fitted.describe()[-1]


def test_standard_normals_decode_to_the_training_shares() -> None:
    values, counts = np.array([1.0, 2.0, 3.0, 50.0, 51.0, 90.0]), np.array([40, 7, 400, 30, 5, 18])
    quantiles = Quantiles.fit(values, counts, 100)
    total = int(counts.sum())
    scores = torch.special.ndtri((torch.arange(total * 20, dtype=torch.float64) + 0.5) / (total * 20)).numpy()
    decoded, often = np.unique(quantiles.decode(scores), return_counts=True)
    assert np.array_equal(decoded, values)
    assert np.abs(often / 20 - counts).max() <= 0.05


def test_rare_numbers_make_new_ones_between_them_and_never_beyond() -> None:
    values = np.sort(RANDOM.integers(0, 100_000, 300)).astype(float)
    quantiles = Quantiles.fit(np.unique(values), np.unique(values, return_counts=True)[1], 1000)
    decoded = np.rint(quantiles.decode(RANDOM.normal(size=5000)))
    assert decoded.min() >= values.min()
    assert decoded.max() <= values.max()
    assert np.isin(decoded, values).mean() < 0.1
    assert abs(np.median(decoded) - np.median(values)) < 4000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=60), st.integers(2, 40))
@example([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 9], 3)
def test_quantiles_give_back_every_knot_in_single_precision(numbers: list[int], limit: int) -> None:
    values, counts = np.unique(np.array(numbers, dtype=float), return_counts=True)
    quantiles = Quantiles.fit(values, counts, limit)
    scores = quantiles.encode(quantiles.values).astype(np.float32)
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() <= 5
    assert np.array_equal(quantiles.decode(scores), quantiles.values)
    assert (np.diff(quantiles.decode(np.linspace(-5, 5, 999))) >= 0).all()


def test_a_number_between_common_ones_goes_to_the_nearest() -> None:
    quantiles = Quantiles.fit(np.array([10.0, 20.0, 40.0]), np.array([50, 50, 50]), 10)
    assert quantiles.decode(quantiles.encode(np.array([14.0, 16.0, 29.0, 31.0, -5.0, 99.0]))).tolist() == [10, 20, 20, 40, 10, 40]


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["1,234", "12", "1,234,567", "-5,000"], {"thousands": ",", "decimals": 0}),
        (["1.234,50", "12,00", "-0,75"], {"thousands": ".", "decimal": ",", "decimals": 2, "least": 2}),
        (["0,5", "12,25", "3"], {"decimal": ",", "decimals": 2, "least": 0}),
        (["7.0", "2.15", "0.0", "12.95"], {"decimals": 2, "least": 1}),
        (["18", "18.7", "9.1"], {"decimals": 1, "least": 0}),
        (["$5.00", "$12.50", "$1,000.00"], {"prefix": "$", "thousands": ",", "decimals": 2}),
        (["5 %", "17 %"], {"suffix": " %"}),
        (["1e-05", "0.25", "1.5e+20"], {"digits": 2}),
        (["100", "1e+05", "7", "12"], {"digits": 0, "decimals": 0}),
        (["1 234,5", "99,0"], {"thousands": " ", "decimal": ","}),
    ],
)
def test_formats_of_numbers(texts: list[str], form: dict[str, Any]) -> None:
    found = NumberFormat.find(texts)
    assert found is not None
    assert {key: getattr(found, key) for key in form} == form
    values = found.parse(texts)
    assert np.isfinite(values).all()
    written = found.write(values)
    assert [text for text in written if text not in texts] == (["100000"] if "1e+05" in texts else [])


def test_points_are_for_thousands_where_other_columns_have_decimal_commas() -> None:
    lots = [str(number) for number in RANDOM.integers(1, 99_999, 200)]
    dotted = [f"{int(text):,}".replace(",", ".") for text in lots]
    reals = [f"{number / 100:.2f}".replace(".", ",") for number in range(200)]
    mixed, alone = table(a=dotted, b=reals, c=lots), table(a=dotted, c=lots)
    fitted = TableCodec.fit(mixed)
    first, last = fitted.columns[0], fitted.columns[2]
    assert (first.form.decimals, first.form.thousands) == (0, ".")  # type: ignore[attr-defined]
    x = fitted.encode(mixed)
    assert np.array_equal(x[:, 0], x[:, 2])
    assert fitted.decode(x)[:, 0].tolist() == dotted
    assert last.form.is_plain  # type: ignore[attr-defined]
    assert TableCodec.fit(alone).columns[0].form.thousands == NumberFormat.find(dotted).thousands  # type: ignore[attr-defined,union-attr]
    small = TableCodec.fit(table(a=[f"0.{number:03d}" for number in range(200)], b=reals)).columns[0]
    assert small.form.decimals == 3  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 4),
    st.sampled_from([(".", ""), (",", "."), (".", ","), (",", " ")]),
    st.lists(st.integers(-(10**9), 10**9), min_size=1),
)
def test_numbers_are_written_as_they_were_read(decimals: int, signs: tuple[str, str], numbers: list[int]) -> None:
    form = NumberFormat(signs[0], signs[1], decimals=decimals, least=decimals)
    values = np.array(numbers, dtype=float)
    texts = form.write(values)
    assert np.array_equal(form.parse(texts), values)
    assert all(is_number(text) for text in texts)


def test_words_that_are_no_numbers() -> None:
    assert not any(map(is_number, ["(5", "5)", "-(5)", "+5-", "5+", "ABC 5"]))
    assert not any(map(is_number, ["", "inf", "nan", "1_000", "0x1f", "1,23,4", "12a", "--5", "٣", "1.2.3"]))
    assert all(map(is_number, ["-5", "+.5", "5.", "1e9", "1,234", "1.234,5", "€ 5", "12%"]))


def test_numbers_are_rounded_to_their_grid() -> None:
    masses = [str(mass) for mass in range(2700, 4500, 25)]
    code = one(masses)
    assert code.form.step == 25
    assert {int(text) % 25 for text in code.decode(RANDOM.normal(size=(500, 1)))} == {0}
    assert back(code, ["2712", "2713"]) == ["2700", "2725"]


def test_few_numbers_are_categories_in_their_order() -> None:
    code = one(["10", "9", "-1", "NA"] * 10)
    assert isinstance(code, CategoryColumn)
    assert code.values == ("-1", "9", "10", "NA")
    assert back(code, ["8", "-7", "99", "?", "10"]) == ["9", "-1", "10", "NA", "10"]


def test_words_among_numbers_have_values_of_their_own() -> None:
    texts = [str(number * 11 % 97) for number in range(97)] + ["<1", "inf", "-inf", "NaN"]
    code = one(texts)
    assert isinstance(code, NumberColumn)
    assert set(code.markers) == {"<1", "inf", "-inf", "NaN"}
    assert back(code, texts) == texts
    assert back(code, ["unheard of"]) == [code.markers[0]]


def test_common_numbers_that_stand_out_are_values_of_their_own() -> None:
    texts = [*["0"] * 100, *map(str, range(1, 60))]
    code = one(texts)
    assert code.markers == ("0",)
    assert code.quantiles.values[0] == 1
    assert back(code, ["0", "0.0", "30"]) == ["0", "0", "30"]
    hardly = one([*(str(number % 30) for number in range(300)), *["7"] * 20])
    assert isinstance(hardly, NumberColumn)
    assert hardly.markers == ()


def test_a_number_comes_back_in_its_commonest_spelling() -> None:
    texts = [*(f"{number / 2:.2f}" for number in range(60)), "7.5", "7.5"]
    code = one(texts)
    assert back(code, ["7.50", "7.5", "3.00"]) == ["7.5", "7.5", "3.00"]


def test_leading_zeros_make_a_code() -> None:
    texts = [f"{number:05d}" for number in range(0, 90_000, 1000)] * 3
    code = one(texts)
    assert isinstance(code, CategoryColumn)
    assert back(code, texts) == texts


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("%Y-%m-%d", ["2020-02-29", "1999-12-31"]),
        ("%d.%m.%Y", ["29.02.2020", "31.12.1999"]),
        ("%-d.%-m.%Y", ["9.2.2020", "31.12.1999"]),
        ("%m/%d/%Y", ["02/29/2020", "12/31/1999"]),
        ("%d/%m/%Y", ["29/02/2020", "01/12/1999"]),
        ("%-m/%-d/%Y %H:%M", ["2/9/2020 08:15", "12/31/1999 23:59"]),
        ("%Y-%m-%dT%H:%M:%SZ", ["2020-02-29T23:59:59Z", "1969-12-31T00:00:01Z"]),
        ("%Y-%m-%d %H:%M:%S.%3", ["2020-02-29 23:59:59.125", "1999-12-31 00:00:00.007"]),
        ("%d. %B %Y", ["29. February 2020", "01. March 1999"]),
        ("%-d. %B %Y", ["4. March 1999", "29. February 2020"]),
        ("%-d. %b %Y", ["4. Mar 1999", "29. Feb 2020"]),
        ("%d %b %Y", ["29 Feb 2020", "31 Dec 1999"]),
        ("%B %d, %Y", ["February 29, 2020", "December 31, 1999"]),
        ("%m/%d/%y", ["02/29/20", "12/31/99"]),
        ("%Y-%m-%d %I:%M %p", ["2020-02-29 12:05 AM", "1999-12-31 12:00 PM"]),
        ("%H:%M", ["00:00", "23:59"]),
    ],
)
def test_dates_are_written_as_they_were_read(pattern: str, texts: list[str]) -> None:
    form = DateFormat.find(texts)
    assert form is not None
    assert form.pattern == pattern
    values = form.parse(texts)
    assert form.write(values) == texts
    restored = DateFormat.restore(json.loads(json.dumps(form.state())))
    assert restored == form


def test_dates_count_from_1970_and_a_day_that_is_none_is_a_word() -> None:
    form = DateFormat("%Y-%m-%d %H:%M:%S", "second")
    assert form.parse(["1970-01-02 00:00:01", "2019-04-31 00:00:00", "1969-12-31 23:59:59"]).tolist()[::2] == [86_401, -1]
    assert np.isnan(form.parse(["2019-04-31 00:00:00"])[0])
    assert DateFormat.find(["12", "words", "1.5"]) is None
    early = DateFormat.find(["01/02/2020", "03/04/2020"])
    late = DateFormat.find(["01/02/2020", "03/14/2020"])
    assert early is not None
    assert late is not None
    assert (early.guessed, late.guessed) == (True, False)
    assert "can't be told" in early.caveat()


def test_dates_in_several_formats_are_read_and_written_in_the_commonest() -> None:
    texts = [*(f"2020-01-{day:02d}" for day in range(1, 29)), *(f"{day:02d}.02.2020" for day in range(1, 20))]
    code = one(texts)
    assert isinstance(code.form, DateFormat)
    assert code.form.others == ("%d.%m.%Y",)
    assert back(code, ["03.02.2020", "2020-01-05"]) == ["03.02.2020", "2020-01-05"]
    assert {text[4] for text in code.decode(RANDOM.normal(size=(200, 1))) if text not in texts} <= {"-"}
    assert "dates of training that are written as %d.%m.%Y stay so, new ones never are" in code.describe()


def test_full_minutes_stay_full_minutes() -> None:
    code = one([f"2020-05-{row % 28 + 1:02d} {row % 24:02d}:{row * 5 % 60:02d}:00" for row in range(300)])
    assert code.form.step % 60 == 0
    assert all(text.endswith(":00") for text in code.decode(RANDOM.normal(size=(300, 1))))


def test_identifiers_are_fresh_alike_and_unique(codec: TableCodec) -> None:
    rows = codec.decode(np.zeros((500, *codec.spec.shape), np.float32))
    ids, cards = rows[:, 0].tolist(), rows[:, 1].tolist()
    assert ids == [str(number) for number in range(207, 707)]
    assert len(set(cards)) == 500
    assert not set(cards) & set(PEOPLE.cells[:, 1])
    assert all(card[:3] == "AB-" and card[3:7].isdigit() and card[7] == "-" and card[8] in "xyz" for card in cards)
    assert codec.decode(np.zeros((20, *codec.spec.shape), np.float32))[:, 1].tolist() == cards[:20]


def test_a_shape_that_is_used_up_is_made_longer() -> None:
    fresh = Fresh.fit([f"K{digit}" for digit in "957310"] * 2)
    drawn = fresh.draw(40)
    assert len(set(drawn)) == 40
    assert not set(drawn) & {f"K{digit}" for digit in "957310"}
    assert all(value[0] == "K" and value[1:].isdigit() for value in drawn)


def test_identifiers_are_told_from_quantities() -> None:
    amounts = [str(number) for number in RANDOM.permutation(100_000)[:300]]
    assert isinstance(one(amounts, "amount"), NumberColumn)
    assert isinstance(one(amounts, "account_balance"), NumberColumn)
    assert isinstance(one(amounts, "PatientID"), Unlearnt)
    assert isinstance(one(amounts, "hospital_number"), Unlearnt)
    assert isinstance(one([str(2000 + row) for row in range(60)], "year"), NumberColumn)
    stations = [str(number) for number in RANDOM.integers(100, 160, 300)]
    assert isinstance(one(stations, "station_id"), CategoryColumn)


def test_a_category_column_of_a_hundred_thousand_values() -> None:
    texts = [f"word {row % 100_000}" for row in range(120_000)]
    code = one(texts)
    assert code.fields[0].categories == 100_000
    assert back(code, texts) == texts


def test_strings_survive_packing() -> None:
    texts = ("", "ä", "a\0b", "\ud800", "x" * 300)
    assert unpack(pack(texts)) == texts
    assert unpack(pack(())) == ()


def test_what_is_said_of_the_columns(codec: TableCodec) -> None:
    said = codec.describe()
    assert said[0] == "id: numbers the rows; never learnt, fresh values go on from 207."
    assert said[10] == "country: always DE, kept so."
    assert said[12].startswith("remark: free text (200 different ones of 9 words), not learnt: the column stays, empty")
    assert "boolean" in said[6]
    assert "numbers rounded to 0.1" in said[4]
    assert "Not learnt: id, card, country, gone, remark." in said[13]


def test_tables_that_cannot_be_learnt_are_refused(codec: TableCodec) -> None:
    with pytest.raises(BadInput, match=r"no column of the table can be learnt: a: always 1, kept so; b: always empty"):
        TableCodec.fit(table(a=["1"] * 9, b=[""] * 9))
    with pytest.raises(BadInput, match="no rows to learn from"):
        TableCodec.fit(table(a=[], b=[]))
    with pytest.raises(BadInput, match="rows of 2 cells don't fit a model of 13 columns"):
        codec.encode(table(a=["1"], b=["2"]))
    with pytest.raises(ValueError, match="all different"):
        Cells(("a", "a"), np.empty((0, 2), dtype=object))


def test_names_of_categories_before_numbers_are_no_columns_own() -> None:
    numbers = ["", *(str(number) for number in range(50, 0, -1))]
    fitted = TableCodec.fit(Cells(("a", "a?"), np.array([numbers, ["u", "v", "w"] * 17], dtype=object).T))
    assert [field.name for field in fitted.spec.fields] == ["a??", "a", "a?"]


def test_formulas_are_never_written_as_formulas(tmp_path: Path) -> None:
    cells = np.array([["=1+2", "-5", "+49 30 1", "@x", "-"], ["-1,234.5", "a=b", "=", "--", "\tx"]], dtype=object)
    write_csv(["=n", "b", "c", "d", "e"], cells, tmp_path / "t.csv")
    sheet = parse_sheet("t.csv", (tmp_path / "t.csv").read_text())
    assert sheet.names[0] == "'=n"
    assert sheet.cells.tolist() == [["'=1+2", "-5", "'+49 30 1", "'@x", "-"], ["-1,234.5", "a=b", "'=", "--", "'\tx"]]
    assert not any(is_formula(cell) for cell in sheet.cells.reshape(-1))
    assert not list(tmp_path.glob("*.part"))
    with pytest.raises(BadInput, match="can't be written"):
        write_csv(["a"], cells[:, :1], tmp_path / "none" / "t.csv")


@pytest.mark.parametrize(
    ("cell", "formula"),
    [
        ("+441184960123", False), ("+44(0)1184960123", False), ("+44 (0)118 496 0123", False), ("+1-800-555-0100", False),
        ("+1.234.567.8901x23", False), ("+49/30/1234567 ext. 9", False), ("-5", False), ("-1,234.5", False), ("-3 kg", False),
        ("=cmd", True), ("=441184960123", True), ("+cmd|'/C calc'!A0", True), ("-2+3+cmd", True), ("+2+3+4+5+6+7+8", True),
        ("+44118496A1", True), ("+44118496*4960123", True), ("-44 (0)118 496 0123", True), ("+1-2", True), ("+441184960123\t=1", True),
        ("+44-1184960123-4567890", True), ("@SUM(A1)", True),
    ],
)  # fmt: skip
def test_a_number_to_call_is_no_formula(cell: str, formula: bool) -> None:
    assert is_formula(cell) == formula


def test_a_page_of_histograms_is_drawn(codec: TableCodec, tmp_path: Path) -> None:
    codec.draw(PEOPLE[:50], tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    codec.draw(PEOPLE[:0], tmp_path / "none.png", columns=2)
    assert (tmp_path / "none.png").stat().st_size > 1000

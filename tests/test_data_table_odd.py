"""Cells of tables that are written oddly: leading zeros, many digits, signs, currencies, stray values; fresh values that run out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from morelike.core.errors import UnknownName
from morelike.data.loader import take
from morelike.data.table import TableCodec
from morelike.data.table_columns import CategoryColumn, NumberColumn, Unlearnt
from morelike.data.table_fresh import Fresh
from morelike.data.table_numbers import NumberFormat
from table_cells import back, one, table

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize(
    ("texts", "written"),
    [
        (["€ -73,60", "€ 27,06", "€ -1,00"], ["€ -5,00", "€ 5,00"]),
        (["-€ 73,60", "€ 27,06"], ["-€ 5,00", "€ 5,00"]),
        ([" -2.27 ", " 1.21 "], [" -5.00 ", " 5.00 "]),
        (["+5.91", "+0.10", "-2.00"], ["-5.00", "+5.00"]),
        (["CHF 129.41", "CHF 2.00"], ["-CHF 5.00", "CHF 5.00"]),
        (["1'129.41 CHF", "-2.00 CHF"], ["-5.00 CHF", "5.00 CHF"]),
        (["EUR -12.00", "EUR 7.50"], ["EUR -5.00", "EUR 5.00"]),
        (["(16.32)", "12.00"], ["(5.00)", "5.00"]),
        (["($1,216.32)", "$12.00"], ["($5.00)", "$5.00"]),
        (["$ (16.32)", "$ 12.00"], ["$ (5.00)", "$ 5.00"]),
        (["533.82-", "12.00"], ["5.00-", "5.00"]),
        (["\u22122.74", "3.10"], ["\u22125.00", "5.00"]),
    ],
)
def test_signs_stand_where_the_column_has_them(texts: list[str], written: list[str]) -> None:
    form = NumberFormat.find(texts)
    assert form is not None
    values = form.parse(texts)
    assert form.write(values) == texts
    assert (values < 0).tolist() == [not set(text).isdisjoint("-(\u2212") for text in texts]
    assert form.write(np.array([-500.0, 500.0])) == written
    assert form.parse(written).tolist() == [-500, 500]
    assert NumberFormat.restore(json.loads(json.dumps(form.state()))) == form


def test_numbers_with_an_exponent_keep_it() -> None:
    for texts in (["8.359e-09", "1.336e-01", "2.000e+10"], ["8.35E-09", "1.30E-01"]):
        form = NumberFormat.find(texts)
        assert form is not None
        assert form.write(form.parse(texts)) == texts


@pytest.mark.filterwarnings("error")
def test_numbers_too_large_for_a_float_are_words() -> None:
    texts = [*(f"{number / 4:.2f}" for number in range(90)), "1e400"]
    code = one(texts)
    assert (code.form.decimals, code.form.step, code.markers) == (2, 25, ("1e400",))
    assert back(code, texts) == texts
    assert back(code, ["9e307"]) == ["1e400"]


def test_a_number_far_from_the_others_that_comes_again_is_a_value_of_its_own() -> None:
    stays = [*(str(number % 40) for number in range(1000)), *["-999"] * 8, *["9999"] * 6, "5000"]
    code = one(stays)
    assert code.markers == ("-999", "9999")
    assert code.quantiles.values[[0, -1]].tolist() == [0, 5000]
    assert back(code, stays) == stays
    assert one([*(str(number % 40) for number in range(1000)), *["55"] * 8]).markers == ()


def test_a_few_negative_numbers_are_pointed_out() -> None:
    ages = [str(number % 90) for number in range(2000)]
    cells = table(age=[*ages[:33], "-7", *ages[34:]], change=[str(number % 90 - 3) for number in range(2000)])
    fitted = TableCodec.fit(take(cells, np.arange(100, 2000)))
    said = [text for text in fitted.describe() if text.startswith("Negative")]
    assert said == ["Negative where nearly all other numbers are not: age (1; the first is -7 in row 34)."]
    assert TableCodec.restore(fitted.state()).describe() == fitted.describe()
    assert not any(text.startswith("Negative") for text in TableCodec.fit(take(cells, np.arange(100, 2000)).whole[34:]).describe())


def test_a_leading_zero_among_many_numbers_makes_no_code() -> None:
    texts = [*map(str, range(90, 390)), "007"]
    code = one(texts)
    assert isinstance(code, NumberColumn)
    assert back(code, texts) == texts
    assert isinstance(one([*map(str, range(10_000, 10_300)), "00041"]), Unlearnt)
    assert isinstance(one(["0800", "3000", "8001", "1200"] * 9), CategoryColumn)


def test_digits_too_many_for_a_float_are_codes() -> None:
    accounts = [str(10**17 + number * 123_456_789) for number in range(30)] * 10
    code = one(accounts)
    assert isinstance(code, CategoryColumn)
    assert back(code, accounts) == accounts
    cards = one([str(10**19 + number * 977) for number in range(100)])
    assert isinstance(cards, Unlearnt)
    assert {len(card) for card in cards.decode(np.zeros((50, 0)))} == {20}
    assert isinstance(one([str(10**15 + number * 977) for number in range(100)]), NumberColumn)


def test_a_code_without_its_zeros_is_known_again() -> None:
    assert "did you mean '0012'?" in str(UnknownName("value", "12", ["0001", "0012", "0120", "1200"]))


def test_each_fresh_value_depends_on_those_before_it_only() -> None:
    for values in (["K7", "K8", "A-1", "B-22"] * 3, [f"{a}{b}" for a in "abc" for b in range(40)], [f"{n:04d}" for n in range(0, 9000, 7)]):
        fresh = Fresh.fit(values)
        most = fresh.draw(400)
        assert len(set(most)) == 400
        assert not set(most) & set(values)
        assert [fresh.draw(count) for count in (1, 9, 57, 390)] == [most[:count] for count in (1, 9, 57, 390)]
        assert fresh.draw(400, salt=3)[:50] == fresh.draw(50, salt=3) != most[:50]


def test_shuffled_numbers_of_rows_are_counted_on_from_the_largest() -> None:
    numbers = list(map(str, RANDOM.permutation(3000) + 1))
    assert Fresh.fit(numbers).draw(3) == ["3001", "3002", "3003"]
    assert one(numbers, "id").decode(np.zeros((2, 0))).tolist() == ["3001", "3002"]
    sparse = Fresh.fit([str(number) for number in [*range(10), *range(10**6, 10**6 + 90_000, 999)]]).draw(200)
    assert all(value == "0" or value[0] != "0" for value in sparse)

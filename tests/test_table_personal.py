"""Personal columns: found by values, check digits and headers, never learnt, replaced by fakes that training lacks."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morelike
from conftest import Runner
from morelike.core.errors import UnknownName
from morelike.data import table_fakes
from morelike.data.open import open_source
from morelike.data.table import Cells, TableCodec
from morelike.data.table_columns import is_missing
from morelike.data.table_fakes import PersonalColumn
from morelike.data.table_personal import _locale, header_words, iban_rest, luhn, personal

_GIVEN = os.environ.get("MORELIKE_DATA")
SHARED = Path(_GIVEN) if _GIVEN else Path(__file__).parents[2] / "shared" / "data"
needs_faker = pytest.mark.skipif(find_spec("faker") is None, reason="the extra `tables` is not installed")
RANDOM = np.random.default_rng(3)


def digits(count: int) -> str:
    return "".join(map(str, RANDOM.integers(0, 10, count)))


def card() -> str:
    body = "4" + digits(14)
    return f"{body}{-luhn(body + '0') % 10}"


def iban() -> str:
    body = digits(18)
    return f"DE{98 - iban_rest(f'DE00{body}'):02d}{body}"


ROWS = 150
PEOPLE: dict[str, list[str]] = {
    "Vorname": RANDOM.choice(["Anna", "Jürgen", "Lena", "Uwe"], ROWS).tolist(),
    "contact": [f"{first}.{digits(3)}@firma.de" for first in RANDOM.choice(["anna", "uwe"], ROWS)],
    "Telefon": [f"+49 151 {digits(8)}" for _ in range(ROWS)],
    "pan": [card() for _ in range(ROWS)],
    "account": [iban() for _ in range(ROWS)],
    "Anschrift": [f"{['Hauptstraße', 'Ringweg'][row % 2]} {row}" for row in range(ROWS)],
    "host": [".".join(map(str, RANDOM.integers(0, 256, 4))) for _ in range(ROWS)],
    "who": [f"{RANDOM.integers(100, 600)}-{RANDOM.integers(10, 99)}-{RANDOM.integers(1000, 9999)}" for _ in range(ROWS)],
    "age": [str(age) for age in RANDOM.integers(18, 80, ROWS)],
    "town": RANDOM.choice(["Ulm", "Bonn", "Köln"], ROWS).tolist(),
}
KINDS = ["first name", "e-mail", "phone", "card", "iban", "address", "ip", "national id"]


def table(columns: dict[str, list[str]]) -> Cells:
    cells = np.empty((len(next(iter(columns.values()))), len(columns)), dtype=object)
    for number, column in enumerate(columns.values()):
        cells[:, number] = column
    return Cells(tuple(columns), cells)


@pytest.fixture(scope="module")
def codec() -> TableCodec:
    return TableCodec.fit(table(PEOPLE))


def drawn(codec: TableCodec, rows: int, seed: int = 0) -> np.ndarray:
    return codec.decode(np.random.default_rng(seed).normal(size=(rows, *codec.spec.shape)).astype(np.float32))


def test_each_kind_is_found_and_none_is_learnt(codec: TableCodec) -> None:
    found = {column.name: column.found.what for column in codec.columns if isinstance(column, PersonalColumn)}
    assert list(found.values()) == KINDS
    assert {field.name for field in codec.spec.fields} == {"age", "town"}
    assert "Vorname: people's first names, personal: never learnt" in "\n".join(codec.describe())
    assert {column.found.locale for column in codec.columns if isinstance(column, PersonalColumn) and column.name != "who"} >= {"de_DE"}


@pytest.mark.parametrize(
    ("header", "values", "what"),
    [
        ("first_name", ["Xqwe", "Zuri", "Anna"], "first name"), ("LastName", ["Smith", "Okafor"], "last name"),
        ("Nachname", ["MÜLLER", "SCHMIDT"], "last name"), ("prénom", ["Zoé", "Luc"], "first name"),
        ("patient_name", ["Zz Top", "Abc Def"], "name"), ("name", ["Anna Schmidt", "Peter Maier", "Yolanda Be"], "name"),
        ("x", ["John Smith", "Mary Jones", "Peter Brown", "Ann Lee"], "name"), ("apellidos", ["García López", "Pérez Ruiz"], "last name"),
        ("", ["Anna", "Peter", "Maria", "Paul"], "first name"), ("mobile", ["0151 234567", "0170-98765"], "phone"),
        ("x", ["(415) 555-2671", "(212) 555-0100", "(303) 555-0199"], "phone"),
        ("x", ["12 Main Street", "7 Oak Ave", "1 Hill Rd"], "address"), ("home_address", ["Apt 4, Ridge", "Unit 7, Bay"], "address"),
        ("passport", ["C01234567", "X98765432"], "national id"), ("x", ["::1", "fe80::1", "2001:db8::2"], "ip"),
        ("mail", ["a@b.org"], "e-mail"), ("city", ["Berlin", "Paris", "Rome", "Ulm"], None), ("name", ["chair", "table", "lamp"], None),
        ("product_name", ["Red Chair", "Blue Lamp", "Big Table"], None), ("street_type", ["paved", "gravel", "dirt"], None),
        ("amount", ["1.234.567", "2.345.678", "10.000.000"], None), ("day", ["2020-01-02", "2020-01-03", "2021-05-06"], None),
        ("id", ["1234567890123456", "2234567890123457", "3234567890123458", "4234567890123459", "5234567890123451"], None),
        ("card", ["yes", "no"], None), ("phone_service", ["Yes", "No"], None), ("email_opt_in", ["0", "1"], None),
        ("names_count", ["3", "4"], None), ("species", ["Adelie", "Gentoo", "Chinstrap"], None),
    ],
)  # fmt: skip
def test_what_a_column_holds(header: str, values: list[str], what: str | None) -> None:
    found = personal(header, values)
    assert (found.what if found else None) == what


def test_check_digits() -> None:
    assert luhn("4111111111111111") == 0
    assert luhn("4111111111111112") != 0
    assert iban_rest("GB82 WEST 1234 5698 7654 32") == 1
    assert iban_rest("GB82 WEST 1234 5698 7654 33") != 1
    assert personal("x", ["756.9217.0769.85", "756.1234.5678.97"] * 3) is not None
    assert header_words("PatientID") >= {"patient", "id", "patientid"}


def test_fakes_are_of_the_form_and_none_is_a_training_value(codec: TableCodec) -> None:
    rows = drawn(codec, 400)
    by_name = dict(zip(codec.names, rows.T.tolist(), strict=True))
    for name, values in PEOPLE.items():
        if name not in ("age", "town"):
            assert not set(by_name[name]) & set(values), name
    assert all(luhn(number) == 0 and len(number) == 16 for number in by_name["pan"])
    assert all(iban_rest(number) == 1 for number in by_name["account"])
    assert all(number.startswith("+49 151 ") for number in by_name["Telefon"])
    assert all(all(int(part) < 256 for part in address.split(".")) for address in by_name["host"])
    assert len(set(by_name["contact"])) == 400


def test_fakes_depend_on_the_drawing_and_the_row_alone(codec: TableCodec) -> None:
    x = np.random.default_rng(0).normal(size=(60, *codec.spec.shape)).astype(np.float32)
    assert codec.decode(x).tolist() == codec.decode(x).tolist()
    other = drawn(codec, 60, seed=1)
    assert (other[:, 2] != codec.decode(x)[:, 2]).mean() > 0.9
    state = codec.state()
    plain = json.loads(json.dumps({key: value for key, value in state.items() if not isinstance(value, np.ndarray)}))
    restored = TableCodec.restore({**plain, **{key: value for key, value in state.items() if isinstance(value, np.ndarray)}})
    assert restored.decode(x).tolist() == codec.decode(x).tolist()
    assert restored.describe() == codec.describe()
    assert "Jürgen" not in json.dumps(plain, ensure_ascii=False)


@needs_faker
def test_names_are_natural_ones_of_the_language_whatever_the_number_of_rows(codec: TableCodec) -> None:
    x = np.random.default_rng(0).normal(size=(60, *codec.spec.shape)).astype(np.float32)
    few, many = codec.decode(x[:7]), codec.decode(x)
    assert few[:, [0, 1, 5]].tolist() == many[:7, [0, 1, 5]].tolist()
    assert all("@example." in address for address in many[:, 1])
    shouted = PersonalColumn.of("name", personal("name", ["SMITH, ANN", "MAIER, PAUL"]), ["SMITH, ANN", "MAIER, PAUL"] * 9)  # type: ignore[arg-type]
    assert all(text.isupper() and ", " in text for text in shouted.draw(20, 0))


@needs_faker
def test_when_a_language_has_no_other_names_another_helps_out() -> None:
    from faker import Faker

    fake = Faker("de_DE")
    fake.seed_instance(0)
    known = sorted({fake.first_name() for _ in range(20_000)})
    column = PersonalColumn.of("Vorname", personal("Vorname", known), known)  # type: ignore[arg-type]
    assert not set(column.draw(200, 5)) & set(known)


def test_without_faker_the_form_is_kept_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_fakes, "find_spec", lambda name: None)
    fitted = TableCodec.fit(table(PEOPLE))
    assert "fresh ones of the same form (pip install 'morelike[tables]'" in fitted.describe()[0]
    names = drawn(fitted, 50)[:, 0]
    assert not set(names) & set(PEOPLE["Vorname"])
    assert all(name[:1].isupper() for name in names)


def test_what_is_asked_for_is_learnt() -> None:
    cells = table(PEOPLE)
    fitted = TableCodec.fit(cells, learn_personal="Vorname")
    assert "Vorname" in {field.name for field in fitted.spec.fields}
    assert TableCodec.fit(cells, learn_personal=["Vorname", "pan"]).columns[0].fields
    with pytest.raises(UnknownName, match="did you mean 'Vorname'"):
        TableCodec.fit(cells, learn_personal="Vornamen")


def test_the_command_line_says_it_and_learns_what_it_is_told(morelike_cli: Runner, tmp_path: Path) -> None:
    lines = [",".join(PEOPLE), *(",".join(row) for row in zip(*PEOPLE.values(), strict=True))]
    source = tmp_path / "people.csv"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    checked = morelike_cli("check", source)
    assert "codec.learn_personal=Vorname learns it" in checked.out
    told = morelike_cli("train", source, "codec.learn_personal=Vorname", "--model", "independent", "--no-judge", "--out", tmp_path / "m")
    assert told.code == 0, told.err
    assert set(morelike.load(tmp_path / "m").sample(50)[:, 0]) <= set(PEOPLE["Vorname"])


@pytest.mark.skipif(not (SHARED / "adult").is_dir(), reason="the shared data sets aren't here (MORELIKE_DATA)")
@pytest.mark.parametrize("name", ["adult", "taxis", "penguins", "german_credit", "credit_default", "horse_colic", "pima_diabetes"])
def test_nothing_is_taken_for_personal_in_the_shared_tables(name: str) -> None:
    items: Any = open_source(SHARED / name).items
    for number, column in enumerate(items.names):
        texts = [text for text in dict.fromkeys(items.cells[:, number].tolist()) if not is_missing(text)]
        assert personal(column, texts) is None, column


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("lisa.smith@mail.com", "en_US"), ("info@firma.de", "de_DE"), ("kiri@spital.ch", "de_CH"), ("François Dubois", "fr_FR"),
        ("Gül Yılmaz", "tr_TR"),
    ],
)  # fmt: skip
def test_the_language_of_a_column_is_told_by_its_letters_and_ends(text: str, locale: str) -> None:
    assert _locale([text] * 20) == locale

"""Opening tables: delimiters, encodings, headers, ragged rows, official splits, what is no table, and the shared data sets."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from morelike.core.errors import BadInput
from morelike.data import table_stored
from morelike.data.files import FolderFiles
from morelike.data.loader import encode_all, take
from morelike.data.open import open_source
from morelike.data.source import Source
from morelike.data.split import make_split
from morelike.data.table import Cells, TableCodec
from morelike.data.table_csv import Sheet, is_header, parse_sheet, read_sheet, sniff_delimiter
from morelike.data.table_open import found_table
from morelike.house import writing

_GIVEN = os.environ.get("MORELIKE_DATA")
SHARED = Path(_GIVEN) if _GIVEN else Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not (SHARED / "adult").is_dir(), reason="the shared data sets aren't here (MORELIKE_DATA)")
ROWS = "".join(f"{number},{'red' if number % 3 else 'blue'},{number * 1.5}\n" for number in range(30))


def write(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        raw = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return folder


def opened(folder: Path, kind: str | None = None) -> Source:
    """The one table of a folder."""
    ((_, open_it),) = found_table("set", FolderFiles(folder), kind, False)
    return open_it()


def sheet(text: str, file: str = "t.csv") -> Sheet:
    return parse_sheet(file, text)


def cells(source: Source) -> list[list[str]]:
    assert isinstance(source.items, Cells)
    return source.items.cells.tolist()  # type: ignore[no-any-return]


def test_a_plain_table(tmp_path: Path) -> None:
    source = opened(write(tmp_path, t__csv="n,colour,size\n" + ROWS, README__md="# a table"))
    assert source.kind == "table"
    assert source.items.names == ("n", "colour", "size")
    assert source.items[4].tolist() == ["4", "red", "6.0"]
    assert source.items[np.array([0, 29])].shape == (2, 3)
    assert len(source.items) == 30
    assert source.conditions == ()
    assert source.columns["colour"].categories == ("blue", "red")
    assert set(source.columns) == {"colour"}
    assert source.why_kind.startswith("a table: each line has the same number of cells")
    assert source.notes == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(delimiter: str) -> None:
    number = "1.5" if delimiter == "," else "1,5"
    text = delimiter.join("abc") + "\n" + 9 * (delimiter.join((number, "x", "y")) + "\n")
    assert sniff_delimiter("t.csv", text) == delimiter
    assert sheet(text).names == ["a", "b", "c"]
    assert len(sheet(text).cells) == 9


@pytest.mark.parametrize(("delimiter", "end"), [(";", "\r\n"), (",", "\n"), ("\t", "\n"), ("^", "\n")])
def test_the_line_by_which_a_file_tells_its_delimiter_is_honoured(delimiter: str, end: str) -> None:
    rows = [("id", "price, net"), *((f"{number}", "1;5" if delimiter != ";" else "1,5") for number in range(9)), ("9",)]
    found = sheet(f"sep={delimiter}{end}" + "".join(('"{}"' + delimiter + '"{}"' if row[1:] else "{}").format(*row) + end for row in rows))
    assert found.names == ["id", "price, net"]
    assert found.cells[0].tolist() == ["0", rows[1][1]]
    assert "row (line 12) has too few cells" in found.notes[0]


def test_a_title_above_the_header_is_refused_with_advice() -> None:
    with pytest.raises(BadInput, match=r"begins with 'Sales of 2024' alone, but most rows have 3 cells\. Delete the lines above"):
        parse_sheet("t.csv", "Sales of 2024\n\na,b,c\n" + "1,2,3\n" * 20)


def test_a_comment_above_the_header_is_refused_with_advice() -> None:
    with pytest.raises(BadInput, match=r"begins with '# exported today', a comment\. Delete the lines above the header"):
        sheet("# exported today\nid,age\n" + "1,2\n" * 9)
    assert sheet("#,age\n1,2\n2,3\n").names == ["#", "age"]


@pytest.mark.parametrize(
    ("name", "delimiter", "written"), [("t.csv", ";", ";"), ("t.csv", "|", "|"), ("t.csv", ",", ","), ("t.tsv", "\t", ",")]
)
@pytest.mark.parametrize("large", [False, True])
def test_rows_are_written_with_the_delimiter_of_their_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, delimiter: str, written: str, large: bool
) -> None:
    monkeypatch.setattr(table_stored, "LARGE", 0 if large else 1 << 30)
    lines = ["age;city", *(f"{number % 17};{'Bern' if number % 3 else 'Zug'}" for number in range(60))]
    (tmp_path / name).write_text("".join(line.replace(";", delimiter) + "\n" for line in lines))
    codec = TableCodec.fit(open_source(tmp_path / name, kind="table").items)
    codec = TableCodec.restore(codec.state())
    rows = codec.decode(np.zeros((1, len(codec.spec.fields)), np.float32))
    place = writing.target(str(tmp_path / "more.csv"), "table", 1)
    writing.write(place, rows, codec, {}, {})
    assert place.path.read_text().splitlines()[0] == f"age{written}city"
    assert read_sheet(FolderFiles(tmp_path), "more.csv").names == ["age", "city"]


def test_decimal_commas_in_a_table_with_semicolons() -> None:
    found = sheet("x;y\n1,5;2,5\n3,25;4,0\n")
    assert found.cells.tolist() == [["1,5", "2,5"], ["3,25", "4,0"]]


def test_encodings_and_marks(tmp_path: Path) -> None:
    text = "name,größe\n" + "".join(f"Jörg {n},{n}\n" for n in range(20))
    for name, encoding in (("a.csv", "utf-8-sig"), ("b.csv", "utf-16"), ("c.csv", "cp1252")):
        (tmp_path / name).write_bytes(text.encode(encoding))
        found = read_sheet(FolderFiles(tmp_path, [name]), name)
        assert found.names == ["name", "größe"]
        assert found.cells[3].tolist() == ["Jörg 3", "3"]
    assert any("Windows-1252" in note or "cp1252" in note for note in found.notes)


def test_quotes_hold_separators_and_line_ends() -> None:
    found = sheet('a,b\r\n"x, y","line\none"\r\n"he said ""no""",2\r\n')
    assert found.cells.tolist() == [["x, y", "line\none"], ['he said "no"', "2"]]
    assert found.notes == []


def test_an_open_quote_is_refused_with_its_place() -> None:
    text = 'a,b,c\n1,2,3\n"4",5,"6\n' + "7,8,9\n" * 50
    with pytest.raises(BadInput, match=r"t.csv, line 3, column 3: a quote is opened and never closed"):
        sheet(text)


def test_text_after_a_closing_quote_is_joined_and_said() -> None:
    found = sheet('a,b\n"x"y,1\nz,2\n')
    assert found.cells.tolist() == [["xy", "1"], ["z", "2"]]
    assert "line 2: text follows a closing quote" in found.notes[0]


def test_short_rows_are_filled_up_and_empty_surplus_is_cut_off() -> None:
    found = sheet("a,b,c\n1,2\n3,4,5\n6,7,8,,\n\n9\n")
    assert found.cells.tolist() == [["1", "2", ""], ["3", "4", "5"], ["6", "7", "8"], ["9", "", ""]]
    assert found.notes == [
        "t.csv: 2 rows (lines 2, 6) have too few cells; empty ones were added at the end, up to column 'c'",
        "t.csv: 1 row (line 4) has empty cells beyond the last column, cut off",
    ]


def test_rows_that_are_too_long_are_left_out_or_refused() -> None:
    good = "".join(f"{n},{n}\n" for n in range(60))
    found = sheet("a,b\n" + good + "1,2,3\n")
    assert len(found.cells) == 60
    assert found.notes == ["t.csv: 1 row (line 62) has more cells than there are columns and can't be put in place; left out"]
    with pytest.raises(BadInput, match=r"line 3: has 3 cells, but there are 2 columns \(a, b\); 2 of 4 rows are too long"):
        sheet("a,b\n1,2\n1,2,3\n4,5,6\n7,8\n")


def test_headers_that_lack_names_or_repeat_them() -> None:
    found = sheet("a,,a,a.2, b\n1,2,3,4,5\n6,7,8,9,0\n")
    assert found.names == ["a", "column 2", "a.3", "a.2", "b"]
    assert found.notes == [
        "t.csv: column 2 has no name and was called 'column 2'",
        "t.csv: column 3 has the same name as one before it, 'a', and was called 'a.3'",
    ]
    found = sheet("x,y\n1,2,3\n4,5,6\n")
    assert found.names == ["column 1", "x", "y"]
    assert "one name less" in found.notes[0]


def test_tables_without_a_header() -> None:
    found = sheet("6,148,72\n1,85,66\n8,183,64\n")
    assert found.names == ["column 1", "column 2", "column 3"]
    assert len(found.cells) == 3
    assert "the first line is no header" in found.notes[0]
    assert not is_header(["red", "7"], [["blue", "8"], ["red", "9"]])
    assert is_header(["2019", "name"], [["5", "x"], ["6", "y"]]) is False
    assert is_header(["name", "city"], [["ann", "ulm"], ["bob", "bonn"]])
    assert is_header(["id", "2019"], [["x", "5"], ["y", "6"]]) is False


def test_tables_without_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"t.csv has a header \(a, b\) and no rows below it"):
        sheet("a,b\n")
    with pytest.raises(BadInput, match="holds no rows"):
        sheet("\n\n")
    source = opened(write(tmp_path, t__csv="a,b\n1,x\n"))
    with pytest.raises(BadInput, match="has 1 item; at least 10"):
        make_split(source, 0)


def test_columns_that_are_empty_stay(tmp_path: Path) -> None:
    text = "a,b,c,\n" + "".join(f"{n * 7 % 31},,{['', 'NA'][n % 2]},\n" for n in range(31))
    source = opened(write(tmp_path, t__csv=text))
    fitted = TableCodec.fit(source.items)
    back = fitted.decode(fitted.encode(source.items))
    assert back.tolist() == cells(source)
    assert [field.name for field in fitted.spec.fields] == ["a", "c"]


def test_files_named_by_splits_are_one_table(tmp_path: Path) -> None:
    head = "n,colour,size\n"
    write(tmp_path, train__csv=head + ROWS, test__csv="size,n,colour\n1.5,77,red\n", val__csv=head + "78,blue,2\n")
    source = opened(tmp_path)
    assert len(source.items) == 32
    assert source.split is not None
    assert {name: rows.tolist() for name, rows in source.split.items() if name != "train"} == {"holdout": [0], "validation": [31]}
    assert source.items[0].tolist() in (["77", "red", "1.5"], ["1.5", "77", "red"])
    assert any("another order" in note for note in source.notes)
    write(tmp_path, test__csv="n,colour\n77,red\n")
    with pytest.raises(BadInput, match="files of one table need the same columns"):
        opened(tmp_path)


def test_other_files_are_tables_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, a__csv="n,colour,size\n" + ROWS, b__csv="n,colour,size\n" + ROWS)
    assert [label for label, _ in found_table("set", FolderFiles(tmp_path), None, False)] == ["a.csv", "b.csv"]


def test_a_column_called_split_says_the_official_one(tmp_path: Path) -> None:
    text = "n,split,c\n" + "".join(f"{n * 7 % 20},{'test' if n > 15 else 'train'},{'uv'[n % 2]}\n" for n in range(20))
    source = opened(write(tmp_path, t__csv=text))
    assert source.items.names == ("n", "c")
    assert source.split is not None
    assert source.split["holdout"].tolist() == [16, 17, 18, 19]
    assert "'split' says the official split" in source.notes[0]


def test_texts_are_no_tables(tmp_path: Path) -> None:
    sentences = "".join(f'"this is the english sentence {n}","das ist der deutsche Satz {n}"\n' for n in range(30))
    write(tmp_path, pairs__csv="source,target\n" + sentences)
    assert found_table("set", FolderFiles(tmp_path), None, False) == []
    assert opened(tmp_path, "table").kind == "table"
    assert found_table("set", FolderFiles(tmp_path), "text", False) == []


def test_a_named_file_is_read_as_a_table_when_asked(tmp_path: Path) -> None:
    write(tmp_path, numbers__txt="1,2\n3,4\n5,6\n")
    files = FolderFiles(tmp_path)
    assert found_table("set", files, None, True) == []
    ((_, open_it),) = found_table("set", files, "table", True)
    assert cells(open_it()) == [["1", "2"], ["3", "4"], ["5", "6"]]


def test_gzipped_tables_and_tabs(tmp_path: Path) -> None:
    write(tmp_path, t__csv__gz="n,colour,size\n" + ROWS)
    assert len(opened(tmp_path).items) == 30
    (tmp_path / "t.csv.gz").unlink()
    write(tmp_path, t__tsv="a\tb\n" + "".join(f"{n}\tx{n % 3}\n" for n in range(12)))
    assert opened(tmp_path).items.names == ("a", "b")


def test_damage_is_said_when_the_table_is_opened(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"t.csv, line 2, column 1: a quote is opened"):
        opened(write(tmp_path, t__csv='a,b\n"1,2\n3,4\n'))


SPELT_IN_SEVERAL_WAYS = ("rectal_temperature", "packed_cell_volume", "total_protein", "abdominocentesis_total_protein")
"""Columns of horse_colic with 38.5 and 38.50."""


@needs_shared
@pytest.mark.parametrize(
    ("name", "rows", "fields", "unlearnt"),
    [
        ("adult", 48_842, 17, []),
        ("penguins", 344, 11, []),
        ("taxis", 6_433, 13, []),
        ("horse_colic", 300, 33, ["hospital_number"]),
        ("pima_diabetes", 768, 11, []),
        ("german_credit", 1_000, 22, []),
        ("credit_default", 30_000, 37, ["ID"]),
    ],
)
def test_shared_tables_come_back(name: str, rows: int, fields: int, unlearnt: list[str]) -> None:
    source = opened(SHARED / name)
    assert len(source.items) == rows
    split = make_split(source, 0)
    assert split.official == (name == "adult")
    some = split.train[:1500]
    fitted = TableCodec.fit(take(source.items, some))
    assert len(fitted.spec.fields) == fields
    x = encode_all(fitted, source.items, some)
    back = fitted.decode(x)
    same = (back == source.items[some]).mean(axis=0)
    several = SPELT_IN_SEVERAL_WAYS if name == "horse_colic" else ()
    assert [column for column, share in zip(fitted.names, same, strict=True) if share < 1 and column not in several] == unlearnt
    if several:
        numbers = [fitted.names.index(column) for column in several]
        both = zip(back[:, numbers].reshape(-1), source.items[some][:, numbers].reshape(-1), strict=True)
        assert all(first == second or float(first) == float(second) for first, second in both)
    assert np.array_equal(fitted.encode(back), x, equal_nan=True)


@needs_shared
def test_pairs_among_the_shared_data_stay_texts() -> None:
    for name in ("e2e_restaurants", "scitldr_abstract"):
        assert found_table(name, FolderFiles(SHARED / name), None, False) == []


def test_a_very_long_cell_is_read() -> None:
    sheet = parse_sheet("t.csv", f"a,b\n1,{'x' * 200_000}\n2,y\n")
    assert sheet.names == ["a", "b"]
    assert [len(cell) for cell in sheet.cells[:, 1]] == [200_000, 1]

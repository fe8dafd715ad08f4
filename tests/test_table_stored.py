"""Large tables: rows stay in their files, and are the same as in memory; columns are inferred from a sample and one pass."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morelike
from morelike.core.errors import BadInput
from morelike.data import table_scan, table_stored
from morelike.data.files import FolderFiles
from morelike.data.loader import encode_all, take
from morelike.data.open import open_source
from morelike.data.split import make_split
from morelike.data.table import Cells, TableCodec
from morelike.data.table_columns import CategoryColumn, NumberColumn, Unlearnt
from morelike.data.table_csv import read_sheet
from morelike.data.table_stored import StoredCells


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table counts as large, and is read in small pieces."""
    monkeypatch.setattr(table_stored, "LARGE", 0)
    monkeypatch.setattr(table_stored, "_BLOCK", 700)
    monkeypatch.setattr(table_stored, "_NEAR", 300)
    monkeypatch.setattr(table_stored, "_AT_ONCE", 9)


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / name


def stored(path: Path) -> StoredCells:
    items = open_source(path).items
    assert isinstance(items, StoredCells)
    return items


def both(path: Path) -> tuple[list[list[str]], list[list[str]]]:
    """The cells as they are read from the file, and as they are read in memory."""
    return stored(path)[:].tolist(), read_sheet(FolderFiles(path.parent, [path.name]), path.name).cells.tolist()


UGLY = (
    'a,b,c\r\n1,"x, y",2\r\n\r\n2,"two\r\nlines ""quoted""",3\r\n  \r\n3,ü\r\n4,u,5,\r\n5,v,"6"\r\n'
    + "".join(f"{n},w{n % 3},{n * 7 % 31}\r\n" for n in range(80))
)


def test_rows_are_those_that_are_read_in_memory(tmp_path: Path) -> None:
    path = write(tmp_path, UGLY + "7,no line end,8")
    read, wanted = both(path)
    assert read == wanted
    cells = stored(path)
    assert cells.names == ("a", "b", "c")
    assert cells[1].tolist() == ["2", 'two\r\nlines "quoted"', "3"]
    assert cells[-1].tolist() == ["7", "no line end", "8"]
    rows = np.random.default_rng(0).permutation(len(cells))
    assert cells[rows].tolist() == [wanted[row] for row in rows]
    assert cells[5:9].tolist() == wanted[5:9]
    assert cells[np.array([], dtype=np.int64)].shape == (0, 3)
    assert [row for _, block in cells.blocks() for row in map(list, zip(*block, strict=True))] == wanted


def test_the_line_of_the_delimiter_is_no_row(tmp_path: Path) -> None:
    path = write(tmp_path, "sep=;\r\na;b;c\r\n" + "".join(f"{n};w{n % 3};{n * 7 % 31}\r\n" for n in range(80)))
    read, wanted = both(path)
    assert read == wanted
    assert (stored(path).names, len(read)) == (("a", "b", "c"), 80)
    assert open_source(path).notes[:-1] == ()


def test_repairs_are_counted_with_their_lines(tmp_path: Path) -> None:
    notes = "\n".join(open_source(write(tmp_path, UGLY)).notes)
    assert "1 row (line 7) has too few cells" in notes
    assert "1 row (line 8) has empty cells beyond the last column" in notes
    long = UGLY + "8,a,b,c\r\n"
    read, wanted = both(write(tmp_path, long))
    assert read == wanted
    assert "1 row (line 90) has more cells than there are columns" in "\n".join(open_source(tmp_path / "t.csv").notes)


def test_what_is_no_table_is_refused_with_its_line(tmp_path: Path) -> None:
    body = "".join(f"{n},x\n" for n in range(200))
    with pytest.raises(BadInput, match=r"t.csv, line 202: a quote is opened and never closed"):
        open_source(write(tmp_path, 'a,b\n' + body + '7,"open\n8,y\n'))
    with pytest.raises(BadInput, match=r"line 42.*more cells than the 2 columns, as have 160 rows"):
        open_source(write(tmp_path, "a,b\n" + body[: body.index("40,x")] + body[body.index("40,x") :].replace("x", "x,y")))
    with pytest.raises(BadInput, match="no rows below it"):
        open_source(write(tmp_path, "a,b\n"))


def test_a_quote_in_the_middle_of_a_cell_is_read_in_memory(tmp_path: Path) -> None:
    items = open_source(write(tmp_path, "a,b\n" + "".join(f'{n},{n}" pipe\n' for n in range(50)))).items
    assert isinstance(items, Cells)
    assert items[3].tolist() == ["3", '3" pipe']


def test_other_encodings_zips_and_one_column(tmp_path: Path) -> None:
    wanted = [[f"{n}", "Köln"] for n in range(60)]
    text = "n,o\n" + "".join(f"{n},{o}\n" for n, o in wanted)
    (tmp_path / "t.csv").write_bytes(text.encode("cp1252"))
    assert stored(tmp_path / "t.csv")[:].tolist() == wanted
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert stored(tmp_path / "t.csv.gz")[:].tolist() == wanted
    read, wanted = both(write(tmp_path, "n\n" + "".join(f'{n}\n{["", chr(34) * 2, " "][n % 3]}\n' for n in range(60)), "one.csv"))
    assert read == wanted


def test_files_named_by_splits_are_one_table(tmp_path: Path) -> None:
    write(tmp_path, "a,b\n" + "".join(f"{n},x\n" for n in range(40)), "train.csv")
    write(tmp_path, "b,a\ny,7\nz,8\n", "test.csv")
    source = open_source(tmp_path)
    assert source.split is not None
    held = source.items[source.split["holdout"]]
    assert held[:, source.items.names.index("a")].tolist() == ["7", "8"]
    assert len(source.items) == 42


def people(rows: int) -> str:
    rng = np.random.default_rng(0)
    lines = [
        f"{row + 1},C{rng.integers(10**7, 10**8)},{rng.integers(0, 10**6) / 100:.2f},town {int(rng.random() ** 2 * 60)},"
        f"20{10 + row % 9}-0{row % 9 + 1}-1{row % 9},{'' if row % 9 == 0 else row % 77 * 3},{'Anna' if row % 2 else 'Uwe'}"
        for row in range(rows)
    ]
    return "number,code,pay,town,day,score,vorname\n" + "\n".join(lines) + "\n"


def test_columns_are_inferred_from_a_sample_and_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_scan, "SAMPLE", 300)
    monkeypatch.setattr(table_scan, "_COUNTED", 1400)
    text = re.sub(r"\n900,.*", "\n900,C12345678,99999.99,rare town,2015-03-11,5,Uwe", people(1500))
    cells = stored(write(tmp_path, text))
    train = np.arange(1300)
    whole = Cells(cells.names, cells[:])
    fitted, wanted = TableCodec.fit(take(cells, train)), TableCodec.fit(take(whole, train))
    assert [type(column) for column in fitted.columns] == [type(column) for column in wanted.columns]
    assert fitted.spec == wanted.spec
    assert "inferred from 300 of 1,300 training rows" in fitted.describe()[0]
    pay, town = (next(column for column in fitted.columns if column.name == name) for name in ("pay", "town"))
    assert isinstance(pay, NumberColumn)
    assert pay.quantiles.values[-1] == 9999999
    assert isinstance(town, CategoryColumn)
    assert "rare town" in town.values
    number, code = fitted.columns[:2]
    assert isinstance(number, Unlearnt)
    assert isinstance(code, Unlearnt)
    assert number.fresh is not None
    assert code.fresh is not None
    assert number.fresh.counter == 1501
    assert all(value in code.fresh for value in whole.cells[:, 1])
    x = encode_all(fitted, cells, train)
    assert x.shape == (1300, *fitted.spec.shape)
    assert np.array_equal(x, fitted.encode(whole[:1300]), equal_nan=True)


def test_a_large_table_goes_through_the_verbs(tmp_path: Path) -> None:
    path = write(tmp_path, people(600))
    found = morelike.check(path)
    assert found["items"] == 600
    assert any("stay on disk" in note for note in found["notes"])
    rows: Any = morelike.train(path, "independent", out=tmp_path / "m", judge=False).sample(20)
    assert rows.shape == (20, 7)


def test_the_split_of_a_table_does_not_depend_on_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, people(200))
    there = make_split(open_source(path), 3)
    monkeypatch.setattr(table_stored, "LARGE", 1 << 30)
    here = open_source(path)
    assert isinstance(here.items, Cells)
    assert make_split(here, 3).train.tolist() == there.train.tolist()


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, people(50))
    cells = stored(path)
    path.write_text("a,b\n", encoding="utf-8")
    with pytest.raises(BadInput, match="changed"):
        cells[3]

"""Parquet files and data frames: text inside, the same types outside; what is nested or mixed is said or refused."""

from __future__ import annotations

import datetime
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morelike
from conftest import Runner
from morelike.core.errors import BadInput
from morelike.data.open import open_source
from morelike.data.table import Cells
from morelike.data.table_arrow import arrow_of, from_cells, give_back, to_cells
from morelike.data.table_arrow_types import ArrowTypes

pa = pytest.importorskip("pyarrow", reason="the extra `tables` is not installed")
pd = pytest.importorskip("pandas", reason="the extra `tables` is not installed")
parquet = pytest.importorskip("pyarrow.parquet")


def every_type(rows: int = 240) -> Any:
    """A frame with a column of each type, nulls among them."""
    rng = np.random.default_rng(0)
    begin = pd.Timestamp("2020-01-01")
    return pd.DataFrame(
        {
            "whole": rng.integers(0, 1000, rows),
            "large": [2**60 + int(number) for number in rng.integers(0, 5, rows)],
            "byte": rng.integers(0, 5, rows).astype("uint8"),
            "real": rng.normal(size=rows),
            "single": rng.normal(size=rows).astype("float32"),
            "gaps": [None if row % 7 == 0 else row * 37 % 101 / 2 for row in range(rows)],
            "word": rng.choice(["a", "b", None, "", "NA"], rows),
            "truth": rng.random(rows) > 0.5,
            "maybe": pd.array(rng.choice([True, False, None], rows), "boolean"),
            "count": pd.array([None if row % 5 == 0 else row * 3 % 97 for row in range(rows)], "Int64"),
            "grade": pd.Categorical(rng.choice(["x", "y"], rows), ["y", "x", "never"], ordered=True),
            "day": begin + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
            "moment": begin + pd.to_timedelta(rng.integers(0, 9_000_000, rows), "s"),
            "there": (begin + pd.to_timedelta(rng.integers(0, 9_000_000, rows), "s")).tz_localize("UTC").tz_convert("Asia/Tokyo"),
            "long": pd.to_timedelta(rng.integers(0, 50, rows), "h"),
            "money": [Decimal(int(cents)) / 100 for cents in rng.integers(10_000, 99_999, rows)],
            "date": [datetime.date(2020, 1, 1) + datetime.timedelta(int(days)) for days in rng.integers(0, 500, rows)],
            "clock": [datetime.time(int(hour), 30) for hour in rng.integers(0, 24, rows)],
        }
    )


@pytest.fixture(scope="module")
def frame() -> Any:
    return every_type()


@pytest.fixture(scope="module")
def model(frame: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return morelike.train(frame, "independent", out=tmp_path_factory.mktemp("frame") / "model", judge=False)


def test_frames_become_cells_and_come_back_exactly(frame: Any) -> None:
    table, origin, notes = arrow_of(frame)
    names, cells, types, more = to_cells(table, origin)
    assert (origin, notes, more) == ("pandas", [], [])
    assert names == list(frame.columns)
    assert all(isinstance(cell, str) for cell in cells.reshape(-1))
    assert set(cells[:, names.index("large")]) == {str(2**60 + number) for number in range(5)}
    types = ArrowTypes.restore(json.loads(json.dumps(types.state())))
    again = from_cells(types, names, cells)
    assert again.schema.equals(table.schema, check_metadata=True)
    for name in names:
        assert again.column(name).combine_chunks().equals(table.column(name).combine_chunks()), name
    pd.testing.assert_frame_equal(give_back(types, names, cells), frame)


def test_null_is_never_a_text_of_the_column() -> None:
    table = pa.table({"a": ["", "NA", "NULL", None], "b": [None, "", "x", "y"], "c": [1.0, float("nan"), None, 2.5]})
    names, cells, types, _ = to_cells(table, "pyarrow")
    assert types.nulls == ("<NA>", "NA", "")
    assert cells.tolist() == [["", "NA", "1"], ["NA", "", "nan"], ["NULL", "x", ""], ["<NA>", "y", "2.5"]]
    again = from_cells(types, names, cells)
    assert again.column("a").to_pylist() == ["", "NA", "NULL", None]
    assert [str(value) for value in again.column("c").to_pylist()] == ["1.0", "nan", "None", "2.5"]


def test_moments_finer_than_millionths_are_whole_numbers() -> None:
    table = pa.table({"t": pa.array([1, 1_600_000_000_123_456_789, None], pa.timestamp("ns"))})
    names, cells, types, _ = to_cells(table, "pyarrow")
    assert cells[:, 0].tolist() == ["1", "1600000000123456789", ""]
    assert from_cells(types, names, cells).equals(table)


def test_what_is_no_value_of_the_type_is_null_and_large_numbers_are_brought_into_range() -> None:
    names, _, types, _ = to_cells(pa.table({"n": pa.array([1, 2], pa.int8()), "d": pa.array([None, datetime.date(2020, 1, 1)])}), "pyarrow")
    cells = np.array([["300", "2020-02-30"], ["1e2", "2020-02-28"], ["-5", ""]], dtype=object)
    assert from_cells(types, names, cells).to_pydict() == {"n": [300 % 127, 100, -5], "d": [None, datetime.date(2020, 2, 28), None]}


def test_samples_of_a_model_of_a_frame_are_such_frames(frame: Any, model: Any) -> None:
    drawn = model.sample(60)
    assert isinstance(drawn, pd.DataFrame)
    assert (drawn.dtypes == frame.dtypes).all()
    assert list(drawn["grade"].cat.categories) == ["y", "x", "never"]
    assert set(drawn["word"].dropna()) <= {"a", "b", "", "NA"}
    assert drawn["word"].isna().any()
    assert not drawn["whole"].isna().any()
    pd.testing.assert_frame_equal(morelike.load(model.folder).sample(60), drawn)
    assert model.judge(frame)["verdict"]


def test_frames_of_others_are_taken_by_what_they_can_do(frame: Any) -> None:
    class Foreign:
        columns = ("a", "b")

        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return pa.table({"a": list(range(20)), "b": ["x", "y"] * 10}).__arrow_c_stream__(requested_schema)

    source = open_source(Foreign())
    assert (source.kind, len(source.items), source.items.names) == ("table", 20, ("a", "b"))
    assert open_source(pa.Table.from_pandas(frame)).items.types.origin == "pyarrow"


def test_an_index_is_left_out_and_said() -> None:
    rows = pd.DataFrame({"a": [1, 2, 3] * 10, "b": list("xyz") * 10}, index=[f"r{row}" for row in range(30)])
    assert any("reset_index" in note for note in open_source(rows).notes)
    assert open_source(rows.reset_index(drop=True)).notes == ()


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(BadInput, match="column m with type object"):
        open_source(pd.DataFrame({"m": [1, "a"]}))
    with pytest.raises(BadInput, match="two columns called 'a'"):
        open_source(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(BadInput, match="no column of the table"):
        open_source(pa.table({"l": [[1], [2]]}))
    with pytest.raises(BadInput, match="no rows"):
        open_source(pa.table({"l": pa.array([], pa.int64())}))


def test_parquet_from_the_command_line(morelike_cli: Runner, frame: Any, tmp_path: Path) -> None:
    source, out = tmp_path / "my.parquet", tmp_path / "more.parquet"
    frame = frame[["whole", "word", "grade", "there", "money"]]
    nested = pa.Table.from_pandas(frame).append_column("tags", pa.array([["t"]] * len(frame)))
    parquet.write_table(nested, source)
    checked = morelike_cli("check", source)
    assert checked.code == 0, checked.err
    assert "tags: holds list<" in checked.out
    assert morelike_cli("train", source, "--model", "bayesnet", "--no-judge", "--out", tmp_path / "m").code == 0
    ended = morelike_cli("sample", tmp_path / "m", "-n", 30, "--where", "grade=y", "--out", out)
    assert ended.code == 0, ended.err
    back = pd.read_parquet(out)
    assert (back.dtypes == frame.dtypes).all()
    assert set(back["grade"]) == {"y"}
    assert morelike_cli("sample", tmp_path / "m", "-n", 3, "--out", tmp_path / "more.csv").code == 0


def test_a_model_of_a_csv_file_writes_parquet_with_numbers(morelike_cli: Runner, tmp_path: Path) -> None:
    lines = [f"{row * 7 % 100},{row * 3 % 11 / 2},{'ab'[row % 2]},{'' if row % 3 else row % 50 * 2 + 100}" for row in range(100)]
    (tmp_path / "t.csv").write_text("n,r,c,gaps\n" + "\n".join(lines) + "\n", encoding="utf-8")
    morelike.train(tmp_path / "t.csv", "bayesnet", out=tmp_path / "m", judge=False)
    assert morelike_cli("sample", tmp_path / "m", "-n", 20, "--out", tmp_path / "t.parquet").code == 0
    written = parquet.read_table(tmp_path / "t.parquet")
    assert [str(kind) for kind in written.schema.types] == ["int64", "double", "string", "int64"]
    assert written.column("gaps").null_count


def test_files_named_by_splits_are_one_table(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": list(range(40)), "b": ["x", "y"] * 20}), tmp_path / "train.parquet")
    parquet.write_table(pa.table({"b": ["y", None], "a": [3, 4]}), tmp_path / "test.parquet")
    source = open_source(tmp_path)
    assert source.split is not None
    assert source.split["holdout"].tolist() in ([40, 41], [0, 1])
    assert isinstance(source.items, Cells)
    assert source.items[source.split["holdout"]][:, source.items.names.index("b")].tolist() == ["y", ""]
    parquet.write_table(pa.table({"b": ["y"], "z": [3]}), tmp_path / "test.parquet")
    with pytest.raises(BadInput, match="need the same ones"):
        open_source(tmp_path)
    (tmp_path / "test.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BadInput, match=r"test.parquet can't be read as Parquet"):
        open_source(tmp_path / "test.parquet")


def test_without_the_extra_a_sentence_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: Any, morelike_cli: Runner) -> None:
    parquet.write_table(pa.table({"a": [1, 2]}), tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    ended = morelike_cli("check", tmp_path / "t.parquet")
    assert ended.code == 2
    assert "pip install 'morelike[tables]'" in ended.err
    with pytest.raises(BadInput, match=r"morelike\[tables\]"):
        open_source(frame)

"""Tasks on Parquet files and data frames: rows come back as what they were, whatever the types, the order and the gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morelike
from conftest import Runner
from morelike.core.errors import BadInput
from morelike.house import augmenting
from morelike.house.model import Model, load
from morelike.house.writing import write_rows
from morelike.tasks import table_rivals

pa = pytest.importorskip("pyarrow", reason="the extra `tables` is not installed")
pd = pytest.importorskip("pandas", reason="the extra `tables` is not installed")
GAPS = ["city", "rent", "size", "smoker", "there", "day", "note"]


def flats(count: int, seed: int) -> Any:
    """A frame of the types of pandas."""
    rng = np.random.default_rng(seed)
    city = rng.choice(["Bern", "Basel", "Zug"], count)
    rent = np.array([{"Bern": 1000, "Basel": 2000, "Zug": 4000}[one] for one in city]) + rng.integers(0, 500, count)
    begin = pd.Timestamp("2020-01-01")
    return pd.DataFrame(
        {
            "city": pd.Categorical(city, ["Zug", "Basel", "Bern", "never"]),
            "rent": pd.array(rent, "Int64"),
            "size": np.round(rent / 20 + rng.normal(0, 3, count), 1),
            "smoker": pd.array(rng.random(count) < 0.3, "boolean"),
            "there": (begin + pd.to_timedelta(rng.integers(0, 9_000_000, count), "s")).tz_localize("UTC").tz_convert("Asia/Tokyo"),
            "day": begin + pd.to_timedelta(rng.integers(0, 400, count), "D"),
            "note": pd.array(rng.choice(["a", "b"], count), "string"),
        }
    )


def torn() -> Any:
    """Rows with a gap in each column, under an index, in another order, with a column more."""
    rows = flats(20, 1)
    rows.index = [f"r{row}" for row in range(20)]
    for row, name in enumerate(GAPS):
        rows.loc[f"r{row}", name] = None
    return rows[GAPS[::-1]].assign(more=range(20))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    frame = flats(500, 0)
    frame.loc[::9, "rent"] = pd.NA
    frame.to_parquet(folder / "flats.parquet")
    frame.to_csv(folder / "flats.csv", index=False)
    morelike.train(folder / "flats.parquet", "bayesnet", out=folder / "model", judge=False)
    morelike.train(folder / "flats.csv", "bayesnet", out=folder / "plain", judge=False)
    return folder


@pytest.fixture
def quick_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    """What added rows are worth is measured fewer times, by a quick learner in place of trees."""
    monkeypatch.setattr(augmenting, "DRAWS", 2)
    monkeypatch.setattr(table_rivals, "_trees", table_rivals._bayes)


@pytest.fixture(scope="module", params=["model", "plain"])
def model(request: pytest.FixtureRequest, place: Path) -> Model:
    """Learnt from Parquet, or from CSV."""
    return load(place / request.param)


def test_a_frame_is_filled_as_that_frame(model: Model) -> None:
    rows = torn()
    found = model.restore(rows, 2, seed=1)
    assert found.counts == dict.fromkeys(GAPS, 1)
    for filled in found.tables:
        assert isinstance(filled, pd.DataFrame)
        assert (filled.dtypes == rows.dtypes).all()
        assert filled.index.equals(rows.index)
        assert not filled.isna().any(axis=None)
        assert (filled == rows).where(rows.notna(), True).all(axis=None)
        assert str(filled["smoker"].iloc[3]) in ("True", "False")
        assert filled["city"].iloc[0] in ("Bern", "Basel", "Zug")
        assert 900 < filled["rent"].iloc[1] < 4600
        assert filled["more"].tolist() == list(range(20))
    whole = model.restore(rows.assign(rent=None, city=None)).tables[0]
    assert not whole.isna().any(axis=None)


def test_single_rows_fewer_columns_and_none(model: Model) -> None:
    rows = torn()
    assert len(model.impute(rows.iloc[[2]]).tables[0]) == 1
    assert "lacks the column city" in " ".join(model.impute(rows.drop(columns="city")).notes)
    less = rows.drop(columns="city")
    for wrong, said in ((rows.iloc[:0], "and no rows"), (less, "lacks the column 'city'"), (rows[["more"]], "none of the columns")):
        with pytest.raises(BadInput, match=said):
            model.detect(wrong)


def test_scores_and_classes_stand_beside_the_rows(model: Model) -> None:
    rows = flats(30, 2)[GAPS[::-1]].set_axis(range(7, 37))
    found = model.detect(rows)
    assert [str(kind) for kind in found.table.dtypes.iloc[-2:]] == ["float64", "int64"]
    pd.testing.assert_frame_equal(found.table[list(rows.columns)], rows)
    assert np.allclose(found.table["score"], found.scores, atol=1e-4)
    assert sorted(found.table["rank"]) == list(range(1, 31))
    # the same rows as an Arrow table, and as text
    table = model.detect(pa.Table.from_pandas(rows, preserve_index=False))
    assert isinstance(table.table, pa.Table)
    assert (table.scores == found.scores).all()
    classes = model.classify(rows.drop(columns="smoker"), column="smoker")["rows"]
    assert {row["label"].lower() for row in classes} <= {"true", "false"}


@pytest.mark.usefixtures("quick_gains")
def test_a_frame_is_enlarged_as_that_frame(place: Path, tmp_path: Path) -> None:
    rows = flats(120, 3)[GAPS[::-1]]
    found = load(place / "model").augment("smoker", 30, data=rows)
    assert isinstance(found.table, pd.DataFrame)
    assert (found.table.dtypes == rows[GAPS].dtypes).all()
    write_rows(tmp_path / "more.parquet", found.rows)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "more.parquet"), found.table)
    assert len(found.table) > 90
    assert not found.table.iloc[-30:]["city"].isna().any()


def test_files_are_written_by_their_ending(morelike_cli: Runner, place: Path, tmp_path: Path) -> None:
    rows = torn()
    rows.to_parquet(tmp_path / "torn.parquet")
    rows.to_csv(tmp_path / "torn.csv", index=False)
    for model in ("model", "plain"):
        ended = morelike_cli("restore", place / model, tmp_path / "torn.parquet", "-n", 2, "--out", tmp_path / "filled.parquet")
        assert ended.code == 0, ended.err
        filled = pd.read_parquet(tmp_path / "filled-2.parquet")
        assert (filled.dtypes == rows.dtypes).all()
        assert filled.index.equals(rows.index)
        assert not filled.drop(columns="there").isna().any(axis=None)
        ended = morelike_cli("restore", place / model, tmp_path / "torn.csv", "--out", tmp_path / "typed.parquet")
        assert ended.code == 0, ended.err
        typed = pd.read_parquet(tmp_path / "typed.parquet")
        # nothing that was there is lost for the sake of a type
        assert typed["there"].isna().sum() <= 1
        assert not typed.drop(columns="there").isna().any(axis=None)
        assert typed["rent"].dtype.kind in "if"
        assert morelike_cli("detect", place / model, tmp_path / "filled-1.parquet", "--out", tmp_path / "odd.parquet").code == 0
        assert pd.read_parquet(tmp_path / "odd.parquet")["rank"].dtype.kind == "i"
        words = ("--column", "smoker", "--out", tmp_path / "named.parquet")
        assert morelike_cli("classify", place / model, tmp_path / "filled-1.parquet", *words).code == 0
        assert pd.read_parquet(tmp_path / "named.parquet")["probability"].between(0.5, 1).all()
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert "can't be read as Parquet" in morelike_cli("detect", place / "model", tmp_path / "x.parquet").err
    pd.DataFrame({"a": pd.array([], "Int64")}).to_parquet(tmp_path / "none.parquet")
    assert "and no rows" in morelike_cli("detect", place / "model", tmp_path / "none.parquet").err

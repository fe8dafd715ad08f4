"""Time series: files, clocks, gaps, windows and scales; what is refused, and in which words."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from morelike.core.errors import BadInput
from morelike.data.files import FolderFiles
from morelike.data.open import open_source
from morelike.data.series import SeriesCodec
from morelike.data.series_calendar import Calendar
from morelike.data.series_clock import usual_step
from morelike.data.series_items import Series, series
from morelike.data.series_open import following
from morelike.data.series_scale import decimals, filled
from morelike.data.source import Source
from morelike.data.split import make_split
from morelike.testing import check_codec


def hours(count: int, channels: int = 2, seed: int = 0, start: str = "2020-01-01") -> list[list[str]]:
    values = np.random.default_rng(seed).normal(0, 1, (count, channels)).cumsum(0)
    times = np.datetime64(start, "h") + np.arange(count)
    return [[str(time).replace("T", " ") + ":00", *(f"{value:.3f}" for value in row)] for time, row in zip(times, values, strict=True)]


def written(path: Path, rows: list[list[str]], header: str = "time,a,b", joint: str = ",") -> Path:
    lines = [header] if header else []
    path.write_text("\n".join([*lines, *(joint.join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def opened(path: Path, kind: str | None = None) -> Source:
    return open_source(path, kind=kind)


def test_a_file_with_times_is_a_series_split_by_position(tmp_path: Path) -> None:
    rows = hours(100)
    source = opened(written(tmp_path / "s.csv", rows))
    assert source.kind == "series"
    assert [len(item) for item in source.items] == [70, 10, 20]
    split = make_split(source, 0)
    assert [split.train.tolist(), split.validation.tolist(), split.holdout.tolist()] == [[0], [1], [2]]
    assert source.items[0].names == ("a", "b")
    assert source.items[2].times is not None
    assert source.items[2].times[0] == np.datetime64("2020-01-04T08:00")
    np.testing.assert_array_equal(np.concatenate([item.values for item in source.items]), np.array([row[1:] for row in rows], float))


def test_packed_between_spaces_with_tabs_and_semicolons_are_the_same(tmp_path: Path) -> None:
    rows = [row[1:] for row in hours(300)]
    same = [
        written(tmp_path / "a.txt", rows, "", "  "), written(tmp_path / "b.tsv", rows, "a\tb", "\t"), written(tmp_path / "c.csv", rows, ""),
        written(tmp_path / "d.csv", [[cell.replace(".", ",") for cell in row] for row in rows], "a;b", ";"),
    ]  # fmt: skip
    packed = tmp_path / "e.csv.gz"
    packed.write_bytes(gzip.compress(same[2].read_bytes()))
    for path in [*same, packed]:
        source = opened(path)
        assert source.kind == "series", path
        np.testing.assert_allclose(np.concatenate([item.values for item in source.items]), np.array(rows, float), atol=1e-12)


def test_rows_in_no_order_are_a_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [[f"{value:.3f}" for value in row] for row in rng.normal(0, 1, (400, 3))]
    assert opened(written(tmp_path / "t.csv", rows, "a,b,c")).kind == "table"
    numbered = [[str(row), *cells] for row, cells in enumerate(rows)]
    assert opened(written(tmp_path / "n.csv", numbered, "id,a,b,c")).kind == "table"
    dated = hours(100)
    assert opened(written(tmp_path / "words.csv", [[*row, "yes"] for row in dated], "time,a,b,word")).kind == "table"
    rng.shuffle(dated)
    assert opened(written(tmp_path / "shuffled.csv", dated)).kind == "table"


def test_newest_first_is_turned_round(tmp_path: Path) -> None:
    source = opened(written(tmp_path / "s.csv", hours(100)[::-1]))
    assert source.kind == "series"
    times = source.items[0].times
    assert times is not None
    assert (np.diff(times).astype(int) > 0).all()
    assert any("turned round" in note for note in source.notes)


def test_a_gap_in_time_cuts_and_is_said_with_its_line(tmp_path: Path) -> None:
    rows = hours(200)
    source = opened(written(tmp_path / "s.csv", rows[:50] + rows[53:]))
    assert [len(item) for item in source.items] == [50, 88, 20, 39]
    assert any("line 52" in note for note in source.notes)
    split = make_split(source, 0)
    assert split.train.tolist() == [0, 1]
    codec = SeriesCodec.fit([source.items[row] for row in split.train])
    cut = codec.pieces([source.items[row] for row in split.train], True)
    assert cut is not None
    assert cut[1].tolist() == [0] * 27 + [1] * 65


BAD = {
    "back": (lambda rows: [*rows[:60], rows[20], *rows[60:]], "line 62.*before that of the row above"),
    "twice": (lambda rows: [*rows[:60], rows[59], *rows[60:]], "line 62.*comes twice"),
    "word": (lambda rows: [*rows[:60], [rows[60][0], "broken", "1"], *rows[61:]], "line 62, column 'a': 'broken' is no number"),
    "ragged": (lambda rows: [*rows[:60], rows[60][:2], *rows[61:]], "line 62: has 2 cells, but 3 are usual"),
    "no time": (lambda rows: [*rows[:60], ["soon", "1", "2"], *rows[61:]], "line 62: the time 'soon' can't be read"),
    "zones": (lambda rows: [[f"{row[0]}:00+0{number % 3}:00", *row[1:]] for number, row in enumerate(rows)], "mixes 3 zones"),
    "ways": (
        lambda rows: [*rows[:150], *([row[0].replace("-", "/"), *row[1:]] for row in rows[150:])], "is written as %Y-%m-%d %H:%M and as",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(BAD))
def test_a_broken_file_is_refused_with_its_line(fault: str, tmp_path: Path) -> None:
    change, says = BAD[fault]
    path = written(tmp_path / "s.csv", change(hours(200)))
    with pytest.raises(BadInput, match=rf"s\.csv.*{says}"):
        opened(path, "series")


def test_a_series_shorter_than_a_window_is_refused(tmp_path: Path) -> None:
    source = opened(written(tmp_path / "s.csv", hours(30)))
    with pytest.raises(BadInput, match=r"21 rows, fewer than a window of 24.*codec\.window=5"):
        SeriesCodec.fit([source.items[0]])
    codec = SeriesCodec.fit([source.items[0]], window=5)
    with pytest.raises(BadInput, match="3 rows at most, fewer than a window of 5"):
        codec.pieces([source.items[1]], False)
    with pytest.raises(BadInput, match="has 3 rows; the model's windows have 5"):
        codec.encode([source.items[1]])


def test_bad_settings_are_refused() -> None:
    items = [series(np.arange(60.0))]
    for setting, says in (({"window": 1}, "codec.window"), ({"form": "waves"}, "codec.form")):
        with pytest.raises(BadInput, match=says):
            SeriesCodec.fit(items, **setting)
    with pytest.raises(BadInput, match="'x1' has no value"):
        SeriesCodec.fit([series(np.full(60, np.nan))])


def test_several_series_in_long_form(tmp_path: Path) -> None:
    rows = [[row[0], name, *row[1:]] for number, name in enumerate("abcdefghijkl") for row in hours(40, seed=number)]
    source = opened(written(tmp_path / "s.csv", rows, "time,id,a,b"), "series")
    assert len(source.items) == 12
    assert source.names == list("abcdefghijkl")
    split = make_split(source, 0)
    assert len(split.train) + len(split.validation) + len(split.holdout) == 12
    few = opened(written(tmp_path / "f.csv", rows[:120], "time,id,a,b"), "series")
    assert [len(item) for item in few.items] == [28, 4, 8] * 3
    assert few.columns["series"].categories == ("a", "b", "c")
    one = opened(written(tmp_path / "o.csv", rows[:40], "time,id,a,b"), "series")
    assert [len(item) for item in one.items] == [28, 4, 8]


def test_words_that_stay_are_conditions_and_others_are_refused(tmp_path: Path) -> None:
    rows = [[row[0], name, *row[1:], "wet" if name < "g" else "dry"] for name in "abcdefghijkl" for row in hours(40)]
    source = opened(written(tmp_path / "s.csv", rows, "time,id,a,b,place"), "series")
    assert source.columns["place"].categories == ("dry", "wet")
    rows[30][-1] = "dry"
    with pytest.raises(BadInput, match="line 32, column 'place': 'dry'"):
        opened(written(tmp_path / "t.csv", rows, "time,id,a,b,place"), "series")


def test_a_folder_of_files_holds_a_series_each(tmp_path: Path) -> None:
    for number in range(3):
        written(tmp_path / f"s{number}.csv", hours(100, seed=number))
    (tmp_path / "README.md").write_text("three sensors")
    source = opened(tmp_path)
    assert [len(item) for item in source.items] == [70, 10, 20] * 3
    written(tmp_path / "s3.csv", hours(100), "time,a,c")
    with pytest.raises(BadInput, match=r"s3.csv has the channels a, c, but s0.csv a, b"):
        opened(tmp_path)


def test_files_named_by_their_split_keep_it(tmp_path: Path) -> None:
    for name in ("train", "test"):
        written(tmp_path / f"{name}.csv", hours(100))
    source = opened(tmp_path)
    assert source.split is not None
    assert {name: [len(source.items[row]) for row in rows] for name, rows in source.split.items()} == {
        "train": [90], "validation": [10], "holdout": [100],
    }  # fmt: skip
    (tmp_path / "valid.csv").write_bytes((tmp_path / "train.csv").read_bytes())
    assert [len(item) for item in opened(tmp_path).items] == [100, 100, 100]


@pytest.mark.parametrize("form", ["levels", "changes"])
@pytest.mark.parametrize("log", [False, True])
def test_windows_come_back_as_they_went_in(form: str, log: bool) -> None:
    values = np.exp(np.random.default_rng(0).normal(0, 0.1, (120, 3)).cumsum(0)).round(4) + 1
    item = Series(values, ("a", "b", "c"))
    codec = SeriesCodec.fit([item], form=form, log=log)
    x = codec.pieces([item], True)
    assert x is not None
    assert x[0].shape == (97, 3, 24)
    assert 0.3 < np.abs(x[0]).mean() < 3
    for row, found in enumerate(codec.decode(x[0])):
        np.testing.assert_allclose(found.values, values[row : row + 24], rtol=2e-4)
    check_codec(codec, [item.part(0, 24), item.part(30, 60)])
    np.testing.assert_allclose(codec.to_values(codec.to_x(values)), values, rtol=5e-4)


def test_the_scale_is_the_training_parts_own() -> None:
    values = np.array([[1.0, 5.0], [3.0, 5.0], [5.0, 5.0], [7.0, 5.0]])
    codec = SeriesCodec.fit([series(values)], window=2)
    assert codec.to_x(values)[0] == pytest.approx(np.array([-3, -1, 1, 3]) / np.sqrt(5))
    assert any("constant" in said and "x2" in said for said in codec.describe())
    assert codec.decode(np.random.default_rng(0).normal(0, 9, (3, 2, 2)))[1].values[:, 1].tolist() == [5.0, 5.0]


def test_missing_values_are_a_channel_and_come_back_missing() -> None:
    values = np.arange(80.0).reshape(40, 2)
    values[5, 0] = values[6, 0] = np.nan
    codec = SeriesCodec.fit([series(values)], window=8)
    x = codec.encode([series(values)])
    assert codec.spec.shape == (3, 8)
    assert np.isfinite(x).all()
    assert x[0, 2].tolist() == [-1, -1, -1, -1, -1, 1, 1, -1]
    found = codec.decode(x)[0].values
    assert np.isnan(found).nonzero()[0].tolist() == [5, 6]
    np.testing.assert_allclose(found[:5], values[:5], atol=1e-4)
    np.testing.assert_allclose(filled(values, np.zeros(2))[4:8, 0], [8, 10, 12, 14])
    assert np.isnan(codec.to_x(values)[0, 5])


def test_uneven_times_are_drawn_with_the_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(1, 9, 200))
    rows = [[f"{time:.4f}", f"{value:.2f}"] for time, value in zip(times, np.sin(times), strict=True)]
    source = opened(written(tmp_path / "s.csv", rows, "seconds,a"))
    codec = SeriesCodec.fit([source.items[0]], **source.settings)
    assert codec.spec.shape == (2, 24)
    found = codec.decode(codec.encode([source.items[0]]))[0]
    assert found.times is not None
    np.testing.assert_allclose(np.diff(found.times), np.diff(times[:24]), atol=1e-3)
    assert usual_step(np.array([1.0, 1.0, 1.0, 5.0])) is None
    assert usual_step(np.array([31.0, 28.0, 31.0, 30.0])) == 30.5


def test_the_calendar_is_told_and_drawn_windows_lie_where_they_say(tmp_path: Path) -> None:
    source = opened(written(tmp_path / "s.csv", hours(24 * 30)))
    train = source.items[0]
    codec = SeriesCodec.fit([train], calendar=True, **source.settings)
    assert codec.spec.shape == (2 + 2 + 6, 24)
    assert codec.facts()["seasons"] == ["day", "week"]
    assert any("told where in the day and the week" in said for said in codec.describe())
    assert train.times is not None
    morning = train.part(24 * 8 + 9, 24 * 9 + 9)
    x = codec.encode([train, morning])
    turn = 2 * np.pi * (9 + np.arange(24)) / 24
    np.testing.assert_allclose(x[1, 2:4], np.sqrt(2) * np.stack([np.sin(turn), np.cos(turn)]), atol=1e-5)
    first, second = codec.decode(x)
    for found, real in ((first, train), (second, morning)):
        assert found.times is not None
        assert real.times is not None
        apart = (found.times[0] - real.times[0]) / np.timedelta64(1, "h")
        assert apart > 0
        assert apart % (24 * 7) == 0
    restored = SeriesCodec.restore(json.loads(json.dumps(codec.state())))
    assert restored.decode(x) == codec.decode(x)
    with pytest.raises(BadInput, match="has no dates"):
        codec.encode([series(morning.values, codec.names)])
    plain = SeriesCodec.fit([train], **source.settings)
    assert any("codec.calendar=true tells it" in said for said in plain.describe())
    for other in (series(np.zeros((99, 1))), series(np.zeros((30, 1)), times=np.datetime64("2020-01-01", "h") + np.arange(30))):
        with pytest.raises(BadInput, match="needs a column of dates"):
            SeriesCodec.fit([other], calendar=True)


def test_days_of_the_week_and_months_are_counted_from_the_calendar() -> None:
    times = np.array(["2026-11-23T05:59", "2026-12-27T23:00"], "datetime64[us]")
    assert Calendar(("day", "week", "year")).parts(times).tolist() == [[5, 23], [0, 6], [10, 11]]


def test_working_days_with_holidays_and_months_are_drawn_as_such(tmp_path: Path) -> None:
    days = np.busday_offset("2024-01-02", np.delete(np.arange(200), [9, 60, 140]))
    source = opened(written(tmp_path / "prices.csv", [[str(day), f"{100 + row % 7}.5"] for row, day in enumerate(days)], "Date,Close"))
    train = source.items[0]
    codec = SeriesCodec.fit([train], **source.settings)
    assert codec.spec.shape == (1, 24)
    assert any("rows are working days" in said for said in codec.describe())
    assert train.times is not None
    drawn = codec.decode(codec.encode([train]))[0].times
    assert drawn is not None
    assert np.is_busday(drawn.astype("datetime64[D]")).all()
    assert drawn[0] > train.times[-1]
    assert (np.busday_count(drawn[:-1].astype("datetime64[D]"), drawn[1:].astype("datetime64[D]")) == 1).all()
    told = SeriesCodec.fit([train], calendar=True, **source.settings)
    friday = train.part(3, 27)
    again = told.decode(told.encode([friday]))[0].times
    assert again is not None
    assert friday.times is not None
    assert (again[0] - friday.times[0]) % np.timedelta64(7, "D") == 0
    for day, said in ((1, "rows are months"), (0, "rows are ends of months")):
        months = np.arange("2015-01", "2024-01", dtype="datetime64[M]").astype("datetime64[D]") + np.timedelta64(day - 1, "D")
        codec = SeriesCodec.fit([series(np.arange(108.0)[:, None], times=months)])
        assert any(said in one for one in codec.describe())
        ahead = codec.decode(np.zeros((1, 1, 24)))[0].times
        assert ahead is not None
        assert ahead.astype("datetime64[D]").astype(str).tolist()[:3] == (
            ["2024-01-01", "2024-02-01", "2024-03-01"] if day else ["2023-12-31", "2024-01-31", "2024-02-29"]
        )


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ""])
def test_written_with_times_that_go_on_in_their_own_format(ending: str, tmp_path: Path) -> None:
    source = opened(written(tmp_path / "s.csv", hours(100)))
    codec = SeriesCodec.fit([source.items[0]], **source.settings)
    place = tmp_path / f"out{ending}"
    drawn = codec.decode(codec.encode([source.items[0], source.items[0].part(9, 40)]))
    codec.write(drawn, place, ending)
    if ending == ".csv":
        lines = place.read_text().splitlines()
        assert lines[0] == "series,time,a,b"
        assert len(lines) == 49
        assert lines[1].startswith("0,2020-01-03 22:00,")
        assert lines[2].startswith("0,2020-01-03 23:00,")
        assert lines[-1].startswith("1,2020-01-04 21:00,")
        again = codec.read(place)
        assert again == drawn
    elif ending == ".jsonl":
        first = json.loads(place.read_text().splitlines()[0])
        assert first["time"][1] == "2020-01-03 23:00"
        assert first["a"] == drawn[0].values[:, 0].tolist()
    else:
        assert [path.name for path in sorted(place.iterdir())] == ["00000.csv", "00001.csv"]
        assert codec.read(place / "00001.csv") == drawn[1:]


def test_decimals_and_smoothness() -> None:
    assert decimals(np.array([1.25, 3.0, np.nan])) == 2
    assert decimals(np.array([1.0, 2000.0])) == 0
    assert decimals(np.array([1 / 3])) is None
    assert following(np.sin(np.arange(500) / 20)) > 0.99
    assert following(np.arange(500.0)) == 0.0
    assert abs(following(np.random.default_rng(0).normal(0, 1, 5000))) < 0.05


def test_in_memory() -> None:
    values = np.random.default_rng(0).normal(0, 1, (100, 2)).cumsum(0)
    assert [len(item) for item in open_source(values, kind="series").items] == [70, 10, 20]
    assert len(open_source([series(values + row) for row in range(12)]).items) == 12
    assert open_source(values).kind == "vector"


def test_columns_are_found_by_name_in_a_file_of_ones_own(tmp_path: Path) -> None:
    codec = SeriesCodec.fit(opened(written(tmp_path / "s.csv", hours(100))).items[:1])
    rows = [[row[0], row[2], row[1]] for row in hours(30, seed=2)]
    found = codec.read(written(tmp_path / "t.csv", rows, "time,b,a"))[0]
    assert found.names == ("a", "b")
    assert found.values[0, 0] == float(rows[0][2])
    with pytest.raises(BadInput, match=r"t\.csv lacks the channel 'b'"):
        codec.read(written(tmp_path / "t.csv", rows, "time,c,a"))


def test_a_page_is_drawn(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 1, (100, 2)).cumsum(0)
    values[3:9, 1] = np.nan
    codec = SeriesCodec.fit([series(values)])
    codec.draw([series(values).part(row, row + 24) for row in range(5)], tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes()[:4] == b"\x89PNG"
    assert FolderFiles(tmp_path).sizes["page.png"] > 5000

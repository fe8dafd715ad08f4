"""Values as people and programs write them: moments in their zone, parts of days, truth values, units, labels of frames."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import morelike
from morelike.core.errors import BadInput
from morelike.data.table import TableCodec
from morelike.data.table_boxes import boxes_of
from morelike.data.table_dates import DateFormat
from morelike.data.table_demands import Visible, read_demand
from morelike.data.table_numbers import NumberFormat
from morelike.data.table_read import as_typed, measure, span
from morelike.data.table_zones import Zone, seconds, tail_pattern, written
from table_cells import back, one, table

BEGIN = datetime.datetime(2019, 1, 1)
MINUTES = [BEGIN + datetime.timedelta(minutes=int(minute)) for minute in np.random.default_rng(0).permutation(700_000)[:400]]


def moments(zone: str, pattern: str = "%Y-%m-%dT%H:%M:%S%z") -> list[str]:
    """The same times of day of a year and more, as a clock of a zone shows them."""
    return [one.replace(tzinfo=ZoneInfo(zone)).strftime(pattern) for one in MINUTES]


def found(texts: Sequence[str]) -> DateFormat:
    form = DateFormat.find(list(dict.fromkeys(texts)))
    assert form is not None
    return form


@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/New_York", "Asia/Kolkata", "UTC"])
@pytest.mark.parametrize("pattern", ["%Y-%m-%dT%H:%M:%S%z", "%d.%m.%Y, %H:%M %z", "%a, %d %b %Y %H:%M:%S %z"])
def test_moments_keep_the_offset_of_their_season(zone: str, pattern: str) -> None:
    texts = moments(zone, pattern)
    form = found(texts)
    assert form.zone is not None
    assert not form.zone.others
    assert len(set(form.zone.offsets)) == len({text[-5:] for text in texts})
    assert form.write(form.snap(form.parse(texts))) == texts
    assert DateFormat.restore(form.state()) == form
    # what is between training values has the offset of its season too
    later = form.parse(texts) + 7 * 86_400
    right = [datetime.datetime.fromtimestamp(value, ZoneInfo(zone)).strftime("%z") for value in later.tolist()]
    same = [text[-5:] == own for text, own in zip(form.write(form.snap(later)), right, strict=True)]
    assert np.mean(same) > 0.98


def test_names_of_clocks_and_offsets_are_read_and_written() -> None:
    texts = moments("Europe/Zurich", "%Y-%m-%d %H:%M %Z")
    form = found(texts)
    assert {text[-4:].strip() for text in texts} == {"CET", "CEST"}
    assert form.write(form.parse(texts)) == texts
    assert form.parse(["2019-07-01 12:00 CEST"])[0] == form.parse(["2019-07-01 11:00 CET"])[0]
    assert [seconds(text) for text in ("+02:00", "-0530", "+01", "Z", "EDT")] == [7200, -19_800, 3600, 0, -14_400]
    assert [written(7200, token, {7200: "CEST"}) for token in ("%:z", "%z", "%-z", "%Z")] == ["+02:00", "+0200", "+02", "CEST"]
    assert [tail_pattern(tail) for tail in ("+02:00[Europe/Zurich]", " Uhr", "", " 12")] == ["%:z[Europe/Zurich]", " Uhr", "", None]


def test_a_day_begins_at_midnight_of_the_columns_clock() -> None:
    texts = [one.replace(hour=0, minute=0, tzinfo=ZoneInfo("Europe/Zurich")).isoformat() for one in MINUTES]
    form = found(texts)
    assert form.said().endswith("to the day, at +01:00 and +02:00 by the season")
    assert {text[11:16] for text in form.write(form.snap(form.parse(texts) + 40_000.0))} == {"00:00"}
    assert (form.up(form.parse(texts).astype(np.int64) + 1) > form.parse(texts)).all()


def test_offsets_without_order_are_said() -> None:
    texts = [one.isoformat() + offset for one, offset in zip(MINUTES, ["+02:00", "+05:30", "+02:00", "-03:00"] * 100, strict=True)]
    form = found(texts)
    assert form.zone is not None
    assert form.zone.offsets == (7200,)
    assert set(form.zone.others) == {19_800, -10_800}
    assert "moments are kept, new ones are written at +02:00" in form.caveat()
    assert form.parse(form.write(form.parse(texts))).tolist() == form.parse(texts).tolist()


@given(st.integers(0, 2**31))
def test_a_clock_finds_its_moment_but_in_the_hour_that_comes_twice(moment: int) -> None:
    zone = Zone((3600, 7200, 3600), (10**9, 10**9 + 15_000_000))
    at = np.array([moment])
    again = at + zone.at(at) - zone.of_clock(at + zone.at(at))
    twice = zone.switches[1] <= moment < zone.switches[1] + 3600
    assert again[0] == (moment - 3600 if twice else moment)


SECONDS = found([one.strftime("%d.%m.%Y %H:%M:%S") for one in [*MINUTES, BEGIN + datetime.timedelta(seconds=1)]])


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("2019-03-05 14:30:07", 1), ("2019-03-05 14:30", 60), ("2019-03-05T14:30", 60), ("2019-03-05 14", 3600), ("2019-03-05T14", 3600),
        ("05.03.2019 14:30", 60), ("5.3.2019 14:30", 60), ("05.03.2019 14", 3600), ("05.03.2019", 86_400), ("2019-03-05", 86_400),
        ("2019-03", 31 * 86_400), ("2019", 365 * 86_400),
    ],
)  # fmt: skip
def test_a_moment_covers_what_it_leaves_unsaid(text: str, length: int) -> None:
    first, last = span(SECONDS, text)
    assert last - first == length - 1
    assert SECONDS.write(np.array([first]))[0].endswith(text[-2:]) or length > 1
    digits = sorted(text.replace("T", " ").replace(".", "-").split(" ")[0].split("-"), key=len)
    assert digits[-1] == SECONDS.write(np.array([first]))[0][6:10]


@pytest.mark.parametrize("text", ["2019-02-31", "2019-03-05 25", "14:30", "soon", "2019-03-05 14:30+02:00"])
def test_no_moment_is_none_and_an_offset_needs_a_zone(text: str) -> None:
    assert np.isnan(measure(SECONDS, text))


def test_a_bound_without_an_offset_is_on_the_columns_own_clock() -> None:
    form = found(moments("Europe/Zurich"))
    summer, winter = measure(form, "2019-07-01 14:30"), measure(form, "2019-12-01 14:30")
    assert summer == datetime.datetime(2019, 7, 1, 12, 30, tzinfo=datetime.UTC).timestamp()
    assert winter == datetime.datetime(2019, 12, 1, 13, 30, tzinfo=datetime.UTC).timestamp()
    assert span(form, "2019-07-01 12:30Z") == (summer, summer + 59) == span(form, "2019-07-01T14:30+0200")
    # the day on which clocks are put forward has 23 hours
    first, last = span(form, "2019-03-31")
    assert last - first == pytest.approx(23 * 3600 - 1, abs=0) or form.zone is not None


def test_times_of_day_and_months_are_bounds_too() -> None:
    clock = found([one.strftime("%H:%M:%S") for one in MINUTES])
    assert span(clock, "14:30") == (52_200, 52_259)
    assert span(clock, "14") == (50_400, 53_999)
    noons = found([one.strftime("%m/%d/%Y %I:%M %p") for one in MINUTES])
    assert measure(noons, "7/1/2019 2:30PM") == measure(noons, "07/01/2019 2:30 PM") == measure(noons, "2019-07-01 14:30")
    assert span(noons, "07/01/2019 2 PM") == span(noons, "2019-07-01 14")
    days = found([one.strftime("%m/%d/%Y") for one in MINUTES])
    assert span(days, "2019-03") == (measure(days, "03/01/2019"), measure(days, "03/31/2019"))
    assert span(days, "2019-03-05 00:00:00") == (measure(days, "3/5/2019"),) * 2


def test_a_demand_of_a_minute_allows_all_its_seconds_and_no_other() -> None:
    texts = [(BEGIN + datetime.timedelta(seconds=7 * row)).strftime("%Y-%m-%d %H:%M:%S") for row in range(600)]
    codec = TableCodec.fit(table(seen=texts, other=["a", "b"] * 300))
    shown = Visible(codec, "seen")
    held = shown.holds(texts, read_demand("seen=2019-01-01 00:14", codec.names))
    assert [text for text, good in zip(texts, held, strict=True) if good] == [text for text in texts if text.startswith("2019-01-01 00:14")]
    assert shown.holds(texts, read_demand("seen>2019-01-01 00:14", codec.names)).sum() == sum(text >= "2019-01-01 00:15" for text in texts)


@pytest.mark.parametrize(
    ("yes", "no"), [("yes", "no"), ("1", "0"), ("TRUE", "FALSE"), ("Y", "N"), ("t", "f"), ("Ja", "Nein"), ("1.0", "0.0")]
)
def test_truth_values_go_by_the_columns_own_words(yes: str, no: str) -> None:
    codec = TableCodec.fit(table(active=[yes, no, "", yes] * 50, other=["a", "b"] * 100))
    shown = Visible(codec, "active")
    for value, text in ((True, yes), (np.bool_(False), no)):
        demand = read_demand(f"active={as_typed(value, shown.words, shown.form)}", codec.names)
        assert [word for word, good in zip(shown.words, shown.holds(shown.words, demand), strict=True) if good] == [text]
    gaps = read_demand(f"active={as_typed(None, shown.words, shown.form)}", codec.names)
    assert shown.holds([yes, ""], gaps).tolist() == [False, True]


def test_truth_values_that_are_written_in_many_ways_are_one() -> None:
    texts = ["yes", "Y", "TRUE", "1", "no", "N", "FALSE", "0"] * 30
    code = one(texts)
    assert "boolean" in code.describe()
    codec = TableCodec.fit(table(active=texts, other=["a", "b"] * 120))
    shown = Visible(codec, "active")
    for asked in ("True", as_typed(True, shown.words, shown.form)):
        assert set(np.array(texts)[shown.holds(texts, read_demand(f"active={asked}", codec.names))]) == {"yes", "Y", "TRUE", "1"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime.date(2019, 3, 5), "2019-03-05"), (datetime.datetime(2019, 3, 5, 14, 30), "2019-03-05 14:30:00.000000"),
        (np.datetime64("2019-03-05"), "2019-03-05"), (np.int64(7), "7"), (np.float64(2.5), "2.5"), (float("nan"), ""),
        (np.datetime64("NaT"), ""), (datetime.time(14, 30), "14:30:00.000000"),
    ],
)  # fmt: skip
def test_values_of_python_are_typed(value: Any, text: str) -> None:
    assert as_typed(value, [], SECONDS) == text


def test_spaces_around_a_word_dont_matter() -> None:
    codec = TableCodec.fit(table(town=["  Zug", "Bern ", "Biel"] * 60, other=["a", "b"] * 90))
    asked = read_demand("town=Zug|Bern", codec.names)
    assert Visible(codec, "town").holds(["  Zug", "Bern ", "Biel"], asked).tolist() == [True, True, False]


def test_a_number_of_python_is_none_of_the_columns_thousands() -> None:
    form = NumberFormat.find([f"{value:,}".replace(",", ".") + ",50 €" for value in range(900, 9000, 7)])
    assert form is not None
    assert (form.decimal, form.thousands) == (",", ".")
    assert measure(form, as_typed(1234.5, [], form)) == 123_450 == measure(form, "1.234,50") == measure(form, "1.234,50 €")
    assert measure(form, as_typed(1.234, [], form)) == pytest.approx(123.4)


def test_units_are_kept_and_durations_compared_in_any_unit() -> None:
    texts = [f"{value} min" for value in range(5, 300)]
    code = one(texts)
    assert isinstance(code.form, NumberFormat)
    assert code.form.suffix == " min"
    assert back(code, texts) == texts
    assert [measure(code.form, text) for text in ("90 min", " 90min ", "1.5 h", "3600 s", "60000 ms")] == [90, 90, 90, 60, 1]
    assert measure(code.form, as_typed(datetime.timedelta(hours=2), [], code.form)) == 120
    assert np.isnan(measure(code.form, "90 kg"))
    mixed = one(["5 kg", "7 lb", "6 st", "8 oz"] * 30)
    assert mixed.kind == "category"
    assert mixed.form is None


pd = pytest.importorskip("pandas", reason="the extra `tables` is not installed")


def odd_frame(rows: int = 300) -> Any:
    rng = np.random.default_rng(1)
    begin = pd.Timestamp("2019-01-01", tz="Europe/Zurich")
    return pd.DataFrame(
        {
            0: rng.integers(0, 99, rows), ("a", "x"): rng.choice(["p", "q"], rows),
            "seen": begin + pd.to_timedelta(rng.integers(0, 9_000, rows), "h"),
            "long": pd.to_timedelta(rng.integers(5, 500, rows), "min"), "ok": rng.random(rows) > 0.5,
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 400, rows), "D"),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return morelike.train(odd_frame(), "bayesnet", out=tmp_path_factory.mktemp("odd") / "model", judge=False)


def test_a_frame_gives_a_frame_with_its_labels(model: Any) -> None:
    drawn = morelike.load(model.folder).sample(20)
    assert list(drawn.columns) == list(odd_frame().columns)
    assert (drawn.dtypes == odd_frame().dtypes).all()
    torn = odd_frame().head(12).astype({0: float})
    torn.loc[:4, 0] = None
    torn.loc[2, "seen"] = None
    filled = model.impute(torn).tables[0]
    assert list(filled.columns) == list(torn.columns)
    assert not filled.isna().any().any()
    pd.testing.assert_frame_equal(filled.loc[5:], torn.loc[5:])


@pytest.mark.parametrize(
    "columns",
    [[3, 1, 2], pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["letter", None]), pd.date_range("2020-01-01", periods=3)],
)
def test_labels_of_any_kind_come_back(columns: Any) -> None:
    from morelike.data.table_arrow import arrow_of, give_back, to_cells

    frame = pd.DataFrame([[1, 2.5, "x"], [2, 3.5, "y"]])
    frame.columns = columns
    given_table, origin, _ = arrow_of(frame)
    names, cells, types, _ = to_cells(given_table, origin)
    pd.testing.assert_frame_equal(give_back(types, names, cells), frame, check_freq=False)
    with pytest.raises(BadInput, match="two columns called '1'"):
        arrow_of(pd.DataFrame([[1, 2]], columns=[1, "1"]))


def test_objects_of_python_fix_columns_of_a_frame(model: Any) -> None:
    assert model.sample(9, where={"ok": True})["ok"].all()
    assert set(model.sample(9, where={0: np.int64(7)})[0]) == {7}
    day = pd.Timestamp("2020-05-05")
    assert set(model.sample(9, where={"day": day})["day"]) == {day} == set(model.sample(9, where={"day": day.date()})["day"])
    assert set(model.sample(9, where={"long": pd.Timedelta("2h")})["long"]) == {pd.Timedelta("2h")}
    drawn = model.sample(40, where=["seen>=2019-07-01 00", "seen<2019-07-02"])["seen"]
    assert set(drawn.dt.date) == {datetime.date(2019, 7, 1)}
    asked = model.ask("seen>=2019-07-01T00:00+02:00")["probability"]
    assert asked == pytest.approx(model.ask("seen>=2019-06-30 22:00Z")["probability"])


def test_cells_show_the_zones_clock_and_durations_their_unit(model: Any) -> None:
    said = "\n".join(model.codec.describe())
    assert "+01:00 and +02:00 by the season" in said
    assert " min to " in said
    rows, _ = model.sample_rows(30)
    seen = rows[:, model.codec.names.index("seen")]
    for text in seen:
        moment = datetime.datetime.fromisoformat(text)
        assert moment.utcoffset() == moment.astimezone(ZoneInfo("Europe/Zurich")).utcoffset()
    assert boxes_of(model.codec, [read_demand("long>1 h", model.codec.names)])


def test_moments_of_rows_are_on_the_columns_own_clock(model: Any) -> None:
    rows = odd_frame().head(30)
    plain = rows.assign(seen=rows["seen"].dt.tz_localize(None))
    utc = rows.assign(seen=rows["seen"].dt.tz_convert("UTC"))
    scores = model.detect(rows).scores
    assert (model.detect(utc).scores == scores).all()
    assert (model.detect(plain).scores == scores).all()
    # in nothing but gaps too, a frame's zone gets moments, another frame the clock
    gaps = [frame.assign(seen=pd.Series(pd.NaT, frame.index, frame["seen"].dtype)) for frame in (utc, plain)]
    moment, clock = (model.impute(frame, seed=3).tables[0]["seen"] for frame in gaps)
    assert (moment.dt.tz_convert("Europe/Zurich").dt.tz_localize(None) == clock).all()
    parts = rows.assign(long=rows["long"].astype("timedelta64[s]"))
    assert (model.detect(parts).scores == scores).all()


def test_files_with_other_zones_and_units_are_read_by_their_own_or_refused(tmp_path: Any) -> None:
    texts = moments("Europe/Zurich")
    weights = [f"{value / 2} kg" for value in range(100, 500)]
    frame = pd.DataFrame({"seen": texts, "weight": weights, "other": ["a", "b"] * 200})
    frame.to_csv(tmp_path / "zoned.csv", index=False)
    zoned = morelike.train(tmp_path / "zoned.csv", "bayesnet", out=tmp_path / "zoned", judge=False)
    rows = frame.head(20)
    scores = zoned.detect(rows).scores
    for pattern in ("%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S%z"):
        other = rows.assign(seen=[datetime.datetime.fromisoformat(text).strftime(pattern) for text in rows["seen"]])
        assert (zoned.detect(other).scores == scores).all()
    assert (zoned.detect(rows.assign(weight=[text.replace(".", ",") for text in rows["weight"]])).scores == scores).all()
    with pytest.raises(BadInput, match=r"row 1, column weight: '.* lb' has the unit 'lb', training had 'kg'"):
        zoned.detect(rows.assign(weight=[text.replace("kg", "lb") for text in rows["weight"]]))
    frame.assign(seen=[text[:19] for text in texts]).to_csv(tmp_path / "plain.csv", index=False)
    plain = morelike.train(tmp_path / "plain.csv", "bayesnet", out=tmp_path / "plain", judge=False)
    with pytest.raises(BadInput, match=r"row 1, column seen: '.*' is a moment of a zone, training had none"):
        plain.detect(rows)

"""Forecasts, gaps, stress and faults of series: closed forms, calibration in simulation, files, and what is refused."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import morelike
from conftest import Runner
from morelike.core.contract import Batch, Learner
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Array
from morelike.data.series_items import Series, series
from morelike.families.classical import PCA, PCASettings
from morelike.families.filtered import FilteredWalk
from morelike.house.forecasting import stretches
from morelike.house.model import load
from morelike.house.risk import Stress
from morelike.maths.backtest import both, christoffersen, expected_shortfall, kupiec, value_at_risk
from morelike.maths.calendar import continued
from morelike.maths.crps import covered, crps, gaussian_crps
from morelike.tasks.faults import FAULTS, Usual, residuals
from morelike.tasks.forecasting import How, Window, conformal, paths, spread_out, starts

PHI, WINDOW = 0.8, 16


def walk(rng: np.random.Generator, count: int, steps: int) -> np.ndarray:
    """(count, steps) of x_t = 0.8 x_{t-1} + e_t, stationary from the beginning."""
    x = np.empty((count, steps))
    x[:, 0] = rng.normal(size=count) / math.sqrt(1 - PHI**2)
    for step in range(1, steps):
        x[:, step] = PHI * x[:, step - 1] + rng.normal(size=count)
    return x


@pytest.fixture(scope="module")
def gaussian() -> PCA:
    """The Gaussian of windows of that process, its moments put in as they are."""
    model = PCA(Array((1, WINDOW)), {}, settings=PCASettings(rank=WINDOW - 1))
    place = torch.arange(WINDOW, dtype=torch.float64)
    model.squares[0] = PHI ** (place[:, None] - place).abs() / (1 - PHI**2)
    model.count[:] = 1
    (learner,) = model.players()
    assert isinstance(learner, Learner)
    assert learner.settle is not None
    learner.settle()
    return model


def how(model: object, window: int = WINDOW) -> How:
    return How(model, Window(window))


def test_a_forecast_of_an_autoregression_is_its_closed_form_over_several_windows(gaussian: PCA) -> None:
    known = torch.ones(1, 50, dtype=torch.bool)
    known[:, 40:] = False
    x = torch.from_numpy(walk(np.random.default_rng(0), 1, 50)).float()
    drawn = paths(how(gaussian), x[None], known, 4000, seed=0)[:, 0, 0]
    ahead, last = np.arange(1, 11), float(x[0, 39])
    variance = (1 - PHI ** (2 * ahead)) / (1 - PHI**2)
    assert np.array_equal(drawn[:, :40], np.broadcast_to(x[0, :40].double().numpy(), (4000, 40)))
    assert np.abs(drawn[:, 40:].mean(0) - PHI**ahead * last).max() < 4 * math.sqrt(variance[-1] / 4000)
    assert np.abs(drawn[:, 40:].var(0) / variance - 1).max() < 4 * math.sqrt(2 / 4000) + 0.02


def test_a_gap_is_drawn_from_both_of_its_sides(gaussian: PCA) -> None:
    known = torch.ones(1, 30, dtype=torch.bool)
    known[:, 15] = False
    x = torch.from_numpy(walk(np.random.default_rng(1), 1, 30)).float()
    drawn = paths(how(gaussian), x[None], known, 4000, seed=1)[:, 0, 0, 15]
    mean = PHI * float(x[0, 14] + x[0, 16]) / (1 + PHI**2)
    assert drawn.mean() == pytest.approx(mean, abs=0.06)
    assert drawn.var() == pytest.approx(1 / (1 + PHI**2), rel=0.1)


def test_intervals_cover_in_simulation_within_binomial_error(gaussian: PCA) -> None:
    x = walk(np.random.default_rng(2), 500, 20)
    known = torch.ones(1, 20, dtype=torch.bool)
    known[:, 16:] = False
    drawn = paths(how(gaussian), torch.from_numpy(x)[:, None].float(), known, 39, seed=0)[:, :, 0, 16:]
    for step in range(4):
        assert covered(drawn[:, :, step], x[:, 16 + step], 0.8).mean() == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / 500))


def test_draws_don_t_depend_on_how_many_there_are_nor_on_what_is_hidden(gaussian: PCA) -> None:
    known = torch.ones(1, 24, dtype=torch.bool)
    known[:, 18:] = False
    x = torch.from_numpy(walk(np.random.default_rng(3), 1, 24)).float()[None]
    few, many = paths(how(gaussian), x, known, 3, seed=5), paths(how(gaussian), torch.where(known, x, 7.0), known, 9, seed=5)
    assert np.allclose(few, many[:3], atol=1e-5)


def test_windows_cover_all_that_is_unknown_and_see_both_sides_of_short_gaps() -> None:
    known = np.ones((2, 60), bool)
    known[0, 20:22] = known[:, 50:] = False
    found = starts(known, 16)
    # 4 steps at a time: the gap once, from the middle of a window; ten steps ahead in three windows
    assert found == [8, 38, 42, 44]
    assert starts(np.array([[True] * 6 + [False] * 3]), 16) == [-7]
    assert starts(np.ones((1, 40), bool), 16) == []


def test_changes_add_up_and_the_bridge_meets_what_is_known() -> None:
    window = Window(6, torch.tensor([2.0]))
    levels = torch.tensor([[[1.0, 2.0, 4.0, 7.0, 11.0, 16.0], [1.0, -1.0, 1.0, -1.0, 1.0, -1.0]]])
    x = window.to_x(levels)
    assert x[0, 0].tolist() == [1.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert torch.equal(x[0, 1], levels[0, 1])
    known = torch.ones(2, 6, dtype=torch.bool)
    assert torch.allclose(window.to_levels(x, levels, known), levels)
    known[0, 2:4] = False
    assert window.known(known)[0].tolist() == [True, True, False, False, False, True]
    x[0, 0, 2:5] = 0.0
    assert window.to_levels(x, levels, known)[0, 0].tolist() == pytest.approx([1.0, 2.0, 5.0, 8.0, 11.0, 16.0])


def test_the_score_of_an_ensemble_is_fair_and_that_of_a_gaussian_is_its_closed_form() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=40_000)
    for members in (2, 20):
        found = crps(rng.normal(0.5, 2.0, (members, 40_000)), truth)
        assert found.mean() == pytest.approx(gaussian_crps(np.array(0.5), np.array(2.0), truth).mean(), abs=4 * found.std() / 200)
    # by hand: |1 - 2| and |4 - 2| over 2, less |4 - 1| / 2
    assert crps(np.array([1.0, 4.0]), np.array(2.0)) == pytest.approx(0.0)
    assert gaussian_crps(np.array(0.0), np.array(1.0), np.array(0.0)) == pytest.approx((math.sqrt(2) - 1) / math.sqrt(math.pi))
    with pytest.raises(ValueError, match="two members"):
        crps(np.zeros((1, 3)), np.zeros(3))


def test_factors_bring_intervals_of_a_wrong_width_to_their_share() -> None:
    rng = np.random.default_rng(4)
    truth, drawn = rng.normal(size=(2000, 1)), rng.normal(0, 0.4, (99, 2000, 1))
    factors = conformal(drawn[:, :1000], truth[:1000], 0.8)
    assert factors[0] == pytest.approx(2.5, rel=0.12)
    assert covered(drawn[:, 1000:], truth[1000:], 0.8).mean() < 0.45
    assert covered(spread_out(drawn[:, 1000:], factors), truth[1000:], 0.8).mean() == pytest.approx(0.8, abs=0.05)
    assert conformal(drawn[:, :3], truth[:3], 0.8).tolist() == [1.0]


def test_value_at_risk_and_shortfall_of_a_normal_sum() -> None:
    gains = np.random.default_rng(0).normal(1.0, 2.0, 400_000)
    assert value_at_risk(gains, 0.95) == pytest.approx(2 * 1.6449 - 1, abs=0.03)
    assert expected_shortfall(gains, 0.95) == pytest.approx(2 * 0.10314 / 0.05 - 1, abs=0.04)
    # the worst 2.5 of ten: two whole and half of the third
    assert expected_shortfall(np.arange(10.0), 0.75) == pytest.approx(-(0 + 1 + 0.5 * 2) / 2.5)


def test_the_back_tests_are_their_formulas_and_reject_as_often_as_they_should() -> None:
    broken = np.zeros(250, bool)
    broken[[10, 11, 100, 180]] = True
    seen = 4 / 250
    ratio = -2 * (246 * math.log(0.99) + 4 * math.log(0.01) - 246 * math.log(1 - seen) - 4 * math.log(seen))
    assert kupiec(broken, 0.99).ratio == pytest.approx(ratio)
    # 3 of 4 broken days are followed by a sound one, 3 of 245 sound ones by a broken one
    chained = 3 * math.log(0.75) + math.log(0.25) + 3 * math.log(3 / 245) + 242 * math.log(242 / 245)
    alone = 4 * math.log(4 / 249) + 245 * math.log(245 / 249)
    assert christoffersen(broken).ratio == pytest.approx(2 * (chained - alone))
    assert both(broken, 0.99).p == pytest.approx(math.exp(-(ratio + 2 * (chained - alone)) / 2))
    assert kupiec(np.zeros(10, bool), 0.99).ratio == pytest.approx(-20 * math.log(0.99))
    draws = np.random.default_rng(0).random((500, 1000)) < 0.05
    assert 0.02 < np.mean([kupiec(row, 0.95).p < 0.05 for row in draws]) < 0.09


def test_times_go_on_as_they_went() -> None:
    months = np.array(["2020-11-30", "2020-12-30"], "datetime64[us]")
    assert continued(months, 1)[0].tolist() == np.array(["2021-01-29"], "datetime64[us]").tolist()
    months = np.array(["2020-10-05", "2020-11-05", "2020-12-05"], "datetime64[us]")
    found, said = continued(months, 2)
    assert said == "by months"
    assert found.astype("datetime64[D]").astype(str).tolist() == ["2021-01-05", "2021-02-05"]
    weekdays = np.busday_offset("2021-01-04", np.arange(8)).astype("datetime64[us]")
    found, said = continued(weekdays, 3)
    assert said == "by weekdays"
    assert found.astype("datetime64[D]").astype(str).tolist() == ["2021-01-14", "2021-01-15", "2021-01-18"]
    found, said = continued(np.delete(weekdays, 3), 1)
    assert said == "the times are uneven, and go on by their commonest step"
    long = np.busday_offset("2021-01-04", np.delete(np.arange(60), [17, 41])).astype("datetime64[us]") + np.timedelta64(16, "h")
    found, said = continued(long, 2)
    assert said == "by weekdays"
    assert found.astype("datetime64[h]").astype(str).tolist() == ["2021-03-29T16", "2021-03-30T16"]
    found, said = continued(np.array(["2023-10-31", "2023-11-30", "2023-12-31"], "datetime64[us]"), 3)
    assert said == "by months"
    assert found.astype("datetime64[D]").astype(str).tolist() == ["2024-01-31", "2024-02-29", "2024-03-31"]
    assert "uneven" in continued(np.array([0.0, 1.0, 2.0, 4.0]), 1)[1]


def learnt(values: np.ndarray, window: int, **settings: Any) -> FilteredWalk:
    """A walk that learnt all windows of values (L,C)."""
    model = FilteredWalk(Array((values.shape[1], window)), {}, settings=FilteredWalk.Settings(**settings))
    windows = torch.from_numpy(values.T.copy()).float().unfold(1, window, 1).permute(1, 0, 2)
    (learner,) = model.players()
    assert isinstance(learner, Learner)
    assert learner.settle is not None
    for _ in range(3):
        learner.see(Batch(windows, Noise(0, len(windows))))
        learner.settle()
    return model


def test_a_filtered_walk_follows_the_size_of_the_last_changes_and_what_is_known_of_other_channels() -> None:
    rng = np.random.default_rng(0)
    changes = rng.normal(size=(3000, 2)) @ np.array([[1.0, 0.9], [0.0, math.sqrt(1 - 0.81)]])
    model = learnt(changes.cumsum(0), 40)
    known = torch.ones(2, 40, dtype=torch.bool)
    known[:, 36:] = False
    spreads = []
    for size in (0.3, 3.0):
        x = torch.from_numpy((size * rng.normal(size=(2, 40))).cumsum(1)).float()
        drawn = model.infill(x.expand(2000, -1, -1), known.expand(2000, -1, -1), noise=Noise(0, 2000))
        spreads.append(float(drawn[:, 0, 39].std()))
        assert float(drawn[:, 0, 39].mean()) == pytest.approx(float(x[0, 35]), abs=0.15 * max(1.0, size))
    # a tenth of the usual variance is left after 35 steps
    assert 3.5 < spreads[1] / spreads[0] < 12
    # one channel's way is known: the other one goes along by the regression
    known[0] = True
    x = torch.zeros(2, 40)
    x[0, 36:] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    x[:, :36] = torch.from_numpy(changes[:36].cumsum(0).T - changes[:36].sum(0)[:, None]).float()
    drawn = model.infill(x.expand(2000, -1, -1), known.expand(2000, -1, -1), noise=Noise(0, 2000))
    assert float(drawn[:, 1, 39].mean()) == pytest.approx(0.9 * 4.0, abs=0.5)


def test_a_filtered_walk_follows_how_the_last_changes_went_together() -> None:
    rng = np.random.default_rng(2)
    shared, own = rng.normal(size=(2, 2000, 1)), rng.normal(size=(2, 2000, 2))
    changes = np.concatenate([0.9 * shared[0] + 0.4 * own[0], 0.9 * shared[1] * [1, -1] + 0.4 * own[1]])
    known = torch.ones(2, 96, dtype=torch.bool)
    known[:, 90:] = False
    found = {}
    for together in (0.97, 1.0):
        model = learnt(changes.cumsum(0), 96, together=together)
        for name, start in (("along", 100), ("against", 3000)):
            x = torch.from_numpy(changes[start : start + 96].cumsum(0).T.copy()).float()
            drawn = model.infill(x.expand(2000, -1, -1), known.expand(2000, -1, -1), noise=Noise(0, 2000)).diff(dim=2)[:, :, 89:]
            found[name, together] = float(np.corrcoef(drawn.swapaxes(0, 1).flatten(1).numpy())[0, 1])
    # of +-0.84: a tenth is training's, and 0.97^90 of the rest
    assert found["along", 0.97] > 0.6
    assert found["against", 0.97] < -0.6
    # ... which has as much of the one as of the other
    assert abs(found["along", 1.0]) < 0.1
    assert abs(found["against", 1.0]) < 0.1


def test_a_gap_of_a_walk_is_a_bridge() -> None:
    model = learnt(np.random.default_rng(1).normal(size=(4000, 1)).cumsum(0), 24)
    known = torch.ones(1, 24, dtype=torch.bool)
    known[:, 10:19] = False
    x = torch.zeros(4000, 1, 24)
    x[:, :, 19:] = 5.0
    drawn = model.infill(x, known.expand(4000, -1, -1), noise=Noise(0, 4000))
    assert float(drawn[:, 0, 14].mean()) == pytest.approx(2.5, abs=0.15)
    assert torch.equal(drawn[:, :, 19:], x[:, :, 19:])


def test_planted_faults_score_above_what_is_around_them(gaussian: PCA) -> None:
    rng = np.random.default_rng(5)
    x = walk(rng, 1, 400)
    sound = walk(rng, 1, 2000)
    broken = x.copy()
    broken[0, 50] += 9
    broken[0, 120:140] += 8
    broken[0, 200:208] = broken[0, 200]
    noise = Noise(0, 48)
    usual = Usual.of(residuals(how(gaussian), torch.from_numpy(sound).float(), 1, noise=noise))
    plain, _ = usual.scores(residuals(how(gaussian), torch.from_numpy(x).float(), 1, noise=noise))
    scores, kinds = usual.scores(residuals(how(gaussian), torch.from_numpy(broken).float(), 1, noise=noise))
    assert (plain > -math.log(0.02)).mean() < 0.05
    assert scores[0, 50] > 6
    assert FAULTS[kinds[0, 50]] == "spike"
    assert scores[0, 118:144].max() > 5
    assert "frozen" in {FAULTS[kind] for kind in kinds[0, 200:208]}
    assert scores[0, 200:208].max() > -math.log(0.02)


@pytest.fixture(scope="module")
def model(morelike_cli: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Gaussian of windows of 16 steps of two channels, trained by the command line."""
    folder = tmp_path_factory.mktemp("series")
    rng = np.random.default_rng(0)
    one = walk(rng, 1, 1500)[0]
    write(folder / "sensor.csv", np.stack([10 + one, 5 + 0.5 * one + 0.3 * rng.normal(size=1500)], 1))
    ended = morelike_cli("train", folder / "sensor.csv", "--kind", "series", "--model", "pca", "rank=31", "codec.window=16", "--no-judge",
                         "--out", folder / "model")  # fmt: skip
    assert ended.code == 0, ended.err
    return folder / "model"


def write(path: Path, values: np.ndarray, names: tuple[str, ...] = ("a", "b"), start: str = "2020-01-01") -> None:
    """A CSV with hours; NaN is an empty cell."""
    hours = np.datetime64(start, "s") + np.arange(len(values)) * np.timedelta64(1, "h")
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["time", *names])
        for hour, row in zip(hours, values, strict=True):
            out.writerow([str(hour).replace("T", " "), *("" if np.isnan(value) else f"{value:.4f}" for value in row)])


def known_values() -> np.ndarray:
    one = walk(np.random.default_rng(7), 1, 60)[0]
    return np.stack([10 + one, 5 + 0.5 * one], 1)


def test_restore_fills_gaps_and_goes_on_and_writes_all_of_it(model: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    values = known_values()
    values[30:33, 0] = np.nan
    write(tmp_path / "known.csv", values)
    asked = ("restore", model, "--known", tmp_path / "known.csv", "--ahead", 6, "-n", 40, "-q")
    ended = morelike_cli(*asked, "--out", tmp_path / "f.csv", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["drawn"] == 3 + 12
    assert ended.json["calibrated"]
    assert (model / "forecast.json").exists()
    rows = list(csv.DictReader((tmp_path / "f.csv").open()))
    assert len(rows) == 15
    assert {row["column"] for row in rows[:3]} == {"a"}
    assert rows[-1]["time"] == "2020-01-03 17:00:00"
    assert all(float(row["lower"]) <= float(row["median"]) <= float(row["upper"]) for row in rows)
    whole = list(csv.DictReader((tmp_path / "f-series.csv").open()))
    assert len(whole) == 66
    assert whole[29]["a"] == f"{values[29, 0]:.4f}"
    assert whole[31]["a"] != ""
    assert (tmp_path / "f.png").exists()
    # a second time from what was found before, the same paths by `extend`
    again = morelike_cli(*asked, "--out", tmp_path / "f.jsonl")
    assert again.code == 0, again.err
    first = json.loads((tmp_path / "f.jsonl").read_text().splitlines()[0])
    assert len(first["a"]) == 66
    assert first["a"][29] == pytest.approx(values[29, 0], abs=1e-4)
    ended = morelike_cli("extend", model, "--file", tmp_path / "known.csv", "--length", 6, "-n", 40, "--out", tmp_path / "g.jsonl", "-q")
    assert ended.code == 0
    assert json.loads((tmp_path / "g.jsonl").read_text().splitlines()[0]) == first


def test_rows_that_are_missing_from_a_regular_time_are_gaps(model: Path, tmp_path: Path) -> None:
    write(tmp_path / "known.csv", known_values())
    lines = (tmp_path / "known.csv").read_text().splitlines()
    (tmp_path / "known.csv").write_text("\n".join(lines[:31] + lines[33:]) + "\n")
    found = load(model).restore(tmp_path / "known.csv")
    assert found.drawn.sum() == 4
    assert found.drawn[30:32].all()
    assert len(found.item) == 60
    assert (np.diff(found.item.times) == np.timedelta64(1, "h")).all()


def test_calibrated_forecasts_cover_on_data_held_out(model: Path) -> None:
    opened = load(model)
    prepared = opened.opened()
    (held_out,) = (prepared.source.items[int(number)] for number in prepared.split.holdout)
    hits = []
    for piece in stretches([held_out], 18, 40):
        found = opened.forecast(Series(piece.values[:16], piece.names), 2, 60)
        low, high = found.bounds()
        hits.append((piece.values[16:] >= low[16:]) & (piece.values[16:] <= high[16:]))
    assert 0.68 < np.mean(hits) < 0.92


def test_stress_moves_the_shifted_channel_and_the_other_one_follows(model: Path) -> None:
    opened, values = load(model), known_values()
    found = opened.stress(values, 4, 400, Stress(["a=+4"], weights="a=1,b=-2"), seed=1)
    plain, after = found.plain, found.stressed
    assert np.allclose(after.paths[:, -1, 0] - plain.paths[:, -1, 0], 4.0, atol=1e-3)
    assert np.allclose(after.paths[:, -4, 0] - plain.paths[:, -4, 0], 1.0, atol=1e-3)
    # b is half of a and noise
    assert np.median(after.paths[:, -1, 1] - plain.paths[:, -1, 1]) == pytest.approx(2.0, abs=0.35)
    assert np.array_equal(after.paths[:, :60], plain.paths[:, :60])
    gains = (plain.paths[:, -1] - values[-1]) @ np.array([1.0, -2.0])
    assert found.risk is not None
    assert found.risk["levels"][0]["value_at_risk"] == pytest.approx(value_at_risk(gains, 0.95), abs=1e-3)
    wild = opened.stress(values, 4, 400, Stress(volatility=2.0), seed=1)
    assert np.std(wild.stressed.paths[:, -1, 0]) == pytest.approx(2 * np.std(plain.paths[:, -1, 0]), rel=1e-3)


def test_simulate_and_detect_write_files(model: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    values = known_values()
    values[40, 1] += 6
    write(tmp_path / "known.csv", values)
    asked = ("simulate", model, "--known", tmp_path / "known.csv", "--ahead", 3, "-n", 100, "--shift", "a=x1.1")
    ended = morelike_cli(*asked, "--weights", "a=1", "--level", 0.9, "--out", tmp_path / "s.csv")
    assert ended.code == 0, ended.err
    assert "no advice" in ended.out
    assert "at 0.9: value at risk" in ended.out
    assert (tmp_path / "s.png").exists()
    ended = morelike_cli("detect", model, tmp_path / "known.csv", "--out", tmp_path / "d.csv", "--json", "-q")
    assert ended.code == 0, ended.err
    top = ended.json["top"][0]
    assert top["column"] in "ab"
    assert top["first"] <= 41 <= top["last"]
    assert top["score"] > ended.json["threshold"]
    rows = list(csv.DictReader((tmp_path / "d.csv").open()))
    assert len(rows) == 120
    assert list(rows[0]) == ["time", "column", "value", "score", "alarm", "fault"]
    places = re.findall(r"rows? [\d,]+(?: to [\d,]+)? \(([^)]*)\): ", morelike_cli("detect", model, tmp_path / "known.csv").out)
    assert places
    assert set(places) <= {row["time"] for row in rows}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["restore", "--known", "KNOWN"], "no empty cells and nothing says how far to go on: add --ahead"),
        (["restore"], "name the series that is known: --known"),
        (["restore", "--known", "absent.csv", "--ahead", "2"], "there is no file absent.csv"),
        (["restore", "--known", "OTHER", "--ahead", "2"], "lacks the channel 'b'"),
        (["restore", "--known", "EMPTY", "--ahead", "2"], "no value at all in the column 'b'"),
        (["restore", "--known", "KNOWN", "--ahead", "801"], "too far for a model of windows of 16 steps: at most 800"),
        (["restore", "--known", "KNOWN", "--ahead", "2", "--interval", "80"], "--interval is the share"),
        (["restore", "--known", "KNOWN", "--ahead", "2", "-n", "1"], "number of paths must be between 2"),
        (["restore", "--known", "KNOWN", "--ahead", "2", "--out", "KNOWN"], "is the file that is read"),
        (["restore", "--known", "KNOWN", "--op", "mask"], "--op is for pictures"),
        (["extend", "--file", "KNOWN"], "how many steps the series is to go on"),
        (["simulate", "--known", "KNOWN"], "add --known FILE.csv and --ahead STEPS"),
        (["simulate", "--known", "KNOWN", "--ahead", "2", "--shift", "a=often"], "--shift a=often: it takes"),
        (["simulate", "--known", "KNOWN", "--ahead", "2", "--shift", "c=+1"], "unknown column 'c'"),
        (["simulate", "--known", "KNOWN", "--ahead", "2", "--weights", "a"], "no list of COLUMN=NUMBER"),
        (["simulate", "--known", "KNOWN", "--ahead", "2", "-n", "50", "--weights", "a=1"], "50 paths are too few to say what"),
        (["simulate", "--set", "a=1:0.5"], "--set is for tables"),
        (["detect"], "name the series in which faults are looked for"),
        (["detect", "KNOWN", "--rate", "2"], "--rate is the share"),
        (["detect", "SHORT"], "has 6 rows, and the model looks at windows of 16"),
    ],
)
def test_what_can_t_be_done_is_said_in_one_sentence(
    words: list[str], sentence: str, model: Path, morelike_cli: Runner, tmp_path: Path
) -> None:
    values = known_values()
    files = {"KNOWN": values, "SHORT": values[:6], "EMPTY": np.where([False, True], np.nan, values)}
    for name, own in files.items():
        write(tmp_path / f"{name}.csv", own)
    write(tmp_path / "OTHER.csv", values, ("a", "c"))
    told = [str(tmp_path / f"{word}.csv") if word in (*files, "OTHER") else word for word in words[1:]]
    ended = morelike_cli(words[0], model, *told)
    assert ended.code == 2, ended.out
    assert sentence in " ".join(ended.err.split())
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.csv" for name in (*files, "OTHER")}


def test_an_array_of_other_channels_is_refused(model: Path) -> None:
    with pytest.raises(BadInput, match="channels x, y, and the model knows a, b"):
        load(model).forecast(series(np.zeros((20, 2)), ("x", "y")), 2)


def test_prices_of_working_days_go_on(tmp_path: Path) -> None:
    """Time goes by unevenly there: x has a channel that no column has."""
    rng, days = np.random.default_rng(0), np.arange("2019-01-01", "2020-03-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    rows = [f"{day},{price:.2f}" for day, price in zip(days, 50 * np.exp(np.cumsum(0.01 * rng.normal(size=len(days)))), strict=True)]
    (tmp_path / "prices.csv").write_text("date,a\n" + "\n".join(rows))
    learnt = morelike.train(
        tmp_path / "prices.csv", "filtered-walk", kind="series", judge=False, out=tmp_path / "run", **{"codec.window": 8}  # type: ignore[arg-type]
    )
    found = learnt.forecast(tmp_path / "prices.csv", 3, 20)
    ahead = found.item.times[-3:].astype("datetime64[D]")
    assert np.is_busday(ahead).all()
    assert np.isfinite(found.paths).all()

"""`compare`: which differences are noise, in pairs where the resamples are the same, and the page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import morelike
from morelike.house import comparing
from morelike.judges.comparison import Contender, compared, decisive
from morelike.judges.comparison_page import Page, render
from morelike.judges.intervals import resampled

Runner = Callable[..., Any]


def score(value: float, half: float | None, better: str = "lower", **more: Any) -> dict[str, Any]:
    ends = {"low": None, "high": None} if half is None else {"low": value - half, "high": value + half}
    plain = {"floor": 0.0, "floor_low": -0.1, "floor_high": 0.1, "ceiling": 5.0, "ceiling_name": "gaussian"}
    return {"value": value, **ends, **plain, "better": better, "n": 50, "extractor": "raw", **more}


def pair(one: dict[str, Any], other: dict[str, Any], **draws: Any) -> dict[str, Any]:
    seeds = draws.pop("seeds", (1, 1))
    return compared([
        Contender("a", {"kernel.raw": one}, {"kernel.raw": draws["a"]} if "a" in draws else {}, seeds[0]),
        Contender("b", {"kernel.raw": other}, {"kernel.raw": draws["b"]} if "b" in draws else {}, seeds[1]),
    ])  # fmt: skip


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.01, 1), st.floats(0.01, 1), st.sampled_from(["lower", "higher"]))
def test_a_difference_counts_beyond_the_interval_of_two_and_names_can_be_swapped(
    one: float, other: float, half: float, width: float, better: str
) -> None:
    found = pair(score(one, half, better), score(other, width, better))
    (difference,) = found["scores"]["kernel.raw"]["differences"]
    clear = abs(one - other) - np.hypot(half, width)
    if abs(clear) > 1e-6:
        assert difference["noise"] == (clear < 0)
        assert (difference["low"] <= 0 <= difference["high"]) == difference["noise"]
    back = pair(score(other, width, better), score(one, half, better))
    assert back["scores"]["kernel.raw"]["differences"][0]["noise"] == difference["noise"]
    assert found["wins"] == back["wins"][::-1]
    if not difference["noise"]:
        first_wins = (one < other) == (better == "lower")
        assert found["wins"] == [int(first_wins), int(not first_wins)]


def test_what_two_models_share_cancels_in_pairs_of_the_same_resamples() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, 100)
    one, other = 3 + shared, 3.5 + shared + rng.normal(0, 0.05, 100)
    a, b = (score(float(draws.mean()), 1.96 * float(draws.std())) for draws in (one, other))
    paired = pair(a, b, a=list(one), b=list(other))["scores"]["kernel.raw"]["differences"][0]
    assert paired["paired"]
    assert not paired["noise"]
    for way in ({}, {"a": list(one)}, {"a": list(one), "b": list(other), "seeds": (1, 2)}):
        apart = pair(a, b, **way)["scores"]["kernel.raw"]["differences"][0]
        assert not apart["paired"]
        assert apart["noise"]


def test_the_draws_are_those_of_the_interval() -> None:
    draws = np.random.default_rng(0).normal(2, 0.3, 100)
    found = resampled(2.0, draws)
    assert found.high is not None
    assert found.high - 2.0 == pytest.approx(1.96 * draws.std())
    assert found.draws is draws


def test_sentences_name_the_best_those_as_good_and_the_worse() -> None:
    three = [Contender(name, {"x": score(value, 0.1)}) for name, value in (("a", 1.0), ("b", 1.1), ("c", 2.0))]
    found = compared(three)
    assert found["scores"]["x"]["verdict"] == "a is better than c; b can't be told from it"
    assert found["verdict"][0] == "Nobody comes out ahead: a and b win and lose alike."
    assert found["verdict"][1] == "a against b: all 1 differences are noise."
    assert found["verdict"][2] == "a against c: better on 1 of 1 scores, worse on 0, noise on 0."
    one = compared([three[0], three[2]])
    assert one["verdict"][0] == "a comes out ahead: of its differences beyond noise it wins 1 and loses none."


def test_without_an_interval_nothing_is_claimed_and_refused_scores_are_left_out() -> None:
    found = pair(score(1.0, None), score(9.0, 0.1))
    assert found["scores"]["kernel.raw"]["differences"][0]["noise"]
    refused = pair({"refused": "needs more"}, score(9.0, 0.1))
    assert not refused["scores"]
    assert "can't be compared" in refused["verdict"][0]


def test_copying_less_than_real_data_and_more_variety_are_no_merit() -> None:
    both = [Contender(name, {"copies": score(value, 0.001)}) for name, value in (("a", 0.0), ("b", 0.09))]
    assert compared(both)["scores"]["copies"]["differences"][0]["noise"]
    varied = [Contender(name, {"distinct-2": score(value, 0.001, "higher")}) for name, value in (("a", 0.0), ("b", 9.0))]
    assert compared(varied)["scores"]["distinct-2"]["verdict"] == "no difference that counts: level with real data"
    copier = Contender("c", {"copies": score(0.9, 0.001)})
    assert not compared([both[0], copier])["scores"]["copies"]["differences"][0]["noise"]


def test_the_score_that_ranks() -> None:
    assert decisive({"frechet.raw": 0, "kernel.raw-pca64": 0, "kernel.digits-cnn-1": 0}) == "kernel.digits-cnn-1"
    assert decisive({"kernel.raw": 0, "coverage.raw": 0}) == "coverage.raw"
    assert decisive({"kernel.x": 0, "nats-per-character": 0}) == "nats-per-character"
    assert decisive({"copies": 0}) is None


# Real models


@pytest.fixture(scope="module")
def pairs_of_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A trained model, a trivial one, and one of other data."""
    folder = tmp_path_factory.mktemp("compared")
    centres = np.array([[-3.0, 0.0], [3.0, 1.0], [0.0, 4.0]])
    rng = np.random.default_rng(0)
    np.save(folder / "points.npy", (centres[rng.integers(3, size=900)] + 0.3 * rng.normal(size=(900, 2))).astype(np.float32))
    np.save(folder / "others.npy", rng.normal(size=(300, 2)).astype(np.float32))
    morelike.train(folder / "points.npy", "gmm", out=folder / "fitted")
    morelike.train(folder / "points.npy", "independent", out=folder / "trivial")
    morelike.train(folder / "others.npy", "pca", out=folder / "foreign", judge=False)
    return folder / "fitted", folder / "trivial", folder / "foreign"


def test_a_model_against_itself_is_noise_and_a_fitted_one_beats_a_trivial_one(
    pairs_of_models: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    fitted, trivial, _ = pairs_of_models
    itself = morelike.compare(fitted, shutil.copytree(fitted, tmp_path / "again"))
    assert itself["verdict"][0].startswith("No difference is more than noise on any of the")
    assert all(one["difference"] == 0 for found in itself["scores"].values() for one in found["differences"])
    assert itself["scores"]["kernel.raw"]["differences"][0] == {
        "of": [0, 1], "difference": 0.0, "low": 0.0, "high": 0.0, "paired": True, "enough": False, "noise": True,
    }  # fmt: skip
    (fitted / "resamples.json").rename(tmp_path / "kept")
    apart = morelike.compare(fitted, trivial)
    (tmp_path / "kept").rename(fitted / "resamples.json")
    beside = morelike.compare(fitted, trivial)
    assert beside["verdict"][0].startswith("gmm comes out ahead")
    assert beside["scores"]["coverage.raw"]["verdict"] == "gmm is better than independent"
    for name, found in beside["scores"].items():
        assert not apart["scores"][name]["differences"][0]["paired"]
        assert found["differences"][0]["difference"] == apart["scores"][name]["differences"][0]["difference"]
    cost = beside["models"][0]["cost"]
    assert cost["package_bytes"] > 1000
    assert cost["drawn"] == 1000
    assert cost["draw_seconds"] >= 0


def test_the_page_is_whole_and_beside_it_lies_a_sheet(
    pairs_of_models: tuple[Path, Path, Path], tmp_path: Path, morelike_cli: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, trivial, foreign = pairs_of_models
    monkeypatch.setenv("COLUMNS", "160")
    ended = morelike_cli("compare", fitted, trivial, "--out", tmp_path / "page.html")
    assert ended.code == 0, ended.err
    assert "gmm is better than independent" in ended.out
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<figure") >= 4
    assert "<script" not in page
    assert "real data" in page
    assert "Quality against time" in page
    with Image.open(tmp_path / "page.png") as sheet:
        assert sheet.width > 2.5 * sheet.height
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "page.png"]
    assert "compared" not in morelike_cli("compare", fitted, trivial, "--quiet").out
    for words, sentence in (
        ((fitted, foreign), "were trained on different data (points.npy, others.npy"), ((fitted,), "at least two models"),
        ((fitted, trivial, fitted), f"{fitted.name} is given twice"),
        ((fitted, trivial, "--out", tmp_path / "page.pdf"), "give --out NAME.html"),
        ((fitted, trivial, "--out", tmp_path / "no" / "page.html"), "there is no folder"),
    ):  # fmt: skip
        refused = morelike_cli("compare", *words)
        assert refused.code == 2
        assert sentence in " ".join(refused.err.split())


def test_a_foreign_file_of_resamples_is_not_believed(pairs_of_models: tuple[Path, Path, Path], tmp_path: Path) -> None:
    fitted, trivial, _ = pairs_of_models
    broken = shutil.copytree(fitted, tmp_path / "broken")
    for text in ("[1]", "{", '{"scores": {"kernel.raw": "x"}}', '{"scores": {"kernel.raw": [1, 2]}}'):
        (broken / comparing.DRAWS).write_text(text)
        found = morelike.compare(broken, trivial)
        assert not found["scores"]["kernel.raw"]["differences"][0]["paired"]


def test_names_are_escaped_and_the_same_values_give_the_same_page() -> None:
    rows: list[dict[str, Any]] = [
        {"name": name, "verdict": "It is <b>so</b>.", "cost": {
            "seconds": 3.0, "steps": 10, "batch": 5, "parameters": 7, "package_bytes": 10, "peak_memory": None,
            "drawn": 9, "draw_seconds": 0.1}}
        for name in ("<i>one</i>", "two")
    ]  # fmt: skip
    both = [Contender(row["name"], {"kernel.raw": score(1.0 + number, 0.1)}) for number, row in enumerate(rows)]
    page = Page(found={"models": rows, **compared(both)}, title="<a>", head="data", version="1",
                curves=[{"model": "two", "kind": "nats an item", "points": [[1.0, 2.0], [2.0, 1.0]]}])  # fmt: skip
    drawn = render(page)
    assert drawn == render(page)
    assert "<i>one" not in drawn
    assert "<b>so" not in drawn
    assert "polyline" in drawn
    assert json.dumps(dict(page.found))

"""The report: one page that is well-formed, fetches nothing, escapes everything, and says the same thing twice."""

from __future__ import annotations

import base64
import html
import io
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from morelike.core.errors import BadInput
from morelike.data.image import ImageCodec
from morelike.data.table import TableCodec
from morelike.data.vector import VectorCodec
from morelike.house.showing import example_words
from morelike.judges.charts import POINTS, Rung, ladder_scale, scale_for, smooth, thin
from morelike.judges.report import ClassShare, Cost, DataCard, NearestPair, ReportData, Stage, render, write_report
from morelike.judges.report_ladder import beats_trivial, level_with_real, rung, standing, wording
from morelike.judges.report_parts import duration, escape, fixed, image, memory, number, percent
from morelike.judges.report_training import training_section

HOSTILE = "<script>alert('x')</script> \" onerror=alert(1) & \x00\x1b \udcff"
_VOID = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """Checks that tags balance; keeps tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def words(self) -> str:
        return " ".join("".join(self.text).split())


def score(
    value: float, floor: float | None, ceiling: float | None, better: str = "lower", width: float = 0.05, **more: Any
) -> dict[str, Any]:
    ends = {} if floor is None else {"floor_low": floor - width, "floor_high": floor + width}
    return {"value": value, "low": value - width, "high": value + width, "n": 359, "floor": floor, "ceiling": ceiling,
            "ceiling_name": "gaussian", "better": better, "extractor": "raw-pca64", **ends, **more}  # fmt: skip


def picture(seed: int, side: int = 101) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def png(side: int = 200) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture(0, side)).save(stream, "PNG")
    return stream.getvalue()


def evidence(**changes: Any) -> ReportData:
    scores = {
        "frechet.raw-pca64": score(1.10, 1.05, 40.0),
        "kernel.raw-pca64": score(0.0006, -0.0001, 0.3, width=0.001),
        "recall.raw-pca64": score(0.42, 0.92, 0.48, "higher"),
        "label-accuracy": score(0.97, 0.98, 0.3, "higher"),
        "copies": score(0.02, 0.02, None),
        "novel-score": score(3.0, None, None),
        "density.raw-pca64": {"refused": "needs at least 50 held-out items, has 12"},
    }
    curves = [{"step": i, "seconds": i / 10, "vae.loss": 1 / (i + 1), "vae.norm": float("nan") if i == 5 else 2.0} for i in range(1000)]
    pair = NearestPair(
        generated=picture(1, 8), training=picture(2, 8), distance=0.3, heldout=picture(3, 8), heldout_distance=0.4, copy=True
    )
    data = ReportData(
        name="digits", kind="image", model="vae", title="More like digits", date="2026-01-02", version="0.1.0",
        verdict="Level with real data on 3 of 5 scores.\nRecall falls short.", scores=scores,
        copiers={"copy-noise": {"frechet.raw-pca64": 0.9, "copies": 0.97}},
        classes=[ClassShare(name=str(i), real=0.1, generated=0.0 if i == 3 else 0.11, lost=i == 3) for i in range(10)],
        classifier_accuracy=0.98, real=picture(1), generated=picture(2), row_labels=[str(i) for i in range(10)],
        stages=[Stage(label=f"{i * 20}% · {i} s", picture=picture(i, 40)) for i in range(5)],
        nearest=[pair], curves=curves,
        incidents=["The trainer stopped early.", {"step": 500, "what": "the loss was not finite", "action": "rolled back"}],
        cost=Cost(seconds=120, steps=1000, examples=64000, peak_memory=500_000_000, threads=2, device="cpu", precision="bf16",
                  judging_seconds=20),
        recipe='[model]\nname = "vae"\n',
        data=DataCard(shape="8 x 8, 1 channel", counts={"train": 1258, "hold-out": 359}, fingerprint="abc123", notes=["Real digits."],
                      skipped=[("bad.png", "it is empty")]),
    )  # fmt: skip
    return replace(data, **changes)


def bare(**changes: Any) -> ReportData:
    return ReportData(name="x", kind="image", model="gmm", title="x", date="", version="0", verdict="", scores={}, **changes)


def test_page_is_balanced_and_complete() -> None:
    page = Reader(render(evidence()))
    words = page.words()
    assert dict(page.tags[0:1]) == {"html": {"lang": "en"}}
    for figure in (
        "Level with real data on 3 of 5 scores.", "Recall falls short.", "1.05 × floor", "2 min 00 s", "64,000", "500 MB", "1 Wh",
        "needs at least 50 held-out items, has 12", "a trivial model does as well or better", "copy-noise", "counted as a copy",
        "Step 500: the loss was not finite → rolled back", "bad.png", "abc123",
    ):  # fmt: skip
        assert figure in words, figure
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    drawings = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("class") != "free"]
    assert all("aria-label" in attributes or "aria-hidden" in attributes for attributes in drawings)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("data", [evidence(), bare()])
def test_nothing_is_fetched_and_nothing_runs(data: ReportData) -> None:
    page = render(data)
    assert not re.search(r"https?://|url\(|@import|javascript:", page)
    tags = Reader(page).tags
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in tags}
    assert all((attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,") for _, attributes in tags)
    assert all((attributes.get("href") or "#").startswith("#") for _, attributes in tags)
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert any("default-src 'none'" in (attributes.get("content") or "") for _, attributes in tags)


def test_links_lead_somewhere_once() -> None:
    tags = Reader(render(evidence())).tags
    anchors = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(anchors) == len(set(anchors)) == 9
    assert {(attributes["href"] or "")[1:] for tag, attributes in tags if tag == "a"} == set(anchors)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    refused = {HOSTILE: {"refused": HOSTILE}, "frechet." + HOSTILE: score(1.0, 1.0, 9.0, ceiling_name=HOSTILE, extractor=HOSTILE)}
    data = evidence(
        name=HOSTILE, kind=HOSTILE, model=HOSTILE, title=HOSTILE, date=HOSTILE, version=HOSTILE, verdict=HOSTILE, scores=refused,
        copiers={HOSTILE: {"frechet." + HOSTILE: 1.0}}, classes=[ClassShare(name=HOSTILE, real=0.5, generated=0.5)], row_labels=[HOSTILE],
        stages=[Stage(label=HOSTILE, picture=picture(0, 10))], curves=[{"step": 1, HOSTILE: 1.0, f"a.{HOSTILE}": 2.0}],
        incidents=[HOSTILE, {"what": HOSTILE, "action": HOSTILE}], recipe=HOSTILE + "</pre></code>",
        cost=Cost(seconds=1, steps=1, examples=1, peak_memory=None, threads=1, device=HOSTILE, precision=HOSTILE),
        data=DataCard(shape=HOSTILE, counts={HOSTILE: 1}, fingerprint=HOSTILE, conditions={HOSTILE: HOSTILE}, notes=[HOSTILE],
                      skipped=[(HOSTILE, HOSTILE)]),
    )  # fmt: skip
    write_report(data, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    reader = Reader(page)
    assert "<script" not in page
    assert "\x00" not in page
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    assert "<script>alert('x')</script>" in reader.words()


def test_an_incident_stands_with_samples_before_and_after() -> None:
    bare_page = render(evidence(incidents=[{"step": 5, "what": "alike", "action": "put back"}]))
    page = render(evidence(incidents=[{"step": 5, "what": "alike", "action": "put back", "before": picture(1), "after": picture(2)}]))
    assert page.count("<img") == bare_page.count("<img") + 2
    assert "<figcaption>before</figcaption>" in page


@pytest.mark.parametrize("changes", [
    {"scores": {"frechet.raw": {"refused": "needs 50"}}}, {"scores": {}}, {"row_labels": (), "classes": (), "classifier_accuracy": None},
    {"stages": (), "nearest": (), "curves": (), "incidents": ()}, {"cost": None, "data": None, "recipe": ""},
    {"real": None, "generated": None},
    {"curves": [{"step": 3, "pca.loss": 2.0}]}, {"curves": [{"step": 1, "a.b": float("inf")}, {"event": "resume", "step": 2}]},
    {"scores": {"kernel.raw": score(float("nan"), 0.0, 1.0)}}, {"classes": [ClassShare(name="only", real=0.0, generated=0.0)]},
])  # fmt: skip
def test_missing_parts_leave_a_sound_page(changes: dict[str, Any]) -> None:
    page = render(evidence(**changes))
    assert "More like digits" in Reader(page).words()
    assert "nan" not in re.sub(r'src="[^"]*"', "", page).lower()


def test_a_count_of_examples_seen_is_no_curve() -> None:
    rows = [{"step": step, "mixture.seen": 1.0, "mixture.loss": 2.0} for step in (1, 2)]
    assert "loss" in training_section(rows, ())
    assert "seen" not in training_section(rows, ())
    assert training_section([{"step": 1, "pca.seen": 1.0}], ()) == ""


def test_one_example_is_said_in_the_words_of_its_kind() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 8, 6, 1), dtype=np.uint8)
    rows = np.array([["ab"[number % 2], str(number % 7), "2.5"] for number in range(30)], dtype=object)
    assert example_words(ImageCodec.fit(pixels)) == "1 x 8 x 6 (channels, height, width)"
    assert example_words(VectorCodec.fit(np.zeros((9, 3)))) == "3 numbers"
    assert example_words(TableCodec.fit(rows)) == "3 columns"


def test_empty_run_says_that_nothing_was_judged() -> None:
    assert "nothing was judged" in Reader(render(bare())).words()


def test_vector_kind_shows_scatter_plots() -> None:
    stages = [Stage(label="10%", picture=png())]
    page = render(evidence(kind="vector", real=png(), generated=png(), row_labels=(), nearest=(), stages=stages))
    shown = [attributes for tag, attributes in Reader(page).tags if tag == "img"]
    assert len(shown) == 3
    assert all(attributes.get("class") is None for attributes in shown)
    assert "Scatter plot" in (shown[0]["alt"] or "")


def test_same_data_same_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_report(evidence(), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.html", "b.html"]


def test_a_refused_picture_leaves_the_old_page(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    for wrong in (np.zeros((4, 4, 3)), np.zeros((4, 4, 7), np.uint8), np.zeros((0, 4), np.uint8), b"GIF89a"):
        with pytest.raises(BadInput):
            write_report(evidence(real=wrong), path)
    assert path.read_text() == "old"
    with pytest.raises(BadInput, match="can't be written"):
        write_report(evidence(), tmp_path / "absent" / "report.html")
    assert os.listdir(tmp_path) == ["report.html"]


def test_page_stays_small_with_large_pictures() -> None:
    large = picture(5, 1500)
    stages = [Stage(label=str(i), picture=picture(i, 300)) for i in range(14)]
    nearest = [NearestPair(generated=picture(i, 128), training=picture(i, 128), distance=1.0) for i in range(12)]
    assert len(render(evidence(real=large, generated=large, stages=stages, nearest=nearest))) < 2_500_000


def _decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_small_pictures_keep_their_pixels() -> None:
    small = picture(0, 8)
    made = image(small.repeat(7, 0).repeat(7, 1), width=80, most_bytes=10_000)
    assert (made.width, made.height, made.pixelated) == (80, 80, True)
    assert np.array_equal(_decoded(made.uri), small)
    awkward = image(picture(0, 28), width=50, most_bytes=10_000)
    assert (awkward.width, awkward.pixelated) == (50, False)
    assert np.array_equal(_decoded(awkward.uri), picture(0, 28).repeat(2, 0).repeat(2, 1))


def step_of(value: float, better: str) -> Rung:
    return rung("frechet.x", score(value, 2.0, 8.0, better) if better == "lower" else score(value, 8.0, 2.0, better), {})


@pytest.mark.parametrize(("value", "better", "words"), [
    (2.05, "lower", "level with real data"), (1.0, "lower", "level with real data"), (5.0, "lower", "better than trivial, short of real"),
    (8.0, "lower", "a trivial model does as well or better"), (7.96, "higher", "level with real data"),
    (5.0, "higher", "better than trivial, short of real"), (1.0, "higher", "a trivial model does as well or better"),
])  # fmt: skip
def test_standing_follows_the_direction(value: float, better: str, words: str) -> None:
    assert standing(step_of(value, better), wording("frechet.x"))[1] == words


def test_standing_without_a_bar_and_where_the_bar_is_level() -> None:
    plain = wording("frechet.x")
    assert standing(rung("x", score(1.0, None, None), {}), plain) == ("even", "nothing to compare with")
    assert standing(rung("x", score(1.0, None, 2.0), {}), plain) == ("even", "better than trivial")
    assert standing(rung("x", score(1.0, 1.0, 0.9), {}), plain)[1].startswith("separates nothing")
    assert standing(rung("copies", score(0.5, 0.02, None), {}), wording("copies")) == ("bad", "more than real data: it copies")


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.booleans())
def test_better_is_always_to_the_right(value: float, floor: float, ceiling: float, lower: bool) -> None:
    step = Rung(value, None, floor, (floor, floor), ceiling, {}, lower)
    scale = scale_for(step.numbers(), reverse=lower)
    places = [scale.at(v) for v in (value, floor, ceiling)]
    assert all(0.0 <= place <= 100.0 for place in places)
    assert not beats_trivial(step) or places[0] >= places[2]
    assert not level_with_real(step) or places[0] >= places[1]


@given(st.lists(st.floats(-1e9, 1e9) | st.floats(1e-12, 1e-3), max_size=8), st.booleans())
def test_scales_hold_their_values_and_have_ticks(values: list[float], reverse: bool) -> None:
    scale = scale_for(values, reverse=reverse)
    assert all(scale.low <= value <= scale.high for value in values)
    ticks = scale.ticks()
    assert len(ticks) <= 6
    assert all(scale.low <= tick <= scale.high for tick in ticks)
    places = sorted(scale.at(tick) for tick in ticks)
    assert all(b - a > 10 for a, b in pairwise(places))


def test_scale_kind_follows_the_span() -> None:
    assert scale_for([1.0, 2.0, 4.0]).kind == "linear"
    assert scale_for([0.1, 2.0, 40.0]).kind == "log"
    assert scale_for([-0.001, 0.0, 0.4]).kind == "asinh"
    assert (scale_for([0.2, 0.9], bounds=(0.0, 1.0)).low, scale_for([0.95, 0.99], bounds=(0.0, 1.0)).low > 0.9) == (-0.02, True)
    assert scale_for([0.1, 0.3, 30.0]).at(0.3) > scale_for([0.1, 0.3, 30.0]).at(0.1) + 10


def test_copiers_have_a_row_of_their_own() -> None:
    step = Rung(1.0, (0.9, 1.1), 1.0, (0.9, 1.1), 4.0, {"copy-noise": 0.8}, True)
    reader = Reader(ladder_scale(step, "x"))
    hollow = [attributes for _, attributes in reader.tags if attributes.get("class") == "hollow"]
    dots = [attributes for _, attributes in reader.tags if attributes.get("class") == "dot"]
    assert len(hollow) == len(dots) == 1
    assert float(hollow[0]["cy"] or 0) > float(dots[0]["cy"] or 0) + 20


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=2000))
def test_thinning_keeps_extremes_and_order(values: list[float]) -> None:
    points = [(float(i), value) for i, value in enumerate(values)]
    kept = thin(points)
    assert len(kept) <= POINTS
    assert kept == sorted(kept)
    assert set(kept) <= set(points)
    assert (min(v for _, v in kept), max(v for _, v in kept)) == (min(values), max(values))


def test_running_mean_of_a_line_is_the_line() -> None:
    line = [(float(i), 2.0 * i) for i in range(1000)]
    mean = smooth(line)
    assert len(mean) <= 100
    assert (mean[0], mean[-1]) == (line[0], line[-1])
    assert [value for _, value in mean] == pytest.approx([2.0 * step for step, _ in mean])
    assert smooth(line[:20]) == []


def test_numbers_for_people() -> None:
    shown = [number(v) for v in (0.97, 1234.6, -0.5, 1.2e-5, float("inf"), None, 0.0)]
    assert shown == ["0.97", "1,235", "−0.5", "1.2×10⁻⁵", "∞", "–", "0"]
    assert [fixed(0.9, 2), fixed(41.0, 2), fixed(-0.0004, 4), fixed(0.0, 4), fixed(1e-9, 3)] == ["0.90", "41.0", "−0.0004", "0", "1×10⁻⁹"]
    assert [duration(v) for v in (4.25, 45, 118, 7500)] == ["4.25 s", "45 s", "1 min 58 s", "2 h 05 min"]
    assert (memory(612e6), memory(12), percent(0.034)) == ("612 MB", "12 bytes", "3.4%")


@given(st.text())
def test_escaped_text_reads_back(text: str) -> None:
    escaped = escape(text)
    assert not set("<>\"'") & set(escaped)
    assert len(html.unescape(escaped)) == len(text)


def test_energy_is_threads_times_watts_times_hours() -> None:
    cost = Cost(seconds=7200, steps=1, examples=1, peak_memory=None, threads=4, device="cpu", precision="fp32")
    assert cost.energy == 120.0


def test_opens_in_a_browser(tmp_path: Path) -> None:
    browser = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    write_report(evidence(title=f"digits {HOSTILE}"), tmp_path / "report.html")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
             f"--user-data-dir={tmp_path / 'profile'}"]  # fmt: skip
    url = (tmp_path / "report.html").as_uri()
    done = subprocess.run([browser, *quiet, "--dump-dom", url], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "CONSOLE" not in done.stderr
    words = Reader(done.stdout).words()
    for figure in ("1.05 × floor", "97%", "Level with real data on 3 of 5 scores.", "needs at least 50 held-out items"):
        assert figure in words, figure
    assert "<script" not in done.stdout

"""`--model auto`: halving, what is kept of a search, and that a stopped one goes on bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morelike.core import registry
from morelike.core.errors import BadInput
from morelike.house import choosing, run
from morelike.house.audience import Silent
from morelike.house.choosing import Short, _Search
from morelike.house.recipe import Recipe
from morelike.house.verbs import recipe_from
from morelike.judges.intervals import Measure
from morelike.judges.report_choice import choice_section
from morelike.training.watchdog import TrainingFailed

NAMES = ["first", "second", "third", "fourth"]


class Scored:
    """In place of the judges: the score that a fake run carries."""

    def measure(self, model: Any) -> Measure:
        return model


class Fake:
    """A run that only counts how far it was asked to go."""

    def __init__(self, score: Measure, asked: list[float]) -> None:
        self.score, self.asked = score, asked

    def short(self, share: float) -> Short:
        self.asked.append(share)
        if self.score.value == float("inf"):
            raise TrainingFailed("it broke")
        package: Any = type("Package", (), {"model": self.score})()
        return Short(package, round(1000 * share), 1000, 1.0)


def search(tmp_path: Path, scores: Mapping[str, Measure]) -> tuple[str, _Search, dict[str, list[float]]]:
    (tmp_path / "auto.json").unlink(missing_ok=True)
    found = _Search(None, Silent(), tmp_path, {"tried": {}, "left_out": {}, "seconds": 0.0, "score": "a score"})  # type: ignore[arg-type]
    found._score = Scored()  # type: ignore[assignment]
    asked: dict[str, list[float]] = {name: [] for name in scores}
    return found.best(list(scores), lambda name: Fake(scores[name], asked[name])), found, asked


def exact(value: float) -> Measure:
    return Measure(value, value, value)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-10, 10, allow_nan=False), min_size=2, max_size=4, unique=True))
def test_halving_keeps_the_best_and_spends_a_tenth(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    scores = {name: exact(value) for name, value in zip(NAMES, values, strict=False)}
    best, _, asked = search(tmp_path_factory.mktemp("search"), scores)
    assert scores[best].value == min(values)
    # shares are of nine tenths of the budget, and a round goes on where the one before stopped
    assert sum(shares[-1] for shares in asked.values()) == pytest.approx(1 / 9)
    assert all(shares == sorted(shares) for shares in asked.values())


def test_among_scores_that_cant_be_told_apart_the_rank_decides(tmp_path: Path) -> None:
    near = {"first": Measure(0.3, 0.1, 0.5), "second": Measure(0.2, 0.0, 0.4)}
    best, found, _ = search(tmp_path, near)
    assert best == "first"
    assert "can't be told from it and ranks lower" in found.state["why"]
    far = {"first": Measure(0.8, 0.6, 1.0), "second": Measure(0.2, 0.0, 0.4)}
    best, found, _ = search(tmp_path, far)
    assert best == "second"
    assert "which is worse" in found.state["why"]


def test_who_fails_loses_and_when_all_fail_nothing_is_chosen(tmp_path: Path) -> None:
    broken = exact(float("inf"))
    best, found, _ = search(tmp_path, {"first": broken, "second": exact(1.0)})
    assert best == "second"
    assert found.state["tried"]["first"]["failed"] == "it broke"
    with pytest.raises(TrainingFailed, match="none of first, second could be trained: it broke"):
        search(tmp_path, {"first": broken, "second": broken})


def test_a_slow_starter_that_catches_up_is_not_thrown_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that fall as 1 / steps to 0.04 at the end, against one that stands at 0.5 from the start."""
    short = Fake.short

    def falling(run: Fake, share: float) -> Short:
        found = short(run, share)
        value = 40 / found.step if run.score.value == 9.0 else 0.5
        found.package.model = Measure(value, value - 0.01, value + 0.01)  # type: ignore[assignment]
        return found

    monkeypatch.setattr(Fake, "short", falling)
    best, found, _ = search(tmp_path, {"steady": exact(0.5), "falling": exact(9.0)})
    assert found.state["tried"]["falling"]["score"][0] > 0.5
    assert found.expected("falling").value == pytest.approx(0.04)
    assert best == "falling"
    assert "0.04 expected at the end" in found.state["why"]
    found.state["score"] = choosing.NATS
    assert found.expected("falling").value > 0.5


def test_a_short_run_of_few_steps_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = Fake.short
    monkeypatch.setattr(choosing, "LEAST_SHORT", 60)
    best, found, _ = search(tmp_path, {"first": exact(2.0), "second": exact(1.0)})
    assert best == "first"
    assert "short runs of 28 steps tell nothing" in found.state["why"]
    # three go in two rounds: 19 steps, then 46
    slow = {"first": exact(1.0), "second": exact(2.0), "third": exact(3.0)}
    monkeypatch.setattr(choosing, "LEAST_SHORT", 19)
    assert search(tmp_path, slow)[0] == "first"
    monkeypatch.setattr(Fake, "short", lambda run, share: replace(short(run, share), **({"step": 3} if run.score.value == 1.0 else {})))
    best, found, _ = search(tmp_path, slow)
    assert best == "second"
    assert "first too slow for this budget, its short run came to 3 steps" in found.state["why"]


def test_every_candidate_is_a_family_and_a_kind_s_own_family_is_among_them() -> None:
    for kind in registry.KINDS.values():
        assert all(name in registry.FAMILIES for name in kind.candidates)
        assert not kind.candidates or kind.default in kind.candidates
        assert len(kind.candidates) <= 4


def test_the_report_shows_who_goes_on_and_who_lost(tmp_path: Path) -> None:
    _, found, _ = search(tmp_path, {"first": exact(3.0), "second": exact(1.0), "third": exact(float("inf"))})
    page = choice_section(found.state | {"left_out": {"fourth": "it needs <labels>"}})
    assert page.index("goes on") < page.index("out in round 2") < page.index("out in round 1")
    assert "it broke" in page
    assert "fourth: it needs &lt;labels&gt;" in page
    assert choice_section(None) == ""


# Real runs


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "LEAST_STEPS", 80)
    monkeypatch.setattr(choosing, "LEAST_SHORT", 2)


def recipe(steps: int = 120, **changes: Any) -> Recipe:
    return Recipe.parse({"model": "auto", "size": "xs", "train": {"steps": steps, "batch": 16}, **changes})


class Interrupting(Silent):
    """Presses Ctrl-C at the n-th sign of progress."""

    def __init__(self, after: int) -> None:
        self.left, self.said = after, list[str]()

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def watch(self, label: str, total: int, done: int = 0) -> Iterator[Any]:
        self._count()
        yield self

    def advance(self, done: int, terms: Mapping[str, float]) -> None:
        self._count()

    def _count(self) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def test_a_search_stopped_at_every_stage_ends_with_the_same_bits_as_the_family_named(
    points: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets_first = replace(registry.kind("vector"), candidates=("diffusion", "gmm", "spline-flow"))
    monkeypatch.setitem(registry.KINDS, "vector", nets_first)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    heard = Interrupting(10_000)
    model, _ = run.train(recipe(), whole, heard, data=points)
    chosen = json.loads((whole / "training" / "auto.json").read_text())
    assert model.card["family"] == chosen["model"] == model.card["choice"]["model"]
    assert any(chosen["why"] in text for text in heard.said)
    assert set(chosen["tried"]) == set(registry.kind("vector").candidates)
    assert model.card["parameters"] > 0, "a net is to be taken up"
    assert not (whole / "training" / "auto").exists()
    before: dict[str, Any] = {}
    for _ in range(40):
        try:
            # one short run is begun and stopped, or ended and the next one begun: some progress in each sitting
            run.train(recipe(), parts, Interrupting(3), data=points)
            break
        except KeyboardInterrupt:
            assert not (parts / "card.json").exists()
        if (parts / "training" / "auto.json").is_file():
            now = json.loads((parts / "training" / "auto.json").read_text())["tried"]
            assert all(now[name] == tried or now[name]["round"] > tried["round"] for name, tried in before.items())
            before = now
    again = json.loads((parts / "training" / "auto.json").read_text())
    assert {name: tried["score"] for name, tried in again["tried"].items()} == {n: t["score"] for n, t in chosen["tried"].items()}
    assert weights(parts) == weights(whole)
    run.train(recipe(108, model=chosen["model"]), tmp_path / "named", Silent(), data=points)
    assert weights(tmp_path / "named") == weights(whole)
    assert run.finished(recipe(), whole)
    with pytest.raises(BadInput, match="another recipe"):
        run.finished(recipe(121), whole)


def test_a_budget_too_small_for_a_search_is_said_and_the_default_trained(points: np.ndarray, tmp_path: Path) -> None:
    heard = Interrupting(10_000)
    model, _ = run.train(recipe(20), tmp_path / "run", heard, data=points)
    assert model.card["family"] == "diffusion"
    assert "choice" not in model.card
    assert [text for text in heard.said if text.startswith("model:")] == [
        "model: diffusion, without a search: a tenth of 20 steps tells nothing; give at least 80"
    ]
    assert run.train(recipe(20), tmp_path / "run", Silent(), data=points)[0].card["family"] == "diffusion"


def test_settings_that_fit_one_candidate_choose_it_in_a_sentence(points: np.ndarray, tmp_path: Path) -> None:
    asked = recipe_from({"data": "memory", "model": "auto", "size": "xs", "train": {"steps": 20, "batch": 16}}, ["coupling=spline"])
    heard = Interrupting(10_000)
    model, _ = run.train(asked, tmp_path / "run", heard, data=points)
    assert model.card["family"] == "spline-flow"
    assert any(text.startswith("model: spline-flow, the only candidate that fits (gmm: ") for text in heard.said)


def test_few_seconds_are_too_few(points: np.ndarray, tmp_path: Path) -> None:
    data = run.opened(recipe(), None, points)
    asked = Recipe.parse({"model": "auto", "train": {"minutes": 0.3}})
    found = choosing._no_search(asked, data, ["diffusion", "gmm"], {})
    assert found == "without a search: a tenth of 18 s tells nothing; give at least 20 s"


def test_one_score_is_used_for_all_and_it_is_that_of_the_judges(points: np.ndarray) -> None:
    data = run.opened(recipe(), None, points)
    names, left_out = choosing.candidates(recipe(), data)
    assert tuple(names) == registry.kind("vector").candidates
    assert not left_out
    _, left_out = choosing.candidates(recipe(settings={"coupling": "spline"}), data)
    assert "coupling" in left_out["gmm"]
    scoring = choosing.Validation(choosing.Package(torch.nn.Module(), data.codec, {}, recipe()), data, "fp32", told=False)  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    for shift, low, high in ((0.0, -0.6, 0.3), (2.0, 1.0, 1000.0)):
        scoring._made = lambda model, shift=shift: scoring._scaled(shift + rng.normal(size=(500, 2)))  # type: ignore[assignment, misc]
        found = scoring.measure(None)  # type: ignore[arg-type]
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high
        assert low < found.value < high

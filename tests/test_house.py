"""The Python side of the house: train, load, judge, save, and models of the user's own class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import morelike
from morelike.core.errors import BadInput, MorelikeError, Refused, UnknownName
from morelike.data.category import CategoryCodec
from morelike.data.vector import VectorCodec
from morelike.house import run
from morelike.house.audience import Silent
from morelike.house.lock import start_over
from morelike.house.recipe import Recipe, Training
from morelike.house.sampling import CHUNK, encode_value
from test_laws_can_fail import Honest


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).normal([1.0, -2.0], [1.0, 0.5], (400, 2))


def test_arrays_in_python_from_training_to_saving(points: np.ndarray, tmp_path: Path) -> None:
    model = morelike.train(points, model="pca", out=tmp_path / "run")
    found = model.judge(points)
    assert found["kind"] == "vector"
    assert "frechet.raw" in found["scores"]
    assert (tmp_path / "run" / "report.html").is_file()
    many, few = model.sample(CHUNK + 40, seed=3), model.sample(3, seed=3)
    assert many.shape == (CHUNK + 40, 2)
    assert np.allclose(many[:3], few, atol=1e-4)
    assert abs(many.mean(0) - [1.0, -2.0]).max() < 0.3
    copy = model.save(tmp_path / "copy")
    assert np.array_equal(morelike.load(copy).sample(3, seed=3), few)
    assert not (copy / "training").exists()
    with pytest.raises(BadInput, match="exists already"):
        model.save(copy)


def test_data_in_memory_must_be_passed_to_judge(points: np.ndarray, tmp_path: Path) -> None:
    model = morelike.train(points, model="pca", out=tmp_path / "run", judge=False)
    with pytest.raises(BadInput, match="in memory"):
        model.judge()
    with pytest.raises(BadInput, match="can't be compared"):
        model.judge(np.zeros((50, 3)) + np.random.default_rng(0).normal(size=(50, 3)))


def test_a_class_of_ones_own_trains_resumes_and_loads_only_with_it(points: np.ndarray, tmp_path: Path) -> None:
    for _ in range(2):
        model = morelike.train(points, model=Honest, out=tmp_path / "run", steps=30, judge=False)
    assert morelike.load(tmp_path / "run", model=Honest).sample(2).shape == (2, 2)
    assert model.card["family"] == "own:Honest"
    with pytest.raises(Refused, match="needs the class Honest"):
        morelike.load(tmp_path / "run")


def test_models_lists_generators_with_what_they_can_do() -> None:
    found = {row["name"]: row for row in morelike.models()}
    assert "features" not in found
    assert "denoises" in found["diffusion"]["abilities"]
    assert {"density", "prior", "encodes"} <= set(found["vae"]["abilities"])


def test_unknown_settings_are_refused_before_anything_is_written(points: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(MorelikeError, match="did you mean 'rank'"):
        morelike.train(points, model="pca", out=tmp_path / "run", rnak=3)
    with pytest.raises(BadInput, match="'rank' must be a whole number such as"):
        morelike.train(points, model="pca", out=tmp_path / "run", rank=1.5)
    assert not (tmp_path / "run").exists()


def test_judging_on_other_data_leaves_the_models_own_scores_alone(points: np.ndarray, tmp_path: Path) -> None:
    model = morelike.train(points, model="pca", out=tmp_path / "run")
    before, page = morelike.info(tmp_path / "run")["scores"], (tmp_path / "run" / "report.html").read_bytes()
    found = model.judge(points * 3 + 1)
    assert found["scores"] != before
    assert morelike.info(tmp_path / "run")["scores"] == before
    assert (tmp_path / "run" / "report.html").read_bytes() == page
    assert Path(found["report"]).name != "report.html"


def test_ten_items_are_enough_to_train(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (10, 6, 6), dtype=np.uint8)
    model = morelike.train(pictures, out=tmp_path / "run", size="xs", judge=False, **{"train.steps": 3})
    assert model.sample(2).shape[0] == 2


def test_start_over_removes_a_run_of_ours_and_nothing_else(points: np.ndarray, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "training").mkdir(parents=True)
    (theirs / "training" / "thesis").write_text("years of work")
    with pytest.raises(BadInput, match="no run of ours"):
        start_over(theirs)
    morelike.train(points, model="pca", out=tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"notes\.txt"):
        start_over(tmp_path / "run")
    assert (theirs / "training" / "thesis").is_file()
    (tmp_path / "run" / "notes.txt").unlink()
    start_over(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_class_is_asked_for_by_name_only(tmp_path: Path) -> None:
    codec = CategoryCodec(["1", "2", "3"])
    assert encode_value(codec, 1, "label").tolist() == [[0]]
    for wrong in (0, "0", 4, "4"):
        with pytest.raises(UnknownName, match="Known: 1, 2, 3"):
            encode_value(codec, wrong, "label")


@pytest.mark.parametrize("wrong", ["nan", "inf", float("-inf"), "three"])
def test_a_number_asked_for_is_finite(wrong: Any) -> None:
    codec = VectorCodec.fit(np.arange(4.0)[:, None])
    assert encode_value(codec, "1.5", "size").item() == 0
    with pytest.raises(BadInput, match=r"size is a (finite )?number, and .* is none"):
        encode_value(codec, wrong, "size")


def test_steps_are_training_steps_and_a_setting_of_that_name_has_its_place(tmp_path: Path) -> None:
    texts = [f"the {word} is {other}" for word in ("sun", "moon", "star") for other in ("warm", "cold", "old", "new", "far")] * 2
    model = morelike.train(texts, model="masked", size="xs", out=tmp_path / "run", judge=False, steps=3, **{"settings.steps": 5})
    recipe = model.package.recipe
    assert (recipe.train.steps, recipe.settings["steps"]) == (3, 5)
    with pytest.raises(BadInput, match="steps"):
        morelike.train(texts, model="gru", out=tmp_path / "none", steps=0)


def test_another_recipe_is_named_and_more_needs_no_steps(tmp_path: Path) -> None:
    texts = [f"the {word} is {other} {n}" for n in range(9) for word in ("sun", "moon") for other in ("warm", "cold", "old")]
    out = tmp_path / "run"
    morelike.train(texts, model="gru", size="xs", out=out, judge=False, **{"train.steps": 4})
    with pytest.raises(BadInput, match=r"holds a run with another recipe \(what differs: seed\)"):
        morelike.train(texts, model="gru", size="xs", out=out, judge=False, seed=1, **{"train.steps": 4})
    recipe = Recipe(model="gru", size="xs")
    model, _ = run.train(recipe, out, Silent(), data=texts, more=0.001)
    assert model.card["run"]["steps"] > 4


def test_threads_are_no_part_of_a_recipe_and_others_are_said(tmp_path: Path) -> None:
    def recipe(threads: int | None) -> Recipe:
        return Recipe(model="ae", size="xs", train=Training(steps=4, threads=threads))

    class Heard(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    said: list[str] = []
    points, before = np.random.default_rng(0).normal(size=(60, 3)), torch.get_num_threads()
    try:
        run.train(recipe(1), tmp_path, Heard(), data=points)
        assert run.finished(recipe(2).model_copy(update={"kind": "vector"}), tmp_path)
        for threads, seen in ((None, 1), (2, 2)):
            model, _ = run.train(recipe(threads), tmp_path, Heard(), data=points, more=0.0001)
            assert model.card["run"]["threads"] == seen
            assert Recipe.read(tmp_path / "recipe.toml").train.threads == seen
    finally:
        torch.set_num_threads(before)
    assert [sentence for sentence in said if sentence.startswith("threads")] == [
        "threads: 2 from here on, 1 before; sums are rounded another way"
    ]


def test_other_texts_are_judged_under_the_models_own_codec(tmp_path: Path) -> None:
    texts = [f"the {word} is {other}{'.' * n}" for n in range(9) for word in ("sun", "moon") for other in ("warm", "cold", "old", "far")]
    model = morelike.train(texts, model="ngram", out=tmp_path / "run", judge=False)
    found = model.judge([text.replace("sun", "star") for text in texts[:60]])
    assert found["scores"]["nats-per-character"]["value"] > 0

"""Continuing from a saved model: its codecs, its weights, low-rank add-ons, and what is refused."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import morelike
from conftest import TINY, Runner
from morelike.core.errors import BadInput, BadPackage, Refused, UnknownName
from morelike.core.spec import Array, Tokens, class_label
from morelike.data.open import open_source
from morelike.house import package
from morelike.house.build import build
from morelike.house.model import Model
from morelike.house.recipe import Recipe
from morelike.house.start import start_of
from morelike.house.verbs import verify
from morelike.nets import adapter
from morelike.training.loop import Trainer
from morelike.training.state import weights
from test_laws_can_fail import Honest

QUICK: dict[str, Any] = {"size": "xs", "judge": False, "train.steps": 6, "batch": 16}
WORDS = ["the", "old", "men", "by", "a", "lake", "fish", "for", "silver", "under", "sun", "and", "moon"]


def continued(data: Any, start: Path, out: Path, **more: Any) -> Model:
    """A short run from a saved model."""
    return morelike.train(data, start=start, out=out, judge=False, **{"train.steps": 6, "batch": 16, **more})


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return package.read_tensors(folder / "weights.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lines(count: int, seed: int, extra: str = "") -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 8)) + extra for _ in range(count)]


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).normal([1.0, -2.0], [1.0, 0.5], (300, 2))


@pytest.fixture(scope="module")
def base(points: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small diffusion model of points."""
    folder = tmp_path_factory.mktemp("from") / "base"
    morelike.train(points, out=folder, **QUICK)
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `base`, a small transformer of running text, and texts to go on with."""
    folder = tmp_path_factory.mktemp("texts")
    running = "\n\n".join(" ".join(lines(3, seed)) for seed in range(240))
    (folder / "running.txt").write_text(running)
    (folder / "lines.txt").write_text("\n".join(lines(200, 1, "é")))
    morelike.train(folder / "running.txt", model="transformer", out=folder / "base", **QUICK, **{"codec.window": 24})
    return folder


@pytest.fixture(scope="module")
def added(texts: Path) -> Path:
    """`texts` with `added`, an add-on to `base`."""
    continued(texts / "lines.txt", texts / "base", texts / "added", kind="lines", tune="adapter", rank=2)
    return texts


def test_a_run_begins_with_the_saved_weights_and_codec(points: np.ndarray, base: Path, tmp_path: Path) -> None:
    recipe = Recipe(start=str(base), model="diffusion")
    start = start_of(recipe, tmp_path)
    assert start is not None
    assert same(weights(start.made(start.filled(recipe))), tensors(base))
    model = continued(points + 3, base, tmp_path / "new")
    assert np.array_equal(model.codec.state()["mean"], morelike.load(base).codec.state()["mean"])
    assert not same(tensors(tmp_path / "new"), tensors(base))
    assert model.card["start"]["weights"] == digest(base / "weights.safetensors")
    resolved = Recipe.read(tmp_path / "new" / "recipe.toml")
    assert (resolved.start, resolved.start_weights, resolved.size) == (str(base), digest(base / "weights.safetensors"), "xs")
    assert verify(tmp_path / "new")["ok"]
    assert model.judge(points + 3)["n"] > 0


def test_longer_training_brings_the_samples_to_the_new_data(points: np.ndarray, tmp_path: Path) -> None:
    morelike.train(points, model="pca", out=tmp_path / "base", judge=False)
    model = morelike.train(points[:200] + 6, start=tmp_path / "base", out=tmp_path / "new", judge=False)
    counts = model.generator.count[-1], morelike.load(tmp_path / "base").generator.count[-1]
    # what counts goes on counting: the mean is that of both sets together
    share = 1 - float(counts[1] / counts[0])
    assert 0.3 < share < 0.5
    assert abs(model.sample(4000).mean(0) - (points.mean(0) + 6 * share)).max() < 0.3


def test_a_mixture_goes_on_from_its_components(points: np.ndarray, tmp_path: Path) -> None:
    morelike.train(points, model="gmm", out=tmp_path / "base", judge=False, components=2)
    model = morelike.train(points + 4, start=tmp_path / "base", out=tmp_path / "new", judge=False)
    assert abs(model.sample(2000).mean(0) - (points.mean(0) + 4)).max() < 0.3


def test_pictures_take_the_classes_by_name(trained: Path, tmp_path: Path) -> None:
    digits = open_source("digits")
    rows = np.flatnonzero(np.isin(digits.columns["label"].values, (3, 7)))
    names = np.array(["seven" if digits.columns["label"].values[row] == 7 else "3" for row in rows])
    pictures = np.stack([digits.items[row] for row in rows])
    with pytest.raises(UnknownName, match="'seven'"):
        continued((pictures, names), trained, tmp_path / "new")
    model = continued((pictures, np.where(names == "3", "3", "7")), trained, tmp_path / "new")
    histogram = model.card["histograms"]["label"]
    assert len(histogram) == 10
    assert set(np.flatnonzero(histogram)) == {3, 7}
    assert model.card["settings"]["solver"] == "euler"
    with pytest.raises(BadInput, match="conditioned on 'label', which array doesn't have"):
        continued(pictures, trained, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_separate_texts_are_joined_for_running_text_and_strangers_counted(texts: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    words = ("--kind", "lines", "--from", texts / "base", "--steps", 2, "batch=8", "--no-judge", "--out", tmp_path / "new")
    ended = morelike_cli("train", texts / "lines.txt", *words)
    assert ended.code == 0, ended.err
    assert "the 200 items are joined by line ends" in ended.err
    assert "200 characters ('é') are none that" in ended.err
    assert "continues" in morelike_cli("info", tmp_path / "new").out
    assert "\n" in "".join(morelike.load(tmp_path / "new").sample(16))


def test_separate_texts_stay_separate_and_long_ones_are_counted(texts: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join(line[: 9 + number % 5] for number, line in enumerate(lines(80, 3))))
    base = ("--kind", "lines", "--model", "ngram", "--no-judge", "--out", tmp_path / "base")
    assert morelike_cli("train", tmp_path / "list.txt", *base).code == 0
    words = ("--from", tmp_path / "base", "--no-judge", "--out")
    ended = morelike_cli("train", texts / "lines.txt", "--kind", "lines", *words, tmp_path / "new")
    assert ended.code == 0, ended.err
    assert "200 of 200 texts are longer than the 14 ids" in ended.err
    assert morelike.load(tmp_path / "new").judge()["n"] == 40
    refused = morelike_cli("train", texts / "running.txt", "--kind", "text", *words, tmp_path / "other")
    assert "makes separate items, and running.txt is one running text" in refused.err


def test_what_training_makes_worse_is_not_kept(texts: Path, tmp_path: Path) -> None:
    model = continued(texts / "running.txt", texts / "base", tmp_path / "new", lr=30.0, averaging=0)
    assert model.card["run"]["best_step"] == 0
    assert same(tensors(tmp_path / "new"), tensors(texts / "base"))


def test_a_setting_reaches_the_nets(texts: Path) -> None:
    recipe = Recipe(start=str(texts / "base"), model="transformer", settings={"dropout": 0.3})
    start = start_of(recipe, texts / "elsewhere")
    assert start is not None
    assert start.filled(recipe).nets["causal"]["dropout"] == 0.3
    assert start.filled(recipe).nets["causal"]["width"] == 32


def test_an_add_on_begins_as_its_base_and_can_be_merged() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3, bias=False))
    x, before = torch.randn(7, 6), {name: value.clone() for name, value in net.state_dict().items()}
    expected = net(x)
    adapter.adapt(net, rank=2, alpha=4.0)
    assert torch.equal(net(x), expected)
    assert set(adapter.addon(net)) == {name for name, p in net.named_parameters() if p.requires_grad}
    assert adapter.addon(net)["0.down"].shape == (2, 6)
    with torch.no_grad():
        net[0].up.normal_()
    first = before["0.weight"] + 4.0 / 2 * net[0].up @ net[0].down
    changed = net(x)
    assert torch.allclose(changed, torch.tanh(x @ first.T + before["0.bias"]) @ before["2.weight"].T, atol=1e-6)
    adapter.merge(net)
    assert type(net[0]) is nn.Linear
    assert torch.allclose(net(x), changed, atol=1e-5)
    assert all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize(
    ("family", "spec"),
    [
        ("transformer", Tokens((64,), 65)),
        ("gru", Tokens((64,), 65)),
        ("diffusion", Array((2,))),
        ("diffusion", Array((1, 8, 8), 2 / 255)),
        ("vae", Array((1, 8, 8), 2 / 255)),
        ("dcgan", Array((1, 8, 8), 2 / 255)),
    ],
)
def test_at_most_two_percent_are_trained_at_size_s(family: str, spec: Array | Tokens) -> None:
    model = build(Recipe(model=family), spec, {"label": class_label(3)})
    every = sum(p.numel() for p in model.parameters())
    rank = adapter.affordable(model)
    assert rank >= 1
    adapter.adapt(model, rank)
    assert 0 < sum(p.numel() for p in model.parameters() if p.requires_grad) <= 0.02 * every


def test_an_add_on_trains_leaves_its_base_alone_and_is_small(added: Path) -> None:
    base, saved, model = tensors(added / "base"), tensors(added / "added"), morelike.load(added / "added")
    found = weights(model.generator)
    assert same({name: found[name] for name in base}, base)
    assert same({name: found[name] for name in found if name not in base}, saved)
    assert any(bool(value.abs().max() > 0) for name, value in saved.items() if name.endswith(".up"))
    assert (added / "added" / "weights.safetensors").stat().st_size < 0.3 * (added / "base" / "weights.safetensors").stat().st_size
    assert verify(added / "added")["ok"]
    assert verify(added / "base")["ok"]
    assert model.card["base"]["rank"] == 2
    assert len(model.sample(2)) == 2


@pytest.mark.parametrize("family", ["vae", "dcgan"])
def test_add_ons_for_several_players(family: str, points: np.ndarray, tmp_path: Path) -> None:
    morelike.train(points, model=family, out=tmp_path / "base", **QUICK)
    model = continued(points + 1, tmp_path / "base", tmp_path / "new", tune="adapter", rank=1)
    loaded = morelike.load(tmp_path / "new")
    assert np.array_equal(loaded.sample(4), model.sample(4))
    for player in model.generator.players():
        owned = {id(p) for p in player.params}
        moved = [p for name, p in model.generator.named_parameters() if id(p) in owned and name.endswith(".up")]
        assert any(bool(p.abs().max() > 0) for p in moved), player.name


def test_buffers_that_training_changes_lie_with_the_add_on(texts: Path, tmp_path: Path) -> None:
    morelike.train(texts / "lines.txt", model="text-vae", kind="lines", out=tmp_path / "base", **QUICK)
    model = continued(texts / "lines.txt", tmp_path / "base", tmp_path / "new", kind="lines", tune="adapter", rank=1)
    loaded = morelike.load(tmp_path / "new").generator
    assert not torch.equal(loaded.moments, tensors(tmp_path / "base")["moments"])
    assert same(weights(loaded), weights(model.generator))


def test_an_add_on_needs_its_base(added: Path, tmp_path: Path, base: Path) -> None:
    for name in ("base", "added"):
        shutil.copytree(added / name, tmp_path / "moved" / name)
    moved, expected = tmp_path / "moved" / "added", morelike.load(added / "added").sample(2)
    assert morelike.load(moved).sample(2) == expected
    copy = morelike.load(moved).save(tmp_path / "copy")
    assert morelike.load(copy).card["base"]["path"] == "../moved/base"
    assert morelike.load(copy).sample(2) == expected
    # beside it, other weights; where it was trained, the right ones: those are taken
    shutil.copy(base / "weights.safetensors", tmp_path / "moved" / "base")
    assert morelike.load(moved).sample(2) == expected
    hidden = added / "base" / "weights.hidden"
    (added / "base" / "weights.safetensors").rename(hidden)
    try:
        with pytest.raises(BadPackage, match=r"(?s)moved.added is an add-on to .*base, but the weights of .*moved.base are others"):
            morelike.load(moved)
        shutil.rmtree(tmp_path / "moved" / "base")
        with pytest.raises(BadPackage, match=r"moved.added is an add-on to .*base, which is not there"):
            morelike.load(moved)
    finally:
        hidden.rename(added / "base" / "weights.safetensors")


def test_an_add_on_is_continued_whole_but_not_by_another(added: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="more than 2%"):
        continued(added / "running.txt", added / "base", tmp_path / "new", tune="adapter")
    with pytest.raises(Refused, match="itself an add-on"):
        continued(added / "running.txt", added / "added", tmp_path / "new", tune="adapter", rank=1)
    recipe = Recipe(start=str(added / "added"), model="transformer")
    start = start_of(recipe, tmp_path)
    assert start is not None
    x = torch.randint(0, 9, (2, 24))
    first, second = start.made(start.filled(recipe)), morelike.load(added / "added").generator
    assert torch.allclose(first.eval().log_prob(x), second.log_prob(x), atol=1e-3)  # type: ignore[operator]
    assert all(p.requires_grad for p in first.parameters())


@pytest.mark.parametrize("tune", [(), ("--tune", "adapter", "rank=1")])
def test_a_stopped_run_is_taken_up_to_the_same_weights(
    tune: tuple[str, ...], texts: Path, morelike_cli: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(out: str) -> tuple[object, ...]:
        words = ("--from", texts / "base", "--steps", 8, "batch=8", "--no-judge", *tune)
        return ("train", texts / "lines.txt", *words, "--out", tmp_path / out)

    step_once: Callable[[Trainer, int], None] = Trainer.step_once

    def interrupted(self: Trainer, step: int) -> None:
        if step == 5:
            raise KeyboardInterrupt
        step_once(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step_once", interrupted)
        assert morelike_cli(*command("stopped")).code == 130
    ended = morelike_cli(*command("stopped"))
    assert ended.code == 0, ended.err
    assert "taking up the run at step 5" in ended.err
    assert morelike_cli(*command("whole")).code == 0
    assert same(tensors(tmp_path / "stopped"), tensors(tmp_path / "whole"))
    assert "finished" in morelike_cli(*command("whole")).err
    again = ("train", "--recipe", tmp_path / "whole" / "recipe.toml", "--no-judge", "--out", tmp_path / "again")
    assert morelike_cli(*again).code == 0
    assert same(tensors(tmp_path / "again"), tensors(tmp_path / "whole"))


def test_another_start_under_the_same_name_is_refused(points: np.ndarray, base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "base", ignore=shutil.ignore_patterns("training"))
    continued(points, tmp_path / "base", tmp_path / "new")
    shutil.rmtree(tmp_path / "base")
    morelike.train(points, out=tmp_path / "base", seed=1, **QUICK)
    with pytest.raises(BadInput, match="other weights than those that this run began with"):
        continued(points, tmp_path / "base", tmp_path / "new")


def test_verify_compares_ids_by_their_log_probability(texts: Path) -> None:
    loaded, kept = package.load(texts / "base"), package.read_tensors(texts / "base" / package.FILES[2])
    assert torch.allclose(loaded.model.log_prob(kept["x"]), kept["log_prob"], atol=1e-3)  # type: ignore[operator]
    assert package.redraw_difference(loaded, kept) <= loaded.card["tolerance"]
    with torch.no_grad():
        loaded.model.nets["causal"].head.weight.mul_(1.01)  # type: ignore[union-attr,operator]
    assert package.redraw_difference(loaded, kept) > loaded.card["tolerance"]
    del kept["log_prob"]
    with torch.no_grad():
        loaded.model.nets["causal"].head.weight.mul_(3.0)  # type: ignore[union-attr,operator]
    assert package.redraw_difference(loaded, kept) >= 1


def test_verify_compares_ids_exactly_without_a_likelihood(texts: Path, tmp_path: Path) -> None:
    morelike.train(texts / "lines.txt", model="independent", kind="lines", out=tmp_path / "run", judge=False)
    kept = package.read_tensors(tmp_path / "run" / package.FILES[2])
    assert "log_prob" not in kept
    assert verify(tmp_path / "run")["ok"]
    kept["x"][0, 0] += 1
    assert package.redraw_difference(package.load(tmp_path / "run"), kept) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "nowhere"), "is no folder"),
        (("--from", "BASE", "--model", "pca"), "--model pca contradicts"),
        (("--from", "BASE", "--size", "m"), "--size m contradicts"),
        (("--from", "BASE", "codec.size=4"), "brings its own codec"),
        (("--from", "BASE", "--condition", "none"), "--condition contradicts"),
        (("--from", "BASE", "rank=3"), "give --tune adapter"),
        (("--from", "BASE", "nets.denoiser.width=16"), "other nets than those of"),
        (("--from", "BASE", "raet=1"), "did you mean"),
        (("--tune", "adapter"), "--from MODEL"),
        (("--from", "TEXT"), "of the kind 'text'"),
        (("--from", "BROKEN"), "has changed since it was saved"),
    ],
)
def test_bad_requests_are_refused_in_a_sentence(
    words: tuple[str, ...], said: str, trained: Path, texts: Path, morelike_cli: Runner, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "broken")
    shutil.copy(texts / "base" / "weights.safetensors", tmp_path / "broken")
    places = {"BASE": trained, "TEXT": texts / "base", "BROKEN": tmp_path / "broken"}
    ended = morelike_cli("train", "digits", "--steps", 2, "--out", tmp_path / "run", *(places.get(word, word) for word in words))
    assert ended.code == 2, ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    assert not (tmp_path / "run").exists()


def test_no_run_is_continued_into_its_own_folder(trained: Path, morelike_cli: Runner) -> None:
    before = digest(trained / "card.json")
    assert "holds a run with another recipe" in morelike_cli("train", *TINY[:1], "--from", trained, "--out", trained).err
    assert "own folder" in morelike_cli("train", *TINY[:1], "--from", trained, "--out", trained, "--fresh").err
    assert digest(trained / "card.json") == before


def test_classes_of_ones_own_and_learners_are_refused(points: np.ndarray, base: Path, tmp_path: Path) -> None:
    morelike.train(points, model=Honest, out=tmp_path / "own", judge=False, **{"train.steps": 3})
    with pytest.raises(Refused, match="needs a class of one's own"):
        continued(points, tmp_path / "own", tmp_path / "new")
    with pytest.raises(Refused, match="can't continue"):
        continued(points, base, tmp_path / "new", model=Honest)
    morelike.train(points, model="pca", out=tmp_path / "pca", judge=False)
    with pytest.raises(Refused, match="no linear layers"):
        continued(points, tmp_path / "pca", tmp_path / "new", tune="adapter", rank=1)
    with pytest.raises(BadInput, match="rows of 3 numbers"):
        continued(np.random.default_rng(0).normal(size=(50, 3)), base, tmp_path / "new")
    assert not (tmp_path / "new").exists()

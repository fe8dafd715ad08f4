"""Two sets without pairs: the losses by formula, what is kept, how data is opened, what is refused, and files carried over."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import morelike
from conftest import Runner
from morelike.core.contract import Batch, Player
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, class_label
from morelike.data.image import ImageCodec
from morelike.data.open import open_source
from morelike.families.cyclegan import CycleGAN
from morelike.house.build import build
from morelike.house.judging import Validation
from morelike.house.model import Model
from morelike.house.package import Package
from morelike.house.prepare import prepare
from morelike.house.recipe import Recipe
from morelike.judges.carried import Carried, carried_rules, carried_scores
from morelike.judges.extractor import raw_vectors
from morelike.training.loop import Trainer
from morelike.training.plan import Plan

PICTURE, POINT = Array((1, 8, 8), 2 / 255), Array((2,))
PAIR: Conditions = {"label": class_label(2)}


def made(spec: Array = PICTURE, **settings: Any) -> Any:
    return build(Recipe(model="cyclegan", size="xs", settings=settings), spec, PAIR)


def batch_of(sets: list[int], spec: Array = PICTURE) -> Batch:
    noise = Noise(0, len(sets), path=("train",))
    told = {"label": torch.tensor(sets)[:, None]}
    return Batch(2 * noise.uniform(spec.shape, "x") - 1, noise, told, {"label": torch.ones(len(sets), dtype=torch.bool)})


def players_of(model: Any) -> tuple[Player, Player]:
    critics, translators = model.players()
    return critics, translators


class Same(nn.Module):
    """A translator that changes nothing."""

    def forward(self, x: Tensor, *told: Any) -> Tensor:
        return x


class Judge(nn.Module):
    """A critic that says one number of two patches: the mean of what it sees, times a weight."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor, *told: Any) -> Tensor:
        return (self.weight * x.flatten(1).mean(1, keepdim=True)).expand(-1, 2)


def plain(spec: Array = POINT, weight: float = 1.0, **settings: Any) -> Any:
    """A model whose translators change nothing and whose critics take the mean for the logit."""
    model = made(spec, **settings)
    for one in (0, 1):
        model.nets[f"translator-to-{one}"], model.nets[f"critic-of-{one}"] = Same(), Judge(weight)
    return model


# laws of the losses


def test_what_comes_back_as_it_was_costs_nothing_but_not_being_taken_for_real() -> None:
    """Zhu et al. 2017, eq. 2: the cycle loss of the identity pair is 0; what is left is the least-squares term."""
    model, batch = plain(), batch_of([0, 1, 1, 0], POINT)
    terms = model._translators_loss(batch)
    assert torch.equal(terms["cycle"], torch.zeros(4))
    assert torch.allclose(terms["loss"], (batch.data.mean(1) - 1).square())


def test_each_weight_counts_its_term() -> None:
    model, batch = plain(cycle=2.0, identity=3.0), batch_of([0, 1, 0], POINT)
    model.nets["translator-to-1"] = nn.Sequential(Same())
    model.nets["translator-to-1"].forward = lambda x, *told: x + 0.5
    terms = model._translators_loss(batch)
    x = batch.data
    fooled = torch.where(torch.tensor([True, False, True]), (x.mean(1) + 0.5 - 1).square(), (x.mean(1) - 1).square())
    # both ways round end 0.5 away; only what is in set 1 already is changed by the translator to it
    assert torch.allclose(terms["cycle"], torch.full((3,), 0.5), atol=1e-6)
    assert torch.allclose(terms["loss"], fooled + 2 * 0.5 + 3 * torch.tensor([0.0, 0.5, 0.0]), atol=1e-6)


def test_critics_minimise_squares_of_real_and_made() -> None:
    model, batch = plain(history=0), batch_of([0, 1], POINT)
    mean = batch.data.mean(1)
    assert torch.allclose(model._critics_loss(batch)["loss"], 0.5 * ((mean - 1).square() + mean.square()))


def test_a_critics_step_raises_real_and_lowers_made() -> None:
    model = plain(history=0, weight=0.1)
    model.nets["translator-to-1"].forward = lambda x, *told: -x
    batch = batch_of([0, 1], POINT)
    batch = Batch(torch.ones(2, 2), batch.noise, batch.condition, batch.given)
    model._critics_loss(batch)["loss"].sum().backward()
    # the critic of 1 sees real ones at +1 and made ones at -1: a larger weight tells them apart better
    assert float(model.nets["critic-of-1"].weight.grad) < 0


def test_translators_move_towards_what_is_taken_for_real() -> None:
    model, batch = made(POINT, cycle=0, identity=0), batch_of([0] * 64, POINT)
    _, translators = players_of(model)
    model.nets["critic-of-1"] = Judge(1.0)
    before = model.carry(1, batch.data).detach().mean()
    for _ in range(5):
        model.zero_grad()
        translators.loss(batch)["loss"].mean().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for parameter in translators.params:
                if parameter.grad is not None:
                    parameter.sub_(0.05 * parameter.grad)
    assert float(before) < 0.9
    assert float((model.carry(1, batch.data).detach().mean() - 1).abs()) < float((before - 1).abs())


def test_a_rare_set_counts_as_much_as_the_other() -> None:
    model, batch = plain(), batch_of([0] * 9 + [1], POINT)
    before = model._translators_loss(batch)["loss"]
    for _ in range(100):
        model.memory.seen[0] += torch.tensor([9, 1])
    after = model._translators_loss(batch)["loss"]
    weights = (after / before).detach()[[0, 9]]
    assert float(9 * weights[0]) == pytest.approx(float(weights[1]), rel=0.02)
    assert float((9 * weights[0] + weights[1]) / 10) == pytest.approx(1.0, rel=0.01)


def test_a_set_that_a_batch_lacks_costs_nothing() -> None:
    model = made()
    for player in players_of(model):
        model.zero_grad()
        terms = player.loss(batch_of([1, 1, 1]))
        terms["loss"].mean().backward()  # type: ignore[no-untyped-call]
        assert terms["loss"].shape == (3,)
        assert any(parameter.grad is not None for parameter in player.params)


# what is kept


def test_history_is_the_last_ones_made_and_is_shown_in_half_of_the_cases() -> None:
    memory = made(POINT, history=3).memory
    for number in range(5):
        memory.remember(1, torch.full((2,), float(number)))
    assert sorted(memory.made[1, :, 0].tolist()) == [2.0, 3.0, 4.0]
    assert bool((memory.made[0] == 0).all())
    mixed = memory.mixed(1, torch.full((4000, 2), 9.0), Noise(0, 4000))[:, 0]
    share = float((mixed != 9.0).float().mean())
    assert abs(share - 0.5) < 0.03
    assert set(mixed.tolist()) == {2.0, 3.0, 4.0, 9.0}
    assert bool((memory.mixed(0, torch.full((8, 2), 9.0), Noise(0, 8)) == 9.0).all())


def test_samples_are_kept_pictures_of_the_other_set_carried_over() -> None:
    model = plain(PICTURE, keep=4)
    model.bounded = False
    levels = [10.0, 200.0]
    for one in (0, 1):
        x = torch.full((6, 1, 8, 8), levels[one] * 2 / 255 - 1)
        model.memory.take(one, x, Noise(one, 6).uniform((), "keep"))
    found = model.sample({"label": torch.tensor([[0], [1]])}, noise=Noise(1, 2))
    assert torch.allclose((found[:, 0, 0, 0] + 1) * 255 / 2, torch.tensor([200.0, 10.0]), atol=1e-3)


def test_translate_leaves_what_is_there_already() -> None:
    model, x = made(), batch_of([0, 1, 1]).data
    old, new = ({"label": torch.tensor(ids)[:, None]} for ids in ([0, 1, 1], [1, 1, 0]))
    found = model.translate(x, old, new)
    assert torch.equal(found[1], x[1])
    assert torch.allclose(found[0], model.carry(1, x[:1])[0], atol=1e-6)
    assert torch.allclose(found[2], model.carry(0, x[2:])[0], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 7, 13), (3, 28, 28), (1, 30), (2, 4, 5, 6), (5,)])
def test_any_size_comes_back_in_its_size(shape: tuple[int, ...]) -> None:
    spec = Array(shape, 2 / 255)
    model, batch = made(spec), batch_of([0, 1], Array(shape))
    assert model.carry(1, batch.data).shape == (2, *shape)
    assert model.judge(0, batch.data).shape[0] == 2
    assert bool(torch.isfinite(model._critics_loss(batch)["loss"]).all())


def test_points_of_two_sets_find_each_other() -> None:
    """Set 1 is set 0 two units higher: it is to be found, with what lies along the line kept."""
    noise = Noise(0, 400)
    sets = noise.integers(2, (1,), "set")
    x = torch.stack((noise.normal((), "along"), 0.3 * noise.normal((), "across") + 2.0 * sets[:, 0]), 1)

    class Points:
        def rows(self, step: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
            picked = (torch.arange(step * 32, step * 32 + 32) * 7) % 400
            return torch.arange(step * 32, step * 32 + 32), x[picked], {"label": sets[picked]}

        def ends_pass(self, step: int) -> bool:
            return False

    model = Trainer(made(POINT, lr=3e-3, critic_lr=3e-3, cycle=3.0), Points(), Plan(steps=200, batch=32)).run()
    assert isinstance(model, CycleGAN)
    low = x[sets[:, 0] == 0]
    with torch.no_grad():
        high = model.carry(1, low)
        back = model.carry(0, high)
    assert abs(float(high[:, 1].mean()) - 2.0) < 0.4
    assert float(torch.corrcoef(torch.stack((high[:, 0], low[:, 0])))[0, 1]) > 0.9
    assert float((back - low).abs().mean()) < 0.3


# opening data


def pictures(folder: Path, count: int, level: int, side: int = 8, mode: str = "L") -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        grey = np.full((side, side), level, np.uint8)
        grey[number % side] = (number * 37 + level) % 256
        Image.fromarray(grey).convert(mode).save(folder / f"{number}.png")


def two_sets(folder: Path, **counts: int) -> Path:
    for name, count in counts.items():
        pictures(folder / name, count, 40 if name.endswith("A") else 200)
    return folder


def test_trainA_and_trainB_are_two_sets(tmp_path: Path) -> None:
    source = open_source(two_sets(tmp_path / "d", trainA=12, trainB=9, testA=3, testB=4))
    label = source.columns["label"]
    assert label.categories == ("A", "B")
    assert np.bincount(label.values).tolist() == [15, 13]
    assert source.split is not None
    assert {name: len(rows) for name, rows in source.split.items()} == {"train": 21, "holdout": 7}
    assert source.conditions == ("label",)
    assert "A (12) and B (9)" in source.notes[0]
    assert open_source(two_sets(tmp_path / "e", trainA=6, trainB=6)).split is None


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ({"trainA": 4}, "trainA holds pictures, but trainB is missing or empty"),
        ({"trainB": 4}, "trainB holds pictures, but trainA is missing or empty"),
        ({"trainA": 4, "trainB": 4, "testB": 2}, "testB holds pictures, but testA is missing"),
        ({"testA": 4, "testB": 4}, "trainA and trainB are missing"),
    ],
)
def test_half_of_two_sets_is_refused(tmp_path: Path, folders: dict[str, int], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        open_source(two_sets(tmp_path / "d", **folders))


def test_an_empty_trainB_is_refused(tmp_path: Path) -> None:
    folder = two_sets(tmp_path / "d", trainA=4)
    (folder / "trainB").mkdir()
    with pytest.raises(BadInput, match="trainB is missing or empty"):
        open_source(folder)


def test_other_folders_beside_them_are_classes(tmp_path: Path) -> None:
    source = open_source(two_sets(tmp_path / "d", trainA=4, trainB=4, other=4))
    assert source.columns["label"].categories == ("other", "trainA", "trainB")


def test_sizes_and_channels_of_two_sets_become_one_and_that_is_said(tmp_path: Path) -> None:
    folder = two_sets(tmp_path / "d", trainA=10)
    pictures(folder / "trainB", 12, 200, side=16, mode="RGB")
    notes = " ".join(morelike.check(str(folder))["notes"])
    assert "2 different sizes" in notes
    assert "Turned into that" in notes
    assert "grey" in notes


def test_arrays_of_two_sets(tmp_path: Path) -> None:
    a, b = np.zeros((6, 8, 8), np.uint8), np.full((5, 8, 8), 255, np.uint8)
    source = open_source({"trainA": a, "trainB": b, "testA": a[:2], "testB": b[:1]})
    assert source.columns["label"].categories == ("A", "B")
    assert [int(np.mean(source.items[row])) for row in (0, 10, 11, 13)] == [0, 255, 0, 255]
    assert source.split is not None
    assert source.split["holdout"].tolist() == [11, 12, 13]
    np.savez(tmp_path / "sets.npz", trainA=a, trainB=b)
    assert np.bincount(open_source(tmp_path / "sets.npz").columns["label"].values).tolist() == [6, 5]
    with pytest.raises(BadInput, match="trainA holds items of shape"):
        open_source({"trainA": a, "trainB": np.zeros((5, 9, 9), np.uint8)})
    with pytest.raises(BadInput, match="trainB is missing or empty"):
        open_source({"trainA": a})


@pytest.mark.parametrize(
    ("spec", "conditions", "said"),
    [
        (PICTURE, {"label": class_label(3)}, "'label' has 3 classes: put the pictures of two of them"),
        (PICTURE, {}, "without labels"),
        (PICTURE, {**PAIR, "size": Array((1,))}, "told apart by one label, not by label, size"),
        (PICTURE, {"size": Array((1,))}, "told apart by one label, not by size"),
    ],
)
def test_anything_but_two_sets_is_refused_with_what_to_do(spec: Array, conditions: Conditions, said: str) -> None:
    with pytest.raises(Refused, match=said):
        build(Recipe(model="cyclegan"), spec, conditions)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(BadInput, match="cycle must be from 0"):
        made(cycle=-1.0)


def test_validation_sees_that_nothing_was_changed(tmp_path: Path) -> None:
    """Both sets together would look right: what is made for a set is compared with that set."""
    recipe = Recipe(data=str(two_sets(tmp_path / "d", trainA=120, trainB=120)), model="cyclegan", size="xs")
    data = prepare(recipe)
    model = plain(data.codec.spec)
    model.bounded = False
    for one in (0, 1):
        own = torch.from_numpy(data.train.x[data.train.condition["label"][:, 0] == one]).float() * 2 / 255 - 1
        model.memory.take(one, own, Noise(one, len(own)).uniform((), "keep"))
    watched = Validation(Package(model, data.codec, dict(data.conditions), recipe), data, "fp32")
    unchanged = watched(model)
    model.memory.real.copy_(model.memory.real.flip(0))
    model.memory.keys.copy_(model.memory.keys.flip(0))
    right = watched(model)
    assert right <= watched.slack
    assert unchanged > 10 * max(watched.slack, 1e-6)


# judging


def carried(made_b: float, back: float) -> Carried:
    """Flat items (n,4): set A lies around 0, B around 10; A carried over lies around `made_b`, and comes back `back` too high."""
    draw = np.random.default_rng(0)
    a, b, more_a, more_b = (draw.normal(centre, 1.0, (60, 4)).astype(np.float32) for centre in (0, 10, 0, 10))
    return Carried({"A": more_a, "B": more_b}, {"A": a, "B": b}, {"A": b - 10, "B": a + made_b}, {"A": a + back, "B": b})


def test_scores_of_what_is_carried_over() -> None:
    right, stays = (carried_scores(carried(made, 0.0), raw_vectors(carried(0, 0).training["A"]), 0) for made in (10.0, 0.0))
    assert set(right.own) == set(carried_rules(carried(0, 0))) == {"kernel-to-A", "kernel-to-B", "there-and-back"}
    for name in ("kernel-to-A", "kernel-to-B"):
        ceiling, floor = right.baselines["not carried over"][name], right.more[name]["floor"]
        assert abs(right.own[name].value - floor) < 0.02 * ceiling
    assert stays.own["kernel-to-B"].value == pytest.approx(stays.baselines["not carried over"]["kernel-to-B"])
    assert right.own["there-and-back"].value == 0
    assert right.baselines["another item"]["there-and-back"] > 0.03


def test_the_way_back_is_in_shares_of_the_range() -> None:
    told = carried(10.0, 3.0)
    span = max(float(told.training["B"].max()), 0) - min(float(told.training["A"].min()), 0)
    found = carried_scores(told, raw_vectors(told.training["A"]), 0).own["there-and-back"]
    assert found.value == pytest.approx(3.0 / span / 2, rel=1e-5)
    assert found.low is not None
    assert found.low < found.value


def test_too_few_to_judge_is_said() -> None:
    told = carried(10.0, 0.0)
    few = replace(told, real={"A": told.real["A"][:5], "B": told.real["B"]})
    with pytest.raises(Refused, match="at least 20 held-out items of each set, has 5"):
        carried_scores(few, raw_vectors(told.training["A"]), 0)


# from files to files


@pytest.fixture(scope="module")
def run(cache: Path, morelike_cli: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few steps on two folders. Not to be changed."""
    folder = tmp_path_factory.mktemp("cycle")
    two_sets(folder / "data", trainA=30, trainB=30, testA=8, testB=8)
    ended = morelike_cli(
        "train", folder / "data", "--model", "cyclegan", "--size", "xs", "--steps", 4, "batch=8", "--out", folder / "run", "--no-judge",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (folder / "empty").mkdir()
    return folder / "run"


def test_a_folder_is_carried_over_under_the_same_names(run: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    source = run.parent / "data" / "testA"
    ended = morelike_cli("translate", run, source, "--from", "A", "--to", "B", "--out", tmp_path / "made", "--json")
    assert ended.code == 0, ended.err
    assert ended.json == {"from": "A", "to": "B", "pictures": 8, "path": str(tmp_path / "made")}
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == sorted(path.name for path in source.iterdir())
    model = morelike.load(run)
    items = model.translate(str(source), to="B")
    assert items.shape == (8, 8, 8, 1)
    for item, name in zip(items, sorted(source.iterdir()), strict=True):
        assert np.array_equal(np.asarray(Image.open(tmp_path / "made" / name.name)), item[:, :, 0])
    again = model.translate(np.stack([np.asarray(Image.open(name)) for name in sorted(source.iterdir())]), from_="A")
    assert np.array_equal(again, items)
    assert not np.array_equal(model.translate(items, from_="B"), items)


def test_one_picture_is_carried_over(run: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    ended = morelike_cli("translate", run, run.parent / "data" / "testB" / "0.png", "--to", "A", "--out", tmp_path / "one.png")
    assert ended.code == 0, ended.err
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.size == (8, 8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("DATA/testA",), "nothing says where to go: name a set with --to (A, B)"),
        (("DATA/testA", "--to", "A", "--from", "A"), "it is to go from A to A"),
        (("DATA/testA", "--to", "C"), "unknown class 'C'"),
        (("DATA/none", "--to", "A"), "there is no picture or folder"),
        (("--to", "A"), "there is nothing to translate"),
        (("EMPTY", "--to", "A"), "holds no pictures"),
        (("RUN/recipe.toml", "--to", "A"), "isn't a picture"),
        (("DATA/testA/0.png", "--to", "A", "--out", "OUT/a.jpg"), "must end in .png"),
        (("DATA/testA", "--to", "B", "--out", "DATA"), "is not empty"),
        (("DATA/testA", "--to", "B", "--where", "label=A"), "--where is for texts"),
    ],
)
def test_what_can_not_be_carried_over_is_said(
    run: Path, morelike_cli: Runner, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    places = {"DATA": run.parent / "data", "RUN": run, "OUT": tmp_path, "EMPTY": run.parent / "empty"}
    for name, place in places.items():
        words = tuple(word.replace(name, str(place), 1) if word.startswith(name) else word for word in words)
    ended = morelike_cli("translate", run, *words)
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
    assert not list(tmp_path.iterdir())


def test_two_files_of_one_name_are_refused(run: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 1, 30)
    Image.open(tmp_path / "in" / "0.png").save(tmp_path / "in" / "0.bmp")
    with pytest.raises(BadInput, match=r"would both become 0\.png"):
        morelike.load(run).translate(str(tmp_path / "in"), to="B")


def test_python_says_what_does_not_fit(run: Path) -> None:
    model = morelike.load(run)
    with pytest.raises(BadInput, match="nothing else"):
        model.translate(np.zeros((1, 8, 8, 1), np.uint8), to="B", beam=4)
    with pytest.raises(BadInput, match="no items"):
        model.translate([], to="B")
    with pytest.raises(UnknownName):
        model.translate(np.zeros((1, 8, 8, 1), np.uint8), to="b2")


def test_other_models_point_to_those_that_can() -> None:
    codec = ImageCodec.fit(np.zeros((2, 8, 8, 1), np.uint8))
    other = Model(Package(build(Recipe(model="dcgan", size="xs"), PICTURE, {}), codec, {}, Recipe(model="dcgan")))
    with pytest.raises(Refused, match="families that can: cyclegan"):
        other.translate("x.png")
    with pytest.raises(Refused, match="can't translate pictures to another class; families that can: diffusion"):
        other.translate("x.png", to="B")


def test_a_stopped_run_is_taken_up_with_all_it_kept(run: Path, morelike_cli: Runner) -> None:
    """A run that ended after its last step, before its package was written."""
    copy = Path(shutil.copytree(run, run.parent / "copy", ignore=shutil.ignore_patterns("weights*", "card.json")))
    ended = morelike_cli(
        "train", run.parent / "data", "--model", "cyclegan", "--size", "xs", "--steps", 4, "batch=8", "--out", copy, "--no-judge",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "taking up the run at step 4 of 4" in ended.err
    kept, again = (morelike.load(folder).generator.state_dict() for folder in (run, copy))
    assert all(torch.equal(value, again[name]) for name, value in kept.items())
    assert int(kept["memory.seen"][1].min()) > 0

"""Distillation: against the known path of Gaussian data, guidance learnt in, and what can be a teacher."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import morelike
from morelike.core.abilities import Condition, Denoises
from morelike.core.contract import Batch, Generator, Learner, Player, all_given
from morelike.core.errors import BadInput, BadPackage, Refused
from morelike.core.noise import Noise
from morelike.core.spec import Array, class_label
from morelike.data.image import ImageCodec
from morelike.data.open import open_source
from morelike.families.diffusion import DiffusionSettings
from morelike.families.distilled import Distilled, DistilledSettings
from morelike.house.build import build, learners
from morelike.house.recast import Codecs, recast
from morelike.house.recipe import Recipe
from morelike.training.optimiser import Optimiser

POINT = Array((2,))
MEAN, DEVIATION = torch.tensor([1.0, -0.5]), torch.tensor([0.5, 1.5])
LABEL = {"label": class_label(2)}


def deviation(t: Tensor) -> Tensor:
    """(B,2) of x_t."""
    return ((1 - t[:, None]).square() * DEVIATION.square() + t[:, None].square()).sqrt()


def moved(x: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    """(B,2) where the path through x at `start` is at `stop`: the same number of deviations from the mean."""
    return (1 - stop[:, None]) * MEAN + (x - (1 - start[:, None]) * MEAN) * deviation(stop) / deviation(start)


class Gaussian(Generator, Denoises):
    """The exact denoiser of Gaussian data; each class lies 2 further up than without a condition."""

    Settings = DiffusionSettings

    def players(self) -> list[Player | Learner]:
        return []

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        raise NotImplementedError

    def denoise(self, x_t: Tensor, t: Tensor, condition: Condition = None) -> Tensor:
        mean = MEAN + (2.0 * (condition["label"] + 1) if condition else 0.0)
        gain = (1 - t[:, None]) * DEVIATION.square() / deviation(t).square()
        return mean + gain * (x_t - (1 - t[:, None]) * mean)


class Exact(nn.Module):
    """The mean velocity of the known path."""

    def forward(self, x: Tensor, t: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        stop = condition["~until"][:, 0]
        return (x - moved(x, t, stop)) / (t - stop)[:, None]


class AtOnce(nn.Module):
    """The velocity at the beginning, as if the path were straight."""

    def forward(self, x: Tensor, t: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        return (x - Gaussian(POINT, {}).denoise(x, t)) / t[:, None]


def student(net: nn.Module, **settings: Any) -> Distilled:
    return Distilled(POINT, {}, {"denoiser": net}, {"teacher": Gaussian(POINT, {})}, DistilledSettings(**settings))


def data(count: int, first: int = 0) -> Batch:
    noise = Noise(1, torch.arange(first, first + count))
    return Batch(MEAN + DEVIATION * noise.normal((2,), "x"), noise)


def loss_of(model: Distilled, batch: Batch) -> Tensor:
    (player,) = model.players()
    assert isinstance(player, Player)
    return player.loss(batch)["loss"]


def test_the_known_path_of_gaussian_data_is_what_is_learnt() -> None:
    batch = data(500)
    exact = float(loss_of(student(Exact(), pieces=100), batch).mean())
    straight = float(loss_of(student(AtOnce(), pieces=100), batch).mean())
    assert exact < 1e-3
    assert straight > 0.1
    noise = Noise(2, 100)
    ones = torch.ones(100)
    want = moved(noise.normal((2,), "start"), ones, 0 * ones)
    for steps in (1, 2, 3, 4):
        assert torch.allclose(student(Exact()).sample(noise=noise, steps=steps), want, atol=1e-4)


@pytest.mark.parametrize("shift", [1.0, 2.0])
def test_jumps_meet_and_go_from_noise_to_data(shift: float) -> None:
    model = student(Exact(), shift=shift)
    edges = model._time(torch.arange(5) / 4)
    assert edges[0] == 0
    assert float(edges[-1]) == pytest.approx(1.0)
    assert bool((edges.diff() > 0).all())
    counts, first = model._jumps(Noise(3, 4000))
    assert set(counts.tolist()) == {1, 2, 3, 4}
    assert float((counts == 2).float().mean()) == pytest.approx(0.5 + 0.125, abs=0.04)  # half for the usual number, and its share
    assert bool(((first >= 1) & (first <= counts)).all())


def test_a_student_that_learns_draws_what_its_teacher_draws_and_more_steps_are_no_worse() -> None:
    recipe = Recipe(model="distilled", size="xs", settings={"lr": 1e-2})
    model: Any = build(recipe, POINT, {}, parts={"teacher": Gaussian(POINT, {})})
    (player,) = model.players()
    optimiser = Optimiser(player.params, player.optim)
    noise = Noise(2, 1000)
    ones = torch.ones(1000)
    want = moved(noise.normal((2,), "start"), ones, 0 * ones)

    def error(steps: int) -> float:
        with torch.no_grad():
            return float((model.sample(noise=noise, steps=steps) - want).square().mean())

    before = error(1)
    for step in range(150):
        model.zero_grad()
        loss_of(model, data(128, 128 * step)).mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step(step / 150, 1.0)
    after = {steps: error(steps) for steps in (1, 2, 4)}
    assert before > 0.5
    assert max(after.values()) < 0.03, after
    assert after[4] < after[1] + 0.005


def test_the_teachers_guidance_is_learnt_in_where_it_acts_and_where_a_condition_is_given() -> None:
    teacher = Gaussian(POINT, LABEL, settings=DiffusionSettings(guidance=3.0, guided=(0.3, 0.8)))
    model = Distilled(POINT, LABEL, {"denoiser": Exact()}, {"teacher": teacher})
    x, t = Noise(4, 4).normal((2,)), torch.tensor([0.5, 0.9, 0.5, 0.5])
    condition, given = all_given({"label": torch.tensor([[1], [1], [1], [0]])})
    given["label"] = torch.tensor([True, True, False, True])
    free = (x - teacher.denoise(x, t)) / t[:, None]
    told = (x - teacher.denoise(x, t, condition)) / t[:, None]
    want = torch.stack((free[0] + 3 * (told[0] - free[0]), told[1], free[2], free[3] + 3 * (told[3] - free[3])))
    assert torch.allclose(model._guided(x, t, condition, given), want, atol=1e-5)
    model.settings = DistilledSettings(teacher_guidance=1.0)
    assert torch.allclose(model._guided(x, t, condition, given), torch.stack((told[0], told[1], free[2], told[3])), atol=1e-5)


def test_steps_out_of_range_are_refused_and_no_family_learns_from_nothing() -> None:
    with pytest.raises(BadInput, match="steps must be from 1 to 4, not 5"):
        student(Exact()).sample(noise=Noise(0, 2), steps=5)
    with pytest.raises(BadInput, match="steps"):
        DistilledSettings(steps=5)
    assert "distilled" not in learners(POINT, {})
    assert not issubclass(Distilled, Denoises)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, tuple[np.ndarray, np.ndarray]]:
    """(a teacher's folder, its student's, the data): barely trained."""
    folder = tmp_path_factory.mktemp("runs")
    label = np.arange(120) % 2
    x = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32) + label[:, None]
    morelike.train((x, label), model="diffusion", size="xs", steps=3, out=folder / "teacher", judge=False, guidance=1.5)
    own: Any = {"teacher": str(folder / "teacher")}
    morelike.train((x, label), model="distilled", steps=3, out=folder / "student", judge=False, **own)
    return folder / "teacher", folder / "student", (x, label)


def test_a_student_begins_as_its_teacher_and_stands_alone(taught: Any, tmp_path: Path) -> None:
    teacher, folder, _ = taught
    shutil.copytree(folder, tmp_path / "alone")
    alone: Any = morelike.load(tmp_path / "alone")
    drawn = [alone.sample(5, where={"label": 1}, seed=3, steps=steps) for steps in (1, 2, 3, 4)]
    assert all(np.isfinite(x).all() and np.shape(x) == (5, 3) for x in drawn)
    card = alone.card
    assert card["teacher"]["family"] == "diffusion"
    assert card["recipe"]["size"] == "xs"
    assert card["recipe"]["condition"] == ["label"]
    theirs: Any = morelike.load(teacher).generator
    begun: Any = build(Recipe(model="distilled", size="xs", nets={"denoiser": card["nets"]["denoiser"]}), theirs.spec, theirs.conditions,
                       parts={"teacher": theirs})  # fmt: skip
    for name, value in theirs.nets.state_dict().items():
        assert torch.equal(begun.nets.state_dict()[name], value)


def refused(data: Any, folder: Path, **settings: Any) -> str:
    with pytest.raises((BadInput, BadPackage, Refused)) as caught:
        morelike.train(data, size="xs", steps=2, out=folder / "run", judge=False, **settings)
    assert not (folder / "run" / "card.json").exists()
    return str(caught.value)


def test_what_cannot_teach_is_refused_in_a_sentence(taught: Any, tmp_path: Path) -> None:
    teacher, folder, (x, label) = taught
    own = {"model": "distilled", "teacher": str(teacher)}
    assert "learns from a trained diffusion" in refused((x, label), tmp_path, model="distilled")
    morelike.train((x, label), model="gmm", out=tmp_path / "gmm", judge=False)
    assert "which can't teach distilled; families that can: diffusion" in refused(
        (x, label), tmp_path, **{**own, "teacher": str(tmp_path / "gmm")}
    )
    assert "which can't teach" in refused((x, label), tmp_path, **{**own, "teacher": str(folder)})
    assert "learns from data alone" in refused((x, label), tmp_path, **{**own, "model": "diffusion"})
    assert "is conditioned on label" in refused((x, label), tmp_path, **own, condition="none")
    assert "doesn't have" in refused(x, tmp_path, **own)
    assert "3" in refused((x[:, :2], label), tmp_path, **own)
    assert "no folder" in refused((x, label), tmp_path, **{**own, "teacher": str(tmp_path / "nobody")})
    assert "learns from a teacher" in refused((x, label), tmp_path, start=str(folder))


def test_pictures_that_a_teacher_has_otherwise_are_said() -> None:
    pictures = open_source(np.arange(12 * 35, dtype=np.uint16).astype(np.uint8).reshape(12, 5, 7))
    assert recast(pictures, Codecs("runs/teacher", ImageCodec((1, 5, 7), "uint8"), {}))[1] == []
    assert recast(pictures, Codecs("runs/teacher", ImageCodec((3, 6, 8), "uint8"), {}))[1] == [
        "12 of 12 pictures are scaled and cut to 8 x 6, the size of runs/teacher",
        "12 of 12 pictures are turned into 3 channels, as runs/teacher has them",
    ]

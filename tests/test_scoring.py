"""How likely items are (`score`), and what single numbers of a latent do (`explain` of what is no text)."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import morelike
from conftest import Runner
from morelike.core.abilities import Decodes
from morelike.core.errors import BadInput, Refused
from morelike.core.spec import Array
from morelike.house.model import Model, load
from morelike.tasks.traversing import traverse


class Linear(Decodes):
    """x = z times a diagonal: number k moves x by scale k."""

    latent = Array((3,))
    scales = torch.tensor([0.1, 2.0, -1.0])

    def decode(self, z: Tensor, condition: Any = None) -> Tensor:
        return z * self.scales


def test_traversal_moves_one_number_at_a_time_and_names_the_strongest_first() -> None:
    usual = torch.tensor([[0.0, 1.0, -1.0], [0.0, -1.0, 1.0]])
    spread = math.sqrt(2)
    found = traverse(Linear(), torch.tensor([[1.0, 1.0, 1.0]]), usual, 3, 2)
    assert found.numbers == (1, 2)
    assert found.effects == pytest.approx((2.0 * 5 * spread / math.sqrt(3), 5 * spread / math.sqrt(3)))
    reach = 2.5 * spread * 2.0
    assert torch.allclose(found.x[0], torch.tensor([[0.1, -reach, -1.0], [0.1, 0.0, -1.0], [0.1, reach, -1.0]]))
    # around the mean where no item is given, in units of each number's own spread
    assert torch.allclose(traverse(Linear(), None, usual + 3, 3, 1).x[0, 1], torch.tensor([0.3, 6.0, -3.0]))
    with pytest.raises(BadInput, match="steps"):
        traverse(Linear(), torch.zeros(1, 3), usual, 1, 2)


@pytest.fixture(scope="module")
def gaussian(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A Gaussian of rank 1 in two dimensions, in closed form."""
    noise = np.random.Generator(np.random.PCG64(0)).normal(size=(600, 3))
    rows = np.stack((noise[:, 0] * 2 + noise[:, 1], noise[:, 0] + noise[:, 2]), 1)
    return morelike.train(rows, "pca", out=tmp_path_factory.mktemp("score") / "model")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("score") / "digits"
    morelike.train("digits", "pca", out=out)
    return out


def test_nats_are_those_of_the_model_and_bits_follow(gaussian: Model) -> None:
    items = [[0.0, 0.0], [2.0, 1.0], [-9.0, 9.0]]
    scored = gaussian.score(items)
    coded = torch.from_numpy(gaussian.codec.encode(np.array(items)))
    expected = gaussian.generator.log_prob(coded).numpy()  # type: ignore[operator]  # pca is a Density
    assert scored.nats == pytest.approx(expected, abs=1e-5)
    assert scored.bits_per_dimension == pytest.approx(-expected / math.log(2) / 2, abs=1e-5)
    assert scored.summary()["least"][0]["item"] == "2"


def test_a_class_that_is_not_given_is_summed_over(digits: Path) -> None:
    model = load(digits)
    picture = model.sample(1, where={"label": "3"}, seed=1)[0]
    shares = np.array(model.card["histograms"]["label"], dtype=float)
    under = np.array([model.score([picture], where={"label": str(name)}).nats[0] for name in range(10)])
    assert model.score([picture]).nats[0] == pytest.approx(np.logaddexp.reduce(under + np.log(shares / shares.sum())), abs=1e-4)


def test_held_out_data_is_scored_to_a_file(morelike_cli: Runner, digits: Path, tmp_path: Path) -> None:
    ended = morelike_cli("score", digits, "--out", tmp_path / "scores.csv", "--json")
    assert ended.code == 0, ended.err
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert len(rows) == ended.json["n"] == 359
    assert np.mean([float(row["nats"]) for row in rows]) == pytest.approx(ended.json["nats"]["mean"], abs=1e-4)
    assert ended.json["least"][0]["bits_per_dimension"] == pytest.approx(max(float(row["bits_per_dimension"]) for row in rows), abs=1e-5)


def test_the_latent_of_a_picture_is_shown(morelike_cli: Runner, digits: Path, tmp_path: Path) -> None:
    ended = morelike_cli("explain", digits, "--rows", "3", "-n", "5", "--where", "label=4", "--out", tmp_path / "shown.png", "--json")
    assert ended.code == 0, ended.err
    assert len(ended.json["numbers"]) == 3
    assert ended.json["effects"] == sorted(ended.json["effects"], reverse=True)
    with Image.open(tmp_path / "shown.png") as picture:
        assert picture.width > picture.height
    assert load(digits).traverse(load(digits).sample(1)[0], n=2, rows=1)["items"].shape[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("score", "--draws", "5"), "--draws is for bounds"),
        (("score", "--out", "scores.txt"), "unknown ending '.txt' of scores.txt; there is .csv (a line an item)"),
        (("score", "nowhere.png"), "there is no picture nowhere.png"),
        (("score", "--where", "label=3"), "nothing to fix"),
        (("explain", "-n", "1"), "number of steps"),
        (("explain", "--html", "x.html"), "is for texts"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(morelike_cli: Runner, digits: Path, words: tuple[str, ...], said: str) -> None:
    verb, *rest = words
    ended = morelike_cli(verb, digits, *rest)
    assert ended.code == 2
    assert said in ended.err


def test_more_draws_are_for_one_question_only(tmp_path: Path) -> None:
    rows = np.random.Generator(np.random.PCG64(0)).normal(size=(60, 3))
    model = morelike.train(rows, "vae", out=tmp_path / "model", steps=2, size="xs", judge=False)
    before = model.score(rows[:3]).nats
    assert not np.array_equal(model.score(rows[:3], draws=50).nats, before)
    assert np.array_equal(model.score(rows[:3]).nats, before)


def test_a_model_without_a_likelihood_is_refused_naming_others(tmp_path: Path) -> None:
    rows = np.random.Generator(np.random.PCG64(0)).normal(size=(60, 3))
    model = morelike.train(rows, "gan", out=tmp_path / "model", steps=2, size="xs", judge=False)
    with pytest.raises(Refused, match="families that can: diffusion, "):
        model.score()

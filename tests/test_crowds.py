"""Crowds: what is measured of one, who comes, and that people who can keep apart do."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

import morelike
from conftest import Runner
from morelike.core.errors import BadInput, Refused
from morelike.data.trajectory_items import Scene, Track
from morelike.house import crowds
from morelike.house.model import Model


def scene(people: int = 12, steps: int = 20) -> list[Track]:
    """People who cross a square from left to right and back, a metre apart, one after another."""
    found = []
    for number in range(people):
        x = np.arange(steps) * 0.5
        way = np.stack([x if number % 2 else x[::-1], np.full(steps, float(number % 6))], 1)
        found.append(Track(way + 0.01 * np.sin(np.arange(steps) + number)[:, None], 0.4, str(number), 3 * number))
    return found


@pytest.fixture(scope="module")
def walkers(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("crowds")
    (folder / "people").mkdir()
    for name, people in (("train", 60), ("test", 20)):
        rows = ["frame,id,x,y"]
        for track in scene(people):
            rows += [f"{track.first + step},{track.agent},{x:.4f},{y:.4f}" for step, (x, y) in enumerate(track.points)]
        (folder / "people" / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return morelike.train(
        str(folder / "people"), kind="trajectory", steps=150, seed=0, size="xs", out=str(folder / "m"), judge=False,
        **{"codec.seconds": 0.4, "codec.observe": 4, "codec.predict": 6},
    )  # type: ignore[arg-type]  # settings of the codec are named with a dot


def test_measures_of_a_crowd_by_hand() -> None:
    still = Track(np.zeros((4, 2)), 0.5, "a", 0)
    passing = Track(np.array([[-1.0, 0.0], [0.1, 0.0], [1.2, 0.0]]), 0.5, "b", 1)
    found = crowds.measured([still, passing], 0.5)
    assert found.people == 2
    # seven positions in four steps
    assert found.at_once == pytest.approx(7 / 4)
    # five moves, two of them 1.1 m in half a second
    assert found.speed == pytest.approx(2 * 1.1 / 5 / 0.5)
    assert found.nearest == pytest.approx(1.0)
    assert found.meetings == pytest.approx(2 / 7)
    assert math.isnan(crowds.measured([still], 0.5).nearest)


def test_a_walker_keeps_to_its_way_and_then_goes_straight_on() -> None:
    walker = crowds._Walker(np.array([[0.0, 0.0], [1.0, 0.0]]), 0, np.array([[1.0, 2.0]]), np.zeros(2))
    assert walker.soon(3).tolist() == [[1.0, 2.0], [1.0, 4.0], [1.0, 6.0]]
    assert crowds._Walker(np.zeros((1, 2)), 0, np.zeros((0, 2)), np.zeros(2)).soon(2).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_people_come_as_they_came_and_keep_apart(walkers: Model) -> None:
    real = scene()
    once = crowds.simulate(walkers, real, 1.0)
    assert once.measures.people == len(real)
    first = {tuple(track.points[0]): track for track in once.tracks}
    for track in real:
        own = first[tuple(track.points[0])]
        assert own.first == track.first
        assert (own.points[:4] == track.points[:4]).all()
    low, high = (bound(np.concatenate([track.points for track in real]), 0) for bound in (np.min, np.max))
    for track in once.tracks:
        assert ((track.points[:-1] >= low) & (track.points[:-1] <= high)).all()
    twice = crowds.simulate(walkers, real, 2.0)
    assert twice.measures.people == 2 * len(real)
    assert twice.measures.at_once > 1.4 * once.measures.at_once
    assert twice.measures.meetings < 0.05
    again = crowds.simulate(walkers, real, 2.0)
    assert all(one == other for one, other in zip(twice.tracks, again.tracks, strict=True))
    assert crowds.simulate(walkers, real, 0.5).measures.people < len(real)
    steps = Scene("", crowds.simulate(walkers, real, 1.0, steps=25).tracks).steps
    assert steps[1] - steps[0] <= 25


def test_what_a_crowd_can_not_be(walkers: Model) -> None:
    short = [Track(np.zeros((3, 2)), 0.4, "a")]
    with pytest.raises(BadInput, match="nobody in the scene has 4 positions in a row"):
        crowds.simulate(walkers, short, 1.0)
    for density in (0.0, -1.0, 11.0, math.nan):
        with pytest.raises(BadInput, match="--density is how many times as many people come"):
            crowds.simulate(walkers, scene(), density)
    with pytest.raises(BadInput, match="are more than 2,000"):
        crowds.simulate(walkers, scene(300), 10.0)
    with pytest.raises(BadInput, match="at most 2,000 are simulated"):
        crowds.simulate(walkers, scene(), 1.0, steps=3000)


def test_simulate_writes_a_table_and_a_picture(walkers: Model, morelike_cli: Runner, tmp_path: Path) -> None:
    rows = ["frame id x y"]
    for track in scene():
        rows += [f"{track.first + step} {track.agent} {x:.4f} {y:.4f}" for step, (x, y) in enumerate(track.points)]
    (tmp_path / "scene.txt").write_text("\n".join(rows) + "\n")
    folder, out = str(walkers.folder), tmp_path / "crowd.csv"
    ended = morelike_cli("simulate", folder, "--known", tmp_path / "scene.txt", "--density", "2", "--out", out, "--json")
    told = json.loads(ended.out)
    assert told["crowds"]["as it was"]["people"] == 12
    assert told["crowds"]["simulated, density 2"]["people"] == 24
    with out.open() as file:
        table = list(csv.DictReader(file))
    # frames are those of the scene
    assert len({row["id"] for row in table}) == 24
    assert max(int(row["frame"]) for row in table) > 30
    assert (tmp_path / "crowd.png").stat().st_size > 1000
    for words, why in (
        ([], "name the scene"), (["--known", str(tmp_path / "none.txt")], "there is no file"),
        (["--known", str(tmp_path / "scene.txt"), "--weights", "a=1"], "--weights isn't for tracks"),
        (["--known", str(tmp_path / "scene.txt"), "--out", "crowd.mp4"], "must end in .csv"),
    ):  # fmt: skip
        ended = morelike_cli("simulate", folder, *words)
        assert ended.code == 2
        assert why in ended.err


def test_a_model_told_its_goal_simulates_nobody(walkers: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walkers.package.model, "conditions", {**walkers.package.model.conditions, "goal": None})
    with pytest.raises(Refused, match="this model is told goal, which nobody knows beforehand"):
        crowds.simulate(walkers, scene(), 1.0)

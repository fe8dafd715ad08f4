"""Ways past obstacles: against brute force, and plans of a small model that touch nothing."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morelike
from conftest import Runner
from morelike.core.errors import BadInput
from morelike.house.model import Model
from morelike.house.planning import plan, read_map
from morelike.maths.visibility import along, blocked, circle, convex, counterclockwise, crosses, length, shortest, widened, within

SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])


def points(*rows: tuple[float, float]) -> Any:
    return np.array(rows, np.float64)


def test_what_a_square_blocks() -> None:
    begin = points((-1, 1), (-1, 0), (-1, -0.1), (0.5, 0.5), (-1, 3), (3, 3), (0, 0), (1, -1))
    end = points((3, 1), (3, 0), (3, -0.1), (1.5, 1.5), (3, -1), (4, 4), (2, 2), (1, 5))
    # along a side is free, from corner to corner through the inside isn't
    assert blocked(begin, end, SQUARE).tolist() == [True, False, False, True, True, False, True, True]


def test_blocking_agrees_with_points_along_the_way() -> None:
    rng = np.random.default_rng(0)
    polygon = counterclockwise(circle(0.3, -0.2, 0.8))
    begin, end = rng.uniform(-2, 2, (2, 400, 2))
    at = np.linspace(0, 1, 400)[:, None]
    inside = [any(within(one * (1 - t) + other * t, polygon) for t in at) for one, other in zip(begin, end, strict=True)]
    found = blocked(begin, end, polygon)
    assert (found == np.array(inside)).mean() > 0.99
    assert not (np.array(inside) & ~found).any(), "a way through an obstacle was called free"


def test_the_shortest_way_is_that_of_brute_force() -> None:
    rng = np.random.default_rng(1)
    for _ in range(25):
        corners = [np.array(xy) + points((0, 0), (w, 0), (w, h), (0, h)) for xy, w, h in
                   ((rng.uniform(1, 6, 2), *rng.uniform(0.3, 2, 2)) for _ in range(2))]  # fmt: skip
        start, goal = np.array([0.0, rng.uniform(0, 7)]), np.array([9.0, rng.uniform(0, 7)])
        nodes = np.concatenate(corners)
        best = math.inf
        for count in range(5):
            for via in itertools.permutations(range(len(nodes)), count):
                way = np.array([start, *nodes[list(via)], goal])
                if length(way) < best and not crosses(way, corners):
                    best = length(way)
        found = shortest(start, goal, corners)
        assert found is not None
        assert length(found) == pytest.approx(best)


def test_around_a_circle_in_closed_form_and_no_way_out_of_a_ring() -> None:
    # two tangents and an arc
    wall = circle(0.0, 0.0, 1.0)
    found = shortest(np.array([-2.0, 0.0]), np.array([2.0, 0.0]), [wall])
    assert found is not None
    assert length(found) == pytest.approx(2 * math.sqrt(3) + math.pi / 3, rel=0.01)
    ring = [np.array(own) for own in (
        [(-3, 2), (3, 2), (3, 3), (-3, 3)], [(-3, -3), (3, -3), (3, -2), (-3, -2)], [(-3, -3), (-2, -3), (-2, 3), (-3, 3)],
        [(2, -3), (3, -3), (3, 3), (2, 3)],
    )]  # fmt: skip
    assert shortest(np.zeros(2), np.array([9.0, 0.0]), [own.astype(float) for own in ring]) is None


def test_shapes() -> None:
    assert convex(SQUARE)
    assert not convex(points((0, 0), (2, 0), (1, 0.5), (2, 2)))
    assert not convex(SQUARE[[0, 2, 1, 3]])
    assert np.allclose(widened(SQUARE, 1.0), points((-1, -1), (3, -1), (3, 3), (-1, 3)))
    assert np.allclose(along(points((0, 0), (1, 0), (1, 2)), 2.0), [1, 1])
    assert np.allclose(along(points((0, 0), (1, 0)), 9.0), [1, 0])


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A baseline of walkers at 1.2 m/s who turn a little."""
    folder = tmp_path_factory.mktemp("walkers")
    rng, rows = np.random.default_rng(0), []
    for agent in range(40):
        heading, place = rng.uniform(0, 2 * math.pi), rng.uniform(0, 20, 2)
        for step in range(60):
            rows.append(f"{step + agent * 6} {agent} {place[0]:.3f} {place[1]:.3f}")
            heading += 0.1 * rng.normal()
            place = place + 0.48 * np.array([math.cos(heading), math.sin(heading)])
    (folder / "scene.txt").write_text("\n".join(rows))
    settings: dict[str, Any] = {"codec.seconds": 0.4}
    model = morelike.train(folder / "scene.txt", "constant-velocity", kind="trajectory", out=folder / "run", judge=False, **settings)
    assert isinstance(model, Model)
    return model


def test_plans_begin_and_end_where_they_should_and_touch_nothing(walker: Model, tmp_path: Path) -> None:
    told = {"start": [0, 0], "goal": [14, 1], "obstacles": [{"circle": [5, 0.5, 1.5]}, {"polygon": [[9, -3], [10, -3], [10, 1], [9, 1]]}]}
    (tmp_path / "map.json").write_text(json.dumps(told))
    where = read_map(tmp_path / "map.json")
    found = plan(walker, where, 6, clearance=0.3, seed=2)
    walls = [widened(polygon, 0.3) for polygon in where.obstacles]
    for track in found.tracks:
        assert np.allclose(track.points[0], [0, 0])
        assert np.allclose(track.points[-1], [14, 1])
        assert not crosses(track.points, walls)
        assert length(found.shortest) - 1e-6 <= length(track.points) < 2 * length(found.shortest)
    assert len({len(track) for track in found.tracks}) > 1 or len({found.lengths[0], *found.lengths}) > 1, "all plans are the same"
    again = plan(walker, where, 2, clearance=0.3, seed=2)
    assert np.array_equal(again.tracks[1].points, found.tracks[1].points)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ('{"start": [0, 0]', "is no JSON"),
        ('{"start": [0, 0]}', 'needs "start"'),
        ('{"start": [0], "goal": [1, 1]}', "start of map.json must be 2 finite numbers"),
        ('{"start": [0, "a"], "goal": [1, 1]}', "must be numbers"),
        ('{"start": [0, 0], "goal": [9, 9], "obstacles": [{"circle": [1, 1, -1]}]}', "obstacle 1 of map.json has the radius -1"),
        ('{"start": [0, 0], "goal": [9, 9], "obstacles": [{"polygon": [[0, 0], [1, 1]]}]}', "2 corners"),
        ('{"start": [0, 0], "goal": [9, 9], "obstacles": [{"polygon": [[0, 0], [2, 0], [1, 0.5], [2, 2]]}]}', "isn't convex"),
        ('{"start": [0, 0], "goal": [9, 9], "obstacles": [{"box": [0, 0]}]}', "must be {"),
        ('{"start": [0, 0], "goal": [9, 9], "obstacles": [{"circle": [9, 9, 1]}]}', "the goal lies inside an obstacle"),
        ('{"start": [3, 3], "goal": [3, 3]}', "the start is the goal"),
    ],
)  # fmt: skip
def test_maps_that_cannot_be_are_refused(walker: Model, tmp_path: Path, told: str, sentence: str) -> None:
    (tmp_path / "map.json").write_text(told)
    with pytest.raises(BadInput) as caught:
        plan(walker, read_map(tmp_path / "map.json"), 1)
    assert sentence in str(caught.value)


def test_the_verb_writes_ways_and_a_picture(walker: Model, tmp_path: Path, morelike_cli: Runner) -> None:
    told = {"start": [0, 0], "goal": [6, 0], "obstacles": [{"circle": [3, 0, 1]}]}
    (tmp_path / "map.json").write_text(json.dumps(told))
    ended = morelike_cli("plan", walker.folder, "--known", tmp_path / "map.json", "-n", "3", "--out", tmp_path / "ways.csv", "--json")
    assert ended.code == 0, ended.err
    said = json.loads(ended.out)
    assert len(said["lengths"]) == 3
    assert said["shortest"] > 6
    assert (tmp_path / "ways.csv").read_text().startswith("frame,id,x,y")
    assert (tmp_path / "ways.png").stat().st_size > 1_000
    refused = morelike_cli("plan", walker.folder, "--known", tmp_path / "none.json", "--out", tmp_path / "more.csv")
    assert refused.code == 2
    assert not (tmp_path / "more.csv").exists()

"""Tracks: files, windows, conditions, the mixture over goals and constant velocity; what can't be tracks is refused in a sentence."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from morelike.core.contract import Batch
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Array
from morelike.data.files import FolderFiles
from morelike.data.open import open_source
from morelike.data.trajectory import TrajectoryCodec
from morelike.data.trajectory_items import Scene, Track, around, frame_of
from morelike.data.trajectory_open import parts
from morelike.data.trajectory_read import read_scene
from morelike.families.constant_velocity import ConstantVelocity, ConstantVelocitySettings
from morelike.families.goal_mixture import GoalMixture, GoalMixtureSettings, stratified
from morelike.judges.trajectory import Trajectories, accelerations, collisions, speeds, straightness, turns

CONDITIONS = {"past": Array((2, 3)), "neighbours": Array((4, 5))}


def walkers(count: int = 12, steps: int = 40, seed: int = 0) -> list[Track]:
    """Agents on nearly straight ways, some at the same time."""
    noise = np.random.default_rng(seed)
    moves = noise.normal(0, 0.5, (count, 1, 2)) + noise.normal(0, 0.03, (count, steps - 1, 2))
    points = np.concatenate([noise.uniform(-5, 5, (count, 1, 2)), moves], 1).cumsum(1)
    tracks = [Track(own, 0.4, str(number), 3 * number) for number, own in enumerate(points)]
    return list(Scene("plaza", tracks).tracks)


def text(tracks: list[Track], between: str = "\t", header: str = "") -> str:
    rows = sorted((track.first + step, int(track.agent), *point) for track in tracks for step, point in enumerate(track.points))
    return header + "".join(between.join((str(10 * f), str(a), f"{x:.5f}", f"{y:.5f}")) + "\n" for f, a, x, y in rows)


@pytest.mark.parametrize(("name", "between", "header"), [
    ("plaza.txt", "\t", ""), ("plaza.csv", ",", "frame,id,x,y\n"), ("plaza.tsv", "\t", "frame_id\tped_id\tx\ty\n"), ("plaza.txt", " ", ""),
])  # fmt: skip
def test_files_of_positions_are_found_and_read_back(tmp_path: Path, name: str, between: str, header: str) -> None:
    tracks = walkers()
    (tmp_path / name).write_text(text(tracks, between, header))
    source = open_source(tmp_path / name)
    assert source.kind == "trajectory"
    scene = read_scene(FolderFiles(tmp_path), name, "plaza", 0.4).scene
    by_agent = {track.agent: track for track in scene.tracks}
    for track in tracks:
        np.testing.assert_allclose(by_agent[track.agent].points, track.points, atol=1e-5)
        assert by_agent[track.agent].first == track.first


def test_a_packed_file_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "plaza.txt.gz").write_bytes(gzip.compress(text(walkers()).encode()))
    assert open_source(tmp_path / "plaza.txt.gz").kind == "trajectory"


@pytest.mark.parametrize("rows", [
    "frame,id,x,y,colour\n" + "".join(f"{i},{i % 3},1.5,{i}.5,red\n" for i in range(30)),
    "time,load,x,y\n" + "".join(f"{i},{i % 3},1.5,{i}.5\n" for i in range(30)),
    "".join(f"{i}.5,{i * 0.37:.2f},1.5,{i}.5\n" for i in range(30)),
])  # fmt: skip
def test_tables_and_series_are_left_to_others(tmp_path: Path, rows: str) -> None:
    (tmp_path / "own.csv").write_text(rows)
    assert open_source(tmp_path / "own.csv").kind != "trajectory"


@pytest.mark.parametrize(("rows", "sentence"), [
    ("0 1 0 0\n10 1 1 0\n10 1 2 0\n", r"own.txt, line 3: id 1 is in frame 10 twice \(also line 2\); remove one of them"),
    ("0 1 0 0\n20 1 1 0\n10 1 2 0\n", r"own.txt, line 3: id 1 goes back from frame 20 \(line 2\) to 10; sort the rows by frame"),
    ("0 1 0 0\n10 1 nan 0\n", "own.txt, line 2: x is nan, which is no finite number below a billion"),
    ("0 1 0 0\n10 1 here 0\n", "own.txt, line 2: x is 'here', which is no number"),
    ("0 1 0 0\n10 1 0\n", "own.txt, line 2: 3 columns, but 4 are expected: frame, id, x, y"),
    ("0 1 0 0\n10 2 1 0\n20 3 2 0\n", "own.txt: every id has one position only, so that nothing moves"),
    ("\n\n", "own.txt holds no positions"),
])  # fmt: skip
def test_what_is_no_track_is_refused_with_file_and_line(tmp_path: Path, rows: str, sentence: str) -> None:
    (tmp_path / "own.txt").write_text(rows)
    with pytest.raises(BadInput, match=sentence):
        open_source(tmp_path / "own.txt", kind="trajectory")


def test_gaps_cut_tracks_and_single_points_are_left_out(tmp_path: Path) -> None:
    rows = [(frame, 1) for frame in (0, 10, 20, 50, 60, 70, 90)]
    (tmp_path / "own.txt").write_text("".join(f"{frame} {agent} {frame / 10} 0\n" for frame, agent in rows))
    read = read_scene(FolderFiles(tmp_path), "own.txt", "own", 0.4)
    assert [(track.first, len(track)) for track in read.scene.tracks] == [(0, 3), (5, 3)]
    assert read.step == 10
    assert read.notes == [
        "own.txt: 2 gaps in tracks, which are cut there", "own.txt: 1 tracks of one point are left out",
        "own.txt: there is one id only, so nobody has neighbours",
    ]  # fmt: skip


def test_seconds_are_asked_for_and_odd_units_are_said() -> None:
    tracks = [Track(track.points, math.nan, track.agent, track.first) for track in walkers()]
    with pytest.raises(BadInput, match=r"how many seconds lie between two positions; give it, such as codec.seconds=0.4"):
        TrajectoryCodec.fit(tracks)
    assert TrajectoryCodec.fit(tracks, seconds=0.4).seconds == 0.4
    kilometres = [Track(track.points / 1000, 0.4, track.agent, track.first) for track in tracks]
    assert "are x and y in kilometres" in TrajectoryCodec.fit(kilometres).describe()[0]
    millimetres = [Track(track.points * 1000, 0.4, track.agent, track.first) for track in tracks]
    assert "millimetres" in TrajectoryCodec.fit(millimetres).describe()[0]
    with pytest.raises(BadInput, match="nothing moves"):
        TrajectoryCodec.fit([Track(np.zeros((30, 2)), 0.4, "1")])
    with pytest.raises(BadInput, match="no training track has 60 positions in a row"):
        TrajectoryCodec.fit(walkers(), observe=30, predict=30)


def test_no_moment_lies_in_two_parts() -> None:
    scene = walkers()[0].scene
    assert scene is not None
    train, held = parts(scene, ((0.0, 0.8), (0.8, 1.0)))
    assert max(track.first + len(track) for track in train) <= min(track.first for track in held)
    assert sum(map(len, train)) + sum(map(len, held)) == pytest.approx(sum(map(len, scene.tracks)), abs=2 * len(scene.tracks))


def test_windows_come_back_where_they_were() -> None:
    codec = TrajectoryCodec.fit(walkers())
    windows = codec.windows_of(walkers())
    x = codec.encode(windows)
    for window, own in zip(windows, x, strict=True):
        np.testing.assert_allclose(codec.placed(window, own[None])[0], window.points[8:], atol=1e-4)
    # seen from a turned and shifted plane they are the same
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])
    moved = [Track(window.points @ turn.T + np.array([3.0, -7.0]), 0.4) for window in windows]
    np.testing.assert_allclose(codec.encode(moved), x, atol=1e-4)


def test_neighbours_are_those_of_the_last_observed_moment() -> None:
    straight = np.stack([np.arange(30.0), np.zeros(30)], 1)
    beside, late = straight + np.array([0.0, 2.0]), straight[:5] + np.array([7.0, -3.0])
    scene = Scene("s", [Track(straight, 1.0, "a"), Track(beside, 1.0, "b"), Track(late, 1.0, "c", 7), Track(straight, 1.0, "d", 20)])
    places, moves = around(scene.tracks[0].cut(0, 20), 8, 5)
    np.testing.assert_allclose(places, [[0.0, 2.0], [0.0, -3.0]], atol=1e-12)
    np.testing.assert_allclose(moves, [[1.0, 0.0], [0.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(frame_of(straight[:, ::-1]).axes, [[0, 1], [-1, 0]])


def _batch(x: torch.Tensor, past: torch.Tensor) -> Batch:
    condition = {"past": past, "neighbours": torch.zeros(len(x), 4, 5)}
    return Batch(x, Noise(0, len(x)), condition, {name: torch.ones(len(x), dtype=torch.bool) for name in condition})


def test_constant_velocity_in_closed_form() -> None:
    count = 20_000
    noise = Noise(3, count)
    past = noise.normal((2, 1), "past").expand(-1, -1, 3) + 2
    angle, factor = 0.3 * noise.normal((), "angle"), torch.exp(0.2 * noise.normal((), "factor"))
    vx, vy = past[:, 0, -1], past[:, 1, -1]
    ahead = torch.stack((vx * angle.cos() - vy * angle.sin(), vx * angle.sin() + vy * angle.cos()), 1) * factor[:, None]
    model = ConstantVelocity(Array((2, 4)), CONDITIONS)
    batch = _batch(ahead[..., None].expand(-1, -1, 4), past)
    model._see(batch)
    model._settle()
    assert float(model.spread[0]) == pytest.approx(0.3, rel=0.03)
    assert float(model.spread[1]) == pytest.approx(0.2, rel=0.03)
    still = ConstantVelocity(Array((2, 4)), CONDITIONS, settings=ConstantVelocitySettings(angle=25.0))
    drawn = still.sample({"past": torch.tensor([[[0.0, 1.0], [0.0, 0.0]]]).expand(count, 2, 2)}, noise=noise)
    # no speed noise was fitted: lengths stay, directions are normal about the last with 25 degrees
    np.testing.assert_allclose(drawn.norm(dim=1), 1.0, atol=1e-5)
    turned = torch.atan2(drawn[:, 1, 0], drawn[:, 0, 0]).rad2deg()
    assert float(turned.mean()) == pytest.approx(0.0, abs=0.6)
    assert float(turned.std()) == pytest.approx(25.0, rel=0.03)
    # E[cos] = exp(-s^2 / 2): the mean place after n steps lies so much nearer
    assert float(drawn[:, 0].sum(1).mean()) == pytest.approx(4 * math.exp(-(math.radians(25) ** 2) / 2), rel=0.01)


def test_the_mixture_does_not_see_the_order_of_neighbours() -> None:
    model = GoalMixture(Array((2, 4)), CONDITIONS, settings=GoalMixtureSettings(modes=5, width=16)).eval()
    noise = Noise(1, 6)
    slots = torch.cat((noise.normal((4, 4), "slots"), torch.ones(6, 4, 1)), 2)
    slots[:, 3] = 0
    condition = {"past": noise.normal((2, 3), "past"), "neighbours": slots}
    turned = {**condition, "neighbours": slots[:, [2, 3, 0, 1]]}
    moved = {**condition, "neighbours": slots + torch.tensor([1.0, 0, 0, 0, 0])}
    x = noise.normal((2, 4), "x")
    first = model.log_prob(x, condition)
    torch.testing.assert_close(model.log_prob(x, turned), first)
    assert float((model.log_prob(x, moved) - first).detach().abs().max()) > 1e-4


def test_the_mixtures_density_is_that_of_its_gaussians() -> None:
    model = GoalMixture(Array((2, 3)), CONDITIONS, settings=GoalMixtureSettings(modes=3, width=16))
    condition = {"past": Noise(1, 2).normal((2, 3)), "neighbours": torch.zeros(2, 4, 5)}
    found = model.mixture(condition, {name: torch.ones(2, dtype=torch.bool) for name in condition}, 2)
    x = Noise(2, 2).normal((2, 3))
    total = torch.zeros(2, 3)
    for axis in range(2):
        covariance = found.factor[:, :, axis] @ found.factor[:, :, axis].mT + torch.diag_embed(found.scale[:, :, axis].square())
        total += torch.distributions.MultivariateNormal(found.mean[:, :, axis], covariance).log_prob(x[:, None, axis])
    torch.testing.assert_close(model.log_prob(x, condition), (found.log_weight + total).logsumexp(1), rtol=1e-4, atol=1e-4)


def test_stratified_draws_take_every_part_once_and_are_uniform() -> None:
    drawn = stratified(Noise(5, 20_000), 20)
    parts_taken = (drawn.view(-1, 20) * 20).long().sort(1).values
    assert bool((parts_taken == torch.arange(20)).all())
    first = drawn.view(-1, 20)[:, 0]
    counts = torch.histc(first, 10, 0, 1) / len(first)
    assert float((counts - 0.1).abs().max()) < 0.04
    torch.testing.assert_close(stratified(Noise(5, torch.tensor([33, 7])), 20), drawn[[33, 7]])


def test_judges_measure_what_a_circle_is() -> None:
    angle = np.linspace(0, math.pi / 2, 13)
    item = Track(np.stack([np.cos(angle), np.sin(angle)], 1), 0.5)
    step, chord = math.pi / 24, 2 * math.sin(math.pi / 48)
    np.testing.assert_allclose(turns(item, 0.0), step)
    np.testing.assert_allclose(speeds(item), chord / 0.5)
    np.testing.assert_allclose(accelerations(item), 2 * chord * math.sin(step / 2) / 0.25)
    assert straightness(item)[0] == pytest.approx(math.sqrt(2) / (12 * chord))
    other = item.points + np.array([0.0, 0.15])
    assert collisions([other], item.points, 0.2)
    assert not collisions([other, np.full((13, 2), np.nan)], item.points, 0.1)


def test_scores_tell_real_tracks_from_others() -> None:
    codec = TrajectoryCodec.fit(walkers())
    real = codec.decode(codec.encode(codec.windows_of(walkers())))
    domain = Trajectories(codec.facts(), real)
    assert {score.name for score in domain.scores()} >= {"speed", "acceleration", "curvature", "displacement"}
    shape = domain.extractor()(np.array([*real, None], dtype=object)[:-1]).shape
    assert shape == (len(real), 24)


def test_smooth_positions_are_tracks_and_no_series(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(1), ["frame,id,x,y"]
    for agent in range(30):
        places = rng.uniform(0, 10, 2) + np.cumsum(0.5 + 0.01 * rng.normal(size=(50, 2)), 0)
        rows += [f"{step + agent * 7},{agent},{x:.2f},{y:.2f}" for step, (x, y) in enumerate(places)]
    (tmp_path / "bots.csv").write_text("\n".join(rows))
    assert open_source(tmp_path / "bots.csv").kind == "trajectory"
    (tmp_path / "bare.txt").write_text("\n".join(row.replace(",", "\t") for row in rows[1:]))
    assert open_source(tmp_path / "bare.txt").kind == "trajectory"

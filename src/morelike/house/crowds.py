"""A scene with more or fewer people in it: who comes is drawn from those who came, and where they go from a model of tracks.

N people at once, O positions observed, P steps predicted, K draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..core.contract import Generator
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..data.trajectory import TrajectoryCodec
from ..data.trajectory_file import read_file
from ..data.trajectory_items import Points, Scene, Track

if TYPE_CHECKING:
    from .model import Model

MOST_PEOPLE, MOST_STEPS, MOST_DENSITY = 2_000, 2_000, 10.0
_DRAWS = 20
"""Of a window."""
_GUIDED = 3
"""Of so many free ones that which leads nearest to where somebody wants to go."""
_NEAR = 0.2
"""Metres: who is nearer to somebody meets them."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of a crowd."""

    people: int
    at_once: float
    """People at a step, on average over the steps at which somebody is there."""
    speed: float
    """Metres a second, on average."""
    nearest: float
    """Metres to the nearest other, the median over people and steps; NaN where nobody is ever beside another."""
    meetings: float
    """Share of people's steps at which another is nearer than 0.2 m."""


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """People in a scene."""

    tracks: list[Track]
    measures: Measures
    forced: float
    """Share of the windows of which every draw met somebody."""


@dataclass(slots=True, eq=False)
class _Walker:
    """Somebody in the scene: where they have been, and where they are about to go."""

    points: Points
    begin: int
    """The step of the first point."""
    ahead: Points
    exit: Points
    """(2,) where they want to go."""

    @property
    def here(self) -> Points:
        found: Points = self.points[-1]
        return found

    def soon(self, steps: int) -> Points:
        """(steps,2) where they will be if they keep to it; beyond that, straight on."""
        path = np.vstack([self.points[-2:], self.ahead])
        move = path[-1] - path[-2] if len(path) > 1 else np.zeros(2)
        more = path[-1] + np.arange(1, steps + 1)[:, None] * move
        found: Points = np.vstack([self.ahead, more])[:steps]
        return found


def read_scene(model: Model, file: str) -> list[Track]:
    """The tracks of a file. Raises BadInput with file and line, Refused for a model of other data."""
    codec = model.codec
    if not isinstance(codec, TrajectoryCodec):
        raise Refused(f"crowds are simulated by models of tracks, not of the kind {codec.kind!r}")
    if not Path(file).is_file():
        raise BadInput(f"there is no file {file}")
    return read_file(Path(file), codec.seconds)


def simulate(model: Model, tracks: Sequence[Track], density: float, steps: int | None = None, seed: int = 0) -> Crowd:
    """A crowd in the scene of `tracks`, `density` times as many people as there came, over `steps` steps from the scene's first on.

    Those who came come again where they did, at their own time; those that are more are the same people later, or from the beginning on
    where the scene has ended by then. What they did in the first O steps is kept. From there on each goes a third of a window at a time:
    of 20 draws of the model, told who is near, the first three that come nearer than 0.2 m to nobody are looked at, and that one is taken
    which leads nearest to where this person left the scene; where none is free, the one that keeps furthest away. Who gets there, or leaves
    the rectangle of the scene, is gone.
    Raises BadInput for a scene without anybody, or for what is out of range; Refused for a model that is told its goal.
    """
    codec, family = model.codec, model.package.model
    if not isinstance(codec, TrajectoryCodec) or not isinstance(family, Generator):
        raise Refused(f"crowds are simulated by models of tracks, not of the kind {codec.kind!r}")
    if unknown := sorted(set(family.conditions) - {"past", "neighbours"}):
        raise Refused(f"this model is told {', '.join(unknown)}, which nobody knows beforehand: train one without")
    if not (math.isfinite(density) and 0 < density <= MOST_DENSITY):
        raise BadInput(f"--density is how many times as many people come, above 0 and at most {MOST_DENSITY:g}, not {density:g}")
    seen = first_steps(tracks, steps)
    came = [track for track in seen if len(track) >= codec.observe]
    if not came:
        raise BadInput(f"nobody in the scene has {codec.observe} positions in a row, which the model must have seen to go on")
    if len(came) * density > MOST_PEOPLE:
        raise BadInput(f"{len(came):,} people times {density:g} are more than {MOST_PEOPLE:,}: --ahead simulates a part of the scene")
    first, last = Scene("scene", seen).steps
    last = last if steps is None else first + steps
    if last - first > MOST_STEPS:
        raise BadInput(f"the scene lasts {last - first:,} steps; at most {MOST_STEPS:,} are simulated: --ahead {MOST_STEPS}")
    return _Scene(codec, family, came, (first, last), seed).run(density)


def first_steps(tracks: Sequence[Track], steps: int | None) -> list[Track]:
    """What tracks are in the first `steps` steps of their scene; None: in all."""
    if steps is None:
        return list(tracks)
    end = Scene("scene", tracks).steps[0] + steps
    return [track.cut(0, end - track.first) for track in tracks if track.first < end]


def measured(tracks: Sequence[Track], seconds: float) -> Measures:
    """What is measured of tracks of one scene."""
    scene = Scene("crowd", tracks)
    nearest, here = [], []
    for step in range(*scene.steps):
        _, points = scene.at(step)
        if not len(points):
            continue
        here.append(len(points))
        apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
        np.fill_diagonal(apart, math.inf)
        nearest.append(apart.min(1))
    each = np.concatenate(nearest)
    beside = each[np.isfinite(each)]
    moves = np.concatenate([np.hypot(*np.diff(track.points, axis=0).T) for track in tracks])
    speed = float(moves.mean() / seconds) if len(moves) else math.nan
    median = float(np.median(beside)) if len(beside) else math.nan
    return Measures(len(tracks), float(np.mean(here)), speed, median, float((each < _NEAR).mean()))


class _Scene:
    """One simulation while it runs."""

    def __init__(self, codec: TrajectoryCodec, family: Generator, came: Sequence[Track], steps: tuple[int, int], seed: int) -> None:
        self.codec, self.family, self.came, self.steps, self.seed = codec, family, came, steps, seed
        every = np.concatenate([track.points for track in came])
        self.low, self.high = every.min(0), every.max(0)
        self.stride = max(1, codec.predict // 3)
        self.arrived = codec.speed * codec.seconds * self.stride
        """Metres from an exit at which somebody is there."""
        self.windows = self.forced = 0

    def run(self, density: float) -> Crowd:
        arriving = self._arrivals(density)
        inside: list[_Walker] = []
        gone: list[_Walker] = []
        for step in range(*self.steps):
            for walker in inside:
                walker.points, walker.ahead = np.vstack([walker.points, walker.ahead[:1]]), walker.ahead[1:]
            left = [walker for walker in inside if self._leaves(walker)]
            gone += left
            inside = [walker for walker in inside if walker not in left] + arriving.get(step, [])
            self._plan(inside, step)
        if not (whole := [*gone, *inside]):
            raise BadInput("nobody comes in these steps: give --ahead more of them, or a larger --density")
        seconds = self.codec.seconds
        tracks = [Track(walker.points, seconds, str(number), walker.begin) for number, walker in enumerate(whole)]
        return Crowd(tracks, measured(tracks, seconds), self.forced / max(1, self.windows))

    def _leaves(self, walker: _Walker) -> bool:
        outside = bool(((walker.here < self.low) | (walker.here > self.high)).any())
        return outside or (not len(walker.ahead) and float(np.hypot(*(walker.exit - walker.here))) < self.arrived)

    def _arrivals(self, density: float) -> dict[int, list[_Walker]]:
        """Who comes, by the step at which they do. All that come once more are as much later, so that groups stay together."""
        (first, last), observe = self.steps, self.codec.observe
        share = Noise(self.seed, len(self.came), path=("crowd", "copies")).uniform((), "share").numpy()
        later = Noise(self.seed, math.ceil(density), path=("crowd", "later")).uniform((), "share").numpy()
        room = max(1, last - first - observe + 1)
        found: dict[int, list[_Walker]] = {}
        for number, track in enumerate(self.came):
            for copy in range(int(density + share[number])):
                moved = int((0.1 + 0.8 * later[copy - 1]) * room) if copy else 0
                begin = first + (track.first - first + moved) % room if copy else track.first
                own = track.points[:observe]
                found.setdefault(begin, []).append(_Walker(own[:1], begin, own[1:], track.points[-1]))
        return found

    def _plan(self, inside: Sequence[_Walker], step: int) -> None:
        """Gives those their next steps who have none left, one after another in random order."""
        waiting = [walker for walker in inside if not len(walker.ahead)]
        if not waiting:
            return
        noise = Noise(self.seed, len(waiting), path=("crowd", "order", str(step)))
        drawn = self._drawn(inside, waiting, step)
        for place in noise.uniform((), "order").argsort().tolist():
            walker = waiting[place]
            ways = drawn[place][:, : self.stride]
            others = [other.soon(self.stride) for other in inside if other is not walker]
            apart = np.full(len(ways), math.inf)
            if others:
                between = ways[:, None] - np.array(others)[None]
                apart = np.hypot(between[..., 0], between[..., 1]).min((1, 2))
            free = np.flatnonzero(apart >= _NEAR)[:_GUIDED]
            self.windows += 1
            self.forced += not len(free)
            left = np.hypot(*(drawn[place][free, -1] - walker.exit).T)
            walker.ahead = ways[free[left.argmin()] if len(free) else int(apart.argmax())]

    def _drawn(self, inside: Sequence[_Walker], waiting: Sequence[_Walker], step: int) -> Points:
        """(N,K,P,2) places to which those that wait may go."""
        codec = self.codec
        observe = codec.observe
        seen = [walker.points[-observe:] for walker in inside]
        scene = Scene("crowd", [Track(own, codec.seconds, str(number), step - len(own) + 1) for number, own in enumerate(seen)])
        own = [track for track, walker in zip(scene.tracks, inside, strict=True) if any(walker is other for other in waiting)]
        told: dict[str, Any] = {
            name: torch.from_numpy(codec.beside_windows(name, own)).repeat_interleave(_DRAWS, 0).to(self.family.device)
            for name in self.family.conditions
        }
        with torch.inference_mode():
            x = self.family.sample(told, noise=Noise(self.seed, len(own) * _DRAWS, path=("crowd", str(step)))).cpu().numpy()
        return np.array([codec.placed(track, x[number * _DRAWS : (number + 1) * _DRAWS]) for number, track in enumerate(own)])

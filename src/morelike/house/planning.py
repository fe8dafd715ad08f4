"""Ways from a start to a goal past obstacles, as those go whom a model of tracks has learnt.

n plans, O positions observed, P steps predicted, K candidates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..core.contract import Generator
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..data.trajectory import TrajectoryCodec
from ..data.trajectory_items import Scene, Track
from ..maths.visibility import Points, along, circle, convex, counterclockwise, crosses, length, shortest, widened, within

if TYPE_CHECKING:
    from .model import Model

MOST, MOST_OBSTACLES, MOST_CORNERS = 1_000, 64, 64
_BYTES = 1 << 20
_CANDIDATES, _KEPT = 48, 6
"""Draws of a window, and among how many of those that lead best past the obstacles one is taken."""
_WINDOWS = 4
"""A plan may take so many times as many windows as the way is long, and three more."""
_STRAIGHT, _NEAR = 0.35, 1.5
"""The last window is bent by at most this share of its length; it is looked for from so many windows' length away."""
_CLEARANCE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """Where to go."""

    start: Points
    goal: Points
    obstacles: tuple[Points, ...]
    """Convex polygons, counterclockwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Plans:
    """Ways that keep clear of everything."""

    tracks: list[Track]
    shortest: Points
    clearance: float
    straight: list[int]
    """Of each plan: windows that no draw could fill, and that follow the shortest way."""
    map: Map

    @property
    def lengths(self) -> list[float]:
        """Metres."""
        return [length(track.points) for track in self.tracks]

    @property
    def least(self) -> float:
        """Metres of the shortest way."""
        return length(self.shortest)


def read_map(path: Path) -> Map:
    """Start, goal and obstacles of a JSON file: {"start": [x, y], "goal": [x, y], "obstacles": [{"circle": [x, y, radius]}, {"polygon":
    [[x, y], ...]}]}. Raises BadInput with what is wrong."""
    try:
        if path.stat().st_size > _BYTES:
            raise BadInput(f"{path.name} is larger than a megabyte; a map has a start, a goal and at most {MOST_OBSTACLES} obstacles.")
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path.name} is no JSON: {error}.") from error
    if not isinstance(told, dict) or not {"start", "goal"} <= told.keys():
        raise BadInput(f'{path.name} needs "start": [x, y] and "goal": [x, y], in metres.')
    listed = told.get("obstacles", [])
    if not isinstance(listed, list) or len(listed) > MOST_OBSTACLES:
        raise BadInput(f'"obstacles" of {path.name} must be a list of at most {MOST_OBSTACLES}.')
    start, goal = (_numbers(told[name], (2,), f"{name} of {path.name}") for name in ("start", "goal"))
    return Map(start, goal, tuple(_obstacle(one, f"obstacle {number} of {path.name}") for number, one in enumerate(listed, 1)))


def _obstacle(told: Any, where: str) -> Points:
    if isinstance(told, dict) and told.keys() == {"circle"}:
        x, y, radius = _numbers(told["circle"], (3,), where)
        if radius <= 0:
            raise BadInput(f"{where} has the radius {radius:g}; it must be above 0.")
        return circle(float(x), float(y), float(radius))
    if isinstance(told, dict) and told.keys() == {"polygon"} and isinstance(told["polygon"], list):
        if not 3 <= len(told["polygon"]) <= MOST_CORNERS:
            raise BadInput(f"{where} has {len(told['polygon'])} corners; it needs from 3 to {MOST_CORNERS}.")
        corners = counterclockwise(_numbers(told["polygon"], (len(told["polygon"]), 2), where))
        if not convex(corners):
            raise BadInput(f"{where} isn't convex, or crosses itself: split it into convex parts.")
        return corners
    raise BadInput(f'{where} must be {{"circle": [x, y, radius]}} or {{"polygon": [[x, y], ...]}}.')


def _numbers(told: Any, shape: tuple[int, ...], where: str) -> Points:
    try:
        found = np.asarray(told, np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{where} must be numbers, not {str(told)[:60]}.") from error
    if found.shape != shape or not np.isfinite(found).all():
        raise BadInput(f"{where} must be {math.prod(shape)} finite numbers, not {str(told)[:60]}.")
    return found


def plan(model: Model, where: Map, n: int, clearance: float = _CLEARANCE, seed: int = 0) -> Plans:
    """n ways from start to goal, no step of which comes nearer than `clearance` metres to an obstacle.

    Window by window: of 48 draws those that hit something are left out, and one of the six that bring it furthest along the shortest way is
    taken; the last window is bent so that it ends in the goal. Where no draw is free the way follows the shortest one at usual speed, which
    is counted. Raises BadInput for a start or goal inside an obstacle or no way, Refused for a model of other data.
    """
    codec, family = model.codec, model.package.model
    if not isinstance(codec, TrajectoryCodec) or not isinstance(family, Generator):
        raise Refused(f"ways are planned by models of tracks, not of the kind {codec.kind!r}")
    if not 1 <= n <= MOST:
        raise BadInput(f"-n must be between 1 and {MOST:,}, not {n}")
    if not (math.isfinite(clearance) and clearance >= 0):
        raise BadInput(f"--clearance is a distance in metres, from 0 on, not {clearance:g}")
    walls = [widened(polygon, clearance) for polygon in where.obstacles]
    for name, point in (("start", where.start), ("goal", where.goal)):
        if any(within(point, wall) for wall in walls):
            raise BadInput(f"the {name} lies inside an obstacle, or nearer to one than {clearance:g} m (--clearance)")
    way = shortest(where.start, where.goal, walls)
    if way is None:
        raise BadInput("there is no way from the start to the goal: the obstacles close it off")
    if length(way) < 1e-6:
        raise BadInput("the start is the goal: there is nothing to plan")
    found = [_Walk(codec, family, walls, where, Noise(seed, 1).under("plan", number)).run() for number in range(n)]
    tracks = [Track(points, codec.seconds, str(number)) for number, (points, _) in enumerate(found)]
    return Plans(tracks, way, clearance, [missed for _, missed in found], where)


class _Walk:
    """One plan while it is made."""

    def __init__(self, codec: TrajectoryCodec, family: Generator, walls: list[Points], where: Map, noise: Noise) -> None:
        self.codec, self.family, self.walls, self.where, self.noise = codec, family, walls, where, noise
        first = along(self._way(where.start), 1e-3 * codec.reach) - where.start
        step = first / max(float(np.hypot(*first)), 1e-12) * codec.speed * codec.seconds
        before = np.arange(codec.observe - 1, -1, -1)[:, None]
        self.points = where.start - before * step

    def _way(self, point: Points) -> Points:
        found = shortest(point, self.where.goal, self.walls)
        # every point that was reached sees a way: it lies outside the walls, as does the goal
        return found if found is not None else np.array([point, self.where.goal])

    def run(self) -> tuple[Points, int]:
        """((T,2) positions from start to goal, windows that follow the shortest way)."""
        codec, missed = self.codec, 0
        most = 3 + _WINDOWS * math.ceil(length(self._way(self.where.start)) / codec.reach)
        for number in range(most):
            way = self._way(self.points[-1])
            ahead = self._drawn(number, way)
            if length(way) <= _NEAR * codec.reach and (ending := self._ending(ahead)) is not None:
                self.points = np.vstack([self.points, ending])
                break
            last = length(way) <= codec.reach
            free = [path for path in ahead if not crosses(np.vstack([self.points[-1:], path]), self.walls)]
            if last or not free:
                missed += 1
                self._follow(way, math.inf if last else codec.reach)
                if last:
                    break
                continue
            left = np.array([length(self._way(path[-1])) for path in free])
            best = np.argsort(left, kind="stable")[:_KEPT]
            which = best[int(self.noise.under(number).uniform((), "which")[0] * len(best))]
            self.points = np.vstack([self.points, free[which]])
        else:
            self._follow(self._way(self.points[-1]), math.inf)
            missed += 1
        return self.points[codec.observe - 1 :], missed

    def _drawn(self, number: int, way: Points) -> Points:
        """(K,P,2) places that the model goes to next."""
        codec = self.codec
        begin = self.points[-codec.observe :]
        aim = along(way, codec.reach)
        window = Track(np.vstack([begin, np.repeat(aim[None], codec.predict, 0)]), codec.seconds, "plan")
        window = Scene("plan", [window]).tracks[0]
        told = self._told(window)
        noise = Noise(int(self.noise.under(number).integers(1 << 30, (), "seed")[0]), _CANDIDATES)
        with torch.inference_mode():
            x = self.family.sample({name: value.expand(_CANDIDATES, *value.shape[1:]) for name, value in told.items()}, noise=noise)
        found: Points = codec.placed(window, x.cpu().numpy())
        return found

    def _told(self, window: Track) -> Mapping[str, Tensor]:
        names = [name for name in self.family.conditions if self.codec.told(name) is not None]
        return {name: torch.from_numpy(self.codec.beside_windows(name, [window])).to(self.family.device) for name in names}

    def _ending(self, ahead: Points) -> Points | None:
        """(k,2) the first steps of one of the windows (K,P,2), led to the goal, more the later: that which needs the least of it for its
        length. None where all need too much, or touch something."""
        found: list[tuple[float, Points]] = []
        for path in ahead:
            gone = np.hypot(*np.diff(np.vstack([self.points[-1:], path]), axis=0).T).cumsum()
            share = np.hypot(*(self.where.goal - path).T) / np.maximum(gone, 1e-9)
            last = int(share.argmin())
            if share[last] <= _STRAIGHT:
                steps = path[: last + 1]
                bent = steps + np.linspace(1 / len(steps), 1, len(steps))[:, None] * (self.where.goal - steps[-1])
                if not crosses(np.vstack([self.points[-1:], bent]), self.walls):
                    found.append((float(share[last]), bent))
        return min(found, key=lambda one: one[0])[1] if found else None

    def _follow(self, way: Points, most: float) -> None:
        """Goes along a way at usual speed, over its corners, for `most` metres or to its end."""
        step, whole = self.codec.speed * self.codec.seconds, min(length(way), most)
        reached = np.concatenate([[0.0], np.hypot(*np.diff(way, axis=0).T).cumsum()])
        places = sorted({*np.arange(step, whole, step).tolist(), *reached[(reached > 0) & (reached < whole)].tolist(), whole})
        self.points = np.vstack([self.points, [along(way, place) for place in places]])

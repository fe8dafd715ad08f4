"""Tracks of agents that move in one plane: what stands between files of positions and arrays. T steps, K neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_HEADING_STEPS = 3
"""Heading is the direction of the last so many steps: one alone is mostly noise where somebody stands."""
_STILL = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One agent without a gap: `points` (n,2) in metres, a position every `seconds` (NaN where that isn't known), the first at the step
    `first` of its `scene`. Two are the same where agent, times and points are."""

    points: Points
    seconds: float
    agent: str = ""
    first: int = 0
    place: str = ""
    """The scene's name."""
    scene: Scene | None = field(default=None, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Track):
            return NotImplemented
        alike = (self.agent, self.first, self.place) == (other.agent, other.first, other.place)
        return alike and np.array_equal(self.points, other.points)

    def __hash__(self) -> int:
        return hash((self.agent, self.first, self.place, self.points.tobytes()))

    def __len__(self) -> int:
        return len(self.points)

    def cut(self, begin: int, end: int) -> Track:
        """The points numbered `begin` to before `end`."""
        return replace(self, points=self.points[begin:end], first=self.first + begin)


class Scene:
    """All tracks of one place, by step."""

    def __init__(self, name: str, tracks: Sequence[Track]) -> None:
        self.name = name
        self.tracks = tuple(replace(track, scene=self, place=name) for track in tracks)

    @cached_property
    def _at(self) -> dict[int, tuple[NDArray[np.int64], Points]]:
        numbers: dict[int, list[int]] = {}
        points: dict[int, list[Points]] = {}
        for number, track in enumerate(self.tracks):
            for place, point in enumerate(track.points):
                numbers.setdefault(track.first + place, []).append(number)
                points.setdefault(track.first + place, []).append(point)
        return {step: (np.array(numbers[step]), np.array(points[step])) for step in numbers}

    def at(self, step: int) -> tuple[NDArray[np.int64], Points]:
        """(numbers (M,) of the tracks that are there at a step, their points (M,2))."""
        return self._at.get(step, (np.zeros(0, np.int64), np.zeros((0, 2))))

    @property
    def steps(self) -> tuple[int, int]:
        """The first step and the one after the last."""
        return min(track.first for track in self.tracks), max(track.first + len(track) for track in self.tracks)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where an agent stands, and which way it goes: `origin` (2,) metres and `axes` (2,2), whose rows are ahead and to the left."""

    origin: Points
    axes: Points

    def into(self, points: Points) -> Points:
        """(*,2) as the agent sees them: ahead, to the left."""
        return (points - self.origin) @ self.axes.T

    def turned(self, moves: Points) -> Points:
        """(*,2) moves as the agent sees them."""
        return moves @ self.axes.T

    def out(self, points: Points) -> Points:
        """The inverse of `into`."""
        return points @ self.axes + self.origin


def frame_of(points: Points) -> Frame:
    """The frame of an agent that has come along `points` (n,2), n >= 1; of one that stood, the axes of the plane."""
    move = points[-1] - points[max(0, len(points) - 1 - _HEADING_STEPS)]
    length = float(np.hypot(*move))
    ahead = move / length if length > _STILL else np.array([1.0, 0.0])
    return Frame(points[-1], np.stack([ahead, [-ahead[1], ahead[0]]]))


def cuts(track: Track, steps: int, stride: int) -> Iterator[Track]:
    """The windows of `steps` points of a track, `stride` apart."""
    for begin in range(0, len(track) - steps + 1, stride):
        yield track.cut(begin, begin + steps)


def around(window: Track, observed: int, most: int) -> tuple[Points, Points]:
    """(positions (M,2), moves of the last step (M,2)) of the nearest `most` others at the last observed step of a window, nearest first,
    in the agent's frame; the move of one that came only then is zero."""
    if window.scene is None:
        return np.zeros((0, 2)), np.zeros((0, 2))
    step = window.first + observed - 1
    frame = frame_of(window.points[:observed])
    numbers, points = window.scene.at(step)
    before = dict(zip(*map(list, window.scene.at(step - 1)), strict=True))
    others = np.array([window.scene.tracks[number].agent != window.agent for number in numbers], np.bool_)
    numbers, points = numbers[others], points[others]
    near = np.argsort(np.square(points - frame.origin).sum(1), kind="stable")[:most]
    moves = np.array([point - before.get(number, point) for number, point in zip(numbers[near], points[near], strict=True)])
    return frame.into(points[near]), frame.turned(moves.reshape(-1, 2))

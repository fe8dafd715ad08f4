"""Tracks <-> windows: what an agent does next, as it sees it; and what it did and who is near, as conditions.

N windows, P steps predicted, O positions observed, K neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput
from ..core.spec import Array
from .around import AroundCodec
from .trajectory_draw import contact_sheet
from .trajectory_file import read_file, write_file
from .trajectory_items import Points, Track, around, cuts, frame_of
from .world import World

AROUND = ("past", "neighbours", "goal")
"""Conditions that a window has; `DEFAULT` are those that a model is told where nothing is said."""
DEFAULT = ("past", "neighbours")
_SLOWEST, _FASTEST = 0.02, 150.0
"""Metres a second; medians beyond are most likely another unit."""


class TrajectoryCodec(World):
    """Raw item: `Track`. x (2,P): the velocity of each step ahead and to the left, in the frame of the last observed position and
    heading, divided by the root mean square speed of training. Decoded: tracks that begin at the origin and go along the x axis.

    Conditions: `past` (2,O-1) velocities likewise; `neighbours` (K,5): ahead, left (divided by how far one goes in P steps), velocity
    ahead, left, and 1 where there is one; `goal` (2,): where the window ends, in those units too.
    """

    kind: ClassVar[str] = "trajectory"
    loss: ClassVar[str] = "place and heading; who else was there"
    forms: ClassVar[Mapping[str, str]] = {".csv": "frame, id, x, y, a track an id", ".txt": "the same, tabs and no header"}
    page: ClassVar[tuple[int, int]] = (5, 8)

    def __init__(self, observe: int, predict: int, neighbours: int, seconds: float, speed: float, said: Sequence[str] = ()) -> None:
        """`seconds` between positions; `speed`: root mean square speed, in metres a second."""
        self.observe, self.predict, self.neighbours = observe, predict, neighbours
        self.seconds, self.speed, self._said = seconds, speed, list(said)
        self.spec = Array((2, predict))
        self.dtype = np.dtype(np.float32)

    @classmethod
    def fit(  # type: ignore[override]  # each codec names its own settings
        cls, items: Iterable[Track], observe: int = 8, predict: int = 12, neighbours: int = 8, seconds: float | None = None
    ) -> Self:
        """Reads the training tracks. `seconds` between positions, where the data don't say. Raises BadInput for settings that can't be,
        tracks that are too short, and where nothing moves."""
        for name, value, least, most in (("observe", observe, 2, 256), ("predict", predict, 1, 512), ("neighbours", neighbours, 1, 64)):
            if not least <= value <= most:
                raise BadInput(f"codec.{name} must be between {least} and {most}, not {value}.")
        every = list(items)
        own = _seconds(every, seconds)
        steps = [np.diff(track.points, axis=0) for track in every if len(track) > 1]
        moves = np.concatenate(steps) / own if steps else np.zeros((0, 2))
        speeds = np.hypot(moves[:, 0], moves[:, 1])
        if not len(speeds) or not speeds.any():
            raise BadInput("nothing moves in the training tracks: there is nothing to learn.")
        longest = max(map(len, every))
        if longest < observe + predict and longest > predict + 1:
            steps_needed = f"{observe + predict} positions in a row (codec.observe={observe}, codec.predict={predict})"
            raise BadInput(f"no training track has {steps_needed}; the longest has {longest}.")
        median = float(np.median(speeds[speeds > 0]))
        said = []
        if not _SLOWEST <= median <= _FASTEST:
            unit = "kilometres" if median < _SLOWEST else "millimetres or pixels"
            said.append(f"The median speed is {median:.3g} m/s: are x and y in {unit}, or codec.seconds wrong? Metres are expected.")
        return cls(observe, predict, neighbours, own, float(np.sqrt(np.mean(np.square(speeds)))), said)

    def describe(self) -> list[str]:
        """Sentences on the windows."""
        times = f"{self.observe} positions observed and {self.predict} steps predicted, one every {self.seconds:g} s"
        frame = f"Seen from the last observed position and heading; speeds divided by {self.speed:.3g} m/s; {self.neighbours} neighbours."
        return [*self._said, f"Windows of {times}.", frame]

    @property
    def reach(self) -> float:
        """How far one goes in P steps at the mean speed, in metres."""
        return self.speed * self.seconds * self.predict

    def windows_of(self, tracks: Iterable[Track], stride: int = 1) -> list[Track]:
        """All windows of O + P positions."""
        return [window for track in tracks for window in cuts(track, self.observe + self.predict, stride)]

    def pieces(self, items: Sequence[Track], dense: bool) -> tuple[np.ndarray, np.ndarray]:
        """Windows at every step, of held-out tracks too, and of which track each is. Raises BadInput where there are none."""
        windows = [self.windows_of([track]) for track in items]
        found = [window for own in windows for window in own]
        if not found:
            raise BadInput(
                f"none of {len(items):,} tracks of one part of the split has {self.observe + self.predict} positions in a row; "
                "set codec.observe and codec.predict lower, or give longer tracks."
            )
        return self.encode(found), np.repeat(np.arange(len(items)), [len(own) for own in windows])

    def told(self, name: str) -> Codec | None:
        shapes = {"past": (2, self.observe - 1), "neighbours": (self.neighbours, 5), "goal": (2,)}
        return AroundCodec(shapes[name]) if name in shapes else None

    def around(self, name: str, items: Sequence[Track], dense: bool) -> np.ndarray:
        return self.beside_windows(name, self.windows_of(items))

    def beside_windows(self, name: str, windows: Sequence[Track]) -> np.ndarray:
        """(N,*) of a condition, of windows."""
        make = {"past": self._past, "neighbours": self._near, "goal": self._goal}[name]
        shape = self.told(name).spec.shape  # type: ignore[union-attr]
        return np.array([make(window) for window in windows], np.float32).reshape(-1, *shape)

    def _past(self, window: Track) -> Points:
        points = window.points[: self.observe]
        return frame_of(points).turned(np.diff(points, axis=0)).T / (self.seconds * self.speed)

    def _near(self, window: Track) -> Points:
        out = np.zeros((self.neighbours, 5))
        places, moves = around(window, self.observe, self.neighbours)
        out[: len(places)] = np.column_stack([places / self.reach, moves / (self.seconds * self.speed), np.ones(len(places))])
        return out

    def _goal(self, window: Track) -> Points:
        return frame_of(window.points[: self.observe]).into(window.points[-1]) / self.reach

    def encode(self, items: Sequence[Track]) -> np.ndarray:
        """(N,2,P) of tracks, each by its last P steps; what comes before gives the frame. Raises BadInput for a track of fewer steps."""
        out = np.zeros((len(items), 2, self.predict), np.float32)
        for row, item in enumerate(items):
            if len(item) <= self.predict:
                raise BadInput(f"a track of {len(item)} positions is too short: {self.predict} steps need {self.predict + 1}.")
            moves = np.diff(item.points[-self.predict - 1 :], axis=0)
            out[row] = frame_of(item.points[: -self.predict]).turned(moves).T / (self.seconds * self.speed)
        return out

    def decode(self, x: np.ndarray) -> list[Track]:
        """N tracks of P + 1 points, the first at the origin."""
        moves = np.asarray(x, np.float64).transpose(0, 2, 1) * (self.seconds * self.speed)
        points = np.concatenate([np.zeros((len(moves), 1, 2)), moves.cumsum(1)], 1)
        return [Track(own, self.seconds, str(row)) for row, own in enumerate(points)]

    def placed(self, window: Track, x: np.ndarray) -> Points:
        """(N,P,2) positions in the window's own scene, of x (N,2,P)."""
        frame = frame_of(window.points[: self.observe])
        return frame.out(np.asarray(x, np.float64).transpose(0, 2, 1).cumsum(1) * (self.seconds * self.speed))

    def state(self) -> dict[str, Any]:
        return {
            "observe": self.observe, "predict": self.predict, "neighbours": self.neighbours, "seconds": self.seconds, "speed": self.speed,
            "said": list(self._said),
        }  # fmt: skip

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["observe"], state["predict"], state["neighbours"], state["seconds"], state["speed"], state["said"])

    def facts(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "predict": self.predict, "speed": self.speed}

    def read(self, path: Path) -> list[Track]:
        """The tracks of a file that have more than P positions. Raises BadInput with file and line."""
        found = [track for track in read_file(path, self.seconds) if len(track) > self.predict]
        if not found:
            raise BadInput(f"{path.name}: no track has more than {self.predict} positions in a row, which this model needs.")
        return found

    def draw(self, items: Sequence[Track], path: Path, columns: int | None = None) -> None:
        """Writes one PNG: tracks side by side, a metre to a scale that all share, darker the later."""
        contact_sheet(items, path, columns)

    def write(self, items: Sequence[Track], path: Path, ending: str) -> None:
        """Writes tracks as `forms` says."""
        write_file(items, path, ending)


def _seconds(tracks: Sequence[Track], asked: float | None) -> float:
    """Seconds between positions, as asked or as all tracks say."""
    if asked is not None:
        if not (math.isfinite(asked) and asked > 0):
            raise BadInput(f"codec.seconds must be above 0, not {asked:g}: the seconds between two positions.")
        return float(asked)
    known = {track.seconds for track in tracks if not math.isnan(track.seconds)}
    if not known:
        raise BadInput("nothing says how many seconds lie between two positions; give it, such as codec.seconds=0.4.")
    if len(known) > 1:
        raise BadInput(f"positions lie {min(known):g} s apart in one scene and {max(known):g} s in another; give scenes of one rate.")
    return known.pop()

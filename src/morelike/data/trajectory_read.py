"""Files of positions (frame, id, x, y) <-> scenes of tracks. N rows."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.errors import BadInput
from .files import Files
from .text_files import blocks, is_text, read_text
from .trajectory_items import Scene, Track

COLUMNS = ("frame", "id", "x", "y")
_WORDS = {
    "frame": "frame", "frame_id": "frame", "frameid": "frame", "t": "frame", "time": "frame", "step": "frame",
    "id": "id", "agent": "id", "agent_id": "id", "pedestrian": "id", "pedestrian_id": "id", "ped_id": "id", "track_id": "id",
    "person": "id",
    "x": "x", "pos_x": "x", "x_m": "x", "y": "y", "pos_y": "y", "y_m": "y",
}  # fmt: skip
"""What the columns may be called in a header, in lower case."""
_SEPARATOR = re.compile(r"[,;\t ]\s*")
_HEAD = 16_384
_MOST_BYTES = 512 << 20
_LARGEST = 1e9
_LOOSE = 1e-3
"""Share of a step by which frames written as decimals may differ."""


@dataclass(slots=True)
class Rows:
    """A file's rows, as they stand in it."""

    frame: np.ndarray
    agent: list[str]
    points: np.ndarray
    """(N,2)."""
    line: np.ndarray
    """(N,) numbers of the lines, from 1."""


@dataclass(slots=True)
class Read:
    """A scene, and what was said about its file."""

    scene: Scene
    step: float
    """Frames between positions."""
    notes: list[str] = field(default_factory=list)


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"') for cell in _SEPARATOR.split(line.strip())]


def _header(cells: Sequence[str]) -> dict[str, int] | None:
    """Column -> its place, where the cells are names of all four."""
    found: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = _WORDS.get(cell.lower())
        if name is not None:
            found.setdefault(name, place)
    return found if len(found) == len(COLUMNS) else None


def is_positions(files: Files, file: str) -> bool:
    """Whether a file's first lines are positions: columns of these names and no others, or four unnamed numbers, the first rising in
    blocks of one frame (or the frames of one agent after another), the second whole numbers that come again."""
    if not is_text(files, file):
        return False
    try:
        head = next(blocks(files, file), b"")[:_HEAD].decode("utf-8", "replace").lstrip("\ufeff")
    except BadInput:
        return False
    # the last line may be cut
    first = [line for line in head.splitlines()[: -1 if len(head) == _HEAD else None] if line.strip()]
    if not first:
        return False
    cells = _cells(first[0])
    named = _header(cells) is not None
    if named and (len(cells) != len(COLUMNS) or not any(cell.lower().startswith("frame") for cell in cells)):
        return False
    rows = [_cells(line) for line in first[named:]]
    if any(len(row) != len(COLUMNS) for row in rows):
        return False
    try:
        found = np.array(rows, np.float64)
    except ValueError:
        return False
    if named:
        return True
    frame, agent = found[:, 0], found[:, 1]
    whole = (frame == np.rint(frame)).all() and (agent == np.rint(agent)).all() and (found[:, 2:] != np.rint(found[:, 2:])).any()
    if len(found) < 4 or not whole:
        return False
    by_frame = (np.diff(frame) >= 0).all()
    by_agent = (np.diff(agent) >= 0).all() and (np.diff(frame)[np.diff(agent) == 0] > 0).all()
    return bool((by_frame or by_agent) and len(np.unique(agent)) < len(agent) and len(np.unique(frame)) > 1)


def read_rows(files: Files, file: str) -> Rows:
    """The rows of a file. Raises BadInput with file and line for what is no position."""
    if files.sizes[file] > _MOST_BYTES:
        raise BadInput(f"{file} has {files.sizes[file]:,} bytes; at most {_MOST_BYTES:,} of positions are read.")
    text = read_text(files, file).text
    if not isinstance(text, str):
        raise BadInput(f"{file} is larger than 32 MB; split it into several files of scenes.")
    order = {name: place for place, name in enumerate(COLUMNS)}
    frames: list[float] = []
    agents: list[str] = []
    points: list[tuple[float, float]] = []
    numbers: list[int] = []
    width, headed = len(COLUMNS), False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        cells = _cells(line)
        if not numbers and not headed and (named := _header(cells)) is not None:
            order, width, headed = named, len(cells), True
            continue
        if len(cells) != width:
            raise BadInput(f"{file}, line {number:,}: {len(cells)} columns, but {width} are expected: frame, id, x, y.")
        frame, x, y = (_number(file, number, name, cells[order[name]]) for name in ("frame", "x", "y"))
        frames.append(frame)
        agents.append(_agent(cells[order["id"]], file, number))
        points.append((x, y))
        numbers.append(number)
    if not numbers:
        raise BadInput(f"{file} holds no positions: give a row frame, id, x, y for each agent and time.")
    return Rows(np.array(frames), agents, np.array(points), np.array(numbers))


def _number(file: str, line: int, name: str, cell: str) -> float:
    try:
        found = float(cell)
    except ValueError:
        raise BadInput(f"{file}, line {line:,}: {name} is {cell!r}, which is no number.") from None
    if not math.isfinite(found) or abs(found) > _LARGEST:
        raise BadInput(f"{file}, line {line:,}: {name} is {cell}, which is no finite number below a billion; leave the row out.")
    return found


def _agent(cell: str, file: str, line: int) -> str:
    """An agent's name; 3.0 is 3."""
    if not cell:
        raise BadInput(f"{file}, line {line:,}: the id is empty; every position needs the agent that it is of.")
    try:
        number = float(cell)
    except ValueError:
        return cell
    return str(int(number)) if math.isfinite(number) and number == int(number) else cell


def read_scene(files: Files, file: str, name: str, seconds: float) -> Read:
    """One file as a scene; `seconds` between positions, NaN where that isn't known.

    Raises BadInput with file and line: frames that go backwards, an agent twice in a frame, no agent seen twice in a row, one id only.
    """
    rows = read_rows(files, file)
    _check_order(file, rows)
    names = list(dict.fromkeys(rows.agent))
    if len(names) == 1 and len(rows.agent) > 1 and len(np.unique(rows.frame)) < len(rows.frame):
        raise BadInput(f"{file}: there is one id only, {names[0]!r}, with several positions a frame: the ids of the agents are missing.")
    places: dict[str, list[int]] = {agent: [] for agent in names}
    for row, agent in enumerate(rows.agent):
        places[agent].append(row)
    apart = np.concatenate([np.diff(rows.frame[own]) for own in places.values()])
    if not len(apart):
        raise BadInput(f"{file}: every id has one position only, so that nothing moves; is the second column really the agent?")
    found, counts = np.unique(apart, return_counts=True)
    step = float(found[counts.argmax()])
    origin = float(rows.frame.min())
    tracks: list[Track] = []
    alone = gaps = 0
    for agent, own in places.items():
        frames = rows.frame[own]
        broken = np.flatnonzero(np.abs(np.diff(frames) - step) > _LOOSE * step) + 1
        gaps += len(broken)
        for part in np.split(np.array(own), broken):
            if len(part) < 2:
                alone += 1
                continue
            first = math.floor((float(rows.frame[part[0]]) - origin) / step + 0.5)
            tracks.append(Track(rows.points[part], seconds, agent, first, name))
    notes = []
    if gaps:
        notes.append(f"{file}: {gaps:,} gaps in tracks, which are cut there")
    if alone:
        notes.append(f"{file}: {alone:,} tracks of one point are left out")
    if len(names) == 1:
        notes.append(f"{file}: there is one id only, so nobody has neighbours")
    return Read(Scene(name, tracks), step, notes)


def _check_order(file: str, rows: Rows) -> None:
    """Raises BadInput where an agent's frames go backwards, or one comes twice."""
    last: dict[str, tuple[float, int]] = {}
    for frame, agent, line in zip(rows.frame.tolist(), rows.agent, rows.line.tolist(), strict=True):
        before = last.get(agent)
        if before is not None and frame == before[0]:
            raise BadInput(f"{file}, line {line:,}: id {agent} is in frame {frame:g} twice (also line {before[1]:,}); remove one of them.")
        if before is not None and frame < before[0]:
            said = f"id {agent} goes back from frame {before[0]:g} (line {before[1]:,}) to {frame:g}"
            raise BadInput(f"{file}, line {line:,}: {said}; sort the rows by frame.")
        last[agent] = (frame, line)

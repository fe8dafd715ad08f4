"""Finds tracks among files: rows of frame, id, x, y, a file a scene."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from ..core.errors import BadInput
from .columns import split_indices
from .files import Files
from .source import Column, Source
from .text_files import plain_name
from .text_open import Found
from .text_records import file_splits
from .trajectory import AROUND, DEFAULT
from .trajectory_items import Scene, Track
from .trajectory_read import is_positions, read_scene

_ENDINGS = (".txt", ".csv", ".tsv")
_ASIDE = ("readme", "license", "licence", "notice", "citation")
_SECONDS = "splits.json"
_JSON_BYTES = 1 << 20
VALIDATION, HOLDOUT = (0.7, 0.8), (0.8, 1.0)
"""Parts of a scene's time, where files have no splits: training comes before."""


def found_trajectories(name: str, files: Files, kind: str | None, condition: Sequence[str], alone: bool) -> list[Found]:
    """All files of positions together, where they say that they are; `kind` "trajectory" takes any of the right ending."""
    ending = {file: plain_name(file).suffix.lower() for file in files.sizes}
    chosen = [file for file in files.sizes if ending[file] in _ENDINGS and not PurePosixPath(file).name.lower().startswith(_ASIDE)]
    if kind == "trajectory" and alone:
        chosen = list(files.sizes)
    if kind != "trajectory":
        chosen = [file for file in chosen if is_positions(files, file)]
    if not chosen:
        return []
    label = chosen[0] if len(chosen) == 1 else f"{len(chosen):,} files of tracks"
    return [(label, partial(open_trajectories, name, files, chosen))]


def seconds_beside(files: Files) -> dict[str, float]:
    """Scene -> seconds between positions, as a splits.json beside the files says them."""
    if not 0 < files.sizes.get(_SECONDS, 0) <= _JSON_BYTES:
        return {}
    try:
        scenes = json.loads(files.read(_SECONDS).decode("utf-8", "replace")).get("scenes", {})
        found = {name: float(own["seconds_per_step"]) for name, own in scenes.items() if "seconds_per_step" in own}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: value for name, value in found.items() if math.isfinite(value) and value > 0}


def read_scenes(files: Files, chosen: Sequence[str]) -> tuple[list[Scene], list[str]]:
    """(a scene for each file, notes)."""
    told = seconds_beside(files)
    scenes, notes = [], []
    for file in chosen:
        stem = plain_name(file).stem
        found = read_scene(files, file, stem, told.get(stem, math.nan))
        notes += found.notes
        if found.scene.tracks:
            scenes.append(found.scene)
    return scenes, notes


def parts(scene: Scene, bounds: Sequence[tuple[float, float]]) -> list[list[Track]]:
    """The tracks of each part of a scene's time, shares `bounds` of it; a track that lies in two is cut there: no moment is in two."""
    first, last = scene.steps
    found = []
    for low, high in bounds:
        begin, end = first + math.floor(low * (last - first)), first + math.floor(high * (last - first))
        cut = [track.cut(max(0, begin - track.first), max(0, end - track.first)) for track in scene.tracks]
        found.append([track for track in cut if len(track) > 1])
    return found


def trajectory_source(name: str, groups: dict[str, list[Track]], notes: Sequence[str] = (), why: str = "tracks") -> Source:
    """A source of tracks in the parts "train", "validation" and "holdout"."""
    items = [track for group in groups.values() for track in group]
    marks = [part for part, group in groups.items() for _ in group]
    columns = {column: Column(column, np.arange(len(items)), around=True) for column in AROUND}
    names = [f"{track.place}, id {track.agent}" for track in items]
    return Source(
        name, "trajectory", items, columns, split_indices(marks), tuple(notes), names=names, why_kind=why, conditions=DEFAULT
    )  # fmt: skip


def open_trajectories(name: str, files: Files, chosen: Sequence[str]) -> Source:
    """The tracks of all files. Where names say their splits these are the parts; else of each scene the last fifth of its time is held
    out, and the tenth before validates. Raises BadInput where none is left."""
    words, said = file_splits(list(chosen)) if len(chosen) > 1 else (dict.fromkeys(chosen), [])
    scenes, notes = read_scenes(files, chosen)
    groups: dict[str, list[Track]] = {"train": [], "validation": [], "holdout": []}
    if any(words.values()) and {"train", "holdout"} <= set(words.values()):
        marked = {plain_name(file).stem: word for file, word in words.items()}
        for scene in scenes:
            if (part := marked.get(scene.name)) is not None:
                groups[part] += scene.tracks
        notes += said
    else:
        for scene in scenes:
            for part, tracks in zip(groups, parts(scene, ((0.0, VALIDATION[0]), VALIDATION, HOLDOUT)), strict=True):
                groups[part] += tracks
        notes.append("of each scene the last fifth of its time is held out, and the tenth before that validates")
    if not groups["train"] or not groups["holdout"]:
        raise BadInput(f"{name} holds too few tracks to train on and to hold out: {len(groups['train'])} and {len(groups['holdout'])}.")
    return trajectory_source(name, groups, notes, "tracks: rows of frame, id, x, y")

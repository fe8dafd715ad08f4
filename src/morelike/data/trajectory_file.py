"""Tracks <-> files of a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .files import FolderFiles
from .trajectory_items import Track
from .trajectory_read import COLUMNS, read_scene


def read_file(path: Path, seconds: float) -> list[Track]:
    """The tracks of a file of frame, id, x, y. Raises BadInput with file and line."""
    return list(read_scene(FolderFiles(path.parent, [path.name]), path.name, path.stem, seconds).scene.tracks)


def write_file(items: Sequence[Track], path: Path, ending: str) -> None:
    """Writes frame (the step), id, x, y in metres to the tenth of a millimetre: CSV with a header, or tabs without."""
    between = "," if ending == ".csv" else "\t"
    rows = [between.join(COLUMNS)] if ending == ".csv" else []
    for number, item in enumerate(items, 1):
        rows += [between.join((str(step), str(number), f"{x:.4f}", f"{y:.4f}")) for step, (x, y) in enumerate(item.points, item.first)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")

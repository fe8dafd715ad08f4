"""One training at a time in a folder, and clearing a folder that is surely ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import BadInput

_OURS = (
    "card.json", "weights.safetensors", "codec.safetensors", "samples", "samples.png", "samples.csv", "recipe.toml", "report*.html",
    "training", "*.new", "request.toml", "checkpoint.safetensors", "record.jsonl", "stage-*.png", "events", "lock*",
    "auto*", "resamples.json",
)  # fmt: skip
"""What a run's folder holds, and `training` in it."""


def start_over(folder: Path) -> None:
    """Removes a run of ours, and nothing else. Raises BadInput where the folder holds something else."""
    if folder.is_dir():
        if (folder / "training").is_dir():
            with locked(folder):
                pass
        if not (folder / "training" / "request.toml").is_file():
            raise BadInput(f"{folder} holds no run of ours, so --fresh leaves it alone; choose another folder with --out")
        strange = [path for path in (*folder.iterdir(), *(folder / "training").iterdir()) if not any(map(path.match, _OURS))]
        if strange:
            what = strange[0].name
            raise BadInput(f"{folder} also holds {what}, which --fresh won't remove: move it, or choose another folder with --out")
        shutil.rmtree(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds `training/lock` with this process's number. Raises BadInput where a live process holds it."""
    path = folder / "training" / "lock"
    made = [parent for parent in (path.parent, *path.parent.parents) if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _take(path)
    except OSError as error:
        raise BadInput(f"{folder} can't be written to: {error.strerror or error}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def _take(path: Path) -> None:
    """Puts this process's number at `path`: written aside first and linked, so that nobody ever reads an empty lock."""
    own = path.with_name(f"lock.{os.getpid()}")
    own.write_text(str(os.getpid()))
    try:
        while True:
            try:
                os.link(own, path)
                return
            except FileExistsError:
                _stale(path)
    finally:
        own.unlink(missing_ok=True)


def _stale(path: Path) -> None:
    """Removes the lock of a process that is gone. Raises BadInput for one that lives."""
    try:
        owner = int(path.read_text() or "0")
    except (OSError, ValueError):
        owner = 0
    if owner and _alive(owner):
        raise BadInput(f"process {owner} is training into {path.parent.parent} right now; wait for it, or choose another folder with --out")
    path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""The record of a run: one JSON object a line, and TensorBoard events where the extra `track` is installed and asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import BadInput

Row = dict[str, Any]


class Sink(Protocol):
    """Somewhere that rows go."""

    def write(self, row: Row) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """Appends rows to a file and flushes each, so a crash loses none."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def write(self, row: Row) -> None:
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class TensorBoard:
    """Scalars for TensorBoard. Raises BadInput where the extra is missing."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise BadInput("TensorBoard events need the extra `track`: pip install 'morelike[track]'") from error
        self._writer = SummaryWriter(str(folder))

    def write(self, row: Row) -> None:
        step = row.get("step", 0)
        for name, value in row.items():
            if isinstance(value, float) and name != "seconds":
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


def read(path: Path) -> list[Row]:
    """The rows of a record; a half-written last line (a crash) is left out."""
    rows: list[Row] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows

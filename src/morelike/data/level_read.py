"""Levels in files: rows of characters, blank lines between levels; puzzle collections with "; number" lines; rooms in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..core.errors import BadInput

SIDE = 4096
"""Most rows or columns of a level."""
_MOST_TILES = 1 << 22


def grids(text: str, file: str) -> list[str]:
    """The levels of a text file, rows with line ends between. Raises BadInput naming file and row where rows are of several lengths."""
    found: list[str] = []
    rows: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if not line or line.startswith(";"):
            if rows:
                found.append(_checked(rows, f"{file}, the level that ends in line {number - 1}"))
            rows = []
            continue
        if rows and len(line) != len(rows[0]):
            raise BadInput(
                f"{file}, row {number}: it has {len(line)} tiles, but the rows before it {len(rows[0])}; "
                "all rows of a level must be of one length."
            )
        rows.append(line)
    if rows:
        found.append(_checked(rows, f"{file}, the last level"))
    if not found:
        raise BadInput(f"{file} holds no level: it has no rows of tiles.")
    return found


def numbered(text: str) -> bool:
    """Whether a text is a collection of puzzles: its first line is "; number"."""
    first = text.lstrip("\n").split("\n", 1)[0]
    return first.startswith(";") and first[1:].strip().isdecimal()


def rooms(text: str, file: str) -> list[tuple[str, dict[str, Any]]] | None:
    """(level, what else is said of it) of JSON: a list of lists of rows, or of {"tiles": [rows], ...}; None where it is neither."""
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(loaded, list) or not loaded:
        return None
    found = []
    for number, one in enumerate(loaded):
        rows = one.get("tiles") if isinstance(one, dict) else one
        if not isinstance(rows, list) or not rows or not all(isinstance(row, str) and row for row in rows):
            if not number:
                return None
            raise BadInput(f"{file}, level {number}: it must be a list of rows, or have one as its tiles.")
        short = next((at for at, row in enumerate(rows) if len(row) != len(rows[0])), None)
        if short is not None:
            raise BadInput(f"{file}, level {number}, row {short + 1}: it has {len(rows[short])} tiles, but the first row {len(rows[0])}.")
        told = {name: value for name, value in one.items() if name != "tiles"} if isinstance(one, dict) else {}
        found.append((_checked(rows, f"{file}, level {number}"), told))
    return found


def size(level: str) -> tuple[int, int]:
    """(rows, columns)."""
    width = level.find("\n")
    return (1, len(level)) if width < 0 else ((len(level) + 1) // (width + 1), width)


def check_tiles(level: str, known: frozenset[str], where: str, legend: str) -> None:
    """Raises BadInput with the row and column of the first tile that isn't known."""
    if set(level) - {"\n"} <= known:
        return
    for row, line in enumerate(level.split("\n"), 1):
        for column, tile in enumerate(line, 1):
            if tile not in known:
                listed = "".join(sorted(known))
                raise BadInput(f"{where}, row {row}, column {column}: the tile {tile!r} isn't in {legend}, which has {listed!r}.")


def _checked(rows: Sequence[str], where: str) -> str:
    height, width = len(rows), len(rows[0])
    if height > SIDE or width > SIDE or height * width > _MOST_TILES:
        raise BadInput(f"{where} has {height:,} rows of {width:,} tiles; at most {SIDE:,} x {SIDE:,} and {_MOST_TILES:,} are read.")
    return "\n".join(rows)

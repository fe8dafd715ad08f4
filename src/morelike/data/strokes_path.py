"""Path data of SVG: M L H V C S Q T A Z and their small letters, to strokes (SVG 1.1, section 8.3)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from ..core.errors import BadInput
from ..maths.polyline import Points, arc, bezier

MOST_POINTS = 500_000
"""Points of one file's lines before they are simplified."""
NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_VALUE = re.compile(rf"[\s,]*({NUMBER})")
_FLAG = re.compile(r"[\s,]*([01])")
_COMMAND = re.compile(r"[\s,]*([MmLlHhVvCcSsQqTtAaZz])")
_BLANK = re.compile(r"[\s,]*$")
_TAKES = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}


def path_strokes(data: str) -> list[Points]:
    """The strokes of path data, curves made straight; one begins at every move of the pen. Raises BadInput with the place."""
    return [np.concatenate(line) for line in _Pen(data).lines()]


class _Pen:
    """Reads path data command by command."""

    def __init__(self, data: str) -> None:
        self.data, self.place, self.points = data, 0, 0
        self.here = self.begin = np.zeros(2)
        self.control: Points | None = None
        """The last control point of the curve before, which S and T mirror."""
        self.before = ""

    def lines(self) -> Iterator[list[Points]]:
        """The pieces (k,2) of each stroke."""
        line: list[Points] = []
        for name, values in self._commands():
            kind = name.upper()
            if kind == "M":
                if line:
                    yield line
                self.here = self.begin = self._point(name, values)
                line = [self.here[None]]
            else:
                piece = self._piece(name, values)
                # after a closed part the next begins where that one did
                line = [*(line or [self.here[None]]), piece]
                self.here = piece[-1]
                self.points += len(piece)
                if self.points > MOST_POINTS:
                    raise BadInput(f"path data has more than {MOST_POINTS:,} points")
                if kind == "Z":
                    yield line
                    line = []
            self.control = self.control if kind in "CSQT" else None
            self.before = kind
        if line:
            yield line

    def _commands(self) -> Iterator[tuple[str, list[float]]]:
        while not _BLANK.match(self.data, self.place):
            found = _COMMAND.match(self.data, self.place)
            if found is None or (not self.before and found[1] not in "Mm"):
                raise self._wrong()
            name, self.place = found[1], found.end()
            yield name, self._values(name)
            while name not in "Zz" and _VALUE.match(self.data, self.place):
                name = {"M": "L", "m": "l"}.get(name, name)
                yield name, self._values(name)

    def _values(self, name: str) -> list[float]:
        values = []
        for number in range(_TAKES[name.upper()]):
            found = (_FLAG if name in "Aa" and number in (3, 4) else _VALUE).match(self.data, self.place)
            if found is None or not math.isfinite(float(found[1])):
                raise self._wrong()
            values.append(float(found[1]))
            self.place = found.end()
        return values

    def _wrong(self) -> BadInput:
        return BadInput(f"path data is wrong at character {self.place + 1:,}: {self.data[self.place : self.place + 20].strip()!r}")

    def _point(self, name: str, values: Sequence[float]) -> Points:
        found: Points = np.array(values) + (self.here if name.islower() else 0.0)
        return found

    def _piece(self, name: str, values: list[float]) -> Points:
        """(k,2) the points after the present one."""
        kind = name.upper()
        if kind == "Z":
            return self.begin[None]
        if kind in "HV":
            axis, end = "HV".index(kind), self.here.copy()
            end[axis] = values[0] + (self.here[axis] if name.islower() else 0.0)
            return end[None]
        if kind == "L":
            return self._point(name, values)[None]
        if kind == "A":
            return arc(self.here, (values[0], values[1]), values[2], bool(values[3]), bool(values[4]), self._point(name, values[5:]))
        points = [self._point(name, values[number : number + 2]) for number in range(0, len(values), 2)]
        if kind in "ST":
            alike = self.control is not None and self.before in ("CS" if kind == "S" else "QT")
            points.insert(0, 2 * self.here - self.control if alike and self.control is not None else self.here)
        self.control = points[-2]
        return bezier(np.array([self.here, *points]))

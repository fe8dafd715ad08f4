"""Outlines <-> coefficients of cubic B-splines: of airfoils a thickness and a camber line, of other outlines their own course.

N outlines, P points, D numbers of a code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput, Refused
from ..core.spec import Array
from ..maths import airfoil
from ..maths.bspline import clamped, periodic
from ..maths.outline import along, centre, crossing, pieces, signed_area
from ..maths.polyline import Points
from .curve_draw import contact_sheet
from .curve_file import read_file, write_file
from .curve_items import Outline, is_airfoil, sides_of
from .curve_measures import FORMS, measured
from .world import World

Form = Literal["airfoil", "closed", "open"]
Numbers = NDArray[np.float64]
_KNOTS, _FEWEST, _MOST = 32, 6, 128
_FINER = 4
"""Points of a decoded outline by coefficient."""
_LOOKED_AT = 300
"""Training outlines from which the error of the coding is taken."""
_USUAL = 0.98
_ROUNDING = 1e-5
"""Least share of the size that counts as an error of the coding."""


class CurveCodec(World):
    """Raw item: `Outline`. Spec (D,): coefficients, each less its training mean, over its standard deviation.

    `form` "airfoil": y over the chord, 23 numbers (`maths.airfoil`); what comes back has its chord from 0 to 1, and can't cross itself.
    "closed" and "open": x and y of `knots` coefficients of a spline over the outline's length; place is lost, size and direction are kept.
    """

    kind: ClassVar[str] = "curve"
    loss: ClassVar[str] = "what a smooth curve can't follow (`check` says how much), where the outline lay, and of airfoils size and angle"
    forms: ClassVar[Mapping[str, str]] = {
        ".dat": "one outline, in Selig's format", ".csv": "columns outline, x, y", ".npz": "an array xy (outlines, points, 2)",
        ".svg": "a sheet of outlines", "": "a .dat an outline",
    }  # fmt: skip
    page: ClassVar[tuple[int, int]] = (6, 4)

    def __init__(self, form: Form, knots: int, scale: float, mean: Numbers, deviation: Numbers, left: Numbers | None = None,
                 odd: float = 1.0) -> None:  # fmt: skip
        """`scale`: the usual size of an outline, 1 of airfoils; `mean`, `deviation`: (D,); `left` (Q,2): the root of the mean square, and
        the most, that the coding left of training items at each place (`misfit`); `odd`: of 98 in 100 of them it is at most so many times
        that root at any place."""
        self.form: Form = form
        self.knots, self.scale, self.mean, self.deviation = knots, scale, mean, deviation
        self.left = np.zeros((0, 2)) if left is None else left
        self.odd = odd
        self.spec = Array((len(mean),))
        self._places = np.linspace(0.0, 1.0, _FINER * knots, endpoint=form == "open")
        self._basis = (clamped if form == "open" else periodic)(self._places, knots)

    @classmethod
    def fit(cls, items: Iterable[Outline], form: str | None = None, knots: int = _KNOTS) -> Self:  # type: ignore[override]
        """Reads the training items. `form`: airfoil, closed or open; where none is asked for, the first that all of them have. `knots`:
        coefficients of an outline that is no airfoil. Raises BadInput for settings that can't be."""
        found = list(items)
        if not found:
            raise BadInput("there are no outlines to learn from.")
        if form is not None and form not in get_args(Form):
            raise BadInput(f"codec.form must be one of {', '.join(get_args(Form))}, not {form!r}.")
        if not _FEWEST <= knots <= _MOST:
            raise BadInput(f"codec.knots must be between {_FEWEST} and {_MOST}, not {knots}.")
        chosen: Form = form or form_of(found)  # type: ignore[assignment]  # one of them, as was asked above
        size = airfoil.NUMBERS if chosen == "airfoil" else 2 * knots
        scale = 1.0 if chosen == "airfoil" else float(np.median([item.size for item in found]))
        plain = cls(chosen, knots, scale, np.zeros(size), np.ones(size))
        codes = plain.codes(found)
        deviation = codes.std(0)
        codec = cls(chosen, knots, scale, codes.mean(0), np.where(deviation > 1e-9, deviation, 1.0))
        away = np.array([codec.misfit(item) for item in found[:: max(1, len(found) // _LOOKED_AT)]])
        codec.left = np.stack([np.sqrt((away**2).mean(0)) + _ROUNDING, away.max(0)], 1)
        codec.odd = float(np.quantile((away / codec.left[:, 0]).max(1), _USUAL))
        return codec

    def describe(self) -> list[str]:
        """Sentences on how outlines are written."""
        what = {
            "airfoil": f"Airfoils: thickness ({airfoil.THICK} numbers), camber line ({airfoil.CAMBER - 2}), gap at the trailing edge, "
            "by cubic B-splines over the chord; they can't cross themselves",
            "closed": f"Closed outlines: a cubic B-spline of {self.knots} points (codec.knots); it may cross itself, which is measured",
            "open": f"Open lines: a cubic B-spline of {self.knots} points (codec.knots)",
        }[self.form]
        usual, most = 100 * np.sqrt((self.left[:, 0] ** 2).mean()), 100 * self.left[:, 1].max()
        of = "the chord" if self.form == "airfoil" else "the usual size"
        error = f"Outlines come back within {usual:.3f} % of {of} (root of the mean square; at most {most:.2f} %)."
        return [f"{what}.", error, f"Measured, and to be conditions (--condition): {', '.join(FORMS[self.form])}."]

    def encode(self, items: Sequence[Outline]) -> np.ndarray:
        """(N,D) float32. Raises BadInput naming the outline that is none of this form."""
        found: np.ndarray = ((self.codes(items) - self.mean) / self.deviation).astype(np.float32)
        return found

    def codes(self, items: Sequence[Outline]) -> Numbers:
        """(N,D) coefficients in chords, or in `scale`."""
        found = np.zeros((len(items), len(self.mean)))
        for row, item in enumerate(items):
            if item.closed == (self.form == "open"):
                raise BadInput(f"outline {row} is {'closed' if item.closed else 'open'}, and this model is of {self.form} ones.")
            try:
                found[row] = airfoil.coded(sides_of(item)) if self.form == "airfoil" else self._course(item)
            except BadInput as error:
                raise BadInput(f"outline {row}: {error}.") from error
        return found

    def _course(self, item: Outline) -> Numbers:
        """(2K,) x then y of the coefficients, by least squares."""
        placed = self._placed(item)
        if item.at is None:
            basis, line = self._basis, along(placed, item.closed, len(self._places))
        else:
            basis, line = (clamped if self.form == "open" else periodic)(item.at, self.knots), placed
        return np.asarray(np.linalg.lstsq(basis, line, rcond=None)[0].T.reshape(-1))

    def _placed(self, item: Outline) -> Points:
        """Points around their centre, in `scale`; a closed outline against the clock from its rightmost point. What was decoded lies so."""
        if item.at is not None:
            return np.asarray(item.points / self.scale)
        if self.form == "open":
            return np.asarray((item.points - item.points.mean(0)) / self.scale)
        points = (item.points - centre(item.points)) / self.scale
        points = points if signed_area(points) > 0 else points[::-1]
        points = points[np.hypot(*pieces(points, True).T) > 0]
        return np.roll(points, -int(points[:, 0].argmax()), axis=0)

    def decode(self, x: np.ndarray) -> list[Outline]:
        """N outlines of codes (N,D)."""
        codes = np.asarray(x, np.float64) * self.deviation + self.mean
        if self.form == "airfoil":
            return [Outline(airfoil.decoded(code).points()) for code in codes]
        lines = np.einsum("pk,nak->npa", self._basis, codes.reshape(len(codes), 2, self.knots)) * self.scale
        return [Outline(line, self.form == "closed", self._places) for line in lines]

    def misfit(self, item: Outline) -> Numbers:
        """(Q,) how far an outline lies from what it comes back as, in chords, or in `scale`: of airfoils at each station of the upper side,
        then of the lower one; of others at even steps of the length."""
        if self.form == "airfoil":
            own = sides_of(item)
            back = airfoil.decoded(airfoil.coded(own))
            return np.asarray(np.abs(np.concatenate([own.upper - back.upper, own.lower - back.lower])))
        line = along(self._placed(item), item.closed, len(self._places))
        back_line = self._basis @ np.linalg.lstsq(self._basis, line, rcond=None)[0]
        return np.asarray(np.hypot(*(line - back_line).T))

    def where(self, place: int) -> str:
        """A place of `misfit`, in words."""
        if self.form != "airfoil":
            return f"{self._places[place]:.2f} of the length{' from the rightmost point' if self.form == 'closed' else ''}"
        side, station = divmod(place, airfoil.STATIONS + 1)
        return f"{('upper', 'lower')[side]} side at {airfoil.AT[station]:.2f} of the chord"

    def state(self) -> dict[str, Any]:
        return {
            "form": self.form, "knots": self.knots, "scale": self.scale, "mean": self.mean, "deviation": self.deviation,
            "left": self.left, "odd": self.odd,
        }  # fmt: skip

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        mean, deviation, left = (np.asarray(state[name], np.float64) for name in ("mean", "deviation", "left"))
        return cls(state["form"], int(state["knots"]), float(state["scale"]), mean, deviation, left, float(state["odd"]))

    def facts(self) -> dict[str, Any]:
        return {"form": self.form}

    def measured(self, name: str, x: np.ndarray) -> np.ndarray | None:
        """Properties of what the codes stand for."""
        return measured(self.decode(x), name, self.form).astype(np.float32) if name in FORMS[self.form] else None

    def broken(self, item: Outline) -> str | None:
        if self.form == "airfoil":
            return is_airfoil(item)
        return "it crosses itself" if crossing(item.points, item.closed) is not None else None

    def properties(self) -> Sequence[str]:
        return tuple(FORMS[self.form])

    def exactly(self, items: Sequence[Outline], wanted: Mapping[str, Sequence[float]]) -> list[Outline]:
        """Airfoils whose thickness and camber line are multiplied; other outlines, whose size is. Raises Refused for other properties."""
        allowed = {"airfoil": ("thickness", "camber"), "closed": ("area", "perimeter"), "open": ("length",)}[self.form]
        strange = next((name for name in wanted if name not in allowed), None)
        if strange is not None:
            raise Refused(f"exact=true makes {' and '.join(allowed)} exact, not {strange}")
        if self.form != "airfoil" and len(wanted) > 1:
            raise Refused(f"exact=true changes an outline's size, by one of {' and '.join(allowed)}")
        found = []
        for row, item in enumerate(items):
            own = {name: float(values[row]) for name, values in wanted.items()}
            if self.form == "airfoil":
                points = airfoil.scaled(sides_of(item), own.get("thickness"), own.get("camber")).points()
            else:
                (name, value), = own.items()
                times = value / max(FORMS[self.form][name](item), 1e-300)
                points = item.points * (np.sqrt(times) if name == "area" else times)
            found.append(Outline(points, item.closed, item.at))
        return found

    def read(self, path: Path) -> list[Outline]:
        """The outlines of a .dat, .csv, .txt or .npz file. Raises BadInput with file and line."""
        return read_file(path)

    def draw(self, items: Sequence[Outline], path: Path, columns: int | None = None) -> None:
        """Writes one PNG: outlines side by side in one scale."""
        contact_sheet(items, path, columns)

    def write(self, items: Sequence[Outline], path: Path, ending: str) -> None:
        """Writes outlines as `forms` says."""
        write_file(items, path, ending)


def form_of(items: Sequence[Outline]) -> Form:
    """airfoil where all are, else closed or open. Raises BadInput where some are closed and others open."""
    closed = {item.closed for item in items}
    if len(closed) > 1:
        raise BadInput("some outlines are closed and others open; take one sort at a time, or say codec.form.")
    if closed == {False}:
        return "open"
    return "airfoil" if all(is_airfoil(item) is None for item in items) else "closed"

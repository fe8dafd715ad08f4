"""Numbers of outlines that follow from their shape: conditions, and what is measured again of what was drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput
from ..maths import outline as shape
from ..maths.airfoil import coded, decoded, most_camber, most_thickness, nose_radius
from ..maths.panel import ANGLE, lift
from .curve_items import Outline, sides_of

Numbers = NDArray[np.float64]
SLOW = ("lift",)
"""Those that take some milliseconds each, and are measured where they are asked for."""


def _lift(item: Outline) -> float:
    """Of the smooth outline that the code stands for: the steps of a coarse file turn a flow without friction by too much."""
    return lift(decoded(coded(sides_of(item))).points(), ANGLE)


def _aspect(item: Outline) -> float:
    """Width by height of the box."""
    wide, high = item.points.max(0) - item.points.min(0)
    return float(wide / max(high, 1e-12))


OUTLINE: Mapping[str, Callable[[Outline], float]] = {
    "area": lambda item: abs(shape.signed_area(item.points)),
    "perimeter": lambda item: shape.length(item.points, True),
    "roundness": lambda item: shape.roundness(item.points),
    "aspect": _aspect,
}
"""Of closed outlines, in the source's units."""
LINE: Mapping[str, Callable[[Outline], float]] = {"length": lambda item: shape.length(item.points, False), "aspect": _aspect}
"""Of open ones."""
AIRFOIL: Mapping[str, Callable[[Outline], float]] = {
    "thickness": lambda item: most_thickness(sides_of(item)),
    "camber": lambda item: most_camber(sides_of(item)),
    "nose_radius": lambda item: nose_radius(sides_of(item)),
    "lift": _lift,
}
"""Of airfoils, in chords; `lift` is the coefficient at 4 degrees in a flow without friction (`maths.panel`)."""
FORMS: Mapping[str, Mapping[str, Callable[[Outline], float]]] = {"airfoil": AIRFOIL, "closed": OUTLINE, "open": LINE}
"""Form of the codec -> name -> property."""


def measured(items: Sequence[Outline], name: str, form: str) -> Numbers:
    """(N,) of a property, NaN where an outline has none."""
    return np.array([_one(item, FORMS[form][name]) for item in items], np.float64)


def measure(name: str) -> Callable[[Sequence[Outline]], Numbers]:
    """A property by name alone, as `reward` and `optimise` ask for it."""
    form = next(form for form, known in FORMS.items() if name in known)
    return lambda items: measured(items, name, form)


def _one(item: Outline, function: Callable[[Outline], float]) -> float:
    try:
        return function(item)
    except BadInput:
        return float("nan")

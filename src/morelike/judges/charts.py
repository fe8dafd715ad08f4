"""Small charts as inline SVG: the ladder's scale, a curve over steps, a pair of shares. No scripts; colours come from the page's style.

The ladder's scale and the shares use percentages across and pixels down, so their text keeps its size at any width.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .report_parts import escape, number

POINTS = 300
"""Most points drawn of one curve."""
_DECADES = 30.0
"""Largest over smallest value from which a scale is logarithmic."""
_TINY = 1e-30
"""Positive values up to this count as zero when a scale is chosen."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to percent of an axis. "asinh" is linear within about `unit` of zero and logarithmic beyond, for values of both signs."""

    kind: Literal["linear", "log", "asinh"]
    low: float
    high: float
    unit: float = 1.0
    reverse: bool = False
    """The smallest value stands at 100 %."""

    def _bend(self, value: float) -> float:
        match self.kind:
            case "log":
                return math.log10(max(value, 1e-300))
            case "asinh":
                return math.asinh(value / self.unit)
            case _:
                return value

    def at(self, value: float) -> float:
        """Percent along the axis, held within 0..100."""
        low, high = self._bend(self.low), self._bend(self.high)
        share = min(1.0, max(0.0, (self._bend(value) - low) / (high - low)))
        return 100.0 * (1.0 - share if self.reverse else share)

    def ticks(self, most: int = 6) -> list[float]:
        """At most `most` round values inside the axis and not closer to each other than their labels are wide."""
        match self.kind:
            case "log":
                candidates = _powers(self.low, self.high)
            case "asinh":
                powers = _powers(self.unit, max(abs(self.low), abs(self.high)), steps=(1.0,))
                candidates = [0.0, *powers, *(-power for power in powers)]
            case _:
                candidates = _round_values(self.low, self.high)
        apart = 100.0 / (most + 1)
        kept: list[float] = []
        for value in candidates:
            if self.low <= value <= self.high and all(abs(self.at(value) - self.at(other)) >= apart for other in kept):
                kept.append(value)
        return sorted(kept)[:most]


def _powers(low: float, high: float, steps: Sequence[float] = (1.0, 3.0, 2.0, 5.0)) -> list[float]:
    """1, 3, 2 and 5 times powers of ten from low to high, the powers first: they win where labels would touch."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**exponent for step in steps for exponent in exponents if low <= step * 10.0**exponent <= high]


def _round_values(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, four to twelve of them between low and high."""
    rough = (high - low) / 6.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough)
    return [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def scale_for(values: Iterable[float], *, reverse: bool = False, bounds: tuple[float, float] | None = None) -> Scale:
    """A scale that holds all finite values with some air: logarithmic where they span decades, on `bounds` where
    they hold the values and the values fill more than a third or so of them."""
    finite = sorted(value for value in values if math.isfinite(value))
    low, high = (finite[0], finite[-1]) if finite else (0.0, 1.0)
    if bounds and bounds[0] <= low and high <= bounds[1] and high - low > 0.3 * (bounds[1] - bounds[0]):
        air = 0.02 * (bounds[1] - bounds[0])
        return Scale("linear", bounds[0] - air, bounds[1] + air, reverse=reverse)
    if low > _TINY and high / low >= _DECADES:
        air_factor = (high / low) ** 0.06
        return Scale("log", low / air_factor, high * air_factor, reverse=reverse)
    largest = max(abs(low), abs(high))
    unit = max(min((abs(value) for value in finite if value), default=1.0), largest / 1e3)
    if low <= _TINY and largest / unit >= _DECADES:
        bend = math.asinh(high / unit), math.asinh(low / unit)
        air = 0.06 * (bend[0] - bend[1])
        return Scale("asinh", unit * math.sinh(bend[1] - air), unit * math.sinh(bend[0] + air), unit, reverse)
    air = 0.06 * (high - low) if high - low > max(1e-9 * largest, _TINY) else max(0.1 * largest, 0.1)
    return Scale("linear", low - air, high + air, reverse=reverse)


@dataclass(frozen=True, slots=True)
class Rung:
    """What one score's scale shows; None and NaN are left out."""

    value: float
    interval: tuple[float, float] | None
    floor: float | None
    floor_interval: tuple[float, float] | None
    ceiling: float | None
    copiers: Mapping[str, float]
    lower_is_better: bool
    bounds: tuple[float, float] | None = None

    def numbers(self) -> list[float]:
        """All values that the scale must hold."""
        points = [self.value, *(self.interval or ()), *(self.floor_interval or ()), *self.copiers.values()]
        return points + [value for value in (self.floor, self.ceiling) if value is not None]


def ladder_scale(rung: Rung, description: str) -> str:
    """One score's horizontal scale, better to the right: real-data band, trivial model's diamond, generated dot, copiers below."""
    scale = scale_for(rung.numbers(), reverse=rung.lower_is_better, bounds=rung.bounds)
    lane, middle = 40, 20
    axis = lane + (24 if rung.copiers else 4)
    parts = [f'<svg class="scale" role="img" height="{axis + 18}" aria-label="{escape(description)}">']
    if rung.ceiling is not None:
        parts.append(f'<rect class="zone-trivial" x="0" y="0" width="{scale.at(rung.ceiling):.2f}%" height="{lane}"/>')
    if rung.floor_interval:
        left, right = sorted(map(scale.at, rung.floor_interval))
        parts.append(f'<rect class="zone-real" x="{left:.2f}%" y="0" width="{max(right - left, 0.3):.2f}%" height="{lane}"/>')
    parts.append(f'<line class="axis" x1="0" x2="100%" y1="{middle}" y2="{middle}"/>')
    if rung.floor is not None:
        parts.append(_upright("mark-real", scale.at(rung.floor), 0, lane))
    if rung.ceiling is not None:
        x = scale.at(rung.ceiling)
        parts.append(_upright("mark-trivial", x, 0, lane))
        parts.append(f'<svg class="free" x="{x:.2f}%" y="{middle}"><path class="diamond" d="M0-7 7 0 0 7-7 0z"/></svg>')
    if rung.interval:
        left, right = sorted(map(scale.at, rung.interval))
        parts.append(f'<line class="whisker" x1="{left:.2f}%" x2="{right:.2f}%" y1="{middle}" y2="{middle}"/>')
        parts.extend(_upright("whisker", x, middle - 5, middle + 5) for x in (left, right))
    parts.append(f'<circle class="dot" cx="{scale.at(rung.value):.2f}%" cy="{middle}" r="6.5"/>')
    for name, value in rung.copiers.items():
        title = f"<title>{escape(name)}: {number(value)}</title>"
        parts.append(f'<circle class="hollow" cx="{scale.at(value):.2f}%" cy="{lane + 12}" r="5">{title}</circle>')
    parts.extend(_axis_label(scale.at(value), axis, number(value)) for value in scale.ticks())
    return "".join(parts) + "</svg>"


def _upright(css: str, x: float, top: int, bottom: int) -> str:
    return f'<line class="{css}" x1="{x:.2f}%" x2="{x:.2f}%" y1="{top}" y2="{bottom}"/>'


def _axis_label(x: float, top: int, label: str) -> str:
    anchor = "start" if x < 4 else "end" if x > 96 else "middle"
    return _upright("tick", x, top, top + 4) + f'<text x="{x:.2f}%" y="{top + 15}" text-anchor="{anchor}">{label}</text>'


def shares(real: float, generated: float, largest: float) -> str:
    """Two thin bars, real over generated, as shares of the largest share of the table. Decoration: the numbers stand beside it."""
    width = [100.0 * value / largest if largest > 0 and math.isfinite(value) else 0.0 for value in (real, generated)]
    return (
        '<svg class="shares" height="18" aria-hidden="true">'
        f'<rect class="bar-real" x="0" y="2" width="{width[0]:.2f}%" height="6" rx="2"/>'
        f'<rect class="bar-generated" x="0" y="10" width="{width[1]:.2f}%" height="6" rx="2"/></svg>'
    )


def thin(points: Sequence[tuple[float, float]], most: int = POINTS) -> list[tuple[float, float]]:
    """At most `most` of the points: each stretch keeps its smallest and its largest value, so a spike stays visible."""
    if len(points) <= most:
        return list(points)
    stretches = most // 2
    kept: list[tuple[float, float]] = []
    for i in range(stretches):
        stretch = points[i * len(points) // stretches : (i + 1) * len(points) // stretches]
        kept.extend(sorted({min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}))
    return kept


def smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A centred running mean over a tenth of the points (fewer at the ends), at most 100 of them; [] where there are few points."""
    if len(points) < 30:
        return []
    half = len(points) // 20
    sums = [0.0]
    for _, value in points:
        sums.append(sums[-1] + value)
    means: list[tuple[float, float]] = []
    for i in (*range(0, len(points) - 1, math.ceil(len(points) / 99)), len(points) - 1):
        near = min(half, i, len(points) - 1 - i)
        means.append((points[i][0], (sums[i + near + 1] - sums[i - near]) / (2 * near + 1)))
    return means


def curve(points: Sequence[tuple[float, float]], span: tuple[float, float], description: str, incidents: Sequence[float] = ()) -> str:
    """A line over the steps of `span`, a running mean where there are many points, dashed uprights at incidents.

    `points`: finite (step, value), at least one, steps rising.
    """
    left, right, top, bottom = 42.0, 312.0, 8.0, 112.0
    across = Scale("linear", span[0], max(span[1], span[0] + 1))
    up = scale_for(value for _, value in points)

    def place(step: float, value: float) -> str:
        return f"{left + (right - left) * across.at(step) / 100:.1f},{bottom - (bottom - top) * up.at(value) / 100:.1f}"

    def line(css: str, path: Sequence[tuple[float, float]]) -> str:
        return f'<polyline class="{css}" points="{" ".join(place(*point) for point in path)}"/>'

    parts = [f'<svg class="curve" viewBox="0 0 320 134" role="img" aria-label="{escape(description)}">']
    for value in up.ticks(4):
        y = bottom - (bottom - top) * up.at(value) / 100
        parts.append(f'<line class="gridline" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 3.5:.1f}" text-anchor="end">{number(value)}</text>')
    for step in incidents:
        if across.low <= step <= across.high:
            x = left + (right - left) * across.at(step) / 100
            parts.append(f'<line class="incident" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
    mean = smooth(points)
    parts.append(line("raw" if mean else "mean", thin(points)))
    if mean:
        parts.append(line("mean", mean))
    if len(points) == 1:
        place_x, place_y = place(*points[0]).split(",")
        parts.append(f'<circle class="dot" cx="{place_x}" cy="{place_y}" r="4"/>')
    parts.append(f'<text x="{left}" y="128">{number(span[0], whole=True)}</text>')
    parts.append(f'<text x="{right}" y="128" text-anchor="end">step {number(span[1], whole=True)}</text>')
    return "".join(parts) + "</svg>"

"""Forecasts as a fan: what is known as a line, the intervals of what is drawn as bands.  L steps, C channels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.drawing import write_figure
from ..maths.crps import interval
from .forecasting import Completed

_MOST, _BEFORE = 8, 3
"""Channels on a page, and how many times the drawn stretch is shown of what was before."""
_BLUE, _RED, _INK, _SOFT = "#1f6feb", "#cf222e", "#24292f", "#d0d7de"


def fan(found: Completed, path: Path, other: Completed | None = None) -> None:
    """Writes one PNG: a plot a channel with the median, the interval and one of half the paths; `other`, under stress, in red."""
    from matplotlib.figure import Figure

    names = found.item.names[:_MOST]
    rows = np.flatnonzero(found.drawn.any(1))
    first = max(0, int(rows[0]) - max(_BEFORE * (len(found.item) - int(rows[0])), 12)) if rows[0] > len(found.item) // 2 else 0
    columns = 1 if len(names) < 3 else 2
    down = -(-len(names) // columns)
    figure = Figure(figsize=(9.5 if columns == 2 else 7.5, 1.9 * down + 0.4))
    figure.set_layout_engine("constrained")
    times = found.item.times
    steps = np.arange(1, len(found.item) + 1) if times is None else times
    for number, name in enumerate(names):
        axes = figure.add_subplot(down, columns, number + 1)
        for one, colour in ((found, _BLUE), (other, _RED)):
            if one is not None:
                _band(axes, one, number, steps, first, colour)
        axes.plot(steps[first:], found.item.values[first:, number], color=_INK, linewidth=1.1)
        axes.set_title(name, fontsize=9, color=_INK, loc="left", pad=3)
        axes.tick_params(labelsize=7, color=_SOFT)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_SOFT)
        axes.locator_params(axis="y", nbins=4)
        if times is None or times.dtype.kind != "M":
            axes.locator_params(axis="x", nbins=6)
        else:
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

            locator = AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    write_figure(figure, path)


def _band(axes: object, one: Completed, channel: int, steps: Sequence[object] | np.ndarray, first: int, colour: str) -> None:
    drawn = one.drawn[:, channel]
    # joined to what is known on both sides
    shown = drawn.copy()
    shown[:-1] |= drawn[1:]
    shown[1:] |= drawn[:-1]
    shown[:first] = False
    paths = one.paths[:, :, channel]
    for level, strength in ((one.level, 0.18), (0.5, 0.22)):
        low, high = (np.where(shown, own, np.nan) for own in interval(paths, level))
        axes.fill_between(steps[first:], low[first:], high[first:], color=colour, alpha=strength, linewidth=0)  # type: ignore[attr-defined]
    middle = np.where(shown, np.median(paths, axis=0), np.nan)
    axes.plot(steps[first:], middle[first:], color=colour, linewidth=1.2)  # type: ignore[attr-defined]

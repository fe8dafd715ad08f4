"""A page of series: small plots of lines, a colour a channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .drawing import write_figure
from .series_items import Series

_COLOURS = ("#1f6feb", "#d29922", "#2da44e", "#cf222e", "#8250df", "#1f2328", "#bf3989", "#6e7781")
_MOST_COLUMNS, _WIDTH, _HEIGHT = 6, 2.3, 1.35
_MOST_CHANNELS = 8


def draw_series(items: Sequence[Series], path: Path, columns: int | None = None) -> None:
    """Writes one PNG: a plot a series, each channel between its own least and greatest value on the page; gaps stay gaps."""
    from matplotlib.figure import Figure

    columns = max(1, min(columns or _MOST_COLUMNS, math.ceil(math.sqrt(len(items) * 1.2)) or 1, max(1, len(items))))
    rows = max(1, -(-len(items) // columns))
    figure = Figure(figsize=(columns * _WIDTH, rows * _HEIGHT + 0.35), dpi=100)
    low, high = _range(items)
    names = items[0].names[:_MOST_CHANNELS] if len(items) else ()
    for number, item in enumerate(items):
        axes = figure.add_subplot(rows, columns, number + 1)
        scaled = (item.values - low) / (high - low)
        for channel in range(len(names)):
            axes.plot(scaled[:, channel], color=_COLOURS[channel], linewidth=1.0)
        axes.set_ylim(-0.06, 1.06)
        axes.set_xlim(0, max(1, len(item) - 1))
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color("#d0d7de")
    handles = [figure.axes[0].lines[channel] for channel in range(len(names))] if len(items) else []
    more = f" (and {len(items[0].names) - len(names)} more)" if len(items) and len(items[0].names) > len(names) else ""
    figure.legend(handles, [*names[:-1], f"{names[-1]}{more}"] if names else [], loc="lower center", ncols=4, fontsize=7, frameon=False)
    figure.tight_layout(rect=(0, 0.3 * math.ceil(len(names) / 4) / (rows * _HEIGHT + 0.35) + 0.02, 1, 1), pad=0.3)
    write_figure(figure, path)


def _range(items: Sequence[Series]) -> tuple[np.ndarray, np.ndarray]:
    """(C,) least and greatest value of each channel on the page; of a constant one a range about it."""
    every = np.concatenate([item.values for item in items]) if len(items) else np.zeros((1, 1))
    known = np.where(np.isfinite(every), every, np.nan)
    empty = np.isnan(known).all(0)
    known[:, empty] = 0.0
    low, high = np.nanmin(known, 0), np.nanmax(known, 0)
    flat = high <= low
    return np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high)

"""Columns of a table as a page of small histograms, for people who would rather look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from .drawing import write_figure
from .table_columns import CategoryColumn, ColumnCode, NumberColumn, is_missing, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 24
_BARS = 8
_BINS = 30
_INK, _BAR, _FAINT, _GONE = "#333333", "#4c78a8", "#c8cdd3", "#b0b0b0"
_LETTERS = 18
_TICK = 9
_ROOM = 5
"""A page of few bars leaves room for so many."""


def draw_columns(shown: Sequence[tuple[ColumnCode, np.ndarray]], path: Path, columns: int | None = None) -> None:
    """Writes a PNG of the first 24 columns: (code, cells (N,)) of each; numbers as histograms, categories as their commonest values."""
    from matplotlib.figure import Figure

    shown = shown[:_COLUMNS]
    across = max(1, min(columns or 4, len(shown)))
    down = -(-len(shown) // across)
    figure = Figure(figsize=(3.1 * across, 2.1 * down), layout="constrained")
    for number, (code, cells) in enumerate(shown):
        axes = figure.add_subplot(down, across, number + 1)
        axes.set_title(_short(code.name, 32), fontsize=9, color=_INK, loc="left", fontweight="bold", parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_FAINT)
        axes.tick_params(labelsize=7, colors=_INK, length=2, color=_FAINT)
        if isinstance(code, NumberColumn):
            _numbers(axes, code, cells.tolist())
        elif isinstance(code, CategoryColumn):
            _categories(axes, code, cells.tolist())
    write_figure(figure, path)


def _numbers(axes: Axes, code: NumberColumn, texts: Sequence[str]) -> None:
    """Bars of the numbers between the training extremes, with the share that is missing."""
    values = code.form.parse(texts)
    values = values[np.isfinite(values)]
    low, high = float(code.quantiles.values[0]), float(code.quantiles.values[-1])
    axes.hist(values.clip(low, high), bins=_BINS, range=(low, high if high > low else low + 1), color=_BAR)
    ticks = np.linspace(low, high, 3)
    names = code.form.write(code.form.snap(ticks))
    sides: list[Literal["left", "center", "right"]] = ["left", "center", "right"]
    if max(map(len, names)) > _TICK:
        ticks, names, sides = ticks[[0, 2]], names[::2], ["left", "right"]
    axes.set_xticks(ticks, [_short(text, _TICK + 3) for text in names])
    for text, side in zip(axes.get_xticklabels(), sides, strict=True):
        text.set_horizontalalignment(side)
        text.set_parse_math(False)
    axes.set_yticks([])
    gone = 1 - len(values) / max(1, len(texts))
    if gone:
        axes.set_title(f"{gone:.0%} no number" if gone >= 0.005 else "some no number", fontsize=7, color=_GONE, loc="right")


def _categories(axes: Axes, code: CategoryColumn, texts: Sequence[str]) -> None:
    """A bar each of the commonest values, and one of all others together; few numbers stand in their order."""
    counts = Counter(texts)
    common = [text for text, _ in counts.most_common(_BARS)]
    if len(counts) <= _BARS and code.form is not None:
        common = [value for value in code.values if value in counts]
    others = len(texts) - sum(counts[text] for text in common)
    names = [_short(label(text), _LETTERS) for text in common] + ([f"{len(counts) - len(common):,} others"] if others else [])
    sizes = [counts[text] for text in common] + ([others] if others else [])
    colours = [_GONE if is_missing(text) else _BAR for text in common] + ([_FAINT] if others else [])
    axes.barh(range(len(sizes)), np.array(sizes) / max(1, len(texts)), color=colours, height=0.75)
    axes.set_yticks(range(len(names)), names)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.set_ylim(max(len(sizes), _ROOM) - 0.4, -0.6)
    axes.set_xticks([])


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"

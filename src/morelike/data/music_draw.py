"""Tunes as a page of piano rolls, for people who would rather look: time goes right, pitch goes up, each voice has its colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .drawing import write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Note = tuple[int, int, int, int]
"""(start, length, pitch, voice), in steps."""
_TUNES = 16
_STEPS, _FEWEST_STEPS = 256, 64
"""Of a tune are shown where it has the page's whole width, and at the least where tunes stand side by side."""
_COLOURS = ("#d55e00", "#e69f00", "#009e73", "#0072b2", "#cc79a7", "#56b4e9")
"""Of voices from the highest on, told apart by colour-blind people too (Okabe, Ito 2008); further voices begin anew."""
_INK, _SOFT, _LINE, _KEY = "#333333", "#7a7f85", "#c8cdd3", "#f1f3f5"
_BLACK = (1, 3, 6, 8, 10)
_THICK = 0.94
"""Of a semitone's height is a note."""


def draw_tunes(tunes: Sequence[Sequence[Note]], path: Path, columns: int = 2, bar: int = 16, names: Sequence[str] = ()) -> None:
    """Writes a PNG of the beginnings (256 steps, fewer side by side) of at most 16 tunes of (start, length, pitch, voice) notes.

    All have one scale. `bar` is the number of steps between bar lines (0: none); `names` are those of the voices, for the legend.
    """
    from matplotlib.figure import Figure

    tunes = tunes[:_TUNES]
    across = max(1, min(columns, len(tunes)))
    down = max(1, -(-len(tunes) // across))
    most = max(_FEWEST_STEPS, _STEPS // across)
    shown = [[(start, min(length, most - start), pitch, voice) for start, length, pitch, voice in tune if start < most] for tune in tunes]
    pitches = [note[2] for tune in shown for note in tune] or [60]
    low, high = min(pitches) - 3, max(pitches) + 4
    steps = max([8, *(note[0] + note[1] for tune in shown for note in tune)])
    voices = sorted({note[3] for tune in shown for note in tune})
    head = 0.4 if len(voices) > 1 else 0.0
    wide, tall = max(3.4, 11.0 / across), 0.06 * (high - low) + 0.55
    figure = Figure(figsize=(wide * across, tall * down + head))
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - head / (tall * down + head)), w_pad=0.08, h_pad=0.06)
    for number, (tune, seen) in enumerate(zip(tunes, shown, strict=True)):
        axes = figure.add_subplot(down, across, number + 1)
        _keyboard(axes, low, high, steps, bar)
        _notes(axes, seen, 0.004 * steps)
        end = max((note[0] + note[1] for note in tune), default=0)
        said = f"  the first {most} of {end:,} steps" if end > most else "" if tune else "  silent"
        axes.set_title(f"tune {number + 1}{said}", fontsize=8, color=_INK, loc="left", pad=3)
    if head:
        from matplotlib.patches import Patch

        labels = [names[voice] if voice < len(names) else f"voice {voice + 1}" for voice in voices]
        patches = [Patch(color=_colour(voice), label=label) for voice, label in zip(voices, labels, strict=True)]
        figure.legend(handles=patches, loc="upper left", ncols=min(8, len(voices)), frameon=False, fontsize=9, labelcolor=_INK,
                      handlelength=1.4, handleheight=0.7, columnspacing=1.6)
    write_figure(figure, path)


def _colour(voice: int) -> str:
    return _COLOURS[voice % len(_COLOURS)]


def _keyboard(axes: Axes, low: int, high: int, steps: int, bar: int) -> None:
    """The page behind the notes: rows of black keys, a line under every C, bar lines and their numbers."""
    axes.set_xlim(0, steps)
    axes.set_ylim(low - 0.5, high - 0.5)
    for pitch in range(low, high):
        if pitch % 12 in _BLACK:
            axes.axhspan(pitch - 0.5, pitch + 0.5, color=_KEY, linewidth=0, zorder=0)
    octaves = [pitch for pitch in range(low, high) if pitch % 12 == 0]
    for pitch in octaves:
        axes.axhline(pitch - 0.5, color=_LINE, linewidth=0.6, zorder=1)
    axes.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves])
    if bar > 0:
        lines = list(range(0, steps + 1, bar))
        for line in lines:
            axes.axvline(line, color=_LINE, linewidth=0.8, zorder=1)
        each = -(-len(lines) // 16)
        axes.set_xticks(lines[::each], [_bar_name(line // bar + 1) if line < steps else "" for line in lines[::each]])
    else:
        axes.set_xticks([])
    axes.tick_params(labelsize=7, colors=_SOFT, length=0, pad=3)
    axes.spines[:].set_visible(False)


def _bar_name(number: int) -> str:
    return "bar 1" if number == 1 else str(number)


def _notes(axes: Axes, notes: Sequence[Note], gap: float) -> None:
    """Bars, each `gap` of a step short so that repeated notes are two; a pitch that voices share at a step is striped in their colours."""
    cells: dict[tuple[int, int], set[int]] = {}
    for start, length, pitch, voice in notes:
        free = min(gap, length / 3)
        axes.broken_barh([(start, length - free)], (pitch - _THICK / 2, _THICK), facecolor=_colour(voice), linewidth=0, zorder=2)
        for step in range(start, start + length):
            cells.setdefault((step, pitch), set()).add(voice)
    for (step, pitch), voices in cells.items():
        if len(voices) > 1:
            high = _THICK / len(voices)
            for place, voice in enumerate(sorted(voices, reverse=True)):
                axes.broken_barh([(step, 1)], (pitch - _THICK / 2 + place * high, high), facecolor=_colour(voice), linewidth=0, zorder=3)

"""Piano rolls: time to the right, pitch upwards, a colour a voice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from .tune import Tune

_COLOURS = ("#2563a8", "#d9822b", "#2f9e6b", "#b03a5b", "#7a5cc0", "#5b6770", "#a8841f", "#1f9aa8")
_WIDTH, _HEIGHT, _GAP = 560, 190, 18
_INK, _LINE, _OCTAVE = "#ffffff", "#d8dde3", "#eceff3"
_LEAST = 13
"""Semitones of a roll, at least."""


def draw_tunes(tunes: Sequence[Tune], path: Path, columns: int | None = None) -> None:
    """Writes one PNG with a roll of each tune, all over the same pitches; bars are parted by lines, octaves by fainter ones."""
    columns = min(columns or (1 if len(tunes) < 3 else 2), max(1, len(tunes)))
    rows = max(1, -(-len(tunes) // columns))
    page = Image.new("RGB", (columns * (_WIDTH + _GAP) + _GAP, rows * (_HEIGHT + _GAP) + _GAP), _INK)
    pen = ImageDraw.Draw(page)
    pitches = [note.pitch for tune in tunes for note in tune.notes] or [60]
    low, high = min(pitches) - 1, max(max(pitches) + 1, min(pitches) + _LEAST)
    for number, tune in enumerate(tunes):
        row, column = divmod(number, columns)
        _roll(pen, tune, (low, high), (_GAP + column * (_WIDTH + _GAP), _GAP + row * (_HEIGHT + _GAP)))
    page.save(path, format="PNG")


def _roll(pen: ImageDraw.ImageDraw, tune: Tune, pitches: tuple[int, int], corner: tuple[int, int]) -> None:
    left, top = corner
    low, high = pitches
    wide, tall = _WIDTH / max(1, tune.length), _HEIGHT / (high - low + 1)
    for pitch in range(low, high + 1):
        if pitch % 12 == 0:
            y = top + round((high - pitch + 1) * tall)
            pen.line((left, y, left + _WIDTH, y), _OCTAVE)
    # lines closer than 12 pixels would hide the notes
    bars = max(tune.bar, -(-12 // max(wide * tune.bar, 1e-9)) * tune.bar)
    for bar in range(0, tune.length + 1, int(bars)):
        x = left + round(bar * wide)
        pen.line((x, top, x, top + _HEIGHT), _LINE)
    pen.rectangle((left, top, left + _WIDTH, top + _HEIGHT), outline=_LINE)
    for note in tune.notes:
        begin, above = left + note.start * wide, top + (high - note.pitch) * tall
        end = max(begin + 1, left + note.end * wide - 2.5)
        pen.rectangle((round(begin), round(above), round(end), round(above + max(2.0, tall - 1))), _COLOURS[note.voice % len(_COLOURS)])

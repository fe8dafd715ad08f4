"""Texts set as a page, for people who would rather look."""

from __future__ import annotations

import textwrap
import unicodedata
import warnings
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from .drawing import write_figure

_ITEMS = 40
_LETTERS = 400
_WIDE = 96
_LINE_INCHES = 0.19


def draw_page(items: Sequence[str], path: Path, columns: int = 1) -> None:
    """Writes a PNG with the first 400 characters of at most 40 texts, in `columns`; letters without a font are shown as U+XXXX."""
    from matplotlib.figure import Figure

    columns = max(1, min(columns, 4, len(items)))
    width = _WIDE // columns
    shown = [_wrapped(item, width) for item in islice(items, _ITEMS)]
    per = -(-len(shown) // columns)
    heights = [sum(len(lines) + 1 for lines in shown[start : start + per]) for start in range(0, len(shown), per)] if shown else [1]
    inches = (max(heights) + 1) * _LINE_INCHES
    figure = Figure(figsize=(10, max(1.0, inches)))
    for column in range(columns):
        place = 1 - _LINE_INCHES / max(1.0, inches)
        left = (column + 0.02) / columns
        for lines in shown[column * per : (column + 1) * per]:
            for line in lines:
                figure.text(left, place, line, fontsize=9, family=_families(), va="top", parse_math=False)
                place -= _LINE_INCHES / max(1.0, inches)
            place -= _LINE_INCHES / max(1.0, inches)
    with warnings.catch_warnings():
        # Letters that no font has were replaced already; what is left (joiners) draws as nothing.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        write_figure(figure, path)


@lru_cache(maxsize=1)
def _families() -> list[str]:
    """Fonts to be looked through for a letter, the widest last; only those that are installed."""
    from matplotlib import font_manager

    names = {font.name for font in font_manager.fontManager.ttflist}
    wanted = ("DejaVu Sans Mono", "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Arial Unicode MS", "Unifont")
    return [name for name in wanted if name in names] or ["sans-serif"]


@lru_cache(maxsize=1)
def _drawable() -> frozenset[int]:
    from matplotlib import font_manager

    found: set[int] = set()
    for name in _families():
        found.update(font_manager.get_font(font_manager.findfont(name)).get_charmap())
    return frozenset(found)


def _wrapped(item: str, width: int) -> list[str]:
    shown = item[:_LETTERS] + (" ..." if len(item) > _LETTERS else "")
    drawable = _drawable()
    letters = []
    for letter in shown:
        if letter in "\n\t" or ord(letter) in drawable:
            letters.append(letter if letter != "\t" else "    ")
        elif unicodedata.category(letter)[0] not in "MC" or letter == "\ufffd":
            letters.append(f"[{ord(letter):04X}]")
    lines: list[str] = []
    for line in "".join(letters).split("\n"):
        lines += textwrap.wrap(line, width, drop_whitespace=False) or [""]
    return lines[:12] or [""]

"""What a text looks like, gathered in one pass: its characters, its scripts, its lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from .text_items import joined

CODE_POINTS = 0x110000
_SCRIPT_SHARE = 0.01


@dataclass(slots=True)
class TextSurvey:
    """Counts over the training part of a text."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(CODE_POINTS, np.int64))
    """(1,114,112) how often each code point comes."""
    items: int = 0
    characters: int = 0
    longest: int = 0
    """Characters of the longest item."""
    longest_line: int = 0
    empty_lines: int = 0

    @property
    def seen(self) -> np.ndarray:
        """The code points that come, rising."""
        return np.flatnonzero(self.counts)


def code_points(text: str) -> np.ndarray:
    """(characters,) uint32, uint8 where all are ASCII; lone surrogates, which are no characters, become U+FFFD."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    lone = (points >= 0xD800) & (points < 0xE000)
    return np.where(lone, np.uint32(0xFFFD), points) if lone.any() else points


def survey_text(items: Iterable[str], running: bool) -> TextSurvey:
    """One pass over the items, or over the consecutive passages of one `running` text."""
    seen = TextSurvey()

    def measured() -> Iterable[str]:
        for item in items:
            seen.items += 1
            seen.longest = max(seen.longest, len(item))
            yield item

    line = 0
    for block in joined(measured()):
        points = code_points(block)
        seen.characters += len(points)
        counts = np.bincount(points)
        seen.counts[: len(counts)] += counts
        if not running:
            continue
        ends = np.flatnonzero(points == 10)
        # The line that was open at the block's start ends at its first line end.
        lengths = np.diff(ends, prepend=-1 - line) - 1
        seen.empty_lines += int((lengths == 0).sum())
        line = len(points) - 1 - int(ends[-1]) if len(ends) else line + len(points)
        seen.longest_line = max(seen.longest_line, line, int(lengths.max(initial=0)))
    return seen


def scripts(counts: np.ndarray) -> list[tuple[str, float]]:
    """(script, share of the letters), the commonest first; a script is the first word of its letters' Unicode names."""
    found: dict[str, int] = {}
    for point in np.flatnonzero(counts).tolist():
        if unicodedata.category(chr(point))[0] == "L":
            word = unicodedata.name(chr(point), "unnamed").split()[0].split("-")[0].capitalize()
            word = {"Cjk": "CJK", "Halfwidth": "Katakana", "Fullwidth": "Latin"}.get(word, word)
            found[word] = found.get(word, 0) + int(counts[point])
    total = max(1, sum(found.values()))
    return sorted(((word, count / total) for word, count in found.items()), key=lambda pair: -pair[1])


def text_sentences(seen: TextSurvey, running: bool) -> list[str]:
    """What the training part is like, for `check`."""
    distinct = len(seen.seen)
    what = "The training part of the running text" if running else f"The {seen.items:,} training items"
    text = [f"{what} {'has' if running else 'have'} {seen.characters:,} characters, {distinct:,} of them distinct."]
    shares = scripts(seen.counts)
    if shares:
        named = ", ".join(f"{word} {share:.0%}" for word, share in shares if share >= _SCRIPT_SHARE)
        text.append(f"Letters: {named}.")
    if running:
        text.append(f"The longest line has {seen.longest_line:,} characters; {seen.empty_lines:,} lines are empty.")
    else:
        text.append(f"The longest item has {seen.longest:,} characters, the average {seen.characters / max(1, seen.items):,.0f}.")
    return text

"""Texts on the report's page: cards of samples, pictures with their captions, and pairs with the span marked that both share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from .report_parts import Picture, escape, picture_tag

MOST_CARDS, MOST_CHARACTERS = 24, 700
_COMPARED = 1_500
_PICTURE_BYTES = 15_000


@dataclass(frozen=True, slots=True)
class Writing:
    """One text and a line on it: its class, or what it answers; or a picture and its caption."""

    text: str
    about: str = ""
    picture: Picture | None = None


Writings = tuple[Writing, ...]


def plain(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text's beginning, with plain line ends."""
    text = text[: most + 1].replace("\r\n", "\n").replace("\r", "\n")
    return text if len(text) <= most else text[:most] + "…"


def text_block(text: str) -> str:
    """A text as it stands, line breaks and all."""
    return _block(escape(plain(text)) if text else "")


def _block(inner: str) -> str:
    # HTML drops a line break that comes first in a <pre>: here is one to drop.
    return f'<pre class="text" dir="auto">\n{inner}</pre>' if inner else '<p class="quiet">(empty)</p>'


def cards(writings: Sequence[Writing], most: int = MOST_CARDS) -> str:
    """At most `most` texts, each on a card under its line; pictures over their captions."""
    items, pictured = [], False
    for writing in writings[:most]:
        if writing.picture is not None:
            tag = picture_tag(writing.picture, writing.about, width=96, most_bytes=_PICTURE_BYTES)
            items.append(f'<li><figure>{tag}<figcaption dir="auto">{escape(plain(writing.about, 300))}</figcaption></figure></li>')
            pictured = True
            continue
        about = f'<p class="about" dir="auto">{escape(plain(writing.about, 300))}</p>' if writing.about else ""
        items.append(f"<li>{about}{text_block(writing.text)}</li>")
    return f'<ol class="texts{" pictured" if pictured else ""}">{"".join(items)}</ol>' if items else ""


def shared_span(first: str, second: str) -> tuple[int, int, int]:
    """(start in first, start in second, length) of the longest span that both hold, in their first 1,500 characters."""
    first, second = first[:_COMPARED], second[:_COMPARED]
    found = SequenceMatcher(None, first, second, autojunk=False).find_longest_match(0, len(first), 0, len(second))
    return found.a, found.b, found.size


def marked(text: str, start: int, length: int) -> str:
    """A text with one span marked; it is cut around the span where it is long."""
    text, begin = text[:_COMPARED], max(0, min(start - MOST_CHARACTERS // 2, len(text) - MOST_CHARACTERS))
    end = max(begin + MOST_CHARACTERS, start + length)
    parts = [text[begin:start], text[start : start + length], text[start + length : end]]
    before, span, after = (escape(part.replace("\r\n", "\n").replace("\r", "\n")) for part in parts)
    inside = f"<mark>{span}</mark>" if span else ""
    return _block(f"{'…' if begin else ''}{before}{inside}{after}{'…' if end < len(text) else ''}" if text else "")

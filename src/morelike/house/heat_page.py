"""The heat map of a text's surprise as one self-contained HTML page, for light and dark screens."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from ..judges.report_parts import escape

EDGES = (0.5, 1.0, 2.0, 4.0, 7.0)
"""Nats at which the colour changes; below the first there is none."""
LEVELS = ("below 0.5", "0.5 to 1", "1 to 2", "2 to 4", "4 to 7", "7 and more")

_STYLE = """
:root { color-scheme: light dark; --page: #fbfaf8; --ink: #1d1b19; --soft: #6d6862; --line: #e4e0da; --card: #fff;
  --s1: #fdf0d5; --s2: #fbdba7; --s3: #f7b267; --s4: #ee7b4d; --s5: #c73e3a; --on5: #fff; }
@media (prefers-color-scheme: dark) { :root { --page: #161513; --ink: #e9e5df; --soft: #a29b92; --line: #34302b; --card: #1d1b18;
  --s1: #2f2818; --s2: #4a3715; --s3: #734a14; --s4: #a04a20; --s5: #d0453f; --on5: #fff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.6 system-ui, sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .35rem; font-weight: 650; letter-spacing: -.01em; }
p { margin: .4rem 0; color: var(--soft); max-width: 46rem; overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin: 1.5rem 0; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1.25rem 1.4rem; font: 1.02rem/1.9 ui-monospace, "SF Mono", Menlo, Consolas, "Noto Sans Mono", monospace; }
.text span { padding: .12em 0; box-decoration-break: clone; -webkit-box-decoration-break: clone; }
.legend { display: flex; flex-wrap: wrap; gap: .4rem; margin: 1rem 0; padding: 0; list-style: none; font-size: .85rem; }
.legend span { padding: .15rem .6rem; display: inline-block; border: 1px solid var(--line); border-radius: .25rem; }
.legend li { display: flex; align-items: center; }
.s1 { background: var(--s1); } .s2 { background: var(--s2); } .s3 { background: var(--s3); } .s4 { background: var(--s4); }
.s5 { background: var(--s5); color: var(--on5); }
.end { color: var(--soft); border: 1px dashed var(--line); padding: 0 .4em; }
@media print { body { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""


def level(nats: float) -> int:
    """0 to 5: which colour so many nats have."""
    return bisect_right(EDGES, nats)


def page(found: Mapping[str, Any], model: str) -> str:
    """The page of what `explain` found; every text is escaped, and nothing is loaded from elsewhere."""
    parts = "".join(_span(part["text"], part["nats"]) for part in found["parts"])
    if found["end"] is not None:
        parts += f'<span class="s{level(found["end"])} end" title="{found["end"]:.2f} nats">end</span>'
    facts = {
        "nats per character": f"{found['nats_per_character']:.3f}",
        "bits per character": f"{found['nats_per_character'] / math.log(2):.3f}",
        "characters": f"{found['characters']:,}",
        "nats in all": f"{found['nats']:,.1f}",
    }
    tiles = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    legend = "".join(f'<li><span class="s{number}">{name}</span></li>' for number, name in enumerate(LEVELS))
    notes = "".join(f"<p>{escape(note)}</p>" for note in found["notes"])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>What surprises {escape(model)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>What surprises {escape(model)}</h1>\n<p>The stronger the colour, the less the model expected this piece of the text "
        f"after what stands before it. Point at a piece for its nats.</p>\n<dl>{tiles}</dl>\n"
        f'<ul class="legend" aria-label="nats of a piece">{legend}<li>nats</li></ul>\n<div class="text">{parts}</div>\n{notes}\n'
        "</main>\n</body>\n</html>\n"
    )


def _span(text: str, nats: float) -> str:
    # a line end alone would have no area to be coloured or pointed at
    shown = "".join("↵\n" if letter == "\n" else escape(letter) for letter in text) if level(nats) else escape(text)
    return f'<span class="s{level(nats)}" title="{nats:.2f} nats">{shown}</span>'

"""Tables on the report's page: each column's real and generated values in one small chart, and a map of the errors of all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from .extractor import Floats
from .report_parts import escape, fixed, number, section, table
from .table_codes import Coded, Column
from .table_scores import column_errors, column_pairs, pair_errors

MOST_COLUMNS, MOST_MAPPED = 24, 30
_BINS, _BARS, _LETTERS, _WORST = 24, 9, 22, 8
_SCALE_LEAST = 5.0
"""The map's darkest colour stands for at least so many percent."""
_REAL, _MADE = "fill:var(--real);fill-opacity:.32", "fill:none;stroke:var(--generated);stroke-width:1.6"


@dataclass(frozen=True, slots=True)
class Chart:
    """One column: the shares of its bins or values in both tables."""

    name: str
    kind: str
    error: float
    """Percent."""
    labels: tuple[str, ...]
    """Of numbers the two ends of the axis, of categories one for each value."""
    real: tuple[float, ...]
    made: tuple[float, ...]
    missing: tuple[float, float] = (0.0, 0.0)
    """Shares without a number, real and generated."""


@dataclass(frozen=True, slots=True)
class TablePicture:
    """What the page shows of two tables."""

    charts: tuple[Chart, ...]
    """Of all columns that are compared."""
    pairs: Mapping[tuple[int, int], float]
    """(first, second) places among the charts -> percent."""


def table_picture(real: Coded, made: Coded) -> TablePicture:
    """The charts of all columns and the errors of the pairs (500 at random where there are more). Both tables hold rows."""
    errors = 100.0 * column_errors(real, made)[:, 0]
    charts = [
        _chart(column, real.x[:, place], made.x[:, place], float(errors[place])) for place, column in enumerate(real.columns)
    ]
    pairs = column_pairs(len(real.columns))
    found = 100.0 * pair_errors(real, made, pairs)[:, 0] if pairs else np.zeros(0)
    return TablePicture(tuple(charts), {pair: float(error) for pair, error in zip(pairs, found, strict=True)})


def _chart(column: Column, real: Floats, made: Floats, error: float) -> Chart:
    if column.kind == "category":
        return _bars(column, real.astype(np.int64), made.astype(np.int64), error)
    known = [side[np.isfinite(side)] for side in (real, made)]
    low, high = np.quantile(known[0], [0.005, 0.995]) if len(known[0]) else (0.0, 1.0)
    if low == high:
        low, high = float(known[0].min()), float(known[0].max())
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    # What lies beyond the ends is counted at the ends, so that one outlier doesn't flatten the rest.
    shares = [tuple(np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0] / max(1, len(side))) for side in known]
    missing = tuple(1 - len(part) / max(1, len(side)) for part, side in zip(known, (real, made), strict=True))
    ends = _moment(column, edges[0]), _moment(column, edges[-1])
    return Chart(column.name, "number", error, ends, shares[0], shares[1], (missing[0], missing[1]))


def _moment(column: Column, value: float) -> str:
    """A number as an axis says it; dates in days, times of day in minutes."""
    if not column.reader.startswith(("date", "time")):
        return number(float(value))
    try:
        # timedelta, for times of day lie before 1970, where fromtimestamp fails on some systems
        moment = datetime(1970, 1, 1) + timedelta(seconds=float(value))
    except (ValueError, OverflowError):
        return number(float(value))
    return f"{moment:%H:%M}" if column.reader.startswith("time") else moment.date().isoformat()


def _bars(column: Column, real: Floats, made: Floats, error: float) -> Chart:
    """The most frequent values, and all others together."""
    shares = [np.bincount(side, minlength=column.ids) / max(1, len(side)) for side in (real, made)]
    shown = len(column.values) if len(column.values) <= _BARS else _BARS - 1
    labels, rows = list(column.values[:shown]), [list(side[:shown]) for side in shares]
    rest = [float(side[shown:].sum()) for side in shares]
    if shown < len(column.values) or max(rest) > 0:
        left = len(column.values) - shown
        labels.append(f"{left} others" if left else "other values")
        rows = [[*row, more] for row, more in zip(rows, rest, strict=True)]
    return Chart(column.name, "category", error, tuple(labels), tuple(map(float, rows[0])), tuple(map(float, rows[1])))


# The page


def columns_section(picture: TablePicture) -> str:
    """All columns side by side, the one with the largest error first; at most 24."""
    shown = sorted(picture.charts, key=lambda chart: -chart.error)[:MOST_COLUMNS]
    items = "".join(f"<li>{_figure(chart)}</li>" for chart in shown)
    left = len(picture.charts) - len(shown)
    lead = "Each column's values in the training data and among the generated rows. The error is the score's: the largest gap between the "
    lead += "two distribution functions for numbers, half the sum of differences of the shares for categories."
    key = '<p class="key"><i class="bar-real"></i> real <i class="bar-generated"></i> generated (its shares in figures)</p>'
    rest = f'<p class="quiet">{left} more columns have smaller errors.</p>' if left else ""
    return section("columns", "Column by column", f'{key}<ol class="cards">{items}</ol>{rest}' if items else "", lead)


def _figure(chart: Chart) -> str:
    words = f"{chart.name}: error {fixed(chart.error, 1)} %"
    drawn = _histogram(chart, words) if chart.kind == "number" else _values(chart, words)
    missing = ""
    if max(chart.missing) > 0:
        missing = f"; missing: real {chart.missing[0]:.1%}, generated {chart.missing[1]:.1%}"
    caption = f"<b>{escape(_short(chart.name, 40))}</b> · error {fixed(chart.error, 1)} %{missing}"
    return f"<figure><figcaption>{caption}</figcaption>{drawn}</figure>"


def _short(text: str, most: int = _LETTERS) -> str:
    text = " ".join(text.split()) or "(empty)"
    return text if len(text) <= most else text[: most - 1] + "…"


def _histogram(chart: Chart, words: str) -> str:
    """Real as an area, generated as a line of steps over it."""
    width, top, bottom = 264.0, 6.0, 96.0
    step = width / len(chart.real)
    largest = max(*chart.real, *chart.made, 1e-9)

    def outline(shares: Sequence[float]) -> str:
        corners = []
        for place, share in enumerate(shares):
            y = bottom - (bottom - top) * share / largest
            corners.append(f"{place * step:.1f} {y:.1f} {(place + 1) * step:.1f} {y:.1f}")
        return f"M0 {bottom:.1f} {' '.join(corners)} {width:.1f} {bottom:.1f}"

    return (
        f'<svg viewBox="0 0 {width:.0f} 114" width="100%" role="img" aria-label="{escape(words)}">'
        f'<path style="{_REAL}" d="{outline(chart.real)}Z"/><path style="{_MADE}" d="{outline(chart.made)}"/>'
        f'<line class="axis" x1="0" x2="{width:.0f}" y1="{bottom:.0f}" y2="{bottom:.0f}"/>'
        f'<text x="0" y="110">{escape(chart.labels[0])}</text>'
        f'<text x="{width:.0f}" y="110" text-anchor="end">{escape(chart.labels[-1])}</text></svg>'
    )


def _values(chart: Chart, words: str) -> str:
    """A row for each value: two thin bars, real over generated, and both shares."""
    width, left, row, room = 264.0, 112.0, 19.0, 104.0
    largest = max(*chart.real, *chart.made, 1e-9)
    parts = [f'<svg viewBox="0 0 {width:.0f} {row * len(chart.labels) + 4:.0f}" width="100%" role="img" aria-label="{escape(words)}">']
    for place, (label, real, made) in enumerate(zip(chart.labels, chart.real, chart.made, strict=True)):
        y = place * row + 4
        title = f"<title>{escape(_short(label, 200))}: real {real:.1%}, generated {made:.1%}</title>"
        parts.append(
            f'<g>{title}<text x="{left - 6:.0f}" y="{y + 10:.1f}" text-anchor="end">{escape(_short(label, 18))}</text>'
            f'<rect class="bar-real" x="{left:.0f}" y="{y:.1f}" width="{room * real / largest:.1f}" height="6" rx="2"/>'
            f'<rect class="bar-generated" x="{left:.0f}" y="{y + 7:.1f}" width="{room * made / largest:.1f}" height="6" rx="2"/>'
            f'<text x="{width:.0f}" y="{y + 10:.1f}" text-anchor="end">{made:.1%}</text></g>'
        )
    return "".join(parts) + "</svg>"


def pairs_section(picture: TablePicture) -> str:
    """The map of errors, and the worst pairs in words; of more than 30 columns those with the worst pair."""
    if not picture.pairs:
        return ""
    shown = _mapped(picture)
    lead = "How far each pair of columns goes together otherwise than in the training data, in percent: half the difference of the "
    lead += "correlations of two numbers, else half the sum of differences of the shares of all combinations. Pale is good."
    worst = sorted(picture.pairs.items(), key=lambda item: -item[1])[:_WORST]
    rows = [
        [escape(_short(picture.charts[first].name, 40)), escape(_short(picture.charts[second].name, 40)), f"{fixed(error, 1)} %"]
        for (first, second), error in worst
    ]
    listed = table(["Column", "with", "Error"], rows, caption="The pairs that are furthest off")
    left = len(picture.charts) - len(shown)
    rest = f'<p class="quiet">{left} more columns are not on the map; their pairs are closer.</p>' if left else ""
    return section("pairs", "Pair by pair", f'<div class="wide">{_map(picture, shown)}</div>{rest}{listed}', lead)


def _mapped(picture: TablePicture) -> list[int]:
    """The columns on the map, in the table's order."""
    worst = np.zeros(len(picture.charts))
    for (first, second), error in picture.pairs.items():
        worst[[first, second]] = np.maximum(worst[[first, second]], error)
    return sorted(np.argsort(-worst, kind="stable")[:MOST_MAPPED].tolist())


def _map(picture: TablePicture, shown: Sequence[int]) -> str:
    """Pairs as squares below the diagonal, on which the names stand; the deeper the colour, the larger the error."""
    cell, size = 24, 24 * len(shown)
    largest = max(_SCALE_LEAST, *picture.pairs.values())
    names = [escape(_short(picture.charts[column].name)) for column in shown]
    width, height = size + 140, size + 40
    parts = [f'<svg width="{width}" height="{height}" role="img" aria-label="Errors of all pairs of columns">']
    for row, second in enumerate(shown):
        for place, first in enumerate(shown[:row]):
            error = picture.pairs.get((first, second))
            if error is not None:
                parts.append(_square(place * cell, row * cell, error / largest, f"{names[place]} with {names[row]}: {fixed(error, 1)} %"))
        parts.append(f'<text x="{row * cell + 5}" y="{row * cell + 16}">{names[row]}</text>')
    y = size + 14
    parts.extend(_square(26 + place * cell, y, place / 5, "") for place in range(6))
    parts.append(f'<text x="0" y="{y + 16}">0 %</text><text x="{30 + 6 * cell}" y="{y + 16}">{fixed(largest, 1)} %</text></svg>')
    return "".join(parts)


def _square(x: int, y: int, depth: float, words: str) -> str:
    title = f"<title>{words}</title>" if words else ""
    style = f"fill:var(--bad);fill-opacity:{0.06 + 0.94 * min(1.0, depth):.3f}"
    return f'<rect x="{x}" y="{y}" width="22" height="22" rx="3" style="{style}">{title}</rect>'

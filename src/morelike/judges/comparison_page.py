"""The page of `compare`: samples beside each other, every score with a lane for each model, quality against time, and cost.

The same values give the same bytes. No scripts, and nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Any

from .charts import Scale, scale_for
from .comparison import decisive
from .report_ladder import GROUPS, wording
from .report_parts import decimals_for, duration, escape, fixed, memory, number, picture_tag, section, table
from .report_text import cards

_COLOURS = 6
_PICTURE_BYTES = 300_000
_LANE = 26
_STYLE = """
:root { --m1: #2458c9; --m2: #b8401c; --m3: #7a4ea3; --m4: #0f7785; --m5: #7d6400; --m6: #ad2f78; }
@media (prefers-color-scheme: dark) {
  :root { --m1: #86adff; --m2: #ff9f80; --m3: #c6a3ea; --m4: #63cfdc; --m5: #d9c05c; --m6: #f49ac6; }
}
.m1 { --own: var(--m1); } .m2 { --own: var(--m2); } .m3 { --own: var(--m3); }
.m4 { --own: var(--m4); } .m5 { --own: var(--m5); } .m6 { --own: var(--m6); }
.many { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 205px), 1fr)); gap: 26px 24px; margin-top: 22px; }
.many figcaption { font-weight: 620; color: var(--ink); margin-bottom: 8px; }
.many figcaption i, .who i, .names i { display: inline-block; width: .68em; height: .68em; margin-right: .5em; border-radius: 50%;
  background: var(--own); }
.many figure:not([class]) figcaption i { border-radius: 2px; background: var(--real); }
.lanes { display: grid; grid-template-columns: minmax(86px, 8.5em) minmax(0, 1fr) auto; column-gap: 16px; }
.lane { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; align-items: center; }
.who { font-size: .88rem; color: var(--soft); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
h3.who { font-size: 1rem; color: var(--ink); } .costs .who { color: var(--ink); }
.ahead .who, .ahead .value { color: var(--ink); font-weight: 620; }
.value { font-size: .88rem; color: var(--soft); text-align: right; white-space: nowrap; }
.value small { display: inline-block; min-width: 11.5em; font-weight: 400; font-size: .82rem; color: var(--soft); }
.lane .whisker { stroke: var(--own); } .lane .dot, .points .dot { fill: var(--own); }
.points .whisker { stroke: var(--own); stroke-width: 1.8; } .points polyline { stroke: var(--own); }
.names { display: flex; flex-wrap: wrap; gap: 4px 20px; margin-top: 16px; padding: 0; list-style: none; font-size: .9rem; }
.names .real i { width: 14px; height: 10px; border-radius: 2px; background: var(--real-wash); border-inline: 2px solid var(--real); }
.names .trivial i { width: 0; height: 13px; border-radius: 0; background: none; border-left: 2px dashed var(--trivial);
  vertical-align: -2px; }
.costs td, .costs th:not(:first-child) { text-align: right; white-space: nowrap; }
.costs td:last-child, .costs th:last-child { padding-right: 0; }
@media (min-width: 761px) { .rung { grid-template-columns: 232px minmax(0, 1fr); } }
@media (max-width: 760px) {
  .many { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 18px 14px; }
  .many.of-text { grid-template-columns: minmax(0, 1fr); }
  .lanes { grid-template-columns: minmax(0, 1fr) auto; }
  .lane { margin-bottom: 6px; }
  .lane .scale { grid-column: 1 / -1; grid-row: 2; }
  .value small { min-width: 0; margin-left: .4em; }
}
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the page shows, as plain values."""

    found: Mapping[str, Any]
    """As `compare --json` prints it."""
    title: str
    head: str
    """A line over the title."""
    version: str
    samples: Sequence[tuple[str, Any]] = ()
    """(name, picture or texts); "real" is no model."""
    row_labels: Sequence[str] = ()
    curves: Sequence[Mapping[str, Any]] = ()
    """{"model", "kind", "points": [[seconds, score]]}."""


def render(page: Page) -> str:
    """The page as one string of HTML."""
    names = [str(row["name"]) for row in page.found["models"]]
    first, *rest = page.found["verdict"]
    words = f'<p class="headline">{escape(first)}</p>' + "".join(f"<p>{escape(line)}</p>" for line in rest)
    sections = [
        ("samples", "Samples", _samples(page, names)),
        ("scores", "Scores", _scores(page.found, names)),
        ("time", "Quality against time", _times(page, names)),
        ("cost", "Cost", _costs(page.found["models"])),
        ("alone", "Each alone", _alone(page.found["models"])),
    ]
    template = Template(files(__package__).joinpath("report.html").read_text("utf-8").replace("</style>", _STYLE + "</style>", 1))
    return template.substitute(
        title=escape(page.title), head=escape(page.head), verdict=f'<div class="verdict"><h2>Verdict</h2>{words}</div>',
        links="".join(f'<a href="#{anchor}">{label}</a>' for anchor, label, body in sections if body),
        sections="".join(body for _, _, body in sections), name=escape(page.title), version=escape(page.version),
    )  # fmt: skip


def _colour(number: int) -> str:
    return f"m{number % _COLOURS + 1}"


def _key(names: Sequence[str], more: str = "") -> str:
    items = "".join(f'<li class="{_colour(number)}"><i></i>{escape(name)}</li>' for number, name in enumerate(names))
    return f'<ul class="names">{items}{more}</ul>'


def _samples(page: Page, names: Sequence[str]) -> str:
    figures, texts = [], False
    for name, picture in page.samples:
        css = f' class="{_colour(names.index(name))}"' if name in names else ""
        if isinstance(picture, tuple):
            shown, texts = cards(picture), True
        else:
            rows = f"; rows from the top: {', '.join(page.row_labels)}" if page.row_labels else ""
            shown = picture_tag(picture, f"Samples, {name}{rows}", width=300, most_bytes=_PICTURE_BYTES)
        label = "real data" if name == "real" else name
        figures.append(f"<figure{css}><figcaption><i></i>{escape(label)}</figcaption>{shown}</figure>")
    body = f'<div class="many{" of-text" if texts else ""}">{"".join(figures)}</div>' if figures else ""
    lead = "Drawn at random from the same noise, under the same conditions in the same places; nothing picked by hand."
    return section("samples", "Samples", body, lead + (" Each row is one class." if page.row_labels else ""))


def _scores(found: Mapping[str, Any], names: Sequence[str]) -> str:
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name, score in found["scores"].items():
        groups[wording(name).group].append(_score(name, score, names))
    blocks = [
        f'<div class="group"><header><h3>{escape(group)}</h3><p>{escape(GROUPS[group])}</p></header>{"".join(rows)}</div>'
        for group, rows in groups.items() if rows
    ]  # fmt: skip
    legend = '<li class="real"><i></i>real data against real data</li><li class="trivial"><i></i>the best trivial model</li>'
    lead = (
        "A lane for each model, with its 95% interval; better is always to the right. Bold: the best, and those that can't be told "
        "from it. Differences are taken on the same resamples of the same items where the score allows it, so they can be clear though "
        "intervals overlap."
    )
    return section("scores", "Scores", _key(names, legend) + "".join(blocks) if blocks else "", lead)


def _score(name: str, score: Mapping[str, Any], names: Sequence[str]) -> str:
    words, lower = wording(name), score["better"] == "lower"
    given = [one for one in score["models"] if "refused" not in one]
    floor = [score["floor_low"], score["floor_high"]] if score["floor_low"] is not None and score["floor_high"] is not None else []
    values = [value for one in given for value in (one["value"], one["low"], one["high"]) if value is not None]
    values += [*floor, *(value for value in (score["floor"], score["ceiling"]) if value is not None)]
    scale = scale_for(values, reverse=lower, bounds=(0.0, 1.0) if words.bounded else None)
    widths = [one["high"] - one["low"] for one in given if one["low"] is not None and one["high"] is not None and one["high"] > one["low"]]
    decimals = decimals_for(min(widths, default=0.0))
    ahead = {score["best"], *score["as_good"]}
    lanes = [_lane(one, (scale, decimals), score, (name_of, css, number in ahead)) for number, (one, name_of, css) in
             enumerate(zip(score["models"], names, map(_colour, range(len(names))), strict=True))]  # fmt: skip
    tone = "even" if len(score["as_good"]) == len(given) - 1 else "good"
    paired = any(one["paired"] for one in score["differences"])
    remark = f"n = {number(score['n'], whole=True)}" + (", paired" if paired else "")
    ticks = "".join(_tick(scale.at(value), number(value)) for value in scale.ticks())
    axis = f'<div class="lane"><span></span><svg class="scale" height="20" aria-hidden="true">{ticks}</svg><span></span></div>'
    return (
        f'<article class="rung"><div class="what"><h4>{escape(words.title)}</h4><code>{escape(name)}</code>'
        f"<p>{escape(words.meaning)} {'Lower' if lower else 'Higher'} is better.</p></div>"
        f'<div class="where"><p class="stand {tone}"><span>{escape(score["verdict"])}</span> <small>{escape(remark)}</small></p>'
        f'<div class="lanes">{"".join(lanes)}{axis}</div></div></article>'
    )


def _tick(x: float, label: str) -> str:
    anchor = "start" if x < 4 else "end" if x > 96 else "middle"
    return f'<line class="tick" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="4"/><text x="{x:.2f}%" y="16" text-anchor="{anchor}">{label}</text>'


def _lane(one: Mapping[str, Any], scaled: tuple[Scale, int], score: Mapping[str, Any], own: tuple[str, str, bool]) -> str:
    (scale, decimals), (name, css, ahead) = scaled, own
    parts, middle = [], _LANE // 2
    if score["floor_low"] is not None and score["floor_high"] is not None:
        left, right = sorted((scale.at(score["floor_low"]), scale.at(score["floor_high"])))
        parts.append(f'<rect class="zone-real" x="{left:.2f}%" y="0" width="{max(right - left, 0.3):.2f}%" height="{_LANE}"/>')
    parts.append(f'<line class="axis" x1="0" x2="100%" y1="{middle}" y2="{middle}"/>')
    for css_mark, value in (("mark-real", score["floor"]), ("mark-trivial", score["ceiling"])):
        if value is not None:
            parts.append(f'<line class="{css_mark}" x1="{scale.at(value):.2f}%" x2="{scale.at(value):.2f}%" y1="0" y2="{_LANE}"/>')
    shown, ends = "–", escape(one.get("refused", ""))
    if "refused" not in one:
        if one["low"] is not None and one["high"] is not None:
            left, right = sorted((scale.at(one["low"]), scale.at(one["high"])))
            parts.append(f'<line class="whisker" x1="{left:.2f}%" x2="{right:.2f}%" y1="{middle}" y2="{middle}"/>')
            ends = f"{fixed(one['low'], decimals)} to {fixed(one['high'], decimals)}"
        parts.append(f'<circle class="dot" cx="{scale.at(one["value"]):.2f}%" cy="{middle}" r="6"/>')
        shown = fixed(one["value"], decimals)
    label = f"{name}: {shown}"
    drawn = f'<svg class="scale" role="img" height="{_LANE}" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    value = f'<span class="value">{shown} <small>{ends}</small></span>'
    return f'<div class="lane {css}{" ahead" if ahead else ""}"><span class="who"><i></i>{escape(name)}</span>{drawn}{value}</div>'


def _times(page: Page, names: Sequence[str]) -> str:
    """The decisive score against the time of training, and the course of validation by kind of score."""
    charts = []
    ranking = decisive(page.found["scores"])
    rows = page.found["models"]
    if ranking is not None:
        score = page.found["scores"][ranking]
        points: list[Series] = [
            (number, [(row["cost"]["seconds"], one["value"])], one)
            for number, (row, one) in enumerate(zip(rows, score["models"], strict=True))
            if "refused" not in one and row["cost"]["seconds"] is not None
        ]
        if len(points) > 1:
            charts.append(_chart(f"{wording(ranking).title}, held-out data", points, score["better"]))
    for kind in dict.fromkeys(curve["kind"] for curve in page.curves):
        own: list[Series] = [(names.index(curve["model"]), curve["points"], {}) for curve in page.curves if curve["kind"] == kind]
        charts.append(_chart(f"Validation, {kind}", own, "lower"))
    lead = (
        "Each model's score against the seconds that its training took, and the course of its own validations. "
        "Nats and distances are different scores, so they have charts of their own. Better is always up."
    )
    body = f'{_key(names)}<div class="curves">{"".join(charts)}</div>' if charts else ""
    return section("time", "Quality against time", body, lead)


Series = tuple[int, Sequence[Sequence[float]], Mapping[str, Any]]
"""Number of the model, [(seconds, value)], {"low", "high"} of a single point."""


def _chart(title: str, series: Sequence[Series], better: str) -> str:
    """Points or lines over time."""
    left, right, top, bottom = 46.0, 312.0, 8.0, 132.0
    every = [point for _, points, _ in series for point in points]
    ends = [one[key] for _, _, one in series for key in ("low", "high") if one.get(key) is not None]
    longest = max(0.1, *(point[0] for point in every))
    across = Scale("linear", 0.0, longest * 1.06)
    up = scale_for([*(point[1] for point in every), *ends], reverse=better == "lower")

    def x(seconds: float) -> float:
        return left + (right - left) * across.at(seconds) / 100

    def y(value: float) -> float:
        return bottom - (bottom - top) * up.at(value) / 100

    parts = [f'<svg class="curve points" viewBox="0 0 320 154" role="img" aria-label="{escape(title)} against seconds of training">']
    for value in up.ticks(4):
        parts.append(f'<line class="gridline" x1="{left}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y(value) + 3.5:.1f}" text-anchor="end">{number(value)}</text>')
    for which, points, one in series:
        own = [f'<circle class="dot" cx="{x(a):.1f}" cy="{y(b):.1f}" r="{5 if len(points) == 1 else 3}"/>' for a, b in points]
        if len(points) > 1:
            path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
            own.insert(0, f'<polyline class="mean" points="{path}"/>')
        if one.get("low") is not None and one.get("high") is not None:
            at = x(points[0][0])
            own.insert(0, f'<line class="whisker" x1="{at:.1f}" x2="{at:.1f}" y1="{y(one["low"]):.1f}" y2="{y(one["high"]):.1f}"/>')
        parts.append(f'<g class="{_colour(which)}">{"".join(own)}</g>')
    parts.append(f'<text x="{left}" y="149">0 s</text><text x="{right}" y="149" text-anchor="end">{duration(longest)} of training</text>')
    return f"<figure><figcaption><b>{escape(title)}</b></figcaption>{''.join(parts)}</svg></figure>"


def _costs(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for number_of, row in enumerate(rows):
        cost = row["cost"]
        name = f'<span class="who {_colour(number_of)}"><i></i>{escape(row["name"])}</span>'
        trained = "–" if cost["seconds"] is None else duration(cost["seconds"])
        if "search_seconds" in cost:
            trained += f" + {duration(cost['search_seconds'])} of search"
        lines.append([
            name, trained, "–" if cost["steps"] is None else f"{number(cost['steps'], whole=True)} × {number(cost['batch'], whole=True)}",
            number(cost["parameters"], whole=True), _bytes(cost["package_bytes"]), _bytes(cost["peak_memory"]),
            duration(cost["draw_seconds"]),
        ])  # fmt: skip
    drawn = rows[0]["cost"]["drawn"]
    headings = ["Model", "Training", "Steps × batch", "Parameters", "Package", "Peak memory", f"{number(drawn, whole=True)} samples"]
    lead = "The last column was measured just now on this machine, the others where each model was trained: on busy machines times differ."
    return section("cost", "Cost", table(headings, lines, caption="What each model cost", css="costs"), lead)


def _bytes(size: float | None) -> str:
    return "–" if size is None else memory(size)


def _alone(rows: Sequence[Mapping[str, Any]]) -> str:
    body = "".join(
        f'<h3 class="who {_colour(place)}"><i></i>{escape(row["name"])}</h3><p>{escape(row["verdict"])}</p>'
        for place, row in enumerate(rows)
    )
    return section("alone", "Each alone", body, "What the judges said of each model by itself.")

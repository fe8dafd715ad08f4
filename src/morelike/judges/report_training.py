"""The report's section on training: a small chart of each term of the record, and what the watchdog did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .charts import curve
from .report_ladder import real
from .report_parts import Picture, escape, number, picture_tag, section
from .report_text import Writings, cards

_MOST_CURVES, _MOST_INCIDENTS = 24, 40
_INCIDENT_BYTES = 40_000
_STAGE_TEXTS = 2
"""Texts shown of each stage."""


def _series(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Term -> finite (step, value) in order of steps; terms of one player stay together. Counts of examples seen are left out."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        step = real(row.get("step"))
        for key, value in row.items():
            finite = real(value)
            if key.rpartition(".")[2] not in ("step", "seconds", "seen") and step is not None and finite is not None:
                found.setdefault(key, []).append((step, finite))
    players = list(dict.fromkeys(key.partition(".")[0] for key in found))
    return {key: sorted(found[key]) for key in sorted(found, key=lambda key: players.index(key.partition(".")[0]))}


def training_section(curves: Sequence[Mapping[str, Any]], incidents: Sequence[str | Mapping[str, Any]]) -> str:
    """A small chart of each term, and what the watchdog did; empty where there is nothing to show."""
    series = _series(curves)
    steps = [at for incident in incidents if isinstance(incident, Mapping) and (at := real(incident.get("step"))) is not None]
    drawn = [step for points in series.values() for step, _ in (points[0], points[-1])]
    charts = []
    for key, points in list(series.items())[:_MOST_CURVES]:
        player, dot, term = key.partition(".")
        name = f"<b>{escape(player)}</b> {escape(term.replace('_', ' '))}" if dot else f"<b>{escape(key.replace('_', ' '))}</b>"
        spoken = f"{key} over steps: from {number(points[0][1])} to {number(points[-1][1])}"
        chart = curve(points, (min(drawn), max(drawn)), spoken, steps)
        charts.append(f"<figure><figcaption>{name}<span>{number(points[-1][1])}</span></figcaption>{chart}</figure>")
    more = len(series) - len(charts)
    body = f'<div class="curves">{"".join(charts)}</div>' if charts else ""
    body += f"<p>{more} more curves are in the run's record.</p>" if more > 0 else ""
    if incidents:
        items = "".join(f"<li>{_incident(incident)}</li>" for incident in incidents[:_MOST_INCIDENTS])
        left = len(incidents) - _MOST_INCIDENTS
        rest = f"<p>{left} more are in the run's record.</p>" if left > 0 else ""
        body += f'<h3>What the watchdog did</h3><ul class="incidents">{items}</ul>{rest}'
    elif body:
        body += '<p class="quiet">The watchdog had nothing to do.</p>'
    lead = "Losses say whether training was sound; they are never shown as quality. The figure beside a name is its last value."
    return section("training", "Training", body, lead)


def _incident(incident: str | Mapping[str, Any]) -> str:
    if isinstance(incident, str):
        return escape(incident)
    step = real(incident.get("step"))
    at = f"<b>Step {number(step, whole=True)}</b>: " if step is not None else ""
    what, action = incident.get("what", "something happened"), incident.get("action")
    shown = [stage_figure(when, incident[when], _INCIDENT_BYTES) for when in ("before", "after") if when in incident]
    pictures = f'<div class="stages">{"".join(shown)}</div>' if shown else ""
    return at + escape(what) + (f" → {escape(action)}" if action else "") + pictures


def stage_figure(label: str, picture: Picture | Writings, most_bytes: int) -> str:
    """Samples at one stage of the training, above or below its label."""
    caption = f"<figcaption>{escape(label)}</figcaption>"
    if isinstance(picture, tuple):
        return f"<figure>{caption}{cards(picture, _STAGE_TEXTS)}</figure>"
    return f"<figure>{picture_tag(picture, f'Samples at {label}', width=215, most_bytes=most_bytes)}{caption}</figure>"

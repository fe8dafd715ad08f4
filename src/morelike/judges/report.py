"""`report.html`: one self-contained page that shows how alike the generated data is. No scripts, and nothing is fetched.

The house fills `ReportData`; `write_report` draws it. The same data gives the same bytes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ..core.errors import BadInput
from .charts import shares
from .report_choice import Choice, choice_section
from .report_ladder import Scores, key_figures, ladder
from .report_parts import Picture, duration, escape, facts, fixed, memory, number, percent, picture_tag, section, table
from .report_table import TablePicture, columns_section, pairs_section
from .report_text import Writings, cards, marked, shared_span
from .report_training import stage_figure, training_section

WATTS_PER_THREAD = 15.0
"""A rough desktop processor's draw for one busy thread."""
_MOST_CLASSES, _MOST_SKIPPED, _MOST_PAIRS, _MOST_STAGES = 60, 40, 24, 12
_GRID_BYTES, _STAGES_BYTES, _PAIRS_BYTES = 380_000, 480_000, 220_000
_MOST_RECIPE = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassShare:
    """One class's share of the real and of the generated examples, 0..1; `lost` and `over` as the judge decided."""

    name: str
    real: float
    generated: float
    lost: bool = False
    over: bool = False
    label_accuracy: float | None = None
    """Share of the examples asked for as this class that the classifier sees as it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Samples at one point of the training, labelled like "12% · 14 s"."""

    label: str
    picture: Picture | Writings


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestPair:
    """A generated example beside the nearest training item and, where given, the nearest real held-out item: pictures or texts."""

    generated: Picture | str
    training: Picture | str
    distance: float
    heldout: Picture | str | None = None
    heldout_distance: float | None = None
    copy: bool = False
    """The judge counts it as a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the training took. Seconds and bytes; `judging_seconds` is shown apart."""

    seconds: float
    steps: int
    examples: int
    peak_memory: int | None
    threads: int
    device: str
    precision: str
    judging_seconds: float | None = None

    @property
    def energy(self) -> float:
        """Watt-hours, roughly: threads x about 15 W x hours. A graphics card is not in it."""
        return self.threads * WATTS_PER_THREAD * self.seconds / 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """What the data was."""

    shape: str
    """What one example is, in words."""
    counts: Mapping[str, int]
    """Split name -> items."""
    fingerprint: str
    conditions: Mapping[str, str] = field(default_factory=dict)
    """Condition name -> what it is, in words."""
    notes: Sequence[str] = ()
    skipped: Sequence[tuple[str, str]] = ()
    """(file, why)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything that the page shows, as plain values. Empty parts leave their section out."""

    name: str
    kind: str
    model: str
    title: str
    date: str
    version: str
    verdict: str
    """Plain words; lines become paragraphs, the first is the headline."""
    scores: Scores
    """Name -> {"value", "low", "high", "n", "floor", "floor_low", "floor_high", "ceiling", "ceiling_name", "better", "extractor"}
    or {"refused": reason}."""
    copiers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Copier -> score -> value."""
    classes: Sequence[ClassShare] = ()
    classifier_accuracy: float | None = None
    """The house classifier's accuracy on real held-out data."""
    real: Picture | Writings | None = None
    generated: Picture | Writings | None = None
    row_labels: Sequence[str] = ()
    """The class of each row of both grids, or () where rows mean nothing."""
    carried: Picture | None = None
    """Of a model that goes between two sets: held-out pictures, carried over, and back."""
    carried_labels: Sequence[str] = ()
    told: Picture | None = None
    """Of a model that is told pictures: held-out conditions, what it makes under each, and the real ones."""
    told_labels: Sequence[str] = ()
    stages: Sequence[Stage] = ()
    nearest: Sequence[NearestPair] = ()
    curves: Sequence[Mapping[str, Any]] = ()
    """Rows of the record: "step", "seconds" and numbers named "player.term" or "validation"."""
    incidents: Sequence[str | Mapping[str, Any]] = ()
    """The watchdog's events: sentences, or {"step", "what", "action"} and, where drawn, pictures "before" and "after"."""
    choice: Choice | None = None
    """Where the family was left open: what was tried."""
    cost: Cost | None = None
    recipe: str = ""
    data: DataCard | None = None
    table: TablePicture | None = None
    """For tables: both side by side."""


def write_report(evidence: ReportData, path: Path) -> None:
    """Writes the page to `path` in one move: an old page stays whole until the new one is.

    Raises BadInput for a picture that is no picture and where the target can't be written.
    """
    page = render(evidence).encode("utf-8")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            temporary.write_bytes(page)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise BadInput(f"the report can't be written to {path}: {why}; free some space or choose another folder") from error


def render(evidence: ReportData) -> str:
    """The page as one string of HTML."""
    sections = [
        ("pictures", "Side by side", _side_by_side(evidence)),
        ("carried", "There and back", section(
            "carried", "There and back", _grid(evidence.carried, evidence.carried_labels, "Held out"),
            "Pictures that the model never saw: as they are, carried over to the other set, and back.")),
        ("told", "Given a picture", section(
            "told", "Given a picture", _grid(evidence.told, evidence.told_labels, "Held out"),
            "Conditions that the model never saw, what it made under each, and the real picture that belongs to it.")),
        ("ladder", "The ladder", section(
            "ladder", "The ladder", ladder(evidence.scores, evidence.copiers),
            "Each score stands between real data and the best trivial model that anyone could have used instead. "
            "Better is always to the right.")),
        ("columns", "Columns", columns_section(evidence.table) if evidence.table is not None else ""),
        ("pairs", "Pairs", pairs_section(evidence.table) if evidence.table is not None else ""),
        ("classes", "Class shares", _classes(evidence)),
        ("nearest", "Copies", _nearest(evidence)),
        ("choice", "Choice", choice_section(evidence.choice)),
        ("stages", "Stages", _stages(evidence)),
        ("training", "Training", training_section(evidence.curves, evidence.incidents)),
        ("cost", "Cost", _cost(evidence.cost)),
        ("data", "Data", _data(evidence.data)),
        ("recipe", "Recipe", _recipe(evidence.recipe)),
    ]
    links = "".join(f'<a href="#{anchor}">{label}</a>' for anchor, label, body in sections if body)
    head = " · ".join(escape(part) for part in (evidence.kind, evidence.model, evidence.date) if part)
    template = Template(files(__package__).joinpath("report.html").read_text("utf-8"))
    return template.substitute(
        title=escape(evidence.title), head=head, verdict=_verdict(evidence), links=links,
        sections="".join(body for _, _, body in sections), name=escape(evidence.name), version=escape(evidence.version),
    )


def _verdict(evidence: ReportData) -> str:
    first, *rest = [line.strip() for line in evidence.verdict.splitlines() if line.strip()] or ["No verdict: nothing was judged."]
    tiles = key_figures(evidence.scores)
    if evidence.cost:
        cost = evidence.cost
        tiles.append(("Trained for", duration(cost.seconds), f"{number(cost.steps, whole=True)} steps on {cost.device}"))
    words = f'<p class="headline">{escape(first)}</p>' + "".join(f"<p>{escape(line)}</p>" for line in rest)
    return f'<div class="verdict"><h2>Verdict</h2>{words}</div>' + (facts(tiles) if tiles else "")


def _grid(picture: Picture | Writings | None, labels: Sequence[str], caption: str) -> str:
    if picture is None:
        return ""
    if isinstance(picture, tuple):
        return f"<figure><figcaption>{escape(caption)}</figcaption>{cards(picture)}</figure>"
    what = "Scatter plot" if isinstance(picture, bytes) else "Grid"
    rows = f"; rows from the top: {', '.join(labels)}" if labels else ""
    tag = picture_tag(picture, f"{what} of {caption.lower()} examples{rows}", width=440, most_bytes=_GRID_BYTES)
    items = "".join(f"<li><span>{escape(label)}</span></li>" for label in labels)
    side = f'<ol class="rows" aria-hidden="true">{items}</ol>' if labels else ""
    return f'<figure><figcaption>{escape(caption)}</figcaption><div class="grid">{side}{tag}</div></figure>'


def _side_by_side(evidence: ReportData) -> str:
    grids = _grid(evidence.real, evidence.row_labels, "Real") + _grid(evidence.generated, evidence.row_labels, "Generated")
    lead = "Drawn at random, nothing picked by hand." + (" Each row is one class." if evidence.row_labels else "")
    return section("pictures", "Side by side", f'<div class="pair">{grids}</div>' if grids else "", lead)


def _classes(evidence: ReportData) -> str:
    if not evidence.classes:
        return ""
    shown = sorted(evidence.classes, key=_off)[:_MOST_CLASSES] if len(evidence.classes) > _MOST_CLASSES else evidence.classes
    largest = max(max(share.real, share.generated) for share in shown)
    labelled = any(share.label_accuracy is not None for share in shown)
    rows = []
    for share in shown:
        bars = shares(share.real, share.generated, largest)
        cells = [escape(share.name), bars, f"{share.real:.1%}", f"{share.generated:.1%}", _off_words(share)]
        seen = "–" if share.label_accuracy is None else f"{share.label_accuracy:.1%}"
        rows.append([*cells, seen] if labelled else cells)
    left = len(evidence.classes) - len(shown)
    remark = f"<p>{left} more classes lie closer to their real share.</p>" if left else ""
    lead = "How often each class appears among the generated examples, as seen by a classifier that was trained on the training split."
    if evidence.classifier_accuracy is not None:
        lead += f" It names {percent(evidence.classifier_accuracy)} of real held-out examples rightly."
    key = '<p class="key"><i class="bar-real"></i> real <i class="bar-generated"></i> generated</p>'
    headings = ["Class", "", "Real", "Generated", "Ratio", *(["Label accuracy"] if labelled else [])]
    return section("classes", "Class shares", key + table(headings, rows, caption="Share of each class", css="classes") + remark, lead)


def _off(share: ClassShare) -> float:
    """Sorts the class that is furthest from its real share first."""
    return -math.inf if min(share.real, share.generated) <= 0 else -abs(math.log(share.generated / share.real))


def _off_words(share: ClassShare) -> str:
    flag = "lost" if share.lost else "too frequent" if share.over else ""
    ratio = f"{fixed(share.generated / share.real, 2)} ×" if share.real > 0 else "–"
    return f'<b class="off">{flag}</b> {ratio}' if flag else ratio


def _nearest(evidence: ReportData) -> str:
    shown = evidence.nearest[:_MOST_PAIRS]
    budget = _PAIRS_BYTES // max(1, 3 * len(shown))
    items, text = [], any(isinstance(pair.generated, str) for pair in shown)
    for i, pair in enumerate(shown, 1):
        near = number(pair.distance)
        span = _shared(pair)
        views = [
            _view(pair.generated, "generated", "", f"Generated example {i}", budget, span[0]),
            _view(pair.training, "training", near, f"Its nearest training item, at distance {near}", budget, span[1]),
        ]
        if pair.heldout is not None:
            far = number(pair.heldout_distance)
            views.append(_view(pair.heldout, "held-out", far, f"Its nearest held-out item, at distance {far}", budget, span[2]))
        badge = '<p class="off">counted as a copy</p>' if pair.copy else ""
        items.append(f'<li><div class="twins">{"".join(views)}</div>{badge}</li>')
    lead = (
        "The generated examples that stand out as nearest to the training data, each with its nearest training item and its distance. "
        "Twins would be copies."
    )
    if any(pair.heldout is not None for pair in shown):
        lead += " Beside them the nearest held-out item, which the model never saw; held-out items are fewer, so they lie a little farther."
    lead += " Marked is the longest span that a text shares with the generated one." if text else ""
    body = f'<ol class="cards{" of-text" if text else ""}">{"".join(items)}</ol>' if items else ""
    return section("nearest", "Is it copying?", body, lead)


def _shared(pair: NearestPair) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """(start, length) of the span to mark in the generated, the training and the held-out text."""
    if not isinstance(pair.generated, str) or not isinstance(pair.training, str):
        return (0, 0), (0, 0), (0, 0)
    ours, theirs, length = shared_span(pair.generated, pair.training)
    _, held, common = shared_span(pair.generated, pair.heldout) if isinstance(pair.heldout, str) else (0, 0, 0)
    return (ours, length), (theirs, length), (held, common)


def _view(picture: Picture | str, label: str, distance: str, alt: str, budget: int, span: tuple[int, int]) -> str:
    if isinstance(picture, str):
        length = f", {number(span[1], whole=True)} characters shared" if distance else ""
        caption = label + (f" · distance {distance}{length}" if distance else "")
        return f"<figure><figcaption>{caption}</figcaption>{marked(picture, *span)}</figure>"
    caption = f"{label}<br>{distance}" if distance else label
    return f"<figure>{picture_tag(picture, alt, width=80, most_bytes=budget)}<figcaption>{caption}</figcaption></figure>"


def _stages(evidence: ReportData) -> str:
    shown = _spread(evidence.stages, _MOST_STAGES)
    budget = _STAGES_BYTES // max(1, len(shown))
    drawn = [stage_figure(stage.label, stage.picture, budget) for stage in shown]
    texts = any(isinstance(stage.picture, tuple) for stage in shown)
    body = f'<div class="stages{" of-text" if texts else ""}">{"".join(drawn)}</div>' if drawn else ""
    return section("stages", "While it learned", body, "Samples at stages of the training.")


def _spread(items: Sequence[Stage], most: int) -> list[Stage]:
    """At most `most` items, evenly spread, the first and the last included."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return ""
    tiles = [
        ("Training", duration(cost.seconds), f"{number(cost.steps, whole=True)} steps"),
        ("Examples seen", number(cost.examples, whole=True), f"{number(cost.examples / max(cost.seconds, 1e-9))} per second"),
        ("Device", cost.device, f"{cost.threads} {'thread' if cost.threads == 1 else 'threads'}, {cost.precision}"),
        ("Energy, rough", f"{number(cost.energy)} Wh", "not measured"),
    ]
    if cost.peak_memory is not None:
        tiles.insert(3, ("Peak memory", memory(cost.peak_memory), "of the whole process"))
    if cost.judging_seconds is not None:
        tiles.append(("Judging", duration(cost.judging_seconds), "not part of the training"))
    hours = f"{cost.threads} × about {WATTS_PER_THREAD:.0f} W × {number(cost.seconds / 3600)} h"
    card = "; the graphics card's own draw is not in it" if cost.device.startswith(("cuda", "mps")) else ""
    remark = f'<p class="quiet">Energy is a rough estimate: threads × watts × hours, {hours}{card}.</p>'
    return section("cost", "Cost", facts(tiles) + remark)


def _data(card: DataCard | None) -> str:
    if card is None:
        return ""
    rows = [("One example", escape(card.shape))]
    rows += [(escape(name.capitalize()), f"{number(count, whole=True)} items") for name, count in card.counts.items()]
    rows += [(escape(f"Condition: {name}"), escape(what)) for name, what in card.conditions.items()]
    rows.append(("Fingerprint", f"<code>{escape(card.fingerprint)}</code>"))
    body = table(("What", "Value"), rows, caption="The data", css="card")
    body += f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in card.notes)}</ul>' if card.notes else ""
    if card.skipped:
        skipped = [(f"<code>{escape(name)}</code>", escape(why)) for name, why in card.skipped[:_MOST_SKIPPED]]
        left = len(card.skipped) - len(skipped)
        body += f"<h3>Skipped files ({number(len(card.skipped), whole=True)})</h3>"
        body += table(("File", "Why"), skipped, caption="Skipped files", css="card")
        body += f"<p>And {number(left, whole=True)} more.</p>" if left else ""
    return section("data", "Data", body, "What was understood of the data, and how it was split before anything was learnt.")


def _recipe(text: str) -> str:
    if not text.strip():
        return ""
    shown = text.strip() if len(text) <= _MOST_RECIPE else text[:_MOST_RECIPE] + "\n(the rest is in the run's folder)"
    body = f"<details><summary>The resolved recipe</summary><pre><code>{escape(shown)}</code></pre></details>"
    return section("recipe", "Recipe", body, "Training with this file repeats the run.")

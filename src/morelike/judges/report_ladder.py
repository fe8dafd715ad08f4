"""The report's heart: every score between real data (floor) and the best trivial model (ceiling), better always to the right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .charts import Rung, ladder_scale
from .report_parts import decimals_for, escape, fixed, number, percent

Scores = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Wording:
    """How a score is called and explained, by the first word of its name."""

    words: tuple[str, ...]
    title: str
    meaning: str
    group: str
    bounded: bool = False
    """A share: drawn on 0..1, and its ratio to the floor says nothing."""


GROUPS = {
    "Likelihood": "How well the model predicts held-out text that it never saw. There is no floor: nobody knows the text's true entropy.",
    "Against references": "How much of the reference answers the outputs hold. Trivial answers are the source itself, its first sentence "
    "and the answer of the nearest training source.",
    "Fidelity to the distribution": "How far the generated set as a whole lies from the real one.",
    "Precision and recall": "Whether single examples are plausible, and whether all of the variety is there.",
    "Variety of the text": "Whether the texts repeat themselves or the training text. Read these beside real data: more is not always "
    "better, for noise is new and varied too.",
    "Classes": "Whether every class appears as often as it should, and looks like itself.",
    "Copying": "Whether the model repeats its training data instead of making new examples.",
    "Other scores": "",
}
_LIKELIHOOD, _REFERENCES, _FIDELITY, _PRECISION, _VARIETY, _CLASSES, _COPYING, _OTHER = GROUPS
WORDINGS = (
    Wording(("nats",), "Nats", "What the model pays, on average, to predict a piece of held-out text; 0.69 nats are one bit.", _LIKELIHOOD),
    Wording(("self",), "Self-BLEU", "How much of each text's one to four words in a row the other texts hold too.", _VARIETY, True),
    Wording(("distinct",), "Distinct pairs", "Share of pairs of neighbouring words, of all texts, that are different.", _VARIETY, True),
    Wording(("novelty",), "Novelty",
            "Share of four words in a row (twelve characters, where there are no spaces) that the training text lacks.", _VARIETY, True),
    Wording(("bleu",), "BLEU", "One to four words in a row that references hold too, 0 to 100.", _REFERENCES),
    Wording(("chrf",), "chrF", "One to six characters in a row shared with a reference, 0 to 100.", _REFERENCES),
    Wording(("rouge",), "ROUGE", "Words, pairs of words or the longest word sequence shared with a reference, as F1.", _REFERENCES, True),
    Wording(("span",), "Copied span", "The longest span of a text that stands verbatim in the training text: characters, mean over texts.",
            _VARIETY),
    Wording(("frechet",), "Fréchet distance", "How far apart the two sets are in mean and spread of their features.", _FIDELITY),
    Wording(("kernel", "mmd"), "Kernel distance", "How easily the two sets are told apart by their features; about 0 for two real sets.",
            _FIDELITY),
    Wording(("back",), "There and back", "How far held-out items that are carried over and back end from what they were.", _FIDELITY),
    Wording(("precision",), "Precision", "Share of generated examples that lie among real ones: are they plausible?", _PRECISION, True),
    Wording(("recall",), "Recall", "Share of real examples that lie among generated ones: is the variety covered?", _PRECISION, True),
    Wording(("density",), "Density", "How thickly real examples surround the generated ones; about 1 for real data.", _PRECISION),
    Wording(("coverage",), "Coverage", "Share of real examples with a generated one close by; steadier than recall.", _PRECISION, True),
    Wording(("diversity",), "Diversity", "How far apart examples of one class lie, against real ones: about 1 is as varied as real data.",
            _PRECISION),
    Wording(("label",), "Label accuracy", "How often a classifier sees the class that was asked for.", _CLASSES, True),
    Wording(("classes",), "Class balance", "Half the sum of differences between generated and real class shares; 0 is the same.", _CLASSES),
    Wording(("shape",), "Shape error", "Percent: how far each column's distribution lies from the real one, mean over columns.", _FIDELITY),
    Wording(("trend",), "Trend error", "Percent: how differently pairs of columns go together, on average.", _FIDELITY),
    Wording(("three",), "Three-way error", "Percent: how differently three columns at a time go together, on average.", _FIDELITY),
    Wording(("sample",), "Told apart", "How well boosted trees tell generated rows from real ones; 0.5 is not at all.", _FIDELITY, True),
    Wording(("train",), "Use for training", "How well trees taught by generated rows name classes of held-out ones.", _CLASSES, True),
    Wording(("rules",), "Rules kept", "Share of rows that obey all rules between columns, given and learnt.", _FIDELITY, True),
    Wording(("closest",), "Closest record", "Share of rows nearer to a training row than to a held-out one; 0.5 is none.", _COPYING, True),
    Wording(("membership",), "Membership", "How well an attack tells training rows from held-out ones by what is drawn; 0.5 is chance.",
            _COPYING, True),
    Wording(("copies",), "Copies", "Share of examples that stand out as near to one single training item.", _COPYING),
    Wording(("memory",), "Memory", "How drawn the examples are to training items rather than to unseen ones: 0 not at all, 1 all copied.",
            _COPYING),
)


_OF_TEXT = (_LIKELIHOOD, _REFERENCES, _VARIETY)
"""Groups of scores that are no distances of features."""


def wording(name: str) -> Wording:
    """The wording of a score by the words of its name's first part; a plain one for a score that this page doesn't know."""
    first = name.split(".", 1)[0].lower()
    words = first.replace("_", "-").split("-")
    for known in WORDINGS:
        if any(word in known.words for word in words):
            return known
    return Wording((first,), first.replace("-", " ").replace("_", " ").capitalize(), "", _OTHER)


def real(value: object) -> float | None:
    """A finite number, or None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _interval(score: Mapping[str, Any], low: str, high: str) -> tuple[float, float] | None:
    ends = real(score.get(low)), real(score.get(high))
    return None if ends[0] is None or ends[1] is None else (min(ends[0], ends[1]), max(ends[0], ends[1]))


def refusal(score: Mapping[str, Any]) -> str | None:
    """Why a score isn't there, or None where it is."""
    if "refused" in score:
        return str(score["refused"])
    return None if real(score.get("value")) is not None else "it came out as no finite number"


def rung(name: str, score: Mapping[str, Any], copiers: Mapping[str, Mapping[str, float]]) -> Rung:
    """What a score's scale shows. The score must not be refused."""
    value = real(score["value"])
    copied = {copier: real(values.get(name)) for copier, values in copiers.items()}
    return Rung(
        value=math.nan if value is None else value,
        interval=_interval(score, "low", "high"),
        floor=real(score.get("floor")),
        floor_interval=_interval(score, "floor_low", "floor_high"),
        ceiling=real(score.get("ceiling")),
        copiers={copier: value for copier, value in copied.items() if value is not None},
        lower_is_better=score.get("better") != "higher",
        bounds=(0.0, 1.0) if wording(name).bounded else None,
    )


def level_with_real(step: Rung) -> bool | None:
    """Whether the interval meets real data's or is better; None without a floor."""
    if step.floor is None:
        return None
    ours, theirs = step.interval or (step.value, step.value), step.floor_interval or (step.floor, step.floor)
    return ours[0] <= theirs[1] if step.lower_is_better else ours[1] >= theirs[0]


def beats_trivial(step: Rung) -> bool | None:
    """Whether the value is better than the best trivial model's; None without a ceiling."""
    if step.ceiling is None:
        return None
    return step.value < step.ceiling if step.lower_is_better else step.value > step.ceiling


def standing(step: Rung, words: Wording) -> tuple[str, str]:
    """(tone, words): where the score stands on the ladder."""
    level, beats = level_with_real(step), beats_trivial(step)
    if words.group == _COPYING and level is not None:
        return ("good", "no more than real data") if level else ("bad", "more than real data: it copies")
    if level and beats is False:
        return "even", "separates nothing: a trivial model does as well"
    if level:
        return "good", "level with real data"
    if beats is False:
        return "bad", "a trivial model does as well or better"
    if level is False:
        return "even", "better than trivial, short of real" if beats else "short of real data"
    return ("even", "better than trivial") if beats else ("even", "nothing to compare with")


def ratio_to_floor(step: Rung, name: str) -> float | None:
    """value / floor of a Fréchet distance, else None: an unbiased distance is about 0 between real sets, so its ratio says nothing."""
    if wording(name).title != "Fréchet distance" or step.floor is None or step.floor <= 0 or step.value <= 0:
        return None
    return step.value / step.floor


def _cells(step: Rung, ceiling_name: str) -> list[tuple[str, str, str]]:
    """The numbers under a scale: (style, label, HTML)."""
    widths = [ends[1] - ends[0] for ends in (step.interval, step.floor_interval) if ends and ends[1] > ends[0]]
    decimals = decimals_for(min(widths, default=0.0))

    def span(value: float, interval: tuple[float, float] | None) -> str:
        ends = [fixed(end, decimals) for end in interval or ()]
        return fixed(value, decimals) + (f' <span class="interval">{" to ".join(ends)}</span>' if ends else "")

    cells = [("generated", "generated", span(step.value, step.interval))]
    if step.floor is not None:
        cells.append(("real", "real data", span(step.floor, step.floor_interval)))
    if step.ceiling is not None:
        cells.append(("trivial", ceiling_name, span(step.ceiling, None)))
    return cells + [("copier", copier, span(value, None)) for copier, value in step.copiers.items()]


def _row(name: str, score: Mapping[str, Any], copiers: Mapping[str, Mapping[str, float]]) -> str:
    step, words = rung(name, score, copiers), wording(name)
    tone, stands = standing(step, words)
    ceiling_name = str(score.get("ceiling_name") or "trivial model")
    ratio = ratio_to_floor(step, name)
    count = f"n = {number(real(score.get('n')), whole=True)}"
    remark = count + (f", {number(ratio)} × the floor" if ratio is not None else "")
    extractor = str(score.get("extractor") or "")
    if extractor and extractor not in name:
        remark += f", {'on' if words.group in _OF_TEXT else 'features:'} {extractor}"
    remark += "".join(f", {score[key]}" for key in ("drawn", "signature") if score.get(key))
    side = "lower" if step.lower_is_better else "higher"
    spoken = "; ".join(f"{label} {number(value)}" for label, value in
                       (("generated", step.value), ("real data", step.floor), (ceiling_name, step.ceiling)) if value is not None)
    cells = _cells(step, ceiling_name)
    numbers = "".join(f'<div class="{css}"><dt>{escape(label)}</dt><dd>{value}</dd></div>' for css, label, value in cells)
    return (
        f'<article class="rung"><div class="what"><h4>{escape(words.title)}</h4><code>{escape(name)}</code>'
        f'<p>{escape(words.meaning)} {side.capitalize()} is better.</p></div>'
        f'<div class="where"><p class="stand {tone}"><span>{escape(stands)}</span> <small>{escape(remark)}</small></p>'
        f"{ladder_scale(step, f'{words.title}, better to the right: {spoken}. {stands}.')}"
        f'<dl class="numbers">{numbers}</dl></div></article>'
    )


LEGEND = (
    '<ul class="legend" aria-label="Marks on the scales">'
    '<li><svg width="30" height="16" aria-hidden="true"><line class="whisker" x1="1" x2="29" y1="8" y2="8"/>'
    '<circle class="dot" cx="15" cy="8" r="6"/></svg>'
    "<span><b>generated</b>, with its 95% interval</span></li>"
    '<li><svg width="22" height="16" aria-hidden="true"><rect class="zone-real" width="22" height="16"/>'
    '<line class="mark-real" x1="11" x2="11" y1="0" y2="16"/></svg><span><b>floor</b>: real data against other real data</span></li>'
    '<li><svg width="22" height="16" aria-hidden="true"><rect class="zone-trivial" width="11" height="16"/>'
    '<path class="diamond" d="M11 1 18 8 11 15 4 8z"/></svg>'
    "<span><b>ceiling</b>: the best trivial model; left of it nothing was gained</span></li>"
    '<li><svg width="16" height="16" aria-hidden="true"><circle class="hollow" cx="8" cy="8" r="5"/></svg>'
    "<span><b>copiers</b>: they repeat training data, so they set no bar</span></li></ul>"
)


def ladder(scores: Scores, copiers: Mapping[str, Mapping[str, float]]) -> str:
    """The whole ladder by groups, then the scores that were refused, with their reasons."""
    parts: list[str] = []
    for group, lead in GROUPS.items():
        rows = [_row(name, score, copiers) for name, score in scores.items() if wording(name).group == group and refusal(score) is None]
        if rows:
            remark = f"<p>{escape(lead)}</p>" if lead else ""
            parts.append(f'<div class="group"><header><h3>{escape(group)}</h3>{remark}'
                         f'<p class="sides" aria-hidden="true"><span>← worse</span><span>better →</span></p></header>{"".join(rows)}</div>')
    refused = [(name, reason) for name, score in scores.items() if (reason := refusal(score)) is not None]
    if refused:
        items = "".join(
            f"<li><b>{escape(wording(name).title)}</b> <code>{escape(name)}</code><br>{escape(reason)}</li>" for name, reason in refused)
        parts.append(f'<div class="group refused"><header><h3>Not scored</h3></header><ul>{items}</ul></div>')
    return (LEGEND + "".join(parts)) if parts else ""


def key_figures(scores: Scores) -> list[tuple[str, str, str]]:
    """The scores' few figures for the top of the page: (name, value, remark)."""
    steps = {name: rung(name, score, {}) for name, score in scores.items() if refusal(score) is None}
    found: list[tuple[str, str, str]] = []
    # Where being trivial is no help (copies, novelty), noise meets the floor too: that is no merit to count.
    placed = [level for step in steps.values() if step.ceiling is not None and (level := level_with_real(step)) is not None]
    if placed:
        found.append(("Level with real data", f"{sum(placed)} of {len(placed)}", "scores meet the floor"))
    for name, step in steps.items():
        ratio = ratio_to_floor(step, name)
        if ratio is not None and name.startswith("frechet"):
            count = number(real(scores[name].get("n")), whole=True)
            found.append(("Fréchet distance", f"{number(ratio)} × floor", f"{name.partition('.')[2]}, n = {count}"))
            break
    for name, title in (("nats-per-character", "Nats per character"), ("bleu", "BLEU")):
        if name in steps:
            found.append((title, number(steps[name].value), _beside(steps[name], scores[name])))
    for title in ("Label accuracy", "Copies"):
        name, chosen = next(((name, step) for name, step in steps.items() if wording(name).title == title), ("", None))
        if chosen is not None:
            found.append((title, percent(chosen.value), "" if chosen.floor is None else f"real data: {percent(chosen.floor)}"))
    return found


def _beside(step: Rung, score: Mapping[str, Any]) -> str:
    return "" if step.ceiling is None else f"{score.get('ceiling_name') or 'trivial model'}: {number(step.ceiling)}"

"""The ladder in plain words, and gates for `judge --min`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import BadInput, UnknownName
from .domain import OWN

Scores = Mapping[str, Mapping[str, Any]]
_DISTANCES = ("frechet", "kernel")
_DECISIVE = (*_DISTANCES, "nats-per-character", "bleu", "trend-error", "two-sample-auc")
"""A trivial model that is as good on all of these wins."""
_LONG_SPANS = 1.5
"""From so many times the floor on, copied spans are called a repetition of training text: fluent text alone comes a little above it."""
_NAMED = 4
"""Most scores named in one sentence."""


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _better(score: Mapping[str, Any], value: float, than: float) -> bool:
    return value < than if score["better"] == "lower" else value > than


def _worse_for_sure(score: Mapping[str, Any], bound: float) -> bool:
    """Whether the whole interval lies on the wrong side of `bound`."""
    near = score["low"] if score["better"] == "lower" else score["high"]
    return near is not None and _better(score, bound, near)


def _at_floor(score: Mapping[str, Any]) -> bool:
    """Whether the interval meets the floor's."""
    edge = score["floor_high"] if score["better"] == "lower" else score["floor_low"]
    return edge is None or not _worse_for_sure(score, edge)


def _against_trivial(scores: Scores) -> str:
    barred = {name: score for name, score in scores.items() if score["ceiling"] is not None}
    if not barred:
        return "There is no trivial model to compare with."
    lost = [name for name, score in barred.items() if not _better(score, score["value"], score["ceiling"])]
    decisive = [name for name in barred if name.split(".")[0] in _DECISIVE]
    beaten = [f"{name} ({barred[name]['ceiling_name']})" for name in lost[:_NAMED]]
    beaten += [f"{len(lost) - _NAMED} more"] if len(lost) > _NAMED else []
    if not lost:
        return f"It beats the best trivial model on all {len(barred)} scores that have one."
    if decisive and all(name in lost for name in decisive):
        return f"A trivial model wins: on {_listed(beaten)} one does as well or better."
    return f"It beats the best trivial model on {len(barred) - len(lost)} of {len(barred)} scores, but not on {_listed(beaten)}."


def _from_floor(scores: Scores, n: int) -> str:
    parts = []
    for name, score in scores.items():
        if score["floor"] is None or name.split(".")[0] not in _DISTANCES:
            continue
        if name.startswith("frechet") and score["floor"] > 0:
            parts.append(f"{name} is {score['value'] / score['floor']:.2f} times the floor at n = {n:,}")
        elif _at_floor(score):
            parts.append(f"{name} can't be told from real held-out data")
        else:
            parts.append(f"{name} is {score['value']:.2g}, that of real held-out data {score['floor']:.2g}")
    return f"Against real data: {_listed(parts)}." if parts else ""


def _on_classes(result: Mapping[str, Any]) -> str:
    rows = result["classes"]
    if not rows:
        return ""
    lost, over = ([row["name"] for row in rows if row[key]] for key in ("lost", "over"))
    if not lost and not over:
        return f"All {len(rows)} classes are there, none clearly below half or above double its real share."
    parts = [f"below half of their real share: {_listed(lost)}"] if lost else []
    parts += [f"above double: {_listed(over)}"] if over else []
    return f"Of {len(rows)} classes, {'; '.join(parts)}."


def _on_labels(scores: Scores) -> str:
    score = scores.get("label-accuracy")
    if score is None:
        return ""
    beside = "" if score["floor"] is None else f" (of held-out items: {score['floor']:.1%})"
    return f"The classifier sees the label asked for in {score['value']:.1%} of the samples{beside}."


def _on_copies(scores: Scores) -> str:
    score = scores.get("copies")
    if score is None or score["floor"] is None:
        return "Copying could not be judged."
    figures = f"{score['value']:.1%} of the samples lie suspiciously close to a training item, of held-out items {score['floor']:.1%}"
    memory = scores.get("memory")
    if memory is not None and memory["floor"] is not None and not _at_floor(memory) and _at_floor(score):
        drawn = f"memory is {memory['value']:.2f}, of held-out items {memory['floor']:.2f}"
        return f"A sign of copying: the samples lie nearer to training items than unseen ones do ({drawn}); {figures}. Look at the pairs."
    if _at_floor(score):
        return f"No sign of copying: {figures}."
    return f"It copies training data: {figures}. Look at the closest pairs before sharing anything."


def _on_likelihood(scores: Scores) -> str:
    score = scores.get("nats-per-character")
    if score is None:
        return ""
    beside = "" if score["ceiling"] is None else f"; the best trivial model ({score['ceiling_name']}) costs {score['ceiling']:.3f}"
    bound = "at most " if score["extractor"].endswith("bound") else "about " if score["extractor"].endswith("estimate") else ""
    return f"Held-out text costs it {bound}{score['value']:.3f} nats per character{beside}."


def _on_references(scores: Scores) -> str:
    parts = []
    for name, written in (("bleu", "BLEU {:.1f}"), ("rouge-l", "ROUGE-L {:.3f}")):
        if (score := scores.get(name)) is not None:
            beside = "" if score["ceiling"] is None else f" (the best trivial answer, {score['ceiling_name']}: {score['ceiling']:.3g})"
            parts.append(written.format(score["value"]) + beside)
    return f"Against the references it reaches {_listed(parts)}." if parts else ""


def _on_span(scores: Scores) -> str:
    score = scores.get("copied-span")
    if score is None or score["floor"] is None:
        return ""
    figures = f"the longest span copied word for word is {score['value']:.1f} characters on average, in held-out texts {score['floor']:.1f}"
    if not _at_floor(score) and score["value"] > _LONG_SPANS * score["floor"]:
        return f"It repeats training text: {figures}."
    return f"{figures[0].upper()}{figures[1:]}."


def _on_repetition(scores: Scores) -> str:
    score = scores.get("self-bleu")
    if score is None or _at_floor(score):
        return ""
    return f"Its texts are more alike than real ones: self-BLEU {score['value']:.2f}, of held-out texts {score['floor']:.2f}."


def _on_variety(scores: Scores) -> str:
    low = [name for name, score in scores.items() if name.split(".")[0] == "diversity" and score["value"] < 0.8 and not _at_floor(score)]
    return f"Samples of one class are much more alike than real ones ({_listed(low)}): a sign of mode collapse." if low else ""


def _in_its_own_terms(scores: Scores) -> str:
    """The scores of one kind of data alone in which real data are ahead."""
    behind = [
        f"{name} {score['value']:.3g} (real {score['floor']:.3g})" for name, score in scores.items()
        if score.get("extractor") == OWN and score["floor"] is not None and not _at_floor(score)
    ]  # fmt: skip
    return f"Real data are ahead on {_listed(behind)}." if behind else ""


def _on_rules(result: Mapping[str, Any]) -> str:
    """What the same draws without the rules would be worth."""
    free = result.get("free")
    if free is None:
        return ""
    why = f" ({', '.join(f'{reason}: {count}' for reason, count in free['why'].items())})" if free["why"] else ""
    return f"Drawn without the rules of this kind of data, {free['kept']:.1%} of {free['n']:,} samples keep them{why}."


def verdict(result: Mapping[str, Any]) -> str:
    """One short paragraph on the result of `climb`: trivial models, likelihood, references, distance from real data, classes, copies."""
    scores = {name: score for name, score in result["scores"].items() if "refused" not in score}
    refused = len(result["scores"]) - len(scores)
    if not scores:
        return f"Nothing could be judged: {next(iter(score['refused'] for score in result['scores'].values()), 'there are no scores')}."
    parts = [_against_trivial(scores), _on_likelihood(scores), _on_references(scores), _from_floor(scores, result["n"])]
    parts += [_on_classes(result), _on_labels(scores), _on_variety(scores), _on_repetition(scores), _on_copies(scores), _on_span(scores)]
    parts += [_in_its_own_terms(scores), _on_rules(result)]
    if refused:
        parts.append(f"{refused} of {len(result['scores'])} scores refused; each says why.")
    return " ".join(part for part in parts if part)


def gates(scores: Scores, wanted: Iterable[str]) -> list[str]:
    """The gates that fail, in sentences: `kernel.raw-pca64=0.02` asks for at most, `recall.raw-pca64=0.5` for at least.

    A refused score fails its gate. Raises UnknownName for a score that isn't there, BadInput for anything but NAME=NUMBER.
    """
    failed = []
    for gate in wanted:
        name, sign, number = gate.rpartition("=")
        try:
            bound = float(number)
        except ValueError:
            bound = math.nan
        if not sign or not math.isfinite(bound):
            raise BadInput(f"a gate is written SCORE=NUMBER, as in kernel.raw-pca64=0.02; got {gate!r}")
        if name not in scores:
            raise UnknownName("score", name, scores)
        score = scores[name]
        if "refused" in score:
            failed.append(f"{name} was refused: {score['refused']}")
        elif _better(score, bound, score["value"]):
            side = "at most" if score["better"] == "lower" else "at least"
            failed.append(f"{name} is {score['value']:.4g}; the gate asks for {side} {bound:g}")
    return failed

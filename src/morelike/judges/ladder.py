"""The ladder: samples between real held-out data (the floor) and the best trivial model (the ceiling), at the same n.

Copiers stand on a line of their own: on raw features they match the floor, and must not set the bar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..core.errors import BadInput, Refused
from .carried import Carried, carried_rules, carried_scores
from .copying import CopyScores
from .domain import Domain, domain_groups
from .extractor import Array, Extractor, Floats
from .intervals import Measure
from .likelihood import Likelihood, Ready, likelihood_rules, likelihood_scores
from .pairs import OVERLAPS, ROUGES, Pairs, overlap_scores, rouge_scores
from .scores import REFERENCE_ITEMS, Classifier, ClassScores, FeatureScores, Group, Ids, Rule, Shown
from .table_groups import TableFacts, table_groups
from .text_codes import Texts
from .text_scores import SpanScores, VarietyScores, span_rules, variety_rules
from .told import Told, told_rules, told_scores

LARGEST = 2_000
"""Most items of one set: the ladder's n."""
_FEATURE_SCORES = ("frechet", "kernel", "precision", "recall", "density", "coverage", "diversity")
_COPY_SCORES = ("copies", "memory")
_CLASS_SCORES = ("classes", "label-accuracy")
_UNMEASURED = {
    "label-accuracy": "the samples were not drawn by label",
    "diversity": "no class has two samples that differ",
    "distinct-2": "no sample has two words or characters",
    "self-bleu": "the samples are empty",
    "trend-error": "needs at least two columns that can be compared",
    "train-on-generated-auc": "the generated rows hold fewer than two of the classes",
    "train-on-generated-accuracy": "the generated rows hold fewer than two of the classes",
    "novelty": "samples or training items are shorter than four words (twelve characters, in scripts without spaces)",
}
_ANOTHER_STRETCH = "needs held-out items drawn at random; here they are another stretch of one text, with words of its own"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Raw items and their class ids: the true ones of real items, the ones asked for of others, or None."""

    items: Array
    """(N,H,W,C) pictures, (N,D) vectors, (N,) texts or (N,C) cells (object arrays of str), as the codec decodes them."""
    labels: Ids | None = None
    """(N,)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the judges look at."""

    reference: Labelled
    """The training split: what all is scored against."""
    holdout: Labelled
    generated: Labelled
    baselines: Mapping[str, Labelled]
    """Trivial models that don't copy; the best of them is a score's ceiling."""
    copiers: Mapping[str, Labelled]
    """Trivial models that copy."""
    extractors: Sequence[Extractor]
    """The first is the raw one, on which copies are looked for."""
    classifier: Classifier | None = None
    seed: int = 0
    training_texts: Texts | None = None
    """For a running text, split by position: the training part in one piece, from which the reference items are cut."""
    likelihoods: Mapping[str, Likelihood] | None = None
    """For texts: those of the model ("model") and of trivial models, on the same held-out items."""
    pairs: Pairs | None = None
    """Where the condition is a text: outputs and references."""
    table: TableFacts | None = None
    """For tables: what is known of their columns."""
    carried: Carried | None = None
    """For models that go between two sets: held-out items carried over."""
    told: Told | None = None
    """For models that are told pictures: what was made under held-out ones."""
    domain: Domain | None = None
    """For kinds of data with rules of their own: what is known of them."""


def climb(evidence: Evidence) -> dict[str, Any]:
    """Scores the samples: JSON values only, every number finite.

    {"n", "training", "scores": {name: {"value", "low", "high", "n", "floor", "floor_low", "floor_high", "ceiling",
    "ceiling_name", "better", "extractor"} or {"refused": reason}}, "baselines" and "copiers": {name: {score: value}},
    "classes": per-class shares (`ClassScores.table`), "pairs": the closest pairs (`CopyScores.pairs`), "draws": {score: its values on the
    100 resamples, where its interval comes from them}}.
    n = min(held-out, generated, 2,000) for every set. Raises BadInput for sets that don't fit together.
    """
    _check(evidence)
    n = min(len(evidence.holdout.items), len(evidence.generated.items), LARGEST)
    held = _some(len(evidence.holdout.items), REFERENCE_ITEMS, evidence.seed + 1)
    sets = _sets(evidence, held, n) if n else {}
    result: dict[str, Any] = {"n": n, "training": len(evidence.reference.items), "scores": {}, "classes": [], "pairs": [], "draws": {}}
    result |= {"baselines": {name: {} for name in evidence.baselines}, "copiers": {name: {} for name in evidence.copiers}}
    for names, ready in _given(evidence):
        try:
            _file(ready(), result)
        except Refused as reason:
            result["scores"] |= {name: {"refused": str(reason)} for name in names}
    for names, build in _plan(evidence, held, sets):
        try:
            if not n:
                raise Refused(f"needs held-out and generated items, has {len(evidence.holdout.items)} and {len(evidence.generated.items)}")
            group = build()
            _measure(group, sets, n, evidence, result)
        except Refused as reason:
            result["scores"] |= {name: {"refused": str(reason)} for name in names}
            continue
        if isinstance(group, ClassScores) and n >= group.rules["classes"].smallest:
            result["classes"] = group.table(sets["generated"])
        if isinstance(group, CopyScores):
            result["pairs"] = group.pairs(sets["generated"], _training_rows(evidence), held)
            if evidence.training_texts is not None:
                result["scores"]["memory"] = {"refused": _ANOTHER_STRETCH}
    return result


def _given(evidence: Evidence) -> Iterator[tuple[list[str], Callable[[], Ready]]]:
    """Scores that are measured by themselves: their names and how."""
    likelihoods, pairs, carried, told = evidence.likelihoods, evidence.pairs, evidence.carried, evidence.told
    if likelihoods is not None:
        yield list(likelihood_rules()), lambda: likelihood_scores(likelihoods, evidence.seed)
    if pairs is not None:
        yield list(OVERLAPS), lambda: overlap_scores(pairs)
        yield list(ROUGES), lambda: rouge_scores(pairs)
    if carried is not None:
        yield list(carried_rules(carried)), lambda: carried_scores(carried, evidence.extractors[0], evidence.seed)
    if told is not None:
        yield list(told_rules()), lambda: told_scores(told)


def _file(ready: Ready, result: dict[str, Any]) -> None:
    """Files what was measured already."""
    for name, values in ready.baselines.items():
        result["baselines"].setdefault(name, {}).update({score: value for score, value in values.items() if math.isfinite(value)})
    for score, rule in ready.rules.items():
        entry = _entry(rule, score, (ready.own, {}), result["baselines"])
        if "refused" not in entry:
            _keep_draws(result, score, ready.own)
            entry |= {"n": ready.n, "extractor": ready.extractor, **ready.more.get(score, {})}
        result["scores"][score] = entry


def _check(evidence: Evidence) -> None:
    shape = evidence.reference.items.shape[1:]
    parts = {"held-out": evidence.holdout, "generated": evidence.generated, **evidence.baselines, **evidence.copiers}
    n = min(len(evidence.holdout.items), len(evidence.generated.items), LARGEST)
    text = evidence.reference.items.dtype == object
    for name, part in parts.items():
        if (part.items.dtype == object) != text:
            raise BadInput(f"the {name} items and the training items must both be texts or neither")
        if part.items.shape[1:] != shape:
            raise BadInput(f"the {name} items are of shape {part.items.shape[1:]}, the training items of {shape}; they can't be compared")
        if part.labels is not None and len(part.labels) != len(part.items):
            raise BadInput(f"the {name} set has {len(part.items)} items and {len(part.labels)} labels")
        if len(part.items) < n:
            raise BadInput(f"the {name} set has {len(part.items)} items; the ladder compares {n} of each")
    if not evidence.extractors:
        raise BadInput("the ladder needs at least one extractor")


def _some(size: int, most: int, seed: int) -> Ids:
    """At most `most` of 0..size-1, at random and ascending."""
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.Generator(np.random.PCG64(seed)).choice(size, most, replace=False))


def _sets(evidence: Evidence, held: Ids, n: int) -> dict[str, Shown]:
    """Each set cut to n items at random (files are often sorted by class), without features as yet."""
    holdout = Labelled(evidence.holdout.items[held], None if evidence.holdout.labels is None else evidence.holdout.labels[held])
    parts: list[tuple[str, Literal["generated", "holdout", "baseline", "copier"], Labelled]] = [
        ("generated", "generated", evidence.generated), ("holdout", "holdout", holdout),
        *((f"baseline {name}", "baseline", part) for name, part in evidence.baselines.items()),
        *((f"copier {name}", "copier", part) for name, part in evidence.copiers.items()),
    ]  # fmt: skip
    sets = {}
    for name, role, part in parts:
        rows = _some(len(part.items), n, evidence.seed + 2)
        items = part.items[rows]
        features = {extractor.name: extractor(items) for extractor in evidence.extractors}
        classes = None if evidence.classifier is None else evidence.classifier(items)
        sets[name] = Shown(role, rows, features, None if part.labels is None else np.asarray(part.labels)[rows], classes, items)
    return sets


def _training_rows(evidence: Evidence) -> Ids:
    """The training items whose features the first extractor gives, in their order."""
    size = len(evidence.reference.items)
    return np.arange(size) if evidence.extractors[0].cheap else _some(size, REFERENCE_ITEMS, evidence.seed)


def _plan(evidence: Evidence, held: Ids, sets: Mapping[str, Shown]) -> Iterator[tuple[list[str], Callable[[], Group]]]:
    """Score names and how to build their group, in the order of the report."""
    training, seed = evidence.reference.items, evidence.seed
    some = _some(len(training), REFERENCE_ITEMS, seed)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(some))
    seen = evidence.classifier(training[some]) if evidence.classifier is not None and len(training) else None
    for place, extractor in enumerate(evidence.extractors):
        reference = extractor(training if extractor.cheap else training[some])
        rows, classes = (some[order] if extractor.cheap else order), (None if seen is None else seen[order])

        def features(name: str = extractor.name, given: Floats = reference, rows: Ids = rows, classes: Ids | None = classes) -> Group:
            return FeatureScores(name, given, rows, classes, seed)

        yield [f"{score}.{extractor.name}" for score in _FEATURE_SCORES], features
        if place == 0:
            first = reference
    yield list(_CLASS_SCORES), lambda: ClassScores(evidence.classifier, seen, seed)
    if evidence.table is not None:
        yield from table_groups(evidence.table, training, evidence.holdout.items[held], seed)
    elif evidence.domain is not None:
        yield from domain_groups(evidence.domain, seed)
    elif training.dtype == object:
        texts = training if evidence.training_texts is None else evidence.training_texts
        yield list(variety_rules()), lambda: VarietyScores(texts, seed)
        yield list(span_rules()), lambda: SpanScores(texts, [shown.items for shown in sets.values() if shown.items is not None], seed)
    raw = evidence.extractors[0]
    yield list(_COPY_SCORES), lambda: CopyScores(raw.name, first, raw(evidence.holdout.items[held]), seed)


def _measure(group: Group, sets: Mapping[str, Shown], n: int, evidence: Evidence, result: dict[str, Any]) -> None:
    """Measures every set and files the values. Raises Refused where the samples or the held-out items can't be measured."""
    allowed = {name: rule for name, rule in group.rules.items() if n >= rule.smallest}
    result["scores"] |= {name: _too_few(rule, evidence) for name, rule in group.rules.items() if name not in allowed}
    if not allowed:
        return
    own, floor = group.measure(sets["generated"]), group.measure(sets["holdout"])
    for line, role in (("baselines", "baseline"), ("copiers", "copier")):
        for name in getattr(evidence, line):
            measured = _forgiving(group, sets[f"{role} {name}"])
            result[line][name] |= {score: value for score, value in measured.items() if score in allowed}
    for score, rule in allowed.items():
        result["scores"][score] = _entry(rule, score, (own, floor), result["baselines"])
        if "refused" not in result["scores"][score]:
            _keep_draws(result, score, own)
            result["scores"][score] |= {"n": n, "extractor": group.extractor}


def _keep_draws(result: dict[str, Any], score: str, own: Mapping[str, Measure]) -> None:
    draws = own[score].draws
    if draws is not None and np.isfinite(draws).all():
        result["draws"][score] = [float(f"{value:.6g}") for value in draws]


def _forgiving(group: Group, shown: Shown) -> dict[str, float]:
    """A trivial model's values; what can't be measured on it sets no bar."""
    try:
        return {score: measure.value for score, measure in group.measure(shown).items() if math.isfinite(measure.value)}
    except Refused:
        return {}


def _bar(rule: Rule, score: str, baselines: Mapping[str, Mapping[str, float]]) -> tuple[float | None, str | None]:
    """The best trivial value and whose it is."""
    values = {name: line[score] for name, line in baselines.items() if score in line} if rule.bar else {}
    if not values:
        return None, None
    best = (min if rule.better == "lower" else max)(values, key=values.__getitem__)
    return values[best], best


def _entry(
    rule: Rule, score: str, sides: tuple[Mapping[str, Measure], Mapping[str, Measure]], baselines: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """One line of the ladder, of the samples' and the held-out items' measures; a bound that is no number is None."""
    if score not in sides[0]:
        return {"refused": _UNMEASURED.get(score.partition(".")[0], "it can't be measured on these samples")}
    own, floor = sides[0][score], sides[1].get(score, Measure(math.nan))
    if not math.isfinite(own.value):
        return {"refused": "it came out as no finite number"}
    entry = {"value": own.value, "low": own.low, "high": own.high, "floor": floor.value, "floor_low": floor.low, "floor_high": floor.high}
    finite = {key: value if value is not None and math.isfinite(value) else None for key, value in entry.items()}
    ceiling, name = _bar(rule, score, baselines)
    return {**finite, "ceiling": ceiling, "ceiling_name": name, "better": rule.better}


def _too_few(rule: Rule, evidence: Evidence) -> dict[str, Any]:
    held, made = len(evidence.holdout.items), len(evidence.generated.items)
    what, has = ("held-out", held) if held < rule.smallest else ("generated", made)
    return {"refused": f"needs at least {rule.smallest} {what} items, has {has}"}

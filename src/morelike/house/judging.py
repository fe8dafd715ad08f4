"""From a model and its data to a verdict: draws, trivial models and the ladder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from ..core import registry
from ..core.abilities import Density, Translates
from ..core.contract import Codec, Trainable
from ..core.noise import Noise
from ..core.spec import Tokens, elements, lift, lift_all, sequential, spatial
from ..data.loader import Dataset, Order, take
from ..data.world import World
from ..judges.copying import copy_rules
from ..judges.domain import Domain, domain_classifier
from ..judges.extractor import Extractor, raw_pca, raw_vectors
from ..judges.intervals import Measure, around, resamples
from ..judges.ladder import LARGEST, Evidence, Labelled, climb
from ..judges.likelihood import likelihood_rules
from ..judges.pairs import pair_rules
from ..judges.scores import NGRAMS, Classifier, class_rules, feature_rules
from ..judges.table_codes import raw_table
from ..judges.table_groups import TableFacts, all_rules
from ..judges.text_features import DIMENSIONS, raw_ngrams
from ..judges.text_scores import span_rules, variety_rules
from ..judges.told import Told, told_rules
from ..judges.verdict import verdict
from ..maths.distance import euclidean, kernel_distance_unbiased, mean_across, mean_within, polynomial_kernel, unit_scale
from ..training.loop import Trainer
from ..training.plan import Plan
from .audience import Audience
from .build import build
from .carrying import carried_of
from .features import FEATURES, judges_net
from .package import Package
from .prepare import Feed, Prepared, raw_of
from .recipe import Recipe
from .sampling import draw, obeying
from .showing import by_class, page_conditions, report
from .table_evidence import table_facts
from .text_evidence import label_classifier, likelihoods, pairs_of, text_condition, training_texts
from .varying import picture_condition

__all__ = ["Judged", "Validation", "by_class", "fit_by_passes", "judge", "page_conditions", "raw_features", "report", "smallest"]

BASELINES, COPIERS = ("independent", "gaussian", "seasonal-naive"), ("copy-noise", "smote", "block-bootstrap")
TOKEN_BASELINES = ("independent", "markov", "ngram", "hmm")
"""For sequences of ids; those that the registry has and that take the data."""
_REFERENCE = 60_000
"""Most training items that judges are given."""
_LONGEST = 500
"""Most sequences drawn to judge: they come id by id."""
_LEARNT, _LEARNT_IDS = 10_000, {"hmm": 300_000}
"""Most training sequences that a trivial model learns, and most ids of one that goes through them many times."""


@dataclass(slots=True)
class Judged:
    """What judging gives: `result` as `judges.ladder.climb` describes it, the verdict, and what the report draws."""

    result: dict[str, Any]
    verdict: str
    evidence: Evidence
    seconds: float


def judge(package: Package, data: Prepared, audience: Audience, *, precision: str = "fp32") -> Judged:
    """Draws under the hold-out's own conditions and climbs the ladder."""
    began = time.perf_counter()
    n = min(len(data.holdout), _LONGEST if sequential(data.codec.spec) else LARGEST)
    seed = package.recipe.seed + 1
    rows = np.sort(np.argsort(np.random.PCG64(seed).random_raw(len(data.holdout)), kind="stable")[:n])
    condition = {name: torch.from_numpy(values[rows]) for name, values in data.holdout.condition.items() if name in package.conditions}
    asked = condition[data.label][:, 0].numpy() if data.label is not None and data.label in condition else None
    audience.say(f"drawing {n} samples to judge")
    x = draw(package.model, n, condition, seed=seed, precision=precision, by=obeying(package))
    generated = Labelled(raw_of(package.codec, x.numpy()), asked)
    learned = judges_net(data, audience)
    audience.say("climbing the ladder")
    few = slice(0, _REFERENCE)
    some = _some(data)
    held = _labelled(data, data.holdout.x[some], {name: values[some] for name, values in data.holdout.condition.items()})
    reference = _labelled(data, data.train.x[few], {name: values[few] for name, values in data.train.condition.items()})
    facts = table_facts(data.codec, reference.items, take(data.source.items, data.split.holdout))
    domain = domain_of(data.codec, reference.items)
    raw = raw_features(data.codec, reference.items, facts) if domain is None else domain.extractor()
    baselines = _trivial_models(TOKEN_BASELINES if isinstance(data.codec.spec, Tokens) else BASELINES, data)
    copiers = _trivial_models(COPIERS, data)
    text = data.codec.kind == "text"
    evidence = Evidence(
        reference=reference,
        holdout=held,
        generated=generated,
        baselines={name: _drawn(model, data, condition, n, seed) for name, model in baselines.items()},
        copiers={
            "bootstrap": _bootstrap(reference, n, seed),
            **{name: _drawn(model, data, condition, n, seed) for name, model in copiers.items()},
        },
        extractors=[raw] if learned is None else [raw, learned[0]],
        classifier=_classifier(data, reference, raw, text, domain is not None) if learned is None else learned[1],
        seed=seed,
        training_texts=training_texts(data) if text else None,
        likelihoods=likelihoods(package, data, baselines) if text else None,
        pairs=pairs_of(package, data, precision) if text else None,
        table=facts,
        carried=carried_of(package, data),
        told=Told(generated.items, raw_of(data.codec, data.holdout.x[rows])) if picture_condition(package) is not None else None,
        domain=domain,
    )
    result = climb(evidence)
    if obeying(package) is not None:
        result["free"] = _free(package, condition, n, seed, precision)
    return Judged(result, verdict(result), evidence, time.perf_counter() - began)


def domain_of(codec: Codec, reference: np.ndarray) -> Domain | None:
    """What judges know of the codec's kind alone, with the training items `reference`."""
    kind = registry.kind(codec.kind)
    if not kind.world:
        return None
    assert isinstance(codec, World)
    found: Domain = kind.load_judges()(codec.facts(), list(reference))
    return found


def _classifier(data: Prepared, reference: Labelled, raw: Extractor, text: bool, world: bool) -> Classifier | None:
    """The simple classifier of labelled items where no net was learnt for it; None without labels."""
    if text:
        return label_classifier(data, reference.items, reference.labels)
    if not world or data.label is None:
        return None
    names: tuple[str, ...] = data.conditions[data.label].names  # type: ignore[attr-defined]
    return domain_classifier(f"{data.source.name.partition('.')[0]}-logistic", raw, reference.items, reference.labels, names)


def _free(package: Package, condition: Mapping[str, Tensor], n: int, seed: int, precision: str) -> dict[str, Any]:
    """What of the same draws without the rules keeps them: {"n", "kept": their share, "why": {the first rule broken: how often}}."""
    assert isinstance(package.codec, World)
    x = draw(package.model, n, condition, seed=seed, precision=precision)
    why = Counter(package.codec.broken(item) for item in raw_of(package.codec, x.numpy()))
    kept = why.pop(None, 0)
    return {"n": n, "kept": kept / n, "why": dict(why.most_common(5))}


def raw_features(codec: Codec, reference: np.ndarray, facts: TableFacts | None = None) -> Extractor:
    """The raw extractor of a codec's kind of data, fitted on training items; `facts` of a table, where they are known."""
    facts = facts or table_facts(codec, reference)
    if facts is not None:
        return raw_table(facts.codes(reference), reference)
    if codec.kind == "text":
        return raw_ngrams(reference)
    if (domain := domain_of(codec, reference)) is not None:
        return domain.extractor()
    return raw_vectors(reference) if codec.kind == "vector" else raw_pca(reference)


def _labelled(data: Prepared, stored: np.ndarray, condition: Mapping[str, np.ndarray]) -> Labelled:
    return Labelled(raw_of(data.codec, stored), None if data.label is None else condition[data.label][:, 0])


def _some(data: Prepared) -> slice | np.ndarray:
    """The held-out items that judges are given: of a table's rows at most 60,000 at random, else all."""
    if data.codec.kind != "table" or len(data.holdout) <= _REFERENCE:
        return slice(None)
    return np.sort(np.argsort(np.random.PCG64(0).random_raw(len(data.holdout)), kind="stable")[:_REFERENCE])


def _bootstrap(reference: Labelled, n: int, seed: int) -> Labelled:
    rows = np.random.PCG64(seed).random_raw(n) % len(reference.items)
    return Labelled(reference.items[rows], None if reference.labels is None else reference.labels[rows])


def _trivial_models(names: tuple[str, ...], data: Prepared) -> dict[str, Trainable]:
    """Those of the named trivial models that are there and take the data, trained by the one trainer."""
    found = {}
    for name in names:
        if name not in registry.FAMILIES:
            continue
        family = registry.family(name).load()
        if family.refuses(data.codec.spec, {}) is not None:  # type: ignore[attr-defined]
            continue
        specs = {key: spec for key, spec in data.specs.items() if family.refuses(data.codec.spec, {key: spec}) is None}  # type: ignore[attr-defined]
        if family.refuses(data.codec.spec, specs) is not None:  # type: ignore[attr-defined]
            specs = {key: spec for key, spec in specs.items() if key == data.label}
        model = fit_by_passes(build(Recipe(model=name, seed=0), data.codec.spec, specs), _learnt(name, data))
        found[name] = model
    return found


def _learnt(name: str, data: Prepared) -> Dataset:
    """What a trivial model learns: the training part, of sequences a bounded number at random."""
    most = min(_LEARNT, max(1, _LEARNT_IDS.get(name, 1 << 62) // elements(data.codec.spec)))
    if not sequential(data.codec.spec) or len(data.train) <= most:
        return data.train
    rows = np.sort(np.argsort(np.random.PCG64(0).random_raw(len(data.train)), kind="stable")[:most])
    return Dataset(data.train.x[rows], {name: values[rows] for name, values in data.train.condition.items()})


def _drawn(model: Trainable, data: Prepared, condition: Mapping[str, Tensor], n: int, seed: int) -> Labelled:
    """Samples of a trivial model through the codec."""
    x = draw(model, n, {key: condition[key] for key in model.conditions if key in condition}, seed=seed)
    asked = condition[data.label][:, 0].numpy() if data.label in model.conditions and data.label in condition else None
    return Labelled(raw_of(data.codec, x.numpy()), asked)


def fit_by_passes(model: Trainable, data: Dataset, batch: int = 512) -> Trainable:
    """Trains a model that learns without gradients on all of `data`, to its end."""
    order = Order(len(data), min(batch, len(data)), 0)
    passes = max(getattr(player, "passes", 1) for player in model.players())
    plan = Plan(steps=order.steps_per_epoch * passes, batch=order.batch)
    return Trainer(model, Feed(data, order, by_pass=True), plan).run()


def smallest(data: Prepared) -> dict[str, int]:
    """Score -> the least number of held-out items that it takes, as `judge` will ask for it."""
    count, kind = elements(data.codec.spec), data.codec.kind
    name, dimensions = "raw", count
    if registry.kind(kind).world:
        domain = domain_of(data.codec, data.raw(data.train, slice(0, 64)))
        assert domain is not None
        return {score.name: score.rule.smallest for score in domain.scores()} | {name: rule.smallest for name, rule in copy_rules().items()}
    if kind == "table":
        return {name: rule.smallest for name, rule in (copy_rules() | all_rules()).items()}
    if kind != "vector":
        dimensions = DIMENSIONS if kind == "text" else min(64, count)
        name = f"{NGRAMS}{dimensions}" if kind == "text" else f"raw-pca{dimensions}"
    rules = feature_rules(name, dimensions) | copy_rules()
    if spatial(data.codec.spec):
        rules |= feature_rules(f"{data.source.name}-cnn", FEATURES)
    if kind == "text":
        rules |= variety_rules() | span_rules() | likelihood_rules()
        rules |= pair_rules() if text_condition(data) is not None else {}
    if any(codec.kind == "image" for codec in data.conditions.values()):
        rules |= told_rules()
    if data.label is not None and kind != "vector":
        rules |= class_rules(len(data.conditions[data.label].names))  # type: ignore[attr-defined]
    return {name: rule.smallest for name, rule in rules.items()}


class Validation:
    """The score that training watches on validation data, lower is better: nats where the model has a likelihood, else the
    unbiased kernel distance of 500 samples (200 sequences) on raw features; of a model that `Translates` the mean over its sets, for
    both together look right to one that changes nothing. Remembers the last samples for the stages of the report."""

    def __init__(
        self, package: Package, data: Prepared, precision: str, *, told: bool | None = None, features: Extractor | None = None
    ) -> None:
        """`told`: whether nats are the score, by default where the model has a likelihood; `features` in place of the raw ones."""
        self.told = _says_nats(package.model) if told is None else told
        self.codec, self.precision, self.seed = package.codec, precision, package.recipe.seed + 2
        most = 200 if sequential(data.codec.spec) else 500
        n = min(500, len(data.validation))
        judged = np.arange(n) if self.told else _spread(len(data.validation), n)
        self.x = torch.from_numpy(np.array(data.validation.x[judged]))
        self.condition = {name: torch.from_numpy(data.validation.condition[name][judged]) for name in package.conditions}
        self.draws, self.slack = 0, 0.0
        if self.told:
            return
        known = _spread(len(data.train), min(4096, len(data.train)))
        items, reference = raw_of(data.codec, data.validation.x[judged]), raw_of(data.codec, data.train.x[known])
        self.learned = features is not None
        self.features = features or raw_features(data.codec, reference)
        self.mean, self.scale = unit_scale(self.features(reference))
        self.draws = most if n >= most else max(n, min(most, 4 * n))
        self.real = self._scaled(items)
        label = data.label if isinstance(package.model, Translates) else None
        self.sets, sets = (
            np.zeros(len(rows), np.int64) if label is None else part.condition[label][rows, 0]
            for rows, part in ((judged, data.validation), (known, data.train))
        )
        self.slack = self._noise(self._scaled(reference), sets)

    def __call__(self, model: Trainable) -> float:
        if self.told:
            return -float(self._log_prob(model).mean())
        return self._distance(self._made(model), self.sets[np.arange(self.draws) % len(self.x)])

    def measure(self, model: Trainable) -> Measure:
        """A score with its interval, to choose among families, for a model that makes one set: nats, the kernel distance on learned
        features, or on raw ones the energy distance (Székely, Rizzo 2013, doi:10.1016/j.jspi.2013.03.018)."""
        if self.told:
            nats = -self._log_prob(model).double()
            return around(float(nats.mean()), float(nats.std()) / len(nats) ** 0.5)
        made = self._made(model)
        # the cubic kernel sees third moments and no more: learned features are made for it, raw ones need a distance that sees all
        pairwise, sign = (polynomial_kernel, 1) if self.learned else (euclidean, -1)
        across, weights = mean_across(made, self.real, pairwise), resamples(len(made), self.seed)
        value = mean_within(made, None, pairwise)[0] + mean_within(self.real, None, pairwise)[0] - 2 * across.mean()
        draws = mean_within(made, weights, pairwise) - 2 * (weights @ across) / len(made)
        return around(sign * float(value), float(draws.std()))

    def _made(self, model: Trainable) -> np.ndarray:
        """(draws,D) scaled features of samples under the validation items' conditions."""
        rows = torch.arange(self.draws) % len(self.x)
        condition = {name: value[rows] for name, value in self.condition.items()}
        x = draw(model, self.draws, condition, seed=self.seed, precision=self.precision)
        return self._scaled(raw_of(self.codec, x.numpy()))

    def _distance(self, made: np.ndarray, sets: np.ndarray) -> float:
        """Mean over the sets of the unbiased kernel distance between scaled features made for one and its real items."""
        pairs = [(made[sets == one], self.real[self.sets == one]) for one in np.unique(self.sets)]
        return float(np.mean([kernel_distance_unbiased(*pair) for pair in pairs if min(map(len, pair)) > 1]))

    def _log_prob(self, model: Any) -> Tensor:
        """(n,) nats of the validation items; sequences go 64 at a time, for each of their places has a whole vocabulary of logits."""
        device, spec = model.device, model.spec
        noise = Noise(self.seed, len(self.x), path=("validation",)).to(device)
        step, parts = 64 if isinstance(spec, Tokens) else len(self.x), []
        with torch.inference_mode():
            for start in range(0, len(self.x), step):
                rows = slice(start, start + step)
                own = {name: value[rows].to(device) for name, value in self.condition.items()}
                own = lift_all(model.conditions, own)
                parts.append(model.log_prob(lift(spec, self.x[rows].to(device)), own, noise=noise[rows]))
        return torch.cat(parts)

    def _noise(self, reference: np.ndarray, sets: np.ndarray) -> float:
        """Two standard deviations of the kernel distance between the validation items and as many real ones as are drawn."""
        picks = np.random.Generator(np.random.PCG64(self.seed)).integers(len(reference), size=(16, self.draws))
        return 2 * float(np.std([self._distance(reference[rows], sets[rows]) for rows in picks]))

    def _scaled(self, items: np.ndarray) -> np.ndarray:
        return (self.features(items) - self.mean) / self.scale


def _says_nats(model: Trainable) -> TypeGuard[Density]:
    """Whether it is judged by its likelihood: an estimate by hundreds of passes of a net is left to `score`."""
    return isinstance(model, Density) and model.tight != "estimate"


def _spread(size: int, count: int) -> np.ndarray:
    """(count,) of 0..size-1, spread evenly: items often lie class by class."""
    return np.arange(count) * size // count

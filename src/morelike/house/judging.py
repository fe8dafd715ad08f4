"""From a model and its data to a verdict: draws, trivial models, the ladder, and the report's pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..core import registry
from ..core.abilities import Density
from ..core.contract import Trainable
from ..core.noise import Noise
from ..core.spec import elements, lift, spatial
from ..data.image import grid, rgb8
from ..data.loader import Order
from ..judges.copying import copy_rules
from ..judges.extractor import Extractor, raw_pca, raw_vectors
from ..judges.ladder import LARGEST, Evidence, Labelled, climb
from ..judges.report import ClassShare, Cost, DataCard, NearestPair, ReportData, Stage, write_report
from ..judges.scores import class_rules, feature_rules
from ..judges.verdict import verdict
from ..maths.distance import kernel_distance_unbiased, unit_scale
from ..training.loop import Trainer
from ..training.plan import Plan
from ..training.record import read
from .audience import Audience
from .build import build
from .features import FEATURES, judges_net
from .package import Package
from .prepare import Feed, Prepared, raw_of
from .recipe import Recipe
from .sampling import draw

BASELINES, COPIERS = ("independent", "gaussian"), ("copy-noise",)
_REFERENCE = 60_000
"""Most training items that judges are given."""


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
    n = min(len(data.holdout), LARGEST)
    seed = package.recipe.seed + 1
    rows = np.sort(np.argsort(np.random.PCG64(seed).random_raw(len(data.holdout)), kind="stable")[:n])
    condition = {name: torch.from_numpy(values[rows]) for name, values in data.holdout.condition.items() if name in package.conditions}
    label = next(iter(data.conditions), None)
    asked = None if label is None or label not in package.conditions else condition[label][:, 0].numpy()
    audience.say(f"drawing {n} samples to judge")
    x = draw(package.model, n, condition, seed=seed, precision=precision)
    generated = Labelled(np.asarray(package.codec.decode(x.numpy())), asked)
    learned = judges_net(data, audience)
    audience.say("climbing the ladder")
    few = slice(0, _REFERENCE)
    held = _labelled(data, data.holdout.x, data.holdout.condition)
    reference = _labelled(data, data.train.x[few], {name: values[few] for name, values in data.train.condition.items()})
    raw = raw_features(data.codec.kind, reference.items)
    trivial = {name: _trivial(name, data, condition, n, seed) for name in (*BASELINES, *COPIERS)}
    evidence = Evidence(
        reference=reference,
        holdout=held,
        generated=generated,
        baselines={name: trivial[name] for name in BASELINES},
        copiers={"bootstrap": _bootstrap(reference, n, seed), **{name: trivial[name] for name in COPIERS}},
        extractors=[raw] if learned is None else [raw, learned[0]],
        classifier=None if learned is None else learned[1],
        seed=seed,
    )
    result = climb(evidence)
    return Judged(result, verdict(result), evidence, time.perf_counter() - began)


def raw_features(kind: str, reference: np.ndarray) -> Extractor:
    """The raw extractor of a kind of data, fitted on training items."""
    return raw_vectors(reference) if kind == "vector" else raw_pca(reference)


def _labelled(data: Prepared, stored: np.ndarray, condition: Mapping[str, np.ndarray]) -> Labelled:
    label = next(iter(data.conditions), None)
    return Labelled(raw_of(data.codec, stored), None if label is None else condition[label][:, 0])


def _bootstrap(reference: Labelled, n: int, seed: int) -> Labelled:
    rows = np.random.PCG64(seed).random_raw(n) % len(reference.items)
    return Labelled(reference.items[rows], None if reference.labels is None else reference.labels[rows])


def _trivial(name: str, data: Prepared, condition: Mapping[str, Tensor], n: int, seed: int) -> Labelled:
    """Samples of a trivial model, trained by the one trainer and drawn through the codec."""
    recipe = Recipe(model=name, seed=0)
    family = registry.family(name).load()
    specs = {key: spec for key, spec in data.specs.items() if family.refuses(data.codec.spec, {key: spec}) is None}  # type: ignore[attr-defined]
    model = build(recipe, data.codec.spec, specs)
    model = fit_by_passes(model, data)
    x = draw(model, n, {key: condition[key] for key in specs if key in condition}, seed=seed)
    label = next(iter(specs), None)
    asked = condition[label][:, 0].numpy() if label is not None and label in condition else None
    return Labelled(np.asarray(data.codec.decode(x.numpy())), asked)


def fit_by_passes(model: Trainable, data: Prepared, batch: int = 512) -> Trainable:
    """Trains a model that learns without gradients, to its end."""
    order = Order(len(data.train), min(batch, len(data.train)), 0)
    passes = max(getattr(player, "passes", 1) for player in model.players())
    plan = Plan(steps=order.steps_per_epoch * passes, batch=order.batch)
    return Trainer(model, Feed(data.train, order, by_pass=True), plan).run()


def smallest(data: Prepared) -> dict[str, int]:
    """Score -> the least number of held-out items that it takes, as `judge` will ask for it."""
    count = elements(data.codec.spec)
    vector = data.codec.kind == "vector"
    dimensions = count if vector else min(64, count)
    rules = feature_rules("raw" if vector else f"raw-pca{dimensions}", dimensions) | copy_rules()
    if spatial(data.codec.spec):
        rules |= feature_rules(f"{data.source.name}-cnn", FEATURES)
        rules |= class_rules(len(next(iter(data.conditions.values())).names)) if data.conditions else {}  # type: ignore[attr-defined]
    return {name: rule.smallest for name, rule in rules.items()}


class Validation:
    """The score that training watches on validation data, lower is better: nats where the model has a likelihood, else the
    unbiased kernel distance of 500 samples on raw features. Remembers the last samples for the stages of the report."""

    def __init__(self, package: Package, data: Prepared, precision: str) -> None:
        self.codec, self.precision, self.seed = package.codec, precision, package.recipe.seed + 2
        n = min(500, len(data.validation))
        self.x = torch.from_numpy(np.array(data.validation.x[:n]))
        self.condition = {name: torch.from_numpy(data.validation.condition[name][:n]) for name in package.conditions}
        items = raw_of(data.codec, data.validation.x[:n])
        reference = raw_of(data.codec, data.train.x[:4096])
        self.features = raw_features(data.codec.kind, reference)
        self.mean, self.scale = unit_scale(self.features(reference))
        self.draws = max(n, min(500, 4 * n))
        self.real = self._scaled(items)
        self.slack = 0.0 if isinstance(package.model, Density) else self._noise(self._scaled(reference))

    def __call__(self, model: Trainable) -> float:
        if isinstance(model, Density):
            noise = Noise(self.seed, len(self.x), path=("validation",)).to(model.device)
            with torch.inference_mode():
                x = lift(model.spec, self.x.to(model.device))
                nats = model.log_prob(x, {k: v.to(model.device) for k, v in self.condition.items()}, noise=noise)
            return -float(nats.mean())
        rows = torch.arange(self.draws) % len(self.x)
        condition = {name: value[rows] for name, value in self.condition.items()}
        x = draw(model, self.draws, condition, seed=self.seed, precision=self.precision)
        return kernel_distance_unbiased(self._scaled(np.asarray(self.codec.decode(x.numpy()))), self.real)

    def _noise(self, reference: np.ndarray) -> float:
        """Two standard deviations of the kernel distance between the validation items and as many real ones as are drawn."""
        picks = np.random.Generator(np.random.PCG64(self.seed)).integers(len(reference), size=(16, self.draws))
        return 2 * float(np.std([kernel_distance_unbiased(reference[rows], self.real) for rows in picks]))

    def _scaled(self, items: np.ndarray) -> np.ndarray:
        return (self.features(items) - self.mean) / self.scale


def by_class(package: Package, rows: int, columns: int) -> dict[str, Tensor]:
    """Conditions for a page of rows x columns: a class a row where there is one label, else nothing."""
    if len(package.conditions) != 1:
        return {}
    name, codec = next(iter(package.conditions.items()))
    classes = torch.arange(rows) % codec.spec.vocab  # type: ignore[union-attr]
    return {name: classes.repeat_interleave(columns)[:, None]}


def real_page(data: Prepared, package: Package, rows: int, columns: int) -> np.ndarray:
    """Stored training examples for a page, drawn at random, a class a row where there is one label."""
    wanted = by_class(package, rows, columns)
    if not wanted:
        order = np.argsort(np.random.PCG64(0).random_raw(len(data.train)), kind="stable")
        return data.train.x[np.sort(order[: rows * columns])]
    name, ids = next(iter(wanted.items()))
    labels = data.train.condition[name][:, 0]
    found: list[int] = []
    for row in range(rows):
        members = np.flatnonzero(labels == int(ids[row * columns]))
        members = members[np.argsort(np.random.PCG64([row]).random_raw(len(members)), kind="stable")][:columns]
        found += [int(members[i % len(members)]) if len(members) else 0 for i in range(columns)]
    return data.train.x[found]


def picture(package: Package, items: Any, columns: int, folder: Path) -> Any:
    """Raw items as one picture for the report: a grid, or a scatter plot's PNG bytes."""
    if package.codec.kind == "image":
        low, high = float(getattr(package.codec, "low", 0.0)), float(getattr(package.codec, "high", 1.0))
        return grid([rgb8(item, low, high) for item in items], columns, gap=1, scale=1)
    path = folder / "page.png"
    package.codec.draw(items, path, columns)
    found = path.read_bytes()
    path.unlink()
    return found


def report(package: Package, data: Prepared, judged: Judged, path: Path, facts: Mapping[str, Any]) -> None:
    """Writes the report to `path`, in the model's folder. `facts`: seconds, steps, batch, peak_memory, threads, precision, device."""
    image, folder = package.codec.kind == "image", path.parent
    rows, columns = (10, 10) if image else (20, 50)
    condition = by_class(package, rows, columns)
    made = draw(package.model, rows * columns, condition, seed=package.recipe.seed, precision=facts.get("precision", "fp32"))
    names: tuple[str, ...] = ()
    if condition:
        codec = next(iter(package.conditions.values()))
        names = tuple(codec.names[row % len(codec.names)] for row in range(rows))  # type: ignore[attr-defined]
    rows_of = read(folder / "training" / "record.jsonl")
    result = judged.result
    evidence = ReportData(
        name=data.source.name,
        kind=package.codec.kind,
        model=str(package.recipe.model),
        title=f"{data.source.name}: more like it",
        date=date.today().isoformat(),
        version=__version__,
        verdict=judged.verdict.replace(". ", ".\n", 1),
        scores=result["scores"],
        copiers=result["copiers"],
        classes=[ClassShare(**row) for row in result["classes"]],
        classifier_accuracy=result["scores"].get("label-accuracy", {}).get("floor"),
        real=picture(package, raw_of(data.codec, real_page(data, package, rows, columns)), columns, folder),
        generated=picture(package, package.codec.decode(made.numpy()), columns, folder),
        row_labels=names,
        stages=_stages(folder / "training"),
        nearest=_nearest(package, judged) if image else [],
        curves=[row for row in rows_of if row.get("event") in ("step", "validation")],
        incidents=[row for row in rows_of if row.get("event") == "incident"],
        cost=_cost(facts, judged.seconds),
        recipe=package.recipe.to_toml(),
        data=_data_card(data),
    )
    write_report(evidence, path)


def _cost(facts: Mapping[str, Any], judging: float) -> Cost | None:
    if "steps" not in facts:
        return None
    return Cost(
        seconds=facts["seconds"], steps=facts["steps"], examples=facts["steps"] * facts["batch"], peak_memory=facts.get("peak_memory"),
        threads=facts["threads"], device=facts["device"], precision=facts["precision"], judging_seconds=judging,
    )  # fmt: skip


def _data_card(data: Prepared) -> DataCard:
    return DataCard(
        shape=" x ".join(map(str, data.codec.spec.shape)),
        counts={"train": len(data.train), "validation": len(data.validation), "hold-out": len(data.holdout)},
        fingerprint=data.split.fingerprint,
        conditions={name: f"{codec.spec.vocab} classes" for name, codec in data.conditions.items()},  # type: ignore[union-attr]
        notes=[*data.source.notes, *data.codec.describe()],  # type: ignore[attr-defined]
        skipped=data.source.skipped,
    )


def _stages(folder: Path) -> list[Stage]:
    found = []
    for path in sorted(folder.glob("stage-*.png")):
        _, step, seconds = path.stem.split("-")
        found.append(Stage(label=f"step {int(step):,} · {int(seconds)} s", picture=path.read_bytes()))
    return found


def _nearest(package: Package, judged: Judged) -> list[NearestPair]:
    evidence = judged.evidence
    low, high = float(getattr(package.codec, "low", 0.0)), float(getattr(package.codec, "high", 1.0))

    def show(item: np.ndarray) -> np.ndarray:
        return rgb8(item, low, high)

    found = []
    for pair in judged.result["pairs"]:
        held = pair["heldout"]
        found.append(
            NearestPair(
                generated=show(evidence.generated.items[pair["generated"]]),
                training=show(evidence.reference.items[pair["training"]]),
                distance=pair["distance"],
                heldout=show(evidence.holdout.items[held]),
                heldout_distance=pair["heldout_distance"],
                copy=pair["copy"],
            )
        )
    return found

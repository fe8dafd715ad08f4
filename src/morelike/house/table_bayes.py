"""The verb `classify` for tables: the class is a column of the row, and p(class | the rest) is its share among the row's likelihoods with
each class in its place.

N rows, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.abilities import Density
from ..core.errors import BadInput, Refused
from ..data.table import Cells, TableCodec
from ..data.table_columns import NumberColumn
from ..data.table_rules import Rule, columns_of
from ..data.table_rules_offset import Offset
from ..judges.intervals import around, wilson
from ..maths.table_distance import area_under_curve
from ..tasks import classifying, table_rivals
from ..tasks.rivals import thinned
from .able import generator
from .audience import Audience
from .package import Package
from .prepare import Prepared
from .table_features import Features, Target, target_of
from .table_frames import Readable, Rewritten
from .table_given import agreeing
from .table_rows import Rows, codec_of, shown_by

MOST_JUDGED, MOST_FITTED = 10_000, 2_000
"""Held-out rows that are classified, and validation rows that the temperature is fitted on."""
Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ruled:
    """A table model as a classifier."""

    package: Package
    codec: TableCodec
    model: Density
    target: Target

    def joints(self, rows: Rows, audience: Audience, what: str = "classifying") -> Floats:
        """(N,M) log p(row with each of the M ids of the coded column that shows the class); minus infinity for ids that show another value
        in a column beside the class than the row has there. Where no id agrees with the row, all are asked."""
        cells, known = rows.arranged(), rows.known()
        known[:, self.target.place] = False
        among = agreeing(self.codec, self.target.column, cells, known)
        bound = [rule for rule in self.codec.rules.rules if isinstance(rule, Offset) and self.target.name in rule.reads]
        with audience.watch(what, len(cells)) as bar:
            if not bound:
                x = torch.from_numpy(self.codec.encode(cells))
                return classifying.joints(self.model, x, self.target.field, among, advance=lambda done: bar.advance(done, {}))
            return self._counted_anew(cells, among, bound)

    def _counted_anew(self, cells: np.ndarray, among: NDArray[np.bool_], bound: Sequence[Rule]) -> Floats:
        """`joints` where others are coded as what comes on top of the class: coded anew for each id, none where that breaks a rule."""
        found = np.full(among.shape, -np.inf)
        for number in range(among.shape[1]):
            changed = cells.copy()
            for place, texts in shown_by(self.codec, self.target.column).items():
                changed[:, place] = texts[number]
            own = np.zeros(among.shape, bool)
            own[:, number] = among[:, number]
            for rule in bound:
                own[:, number] &= rule.kept(columns_of(self.codec.names, changed))
            x = torch.from_numpy(self.codec.encode(changed))
            found = np.maximum(found, classifying.joints(self.model, x, self.target.field, own))
        rows = np.flatnonzero(np.isneginf(found).all(1))
        if len(rows):
            # the row breaks a rule with every class, and is taken as it is coded
            x = torch.from_numpy(self.codec.encode(cells[rows]))
            found[rows] = classifying.joints(self.model, x, self.target.field, among[rows])
        return found

    def classes(self, joints: Floats) -> Floats:
        """(N,K) log p(row with each class) of `joints` (N,M)."""
        return np.stack([np.logaddexp.reduce(joints[:, list(ids)], axis=1) for ids in self.target.ids], 1)

    def posterior(self, joints: Floats, sharpness: float = 1.0) -> Floats:
        """(N,K) log p(class | the other columns)."""
        return classifying.posterior(joints, np.ones(len(self.target.ids)), sharpness)


def classifier(package: Package, column: str | None = None) -> Ruled:
    """Raises Refused for a model without a likelihood, of another kind or with conditions, and what `target_of` raises."""
    codec = codec_of(package, "classify rows")
    model = generator(package, "classify")
    assert isinstance(model, Density)
    target = target_of(codec, column)
    for rule in codec.rules.rules:
        made = [code for code in codec.columns if code.name in rule.makes[:1]]
        if isinstance(rule, Offset) and target.name in rule.reads and isinstance(made[0], NumberColumn):
            # densities of what comes on top, in its normal scores, can't be compared between classes
            said = f"{rule.writes[0]} is coded as what comes on top of {target.name}, so its classes can't be compared"
            raise Refused(f"{said}; train with codec.learn=false, or without that rule")
    return Ruled(package, codec, model, target)


@dataclass(frozen=True, slots=True)
class Named:
    """Classes of rows."""

    rows: Rows
    target: Target
    probabilities: Floats
    """(N,K)."""
    notes: list[str]

    @property
    def labels(self) -> list[str]:
        """(N,) the likeliest class of each, as the rows write it."""
        return self.rows.written(self.target.name, [self.target.classes[number] for number in self.probabilities.argmax(1).tolist()])

    def rewritten(self) -> Rewritten:
        """The rows in their order and form, with the likeliest class and its probability."""
        shares = np.array([f"{share:.4f}" for share in self.probabilities.max(1)])
        labels = np.array(self.labels, dtype=object)
        return self.rows.rewritten(more={f"likeliest {self.target.name}": (labels, None), "probability": (shares, False)})

    def summary(self) -> dict[str, Any]:
        """JSON values."""
        classes = self.rows.written(self.target.name, self.target.classes)
        rows = [
            {"label": label, "probabilities": dict(zip(classes, shares, strict=True))}
            for label, shares in zip(self.labels, self.probabilities.tolist(), strict=True)
        ]
        return {"column": self.target.name, "rows": rows, "notes": self.notes}


def classify_rows(package: Package, rows: Readable, column: str | None, audience: Audience) -> Named:
    """The class of each row of a file, a data frame or cells; what stands in its own column of classes is not looked at.

    Raises BadInput for a file that can't be read or lacks another column.
    """
    ruled = classifier(package, column)
    found = Rows.read(ruled.codec, rows)
    lacking = found.needed(ruled.target.name)
    if lacking:
        raise BadInput(f"{found.name} lacks the column {lacking[0]!r}, which is needed to classify")
    new = found.new()
    new[:, ruled.target.place] = False
    notes = [*found.notes, *found.say(new, "is nothing that training had or came near; it is read as the nearest or the commonest")]
    log_probs = ruled.posterior(ruled.classes(ruled.joints(found, audience)))
    return Named(found, ruled.target, np.exp(log_probs), notes)


def classify_data(package: Package, data: Prepared, column: str | None, audience: Audience, seed: int = 0) -> dict[str, Any]:
    """As `bayes.classify_data`, with the area under the curve ("auc", of more than two classes the mean of each against the others).

    Rivals learn from the same training rows: boosted trees, logistic regression, naive Bayes.
    """
    ruled = classifier(package, column)
    target, cells = ruled.target, data.source.items
    parts = [data.split.holdout, data.split.validation, data.split.train]
    most = (MOST_JUDGED, MOST_FITTED, table_rivals.MOST_ITEMS)
    held, fitted, known = (_known(target, cells, part, size, seed) for part, size in zip(parts, most, strict=True))
    if not len(held[0]):
        raise BadInput(f"{data.source.name} has no held-out rows with a class in {target.name}")
    names = data.source.items.names
    joints = ruled.classes(ruled.joints(Rows.read(ruled.codec, Cells(names, held[0]), own=True), audience))
    name = package.recipe.model or "model"
    results, temperature = {name: ruled.posterior(joints)}, None
    if len(fitted[0]):
        others = ruled.classes(ruled.joints(Rows.read(ruled.codec, Cells(names, fitted[0]), own=True), audience, "fitting a temperature"))
        sharpness = classifying.fitted_sharpness(others, np.ones(len(target.ids)), fitted[1])
        temperature = 1 / sharpness
        results[f"{name}, calibrated"] = ruled.posterior(joints, sharpness)
    audience.say("training boosted trees, logistic regression and naive Bayes")
    features = Features.fit(ruled.codec, known[0], target.name)
    results |= table_rivals.classifiers(features(known[0]), known[1], features(held[0]), features.ids, len(target.ids))
    shares = np.bincount(known[1], minlength=len(target.ids)).astype(np.float64)
    results["commonest class"] = classifying.posterior(np.zeros_like(joints), shares)
    how = {"exact": "from the exact likelihood", "bound": "from a bound on the likelihood", "estimate": "from an estimate"}
    return {
        "n": len(held[0]), "classes": len(target.ids), "label": target.name, "how": how[ruled.model.tight], "temperature": temperature,
        "rows": [_row(name, log_probs, held[1]) for name, log_probs in results.items()],
        "confused": classifying.worst_pairs(next(iter(results.values())), held[1], target.classes),
    }  # fmt: skip


def _known(target: Target, items: Any, part: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, Ids]:
    """(rows (n,C), their classes) of a part of the data, `most` at most; rows without a class are left out."""
    cells = items[part[thinned(len(part), most, seed)]]
    labels = target.labels(cells)
    return cells[labels >= 0], labels[labels >= 0]


def _row(name: str, log_probs: Floats, real: Ids) -> dict[str, Any]:
    share = wilson(float((log_probs.argmax(1) == real).mean()), len(real))
    errors = {"calibration_error": classifying.calibration_error(log_probs, real), "log_loss": classifying.log_loss(log_probs, real)}
    return {"name": name, "accuracy": share.value, "low": share.low, "high": share.high, **errors, **curve(log_probs, real)}


def curve(log_probs: Floats, real: Ids) -> dict[str, Any]:
    """{"auc", "auc_low", "auc_high"}: with DeLong's interval for two classes; the mean over classes, without one, for more."""
    # differences of logarithms keep apart what rounds to one
    scores = np.maximum(log_probs, -1e6)
    found = []
    for number in range(scores.shape[1]):
        others = np.delete(scores, number, 1).max(1) if scores.shape[1] == 2 else 0.0
        own, yes = scores[:, number] - others, real == number
        if yes.any() and not yes.all():
            found.append(area_under_curve(own[yes], own[~yes]))
    if not found:
        return {"auc": None, "auc_low": None, "auc_high": None}
    if scores.shape[1] == 2:
        measure = around(*found[-1], 0.0, 1.0)
        return {"auc": measure.value, "auc_low": measure.low, "auc_high": measure.high}
    return {"auc": float(np.mean([value for value, _ in found])), "auc_low": None, "auc_high": None}

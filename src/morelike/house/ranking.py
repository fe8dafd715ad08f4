"""How well scores of rows find those of one class: the model's beside an isolation forest and boosted trees.  N rows, B resamples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput, Refused, UnknownName
from ..judges.intervals import around, resamples
from ..maths.table_distance import resampled_areas
from ..tasks import table_rivals
from ..tasks.rivals import thinned
from .audience import Audience
from .prepare import Prepared
from .table_bayes import Ruled
from .table_features import Features
from .table_rows import Rows

SURPRISE, POSTERIOR, FOREST, TREES = "surprise", "posterior", "isolation forest", table_rivals.TREES
_LEAST = -1e6
"""Stands for the logarithm of zero."""
_MEASURES = {"auroc": "AUROC", "average_precision": "average precision"}
Floats = NDArray[np.float64]


def evaluate(ruled: Ruled, rows: Rows, scores: Floats, value: str, data: Prepared, audience: Audience, seed: int = 0) -> dict[str, Any]:
    """{"label", "n", "share", "rows": [{"name", "labels", "auroc", "average_precision", ...}], "verdict": sentences}.

    `scores` (N,) of the rows are the model's surprise without the label; its posterior is P(label = value | row) by Bayes. Both rivals
    learn from the model's training rows, the forest without their labels. Intervals are those of 100 resamples of the rows.
    Raises UnknownName for a value that the label doesn't have, BadInput where all rows or none have it.
    """
    target = ruled.target
    if value not in target.classes:
        raise UnknownName(f"value of {target.name}", value, target.classes)
    if target.name not in rows.names:
        raise BadInput(f"{rows.name} lacks the column {target.name!r}, so it can't be said how well its values are found")
    cells, wanted = rows.arranged(), target.classes.index(value)
    labels = target.labels(cells)
    known, yes = labels >= 0, labels[labels >= 0] == wanted
    if not yes.any() or yes.all():
        raise BadInput(f"{'all' if yes.any() else 'none'} of the rows have {target.name} = {value}; rows of both kinds are needed")
    joints = ruled.joints(rows, audience, "the model's posterior")
    posterior = np.maximum(ruled.posterior(ruled.classes(joints))[:, wanted], _LEAST)
    # ranked by the logarithm of the odds, which tells apart what rounds to one
    found = {SURPRISE: scores, POSTERIOR: posterior - np.log(np.maximum(1 - np.exp(posterior), 1e-300))}
    training = data.source.items[data.split.train[thinned(len(data.split.train), table_rivals.MOST_ITEMS, seed)]]
    classes = target.labels(training)
    training, classes = training[classes >= 0], classes[classes >= 0]
    audience.say("training an isolation forest and boosted trees on the same training rows")
    features = Features.fit(ruled.codec, training, target.name)
    x, asked = features(training), features(cells)
    found[FOREST] = table_rivals.isolation(x, asked, features.ids, seed)
    trees = table_rivals.classifiers(x, (classes == wanted).astype(np.int64), asked, features.ids, 2, names=[TREES])
    if not trees:
        raise Refused(f"all training rows have the same kind of {target.name}, so nothing can be learnt of it")
    found[TREES] = trees[TREES][:, 1] - trees[TREES][:, 0]
    return {
        "label": f"{target.name}={value}", "n": int(known.sum()), "share": float(yes.mean()),
        **ranked({name: own[known] for name, own in found.items()}, yes, seed),
    }  # fmt: skip


def ranked(scores: Mapping[str, Floats], yes: NDArray[np.bool_], seed: int = 0) -> dict[str, Any]:
    """{"rows", "verdict"} of scores (N,) each, higher where `yes` (N,) is likelier: both measures with 95 % intervals, and in words which
    of the model's two scores is ahead of which rival by more than the interval of their difference."""
    weights = np.concatenate([np.ones((1, len(yes)), np.int64), resamples(len(yes), seed)])
    # a resample of one kind alone has no measure
    weights = weights[((weights * yes).sum(1) > 0) & ((weights * ~yes).sum(1) > 0)]
    each = {name: dict(zip(_MEASURES, resampled_areas(own, yes, weights), strict=True)) for name, own in scores.items()}
    values = {(name, measure): (float(found[0]), found[1:]) for name, own in each.items() for measure, found in own.items()}
    rows = []
    for name in scores:
        row: dict[str, Any] = {"name": name, "labels": name in (POSTERIOR, TREES)}
        for measure in _MEASURES:
            value, drawn = values[name, measure]
            found = around(value, float(drawn.std()), 0.0, 1.0)
            row |= {measure: found.value, f"{measure}_low": found.low, f"{measure}_high": found.high}
        rows.append(row)
    verdict = []
    for own, rival in ((SURPRISE, FOREST), (POSTERIOR, TREES)):
        for measure, words in _MEASURES.items():
            (value, drawn), (other, others) = values[own, measure], values[rival, measure]
            gap = around(value - other, float((drawn - others).std()))
            assert gap.low is not None
            assert gap.high is not None
            ahead = own if gap.low > 0 else rival if gap.high < 0 else None
            said = f"{ahead} is ahead" if ahead else "neither is ahead"
            verdict.append(f"{own} against {rival}, {words}: {said} (difference {gap.value:+.3f}, {gap.low:+.3f} .. {gap.high:+.3f})")
    return {"rows": rows, "verdict": verdict}

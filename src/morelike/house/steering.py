"""The guidance scale, chosen after training: the least with which the classes asked for are obeyed on validation data.

More guidance buys obedience with variety (Ho and Salimans 2022, figure 4), so none is bought that isn't needed.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch

from ..core.contract import Generator
from ..core.errors import BadInput
from ..judges.scores import Classifier
from .package import Package
from .prepare import Prepared
from .sampling import draw

SCALES = (1.0, 1.2, 1.5, 1.8, 2.2, 2.7)
SHORT_OF_REAL = 0.015
"""Obeyed means: the classifier's accuracy on samples is at most so far below its accuracy on real items."""
DRAWS = 768


def check_guidance(scale: float, conditions: Collection[str], drop: float | None) -> None:
    """Raises BadInput for a scale that a model of such conditions can't be guided with; 1 is none, 0 that it is chosen. `drop`: the share
    of training examples whose conditions were hidden; None = not known."""
    if scale in (0.0, 1.0):
        return
    if not conditions:
        raise BadInput(f"guidance={scale:g} sharpens what a condition asks for, and this model has no condition; leave guidance out")
    if drop == 0:
        raise BadInput(f"guidance={scale:g} needs to know what no condition is like, which is learnt with drop=0.1 and not with drop=0")


def choose_guidance(package: Package, data: Prepared, classifier: Classifier, precision: str) -> list[tuple[float, float]]:
    """Sets the model's guidance scale where it has one that is to be chosen; returns the (scale, label accuracy) pairs tried."""
    model = package.model
    label = data.label
    if label is None or not isinstance(model, Generator) or "guidance" not in model.dialled.dials or model.dialled.settings.guidance != 0.0:
        return []
    n = min(DRAWS, len(data.validation))
    real = data.validation.condition[label][:n, 0]
    wanted = float((classifier(data.raw(data.validation, slice(0, n))) == real).mean()) - SHORT_OF_REAL
    rows = torch.arange(DRAWS) % len(data.validation)
    condition = {name: torch.from_numpy(data.validation.condition[name])[rows] for name in package.conditions}
    asked = condition[label][:, 0].numpy()
    tried: list[tuple[float, float]] = []
    for scale in SCALES:
        x = draw(model, DRAWS, condition, seed=package.recipe.seed + 3, precision=precision, dials={"guidance": scale})
        tried.append((scale, float((classifier(np.asarray(package.codec.decode(x.numpy()))) == asked).mean())))
        if tried[-1][1] >= wanted:
            break
    best = tried[-1][0] if tried[-1][1] >= wanted else max(tried, key=lambda pair: pair[1])[0]
    model.set_dial("guidance", best)
    return tried

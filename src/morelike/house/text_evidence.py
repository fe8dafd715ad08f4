"""What only texts give the judges: likelihoods of held-out text, outputs against references, the training text in one piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Adapts, Density
from ..core.contract import Generator, Trainable
from ..core.errors import BadInput
from ..data.loader import Dataset, Windows, take
from ..judges.likelihood import MODEL, Likelihood
from ..judges.pairs import Pairs, by_source, trivial_outputs
from ..judges.scores import Classifier
from ..judges.text_codes import Texts
from ..judges.text_features import ngram_classifier
from ..judges.text_scores import TRAINING_CHARACTERS
from .likelihood import likelihood
from .package import Package
from .prepare import Prepared, raw_of
from .sampling import draw

MOST_PAIRS, MOST_SCORED = 2_000, 1_000
"""Most sources answered, and most held-out items or windows whose likelihood is taken."""
_BEAM = 4


def training_texts(data: Prepared) -> Texts | None:
    """A running text as the one string that its windows are cut from, 8 million ids of it at most; None for separate items."""
    if not isinstance(data.train, Windows):
        return None
    return [str(data.codec.decode(np.asarray(data.train.ids[None, :TRAINING_CHARACTERS]))[0])[:TRAINING_CHARACTERS]]


def likelihoods(package: Package, data: Prepared, trivial: Mapping[str, Trainable]) -> dict[str, Likelihood]:
    """Those of the model and of each trivial model that has one, on the first windows of a held-out running text or on random items."""
    pieces: list[bytes] = data.codec.pieces()  # type: ignore[attr-defined]
    rows = np.sort(np.argsort(np.random.PCG64(0).random_raw(len(data.holdout)), kind="stable")[:MOST_SCORED])
    found = {}
    for name, model in {MODEL: package.model, **trivial}.items():
        if isinstance(model, Density):
            part = data.holdout
            if not isinstance(part, Windows):
                part = Dataset(part.x[rows], {key: values[rows] for key, values in part.condition.items() if key in model.conditions})
            scored = likelihood(model, part, pieces, most=MOST_SCORED, seed=package.recipe.seed)
            found[name] = Likelihood(scored.nats, scored.characters, scored.bytes, model.tight, _adaptive(model, part))
    return found


def _adaptive(model: Density, part: Dataset) -> np.ndarray | None:
    """(n,) nats of each window of a running text under a model that learns from it as it goes."""
    if not isinstance(model, Adapts) or not isinstance(part, Windows):
        return None
    ids = torch.from_numpy(np.asarray(part.ids[: MOST_SCORED * part.window]).astype(np.int64))
    with torch.inference_mode():
        nats = model.adaptive(ids.to(model.device)).double().cpu().numpy()  # type: ignore[attr-defined]  # every family has a device
    return np.add.reduceat(nats, np.arange(0, len(ids), part.window))


def label_classifier(data: Prepared, items: np.ndarray, labels: np.ndarray | None) -> Classifier | None:
    """The simple classifier of labelled texts, fitted on training items; None without labels."""
    if data.label is None or labels is None:
        return None
    names: tuple[str, ...] = data.conditions[data.label].names  # type: ignore[attr-defined]
    return ngram_classifier(data.source.name.partition(".")[0], items, labels, names)


def text_condition(data: Prepared) -> str | None:
    """The first condition that is a text, which outputs answer."""
    return next((name for name, codec in data.conditions.items() if codec.kind == "text"), None)


def pairs_of(package: Package, data: Prepared, precision: str) -> Pairs | None:
    """Outputs for at most 2,000 different held-out sources beside all of their references, whole as the source has them.

    Drawn by beam search of width 4 where the family has it, else the likeliest id by id; as the recipe says where it says anything.
    None where no condition is a text.
    """
    name = text_condition(data)
    if name is None or name not in package.conditions or isinstance(data.holdout, Windows):
        return None
    sources = [str(source) for source in data.source.columns[name].values[data.split.holdout]]
    first, references = by_source(sources, list(take(data.source.items, data.split.holdout)))
    chosen = np.sort(np.argsort(np.random.PCG64(0).random_raw(len(first)), kind="stable")[:MOST_PAIRS])
    rows = np.array(first, np.int64)[chosen]
    condition = {key: torch.from_numpy(values[rows]) for key, values in data.holdout.condition.items() if key in package.conditions}
    x, drawn = _likeliest(package, len(rows), condition, precision)
    training = data.source.columns[name].values[data.split.train]
    asked = [sources[row] for row in rows]
    return Pairs(
        outputs=list(raw_of(data.codec, x.numpy())),
        references=[references[place] for place in chosen],
        baselines=trivial_outputs(asked, training, take(data.source.items, data.split.train)),
        drawn=drawn,
    )


def _likeliest(package: Package, n: int, condition: Mapping[str, Tensor], precision: str) -> tuple[Tensor, str]:
    """(ids (n,T), how they were drawn): one likely answer each."""
    model: Any = package.model
    dials = model.dials if isinstance(model, Generator) else ()
    tries: list[dict[str, Any]] = [{name: value} for name, value in (("beam", _BEAM), ("temperature", 0.0)) if name in dials]
    for dial in tries:
        try:
            said = ", ".join(f"{name} {value:g}" for name, value in dial.items())
            return draw(model, n, condition, seed=package.recipe.seed, precision=precision, dials=dial), said
        except BadInput:
            # A recipe's own dials exclude some others: the next, or the recipe's.
            continue
    return draw(model, n, condition, seed=package.recipe.seed, precision=precision), "drawn as the recipe says"

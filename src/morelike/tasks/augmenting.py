"""What more rows are worth: learners trained on real rows against real ones and others, and the trivial ways to get more rows.

N training rows, M rows asked, D columns (numbers with NaN, or ids; see `table_rivals`), K classes, B resamples of the rows asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..maths.table_distance import resampled_areas
from .classifying import Floats
from .table_rivals import classifiers, numbers_of

Ids = NDArray[np.int64]
_FOLDS = 3
_NEIGHBOURS, _MOST_NEAR = 5, 5_000
"""Neighbours that are interpolated with, as in SMOTE, and rows of a class that they are looked for among."""


def wanted(labels: Ids, classes: int) -> Ids:
    """(K,) how many rows of each class bring it up to the largest."""
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts > 0, counts.max() - counts, 0)


def repeated(labels: Ids, more: Ids, seed: int) -> Ids:
    """(sum of more,) numbers of training rows, `more` (K,) of each class at random."""
    rng = np.random.default_rng(seed)
    own = [rng.choice(np.flatnonzero(labels == number), count) for number, count in enumerate(more.tolist()) if count]
    return np.concatenate([np.empty(0, np.int64), *own])


def interpolated(x: Floats, labels: Ids, more: Ids, ids: Sequence[int], seed: int) -> tuple[Floats, Ids]:
    """(rows, labels) between training rows of a class and one of their five nearest (Chawla et al. 2002, SMOTE and SMOTE-NC): numbers at
    one random share of the way, each category that of one of the two at random."""
    from sklearn.neighbors import NearestNeighbors

    rng, points = np.random.default_rng(seed), numbers_of(x, ids)
    parts, made, category = [x[:0]], [labels[:0]], np.array([count > 0 for count in ids])
    for number, count in enumerate(more.tolist()):
        own = rng.permutation(np.flatnonzero(labels == number))[:_MOST_NEAR]
        if not count or not len(own):
            continue
        near = NearestNeighbors(n_neighbors=min(_NEIGHBOURS + 1, len(own))).fit(points[own])
        first = rng.integers(len(own), size=count)
        others = near.kneighbors(points[own[first]], return_distance=False)
        second = others[np.arange(count), rng.integers(min(1, others.shape[1] - 1), others.shape[1], size=count)]
        a, b, share = x[own[first]], x[own[second]], rng.random((count, 1))
        either = np.where(rng.random(a.shape) < 0.5, a, b)
        parts.append(np.where(category | np.isnan(a) | np.isnan(b), either, a + share * (b - a)))
        made.append(np.full(count, number, np.int64))
    return np.concatenate(parts), np.concatenate(made)


def areas(log_probs: Floats, real: Ids, weights: Ids | None = None) -> Floats:
    """(1 + B,) the AUC of (M,K) log p(class | row), of more than two classes the mean of each against the others: as the rows are, then
    under each of the `weights` (B,M)."""
    shares = np.exp(log_probs)
    numbers = [1] if log_probs.shape[1] == 2 else np.unique(real).tolist()
    alike = np.ones((1, len(real)), np.int64)
    whole = alike if weights is None else np.concatenate([alike, weights])
    found = np.array([resampled_areas(shares[:, number], real == number, whole)[0] for number in numbers])
    with warnings.catch_warnings():
        # a resample of one class alone says nothing
        warnings.simplefilter("ignore")
        return np.asarray(np.nan_to_num(np.nanmean(found, 0), nan=0.5))


def checked(x: Floats, labels: Ids, ids: Sequence[int], classes: int, learner: str, seed: int) -> float:
    """The mean AUC of a learner on three folds of the training rows, each class dealt out evenly."""
    rng, fold, found = np.random.default_rng(seed), np.empty(len(labels), np.int64), []
    for number in range(classes):
        own = np.flatnonzero(labels == number)
        fold[rng.permutation(own)] = np.arange(len(own)) % _FOLDS
    for number in range(_FOLDS):
        rest, own = fold != number, fold == number
        taught = classifiers(x[rest], labels[rest], x[own], ids, classes, names=[learner])
        found += [areas(log_probs, labels[own])[0] for log_probs in taught.values()]
    return float(np.mean(found)) if found else 0.0

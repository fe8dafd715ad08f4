"""Raw features of texts: hashed character n-grams, their leading principal components, and a simple classifier on them.

N items, B = 4,096 buckets. Characters are Unicode code points, so scripts without spaces are served alike.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput
from .extractor import Extractor, Floats, leading
from .scores import NGRAMS, Classifier
from .text_codes import Ids, Texts, grams, points, spread

DIMENSIONS = 64
_ORDERS, _BITS = (1, 2, 3, 4), 10
_BUCKETS = len(_ORDERS) << _BITS
_ROWS = 512
_FIT_ITEMS, _CLASSIFIER_ITEMS = 2_000, 6_000


def ngram_roots(items: Texts) -> Floats:
    """(N,B) float32: square roots of the frequencies of hashed 1- to 4-grams of characters, 1,024 buckets an order, over 2.

    The distance of two rows is then the Hellinger distance of the two texts' n-gram frequencies (times a constant), mean over
    orders; every row has norm 1, less where a text is too short for an order.
    """
    out = np.zeros((len(items), _BUCKETS), np.float32)
    for start in range(0, len(items), _ROWS):
        part = items[start : start + _ROWS]
        codes, starts = points(part)
        item = np.repeat(np.arange(len(part)), np.diff(starts))
        for place, order in enumerate(_ORDERS):
            hashes, owner = grams(codes, item, order)
            flat = np.bincount((owner << _BITS) + spread(hashes, _BITS), minlength=len(part) << _BITS)
            counts = flat.reshape(len(part), -1).astype(np.float32)
            counts /= np.maximum(counts.sum(1, keepdims=True), 1) * len(_ORDERS)
            out[start : start + len(part), place << _BITS : (place + 1) << _BITS] = np.sqrt(counts)
    return out


def _some(size: int, most: int) -> Ids:
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.Generator(np.random.PCG64(0)).choice(size, most, replace=False))


def _shuffled(text: str) -> str:
    return "".join(np.random.Generator(np.random.PCG64(len(text))).permutation(list(text)))


def raw_ngrams(reference: NDArray[Any]) -> Extractor:
    """Principal components of hashed n-gram frequencies: `raw-ngrams64`.

    The directions are fitted on at most 2,000 training items (N,) of str and on the same items with their characters shuffled: among
    real texts alone the leading directions tell topics apart, and text without any order lies amid them (tiny-Shakespeare, windows
    of 256: characters drawn independently get a precision of 1). Raises BadInput for fewer than two items.
    """
    if len(reference) < 2:
        raise BadInput(f"raw features need at least 2 training items, there are {len(reference)}")
    chosen = reference[_some(len(reference), _FIT_ITEMS)]
    fitted = ngram_roots([*chosen, *map(_shuffled, chosen)])
    mean = fitted.mean(0)
    fitted -= mean
    directions = leading(fitted, DIMENSIONS)
    return Extractor(f"{NGRAMS}{DIMENSIONS}", lambda items: (ngram_roots(items) - mean) @ directions, cheap=True)


def ngram_classifier(data: str, items: NDArray[Any], labels: Ids, names: tuple[str, ...]) -> Classifier | None:
    """`DATA-ngram-logistic`: multinomial logistic regression on hashed n-gram frequencies, fitted on at most 6,000 training items.

    `items` (N,) of str, `labels` (N,) in 0..len(names)-1. None where the items hold fewer than two classes.
    """
    rows = _some(len(items), _CLASSIFIER_ITEMS)
    if len(np.unique(labels[rows])) < 2:
        return None
    from scipy.sparse import csr_matrix
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # Rows of norm 1 are small for a unit penalty: C is raised instead of the features.
    model: Any = LogisticRegression(C=100.0, max_iter=60, tol=1e-3)
    with warnings.catch_warnings():
        # The last digits of the optimum name no class anew.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(csr_matrix(ngram_roots(items[rows])), labels[rows])
    return Classifier(f"{data}-ngram-logistic", lambda asked: model.predict(ngram_roots(asked)), names)

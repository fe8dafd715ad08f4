"""The classifiers that anyone would try first, on raw features: naive Bayes and logistic regression (scikit-learn). N items, K classes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .classifying import Floats

MOST_ITEMS = 20_000
"""Training items that they are given, at most."""
_HASHED = 2**16
_GRAMS = (1, 4)


def rivals(training: Any, labels: NDArray[np.int64], items: Any, classes: int) -> dict[str, Floats]:
    """{"naive Bayes", "logistic regression"}: (N,K) log p(class | item) of `items`, learned from `training` and its labels.

    Texts become hashed counts of runs of 1 to 4 characters, for a multinomial naive Bayes (Lidstone smoothing 0.1) and a regression
    on their logarithms at unit length; arrays become numbers, for a Gaussian one and a regression on standardised columns. A class without
    training items gets probability zero. Needs two classes at least in training, else the result is empty.
    """
    if len(np.unique(labels)) < 2:
        return {}
    made = _on_texts() if isinstance(training[0], str) else _on_numbers()
    prepared = [_features(part) for part in (training, items)]
    found = {}
    for name, steps in made.items():
        with warnings.catch_warnings():
            # a regression that stops before it has converged is still a fair rival
            warnings.simplefilter("ignore")
            steps.fit(prepared[0], labels)
            partly = np.asarray(steps.predict_log_proba(prepared[1]), dtype=np.float64)
        whole = np.full((len(partly), classes), -np.inf)
        whole[:, steps.classes_.astype(np.int64)] = partly
        found[name] = whole
    return found


def _features(items: Any) -> Any:
    if isinstance(items[0], str):
        return list(items)
    return np.asarray(items, dtype=np.float64).reshape(len(items), -1)


def _on_texts() -> dict[str, Any]:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    def counts() -> Any:
        return HashingVectorizer(analyzer="char", ngram_range=_GRAMS, n_features=_HASHED, alternate_sign=False, norm=None)

    scaled = TfidfTransformer(use_idf=False, sublinear_tf=True)
    return {
        "naive Bayes": make_pipeline(counts(), MultinomialNB(alpha=0.1)),
        "logistic regression": make_pipeline(counts(), scaled, LogisticRegression(C=30.0, max_iter=200)),
    }


def _on_numbers() -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        # pixels that never vary in a class would make it certain: a tenth of the largest variance is added to all
        "naive Bayes": GaussianNB(var_smoothing=0.1),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    }


def thinned(count: int, most: int, seed: int) -> Sequence[int]:
    """Row numbers in order: all of `count`, or `most` of them at random."""
    if count <= most:
        return list(range(count))
    return sorted(np.random.Generator(np.random.PCG64(seed)).permutation(count)[:most].tolist())

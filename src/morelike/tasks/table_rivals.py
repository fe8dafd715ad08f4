"""What anyone would try first on a table: boosted trees, logistic regression, naive Bayes, an isolation forest (scikit-learn).

N training rows, M rows asked, D columns, K classes. Columns hold numbers (NaN where there is none) or whole-number ids; `ids` (D,) says how
many ids a column has, 0 for numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .classifying import Floats

MOST_ITEMS = 100_000
"""Training rows that they are given, at most."""
TREES, REGRESSION, BAYES = "boosted trees", "logistic regression", "naive Bayes"
_BINS = 10
_MOST_IDS = 254
"""Most ids of a column that the trees take as categories."""


def classifiers(
    training: Floats, labels: NDArray[np.int64], asked: Floats, ids: Sequence[int], classes: int, *,
    names: Sequence[str] = (TREES, REGRESSION, BAYES), weights: Floats | None = None,
) -> dict[str, Floats]:  # fmt: skip
    """Name -> (M,K) log p(class | row) of `asked` (M,D), learned from `training` (N,D), its labels (N,) and perhaps `weights` (N,).

    Boosted trees with scikit-learn's defaults; a regression on standardised numbers (medians where one is missing, and a flag) and a flag
    for each id; naive Bayes on ids and on tenths of the numbers. A class without training rows gets probability zero. Needs two classes at
    least, else the result is empty.
    """
    if len(np.unique(labels)) < 2:
        return {}
    makers = {TREES: _trees, REGRESSION: _regression, BAYES: _bayes}
    found = {}
    for name in names:
        ready, learner = makers[name](training, ids)
        with warnings.catch_warnings():
            # a regression that stops before it has converged is still a fair rival, and so is one on an id without rows
            warnings.simplefilter("ignore")
            learner.fit(ready(training), labels, sample_weight=weights)
            partly = np.log(np.maximum(learner.predict_proba(ready(asked)), 1e-300))
        whole = np.full((len(asked), classes), -np.inf)
        whole[:, learner.classes_.astype(np.int64)] = partly
        found[name] = whole
    return found


def isolation(training: Floats, asked: Floats, ids: Sequence[int], seed: int = 0) -> Floats:
    """(M,) how easily each row is isolated (Liu, Ting, Zhou 2008), higher for odd ones, on the columns that the regression sees."""
    from sklearn.ensemble import IsolationForest

    ready, _ = _regression(training, ids)
    forest = IsolationForest(n_estimators=200, random_state=seed).fit(ready(training))
    return np.asarray(-forest.score_samples(ready(asked)), dtype=np.float64)


def numbers_of(x: Floats, ids: Sequence[int]) -> Floats:
    """(N,E) rows x (N,D) as the regression sees them: standardised numbers, and a flag for each id."""
    found = _regression(x, ids)[0](x)
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)


def _trees(training: Floats, ids: Sequence[int]) -> tuple[Any, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    categories = np.array([count > 0 for count in ids])

    def ready(x: Floats) -> Floats:
        return np.asarray(np.where(categories, np.minimum(x, _MOST_IDS - 1), x))

    return ready, HistGradientBoostingClassifier(categorical_features=categories, early_stopping=False, random_state=0)


def _regression(training: Floats, ids: Sequence[int]) -> tuple[Any, Any]:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [place for place, count in enumerate(ids) if not count and np.isfinite(training[:, place]).any()]
    flags = [place for place, count in enumerate(ids) if count]
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", max_categories=_MOST_IDS)
    steps = ColumnTransformer([("numbers", scaled, numbers), ("flags", one_hot, flags)]).fit(training)
    return steps.transform, LogisticRegression(max_iter=300)


def _bayes(training: Floats, ids: Sequence[int]) -> tuple[Any, Any]:
    from sklearn.naive_bayes import CategoricalNB

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        edges = [np.nanquantile(column, np.linspace(0, 1, _BINS + 1)[1:-1]) for column in training.T]

    def ready(x: Floats) -> NDArray[np.int64]:
        out = np.empty(x.shape, np.int64)
        for place, count in enumerate(ids):
            own = x[:, place]
            binned = np.where(np.isnan(own), _BINS, np.searchsorted(edges[place], np.nan_to_num(own)))
            out[:, place] = np.minimum(own, count - 1) if count else binned
        return out

    return ready, CategoricalNB(min_categories=[count or _BINS + 1 for count in ids])

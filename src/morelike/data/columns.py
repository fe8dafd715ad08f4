"""Columns beside the items: label names, ids, natural order, and the words that name an official split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .source import Column

_SPLIT_WORDS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "holdout", "testing": "holdout", "holdout": "holdout", "t10k": "holdout",
}  # fmt: skip
SPLITS = ("train", "validation", "holdout")


def split_word(word: str) -> str | None:
    """"train", "validation" or "holdout" for a word that names a split (`val`, `test`, `t10k`, ...), or None."""
    return _SPLIT_WORDS.get(word.lower())


def natural(name: str) -> tuple[Any, ...]:
    """Sort key by which "class 2" comes before "class 10"."""
    parts = [part for part in re.split(r"([0-9]+)", name) if part]
    # A number is compared by its length, then its digits; the whole name decides between "1" and "01".
    keys = [(0, len(part.lstrip("0")), part.lstrip("0")) if part[0] in "0123456789" else (1, 0, part) for part in parts]
    return (*keys, (-1, 0, name))


def category_column(name: str, values: Sequence[str]) -> Column:
    """A column of class ids from one class name an item; classes in natural order."""
    categories = tuple(sorted(set(values), key=natural))
    ids = {category: number for number, category in enumerate(categories)}
    return Column(name, np.array([ids[value] for value in values], dtype=np.int64), categories)


def column(name: str, values: Any, names: Iterable[str] | None = None) -> Column:
    """A column from an array: text and whole numbers become classes, other real numbers stay real.

    `names`: the class names by id. Raises BadInput for arrays that aren't one finite value an item.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "biufU":
        raise BadInput(f"{name!r} must hold one number or name an item, but it is {array.dtype} of shape {array.shape}.")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise BadInput(f"{name!r} holds NaN or infinite values, first for item {int((~np.isfinite(array)).argmax())}.")
        if not (array == np.rint(array)).all() or len(np.unique(array)) > 1000:
            return Column(name, array.astype(np.float32))
        array = array.astype(np.int64)
    if array.dtype.kind == "U":
        return category_column(name, array.tolist())
    array = array.astype(np.int64)
    if names is not None:
        known = tuple(str(known) for known in names)
        if len(array) and (array.min() < 0 or array.max() >= len(known)):
            raise BadInput(f"{name!r} holds ids from {array.min()} to {array.max()}, but there are {len(known)} class names.")
        return Column(name, array, known)
    present, ids = np.unique(array, return_inverse=True)
    return Column(name, ids.reshape(-1).astype(np.int64), tuple(str(value) for value in present))


def split_indices(words: Sequence[str | None]) -> dict[str, np.ndarray]:
    """Split name -> item numbers, from one split name an item (None = in none)."""
    array = np.array([word or "" for word in words], dtype=np.str_)
    return {name: np.flatnonzero(array == name) for name in SPLITS if (array == name).any()}


def is_official(split: Mapping[str, np.ndarray]) -> bool:
    """Whether a found split can serve: it has a training part and a part that is held out."""
    return "train" in split and len(split) > 1

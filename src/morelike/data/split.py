"""Train, validation and hold-out: the official split where there is one, otherwise random by class, and its fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..core.errors import BadInput
from .pictures import Pictures
from .source import Source

SMALLEST = 10
_VALIDATION_LIMIT = 5_000
_WHOLE = 64 << 20
_SAMPLE = 4096


@dataclass(frozen=True, slots=True)
class Split:
    """Item numbers of the three parts, each rising, and what identifies data and split together."""

    train: np.ndarray
    validation: np.ndarray
    holdout: np.ndarray
    """(M,) int64 each."""
    fingerprint: str
    """SHA-256, hexadecimal."""
    official: bool
    """Whether the hold-out is the data's own."""


def make_split(source: Source, seed: int, validation: float = 0.1, holdout: float = 0.2) -> Split:
    """A function of (source, seed) alone. `validation`, `holdout`: shares of all items, in (0, 1).

    The official test part is the hold-out; validation is then the official one, or 10% of training up to 5,000 items.
    Otherwise parts are random, with each class's share kept. Raises BadInput below ten items.
    """
    total = len(source.items)
    if total < SMALLEST:
        raise BadInput(f"{source.name} has {total} items; at least {SMALLEST} are needed to train, validate and hold some out.")
    if not (0 < validation < 1 and 0 < holdout < 1 and validation + holdout < 1):
        raise BadInput(f"validation ({validation:g}) and hold-out ({holdout:g}) must be shares above 0 that leave some items for training.")
    label = source.columns.get("label")
    classes = label.values if label is not None and label.categories else np.zeros(total, dtype=np.int64)
    if source.split is None:
        rest, held = _draw(np.arange(total), classes, max(1, round(total * holdout)), seed, 0)
        train, checked = _draw(rest, classes, max(1, round(total * validation)), seed, 1)
    else:
        train, checked, held = _official(source, classes, seed)
    return Split(train, checked, held, fingerprint(source, train, checked, held), source.split is not None)


def _official(source: Source, classes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = {name: np.sort(np.asarray(index, dtype=np.int64)) for name, index in (source.split or {}).items()}
    train, checked = parts["train"], parts.get("validation")
    held = parts.get("holdout")
    if held is None:
        # Only a validation part is given: it is the data held out, and a new one comes out of training.
        held, checked = checked, None
    if held is None or len(held) == 0 or len(train) < 2:
        raise BadInput(f"the official split of {source.name} has {len(train)} items to train on and none held out; that can't be judged.")
    if checked is None or len(checked) == 0:
        train, checked = _draw(train, classes, min(_VALIDATION_LIMIT, max(1, round(len(train) * 0.1))), seed, 1)
    return train, checked, held


def _draw(index: np.ndarray, classes: np.ndarray, count: int, seed: int, stage: int) -> tuple[np.ndarray, np.ndarray]:
    """(rest, drawn), both rising: `count` of `index` at random, spread evenly over the classes; the rest keeps every class it can."""
    # The raw words of PCG64 are fixed for ever, the methods of numpy's Generator are not.
    keys = np.random.PCG64([seed % (1 << 64), stage]).random_raw(len(index))
    order = np.lexsort((keys, classes[index]))
    starts = np.flatnonzero(np.diff(classes[index][order], prepend=-1) != 0)
    free = np.ones(len(index), dtype=bool)
    free[starts] = False
    eligible = order[free] if free.sum() >= count else order
    # Every n-th of the items sorted by class: each class gives its share, within one item.
    offset = int(keys[0] % len(eligible))
    picked = eligible[(np.arange(count) * len(eligible) + offset) // count % len(eligible)]
    drawn = np.zeros(len(index), dtype=bool)
    drawn[picked] = True
    return index[~drawn], index[drawn]


def fingerprint(source: Source, train: np.ndarray, validation: np.ndarray, holdout: np.ndarray) -> str:
    """SHA-256 over the items' content, the columns and the three parts.

    Picture files count by the digest of their pixels; arrays whole up to 64 MB, above it by 4,096 items evenly spaced.
    """
    digest = hashlib.sha256()
    items = source.items
    if isinstance(items, Pictures):
        digest.update(items.facts.digests.tobytes())
    else:
        digest.update(f"{source.kind} {len(items)}".encode())
        size = items.nbytes if isinstance(items, np.ndarray) else sum(np.asarray(item).nbytes for item in items)
        rows = np.arange(len(items)) if size <= _WHOLE else np.linspace(0, len(items) - 1, _SAMPLE).astype(np.int64)
        for row in rows:
            item = np.ascontiguousarray(items[row])
            digest.update(f"{item.dtype.str}{item.shape}".encode())
            digest.update(item.tobytes())
    for name in sorted(source.columns):
        column = source.columns[name]
        digest.update(f"{name} {column.categories} {column.values.dtype.str}".encode())
        digest.update(np.ascontiguousarray(column.values).tobytes())
    for part in (train, validation, holdout):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part.astype("<i8").tobytes())
    return digest.hexdigest()

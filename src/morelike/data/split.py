"""Train, validation and hold-out: the official split where there is one, otherwise random by class, and its fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..core import registry
from ..core.errors import BadInput
from .pictures import Pictures
from .source import Items, Source, in_words
from .table import Cells
from .table_stored import StoredCells
from .text_items import Lines, Passages

SMALLEST = 10
_VALIDATION_LIMIT = 5_000
_WHOLE = 64 << 20
_SAMPLE = 4096
_SHARES = (0.1, 0.2)
_ORDERED_SHARES = (0.02, 0.1)
"""Validation and hold-out of items that stand in an order."""


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


def make_split(source: Source, seed: int, validation: float | None = None, holdout: float | None = None) -> Split:
    """A function of (source, seed) alone. `validation`, `holdout`: shares of all items, in (0, 1); by default 10% and 20%.

    The official test part is the hold-out; validation is then the official one, or 10% of training up to 5,000 items.
    Items in an order (one running text) are cut by position: validation (2%), then training, then the hold-out (10%).
    Otherwise parts are random, with each class's share kept; pairs that share a source text stay in one part.
    Raises BadInput below ten items.
    """
    usual = _ORDERED_SHARES if source.ordered else _SHARES
    validation = usual[0] if validation is None else validation
    holdout = usual[1] if holdout is None else holdout
    total = len(source.items)
    # few large items, such as levels, may be split where they are opened
    if total < SMALLEST and not (source.split and registry.kind(source.kind).world):
        items = "item" if total == 1 else "items"
        raise BadInput(f"{source.name} has {total} {items}; at least {SMALLEST} are needed to train, validate and hold some out.")
    if not (0 < validation < 1 and 0 < holdout < 1 and validation + holdout < 1):
        raise BadInput(f"validation ({validation:g}) and hold-out ({holdout:g}) must be shares above 0 that leave some items for training.")
    label = source.columns.get("label")
    classes = label.values if label is not None and label.categories else np.zeros(total, dtype=np.int64)
    groups = _groups(source)
    if source.split is None and source.ordered:
        last = total - max(1, round(total * holdout))
        # the hold-out follows the training text at once, as in the measurements that others publish
        checked, train, held = np.split(np.arange(total), [max(1, round(total * validation)), last])
    elif source.split is None:
        rest, held = _draw_groups(np.arange(total), classes, groups, max(1, round(total * holdout)), seed, 0)
        train, checked = _draw_groups(rest, classes, groups, max(1, round(total * validation)), seed, 1)
    else:
        train, checked, held = _official(source, classes, groups, seed)
    return Split(train, checked, held, fingerprint(source, train, checked, held), source.split is not None)


def _official(source: Source, classes: np.ndarray, groups: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = {name: np.sort(np.asarray(index, dtype=np.int64)) for name, index in (source.split or {}).items()}
    train, checked = parts["train"], parts.get("validation")
    held = parts.get("holdout")
    if held is None:
        # Only a validation part is given: it is the data held out, and a new one comes out of training.
        held, checked = checked, None
    # one item of these kinds, a series say, may give many examples
    least = 1 if registry.kind(source.kind).world else 2
    if held is None or len(held) == 0 or len(train) < least:
        raise BadInput(f"the official split of {source.name} has {len(train)} items to train on and none held out; that can't be judged.")
    if (checked is None or len(checked) == 0) and source.ordered:
        train, checked = np.split(train, [len(train) - max(1, round(len(train) * _ORDERED_SHARES[0]))])
    elif checked is None or len(checked) == 0:
        train, checked = _draw_groups(train, classes, groups, min(_VALIDATION_LIMIT, max(1, round(len(train) * 0.1))), seed, 1)
    return train, checked, held


def _groups(source: Source) -> np.ndarray | None:
    """(N,) a number for each source text or picture of pairs, where some come more than once."""
    name = next((name for name in source.conditions if name in source.columns and source.columns[name].kind in ("text", "picture")), None)
    if name is None:
        return None
    if source.columns[name].kind == "picture":
        numbered = source.columns[name].values
        return numbered if len(np.unique(numbered)) < len(numbered) else None
    numbers: dict[str, int] = {}
    found = np.array([numbers.setdefault(text, len(numbers)) for text in source.columns[name].values], dtype=np.int64)
    return found if len(numbers) < len(found) else None


def _draw_groups(
    index: np.ndarray, classes: np.ndarray, groups: np.ndarray | None, count: int, seed: int, stage: int
) -> tuple[np.ndarray, np.ndarray]:
    """(rest, drawn): about `count` of `index`, whole groups where there are any."""
    if groups is None or len(present := np.unique(groups[index])) < SMALLEST:
        return _draw(index, classes, count, seed, stage)
    some = max(1, round(len(present) * count / len(index)))
    chosen = present[_draw(np.arange(len(present)), np.zeros(len(present), dtype=np.int64), some, seed, stage)[1]]
    drawn = np.isin(groups[index], chosen)
    return index[~drawn], index[drawn]


def _draw(index: np.ndarray, classes: np.ndarray, count: int, seed: int, stage: int) -> tuple[np.ndarray, np.ndarray]:
    """(rest, drawn), both rising: `count` of `index` at random, spread evenly over the classes; the rest keeps every class it can."""
    # The raw words of PCG64 are fixed for ever, the methods of numpy's Generator are not.
    keys = np.random.PCG64([seed % (1 << 64), stage]).random_raw(len(index))
    if not classes.any():
        # one class: the same without the room that several need
        order = np.argsort(keys, kind="stable")
        eligible = order[1:] if len(order) > count else order
    else:
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

    Picture files count by the digest of their pixels; arrays and texts whole up to 64 MB, above it by 4,096 items evenly spaced.
    """
    digest = hashlib.sha256()
    items = source.items
    if isinstance(items, Pictures):
        digest.update(items.facts.digests.tobytes())
    else:
        digest.update(f"{source.kind} {len(items)}".encode())
        world = registry.kind(source.kind).world
        size = 0 if world else _size(items)
        rows = np.arange(len(items)) if size <= _WHOLE else np.linspace(0, len(items) - 1, _SAMPLE).astype(np.int64)
        for row in rows:
            if isinstance(items, Cells | StoredCells):
                _add_text(digest, "\x1f".join(items[int(row)]))
                continue
            if world or isinstance(items[row], str):
                _add_text(digest, in_words(items[row]))
                continue
            item = np.ascontiguousarray(items[row])
            digest.update(f"{item.dtype.str}{item.shape}".encode())
            digest.update(item.tobytes())
    for name in sorted(source.columns):
        column = source.columns[name]
        if column.kind == "picture" and name not in source.conditions:
            continue
        digest.update(f"{name} {column.categories} {column.values.dtype.str}".encode())
        if isinstance(column.pictures, Pictures):
            digest.update(column.pictures.facts.digests.tobytes())
        elif isinstance(column.pictures, np.ndarray):
            digest.update(np.ascontiguousarray(column.pictures).tobytes())
        if column.kind == "text":
            for text in column.values:
                _add_text(digest, text)
            continue
        digest.update(np.ascontiguousarray(column.values).tobytes())
    for part in (train, validation, holdout):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part.astype("<i8").tobytes())
    return digest.hexdigest()


def _size(items: Items) -> int:
    """About how many bytes the items have."""
    if isinstance(items, np.ndarray) and items.dtype != object:
        return items.nbytes
    if isinstance(items, (Passages, Lines)):
        return len(items.text)
    if isinstance(items, StoredCells):
        return items.nbytes
    if isinstance(items[0], str):
        return sum(map(len, items))
    return sum(np.asarray(item).nbytes for item in items)


def _add_text(digest: hashlib._Hash, text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    digest.update(len(raw).to_bytes(8, "little"))
    digest.update(raw)

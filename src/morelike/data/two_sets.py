"""Two sets without pairs: folders `trainA` and `trainB` of pictures, or arrays of these names, perhaps with `valA` to `testB`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .columns import split_word

SETS = ("A", "B")
PARTS = {f"{part}{one}": (part, one) for part in ("train", "val", "test") for one in SETS}
"""Name -> (split word, set)."""


def by_folders(folders: Sequence[Sequence[str]]) -> tuple[list[str | None], list[str], str] | None:
    """(split word an item, set an item, a note) from the folders that the files lie in; None where they are no two sets.

    Raises BadInput where one of the sets is missing.
    """
    depth = next((depth for depth, folder in enumerate(folders[0]) if folder in PARTS), None) if folders else None
    if depth is None or not all(len(parts) > depth and parts[depth] in PARTS for parts in folders):
        return None
    names = [parts[depth] for parts in folders]
    _both(set(names), "pictures")
    words = [split_word(PARTS[name][0]) for name in names]
    counts = {one: sum(PARTS[name] == ("train", one) for name in names) for one in SETS}
    split = f"; the official split is by the folders {', '.join(sorted(set(names)))}" if len(set(words)) > 1 else ""
    return words, [PARTS[name][1] for name in names], f"two sets without pairs, A ({counts['A']:,}) and B ({counts['B']:,}){split}"


def by_arrays(arrays: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arrays of two sets as one array and labels for each part; other arrays as they are.

    Raises BadInput where one of the sets is missing, or their items have different shapes.
    """
    there = {name: np.asarray(value) for name, value in arrays.items() if name in PARTS}
    if not there or len(there) < len(arrays):
        return arrays
    _both(set(there), "items")
    shapes = {name: value.shape[1:] for name, value in there.items()}
    first = next(iter(there))
    for name, shape in shapes.items():
        if shape != shapes[first]:
            way = "scale one of them, or save them as picture files, which are scaled"
            raise BadInput(f"{first} holds items of shape {shapes[first]} and {name} of {shape}; two sets have one shape: {way}.")
    found: dict[str, Any] = {}
    for part in dict.fromkeys(PARTS[name][0] for name in there):
        both = [there[f"{part}{one}"] for one in SETS]
        found[f"{part}_x"] = np.concatenate(both)
        found[f"{part}_label"] = np.repeat(SETS, [len(own) for own in both])
    return found


def _both(names: set[str], what: str) -> None:
    """Raises BadInput where a part has one set only, or there is none to train on."""
    for part in dict.fromkeys(("train", *(PARTS[name][0] for name in names))):
        missing = [f"{part}{one}" for one in SETS if f"{part}{one}" not in names]
        if missing:
            other = next(f"{part}{one}" for one in SETS if f"{part}{one}" != missing[0])
            there = f"{other} holds {what}, but" if len(missing) == 1 else "there are two sets to test on, but"
            raise BadInput(f"{there} {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing or empty: two sets need both.")

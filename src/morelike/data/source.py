"""What a source of data is once it is opened: raw items, label columns, an official split, and what was repaired or skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

Items: TypeAlias = Any
"""Raw items by number: a sequence, or an array whose first axis counts them (for which Python's types have no common name)."""


def in_words(item: Any) -> str:
    """An item that is no array as a text that tells it from all others."""
    if isinstance(item, str):
        return item
    with np.printoptions(threshold=1 << 40, precision=17):
        return repr(item)


@dataclass(frozen=True, slots=True)
class Column:
    """One value an item that can serve as a condition: class ids (0..len(categories)-1), real numbers, texts or pictures."""

    name: str
    values: np.ndarray
    categories: tuple[str, ...] = ()
    """Class names in order; () = real numbers, or texts in an array of objects."""
    pictures: Items = None
    """Pictures that the values number; or a `data.derived.Derived`, which makes them of the items."""
    around: bool = False
    """Whether the codec of the items makes the values (`data.world.World.around`), and these only number the items."""

    @property
    def kind(self) -> Literal["category", "number", "text", "picture", "around"]:
        """What the values are."""
        if self.around:
            return "around"
        if self.pictures is not None:
            return "picture"
        if self.categories:
            return "category"
        return "text" if self.values.dtype == object else "number"


@dataclass(frozen=True, slots=True)
class Source:
    """Opened data. `items[i]` may read a file: nothing is decoded before it is asked for."""

    name: str
    kind: str
    """A name of `core.registry.KINDS`."""
    items: Items
    columns: Mapping[str, Column] = field(default_factory=dict)
    split: Mapping[str, np.ndarray] | None = None
    """The official split, if there is one: "train", "validation", "holdout" -> item numbers."""
    notes: tuple[str, ...] = ()
    """What was understood or repaired, in sentences."""
    skipped: tuple[tuple[str, str], ...] = ()
    """(file, why) for each file left out."""
    names: Sequence[str] | None = None
    """Item names (file names), if they have any."""
    why_kind: str = ""
    """The rule by which the kind was chosen, in a sentence."""
    conditions: tuple[str, ...] = ()
    """The columns that a model is conditioned on; the other columns serve splitting and judging only."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the codec that lie beside the data, as paths of files."""
    ordered: bool = False
    """Whether the items are consecutive pieces of one thing, so that a split goes by position."""

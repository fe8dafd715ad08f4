"""Class names <-> ids (N,1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput, UnknownName
from ..core.spec import class_label
from .columns import natural
from .drawing import write_figure
from .source import Items


class CategoryCodec(Codec):
    """Raw item: a class name, or its id. Decoded: names."""

    kind: ClassVar[str] = "category"

    def __init__(self, names: Sequence[str]) -> None:
        """`names` in the order of their ids. Raises BadInput where one comes twice or there is none."""
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice or not names:
            raise BadInput(f"class names must be distinct, but {twice[0]!r} comes twice." if twice else "there are no classes.")
        self.names = tuple(names)
        self._ids = {name: number for number, name in enumerate(self.names)}
        self.spec = class_label(len(self.names))

    @classmethod
    def fit(  # type: ignore[override]  # each codec names its own settings
        cls, items: Iterable[Any], names: Sequence[str] | None = None
    ) -> Self:
        """`names` fixes the classes; otherwise they are the distinct names met, in natural order, or "0" up to the largest id."""
        if names is not None:
            return cls(names)
        seen = set(items)
        if seen and all(isinstance(item, (int, np.integer)) for item in seen):
            return cls([str(number) for number in range(int(max(seen)) + 1)])
        return cls(sorted(map(str, seen), key=natural))

    def id_of(self, name: str) -> int:
        """The id of a class. Raises UnknownName with the nearest right one."""
        if name not in self._ids:
            raise UnknownName("class", name, self.names)
        return self._ids[name]

    def describe(self) -> list[str]:
        """One sentence on the classes."""
        return [f"{len(self.names)} classes: {', '.join(self.names[:12])}{', ...' if len(self.names) > 12 else ''}."]

    def encode(self, items: Items) -> np.ndarray:
        """(N,1) int64 from ids or names. Raises UnknownName for a name and BadInput for an id that isn't there."""
        if isinstance(items, np.ndarray) and items.dtype.kind in "iu":
            ids = items.astype(np.int64).reshape(len(items), -1)[:, :1]
        else:
            flat = [item if isinstance(item, (int, np.integer)) else self.id_of(str(item)) for item in items]
            ids = np.array(flat, dtype=np.int64)[:, None]
        if len(ids) and (ids.min() < 0 or ids.max() >= len(self.names)):
            raise BadInput(f"class ids must be between 0 and {len(self.names) - 1}, but {ids.min()} to {ids.max()} were given.")
        return ids

    def decode(self, x: np.ndarray) -> list[str]:
        """N names from (N,1) ids, clipped to those there are."""
        ids = np.asarray(x).reshape(-1).astype(np.int64).clip(0, len(self.names) - 1)
        return [self.names[number] for number in ids]

    def state(self) -> dict[str, Any]:
        return {"names": list(self.names)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        return cls([str(name) for name in state["names"]])

    def draw(self, items: Items, path: Path, columns: int | None = None) -> None:
        """Writes one PNG: a bar a class, as long as it is common."""
        from matplotlib.figure import Figure

        counts = np.bincount(self.encode(items)[:, 0], minlength=len(self.names))
        figure = Figure(figsize=(6, max(2.0, 0.25 * len(self.names))), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(self.names)), counts)
        axes.set_yticks(range(len(self.names)), self.names)
        axes.invert_yaxis()
        axes.set_xlabel("items")
        write_figure(figure, path)

"""What stands around a piece of an item, made by the codec of the items (`World.around`), as a condition. N items, * a shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput
from ..core.spec import Array
from .drawing import write_figure


class AroundCodec(Codec):
    """Arrays (N,*) of about unit scale, as they are."""

    kind: ClassVar[str] = "around"
    loss: ClassVar[str] = "precision beyond 32 bits"

    def __init__(self, shape: Sequence[int]) -> None:
        self.spec = Array(tuple(shape))

    @classmethod
    def fit(cls, items: Iterable[Any], **settings: Any) -> Self:
        """The shape of the first item."""
        return cls(np.shape(next(iter(items))))

    def encode(self, items: Sequence[Any]) -> np.ndarray:
        """(N,*) float32. Raises BadInput for another shape, or numbers that aren't finite."""
        found = np.asarray(items, np.float32).reshape(len(items), -1)
        if found.shape[1] != int(np.prod(self.spec.shape)) or not np.isfinite(found).all():
            raise BadInput(f"a condition must be finite numbers of the shape {self.spec.shape}, not {np.shape(items)[1:]}.")
        return found.reshape(-1, *self.spec.shape)

    def decode(self, x: np.ndarray) -> np.ndarray:  # type: ignore[override]  # an array serves as the sequence
        """(N,*) float32."""
        return np.asarray(x, np.float32)

    def state(self) -> dict[str, Any]:
        return {"shape": list(self.spec.shape)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["shape"])

    def draw(self, items: Sequence[Any], path: Path, columns: int | None = None) -> None:
        """Writes one PNG: a line of numbers an item."""
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        figure.add_subplot().plot(np.asarray(items).reshape(len(items), -1).T)
        write_figure(figure, path)

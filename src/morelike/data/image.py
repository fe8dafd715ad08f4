"""Pictures of any size and channel count <-> arrays (N,C,H,W).

N items, C channels, H rows, W columns. Whole-number pictures are stored as levels (8 or 16 bits), x = level * bin - 1;
floating-point pictures as float32 in [-1, 1] over the training range. Binarised grey pictures are stored grey: x is black (-1) or
white (+1), drawn by `lift` with the grey value as the probability of white (Salakhutdinov and Murray 2008, section 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput
from ..core.spec import Array
from .drawing import write_png
from .grid import grid, rgb8
from .pixels import as_hwc, fit_into, to_channels, to_levels
from .source import Items
from .survey import choose_channels, choose_dtype, choose_size, finite, sentences, survey

__all__ = ["ImageCodec", "grid", "rgb8"]


class ImageCodec(Codec):
    """Raw item: (H,W) or (H,W,C) uint8, uint16, bool or floating point. Decoded: (N,H,W,C) in the source's format."""

    kind: ClassVar[str] = "image"
    loss: ClassVar[str] = (
        "other sizes and channel counts are scaled, cropped and converted; grey, if binarised; else nothing (floats: rounding to float32)"
    )

    def __init__(
        self, shape: tuple[int, int, int], dtype: str, low: float = 0.0, high: float = 0.0, said: Sequence[str] = (), binarise: bool = False
    ) -> None:
        """`shape` is (C,H,W); `dtype` is decoded pictures' format; `low`..`high` the range of floating-point ones. Raises BadInput where
        `binarise` meets other than grey pictures of whole numbers."""
        self.shape, self.dtype, self.low, self.high, self._said = shape, np.dtype(dtype), low, high, list(said)
        self.real = self.dtype.kind == "f"
        self.binarise = binarise
        if binarise and self.real:
            raise BadInput("pictures of floating-point numbers can't be binarised: convert them to 8 bits, or leave out codec.binarise.")
        if binarise and shape[0] != 1:
            ways = "ask for grey ones, codec.channels=1, or leave out codec.binarise."
            raise BadInput(f"pictures of {shape[0]} channels can't be binarised: {ways}")
        levels = 0 if self.real else int(np.iinfo(self.dtype).max)
        self.spec = Array(shape, 2.0, levels) if binarise else Array(shape, 2.0 / levels if levels else 0.0)

    @classmethod
    def fit(  # type: ignore[override]  # each codec names its own settings
        cls, items: Iterable[Any], size: int | tuple[int, int] | None = None, channels: int | None = None, binarise: bool = False
    ) -> Self:
        """Fixes size, channels and number format from the training items, read once (not at all where their facts are known).

        `size`: the longest side or (H, W), in pixels; `binarise`: grey pictures become black and white, drawn anew each time.
        Raises BadInput, naming the item, where they can't be one set.
        """
        seen = survey(items)
        dtype = choose_dtype(seen)
        count = choose_channels(seen, channels)
        height, width = choose_size(seen, size)
        low, high = (seen.low, seen.high) if np.dtype(dtype).kind == "f" else (0.0, 0.0)
        if not isinstance(binarise, bool):
            raise BadInput(f"codec.binarise is true or false, not {binarise!r}")
        said = sentences(seen, (height, width), count, dtype)
        if binarise:
            said.append("Binarised: each pixel is drawn white with its grey value as the probability, anew at every training step.")
        return cls((count, height, width), dtype, low, high, said, binarise)

    def describe(self) -> list[str]:
        """Sentences on size, channels and what is scaled or cropped."""
        return list(self._said)

    def encode(self, items: Items) -> np.ndarray:
        """(N,C,H,W) uint8 or uint16 levels, or float32 in about [-1, 1]. Raises BadInput naming the item's number."""
        channels, height, width = self.shape
        if isinstance(items, np.ndarray) and items.ndim == 4 and items.shape[1:] == (height, width, channels) and items.dtype == self.dtype:
            if self.real and not np.isfinite(items).all():
                finite(items, int((~np.isfinite(items)).reshape(len(items), -1).any(axis=1).argmax()))
            return self._stored(np.ascontiguousarray(items.transpose(0, 3, 1, 2)))
        out = np.empty((len(items), channels, height, width), dtype=np.float32 if self.real else self.dtype)
        for number, item in enumerate(items):
            try:
                array = as_hwc(item)
                finite(array, number)
                # Resizing comes first: what follows then works on few pixels, however large the picture.
                array = to_channels(to_levels(fit_into(array, height, width), self.dtype), channels)
            except BadInput as error:
                raise BadInput(f"item {number}: {error}") from error
            out[number] = self._stored(array.transpose(2, 0, 1))
        return out

    def _stored(self, array: np.ndarray) -> np.ndarray:
        if not self.real:
            return array
        span = self.high - self.low
        if span == 0:
            return np.zeros(array.shape, dtype=np.float32)
        return ((array.astype(np.float64) - self.low) * (2.0 / span) - 1.0).astype(np.float32)

    def decode(self, x: np.ndarray) -> np.ndarray:  # type: ignore[override]  # an array serves as the sequence
        """(N,H,W,C) in the source's format, clipped to its range (binarised: its lowest or highest value), from x (N,C,H,W); NaN becomes
        the lowest value."""
        unit = np.nan_to_num(np.asarray(x, dtype=np.float64), nan=-1.0).clip(-1.0, 1.0)
        unit = (unit >= 0.0).astype(np.float64) if self.binarise else (unit + 1.0) * 0.5
        if self.real:
            values = (self.low + unit * (self.high - self.low)).astype(self.dtype)
            values = values.clip(self.low, self.high).astype(self.dtype)
        else:
            values = np.rint(unit * np.iinfo(self.dtype).max).astype(self.dtype)
        return np.ascontiguousarray(values.transpose(0, 2, 3, 1))

    def state(self) -> dict[str, Any]:
        kept = {"shape": list(self.shape), "dtype": self.dtype.name, "low": self.low, "high": self.high, "said": list(self._said)}
        return {**kept, "binarise": True} if self.binarise else kept

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        channels, height, width = (int(side) for side in state["shape"])
        low, high = float(state["low"]), float(state["high"])
        return cls((channels, height, width), str(state["dtype"]), low, high, state["said"], bool(state.get("binarise", False)))

    def draw(self, items: Items, path: Path, columns: int | None = None) -> None:
        """Writes one PNG: the items in a grid with gaps, small ones enlarged without smoothing."""
        if self.real:
            items = [rgb8(item, self.low, self.high) for item in items]
        write_png(grid(items, columns), path)

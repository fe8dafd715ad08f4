"""What judges look at: features of raw items. Learned extractors come from the house as functions; raw ones are here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BadInput

Array = NDArray[np.generic]
Floats = NDArray[np.floating]

_FIT_ITEMS = 10_000
_LARGEST_SIDE = 32
_EXACT_PIXELS = 1024
_BLOCK = 1 << 24
"""Most raw numbers turned into floats at once: 64 MB."""


@dataclass(frozen=True, slots=True)
class Extractor:
    """Raw items to features. The name says what it is, with a hash where it was learned: `digits-cnn-1a2b3c4d`."""

    name: str
    features: Callable[[Array], Array]
    """(N, ...) raw items, or (N,) texts -> (N,D) numbers."""
    cheap: bool = False
    """Cheap enough for the whole training split; of others, judges ask 10,000 reference items."""

    def __call__(self, items: Array) -> Floats:
        """(N,D) float32, asked of a bounded number of items at a time. Raises BadInput where D or N is not as promised."""
        if not len(items):
            return np.zeros((0, 1), np.float32)
        parts = [np.asarray(self.features(items[rows]), np.float32) for rows in _blocks(items)]
        out = np.concatenate([part.reshape(len(part), -1) for part in parts])
        if len(out) != len(items):
            raise BadInput(f"the extractor {self.name!r} returned {len(out)} rows for {len(items)} items")
        return out


def _blocks(items: Array) -> Iterator[slice]:
    # A text counts as many numbers as its n-gram counts, or its characters where they are more.
    size = max(4096, *map(len, items)) if items.dtype == object else items[0].size
    step = int(np.clip(_BLOCK // max(1, size), 1, 4096))
    return (slice(start, min(start + step, len(items))) for start in range(0, len(items), step))


def _edges(length: int) -> NDArray[np.integer]:
    side = min(length, _LARGEST_SIDE)
    return np.arange(side) * length // side


def _pool(pictures: Floats) -> Floats:
    """(N,H,W,C) averaged over near-equal rectangles to at most 32 x 32."""
    for axis in (1, 2):
        edges = _edges(pictures.shape[axis])
        if len(edges) < pictures.shape[axis]:
            widths = np.diff(np.append(edges, pictures.shape[axis])).astype(np.float32)
            shape = [1] * pictures.ndim
            shape[axis] = len(edges)
            pictures = np.add.reduceat(pictures, edges, axis=axis) / widths.reshape(shape)
    return pictures


@dataclass(frozen=True, slots=True)
class _Scale:
    """Raw pictures to pixel rows (N,P): the training split's least to largest value becomes 0 to 1, large ones are pooled."""

    low: float
    span: float

    def __call__(self, items: Array) -> Floats:
        unit = (items.astype(np.float32) - np.float32(self.low)) / np.float32(self.span)
        return (_pool(unit) if unit.ndim == 4 else unit).reshape(len(items), -1)


def leading(rows: Floats, count: int) -> Floats:
    """(P, count): leading principal directions of centred rows (N,P), sign fixed by the largest entry.

    Exact up to 1,024 pixels; above, subspace iteration on a random start with 16 spare directions (Halko, Martinsson,
    Tropp 2011, algorithm 4.4, four rounds): the span is nearly that of the leading directions, and the same in every run.
    """
    pixels = rows.shape[1]
    if pixels <= _EXACT_PIXELS:
        basis = np.eye(pixels, dtype=np.float32)
    else:
        basis = np.random.Generator(np.random.PCG64(0)).standard_normal((pixels, count + 16), np.float32)
        for _ in range(4):
            basis = np.linalg.qr(rows.T @ (rows @ basis))[0]
    projected = rows if pixels <= _EXACT_PIXELS else rows @ basis
    vectors = np.linalg.eigh((projected.T @ projected).astype(np.float64))[1][:, ::-1][:, :count]
    directions: Floats = basis @ vectors.astype(np.float32)
    largest = directions[np.abs(directions).argmax(0), np.arange(count)]
    return directions * np.where(largest < 0, -1, 1).astype(np.float32)


def raw_pca(reference: Array, dimensions: int = 64) -> Extractor:
    """Principal components of raw pictures (N,H,W,C): `raw-pca64`, the number being the dimensions used.

    Values are scaled so that the training split runs from 0 to 1, pictures above 32 x 32 averaged down to it, and the
    directions fitted on at most 10,000 training items. There are min(dimensions, pixels) of them, also where the
    training split spans fewer: samples may leave its span. Raises BadInput for fewer than two items.
    """
    if len(reference) < 2:
        raise BadInput(f"raw features need at least 2 training items, there are {len(reference)}")
    low, high = float(reference.min()), float(reference.max())
    scale = _Scale(low, (high - low) or 1.0)
    chosen = reference
    if len(reference) > _FIT_ITEMS:
        rows = np.random.Generator(np.random.PCG64(0)).choice(len(reference), _FIT_ITEMS, replace=False)
        chosen = reference[np.sort(rows)]
    fitted = np.concatenate([scale(chosen[rows]) for rows in _blocks(chosen)])
    mean = fitted.mean(0)
    fitted -= mean
    count = min(dimensions, fitted.shape[1])
    directions = leading(fitted, count)
    return Extractor(f"raw-pca{count}", lambda items: (scale(items) - mean) @ directions, cheap=True)


def raw_vectors(reference: Array) -> Extractor:
    """Vectors (N,D) over the training split's standard deviation, dimension by dimension: `raw`. Raises BadInput for fewer than two."""
    if len(reference) < 2:
        raise BadInput(f"raw features need at least 2 training items, there are {len(reference)}")
    rows = np.asarray(reference, np.float64).reshape(len(reference), -1)
    mean, spread = rows.mean(0), rows.std(0)
    spread[spread == 0] = 1.0
    return Extractor("raw", lambda items: (np.asarray(items, np.float64).reshape(len(items), -1) - mean) / spread, cheap=True)

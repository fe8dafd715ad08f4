"""Conditions that are made of the pictures themselves: `pool4` (a fourth of the size), `grey`, `edges`.

N items, H rows, W columns, C channels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core.errors import BadInput
from .image import ImageCodec
from .pixels import LUMA

NAMES = ("pool2", "pool4", "grey", "edges")
"""Examples of their names; any factor from 2 on can follow "pool"."""
_POOL = re.compile(r"pool([0-9]{1,4})")
_FULL = 4.0
"""The Sobel sum of a step from the lowest to the highest value."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A picture condition that is a function of the picture as it is learnt: a model of it colours, enlarges or paints."""

    name: str
    shape: Callable[[tuple[int, int, int]], tuple[int, int, int]]
    """(C,H,W) of the condition from that of the pictures. Raises BadInput where they don't fit."""
    made: Callable[[np.ndarray, float], np.ndarray]
    """(N,H',W',C') float64 from pictures (N,H,W,C) float64 and the span of their values."""

    def codec(self, pictures: ImageCodec) -> ImageCodec:
        """The condition's own codec."""
        return ImageCodec(self.shape(pictures.shape), pictures.dtype.name, pictures.low, pictures.high)

    def __call__(self, pictures: np.ndarray, codec: ImageCodec) -> np.ndarray:
        """Raw items (N,H',W',C') of the condition from raw pictures (N,H,W,C), in the same format."""
        low, high = (codec.low, codec.high) if codec.real else (0.0, float(np.iinfo(codec.dtype).max))
        found = self.made(pictures.astype(np.float64) - low, high - low) + low
        return (found if codec.real else np.rint(found)).clip(low, high).astype(codec.dtype)


def derived(name: str) -> Derived | None:
    """The condition of that name, or None where no such one is made. Raises BadInput for a pool that changes nothing."""
    if name == "grey":
        return Derived(name, _grey_shape, lambda x, _: _grey(x))
    if name == "edges":
        return Derived(name, lambda shape: (1, *shape[1:]), _edges)
    found = _POOL.fullmatch(name)
    if found is None:
        return None
    factor = int(found[1])
    if factor < 2:
        raise BadInput(f"{name} averages squares of {factor} pixels, which changes nothing: pool2 halves each side, pool4 quarters it")
    return Derived(name, lambda shape: _pooled_shape(name, factor, shape), lambda x, _: _pool(x, factor))


def _grey_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if shape[0] == 1:
        raise BadInput("the pictures are grey already, so that there is nothing to colour: choose another condition, such as pool2")
    return (1, *shape[1:])


def _pooled_shape(name: str, factor: int, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    channels, height, width = shape
    if height % factor or width % factor:
        fits = [f"pool{other}" for other in range(2, min(height, width) + 1) if height % other == width % other == 0]
        ways = f"{', '.join(fits[:4])} would fit, or" if fits else "choose"
        raise BadInput(f"{name} divides each side by {factor}, but the pictures are {width} x {height}: {ways} another codec.size")
    return channels, height // factor, width // factor


def _pool(x: np.ndarray, factor: int) -> np.ndarray:
    count, height, width, channels = x.shape
    found: np.ndarray = x.reshape(count, height // factor, factor, width // factor, factor, channels).mean((2, 4))
    return found


def _grey(x: np.ndarray) -> np.ndarray:
    """Of colours the luma; an alpha channel is left out."""
    found: np.ndarray = x[..., :3] @ LUMA[:, None] if x.shape[3] in (3, 4) else x.mean(3, keepdims=True)
    return found


def _edges(x: np.ndarray, span: float) -> np.ndarray:
    """The length of the Sobel gradient of the grey picture: 0 where it is even, the highest value at a step from lowest to highest."""
    grey = np.pad(_grey(x), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    along = grey[:, :, 2:] - grey[:, :, :-2]
    across = grey[:, 2:] - grey[:, :-2]
    along = along[:, :-2] + 2 * along[:, 1:-1] + along[:, 2:]
    across = across[:, :, :-2] + 2 * across[:, :, 1:-1] + across[:, :, 2:]
    found: np.ndarray = np.minimum(np.hypot(along, across) / _FULL, span)
    return found

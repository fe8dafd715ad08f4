"""Arithmetic on single pictures: channels, number formats, resizing. H rows, W columns, C channels."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..core.errors import BadInput

LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601 weights of red, green and blue."""


def as_hwc(item: np.ndarray) -> np.ndarray:
    """(H,W,C) from (H,W) or (H,W,C). Raises BadInput for other shapes and for number formats that are no picture's."""
    array = np.asarray(item)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or 0 in array.shape:
        raise BadInput(f"a picture must be (rows, columns) or (rows, columns, channels), but this one has the shape {array.shape}.")
    if array.dtype not in (np.uint8, np.uint16, np.bool_) and array.dtype.kind != "f":
        raise BadInput(f"a picture must hold uint8, uint16, bool or floating-point numbers, but this one holds {array.dtype}.")
    return array


def to_levels(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The same picture in another number format: bool to 0 and 255, 8 to 16 bits by 257 (so that white stays white)."""
    if array.dtype == dtype:
        return array
    if dtype.kind == "f":
        if array.dtype.kind != "f":
            raise BadInput(f"pictures of floating-point and of whole numbers ({array.dtype}) can't be one data set; convert one of them.")
        return array.astype(dtype)
    if array.dtype.kind == "f":
        raise BadInput(f"pictures of whole numbers ({dtype}) and of floating-point numbers can't be one data set; convert one of them.")
    if array.dtype == np.bool_:
        return np.where(array, np.iinfo(dtype).max, 0).astype(dtype)
    if dtype == np.uint16:
        return array.astype(np.uint16) * np.uint16(257)
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)


def to_channels(array: np.ndarray, channels: int) -> np.ndarray:
    """(H,W,channels): grey, RGB and RGBA into each other. Alpha is laid on white where it goes, and full where it comes."""
    have = array.shape[2]
    if have == channels:
        return array
    if {have, channels} - {1, 3, 4}:
        raise BadInput(f"a picture of {have} channels can't be made one of {channels}; only 1, 3 and 4 go into each other.")
    if array.dtype.kind == "f" and 4 in (have, channels):
        raise BadInput("floating-point pictures with and without an alpha channel can't be one data set, for its range isn't known.")
    if have == 4:
        return to_channels(on_white(array), channels)
    if have == 1:
        array = np.repeat(array, 3, axis=2)
    elif channels == 1:
        grey: np.ndarray = array @ LUMA
        return (grey if array.dtype.kind == "f" else np.rint(grey)).astype(array.dtype)[:, :, None]
    if channels == 3:
        return array
    alpha = np.full((*array.shape[:2], 1), np.iinfo(array.dtype).max, dtype=array.dtype)
    return np.concatenate((array, alpha), axis=2)


def on_white(array: np.ndarray) -> np.ndarray:
    """(H,W,3) from (H,W,4) of whole numbers."""
    top = np.iinfo(array.dtype).max
    alpha = array[:, :, 3:].astype(np.float64) / top
    mixed = array[:, :, :3] * alpha + top * (1.0 - alpha)
    return np.rint(mixed).astype(array.dtype)


def fit_into(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height,width,C): scaled until it covers the target, its middle kept; untouched where the size fits already."""
    rows, columns, channels = array.shape
    if (rows, columns) == (height, width):
        return array
    scale = min(rows / height, columns / width)
    cut_rows, cut_columns = height * scale, width * scale
    left, top = (columns - cut_columns) / 2, (rows - cut_rows) / 2
    # Rounding may put an edge a hair outside the picture, which Pillow refuses.
    box = (max(left, 0.0), max(top, 0.0), min(left + cut_columns, float(columns)), min(top + cut_rows, float(rows)))
    if array.dtype == np.uint8 and channels in (3, 4):
        return np.asarray(_resized(Image.fromarray(np.ascontiguousarray(array)), height, width, box))
    planes = [_plane(array[:, :, channel], height, width, box) for channel in range(channels)]
    return np.stack(planes, axis=2)


def _plane(plane: np.ndarray, height: int, width: int, box: tuple[float, float, float, float]) -> np.ndarray:
    if plane.dtype == np.uint8:
        return np.asarray(_resized(Image.fromarray(np.ascontiguousarray(plane)), height, width, box))
    scaled = np.asarray(_resized(Image.fromarray(plane.astype(np.float32)), height, width, box))
    # Bicubic overshoots at edges; no value may leave the picture's own range.
    inside: np.ndarray = np.clip(scaled, plane.min(), plane.max())
    return (inside if plane.dtype.kind == "f" else np.rint(inside)).astype(plane.dtype)


def _resized(picture: Image.Image, height: int, width: int, box: tuple[float, float, float, float]) -> Image.Image:
    """Bicubic, with the filter widened when shrinking; Pillow weighs colour by alpha in RGBA."""
    return picture.resize((width, height), Image.Resampling.BICUBIC, box=box)

"""What a set of pictures looks like, gathered in one pass, and the size and channels that follow from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..core.errors import BadInput
from .pictures import Pictures
from .pixels import as_hwc

LONGEST = 64
"""Longest side, in pixels, that is used where nothing else is asked for."""
_SIZE_LIMIT = 4096
_CHUNK = 4096


@dataclass(slots=True)
class Survey:
    """Counts over the pictures of a training split."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """(H, W) -> how many."""
    channels: Counter[int] = field(default_factory=Counter)
    dtypes: Counter[str] = field(default_factory=Counter)
    low: float = math.inf
    high: float = -math.inf
    count: int = 0

    def add(self, shape: tuple[int, ...], dtype: str, low: float, high: float, times: int = 1) -> None:
        self.sizes[shape[0], shape[1]] += times
        self.channels[shape[2]] += times
        self.dtypes[dtype] += times
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.count += times


def finite(array: np.ndarray, number: int) -> None:
    """Raises BadInput, naming the item, where a floating-point array holds NaN or infinity."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BadInput(f"item {number} holds NaN or infinite values; remove or repair it.")


def survey(items: Iterable[np.ndarray]) -> Survey:
    """One pass over the pictures; none is decoded where their facts are known already. Raises BadInput, naming the item."""
    seen = Survey()
    if isinstance(items, Pictures):
        facts = items.facts
        for shape, dtype, low, high in zip(facts.shapes.tolist(), facts.dtypes.tolist(), facts.lows, facts.highs, strict=True):
            seen.add(tuple(shape), dtype, float(low), float(high))
    elif isinstance(items, np.ndarray) and items.ndim in (3, 4) and len(items):
        shape = as_hwc(items[0]).shape
        for start in range(0, len(items), _CHUNK):
            chunk = items[start : start + _CHUNK]
            if chunk.dtype.kind == "f" and not np.isfinite(chunk).all():
                bad = ~np.isfinite(chunk).reshape(len(chunk), -1).all(axis=1)
                finite(chunk[int(bad.argmax())], start + int(bad.argmax()))
            seen.add(shape, items.dtype.name, float(chunk.min()), float(chunk.max()), len(chunk))
    else:
        for number, item in enumerate(items):
            try:
                array = as_hwc(item)
            except BadInput as error:
                raise BadInput(f"item {number}: {error}") from error
            finite(array, number)
            seen.add(array.shape, array.dtype.name, float(array.min()), float(array.max()))
    if seen.count == 0:
        raise BadInput("there are no pictures to learn from.")
    return seen


def choose_dtype(seen: Survey) -> str:
    """The number format that decoded pictures get: uint16 if any is, bool as uint8, the widest floating-point one."""
    kinds = {np.dtype(name).kind == "f" for name in seen.dtypes}
    if len(kinds) > 1:
        formats = ", ".join(seen.dtypes)
        raise BadInput(f"pictures of whole and of floating-point numbers can't be one data set ({formats}); convert one of them.")
    if kinds == {True}:
        return np.result_type(*map(np.dtype, seen.dtypes)).name
    return "uint16" if "uint16" in seen.dtypes else "uint8"


def choose_channels(seen: Survey, asked: int | None) -> int:
    """The commonest number of channels (the larger at a tie), or the one asked for."""
    chosen = asked or max(seen.channels, key=lambda channels: (seen.channels[channels], channels))
    odd = sorted({*seen.channels, chosen} - {1, 3, 4})
    if odd and {*seen.channels} != {chosen}:
        found = ", ".join(f"{count:,} of {channels}" for channels, count in seen.channels.most_common(4))
        raise BadInput(f"pictures of different channel counts ({found}) can't be one data set: only 1, 3 and 4 go into each other.")
    return chosen


def choose_size(seen: Survey, asked: int | tuple[int, int] | None) -> tuple[int, int]:
    """(H, W): one common size up to 64 is kept; otherwise the median shape, its longest side 64 or the one asked for."""
    if isinstance(asked, (tuple, list)):
        return _sane(int(asked[0])), _sane(int(asked[1]))
    sizes, counts = np.array(list(seen.sizes)), np.array(list(seen.sizes.values()))
    if len(sizes) == 1:
        height, width = (int(side) for side in sizes[0])
        if asked is None and max(height, width) <= LONGEST:
            return height, width
        longest = _sane(LONGEST if asked is None else asked)
        scale = longest / max(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))
    aspect = _median(sizes[:, 1] / sizes[:, 0], counts)
    longest = _sane(asked) if asked else min(LONGEST, round(_median(sizes.max(axis=1), counts)))
    if aspect >= 1:
        return max(1, round(longest / aspect)), longest
    return longest, max(1, round(longest * aspect))


def _sane(side: int) -> int:
    if not 1 <= side <= _SIZE_LIMIT:
        raise BadInput(f"a picture's side must be between 1 and {_SIZE_LIMIT} pixels, not {side}.")
    return side


def _median(values: np.ndarray, counts: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(counts[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


_CHANNELS = {1: "grey", 3: "RGB", 4: "RGBA"}


def sentences(seen: Survey, size: tuple[int, int], channels: int, dtype: str) -> list[str]:
    """What will be done to the pictures, for `check`."""
    height, width = size
    text = []
    if len(seen.sizes) == 1:
        (rows, columns), _ = seen.sizes.most_common(1)[0]
        fate = "kept as they are" if (rows, columns) == size else f"scaled to {width} x {height}"
        text.append(f"All {seen.count:,} training pictures are {columns} x {rows} pixels, {fate}.")
    else:
        (rows, columns), often = seen.sizes.most_common(1)[0]
        text.append(
            f"The {seen.count:,} training pictures have {len(seen.sizes):,} different sizes (the commonest, {columns} x {rows}, "
            f"{often:,} times); each is scaled until it covers {width} x {height}, the median shape, and its middle is kept."
        )
    name = _CHANNELS.get(channels, f"{channels} channels")
    others = {have: count for have, count in seen.channels.items() if have != channels}
    turned = ", ".join(f"{count:,} {_CHANNELS.get(have, have)}" for have, count in others.items())
    text.append(f"Channels: {name}." + (f" Turned into that: {turned} (alpha is laid on white, missing alpha is full)." if others else ""))
    if dtype == "uint16":
        text.append("Values have 16 bits (65,536 levels), kept.")
    elif dtype != "uint8":
        text.append(f"Values are real numbers from {seen.low:g} to {seen.high:g}; decoded pictures stay in that range.")
    elif "bool" in seen.dtypes:
        text.append("Values are true or false; decoded as 255 and 0.")
    return text

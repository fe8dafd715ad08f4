"""Many picture files as one lazy sequence. One pass at opening decodes each file, keeps its facts and finds the bad ones;
after it a picture is decoded at most once more, when it is encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np

from ..core.errors import BadInput
from .picture_file import read_image
from .progress import Progress, shown

CACHE_LIMIT = 256 << 20
"""Bytes of decoded pictures that are kept from the first pass, so that small sets are decoded only once."""
BAD_SHARE = 0.1

Load = Callable[[int], Path | bytes]


@dataclass(slots=True)
class Facts:
    """What the first pass saw, one row a picture."""

    shapes: np.ndarray
    """(N,3) int32: H, W, C."""
    dtypes: np.ndarray
    """(N,) str."""
    lows: np.ndarray
    """(N,) float64: the smallest value."""
    highs: np.ndarray
    digests: np.ndarray
    """(N,) S32: hexadecimal BLAKE2 of the pixels."""

    def rows(self, index: np.ndarray) -> Facts:
        return Facts(self.shapes[index], self.dtypes[index], self.lows[index], self.highs[index], self.digests[index])


class Pictures(Sequence[np.ndarray]):
    """(H,W,C) arrays, read when asked for; `facts` answers most questions without reading."""

    def __init__(self, load: Load, numbers: np.ndarray, facts: Facts, cache: dict[int, np.ndarray]) -> None:
        self._load, self._numbers, self.facts, self._cache = load, numbers, facts, cache

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, row: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, row: slice) -> Pictures: ...
    def __getitem__(self, row: int | slice) -> np.ndarray | Pictures:
        if isinstance(row, slice):
            return self.subset(np.arange(len(self))[row])
        number = int(self._numbers[row])
        kept = self._cache.get(number)
        return read_image(self._load(number)) if kept is None else kept

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def subset(self, index: np.ndarray) -> Pictures:
        """The pictures numbered `index`, (M,) int64, sharing files and cache."""
        return Pictures(self._load, self._numbers[index], self.facts.rows(index), self._cache)


@dataclass(slots=True)
class Checked:
    """The outcome of the first pass."""

    pictures: Pictures
    good: np.ndarray
    """(N,) int64: the numbers of the files that can be read."""
    skipped: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)


def check_pictures(where: str, names: Sequence[str], load: Load, progress: Progress | None = None) -> Checked:
    """Decodes each of `names` once (`load(i)` gives its path or bytes). Raises BadInput when more than a tenth is bad."""
    with shown(progress) as report:
        return _check(where, names, load, report)


def _check(where: str, names: Sequence[str], load: Load, report: Progress) -> Checked:
    cache: dict[int, np.ndarray] = {}
    rows: list[tuple[tuple[int, ...], str, float, float, bytes]] = []
    good: list[int] = []
    skipped: list[tuple[str, str]] = []
    notes: dict[str, int] = {}
    room = CACHE_LIMIT
    for number, name in enumerate(names):
        try:
            pixels = read_image(load(number), lambda text: notes.__setitem__(text, notes.get(text, 0) + 1))
        except BadInput as error:
            skipped.append((name, str(error)))
            continue
        good.append(number)
        digest = hashlib.blake2b(pixels.tobytes(), digest_size=16).hexdigest().encode()
        rows.append((pixels.shape, pixels.dtype.name, float(pixels.min()), float(pixels.max()), digest))
        if pixels.nbytes <= room:
            cache[number] = pixels
            room -= pixels.nbytes
        if number % 64 == 0 or number + 1 == len(names):
            report(f"reading {where}", number + 1, len(names))
    if len(skipped) > BAD_SHARE * len(names):
        examples = "; ".join(f"{name} {why}" for name, why in skipped[:4])
        more = f"; and {len(skipped) - 4} more" if len(skipped) > 4 else ""
        raise BadInput(
            f"{where}: {len(skipped)} of {len(names)} picture files can't be read, more than a tenth. {examples}{more}. "
            "Remove or replace them."
        )
    facts = Facts(
        np.array([row[0] for row in rows], dtype=np.int32).reshape(-1, 3),
        np.array([row[1] for row in rows], dtype=np.str_),
        np.array([row[2] for row in rows], dtype=np.float64),
        np.array([row[3] for row in rows], dtype=np.float64),
        np.array([row[4] for row in rows], dtype="S32"),
    )
    numbers = np.array(good, dtype=np.int64)
    said = [f"{text} ({count:,} {'file' if count == 1 else 'files'})" for text, count in notes.items()]
    return Checked(Pictures(load, numbers, facts, cache), numbers, skipped, said)

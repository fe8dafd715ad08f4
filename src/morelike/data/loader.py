"""From a source to batches: encoding in chunks (into a file where it is large), and a data order that is a function of the step.

N items, B batch, * the example's shape; L ids of a running text in windows of T.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from ..core.contract import Codec
from ..core.errors import BadInput
from .download import cache_folder
from .pictures import Pictures
from .source import Items
from .spill import Spill
from .text import TextCodec

_CHUNK = 1024
_IN_MEMORY = 1 << 30
_COPIED = 256 << 20
_STREAM_IN_MEMORY = 128 << 20


def take(items: Items, index: np.ndarray) -> Items:
    """The items numbered `index`, (M,) int64: still unread where they are files or more than fits in memory."""
    if isinstance(items, np.ndarray) and items.dtype != object and (len(items) == 0 or items[:1].nbytes * len(index) <= _COPIED):
        return items[index]
    if isinstance(items, Pictures):
        return items.subset(index)
    return Rows(items, index)


class Rows(Sequence[Any]):
    """Some items of many, looked up one by one."""

    def __init__(self, items: Items, index: np.ndarray) -> None:
        self._items, self._index = items, index

    @property
    def whole(self) -> Items:
        """All the items that these are some of."""
        return self._items.whole if isinstance(self._items, Rows) else self._items

    @property
    def numbers(self) -> np.ndarray:
        """(M,) int64: their numbers among all the items."""
        return self._items.numbers[self._index] if isinstance(self._items, Rows) else self._index

    @property
    def rest(self) -> Rows:
        """The items that these are not."""
        return Rows(self._items, np.setdiff1d(np.arange(len(self._items)), self._index))

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, row: int) -> Any: ...
    @overload
    def __getitem__(self, row: slice) -> Rows: ...
    def __getitem__(self, row: int | slice) -> Any:
        return Rows(self._items, self._index[row]) if isinstance(row, slice) else self._items[int(self._index[row])]


def encode_all(codec: Codec, items: Items, index: np.ndarray, *, limit: int = _IN_MEMORY) -> np.ndarray:
    """(M, *spec.shape) levels, ids or reals of the items numbered `index`, encoded 1,024 at a time (or as many as the items ask for).

    Above `limit` bytes the result lies in a nameless temporary file in the cache folder, mapped into memory, gone with
    the array. Raises BadInput naming the item, or where the disk has no room.
    """
    out: np.ndarray | None = None
    step = getattr(items, "chunk", _CHUNK)
    for start in range(0, len(index), step):
        rows = index[start : start + step]
        try:
            chunk = codec.encode(take(items, rows))
        except BadInput as error:
            raise BadInput(f"among the items {rows[0]} to {rows[-1]}: {error}") from error
        if out is None:
            out = _room((len(index), *chunk.shape[1:]), chunk.dtype, limit)
        out[start : start + len(chunk)] = chunk
    return np.empty((0, *codec.spec.shape), dtype=np.float32) if out is None else out


def _room(shape: tuple[int, ...], dtype: np.dtype, limit: int, folder: Path | None = None) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    if size <= limit:
        return np.empty(shape, dtype=dtype)
    folder = folder or cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < size * 1.05:
            raise BadInput(f"the encoded data takes {size:,} bytes, more than is free in {folder}; set MORELIKE_CACHE to a larger disk.")
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.truncate(size)
            if hasattr(os, "posix_fallocate"):
                # Room is taken now: a full disk is an error here, not a crash at a later write.
                with contextlib.suppress(NotImplementedError):
                    os.posix_fallocate(stream.fileno(), 0, size)
            return np.memmap(stream, dtype=dtype, mode="r+", shape=shape)
    except OSError as error:
        raise BadInput(f"the encoded data ({size:,} bytes) can't be written to {folder}: {error.strerror or error}.") from error


class Dataset:
    """Encoded examples with their conditions, in the format they are stored in; `core.spec.lift` makes x of them."""

    def __init__(self, x: np.ndarray, condition: Mapping[str, np.ndarray] | None = None) -> None:
        """`x` (N,*), perhaps mapped from a file; each condition (N,*). Raises ValueError where lengths differ."""
        self.x, self.condition = x, dict(condition or {})
        for name, values in self.condition.items():
            if len(values) != len(x):
                raise ValueError(f"condition {name!r} has {len(values)} rows, the data {len(x)}")

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: np.ndarray) -> tuple[Tensor, dict[str, Tensor]]:
        """(x, conditions) of the examples numbered `index`, (B,) int64, as tensors of the stored formats; copies."""
        conditions = {name: torch.from_numpy(np.ascontiguousarray(values[index])) for name, values in self.condition.items()}
        return torch.from_numpy(np.ascontiguousarray(self.x[index])), conditions


def encode_stream(codec: TextCodec, items: Items, index: np.ndarray, *, limit: int = _STREAM_IN_MEMORY) -> np.ndarray:
    """(L,) ids of the consecutive passages numbered `index`, as if they were one string, encoded about a million characters at a time.

    Above `limit` bytes the result lies in a nameless temporary file in the cache folder, mapped into memory, gone with
    the array. Raises BadInput where the disk has no room.
    """
    spill = Spill(codec.dtype, limit)
    for ids in codec.blocks(take(items, index)):
        spill.add(ids)
    return spill.whole()


class Windows(Dataset):
    """The windows of T ids of one stream, side by side; a shift moves all their borders. There are no conditions."""

    def __init__(self, ids: np.ndarray, window: int) -> None:
        """`ids` (L,), perhaps mapped from a file; `window` is T. Raises BadInput where there is not one whole window."""
        self.ids, self.window = ids, window
        count = len(ids) // window
        if not count:
            raise BadInput(f"a part of the text has {len(ids):,} ids, less than one window of {window:,}; set codec.window lower.")
        super().__init__(ids[: count * window].reshape(count, window))
        self.tail = ids[count * window :]
        """(fewer than T,) the ids after the last whole window."""

    def rows(self, index: np.ndarray, shift: int | np.ndarray = 0) -> tuple[Tensor, dict[str, Tensor]]:
        """((B,T) ids of the windows that begin at index * T + shift, {}): past the end they go on at the beginning.

        `shift`: one for all, or (B,1) one each.
        """
        places = (np.asarray(index, dtype=np.int64)[:, None] * self.window + shift + np.arange(self.window)) % len(self.ids)
        found = np.ascontiguousarray(self.ids[places])
        self._forget()
        return torch.from_numpy(found), {}

    def _forget(self) -> None:
        """Lets go of the pages of a mapped stream, which would else count as the program's memory until another needs it."""
        mapped = getattr(self.ids, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


class Order:
    """The order in which examples are seen: for each epoch a permutation drawn from (seed, epoch), one after another for ever.

    What a step sees depends on the step's number only, so a resumed run needs nothing else. Permutations are kept for
    the epochs last used; that changes speed, never results.
    """

    def __init__(self, n: int, batch: int, seed: int) -> None:
        """`n` examples, `batch` a step. Raises ValueError below one."""
        if n < 1 or batch < 1:
            raise ValueError(f"an order needs at least one example and one a batch, not {n} and {batch}")
        self.n, self.batch, self.seed = n, batch, seed
        self._kept: dict[int, np.ndarray] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass, the partial batch included."""
        return math.ceil(self.n / self.batch)

    def permutation(self, epoch: int) -> np.ndarray:
        """(n,) int64: the order of an epoch."""
        if epoch not in self._kept:
            if len(self._kept) > 1:
                self._kept.pop(min(self._kept))
            # The raw words of PCG64 are fixed for ever, the methods of numpy's Generator are not.
            self._kept[epoch] = np.argsort(np.random.PCG64([self.seed % (1 << 64), epoch]).random_raw(self.n), kind="stable")
        return self._kept[epoch]

    def rows(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(positions, items), (B,) int64 each: the step's places in the endless order, and the examples that stand there."""
        positions = np.arange(step * self.batch, (step + 1) * self.batch, dtype=np.int64)
        return positions, self._items(positions)

    def epoch_rows(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """As `rows`, but every epoch ends with its own, perhaps partial, batch: for what learns in passes."""
        epoch, place = divmod(step, self.steps_per_epoch)
        first = epoch * self.n + place * self.batch
        positions = np.arange(first, min(first + self.batch, (epoch + 1) * self.n), dtype=np.int64)
        return positions, self._items(positions)

    def ends_epoch(self, step: int) -> bool:
        """Whether a step of `epoch_rows` is the last of its epoch."""
        return (step + 1) % self.steps_per_epoch == 0

    def _items(self, positions: np.ndarray) -> np.ndarray:
        epochs = positions // self.n
        items = np.empty_like(positions)
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
            here = epochs == epoch
            items[here] = self.permutation(epoch)[positions[here] % self.n]
        return items

"""Numbers that come in pieces and may be more than fits in memory: kept in a nameless file once they pass a limit."""

from __future__ import annotations

import tempfile
from typing import IO

import numpy as np

from ..core.errors import BadInput
from .download import cache_folder


class Spill:
    """One row of numbers, longer with each `add`: in memory up to a limit, then in a file in the cache folder."""

    def __init__(self, dtype: np.dtype, limit: int) -> None:
        """`limit`: bytes kept in memory."""
        self.dtype, self.limit, self.size = np.dtype(dtype), limit, 0
        self._parts: list[np.ndarray] = []
        self._stream: IO[bytes] | None = None

    def add(self, values: np.ndarray) -> None:
        """Appends (n,) numbers. Raises BadInput where the disk has no room."""
        values = np.ascontiguousarray(values, dtype=self.dtype)
        self.size += len(values)
        try:
            if self._stream is None and self.size * self.dtype.itemsize > self.limit:
                cache_folder().mkdir(parents=True, exist_ok=True)
                self._stream = tempfile.TemporaryFile(dir=cache_folder())  # noqa: SIM115  # it outlives this call
                for part in self._parts:
                    self._stream.write(part.data)
                self._parts.clear()
            if self._stream is None:
                self._parts.append(values)
            else:
                self._stream.write(values.data)
        except OSError as error:
            raise BadInput(f"data larger than memory can't be written to {cache_folder()}: {error.strerror or error}.") from error

    def whole(self) -> np.ndarray:
        """(size,) all numbers, mapped where they lie in the file, which goes with the array. Nothing can be added after it."""
        if self._stream is None:
            return np.concatenate(self._parts) if self._parts else np.empty(0, self.dtype)
        with self._stream as stream:
            stream.flush()
            return np.memmap(stream, dtype=self.dtype, mode="r", shape=(self.size,))

"""Rows of real numbers <-> standardised arrays (N,D): each column less its training mean, over its standard deviation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput
from ..core.spec import Array
from .drawing import write_figure
from .source import Items
from .survey import finite

_CHUNK = 65536


class VectorCodec(Codec):
    """Raw item: (D,) real numbers. A column that is constant in training is coded 0 and decoded as that constant."""

    kind: ClassVar[str] = "vector"
    loss: ClassVar[str] = "rounding to float32; columns that are constant in training always decode to that constant"

    def __init__(self, mean: np.ndarray, deviation: np.ndarray, dtype: str) -> None:
        """`mean`, `deviation`: (D,) float64; `dtype`: format of decoded rows."""
        self.mean, self.deviation, self.dtype = mean, deviation, np.dtype(dtype)
        self._inverse = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        self.spec = Array((len(mean),))

    @classmethod
    def fit(cls, items: Iterable[Any]) -> Self:  # type: ignore[override]  # it has no settings
        """One pass in chunks, merging means and squared deviations (Chan, Golub, LeVeque 1979). Raises BadInput, naming the row."""
        count, mean, squares = 0, np.zeros(0), np.zeros(0)
        dtype: np.dtype = np.dtype(np.float32)
        for chunk, native in _chunks(items):
            if count == 0:
                mean, squares = np.zeros(chunk.shape[1]), np.zeros(chunk.shape[1])
            elif chunk.shape[1] != len(mean):
                raise BadInput(f"rows {count} and on have {chunk.shape[1]} numbers, but the rows before them {len(mean)}.")
            bad = ~np.isfinite(chunk).all(axis=1)
            if bad.any():
                finite(chunk[int(bad.argmax())], count + int(bad.argmax()))
            # Single precision only where the source has no more than that.
            dtype = dtype if native.kind == "f" and native.itemsize <= 4 else np.dtype(np.float64)
            rows = len(chunk)
            centre = chunk.mean(axis=0)
            step = centre - mean
            squares += ((chunk - centre) ** 2).sum(axis=0) + step**2 * (count * rows / (count + rows))
            mean += step * (rows / (count + rows))
            count += rows
        if count == 0:
            raise BadInput("there are no rows to learn from.")
        deviation = np.sqrt(squares / count)
        # Rounding leaves a trace of spread in a constant column.
        deviation[deviation <= 1e-12 * np.maximum(np.abs(mean), 1e-300)] = 0.0
        return cls(mean, deviation, dtype.name)

    def describe(self) -> list[str]:
        """Sentences on what is done to the columns."""
        text = [f"Rows of {len(self.mean)} real numbers, each column standardised by its training mean and standard deviation."]
        constant = np.flatnonzero(self.deviation == 0).tolist()
        if constant:
            more = ", ..." if len(constant) > 20 else ""
            text.append(f"Constant columns, kept at their value: {', '.join(map(str, constant[:20]))}{more}.")
        return text

    def encode(self, items: Items) -> np.ndarray:
        """(N,D) float32. Raises BadInput naming the row."""
        rows = _rows(items)
        if rows.shape[1] != len(self.mean):
            raise BadInput(f"rows of {rows.shape[1]} numbers don't fit a model of {len(self.mean)}.")
        if not np.isfinite(rows).all():
            finite(rows[~np.isfinite(rows).all(axis=1)][0], int((~np.isfinite(rows).all(axis=1)).argmax()))
        standard: np.ndarray = (rows - self.mean) * self._inverse
        return standard.astype(np.float32)

    def decode(self, x: np.ndarray) -> np.ndarray:  # type: ignore[override]  # an array serves as the sequence
        """(N,D) real numbers in the source's precision; not clipped, for real numbers have no known range."""
        rows: np.ndarray = np.asarray(x, dtype=np.float64) * self.deviation + self.mean
        return rows.astype(self.dtype)

    def state(self) -> dict[str, Any]:
        return {"mean": self.mean, "deviation": self.deviation, "dtype": self.dtype.name}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        return cls(np.asarray(state["mean"], dtype=np.float64), np.asarray(state["deviation"], dtype=np.float64), str(state["dtype"]))

    def draw(self, items: Items, path: Path, columns: int | None = None, *, beside: Items | None = None) -> None:
        """Writes one PNG: a scatter plot of the first two columns (of the first against the row number where there is one).

        `beside`: rows (M,D) of this and other plots that are to have the same axes; one in a thousand may lie outside at each end.
        """
        from matplotlib.figure import Figure

        rows = _rows(items)
        figure = Figure(figsize=(5, 5), layout="constrained")
        axes = figure.add_subplot()
        across, up = (rows[:, 0], rows[:, 1]) if rows.shape[1] > 1 else (np.arange(len(rows)), rows[:, 0])
        axes.scatter(across, up, s=6, alpha=0.6, linewidths=0)
        axes.set_xlabel("column 0" if rows.shape[1] > 1 else "row")
        axes.set_ylabel("column 1" if rows.shape[1] > 1 else "column 0")
        if beside is not None:
            low, high = np.quantile(_rows(beside), (0.001, 0.999), axis=0)
            low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
            axes.set_ylim(low[min(1, len(low) - 1)], high[min(1, len(low) - 1)])
            if rows.shape[1] > 1:
                axes.set_xlim(low[0], high[0])
        write_figure(figure, path)


def _rows(items: Items) -> np.ndarray:
    """(N,D) float64."""
    try:
        rows = np.asarray(items, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise BadInput(f"rows must be real numbers, the same number in each: {error}.") from error
    if rows.ndim != 2:
        raise BadInput(f"rows must form a table (rows, columns), but their shape is {rows.shape}.")
    return rows


def _chunks(items: Iterable[Any]) -> Iterator[tuple[np.ndarray, np.dtype]]:
    if isinstance(items, np.ndarray):
        for start in range(0, len(items), _CHUNK):
            yield _rows(items[start : start + _CHUNK]), items.dtype
        return
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield _rows(chunk), np.result_type(*{np.asarray(row).dtype for row in chunk})

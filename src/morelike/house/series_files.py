"""Completed series and their faults as files.  L steps, C channels, n paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..data.series import SeriesCodec
from ..data.series_items import Series
from ..data.series_write import texts
from ..data.table_csv import write_csv
from ..tasks.faults import FAULTS
from .fan import fan
from .faults import Faults
from .forecasting import Completed
from .writing import Target, whole

FORMS = {
    ".csv": "mean, median and interval of each drawn value, with the whole series and a picture beside it", ".png": "a picture",
    ".jsonl": "all paths, one a line",
}  # fmt: skip


def write_completed(place: Target, found: Completed, codec: Any, plain: Completed | None = None) -> list[Path]:
    """Writes a completed series as FORMS says, or to a folder a CSV a path; the paths of what was written. `plain`: of a `found` under
    stress, the same without."""
    assert isinstance(codec, SeriesCodec)
    if place.ending == ".png":
        _draw(found, place.path, plain)
        return [place.path]
    if place.ending in (".jsonl", ""):
        items = [Series(path, found.item.names, found.item.times) for path in found.paths]
        whole(place.path, lambda new: codec.write(items, new, place.ending))
        return [place.path]
    series, picture = place.path.with_name(f"{place.path.stem}-series.csv"), place.path.with_suffix(".png")
    names, cells = _drawn(found, codec)
    write_csv(names, cells, place.path)
    filled = found.filled()
    heads, columns = _columns(filled, codec)
    write_csv([*heads, *filled.names], np.array([*columns, *_numbers(filled, codec)], dtype=object).T, series)
    _draw(found, picture, plain)
    return [place.path, series, picture]


def _draw(found: Completed, path: Path, plain: Completed | None) -> None:
    if plain is None:
        fan(found, path)
    else:
        fan(plain, path, found)


def _columns(item: Series, codec: SeriesCodec) -> tuple[list[str], list[list[str]]]:
    """(header, cells) of the time, or of the row's number from 1 on."""
    if item.times is not None and codec.clock is not None:
        return [codec.clock.name], [codec.clock.write(item.times)]
    return ["row"], [[str(row) for row in range(1, len(item) + 1)]]


def _numbers(item: Series, codec: SeriesCodec) -> list[list[str]]:
    return [texts(column, digits) for column, digits in zip(item.values.T, codec.scale.digits, strict=True)]


def _drawn(found: Completed, codec: SeriesCodec) -> tuple[list[str], np.ndarray]:
    """A row for each drawn value."""
    heads, columns = _columns(found.item, codec)
    low, high = found.bounds()
    shown = {"mean": found.paths.mean(0), "median": found.median, "lower": low, "upper": high}
    out = []
    for row, channel in np.argwhere(found.drawn):
        digits = codec.scale.digits[channel]
        numbers = [texts(own[row : row + 1, channel], digits if name != "mean" else None)[0] for name, own in shown.items()]
        out.append([*(column[row] for column in columns), found.item.names[channel], *numbers])
    return [*heads, "column", *shown], np.array(out, dtype=object)


def write_scores(path: Path, found: Faults, codec: Any) -> None:
    """Writes a row for each value: time, column, value, score, alarm (1 or 0) and the fault that it looks most like."""
    assert isinstance(codec, SeriesCodec)
    heads, columns = _columns(found.item, codec)
    values, out = _numbers(found.item, codec), []
    for row, channel in np.ndindex(found.scores.shape):
        score = found.scores[row, channel]
        missing = bool(np.isnan(score))
        told = ["", "", ""] if missing else [f"{score:.4f}", str(int(score > found.threshold)), FAULTS[int(found.kinds[row, channel])]]
        out.append([*(column[row] for column in columns), found.item.names[channel], values[channel][row], *told])
    write_csv([*heads, "column", "value", "score", "alarm", "fault"], np.array(out, dtype=object), path)

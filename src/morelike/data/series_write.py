"""Series as files: one CSV, JSON lines, or a folder with a CSV each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .series_clock import Clock
from .series_items import Series
from .table_csv import write_csv


def write_series(items: Sequence[Series], path: Path, ending: str, clock: Clock | None, digits: Sequence[int | None]) -> None:
    """Writes series to `path`. `digits`: decimals of each channel, None = as many as tell numbers apart in single precision."""
    if ending == ".jsonl":
        path.write_text("".join(json.dumps(_record(item, clock, digits)) + "\n" for item in items), encoding="utf-8")
        return
    if ending == "":
        path.mkdir()
        for number, item in enumerate(items):
            names, cells = _cells(item, clock, digits)
            write_csv(names, cells, path / f"{number:05d}.csv")
        return
    tables = [_cells(item, clock, digits) for item in items]
    numbered = [np.concatenate([np.full((len(cells), 1), str(number), dtype=object), cells], 1) for number, (_, cells) in enumerate(tables)]
    write_csv(["series", *tables[0][0]], np.concatenate(numbered), path)


def texts(values: np.ndarray, digits: int | None) -> list[str]:
    """Numbers (T,) as cells; missing ones are empty."""
    form = "{:.7g}" if digits is None else f"{{:.{digits}f}}"
    return ["" if np.isnan(value) else form.format(value) for value in values.tolist()]


def _cells(item: Series, clock: Clock | None, digits: Sequence[int | None]) -> tuple[list[str], np.ndarray]:
    names, columns = list(item.names), [texts(column, own) for column, own in zip(item.values.T, digits, strict=True)]
    if item.times is not None and clock is not None:
        names, columns = [clock.name, *names], [clock.write(item.times), *columns]
    return names, np.array(columns, dtype=object).T


def _record(item: Series, clock: Clock | None, digits: Sequence[int | None]) -> dict[str, list[str] | list[float | None]]:
    times: dict[str, list[str] | list[float | None]] = {}
    if item.times is not None and clock is not None:
        times = {clock.name: clock.write(item.times)}
    for name, column, own in zip(item.names, item.values.T, digits, strict=True):
        times[name] = [float(text) if text else None for text in texts(column, own)]
    return times

"""Finds time series among files by written rules: CSV, TSV and text of numbers; and series in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .columns import category_column, is_official, split_indices
from .files import Files
from .series_clock import Clock
from .series_items import Series, series
from .series_read import Rows, clock_of, is_words, numbers, read_rows, read_series, rows_of
from .source import Column, Source
from .text_files import blocks, detect, is_numbers, is_text, plain_name
from .text_open import Found
from .text_records import file_splits
from .trajectory_read import is_positions

_TABLES = (".csv", ".tsv", ".tab")
_TEXTS = (".txt", ".dat", ".data")
_ASIDE = ("readme", "license", "licence", "copying", "notice", "citation")
_HEAD = 1 << 17
_LEAST_TIMED, _LEAST = 24, 200
"""Fewest rows of what is taken for a series, with a time column and without."""
_SMOOTH, _MOST = 0.9, 0.75
"""Autocorrelation at lag one that shows that rows follow each other, and the share of the columns that must have it."""
_PARTS = (0.7, 0.8)
"""Where in its rows a single series is cut: training ends, validation ends."""
_FEW = 10
"""Below so many series each is cut by position; from then on whole series are held out."""
WHY_TIMED = "a time column that rises, all others numbers"
WHY_SMOOTH = "columns of numbers alone, most of them with rows like the row above (autocorrelation above 0.9)"


def found_series(name: str, files: Files, kind: str | None, condition: Sequence[str], alone: bool) -> list[Found]:
    """The set of series among the files, each file one or several: those that are series by the written rules, or `kind` asks for."""
    forced = kind == "series"
    files_ = [file for file in files.sizes if alone or not plain_name(file).name.lower().startswith(_ASIDE)]
    ending = {file: plain_name(file).suffix.lower() for file in files_}
    chosen = [file for file in files_ if ending[file] in _TABLES + _TEXTS or (forced and alone and is_text(files, file))]
    whys = {file: "asked for" if forced else why_series(files, file) for file in chosen}
    if not chosen or not all(whys.values()):
        return []
    label = chosen[0] if len(chosen) == 1 else f"{len(chosen):,} files of series"
    return [(label, partial(open_series, name, files, chosen, str(whys[chosen[0]])))]


def why_series(files: Files, file: str) -> str | None:
    """The rule by which a file holds series, by its first 128 KB; None where it doesn't."""
    table = plain_name(file).suffix.lower() in _TABLES
    if is_positions(files, file) or not (table or is_numbers(files, file)):
        return None
    try:
        block = next(blocks(files, file), b"")[:_HEAD]
        encoding = detect(block)
        text = block[encoding.mark :].decode(encoding.name, "replace")
        rows = rows_of(file, text[: text.rfind("\n") + 1] if len(block) == _HEAD else text)
        return _rule(rows)
    except BadInput:
        # ... the kind that it is then says what is wrong
        return None


def _rule(rows: Rows) -> str | None:
    clock = clock_of(rows)
    channels = [name for name in rows.names if clock is None or name != clock.name]
    if not channels or len(rows.cells) < (_LEAST if clock is None else _LEAST_TIMED) or any(is_words(rows, name) for name in channels):
        return None
    values = [numbers(rows, name) for name in channels]
    if clock is not None:
        steps = np.diff(clock.times(rows.column(clock.name))).astype(np.float64)
        wrong = min((steps <= 0).sum(), (steps >= 0).sum())
        return WHY_TIMED if wrong * 100 <= len(steps) else None
    smooth = sum(following(column) > _SMOOTH for column in values)
    return WHY_SMOOTH if smooth >= _MOST * len(values) and len(values) > 1 else None


def following(column: np.ndarray) -> float:
    """The autocorrelation at lag one of a column (N,), rows with missing values left out; 0 where it is constant."""
    before, after = column[:-1], column[1:]
    known = np.isfinite(before) & np.isfinite(after)
    before, after = before[known], after[known]
    if len(before) < 2 or not before.std() or not after.std() or _counts(column):
        return 0.0
    return float(np.corrcoef(before, after)[0, 1])


def _counts(column: np.ndarray) -> bool:
    """Whether a column never falls or never rises, as numbers of rows and sorted columns do."""
    steps = np.diff(column[np.isfinite(column)])
    return bool((steps >= 0).all() or (steps <= 0).all())


def open_series(name: str, files: Files, chosen: Sequence[str], why: str) -> Source:
    """All series of the files. Raises BadInput with file and line."""
    words, notes = file_splits(list(chosen)) if len(chosen) > 1 else (dict.fromkeys(chosen), [])
    items: list[Series] = []
    ids: list[str] = []
    marks: list[str | None] = []
    labels: dict[str, list[str]] = {}
    clock: Clock | None = None
    for number, file in enumerate(chosen):
        found = read_series(read_rows(files, file))
        stem = plain_name(file).stem
        if number and found.items[0].names != items[0].names:
            own, first = _few(found.items[0].names), _few(items[0].names)
            raise BadInput(f"{file} has the channels {own}, but {chosen[0]} {first}; series need the same.")
        if number and (found.clock is None) != (clock is None):
            what = "no" if found.clock is None else "a"
            raise BadInput(f"{file} has {what} time column, unlike {chosen[0]}; all files need one, or none.")
        clock = clock or found.clock
        items += found.items
        ids += [own if len(chosen) == 1 else f"{stem} {own}".strip() for own in found.ids]
        marks += [words[file]] * len(found.items)
        if number == 0:
            labels = found.labels
        else:
            labels = {label: [*said, *found.labels[label]] for label, said in labels.items() if label in found.labels}
        notes += found.notes
    source = _split(name, items, ids, marks, labels, notes)
    settings = {} if clock is None else {"clock": clock.json()}
    return replace(source, settings=settings, why_kind=why)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def _split(
    name: str, items: list[Series], ids: list[str], marks: Sequence[str | None], labels: Mapping[str, list[str]], notes: Sequence[str]
) -> Source:
    """Whole series are held out where there are ten or more; of fewer, each one's last part."""
    said, split = list(notes), split_indices(marks)
    columns = _columns(ids, labels)
    if is_official(split):
        source = Source(name, "series", items, columns, split, tuple(said), names=_names(ids))
        return source if "validation" in split else _checked(source)
    many = len(set(ids))
    if many >= _FEW:
        if many == len(items):
            return Source(name, "series", items, columns, None, tuple(said), names=_names(ids))
        # parts of one series between gaps stay together
        place = {own: number for number, own in enumerate(dict.fromkeys(ids))}
        words = ["holdout" if place[own] % 5 == 4 else "validation" if place[own] % 10 == 2 else "train" for own in ids]
        return Source(name, "series", items, columns, split_indices(words), tuple(said), names=_names(ids))
    cut, words, rows = [], [], []
    for own in dict.fromkeys(ids):
        for word, row, part in _parts([(row, items[row]) for row in range(len(items)) if ids[row] == own]):
            words.append(word)
            rows.append(row)
            cut.append(part)
    each = "each series" if many > 1 else "the series"
    said.append(f"split by position: {each} is learnt up to 70% of its rows, validated up to 80%, and the last 20% are held out")
    columns = {key: replace(column, values=column.values[rows]) for key, column in columns.items()}
    return Source(name, "series", cut, columns, split_indices(words), tuple(said), names=_names([ids[row] for row in rows]))


def _checked(source: Source) -> Source:
    """An official split without a validation part: the last tenth of each training series becomes one."""
    assert source.split is not None
    items, rows, words = [], [], []
    for word, index in source.split.items():
        for row in index.tolist():
            item = source.items[row]
            cut = round(0.9 * len(item)) if word == "train" else len(item)
            items += [item.part(0, cut)] + [item.part(cut, len(item))] * (word == "train")
            words += [word] + ["validation"] * (word == "train")
            rows += [row] * (1 + (word == "train"))
    columns = {key: replace(column, values=column.values[rows]) for key, column in source.columns.items()}
    names = None if source.names is None else [source.names[row] for row in rows]
    notes = (*source.notes, "there is no validation part: the last tenth of each training series is")
    return replace(source, items=items, columns=columns, names=names, split=split_indices(words), notes=notes)


def _parts(own: Sequence[tuple[int, Series]]) -> list[tuple[str, int, Series]]:
    """(split, number, part) of one series, which gaps may have cut already."""
    total, start, found = sum(len(item) for _, item in own), 0, []
    edges = [0, *(round(share * total) for share in _PARTS), total]
    for row, item in own:
        for word, low, high in zip(("train", "validation", "holdout"), edges[:-1], edges[1:], strict=True):
            first, last = max(0, low - start), min(len(item), high - start)
            if first < last:
                found.append((word, row, item.part(first, last)))
        start += len(item)
    return found


def _names(ids: Sequence[str]) -> list[str]:
    return [own or "series" for own in ids]


def _columns(ids: Sequence[str], labels: Mapping[str, list[str]]) -> dict[str, Column]:
    """What stays the same throughout each series, to be a condition."""
    found = {key: category_column(key, said) for key, said in labels.items() if 1 < len(set(said)) <= 2000}
    if 1 < len(set(ids)) < _FEW:
        found["series"] = category_column("series", list(ids))
    return found


def in_memory(data: Any, kind: str | None) -> Source | None:
    """Series as `Series`, a list of them, or (kind "series") an array (T,C) or a list of such; None for what is none."""
    many = data if isinstance(data, list) else [data]
    if not many or not (kind == "series" or all(isinstance(one, Series) for one in many)):
        return None
    if not all(isinstance(one, Series | np.ndarray) for one in many):
        return None
    items = [one if isinstance(one, Series) else series(one) for one in many]
    other = next((number for number, item in enumerate(items) if item.names != items[0].names), None)
    if other is not None:
        raise BadInput(f"series {other} has the channels {_few(items[other].names)}, but the first {_few(items[0].names)}.")
    ids = [""] if len(items) == 1 else [str(number) for number in range(len(items))]
    return replace(_split("series", items, ids, [None] * len(items), {}, ()), why_kind="series in memory")

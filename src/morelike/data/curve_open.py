"""Finds outlines among files: .dat of airfoils, an .npz with `xy`; .csv and .txt of points where the kind is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from ..core.errors import BadInput
from .arrays import load_npz
from .columns import category_column, column, is_official, split_indices, split_word
from .curve import form_of
from .curve_file import KEY, TEXTS, holds_outlines, looks_like_outline, outline_of, read_text, rows_closed
from .curve_items import Outline, is_airfoil, outline
from .curve_measures import FORMS, SLOW, measured
from .files import Files, FolderFiles, ZipFiles
from .source import Column, Source
from .text_open import Found

_PEEKED, _ALIKE = 5, 0.9
"""Files of a folder that are looked into, and the share of outlines that must be airfoils for the others to be left out."""
_WHY = "outlines: .dat files of rows of x and y, or an array xy (outlines, points, 2)"


def found_curves(name: str, files: Files, kind: str | None, condition: Sequence[str], alone: bool) -> list[Found]:
    """All sets of outlines among the files: each .npz with `xy`, and the .dat files together; with the kind asked for, all files of points
    together. A zip of the same names as an .npz's outlines beside it counts once."""
    arrays = [file for file in files.sizes if file.lower().endswith(".npz") and holds_outlines(files, file)]
    found: list[Found] = [(file, partial(open_arrays, name, files, file, condition)) for file in arrays]
    if arrays and not alone:
        return found
    endings = TEXTS if kind == "curve" else (".dat",)
    points = [file for file in files.sizes if file.lower().endswith(endings) and not PurePosixPath(file).name.lower().startswith("readme")]
    if kind != "curve" and not any(looks_like_outline(files, file) for file in points[:_PEEKED]):
        return found
    if points:
        label = points[0] if len(points) == 1 else f"{len(points):,} files of points"
        found.append((label, partial(open_points, name, files, points, condition)))
    return found


def beside_arrays(files: Files) -> list[str]:
    """The zips of a folder that hold the outlines of its one .npz once more, as .dat files of their names."""
    arrays = [file for file in files.sizes if file.lower().endswith(".npz") and holds_outlines(files, file)]
    if not isinstance(files, FolderFiles) or len(arrays) != 1:
        return []
    names = {str(one) for one in load_npz(files, arrays[0]).get("names", ())}
    zips = {file: ZipFiles(files.where / file) for file in files.sizes if file.lower().endswith(".zip")}
    return [file for file, own in zips.items() if names and {PurePosixPath(one).stem for one in own.sizes} == names]


def open_arrays(name: str, files: Files, file: str, condition: Sequence[str] = ()) -> Source:
    """The rows of an array `xy` (N,P,2); `names`, `split` and numbers (N,) beside it. Rows that are no outlines are left out and named.
    Raises BadInput where none is left."""
    arrays = load_npz(files, file)
    points = np.asarray(arrays[KEY], np.float64)
    closed = rows_closed(points)
    items: list[Outline] = []
    skipped: list[tuple[str, str]] = []
    kept: list[int] = []
    names = arrays["names"].tolist() if _fits(arrays.get("names"), len(points)) else [f"row {row}" for row in range(len(points))]
    for row, own in enumerate(points):
        try:
            items.append(outline(own, closed))
        except BadInput as error:
            skipped.append((f"{file}, row {row} ({names[row]})", str(error)))
            continue
        kept.append(row)
    marks: list[str | None] = [None] * len(points)
    if _fits(arrays.get("split"), len(points)):
        marks = [split_word(str(word)) for word in arrays["split"].tolist()]
    columns = {}
    for key, values in arrays.items():
        if _fits(values, len(points)) and key not in ("names", "split", KEY) and values.dtype.kind == "f":
            columns[key] = column(key, values[kept])
    notes = [f"{other} holds the same outlines, counted once" for other in beside_arrays(files)]
    return _source(name, items, [str(names[row]) for row in kept], columns, [marks[row] for row in kept], skipped, notes, condition)


def _fits(values: np.ndarray | None, count: int) -> bool:
    return values is not None and values.shape == (count,) and values.dtype.kind in "Uiuf"


def open_points(name: str, files: Files, chosen: Sequence[str], condition: Sequence[str] = ()) -> Source:
    """An outline a file; folders are the official split, or classes. Files that hold none are left out and named. Raises BadInput where
    none is left."""
    items: list[Outline] = []
    kept: list[str] = []
    skipped: list[tuple[str, str]] = []
    for file in chosen:
        try:
            items.append(outline_of(read_text(files, file), file))
        except BadInput as error:
            skipped.append((file, str(error)))
            continue
        kept.append(file)
    parents = [PurePosixPath(file).parent.parts for file in kept]
    marks = [next((split_word(part) for part in parts if split_word(part)), None) for parts in parents]
    folders = [next((part for part in reversed(parts) if not split_word(part)), "") for parts in parents]
    columns = {"folder": category_column("folder", folders)} if len(set(folders)) > 1 else {}
    return _source(name, items, [PurePosixPath(file).stem for file in kept], columns, marks, skipped, [], condition)


def _source(
    name: str, items: list[Outline], names: list[str], columns: dict[str, Column], marks: Sequence[str | None],
    skipped: list[tuple[str, str]], notes: list[str], condition: Sequence[str],
) -> Source:  # fmt: skip
    """Raises BadInput where no outline is left."""
    if not items:
        why = f"{skipped[0][0]}: {skipped[0][1]}" if skipped else "it is empty"
        raise BadInput(f"{name} holds no outline that can be read: {why}.")
    faults = [is_airfoil(item) for item in items]
    odd = [row for row, fault in enumerate(faults) if fault is not None]
    if odd and len(odd) <= (1 - _ALIKE) * len(items):
        skipped = [*skipped, *((names[row], str(faults[row])) for row in odd)]
        rows = [row for row in range(len(items)) if faults[row] is None]
        items, names, marks = ([own[row] for row in rows] for own in (items, names, marks))  # type: ignore[assignment]
        columns = {key: Column(key, own.values[rows], own.categories) for key, own in columns.items()}
        notes = [*notes, f"{len(odd):,} outlines are no airfoils, as the others are, and were left out"]
    form = form_of(items)
    for key in FORMS[form]:
        if key not in SLOW or key in condition:
            values = measured(items, key, form)
            columns |= {key: Column(key, values.astype(np.float32))} if np.isfinite(values).all() else {}
    split = split_indices(marks)
    official = split if is_official(split) else None
    return Source(name, "curve", items, columns, official, tuple(notes), tuple(skipped), names, _WHY, settings={"form": form})

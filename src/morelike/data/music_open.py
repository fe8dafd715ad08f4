"""Finds music among files: folders and zips of MIDI, and JSON lists of notes."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from ..core.errors import BadInput
from .columns import category_column, is_official, split_indices, split_word
from .files import Files, FolderFiles, ZipFiles
from .music_file import JSON, is_music, parsed, read_bytes, said, shape, tunes_of, voices_of
from .music_midi import ENDINGS, LARGEST, read_midi
from .source import Column, Source
from .text_open import Found
from .tune import Tune

_TABLE = 16 << 20
_CLASSES = 100


def found_music(name: str, files: Files, kind: str | None, condition: Sequence[str], alone: bool) -> list[Found]:
    """The MIDI files as one set, and JSON lists of tunes: of several that hold equally many, the one whose voices are known."""
    midis = [file for file in files.sizes if file.lower().endswith(ENDINGS)]
    lists = [file for file in files.sizes if file.lower().endswith(JSON) and _looks(files, file, kind == "music")]
    found: list[Found] = []
    if midis:
        found.append((f"{len(midis):,} MIDI files" if len(midis) > 1 else midis[0], partial(open_midi, name, files, midis)))
    if lists:
        found.append((", ".join(lists), partial(open_lists, name, files, lists)))
    return found


def _looks(files: Files, file: str, forced: bool) -> bool:
    try:
        return forced or is_music(read_bytes(files, file))
    except BadInput:
        return False


def open_midi(name: str, files: Files, chosen: Sequence[str]) -> Source:
    """The tunes of MIDI files. Those that can't be read are left out with a reason; what was mended is said.

    Raises BadInput where none is left.
    """
    tunes: list[Tune] = []
    names: list[str] = []
    skipped: list[tuple[str, str]] = []
    mended: dict[str, Counter[str]] = {}
    for file in chosen:
        try:
            tune, counts = read_midi(files.read(file, LARGEST), file)
        except BadInput as error:
            skipped.append((file, str(error)))
            continue
        tunes.append(tune)
        names.append(file)
        mended |= {file: counts} if counts else {}
    if not tunes:
        raise BadInput(f"none of the {len(chosen):,} MIDI files of {name} can be read; the first: {skipped[0][1]}.")
    columns, marks, notes = _beside(files, names)
    split = split_indices(marks)
    odd = Counter(tune.metre for tune in tunes)
    if len(odd) > 1:
        shown = ", ".join(f"{count:,} in {top}/{bottom}" for (top, bottom), count in odd.most_common(5))
        notes.append(f"metres: {shown}; what is drawn is written in the commonest")
    return Source(
        name, "music", tunes, columns, split if is_official(split) else None, (*notes, *said(mended)), tuple(skipped), names,
        "MIDI files", tuple(columns),
    )  # fmt: skip


def _beside(files: Files, names: Sequence[str]) -> tuple[dict[str, Column], list[str | None], list[str]]:
    """(columns of classes, the split of each file, what was understood) of a table beside the files, or beside the zip that they lie in,
    with a column of their names and perhaps one called split; else their folders are classes, or splits."""
    places: list[Files] = [files]
    if isinstance(files, ZipFiles):
        parent = files.where.resolve().parent
        places.append(FolderFiles(parent, [path.name for path in sorted(parent.glob("*.csv"))]))
    wanted = {PurePosixPath(name).name for name in names}
    for place in places:
        for table in [file for file in place.sizes if file.lower().endswith(".csv")]:
            rows = _rows(place, table)
            heads = [head for head in (rows[0] if rows else {}) if head]
            key = next((head for head in heads if sum(_last(row.get(head)) in wanted for row in rows) >= len(names) / 2), None)
            if key is not None:
                return _table(table, {_last(row[key]): row for row in rows if row[key]}, key, names)
    folders = [PurePosixPath(name).parent.name for name in names]
    if all(split_word(folder) for folder in folders):
        return {}, [split_word(folder) for folder in folders], []
    several = 1 < len(set(folders)) <= min(_CLASSES, max(2, len(names) // 5))
    return {"label": category_column("label", folders)} if several else {}, [None] * len(names), []


def _last(text: str | None) -> str:
    return PurePosixPath(text or "").name


def _rows(files: Files, table: str) -> list[dict[str, str]]:
    try:
        text = files.read(table, _TABLE).decode("utf-8-sig", "replace")
        return list(csv.DictReader(io.StringIO(text)))
    except (BadInput, csv.Error):
        return []


def _table(
    table: str, rows: dict[str, dict[str, str]], key: str, names: Sequence[str]
) -> tuple[dict[str, Column], list[str | None], list[str]]:
    own = [rows.get(PurePosixPath(name).name, {}) for name in names]
    marks = [split_word(row.get("split") or "") for row in own]
    columns = {}
    for head in next(iter(rows.values())):
        texts = [row.get(head) or "unknown" for row in own]
        if head and head not in (key, "split") and 1 < len(set(texts)) <= min(_CLASSES, max(2, len(names) // 5)):
            columns[head] = category_column(head, texts)
    missing = sum(not row for row in own)
    notes = [f"{table} says of each file: {', '.join([*columns, *(['split'] if any(marks) else [])]) or 'nothing of use'}"]
    return columns, marks, notes + ([f"{missing:,} files are not in {table}"] if missing else [])


def open_lists(name: str, files: Files, chosen: Sequence[str]) -> Source:
    """The tunes of one JSON file. Of several with equally many tunes in each part, the one with voices is read, for they hold the same
    tunes; others are refused by name. Raises BadInput where none has a note."""
    values = {file: parsed(read_bytes(files, file), file) for file in chosen}
    if len({tuple(sorted(shape(value).items())) for value in values.values()}) > 1:
        raise BadInput(f"{name} holds {len(chosen)} sets of tunes ({', '.join(chosen)}); give the path of one of them.")
    best = max(chosen, key=lambda file: voices_of(values[file]))
    found, notes = tunes_of(values[best], best)
    if others := [file for file in chosen if file != best]:
        notes = [*notes, f"{best} is read, whose voices are known; {' and '.join(others)} hold as many tunes, taken to be the same"]
    empty = sum(not tune.notes for _, tune in found)
    kept = [one for one in found if one[1].notes]
    if not kept:
        raise BadInput(f"{name} holds no note.")
    split = split_indices([mark for mark, _ in kept])
    notes = notes + ([f"{empty:,} tunes without a note were left out"] if empty else [])
    names = [f"{best} {number}" for number in np.arange(1, len(kept) + 1)]
    tunes = [tune for _, tune in kept]
    official = split if is_official(split) else None
    return Source(name, "music", tunes, {}, official, tuple(notes), names=names, why_kind="JSON lists of pitches")

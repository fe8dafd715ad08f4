"""Opens game levels: text grids with a legend beside them, puzzle collections, rooms in JSON; in folders and zips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ..core.errors import BadInput
from .columns import category_column, split_indices
from .files import Files, FolderFiles
from .level_read import check_tiles, grids, numbered, rooms
from .level_tiles import SOKOBAN, Legend, hardness, is_legend
from .source import Column, Source
from .text_files import plain_name, read_text
from .text_open import Found
from .text_records import file_splits

_LEGEND_BYTES = 1 << 20
_JSON_BYTES = 64 << 20
_FEW = 10
"""Below so many levels, a split by level is made here: the general one needs ten items."""
_ASIDE = ("readme", "license", "licence", "notice")


def found_level(name: str, files: Files, kind: str | None, condition: Sequence[str], alone: bool) -> list[Found]:
    """All sets of levels among the files. Without `kind` only what says that it is one: a legend lies beside, levels are numbered, or the
    first is drawn in the tiles of Sokoban."""
    texts = [file for file in files.sizes if plain_name(file).suffix.lower() == ".txt" and not _aside(file)]
    if alone and kind == "level" and not texts:
        texts = [file for file in files.sizes if plain_name(file).suffix.lower() != ".json"]
    legend = _legend(files, bool(texts))
    meant = legend is not None or kind == "level"
    if texts and not meant:
        first = _text(files, texts[0])
        meant = numbered(first[:64]) or _puzzle(first)
    found: list[Found] = []
    for file in files.sizes:
        if file.lower().endswith(".json") and meant and (read := _rooms(files, file)) is not None:
            found.append((file, partial(_of_rooms, name, file, read, legend)))
    if texts and meant:
        label = texts[0] if len(texts) == 1 else f"{len(texts):,} files of levels"
        found.append((label, partial(_of_texts, name, files, texts, legend)))
    return found


def _puzzle(text: str) -> bool:
    """Whether it is drawn in Sokoban's tiles alone: rows with a wall, a box and the player among them."""
    return set(text) <= SOKOBAN.keys() | {"\n", "\r"} and text.count("\n") > 1 and {"#", "$"} <= set(text) and bool({"@", "+"} & set(text))


def in_memory(items: Sequence[str]) -> Source:
    """Levels as texts, rows with line ends between."""
    levels = [grids(item, f"item {number}")[0] for number, item in enumerate(items)]
    return _source("levels", levels, [f"item {number}" for number in range(len(levels))], None)


def _aside(file: str) -> bool:
    return PurePosixPath(file).name.lower().startswith(_ASIDE)


def _text(files: Files, file: str) -> str:
    found = read_text(files, file).text
    if not isinstance(found, str):
        raise BadInput(f"{file} is larger than 32 MB; split it into several files of levels.")
    return found


def _legend(files: Files, by_name: bool) -> Legend | None:
    """The legend among the files, or beside a zip or a single file; `by_name`: one called legend.json counts whatever it holds. Raises
    BadInput where there are several, or one is broken."""
    beside = files.where.parent if not isinstance(files, FolderFiles) else files.where
    places: list[tuple[Files, str]] = [(files, file) for file in files.sizes if file.lower().endswith(".json")]
    if beside.is_dir():
        own = {file for _, file in places} if isinstance(files, FolderFiles) else set()
        listed = sorted(path.name for path in beside.iterdir() if path.suffix.lower() == ".json" and path.is_file())
        places += [(FolderFiles(beside, [file]), file) for file in listed if file not in own]
    found = []
    for where, file in places:
        if where.sizes[file] > _LEGEND_BYTES:
            continue
        text = where.read(file).decode("utf-8", "replace")
        # a broken legend must not turn levels into text
        called = by_name and PurePosixPath(file).name.lower() == "legend.json"
        try:
            if called or is_legend(json.loads(text)):
                found.append(Legend.of(text, file))
        except (ValueError, RecursionError):
            continue
    if len({str(sorted(one.json().items())) for one in found}) > 1:
        raise BadInput(f"there are several legends, {', '.join(one.name for one in found)}: keep one beside the levels.")
    return found[0] if found else None


def _rooms(files: Files, file: str) -> list[tuple[str, dict[str, Any]]] | None:
    if files.sizes[file] > _JSON_BYTES:
        return None
    return rooms(files.read(file).decode("utf-8", "replace"), file)


def _of_rooms(name: str, file: str, read: list[tuple[str, dict[str, Any]]], legend: Legend | None) -> Source:
    levels = [level for level, _ in read]
    source = _source(name, levels, [f"{file}, level {number}" for number in range(len(levels))], legend)
    groups = [str(told.get("level", "")) for _, told in read]
    if len(set(groups)) < _FEW:
        return source
    # rooms of one dungeon stay in one part
    words = _grouped(groups)
    return replace(source, split=split_indices(words), notes=(*source.notes, "rooms of one level stay in one part of the split"))


def _grouped(groups: Sequence[str]) -> list[str]:
    """"train", "validation" or "holdout" of each item: of its group's names in order, each fifth is held out and each tenth validates."""
    place = {group: number for number, group in enumerate(sorted(set(groups)))}
    return ["holdout" if place[group] % 5 == 4 else "validation" if place[group] % 10 == 2 else "train" for group in groups]


def _of_texts(name: str, files: Files, texts: Sequence[str], legend: Legend | None) -> Source:
    levels: list[str] = []
    where: list[str] = []
    of: list[str] = []
    for file in texts:
        found = grids(_text(files, file), file)
        levels += found
        where += [file if len(found) == 1 else f"{file}, level {number}" for number in range(len(found))]
        of += [file] * len(found)
    source = _source(name, levels, where, legend)
    folders = [PurePosixPath(file).parent.name for file in of]
    if len(set(folders)) > 1:
        source = replace(source, columns={**source.columns, "game": category_column("game", folders)})
    splits, notes = file_splits(texts)
    if any(splits.values()):
        return replace(source, split=split_indices([splits[file] for file in of]), notes=(*source.notes, *notes))
    return _few(source) if len(levels) < _FEW else source


def _few(source: Source) -> Source:
    """A split by level of fewer than ten; one or two levels are cut into parts first."""
    levels, names, columns = list(source.items), list(source.names or ()), dict(source.columns)
    note = "fewer than ten levels: split by level here"
    if len(levels) < 3:
        cut = [_cut(level) for level in levels]
        levels, names = [part for parts in cut for part in parts], [f"{name}, part {i}" for name in names for i in range(5)]
        columns = {}
        words = ["train", "train", "train", "validation", "holdout"] * len(cut)
        note = "fewer than three levels: each is cut along its longer side, three fifths to train on, one each to validate and to hold out"
    else:
        held = max(1, round(len(levels) / 5))
        words = ["train"] * (len(levels) - held - 1) + ["validation"] + ["holdout"] * held
    return replace(source, items=levels, columns=columns, names=names, split=split_indices(words), notes=(*source.notes, note))


def _cut(level: str) -> list[str]:
    """Five parts along the longer side."""
    table = np.array([list(row) for row in level.split("\n")])
    return ["\n".join(map("".join, part)) for part in np.array_split(table, 5, axis=int(table.shape[1] >= table.shape[0]))]


def _source(name: str, levels: list[str], where: Sequence[str], legend: Legend | None) -> Source:
    seen = frozenset("".join(levels)) - {"\n"}
    settings = {}
    if legend is None and seen <= SOKOBAN.keys():
        legend = Legend({tile: words for tile, words in SOKOBAN.items() if tile in seen}, "the tiles of Sokoban")
        why = "grids of the tiles of Sokoban"
    elif legend is None:
        why = "asked for; there is no legend beside the levels, so nothing is known of what a tile means"
    else:
        why = f"grids of tiles with the legend {legend.name} beside them"
    if legend is not None:
        for level, place in zip(levels, where, strict=True):
            check_tiles(level, frozenset(legend.words), place, legend.name)
        settings["legend"] = json.dumps({"tiles": legend.json()})
    columns = {} if legend is None else _difficulty(levels, legend)
    return Source(name, "level", levels, columns, names=list(where), why_kind=why, settings=settings)


def _difficulty(levels: Sequence[str], legend: Legend) -> dict[str, Column]:
    """The number of enemies and of columns without ground, by the column, where it differs between levels."""
    tiles = "".join(legend.words)
    if legend.game(tiles) != "platformer":
        return {}
    values = np.array([hardness(level, tiles, legend) for level in levels], np.float32)
    return {"difficulty": Column("difficulty", values)} if len(np.unique(values)) > 1 else {}

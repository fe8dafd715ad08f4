"""Opens whatever is called data: a name, a path, arrays in memory. One function; every refusal is a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from ..core import registry
from ..core.errors import BadInput, UnknownName
from . import (
    arrays,
    builtin,
    cifar,
    curve_open,
    folder,
    idx,
    level_open,
    molecule_open,
    music_open,
    series_open,
    strokes_open,
    table_open,
    text_open,
    trajectory_open,
)
from .columns import column, split_word
from .curve_file import holds_outlines
from .derived import NAMES, derived
from .files import Files, FolderFiles, ZipFiles, hidden
from .pictures import Pictures
from .progress import Progress
from .source import Column, Source, in_words
from .text_files import plain_name

_LOOKED_AT = 4096
_STRAY_PICTURES = 3
_LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A data set found among files, not opened yet."""

    label: str
    open: Callable[[], Source]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for beside the data."""

    kind: str | None = None
    condition: tuple[str, ...] = ()
    progress: Progress | None = None
    alone: bool = False
    """The path is one file's own."""


def open_source(
    data: Any,
    *,
    kind: str | None = None,
    condition: str | Sequence[str] | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Source:
    """Opens `data`: a built-in name, a path, an array or tensor, (x, labels), {"x": ..., "label": ...}, a list of pictures or of str.

    `kind` overrides the kind found; "lines" is text whose lines are items. `condition` names the columns to condition on,
    "none" for none; by default the class label, where there is one, and the source of pairs of texts. `offline` forbids
    fetching. `progress` is told of a download's bytes and of pictures read; without it a bar is shown on a terminal.
    Raises BadInput with what is wrong and what to do, UnknownName for a kind or condition that isn't there.
    """
    if kind is not None:
        registry.kind(kind)
    if isinstance(data, Source):
        source = data
    elif isinstance(data, (str, Path)):
        wish = _Wish(kind, tuple(_names(condition)), progress)
        source = _open_name(str(data), wish, offline)
    else:
        source = _open_memory(data, kind)
    if kind is not None and source.kind != ("text" if kind in text_open.KINDS else kind):
        raise BadInput(f"{source.name} holds data of the kind {source.kind!r} and can't be read as {kind!r}.")
    return _conditions(_useful(source), condition)


def _open_name(name: str, wish: _Wish, offline: bool) -> Source:
    if not name.strip():
        raise BadInput("no data was named; give a built-in name (digits) or a path.")
    plain = builtin.is_name(name)
    if plain and (found := builtin.embedded(name)) is not None:
        return found
    if "\0" in name or len(name) > _LONGEST_PATH:
        raise BadInput(f"data is a string of {len(name):,} characters, which is no path; give a text as a list of strings, or as a file.")
    path = Path(name).expanduser()
    if plain and (not _exists(path) or _in_data_folder(name)):
        path = builtin.place(name, offline, wish.progress) or path
    if not _exists(path):
        raise BadInput(_missing(name))
    return _open_path(path, builtin.canonical(name) if plain else None, wish)


def several_tables(data: Any, *, kind: str | None = None) -> dict[str, Source]:
    """The tables of a local folder or zip that holds two or more and no other data, opened, by their files' names without endings; {} for
    any other data."""
    if not isinstance(data, (str, Path)) or kind not in (None, "table") or not 0 < len(str(data)) <= _LONGEST_PATH or "\0" in str(data):
        return {}
    path, local = Path(data).expanduser(), builtin.data_folder()
    if local is not None and builtin.is_name(str(data)) and not _exists(path):
        path = local / str(data)
    packed = path.suffix.lower() == ".zip"
    if not _exists(path) or not (path.is_dir() or packed):
        return {}
    files = ZipFiles(path) if packed else FolderFiles(path)
    if sum(plain_name(file).suffix.lower() in table_open.SUFFIXES for file in files.sizes) < 2:
        return {}
    found = _candidates(path.name, files, _Wish(kind), [])
    labels = {candidate.label: plain_name(candidate.label) for candidate in found}
    if len(found) < 2 or any(name.suffix.lower() not in table_open.SUFFIXES for name in labels.values()):
        return {}
    stems = [name.stem for name in labels.values()]
    named = stems if len(set(stems)) == len(stems) else [str(name.with_suffix("")).replace("/", "-") for name in labels.values()]
    sources = [candidate.open() for candidate in found]
    return dict(zip(named, sources, strict=True)) if all(source.kind == "table" for source in sources) else {}


def _exists(path: Path) -> bool:
    """Whether something is there; a name that no file can have is none."""
    try:
        return path.exists()
    except OSError:
        return False


def _in_data_folder(name: str) -> bool:
    local = builtin.data_folder()
    return local is not None and (local / name).exists()


def _missing(name: str) -> str:
    path = Path(name)
    siblings = [str(path.parent / entry.name) for entry in path.parent.iterdir() if not hidden(entry.name)] if path.parent.is_dir() else []
    names = builtin.known_names() if builtin.is_name(name) else []
    hint = next(iter(difflib.get_close_matches(str(path), [*names, *siblings], n=1, cutoff=0.6)), None)
    known = f" Known names: {', '.join(names)}." if names else ""
    return f"there is no file or folder {name!r}{f'; did you mean {hint!r}?' if hint else '.'}{known}"


def _open_path(path: Path, name: str | None, wish: _Wish) -> Source:
    """The one data set in a file, folder or zip. Raises BadInput where there is none, or more than one."""
    name = name or path.resolve().name
    try:
        if path.is_dir():
            files: Files = FolderFiles(path)
        elif path.suffix.lower() == ".zip":
            files = ZipFiles(path)
        else:
            files, wish = FolderFiles(path.parent, _with_partners(path)), replace(wish, alone=True)
            if not files.sizes[path.name]:
                raise BadInput(f"{path} is empty (0 bytes).")
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror or error}.") from error
    notes: list[str] = []
    found = _candidates(name, files, wish, notes)
    if not found:
        raise BadInput(_nothing(path, files))
    if len(found) > 1:
        labels = ", ".join(candidate.label for candidate in found[:6])
        raise BadInput(f"{path} holds {len(found)} data sets ({labels}{', ...' if len(found) > 6 else ''}); give the path of one of them.")
    source = found[0].open()
    return replace(source, notes=(*notes, *source.notes))


def _with_partners(path: Path) -> list[str]:
    """A single file, and the labels beside it where it is an IDX file of pictures."""
    if not idx.is_idx(path.name) or "images" not in path.name:
        return [path.name]
    partner = path.name.replace("images", "labels").replace("idx3", "idx1")
    return [path.name, *[name for name in (partner, partner.removesuffix(".gz")) if (path.parent / name).is_file()][:1]]


def _candidates(name: str, files: Files, wish: _Wish, notes: list[str]) -> list[_Candidate]:
    """All data sets among the files; texts count only where there is nothing else, for they often lie beside other data."""
    if wish.kind == "table":
        return _tables(name, files, wish)
    if wish.kind in _WORLDS:
        return _world(_WORLDS[wish.kind], name, files, wish)
    found = [] if wish.kind in text_open.KINDS else _no_text(name, files, wish, notes)
    if not found and wish.kind is None:
        found = [one for opener in _WORLDS.values() for one in _world(opener, name, files, wish)]
    return found or (_tables(name, files, wish) if wish.kind is None else []) or _texts(name, files, wish)


_Opener = Callable[[str, Files, str | None, Sequence[str], bool], list[text_open.Found]]
_WORLDS: dict[str, _Opener] = {
    "curve": curve_open.found_curves,
    "level": level_open.found_level,
    "molecule": molecule_open.found_molecules,
    "music": music_open.found_music,
    "series": series_open.found_series,
    "strokes": strokes_open.found_strokes,
    "trajectory": trajectory_open.found_trajectories,
}
"""Kind of data with files of its own -> finds its data sets among files: (name, files, kind asked for, conditions, one file alone)."""


def _world(opener: _Opener, name: str, files: Files, wish: _Wish) -> list[_Candidate]:
    return _zips_too(files, wish, lambda own, alone: opener(name, own, wish.kind, wish.condition, alone))


def _tables(name: str, files: Files, wish: _Wish) -> list[_Candidate]:
    """Tables among the files, or in the zips among them."""
    return _zips_too(files, wish, lambda own, alone: table_open.found_table(name, own, wish.kind, alone))


def _no_text(name: str, files: Files, wish: _Wish, notes: list[str]) -> list[_Candidate]:
    """Arrays and pictures among the files; `notes` hears of what was counted once or left alone."""
    found: list[_Candidate] = []
    if cifar.archive(files) or cifar.batches(files):
        found.append(_Candidate(cifar.archive(files) or "data_batch_*.bin", partial(cifar.open_cifar, name, files)))
    groups, said = idx.groups(files)
    notes.extend(said)
    for label, group in groups.items():
        title = name if len(groups) == 1 else label
        found.append(_Candidate(label or "IDX files", partial(idx.open_idx, title, files, group, wish.kind, builtin.CLASS_NAMES)))
    found.extend(_array_candidates(name, files, wish.kind))
    pictures = folder.pictures_in(files)
    opened = partial(folder.open_pictures, progress=wish.progress, condition=wish.condition)
    if isinstance(files, FolderFiles):
        found.extend(_zip_candidates(name, files, wish, notes, pictures))
    if found and 0 < len(pictures) <= _STRAY_PICTURES:
        notes.append(f"left alone: {', '.join(pictures)}")
    elif pictures:
        found.append(_Candidate(f"{len(pictures):,} pictures", partial(opened, name, files, pictures, files)))
    return found


def _texts(name: str, files: Files, wish: _Wish) -> list[_Candidate]:
    """Texts among the files, or in the zips among them."""
    return _zips_too(files, wish, lambda own, alone: text_open.found_text(name, own, wish.kind, wish.condition, alone))


def _zips_too(files: Files, wish: _Wish, find: Callable[[Files, bool], list[text_open.Found]]) -> list[_Candidate]:
    """What is found among the files, and in the zips of a folder."""
    found = [_Candidate(label, opened) for label, opened in find(files, wish.alone)]
    twice = curve_open.beside_arrays(files) if found else []
    zips = [file for file in files.sizes if file.lower().endswith(".zip") and file not in twice]
    for file in zips if isinstance(files, FolderFiles) else []:
        found += [_Candidate(f"{file}: {label}", opened) for label, opened in find(ZipFiles(files.where / file), False)]
    return found


def _array_candidates(name: str, files: Files, kind: str | None) -> list[_Candidate]:
    """Each .npz is a data set, and .npy files together where their names say their roles (x, labels, x_test, train, ...)."""
    found = []
    singles = [file for file in files.sizes if file.lower().endswith(".npy")]
    stems = {PurePosixPath(file).stem: file for file in singles}
    if len(singles) > 1 and len(stems) == len(singles) and all(arrays.known_role(stem) for stem in stems):
        found.append(_Candidate(", ".join(singles), partial(_together, name, files, stems, kind)))
        singles = []
    many = [file for file in files.sizes if file.lower().endswith(".npz") and (kind is not None or not holds_outlines(files, file))]
    words = [split_word(PurePosixPath(file).stem) for file in many]
    if len(many) > 1 and all(words) and len(set(words)) == len(words):
        found.append(_Candidate(", ".join(many), partial(_split_files, name, files, many, kind)))
        many = []
    for file in (*singles, *many):
        found.append(_Candidate(file, partial(_one, name, files, file, kind)))
    return found


def _one(name: str, files: Files, file: str, kind: str | None) -> Source:
    loaded = arrays.load_npz(files, file) if file.lower().endswith(".npz") else {"x": arrays.load_npy(files, file)}
    return arrays.from_mapping(name, loaded, kind)


def _together(name: str, files: Files, stems: Mapping[str, str], kind: str | None) -> Source:
    """.npy files as the named arrays of one data set."""
    return arrays.from_mapping(name, {stem: arrays.load_npy(files, file) for stem, file in stems.items()}, kind)


def _split_files(name: str, files: Files, many: Sequence[str], kind: str | None) -> Source:
    """train.npz, test.npz and so on as the parts of one data set."""
    merged = {}
    for file in many:
        for key, value in arrays.load_npz(files, file).items():
            merged[f"{PurePosixPath(file).stem}_{key}"] = value
    return arrays.from_mapping(name, merged, kind)


def _zip_candidates(name: str, files: FolderFiles, wish: _Wish, notes: list[str], pictures: Sequence[str]) -> list[_Candidate]:
    """Data sets inside the folder's zips; a zip whose pictures also lie unpacked beside it counts once."""
    found = []
    opened = partial(folder.open_pictures, progress=wish.progress, condition=wish.condition)
    unpacked = {PurePosixPath(picture).name for picture in pictures}
    for file in [file for file in files.sizes if file.lower().endswith(".zip")]:
        inner = ZipFiles(files.where / file)
        inside = folder.pictures_in(inner)
        if inside and {PurePosixPath(picture).name for picture in inside} <= unpacked:
            notes.append(f"{file} holds the pictures that lie beside it, counted once")
            continue
        if inside:
            found.append(_Candidate(file, partial(opened, name, inner, inside, files)))
        else:
            found.extend(_Candidate(f"{file}: {part.label}", part.open) for part in _no_text(name, inner, wish, notes))
    return found


def _nothing(path: Path, files: Files) -> str:
    names = list(files.sizes)
    if not names:
        return f"{path} is empty: it holds no files. Put pictures, texts (or an .npz, .npy or IDX file) there."
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    texts = "text (.txt, .jsonl, pairs in .tsv, .csv or NAME.de and NAME.en)"
    worlds = "music (.mid, JSON lists of pitches), molecules (.smi), drawings (.svg, .ndjson), levels (.txt with a legend.json)"
    reads = f"pictures (PNG, JPEG, ...), tables (.csv, .tsv, .parquet), {texts}, {worlds}, .npz, .npy and IDX files, and zips of them"
    if path.is_file() and path.suffix.lower() != ".zip":
        return f"{path} isn't data of a kind that is read; this version reads {reads} (and any text file with --kind text)."
    return f"{path} holds no data of a kind that is read: only {shown}. This version reads {reads}."


def _open_memory(data: Any, kind: str | None) -> Source:
    if kind == "level" and isinstance(data, list) and data and all(isinstance(item, str) for item in data):
        return level_open.in_memory(data)
    if (found := series_open.in_memory(data, kind)) is not None:
        return found
    if (table := table_open.in_memory(data)) is not None:
        return table
    if (texts := text_open.in_memory(data)) is not None:
        return texts
    if isinstance(data, (np.ndarray, torch.Tensor)):
        return arrays.from_mapping("array", {"x": _numpy(data)}, kind)
    if isinstance(data, Mapping):
        return arrays.from_mapping("arrays", {str(key): _numpy(value) for key, value in data.items()}, kind)
    if isinstance(data, tuple) and len(data) == 2 and np.ndim(data[1]) <= 1 and len(data[0]) == len(data[1]):
        if isinstance(data[0], list):
            return replace(arrays.from_sequence("arrays", data[0]), columns={"label": column("label", _numpy(data[1]))})
        return arrays.from_mapping("arrays", {"x": _numpy(data[0]), "label": _numpy(data[1])}, kind)
    if isinstance(data, tuple) and len(data) == 2:
        raise BadInput(f"a pair must be (items, labels) of one length, but the lengths are {len(data[0])} and {np.size(data[1])}.")
    if isinstance(data, list) and data:
        return arrays.from_sequence("arrays", [_numpy(item) for item in data])
    if isinstance(data, list):
        raise BadInput("the list is empty: there is nothing to learn from.")
    takes = "a name, a path, an array, a data frame, a list of str, (items, labels) or {'x': ..., 'label': ...}"
    raise BadInput(f"data must be {takes}, not {type(data).__name__}.")


def _numpy(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        kept = value.detach().cpu()
        return np.asarray((kept.float() if kept.dtype == torch.bfloat16 else kept).numpy())
    return np.asarray(value)


def _useful(source: Source) -> Source:
    """Drops labels with a single class; refuses a set whose items are all the same; says where pictures are constant."""
    notes, columns = list(source.notes), dict(source.columns)
    for name, found in source.columns.items():
        if found.categories and len(np.unique(found.values)) < 2:
            only = found.categories[int(found.values[0])] if len(found.values) else "none"
            notes.append(f"every item has the same {name}, {only!r}: nothing to condition on, so it was left out")
            del columns[name]
    different, constant, looked = _variety(source)
    if not different and (len(source.items) > 1 or source.kind == "series"):
        alike = "the characters" if source.ordered else "rows" if source.kind == "series" else f"{len(source.items):,} items"
        raise BadInput(f"all {alike} of {source.name} are identical; there is nothing to learn from them.")
    if constant:
        whole = "" if looked == len(source.items) else f" of {looked:,} looked at"
        notes.append(f"{constant:,} pictures{whole} are of one colour throughout; if that isn't meant, remove them")
    return replace(source, columns=columns, notes=tuple(notes))


def _variety(source: Source) -> tuple[bool, int, int]:
    """(whether items differ, how many pictures are constant, how many were looked at for that)."""
    items = source.items
    if source.kind == "text" and source.ordered:
        # Passages of a text that repeats itself may be alike; there is something to learn as long as its letters differ.
        return any(item.strip(items[0][:1]) for item in items), 0, 0
    if source.kind == "text":
        return any(items[row] != items[0] for row in range(1, len(items))), 0, 0
    if source.kind == "series":
        # a series may be learnt whole and held out whole, by request
        return any((item.values != item.values[:1]).any() for item in items), 0, 0
    if registry.kind(source.kind).world:
        return any(in_words(items[row]) != in_words(items[0]) for row in range(1, len(items))), 0, 0
    if isinstance(items, Pictures):
        facts = items.facts
        return len(np.unique(facts.digests)) > 1, int((facts.lows == facts.highs).sum()), len(items)
    some = np.unique(np.linspace(0, len(items) - 1, min(len(items), _LOOKED_AT)).astype(np.int64))
    constant = sum(bool(np.min(items[row]) == np.max(items[row])) for row in some) if source.kind == "image" else 0
    first = np.asarray(items[0])
    # Nearly always the second item ends this.
    different = any(not np.array_equal(first, items[row]) for row in range(1, len(items)))
    return different, constant, len(some)


def _conditions(source: Source, condition: str | Sequence[str] | None) -> Source:
    if condition is None:
        # of a table, any column can be fixed later
        label = source.kind != "table" and "label" in source.columns and source.columns["label"].categories
        default = ("label",) if label else ()
        return replace(source, conditions=source.conditions or default)
    names, columns = _names(condition), dict(source.columns)
    for name in names:
        if name not in columns and source.kind == "image" and (made := derived(name)) is not None:
            columns[name] = Column(name, np.arange(len(source.items)), pictures=made)
        if name not in columns:
            raise UnknownName("condition", name, [*columns, *(NAMES if source.kind == "image" else ())])
    return replace(source, columns=columns, conditions=tuple(names))


def _names(condition: str | Sequence[str] | None) -> list[str]:
    """The names of the columns asked for."""
    names = [part.strip() for part in condition.split(",")] if isinstance(condition, str) else list(condition or ())
    return [] if names == ["none"] else names

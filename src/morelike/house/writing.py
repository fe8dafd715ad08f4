"""Samples as files: what `sample --out` writes. The ending decides; everything appears whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..core import registry
from ..core.contract import Codec
from ..core.errors import BadInput
from ..data.grid import rgb8
from ..data.table import Cells
from ..data.table_arrow import parquet_writer
from ..data.table_arrow_types import library
from ..data.table_csv import write_csv
from ..data.world import World
from .table_frames import Rewritten, arrow_table

FORMS = {".png": "one picture of them all", ".npz": "arrays x and label", ".npy": "the array x"}
"""Endings, and what they hold; no ending is a folder of PNGs, for pictures."""
TEXT_FORMS = {".txt": "the texts", ".jsonl": "an object a line: text, conditions", ".png": "one page of them all"}
"""The same for texts."""
TABLE_FORMS = {".csv": "rows as the source has them", ".parquet": "the same with the source's types", ".png": "a histogram of each column"}
"""The same for tables."""
SCORE_FORMS = {".csv": "a line an item"}
"""The same for scores."""
PAGE_FORMS = {".html": "a page to look at"}
"""The same for a heat map."""
_RULE = "-----"
LARGEST_PAGE = 10_000
"""Most samples on one picture."""
_DEPTHS = {("uint8", 1), ("uint8", 3), ("uint8", 4), ("uint16", 1)}
"""(number format, channels) that a PNG holds as they are."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place that samples can be written to."""

    path: Path
    ending: str
    """A key of FORMS, or "" for a folder."""


def target(out: str, kind: str, n: int) -> Target:
    """Where and how n samples of this kind of data will be written, checked before they are drawn.

    Raises BadInput for an ending that isn't there, a place that can't be written to, or a folder that isn't empty.
    """
    path = Path(out)
    folder = path.is_dir() or out.endswith(("/", os.sep)) or not path.suffix
    ending = "" if folder else path.suffix.lower()
    forms = forms_of(kind)
    known = ", ".join(f"{name} ({what})" for name, what in forms.items() if name)
    if folder and kind != "image" and "" not in forms:
        raise BadInput(f"a folder ({path}) takes pictures; samples of the kind {kind!r} go to {known}")
    if not folder and ending not in forms:
        folders = f", and a name without ending for a folder ({forms.get('', 'of PNGs')})" if kind == "image" or "" in forms else ""
        raise BadInput(f"unknown ending {ending!r} of {path}; there are {known}{folders}")
    if path.is_dir() and any(path.iterdir()):
        raise BadInput(f"the folder {path} is not empty; choose another one with --out")
    if folder and path.exists() and not path.is_dir():
        raise BadInput(f"{path} is a file; choose another name for a folder")
    check_parent(path)
    if ending == ".parquet":
        library("pyarrow.parquet", "writing Parquet")
    if ending == ".png" and n > LARGEST_PAGE and kind != "table":
        raise BadInput(f"one picture takes at most {LARGEST_PAGE:,} samples, not {n:,}; write them to a folder or to .npz")
    return Target(path, ending)


def forms_of(kind: str) -> Mapping[str, str]:
    """Endings that samples of a kind of data are written to, and what they hold; "" is a folder."""
    line = registry.kind(kind)
    if line.world:
        own: Mapping[str, str] = line.load().forms  # type: ignore[attr-defined]
        return {".png": FORMS[".png"], **own}
    return {"text": TEXT_FORMS, "table": TABLE_FORMS}.get(kind, FORMS)


def check_parent(path: Path) -> None:
    """Raises BadInput where a file or folder can't be put at `path`."""
    parent = path.resolve().parent
    if not parent.is_dir():
        raise BadInput(f"{path} can't be written: there is no folder {parent}")
    if not os.access(parent, os.W_OK):
        raise BadInput(f"{path} can't be written: no permission in {parent}")


def file_for(out: str, forms: Mapping[str, str] | None = None) -> Path:
    """The path of a file that is to be written or replaced. Raises BadInput where it can't be, or has none of the endings `forms`."""
    path = Path(out)
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name a file in it")
    if forms is not None and path.suffix.lower() not in forms:
        known = ", ".join(f"{ending} ({what})" for ending, what in forms.items())
        raise BadInput(f"unknown ending {path.suffix!r} of {path}; there is {known}")
    check_parent(path)
    return path


def table_folder(out: str) -> Path:
    """The folder that the files of several tables are to be written to, made at the end. Raises BadInput where it can't be."""
    path = Path(out)
    if path.suffix.lower() in (*FORMS, *TABLE_FORMS) or (path.exists() and not path.is_dir()):
        raise BadInput(f"linked tables are written as one file each: name a folder with --out, not {path}")
    check_parent(path)
    return path


def write_tables(folder: Path, tables: Mapping[str, Cells]) -> None:
    """Writes NAME.csv of each table into a folder, replacing files of these names. Raises BadInput where it can't."""
    new = folder.with_name(f".{os.getpid()}.{folder.name}")
    try:
        new.mkdir()
        for name, table in tables.items():
            write_csv(table.names, table.cells, new / f"{name}.csv", table.delimiter)
        folder.mkdir(exist_ok=True)
        for name in tables:
            os.replace(new / f"{name}.csv", folder / f"{name}.csv")
    except OSError as error:
        raise BadInput(f"{folder} can't be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write_rows(path: Path, rows: Rewritten) -> None:
    """Writes rows as CSV or, where the ending is .parquet, as Parquet. Raises BadInput where the place can't be written."""
    if path.suffix.lower() == ".parquet":
        whole(path, parquet_writer(rows.arrow()))
    else:
        write_csv(rows.table.names, rows.table.cells, path, rows.table.delimiter)


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all. Raises BadInput where it can't be written."""
    whole(path, lambda new: new.write_text(text, encoding="utf-8", newline=""))


def write(place: Target, items: Any, codec: Codec, ids: Mapping[str, np.ndarray], conditions: Mapping[str, Codec]) -> str:
    """Writes raw items (n, ...) as the codec gives them, `ids` (n,*) of each condition beside them where the ending has room.

    Returns what a reader of the file must know beyond its ending, or "". Raises BadInput where the place can't be written; what was
    there before then is unchanged.
    """
    if isinstance(codec, World) and place.ending in codec.forms:
        world = codec
        whole(place.path, lambda new: world.write(list(items), new, place.ending))
        return ""
    values = {name: own.decode(ids[name]) for name, own in conditions.items() if name in ids}
    match place.ending:
        case "":
            said = {name: many for name, many in values.items() if conditions[name].kind != "image"}
            words = {name: [_plain(str(value)) for value in many] for name, many in said.items()}
            whole(place.path, lambda new: _folder(new, items, codec, words))
        case ".png":
            codec.draw(items, place.path)
        case ".csv":
            write_csv(codec.names, items, place.path, codec.delimiter)  # type: ignore[attr-defined]  # only tables have this ending
        case ".parquet":
            whole(place.path, parquet_writer(arrow_table(codec, items)))  # type: ignore[arg-type]  # as above
        case ".npy":
            whole(place.path, lambda new: _npy(new, np.asarray(items)))
        case ".txt":
            text, rule = as_text(items)
            write_text(place.path, text)
            return rule
        case ".jsonl":
            rows = [{"text": item, **{name: _json(many[number]) for name, many in values.items()}} for number, item in enumerate(items)]
            write_text(place.path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        case _:
            arrays = {"x": np.asarray(items)}
            for name, own in conditions.items():
                arrays |= _arrays(name, own, ids[name], values[name])
            whole(place.path, lambda new: _npz(new, arrays))
    return ""


def as_text(items: Sequence[str]) -> tuple[str, str]:
    """(all items as one text, the rule by which they are apart): one a line where none holds a line end; else between lines of dashes,
    more of them than any line of the items has."""
    if not any(end in item for item in items for end in "\n\r"):
        return "".join(f"{item}\n" for item in items), "one a line"
    rule = _RULE
    lines = {line for item in items for line in item.splitlines()}
    while rule in lines:
        rule += "-"
    return f"\n{rule}\n".join(items) + "\n", f"some hold line ends, so a line {rule} stands between every two"


def _json(value: Any) -> Any:
    """A condition's value as JSON: a name, a text or a number."""
    return value if isinstance(value, str) else float(np.asarray(value).reshape(-1)[0])


def _arrays(name: str, codec: Codec, ids: np.ndarray, values: Any) -> dict[str, np.ndarray]:
    """A condition beside x: a class as its id and the names, a number as it is, a text as text, pictures as (n,H,W,C)."""
    names = getattr(codec, "names", ())
    if codec.kind == "category":
        return {name: ids[:, 0].astype(np.int64), f"{name}_names": np.array(names, dtype=np.str_)}
    if codec.kind in ("image", "around"):
        return {name: np.asarray(values)}
    return {name: np.array(values, dtype=np.str_) if codec.kind in ("text", "caption") else np.asarray(values)[:, 0]}


def _npy(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:  # an open file, for numpy would add an ending of its own to a path
        np.save(file, array, allow_pickle=False)


def whole(path: Path, make: Callable[[Path], object]) -> None:
    """Makes a file or folder under a temporary name, then moves it to its place. Raises BadInput where it can't be written."""
    new = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        make(new)
        os.replace(new, path)
    except OSError as error:
        raise BadInput(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        if new.is_dir():
            shutil.rmtree(new, ignore_errors=True)
        else:
            new.unlink(missing_ok=True)


def _npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """As np.savez_compressed, which takes names as keywords and so has no room for one called `file`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)


def _folder(folder: Path, items: Any, codec: Codec, words: Mapping[str, Sequence[str]]) -> None:
    """00000.png and on; 00000-CLASS.png where there are conditions."""
    digits = max(5, len(str(len(items) - 1)))
    names = ["-".join([f"{number:0{digits}d}", *(many[number] for many in words.values())]) for number in range(len(items))]
    write_pictures(folder, ((f"{name}.png", item) for name, item in zip(names, items, strict=True)), codec)


def write_pictures(folder: Path, named: Iterable[tuple[str, Any]], codec: Codec) -> None:
    """Makes a folder of PNGs: (name, perhaps with folders of its own; raw item (H,W,C)) each."""
    folder.mkdir()
    for name, item in named:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(folder / name, item, codec)


def write_picture(path: Path, item: Any, codec: Codec) -> None:
    """Writes a raw item (H,W,C) as a PNG."""
    low, high = float(getattr(codec, "low", 0.0)), float(getattr(codec, "high", 1.0))
    _png(np.asarray(item), low, high).save(path, format="PNG")


def _plain(name: str) -> str:
    """A condition's value as a part of a file name."""
    return re.sub(r"[^\w.]+", "_", name)[:40]


def _png(item: np.ndarray, low: float, high: float) -> Image.Image:
    """(H,W,C) as it is where a PNG can hold it (8 bits: grey, colour, alpha; 16 bits: grey), else as 8-bit colour."""
    if (item.dtype.name, item.shape[2]) not in _DEPTHS:
        return Image.fromarray(rgb8(item, low, high))
    return Image.fromarray(item[:, :, 0] if item.shape[2] == 1 else item)

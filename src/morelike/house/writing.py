"""Samples as files: what `sample --out` writes. The ending decides; everything appears whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..core.contract import Codec
from ..core.errors import BadInput
from ..data.grid import rgb8

FORMS = {".png": "one picture of them all", ".npz": "arrays x and label", ".npy": "the array x"}
"""Endings, and what they hold; no ending is a folder of PNGs, for pictures."""
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
    known = ", ".join(f"{name} ({what})" for name, what in FORMS.items())
    if folder and kind != "image":
        raise BadInput(f"a folder ({path}) takes pictures; samples of the kind {kind!r} go to {known}")
    if not folder and ending not in FORMS:
        raise BadInput(f"unknown ending {ending!r} of {path}; there are {known}, and a name without ending for a folder of PNGs")
    if path.is_dir() and any(path.iterdir()):
        raise BadInput(f"the folder {path} is not empty; choose another one with --out")
    if folder and path.exists() and not path.is_dir():
        raise BadInput(f"{path} is a file; choose another name for a folder")
    parent = path.resolve().parent
    if not parent.is_dir():
        raise BadInput(f"{path} can't be written: there is no folder {parent}")
    if not os.access(parent, os.W_OK):
        raise BadInput(f"{path} can't be written: no permission in {parent}")
    if ending == ".png" and n > LARGEST_PAGE:
        raise BadInput(f"one picture takes at most {LARGEST_PAGE:,} samples, not {n:,}; write them to a folder or to .npz")
    return Target(path, ending)


def write(place: Target, items: Any, codec: Codec, ids: Mapping[str, np.ndarray], conditions: Mapping[str, Codec]) -> None:
    """Writes raw items (n, ...) as the codec gives them, `ids` (n,1) of each condition beside them where the ending has room.

    Raises BadInput where the place can't be written; what was there before then is unchanged.
    """
    names = {name: tuple(getattr(own, "names", ())) for name, own in conditions.items()}
    match place.ending:
        case "":
            _whole(place.path, lambda new: _folder(new, items, codec, ids, names))
        case ".png":
            codec.draw(items, place.path)
        case ".npy":
            _whole(place.path, lambda new: _npy(new, np.asarray(items)))
        case _:
            arrays = {"x": np.asarray(items)}
            for name, values in ids.items():
                arrays |= {name: values[:, 0].astype(np.int64), f"{name}_names": np.array(names[name], dtype=np.str_)}
            _whole(place.path, lambda new: _npz(new, arrays))


def _npy(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:  # an open file, for numpy would add an ending of its own to a path
        np.save(file, array, allow_pickle=False)


def _whole(path: Path, make: Callable[[Path], object]) -> None:
    """Makes a file or folder under a temporary name, then moves it to its place."""
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


def _folder(folder: Path, items: Any, codec: Codec, ids: Mapping[str, np.ndarray], names: Mapping[str, tuple[str, ...]]) -> None:
    """00000.png and on; 00000-CLASS.png where there are conditions."""
    folder.mkdir()
    digits = max(5, len(str(len(items) - 1)))
    low, high = float(getattr(codec, "low", 0.0)), float(getattr(codec, "high", 1.0))
    for number, item in enumerate(items):
        words = [_plain(names[name][int(values[number, 0])]) for name, values in ids.items()]
        file = "-".join([f"{number:0{digits}d}", *words])
        _png(np.asarray(item), low, high).save(folder / f"{file}.png", format="PNG")


def _plain(name: str) -> str:
    """A class name as a part of a file name."""
    return re.sub(r"[^\w.]+", "_", name)[:40]


def _png(item: np.ndarray, low: float, high: float) -> Image.Image:
    """(H,W,C) as it is where a PNG can hold it (8 bits: grey, colour, alpha; 16 bits: grey), else as 8-bit colour."""
    if (item.dtype.name, item.shape[2]) not in _DEPTHS:
        return Image.fromarray(rgb8(item, low, high))
    return Image.fromarray(item[:, :, 0] if item.shape[2] == 1 else item)

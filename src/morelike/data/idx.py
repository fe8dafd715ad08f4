"""IDX files (LeCun, Cortes, Burges 1998), gzipped or not: images and labels paired by their usual names."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from ..core.errors import BadInput
from .arrays import ARRAY_LIMIT, from_mapping
from .columns import split_word
from .files import Files, guarded
from .source import Source

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAPPED = 256 << 20
"""Unzipped files of bytes above this size are mapped, not read."""
_TELLING = re.compile(r"idx[1-4]|ubyte|\.idx$", re.IGNORECASE)
_PART = re.compile(r"(images?|labels?)", re.IGNORECASE)

Group = dict[tuple[str | None, str], str]
"""(split, "x" or "y") -> file name."""


def is_idx(name: str) -> bool:
    """Whether a file's name is one of IDX's: `train-images-idx3-ubyte.gz`, `t10k-labels.idx1-ubyte`, `digits.idx`."""
    return bool(_TELLING.search(PurePosixPath(name).name.removesuffix(".gz")))


def groups(files: Files) -> tuple[dict[str, Group], list[str]]:
    """({data set: its files}, notes): `emnist-letters-train-images-idx3-ubyte` belongs to the data set "emnist-letters"."""
    found: dict[str, Group] = {}
    notes = []
    for name in sorted(files.sizes, key=lambda name: name.endswith(".gz")):
        if not is_idx(name):
            continue
        path = PurePosixPath(name)
        stem = path.name.removesuffix(".gz")
        part = _PART.search(stem)
        words = [word for word in re.split(r"[-_.]", stem[: part.start()] if part else "") if word]
        split = split_word(words[-1]) if words else None
        prefix = "-".join(words[:-1] if split else words) if part else stem
        key = (split, "y" if part and part[0].lower().startswith("label") else "x")
        group = found.setdefault("/".join((*path.parts[:-1], prefix)), {})
        if key in group:
            notes.append(f"{name} is the same as {group[key]}, counted once")
        else:
            group[key] = name
    return found, notes


def read_idx(files: Files, name: str) -> np.ndarray:
    """The array of one IDX file. Raises BadInput where its header lies about its length."""
    with guarded(name), files.open(name) as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if zipped else raw
        head = stream.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _DTYPES or not 1 <= head[3] <= 4:
            raise BadInput(f"{name} isn't an IDX file: its first four bytes are {head.hex(' ') or 'missing'}.")
        sides = np.frombuffer(stream.read(4 * head[3]).ljust(4 * head[3], b"\0"), dtype=">u4").tolist()
        dtype = np.dtype(_DTYPES[head[2]])
        size = math.prod(sides) * dtype.itemsize
        if size > ARRAY_LIMIT:
            raise BadInput(f"{name} claims {size:,} bytes, more than are read at once.")
        path = files.local(name)
        if path is not None and not zipped and size > _MAPPED and dtype.itemsize == 1 and files.sizes[name] == size + 4 + 4 * head[3]:
            return np.memmap(path, dtype=dtype, mode="r", offset=4 + 4 * head[3], shape=tuple(sides))
        content = stream.read(size + 1)
    if len(content) != size:
        more = "more" if len(content) > size else f"only {len(content):,}"
        raise BadInput(f"{name} is damaged: its header promises {size:,} bytes of data, but there are {more}.")
    return np.frombuffer(content, dtype=dtype).reshape(sides).astype(dtype.newbyteorder("="), copy=False)


def open_idx(name: str, files: Files, group: Group, kind: str | None, classes: Mapping[str, tuple[str, ...]]) -> Source:
    """The source of one group of IDX files; `classes` maps a data set's name to its class names."""
    arrays = {f"{split}_{part}" if split else part: read_idx(files, file) for (split, part), file in group.items()}
    if name in classes:
        arrays["classes"] = np.array(classes[name])
    return from_mapping(name, arrays, kind)

"""CIFAR-10's binary edition (Krizhevsky 2009): records of one label byte and 3,072 bytes (C,H,W). The pickled edition is never opened."""

from __future__ import annotations

import re
import tarfile
from pathlib import PurePosixPath

import numpy as np

from ..core.errors import BadInput
from .arrays import from_mapping
from .files import Files, guarded
from .source import Source

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32
_LIMIT = 10_000 * _RECORD
_BATCH = re.compile(r"(data_batch_[1-5]|test_batch)\.bin$")
_PICKLED = re.compile(r"(^|/)(data_batch_[1-5]|test_batch)$")


def archive(files: Files) -> str | None:
    """The name of the archive among the files, if there is one."""
    return next((name for name in files.sizes if re.search(r"cifar-?10.*\.(tar\.gz|tgz|tar)$", name, re.IGNORECASE)), None)


def batches(files: Files) -> list[str]:
    """The unpacked batch files. Raises BadInput where only the pickled edition is there."""
    found = [name for name in files.sizes if _BATCH.search(name)]
    pickled = [name for name in files.sizes if _PICKLED.search(name)]
    if pickled and not found:
        raise BadInput(
            f"{files.where} holds CIFAR-10's Python edition ({PurePosixPath(pickled[0]).name}, ...): pickles, which can run programs "
            "and are never opened. Get the binary edition (cifar-10-binary.tar.gz)."
        )
    return found


def open_cifar(name: str, files: Files) -> Source:
    """50,000 training and 10,000 test pictures, 32 x 32 RGB, from the archive or from unpacked batches."""
    contents = {}
    packed = archive(files)
    if packed is None:
        for batch in batches(files):
            contents[PurePosixPath(batch).name] = files.read(batch, _LIMIT)
    else:
        # Members are read in memory by name; no path of the archive is ever written to.
        with guarded(packed), files.open(packed) as stream:
            try:
                with tarfile.open(fileobj=stream, mode="r|*") as opened:
                    for member in opened:
                        part = opened.extractfile(member) if member.isreg() and _BATCH.search(member.name) else None
                        if part is not None:
                            contents[PurePosixPath(member.name).name] = part.read(_LIMIT + 1)
            except tarfile.TarError as error:
                raise BadInput(f"{packed} is damaged or cut short: {error}.") from error
    if not contents:
        raise BadInput(f"{packed or files.where} holds no data_batch_N.bin: it isn't CIFAR-10's binary edition.")
    arrays: dict[str, np.ndarray] = {"classes": np.array(CLASSES)}
    for split, prefix in (("train", "data"), ("test", "test")):
        chosen = [contents[batch] for batch in sorted(contents) if batch.startswith(prefix)]
        for content in chosen:
            if len(content) % _RECORD or len(content) > _LIMIT:
                raise BadInput(f"{name}: a batch of {len(content):,} bytes is damaged; it must hold 10,000 records of {_RECORD:,}.")
        if chosen:
            records = np.frombuffer(b"".join(chosen), dtype=np.uint8).reshape(-1, _RECORD)
            arrays[f"{split}_y"] = records[:, 0]
            arrays[f"{split}_x"] = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return from_mapping(name, arrays)

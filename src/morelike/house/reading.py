"""What tasks read beside a model: a text from a file or standard input, a picture, numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput
from ..data.files import FolderFiles
from ..data.picture_file import read_image
from ..data.text_files import WHOLE, Read, detect, read_text
from ..data.world import World


def text_of(file: str) -> tuple[str, list[str]]:
    """(the text of a file, or of standard input for "-", what was said about its encoding). Raises BadInput where it is missing, no
    text, or larger than 32 MB."""
    if file == "-":
        return _standard_input()
    path = Path(file)
    if not path.is_file():
        raise BadInput(f"there is no file {path}" if not path.exists() else f"{path} is a folder; a file is needed")
    if path.stat().st_size > WHOLE:
        raise BadInput(f"{path} has {path.stat().st_size:,} bytes; at most {WHOLE:,} are read here: give a part of it")
    found: Read = read_text(FolderFiles(path.parent, [path.name]), path.name)
    if not isinstance(found.text, str):
        raise BadInput(f"{path} unpacks to more than {WHOLE:,} bytes; give a part of it")
    return found.text, found.notes


def _standard_input() -> tuple[str, list[str]]:
    data = sys.stdin.buffer.read(WHOLE + 1)
    if len(data) > WHOLE:
        raise BadInput(f"standard input has more than {WHOLE:,} bytes; give a part of it")
    encoding = detect(data[: 1 << 20])
    text = data[encoding.mark :].decode(encoding.name, "replace").replace("\0", "")
    return text, [f"standard input: {encoding.how}"] if encoding.how else []


def lines_of(text: str) -> list[str]:
    """The lines of a text without their ends, empty ones too."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return plain.removesuffix("\n").split("\n") if plain else []


def item_of(codec: Codec, value: Any) -> np.ndarray:
    """(1,*) one example as coded from what a user gives: a text, the path of a picture or of a file that the codec
    reads, numbers with commas between, or a raw item."""
    if codec.kind == "text":
        if not isinstance(value, str) or not value:
            raise BadInput("there is no text: it is empty")
        return np.asarray(codec.encode([value]))
    # a molecule or a level may be given as it is
    written = codec.kind == "molecule" and isinstance(value, str) and Path(value).suffix not in (".smi", ".csv", ".tsv")
    if isinstance(codec, World) and isinstance(value, str) and not written and "\n" not in value:
        value = Path(value)
    if isinstance(value, Path) and isinstance(codec, World):
        if not value.is_file():
            raise BadInput(f"there is no file {value}")
        return np.asarray(codec.encode(codec.read(value)[:1]))
    if isinstance(codec, World):
        return np.asarray(codec.encode([value]))
    if isinstance(value, str | Path) and codec.kind == "image":
        if not Path(value).is_file():
            raise BadInput(f"there is no picture {value}")
        try:
            return np.asarray(codec.encode([read_image(Path(value))]))
        except BadInput as error:
            raise BadInput(f"{value} {error}") from error
    if isinstance(value, str) and codec.kind == "vector":
        try:
            return _coded(codec, np.array([[float(part) for part in value.split(",")]]))
        except ValueError as error:
            raise BadInput(f"{value!r} is no row of numbers with commas between, such as 0.5,-1.2") from error
    return _coded(codec, np.asarray(value)[None])


def _coded(codec: Codec, items: Any) -> np.ndarray:
    return np.asarray(codec.encode(items))

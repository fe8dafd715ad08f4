"""Where bytes lie: a folder or a zip seen as one list of named files. Nothing is extracted to disk."""

from __future__ import annotations

import os
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ..core.errors import BadInput

READ_LIMIT = 1 << 30
"""Largest file, in bytes, that is read into memory at once."""
_MEMBER_LIMIT = 2_000_000
_RATIO_LIMIT = 1100
"""Deflate can't exceed 1,032 to 1; a header that claims more lies."""


def hidden(name: str) -> bool:
    """Whether a path is an operating system's or an editor's own: `.DS_Store`, `__MACOSX/...`, `Thumbs.db`."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1].lower() in {"thumbs.db", "desktop.ini"}


class Files(ABC):
    """Named files: `sizes` maps a path relative to `where`, with forward slashes, to its size in bytes."""

    where: Path
    sizes: dict[str, int]

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """A stream of the file's bytes; the caller closes it."""

    @abstractmethod
    def local(self, name: str) -> Path | None:
        """The file's own path, or None inside a zip."""

    def head(self, name: str) -> bytes:
        """The first 16 bytes, or none where the file can't be read."""
        try:
            with guarded(name), self.open(name) as stream:
                return stream.read(16)
        except BadInput:
            return b""

    def read(self, name: str, limit: int = READ_LIMIT) -> bytes:
        """All bytes. Raises BadInput above `limit` bytes, judged before reading, and for damaged zip members."""
        if self.sizes[name] > limit:
            raise BadInput(f"{name} has {self.sizes[name]:,} bytes; at most {limit:,} are read at once.")
        with guarded(name), self.open(name) as stream:
            return stream.read(limit)


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Turns what a damaged or unreadable file raises into BadInput."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise BadInput(f"{name} can't be read: {error}.") from error
    except OSError as error:
        raise BadInput(f"{name} can't be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise BadInput(f"{name} needs more memory than there is.") from error


class FolderFiles(Files):
    """All files below a folder, hidden ones left out; links to folders are not followed."""

    def __init__(self, folder: Path, names: Sequence[str] | None = None) -> None:
        """`names`: only these files, given relative to the folder."""
        self.where = folder
        names = sorted(_walk(folder)) if names is None else names
        self.sizes = {name: (folder / name).stat().st_size for name in names}

    def open(self, name: str) -> IO[bytes]:
        return (self.where / name).open("rb")

    def local(self, name: str) -> Path | None:
        return self.where / name


def _walk(folder: Path) -> Iterator[str]:
    count = 0
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not hidden(name)]
        for name in names:
            path = Path(root, name)
            if hidden(name) or not path.is_file():
                continue
            count += 1
            if count > _MEMBER_LIMIT:
                raise BadInput(f"{folder} holds more than {_MEMBER_LIMIT:,} files; that is more than is read.")
            yield path.relative_to(folder).as_posix()


class ZipFiles(Files):
    """The members of a zip, read where they lie; the zip opens at the first read and stays open."""

    def __init__(self, path: Path) -> None:
        self.where = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise BadInput(f"{path} can't be opened as a zip: {error}.") from error
        members = [m for m in self._zip.infolist() if not m.is_dir() and not hidden(m.filename)]
        if len(members) > _MEMBER_LIMIT:
            raise BadInput(f"{path} claims {len(members):,} files; at most {_MEMBER_LIMIT:,} are read.")
        self._members = {m.filename.replace("\\", "/"): m for m in members}
        self.sizes = {name: m.file_size for name, m in sorted(self._members.items())}

    def open(self, name: str) -> IO[bytes]:
        member = self._members[name]
        if member.file_size > _RATIO_LIMIT * max(member.compress_size, 64):
            raise BadInput(f"{name} claims to unpack to {member.file_size:,} bytes from {member.compress_size:,}: it lies about its size.")
        return self._zip.open(member)

    def local(self, name: str) -> Path | None:
        return None

"""Fetches the few named data sets, on demand: checksums, resume of partial files, atomic rename. Only here is the network used."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import BadInput
from .progress import Progress, shown

_BLOCK = 1 << 16
_TRIES = 3
_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Remote:
    """One file to fetch."""

    name: str
    sha256: tuple[str, ...]
    """Accepted checksums: as published, and of other packings of the same content."""
    size: int
    """Bytes, as published; more than that is never read."""


@dataclass(frozen=True, slots=True)
class Download:
    """A data set's files and where they are published."""

    base: str
    files: tuple[Remote, ...]


_MNIST = (
    Remote("train-images-idx3-ubyte.gz", ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                                          "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64"), 9_912_422),
    Remote("train-labels-idx1-ubyte.gz", ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                                          "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e"), 28_881),
    Remote("t10k-images-idx3-ubyte.gz", ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                                         "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341"), 1_648_877),
    Remote("t10k-labels-idx1-ubyte.gz", ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                                         "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6"), 4_542),
)  # fmt: skip
_FASHION = (
    Remote("train-images-idx3-ubyte.gz", ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",), 26_421_880),
    Remote("train-labels-idx1-ubyte.gz", ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",), 29_515),
    Remote("t10k-images-idx3-ubyte.gz", ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",), 4_422_102),
    Remote("t10k-labels-idx1-ubyte.gz", ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",), 5_148),
)
_CIFAR = (Remote("cifar-10-binary.tar.gz", ("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",), 170_052_171),)

DOWNLOADS: dict[str, Download] = {
    "mnist": Download("https://ossci-datasets.s3.amazonaws.com/mnist", _MNIST),
    "fashion-mnist": Download("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", _FASHION),
    "cifar10": Download("https://www.cs.toronto.edu/~kriz", _CIFAR),
}


def cache_folder() -> Path:
    """Where downloads and temporary files go: `MORELIKE_CACHE`, or ~/.cache/morelike."""
    chosen = os.environ.get("MORELIKE_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "morelike"


def cached(name: str) -> Path | None:
    """The folder of a data set that was fetched completely before, or None."""
    folder = cache_folder() / name
    return folder if all((folder / file.name).is_file() for file in DOWNLOADS[name].files) else None


def download(name: str, progress: Progress | None = None) -> Path:
    """The folder that holds the data set `name` of `DOWNLOADS`, fetched where files are missing. Raises BadInput.

    `MORELIKE_MIRROR`, a base URL, replaces the publisher's: files are then asked for as MIRROR/NAME/FILE.
    """
    mirror = os.environ.get("MORELIKE_MIRROR")
    base = f"{mirror.rstrip('/')}/{name}" if mirror else DOWNLOADS[name].base
    folder = cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} can't be made ({error.strerror}); set MORELIKE_CACHE to a folder that can be written.") from error
    with shown(progress) as report:
        for file in DOWNLOADS[name].files:
            if not (folder / file.name).is_file():
                fetch(file, base, folder, report)
    return folder


def fetch(file: Remote, base: str, folder: Path, progress: Progress) -> Path:
    """One file, resumed where a part of it lies there, checked, then renamed into place. Raises BadInput.

    A connection that breaks is tried three times, each from where the last one ended.
    """
    if not base.startswith(("http://", "https://")):
        raise BadInput(f"MORELIKE_MIRROR must be a http or https address, not {base!r}.")
    target, part = folder / file.name, folder / (file.name + ".part")
    url = f"{base}/{file.name}"
    trouble = ""
    for _ in range(_TRIES):
        try:
            if _receive(file, url, part, progress):
                break
            trouble = "the connection ended early"
        except urllib.error.HTTPError as error:
            trouble = f"the server answered {error.code} {error.reason}"
            error.close()
            if error.code < 500 and error.code not in (408, 416, 429):
                break
            if error.code == 416:
                part.unlink(missing_ok=True)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            trouble = str(getattr(error, "reason", error)) or type(error).__name__
        except OSError as error:
            raise BadInput(f"{part} can't be written: {error.strerror or error}.") from error
    else:
        raise BadInput(f"{url} could not be fetched: {trouble}. What came is kept; try again, or put the file into {folder} by hand.")
    if not part.exists():
        raise BadInput(f"{url} could not be fetched: {trouble}. Put the file into {folder} by hand, or set MORELIKE_DATA.")
    found = _sha256(part)
    if found not in file.sha256:
        part.unlink()
        raise BadInput(f"{url} gave a file with the wrong checksum (SHA-256 {found}); it was deleted. Expected {file.sha256[0]}.")
    os.replace(part, target)
    return target


def _receive(file: Remote, url: str, part: Path, progress: Progress) -> bool:
    """Appends to `part`; True where the server's whole file has come."""
    have = part.stat().st_size if part.exists() else 0
    if have >= file.size:
        # Complete but never renamed: the checksum decides.
        return True
    headers = {"User-Agent": "morelike", **({"Range": f"bytes={have}-"} if have else {})}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT) as reply:
        resumed = reply.status == 206 and str(reply.headers.get("Content-Range", "")).startswith(f"bytes {have}-")
        if not resumed:
            have = 0
        length = reply.headers.get("Content-Length")
        total = have + int(length) if length is not None and length.isdigit() else None
        with part.open("ab" if resumed else "wb") as out:
            while block := reply.read(_BLOCK):
                out.write(block)
                have += len(block)
                if have > file.size:
                    raise BadInput(f"{url} is longer than the {file.size:,} bytes it should have; it was not kept.")
                progress(file.name, have, total or file.size)
    return total is None or have == total


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

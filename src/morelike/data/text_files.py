"""Text files: which encoding their bytes are in, and their characters, in memory where they are small.

Every rule is a guess that can be wrong but for UTF-8, a byte-order mark and plain ASCII; so what was chosen is always said.
"""

from __future__ import annotations

import codecs
import gzip
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO

import numpy as np

from ..core.errors import BadInput
from .files import Files, guarded
from .spill import Spill
from .text_items import Stored, Text

WHOLE = 32 << 20
"""Texts up to so many bytes lie in memory as a str."""
_UNPACKED_LIMIT = 16 << 30
_BLOCK = 1 << 20
_HEAD = 4096
_CONTROLS = bytes(set(range(32)) - {*b"\t\n\v\f\r\x1b"}) + b"\x7f"
_CONTROL_SHARE = 0.01
_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"%PDF", b"\x7fELF", b"GIF8", b"\x93NUMPY", b"\xfd7zXZ", b"BZh", b"(\xb5/\xfd", b"OggS",
    b"fLaC", b"MThd", b"Rar!", b"7z\xbc\xaf", b"SQLite",
)  # fmt: skip
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_LEGACY = [
    "cp1252", "cp1251", "cp1250", "cp949", "cp932", "euc_jp", "gb18030", "big5", "cp1255", "koi8_r", "cp1253", "cp1254", "cp1256", "cp1257",
    "cp1258", "cp874", "iso8859_2", "iso8859_5", "iso8859_7", "mac_roman", "cp437", "cp850", "cp866",
]  # fmt: skip
_OLDER = frozenset(["mac_roman", "cp437", "cp850"])
"""Encodings of Western letters that are much rarer today than Windows-1252."""
_ENOUGH = 32
"""So many bytes beyond ASCII are needed before statistics say more than a default."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How bytes become characters."""

    name: str
    """As Python's codecs call it."""
    how: str
    """Why it was chosen; "" where there was no choice."""
    mark: int = 0
    """Length of the byte-order mark."""


@dataclass(slots=True)
class Read:
    """One file's text and what was said about it."""

    text: Text
    notes: list[str] = field(default_factory=list)


def packed(name: str) -> bool:
    return name.lower().endswith(".gz")


def plain_name(name: str) -> PurePosixPath:
    """A file's name without `.gz`."""
    path = PurePosixPath(name)
    return path.with_suffix("") if packed(name) else path


def opened(files: Files, name: str) -> IO[bytes]:
    """The file's bytes, unpacked where it is gzip."""
    stream = files.open(name)
    return gzip.GzipFile(fileobj=stream) if packed(name) else stream  # type: ignore[return-value]


def is_text(files: Files, name: str) -> bool:
    """Whether a file's first 4,096 bytes can be text."""
    try:
        with guarded(name), opened(files, name) as stream:
            head = stream.read(_HEAD)
        return bool(head) and not _binary(head, detect(head))
    except BadInput:
        return False


def is_numbers(files: Files, name: str) -> bool:
    """Whether a file's first 4,096 bytes are nearly all numbers and what separates them: a table, not a text."""
    try:
        with guarded(name), opened(files, name) as stream:
            head = stream.read(_HEAD)
    except BadInput:
        return False
    solid = head.translate(None, b" \t\r\n")
    digits = len(solid) - len(solid.translate(None, b"0123456789"))
    others = len(solid.translate(None, b"0123456789.,;:+-eE"))
    return bool(solid) and others * 50 < len(solid) and digits * 2 > len(solid)


def blocks(files: Files, name: str) -> Iterator[bytes]:
    """The file's bytes, unpacked, a megabyte at a time. Raises BadInput where it is damaged or unpacks to more than 16 GB."""
    total = 0
    with guarded(name), opened(files, name) as stream:
        while block := stream.read(_BLOCK):
            total += len(block)
            if packed(name) and total > _UNPACKED_LIMIT:
                raise BadInput(f"{name} unpacks to more than {_UNPACKED_LIMIT >> 30} GB; that is more than is read.")
            yield block


def read_text(files: Files, name: str, limit: int = WHOLE) -> Read:
    """The text of a file: a str up to `limit` bytes, else Stored: where it lies, if that is clean UTF-8, or turned into it.

    Notes say the encoding, NUL bytes left out and bytes replaced. Raises BadInput for binary files, naming them.
    """
    first, sample = _sample(files, name)
    encoding = detect(first, sample)
    if any(first.startswith(magic) for magic in _MAGIC):
        raise BadInput(f"{name} isn't text: it begins like a picture, an archive or another binary file. Give a text file.")
    if _binary(sample, encoding):
        where = f"the first in line {_first_control(files, name):,}"
        raise BadInput(f"{name} isn't text: it holds control bytes that no text has, {where}. Give a text file, or take this one out.")
    decoding = _Decoding(encoding)
    parts: list[str] = []
    spill: Spill | None = None
    path = files.local(name)
    stays = path is not None and not packed(name) and encoding.name == "utf-8" and files.sizes[name] > limit
    for text in decoding.run(blocks(files, name)):
        if stays:
            continue
        parts.append(text)
        if spill is None and decoding.taken > limit:
            spill = Spill(np.dtype(np.uint8), 0)
        if spill is not None:
            spill.add(np.frombuffer("".join(parts).encode(), np.uint8))
            parts.clear()
    if stays and not decoding.changed:
        assert path is not None
        return Read(Stored(path, encoding.mark, files.sizes[name]), decoding.said(name))
    if stays:
        spill = Spill(np.dtype(np.uint8), 0)
        for text in _Decoding(encoding).run(blocks(files, name)):
            spill.add(np.frombuffer(text.encode(), np.uint8))
    if spill is not None:
        return Read(Stored(spill.whole(), 0, spill.size), decoding.said(name))
    return Read("".join(parts), decoding.said(name))


def _sample(files: Files, name: str) -> tuple[bytes, bytes]:
    """(the first block, the first that has anything beyond ASCII text): for what is all ASCII at its beginning."""
    first: bytes | None = None
    for block in blocks(files, name):
        first = block if first is None else first
        if not block.isascii() or 0 in block:
            return first, block
    if first is None:
        raise BadInput(f"{name} is empty.")
    return first, first


def detect(first: bytes, sample: bytes | None = None) -> Encoding:
    """The encoding of a text that begins with `first` and goes on with `sample` somewhere.

    A byte-order mark; UTF-16 or 32 by where the zero bytes stand; UTF-8 where at least 19 in 20 of the bytes beyond ASCII
    are right in it; statistics (charset-normalizer, where it is installed and there are 32 such bytes); Windows-1252; Latin-1.
    """
    sample = first if sample is None else sample
    for mark, name in _MARKS:
        if first.startswith(mark):
            return Encoding(name, f"a byte-order mark says {name.upper()}", len(mark))
    if found := _wide(sample):
        return Encoding(found, f"its zero bytes stand as in {found.upper()}, without a byte-order mark")
    beyond = len(sample.translate(None, bytes(range(128))))
    if not beyond:
        return Encoding("utf-8", "")
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    if text.count("\ufffd") - sample.count("\ufffd".encode()) <= beyond // 20:
        return Encoding("utf-8", "")
    mixed = _mixed(sample)
    if beyond >= _ENOUGH and (guess := _guess(sample)):
        return Encoding(guess, f"it isn't UTF-8; by its letters it is {guess} (if that is wrong, convert it to UTF-8){mixed}")
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return Encoding("latin-1", f"it isn't UTF-8; it was read as Latin-1, which takes any byte{mixed}")
    how = "it isn't UTF-8; read as Windows-1252, the commonest other encoding (if that is wrong, convert it to UTF-8)"
    return Encoding("cp1252", how + mixed)


def _mixed(sample: bytes) -> str:
    """A remark where several of the lines with letters beyond ASCII are UTF-8: lines of other encodings hardly ever are by chance."""
    special = [line for line in sample.split(b"\n")[:-1] if not line.isascii()]
    right = sum("\ufffd" not in line.decode("utf-8", "replace") for line in special)
    if right < 2 or right * 4 < len(special):
        return ""
    return f"; but {right:,} of the {len(special):,} lines looked at with letters beyond ASCII are UTF-8: it may mix encodings"


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: there are zero bytes, and what is decoded is text with spaces or line ends."""
    zeros = np.frombuffer(sample[: len(sample) // 4 * 4], np.uint8).reshape(-1, 4) == 0
    share = zeros.mean(axis=0) if len(zeros) else np.zeros(4)
    if not share.any():
        return None
    wide = {"utf-32-le": share[2:].min() > 0.9, "utf-32-be": share[:2].min() > 0.9}
    likely = [name for name, found in wide.items() if found] or ["utf-16-le", "utf-16-be"]
    strangeness = {name: _strange(codecs.getincrementaldecoder(name)("replace").decode(sample[:_HEAD])) for name in likely}
    best = min(strangeness, key=lambda name: strangeness[name])
    return best if strangeness[best] <= 0.01 else None


def _strange(text: str) -> float:
    """The share of characters that no text has; 1 where there is no space or line end."""
    if not any(letter in " \n\r\u3000" for letter in text):
        return 1.0
    odd = sum(unicodedata.category(letter) in ("Cc", "Cn", "Cs", "Co") and letter not in "\t\n\r\f\v" for letter in text)
    return (odd + text.count("\ufffd")) / len(text)


def _guess(sample: bytes) -> str | None:
    """By statistics of letters; among those that are about as likely the commonest encoding."""
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return None
    sample = sample[: 64 << 10]
    found = list(from_bytes(sample, cp_isolation=_LEGACY))
    if not found:
        return None
    best = min(found, key=lambda match: (match.chaos, -match.coherence))
    near = [match.encoding for match in found if match.chaos <= best.chaos + 0.06 and match.coherence >= best.coherence - 0.05]
    name = next((name for name in _LEGACY if name in near), best.encoding)
    return "cp1252" if name in _OLDER and _misplaced(sample, "cp1252") <= _misplaced(sample, name) else name


def _misplaced(sample: bytes, encoding: str) -> int:
    """How many characters beyond ASCII stand where Western texts have none: signs between letters, capitals behind small letters or alone.
    Tables often have too few and too short words for statistics of letters."""
    text = f" {sample.decode(encoding, 'replace')} "
    count = 0
    for place in np.flatnonzero(np.array([not letter.isascii() for letter in text])).tolist():
        before, letter, after = tuple(text[place - 1 : place + 2])
        sign = not letter.isalpha() and letter not in "\u2019\u2013" and before.isalpha() and after.isalpha()
        capital = letter.isupper() and (before.islower() or not (before.isalpha() or after.isalpha()))
        count += sign or capital or letter in "\ufffd\ufb01\ufb02"
    return count


def _binary(sample: bytes, encoding: Encoding) -> bool:
    if encoding.name.startswith(("utf-16", "utf-32")):
        return False
    return len(sample) - len(sample.translate(None, _CONTROLS)) > _CONTROL_SHARE * len(sample)


def _first_control(files: Files, name: str) -> int:
    """The line of the first control byte that no text has, from 1."""
    passed = 0
    for block in blocks(files, name):
        place = next((place for place, byte in enumerate(block) if byte in _CONTROLS), None)
        if place is not None:
            return passed + block.count(b"\n", 0, place) + 1
        passed += block.count(b"\n")
    return passed + 1


class _Decoding:
    """Bytes to characters block by block, and what had to be changed on the way."""

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self.taken = self.zeros = self.replaced = self.lines = 0
        self.first_zero = self.first_replaced = 0

    @property
    def changed(self) -> bool:
        return bool(self.zeros or self.replaced)

    def run(self, source: Iterator[bytes]) -> Iterator[str]:
        """Characters without NUL; bytes that the encoding doesn't have become U+FFFD."""
        decoder = codecs.getincrementaldecoder(self.encoding.name)("replace")
        skip = self.encoding.mark
        for block in source:
            self.taken += len(block)
            yield self._clean(decoder.decode(block[skip:]), block)
            skip = 0
        if tail := decoder.decode(b"", True):
            yield self._clean(tail, b"")

    def _clean(self, text: str, block: bytes) -> str:
        # U+FFFD may also stand in the file itself; an encoding that lacks it gives no bytes for it.
        own = "\ufffd".encode(self.encoding.name, "ignore")
        bad = text.count("\ufffd") - (block.count(own) if own else 0)
        if bad > 0:
            self.first_replaced = self.first_replaced or self.lines + text.count("\n", 0, text.index("\ufffd")) + 1
            self.replaced += bad
        if "\0" in text:
            self.first_zero = self.first_zero or self.lines + text.count("\n", 0, text.index("\0")) + 1
            self.zeros += text.count("\0")
            self.lines += text.count("\n")
            return text.replace("\0", "")
        self.lines += text.count("\n")
        return text

    def said(self, name: str) -> list[str]:
        notes = [f"{name}: {self.encoding.how}"] if self.encoding.how else []
        if self.zeros:
            what = "NUL byte was" if self.zeros == 1 else "NUL bytes were"
            notes.append(f"{name}: {self.zeros:,} {what} left out, the first in line {self.first_zero:,}")
        if self.replaced:
            what, were = ("place that isn't", "was") if self.replaced == 1 else ("places that aren't", "were")
            where = f"the first in line {self.first_replaced:,}"
            notes.append(f"{name}: {self.replaced:,} {what} {self.encoding.name.upper()} {were} replaced by U+FFFD, {where}")
        return notes


def lines(text: Text) -> Iterator[str]:
    """The lines of a text without their ends, the empty ones too: \\n, \\r\\n or \\r; of a stored text, which is large, \\n or \\r\\n."""
    if isinstance(text, str):
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        yield from text.removesuffix("\n").split("\n") if text else ()
        return
    held: list[bytes] = []
    for block in text.blocks():
        first, *rest = block.split(b"\n")
        held.append(first)
        if rest:
            # joined once a line, however many blocks it runs over
            *full, last = b"".join(held), *rest
            held = [last]
            for line in full:
                yield line.decode("utf-8", "replace").removesuffix("\r")
    if any(held):
        yield b"".join(held).decode("utf-8", "replace").removesuffix("\r")

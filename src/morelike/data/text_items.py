"""Text as items that need not lie in memory: consecutive passages of one text, or the lines of a large file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from ..core.errors import BadInput
from .files import guarded
from .spill import Spill

PIECES = 1000
"""Into how many passages a text of ordinary length is cut; other numbers are fractions or multiples of it."""
_SHORT = ((20_000, PIECES), (2_000, PIECES // 10), (100, 20))
_PIECE_LIMIT = 1_000_000
_JOINED = 64 << 20
_BLOCK = 1 << 20


class Stored:
    """UTF-8 text that lies in a file, read part by part, or as bytes mapped from a nameless file."""

    def __init__(self, place: Path | np.ndarray, start: int, stop: int) -> None:
        """The bytes `start` to `stop` of a file or of an array (n,) uint8."""
        self.place, self.start, self.stop = place, start, stop
        self._written = place.stat().st_mtime_ns if isinstance(place, Path) else 0

    def __len__(self) -> int:
        """In bytes."""
        return self.stop - self.start

    def read(self, start: int, stop: int) -> bytes:
        """The bytes `start` to `stop`. Raises BadInput where the file has changed since it was opened."""
        start, stop = self.start + start, min(self.start + stop, self.stop)
        if isinstance(self.place, np.ndarray):
            return self.place[start:stop].tobytes()
        with guarded(str(self.place)):
            if self.place.stat().st_mtime_ns != self._written:
                raise BadInput(f"{self.place} has changed since it was opened; open it again.")
            with self.place.open("rb") as stream:
                stream.seek(start)
                return stream.read(stop - start)

    def blocks(self) -> Iterator[bytes]:
        """All bytes, a megabyte at a time."""
        for start in range(0, len(self), _BLOCK):
            yield self.read(start, start + _BLOCK)


Text = str | Stored


class Passages(Sequence[str]):
    """Consecutive pieces of one text; joined they are the text."""

    def __init__(self, text: Text, cuts: np.ndarray) -> None:
        """`cuts` (pieces + 1,) rising from 0 to the text's length: characters of a str, bytes of a Stored."""
        self.text, self.cuts = text, cuts

    def __len__(self) -> int:
        return len(self.cuts) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        start, stop = int(self.cuts[row]), int(self.cuts[row + 1])
        return self.text[start:stop] if isinstance(self.text, str) else self.text.read(start, stop).decode("utf-8", "replace")

    def characters(self, index: np.ndarray) -> int:
        """How many characters the passages numbered `index` hold together."""
        if isinstance(self.text, str):
            return int((self.cuts[index + 1] - self.cuts[index]).sum())
        return sum(len(self[int(row)]) for row in index)


def passages(name: str, parts: Sequence[Text]) -> tuple[Passages, list[np.ndarray]]:
    """(items, the item numbers of each part): the parts one after another, each cut at floor(i * length / pieces).

    A text of ordinary length has 1,000 pieces, so that every share in tenths of a percent falls on a cut; no piece is
    longer than about a million characters. Raises BadInput where a part has fewer than 100.
    """
    cuts, offset = [np.zeros(1, np.int64)], 0
    numbers: list[np.ndarray] = []
    whole = join(parts)
    for part in parts:
        pieces = next((count for least, count in _SHORT if len(part) >= least), 0)
        if not pieces:
            raise BadInput(f"{name} holds a text of {len(part)} characters; at least 100 are needed to train, validate and hold some out.")
        pieces *= -(-len(part) // (pieces * _PIECE_LIMIT))
        # The same unit as in the whole: a part that is a str may have become bytes there.
        length = len(part) if isinstance(part, str) is isinstance(whole, str) else len(part.encode())  # type: ignore[union-attr]
        own = offset + np.arange(1, pieces + 1, dtype=np.int64) * length // pieces
        if isinstance(whole, Stored):
            own = np.array([_boundary(whole, int(cut)) for cut in own], dtype=np.int64)
        first = sum(len(rows) for rows in numbers)
        numbers.append(np.arange(first, first + pieces))
        cuts.append(own)
        offset += length
    return Passages(whole, np.concatenate(cuts)), numbers


def _boundary(text: Stored, place: int) -> int:
    """The first place at or after `place` where a character begins."""
    following = text.read(place, place + 3)
    return place + next((step for step, byte in enumerate(following) if byte & 0xC0 != 0x80), len(following))


def join(parts: Sequence[Text]) -> Text:
    """The parts as one text: in memory up to 64 MB, otherwise in a nameless file."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, str) for part in parts) and sum(map(len, parts)) <= _JOINED:
        return "".join(str(part) for part in parts)
    spill = Spill(np.dtype(np.uint8), _JOINED)
    for part in parts:
        for block in [part.encode()] if isinstance(part, str) else part.blocks():
            spill.add(np.frombuffer(block, np.uint8))
    return Stored(spill.whole(), 0, spill.size)


def ended(text: Text) -> list[Text]:
    """The text, and the line end that it lacks: to be joined with another."""
    last = text[-1:] if isinstance(text, str) else text.read(len(text) - 1, len(text)).decode("latin-1")
    return [text] if last in ("\n", "\r") else [text, "\n"]


class Lines(Sequence[str]):
    """The lines of a large text that are not empty, without their ends; `empty`: how many were."""

    def __init__(self, text: Stored) -> None:
        self.text, self.empty = text, 0
        starts: list[np.ndarray] = []
        stops: list[np.ndarray] = []
        place, held = 0, b""
        for block in (*text.blocks(), b""):
            *lines, held = (held + block).split(b"\n") if block else (held, b"")
            sizes = np.array([len(line) + 1 for line in lines], dtype=np.int64)
            full = np.array([bool(line.strip()) for line in lines], dtype=bool)
            after = place + np.cumsum(sizes)
            starts.append((after - sizes)[full])
            stops.append((after - 1)[full])
            self.empty += int((~full).sum()) if block else int(bool(lines[0]) and not full[0])
            place = int(after[-1]) if len(after) else place
        self.starts, self.stops = np.concatenate(starts), np.concatenate(stops)
        self._block = (0, b"")

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        start, stop = int(self.starts[row]), int(self.stops[row])
        first, block = self._block
        if not first <= start <= stop <= first + len(block):
            # A block at a time: lines are mostly read in order.
            first, block = start, self.text.read(start, max(stop, start + _BLOCK))
            self._block = first, block
        return block[start - first : stop - first].decode("utf-8", "replace").rstrip("\r")


def scalars(text: str) -> str:
    """A string with U+FFFD for lone surrogates, which are no characters (JSON can spell them)."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def joined(items: Iterable[str], size: int = _BLOCK, words: bool = False) -> Iterator[str]:
    """Consecutive passages as longer blocks of about `size` characters; with `words` a block ends before white space, where one can."""
    held: list[str] = []
    length = 0
    for item in items:
        held.append(item)
        length += len(item)
        if length < size:
            continue
        block = "".join(held)
        cut = _word_end(block) if words else len(block)
        yield block[:cut]
        held, length = [block[cut:]], len(block) - cut
    if length:
        yield "".join(held)


def _word_end(block: str) -> int:
    """The last place before which a word ends and white space follows; the block's end where there is none."""
    for place in range(len(block) - 1, max(0, len(block) - 100_000), -1):
        if block[place].isspace() and not block[place - 1].isspace():
            return place
    return len(block)


def groups(items: Iterable[str], size: int = _BLOCK) -> Iterator[list[str]]:
    """The items in lists of about `size` characters."""
    group: list[str] = []
    length = 0
    for item in items:
        group.append(item)
        length += len(item)
        if length >= size:
            yield group
            group, length = [], 0
    if group:
        yield group

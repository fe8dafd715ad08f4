"""Text <-> ids: characters, bytes, or byte pairs learned on the spot.

N items, T places, V vocabulary. A running text gives windows of T ids without a stop; separate items (lines, sentences)
are padded with the stop, the last id of the vocabulary.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from ..core.contract import Codec
from ..core.errors import BadInput
from ..core.spec import Tokens
from .text_bpe import BytePairs, thinned
from .text_items import Passages, groups, joined, scalars
from .text_page import draw_page
from .text_survey import CODE_POINTS, TextSurvey, code_points, survey_text, text_sentences

Unit = Literal["characters", "bytes", "bpe"]

RUNNING_WINDOW, _LEAST_WINDOW = 256, 8
LONGEST_ITEM = {"characters": 1024, "bytes": 1024, "bpe": 256}
"""Ids of the longest item that is kept whole where nothing else is asked for."""
_CHARACTER_LIMIT = 5000
_VOCAB_LIMIT = 65_536
_WINDOW_LIMIT = 1 << 16
_BPE_VOCAB = (1000, 8000)
_UNSEEN = -1


class TextCodec(Codec):
    """Raw item: `str`. Decoded: `list[str]`.

    `unit` "characters": the distinct characters of the training part, by code point. 256 bytes stand beside them where the
    whole source has characters that training lacks, or more than 5,000: every string then comes back exactly, spelt by its
    UTF-8 bytes where it must be. Otherwise (65 ids for tiny-Shakespeare) a character that is not known can only come from
    elsewhere; it is replaced by a like one, and `strangers` names it. "bytes" and "bpe" take any string exactly.
    """

    kind: ClassVar[str] = "text"
    loss: ClassVar[str] = "items longer than the window are cut; lone surrogates become U+FFFD; else nothing"

    def __init__(
        self, unit: Unit, characters: Sequence[int], fallback: bool, window: int, running: bool, pairs: BytePairs | None = None,
        said: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """`characters`: code points in the order of their ids (unit characters); `pairs`: the vocabulary of unit bpe."""
        self.unit: Unit = unit
        self.characters, self.fallback = tuple(int(point) for point in characters), fallback
        self.running, self._pairs, self._said = running, pairs, list(said)
        size = len(pairs) if pairs is not None else len(self.characters) + 256 * (fallback or unit == "bytes")
        self.stop = None if running else size
        self.spec: Tokens = Tokens((window,), size + (not running), self.stop, self._alphabet_of_ids())
        self.dtype = np.min_scalar_type(self.spec.vocab - 1)

    def _alphabet_of_ids(self) -> str:
        return f"{zlib.crc32(repr((self.unit, self._pieces, self.stop)).encode()):08x}"

    @property
    def window(self) -> int:
        """T, in ids."""
        return self.spec.shape[0]

    @classmethod
    def fit(  # type: ignore[override]  # each codec names its own settings
        cls, items: Iterable[str], unit: Unit = "characters", vocab: int | None = None, window: int | None = None,
        fallback: bool | None = None, pairs: BytePairs | None = None,
    ) -> Self:  # fmt: skip
        """Reads the training items (a second time for the lengths in byte pairs).

        `vocab`: ids of unit bpe, by default 1,000 to 8,000 by the size of the data. `window`: T of a running text (256
        ids); of separate items the longest allowed (1,024 characters or bytes, 256 byte pairs). `fallback`: whether unit
        characters has the 256 bytes; None = where they are needed. `pairs`: byte pairs that are known already. Raises BadInput
        for settings or items that can't be used.
        """
        _check(unit, vocab, window)
        # `take` leaves the whole source visible: it tells what the items are pieces of, and which characters come elsewhere.
        whole = getattr(items, "whole", items)
        running = isinstance(whole, Passages)
        items = items if isinstance(items, Sequence) or not isinstance(items, Iterator) else list(items)
        seen = survey_text(_strings(items), running)
        if not seen.characters:
            raise BadInput("there is no text to learn from: every item is empty.")
        said = text_sentences(seen, running)
        characters = np.empty(0, np.int64)
        if unit == "characters":
            characters, fallback = _alphabet(seen, getattr(items, "rest", ()), fallback, said)
        elif unit == "bpe" and pairs is None:
            source = joined(_strings(items), words=True) if running else items
            pairs = learn(source, seen.characters, vocab)
        codec = cls(unit, characters.tolist(), bool(fallback), window or _usual_window(seen, unit), running, pairs, said)
        return codec if running else codec._fitted(items, window or LONGEST_ITEM[unit])

    def _fitted(self, items: Iterable[str], longest: int) -> Self:
        """The same with T = the longest of these items and its stop, `longest` at most."""
        most, cut, place = 0, 0, 0
        for group in groups(_strings(items)):
            counts = self._flat(group)[1]
            most, cut, place = max(most, int(counts.max())), cut + int((counts > longest).sum()), place + len(group)
        said = list(self._said)
        if cut:
            said.append(f"{cut:,} of {place:,} training items have more than {longest:,} {self._ids_are} and are cut there (codec.window).")
        return type(self)(self.unit, self.characters, self.fallback, min(most + 1, longest), False, self._pairs, said)

    @property
    def _ids_are(self) -> str:
        return {"characters": "characters", "bytes": "bytes", "bpe": "byte pairs"}[self.unit]

    def describe(self) -> list[str]:
        """Sentences on the text and on its ids."""
        count = self.spec.vocab - (self.stop is not None)
        what = f"Ids are {self._ids_are}: {count:,} of them{' and a stop' if self.stop is not None else ''}"
        beside = ", with all 256 bytes for characters that are not among them" if self.fallback else ""
        shape = f"windows of {self.window:,}" if self.running else f"at most {self.window:,} an item"
        return [*self._said, f"{what}{beside}; {shape}."]

    def pieces(self) -> list[bytes]:
        """The UTF-8 bytes that each id stands for; none for the stop."""
        return [*self._pieces, *([b""] if self.stop is not None else [])]

    @cached_property
    def _pieces(self) -> list[bytes]:
        if self._pairs is not None:
            return self._pairs.pieces()
        single = [bytes([byte]) for byte in range(256)] if self.fallback or self.unit == "bytes" else []
        return [*(chr(point).encode() for point in self.characters), *single]

    def strangers(self, text: str) -> list[str]:
        """The distinct characters of a text that this codec can't give back."""
        if self.unit != "characters" or self.fallback:
            return []
        points = np.unique(code_points(text))
        return [chr(point) for point in points[self._table[points] == _UNSEEN]]

    @cached_property
    def _table(self) -> np.ndarray:
        """(1,114,112) the id of each code point."""
        table = np.full(CODE_POINTS, _UNSEEN, np.int32)
        table[list(self.characters)] = np.arange(len(self.characters))
        return table

    def _instead(self, point: int) -> list[int]:
        """What stands for a character that is not known: its bytes, or the nearest known letters, else a known sign or space."""
        if self.fallback:
            return [len(self.characters) + byte for byte in chr(point).encode()]
        for form in (unicodedata.normalize("NFKD", chr(point)), chr(point).swapcase(), "?", " "):
            found = [int(self._table[ord(letter)]) for letter in form]
            known = [number for number in found if number != _UNSEEN]
            if known:
                return known
        return [0]

    def _flat(self, items: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(ids of all items one after another, (N,) how many each has)."""
        if self.unit != "characters":
            clean = [scalars(item) for item in items]
            if self._pairs is not None:
                return self._pairs.encode(clean)
            raw = [item.encode() for item in clean]
            return np.frombuffer(b"".join(raw), np.uint8), np.array([len(item) for item in raw], dtype=np.int64)
        points = code_points("".join(items))
        counts = np.array([len(item) for item in items], dtype=np.int64)
        ids = self._table[points]
        strange = np.flatnonzero(ids == _UNSEEN)
        if not len(strange):
            return ids, counts
        known: dict[int, list[int]] = {point: self._instead(point) for point in np.unique(points[strange]).tolist()}
        instead = [known[point] for point in points[strange].tolist()]
        extra = np.array([len(found) - 1 for found in instead])
        repeats = np.ones(len(ids), np.int64)
        repeats[strange] += extra
        after = np.concatenate([[0], np.cumsum(repeats)])
        ids = np.repeat(ids, repeats)
        ids[ids == _UNSEEN] = np.concatenate([np.array(found, np.int32) for found in instead])
        ends = np.concatenate([[0], np.cumsum(counts)])
        return ids, np.diff(after[ends])

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """(N,T) ids in the smallest whole-number format. Separate items are padded with the stop; one that is too long is cut.

        Of passages of a running text the first T ids are taken. Raises BadInput naming an item that isn't text or, in a
        running text, is shorter than T.
        """
        wanted = self.window
        # No id stands for more characters than the longest piece has bytes, so what lies further back can't matter.
        reach = wanted * max(map(len, self._pieces)) + 1
        ids, counts = self._flat([item[:reach] for item in _strings(items)])
        if self.running and len(counts) and counts.min() < wanted:
            short = int(counts.argmin())
            raise BadInput(f"item {short} has {counts[short]:,} ids; a window of this running text has {wanted:,}.")
        ends = np.cumsum(counts)
        out = np.full((len(counts), wanted), self.stop or 0, dtype=self.dtype)
        places = np.arange(len(ids)) - np.repeat(ends - counts, counts)
        rows = np.repeat(np.arange(len(counts)), counts)
        kept = places < wanted
        out[rows[kept], places[kept]] = ids[kept]
        for row in np.flatnonzero(counts > wanted) if not self.running else ():
            whole = self._whole(out[row].copy())
            out[row] = self.stop
            out[row, : len(whole)] = whole
        return out

    def _whole(self, ids: np.ndarray) -> np.ndarray:
        """The longest beginning of cut ids that is a text of its own: no half character, and encoded again the same."""
        while len(ids):
            again = self._flat(self.decode(ids[None]))[0]
            if np.array_equal(again, ids):
                break
            ids = again if len(again) < len(ids) else ids[:-1]
        return ids

    def ids(self, items: Iterable[str]) -> np.ndarray:
        """(L,) all ids of consecutive passages, as if they were one string; of separate items one after another, without stops."""
        blocks = list(self.blocks(items))
        return np.concatenate(blocks) if blocks else np.empty(0, self.dtype)

    def blocks(self, items: Iterable[str]) -> Iterator[np.ndarray]:
        """The same block by block, of about a million characters each."""
        source = joined(_strings(items), words=self.unit == "bpe") if self.running else iter(_strings(items))
        for group in ([block] for block in source) if self.running else groups(source):
            yield self._flat(group)[0].astype(self.dtype, copy=False)

    def windows(self, item: str) -> int:
        """How many windows a running text gives; 1 for a separate item."""
        return len(self._flat([item])[0]) // self.window if self.running else 1

    def decode(self, x: np.ndarray) -> list[str]:
        """N strings from ids (N,T), each up to its first stop; bytes that are no UTF-8 become U+FFFD, so it never fails."""
        rows = np.asarray(x).astype(np.int64).clip(0, self.spec.vocab - 1)
        pieces = self.pieces()
        text = []
        for row in rows:
            if self.stop is not None and len(ends := np.flatnonzero(row == self.stop)):
                row = row[: ends[0]]
            text.append(b"".join([pieces[number] for number in row.tolist()]).decode("utf-8", "replace"))
        return text

    def state(self) -> dict[str, Any]:
        pairs = None if self._pairs is None else {"vocab": self._pairs.vocab, "merges": [list(pair) for pair in self._pairs.merges]}
        return {
            "unit": self.unit, "characters": list(self.characters), "fallback": self.fallback, "window": self.window,
            "running": self.running, "pairs": pairs, "said": list(self._said),
        }  # fmt: skip

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        pairs = state["pairs"]
        learned = None if pairs is None else BytePairs(dict(pairs["vocab"]), pairs["merges"])
        rest = (bool(state["fallback"]), int(state["window"]), bool(state["running"]), learned, state["said"])
        return cls(state["unit"], state["characters"], *rest)

    def draw(self, items: Sequence[str], path: Path, columns: int | None = None) -> None:
        """Writes one PNG: the beginnings of the texts set as a page, each under a rule."""
        draw_page(_strings(items), path, columns or 1)


def learn(texts: Iterable[str], characters: int, vocab: int | None = None) -> BytePairs:
    """Byte pairs of texts of so many characters: by default 1,000 to 8,000 of them, by that number."""
    size = vocab or int(np.clip(round(3 * characters**0.5, -2), *_BPE_VOCAB))
    return BytePairs.learn(map(scalars, thinned(texts, characters)), size)


def _usual_window(seen: TextSurvey, unit: Unit) -> int:
    """T of a running text: 256 ids, fewer where a fiftieth of the text, which is about what validates, would not hold a window."""
    ids = seen.characters // (5 if unit == "bpe" else 1)
    return int(np.clip(ids // 50, _LEAST_WINDOW, RUNNING_WINDOW))


def _check(unit: str, vocab: int | None, window: int | None) -> None:
    if unit not in get_args(Unit):
        raise BadInput(f"codec.unit must be one of {', '.join(get_args(Unit))}, not {unit!r}.")
    if vocab is not None and (unit != "bpe" or not 257 <= vocab <= _VOCAB_LIMIT):
        raise BadInput(f"codec.vocab is the size of unit bpe, 257 to {_VOCAB_LIMIT:,}; it is {vocab} with unit {unit}.")
    if window is not None and not 2 <= window <= _WINDOW_LIMIT:
        raise BadInput(f"codec.window must be between 2 and {_WINDOW_LIMIT:,} ids, not {window}.")


def _alphabet(seen: TextSurvey, rest: Iterable[str], fallback: bool | None, said: list[str]) -> tuple[np.ndarray, bool]:
    """(code points that get an id, whether bytes stand beside them); `said` hears of characters that have none.

    `rest`: the source's items that are not trained on, of which only the set of characters is looked at.
    """
    points = seen.seen
    if len(points) > _CHARACTER_LIMIT and fallback is not False:
        often = np.argsort(-seen.counts[points], kind="stable")[:_CHARACTER_LIMIT]
        said.append(f"The {len(points) - _CHARACTER_LIMIT:,} rarest characters are spelt by their bytes.")
        points, fallback = np.sort(points[often]), True
    if fallback is None:
        new: set[int] = set()
        for block in joined(rest):
            letters = code_points(block)
            new.update(letters[seen.counts[letters] == 0].tolist())
        if fallback := bool(new):
            shown = ", ".join(_named(chr(point)) for point in sorted(new)[:5]) + (", ..." if len(new) > 5 else "")
            said.append(f"{len(new):,} characters of the other parts never come in training ({shown}); they are spelt by their bytes.")
    return points, bool(fallback)


def _named(letter: str) -> str:
    return f"{letter!r}" if letter.isprintable() else f"U+{ord(letter):04X}"


def _strings(items: Any) -> Any:
    """The items, after a look at the first: text or not."""
    if isinstance(items, str):
        raise BadInput("give a list of texts, not a single one.")
    first = items[0] if isinstance(items, (Sequence, np.ndarray)) and len(items) else ""
    if not isinstance(first, str):
        raise BadInput(f"text items must be str, but the first is {type(first).__name__}.")
    return items

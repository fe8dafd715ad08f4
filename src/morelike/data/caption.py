"""Captions <-> ids, as conditions: words of the training captions, and letters for all other words.

N captions, T places, V vocabulary.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..core.contract import Codec
from ..core.spec import Tokens
from .text_page import draw_page

SHORTEST, LONGEST = 16, 64
"""Bounds of the ids of the longest caption that is kept whole."""
MOST_WORDS = 8192
_UNKNOWN = "\ufffd"
_WORDS = re.compile(rf"[\w{_UNKNOWN}]+|[^\w\s{_UNKNOWN}]")
_TIGHT_BEFORE, _TIGHT_AFTER = re.compile(r" ([,.;:!?)\]'-])"), re.compile(r"([(\['-]) ")


def words_of(caption: str) -> list[str]:
    """Words and signs of a caption, without case."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", caption).casefold())
    return _WORDS.findall(plain.replace("’", "'"))


class CaptionCodec(Codec):
    """Raw item: `str`; an empty one is no caption, all stop. Decoded: `list[str]`.

    A word that two training captions hold is one id. Others, in training too, are spelt: a letter that begins a word and one that goes
    on have ids of their own. A letter that no training caption holds is U+FFFD.
    """

    kind: ClassVar[str] = "caption"
    loss: ClassVar[str] = "case, spaces, letters that no training caption holds, and what is beyond T ids"

    def __init__(self, words: Sequence[str], letters: Sequence[str], window: int, said: Sequence[str] = ()) -> None:
        """`words` and `letters` in the order of their ids, `window` T."""
        self.words, self.letters, self._said = tuple(words), tuple(letters), list(said)
        self._pieces = [*self.words, *self.letters, *self.letters]
        self._word = {word: number for number, word in enumerate(self.words)}
        self._letter = {letter: len(self.words) + number for number, letter in enumerate(self.letters)}
        self.stop = len(self._pieces)
        self.spec: Tokens = Tokens((window,), self.stop + 1, self.stop)
        self.dtype = np.min_scalar_type(self.stop)

    @classmethod
    def fit(cls, items: Iterable[str]) -> Self:  # type: ignore[override]  # there are no settings
        """Learns words and letters of the training captions. T is twice their longest, for new words are spelt: 16 to `LONGEST`."""
        split = [words_of(item) for item in items]
        held = Counter(word for caption in split for word in set(caption))
        common = sorted((-count, word) for word, count in held.items() if count > 1)
        letters = sorted({letter for caption in split for word in caption for letter in word} - {_UNKNOWN})
        codec = cls([word for _, word in common[:MOST_WORDS]], [*letters, _UNKNOWN], 2)
        lengths = [sum(len(codec._spelt(word)) for word in caption) for caption in split]
        cut = sum(length > LONGEST for length in lengths)
        said = [f"{cut:,} of {len(split):,} training captions have more than {LONGEST} ids and are cut there."] if cut else []
        empty = sum(not caption for caption in split)
        if empty:
            said.append(f"{empty:,} of {len(split):,} training items have no caption, and are learnt without.")
        return cls(codec.words, codec.letters, min(max([SHORTEST, *(2 * length for length in lengths)]), LONGEST), said)

    def describe(self) -> list[str]:
        """Sentences on the captions and on their ids."""
        count, letters = len(self.words), len(self.letters) - 1
        ids = f"Ids are {count:,} words that two training captions hold, and {letters:,} letters for other words"
        return [*self._said, f"{ids}; at most {self.spec.shape[0]} a caption."]

    def strange(self, captions: Iterable[str]) -> list[str]:
        """The distinct words that no two training captions hold, the commonest first: they are spelt by letters."""
        met = Counter(word for caption in captions for word in words_of(caption) if word not in self._word)
        return [word for word, _ in met.most_common()]

    def cut(self, captions: Iterable[str]) -> int:
        """How many captions are longer than T."""
        return sum(sum(len(self._spelt(word)) for word in words_of(caption)) > self.spec.shape[0] for caption in captions)

    def _spelt(self, word: str) -> list[int]:
        """The ids of a word."""
        if word in self._word:
            return [self._word[word]]
        unknown = self._letter[_UNKNOWN]
        first, *rest = (self._letter.get(letter, unknown) for letter in word)
        return [first, *(number + len(self.letters) for number in rest)]

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """(N,T) ids, filled up with the stop."""
        out = np.full((len(items), self.spec.shape[0]), self.stop, dtype=self.dtype)
        for row, item in enumerate(items):
            ids = [number for word in words_of(item) for number in self._spelt(word)][: out.shape[1]]
            out[row, : len(ids)] = ids
        return out

    def decode(self, x: np.ndarray) -> list[str]:
        """N captions from ids (N,T), each up to its first stop."""
        goes_on = self.stop - len(self.letters)
        found = []
        for row in np.asarray(x).astype(np.int64).clip(0, self.stop).tolist():
            ids = row[: row.index(self.stop)] if self.stop in row else row
            text = "".join(self._pieces[number] if number >= goes_on else f" {self._pieces[number]}" for number in ids)
            found.append(_TIGHT_AFTER.sub(r"\1", _TIGHT_BEFORE.sub(r"\1", text)).strip())
        return found

    def state(self) -> dict[str, Any]:
        return {"words": list(self.words), "letters": list(self.letters), "window": self.spec.shape[0], "said": list(self._said)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["words"], state["letters"], int(state["window"]), state["said"])

    def draw(self, items: Sequence[str], path: Path, columns: int | None = None) -> None:
        """Writes one PNG: the captions set as a page."""
        draw_page(items, path, columns or 1)

"""Byte-pair encoding over bytes, learned on the spot (Sennrich, Haddow, Birch 2016, arXiv:1508.07909): needs the extra `text`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import BadInput
from .text_items import groups

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LEARNED = 64 << 20
"""Characters that merges are learned from; a longer text gives every n-th block."""


def byte_letters() -> dict[str, int]:
    """The printable letter that stands for each byte in a byte-level vocabulary (the convention of GPT-2's tokeniser)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


class BytePairs:
    """Text <-> ids of frequent byte sequences. Any string comes back exactly, for all 256 bytes are in the vocabulary."""

    def __init__(self, vocab: dict[str, int], merges: Sequence[Sequence[str]]) -> None:
        """`vocab`: letters of a byte sequence -> id; `merges` in the order they are made. Raises BadInput without the extra."""
        self.vocab, self.merges = vocab, [(str(left), str(right)) for left, right in merges]
        self._tokenizer = _tokenizer(vocab, self.merges)

    @classmethod
    def learn(cls, blocks: Iterable[str], size: int) -> BytePairs:
        """`size` ids at most, from blocks of text. Raises BadInput without the extra."""
        tokenizer = _tokenizer({}, [])
        from tokenizers import pre_tokenizers, trainers

        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=[], show_progress=False)
        tokenizer.train_from_iterator(blocks, trainer)
        model = json.loads(tokenizer.to_str())["model"]
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        return cls(model["vocab"], pairs)

    def __len__(self) -> int:
        return len(self.vocab)

    def pieces(self) -> list[bytes]:
        """The bytes of each id."""
        letters = byte_letters()
        found = [b""] * len(self.vocab)
        for word, number in self.vocab.items():
            found[number] = bytes(letters[letter] for letter in word)
        return found

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(ids of all texts one after another, how many each has)."""
        ids: list[np.ndarray] = []
        for group in groups(texts):
            ids += [np.array(found.ids, dtype=np.uint32) for found in self._tokenizer.encode_batch_fast(group, add_special_tokens=False)]
        return np.concatenate(ids) if ids else np.empty(0, np.uint32), np.array([len(row) for row in ids], dtype=np.int64)


def _tokenizer(vocab: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers
    except ImportError as error:
        raise BadInput("unit bpe needs the package tokenizers: pip install 'morelike[text]'; or take characters or bytes.") from error
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def thinned(blocks: Iterable[str], total: int) -> Iterator[str]:
    """Every n-th block, so that at most about 64 million of `total` characters are learned from."""
    every = -(-total // _LEARNED)
    return (block for number, block in enumerate(blocks) if number % max(1, every) == 0)

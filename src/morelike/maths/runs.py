"""Runs of symbols that two sequences share."""

from __future__ import annotations

from collections.abc import Sequence


class Runs:
    """The longest run of symbols that a sequence shares with any of many."""

    def __init__(self, known: Sequence[Sequence[int]]) -> None:
        self._known = [tuple(one) for one in known]
        self._seen: dict[int, set[int]] = {}

    def longest(self, sequence: Sequence[int]) -> int:
        """Symbols; 0 where none is shared. Runs within a shared run are shared, so the length is found by halving."""
        own = tuple(sequence)
        least, most = 0, len(own)
        while least < most:
            middle = (least + most + 1) // 2
            if self._shares(own, middle):
                least = middle
            else:
                most = middle - 1
        return least

    def _shares(self, own: tuple[int, ...], length: int) -> bool:
        if length not in self._seen:
            self._seen[length] = {hash(one[at : at + length]) for one in self._known for at in range(len(one) - length + 1)}
        seen = self._seen[length]
        return any(hash(own[at : at + length]) in seen for at in range(len(own) - length + 1))

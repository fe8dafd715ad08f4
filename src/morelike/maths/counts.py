"""How often each id followed each context: a sorted sparse table, in rows (compressed sparse rows), for any number of contexts.

C contexts seen, P pairs of a context and an id seen, Q contexts asked for, R pairs found. A key is an int64 below 2^40 of its
context; ABSENT has no counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

KEY_BITS = 32
ID_BITS = 20
ABSENT = -1


@dataclass(frozen=True, slots=True)
class Counts:
    """The table; never changed in place."""

    keys: Tensor
    """(C,) int64, rising."""
    first: Tensor
    """(C+1,) int32: where each context's pairs begin."""
    ids: Tensor
    """(P,) int32, rising within a context."""
    counts: Tensor
    """(P,) int32."""

    def spread(self, keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(question, id, count), (R,) int64 each: all pairs of the contexts asked for, (Q,) keys, in the order of the questions."""
        if not len(self.keys):
            none = keys.new_zeros(0)
            return none, none, none
        place = torch.searchsorted(self.keys, keys.contiguous()).clamp_(max=len(self.keys) - 1)
        begin = self.first[place].long()
        many = torch.where(self.keys[place] == keys, self.first[place + 1] - begin, 0)
        question = torch.repeat_interleave(many)
        pair = torch.arange(len(question), device=keys.device) + (begin - many.cumsum(0) + many)[question]
        return question, self.ids[pair].long(), self.counts[pair].long()

    def codes(self) -> Tensor:
        """(P,) int64, rising: key and id of each pair in one number."""
        many = (self.first[1:] - self.first[:-1]).long()
        return torch.repeat_interleave(self.keys, many) << ID_BITS | self.ids.long()


def empty(device: torch.device | str = "cpu") -> Counts:
    """A table of nothing."""
    whole = torch.zeros(0, dtype=torch.int32, device=device)
    return Counts(torch.zeros(0, dtype=torch.int64, device=device), torch.zeros(1, dtype=torch.int32, device=device), whole, whole)


def count(keys: Tensor, ids: Tensor, counted: Tensor | None = None) -> Counts:
    """Counts of ids (*,) after each of their contexts' keys (*,K); only where `counted` (*,) bool, if given."""
    if counted is not None:
        keys, ids = keys[counted], ids[counted]
    codes = (keys << ID_BITS | ids[..., None]).flatten()
    # numpy sorts int64 about ten times faster than torch on a CPU
    ordered = np.sort(codes[codes >= 0].cpu().numpy())
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    places = np.flatnonzero(fresh)
    return from_codes(ordered[places], np.diff(np.append(places, len(ordered))), keys.device)


def from_codes(codes: np.ndarray, counts: np.ndarray, device: torch.device | str = "cpu") -> Counts:
    """A table from its pairs' codes, (P,) int64, rising and each once, and their counts (P,)."""
    keys = codes >> ID_BITS
    fresh = np.ones(len(keys), dtype=bool)
    fresh[1:] = keys[1:] != keys[:-1]
    places = np.flatnonzero(fresh)
    ids = codes & ((1 << ID_BITS) - 1)
    columns = (keys[places], np.append(places, len(keys)).astype(np.int32), ids.astype(np.int32), counts.astype(np.int32))
    key, first, whole, many = (torch.from_numpy(np.ascontiguousarray(column)).to(device) for column in columns)
    return Counts(key, first, whole, many)


def merge(one: Counts, other: Counts) -> Counts:
    """Both tables' counts added."""
    if not len(one.keys) or not len(other.keys):
        return one if len(one.keys) else other
    codes = torch.cat((one.codes(), other.codes())).cpu().numpy()
    counts = torch.cat((one.counts, other.counts)).cpu().numpy()
    # a stable sort merges two rising runs in linear time
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    places = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    return from_codes(codes[places], np.add.reduceat(counts[order], places), one.keys.device)


def kneser_ney(table: Counts, keys: Tensor, ids: Tensor) -> Counts:
    """`table` and the counts of ids (M,) in contexts of rising order, keys (M,K): the longest one of each place as often as it comes,
    a shorter one once for every different pair of an id and the next longer context (Kneser and Ney 1995; Chen and Goodman 1999,
    section 3: so too where a sequence begins). Adding in parts gives the same as adding at once, but for where the longest differ.
    """
    codes = torch.where(keys < 0, ABSENT, keys << ID_BITS | ids[:, None]).cpu().numpy()
    old = table.codes().cpu().numpy()
    parts, fresh = [], np.zeros(0, dtype=np.int64)
    for order in range(codes.shape[1] - 1, -1, -1):
        longest = codes[:, order] >= 0
        if order + 1 < codes.shape[1]:
            longest &= codes[:, order + 1] < 0
        places = np.concatenate((np.flatnonzero(longest), fresh))
        pairs, first, many = np.unique(codes[places, order], return_index=True, return_counts=True)
        parts.append((pairs, many))
        fresh = places[first][~np.isin(pairs, old, assume_unique=True)]
    pairs, many = (np.concatenate(columns) for columns in zip(*parts[::-1], strict=True))
    return merge(table, from_codes(pairs, many, keys.device))


def lookup(table: Counts, keys: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(count of ids (Q,) after the contexts, (Q,) keys; the contexts' totals; their numbers of distinct ids), (Q,) float32 each."""
    if not len(table.keys):
        nothing = torch.zeros(len(keys), device=keys.device)
        return nothing, nothing, nothing
    place = torch.searchsorted(table.keys, keys.contiguous()).clamp_(max=len(table.keys) - 1)
    hit = table.keys[place] == keys
    begin, end = table.first[place], table.first[place + 1]
    sums = torch.nn.functional.pad(table.counts.cumsum(0), (1, 0))
    codes, asked = table.codes(), keys << ID_BITS | ids
    pair = torch.searchsorted(codes, asked).clamp_(max=len(codes) - 1)
    own = torch.where(codes[pair] == asked, table.counts[pair], 0)
    return own.float(), torch.where(hit, sums[end] - sums[begin], 0).float(), torch.where(hit, end - begin, 0).float()


def discounts(counts: Tensor, highest: float = 0.95) -> Tensor:
    """(4,) float32: what modified Kneser-Ney smoothing takes off a count of 0, 1, 2, 3 and more (Chen and Goodman 1999, eq. 17).

    `counts` (P,): those of one order. A half each where there is too little to tell; at least 0.05, so that something is always
    left for what was never seen.
    """
    once, twice, thrice, four = (float((counts == i).sum()) for i in (1, 2, 3, 4))
    found = [0.0, 0.5, 0.5, 0.5]
    if min(once, twice, thrice) > 0:
        share = once / (once + 2 * twice)
        raw = (1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four / thrice)
        found[1:] = [min(max(value, 0.05), highest * i) for i, value in enumerate(raw, 1)]
    return torch.tensor(found)

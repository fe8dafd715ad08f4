"""Scores that read texts: variety inside a set, and what is new or copied against the training text.

N items; units are words, or characters where the script has no spaces (`text_codes.Units`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import Refused
from .intervals import Floats, Measure, around, resamples
from .scores import Rule, Shown
from .text_codes import Ids, Texts, Units, grams, some_of
from .text_spans import Spans

TRAINING_CHARACTERS = 8_000_000
"""Most training text that is looked at; beyond it whole items are drawn at random."""
_SELF_BLEU_ITEMS = 500
_SMALLEST = 20
_WORDS, _CHARACTERS = 4, 12
SPAN = "copied-span"


def variety_rules() -> dict[str, Rule]:
    """The rules of the scores that count units; noise is varied and new, so no trivial model sets a bar."""
    more, less = Rule("higher", _SMALLEST, bar=False), Rule("lower", _SMALLEST, bar=False)
    return {"distinct-2": more, "self-bleu": less, "novelty": more}


def span_rules() -> dict[str, Rule]:
    """The rule of `copied-span`."""
    return {SPAN: Rule("lower", _SMALLEST, bar=False)}


def ratio(parts: Floats | Ids, wholes: Floats | Ids, weights: Ids | None, largest: float = math.inf) -> Measure | None:
    """Sum of parts (N,) over sum of wholes (N,), bootstrapped over items with weights (B,N); None where the wholes are 0."""
    whole = float(wholes.sum())
    if whole <= 0:
        return None
    value = float(parts.sum()) / whole
    if weights is None:
        return Measure(value)
    wholes_B = weights @ wholes
    draws = (weights @ parts)[wholes_B > 0] / wholes_B[wholes_B > 0]
    return around(value, float(draws.std()), 0.0, largest)


def distinct(ids: Ids, item: Ids, count: int, weights: Ids | None) -> Measure | None:
    """Distinct bigrams over all bigrams of the set (Li et al. 2016, arXiv:1510.03055, section 5.2). None without bigrams."""
    hashes, owner = grams(ids, item, 2)
    if not len(hashes):
        return None
    kinds, kind = np.unique(hashes, return_inverse=True)
    value = len(kinds) / len(hashes)
    if weights is None:
        return Measure(value)
    lengths, draws = np.bincount(owner, minlength=count), []
    for weight in weights:
        there = np.zeros(len(kinds), bool)
        there[kind[weight[owner] > 0]] = True
        draws.append(there.sum() / max(1, int(weight @ lengths)))
    return around(value, float(np.std(draws)), 0.0, 1.0)


def self_bleu(ids: Ids, item: Ids, count: int) -> Floats:
    """(count,) the BLEU-4 of each item with all others as its references, 0 to 1 (Zhu et al. 2018, arXiv:1802.01886, section 3.1).

    BLEU is that of Papineni et al. 2002 (eq. 1 and 3) for single sentences: an order without a match counts 1 / 2^k of a match, the
    k-th time (Chen, Cherry 2014, method 3), and orders longer than the item are left out.
    """
    lengths = np.bincount(item, minlength=count)
    logs, orders, smooth, any_match = np.zeros(count), np.zeros(count), np.ones(count), np.zeros(count, bool)
    for order in (1, 2, 3, 4):
        matches, totals = _clipped(ids, item, count, order)
        there = totals > 0
        smooth = np.where(there & (matches == 0), smooth * 2, smooth)
        precision = np.where(matches > 0, matches, 1 / smooth) / np.maximum(totals, 1)
        logs += np.where(there, np.log(precision), 0.0)
        orders += there
        any_match |= matches > 0
    shortfall = np.minimum(0.0, 1 - _closest(lengths) / np.maximum(lengths, 1))
    values: Floats = np.where(any_match, np.exp(shortfall + logs / np.maximum(orders, 1)), 0.0)
    return values


def _clipped(ids: Ids, item: Ids, count: int, order: int) -> tuple[Ids, Ids]:
    """(matches (count,), totals (count,)): each n-gram counts at most as often as the other item that has it most often."""
    hashes, owner = grams(ids, item, order)
    kind = np.unique(hashes, return_inverse=True)[1].astype(np.int64)
    pairs, times = np.unique(kind * count + owner, return_counts=True)
    kind, owner_of = pairs // count, pairs % count
    ranked = np.lexsort((-times, kind))
    first = np.ones(len(ranked), bool)
    first[1:] = kind[ranked][1:] != kind[ranked][:-1]
    start = np.maximum.accumulate(np.where(first, np.arange(len(ranked)), 0))
    most = times[ranked][start]
    follows = np.append(~first[1:], np.zeros(1, bool))[: len(ranked)]
    second = np.where(follows, np.append(times[ranked][1:], 0)[: len(ranked)], 0)
    others = np.where(first, second, most)
    matches = np.bincount(owner_of[ranked], np.minimum(times[ranked], others), minlength=count)
    return matches.astype(np.int64), np.bincount(owner, minlength=count)


def _closest(lengths: Ids) -> Ids:
    """(N,) the length nearest to each item's among the others, the shorter of two."""
    values, counts = np.unique(lengths, return_counts=True)
    if len(lengths) < 2:
        return lengths
    below, above = np.append(-(1 << 40), values[:-1]), np.append(values[1:], 1 << 40)
    nearest = np.where(values - below <= above - values, below, above)
    found: Ids = np.where(counts > 1, values, nearest)[np.searchsorted(values, lengths)]
    return found


def _texts(shown: Shown) -> Texts:
    if shown.items is None:
        raise Refused("needs the texts themselves")
    return shown.items


class VarietyScores:
    """`distinct-2`, `self-bleu` and `novelty`."""

    def __init__(self, training: Texts, seed: int) -> None:
        """`training` (M,): the training texts; at most 8 million characters of them are looked at."""
        if not len(training):
            raise Refused("needs training items, has none")
        self.rules, self.seed = variety_rules(), seed
        seen = some_of(training, TRAINING_CHARACTERS, seed)
        self.units = Units.of(seen)
        self.extractor = self.units.name
        self.order = _WORDS if self.units.words else _CHARACTERS
        self.known = np.unique(grams(*self.units.flat(seen), self.order)[0])

    def measure(self, shown: Shown) -> dict[str, Measure]:
        items = _texts(shown)
        n, weights = len(items), resamples(len(items), self.seed) if shown.intervals else None
        ids, item = self.units.flat(items)
        found = {"distinct-2": distinct(ids, item, n, weights), "novelty": self._novelty(ids, item, n, weights)}
        few = item < _SELF_BLEU_ITEMS
        each = self_bleu(ids[few], item[few], min(n, _SELF_BLEU_ITEMS))
        deviation = float(each.std()) / len(each) ** 0.5
        if len(ids):
            found["self-bleu"] = around(float(each.mean()), deviation, 0.0, 1.0) if shown.intervals else Measure(float(each.mean()))
        return {name: measure for name, measure in found.items() if measure is not None}

    def _novelty(self, ids: Ids, item: Ids, count: int, weights: Ids | None) -> Measure | None:
        """The share of word 4-grams (character 12-grams) of the items that the training text doesn't have."""
        hashes, owner = grams(ids, item, self.order)
        if not len(self.known):
            return None
        place = np.minimum(np.searchsorted(self.known, hashes), len(self.known) - 1)
        fresh = np.bincount(owner, self.known[place] != hashes, minlength=count)
        return ratio(fresh, np.bincount(owner, minlength=count), weights, 1.0)


class SpanScores:
    """`copied-span`: the mean over items of the longest span of characters that stands verbatim in the training text."""

    extractor = "characters"

    def __init__(self, training: Texts, sets: Sequence[NDArray[Any]], seed: int) -> None:
        """`sets`: the items of every set that will be measured, looked up together: one pass over the training text serves all."""
        if not len(training):
            raise Refused("needs training items, has none")
        self.rules = span_rules()
        together = [text for items in sets for text in items]
        longest = Spans(some_of(training, TRAINING_CHARACTERS, seed)).longest(together)
        ends = np.cumsum([len(items) for items in sets])
        self._longest = {id(items): part for items, part in zip(sets, np.split(longest, ends), strict=False)}

    def measure(self, shown: Shown) -> dict[str, Measure]:
        lengths = self._longest[id(shown.items)]
        value, deviation = float(lengths.mean()), float(lengths.std()) / len(lengths) ** 0.5
        return {SPAN: around(value, deviation, 0.0) if shown.intervals else Measure(value)}



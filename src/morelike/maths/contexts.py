"""What came before each id, as hashed keys: its last n ids for n = 0..N, and the word it stands in with the words before.

B batch, k ids given at once, T length, N highest order, K contexts of a place (N + 1, then three of words), V vocabulary. Hashes
have 32 bits: two contexts of an order are taken for one with a chance of 2^-32, which costs accuracy and never validity. int64
arithmetic wraps, so every device gives the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .counts import ABSENT, KEY_BITS, count, lookup

_FACTOR = 6364136223846793005
_INVERSE = pow(_FACTOR, -1, 1 << 64) - (1 << 64)
_MIX_1, _MIX_2 = -7046029254386353131, -4658895280553007687
WORD_CONTEXTS = 3
"""The word so far; with the word before; with the two words before."""
_CANDIDATES = 32
_SAMPLE = 1 << 16


@dataclass(frozen=True, slots=True)
class ContextState:
    """What is remembered of the ids so far; all that is further back is forgotten."""

    recent: Tensor
    """(B,N) int64, the last ids, the newest at the end."""
    length: Tensor
    """(B,) int64: how many of them count: those since the beginning, or since the last stop and with it."""
    words: Tensor
    """(B,3) int64: hashes of the word so far, of the word before it and of the one before that; 0 = none."""
    ended: Tensor
    """(B,) bool: a stop has come."""

    def rows(self, index: Tensor) -> ContextState:
        """The state of the rows `index`, (B',) int64."""
        return ContextState(self.recent[index], self.length[index], self.words[index], self.ended[index])


def beginning(size: int, orders: int, stop: int | None, device: torch.device) -> ContextState:
    """The state before the first id: nothing in windows of a running text, one stop before an item of its own."""
    recent = torch.full((size, max(1, orders)), stop or 0, dtype=torch.int64, device=device)
    length = torch.full((size,), 0 if stop is None else 1, dtype=torch.int64, device=device)
    words = torch.zeros(size, WORD_CONTEXTS, dtype=torch.int64, device=device)
    return ContextState(recent, length, words, torch.zeros(size, dtype=torch.bool, device=device))


def context_keys(
    x: Tensor, state: ContextState, orders: int, stop: int | None, breaks: Tensor | None = None
) -> tuple[Tensor, ContextState]:
    """(keys (B,k+1,K) int64 of the places before each id of x (B,k) and of the one after the last, the state there).

    A key holds its context's number in its upper bits; ABSENT where so much has not been seen. `breaks` (V,) bool: the ids that end
    a word, where there are any; without it K = N + 1.
    """
    given = x.shape[1]
    held = state.recent.shape[1]
    line = torch.cat((state.recent, x), 1)
    place = torch.arange(given + 1, device=x.device)
    available = state.length[:, None] + place
    if stop is not None:
        stops = _last(torch.where(x == stop, place[:-1], -1))
        available = torch.where(stops >= 0, place - stops, available)
    keys = [torch.zeros_like(available)]
    running = torch.zeros_like(available)
    for order in range(1, orders + 1):
        running = running * _FACTOR + line[:, held - order : held - order + given + 1] + 1
        keys.append(torch.where(available >= order, _key(running, order), ABSENT))
    words = state.words
    if breaks is not None:
        found, words = _words(x, line[:, held - 1 :], state.words, breaks)
        use = (available > 0) & breaks.any()
        keys += [torch.where(use, _key(word, orders + 1 + i), ABSENT) for i, word in enumerate(found)]
    ended = state.ended if stop is None else state.ended | (x == stop).any(1)
    after = ContextState(line[:, line.shape[1] - held :], available[:, -1].clamp(max=held), words, ended)
    return torch.stack(keys, 2), after


def _words(x: Tensor, last: Tensor, words: Tensor, breaks: Tensor) -> tuple[list[Tensor], Tensor]:
    """Three word contexts (B,k+1) each, and the words (B,3) after the last id; `last` (B,k+1): the id before each place."""
    given = x.shape[1]
    place = torch.arange(given + 1, device=x.device)
    powers = torch.cat((place.new_ones(1), place.new_full((given,), _FACTOR))).cumprod(0)
    inverses = place.new_full((given,), _INVERSE).cumprod(0)
    # Horner's rule for every word at once: hash(t) = F^t (S(t) - S(start)), S(t) = sum over i < t of (x_i + 1) F^-(i+1)
    sums = torch.nn.functional.pad(((x + 1) * inverses).cumsum(1), (1, 0))
    ends = breaks[x]
    start = _last(torch.where(ends, place[1:], 0), nothing=0)
    word = powers * (sums - sums.gather(1, start) + torch.where(start == 0, words[:, :1], 0))
    done = _last(torch.where(ends & (word[:, :-1] != 0), place[:-1], -1))
    before = torch.where(done >= 0, word.gather(1, done.clamp(min=0)), words[:, 1:2])
    second = torch.where(done >= 0, before.gather(1, done.clamp(min=0)), words[:, 2:3])
    now = word + torch.where(breaks[last], (last + 1) * _MIX_1, 0)
    # scrambled in between: sums of plain polynomials would be the same for other words
    pair = _scrambled(now) + before
    return [now, pair, _scrambled(pair) + second], torch.stack((word[:, -1], before[:, -1], second[:, -1]), 1)


def _last(marks: Tensor, nothing: int = -1) -> Tensor:
    """(B,k+1): the largest of the marks (B,k) before each place."""
    return torch.nn.functional.pad(marks, (1, 0), value=nothing).cummax(1).values


def _scrambled(running: Tensor) -> Tensor:
    z = (running ^ (running >> 29)) * _MIX_1
    z = (z ^ (z >> 31)) * _MIX_2
    return z ^ (z >> 30)


def _key(running: Tensor, number: int) -> Tensor:
    return _scrambled(running) & ((1 << KEY_BITS) - 1) | number << KEY_BITS


def labelled(keys: Tensor, group: Tensor, classes: int) -> Tensor:
    """(B,k,2K): each context of keys (B,k,K), renumbered, and after it the same one within the row's class, `group` (B,).

    Of rows without a class (`classes`) the latter are ABSENT.
    """
    label = group[:, None, None]
    hashed = keys & ((1 << KEY_BITS) - 1)
    doubled = [torch.where(keys < 0, ABSENT, hashed | (keys >> KEY_BITS) * 2 << KEY_BITS)]
    numbers = torch.arange(keys.shape[2], device=keys.device) * 2 + 1
    own = _key(hashed * _FACTOR + label + 1, 0) | numbers << KEY_BITS
    doubled.append(torch.where((keys < 0) | (label >= classes), ABSENT, own))
    return torch.stack(doubled, 3).flatten(2)


def after_stop(logits: Tensor, ended: Tensor, stop: int | None) -> Tensor:
    """Logits (B,V), but only stop follows in the rows that have `ended` (B,)."""
    if stop is None:
        return logits
    only = torch.full_like(logits[:1], -1e4)
    only[0, stop] = 0.0
    return torch.where(ended[:, None], only, logits)


def find_breaks(x: Tensor, counted: Tensor, vocab: int, stop: int | None) -> Tensor:
    """(V,) bool: which ids end a word, found by what they are good for; all False where words are of no use.

    Of the 32 most frequent ids, those are taken one by one, most frequent first, that lower the surprise of every fourth row
    of x (M,T) when its words predict it, with counts from the other rows. `counted` (M,T) bool: where ids count.
    """
    rows = max(8, _SAMPLE // x.shape[1])
    x, counted = x[:rows], counted[:rows]
    breaks = torch.zeros(vocab, dtype=torch.bool, device=x.device)
    frequency = torch.bincount(x[counted], minlength=vocab)
    if stop is not None:
        breaks[stop], frequency[stop] = True, 0
    if len(x) < 8:
        return breaks
    held = torch.arange(len(x), device=x.device) % 4 == 3
    ids = x[held][counted[held]]
    base = torch.full((len(ids),), 1 / vocab, device=x.device)
    orders, _ = context_keys(x, beginning(len(x), 2, stop, x.device), 2, stop)
    for order in range(3):
        base = _smoothed(orders[:, :-1, order], x, counted, held, base)
    best = float(-base.log().mean())
    for candidate in frequency.argsort(descending=True, stable=True)[:_CANDIDATES].tolist():
        breaks[candidate] = True
        keys, _ = context_keys(x, beginning(len(x), 1, stop, x.device), 1, stop, breaks)
        nats = float(-_smoothed(keys[:, :-1, 2], x, counted, held, base).log().mean())
        if nats < best:
            best = nats
        else:
            breaks[candidate] = False
    return breaks


def _smoothed(keys: Tensor, x: Tensor, counted: Tensor, held: Tensor, base: Tensor) -> Tensor:
    """Probabilities of the held rows' ids under counts of the others, smoothed by `base` (Witten and Bell 1991, method C)."""
    table = count(keys[~held][..., None], x[~held], counted[~held])
    own, total, distinct = lookup(table, keys[held][counted[held]], x[held][counted[held]])
    return torch.where(total > 0, (own + distinct * base) / (total + distinct).clamp(min=1), base)

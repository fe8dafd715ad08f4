"""Drawing sequences from any model that `Continues`: dials, counted draws, streams. B batch, k prefix, T length, V vocabulary.

Each id is drawn from float32 logits by the inverse distribution function of one counted uniform, row by row: what a row gets
never depends on its neighbours, on the batch's size or on whether it is streamed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Condition, Continues
from ..core.errors import BadInput
from ..core.noise import Noise
from ..core.spec import Tokens, live
from .beam import search
from .constraint import Constraint, certain

_ALIVE = 0.75
"""Where at most this share of the rows is still written, the others are left out of the net's work."""
_BLOCK = 256
"""Places whose uniforms are drawn at once; a fixed number, so that a draw doesn't depend on T."""


@dataclass(frozen=True, slots=True)
class Dials:
    """How ids are drawn. The defaults draw from the model's own distribution. Raises BadInput for a value out of its range.

    Applied in this order: constraint, repetition penalty, temperature, top_k, top_p, min_p.
    """

    temperature: float = 1.0
    """Logits are divided by it (Ackley, Hinton, Sejnowski 1985); 0 takes the likeliest id."""
    top_k: int = 0
    """Only the k likeliest ids, ties with the last of them included (Fan et al. 2018, arXiv:1805.04833); 0 = all."""
    top_p: float = 1.0
    """Only the fewest likeliest ids whose probability reaches p, ties included (nucleus; Holtzman et al. 2019, arXiv:1904.09751)."""
    min_p: float = 0.0
    """Only ids at least so likely as this share of the likeliest one (Nguyen et al. 2024, arXiv:2407.01082)."""
    repetition_penalty: float = 1.0
    """Log-probabilities of ids already in the row are multiplied by it (Keskar et al. 2019, arXiv:1909.05858, sec. 4.1, there on logits,
    which are only known up to a constant)."""
    best_of: int = 1
    """So many draws for each row, of which the likeliest under the model is kept (Adiwardana et al. 2020, arXiv:2001.09977)."""
    beam: int = 1
    """Width of a beam search, which is deterministic; 1 = draw."""
    length_penalty: float = 0.6
    """Beam search ranks by log-probability / ((5 + length) / 6) ** length_penalty (Wu et al. 2016, arXiv:1609.08144, eq. 14); 0.6 as used
    there and by Vaswani et al. 2017 (arXiv:1706.03762, sec. 6.1) for translation; 0 = log-probability itself, which favours short texts."""

    def __post_init__(self) -> None:
        for name, low, high, whole in _RANGES:
            value = getattr(self, name)
            kinds = (int,) if whole else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                kind = "a whole number" if whole else "a number"
                raise BadInput(f"{name} must be {kind} from {low:g} to {high:g}, not {value!r}")
        if not self.top_p > 0:
            raise BadInput("top_p must be above 0: it is the share of the probability that is kept")
        if self.beam > 1:
            own = [f for f in fields(Dials) if f.name not in ("beam", "length_penalty")]  # not what a family's Settings add
            changed = [f.name for f in own if getattr(self, f.name) != f.default]
            if changed:
                raise BadInput(f"beam search draws nothing, so {' and '.join(changed)} can't be set with it: leave out either")


_RANGES = (
    ("temperature", 0, 100, False), ("top_k", 0, 10**9, True), ("top_p", 0, 1, False), ("min_p", 0, 1, False),
    ("repetition_penalty", 0.01, 100, False), ("best_of", 1, 1000, True), ("beam", 1, 1000, True), ("length_penalty", 0, 10, False),
)  # fmt: skip


DIALS: tuple[str, ...] = tuple(f.name for f in fields(Dials))
"""The names of the dials, for families whose Settings inherit from `Dials`."""


def dialled(settings: Dials, dials: Mapping[str, Any]) -> Dials:
    """The dials of a family's settings, with those of `dials` put in."""
    return Dials(**{name: dials.get(name, getattr(settings, name)) for name in DIALS})


def weigh(log_probs: Tensor, dials: Dials, seen: Tensor | None = None) -> Tensor:
    """(B,V) log-weights to draw from, -inf where cut away, from log-probabilities (B,V) (-inf where forbidden).

    `seen` (B,V) bool: ids that the row holds already, for the repetition penalty.
    """
    weights = log_probs
    if seen is not None and dials.repetition_penalty != 1:
        weights = torch.where(seen, weights * dials.repetition_penalty, weights)
    if dials.temperature == 0:
        best = weights.argmax(1, keepdim=True)
        return torch.full_like(weights, -torch.inf).scatter_(1, best, 0.0)
    if dials.temperature != 1:
        # the likeliest becomes 0 first, so that no temperature carries all of a row beyond float32
        weights = (weights - weights.amax(1, keepdim=True)) / dials.temperature
    if 0 < dials.top_k < weights.shape[1]:
        weights = weights.masked_fill(weights < _kth(weights, dials.top_k), -torch.inf)
    if dials.top_p < 1:
        probs = torch.softmax(weights, 1)
        weights = weights.masked_fill(probs < _nucleus(probs, dials.top_p), -torch.inf)
    if dials.min_p > 0:
        least = weights.amax(1, keepdim=True) + math.log(dials.min_p)
        weights = weights.masked_fill(weights < least, -torch.inf)
    return weights


def _nucleus(probs: Tensor, share: float) -> Tensor:
    """(B,1) the least of the fewest likeliest probabilities (B,V) that reach `share` together."""
    on_cpu = probs.device.type == "cpu"  # there numpy sorts twenty times as fast
    ordered = torch.from_numpy(np.sort(probs.numpy(), axis=1)).flip(1) if on_cpu else probs.sort(dim=1, descending=True).values
    before = ordered.double().cumsum(1) - ordered
    kept = (before < share - 1e-6).sum(1, keepdim=True)  # float32 rounding: a share that is met is met
    return ordered.gather(1, kept.clamp_(min=1) - 1)


def _kth(weights: Tensor, k: int) -> Tensor:
    """(B,1) the k-th largest of weights (B,V)."""
    if weights.device.type != "cpu":
        return weights.topk(k, 1).values[:, -1:]
    return torch.from_numpy(np.partition(weights.numpy(), -k, axis=1)[:, -k : weights.shape[1] - k + 1])


def pick(log_weights: Tensor, uniform: Tensor, rows: Tensor | None = None) -> Tensor:
    """(B,) ids by inverse distribution function: log-weights (B,V), `uniform` (B,) in (0, 1). An id of weight zero is never taken.

    With `rows` (B,), the log-weights are (G,V), and each draw is by that row of them.
    """
    edges = torch.softmax(log_weights, 1).cumsum(1, dtype=torch.float64)
    count = log_weights.shape[1]
    if rows is None:
        at = uniform.double()[:, None] * edges[:, -1:]
        return torch.searchsorted(edges, at, right=True)[:, 0].clamp_(max=count - 1)
    # row r's edges moved to [r, r + 1]: one search along all of them, and no copy of a row for each draw
    edges.div_(edges[:, -1:].clone()).add_(torch.arange(len(edges), device=edges.device)[:, None])
    found = torch.searchsorted(edges.flatten(), rows + uniform.double(), right=True)
    return (found - rows * count).clamp_(0, count - 1)


def decode(
    model: Continues,
    spec: Tokens,
    condition: Condition = None,
    *,
    noise: Noise,
    prefix: Tensor | None = None,
    dials: Dials | None = None,
    constraint: Constraint | None = None,
) -> Tensor:
    """(B,T) ids, B = noise.size: `prefix` (B,k) and what the model goes on with; after the first stop all is stop.

    A constraint holds for the whole sequence, the prefix included. Raises BadInput for a prefix that is too long or not of this
    vocabulary, Refused where nothing satisfies the constraint.
    """
    dials = dials or Dials()
    prefix = _checked(prefix, spec, noise)
    length = spec.shape[0]
    if prefix.shape[1] > length:
        raise BadInput(f"the prefix has {prefix.shape[1]} ids, and the model writes {length}: shorten it")
    if dials.beam > 1:
        return search(model, spec, condition, prefix=prefix, width=dials.beam, length_penalty=dials.length_penalty, constraint=constraint)
    best, score = _Job(model, spec, condition, noise, prefix, dials, constraint, length).whole()
    for draw in range(1, dials.best_of):
        x, likely = _Job(model, spec, condition, noise.under("best", draw), prefix, dials, constraint, length).whole()
        better = likely > score
        best, score = torch.where(better[:, None], x, best), torch.where(better, likely, score)
    return best


def stream(
    model: Continues,
    spec: Tokens,
    condition: Condition = None,
    *,
    noise: Noise,
    prefix: Tensor | None = None,
    dials: Dials | None = None,
    constraint: Constraint | None = None,
    length: int | None = None,
) -> Iterator[Tensor]:
    """(B,) ids at a time, those after `prefix` (B,k), as `decode` gives them; ends when every row has stopped.

    `length`: ids after the prefix, at most; by default what fits into the Spec's T. It may be larger: a running text goes on, and
    then the prefix may be longer than T too. Raises BadInput for `beam` and `best_of`, which know the first id only with the last.
    """
    dials = dials or Dials()
    for name in ("beam", "best_of"):
        if getattr(dials, name) > 1:
            raise BadInput(f"{name} chooses among whole texts, so it can't be streamed: leave {name} out (drawing whole samples takes it)")
    prefix = _checked(prefix, spec, noise)
    room = spec.shape[0] - prefix.shape[1] if length is None else length
    if room < 0:
        raise BadInput(f"the prefix has {prefix.shape[1]} ids, and the model writes {spec.shape[0]}: shorten it, or give a length")
    steps = _Job(model, spec, condition, noise, prefix, dials, constraint, prefix.shape[1] + room).steps()
    return (ids for ids, _ in steps)


def cut_at(text: str, stops: Sequence[str]) -> str:
    """`text` up to where the first of the stop strings begins; all of it where none occurs."""
    found = [at for at in (text.find(stop) for stop in stops if stop) if at >= 0]
    return text[: min(found)] if found else text


def _checked(prefix: Tensor | None, spec: Tokens, noise: Noise) -> Tensor:
    """The prefix as (B,k) int64 where the noise is. Raises BadInput where it isn't of this batch or vocabulary."""
    if len(spec.shape) != 1:
        raise BadInput(f"only sequences are written id by id, not ids of shape {spec.shape}")
    if prefix is None:
        return torch.zeros(noise.size, 0, dtype=torch.int64, device=noise.index.device)
    if prefix.ndim != 2 or prefix.shape[0] != noise.size:
        raise BadInput(f"the prefix must be ids of shape ({noise.size}, k), not {tuple(prefix.shape)}")
    if prefix.is_floating_point() or (prefix.numel() and not 0 <= int(prefix.min()) <= int(prefix.max()) < spec.vocab):
        raise BadInput(f"the prefix must be whole ids of 0..{spec.vocab - 1}")
    prefix = prefix.to(noise.index.device, torch.int64)
    return prefix if spec.stop is None else torch.where(live(spec, prefix), prefix, spec.stop)


@dataclass(frozen=True, slots=True)
class _Job:
    """One batch to be written: `length` ids a row, those of `prefix` (B,k) included."""

    model: Continues
    spec: Tokens
    condition: Condition
    noise: Noise
    prefix: Tensor
    dials: Dials
    constraint: Constraint | None
    length: int

    def whole(self) -> tuple[Tensor, Tensor]:
        """(x (B,length), log-probability under the model (B,) of what follows the prefix)."""
        batch, place = self.prefix.shape
        x = self.prefix.new_full((batch, self.length), 0 if self.spec.stop is None else self.spec.stop)
        x[:, :place] = self.prefix
        total = torch.zeros(batch, dtype=torch.float64, device=x.device)
        for ids, log_prob in self.steps():
            x[:, place] = ids
            total += log_prob
            place += 1
        return x, total

    def steps(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(ids (B,), their log-probability under the model (B,)) for each place after the prefix, until all rows have stopped."""
        held = None if self.constraint is None else self.constraint.begin(self.prefix.shape[0], self.length, self.prefix)
        return self._steps(held)

    def _steps(self, held: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        stop, new, state = self.spec.stop, self.prefix, None
        ended = torch.zeros_like(new[:, :0].sum(1), dtype=torch.bool) if stop is None else (new == stop).any(1)
        seen = self._seen() if self.dials.repetition_penalty != 1 else None
        uniforms = new.new_zeros(0)
        # the rows that are still written, once those that have ended are left out
        rows = torch.arange(len(new), device=new.device)
        for place in range(self.prefix.shape[1], self.length):
            if stop is not None and bool(ended.all()):
                return
            if place % _BLOCK == 0 or not uniforms.numel():
                uniforms = self.noise.under("ids", place // _BLOCK).uniform((_BLOCK,), "id")
            if state is not None and int((~ended).sum()) <= _ALIVE * len(ended):
                kept = (~ended).nonzero()[:, 0]
                rows, ended, new, state = rows[kept], ended[kept], new[kept], state.rows(kept)
                seen, held = None if seen is None else seen[kept], None if held is None else held[kept.cpu()]
            with torch.no_grad():  # not around the yield, which would leave the caller without gradients
                logits, state = self.model.next(new, self.condition, state)
                log_probs = certain(logits)
                left = self.length - place - 1
                weights = self._allowed(log_probs, held, left)
                ids = pick(weigh(weights, self.dials, seen), uniforms[rows, place % _BLOCK])
                likely = log_probs.gather(1, ids[:, None])[:, 0]
            if stop is not None:
                ids, likely = torch.where(ended, stop, ids), torch.where(ended, 0.0, likely)
            if held is not None and self.constraint is not None:
                held = torch.where(ended.cpu(), held, self.constraint.advance(held, ids.cpu()))
            if stop is not None:
                ended = ended | (ids == stop)
            if seen is not None:
                seen = seen.scatter(1, ids[:, None], True)
            new = ids[:, None]
            if len(rows) < len(self.prefix):
                ids = ids.new_full((len(self.prefix),), stop or 0).index_copy(0, rows, ids)
                likely = likely.new_zeros(len(self.prefix)).index_copy(0, rows, likely)
            yield ids, likely

    def _seen(self) -> Tensor:
        """(B,V) bool: the ids of the prefix."""
        empty = torch.zeros(self.prefix.shape[0], self.spec.vocab, dtype=torch.bool, device=self.prefix.device)
        return empty.scatter_(1, self.prefix, True)

    def _allowed(self, log_probs: Tensor, held: Tensor | None, left: int) -> Tensor:
        """Log-probabilities (B,V) with -inf for what the constraint forbids; rows that ended are left as they are."""
        if held is None or self.constraint is None:
            return log_probs
        allowed = self.constraint.allowed(held, left)
        allowed |= ~allowed.any(1, keepdim=True)  # a row that has ended may have nothing left; what it draws is not used
        return log_probs.masked_fill(~allowed.to(log_probs.device), -torch.inf)

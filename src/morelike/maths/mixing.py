"""Counts of many contexts mixed into one distribution by a learned gate.

N places, K contexts (experts), V vocabulary, P pairs of a place and an id that some context has seen there, F confidence features.
Each expert k gives p_k = discounted counts + what they leave * p_base(k) (interpolated smoothing, Chen and Goodman 1999); the
mixture is log-linear, log p(s) = sum over k of w_k log p_k(s) + v_k [k has seen s] + constant (logistic mixing, Mattern 2012 and
Mahoney 2005, for whole alphabets), where the gate, a small net, makes w and v from how sure each expert may be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from ..core.noise import Noise
from .counts import Counts

GRID = 256
"""Up to so many ids, all of them are looked at in every place; above, only those that some context has seen."""
FEATURES = 6
"""Confidence features of one expert: hit, log total, log distinct ids, share of ids seen once, largest share, its logarithm."""
_FEWEST_STEPS, _MOST_STEPS, _RATE, _PULL = 100, 400, 0.01, 10.0
_PLAIN, _PLAIN_SHARE = 4, 0.03
Table = tuple[Counts, int]
"""Counts and the weight at which they enter: -1 takes them out."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the experts say in some places. Where V is at most GRID, P = N V, in order."""

    place: Tensor
    """(P,) int64."""
    ids: Tensor
    """(P,) int64."""
    log_probs: Tensor
    """(P,K) float32."""
    seen: Tensor
    """(P,K) float32: 1 where the expert has seen the id here."""
    left: Tensor
    """(N,K): log of what remains of the order-0 probability of an id that no longer context has seen here."""
    unigram: Tensor
    """(V,): log-probabilities of order 0."""
    known: Tensor
    """(V,) float32: 1 where order 0 has seen the id."""
    features: Tensor
    """(N,F), F = K * FEATURES."""


def bases(orders: int) -> list[int]:
    """The expert (by number) that each expert falls back to, -1 = all ids alike: the next lower order; the first word context to
    order 2, the others to the word context before them."""
    return [*range(-1, orders), min(2, orders), orders + 1, orders + 2]


def gather(keys: Tensor, tables: Sequence[Table], discount: Tensor, base: Sequence[int], vocab: int) -> Evidence:
    """What the tables know about places with contexts `keys` (N,K), expert 0 having the same context in all of them.

    `discount` (K,4): what is taken off counts of 0, 1, 2, 3 and more.
    """
    zero = _order_zero(tables, vocab, keys.device)
    place, ids, counts = _pairs(keys, tables, zero, vocab)
    size, experts = keys.shape
    off = discount[torch.arange(experts, device=keys.device), counts.clamp(max=3).long()]
    total, taken, features = _confidence(counts, off, place, zero, discount, size)
    share = torch.where(total > 0, taken / total.clamp(min=1), 1.0)
    kept = (counts - off) / total.clamp(min=1)[place]
    p: list[Tensor] = []
    left: list[Tensor] = []
    for k in range(experts):
        if base[k] < 0:
            p.append(kept[:, k] + share[0, 0] / vocab)
            left.append(torch.zeros(size, device=keys.device))
        else:
            p.append(kept[:, k] + share[:, k][place] * p[base[k]])
            left.append(share[:, k].log() + left[base[k]])
    unigram = (zero - discount[0][zero.clamp(max=3).long()]) / zero.sum().clamp(min=1) + share[0, 0] / vocab
    log_probs = torch.stack(p, 1).log_()
    return Evidence(place, ids, log_probs, (counts > 0).float(), torch.stack(left, 1), unigram.log(), (zero > 0).float(), features)


def _order_zero(tables: Sequence[Table], vocab: int, device: torch.device) -> Tensor:
    """(V,) float32: how often each id was seen at all."""
    zero = torch.zeros(vocab, device=device)
    for table, weight in tables:
        _, ids, counts = table.spread(torch.zeros(1, dtype=torch.int64, device=device))
        zero[ids] += weight * counts
    return zero.clamp_(min=0)


def _pairs(keys: Tensor, tables: Sequence[Table], zero: Tensor, vocab: int) -> tuple[Tensor, Tensor, Tensor]:
    """(place (P,), id (P,), counts (P,K) float32)."""
    size, experts = keys.shape
    asked = keys[:, 1:].flatten()
    found = []
    for table, weight in tables:
        question, ids, counts = table.spread(asked)
        found.append((question // (experts - 1) * vocab + ids, question % (experts - 1) + 1, weight * counts.float()))
    if vocab <= GRID:
        codes = torch.arange(size * vocab, device=keys.device)
        slots = [code for code, _, _ in found]
    else:
        codes = torch.cat([code for code, _, _ in found]).unique()  # type: ignore[no-untyped-call]
        slots = [torch.searchsorted(codes, code) for code, _, _ in found]
    place, ids = codes // vocab, codes % vocab
    table_counts = torch.zeros(len(codes) * experts, device=keys.device)
    for slot, (_, expert, counts) in zip(slots, found, strict=True):
        table_counts.index_add_(0, slot * experts + expert, counts)
    held = table_counts.view(-1, experts)
    held[:, 0] = zero[ids]
    # what is taken out may never have been counted, where there was no room for it
    return place, ids, held.clamp_(min=0) if any(weight < 0 for _, weight in tables) else held


def _confidence(
    counts: Tensor, off: Tensor, place: Tensor, zero: Tensor, discount: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(total (N,K), discounts taken (N,K), features (N,F)) of the counts (P,K)."""
    grid = len(zero) <= GRID
    total, taken, distinct, once = (
        values.view(size, len(zero), -1).sum(1) if grid else values.new_zeros(size, values.shape[1]).index_add_(0, place, values)
        for values in (counts, off, (counts > 0).float(), (counts == 1).float())
    )
    if grid:
        most = counts.view(size, len(zero), -1).amax(1)
    else:
        most = torch.zeros_like(total).scatter_reduce_(0, place[:, None].expand_as(counts), counts, "amax")
    # order 0 is the same everywhere, and not only the ids at hand count
    total[:, 0], taken[:, 0] = zero.sum(), discount[0][zero.clamp(max=3).long()].sum()
    distinct[:, 0], once[:, 0], most[:, 0] = (zero > 0).sum(), (zero == 1).sum(), zero.max()
    wide = total + 1
    parts = ((total > 0).float(), wide.log(), (distinct + 1).log(), once / wide, most / wide, ((most + 1) / wide).log())
    return total, taken, torch.cat(parts, 1)


def alone(evidence: Evidence, expert: int) -> Tensor:
    """(N,V) log-probabilities of one expert, normalised."""
    size, vocab = len(evidence.left), len(evidence.unigram)
    if vocab <= GRID:
        return evidence.log_probs[:, expert].view(size, vocab)
    return (evidence.left[:, expert, None] + evidence.unigram).index_put((evidence.place, evidence.ids), evidence.log_probs[:, expert])


@dataclass(frozen=True, slots=True)
class Gate:
    """A net of one hidden layer (H units) from standardised features to the experts' weights w and v."""

    mean: Tensor
    """(F,)"""
    scale: Tensor
    """(F,)"""
    inner: Tensor
    """(H,F)"""
    inner_bias: Tensor
    outer: Tensor
    """(2K,H)"""
    outer_bias: Tensor

    def standardised(self, evidence: Evidence) -> Tensor:
        """(N,F): features by their mean and spread where the gate was fitted; what lies far outside counts as the edge."""
        return ((evidence.features - self.mean) * self.scale).clamp(-3, 3)

    def mix(self, evidence: Evidence) -> Tensor:
        """(N,V) log-probabilities, normalised: the log-linear mixture and, with a share of 0.03, the expert of order 4 as it is.

        The latter bounds what the gate's overconfidence can cost on text unlike the training text (measured on tiny-Shakespeare,
        trained on its first 100,000 characters, tested on the last plays: 2.198 nats without, 2.175 with).
        """
        size, experts, vocab = len(evidence.features), evidence.left.shape[1], len(evidence.unigram)
        hidden = torch.nn.functional.gelu(self.standardised(evidence) @ self.inner.T + self.inner_bias)
        w, v = (hidden @ self.outer.T + self.outer_bias).view(size, 2, experts).unbind(1)
        if vocab <= GRID:
            logits = torch.bmm(evidence.log_probs.view(size, vocab, experts), w[:, :, None])
            logits = torch.baddbmm(logits, evidence.seen.view(size, vocab, experts), v[:, :, None])[:, :, 0]
        else:
            nowhere = (w * evidence.left).sum(1, keepdim=True)
            logits = w.sum(1, keepdim=True) * evidence.unigram + nowhere + v[:, :1] * evidence.known
            here = (w[evidence.place] * evidence.log_probs + v[evidence.place] * evidence.seen).sum(1)
            logits = logits.index_put((evidence.place, evidence.ids), here)
        plain = alone(evidence, min(_PLAIN, experts - 1))
        return torch.logaddexp(logits.log_softmax(1) + math.log1p(-_PLAIN_SHARE), plain + math.log(_PLAIN_SHARE))


def fresh_gate(experts: int, hidden: int) -> Gate:
    """The gate before any fitting: the plain geometric mean of the experts."""
    width = experts * FEATURES
    inner = (Noise(0, hidden, path=("gate",)).uniform((width,)) * 2 - 1) / math.sqrt(width)
    outer_bias = torch.cat((torch.full((experts,), 1 / experts), torch.zeros(experts)))
    return Gate(torch.zeros(width), torch.ones(width), inner, torch.zeros(hidden), torch.zeros(2 * experts, hidden), outer_bias)


def fit_gate(gate: Gate, batches: Sequence[tuple[Evidence, Tensor]]) -> Gate:
    """The gate that mixes best for the ids (N,) in the places of each batch, by Adam: 100 steps and ten a batch, at most 400.

    The evidence must leave out those ids' own counts. A Gaussian prior of variance 0.1 around the gate as it comes keeps a few
    ids from bending it much.
    """
    features = torch.cat([evidence.features for evidence, _ in batches])
    spread = features.std(0).clamp(min=0.3) if len(features) > 1 else torch.ones_like(features[0])
    gate = replace(gate, mean=features.mean(0), scale=1 / spread)
    learned = [field.name for field in fields(gate)[2:]]
    before = [getattr(gate, name).detach().clone() for name in learned]
    pull = _PULL / (2 * len(features))
    with torch.enable_grad():
        now = [value.clone().requires_grad_(True) for value in before]
        gate = replace(gate, **dict(zip(learned, now, strict=True)))
        optimiser = torch.optim.Adam(now, lr=_RATE)
        steps = min(_MOST_STEPS, _FEWEST_STEPS + 10 * len(batches))
        order = Noise(0, steps, path=("gate",)).integers(len(batches), (), "batch").tolist()
        for step, batch in enumerate(order):
            optimiser.param_groups[0]["lr"] = _RATE * (1 - step / steps)
            evidence, ids = batches[batch]
            loss = -gate.mix(evidence).gather(1, ids[:, None]).mean()
            loss = loss + pull * sum((a - b).square().sum() for a, b in zip(now, before, strict=True))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return replace(gate, **{name: value.detach() for name, value in zip(learned, now, strict=True)})

"""Beam search over any model that `Continues`. B batch, W beams, k prefix, T length, V vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.abilities import Condition, Continues
from ..core.spec import Tokens
from .constraint import Constraint, certain


@torch.no_grad()
def search(
    model: Continues,
    spec: Tokens,
    condition: Condition = None,
    *,
    prefix: Tensor,
    width: int,
    length_penalty: float = 0.6,
    constraint: Constraint | None = None,
) -> Tensor:
    """(B,T) the best sequence found for each row that begins with `prefix` (B,k), the `width` best beginnings being kept at every place.

    Best is the largest log-probability / ((5 + n) / 6) ** length_penalty (Wu et al. 2016, arXiv:1609.08144, eq. 14), n the ids after
    the prefix, the stop among them. Of a constraint's valid sequences it is the one that the model itself finds likeliest, nothing
    being renormalised. A width of at least the number of sequences is exact. Ends when no beginning can still beat the best end.
    Raises Refused where nothing satisfies the constraint.
    """
    beams = _Beams(spec, prefix, width, length_penalty, constraint)
    new, state = prefix, None
    for place in range(prefix.shape[1], spec.shape[0]):
        logits, state = model.next(new, condition, state)
        kept = beams.extend(certain(logits), place)
        if beams.settled():
            break
        state, new = state.rows(kept), beams.x[..., place].reshape(-1, 1)
    return beams.best


class _Beams:
    """The beginnings under search: `x` (B,W,T), their log-probabilities `score` (B,W), -inf for none; and the best end of each row."""

    def __init__(self, spec: Tokens, prefix: Tensor, width: int, length_penalty: float, constraint: Constraint | None) -> None:
        self.spec, self.width, self.length_penalty, self.constraint = spec, width, length_penalty, constraint
        batch, self.known = prefix.shape
        self.x = prefix.new_full((batch, 1, spec.shape[0]), 0 if spec.stop is None else spec.stop)
        self.x[:, 0, : self.known] = prefix
        self.held = None if constraint is None else constraint.begin(batch, spec.shape[0], prefix)
        self.score = torch.zeros(batch, 1, dtype=torch.float64, device=prefix.device)
        self.best = self.x[:, 0].clone()
        self.best_score = torch.full((batch,), -torch.inf, dtype=torch.float64, device=prefix.device)
        if spec.stop is not None:
            ended = (prefix == spec.stop).any(1)
            self.score[ended], self.best_score[ended] = -torch.inf, 0.0

    def extend(self, log_probs: Tensor, place: int) -> Tensor:
        """Takes log-probabilities (B*W,V) of the id at `place`; returns (B*W',) which beam each new one goes on from."""
        batch, wide = self.score.shape
        if self.constraint is not None and self.held is not None:
            allowed = self.constraint.allowed(self.held, self.spec.shape[0] - place - 1).to(log_probs.device)
            log_probs = log_probs.masked_fill(~allowed, -torch.inf)
        total = self.score[:, :, None] + log_probs.double().view(batch, wide, -1)
        if self.spec.stop is not None:
            self._end(total[:, :, self.spec.stop], self.x, place + 1)
            total[:, :, self.spec.stop] = -torch.inf
        score, at = total.flatten(1).topk(min(self.width, total[0].numel()), 1)
        beam, ids = at // self.spec.vocab, at % self.spec.vocab
        self.x = self.x.gather(1, beam[:, :, None].expand(-1, -1, self.x.shape[2]))
        self.x[:, :, place] = ids
        self.score = score
        kept = (beam + wide * torch.arange(batch, device=beam.device)[:, None]).flatten()
        if self.constraint is not None and self.held is not None:
            self.held = self.constraint.advance(self.held[kept.cpu()], ids.flatten().cpu())
        if place + 1 == self.spec.shape[0]:
            self._end(score, self.x, place + 1)
        return kept

    def _penalty(self, length: int) -> float:
        return float(((5 + length - self.known) / 6) ** self.length_penalty)

    def _end(self, score: Tensor, x: Tensor, length: int) -> None:
        """Sequences x (B,W,T) that end with `length` ids, their log-probabilities (B,W): each row's best is kept."""
        score, which = (score / self._penalty(length)).max(1)
        better = score > self.best_score
        chosen = x[torch.arange(len(x), device=x.device), which]
        self.best = torch.where(better[:, None], chosen, self.best)
        self.best_score = torch.where(better, score, self.best_score)

    def settled(self) -> bool:
        """No row's beginnings can still beat its best end: log-probability only falls, and is divided by at most that of T ids."""
        hope = self.score.max(1).values / self._penalty(self.spec.shape[0])
        return bool((hope <= self.best_score).all())

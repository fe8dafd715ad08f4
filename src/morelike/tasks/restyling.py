"""A sequence written anew under another condition, with as much as can be kept of the old: through the latents, by drawing some spans
anew, or by filling gaps.

B batch, L ids of the sequence, T the longest, S spans, n sequences made. A condition here has one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..core.abilities import Continues, Density, Encodes, Infills, Prior
from ..core.errors import Refused
from ..core.noise import Noise
from ..core.spec import Tokens
from ..maths.constraint import Constraint
from . import restoring
from .continuing import AnyButStop

CANDIDATES = 16
"""Sequences made at once, from which the best are kept."""
FILLED = 4
"""Sequences made by filling gaps, which takes longer, where fewer are asked for."""
_LONGER = 2
"""A gap is filled with so many ids more or less than it had."""
_BATCH = 128
Span = tuple[int, int]
"""The first id and the one past the last."""
Given = Mapping[str, Tensor]


@torch.no_grad()
def evidence(model: Density, spec: Tokens, ids: Sequence[int], spans: Sequence[Span], old: Given, new: Given) -> list[float]:
    """(S,) nats by which each span speaks for the old condition: how much log p(x | old) - log p(x | new) falls when it is left out.

    The salience of Li et al. 2018, arXiv:1804.06437, section 3.1, with the model's own likelihoods in place of counts. A bound is taken
    with the same noise for all, so that luck plays little part.
    """
    shorter = [list(ids), *([*ids[:first], *ids[last:]] for first, last in spans)]
    odds = []
    for at in range(0, len(shorter), _BATCH):
        x = _padded(spec, shorter[at : at + _BATCH]).to(_device(model))
        same = Noise(0, torch.zeros(len(x), dtype=torch.int64), path=("restyle",)).to(x.device)
        noise = None if model.tight == "exact" else same
        under_old, under_new = (model.log_prob(x, _rows(given, len(x)), noise=noise).double() for given in (old, new))
        odds.append((under_old - under_new).cpu())
    whole, *rest = torch.cat(odds).tolist()
    return [whole - value for value in rest]


def chosen(found: Sequence[float], strength: float) -> list[int]:
    """The numbers, in order, of the share `strength` of the spans with the most evidence, one at least; the earlier of equals."""
    most = max(1, round(strength * len(found)))
    return sorted(sorted(range(len(found)), key=lambda span: -found[span])[:most])


@torch.no_grad()
def by_latent(model: Encodes, spec: Tokens, ids: Sequence[int], old: Given, new: Given, strength: float, noise: Noise) -> Tensor:
    """(n,T) decoded under the new condition from the latent under the old one: first as it is; then, where the model has a prior, from
    points between it and draws of the prior, ever further away, at most a share `strength` of the variance (n = 16, else 1)."""
    x = _padded(spec, [ids]).to(_device(model))
    z = model.encode(x, old)
    if isinstance(model, Prior) and z.is_floating_point():
        drawn = model.prior(_many(noise).to(x.device))
        share = torch.linspace(0, strength, CANDIDATES, device=x.device).view(-1, *[1] * (z.ndim - 1))
        z = (1 - share).sqrt() * z + share.sqrt() * drawn
    return model.decode(z, _rows(new, len(z))).cpu()


@torch.no_grad()
def by_infilling(model: Infills, spec: Tokens, ids: Sequence[int], gone: Sequence[Span], new: Given, noise: Noise) -> Tensor:
    """(16,T) with the ids of the spans `gone` drawn anew under the new condition, as many as there were."""
    x = _padded(spec, [ids] * CANDIDATES).to(_device(model))
    known = torch.ones_like(x, dtype=torch.bool)
    for first, last in gone:
        known[:, first:last] = False
    return model.infill(x, known, _rows(new, CANDIDATES), noise=_many(noise).to(x.device)).cpu()


@torch.no_grad()
def by_gaps(model: Continues, spec: Tokens, ids: Sequence[int], gone: Sequence[Span], new: Given, n: int, noise: Noise) -> Tensor:
    """(n,T) with the spans `gone` filled by `restoring.restore` under the new condition, one after another from the left: each so that it
    goes with what stands before it and with what is kept up to the next. Touching spans are one gap. Raises Refused where a gap finds
    no filling."""
    endless = Tokens(spec.shape, spec.vocab, None)
    held, gaps = Constraint([AnyButStop(spec)], endless), _joined(gone)
    nexts = [*(first for first, _ in gaps[1:]), len(ids)]
    found = []
    for number in range(n):
        done = [*ids[: gaps[0][0]]]
        for (first, last), until in zip(gaps, nexts, strict=True):
            most = min(last - first + _LONGER, spec.shape[0] - 1 - len(done) - (len(ids) - last))
            torn = restoring.Torn((tuple(done), tuple(ids[last:until])), tuple(range(max(1, last - first - _LONGER), most + 1)))
            own, end = noise.under(number, first), spec if until == len(ids) else endless
            [best] = restoring.restore(model, end, torn, 1, new, noise=own, constraint=held)
            done += [*best.gaps[0], *ids[last:until]]
        found.append(done)
    return _padded(spec, found)


def _joined(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for first, last in spans:
        if found and found[-1][1] == first:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found


def _padded(spec: Tokens, rows: Sequence[Sequence[int]]) -> Tensor:
    """(B,T) with the stop after each row's end. Raises Refused where the items have no end."""
    if spec.stop is None:
        raise Refused("this model writes one running text without an end; train it on separate items, such as lines (--kind lines)")
    return torch.tensor([[*row, *[spec.stop] * (spec.shape[0] - len(row))] for row in rows], dtype=torch.int64)


def _many(noise: Noise) -> Noise:
    """Noise of 16 rows from one row's."""
    return Noise(int(noise.integers(1 << 62, ())[0]), CANDIDATES)


def _rows(given: Given, count: int) -> dict[str, Tensor]:
    return {name: value.expand(count, *value.shape[1:]) for name, value in given.items()}


def _device(model: object) -> torch.device:
    found: torch.device = getattr(model, "device", torch.device("cpu"))
    return found

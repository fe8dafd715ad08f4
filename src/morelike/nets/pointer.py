"""Copying ids from a condition that is written in the same ids: names, numbers and rare words come through whole.

B batch, T length, S the condition's length, V vocabulary, D width, N rows (see `attention.Layout`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Layout, normed


@dataclass(frozen=True, slots=True)
class Quotable:
    """What can be copied."""

    keys: Tensor
    """(B,S,D)."""
    ids: Tensor
    """(B,S)."""
    mask: Tensor
    """(B,S) bool: places that may be copied; none where the condition is not given."""

    def rows(self, index: Tensor) -> Quotable:
        """The same of the rows `index`."""
        return Quotable(self.keys[index], self.ids[index], self.mask[index])


class Pointer(nn.Module):
    """A gate mixes the net's own distribution with its attention over the condition's ids (See, Liu, Manning 2017, arXiv:1704.04368, eq.
    8 and 9). A place also answers to the id before it, and the text asks by its last id: so what was begun is copied on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.last = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.before = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 1)
        # at first what stands after the last id is likely, and one id in eight is copied
        nn.init.eye_(self.last.weight)
        nn.init.eye_(self.before.weight)
        nn.init.constant_(self.gate.bias, -2.0)

    def begin(self, read: Tensor, embedded: Tensor, ids: Tensor, mask: Tensor) -> Quotable:
        """From the condition as it was read and its embedded ids, (B,S,D), the ids and the places that may be copied (B,S)."""
        before = self.before(normed(embedded.float()))
        keys = self.key(read).float() + F.pad(before[:, :-1], (0, 0, 1, 0)).float()
        return Quotable(normed(keys), ids, mask)

    def forward(self, rows: Tensor, last: Tensor, logits: Tensor, layout: Layout, source: Quotable) -> Tensor:
        """(N,V) log-probabilities in float32 from the rows (N,D), the embedded ids before them (N,D) and their logits (N,V)."""
        with torch.autocast(rows.device.type, enabled=False):
            asks = F.linear(rows.float(), self.query.weight) + F.linear(normed(last.float()), self.last.weight)
            own = logits.float().log_softmax(-1)
            asked = layout.pad(normed(asks))
            scores = torch.einsum("btd,bsd->bts", asked, source.keys) * asked.shape[-1] ** -0.5
            scores = scores.masked_fill(~source.mask[:, None], torch.finfo(scores.dtype).min)
            ids = source.ids[:, None].expand_as(scores)
            shares = layout.pack(scores.softmax(-1))
            copied = torch.zeros_like(own).scatter_add(1, layout.pack(ids), shares)
            gate = F.linear(rows.float(), self.gate.weight, self.gate.bias)
            there = layout.pack(source.mask.any(1)[:, None, None].expand(-1, layout.length, 1))
            # where nothing can be copied all is the net's own; the least share keeps the logarithm finite
            log_gate = torch.where(there, F.logsigmoid(gate), -torch.inf)
            log_rest = torch.where(there, F.logsigmoid(-gate), 0.0)
            return torch.logaddexp(own + log_rest, torch.log(copied.clamp_min(1e-30)) + log_gate)

"""What families of id sequences with a causal net share: nats of each id, and the net's next id. B batch, T length, V vocabulary."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..core.abilities import Condition
from ..core.contract import all_given
from ..core.spec import Tokens, live


def nats_of(net: nn.Module, spec: Tokens, x: Tensor, condition: Condition, given: Condition, smoothing: float = 0.0) -> Tensor:
    """(B,T) nats of each id of x (B,T) given those before it, 0 past the stop, by a net of role "causal"; T is at most the Spec's.

    `smoothing`: the share of each target that is spread over all ids (Szegedy et al. 2016, section 7); 0 for a likelihood.
    """
    short = x[:, : int(live(spec, x).sum(1).max())]
    logits, index = net(short, condition or {}, given or {})
    flat = short.flatten()
    each = F.cross_entropy(logits.float(), flat if index is None else flat[index], reduction="none", label_smoothing=smoothing)
    if index is not None:
        each = each.new_zeros(short.numel()).index_copy(0, index, each)
    return F.pad(each.view(short.shape), (0, x.shape[1] - short.shape[1]))


def next_of(net: Any, ids: Tensor, condition: Condition, state: Any) -> tuple[Tensor, Any]:
    """`Continues.next` by a net of role "causal": (logits (B,V) float32 after ids (B,k), new state)."""
    if state is None:
        state = net.begin(*all_given(condition), len(ids))
    logits, state = net.step(ids, state)
    return logits.float(), state

"""What families of id sequences share: drawing and likelihood from `next` and `surprise`, and both of these by a causal net.

B batch, T length, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ..core.abilities import Condition, Continues, Density, Streams
from ..core.contract import Generator, all_given
from ..core.noise import Noise
from ..core.spec import Tokens, live
from ..maths.decoding import DIALS, decode, dialled, stream


class IdById(Generator, Density, Continues, Streams):
    """A family that says the next id: exact likelihood, drawing and streaming follow from `next` and `surprise`."""

    spec: Tokens
    dials: ClassVar[tuple[str, ...]] = DIALS
    tight = "exact"

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """Exact; `noise` is not used."""
        return -self.surprise(x, condition).double().sum(1).float()

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: those of `maths.decoding.Dials`."""
        return decode(self, self.spec, condition, noise=noise, dials=dialled(self.settings, dials))

    def stream(self, condition: Condition = None, prefix: Tensor | None = None, *, noise: Noise, **dials: Any) -> Iterator[Tensor]:
        """Dials: those of `maths.decoding.Dials`, beam and best_of aside."""
        return stream(self, self.spec, condition, prefix=prefix, noise=noise, dials=dialled(self.settings, dials))


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Without dropout for a while: what another player asks of a net is its real answer."""
    before = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(before)


def nats_of(net: nn.Module, spec: Tokens, x: Tensor, condition: Condition, given: Condition, smoothing: float = 0.0) -> Tensor:
    """(B,T) nats of each id of x (B,T) given those before it, 0 past the stop, by a net of role "causal"; T is at most the Spec's.

    `smoothing`: the share of each target that is spread over all ids (Szegedy et al. 2016, section 7); 0 for a likelihood.
    """
    short = x[:, : int(live(spec, x).sum(1).max())]
    logits, index = net(short, condition or {}, given or {})
    return paid(spec, x, logits.float(), index, smoothing)


def paid(spec: Tokens, x: Tensor, logits: Tensor, index: Tensor | None, smoothing: float = 0.0) -> Tensor:
    """(B,T) nats of the ids of x (B,T), 0 past the stop, from logits (N,V) at the places `index` (N,) of x's first columns, flattened;
    None = all of them. Those columns reach as far as the longest row."""
    there = live(spec, x)
    longest = int(there.sum(1).max())
    flat = x[:, :longest].flatten()
    each = F.cross_entropy(logits, flat if index is None else flat[index], reduction="none", label_smoothing=smoothing)
    if index is not None:
        each = each.new_zeros(flat.numel()).index_copy(0, index, each)
    return F.pad(each.view(len(x), longest), (0, x.shape[1] - longest)) * there


def next_of(net: Any, ids: Tensor, condition: Condition, state: Any) -> tuple[Tensor, Any]:
    """`Continues.next` by a net of role "causal": (logits (B,V) float32 after ids (B,k), new state)."""
    if state is None:
        state = net.begin(*all_given(condition), len(ids))
    logits, state = net.step(ids, state)
    return logits.float(), state

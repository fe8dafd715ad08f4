"""The one condition encoder, which lives inside every net: (condition, given) -> a vector, and a sequence where a condition is one.

B batch, S length of a condition, D width, E width of what reads a caption.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.spec import Array, Conditions, Spec, Tokens, elements, live, sequential, spatial

_CAPTION_WIDTH = 128
Reader = Callable[[int], nn.Module]
"""Makes a net from its width: (embedded (B,S,D), live (B,S)) -> read (B,S,D)."""


class ConditionEncoder(nn.Module):
    """Sums one vector a condition: embedded ids, a caption that is read, or a small net over numbers; a learned null where not given.

    With a `reader`, conditions that are sequences are the mean of their embedded ids, and are also read place by place, for attention;
    without one they are captions. `tables`: embeddings that belong to the net around and serve conditions here too.
    """

    def __init__(
        self, conditions: Conditions, width: int, reader: Reader | None = None, tables: Mapping[str, nn.Embedding] | None = None
    ) -> None:
        super().__init__()
        self.width = width
        self.specs = dict(conditions)
        # a plain mapping: their parameters are registered, and stored, where they belong
        self._tables = dict(tables or {})
        own = {name: spec for name, spec in conditions.items() if name not in self._tables}
        self.captions = [name for name, spec in conditions.items() if reader is None and sequential(spec)]
        self.embed = nn.ModuleDict(
            {name: Caption(spec, width) if name in self.captions else _embedder(spec, width) for name, spec in own.items()}
        )
        self.null = nn.ParameterDict({name: nn.Parameter(torch.zeros(width)) for name in conditions})
        read = [name for name, spec in conditions.items() if reader is not None and sequential(spec)]
        self.readers = nn.ModuleDict({name: reader(width) for name in read} if reader is not None else {})

    def forward(self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], batch: int) -> Tensor | None:
        """(B,D), or None where there are no conditions at all. A condition missing from the mapping counts as not given."""
        total: Tensor | None = None
        for name, spec in self.specs.items():
            null = self.null[name].expand(batch, -1)
            vector = null
            if name in condition:
                there = given[name]
                if name in self.captions and isinstance(spec, Tokens) and spec.stop is not None:
                    # an empty caption is none
                    there = there & (condition[name][:, 0] != spec.stop)
                vector = torch.where(there[:, None], self._vector(name, spec, condition[name]), null)
            total = vector if total is None else total + vector
        return total

    def _embedded(self, name: str, value: Tensor) -> Tensor:
        out: Tensor = (self._tables.get(name) or self.embed[name])(value)
        return out

    def _vector(self, name: str, spec: Spec, value: Tensor) -> Tensor:
        if not isinstance(spec, Tokens):
            return self._embedded(name, value.flatten(1).float())
        if name in self.captions:
            return self._embedded(name, value)
        flat = value.flatten(1)
        embedded = self._embedded(name, flat)
        if spec.stop is None:
            return embedded.mean(1)
        there = live(spec, flat)[..., None]
        return (embedded * there).sum(1) / there.sum(1)

    def sequence(self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], batch: int) -> tuple[Tensor, Tensor] | None:
        """(read (B,S,D), live (B,S)) of the conditions that are sequences, one after another; None where there are none.

        A condition that is not given is one live place, its null.
        """
        parts: list[tuple[Tensor, Tensor]] = []
        for name in self.readers:
            null = self.null[name].expand(batch, 1, -1)
            if name not in condition:
                parts.append((null, torch.ones(batch, 1, dtype=torch.bool, device=null.device)))
                continue
            there = live(self.specs[name], condition[name])
            # with several sequences the places of later ones must not depend on the batch
            longest = int(there.sum(1).max()) if len(self.readers) == 1 else there.shape[1]
            value, there = condition[name][:, :longest], there[:, :longest]
            read = self.readers[name](self._embedded(name, value), there)
            kept = given[name][:, None]
            first = torch.arange(longest, device=value.device) == 0
            parts.append((torch.where((kept | ~first)[..., None], read, null.to(read.dtype)), there & kept | first))
        if not parts:
            return None
        return torch.cat([part for part, _ in parts], 1), torch.cat([there for _, there in parts], 1)


class PictureChannels(nn.Module):
    """Conditions that are pictures (signals, videos) where the net's grid is one too: further channels of it (Isola et al. 2016,
    arXiv:1611.07004; Saharia et al. 2021, arXiv:2104.07636), with a learned colour where not given.

    `forward(x, condition, given)`: (B,C,*) -> (B,C+`count`,*), each picture averaged or repeated to the size of x.
    """

    def __init__(self, conditions: Conditions, rank: int) -> None:
        super().__init__()
        told = {name: spec for name, spec in conditions.items() if _pictured(spec, rank)}
        self.count = sum(spec.shape[0] for spec in told.values())
        self.null = nn.ParameterDict({name: nn.Parameter(torch.zeros(spec.shape[0])) for name, spec in told.items()})

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        parts, places = [x], [1] * (x.dim() - 2)
        for name, null in self.null.items():
            channels = null.view(1, -1, *places).expand(x.shape[0], -1, *x.shape[2:])
            if name in condition:
                # averages where the picture is larger; repeats where it is smaller
                picture = F.interpolate(condition[name].float(), size=x.shape[2:], mode="area")
                channels = torch.where(given[name].view(-1, 1, *places), picture, channels)
            parts.append(channels.to(x.dtype))
        return torch.cat(parts, 1) if self.count else x


def without_pictures(conditions: Conditions, rank: int) -> dict[str, Spec]:
    """The conditions that are left to the encoder where `PictureChannels` takes the pictures."""
    return {name: spec for name, spec in conditions.items() if not _pictured(spec, rank)}


def _pictured(spec: Spec, rank: int) -> bool:
    return isinstance(spec, Array) and spatial(spec) and len(spec.shape) == rank + 1


class Caption(nn.Module):
    """Reads a caption: (B,S) ids -> (B,D), the sum over places of embedded ids, each with its neighbours (convolutions, after Kim 2014,
    arXiv:1408.5882), divided by the root of their number: captions of any length have vectors of one size."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        assert isinstance(spec, Tokens)
        self.spec, own = spec, min(width, _CAPTION_WIDTH)
        self.table = nn.Embedding(spec.vocab, own)
        as_table(self.table.weight)
        self.around = nn.ModuleList(nn.Conv1d(own, own, 3, padding=1) for _ in range(2))
        self.last = nn.Linear(own, width)

    def forward(self, ids: Tensor) -> Tensor:
        there = live(self.spec, ids)
        if self.spec.stop is not None:
            there = there & (ids != self.spec.stop)
        mask = there[:, None].to(self.table.weight.dtype)
        h = self.table(ids).transpose(1, 2) * mask
        for layer in self.around:
            h = h + F.silu(layer(h)) * mask
        out: Tensor = self.last(h.sum(2) / mask.sum(2).clamp(min=1.0).sqrt())
        return out


def as_table(weight: Tensor) -> None:
    """Marks a matrix that has a row for each id, which optimisers of matrices leave alone."""
    weight.table = True  # type: ignore[attr-defined]


def _embedder(spec: Spec, width: int) -> nn.Module:
    if isinstance(spec, Tokens):
        table = nn.Embedding(spec.vocab, width)
        as_table(table.weight)
        return table
    return nn.Sequential(nn.Linear(elements(spec), width), nn.SiLU(), nn.Linear(width, width))

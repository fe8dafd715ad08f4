"""Filling gaps in a sequence: natively where a model `Infills`; by drawing and ranking where it `Continues` and says how likely a whole is.

B batch, G gaps, k ids of a gap, T the longest sequence, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.abilities import Continues, Density, Infills
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import Tokens
from ..maths.constraint import Constraint
from ..maths.decoding import Dials, stream
from .continuing import AnyButStop, Following, drawn

CANDIDATES = 32
"""Draws for each gap, from which the best are kept."""
MOST_VARIANTS, MOST_GAPS = 100, 20
_BATCH = 128
_NONE = "none of the draws for the gap can stand there: give --gap-length, or another seed"


@dataclass(frozen=True, slots=True)
class Torn:
    """A sequence with gaps: what stands before, between and after them."""

    parts: tuple[tuple[int, ...], ...]
    """G + 1 runs of ids, empty ones too."""
    lengths: tuple[int, ...]
    """Numbers of ids that a gap may have; all gaps of one `Infills` draw have the same."""
    whole: Callable[[Sequence[int]], bool] = lambda _: True
    """Whether some ids can stand in a gap: False for half a character."""

    @property
    def known(self) -> int:
        """Ids outside the gaps."""
        return sum(map(len, self.parts))


@dataclass(frozen=True, slots=True)
class Restored:
    """One way to fill the gaps."""

    gaps: tuple[tuple[int, ...], ...]
    nats: float | None
    """Mean surprise in nats of each id from the first gap on (of the whole, where the model infills); None where none is known."""


def restore(
    model: Continues,
    spec: Tokens,
    torn: Torn,
    n: int,
    condition: Mapping[str, Tensor] | None = None,
    *,
    noise: Noise,
    dials: Dials | None = None,
    constraint: Constraint | None = None,
) -> list[Restored]:
    """At most `n` different fillings, the likeliest first, by the model's own surprise for each id of the gap and of what follows.

    From left to right, every gap of every filling that is kept so far gets 32 draws given what stands before it; each is tried at every
    length, with what follows up to the next gap, and the `n` best go on. `constraint`, over ids without a stop, holds for each gap; by
    default it is `AnyButStop`. Draws come from `noise`, of one row; `condition` has one row.
    Raises BadInput where the sequence is too long, Refused where no draw fits.
    """
    _check(spec, torn, n)
    held = constraint or Constraint([AnyButStop(spec)], Tokens(spec.shape, spec.vocab, None))
    search = _Search(model, spec, condition or {}, dials, held, _possible(held, torn.lengths))
    kept = [_Beginning(torn.parts[0], ())]
    for gap, after in enumerate(torn.parts[1:]):
        ending = (*after, spec.stop) if gap == len(torn.parts) - 2 and spec.stop is not None else after
        tried: dict[tuple[int, ...], _Beginning] = {}  # by all ids: gaps that touch may share one text in several ways
        for number, beginning in enumerate(kept):
            rows = Noise(int(noise.under("gap", gap, number).integers(1 << 62, ())[0]), CANDIDATES)
            for filling in search.fillings(beginning.ids, rows):
                if torn.whole(filling):
                    one = _Beginning((*beginning.ids, *filling, *ending), (*beginning.gaps, filling))
                    tried.setdefault(one.ids, one)
        fitting = [one for one in tried.values() if len(one.ids) <= spec.shape[0]]
        if not fitting:
            raise Refused(_NONE)
        kept = search.ranked(fitting, len(torn.parts[0]))[:n]
    return [Restored(one.gaps, one.nats) for one in kept]


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The sequence up to the next gap, with the gaps so far filled."""

    ids: tuple[int, ...]
    gaps: tuple[tuple[int, ...], ...]
    nats: float = 0.0


def _possible(constraint: Constraint, lengths: Sequence[int]) -> list[int]:
    """The lengths that the constraint can have. Raises Refused where it has none of them."""
    found, why = [], None
    for length in lengths:
        try:
            constraint.begin(CANDIDATES, length, torch.zeros(CANDIDATES, 0, dtype=torch.int64))
            found.append(length)
        except Refused as error:
            why = error
    if not found and why is not None:
        tried = f"{lengths[0]} ids" if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)} ids"
        raise Refused(f"no gap of {tried} can satisfy the constraint ({why}); give another --gap-length")
    return found


@dataclass(frozen=True, slots=True)
class _Search:
    """How candidates for a gap are drawn and ranked."""

    model: Continues
    spec: Tokens
    condition: Mapping[str, Tensor]
    dials: Dials | None
    held: Constraint
    lengths: Sequence[int]

    def fillings(self, before: Sequence[int], noise: Noise) -> list[tuple[int, ...]]:
        """Candidates for one gap: each draw cut at every length; under a constraint, which may not be cut, draws of every length."""
        cut = all(isinstance(machine, AnyButStop) for machine in self.held.machines)
        noise = noise.to(_device(self.model))
        prefix = torch.tensor([before] * noise.size, dtype=torch.int64, device=noise.index.device).view(noise.size, len(before))
        found: list[tuple[int, ...]] = []
        for length in [max(self.lengths)] if cut else self.lengths:
            steps = stream(
                self.model, self.spec, self._rows(noise.size), noise=noise, prefix=prefix, dials=self.dials,
                constraint=Following.of(self.held), length=length,
            )  # fmt: skip
            rows = drawn(steps, noise.size).tolist()
            found += [tuple(row[:size]) for row in rows for size in (self.lengths if cut else [length])]
        return found

    @torch.no_grad()
    def ranked(self, tried: Sequence[_Beginning], start: int) -> list[_Beginning]:
        """The same by surprise for each id from `start` on, the least first; those of one length are measured together."""
        by_length: dict[int, list[_Beginning]] = {}
        for one in tried:
            by_length.setdefault(len(one.ids), []).append(one)
        found: list[_Beginning] = []
        for length, many in sorted(by_length.items()):
            for at in range(0, len(many), _BATCH):
                some = many[at : at + _BATCH]
                x = torch.tensor([one.ids for one in some], dtype=torch.int64, device=_device(self.model))
                nats = self.model.surprise(x, self._rows(len(some)))[:, start:].double().sum(1) / max(1, length - start)
                found += [_Beginning(one.ids, one.gaps, value) for one, value in zip(some, nats.tolist(), strict=True)]
        return sorted(found, key=lambda one: (one.nats, one.gaps))

    def _rows(self, count: int) -> dict[str, Tensor]:
        return _rows_of(self.condition, count)


@torch.no_grad()
def infill(
    model: Infills, spec: Tokens, torn: Torn, n: int, condition: Mapping[str, Tensor] | None = None, *, noise: Noise,
    dials: Mapping[str, object] | None = None,
) -> list[Restored]:  # fmt: skip
    """At most `n` different fillings by a model that infills: 32 joint draws of all gaps at every length, the likeliest for each id
    first where it is a `Density`; the middle length alone, in the order drawn, where it isn't.

    Raises BadInput where the sequence is too long, Refused where no draw fits.
    """
    _check(spec, torn, n)
    gaps = len(torn.parts) - 1
    lengths = torn.lengths if isinstance(model, Density) else torn.lengths[len(torn.lengths) // 2 :][:1]
    found: dict[tuple[int, ...], _Filling] = {}
    for length in lengths:
        row, known = _laid_out(spec, torn, length)
        if row is None:
            continue
        rows = Noise(int(noise.under("infill", length).integers(1 << 62, ())[0]), CANDIDATES).to(_device(model))
        x = torch.tensor([row] * CANDIDATES, dtype=torch.int64, device=rows.index.device)
        there = torch.tensor([known] * CANDIDATES, device=x.device)
        written = torn.known + gaps * length
        for ids in model.infill(x, there, _rows_of(condition, CANDIDATES), noise=rows, **dict(dials or {})).tolist():
            parts = _gaps(ids, torn, length)
            if all(spec.stop not in part and torn.whole(part) for part in parts):
                size = min(spec.shape[0], written + 1) if spec.stop is not None else spec.shape[0]
                found.setdefault(tuple(ids[:written]), _Filling(parts, ids, size))
    if not found:
        raise Refused(_NONE)
    if not isinstance(model, Density):
        return [Restored(one.gaps, None) for one in found.values()][:n]
    nats = _scored(model, [one.ids for one in found.values()], condition)
    ordered = sorted(zip(found.values(), nats, strict=True), key=lambda pair: pair[1] / pair[0].size)
    return [Restored(one.gaps, total / one.size) for one, total in ordered[:n]]


@dataclass(frozen=True, slots=True)
class _Filling:
    """Gaps that were filled, all T ids, and how many of them cost nats."""

    gaps: tuple[tuple[int, ...], ...]
    ids: Sequence[int]
    size: int


def _rows_of(condition: Mapping[str, Tensor] | None, count: int) -> dict[str, Tensor]:
    """`count` rows of a condition of one."""
    return {name: value.expand(count, *value.shape[1:]) for name, value in (condition or {}).items()}


def _scored(model: Density, filled: Sequence[Sequence[int]], condition: Mapping[str, Tensor] | None) -> list[float]:
    """Nats of each whole."""
    nats: list[float] = []
    for at in range(0, len(filled), _BATCH):
        x = torch.tensor(filled[at : at + _BATCH], dtype=torch.int64, device=_device(model))
        # a bound is compared under the same draws, so that luck plays no part in the order
        same = Noise(0, torch.zeros(len(x), dtype=torch.int64), path=("likelihood",)).to(x.device)
        nats += (-model.log_prob(x, _rows_of(condition, len(x)), noise=same).double()).tolist()
    return nats


def _laid_out(spec: Tokens, torn: Torn, length: int) -> tuple[list[int] | None, list[bool]]:
    """T ids with zeros in the gaps and T flags; (None, []) where it doesn't fit. What follows a running text is not known."""
    row, known = list(torn.parts[0]), [True] * len(torn.parts[0])
    for part in torn.parts[1:]:
        row += [0] * length + list(part)
        known += [False] * length + [True] * len(part)
    rest = spec.shape[0] - len(row)
    if rest < 0:
        return None, []
    return row + [spec.stop or 0] * rest, known + [spec.stop is not None] * rest


def _gaps(ids: Sequence[int], torn: Torn, length: int) -> tuple[tuple[int, ...], ...]:
    place, found = 0, []
    for part in torn.parts[:-1]:
        place += len(part)
        found.append(tuple(ids[place : place + length]))
        place += length
    return tuple(found)


def _check(spec: Tokens, torn: Torn, n: int) -> None:
    gaps = len(torn.parts) - 1
    if not 1 <= gaps <= MOST_GAPS:
        raise BadInput(f"there must be 1 to {MOST_GAPS} gaps, not {gaps}")
    if not 1 <= n <= MOST_VARIANTS:
        raise BadInput(f"the number of variants must be between 1 and {MOST_VARIANTS}, not {n}")
    if not torn.lengths or min(torn.lengths) < 1:
        raise BadInput("a gap has at least one id")
    least = torn.known + gaps * min(torn.lengths) + (spec.stop is not None)
    if least > spec.shape[0]:
        raise BadInput(f"the text takes {least:,} ids with its gaps, and the model reads {spec.shape[0]:,} at once: shorten it")


def _device(model: object) -> torch.device:
    found: torch.device = getattr(model, "device", torch.device("cpu"))
    return found

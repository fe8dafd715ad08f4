"""From one sequence to another: many texts under a text condition, those of like length together. N texts, S source length, T length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Continues
from ..core.contract import Generator
from ..core.noise import Noise
from ..core.spec import Tokens, live
from ..maths.constraint import Constraint
from ..maths.decoding import DIALS, Dials, decode

BEAM = 4
"""Width of the beam search where nothing else is asked for."""
_CELLS = 8192
"""Source ids times beams in one batch, at most; so many rows are drawn at once."""


def beam_dials(settings: Dials, dials: Mapping[str, Any]) -> Dials:
    """The dials of a translation: beam search of width 4, unless a dial that draws is given; those that the family's settings hold are
    for drawing and so play no part in a beam search. Raises BadInput for a combination that makes no sense."""
    drawing = {f.name for f in fields(Dials)} - {"beam", "length_penalty"}
    if "beam" not in dials and drawing & dials.keys():
        return Dials(**{name: dials.get(name, getattr(settings, name)) for name in DIALS if name != "beam"})
    return replace(Dials(beam=BEAM, length_penalty=settings.length_penalty), **dials)


@torch.no_grad()
def translate(
    model: Continues, spec: Tokens, condition: Mapping[str, Tensor], source: str, *, dials: Dials, seed: int = 0,
    constrain: Callable[[Mapping[str, Tensor]], Constraint | None] = lambda _: None, advance: Callable[[int], object] = lambda _: None,
) -> Tensor:  # fmt: skip
    """(N,T) ids given conditions of N rows each, of which `source` (N,S) ids decides which rows go together: those of like length, so
    that little is padded. `constrain` makes the constraint of a batch from its conditions; `advance` hears how many rows are done."""
    assert isinstance(model, Generator)
    texts, device = condition[source], model.device
    lengths = live(model.conditions[source], texts).sum(1)
    order = torch.argsort(lengths, stable=True)
    found = torch.full((len(texts), spec.shape[0]), 0 if spec.stop is None else spec.stop, dtype=torch.int64)
    done = 0
    while done < len(order):
        # at most so many rows that the longest of them fits
        rows = order[done : done + _CELLS]
        cells = lengths[rows] * torch.arange(1, len(rows) + 1) * dials.beam
        rows = rows[: max(1, int((cells <= _CELLS).sum()))]
        own = {name: value[rows].to(device) for name, value in condition.items()}
        noise = Noise(seed, rows, path=("translate",)).to(device)
        found[rows] = decode(model, spec, own, noise=noise, dials=dials, constraint=constrain(own)).cpu()
        done += len(rows)
        advance(done)
    return found

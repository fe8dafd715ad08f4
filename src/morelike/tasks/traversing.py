"""What each number of a latent does: one is moved while the others stay. L numbers of a latent, n steps, R of the numbers shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.abilities import Decodes
from ..core.errors import BadInput, Refused
from ..core.spec import Array

MOST_STEPS, MOST_ROWS = 101, 100
REACH = 2.5
"""How far a number is moved to either side of 0, in standard deviations of a unit Gaussian prior."""
_CHUNK = 128


@dataclass(frozen=True, slots=True)
class Traversal:
    """The examples, and what they show."""

    x: Tensor
    """(R, n, *)."""
    numbers: tuple[int, ...]
    """(R,) which numbers of the latent, those that change most first."""
    effects: tuple[float, ...]
    """(R,) root mean square change of an element of x, from one end to the other."""


@torch.no_grad()
def traverse(model: Decodes, start: Tensor, n: int, rows: int, condition: Mapping[str, Tensor] | None = None) -> Traversal:
    """Of the latent `start` (1, *latent) the `rows` numbers that change x most, each at n even steps from -2.5 to 2.5 (Kingma, Welling
    2013, figure 4; Higgins et al. 2017, figure 4). `condition` has one row.

    Raises Refused where the latent is no array of numbers, BadInput for a wrong number of steps or rows.
    """
    if not isinstance(model.latent, Array):
        raise Refused("the latent of this model is made of ids, which can't be moved little by little")
    if not 2 <= n <= MOST_STEPS or not 1 <= rows <= MOST_ROWS:
        raise BadInput(f"the number of steps is between 2 and {MOST_STEPS} and that of rows between 1 and {MOST_ROWS}, not {n} and {rows}")
    own = dict(condition or {})
    ends = [_decoded(model, _moved(start, torch.arange(start.numel()), value), own) for value in (-REACH, REACH)]
    effects = (ends[1] - ends[0]).float().flatten(1).square().mean(1).sqrt()
    order = torch.sort(effects, descending=True, stable=True).indices[:rows]
    steps = [_decoded(model, _moved(start, order, float(value)), own) for value in torch.linspace(-REACH, REACH, n)]
    return Traversal(torch.stack(steps, 1), tuple(order.tolist()), tuple(effects[order].tolist()))


def _moved(start: Tensor, numbers: Tensor, value: float) -> Tensor:
    """(R, *latent): copies of `start`, the r-th with its number `numbers[r]` set to `value`."""
    flat = start.reshape(1, -1).repeat(len(numbers), 1)
    flat[torch.arange(len(numbers)), numbers.to(flat.device)] = value
    return flat.view(-1, *start.shape[1:])


def _decoded(model: Decodes, z: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
    parts = []
    for rows in torch.split(z, _CHUNK):
        own = {name: value.expand(len(rows), *value.shape[1:]) for name, value in condition.items()}
        parts.append(model.decode(rows, own).cpu())
    return torch.cat(parts)

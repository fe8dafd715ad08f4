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
"""How far a number is moved to either side of its mean, in standard deviations of what it is over samples."""
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
def traverse(
    model: Decodes, start: Tensor | None, usual: Tensor, n: int, rows: int, condition: Mapping[str, Tensor] | None = None
) -> Traversal:
    """Of the latent `start` (1, *latent) the `rows` numbers that change x most, each at n even steps within 2.5 standard deviations of its
    mean (Kingma, Welling 2013, figure 4; Higgins et al. 2017, figure 4) over the latents `usual` (M, *latent). Without `start` the others
    are at their means. `condition` has one row.

    Raises Refused where the latent is no array of numbers, BadInput for a wrong number of steps or rows.
    """
    if not isinstance(model.latent, Array):
        raise Refused("the latent of this model is made of ids, which can't be moved little by little")
    if not 2 <= n <= MOST_STEPS or not 1 <= rows <= MOST_ROWS:
        raise BadInput(f"the number of steps is between 2 and {MOST_STEPS} and that of rows between 1 and {MOST_ROWS}, not {n} and {rows}")
    own, mean, spread = dict(condition or {}), usual.mean(0).flatten(), usual.std(0).flatten()
    middle = mean.view(1, *usual.shape[1:]) if start is None else start
    every = torch.arange(len(mean), device=mean.device)
    ends = [_decoded(model, _moved(middle, every, mean + value * spread), own) for value in (-REACH, REACH)]
    effects = (ends[1] - ends[0]).float().flatten(1).square().mean(1).sqrt()
    order = torch.sort(effects, descending=True, stable=True).indices[:rows]
    there = order.to(mean.device)
    places = [mean[there] + float(value) * spread[there] for value in torch.linspace(-REACH, REACH, n)]
    steps = [_decoded(model, _moved(middle, there, values), own) for values in places]
    return Traversal(torch.stack(steps, 1), tuple(order.tolist()), tuple(effects[order].tolist()))


def _moved(start: Tensor, numbers: Tensor, values: Tensor) -> Tensor:
    """(R, *latent): copies of `start`, the r-th with its number `numbers[r]` set to `values[r]`."""
    flat = start.reshape(1, -1).repeat(len(numbers), 1)
    flat[torch.arange(len(numbers)), numbers] = values
    return flat.view(-1, *start.shape[1:])


def _decoded(model: Decodes, z: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
    parts = []
    for rows in torch.split(z, _CHUNK):
        own = {name: value.expand(len(rows), *value.shape[1:]) for name, value in condition.items()}
        parts.append(model.decode(rows, own).cpu())
    return torch.cat(parts)

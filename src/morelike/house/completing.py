"""Completing items of kinds with rules of their own: what is known of one stays, the model draws the rest under the rules."""

from __future__ import annotations

from typing import Any

import torch

from ..core.abilities import Continues
from ..core.errors import BadInput, Refused
from ..core.spec import Tokens
from ..data.world import World
from ..maths.constraint import Constraint
from ..maths.decoding import decode
from .able import generator
from .package import Package
from .prepare import raw_of
from .sampling import CHUNK_OF_IDS, chunks, conditions_for
from .texts import MOST_ROWS, Wish, dials_of, drawn_conditions

_ROUNDS = 8
"""So many times as many draws as are asked for, at most, until there are enough different ones."""


def complete(package: Package, text: str, n: int, wish: Wish, *, beginning: bool) -> dict[str, Any]:
    """{"variants": up to n different raw items, as drawn, "notes"}: whole items that hold what is known, a text with gaps or
    (`beginning`) what comes first. Conditions that `wish` doesn't fix are drawn, each row its own.

    Raises BadInput for a text that can't be read, Refused for models and kinds of data that can't do it.
    """
    task = "extend" if beginning else "restore"
    model, codec = generator(package, task), package.codec
    assert isinstance(codec, World)
    if not 1 <= n <= MOST_ROWS:
        raise BadInput(f"the number of ways must be between 1 and {MOST_ROWS:,}, not {n}")
    if wish.constraint is not None or any(wish.stop):
        raise BadInput(f"--constraint and --stop are for texts, and this model makes data of the kind {codec.kind!r}: leave them out")
    machine = codec.completing(text, beginning)
    if machine is None:
        raise Refused(f"this model of the kind {codec.kind!r} can't {task} what is typed: it has no rules for it in the form it learnt")
    if not isinstance(model, Continues) or not isinstance(model.spec, Tokens):
        raise Refused(f"{package.recipe.model} doesn't write one id after another; train lstm or transformer to {task}")
    rules, dials = Constraint([machine], model.spec), dials_of(model, wish.dials)
    total = _ROUNDS * n
    condition = conditions_for(package, total, wish.where, wish.seed)
    found: dict[Any, None] = {}
    for own, noise, count in chunks(model, total, condition, wish.seed, CHUNK_OF_IDS):
        with torch.no_grad():
            x = decode(model, model.spec, own, noise=noise, dials=dials, constraint=rules)[:count]
        found.update(dict.fromkeys(raw_of(codec, x.cpu().numpy())))
        if len(found) >= n:
            break
    notes = drawn_conditions(package, condition, wish.where)
    if len(found) < n:
        notes.append(f"{total:,} draws gave only {len(found):,} different ones")
    return {"variants": list(found)[:n], "notes": notes}

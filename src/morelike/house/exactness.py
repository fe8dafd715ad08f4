"""Items that have the numbers asked for exactly: the last step of `sample` with exact=true.  n items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ..core.errors import BadInput
from ..data.world import World
from .package import Package


def wished(package: Package, dials: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
    """(whether exact=true stands among the dials, the others). Raises BadInput for another value, or where nothing can be made exact."""
    rest = {name: value for name, value in dials.items() if name != "exact"}
    exact = dials.get("exact", False)
    if not isinstance(exact, bool):
        raise BadInput(f"exact is true or false, not {exact!r}")
    if exact and not isinstance(package.codec, World):
        raise BadInput(f"exact=true is for outlines, whose properties follow from their shape, not for the kind {package.codec.kind!r}")
    return exact, rest


def exactly(package: Package, items: Sequence[Any], condition: Mapping[str, Tensor], asked: Mapping[str, Any]) -> list[Any]:
    """Items with each number of `asked`, as `condition` has it row by row. Raises BadInput where nothing was asked for."""
    codec = package.codec
    assert isinstance(codec, World)
    if not asked:
        raise BadInput("exact=true needs a number to be met: add --where NAME=VALUE")
    wanted = {name: np.asarray(package.conditions[name].decode(condition[name].numpy()), np.float64)[:, 0].tolist() for name in asked}
    return codec.exactly(items, wanted)

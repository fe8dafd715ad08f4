"""Demands on a table's columns as boxes of its codec's fields, which a model can be narrowed down to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from ..core.abilities import Allowed, Among
from ..core.errors import BadInput
from .table import TableCodec
from .table_demands import Demand, Visible
from .table_derived import Derived, derived

_BANDS = {1: 8, 2: 3}
"""Parts that a column is cut into, by the number of derived columns that demands are on."""


def boxes_of(
    codec: TableCodec, demands: Sequence[Demand], before: Sequence[Demand] = (), *, empty: bool = False
) -> list[dict[int, Allowed]]:
    """What all `demands` and those `before` allow, as boxes that don't overlap: field -> set, in the order in which they are to be fixed:
    the columns of `before` first, those with the fewest values first, then the others as they come.

    Where a column is derived, the boxes cover what is demanded of it, and rows are to be tested besides. Raises Refused for a column that
    is not learnt, UnknownName or BadInput for a value that the model can't write, and BadInput where nothing fulfils them, unless `empty`.
    """
    if not empty:
        _each_is_possible(codec, [*before, *demands])
    known: dict[tuple[Demand, ...], list[dict[int, Allowed]]] = {}
    # boxes multiply
    bands = _BANDS.get(len({one.column for one in (*before, *demands) if derived(codec, one.column)}), 1)
    found = [
        box
        for first in _plain(codec, before, bands)
        for more in _plain(codec, demands, bands)
        for boxes in itertools.product(*_in_order(codec, more, first, known))
        if (box := _joined(boxes)) is not None
    ]
    if not found and not empty:
        raise BadInput(f"by the rules of the table {' and '.join(map(str, (*before, *demands)))} rule each other out")
    return found


def _each_is_possible(codec: TableCodec, demands: Sequence[Demand]) -> None:
    for name in dict.fromkeys(demand.column for demand in demands):
        own = [demand for demand in demands if demand.column == name]
        column = Derived(codec, name) if derived(codec, name) else Visible(codec, name)
        if not (column.cover(own) if isinstance(column, Derived) else column.boxes(own)):
            said = " and ".join(map(str, own))
            raise BadInput(f"no {name} that the model can write fulfils {said}{': ' + column.written() if len(own) == 1 else ''}")


def _plain(codec: TableCodec, demands: Sequence[Demand], bands: int) -> list[list[Demand]]:
    """Demands of which none is on a derived column, as lists that no row fulfils two of."""
    name = next((demand.column for demand in demands if derived(codec, demand.column)), None)
    if name is None:
        return [list(demands)]
    others = [demand for demand in demands if demand.column != name]
    covers = Derived(codec, name).cover([demand for demand in demands if demand.column == name], bands)
    return [found for cover in covers for found in _plain(codec, [*others, *cover], bands)]


def _in_order(
    codec: TableCodec, demands: Sequence[Demand], before: Sequence[Demand], known: dict[tuple[Demand, ...], list[dict[int, Allowed]]]
) -> list[list[dict[int, Allowed]]]:
    """The boxes of each column, in the order in which the columns are to be fixed; `known` of demands seen before."""

    def boxes(own: Sequence[Demand]) -> list[dict[int, Allowed]]:
        if tuple(own) not in known:
            known[tuple(own)] = Visible(codec, own[0].column).boxes(own)
        return known[tuple(own)]

    parts = []
    for name in dict.fromkeys(demand.column for demand in (*before, *demands)):
        own = [demand for demand in (*before, *demands) if demand.column == name]
        first = [one for one in own if one in before]
        size = max((_size(box) for box in boxes(first)), default=0.0) if first else 0.0
        parts.append((not first, size, boxes(own)))
    parts.sort(key=lambda part: part[:2])
    return [part[2] for part in parts]


def _joined(boxes: Sequence[Mapping[int, Allowed]]) -> dict[int, Allowed] | None:
    """What all of the boxes allow, None for nothing; a field that several of them name is a category."""
    whole: dict[int, Allowed] = {}
    for box in boxes:
        for place, own in box.items():
            other = whole.get(place)
            if isinstance(own, Among) and isinstance(other, Among):
                own = Among(own.ids & other.ids)
                if not bool(own.ids.any()):
                    return None
            whole[place] = own
    return whole


def _size(box: Mapping[int, Allowed]) -> float:
    """Combinations of ids in a box; a real counts as many."""
    return math.prod(int(own.ids.sum()) if isinstance(own, Among) else 100 for own in box.values())

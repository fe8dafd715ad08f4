"""The n-gram: the next id by how often it followed the last few ones, smoothed by ever shorter contexts. A baseline.

B batch, M windows, T length, V vocabulary, K experts, N places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..core.settings import check_ranges
from ..core.spec import Conditions, Spec
from ..maths.contexts import ContextState, context_keys, labelled
from ..maths.counts import kneser_ney
from ..maths.decoding import Dials
from ..maths.mixing import Evidence, alone
from .counts import Counted, CountedState, refuses_ids
from .labels import count_classes, refuses_conditions


@dataclass(frozen=True, slots=True)
class NGramSettings(Dials):
    """How far back it looks, and the defaults of drawing (`Dials`)."""

    orders: int = 5
    """The longest context, in ids."""
    most: int = 4_000_000
    """At most so many ids are counted, the first that come; windows come in random order."""

    def __post_init__(self) -> None:
        Dials.__post_init__(self)
        check_ranges(self, orders=(0, 32), most=(1, math.inf))


class NGram(Counted):
    """Interpolated modified Kneser-Ney smoothing (Chen and Goodman 1999, section 3): a shorter context counts how many different
    ids stood before it, not how often it came.

    Under a label each class has counts of its own, which fall back to those of all data, order by order: class order n, all order n,
    class order n - 1, ...; without a label those of all data alone.
    """

    Settings = NGramSettings
    settings: NGramSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        settings = settings or NGramSettings()
        self.classes = count_classes(conditions)
        experts = (settings.orders + 1) * (2 if self.classes else 1)
        super().__init__(spec, conditions, settings, range(-1, experts - 1))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return refuses_ids(spec) or refuses_conditions(conditions)

    def _contexts(self, x: Tensor, state: CountedState) -> tuple[Tensor, ContextState]:
        keys, contexts = context_keys(x, state.contexts, self.settings.orders, self.spec.stop)
        return (labelled(keys, state.group, self.classes) if self.classes else keys), contexts

    def _mixed(self, evidence: Evidence) -> Tensor:
        return alone(evidence, self.experts - 1)

    def _learn(self, x: Tensor, counted: Tensor, group: Tensor) -> None:
        step, table = 2 if self.classes else 1, self.table
        for rows in self._pieces(x):
            here, start = counted[rows], CountedState(self._start(len(x[rows])).contexts, group[rows])
            keys = self._contexts(x[rows], start)[0][:, :-1][here]
            for first in range(step):
                table = kneser_ney(table, keys[:, first::step], x[rows][here])
        self._keep(table)

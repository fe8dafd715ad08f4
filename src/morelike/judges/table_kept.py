"""The share of rows that obey all rules of a table, given and learnt ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import Refused
from .intervals import Measure, wilson
from .scores import Rule, Shown
from .table_codes import Table

KEPT = "rules-kept"
Keeps = Callable[[Table], NDArray[np.bool_]]
"""(N,C) cells -> (N,) bool: which rows obey."""


class KeptScores:
    """`rules-kept`: 1 for a model by whose codec rules are obeyed. The floor are held-out rows as they are written in the data: below 1 it
    says that a rule, learnt from training rows, goes too far."""

    extractor = "cells"

    def __init__(self, keeps: Keeps, written: Table) -> None:
        """`written` (h,C): all held-out rows, as they are."""
        self.keeps, self.written = keeps, written
        self.rules = {KEPT: Rule("higher", 1, bar=False)}

    def measure(self, shown: Shown) -> dict[str, Measure]:
        if shown.items is None:
            raise Refused("needs the rows themselves")
        rows = self.written if shown.role == "holdout" else shown.items
        share = float(self.keeps(rows).mean())
        return {KEPT: wilson(share, len(rows)) if shown.intervals else Measure(share)}

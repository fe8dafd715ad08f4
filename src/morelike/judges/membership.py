"""Whether generated rows give away who was in the training data: an attack on membership, and how often it is right."""

from __future__ import annotations

import numpy as np

from ..core.errors import Refused
from ..maths.distance import nearest
from ..maths.table_distance import area_under_curve
from .intervals import Floats, Measure, around
from .scores import Rule, Shown
from .table_codes import Places, Table, TableCodes
from .table_scores import MOST_ROWS, items_of, some_rows

MEMBERSHIP = "membership-auc"
SMALLEST = 50
_MOST_ASKED = 2_000


def membership_rules() -> dict[str, Rule]:
    """The rule of `membership-auc`: noise gives nobody away, so it sets no bar."""
    return {MEMBERSHIP: Rule("lower", SMALLEST, bar=False)}


class MembershipScores:
    """`membership-auc`: how well training rows are told from held-out ones by one who sees the generated rows; 0.5 is chance.

    The attack is DOMIAS (van Breugel et al. 2023, arXiv:2302.12580, eq. 2) with nearest neighbours for densities: a row's suspicion is
    its distance to the nearest of some reference rows, over that to the nearest generated row. Reference rows are half of those held out;
    the attacked rows are the other half and as many of training.
    """

    extractor = "raw-table"

    def __init__(self, codes: TableCodes, training: Table, heldout: Table, seed: int) -> None:
        """`heldout` (h,C): the rows that `Shown.rows` of the held-out set counts in."""
        size = min(len(training), len(heldout) // 2, _MOST_ASKED)
        if size < SMALLEST:
            raise Refused(f"needs at least {SMALLEST} training and twice as many held-out rows, has {len(training)} and {len(heldout)}")
        members = codes(training[some_rows(len(training), size, seed)])
        self.codes, self.places, self.seed = codes, Places(codes(training[some_rows(len(training), MOST_ROWS, seed)])), seed
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(heldout))
        self.others = np.sort(order[:size])
        reference = self._points(heldout[np.sort(order[size : size + MOST_ROWS])])
        self.asked = [self.places(members).astype(np.float64), self._points(heldout[self.others])]
        self.far = [nearest(x, reference)[0][:, 0] for x in self.asked]
        self.rules = membership_rules()

    def _points(self, items: Table) -> Floats:
        points: Floats = self.places(self.codes(items)).astype(np.float64)
        return points

    def measure(self, shown: Shown) -> dict[str, Measure]:
        items = items_of(shown)
        if shown.role == "holdout":
            # an attacked row must not meet itself
            items = items[~np.isin(shown.rows, self.others)]
            if not len(items):
                return {}
        made = self._points(items[some_rows(len(items), MOST_ROWS, self.seed)])
        suspicion = []
        for x, far in zip(self.asked, self.far, strict=True):
            near = np.maximum(nearest(x, made)[0][:, 0], 1e-9)
            suspicion.append(np.where(far <= 1e-9, np.minimum(1.0, 1e-9 / near), far / near))
        value, deviation = area_under_curve(suspicion[0], suspicion[1])
        return {MEMBERSHIP: around(value, deviation, 0.0, 1.0) if shown.intervals else Measure(value)}

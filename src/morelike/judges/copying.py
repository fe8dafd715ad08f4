"""Copied training items: who lies suspiciously near, by two scores, and the pairs to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import Refused
from ..maths.distance import nearest
from .intervals import Floats, Measure, wilson
from .scores import Ids, Rule, Shown, check_features, check_spread

_NEIGHBOURS = 10
_QUANTILE = 0.02
_CALIBRATION_ITEMS = 2_000
_SMALLEST = 50
_SMALLEST_TRAINING = 100
PAIRS = 12


@dataclass(frozen=True, slots=True)
class _Look:
    """Where n items lie among M training and h held-out items."""

    training: Ids
    """(n,): the nearest training item."""
    distance: Floats
    """(n,): how far it is."""
    relative: Floats
    """(n,): that distance over the mean distance to the ten nearest training items."""
    heldout: Ids
    """(n,): the nearest held-out item."""
    heldout_distance: Floats


def relative_distance(distances: Floats) -> Floats:
    """(N,): nearest distance over the mean of all k, from ascending distances (N,k); 0 for an exact copy.

    The measure of Carlini et al. 2023, arXiv:2301.13188, with 10 neighbours instead of 50: it asks for an
    item that stands out among its neighbours, so plain or blurred samples, near to many items, are no copies.
    """
    mean = distances.mean(1)
    relative: Floats = np.divide(distances[:, 0], mean, out=np.zeros_like(mean), where=mean > 0)
    return relative


def copy_rules() -> dict[str, Rule]:
    """The rules of `copies` and `memory`."""
    return {name: Rule("lower", _SMALLEST, bar=False) for name in ("copies", "memory")}


class CopyScores:
    """`copies` and `memory` on raw features, against every training item."""

    def __init__(self, extractor: str, training: Floats, heldout: Floats, seed: int) -> None:
        """`training` (M,D): all of them; `heldout` (h,D). The threshold is set on the training split itself."""
        if len(training) < _SMALLEST_TRAINING:
            raise Refused(f"needs at least {_SMALLEST_TRAINING} training items, has {len(training)}")
        check_features(training, "training items")
        check_features(heldout, "held-out items")
        check_spread(training)
        self.rules = copy_rules()
        self.extractor, self.training, self.heldout = extractor, training, heldout
        size = min(_CALIBRATION_ITEMS, len(training))
        rows = np.sort(np.random.Generator(np.random.PCG64(seed)).choice(len(training), size, replace=False))
        self.calibration = self._find(training[rows], rows)
        different = self.calibration.relative[self.calibration.relative > 0]
        # Items that are in the data twice would push the threshold to zero, and copies with noise would pass.
        self.threshold = float(np.quantile(different, _QUANTILE)) if len(different) else 0.0
        self._seen: dict[int, _Look] = {}

    def _look(self, shown: Shown) -> _Look:
        if id(shown) not in self._seen:
            x = shown.features[self.extractor]
            check_features(x, "items")
            self._seen[id(shown)] = self._find(x, None)
        return self._seen[id(shown)]

    def _find(self, x: Floats, itself: Ids | None) -> _Look:
        distances, numbers = nearest(x, self.training, _NEIGHBOURS, itself)
        gap, item = nearest(x, self.heldout)
        return _Look(numbers[:, 0], distances[:, 0], relative_distance(distances), item[:, 0], gap[:, 0])

    def measure(self, shown: Shown) -> dict[str, Measure]:
        """The floor of `copies` is measured on held-out items; that of `memory` on training items, each left out in turn."""
        look = self._look(shown)
        copied = wilson(float((look.relative <= self.threshold).mean()), len(look.relative))
        if shown.role == "holdout":
            return {"copies": copied, "memory": self._memory(self.calibration, len(self.training) - 1)}
        return {"copies": copied, "memory": self._memory(look, len(self.training))}

    def _memory(self, look: _Look, others: int) -> Measure:
        """1 - (share of items nearer to a held-out than to any training item) / (the share expected of fresh items).

        Training and held-out items are draws of one source, so a fresh item's nearest of all M + h is held-out with
        probability h / (M + h). If a share c of the items are copies and the rest fresh, this is c on average. (Where
        the official hold-out is another source, as MNIST's other writers are, training items left out show by how much.)
        """
        asked, held = len(look.heldout), len(self.heldout)
        expected = held / (held + others)
        closer = look.heldout_distance < look.distance
        share = float((closer + 0.5 * (look.heldout_distance == look.distance)).mean())
        plain = wilson(share, asked)
        # One held-out item may be nearest to many samples: the spread between held-out items says by how much.
        captured = np.bincount(look.heldout[closer], minlength=held)
        half = 1.96 * float((held * captured.var()) ** 0.5) / asked
        least, most = min(plain.low or 0.0, share - half), max(plain.high or 0.0, share + half)
        return Measure(1 - share / expected, 1 - min(1.0, most) / expected, 1 - max(0.0, least) / expected)

    def pairs(self, shown: Shown, training_rows: Ids, heldout_rows: Ids) -> list[dict[str, Any]]:
        """The 12 samples that stand out most by relative distance: item numbers, distances, and the nearest held-out item.

        `training_rows` (M,), `heldout_rows` (h,): the item numbers of the rows that this group was given.
        """
        look = self._look(shown)
        order = np.lexsort((look.distance, look.relative))[:PAIRS]
        return [
            {
                "generated": int(shown.rows[i]),
                "training": int(training_rows[look.training[i]]),
                "distance": float(look.distance[i]),
                "relative": float(look.relative[i]),
                "heldout": int(heldout_rows[look.heldout[i]]),
                "heldout_distance": float(look.heldout_distance[i]),
                "copy": bool(look.relative[i] <= self.threshold),
            }
            for i in order
        ]

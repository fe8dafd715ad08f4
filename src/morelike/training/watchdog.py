"""The watchdog: sees a run go non-finite, puts it back to its last healthy state with a lower rate, and gives up after three."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from ..core.errors import MorelikeError

MOST_INCIDENTS = 3
RATE_CUT = 0.3
UNHEALED = (
    "This run did not heal: try another family (r3gan is the steadiest game, diffusion plays none), more data, or a lower rate (lr=...)"
)


class TrainingFailed(MorelikeError):
    """A run that could not be healed; its last healthy state is kept."""


@dataclass(slots=True)
class Snapshot:
    """The last state whose losses and gradients were all finite."""

    flat: dict[str, Tensor]
    step: int


def sick(terms: dict[str, float]) -> list[str]:
    """The names of the terms that are not finite."""
    return [name for name, value in terms.items() if not math.isfinite(value)]

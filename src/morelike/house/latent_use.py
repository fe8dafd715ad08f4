"""Whether a sequence's latent is used at all: what it carries, for the card and for people."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..core.contract import Trainable
from ..core.spec import lift, lift_all
from ..families.textvae import SequenceVAE
from .prepare import Prepared

_ITEMS = 256
_LEAST = 1.0
"""Nats below which a latent says next to nothing of its item."""


@torch.no_grad()
def latent_use(model: Trainable, data: Prepared) -> dict[str, float]:
    """{"nats": the mean divergence of held-out items' posteriors from the prior, "active": the share of latent numbers that vary over
    them}; {} for other families, or without held-out items."""
    count = min(_ITEMS, len(data.holdout))
    if not isinstance(model, SequenceVAE) or not count:
        return {}
    rows = np.arange(count) * len(data.holdout) // count
    stored, conditions = data.holdout.rows(rows)
    x = lift(model.spec, stored.to(model.device))
    own = lift_all(model.conditions, {name: value.to(model.device) for name, value in conditions.items()})
    return {"nats": float(model.divergence(x, own).mean()), "active": model.active_units(x, own)}


def sentence(found: dict[str, Any]) -> str:
    """What `latent_use` found, in words."""
    said = f"the latent carries {found['nats']:.1f} nats an item, and {found['active']:.0%} of its numbers vary"
    if found["nats"] < _LEAST:
        said += "; that is next to nothing: raise free_bits or word_dropout, or train longer"
    return said

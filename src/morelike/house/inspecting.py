"""Outlines by how odd they are, and where: what the coding can't follow, and what the model finds unlikely.  N outlines, Q places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import lift
from ..data.curve import CurveCodec
from ..data.curve_items import Outline
from ..data.curve_measures import FORMS, measured
from ..data.open import open_source
from .able import generator
from .package import Package
from .sampling import conditions_for, draw

Numbers = NDArray[np.float64]
_DRAWS = 256
"""Draws of the model that say how surprising an outline usually is."""
_RARE = 2.33
"""Standard deviations that one draw in a hundred of a Gaussian exceeds."""


@dataclass(slots=True)
class Inspected:
    """Outlines and how odd they are."""

    names: Sequence[str]
    bumps: Numbers
    """(N,) the largest error of the coding at one place, in multiples of what training outlines have there, by the most of 98 in 100 of
    these: dents and steps."""
    places: Sequence[str]
    """(N,) where that is, in words."""
    nats: Numbers
    """(N,) -log p(outline): strange as a whole, however smooth."""
    usual: tuple[float, float]
    """Mean and standard deviation of `nats` of the model's own draws."""
    skipped: Sequence[tuple[str, str]] = ()
    """(file, why) of those that can't be read."""

    @property
    def scores(self) -> Numbers:
        """(N,) the larger of both oddities, the bump, and deviations from the usual nats by 2.33; odd is what is above 1."""
        return np.maximum(self.bumps, (self.nats - self.usual[0]) / (_RARE * max(self.usual[1], 1e-9)))

    def rows(self) -> list[dict[str, Any]]:
        """One an outline, the oddest first."""
        scores = self.scores
        order = np.argsort(-scores, kind="stable").tolist()
        return [
            {"rank": rank, "name": self.names[row], "score": float(scores[row]), "bump": float(self.bumps[row]), "where": self.places[row],
             "nats": float(self.nats[row])}
            for rank, row in enumerate(order, 1)
        ]  # fmt: skip


def inspect(package: Package, data: str | Path | Sequence[Outline], seed: int = 0) -> Inspected:
    """How odd the outlines of a file, folder or zip, or raw ones, are. A model that is told properties is told those that they have.

    Raises Refused for a model without a likelihood, BadInput where nothing can be read.
    """
    codec = package.codec
    if not isinstance(codec, CurveCodec):
        raise Refused(f"outlines are inspected by a model of outlines, not of the kind {codec.kind!r}")
    model: Any = generator(package, "inspect")
    items, names, skipped = _read(data)
    errors = np.array([codec.misfit(item) for item in items]) / codec.left[:, 0] / codec.odd
    condition = {name: value.to(model.device) for name, value in _told(package, items).items()}
    nats = _nats(package, torch.from_numpy(codec.encode(items)), condition)
    drawn_under = conditions_for(package, _DRAWS, {}, seed)
    drawn = draw(model, _DRAWS, drawn_under, seed=seed)
    usual = _nats(package, drawn, {name: value.to(model.device) for name, value in drawn_under.items()})
    places = [codec.where(int(row.argmax())) for row in errors]
    return Inspected(names, errors.max(1), places, nats, (float(usual.mean()), float(usual.std())), skipped)


def _read(data: str | Path | Sequence[Outline]) -> tuple[list[Outline], list[str], Sequence[tuple[str, str]]]:
    if not isinstance(data, str | Path):
        return list(data), [f"outline {row}" for row in range(len(data))], ()
    source = open_source(str(data), kind="curve")
    return list(source.items), list(source.names or ()), source.skipped


def _told(package: Package, items: Sequence[Outline]) -> dict[str, torch.Tensor]:
    """The conditions that follow from the outlines themselves. Raises BadInput for others, which nobody has said."""
    codec = package.codec
    assert isinstance(codec, CurveCodec)
    found = {}
    for name, own in package.conditions.items():
        if name not in FORMS[codec.form]:
            raise BadInput(f"this model was told {name}, which doesn't follow from an outline; take one without --condition {name}")
        found[name] = torch.from_numpy(np.asarray(own.encode(list(measured(items, name, codec.form)[:, None]))))
    return found


def _nats(package: Package, x: torch.Tensor, condition: dict[str, torch.Tensor]) -> Numbers:
    """(N,) -log p, a thousand at a time."""
    model: Any = package.model
    found = []
    for start in range(0, len(x), 1000):
        rows = slice(start, start + 1000)
        own = lift(model.spec, x[rows]).to(model.device)
        index = torch.arange(start, start + len(own), device=model.device)
        noise = None if model.tight == "exact" else Noise(0, index, path=("inspect",))
        with torch.no_grad():
            nats = -model.log_prob(own, {name: value[rows] for name, value in condition.items()}, noise=noise)
        found.append(nats.double().cpu().numpy())
    everything = np.concatenate(found)
    return np.where(np.isfinite(everything), everything, math.inf)

"""Families really learn: on toy sets whose density is known, a share of the way from the trivial model to the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from morelike.data.loader import Dataset, Order
from morelike.data.toys import TOYS
from morelike.house.build import build
from morelike.house.judging import fit_by_passes
from morelike.house.prepare import Feed, Prepared, prepare
from morelike.house.recipe import Recipe
from morelike.house.sampling import draw
from morelike.training.loop import Trainer
from morelike.training.plan import Plan


def fitted(name: str, data: Prepared, turns: int, size: str = "xs", **settings: Any) -> np.ndarray:
    """2,000 raw samples of a family trained on a toy set."""
    model = build(Recipe(model=name, size=size, settings=settings), data.codec.spec, {})
    if turns:
        dataset = Dataset(data.train.x)
        plan = Plan(steps=turns, batch=256)
        model = Trainer(model, Feed(dataset, Order(len(dataset), 256, 0), by_pass=False), plan).run()
    else:
        model = fit_by_passes(model, data.train)
    return np.asarray(data.codec.decode(draw(model, 2000).numpy()))


@pytest.fixture(scope="module")
def ring() -> Prepared:
    return prepare(Recipe(data="ring8", condition=[]))


def score(x: np.ndarray) -> float:
    """Mean log density, in nats, of samples under the true density, floored where it is nothing."""
    return float(np.maximum(TOYS["ring8"].log_prob(x.astype(np.float64)), -20.0).mean())


WIDE = {"size": "s", "lr": 5e-3, "time_std": 2.0}
"""Narrow modes need training at small noise too."""


LEARNERS = [
    ("diffusion", 800, WIDE, 0.85), ("gmm", 0, {"components": 12}, 0.95), ("spline-flow", 300, {"lr": 5e-3}, 0.8),
    ("realnvp", 300, {"lr": 5e-3}, 0.45),
]  # fmt: skip


@pytest.mark.parametrize(("name", "turns", "settings", "share"), LEARNERS)
def test_samples_come_most_of_the_way_to_the_truth(ring: Prepared, name: str, turns: int, settings: dict[str, Any], share: float) -> None:
    truth, trivial = -TOYS["ring8"].entropy, score(fitted("gaussian", ring, 0, rank=1))
    samples = fitted(name, ring, turns, **settings)
    reached = (score(samples) - trivial) / (truth - trivial)
    assert reached > share
    angles = np.arctan2(samples[:, 1], samples[:, 0])
    modes = np.bincount(np.round(angles / (np.pi / 4)).astype(int) % 8, minlength=8) / len(samples)
    assert modes.min() > 0.125 / 2, "a mode is lost"
    assert modes.max() < 0.125 * 2


def test_labels_are_obeyed_on_real_digits() -> None:
    """A minute of nothing: 150 steps already tell the classes' mean pictures apart."""
    data = prepare(Recipe(data="digits"))
    model = build(Recipe(model="diffusion", size="xs"), data.codec.spec, data.specs)
    kept = Trainer(model, Feed(data.train, Order(len(data.train), 64, 0), by_pass=False), Plan(steps=250, batch=64, drop=0.1)).run()
    ids = torch.arange(10).repeat_interleave(12)[:, None]
    x = draw(kept, 120, {"label": ids}).flatten(1)
    real, labels = data.train.x.reshape(len(data.train), -1), data.train.condition["label"][:, 0]
    means = torch.from_numpy(np.stack([real[labels == c].mean(0) for c in range(10)]) * 2 / 255 - 1).float()
    nearest = torch.cdist(x, means).argmin(1)
    assert float((nearest == ids[:, 0]).float().mean()) > 0.6

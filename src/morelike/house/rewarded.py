"""A saved model that is tuned towards a reward: what it is measured by, and what was lost by it. N items, D features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.contract import Trainable
from ..core.errors import Refused
from ..core.noise import Noise
from ..core.spec import Tokens, lift, lift_all, sequential
from ..data.source import in_words
from ..data.world import World
from ..families.rewarded import Rewarded, RewardedSettings
from ..judges.measures import wish
from ..maths.constraint import Constraint
from . import judging
from .package import Package
from .prepare import Prepared, raw_of
from .recipe import Reward

DRAWN = 512
"""Samples before and after that say what was lost."""
_REFERENCE = 2000
"""Training items whose spread is the unit of a measure."""
_AT_ONCE = 64
_UNIQUE, _SPREAD = 0.05, 0.8
"""Falls of the unique share, and shares that are left of the spread, of which the reader is warned."""


def plain(model: Trainable) -> Trainable:
    """The model itself of one that is tuned."""
    return model.model if isinstance(model, Rewarded) else model


class Rewarding:
    """What tunes the saved model `original`, called `name`, and tells what it cost."""

    def __init__(self, original: Package, reward: Reward, data: Prepared, name: str) -> None:
        """Raises Refused where the model can't be tuned so, UnknownName or BadInput for a wish that isn't understood."""
        self.original, self.reward, self.data = original, reward, data
        codec, spec = original.codec, original.model.spec
        if not sequential(spec):
            raise Refused(f"{name} makes no sequences, and only models that write id by id are tuned towards a reward")
        assert isinstance(spec, Tokens)
        machine = codec.machine() if reward.rules and isinstance(codec, World) else None
        self.constraint = None if machine is None else Constraint([machine], spec)
        if why := Rewarded.takes(original.model, machine is not None):
            free = " (with rules=false others too)" if machine is not None else ""
            raise Refused(f"{name} can't be tuned towards a reward: {why}{free}")
        rows = np.arange(min(_REFERENCE, len(data.train))) * len(data.train) // min(_REFERENCE, len(data.train))
        self.reference = data.raw(data.train, rows)
        domain = judging.domain_of(codec, self.reference)
        self.wishes = [wish(text, codec.kind, domain, list(self.reference)) for text in reward.towards]

    def wrapped(self, model: Trainable, device: torch.device) -> Rewarded:
        """`model`, which begins as the original, to be trained."""
        own = self.reward
        settings = RewardedSettings(own.beta, own.draws, own.lr)
        return Rewarded(model, self.original.model.to(device), self._rewards(), settings, self.constraint)  # type: ignore[arg-type]

    def _rewards(self) -> Callable[[Tensor], Tensor]:
        """A function, which copies of the model share."""

        def rewards(x: Tensor) -> Tensor:
            return torch.from_numpy(self._worth(list(raw_of(self.original.codec, x.numpy()))))

        return rewards

    def _worth(self, items: list[Any]) -> np.ndarray:
        """(N,) the mean of the wishes."""
        worth: np.ndarray = np.mean([one(items) for one in self.wishes], 0)
        return worth

    def told(self, model: Trainable) -> dict[str, Any]:
        """What was gained and lost, measured on `DRAWN` samples of each under the same noise, for the card."""
        pair = self.wrapped(model, model.device)
        after = self._measured(pair, "sample")
        before = self._measured(self.wrapped(self.original.model, model.device), "sample")
        nats = {} if len(self.data.holdout) == 0 else self._holdout(pair)
        price = {key: after.pop(key) for key in ("divergence", "divergence_error")}
        before = {key: value for key, value in before.items() if key not in price}
        return {**self.reward.model_dump(), "drawn": DRAWN, "before": before, "after": after, **price, **nats}

    def _measured(self, pair: Rewarded, name: str) -> dict[str, Any]:
        """Of samples of the tuned model of a pair: what they measure, how various they are, and nats against the original."""
        x, own, other = self._drawn(pair, name)
        items = raw_of(self.original.codec, x.numpy())
        features = judging.raw_features(self.original.codec, self.reference)(items)
        measured = {}
        for text, one in zip(self.reward.towards, self.wishes, strict=True):
            values = one.function(list(items))
            known = values[np.isfinite(values)]
            measured[text] = float(known.mean()) if len(known) else None
        difference = (other - own).numpy()
        return {
            "reward": float(self._worth(list(items)).mean()),
            "measured": measured,
            "unique": len({in_words(item) for item in items}) / len(items),
            "spread": _spread(features),
            "entropy": float(own.mean()),
            "divergence": float(difference.mean()),
            "divergence_error": float(difference.std() / len(difference) ** 0.5),
        }

    def _drawn(self, pair: Rewarded, name: str) -> tuple[Tensor, Tensor, Tensor]:
        """(x (N,T), nats of each under the tuned model, under the original), under the held-out items' conditions."""
        rows = torch.arange(DRAWN) % max(1, len(self.data.holdout))
        condition = {key: torch.from_numpy(np.asarray(value))[rows] for key, value in self.data.holdout.condition.items()
                     if key in pair.conditions}  # fmt: skip
        pair.eval()
        parts = []
        with torch.no_grad():
            for start in range(0, DRAWN, _AT_ONCE):
                noise = Noise(0, torch.arange(start, min(start + _AT_ONCE, DRAWN)), path=(name,)).to(pair.model.device)
                some = {key: value[start : start + _AT_ONCE].to(pair.model.device) for key, value in condition.items()}
                own = lift_all(pair.conditions, some)
                x = pair.draw(own, noise)
                parts.append((x, *pair.nats(x, own)))
        x, now, before = (torch.cat(each).cpu() for each in zip(*parts, strict=True))
        return x, now.double(), before.double()

    def _holdout(self, pair: Rewarded) -> dict[str, float]:
        """Mean nats of at most `DRAWN` held-out items under both, without rules."""
        count = min(DRAWN, len(self.data.holdout))
        stored = torch.from_numpy(np.asarray(self.data.holdout.x[np.arange(count) * len(self.data.holdout) // count]))
        rows = torch.arange(count) * len(self.data.holdout) // count
        totals = [0.0, 0.0]
        with torch.no_grad():
            for start in range(0, count, _AT_ONCE):
                x = lift(pair.spec, stored[start : start + _AT_ONCE].to(pair.model.device))
                some = rows[start : start + _AT_ONCE]
                own = lift_all(pair.conditions, {key: torch.from_numpy(np.asarray(value))[some].to(pair.model.device)
                                                 for key, value in self.data.holdout.condition.items()})  # fmt: skip
                for place, model in enumerate((pair.parts["original"], pair.model)):
                    totals[place] += float(model.surprise(x, own).double().sum())  # type: ignore[operator]
        return {"nats_before": totals[0] / count, "nats_after": totals[1] / count}


def sentences(found: dict[str, Any]) -> list[str]:
    """What a card's `reward` says, for people."""
    before, after = found["before"], found["after"]
    said = [
        f"{text}: {_number(before['measured'][text])} before, {_number(after['measured'][text])} after (means of {found['drawn']} samples)"
        for text in found["towards"]
    ]
    said.append(
        f"reward {before['reward']:.3f} -> {after['reward']:.3f}, at {found['divergence']:.2f} nats a sample from the original "
        f"(+- {found['divergence_error']:.2f}, standard error)"
    )
    said.append(
        f"lost: unique {before['unique']:.1%} -> {after['unique']:.1%}, spread {after['spread'] / before['spread']:.0%} of what it was, "
        f"entropy {before['entropy']:.1f} -> {after['entropy']:.1f} nats a sample"
        + (f", held-out items {found['nats_before']:.2f} -> {found['nats_after']:.2f} nats" if "nats_before" in found else "")
    )
    if after["unique"] < before["unique"] - _UNIQUE or after["spread"] < _SPREAD * before["spread"]:
        said.append("warning: the samples became less various; a higher --beta keeps them nearer to the original")
    return said


def _number(value: float | None) -> str:
    return "nothing measurable" if value is None else f"{value:.3g}"


def _spread(features: np.ndarray) -> float:
    """Mean distance of each item's features from those of the one half the set away; 0 where all are alike."""
    rows = np.asarray(features, np.float64)
    return float(np.linalg.norm(rows - np.roll(rows, len(rows) // 2, axis=0), axis=1).mean())

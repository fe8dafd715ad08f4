"""How likely a text is under a model: every id of a held-out part scored exactly once, a running text with its past.

N ids, T the model's window, B batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..core.abilities import Continues, Density
from ..core.noise import Noise
from ..core.spec import Tokens, lift, lift_all
from ..data.loader import Dataset, Windows
from ..tasks.surprise import surprise

_IDS = 1 << 14
"""Ids scored at once."""
_STRETCH = 1 << 20
"""Ids of a running text taken into memory at once."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Nats of each item (or stretch of a running text), and how many characters and bytes it has: (n,) each."""

    nats: np.ndarray
    characters: np.ndarray
    bytes: np.ndarray

    @property
    def per_character(self) -> float:
        return float(self.nats.sum() / self.characters.sum())


def likelihood(model: Density, part: Dataset, pieces: list[bytes], *, most: int | None = None, seed: int = 0) -> Likelihood:
    """Of a part of the data: of every item, or of a whole running text where the model `Continues`; `most` bounds the items scored.

    `pieces`: the UTF-8 bytes of each id; those of no text (the stop) are empty.
    """
    lengths = np.array([len(piece) for piece in pieces])
    starts = np.array([sum(byte & 0xC0 != 0x80 for byte in piece) for piece in pieces])
    if isinstance(part, Windows) and isinstance(model, Continues):
        ids = part.ids if most is None else part.ids[: most * part.window]
        edges = np.arange(0, len(ids), part.window)
        nats = np.add.reduceat(running_nats(model, ids), edges)
        return Likelihood(nats, np.add.reduceat(starts[ids], edges), np.add.reduceat(lengths[ids], edges))
    x = part.x if most is None else part.x[:most]
    condition = {name: values[: len(x)] for name, values in part.condition.items()}
    nats = -log_probs(model, x, condition, seed)
    flat = x.reshape(len(x), -1)
    ended = _after_stop(model, flat)
    return Likelihood(nats, (starts[flat] * ~ended).sum(1), (lengths[flat] * ~ended).sum(1))


def _after_stop(model: Density, flat: np.ndarray) -> np.ndarray:
    stop = getattr(getattr(model, "spec", None), "stop", None)
    found: np.ndarray = np.zeros(flat.shape, bool) if stop is None else (flat == stop).cumsum(1) > 0
    return found


def log_probs(model: Density, x: np.ndarray, condition: dict[str, np.ndarray], seed: int = 0) -> np.ndarray:
    """(N,) nats of stored examples (N,*), some at a time."""
    spec, device = model.spec, model.device  # type: ignore[attr-defined]  # every Density here is a Generator
    batch = max(1, _IDS // max(1, int(np.prod(x.shape[1:])))) if isinstance(spec, Tokens) else 512
    found = []
    with torch.inference_mode():
        for start in range(0, len(x), batch):
            rows = slice(start, start + batch)
            own = {name: torch.from_numpy(np.ascontiguousarray(values[rows])).to(device) for name, values in condition.items()}
            own = lift_all(model.conditions, own)  # type: ignore[attr-defined]
            values = lift(spec, torch.from_numpy(np.ascontiguousarray(x[rows])).to(device))
            noise = Noise(seed, torch.arange(start, start + len(values)), path=("likelihood",)).to(device)
            found.append(model.log_prob(values, own, noise=noise).double().cpu())
    return torch.cat(found).numpy() if found else np.zeros(0)


def running_nats(model: Continues, ids: np.ndarray) -> np.ndarray:
    """(N,) nats of each id of a running text: windows overlap by half, so each but the first half window has at least T/2 ids of past."""
    parts, spec, device = [], model.spec, model.device  # type: ignore[attr-defined]
    with torch.inference_mode():
        for start in range(0, len(ids), _STRETCH):
            # some stretch at a time, each with a window of past
            first = max(0, start - spec.shape[0])
            told = surprise(model, spec, torch.from_numpy(np.asarray(ids[first : start + _STRETCH]).astype(np.int64)).to(device))
            parts.append(told[start - first :].double().numpy())
    return np.concatenate(parts) if parts else np.zeros(0)

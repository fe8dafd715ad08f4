"""Faults in series: what a model makes of each part of a channel, given the rest, against what is there.

C channels, L steps, T steps of a window, M draws, K parts of a channel, b steps of a part.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.noise import Noise
from .forecasting import How, stride

Floats = NDArray[np.float64]
FAULTS = ("spike", "level", "noise", "frozen")
"""A value on its own; a part whose mean is off; a part that moves too much; one that moves too little."""
DRAWS = 32
_TAIL = 0.1
"""Share of the largest scores of sound data that the tail of all is read from."""
_STILL = 1e-3
"""Share of the usual movement below which there is none."""


@torch.no_grad()
def residuals(how: How, x: Tensor, channels: int, *, noise: Noise) -> Floats:
    """(4,C,L) how far each value of the first C channels of x (D,L), all known, L >= T, is from what the model draws there, in deviations
    of the draws, as each of FAULTS; noise has a row for each of M draws.

    Parts of T // 4 steps of one channel are hidden in turn, the other channels known: between their neighbours (for spikes and
    movement) and with all that follows of the channel in its window (for levels, which later values would give away). Raises Refused
    where the model can't fill in.
    """
    window = how.window.length
    length, own = x.shape[1], stride(window)
    found = np.zeros((len(FAULTS), channels, length))
    parts = [min(first, length - own) for first in range(0, length, own)]
    begins = [min(max(first - (window - own) // 2, 0), length - window) for first in parts]
    offsets = sorted({first - start for first, start in zip(parts, begins, strict=True)})
    for done, (channel, offset) in enumerate(itertools.product(range(channels), offsets), 1):
        numbers = [number for number, (first, start) in enumerate(zip(parts, begins, strict=True)) if first - start == offset]
        pieces = torch.stack([x[:, begins[number] : begins[number] + window] for number in numbers])
        truth = pieces[:, channel, offset : offset + own].double().cpu().numpy()
        between, after = (
            _drawn(how, pieces, channel, slice(offset, end), noise.under(way, channel, offset))[:, :, :own]
            for way, end in (("between", offset + own), ("after", window))
        )
        for row, number in enumerate(numbers):
            found[:, channel, parts[number] : parts[number] + own] = _parted(truth[row], between[:, row], after[:, row])
        how.advance(-(-done // len(offsets)))
    return found


def _drawn(how: How, pieces: Tensor, channel: int, hidden: slice, noise: Noise) -> Floats:
    """(M,K,b) draws of the hidden steps of a channel of windows (K,C,T)."""
    known = torch.ones(pieces.shape[1:], dtype=torch.bool, device=pieces.device)
    known[channel, hidden] = False
    draws, many = noise.size, len(pieces)
    rows = torch.arange(draws * many, device=pieces.device)
    numbered = noise[rows % draws].shifted((rows // draws) * draws)
    levels, window = pieces[rows // draws], how.window
    drawn = window.to_levels(how.drawn(window.to_x(levels), window.known(known), numbered), levels, known)
    found: Floats = drawn[:, channel, hidden].double().cpu().numpy().reshape(many, draws, -1).swapaxes(0, 1)
    return found


def _parted(truth: Floats, between: Floats, after: Floats) -> Floats:
    """(4,b) for one part of b steps and its draws (M,b)."""
    spread = between.std(0) + 1e-9
    spike = np.abs(truth - np.median(between, axis=0)) / spread
    levels = after.mean(1)
    level = abs(truth.mean() - np.median(levels)) / (levels.std() + 1e-9)
    moves = np.square(np.diff(between, axis=1)).mean(1) if len(truth) > 1 else np.ones(len(between))
    usual = np.median(moves) + 1e-18
    logs = np.log(moves + _STILL**2 * usual)
    moved = math.log((np.square(np.diff(truth)).mean() if len(truth) > 1 else 1.0) + _STILL**2 * usual)
    busy = (moved - np.median(logs)) / (logs.std() + 1e-9)
    each: Floats = np.stack([spike, *(np.full(len(truth), value) for value in (level, max(0.0, busy), max(0.0, -busy)))])
    return each


@dataclass(frozen=True, slots=True)
class Usual:
    """How residuals of sound data are spread: as they are up to their 90 % quantile, beyond it by an exponential tail (Coles 2001, An
    introduction to statistical modeling of extreme values, section 4.2, with shape 0)."""

    body: Floats
    """(4,C,101) quantiles of the lower 90 %, from 0 on."""
    excess: Floats
    """(4,C) mean distance beyond the last of them."""

    @classmethod
    def of(cls, sound: Floats) -> Usual:
        """Of residuals (4,C,L)."""
        body = np.moveaxis(np.quantile(sound, np.linspace(0, 1 - _TAIL, 101), axis=2), 0, -1)
        beyond = np.maximum(sound - body[:, :, -1:], 0.0)
        return cls(body, np.maximum(beyond.sum(2) / np.maximum((beyond > 0).sum(2), 1), 1e-9))

    def scores(self, found: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """((C,L) nats: minus the log of four times the least probability that sound data have of a residual at least as large as one of the
        four of a value; (C,L) the number of that fault). Of sound data at most about exp(-s) of the values have a score above s."""
        chances = np.empty_like(found)
        for fault, channel in np.ndindex(*found.shape[:2]):
            own, body = found[fault, channel], self.body[fault, channel]
            inside = 1 - np.interp(own, np.maximum.accumulate(body + 1e-12 * np.arange(len(body))), np.linspace(0, 1 - _TAIL, len(body)))
            tail = np.exp(-np.maximum(own - body[-1], 0.0) / self.excess[fault, channel])
            chances[fault, channel] = np.where(own > body[-1], _TAIL * tail, inside)
        least = np.maximum(chances.min(0) * len(FAULTS), 1e-300)
        return np.maximum(0.0, -np.log(least)), chances.argmin(0)

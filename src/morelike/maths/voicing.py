"""Rules of voices that sound together: each within its range, none above the one over it.

B examples, T steps, V voices from the highest to the lowest, N ids of a voice (id 0 is silence).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .constraint import DEAD, Flags, Ints

_NONE = 1 << 20


class Voicing:
    """Which ids a voice may have beside those that are known. Silence may always be, so what is known never leaves nothing; and as long
    as it keeps the rules itself, voices can be settled in any order."""

    def __init__(self, pitch: Tensor, ranges: Tensor, groups: Tensor) -> None:
        """`pitch` (N,): that of every id, -1 for silence; `ranges` (V,2): the lowest and highest of each voice; `groups` (V,): voices of
        one number may not cross, others are free of each other."""
        self.pitch, self.ranges, self.groups = pitch, ranges, groups

    def allowed(self, x: Tensor, known: Tensor) -> Tensor:
        """(B,T,V,N) bool: the ids that a voice may have beside the known ones of x (B,T,V) at its step."""
        sounding = self.pitch[torch.where(known, x, 0)]
        heard = sounding >= 0
        low, high = self.ranges[:, 0].expand_as(sounding), self.ranges[:, 1].expand_as(sounding)
        # a voice that isn't known yet needs room within its own range; one that is silent needs none
        floor = torch.where(heard, sounding, torch.where(known, -_NONE, low))
        ceiling = torch.where(heard, sounding, torch.where(known, _NONE, high))
        least, most = low.clone(), high.clone()
        for voice in range(len(self.groups)):
            same = self.groups == self.groups[voice]
            below, above = same.clone(), same.clone()
            below[: voice + 1], above[voice:] = False, False
            if bool(below.any()):
                least[..., voice] = torch.maximum(least[..., voice], floor[..., below].amax(-1))
            if bool(above.any()):
                most[..., voice] = torch.minimum(most[..., voice], ceiling[..., above].amin(-1))
        fits = (self.pitch >= least[..., None]) & (self.pitch <= most[..., None])
        return fits | (self.pitch < 0)


class Beside:
    """A voicing as a rule for what fills in (`core.abilities.Obeys`): of ids beside those that are known, never the stop."""

    def __init__(self, voicing: Voicing, stop: int | None) -> None:
        self.voicing, self.stop = voicing, stop

    def __call__(self, x: Tensor, known: Tensor) -> Tensor:
        """(B,T,V,N) bool of x and known (B,T,V)."""
        allowed = self.voicing.allowed(x.cpu(), known.cpu())
        if self.stop is not None:
            allowed[..., self.stop] = False
        return allowed.to(x.device)


class EventRules:
    """The grammar of tunes as events (`maths.constraint.Machine`): a rest, or a note's voice, pitch and length in turn, the pitch within
    the voice's range. States: 0 between notes, 1 after a pitch, 2 + v after the voice v; a tune has a note at least, so 2 + voices
    stands for 0 before the first."""

    def __init__(self, rests: int, ranges: Ints, low: int, pitches: int, lengths: int) -> None:
        """`ranges` (V,2): the lowest and highest pitch of each voice; ids are rests, then voices where there are several, then pitches from
        `low` on, then lengths."""
        voices = len(ranges)
        said = voices if voices > 1 else 0
        self.start = 2 + voices
        first_pitch, first_length = rests + said, rests + said + pitches
        table = np.full((3 + voices, first_length + lengths + 1), DEAD, np.int64)
        for state in (0, self.start):
            table[state, :rests] = state
        table[1, first_length : first_length + lengths] = 0
        for voice, (lowest, highest) in enumerate(ranges):
            within = slice(first_pitch + int(lowest) - low, first_pitch + int(highest) - low + 1)
            table[2 + voice, within] = 1
            for state in (0, self.start):
                if said:
                    table[state, rests + voice] = 2 + voice
                else:
                    table[state, within] = 1
        self._table = table
        # ids that are needed until a tune may end
        self._needed = np.array([0, 1, *[2] * voices, 3 if said else 2])

    def step(self, states: Ints) -> Ints:
        return self._table[states]

    def accepts(self, states: Ints) -> Flags:
        return np.asarray(states == 0)

    def fits(self, states: Ints, left: int) -> Flags:
        return np.asarray((states != DEAD) & (self._needed[states] <= left))

    def why_not(self, length: int) -> str:
        return f"no tune fits in {length} events: a note alone takes two or three"

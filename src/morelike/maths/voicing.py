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
    the voice's range; a tune has a note at least, and ends with a whole beat, after its notes.

    A state is (kind, steps into the beat, steps that a note still sounds). Kinds: 0 between notes, 1 after a pitch, 2 + v after the voice
    v, 2 + voices before the first note.
    """

    def __init__(self, rests: int, ranges: Ints, low: int, pitches: int, lengths: int, beat: int = 1) -> None:
        """`ranges` (V,2): the lowest and highest pitch of each voice; ids are rests, then voices where there are several, then pitches from
        `low` on, then lengths. `beat`: in steps."""
        voices = len(ranges)
        said = voices if voices > 1 else 0
        shape = (3 + voices, beat, lengths + 1)
        first_pitch, first_length = rests + said, rests + said + pitches
        table = np.full((*shape, first_length + lengths + 1), DEAD, np.int64)
        places = np.arange(int(np.prod(shape))).reshape(shape)
        phase, sounds = np.arange(beat)[:, None], np.arange(lengths + 1)[None]
        for steps in range(1, rests + 1):
            after = (phase + steps) % beat, np.maximum(sounds - steps, 0)
            for kind in (0, 2 + voices):
                table[kind, :, :, steps - 1] = places[kind][after]
        for steps in range(1, lengths + 1):
            table[1, :, :, first_length + steps - 1] = places[0][phase, np.maximum(sounds, steps)]
        for voice, (lowest, highest) in enumerate(ranges):
            within = slice(first_pitch + int(lowest) - low, first_pitch + int(highest) - low + 1)
            table[2 + voice, :, :, within] = places[1][..., None]
            for kind in (0, 2 + voices):
                if said:
                    table[kind, :, :, rests + voice] = places[2 + voice]
                else:
                    table[kind, :, :, within] = places[1][..., None]
        self.start = int(places[2 + voices, 0, 0])
        self._table = table.reshape(places.size, -1)
        self._end = int(places[0, 0, 0])
        self._needed = self._distances()

    def _distances(self) -> Ints:
        """(states,) ids that are needed until a tune may end."""
        found = np.full(len(self._table), _NONE)
        found[self._end] = 0
        before = np.zeros(0)
        while not np.array_equal(found, before):
            before = found
            after = np.where(self._table == DEAD, _NONE, before[self._table])
            found = np.minimum(before, after.min(1) + 1)
        return found

    def step(self, states: Ints) -> Ints:
        return self._table[states]

    def accepts(self, states: Ints) -> Flags:
        return np.asarray(states == self._end)

    def fits(self, states: Ints, left: int) -> Flags:
        return np.asarray((states != DEAD) & (self._needed[states] <= left))

    def why_not(self, length: int) -> str:
        return f"no tune fits in {length} events: a note alone takes two or three"

"""Molecules of which a part is known: an automaton that writes the known symbols as they are, and whatever is a molecule in their gaps.

A gap is a substituent: it begins with an atom on a single bond and ends where its branch ends. It closes no ring of the known part, so
that part stays as it is. V vocabulary, n some states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..core.errors import BadInput
from .constraint import DEAD, Flags, Ints
from .molecule_rules import OPEN, MoleculeRules, State, to_the_end

GAP = -1
"""Stands for a gap among the known ids."""


class _Gap(NamedTuple):
    levels: int
    """Branches that are open in it, the main chain included, where none of its own is."""
    rings: int
    """Rings of the known part that are open there."""


class _Place(NamedTuple):
    state: int
    """As the rules number it."""
    at: int
    """The known id, or gap, that comes next or is being written."""
    fresh: bool
    """Whether a gap there is still empty."""


class ScaffoldRules:
    """The `Machine`, over the same ids as `rules`."""

    start = 0

    def __init__(self, rules: MoleculeRules, known: Sequence[int]) -> None:
        """`known`: ids, `GAP` among them, each before a closing bracket or at the end. Raises BadInput where they begin no molecule."""
        self.rules, self.known = rules, tuple(known)
        self._gaps = self._walk()
        self._places: list[_Place] = []
        self._numbers: dict[_Place, int] = {}
        self._rows: dict[int, Ints] = {}
        self._needs: list[int] = []
        self._number(_Place(rules.start, 0, True))

    def _walk(self) -> dict[int, _Gap]:
        """What is open at each gap, found by a carbon in every one."""
        found, state, carbon = {}, self.rules.start, self.rules.symbols.index(self.rules.carbon)
        for at, number in enumerate(self.known):
            if number == GAP:
                levels = self.rules.states[state].levels
                open_rings = sum(mask for level in levels for mask in (*level.rings, level.own))
                found[at] = _Gap(len(levels) + (self.rules.states[state].phase == OPEN), open_rings)
            state = int(self.rules.step(np.array([state]))[0, carbon if number == GAP else number])
            if state == DEAD:
                raise BadInput("the known part can't be written under the rules of molecules: an atom has no bond left for what is missing")
        if not self.rules.accepts(np.array([state]))[0]:
            raise BadInput("the known part is no molecule, whatever stands in its gaps: a ring or a branch isn't closed")
        return found

    def step(self, states: Ints) -> Ints:
        return np.stack([self._row(state) for state in states.tolist()])

    def accepts(self, states: Ints) -> Flags:
        places = [self._places[state] for state in states.tolist()]
        last = len(self.known) - 1
        done = [place.at > last or (place.at == last and self.known[last] == GAP and not place.fresh) for place in places]
        return np.array(done, np.bool_) & self.rules.accepts(np.array([place.state for place in places], np.int64))

    def fits(self, states: Ints, left: int) -> Flags:
        needs = np.array(self._needs, np.int64)
        return np.not_equal(states, DEAD) & (needs[np.maximum(states, 0)] <= left)

    def why_not(self, length: int) -> str:
        return f"the known part and its gaps don't fit into {length} symbols"

    def _row(self, number: int) -> Ints:
        if number not in self._rows:
            place = self._places[number]
            after = self.rules.step(np.array([place.state]))[0]
            row = np.full(len(after), DEAD, np.int64)
            for token in np.flatnonzero(after != DEAD).tolist():
                new = self._after(place, token, int(after[token]))
                row[token] = DEAD if new is None else self._number(new)
            self._rows[number] = row
        return self._rows[number]

    def _after(self, place: _Place, token: int, state: int) -> _Place | None:
        """Where an id leads that the rules allow; None where the known part forbids it."""
        if place.at >= len(self.known):
            return None
        if self.known[place.at] != GAP:
            return _Place(state, place.at + 1, True) if self.known[place.at] == token else None
        symbol, gap = self.rules.symbols[token], self._gaps[place.at]
        if place.fresh:
            return _Place(state, place.at, False) if symbol.what == "atom" else None
        if symbol.what == ")" and len(self.rules.states[place.state].levels) == gap.levels:
            return _Place(state, place.at + 2, True) if place.at + 1 < len(self.known) else None
        return None if symbol.ring & gap.rings else _Place(state, place.at, False)

    def _number(self, place: _Place) -> int:
        if place not in self._numbers:
            need = len(self.known) - place.at
            if need > 0 and self.known[place.at] == GAP and not place.fresh:
                need += to_the_end(self._own(place), self.rules.carbon) - 1
            if need >= 1 << 29:
                return DEAD
            self._numbers[place] = len(self._places)
            self._places.append(place)
            self._needs.append(need)
        return self._numbers[place]

    def _own(self, place: _Place) -> State:
        """What is written of the gap, as if it were all."""
        phase, bond, levels = self.rules.states[place.state]
        gap = self._gaps[place.at]
        hidden = ~gap.rings
        first = levels[gap.levels - 1]
        rings = tuple(mask for mask in (mask & hidden for mask in first.rings) if mask)
        first = first._replace(rings=rings, own=first.own & hidden, barred=first.barred & hidden)
        return State(phase, bond, (first, *levels[gap.levels :]))

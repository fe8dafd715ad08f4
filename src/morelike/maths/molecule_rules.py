"""SMILES that are molecules, by construction: an automaton over the symbols of Kekulé SMILES (no aromatic letters).

It keeps the brackets of branches, ring closures and valences. A beginning that it lets through can always be ended, and `fits` knows
within how many symbols: it follows one written plan (close what can be closed, hang on carbons where bonds are missing), so its count
is an upper bound, and every step of the plan lowers it by one.

Stricter than SMILES in what RDKit never writes: a ring opens on an atom and closes on one further down the same path, ring digits come
before branches, and an atom in brackets has all its bonds (no radicals). V vocabulary, n some states.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core.errors import BadInput
from .constraint import DEAD, Flags, Ints

_ROWS = (("H", "He"), ("B", "C", "N", "O", "F", "Ne"), ("Al", "Si", "P", "S", "Cl", "Ar"), ("Ga", "Ge", "As", "Se", "Br", "Kr"),
         ("In", "Sn", "Sb", "Te", "I", "Xe"))  # fmt: skip
"""Main groups: a charge moves an atom along its row, as RDKit counts (N+ binds like C, O- like F)."""
_COLUMNS = ((3,), (4,), (3, 5), (2, 4, 6), (1, 3, 5), (0,))
_PLAIN = {"H": (1,), "He": (0,), "N": (3,), "O": (2,), "F": (1,), "Cl": (1,), "Br": (1,)}
ELEMENTS = frozenset(["H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "As", "Se", "Br", "Te", "I"])
"""Those whose bonds are known here."""
_ATOM = re.compile(r"\[\d*([A-Z][a-z]?)(@{0,2})(H\d?)?(\+\d?|-\d?|\++|-+)?(?::\d+)?\]")
_ORGANIC = ("B", "C", "N", "O", "P", "S", "F", "Cl", "Br", "I")
_BONDS = {"-": 1, "=": 2, "#": 3}
START, _ATOMS, _BACK, OPEN = range(4)
_FAR = 1 << 30
"""Symbols to the end where there is none."""


class Atom(NamedTuple):
    """How many bonds an atom can have, and a bit for each number of them left over that is no fault."""

    bonds: int
    spare: int


def atom(token: str) -> Atom | None:
    """The bonds of an atom's symbol in SMILES; None where it is no atom. Raises BadInput for one whose bonds aren't known here."""
    if token in _ORGANIC:
        most = _valences(token, 0)[-1]
        return Atom(most, (1 << (most + 1)) - 1)
    if not token.startswith("["):
        return None
    found = _ATOM.fullmatch(token)
    if found is None or found[1] not in ELEMENTS:
        raise BadInput(f"the rules of molecules don't know the atom {token}")
    held = 0 if not found[3] else int(found[3][1:] or 1)
    sums = [valence - held for valence in _valences(found[1], charge(found[4] or "")) if valence >= held]
    if not sums:
        raise BadInput(f"the atom {token} has more hydrogen than it can hold")
    return Atom(sums[-1], sum(1 << (sums[-1] - one) for one in sums))


def charge(sign: str) -> int:
    """The charge that "+", "--" or "+2" writes."""
    if not sign:
        return 0
    size = int(sign[1:]) if sign[1:].isdigit() else len(sign)
    return size if sign[0] == "+" else -size


def _valences(element: str, charged: int) -> tuple[int, ...]:
    row = next(row for row in _ROWS if element in row)
    place = row.index(element) - charged
    if not 0 <= place < len(row):
        return (0,)
    name = row[place]
    return _PLAIN.get(name) or _COLUMNS[place]


class Level(NamedTuple):
    """The last atom of a branch (or of the main chain), and the rings that atoms of it opened. Masks have a bit a ring number."""

    left: int
    """Bonds that the atom can still take."""
    good: int
    """A bit for each number of bonds left over that is no fault."""
    own: int
    """Rings that this atom opened."""
    barred: int
    """Rings that it can't close: an atom beside it opened them, or one that it is already bound to."""
    rings: tuple[int, ...]
    """Rings that atoms before it opened: a mask an atom."""


class State(NamedTuple):
    """How far a molecule is written."""

    phase: int
    bond: int
    """Order of a bond that was written and waits for its atom; 0 = none."""
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a token does: an atom, a bond, a ring's number, or a bracket."""

    what: str
    atom: Atom | None = None
    bond: int = 0
    ring: int = 0


class MoleculeRules:
    """The `Machine`. States are numbered as they come up; what leads where is kept, so that a state is worked out once."""

    start = 0

    def __init__(self, tokens: Sequence[str]) -> None:
        """`tokens`: the symbols by id, "C" among them; what is no Kekulé SMILES is never allowed. Raises BadInput for unknown atoms."""
        if "C" not in tokens:
            raise BadInput("the rules of molecules need carbon (C) among the symbols")
        rings = {token: number for number, token in enumerate(token for token in tokens if token.lstrip("%").isdigit())}
        self.symbols = [_symbol(token, rings) for token in tokens]
        """What each id does."""
        self.carbon = self.symbols[list(tokens).index("C")]
        self._numbers: dict[State, int] = {}
        self.states: list[State] = []
        """Those that came up, by number."""
        self._needs = np.full(1024, _FAR, np.int64)
        self._rows = np.full((1024, len(tokens) + 1), DEAD, np.int64)
        self._known = np.zeros(1024, np.bool_)
        self._ends = np.zeros(1024, np.bool_)
        self._number(State(START, 0, ()))

    def step(self, states: Ints) -> Ints:
        """(n,V) the states after every id, the stop's column last."""
        fresh = np.unique(states[~self._known[states]])
        for number in fresh.tolist():
            self._work_out(number)
        found: Ints = self._rows[states]
        return found

    def accepts(self, states: Ints) -> Flags:
        """(n,) bool: a molecule may end here."""
        found: Flags = self._ends[states]
        return found

    def fits(self, states: Ints, left: int) -> Flags:
        """(*,) bool: what is open can be closed within `left` further ids."""
        return np.not_equal(states, DEAD) & (self._needs[np.maximum(states, 0)] <= left)

    def why_not(self, length: int) -> str:
        return f"no molecule fits into {length} symbols"

    def _work_out(self, number: int) -> None:
        after: dict[Symbol, int] = {}
        for place, symbol in enumerate(self.symbols):
            if symbol not in after:
                state = _after(self.states[number], symbol)
                after[symbol] = DEAD if state is None else self._number(state)
            row = after[symbol]
            self._rows[number, place] = row
        self._known[number] = True

    def _number(self, state: State) -> int:
        """Its number; DEAD where nothing ends it."""
        found = self._numbers.get(state)
        if found is not None:
            return found
        need = to_the_end(state, self.carbon)
        if need >= _FAR:
            self._numbers[state] = DEAD
            return DEAD
        found = len(self.states)
        if found == len(self._known):
            self._grow()
        self._numbers[state] = found
        self.states.append(state)
        self._needs[found], self._ends[found] = need, need == 0
        return found

    def _grow(self) -> None:
        size = len(self._known)
        self._needs = np.concatenate([self._needs, np.full(size, _FAR, np.int64)])
        self._rows = np.concatenate([self._rows, np.full((size, self._rows.shape[1]), DEAD, np.int64)])
        self._known, self._ends = (np.concatenate([one, np.zeros(size, np.bool_)]) for one in (self._known, self._ends))


def _symbol(token: str, rings: dict[str, int]) -> Symbol:
    if token in rings:
        return Symbol("ring", ring=1 << rings[token])
    if token in ("(", ")"):
        return Symbol(token)
    if token in _BONDS:
        return Symbol("bond", bond=_BONDS[token])
    if token in ("/", "\\"):
        return Symbol("side", bond=1)
    own = atom(token)
    return Symbol("none") if own is None else Symbol("atom", atom=own)


def _after(state: State, symbol: Symbol) -> State | None:
    """The state after a symbol; None where it can't stand here."""
    phase, bond, levels = state
    if symbol.atom is not None:
        return _with_atom(state, symbol.atom)
    if phase == START or (bond and symbol.what != "ring"):
        return None
    last = levels[-1]
    if symbol.what in ("bond", "side"):
        # a written direction is order 1 and may stand before a ring's number: a bond of order -1 says so
        return State(phase, -1 if symbol.what == "side" else symbol.bond, levels) if last.left >= symbol.bond else None
    if symbol.what == "ring" and phase == _ATOMS and bond in (0, -1) and last.left:
        return _ring(levels, symbol.ring)
    if symbol.what == "(" and phase != OPEN and last.left:
        return State(OPEN, 0, (*levels[:-1], last._replace(barred=0)))
    if symbol.what == ")" and phase != OPEN and len(levels) > 1 and not last.own and not last.rings and _good(last):
        return State(_BACK, 0, levels[:-1])
    return None


def _good(level: Level) -> bool:
    return bool(level.good >> level.left & 1)


def _with_atom(state: State, new: Atom) -> State | None:
    phase, bond, levels = state
    if phase == START:
        return State(_ATOMS, 0, (Level(new.bonds, new.spare, 0, 0, ()),))
    last, order = levels[-1], abs(bond) or 1
    if last.left < order or new.bonds < order:
        return None
    bound = last._replace(left=last.left - order, good=last.good & ((2 << (last.left - order)) - 1))
    left = new.bonds - order
    fresh = Level(left, new.spare & ((2 << left) - 1), 0, last.own, ())
    if phase == OPEN:
        return State(_ATOMS, 0, (*levels[:-1], bound, fresh)) if bound.good else None
    if not _good(bound):
        return None
    rings = tuple(sorted((*last.rings, last.own))) if last.own else last.rings
    return State(_ATOMS, 0, (*levels[:-1], fresh._replace(rings=rings)))


def _ring(levels: tuple[Level, ...], bit: int) -> State | None:
    """A ring's number after the last atom: closes the ring where it is open, opens it where not."""
    last = levels[-1]
    left = last.left - 1
    taken = last._replace(left=left, good=last.good & ((2 << left) - 1))
    if not taken.good or (last.barred | last.own) & bit:
        return None
    for place, level in enumerate(levels):
        opener = next((mask for mask in (*level.rings, level.own) if mask & bit), 0)
        if not opener:
            continue
        rest = opener & ~bit
        others = [mask for mask in level.rings if mask != opener]
        rings = tuple(sorted([*others, rest])) if rest and opener in level.rings else tuple(others)
        changed = level._replace(rings=rings, own=level.own & ~bit)
        if place < len(levels) - 1:
            return State(_ATOMS, 0, (*levels[:place], changed, *levels[place + 1 : -1], taken._replace(barred=last.barred | rest)))
        taken = taken._replace(rings=rings, barred=last.barred | rest)
        return State(_ATOMS, 0, (*levels[:-1], taken))
    return State(_ATOMS, 0, (*levels[:-1], taken._replace(own=last.own | bit)))


def to_the_end(state: State, carbon: Symbol) -> int:
    """Symbols to the end by the plan; `_FAR` where it finds none."""
    if state.phase in (START, OPEN) or state.bond:
        assert carbon.atom is not None
        after = _with_atom(state, carbon.atom)
        return _FAR if after is None else min(_FAR, 1 + to_the_end(after, carbon))
    total = len(state.levels) - 1
    carried: tuple[int, ...] = ()
    for level in state.levels[:-1]:
        here = (*carried, *level.rings, level.own)
        cost, carried = _grown(level, _count(here), 0), ()
        if cost >= _FAR and _good(level):
            cost, carried = 0, here  # its atom is full, so a branch must close its rings
        total += cost
    last = state.levels[-1]
    here = (*carried, *last.rings)
    count = _count(here) + last.own.bit_count()
    # one an opener, for two bonds between the same atoms are none
    closable = sum(bool(mask & ~last.barred) for mask in here) if state.phase == _ATOMS else 0
    return min(_FAR, total + min(_grown(last, count, now) + now for now in range(min(closable, last.left) + 1)))


def _count(masks: tuple[int, ...]) -> int:
    return sum(map(int.bit_count, masks))


def _grown(level: Level, count: int, closed: int) -> int:
    """Symbols that end a level whose last atom closed `closed` of `count` open rings: each other one on a carbon of its own."""
    left, rest = level.left - closed, count - closed
    fill = next((more for more in range(rest > 0, left + 1) if level.good >> (left - more) & 1), None)
    if fill is None:
        return _FAR
    if not rest:
        return 3 * (fill - 1) + 1 if fill else 0
    # a ring that this very atom opened can't be closed by the next
    return 3 * (fill - 1) + 2 * rest + (rest <= level.own.bit_count())

"""Reachability, Sokoban and the rules of games as automata: against brute force, on worlds small enough to look through whole."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from morelike.core.abilities import Continues
from morelike.core.spec import Tokens
from morelike.maths.constraint import Constraint, Machine, constrained_log_prob
from morelike.maths.level_measures import ground, uneven
from morelike.maths.level_rules import Counted, SideScroller
from morelike.maths.reach import DEADLY, FREE, PLATFORM, SOLID, joined, path, steps
from morelike.maths.sokoban import solve


def kinds(text: str) -> np.ndarray:
    return np.array([["-X=^".index(tile) for tile in row] for row in text.split()])


def flat(width: int, gap: range, height: int = 12) -> np.ndarray:
    made = np.full((height, width), FREE)
    made[-1, [column for column in range(width) if column not in gap]] = SOLID
    return made


def test_a_gap_of_eight_is_cleared_and_one_of_nine_is_not() -> None:
    assert steps(flat(20, range(5, 13))) == 19
    assert steps(flat(20, range(5, 14))) is None


def test_a_wall_of_four_is_climbed_and_one_of_five_is_not() -> None:
    for height, wanted in ((4, True), (5, False)):
        level = flat(9, range(0))
        level[-1 - height : -1, 4] = SOLID
        assert (steps(level) is not None) == wanted


def test_platforms_carry_and_are_passed_from_below_and_spikes_kill() -> None:
    assert steps(kinds("----- ----- --=-- ----- X=X=X")) is not None
    assert steps(kinds("---- ---- ---- ---- X^^X")) is not None
    assert steps(kinds("--- --- X^X X^X")) is not None
    assert steps(kinds("XXXX ---- X^^X")) is None


def test_levels_that_are_climbed_go_round() -> None:
    climb = np.full((8, 6), FREE)
    climb[-1, :] = SOLID
    assert steps(climb, upwards=True) is None
    climb[4, 0] = PLATFORM
    assert steps(climb, upwards=True) is not None
    # from the left side round to the right one
    walls = np.full((3, 5), FREE)
    walls[2], walls[:2, 2] = SOLID, SOLID
    assert joined(walls == FREE, walls == FREE) is False


def slow(level: np.ndarray, sideways: tuple[int, ...]) -> bool:
    """Whether the exit is reached, by a search of its own that follows the description word for word."""
    height, width = level.shape

    def open_(row: int, column: int) -> bool:
        return 0 <= row < height and 0 <= column < width and level[row, column] in (FREE, PLATFORM)

    def under(row: int, column: int) -> int:
        return int(level[row + 1, column]) if row + 1 < height else FREE

    starts = [[row for row in range(height) if open_(row, column) and under(row, column) in (SOLID, PLATFORM)] for column in range(width)]
    first = next((column for column in range(min(4, width)) if starts[column]), None)
    if first is None:
        return False
    todo, seen = [(max(starts[first]), first, 0)], set()
    while todo:
        state = todo.pop()
        row, column, phase = state
        if state in seen or not open_(row, column) or (phase == 0 and under(row, column) == DEADLY):
            continue
        seen.add(state)
        stands = phase == 0 and under(row, column) in (SOLID, PLATFORM)
        if column == width - 1 and (phase or stands or row <= height - 3):
            return True
        if phase:
            todo.append((row, column, 0))
        if phase == 1 or stands:
            todo += [(row, column + by, 0) for by in sideways]
        rises = phase if phase > 1 else 5 if stands else 0
        if rises and open_(row - 1, column):
            todo += [(row - 1, column + by, rises - 1) for by in (0, *sideways)]
        if phase == 0 and not stands and open_(row + 1, column):
            todo += [(row + 1, column + by, 0) for by in (0, *sideways)]
    return False


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5])
def test_search_agrees_with_brute_force(share: float) -> None:
    numbers = np.random.default_rng(int(share * 100))
    found = []
    for _ in range(150):
        level = numbers.choice([FREE, SOLID, PLATFORM, DEADLY], (7, 9), p=[1 - share, share * 0.6, share * 0.2, share * 0.2])
        level[-1] = numbers.choice([FREE, SOLID], 9, p=[0.4, 0.6])
        way = steps(level)
        found.append(way is not None)
        assert (way is not None) == slow(level, (-1, 1))
        shown = path(level)
        assert (shown is None) == (way is None)
        assert shown is None or len(shown) - 1 == way
    assert 0 < sum(found) < 150


class Lopsided(Continues):
    """Ids by a fixed rule that depends on the two before."""

    def __init__(self, vocab: int) -> None:
        self.vocab = vocab

    def next(self, ids: Tensor, condition: object = None, state: object = None) -> tuple[Tensor, object]:
        before = ids if state is None else torch.cat([state, ids], 1)  # type: ignore[list-item]
        last = before[:, -2:].sum(1) if before.shape[1] else torch.zeros(len(ids), dtype=torch.int64)
        return torch.sin(last[:, None] * 3.0 + torch.arange(self.vocab) * 1.7) * 2, before

    def surprise(self, x: Tensor, condition: object = None) -> Tensor:
        raise NotImplementedError


def accepted(machine: Machine, spec: Tokens) -> np.ndarray:
    """(N,T) every sequence that the machine allows, id by id."""
    rules, (length,) = Constraint([machine], spec), spec.shape
    rows, states = np.zeros((1, 0), np.int64), rules.start(1)
    for place in range(length):
        allowed = rules.allowed(states, length - place - 1).numpy()
        row, ids = np.nonzero(allowed)
        assert allowed.any(1).all(), "a beginning that was allowed has no end"
        rows = np.concatenate([rows[row], ids[:, None]], 1)
        states = rules.advance(states[torch.from_numpy(row)], torch.from_numpy(ids))
    return rows


@pytest.mark.parametrize(("height", "width", "tiles"), [(4, 3, [FREE, SOLID]), (3, 4, [FREE, SOLID]), (3, 3, [FREE, SOLID, DEADLY])])
def test_what_is_allowed_is_what_can_be_walked_to_the_right(height: int, width: int, tiles: list[int]) -> None:
    spec = Tokens((height * width,), len(tiles))
    found = accepted(SideScroller(np.array(tiles), height), spec)
    every = np.array(list(product(range(len(tiles)), repeat=height * width)))
    wanted = [row for row in every if slow(np.array(tiles)[row].reshape(width, height).T, (1,))]
    missing = {tuple(row) for row in wanted} - {tuple(row) for row in found}
    # who leaves the level in the air above what kills, without room to rise, is not counted on by the rules
    assert len(missing) == (81 if DEADLY in tiles else 0)
    assert all(steps(np.array(tiles)[row].reshape(width, height).T) is not None for row in found)


def test_probabilities_of_levels_sum_to_one() -> None:
    spec = Tokens((12,), 2)
    machine = SideScroller(np.array([FREE, SOLID]), 4)
    every = torch.from_numpy(np.array(list(product(range(2), repeat=12))))
    nats = constrained_log_prob(Lopsided(2), every, None, Constraint([machine], spec))
    assert float(nats.double().exp().sum()) == pytest.approx(1, abs=1e-5)


def drawn(machine: Machine, spec: Tokens, count: int) -> np.ndarray:
    """(count,T) ids drawn evenly among those allowed."""
    rules, (length,), numbers = Constraint([machine], spec), spec.shape, np.random.default_rng(0)
    out, states = np.zeros((count, length), np.int64), rules.start(count)
    for place in range(length):
        allowed = rules.allowed(states, length - place - 1).numpy()
        out[:, place] = np.argmax(np.where(allowed, numbers.random(allowed.shape), -1), 1)
        states = rules.advance(states, torch.from_numpy(out[:, place]))
    return out


def test_ten_thousand_levels_without_one_that_cannot_be_played() -> None:
    tiles = np.array([FREE, SOLID, FREE])
    for row in drawn(SideScroller(tiles, 5), Tokens((40,), 3), 10_000):
        assert steps(tiles[row].reshape(8, 5).T) is not None


FLAGS = (np.array([1, 0, 0, 0, 0], bool), np.array([0, 0, 1, 0, 0], bool), np.array([0, 0, 0, 1, 0], bool), np.array([0, 0, 0, 0, 1], bool))
"""Of wall, floor, player, box, goal: walls, players, boxes, goals."""


def test_sokoban_levels_are_well_formed_and_their_probabilities_sum_to_one() -> None:
    machine, spec = Counted(*FLAGS, 4, 4, 1, 1), Tokens((16,), 5)
    found = accepted(machine, spec)
    # a player, a box and a goal in four places, and a wall or floor in the last one
    assert len(found) == 4 * 3 * 2 * 2
    assert all(machine.broken(row.reshape(4, 4)) is None for row in found)
    nats = constrained_log_prob(Lopsided(5), torch.from_numpy(found), None, Constraint([machine], spec))
    assert float(nats.double().exp().sum()) == pytest.approx(1, abs=1e-5)


def test_ten_thousand_sokoban_levels_without_one_that_is_malformed() -> None:
    machine = Counted(*FLAGS, 6, 7, 0, 3)
    rows = drawn(machine, Tokens((42,), 5), 10_000).reshape(-1, 6, 7)
    assert [machine.broken(row) for row in rows[:500]] == [None] * 500
    boxes, goals, players = ((rows == tile).sum((1, 2)) for tile in (3, 4, 2))
    assert (players == 1).all()
    assert (boxes == goals).all()
    assert set(boxes.tolist()) == {1, 2, 3}
    assert (rows[:, [0, -1]] == 0).all()
    assert (rows[:, :, [0, -1]] == 0).all()


def test_where_nothing_fits_it_is_said() -> None:
    machine = Counted(*FLAGS, 3, 4, 4, 4)
    assert not machine.fits(np.array([0]), 12)[0]
    assert "4 boxes" in machine.why_not(12)


def puzzle(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    grid = np.array([list(row) for row in text.split("|")])
    row, column = np.argwhere(grid == "@")[0]
    return grid == "#", grid == "$", grid == ".", (int(row), int(column))


def test_sokoban_puzzles_with_known_answers() -> None:
    assert solve(*puzzle("######|#@$.##|######")).answer == "solved"
    assert solve(*puzzle("######|#@$ .#|######")).pushes == 2
    assert solve(*puzzle("######|#@ $##|#.  ##|######")).answer == "unsolvable"
    hard = puzzle("########|#      #|# $  $ #|# @    #|#.    .#|########")
    assert solve(*hard).answer == "solved"
    assert solve(*hard, nodes=0).answer == "unknown"


def exhaustive(walls: np.ndarray, boxes: np.ndarray, goals: np.ndarray, player: tuple[int, int]) -> bool:
    """Whether a puzzle can be solved, step by step and without a thought."""
    goal = frozenset(map(tuple, np.argwhere(goals).tolist()))
    todo, seen = [(player, frozenset(map(tuple, np.argwhere(boxes).tolist())))], set()
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        (row, column), there = state
        if there == goal:
            return True
        for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            to, beyond = (row + down, column + across), (row + 2 * down, column + 2 * across)
            if walls[to] or (to in there and (walls[beyond] or beyond in there)):
                continue
            todo.append((to, there - {to} | {beyond} if to in there else there))
    return False


def test_sokoban_search_agrees_with_brute_force() -> None:
    numbers, answers = np.random.default_rng(1), []
    for _ in range(120):
        walls = np.ones((6, 6), bool)
        walls[1:-1, 1:-1] = numbers.random((4, 4)) < 0.2
        free = np.argwhere(~walls)
        places = free[numbers.permutation(len(free))[:5]]
        boxes, goals = np.zeros_like(walls), np.zeros_like(walls)
        boxes[tuple(places[:2].T)], goals[tuple(places[2:4].T)] = True, True
        player = (int(places[4][0]), int(places[4][1]))
        found = solve(walls, boxes, goals, player).answer
        assert found == ("solved" if exhaustive(walls, boxes, goals, player) else "unsolvable")
        answers.append(found)
    assert {"solved", "unsolvable"} == set(answers)


def test_ground_and_how_uneven_it_is() -> None:
    level = kinds("---- X--- X-X- X-XX")
    assert ground(level).tolist() == [3, 0, 2, 1]
    assert uneven(np.array([1, 2, 3, 4])) == pytest.approx(0, abs=1e-9)
    # the line rises by 0.4 from 0.4
    assert uneven(np.array([0, 2, 0, 2])) == pytest.approx(0.8)

"""Toy sets in the plane whose density and entropy are known, so that a model's score has a known best.

Each gives samples from a seed, log p(x) in nats and the entropy in nats. N points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RING_RADIUS, RING_DEVIATION, RING_MODES = 2.0, 0.1, 8
MOON_DEVIATION = 0.1
_MOON_CENTRES = np.array([[0.0, 0.0], [1.0, 0.5]])
_MOON_NODES = 400
BOARD_SIDE = 4


@dataclass(frozen=True, slots=True)
class Toy:
    """A distribution in the plane."""

    name: str
    sample: Callable[[int, int], np.ndarray]
    """(n, seed) -> (n,2) float64."""
    log_prob: Callable[[np.ndarray], np.ndarray]
    """(N,2) -> (N,) nats; minus infinity where the density is zero."""
    entropy: float
    """Nats: the least mean negative log-likelihood that any model can reach."""
    purpose: str


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def ring_centres() -> np.ndarray:
    """(8,2) means of the ring's Gaussians."""
    angles = np.arange(RING_MODES) * (2 * math.pi / RING_MODES)
    return RING_RADIUS * np.stack((np.cos(angles), np.sin(angles)), 1)


def _ring_sample(n: int, seed: int) -> np.ndarray:
    generator = _generator(seed)
    modes = generator.integers(RING_MODES, size=n)
    return ring_centres()[modes] + RING_DEVIATION * generator.standard_normal((n, 2))


def _log_mixture(exponents: np.ndarray, log_weights: np.ndarray | float) -> np.ndarray:
    """(N,) log of sum over the last axis of exp(exponents + log_weights)."""
    terms = exponents + log_weights
    top = terms.max(axis=-1, keepdims=True)
    total: np.ndarray = np.log(np.exp(terms - top).sum(axis=-1)) + top[..., 0]
    return total


def _log_gauss(x: np.ndarray, centres: np.ndarray, deviation: float) -> np.ndarray:
    """(N,K) log density of round Gaussians in the plane."""
    # The expanded square needs no (N,K,2) array.
    square = (x**2).sum(1)[:, None] - 2 * x @ centres.T + (centres**2).sum(1)
    density: np.ndarray = np.maximum(square, 0.0) * (-0.5 / deviation**2) - math.log(2 * math.pi * deviation**2)
    return density


def _ring_log_prob(x: np.ndarray) -> np.ndarray:
    return _log_mixture(_log_gauss(np.asarray(x, dtype=np.float64), ring_centres(), RING_DEVIATION), -math.log(RING_MODES))


def _moon_points(angles: np.ndarray, which: int) -> np.ndarray:
    """Points of a half circle of radius 1: the upper one (0) or the lower one (1)."""
    sign = 1.0 if which == 0 else -1.0
    return np.asarray(_MOON_CENTRES[which] + sign * np.stack((np.cos(angles), np.sin(angles)), -1))


def _moons_sample(n: int, seed: int) -> np.ndarray:
    generator = _generator(seed)
    angles = generator.uniform(0.0, math.pi, n)
    which = generator.integers(2, size=n)
    points = np.where(which[:, None] == 0, _moon_points(angles, 0), _moon_points(angles, 1))
    return points + MOON_DEVIATION * generator.standard_normal((n, 2))


def _moons_log_prob(x: np.ndarray) -> np.ndarray:
    """The integral over the angle by Gauss-Legendre quadrature: 400 nodes, exact to about 1e-12."""
    nodes, weights = np.polynomial.legendre.leggauss(_MOON_NODES)
    angles, log_weights = (nodes + 1) * (math.pi / 2), np.log(weights / 4)
    centres = np.concatenate((_moon_points(angles, 0), _moon_points(angles, 1)))
    points = np.asarray(x, dtype=np.float64)
    both = np.concatenate((log_weights, log_weights))
    chunks = np.array_split(points, max(1, len(points) // 4096))
    return np.concatenate([_log_mixture(_log_gauss(chunk, centres, MOON_DEVIATION), both) for chunk in chunks])


def _board_sample(n: int, seed: int) -> np.ndarray:
    generator = _generator(seed)
    cell = generator.integers(BOARD_SIDE * BOARD_SIDE // 2, size=n)
    row, pair = cell // (BOARD_SIDE // 2), cell % (BOARD_SIDE // 2)
    corner = np.stack((2 * pair + row % 2, row), 1) - BOARD_SIDE / 2
    return np.asarray(corner + generator.random((n, 2)))


def _board_log_prob(x: np.ndarray) -> np.ndarray:
    cells = np.floor(np.asarray(x, dtype=np.float64) + BOARD_SIDE / 2)
    inside = ((cells >= 0) & (cells < BOARD_SIDE)).all(axis=1) & (cells.sum(axis=1) % 2 == 0)
    return np.where(inside, -math.log(BOARD_SIDE * BOARD_SIDE / 2), -np.inf)


_RING_ENTROPY = math.log(RING_MODES) + math.log(2 * math.pi * math.e * RING_DEVIATION**2)
"""Neighbouring modes are 15 deviations apart: their overlap changes it by less than 1e-11."""
_MOONS_ENTROPY = 1.007584834846
"""By the trapezoidal rule on a grid of 0.0125; a grid of 0.02 gives the same twelve digits."""

TOYS: dict[str, Toy] = {
    toy.name: toy
    for toy in (
        Toy("ring8", _ring_sample, _ring_log_prob, _RING_ENTROPY, "eight Gaussians on a ring"),
        Toy("moons", _moons_sample, _moons_log_prob, _MOONS_ENTROPY, "two half circles with noise"),
        Toy("checkerboard", _board_sample, _board_log_prob, math.log(BOARD_SIDE * BOARD_SIDE / 2), "eight squares of a checkerboard"),
    )
}

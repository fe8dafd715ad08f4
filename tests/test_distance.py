"""Distances between feature sets: closed forms, brute force, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelike.maths import distance
from morelike.maths.distance import (
    coverage,
    density,
    euclidean,
    frechet_distance,
    kernel_distance_unbiased,
    mean_within,
    moments,
    nearest,
    neighbourhoods,
    polynomial_kernel,
    precision,
    radii,
    recall,
    unit_scale,
)


def draws(seed: int, *shape: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)


def test_frechet_of_one_dimensional_gaussians_is_its_closed_form() -> None:
    assert frechet_distance([1.0], [[4.0]], [4.0], [[9.0]]) == pytest.approx(3.0**2 + (2.0 - 3.0) ** 2)


def test_frechet_of_commuting_covariances_is_the_distance_of_their_roots() -> None:
    turn = np.linalg.qr(draws(0, 6, 6))[0]
    first, second = np.array([0.0, 0.1, 1, 2, 3, 4]), np.array([5.0, 0, 0, 1, 2, 9])
    expected = 6 * 0.25 + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    got = frechet_distance(np.zeros(6), (turn * first) @ turn.T, np.full(6, 0.5), (turn * second) @ turn.T)
    assert got == pytest.approx(expected, rel=1e-6)


def test_frechet_of_general_covariances_matches_the_unsymmetric_formula() -> None:
    a, b = draws(1, 20, 4), draws(2, 20, 4) @ draws(3, 4, 4)
    (_, cov_a), (_, cov_b) = moments(a), moments(b)
    root_trace = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real).sum()
    got = frechet_distance(np.zeros(4), cov_a, np.zeros(4), cov_b)
    assert got == pytest.approx(np.trace(cov_a + cov_b) - 2 * root_trace, rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(2, 12))
def test_frechet_is_symmetric_and_zero_only_on_itself(seed: int, width: int, count: int) -> None:
    x, y = draws(seed, count, width), draws(seed + 1, count, width) + 1.0
    forth, back = frechet_distance(*moments(x), *moments(y)), frechet_distance(*moments(y), *moments(x))
    assert forth == pytest.approx(back, rel=1e-4, abs=1e-6)
    assert forth > 1e-6
    # The root of a singular covariance is known to about 1e-8 of its scale: rounding under a square root.
    assert frechet_distance(*moments(x), *moments(x)) == pytest.approx(0.0, abs=1e-5)


def test_moments_are_those_of_numpy_and_one_item_has_no_spread() -> None:
    x = draws(4, 50, 3).astype(np.float32)
    mean, covariance = moments(x)
    np.testing.assert_allclose(mean, x.mean(0), atol=1e-6)
    np.testing.assert_allclose(covariance, np.cov(x.T), atol=1e-6)
    np.testing.assert_array_equal(moments(x[:1])[1], np.zeros((3, 3)))


def test_kernel_distance_matches_the_double_sum() -> None:
    x, y = draws(5, 7, 3), draws(6, 5, 3) + 0.5

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 3 + 1) ** 3)

    within_x = np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance_unbiased(x, y) == pytest.approx(within_x + within_y - 2 * across, rel=1e-10)


def test_kernel_distance_of_one_distribution_is_zero_on_average_at_any_sizes() -> None:
    values = np.array([kernel_distance_unbiased(draws(100 + i, 20, 4), draws(900 + i, 35, 4)) for i in range(300)])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean()) < 3.5 * error
    assert (values < 0).any()
    shifted = [kernel_distance_unbiased(draws(i, 20, 4) + 1.0, draws(900 + i, 35, 4)) for i in range(5)]
    assert min(shifted) > 10 * error


def test_unit_scale_gives_mean_zero_and_mean_square_one() -> None:
    x = draws(11, 400, 3) * [1, 5, 0] + [3, 100, 2]
    mean, scale = unit_scale(x)
    scaled = (x - mean) / scale
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-9)
    assert (scaled**2).mean() == pytest.approx(1.0)
    assert unit_scale(np.ones((5, 2)))[1] == 1.0


def test_kernel_distance_refuses_a_single_item() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        kernel_distance_unbiased(draws(0, 1, 3), draws(1, 5, 3))


@pytest.mark.parametrize("pairwise", [polynomial_kernel, euclidean])
def test_weighted_pair_mean_leaves_out_pairs_of_an_item_with_itself(pairwise: distance.Pairwise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distance, "_BLOCK", 12)
    x, counts = draws(7, 5, 3), np.array([[2, 0, 1, 1, 1], [1, 1, 1, 1, 1], [5, 0, 0, 0, 0]])
    got = mean_within(x, counts, pairwise)
    for row, value in zip(counts[:2], got, strict=False):
        owner = np.repeat(np.arange(5), row)
        pairs = [float(pairwise(x[[a]], x[[b]])[0, 0]) for a in owner for b in owner if a != b]
        assert value == pytest.approx(np.mean(pairs))
    assert got[2] == 0.0
    assert mean_within(x, None, pairwise)[0] == pytest.approx(got[1])


def brute_neighbours(x: np.ndarray, y: np.ndarray, k: int, itself: bool) -> np.ndarray:
    table = np.linalg.norm(x[:, None] - y[None], axis=2)
    if itself:
        np.fill_diagonal(table, np.inf)
    return np.sort(table, 1)[:, :k]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(6, 30), st.integers(6, 30), st.integers(1, 4))
def test_neighbours_and_neighbourhoods_match_brute_force_in_blocks(seed: int, n: int, m: int, width: int) -> None:
    x, y = draws(seed, n, width), draws(seed + 1, m, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance, "_BLOCK", 40)
        found, numbers = nearest(x, y, 3)
        alone = nearest(y, y, 3, np.arange(m))[0]
        balls = np.sqrt(radii(y, 3, 5))
        near = neighbourhoods(y, x)
    np.testing.assert_allclose(found, brute_neighbours(x, y, 3, False), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(x - y[numbers[:, 0]], axis=1), found[:, 0], atol=1e-9)
    np.testing.assert_allclose(alone, brute_neighbours(y, y, 3, True), atol=1e-9)
    np.testing.assert_allclose(balls, brute_neighbours(y, y, 5, True)[:, [2, 4]].T, atol=1e-6)
    table, own = np.linalg.norm(x[:, None] - y[None], axis=2), brute_neighbours(x, x, 3, True)[:, 2]
    recalled, covered = table <= own[:, None], table <= balls[1]
    np.testing.assert_array_equal(near.precise, (table <= balls[0]).any(1))
    np.testing.assert_allclose(near.dense, covered.sum(1) / 5)
    np.testing.assert_array_equal(near.recalled, recalled.any(0))
    np.testing.assert_array_equal(near.covered, covered.any(0))
    np.testing.assert_array_equal(near.recalls_alone, (recalled & (recalled.sum(0) == 1)).sum(1))
    np.testing.assert_array_equal(near.covers_alone, (covered & (covered.sum(0) == 1)).sum(1))


def test_precision_recall_density_coverage_on_a_line() -> None:
    # Real items 0..9: radius to neighbour 3 is 3 at the ends, 2 at 1..8; to neighbour 5 it is 5, 4, 3, ..., 3, 4, 5.
    real = np.arange(10.0)[:, None]
    made = np.array([[0.1], [0.2], [0.3], [0.4], [50.0]])
    assert precision(real, made) == pytest.approx(4 / 5)
    # Samples' radii to neighbour 3 are at most 0.3 near zero, so they reach 0 only; that of the stray one is 49.8: it reaches 1..9.
    assert recall(real, made) == pytest.approx(1.0)
    assert recall(real, made[:4]) == pytest.approx(1 / 10)
    # Around 0.1..0.4 lie the balls of 0, 1, 2 and 3 (radius 5, 4, 3, 3), which all hold them: four each.
    assert density(real, made) == pytest.approx(4 * 4 / 5 / 5)
    assert coverage(real, made) == pytest.approx(4 / 10)


def test_an_exact_copy_is_at_distance_zero_in_single_precision() -> None:
    x = (draws(8, 40, 30) * 100 + 500).astype(np.float32)
    distances, numbers = nearest(x[::-1], x)
    assert distances.max() == 0.0
    np.testing.assert_array_equal(numbers[:, 0], np.arange(40)[::-1])


def test_too_few_items_are_refused() -> None:
    with pytest.raises(ValueError, match="5 items"):
        nearest(draws(0, 2, 2), draws(1, 5, 2), 6)
    with pytest.raises(ValueError, match="more than 5"):
        radii(draws(0, 5, 2), 3, 5)

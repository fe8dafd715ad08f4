"""Judges of time series against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from morelike.data.series_items import Series, series
from morelike.judges.domain import DomainScores
from morelike.judges.scores import Shown
from morelike.judges.series import (
    TimeSeries,
    autocorrelation,
    cross_correlation,
    discriminative,
    kurtosis,
    predictive,
    spectrum_distance,
    stacked,
)  # fmt: skip


def shown(given: list[Series]) -> Shown:
    found = np.empty(len(given), dtype=object)
    found[:] = given
    return Shown("baseline", np.arange(len(given)), {}, items=found)


def walk(count: int, rho: float, seed: int, channels: int = 2, length: int = 24) -> np.ndarray:
    """(N,T,C) of x_t = rho x_t-1 + sqrt(1 - rho^2) e_t, begun in its own distribution."""
    noise = np.random.default_rng(seed).normal(0, 1, (count, length, channels))
    out = noise.copy()
    for row in range(1, length):
        out[:, row] = rho * out[:, row - 1] + np.sqrt(1 - rho**2) * noise[:, row]
    return out


def items(x: np.ndarray) -> list[Series]:
    return [series(one) for one in x]


def test_autocorrelation_of_a_first_order_process_is_its_power() -> None:
    found = autocorrelation(walk(4000, 0.8, 0))
    assert found.shape == (23, 2)
    np.testing.assert_allclose(found[:5, 0], 0.8 ** np.arange(1, 6), atol=0.02)
    alternating = np.tile([1.0, -1.0], (3, 4))[:, :, None]
    assert autocorrelation(alternating)[:, 0].tolist() == pytest.approx([-1, 1, -1, 1, -1, 1, -1])
    assert not autocorrelation(np.ones((3, 5, 1))).any()


def test_cross_correlation_of_known_channels() -> None:
    one = np.arange(12.0).reshape(3, 4, 1)
    assert cross_correlation(np.concatenate([one, -2 * one, one**0], 2)).tolist() == pytest.approx([-1, 0, 0])


def test_spectrum_of_sines() -> None:
    time = np.arange(24) / 24
    slow, fast = (np.sin(2 * np.pi * many * time)[None, :, None] for many in (2, 5))
    assert spectrum_distance(slow, 3 * slow + 7) == pytest.approx(0, abs=1e-9)
    assert spectrum_distance(slow, fast) == pytest.approx(1)
    assert spectrum_distance(slow, slow + fast) == pytest.approx(0.5)


def test_kurtosis_of_known_distributions() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(0, 3, (500, 100)), rng.uniform(0, 1, (500, 100)), rng.laplace(0, 1, (500, 100)), np.ones((500, 100))], 2)
    np.testing.assert_allclose(kurtosis(x), [3, 1.8, 6, 1], rtol=0.05)
    assert kurtosis(np.array([[[-1.0], [1.0]]])).tolist() == [1.0]


def test_the_classifier_tells_what_can_be_told() -> None:
    real = walk(1500, 0.8, 0)
    assert discriminative(walk(1500, 0.8, 1), real) < 0.04
    assert discriminative(walk(1500, 0.0, 1), real) > 0.45
    assert discriminative(real + 9, real) == 0.5
    mixed = real.copy()
    mixed[:, :, 1] = walk(1500, 0.8, 2)[:, :, 0] * 0.3 + 0.954 * mixed[:, :, 0]
    assert discriminative(mixed, real) > 0.4


def test_prediction_errs_by_the_noise_that_is_left() -> None:
    real = walk(1500, 0.8, 0)
    # the mean absolute value of a normal with standard deviation 0.6
    assert predictive(walk(1500, 0.8, 1), real) == pytest.approx(0.6 * np.sqrt(2 / np.pi), rel=0.02)
    # a model of noise predicts the mean
    assert predictive(walk(1500, 0.0, 1), real) == pytest.approx(np.sqrt(2 / np.pi), rel=0.03)


def test_gaps_are_bridged_and_counted() -> None:
    x = walk(40, 0.8, 0)
    x[:, 3:5, 0] = np.nan
    holed = items(x)
    np.testing.assert_allclose(stacked(holed)[:, 3, 0], x[:, 2, 0] * 2 / 3 + x[:, 5, 0] / 3)
    domain = TimeSeries({}, holed)
    scores = [score for score in domain.scores() if score.name == "gaps"]
    found = DomainScores(scores, holed, 0).measure(shown(items(walk(40, 0.8, 1))))
    assert found["gaps"].value == pytest.approx(2 / 48)


def test_every_score_has_its_order() -> None:
    reference = items(walk(400, 0.8, 0))
    domain = TimeSeries({}, reference)
    other = walk(300, 0.2, 2) ** 3
    other[:, :, 1] = other[:, :, 0]
    near, far = items(walk(300, 0.8, 1)), items(other)
    assert domain.extractor()(np.array([None, *near], dtype=object)[1:]).shape == (300, 64)
    for score in domain.scores():
        group = DomainScores([score], reference, 0)
        good, bad = (group.measure(shown(one))[score.name].value for one in (near, far))
        assert good == 1 if score.name == "unique" else good < bad, score.name
    names = [score.name for score in domain.scores()]
    assert "cross-correlation" in names
    assert "gaps" not in names
    assert "cross-correlation" not in [score.name for score in TimeSeries({}, items(walk(50, 0.5, 0, channels=1))).scores()]


def test_steps_are_judged_where_they_vary() -> None:
    rng = np.random.default_rng(0)

    def timed(most: float) -> list[Series]:
        return [series(rng.normal(0, 1, (24, 1)), times=np.cumsum(rng.uniform(1, most, 24))) for _ in range(60)]

    reference = timed(4)
    (score,) = [score for score in TimeSeries({"uneven": True}, reference).scores() if score.name == "steps"]
    group = DomainScores([score], reference, 0)
    good, bad = (group.measure(shown(one))["steps"].value for one in (timed(4), timed(40)))
    assert good < 0.1
    assert bad > 0.5


def test_what_belongs_to_an_hour_is_judged_where_the_calendar_is_told() -> None:
    rng = np.random.default_rng(0)

    def days(late: int, count: int = 60) -> list[Series]:
        starts = np.datetime64("2026-01-05", "h") + rng.integers(0, 24 * 7, count)
        times = starts[:, None] + np.arange(24)
        turn = 2 * np.pi * (times.astype(np.int64) - late) / 24
        return [series(np.sin(row)[:, None] + rng.normal(0, 0.1, (24, 1)), times=time) for row, time in zip(turn, times, strict=True)]

    reference = days(0)
    (score,) = [score for score in TimeSeries({"seasons": ["day"]}, reference).scores() if score.name == "calendar"]
    group = DomainScores([score], reference, 0)
    good, bad = (group.measure(shown(one))["calendar"].value for one in (days(0), days(12)))
    assert good < 0.1
    # twice a sine of unit deviation
    assert bad == pytest.approx(2 * 2 * np.sqrt(2) / np.pi, rel=0.1)
    assert "calendar" not in [score.name for score in TimeSeries({}, reference).scores()]

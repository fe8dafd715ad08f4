"""Raw extractors: isometry, scale, pooling, names; and intervals."""

from __future__ import annotations

import numpy as np
import pytest

from morelike.core.errors import BadInput
from morelike.judges.extractor import Extractor, raw_pca, raw_vectors
from morelike.judges.intervals import jackknife, resamples, wilson


def test_with_as_many_dimensions_as_pixels_distances_are_those_of_the_pixels() -> None:
    rng = np.random.default_rng(0)
    items = rng.integers(0, 256, (30, 4, 4, 1), dtype=np.uint8)
    items[0, 0, 0, 0], items[0, 0, 1, 0] = 0, 255
    extractor = raw_pca(items)
    assert extractor.name == "raw-pca16"
    features, pixels = (rows[1:] - rows[0] for rows in (extractor(items), items.reshape(30, -1) / 255))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), np.linalg.norm(pixels, axis=1), rtol=1e-5)
    # Constant pixels of the training split are kept: a sample that paints there must be seen.
    items[:, 3, 3] = 0
    extractor, painted = raw_pca(items), items.copy()
    painted[:, 3, 3] = 255
    assert np.linalg.norm(extractor(painted) - extractor(items), axis=1).min() > 0.99


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_scale_follows_the_training_range_whatever_the_type(dtype: type[np.generic]) -> None:
    base = np.random.default_rng(1).random((40, 6, 6, 1))
    base = (base - base.min()) / (base.max() - base.min())
    top = {np.uint8: 255, np.uint16: 60_000, np.float32: 3}[dtype]
    items = (base * top).astype(dtype)
    features = raw_pca(items, 8)(items)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.abs(features), np.abs(raw_pca(base, 8)(base)), atol=0.03)


def test_large_pictures_are_pooled_and_still_give_their_leading_directions() -> None:
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((60, 2)) * [3, 1]
    patterns = np.zeros((2, 100, 70, 3))
    patterns[0, :50], patterns[1, :, 35:] = 1, 1
    items = np.tensordot(weights, patterns, 1).astype(np.float32)
    extractor = raw_pca(items, 5)
    assert extractor.name == "raw-pca5"
    features = extractor(items)
    assert features.shape == (60, 5)
    assert features[:, 2:].std() < 1e-3 * features[:, :2].std()
    np.testing.assert_array_equal(raw_pca(items, 5)(items), features)


def test_vectors_are_standardised_and_constant_ones_survive() -> None:
    items = np.random.default_rng(3).standard_normal((500, 3)) * [1, 10, 0] + [0, 5, 2]
    features = raw_vectors(items)(items)
    np.testing.assert_allclose(features.std(0), [1, 1, 0], atol=1e-5)
    assert raw_vectors(items).name == "raw"


def test_extractors_that_lie_about_their_rows_are_refused() -> None:
    with pytest.raises(BadInput, match="returned 1 rows for 5"):
        Extractor("odd", lambda x: np.zeros((1, 2)))(np.zeros((5, 2)))
    with pytest.raises(BadInput, match="at least 2"):
        raw_pca(np.zeros((1, 4, 4, 1), np.uint8))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    for truth in (0.03, 0.5, 0.98):
        shares = rng.binomial(200, truth, 1000) / 200
        held = [bounds.low <= truth <= bounds.high for bounds in (wilson(share, 200) for share in shares)]  # type: ignore[operator]
        assert 0.92 < np.mean(held) < 0.985
    assert wilson(0.0, 100).low == 0.0
    assert wilson(0.0, 100).high > 0.02
    counts = resamples(50, 1)
    assert (counts.sum(1) == 50).all()


def test_jackknife_matches_leaving_out_each_sample_by_hand() -> None:
    reached = np.random.default_rng(5).random((12, 40)) < 0.12
    share = reached.any(0).mean()
    without = np.array([np.delete(reached, j, 0).any(0).mean() for j in range(12)])
    deviation = np.sqrt(((without - without.mean()) ** 2).sum())
    alone = (reached & (reached.sum(0) == 1)).sum(1)
    bounds = jackknife(float(share), alone, 40)
    assert bounds.high == pytest.approx(min(1.0, share + 1.96 * deviation))
    assert bounds.low == pytest.approx(max(0.0, share - 1.96 * deviation))

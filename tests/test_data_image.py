"""The image codec: round trips, sizes, channels, number formats, grids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from morelike.core.errors import BadInput
from morelike.core.spec import Array, lift
from morelike.data.image import ImageCodec, grid
from morelike.testing import check_codec


def there_and_back(codec: ImageCodec, items: object) -> np.ndarray:
    stored = codec.encode(items)
    assert stored.shape == (len(stored), *codec.spec.shape)
    return codec.decode(lift(codec.spec, torch.from_numpy(stored)).numpy())


_SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 3, 4, 5]))


@settings(max_examples=60, deadline=None)
@given(_SHAPES.flatmap(lambda shape: hnp.arrays(st.sampled_from([np.uint8, np.uint16]), shape)))
def test_levels_come_back_exactly(items: np.ndarray) -> None:
    codec = ImageCodec.fit(items)
    back = there_and_back(codec, items)
    assert back.dtype == items.dtype
    assert np.array_equal(back, items)
    assert np.array_equal(there_and_back(codec, list(items)), items)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float32, (3, 4, 5, 1), elements=st.floats(-1000, 1000, width=32)))
def test_floats_come_back_to_rounding_and_in_range(items: np.ndarray) -> None:
    codec = ImageCodec.fit(items)
    back = there_and_back(codec, items)
    assert back.dtype == np.float32
    assert np.allclose(back, items, atol=1e-6 * max(1.0, float(items.max() - items.min())))
    wild = codec.decode(np.full((1, 1, 4, 5), 7.0))
    assert wild.max() <= items.max()
    assert codec.decode(np.full((1, 1, 4, 5), -7.0)).min() >= items.min()


def test_binarised_pictures_are_black_and_white_and_keep_the_laws() -> None:
    items = np.random.default_rng(0).integers(0, 256, (40, 6, 7), dtype=np.uint8)
    codec = ImageCodec.fit(items, binarise=True)
    assert codec.spec == Array((1, 6, 7), 2.0, 255)
    assert np.array_equal(codec.encode(items)[:, 0], items), "grey levels are what is stored"
    check_codec(codec, items)
    back = there_and_back(codec, items)
    assert back.dtype == np.uint8
    assert set(np.unique(back)) == {0, 255}
    assert set(np.unique(codec.decode(np.linspace(-1, 1, 42).reshape(1, 1, 6, 7)))) == {0, 255}
    assert "binarise" not in ImageCodec.fit(items).state()


@pytest.mark.parametrize(("items", "words"), [
    (np.zeros((2, 4, 4, 3), np.uint8), "3 channels can't be binarised: ask for grey ones, codec.channels=1"),
    (np.random.default_rng(0).random((2, 4, 4)), "floating-point numbers can't be binarised"),
])  # fmt: skip
def test_only_grey_pictures_of_whole_numbers_are_binarised(items: np.ndarray, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ImageCodec.fit(items, binarise=True)


def test_state_is_json_and_restores_the_codec() -> None:
    items = np.random.default_rng(0).random((5, 6, 7, 3))
    codec = ImageCodec.fit(items)
    again = ImageCodec.restore(json.loads(json.dumps(codec.state())))
    assert again.spec == codec.spec
    assert again.describe() == codec.describe()
    assert np.array_equal(again.encode(items), codec.encode(items))
    assert again.decode(np.zeros((1, 3, 6, 7))).dtype == np.float64


def test_bool_becomes_black_and_white() -> None:
    items = np.random.default_rng(0).random((4, 6, 6)) > 0.5
    codec = ImageCodec.fit(items)
    assert codec.spec == Array((1, 6, 6), 2 / 255)
    assert np.array_equal(there_and_back(codec, items)[..., 0], items * np.uint8(255))


def test_sixteen_bit_stays_and_takes_eight_bit_along() -> None:
    deep = np.array([[0, 1], [40000, 65535]], dtype=np.uint16)
    flat = np.array([[0, 255], [1, 2]], dtype=np.uint8)
    codec = ImageCodec.fit([deep, flat])
    assert codec.spec.bin == 2 / 65535
    back = there_and_back(codec, [deep, flat])[..., 0]
    assert np.array_equal(back[0], deep)
    assert np.array_equal(back[1], flat.astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("sizes", "asked", "expected"),
    [
        ([(28, 28)] * 3, None, (28, 28)),
        ([(64, 40)] * 3, None, (64, 40)),
        ([(72, 72)] * 3, None, (64, 64)),
        ([(480, 640)] * 3, None, (48, 64)),
        ([(480, 640)] * 3, 32, (24, 32)),
        ([(10, 10)] * 3, (5, 7), (5, 7)),
        ([(1, 1)] * 3, None, (1, 1)),
        ([(100, 200), (100, 200), (90, 90)], None, (32, 64)),
        ([(10, 20), (12, 24), (30, 30)], None, (12, 24)),
    ],
)
def test_the_size_follows_the_rules(sizes: list[tuple[int, int]], asked: object, expected: tuple[int, int]) -> None:
    items = [np.full((*size, 1), 7, dtype=np.uint8) for size in sizes]
    codec = ImageCodec.fit(items, size=asked)
    assert codec.spec.shape == (1, *expected)
    assert (codec.encode(items) == 7).all()


def test_cropping_keeps_the_middle() -> None:
    wide = np.zeros((10, 30, 1), dtype=np.uint8)
    wide[:, 10:20] = 200
    codec = ImageCodec.fit([np.zeros((10, 10), np.uint8)] * 3 + [wide])
    assert (codec.encode([wide]) == 200).all()
    assert "middle is kept" in " ".join(codec.describe())


def test_channels_turn_into_the_commonest() -> None:
    grey, colour = np.full((4, 4), 90, np.uint8), np.full((4, 4, 3), (255, 0, 0), np.uint8)
    clear = np.zeros((4, 4, 4), np.uint8)
    codec = ImageCodec.fit([colour, colour, grey, clear])
    stored = codec.encode([grey, clear, colour])
    assert codec.spec.shape == (3, 4, 4)
    assert (stored[0] == 90).all()
    assert (stored[1] == 255).all(), "a transparent picture is laid on white"
    assert ImageCodec.fit([clear, clear, grey]).encode([grey])[0, 3].min() == 255, "alpha that comes in is full"
    assert int(ImageCodec.fit([grey, grey, colour]).encode([colour]).max()) == 76, "red weighs 0.299 in grey"
    assert ImageCodec.fit([grey, grey], channels=3).spec.shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([np.zeros((4, 4), np.uint8), np.full((4, 4), np.nan)], "item 1 holds NaN"),
        ([np.zeros((4, 4)), np.full((4, 4), np.inf)], "item 1 holds NaN or infinite"),
        (np.stack([np.zeros((4, 4)), np.full((4, 4), np.nan)]), "item 1 holds NaN"),
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 4))], "whole and of floating-point"),
        ([np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.uint8)], "1 of 2"),
        ([np.zeros((4, 4), np.int64)], "item 0: a picture must hold uint8"),
        ([np.zeros(4, np.uint8)], "item 0: a picture must be"),
        ([], "no pictures"),
    ],
)
def test_what_cant_be_one_set_is_refused_in_a_sentence(items: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ImageCodec.fit(items)


def test_held_out_nan_is_refused_by_number() -> None:
    items = np.zeros((3, 4, 4, 1), np.float32)
    codec = ImageCodec.fit(items)
    items[2, 1, 1] = np.nan
    with pytest.raises(BadInput, match="item 2"):
        codec.encode(items)
    with pytest.raises(BadInput, match="item 2"):
        codec.encode(list(items))


def test_a_generators_nan_decodes_to_the_lowest_level() -> None:
    codec = ImageCodec.fit(np.zeros((2, 2, 2, 1), np.uint8))
    assert codec.decode(np.full((1, 1, 2, 2), np.nan)).max() == 0


def test_grid_enlarges_without_smoothing_and_leaves_gaps() -> None:
    items = np.zeros((3, 8, 8, 1), np.uint8)
    items[:, 0, 0] = 255
    page = grid(items, columns=2, gap=4)
    assert page.shape == (2 * 60 + 4, 2 * 60 + 4, 3)
    first = page[4:60, 4:60, 0]
    assert (first[:7, :7] == 255).all()
    assert first.sum() == 49 * 255, "no values between black and white"
    assert (page[:4] == page[0, 0]).all()
    assert (page[64:120, 64:120] == page[0, 0]).all(), "the missing fourth picture is background"


def test_grid_shows_alpha_on_white_and_other_channels_by_their_first() -> None:
    clear = np.zeros((60, 60, 4), np.uint8)
    assert (grid([clear], gap=0) == 255).all()
    five = np.zeros((60, 60, 5), np.uint8)
    five[..., 0] = 9
    assert (grid([five], gap=0) == 9).all()
    ramp = np.linspace(-3.0, 5.0, 60 * 60).reshape(60, 60)
    assert np.unique(grid([ramp], gap=0)).tolist() == list(range(256)), "floats are shown over their range"
    with pytest.raises(BadInput, match="nothing to draw"):
        grid([])


def test_draw_writes_a_picture_whole_or_not_at_all(tmp_path: Path) -> None:
    codec = ImageCodec.fit(np.random.default_rng(0).random((4, 8, 8)))
    codec.draw(np.zeros((4, 8, 8, 1)), tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (124, 124)
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]
    with pytest.raises(BadInput, match="can't be written"):
        codec.draw(np.zeros((4, 8, 8, 1)), tmp_path / "no" / "grid.png")

"""Splits, encoding and the order of data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morelike.core.errors import BadInput
from morelike.core.spec import lift
from morelike.data import loader
from morelike.data.image import ImageCodec
from morelike.data.loader import Dataset, Order, Rows, encode_all, take
from morelike.data.open import open_source
from morelike.data.split import make_split


def numbers(count: int, classes: int = 0) -> object:
    x = np.arange(count * 4, dtype=np.uint16).reshape(count, 2, 2)
    return (x, np.arange(count) % classes) if classes else x


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 300), st.integers(0, 12), st.integers(0, 2**63))
def test_a_split_uses_every_item_once(count: int, classes: int, seed: int) -> None:
    split = make_split(open_source(numbers(count, classes)), seed)
    parts = (split.train, split.validation, split.holdout)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))
    assert len(split.holdout) == max(1, round(count * 0.2))
    assert len(split.validation) == max(1, round(count * 0.1))
    assert all((np.diff(part) > 0).all() for part in parts)


def test_a_split_is_a_function_of_data_and_seed() -> None:
    source = open_source("digits")
    one, two, other = make_split(source, 3), make_split(source, 3), make_split(source, 4)
    assert one.fingerprint == two.fingerprint
    assert np.array_equal(one.holdout, two.holdout)
    assert one.fingerprint != other.fingerprint
    changed = source.items.copy()
    changed[5, 0, 0] += 1
    assert make_split(open_source((changed, source.columns["label"].values)), 3).fingerprint != one.fingerprint


def test_the_split_of_digits_never_changes() -> None:
    split = make_split(open_source("digits"), 0)
    assert split.holdout[:6].tolist() == [3, 5, 7, 9, 10, 16]
    assert split.train[:6].tolist() == [0, 1, 2, 4, 6, 8]


def test_each_class_keeps_its_share() -> None:
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    split = make_split(open_source((np.arange(1000, dtype=np.uint16).reshape(-1, 1, 1), labels)), 0)
    assert np.abs(np.bincount(labels[split.holdout]) - [140, 40, 20]).max() <= 1
    assert np.abs(np.bincount(labels[split.validation]) - [70, 20, 10]).max() <= 1


def test_a_rare_class_stays_in_training() -> None:
    labels = np.array([0] * 50 + [1])
    for seed in range(8):
        split = make_split(open_source((np.arange(51, dtype=np.uint16).reshape(-1, 1, 1), labels)), seed)
        assert 50 in split.train


def test_too_few_items_are_refused_with_the_number() -> None:
    with pytest.raises(BadInput, match="9 items; at least 10"):
        make_split(open_source(numbers(9)), 0)
    with pytest.raises(BadInput, match="shares"):
        make_split(open_source(numbers(20)), 0, holdout=1.0)


def test_the_official_split_wins() -> None:
    data = {"x_train": numbers(40), "y_train": np.arange(40) % 2, "x_test": numbers(20), "y_test": np.arange(20) % 2}
    split = make_split(open_source(data), 0)
    assert split.official
    assert split.holdout.tolist() == list(range(40, 60))
    assert len(split.validation) == 4
    assert split.validation.max() < 40
    three = make_split(open_source({"train": numbers(12), "val": numbers(5) + 1, "test": numbers(6)}), 0)
    assert three.validation.tolist() == list(range(12, 17))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.integers(1, 70), st.integers(0, 1000))
def test_every_item_comes_once_an_epoch(n: int, batch: int, seed: int) -> None:
    order = Order(n, batch, seed)
    drawn = [order.rows(step) for step in range(3 * n // batch + 2)]
    positions, items = (np.concatenate(part) for part in zip(*drawn, strict=True))
    assert np.array_equal(positions, np.arange(len(positions)))
    for epoch in range(3):
        assert np.array_equal(np.sort(items[epoch * n : (epoch + 1) * n]), np.arange(n))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 50), st.integers(1, 70), st.lists(st.integers(0, 40), max_size=8), st.integers(0, 40))
def test_the_order_depends_on_the_step_alone(n: int, batch: int, before: list[int], step: int) -> None:
    fresh, used = Order(n, batch, 7), Order(n, batch, 7)
    for earlier in before:
        used.rows(earlier)
        used.epoch_rows(earlier)
    assert np.array_equal(fresh.rows(step)[1], used.rows(step)[1])
    assert np.array_equal(fresh.epoch_rows(step)[1], used.epoch_rows(step)[1])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 50), st.integers(1, 70))
def test_passes_end_with_their_partial_batch(n: int, batch: int) -> None:
    order = Order(n, batch, 0)
    drawn = [order.epoch_rows(step)[1] for step in range(2 * order.steps_per_epoch)]
    assert np.array_equal(np.sort(np.concatenate(drawn[: order.steps_per_epoch])), np.arange(n))
    assert np.array_equal(np.concatenate(drawn[: order.steps_per_epoch]), order.permutation(0))
    assert [step for step in range(len(drawn)) if order.ends_epoch(step)] == [order.steps_per_epoch - 1, 2 * order.steps_per_epoch - 1]


def test_orders_differ_by_seed_and_epoch() -> None:
    order = Order(100, 10, 0)
    assert not np.array_equal(order.permutation(0), order.permutation(1))
    assert not np.array_equal(order.permutation(0), Order(100, 10, 1).permutation(0))
    with pytest.raises(ValueError, match="at least one"):
        Order(0, 1, 0)


def test_encoding_is_the_same_in_memory_and_on_disk(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORELIKE_CACHE", str(tmp_path))
    source = open_source("digits")
    codec = ImageCodec.fit(source.items)
    index = np.arange(1796, 200, -1)
    whole = encode_all(codec, source.items, index)
    mapped = encode_all(codec, source.items, index, limit=1000)
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(whole, mapped)
    assert np.array_equal(whole, codec.encode(source.items)[index])
    assert list(tmp_path.iterdir()) == [], "the file has no name"


def test_what_exceeds_memory_is_taken_lazily(monkeypatch: pytest.MonkeyPatch) -> None:
    items = np.random.default_rng(0).integers(0, 256, (50, 3, 3, 1), dtype=np.uint8)
    index = np.array([4, 9, 30])
    assert isinstance(take(items, index), np.ndarray)
    monkeypatch.setattr(loader, "_COPIED", 10)
    lazy = take(items, index)
    assert isinstance(lazy, Rows)
    assert np.array_equal(ImageCodec.fit(lazy).encode(lazy)[..., None][:, 0], items[index])


def test_a_full_disk_is_a_sentence(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORELIKE_CACHE", str(tmp_path))
    items = np.zeros((1, 4, 4, 1), np.uint8)
    codec = ImageCodec.fit(items)
    monkeypatch.setattr(loader.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10})())
    with pytest.raises(BadInput, match="more than is free"):
        encode_all(codec, items, np.zeros(100, dtype=np.int64), limit=10)


def test_dataset_gives_stored_formats_as_tensors() -> None:
    source = open_source(numbers(20, 4))
    codec = ImageCodec.fit(source.items)
    data = Dataset(codec.encode(source.items), {"label": source.columns["label"].values[:, None]})
    x, condition = data.rows(np.array([3, 1]))
    assert len(data) == 20
    assert x.dtype == torch.uint16
    assert condition["label"].tolist() == [[3], [1]]
    assert np.array_equal(codec.decode(lift(codec.spec, x).numpy())[..., 0], source.items[[3, 1], ..., 0])
    with pytest.raises(ValueError, match="3 rows"):
        Dataset(np.zeros((2, 1)), {"label": np.zeros((3, 1))})

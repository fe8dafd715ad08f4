"""Vector and category codecs, and columns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morelike.core.errors import BadInput, UnknownName
from morelike.data.category import CategoryCodec
from morelike.data.columns import column, natural
from morelike.data.vector import VectorCodec


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 4)), elements=st.floats(-1e6, 1e6)))
def test_rows_come_back_to_single_precision(rows: np.ndarray) -> None:
    codec = VectorCodec.fit(rows)
    back = codec.decode(codec.encode(rows))
    spread = np.abs(rows - rows.mean(axis=0)).max(axis=0)
    assert (np.abs(back - rows) <= 1e-5 * spread + 1e-9 * np.abs(rows) + 1e-12).all()


def test_training_rows_are_standardised_however_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(5.0, 3.0, (1000, 3)).astype(np.float32)
    whole = VectorCodec.fit(rows)
    x = whole.encode(rows)
    assert np.allclose(x.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(x.std(axis=0), 1, atol=1e-5)
    monkeypatch.setattr("morelike.data.vector._CHUNK", 7)
    pieces = VectorCodec.fit(iter(rows))
    assert np.allclose(pieces.mean, whole.mean)
    assert np.allclose(pieces.deviation, whole.deviation)
    assert whole.decode(x).dtype == np.float32


def test_a_constant_column_stays_constant() -> None:
    rows = np.stack((np.arange(5.0), np.full(5, 0.1)), 1)
    codec = VectorCodec.fit(rows)
    assert (codec.encode(rows)[:, 1] == 0).all()
    assert (codec.decode(np.random.default_rng(0).normal(size=(4, 2)))[:, 1] == 0.1).all()
    assert "Constant columns, kept at their value: 1." in codec.describe()


def test_vector_state_restores() -> None:
    codec = VectorCodec.fit(np.random.default_rng(0).normal(size=(9, 2)))
    again = VectorCodec.restore(codec.state())
    assert np.array_equal(again.decode(np.ones((1, 2))), codec.decode(np.ones((1, 2))))
    assert again.spec == codec.spec


def test_bad_rows_are_refused_in_sentences(tmp_path: Path) -> None:
    rows = np.zeros((4, 2))
    rows[3, 1] = np.inf
    with pytest.raises(BadInput, match="item 3 holds NaN or infinite"):
        VectorCodec.fit(rows)
    with pytest.raises(BadInput, match="no rows"):
        VectorCodec.fit([])
    with pytest.raises(BadInput, match="real numbers"):
        VectorCodec.fit([["a", "b"]])
    with pytest.raises(BadInput, match="3 numbers don't fit a model of 2"):
        VectorCodec.fit(np.random.default_rng(0).normal(size=(9, 2))).encode(np.zeros((1, 3)))


def test_vectors_and_classes_draw_a_png(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(9, 2))
    VectorCodec.fit(rows).draw(rows, tmp_path / "points.png")
    CategoryCodec(["cat", "dog"]).draw(["cat", "dog", "cat"], tmp_path / "bars.png")
    assert (tmp_path / "points.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "bars.png").read_bytes()[:4] == b"\x89PNG"


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=9))
def test_class_names_come_back(names: list[str]) -> None:
    codec = CategoryCodec.fit(names)
    again = CategoryCodec.restore(json.loads(json.dumps(codec.state())))
    assert again.decode(codec.encode(names)) == names
    assert codec.spec.vocab == len(set(names))
    ids = np.arange(codec.spec.vocab)
    assert np.array_equal(codec.encode(ids)[:, 0], ids)


def test_unknown_classes_are_refused_with_the_nearest() -> None:
    codec = CategoryCodec(["class 2", "class 10"])
    assert codec.id_of("class 10") == 1
    with pytest.raises(UnknownName, match="did you mean 'class 2'"):
        codec.id_of("clas 2")
    with pytest.raises(BadInput, match="between 0 and 1"):
        codec.encode([0, 2])
    with pytest.raises(BadInput, match="comes twice"):
        CategoryCodec(["a", "a"])
    assert CategoryCodec.fit([0, 2]).names == ("0", "1", "2")


def test_columns_tell_classes_from_numbers() -> None:
    words = column("label", np.array(["b10", "b2", "b2"]))
    assert words.categories == ("b2", "b10")
    assert words.values.tolist() == [1, 0, 0]
    assert column("label", np.array([5, 7, 5])).categories == ("5", "7")
    assert column("label", np.array([1.0, 2.0])).categories == ("1", "2")
    assert column("age", np.array([1.5, 2.0])).categories == ()
    with pytest.raises(BadInput, match="ids from 0 to 3"):
        column("label", np.array([0, 3]), ["a", "b"])
    with pytest.raises(BadInput, match="one number or name an item"):
        column("label", np.zeros((3, 4)))
    with pytest.raises(BadInput, match="first for item 1"):
        column("label", np.array([0.0, np.nan]))


def test_natural_order() -> None:
    assert sorted(["x10", "x9", "a", "10", "9"], key=natural) == ["9", "10", "a", "x9", "x10"]
    assert sorted(["b", "²", "01", "1", "00", "0", "9" * 5000], key=natural) == ["0", "00", "01", "1", "9" * 5000, "b", "²"]

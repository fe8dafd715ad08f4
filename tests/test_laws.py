"""The contract's laws over the whole registry: a new family or codec is tested with no new line here."""

from __future__ import annotations

import numpy as np
import pytest

from morelike.core import registry
from morelike.data.curve_items import outline
from morelike.data.series_items import series
from morelike.data.strokes_items import drawing
from morelike.data.trajectory_items import Track
from morelike.data.tune import Note, Tune
from morelike.testing import check_codec, check_generator

ITEMS = {
    "image": np.random.default_rng(0).integers(0, 256, (9, 6, 5, 3), dtype=np.uint8),
    "vector": np.random.default_rng(0).normal(3.0, 2.0, (9, 4)),
    "category": np.array([0, 1, 2, 1, 0]),
    "text": ["Grüße!", "", "日本語のテキスト", "a\tb\n", "नमस्ते", "👩‍👩‍👧"],
    "table": np.array([["a", "1.5", ""], ["b", "2.5", "x"], ["a", "NA", "y"], ["c", "4.0", "x"]], dtype=object),
    "lines": ["one line", "another", "Привет", "one line"],
    "molecule": ["CCO", "C1=CC=CC=C1", "CC(=O)[O-]", "CC(N)C(=O)O", "C#N"],
    "level": ["----\n----\n-o--\nXXXX", "----\n---o\n----\nXX-X", "----\n----\n----\nXXXX"],
    "music": [Tune(tuple(Note(60 + step, 4 * step, 4) for step in range(length)), 4 * length) for length in (4, 3, 4)],
    "strokes": [drawing([[(0.1, 0.2), (0.8, 0.9)], [(0.5, 0.5)]]), drawing([[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]])],
    "curve": [outline(np.array([(np.cos(t), high * np.sin(t)) for t in np.arange(40) / 40 * 2 * np.pi])) for high in (0.4, 0.7, 1.2)],
    "series": [series(np.random.default_rng(seed).normal(5.0, 2.0, (30, 3)).cumsum(0).round(2)) for seed in range(4)],
    "trajectory": [Track(np.arange(60.0).reshape(30, 2) ** 0.9 * step, 0.4, str(step)) for step in (1, 2, 3)],
    "around": np.random.default_rng(0).normal(0.0, 1.0, (5, 2, 7)),
    "caption": ["A red cat, asleep", "", "a red (old) house", "猫が寝る", "the cat's hat"],
}


@pytest.mark.parametrize("name", sorted(registry.FAMILIES))
def test_family_keeps_the_laws(name: str) -> None:
    check_generator(name)


@pytest.mark.parametrize("kind", sorted(registry.KINDS))
def test_codec_keeps_the_laws(kind: str) -> None:
    items = ITEMS[kind]
    check_codec(registry.kind(kind).load().fit(items), items)

"""Every package format ever released keeps one small model here that must load, and draw the same, for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

import morelike
from morelike.house.verbs import verify

PACKAGES = sorted((Path(__file__).parent / "packages").iterdir())


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_an_old_package_still_loads_and_draws_the_same(folder: Path) -> None:
    assert verify(folder)["ok"], verify(folder)
    assert morelike.load(folder).sample(2, where={"label": 3}).shape == (2, 8, 8, 1)

"""What the default recipe promises, at full length: minutes, so `make slow` runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_the_default_digits_are_as_good_as_promised(morelike_cli: Any, tmp_path: Path) -> None:
    """Two minutes of training: near real data, all classes, no copies, the package small."""
    folder = tmp_path / "digits"
    assert morelike_cli("train", "digits", "--seed", "0", "--out", str(folder)).code == 0
    found = morelike_cli("judge", str(folder), "--json").json
    scores = found["scores"]
    frechet, kernel = scores["frechet.raw-pca64"], next(v for k, v in scores.items() if k.startswith("kernel.digits-cnn"))
    assert frechet["value"] <= 1.2 * frechet["floor"]
    assert kernel["low"] <= kernel["floor_high"]
    assert scores["copies"]["value"] <= scores["copies"]["floor_high"]
    assert scores["label-accuracy"]["value"] >= 0.95
    for row in found["classes"]:
        assert 0.5 <= row["generated"] / row["real"] <= 2, row["name"]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "training" not in path.parts)
    assert size < 20e6

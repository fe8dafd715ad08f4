"""Pages of tunes: every voice is seen in its colour, also where voices share a pitch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelike.core.errors import BadInput
from morelike.data.music_draw import _COLOURS, Note, draw_tunes


def seen(tunes: list[list[Note]], tmp_path: Path, columns: int = 1) -> tuple[list[int], np.ndarray]:
    """How many pixels have the colour of each of the six voices, and the page (H,W,3); the legend, in the first 40 rows, left out."""
    draw_tunes(tunes, tmp_path / "page.png", columns)
    page = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    colours = [tuple(bytes.fromhex(colour[1:])) for colour in _COLOURS]
    return [int((page[40:] == colour).all(-1).sum()) for colour in colours], page


def test_voices_have_their_colours_and_lengths(tmp_path: Path) -> None:
    counts, _ = seen([[(0, 8, 72, 0), (0, 4, 60, 1), (8, 8, 48, 3)]], tmp_path)
    assert counts[0] == pytest.approx(counts[3], rel=0.1)
    assert counts[0] == pytest.approx(2 * counts[1], rel=0.25)  # edges are blended
    assert [bool(count) for count in counts] == [True, True, False, True, False, False]


def test_a_unison_shows_both_voices(tmp_path: Path) -> None:
    alone, _ = seen([[(0, 8, 60, 2), (0, 8, 67, 1)]], tmp_path)
    both, _ = seen([[(0, 8, 60, 2), (0, 8, 60, 3), (0, 8, 67, 1)]], tmp_path)
    assert both[1] == pytest.approx(alone[1], rel=0.05)
    assert 0.25 * alone[2] < both[2] < 0.75 * alone[2]
    assert 0.25 * alone[2] < both[3] < 0.75 * alone[2]


def test_high_is_up_and_late_is_right(tmp_path: Path) -> None:
    _, page = seen([[(0, 4, 72, 0), (8, 4, 48, 3)]], tmp_path)
    places = [np.argwhere((page[40:] == tuple(bytes.fromhex(_COLOURS[voice][1:]))).all(-1)) for voice in (0, 3)]
    assert places[0][:, 0].max() < places[1][:, 0].min()
    assert places[0][:, 1].max() < places[1][:, 1].min()


@pytest.mark.parametrize("tunes", [[], [[]], [[], [(0, 1, 60, 9)]], [[(0, 5_000, 0, 0), (4_999, 1, 127, 0)]] * 20])
def test_odd_pages_are_drawn(tunes: list[list[Note]], tmp_path: Path) -> None:
    counts, page = seen(tunes, tmp_path, 4)
    assert page.shape[2] == 3
    assert max(page.shape) < 8_000
    assert any(counts) == any(tunes)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't be written"):
        draw_tunes([[(0, 4, 60, 0)]], tmp_path / "missing" / "page.png")

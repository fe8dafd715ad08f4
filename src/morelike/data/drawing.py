"""Writes pictures of items to disk: whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..core.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        write(partial)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BadInput(f"{path} can't be written: {error.strerror or error}.") from error


def write_png(page: np.ndarray, path: Path) -> None:
    """Writes (H,W,3) uint8 as PNG. Raises BadInput where the place can't be written."""
    _whole(path, lambda partial: Image.fromarray(page).save(partial, format="PNG"))


def write_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG at 100 dots an inch. Raises BadInput where the place can't be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    _whole(path, lambda partial: figure.savefig(partial, format="png", dpi=100))

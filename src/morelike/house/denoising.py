"""What a model that `Denoises` does from noise to data, as an animated picture: x_t, and under it E[x | x_t], at each time.

n samples side by side, F frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..core.abilities import Denoises
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import lift_all
from ..data.grid import grid
from ..tasks.varying import STEPS, descent
from .package import Package
from .sampling import conditions_for
from .writing import whole

_ENDINGS = {".gif": "GIF", ".png": "PNG", ".webp": "WEBP"}
"""Pillow's names of the formats."""
FORMS = {".gif": "an animation", ".png": "the same with all its colours", ".webp": "the same, smaller"}
"""Endings, and what they hold."""
MOST = 64
"""Samples side by side."""
_FRAME, _LAST = 120, 2000
"""Milliseconds of a frame, and of the last."""


@torch.no_grad()
def frames(package: Package, n: int, where: Mapping[str, Any], seed: int = 0) -> list[np.ndarray]:
    """F pages (H,W,3) uint8: above n samples as they are at time t, from 1 to 0, below what the model takes each to become.

    Raises Refused for other data than pictures, BadInput for no sample or more than 64.
    """
    model, codec = package.model, package.codec
    if not isinstance(model, Denoises) or codec.kind != "image":
        raise Refused(f"an animation shows how pictures come out of noise; {package.recipe.model} on the kind {codec.kind!r} has none")
    if not 1 <= n <= MOST:
        raise BadInput(f"an animation takes from 1 to {MOST} samples, not {n}")
    device = package.model.device
    noise, told = Noise(seed, n, path=("sample",)).to(device), conditions_for(package, n, where, seed)
    condition = lift_all(package.model.conditions, {name: value.to(device) for name, value in told.items()})
    settings = package.model.settings
    # the scale of samples; 0 = none was chosen
    guidance, guided = float(getattr(settings, "guidance", 0.0)) or 1.0, getattr(settings, "guided", (0.0, 1.0))
    start = noise.normal(package.model.spec.shape, "start")
    return [
        grid([*codec.decode(x.cpu().numpy()), *codec.decode(clean.cpu().numpy())], n)
        for _, x, clean in descent(model, start, 1.0, condition, guidance, STEPS, guided)
    ]


def write(path: Path, pages: list[np.ndarray]) -> None:
    """Writes an animation that repeats for ever; the ending says the format. Raises BadInput where the place can't be written."""
    format_of = _ENDINGS[path.suffix.lower()]
    pictures = [Image.fromarray(page) for page in pages]
    durations = [_FRAME] * (len(pages) - 1) + [_LAST]
    whole(path, lambda new: pictures[0].save(new, format=format_of, save_all=True, append_images=pictures[1:], duration=durations, loop=0))

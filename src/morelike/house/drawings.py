"""Drawings that go on: from the first strokes of a pen to whole drawings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from ..core.abilities import Continues
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.spec import Tokens, lift_all
from ..data.strokes import TOLERANCE, StrokesCodec
from ..data.strokes_items import Drawing
from ..maths.decoding import Dials, decode
from ..maths.moves import ids_of, lift_id
from .able import generator
from .package import Package
from .sampling import checked, conditions_for, ruled, rules_of

MOST = 100
_LEAST = 4
"""Places that a stroke more needs: two points at most, or one and the stop."""


def extend(package: Package, item: Drawing, n: int, where: Mapping[str, Any], seed: int, dials: Mapping[str, Any]) -> list[Drawing]:
    """n ways in which a drawing goes on by a stroke or more, the given strokes first, on the model's grid and canvas. The pen stays on the
    canvas unless the dials say rules=false.

    Raises BadInput for a drawing that leaves no room, Refused for a model that doesn't say how a drawing goes on.
    """
    codec, model = package.codec, generator(package, "extend")
    if not isinstance(codec, StrokesCodec):
        raise BadInput(f"this is for models of drawings, and this one learnt the kind {codec.kind!r}")
    if not isinstance(model, Continues) or not isinstance(model.spec, Tokens):
        raise Refused("it takes a model that writes a drawing move by move (lstm, transformer) with codec.form=moves")
    if not 1 <= n <= MOST:
        raise BadInput(f"the number of ways to go on must be between 1 and {MOST}, not {n}")
    strokes, tolerance = codec.cells(item)
    ids = [*ids_of(strokes, codec.side), lift_id(codec.side)]
    window = model.spec.shape[0]
    if tolerance > TOLERANCE or len(ids) + _LEAST > window:
        raise BadInput(f"the drawing leaves no room among the {window} places that this model has: give fewer strokes, or simpler ones")
    by, own = ruled(package, dials)
    checked(model, own)
    choice = Dials(**{f.name: own.get(f.name, getattr(model.settings, f.name, f.default)) for f in fields(Dials)})
    condition = {name: value.to(model.device) for name, value in conditions_for(package, n, where, seed).items()}
    prefix = torch.tensor(ids, device=model.device).expand(n, -1)
    noise = Noise(seed, n, path=("extend",)).to(model.device)
    told = lift_all(model.conditions, condition)
    x = decode(model, model.spec, told, noise=noise, prefix=prefix, dials=choice, constraint=None if by is None else rules_of(package))
    return codec.decode(x.cpu().numpy())


def read_drawing(package: Package, file: str) -> Drawing:
    """The first drawing of a file. Raises BadInput with the file's name."""
    path = Path(file)
    if not path.is_file():
        raise BadInput(f"there is no file {path}" if not path.exists() else f"{path} is a folder; a file is needed")
    if not isinstance(package.codec, StrokesCodec):
        raise BadInput(f"this is for models of drawings, and this one learnt the kind {package.codec.kind!r}")
    return package.codec.read(path)[0]

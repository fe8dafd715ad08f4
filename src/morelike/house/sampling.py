"""Drawing from a model in chunks of one fixed size, so that row 17 is the same whatever the number asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.contract import Codec, Generator, Trainable
from ..core.errors import BadPackage, Refused, UnknownName
from ..core.noise import Noise
from .recipe import build_settings

CHUNK = 128


def draw(
    model: Trainable,
    n: int,
    condition: Mapping[str, Tensor] | None = None,
    *,
    seed: int = 0,
    precision: str = "fp32",
    dials: Mapping[str, Any] | None = None,
) -> Tensor:
    """(n, *) examples x on the CPU; `condition` holds n rows each. The last chunk is filled up and cut."""
    if not isinstance(model, Generator):
        raise Refused(f"{type(model).__name__} is no generator: it can't draw samples")
    dials = _checked(model, dials or {})
    device, parts = model.device, []
    autocast = torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
    with torch.inference_mode(), autocast:
        for start in range(0, n, CHUNK):
            rows = torch.arange(start, start + CHUNK)
            own = {name: value[rows.clamp(max=n - 1)].to(device) for name, value in (condition or {}).items()}
            noise = Noise(seed, rows.to(device), path=("sample",))
            parts.append(model.sample(own, noise=noise, **dials).cpu()[: n - start])
    x = torch.cat(parts) if parts else torch.empty(0, *model.spec.shape)
    if x.is_floating_point():
        x = x.float()
        if not bool(torch.isfinite(x).all()):
            raise Refused("the model drew values that are not finite: its training went wrong, or a dial is out of range")
    return x


def _checked(model: Generator, dials: Mapping[str, Any]) -> dict[str, Any]:
    """The dials in their settings' types. Raises UnknownName for one that the family doesn't have, BadInput for another type."""
    for name in dials:
        if name not in model.dials:
            raise UnknownName(f"dial of {type(model).__name__}", name, model.dials)
    settings = build_settings(type(model), dials)
    return {name: getattr(settings, name) for name in dials}


def conditions_for(
    n: int, codecs: Mapping[str, Codec], histograms: Mapping[str, list[int]], where: Mapping[str, Any], seed: int
) -> dict[str, Tensor]:
    """n rows of each condition: the value asked for, else classes drawn from the training histogram, each row by its own noise.

    Raises UnknownName for a condition that the model doesn't have.
    """
    for name in where:
        if name not in codecs:
            raise UnknownName("condition", name, codecs)
    found = {}
    for name, codec in codecs.items():
        if name in where:
            value = encode_value(codec, where[name], name)
            found[name] = value.expand(n, -1).clone()
        else:
            if len(histograms.get(name, ())) != getattr(codec.spec, "vocab", 0):
                raise BadPackage(f"the card has no histogram of {name!r} to draw it from; name one with --where {name}=...")
            noise = Noise(seed, n, path=("condition", name))
            found[name] = noise.choice(torch.tensor(histograms[name], dtype=torch.float64))[:, None]
    return found


def encode_value(codec: Codec, value: Any, name: str) -> Tensor:
    """(1, ...) of one value: a class by its name. Raises UnknownName with the nearest right one."""
    names = getattr(codec, "names", ())
    if not isinstance(value, str) or value not in names:
        value = str(value)
        if value not in names:
            raise UnknownName(name, value, names)
    return torch.from_numpy(np.asarray(codec.encode([value])))

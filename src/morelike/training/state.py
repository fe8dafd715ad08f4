"""Everything that a run is made of at a step, as one flat set of tensors and a few numbers; written atomically, read without pickle."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..core.errors import BadPackage
from .optimiser import Optimiser


@dataclass(slots=True)
class Progress:
    """The numbers of a run beside its tensors."""

    step: int = 0
    seconds: float = 0.0
    """Of training, over all its sittings."""
    rate_scale: float = 1.0
    incidents: int = 0
    best_score: float | None = None
    best_step: int = 0
    worse: int = 0
    """Validations since the best."""
    passes: dict[str, int] = field(default_factory=dict)
    """Finished passes by Learner."""
    converged: list[str] = field(default_factory=list)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by name, detached, not copied."""
    return {name: value.detach() for name, value in model.state_dict().items()}


def put(model: nn.Module, values: dict[str, Tensor]) -> None:
    """Copies values into the model in place, whatever their memory layout. Raises BadPackage where names or shapes differ.

    A buffer that its module names in a class attribute `grows` (its size depends on the data) takes the saved size first; one that it
    names in `later` (older packages lack it) may be missing, and stays.
    """
    _make_room(model, values)
    own = model.state_dict()
    missing, foreign = sorted(own.keys() - values.keys() - _listed(model, "later")), sorted(values.keys() - own.keys())
    if missing or foreign:
        raise BadPackage(f"the weights don't fit the model: missing {missing[:3] or 'none'}, foreign {foreign[:3] or 'none'}")
    with torch.no_grad():
        for name, tensor in own.items():
            if name not in values:
                continue
            if tensor.shape != values[name].shape:
                raise BadPackage(f"weight {name!r} has shape {tuple(values[name].shape)}, the model has {tuple(tensor.shape)}")
            tensor.copy_(values[name])


def _listed(model: nn.Module, attribute: str) -> set[str]:
    """The names of all buffers that their modules list in a class attribute."""
    return {f"{path}.{name}" if path else name for path, module in model.named_modules() for name in getattr(module, attribute, ())}


def _make_room(model: nn.Module, values: dict[str, Tensor]) -> None:
    for path, module in model.named_modules():
        for name in getattr(module, "grows", ()):
            saved, own = values.get(f"{path}.{name}" if path else name), module.get_buffer(name)
            if saved is not None and saved.dim() == own.dim() and saved.shape[1:] == own.shape[1:]:
                setattr(module, name, own.new_empty(saved.shape))


def gather(models: dict[str, nn.Module], optimisers: dict[str, Optimiser], grown: bool = True) -> dict[str, Tensor]:
    """One flat dictionary of copies: `model.NAME` and `optim.PLAYER.…`; `grown`: with the buffers of modules whose buffers grow."""
    flat: dict[str, Tensor] = {}
    for group, model in models.items():
        left = set() if grown else _of_growing(model)
        flat |= {f"{group}.{name}": value for name, value in weights(model).items() if name not in left}
    flat |= {f"optim.{player}.{name}": value for player, o in optimisers.items() for name, value in o.state().items()}
    return {name: value.detach().clone() for name, value in flat.items()}


def _of_growing(model: nn.Module) -> set[str]:
    """The names of all buffers of modules that name some of theirs in `grows`."""
    found = set()
    for path, module in model.named_modules():
        if getattr(module, "grows", ()):
            found |= {f"{path}.{name}" if path else name for name, _ in module.named_buffers(recurse=False)}
    return found


def group(flat: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries under a prefix, without it."""
    return {name[len(prefix) + 1 :]: value for name, value in flat.items() if name.startswith(prefix + ".")}


def save(path: Path, flat: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    """One safetensors file with the numbers in its header; the old file stays until the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    try:
        save_file({name: value.contiguous() for name, value in flat.items()}, new, metadata={"morelike": json.dumps(numbers)})
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The inverse of `save`. Raises BadPackage for a file that is no checkpoint of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            numbers = (file.metadata() or {}).get("morelike")
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadPackage(f"{path.name} can't be read ({error}); it is damaged or no safetensors file") from error
    if numbers is None:
        raise BadPackage(f"{path.name} is a safetensors file, but no checkpoint of Morelike")
    return flat, json.loads(numbers)

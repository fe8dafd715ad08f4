"""Optimisers from their description, with a rate that is a pure function of the share of the run done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..core.contract import Optim


class Optimiser:
    """One player's optimiser: torch's own inside (two of them for Muon, which takes matrices only)."""

    def __init__(self, params: Sequence[nn.Parameter], optim: Optim) -> None:
        self.optim = optim
        self.params = list(params)
        self.inner = _inner(self.params, optim)

    def step(self, progress: float, scale: float = 1.0) -> None:
        """One step at the rate for `progress` in [0, 1], times `scale`; gradients are dropped afterwards."""
        rate = self.optim.lr * scale * factor(self.optim, progress)
        for inner in self.inner:
            for group in inner.param_groups:
                group["lr"] = rate
            inner.step()
        for p in self.params:
            p.grad = None

    def state(self) -> dict[str, Tensor]:
        """Flat name -> tensor; `restore` is the inverse."""
        found: dict[str, Tensor] = {}
        for i, inner in enumerate(self.inner):
            for j, values in inner.state_dict()["state"].items():
                for key, value in values.items():
                    found[f"{i}.{j}.{key}"] = value if isinstance(value, Tensor) else torch.tensor(float(value))
        return found

    def restore(self, flat: dict[str, Tensor]) -> None:
        """Takes up a state; the tensors given stay the caller's."""
        states: list[dict[int, dict[str, Tensor]]] = [{} for _ in self.inner]
        for name, value in flat.items():
            i, j, key = name.split(".", 2)
            param = self.inner[int(i)].param_groups[0]["params"][int(j)]
            own = value.clone()
            if value.shape == param.shape and value.dim() > 0:
                # the same memory layout as the parameter's, which fused kernels rely on
                own = torch.empty_like(param, dtype=value.dtype).copy_(value)
            states[int(i)].setdefault(int(j), {})[key] = own
        for inner, state in zip(self.inner, states, strict=True):
            inner.load_state_dict({"state": state, "param_groups": inner.state_dict()["param_groups"]})


def factor(optim: Optim, progress: float) -> float:
    """The share of the peak rate at a share of the run: linear warm-up, then constant, cosine or linear to zero."""
    warm = min(1.0, (progress + 1e-4) / optim.warmup) if optim.warmup > 0 else 1.0
    match optim.schedule:
        case "cosine":
            return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        case "linear":
            return warm * max(0.0, 1 - progress)
        case _:
            return warm


def _inner(params: list[nn.Parameter], optim: Optim) -> list[torch.optim.Optimizer]:
    common: dict[str, Any] = {"lr": optim.lr, "weight_decay": optim.weight_decay}
    match optim.name:
        case "adam":
            return [torch.optim.Adam(params, betas=optim.betas, fused=True, **common)]
        case "adamw":
            return [torch.optim.AdamW(params, betas=optim.betas, fused=True, **common)]
        case "sgd":
            return [torch.optim.SGD(params, momentum=optim.betas[0], fused=True, **common)]
        case "muon":
            # tables of one row an id (embeddings, output layers) are no maps between features, and costly to orthogonalise
            matrices = [p for p in params if p.dim() == 2 and not getattr(p, "table", False)]
            rest = [p for p in params if p.dim() != 2 or getattr(p, "table", False)]
            found: list[torch.optim.Optimizer] = []
            if matrices:
                found.append(torch.optim.Muon(matrices, momentum=optim.betas[0], adjust_lr_fn="match_rms_adamw", **common))
            if rest:
                found.append(torch.optim.AdamW(rest, betas=optim.betas, fused=True, **common))
            return found
    raise ValueError(f"unknown optimiser {optim.name!r}")

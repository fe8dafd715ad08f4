"""From a wish (`Net`) to a module: by role and Spec, with one dial of size and overrides by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Literal

import torch
from torch import nn

from ..core.contract import Net
from ..core.errors import BadInput, UnknownName
from ..core.settings import check_ranges, settings_of
from ..core.spec import Array, Conditions, Row, Spec, Tokens, spatial
from .cells import CellsSettings, SeriesCells
from .conv import ConvDecoder, ConvEncoder, ConvSettings, Critic
from .dit import DiT, DiTSettings
from .fields import Fields, FieldsSettings
from .grid import GridDecoder, GridEncoder, GridSettings
from .growing import GrowingCritic, GrowingGenerator, GrowingSettings
from .layers import Layered, LayersSettings
from .mlp import MLP, DenseMLP, DenseSettings, MLPSettings
from .pixel import GatedPixelCNN, PixelSettings
from .recurrent import CausalRecurrent, RecurrentSettings
from .residual import ResidualNet, ResidualSettings
from .rows import RowByRow, RowsSettings
from .steps import StepByStep, StepsSettings
from .style import StyleCritic, StyleGenerator, StyleSettings
from .transformer import CausalTransformer, TokenEncoder, TransformerSettings
from .translator import PatchCritic, PatchSettings, Translator, TranslatorSettings
from .trend import TrendDecoder, TrendSettings
from .unet import UNet, UNetSettings

Size = Literal["xs", "s", "m", "l"]
SIZES: tuple[str, ...] = ("xs", "s", "m", "l")
_WIDTHS: dict[str, tuple[int, int, int, int]] = {
    "mlp": (32, 256, 512, 1024), "dense": (32, 256, 512, 1024), "conv": (8, 32, 64, 96), "grid": (8, 32, 48, 64), "unet": (8, 64, 96, 160),
    "transformer": (32, 192, 384, 640), "recurrent": (32, 384, 768, 1280), "fields": (32, 256, 512, 1024), "pixel": (16, 64, 96, 160),
    "residual": (16, 64, 96, 160), "growing": (8, 32, 64, 96), "style": (8, 32, 64, 96),
    "translator": (16, 64, 128, 256), "patches": (8, 32, 48, 64), "dit": (32, 128, 256, 512),
    "rows": (32, 256, 384, 640), "steps": (32, 128, 256, 512), "cells": (16, 48, 96, 192), "trend": (32, 128, 256, 512),
}  # fmt: skip
"""Of each kind, at each of `SIZES`; "layers" names its own."""
_SETTINGS: dict[str, type] = {
    "mlp": MLPSettings, "dense": DenseSettings, "conv": ConvSettings, "grid": GridSettings, "unet": UNetSettings,
    "transformer": TransformerSettings, "recurrent": RecurrentSettings, "fields": FieldsSettings,
    "pixel": PixelSettings, "residual": ResidualSettings, "layers": LayersSettings, "growing": GrowingSettings, "style": StyleSettings,
    "translator": TranslatorSettings, "patches": PatchSettings, "dit": DiTSettings, "rows": RowsSettings, "steps": StepsSettings,
    "cells": CellsSettings, "trend": TrendSettings,
}  # fmt: skip


_LEAST: dict[str, float] = {"width": 1, "head": 1}
_LARGEST: dict[str, float] = {"width": 1 << 16, "dropout": 0.99, "patch": 256}
"""Numbers of a net's settings; the others are 0 to 4,096."""


def build(net: Net, conditions: Conditions, size: str = "s", overrides: Mapping[str, Any] | None = None) -> nn.Module:
    """The module for a wish. `overrides`: `kind` ("mlp", "conv", "grid", "unet", "transformer", "recurrent", "fields", "pixel", ...) and
    that kind's settings, over the family's and the size's own.

    Raises UnknownName for a key or kind that doesn't exist, BadInput for a kind that can't play the role.
    """
    kind, settings = _settings(net, size, overrides or {})
    module = _construct(net, kind, conditions, settings)
    return module.to(memory_format=torch.channels_last) if _rank(net) == 2 else module  # type: ignore[call-overload]


def resolved(net: Net, size: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Kind and every setting of what `build` makes, as overrides that make the same whatever the defaults become."""
    kind, settings = _settings(net, size, overrides or {})
    return {"kind": kind, **asdict(settings)}


def _settings(net: Net, size: str, overrides: Mapping[str, Any]) -> tuple[str, Any]:
    if size not in SIZES:
        raise UnknownName("size", size, SIZES)
    # another kind than the family's own knows nothing of the family's other wishes
    own = {} if overrides.get("kind", net.settings.get("kind")) != net.settings.get("kind") else net.settings
    wish = {**own, **overrides}
    kind = wish.pop("kind", None) or _default_kind(net)
    if kind not in _SETTINGS:
        raise UnknownName("kind of net", kind, _SETTINGS)
    sized = {"width": _WIDTHS[kind][SIZES.index(size)]} if kind in _WIDTHS else {}
    found = settings_of(_SETTINGS[kind], {**sized, **wish}, f"setting of a {kind} net")
    plain = [f.name for f in fields(found) if type(getattr(found, f.name)) in (int, float)]
    check_ranges(found, **{name: (_LEAST.get(name, 0), _LARGEST.get(name, 4096)) for name in plain})
    return kind, found


def _rank(net: Net) -> int:
    return max(len(spec.shape) - 1 if isinstance(spec, Array) else 0 for spec in (net.input, net.output))


def _default_kind(net: Net) -> str:
    if net.role == "causal" and isinstance(net.input, Array):
        return "pixel"
    if isinstance(net.input, Tokens) or isinstance(net.output, Tokens):
        return "transformer"
    if not (spatial(net.input) or spatial(net.output)):
        return "mlp"
    if net.role == "translator":
        return "translator"
    if net.role in ("encoder", "decoder") and _alike(net.input, net.output):
        return "grid"
    return "unet" if net.role == "denoiser" else "conv"


def _alike(one: Spec, other: Spec) -> bool:
    """Whether both are signals, or pictures, or videos."""
    return spatial(one) and spatial(other) and len(one.shape) == len(other.shape)


def _construct(net: Net, kind: str, conditions: Conditions, settings: Any) -> nn.Module:  # noqa: PLR0911, PLR0912  # a case a net
    match kind, net.role, net.input, net.output:
        case "transformer" | "recurrent", "causal", given, Tokens() as output:
            return (CausalTransformer if kind == "transformer" else CausalRecurrent)(given, output, conditions, settings)
        case "rows", "causal", _, Tokens(shape=(_, _)) as output:
            return RowByRow(output, conditions, settings)
        case "steps", "causal", Array(shape=(_, _)) as given, Array():
            return StepByStep(given, conditions, settings)
        case "cells", "critic", Array(shape=(_, _)) as given, Array() as output:
            return _Logit(SeriesCells(given, output, conditions, settings))
        case "cells", _, Array(shape=(_, _)) as given, Array(shape=(_, _)) as output:
            return SeriesCells(given, output, conditions, settings)
        case "trend", "decoder", given, Array(shape=(_, _)) as output:
            return TrendDecoder(given, output, conditions, settings)
        case "transformer", "encoder" | "denoiser" | "critic" as role, Tokens() as given, output:
            encoder = TokenEncoder(given, output, conditions, settings)
            return _Logit(encoder) if role == "critic" else encoder
        case "fields", "encoder", Row() as given, Row() as output:
            return Fields(given, output, conditions, settings)
        case "layers", "critic" | "decoder" as role, given, output:
            layered = Layered(given, output, settings)
            return _Logit(layered) if role == "critic" else layered
        case "mlp", "critic", given, output:
            return _Logit(MLP(given, output, conditions, settings))
        case "mlp" | "dense", role, given, output if kind == "mlp" or role == "decoder":
            timed = {"timed": role == "denoiser"} if kind == "mlp" else {}
            return (MLP if kind == "mlp" else DenseMLP)(given, output, conditions, settings, **timed)
        case "pixel", "causal", Array(shape=(_, _, _)) as given, Array(shape=(channels, *_)):
            return GatedPixelCNN(given, channels, conditions, settings)
        case "unet", "denoiser", Array() as given, Array(shape=(channels, *_)) if spatial(given):
            return UNet(given, channels, conditions, settings)
        case "dit", "denoiser", Array() as given, Array(shape=(channels, *_)) if spatial(given):
            return DiT(given, channels, conditions, settings)
        case "conv", "critic", Array() as given, _ if spatial(given):
            return Critic(given, conditions, settings)
        case "patches", "critic", Array() as given, _ if spatial(given) and not conditions:
            return PatchCritic(given, settings)
        case "translator", "translator", Array() as given, output if spatial(given):
            return Translator(given, output, conditions, settings)
        case "grid", "encoder" | "decoder", Array() as given, Array() as output if _alike(given, output):
            return (GridEncoder if net.role == "encoder" else GridDecoder)(given, output, conditions, settings)
        case "growing" | "style", "critic", Array(shape=(_, _, _)) as given, _:
            return (GrowingCritic if kind == "growing" else StyleCritic)(given, conditions, settings)
        case "growing" | "style", "decoder", latent, Array(shape=(_, _, _)) as output:
            return (GrowingGenerator if kind == "growing" else StyleGenerator)(latent, output, conditions, settings)
        case "conv" | "residual", "encoder", Array() as given, output if spatial(given):
            return (ConvEncoder if kind == "conv" else ResidualNet)(given, output, conditions, settings)
        case "conv", "decoder", latent, Array() as output if spatial(output):
            return ConvDecoder(latent, output, conditions, settings)
    raise BadInput(f"a {kind} net can't be a {net.role} from {net.input} to {net.output}")


class _Logit(nn.Module):
    """A critic's (B,1) as (B,)."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    @property
    def width(self) -> int:
        """Of `embed`."""
        width: int = self.net.width
        return width

    def embed(self, *inputs: Any) -> torch.Tensor:
        """(B, width): what the logit is read from, where the net is an MLP."""
        out: torch.Tensor = self.net.embed(*inputs)
        return out

    def forward(self, *inputs: Any) -> torch.Tensor:
        out: torch.Tensor = self.net(*inputs)
        return out.flatten()

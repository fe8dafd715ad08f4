"""From a wish (`Net`) to a module: by role and Spec, with one dial of size and overrides by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Literal

import torch
from torch import nn

from ..core.contract import Net
from ..core.errors import BadInput, UnknownName
from ..core.spec import Array, Conditions, Row, Tokens, spatial
from .conv import ConvDecoder, ConvEncoder, ConvSettings, Critic
from .fields import Fields, FieldsSettings
from .mlp import MLP, DenseMLP, DenseSettings, MLPSettings
from .pixel import GatedPixelCNN, PixelSettings
from .recurrent import CausalRecurrent, RecurrentSettings
from .transformer import CausalTransformer, TokenEncoder, TransformerSettings
from .unet import UNet, UNetSettings

Size = Literal["xs", "s", "m", "l"]
_WIDTHS: dict[str, dict[str, int]] = {
    "xs": {"mlp": 32, "dense": 32, "conv": 8, "unet": 8, "transformer": 32, "recurrent": 32, "fields": 32, "pixel": 16},
    "s": {"mlp": 256, "dense": 256, "conv": 32, "unet": 64, "transformer": 192, "recurrent": 384, "fields": 256, "pixel": 64},
    "m": {"mlp": 512, "dense": 512, "conv": 64, "unet": 96, "transformer": 384, "recurrent": 768, "fields": 512, "pixel": 96},
    "l": {"mlp": 1024, "dense": 1024, "conv": 96, "unet": 160, "transformer": 640, "recurrent": 1280, "fields": 1024, "pixel": 160},
}
SIZES: tuple[str, ...] = tuple(_WIDTHS)
_SETTINGS: dict[str, type] = {
    "mlp": MLPSettings, "dense": DenseSettings, "conv": ConvSettings, "unet": UNetSettings,
    "transformer": TransformerSettings, "recurrent": RecurrentSettings, "fields": FieldsSettings,
    "pixel": PixelSettings,
}  # fmt: skip


def build(net: Net, conditions: Conditions, size: str = "s", overrides: Mapping[str, Any] | None = None) -> nn.Module:
    """The module for a wish. `overrides`: `kind` ("mlp", "dense", "conv", "unet", "transformer", "recurrent", "fields", "pixel") and that
    kind's settings, over the family's and the size's own.

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
    if size not in _WIDTHS:
        raise UnknownName("size", size, SIZES)
    wish = {**net.settings, **overrides}
    kind = wish.pop("kind", None) or _default_kind(net)
    if kind not in _SETTINGS:
        raise UnknownName("kind of net", kind, _SETTINGS)
    known = {f.name for f in fields(_SETTINGS[kind])}
    for key in wish:
        if key not in known:
            raise UnknownName(f"setting of a {kind} net", key, known)
    values = {"width": _WIDTHS[size][kind], **wish}
    return kind, _SETTINGS[kind](**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})


def _rank(net: Net) -> int:
    return max(len(spec.shape) - 1 if isinstance(spec, Array) else 0 for spec in (net.input, net.output))


def _default_kind(net: Net) -> str:
    if net.role == "causal" and isinstance(net.input, Array):
        return "pixel"
    if isinstance(net.input, Tokens) or isinstance(net.output, Tokens):
        return "transformer"
    if not (spatial(net.input) or spatial(net.output)):
        return "mlp"
    return "unet" if net.role == "denoiser" else "conv"


def _construct(net: Net, kind: str, conditions: Conditions, settings: Any) -> nn.Module:
    match kind, net.role, net.input, net.output:
        case "transformer" | "recurrent", "causal", given, Tokens() as output:
            return (CausalTransformer if kind == "transformer" else CausalRecurrent)(given, output, conditions, settings)
        case "transformer", "encoder" | "denoiser" | "critic" as role, Tokens() as given, output:
            encoder = TokenEncoder(given, output, conditions, settings)
            return _Logit(encoder) if role == "critic" else encoder
        case "fields", "encoder", Row() as given, Row() as output:
            return Fields(given, output, conditions, settings)
        case "mlp", "critic", given, output:
            return _Logit(MLP(given, output, conditions, settings))
        case "mlp" | "dense", role, given, output if kind == "mlp" or role == "decoder":
            timed = {"timed": role == "denoiser"} if kind == "mlp" else {}
            return (MLP if kind == "mlp" else DenseMLP)(given, output, conditions, settings, **timed)
        case "pixel", "causal", Array(shape=(_, _, _)) as given, Array(shape=(channels, *_)):
            return GatedPixelCNN(given, channels, conditions, settings)
        case "unet", "denoiser", Array() as given, Array(shape=(channels, *_)) if spatial(given):
            return UNet(given, channels, conditions, settings)
        case "conv", "critic", Array() as given, _ if spatial(given):
            return Critic(given, conditions, settings)
        case "conv", "encoder", Array() as given, output if spatial(given):
            return ConvEncoder(given, output, conditions, settings)
        case "conv", "decoder", latent, Array() as output if spatial(output):
            return ConvDecoder(latent, output, conditions, settings)
    raise BadInput(f"a {kind} net can't be a {net.role} from {net.input} to {net.output}")


class _Logit(nn.Module):
    """A critic's (B,1) as (B,)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Any) -> torch.Tensor:
        out: torch.Tensor = self.net(*inputs)
        return out.flatten()

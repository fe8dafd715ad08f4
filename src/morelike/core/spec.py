"""What one example is, for everyone who never opens a file.

B batch, * the example's shape, C channels, H W rows and columns, T length, V vocabulary, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .noise import Noise


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a `Row`: a real number (0 categories) or a category; `bin` is one quantisation step, 0 if continuous."""

    name: str
    categories: int = 0
    bin: float = 0.0
    missing: tuple[int, ...] = field(default=(), compare=False)
    """Ids of a category that say that there is no value; none = nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Array:
    """Real numbers of about unit scale: (C,H,W), (C,T), (C,T,H,W) or (D,). `bin`: one quantisation step in x's units (2/255 for bytes)."""

    shape: tuple[int, ...]
    bin: float = 0.0
    grey: int = 0
    """Above 0, of two levels (`bin` 2): levels 0..grey are stored, and x is drawn +1 with the probability level / grey, else -1."""
    told: int = 0
    """The last so many channels say when an example is (a calendar): other channels go by them, and they by none."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Whole-number ids below `vocab`: (T,) or (H,W), a maximum. After the first `stop`, all is stop."""

    shape: tuple[int, ...]
    vocab: int
    stop: int | None = None
    alphabet: str = field(default="", compare=False)
    """Tokens of one alphabet mean the same by the same id; empty = nothing is known."""
    period: int = 0
    """Above 0, places so far apart stand at the same place of a group: rows of a level's columns laid one after another."""


@dataclass(frozen=True, slots=True)
class Row:
    """A table's row, (B, fields): reals, and whole-number ids for categories."""

    fields: tuple[Field, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.fields),)


Spec = Array | Tokens | Row
Conditions = Mapping[str, Spec]


def class_label(classes: int) -> Tokens:
    """The Spec of a class label: one id."""
    return Tokens((1,), vocab=classes)


def elements(spec: Spec) -> int:
    """How many numbers one example holds."""
    return math.prod(spec.shape)


def spatial(spec: Spec) -> bool:
    """Whether neighbouring positions of an Array are related: a signal, a picture or a video rather than a vector."""
    return isinstance(spec, Array) and len(spec.shape) >= 2


def sequential(spec: Spec) -> bool:
    """Whether it is a sequence of ids, of more than one place."""
    return isinstance(spec, Tokens) and len(spec.shape) == 1 and spec.shape[0] > 1


def quotable(spec: Spec, conditions: Conditions) -> str | None:
    """The one condition that is a sequence, if it is written in the ids of `spec`: what can be copied from."""
    told = {name: own for name, own in conditions.items() if sequential(own)}
    alphabet = getattr(spec, "alphabet", "")
    alike = [name for name, own in told.items() if alphabet and getattr(own, "alphabet", "") == alphabet]
    return alike[0] if len(told) == 1 and alike else None


def live(spec: Spec, x: Tensor) -> Tensor:
    """(B,*) bool: False past the first stop id and where a real value is missing (NaN); no loss and no nats there."""
    match spec:
        case Tokens(stop=int() as stop):
            ended = (x == stop).flatten(1).cumsum(1)
            return ((ended - (x == stop).flatten(1).long()) == 0).view_as(x)
        case Tokens():
            return torch.ones_like(x, dtype=torch.bool)
        case _:
            return ~torch.isnan(x)


def lift(spec: Spec, stored: Tensor, noise: Noise | None = None) -> Tensor:
    """Stored levels to x: integers of a quantised Array become level * bin - 1 in float32, ids int64, reals float32.

    Grey levels of two-level Arrays are drawn by `noise`; without it each example has one draw of its own, a function of what it holds.
    """
    match spec:
        case Tokens():
            return stored.long()
        case Array(shape, grey=grey) if grey and not stored.is_floating_point():
            # 16 bits: level / grey to within 1 / 65,536, and black and white are never anything else
            drawn = (noise or _own_noise(stored)).halves(shape, "grey").clamp_(max=32_766)
            # int16 wraps: level * scale - 2^15 is the same number modulo 2^16, and narrow numbers are quick
            scale = (65_535 // grey + 32_768) % 65_536 - 32_768
            white = drawn < stored.to(torch.int16).mul_(scale).add_(-32_768)
            return white.view(torch.int8).mul_(2).sub_(1).float()
        case Array(bin=step) if not stored.is_floating_point():
            return stored.float().mul_(step).sub_(1.0)
        case _:
            return stored.float()


def _own_noise(stored: Tensor) -> Noise:
    """Noise numbered by what each example holds: the same wherever it comes from, whatever its neighbours are."""
    levels = stored.flatten(1).long()
    words = Noise(0, 1).to(stored.device).integers(1 << 62, (levels.shape[1],), "places")
    return Noise(0, (levels * words).sum(1), path=("own",))


def lift_all(specs: Conditions, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`lift` for each condition that is among `specs`; others are left out."""
    return {name: lift(specs[name], value) for name, value in stored.items() if name in specs}


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """A Spec as JSON values; `spec_from_json` is the inverse."""
    match spec:
        case Array(shape, step, grey, told):
            plain = {"kind": "array", "shape": list(shape), "bin": step}
            return {**plain, **({"grey": grey} if grey else {}), **({"told": told} if told else {})}
        case Tokens(shape, vocab, stop, alphabet, period):
            more = {"alphabet": alphabet} if alphabet else {}
            return {"kind": "tokens", "shape": list(shape), "vocab": vocab, "stop": stop, **more, **({"period": period} if period else {})}
        case Row(fields):
            return {"kind": "row", "fields": [_field_to_json(own) for own in fields]}


def _field_to_json(own: Field) -> dict[str, Any]:
    gone = {"missing": list(own.missing)} if own.missing else {}
    return {"name": own.name, "categories": own.categories, "bin": own.bin, **gone}


def spec_from_json(values: Mapping[str, Any]) -> Spec:
    """The inverse of `spec_to_json`. Raises ValueError for a kind that this version doesn't know."""
    match values:
        case {"kind": "array", "shape": shape, "bin": step}:
            return Array(tuple(shape), step, values.get("grey", 0), values.get("told", 0))
        case {"kind": "tokens", "shape": shape, "vocab": vocab, "stop": stop}:
            return Tokens(tuple(shape), vocab, stop, values.get("alphabet", ""), values.get("period", 0))
        case {"kind": "row", "fields": fields}:
            return Row(tuple(Field(**{**own, "missing": tuple(own.get("missing", ()))}) for own in fields))
    raise ValueError(f"unknown kind of example: {values.get('kind')!r}")

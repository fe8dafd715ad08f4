"""The recipe of a run: typed, validated, written as TOML; unknown keys are refused with the nearest right one.

The resolved recipe lies in the run's folder; training from it repeats the run bit for bit.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core import registry
from ..core.errors import BadInput, UnknownName
from ..nets.build import SIZES

OWN = "own:"
"""Before the name of a class of the user's own, which no registry knows."""
AUTO = "auto"
"""In place of a family's name: short runs of several choose it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class Training(_Strict):
    """The trainer's dials; those left at None are filled in by the registry line, the kind of data or the probe."""

    minutes: float | None = Field(None, gt=0, le=100_000, description="training time; digits 2, else 5")
    steps: int | None = Field(None, ge=1, description="instead of minutes")
    batch: int | None = Field(None, ge=1, le=65_536, description="128 where the registry line names none")
    drop: float | None = Field(None, ge=0, lt=1, description="share of examples whose conditions are hidden")
    averaging: float = Field(16.0, ge=0)
    chunks: int = Field(1, ge=1)
    patience: int = Field(0, ge=0)
    watch: bool = Field(True, description="whether the watchdog of games may put weights back and change settings")
    precision: Literal["fp32", "bf16"] | None = None
    threads: int | None = Field(None, ge=1)


class Reward(_Strict):
    """What a saved model is tuned towards, and what straying from it costs."""

    towards: list[str] = Field(min_length=1, max_length=16)
    """Wishes, as `judges.measures.wish` reads them; the reward is their mean."""
    beta: float = Field(0.05, ge=0, le=1e6)
    draws: int = Field(4, ge=2, le=1024)
    lr: float = Field(5e-4, gt=0, le=1)
    rules: bool = True
    """Whether the rules of the kind of data, where it has any, are obeyed while it learns."""


class Recipe(_Strict):
    """Everything that decides a run. `optim` overrides a player's optimiser by the player's name."""

    data: str = "memory"
    kind: str | None = None
    model: str | None = None
    size: str = "s"
    seed: int = Field(0, ge=0, lt=2**62)
    condition: list[str] | None = None
    """None = the kind's default; [] = none."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    train: Training = Training()
    settings: dict[str, Any] = Field(default_factory=dict)
    nets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    codec: dict[str, Any] = Field(default_factory=dict)
    start: str | None = None
    """The saved model to continue from."""
    tune: Literal["full", "adapter"] = "full"
    """What is trained then: everything, or a low-rank add-on."""
    rank: int | None = Field(None, ge=1, le=1024)
    """Of the add-on; None = the largest with at most 2% of the parameters."""
    start_weights: str | None = None
    """SHA-256 of the weights that a resolved run began with."""
    reward: Reward | None = None
    """The saved model `start` is tuned towards this, in place of learning from data."""
    teacher: str | None = None
    """The saved model that a student learns from."""
    teacher_weights: str | None = None
    """SHA-256 of the weights that a resolved run learns from."""
    optim: dict[str, dict[str, Any]] = Field(default_factory=dict)
    fingerprint: str | None = None
    """Of the data that it was resolved on."""

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Recipe:
        """A checked recipe. Raises UnknownName for an unknown key, BadInput for a bad value, both in a sentence."""
        _known_keys(values)
        try:
            recipe = cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadInput(f"recipe: {where}: {first['msg']} (it is {first.get('input')!r})") from error
        if recipe.size not in SIZES:
            raise UnknownName("size", recipe.size, SIZES)
        if recipe.model not in (None, AUTO) and not recipe.model.startswith(OWN):
            registry.family(recipe.model)
        return recipe

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """From a TOML file. Raises BadInput with the line where it can't be read."""
        try:
            text = path.read_text(encoding="utf-8")
            return cls.parse(tomllib.loads(text))
        except OSError as error:
            raise BadInput(f"the recipe {path} can't be read: {error.strerror or error}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"the recipe {path} is no valid TOML: {error}") from error

    def to_toml(self) -> str:
        """TOML text; keys that are None are left out."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def write(self, path: Path) -> None:
        new = path.with_suffix(".new")
        try:
            new.write_text(self.to_toml(), encoding="utf-8")
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)

    def same_run(self, other: Recipe) -> bool:
        """Whether both describe the same run; where it computes is no part of it: the place of the data, the device, the threads."""
        aside: dict[str, Any] = {
            "data": True, "device": True, "fingerprint": True, "start_weights": True, "teacher_weights": True, "train": {"threads"}
        }  # fmt: skip
        return self.model_dump(exclude=aside) == other.model_dump(exclude=aside)


_BARE = {"start", "tune", "rank", "teacher"}
"""Keys of the recipe itself that pairs may name as they are."""


def _known_keys(values: Mapping[str, Any]) -> None:
    for key in values:
        if key not in Recipe.model_fields:
            raise UnknownName("recipe key", key, Recipe.model_fields)
    train = values.get("train")
    for key in train if isinstance(train, Mapping) else ():
        if key not in Training.model_fields:
            raise UnknownName("recipe key in [train]", key, Training.model_fields)


def apply(values: dict[str, Any], pairs: Sequence[str], family: type) -> dict[str, Any]:
    """Recipe values with `key=value` pairs put in: a dotted path (`nets.denoiser.width=96`), or a bare name of [train] or of the
    family's settings. Raises UnknownName with the nearest right key."""
    own = {f.name for f in fields(family.Settings)}  # type: ignore[attr-defined]
    values = json.loads(json.dumps(values))
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise BadInput(f"{pair!r} is no setting: write key=value, for example batch=64")
        path = key.split(".")
        if len(path) == 1:
            path = _place(key, own)
        elif path[0] == "settings" and path[1] not in own:
            raise UnknownName("setting", path[1], own)
        elif path[0] not in Recipe.model_fields:
            raise UnknownName("recipe key", path[0], Recipe.model_fields)
        place = values
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise BadInput(f"{key!r}: {part!r} is a value, not a section")
        place[path[-1]] = parse_value(text)
    return values


def _place(key: str, own: set[str]) -> list[str]:
    if key in own:
        return ["settings", key]
    if key in Training.model_fields:
        return ["train", key]
    if key in _BARE:
        return [key]
    raise UnknownName("setting", key, own | set(Training.model_fields) | _BARE)


def parse_value(text: str) -> Any:
    """The value of `key=value`: as TOML (numbers, true, lists), else the text itself."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text

"""A family's settings from what a recipe says: names and types are checked before the family sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .errors import BadInput, UnknownName


def build_settings(family: type, values: Mapping[str, Any], what: str = "setting") -> Any:
    """A family's Settings from JSON values, called `what` in errors. Raises as `settings_of`."""
    return settings_of(family.Settings, values, what)  # type: ignore[attr-defined]


def settings_of(settings: type, values: Mapping[str, Any], what: str) -> Any:
    """A dataclass of settings from JSON values, called `what` in errors. Raises UnknownName for unknown keys and BadInput for values of
    another type."""
    known = {f.name: f for f in fields(settings)}
    default = settings()
    found = {}
    for key, value in values.items():
        if key not in known:
            raise UnknownName(what, key, known)
        found[key] = _typed(f"{what} {key!r}", value, getattr(default, key))
    return settings(**found)


def check_ranges(settings: object, /, **ranges: tuple[float, float]) -> None:
    """Raises BadInput for the first attribute of `settings` outside its (least, most); most may be infinite."""
    for name, (least, most) in ranges.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            allowed = f"at least {least:,.10g}" if most == math.inf else f"from {least:,.10g} to {most:,.10g}"
            raise BadInput(f"{name} must be {allowed}, not {value:,.10g}")


_KINDS = {int: "a whole number", float: "a number", str: "a word", bool: "true or false,", tuple: "a list", dict: "a table"}


def _typed(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        return tuple(_typed(f"each of {name}", one, default[0]) for one in value) if default else tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default) and default is not None:
        kind = _KINDS.get(type(default), type(default).__name__)
        raise BadInput(f"{name} must be {kind} such as {default!r}, not {value!r}")
    if type(value) is int and value < 0:
        raise BadInput(f"{name} is a count and can't be {value}")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"{name} must be a finite number, not {value}")
    return value

"""The shape of a JSON value as a regular expression: what `json.loads` reads and a shape describes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import BadInput
from .regex import quote

_MOST_DEPTH = 8
_MOST_PARTS = 1000
_DIGITS = "(0|[1-9][0-9]{0,16})"
_ESCAPED = r'["\\/bfnrt]|u([0-9abcefABCEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})'
_SIGN = rf'([^"\\\x00-\x1f]|\\({_ESCAPED}))'
_SCALARS = {
    "string": f'"{_SIGN}*"',
    "integer": f"-?{_DIGITS}",
    "number": rf"-?{_DIGITS}(\.[0-9]{{1,17}})?([eE][+-]?[0-9]{{1,2}})?",
    "boolean": "(true|false)",
    "null": "null",
}
KNOWN = (
    '"string", "integer", "number", "boolean", "null", two of them as "string|null", "string 20" for at most 20 characters, '
    '["number"] for a list, ["number", 3] for at most 3, {"enum": ["a", "b"]} for one of these values, {"name": "string"} for an object'
)


def json_pattern(shape: Any) -> str:
    """The pattern of the JSON texts of a shape: objects with these keys in this order, a space after comma and colon or none.

    A shape is a name or names of scalars ("string", "integer|null", "string 20" for at most 20 characters), a list of one shape
    (any number of them) or of a shape and the most, {"enum": [scalars]}, or an object of shapes by key. Whole numbers have at most
    17 digits; a lone surrogate is not written. Raises BadInput, with the place in the shape, for what is none of these.
    """
    return _pattern(shape, "the shape", 0, [0])


def _pattern(shape: Any, where: str, depth: int, count: list[int]) -> str:
    count[0] += 1
    if depth > _MOST_DEPTH or count[0] > _MOST_PARTS:
        raise BadInput(f"{where} is nested more than {_MOST_DEPTH} deep, or the whole has more than {_MOST_PARTS} parts")
    match shape:
        case str():
            return "(" + "|".join(_scalar(name.strip(), where) for name in shape.split("|")) + ")"
        case [inner] | [inner, int()] if not (len(shape) == 2 and (isinstance(shape[1], bool) or not 1 <= shape[1] <= 100)):
            return _list(_pattern(inner, f"{where}[0]", depth + 1, count), None if len(shape) == 1 else shape[1])
        case {"enum": [_, *_] as values} if len(shape) == 1:
            return "(" + "|".join(_constant(value, where) for value in values) + ")"
        case Mapping() if shape:
            values = [_pattern(value, f"{where}[{key!r}]", depth + 1, count) for key, value in shape.items()]
            return r"\{" + ", ?".join(f"{_constant(key, where)}: ?{value}" for key, value in zip(shape, values, strict=True)) + r"\}"
    raise BadInput(f"{where} holds {json.dumps(shape, default=str)[:60]}, which is no shape; known: {KNOWN}")


def _scalar(name: str, where: str) -> str:
    kind, _, most = name.partition(" ")
    if kind == "string" and most.isascii() and most.isdigit() and 1 <= int(most[:5]) <= 1000 and len(most) < 5:
        return f'"{_SIGN}{{0,{int(most)}}}"'
    if name not in _SCALARS:
        raise BadInput(f"{where} names {name!r}; known: {KNOWN}")
    return _SCALARS[name]


def _list(inner: str, most: int | None) -> str:
    more = "*" if most is None else f"{{0,{most - 1}}}"
    return rf"\[({inner}(, ?{inner}){more})?\]"


def _constant(value: Any, where: str) -> str:
    """The pattern of one scalar, as JSON writes it."""
    if isinstance(value, (Mapping, Sequence)) and not isinstance(value, str):
        shown = json.dumps(value, default=str)[:60]
        raise BadInput(f"{where} lists {shown} among its values; only strings, numbers, true, false and null can be")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"{where} lists {value}, which JSON can't write")
    return quote(json.dumps(value, ensure_ascii=False))

"""`rules.toml` and `facts.tsv`: rules as people give them, checked key by key.

    [[range]]
    column = "age"
    min = 0
    max = 120

    [[order]]
    columns = ["pickup", "dropoff"]      # each at most the next; strict = true: below it

    [[sum]]
    total = "total"
    parts = ["fare", "tip", "tolls"]
    rest = "seen"                        # beside them one of the rests seen; "none": exactly their sum

    [[determined]]
    column = "borough"
    by = ["zone"]

    [[together]]
    columns = ["make", "model"]          # only in combinations seen

    [[unique]]
    columns = ["ticket"]

    [facts]
    part-of = ["zone", "borough"]        # the columns of the subjects and of the objects of this relation
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ..core.errors import BadInput, UnknownName

_LARGEST = 64 << 20
Names = list[str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Range(_Strict):
    """What one column may hold."""

    column: str
    min: float | datetime | date | str | None = None
    max: float | datetime | date | str | None = None
    multiple_of: float | None = Field(None, gt=0)
    values: list[str | int | float] | None = Field(None, min_length=1)
    missing: bool = True


class Order(_Strict):
    """Columns of which each is at most the next."""

    columns: Names = Field(min_length=2)
    strict: bool = False


class Sum(_Strict):
    """A column that others add up to."""

    total: str
    parts: Names = Field(min_length=1)
    rest: Literal["none", "seen"] = "none"


class DeterminedBy(_Strict):
    """A column that one or more others determine."""

    column: str
    by: Names = Field(min_length=1, max_length=3)


class Columns(_Strict):
    """Columns that belong together."""

    columns: Names = Field(min_length=2, max_length=3)


class Keys(_Strict):
    """Columns that never come twice."""

    columns: Names = Field(min_length=1)


class RulesFile(_Strict):
    """All that a `rules.toml` holds."""

    range: list[Range] = []
    order: list[Order] = []
    sum: list[Sum] = []
    determined: list[DeterminedBy] = []
    together: list[Columns] = []
    unique: list[Keys] = []
    facts: dict[str, Names | list[Names]] = {}


Facts = dict[str, dict[str, str]]
"""Relation -> subject -> object."""


def read_rules(rules: Any) -> RulesFile:
    """From a path, or from a mapping of what such a file holds. Raises BadInput or UnknownName in a sentence."""
    where = "the rules" if isinstance(rules, Mapping) else f"the rules in {rules}"
    if not isinstance(rules, Mapping):
        try:
            rules = tomllib.loads(_text(str(rules)))
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"{rules} is no valid TOML: {error}.") from error
    try:
        return RulesFile.model_validate(rules)
    except ValidationError as error:
        # a key that is misspelt is also one that is missing
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        raise _said(where, first["loc"], first["type"], f"{_wanted(first)}, not {first['input']!r}") from error


_NUMBER, _TRUTH, _KEYS = "it takes a number", "it takes true or false", "it takes keys and values, one a line"
_WORDS = {
    "too_short": "it takes a list of at least {min_length}", "too_long": "it takes a list of at most {max_length}",
    "list_type": 'it takes a list, such as ["a", "b"]', "string_type": "it takes text in quotes", "literal_error": "it takes {expected}",
    "float_type": _NUMBER, "float_parsing": _NUMBER, "finite_number": _NUMBER, "greater_than": "it takes a number above {gt:g}",
    "bool_type": _TRUTH, "bool_parsing": _TRUTH, "dict_type": _KEYS, "model_type": _KEYS,
}  # fmt: skip
"""Type of a validator's error -> what the key takes."""


def _wanted(error: ErrorDetails) -> str:
    """What stands in the way of one value, in words."""
    if error["type"] == "list_type" and len(error["loc"]) == 1:
        return f"write it with two brackets, [[{error['loc'][0]}]], and its keys below"
    words = _WORDS.get(error["type"])
    return error["msg"] if words is None else words.format(**error.get("ctx", {}))


def _said(where: str, place: tuple[int | str, ...], kind: str, message: str) -> BadInput | UnknownName:
    """An error's sentence: the section, its number and its key."""
    models: dict[str, type[BaseModel]] = {
        "range": Range, "order": Order, "sum": Sum, "determined": DeterminedBy, "together": Columns, "unique": Keys,
    }  # fmt: skip
    if kind == "extra_forbidden" and len(place) == 1:
        return UnknownName(f"section of {where}:", str(place[0]), RulesFile.model_fields)
    section = str(place[0])
    number = f" (number {place[1] + 1})" if len(place) > 1 and isinstance(place[1], int) else ""
    if kind == "extra_forbidden" and section in models:
        return UnknownName(f"key in [[{section}]]{number} of {where}:", str(place[-1]), models[section].model_fields)
    key = f", {place[2]}" if len(place) > 2 else ""
    head = f"[facts]{f', {place[1]}' if len(place) > 1 else ''}" if section == "facts" else f"[[{section}]]{number}{key}"
    return BadInput(f"{where}, {head}: " + ("it is missing." if kind == "missing" else f"{message}."))


def read_facts(facts: Any) -> Facts:
    """From a path of triples (subject, relation, object), one a line with tabs between; lines that begin with # don't count. Or from a
    sequence of such triples. Raises BadInput with the line's number, also where a subject has two objects."""
    if isinstance(facts, (str, Path)):
        lines = _text(str(facts)).splitlines()
        triples = [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    else:
        triples = [(number, [str(cell) for cell in triple]) for number, triple in enumerate(facts, 1)]
    found: Facts = {}
    for number, cells in triples:
        if len(cells) != 3:
            raise BadInput(f"the facts, line {number}: it has {len(cells)} cells; a fact is subject, relation, object with tabs between.")
        subject, relation, value = (cell.strip() for cell in cells)
        known = found.setdefault(relation, {}).setdefault(subject, value)
        if known != value:
            raise BadInput(f"the facts, line {number}: {subject} {relation} {value}, but before that {known}; a subject can have one only.")
    if not found:
        raise BadInput("the facts are empty: give lines of subject, relation and object with tabs between.")
    return found


def _text(path: str) -> str:
    """A small file's text."""
    place = Path(path).expanduser()
    try:
        if place.stat().st_size > _LARGEST:
            raise BadInput(f"{path} has {place.stat().st_size:,} bytes; at most {_LARGEST:,} are read as rules or facts.")
        return place.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not written in UTF-8: {error.reason} at byte {error.start:,}.") from error

"""Constraints as people write them: `regex:...`, `json:{...}`, `slots:a|b`, `span:CONDITION`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..core.errors import BadInput, UnknownName
from ..core.spec import Tokens
from .automaton import Automaton, TableMachine
from .constraint import Constraint
from .json_shape import json_pattern
from .regex import compile_pattern
from .slots import slots
from .spans import spans

RULES = {
    "regex": "regex:PATTERN, the whole text matches a regular expression: regex:[A-Z][a-z]+, \\d{4}",
    "json": 'json:SHAPE, the text is JSON of a shape: json:{"name": "string", "stars": "integer", "tags": ["string"]}',
    "slots": "slots:A|B, the text holds each of these strings: slots:The Eagle|riverside",
    "span": "span:CONDITION, the text is an unbroken part of that condition: span:source",
}


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A constraint that was read but knows no vocabulary yet."""

    text: str
    """As it was written."""
    automaton: Automaton | None = None
    strings: tuple[str, ...] = ()
    condition: str | None = None
    """The text condition that is copied from; `constraint` wants its texts."""

    def constraint(self, spec: Tokens, pieces: Sequence[bytes], texts: Mapping[str, Sequence[str]] | None = None) -> Constraint:
        """For ids of `spec` whose UTF-8 bytes are `pieces`; `texts`: the rows' conditions as text, by name.

        Only a copy needs `texts` and holds for so many rows; the others serve any number. Raises UnknownName for a condition that
        isn't there.
        """
        if self.condition is not None:
            if self.condition not in (texts or {}):
                raise UnknownName("text condition to copy from", self.condition, texts or ())
            return spans([text.encode() for text in (texts or {})[self.condition]], spec, pieces)
        if self.automaton is not None:
            return Constraint([_table(self.automaton, tuple(pieces), spec.stop is not None, self.text)], spec)
        return Constraint(_slots(self.strings, spec, tuple(pieces)).machines, spec)


@lru_cache(maxsize=2)
def _table(automaton: Automaton, pieces: tuple[bytes, ...], stops: bool, name: str) -> TableMachine:
    """Built once for all batches of a run."""
    return TableMachine(automaton, pieces, stops=stops, name=name)


@lru_cache(maxsize=2)
def _slots(strings: tuple[str, ...], spec: Tokens, pieces: tuple[bytes, ...]) -> Constraint:
    """As `_table`."""
    return slots([strings], spec, pieces)


def parse(text: str) -> Rule:
    """A rule from its text. Raises BadInput, with what exists, for a rule that can't be read."""
    name, colon, rest = text.partition(":")
    if not colon or name not in RULES or not rest:
        raise BadInput(f"{text[:80]!r} is no constraint; known: " + "; ".join(RULES.values()))
    match name:
        case "regex":
            return Rule(text, automaton=compile_pattern(rest))
        case "json":
            try:
                shape = json.loads(rest)
            except (ValueError, RecursionError) as error:
                raise BadInput(f"the shape after json: is not JSON itself ({error}); known: {RULES['json']}") from None
            return Rule(text, automaton=compile_pattern(json_pattern(shape)))
        case "slots":
            strings = tuple(part for part in rest.split("|") if part)
            if not strings:
                raise BadInput(f"slots: names no string that must occur; known: {RULES['slots']}")
            return Rule(text, strings=strings)
    return Rule(text, condition=rest)

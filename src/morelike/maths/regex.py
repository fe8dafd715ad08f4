r"""Regular expressions as automata over UTF-8: the notation of Python's `re` for whole texts, without what remembers or looks around.

Literals, `.` (not a line feed), classes `[a-z]` `[^a-z]` `\d \w \s` and their capitals (Unicode, as in `re`), groups `(...)` `(?:...)`,
`|`, `* + ? {m} {m,} {,n} {m,n}`, escapes `\n \t \r \f \v \0 \xHH \uHHHH \UHHHHHHHH` and a backslash before a sign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from ..core.errors import BadInput
from .automaton import LAST, Automaton, Parts, Ranges, complement, determinise, union

_MOST_TIMES = 1000
_MOST_DEPTH = 50
_MOST_LENGTH = 100_000
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_DIGITS = {"x": 2, "u": 4, "U": 8}
_KINDS: dict[str, Callable[[str], bool]] = {"d": str.isdecimal, "w": lambda sign: sign.isalnum() or sign == "_", "s": str.isspace}


@dataclass(frozen=True, slots=True)
class _Characters:
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class _Row:
    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    part: _Node
    least: int
    most: int | None


_Node = _Characters | _Row | _Choice | _Repeat


def compile_pattern(pattern: str) -> Automaton:
    """The automaton that accepts the UTF-8 of the texts that match `pattern` as a whole.

    Raises BadInput, with the place, for a pattern that can't be read; also for one that needs too many states.
    """
    if len(pattern) > _MOST_LENGTH:
        raise BadInput(f"the pattern has {len(pattern):,} characters; at most {_MOST_LENGTH:,} are read")
    parts = Parts()
    start = parts.new()
    return determinise(parts, start, _build(parts, _Reader(pattern).whole(), start))


def quote(text: str) -> str:
    """The pattern that matches `text` itself."""
    return "".join(sign if sign.isalnum() or ord(sign) > 127 or sign in ' "_' else f"\\x{ord(sign):02x}" for sign in text)


def _build(parts: Parts, node: _Node, start: int) -> int:
    """Adds the states of `node` after `start`; returns its end (Thompson 1968)."""
    match node:
        case _Characters(ranges):
            end = parts.new()
            parts.characters(ranges, start, end)
        case _Row(inner):
            end = start
            for part in inner:
                end = _build(parts, part, end)
        case _Choice(inner):
            end = parts.new()
            for part in inner:
                begin = parts.new()
                parts.free[start].append(begin)
                parts.free[_build(parts, part, begin)].append(end)
        case _Repeat(part, least, most):
            end = _repeat(parts, part, start, least, most)
    return end


def _repeat(parts: Parts, part: _Node, start: int, least: int, most: int | None) -> int:
    """`least` copies, of which the last loops where there is no most; else further copies before each of which one may leave."""
    at = start
    for _ in range(least):
        begin = parts.new()
        parts.free[at].append(begin)
        at = _build(parts, part, begin)
    end = parts.new()
    if most is None and least:
        parts.free[at].extend((begin, end))
        return end
    begin = parts.new()
    parts.free[at].extend((end, begin))
    if most is None:
        parts.free[_build(parts, part, begin)].extend((begin, end))
        return end
    for _ in range(most - least):
        after = _build(parts, part, begin)
        begin = parts.new()
        parts.free[after].extend((end, begin))
    return end


@lru_cache(maxsize=8)
def _kind(letter: str) -> Ranges:
    r"""The code points of `\d`, `\w`, `\s` (as `re` has them for str) or, by a capital, all others."""
    if letter.isupper():
        return complement(_kind(letter.lower()))
    good = _KINDS[letter]
    return union(tuple((point, point) for point in range(LAST + 1) if good(chr(point))))


class _Reader:
    """Reads a pattern from left to right, by recursive descent."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.depth = pattern, 0, 0

    def whole(self) -> _Node:
        node = self.choice()
        if self.at < len(self.pattern):
            self.fail("this ')' closes nothing; write \\) for the sign itself")
        return node

    def fail(self, why: str, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        shown = self.pattern if len(self.pattern) <= 60 else self.pattern[max(0, at - 25) : at + 25]
        raise BadInput(f"the pattern {shown!r} can't be read at character {at + 1}: {why}")

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self, what: str) -> str:
        if self.at >= len(self.pattern):
            self.fail(f"it ends where {what} should follow")
        self.at += 1
        return self.pattern[self.at - 1]

    def choice(self) -> _Node:
        parts = [self.row()]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.row())
        return parts[0] if len(parts) == 1 else _Choice(tuple(parts))

    def row(self) -> _Node:
        parts: list[_Node] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated())
        return _Row(tuple(parts))

    def repeated(self) -> _Node:
        node, start = self.single(), self.at
        times = self.times()
        if times is None:
            return node
        if self.peek() in ("*", "+", "?", "{"):
            self.fail("two repetitions in a row; a whole text matches or doesn't, so lazy and possessive ones mean nothing here")
        least, most = times
        if most is not None and most < least:
            self.fail(f"the most, {most}, is below the least, {least}", start)
        return _Repeat(node, least, most)

    def times(self) -> tuple[int, int | None] | None:
        """(least, most) of a repetition, None where none follows."""
        match self.peek():
            case "*" | "+" | "?" as sign:
                self.at += 1
                return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            case "{":
                start = self.at
                end = self.pattern.find("}", start)
                low, comma, high = self.pattern[start + 1 : max(end, start + 1)].partition(",")
                counts = [part for part in (low, high) if part]
                if end < 0 or not counts or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in counts):
                    self.fail("a repetition is {m}, {m,}, {,n} or {m,n}; write \\{ for the sign itself")
                if max(int(low or 0), int(high or 0)) > _MOST_TIMES:
                    self.fail(f"at most {_MOST_TIMES} repetitions can be counted; use * or + for more")
                self.at = end + 1
                least = int(low or 0)
                return least, least if not comma else int(high) if high else None
        return None

    def single(self) -> _Node:
        start, sign = self.at, self.take("a sign")
        match sign:
            case "(":
                return self.group()
            case "[":
                return _Characters(self.klass())
            case ".":
                return _Characters(complement(((10, 10),)))
            case "\\":
                return _Characters(self.escape())
            case "*" | "+" | "?" | "{":
                self.fail(f"nothing to repeat; write \\{sign} for the sign itself", start)
            case "^" | "$":
                self.fail(f"the whole text must match anyway: leave {sign} out, or write \\{sign} for the sign itself", start)
        return _Characters(((ord(sign), ord(sign)),))

    def group(self) -> _Node:
        start = self.at - 1
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            self.fail(f"groups are nested more than {_MOST_DEPTH} deep", start)
        if self.peek() == "?":
            if not self.pattern.startswith("?:", self.at):
                self.fail("only (...) and (?:...) are known: nothing here looks around, names groups or sets flags")
            self.at += 2
        node = self.choice()
        if self.peek() != ")":
            self.fail("this '(' is never closed; write \\( for the sign itself", start)
        self.at += 1
        self.depth -= 1
        return node

    def escape(self) -> Ranges:
        start, letter = self.at - 1, self.take("a sign after the backslash")
        if letter.lower() in _KINDS:
            return _kind(letter)
        if letter in _CONTROLS:
            point = ord(_CONTROLS[letter])
        elif letter in _DIGITS:
            digits = self.pattern[self.at : self.at + _DIGITS[letter]]
            if len(digits) < _DIGITS[letter] or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                self.fail(f"\\{letter} is followed by {_DIGITS[letter]} hexadecimal digits", start)
            self.at += len(digits)
            point = int(digits, 16)
            if point > LAST:
                self.fail("there is no such character", start)
        elif letter.isalnum():
            self.fail(f"\\{letter} is not known here; known: \\d \\w \\s \\D \\W \\S \\n \\t \\r \\f \\v \\0 \\x \\u \\U", start)
        else:
            point = ord(letter)
        return ((point, point),)

    def klass(self) -> Ranges:
        """A class, from after its bracket."""
        start = self.at - 1
        negated = self.peek() == "^"
        self.at += negated
        found: list[Ranges] = []
        while not found or self.peek() != "]":
            if not self.peek():
                self.fail("this '[' is never closed; write \\[ for the sign itself", start)
            place = self.at
            low = self.member()
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                high = self.member()
                if any(len(end) != 1 or end[0][0] != end[0][1] for end in (low, high)) or low[0][0] > high[0][0]:
                    self.fail("a range runs from a character to a later one", place)
                low = ((low[0][0], high[0][0]),)
            found.append(low)
        self.at += 1
        ranges = union(*found)
        return complement(ranges) if negated else ranges

    def member(self) -> Ranges:
        sign = self.take("the rest of a class")
        return self.escape() if sign == "\\" else ((ord(sign), ord(sign)),)

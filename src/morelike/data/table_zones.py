"""How far a column's clock is ahead of UTC, as its date-times say: +02:00, Z, CEST; one offset, or those of summer and winter.

N moments. Offsets are in seconds, moments in seconds since 1970.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

_HOUR = 3600
NAMES = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": _HOUR, "BST": _HOUR, "CET": _HOUR, "CEST": 2 * _HOUR, "EET": 2 * _HOUR, "EEST": 3 * _HOUR,
    "MSK": 3 * _HOUR, "JST": 9 * _HOUR, "KST": 9 * _HOUR, "AEST": 10 * _HOUR, "AEDT": 11 * _HOUR, "EST": -5 * _HOUR, "EDT": -4 * _HOUR,
    "CST": -6 * _HOUR, "CDT": -5 * _HOUR, "MST": -7 * _HOUR, "MDT": -6 * _HOUR, "PST": -8 * _HOUR, "PDT": -7 * _HOUR,
}  # fmt: skip
"""Names of clocks that mean one offset; in America those of RFC 5322."""
KINDS = {
    "z": "[-+][01][0-9][0-5][0-9]", ":z": "[-+][01][0-9]:[0-5][0-9]", "-z": "[-+][01][0-9]", "Z": "|".join(sorted(NAMES, reverse=True)),
}  # fmt: skip
"""Regular expressions of offsets: +0200, +02:00, +02, CEST."""
_TAIL = re.compile(
    f"( ?)(?:(?P<c>{KINDS[':z']})|(?P<p>{KINDS['z']})|(?P<h>{KINDS['-z']})|(?P<n>{KINDS['Z']})(?![A-Za-z]))?"
    r"((?: ?[\[(]?[A-Za-z][A-Za-z/_ ]{0,30}[\])]?)?)"
)
_TOKENS = {"c": "%:z", "p": "%z", "h": "%-z", "n": "%Z"}
_YEAR = 31_556_952
_SWITCHES = 2
"""Clocks are put forward and back once in a year."""


def tail_pattern(tail: str) -> str | None:
    """The pattern of what follows a time: an offset, or words that stay as they are; None where it is something else."""
    match = _TAIL.fullmatch(tail)
    if match is None:
        return None
    token = next((_TOKENS[key] for key, found in match.groupdict().items() if found), "")
    return match[1] + token + match[6]


def seconds(text: str) -> int:
    """An offset as it is written."""
    if text in NAMES:
        return NAMES[text]
    digits = text[1:].replace(":", "").ljust(4, "0")
    return (-1 if text[0] == "-" else 1) * (int(digits[:2]) * 60 + int(digits[2:])) * 60


def offset_text(ahead: int) -> str:
    """An offset as +02:00."""
    return written(ahead, "%:z", {})


def written(ahead: int, token: str, names: Mapping[int, str]) -> str:
    """The inverse of `seconds`, by a token of patterns."""
    if token == "%Z" and ahead in names:
        return names[ahead]
    hours, minutes = divmod(abs(ahead) // 60, 60)
    colon = "" if token == "%z" else ":"
    rest = "" if token == "%-z" and not minutes else f"{colon}{minutes:02d}"
    return f"{'-' if ahead < 0 else '+'}{hours:02d}{rest}"


@dataclass(frozen=True, slots=True)
class Zone:
    """Offsets, and when each but the first begins to hold."""

    offsets: tuple[int, ...]
    switches: tuple[int, ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    """What offsets are called, where names stand for them."""
    others: tuple[int, ...] = ()
    """Offsets that rows of training have without any order; new ones have the commonest."""

    @classmethod
    def learn(cls, moments: np.ndarray, ahead: Sequence[int], names: Sequence[str]) -> Self:
        """From moments (N,), their offsets (N,), and names that stand for some of these.

        Where the offset is no matter of the season (it changes more often than twice in a year, or by more than an hour), all but the
        commonest are `others`. A clock is taken to change half-way between the moments that show it.
        """
        called = tuple({NAMES[name]: name for name, _ in reversed(Counter(names).most_common())}.items())
        order = np.argsort(moments, kind="stable")
        when, offsets = moments[order].astype(np.int64), np.array(ahead, dtype=np.int64)[order]
        change = np.flatnonzero(np.diff(offsets))
        often = len(change) > _SWITCHES * (1 + (when[-1] - when[0]) / _YEAR)
        if often or np.ptp(offsets) > _HOUR:
            common = [offset for offset, _ in Counter(offsets.tolist()).most_common()]
            return cls((common[0],), (), called, tuple(common[1:]))
        switches = when[change] + (when[change + 1] - when[change] + 1) // 2
        return cls((int(offsets[0]), *offsets[change + 1].tolist()), tuple(switches.tolist()), called)

    def at(self, moments: np.ndarray) -> np.ndarray:
        """(N,) int64 offsets that hold at moments (N,)."""
        found: np.ndarray = np.array(self.offsets, dtype=np.int64)[np.searchsorted(self.switches, moments, side="right")]
        return found

    def of_clock(self, clock: np.ndarray) -> np.ndarray:
        """(N,) int64 offsets at what the clock shows (N,): of an hour that comes twice, the first."""
        before = self.at(clock - max(self.offsets))
        after = self.at(clock - before)
        found: np.ndarray = np.where(self.at(clock - after) == after, after, before)
        return np.where(self.at(clock - before) == before, before, found)

    def said(self) -> str:
        """The offsets in words."""
        shown = [offset_text(offset) for offset in sorted(set(self.offsets))]
        return " and ".join(shown) + (" by the season" if len(shown) > 1 else "")

    def caveat(self) -> str:
        """What is lost of mixed offsets, beginning with a semicolon; or nothing."""
        if not self.others:
            return ""
        shown = ", ".join(map(offset_text, self.others[:4])) + (", ..." if len(self.others) > 4 else "")
        return f"; rows have other offsets too ({shown}): moments are kept, new ones are written at {self.said()}"

    def state(self) -> dict[str, Any]:
        """JSON values; `restore` is the inverse."""
        return asdict(self)

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        names = tuple((int(offset), str(name)) for offset, name in state["names"])
        return cls(tuple(map(int, state["offsets"])), tuple(map(int, state["switches"])), names, tuple(map(int, state["others"])))

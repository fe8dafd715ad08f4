"""Errors for people: what is wrong, where, and what to do. The command line prints them and exits with code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_SHOWN = 12
"""Names in one sentence: more are not read."""


class MorelikeError(Exception):
    """Something that the reader can mend; its text is a sentence for them."""


class BadInput(MorelikeError):
    """Data, a file or a value that can't be used."""


class BadPackage(MorelikeError):
    """A saved model that is damaged, foreign or from a newer version."""


class UnknownName(MorelikeError):
    """A name that isn't known, with the nearest one that is."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        # a spreadsheet may have lost the zeros before a code
        same = [one for one in names if one.lstrip("0") == name.lstrip("0")]
        close = same or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        super().__init__(f"unknown {what} {name!r}{hint} Known: {', '.join(names) or 'none'}.")


class Refused(MorelikeError):
    """A request that this model or this data can't serve, said in one sentence."""


def those_that_can(families: Sequence[str]) -> str:
    """The end of a refusal, which names families that serve it, the first ones where they are many; empty where there is none."""
    if not families:
        return ""
    more = len(families) - _SHOWN
    first = ", ".join(families[:_SHOWN]) + (f" and {more} more (morelike models)" if more > 0 else "")
    return f"; families that can: {first}"

"""Who listens while the house works: the command line draws bars, a library call is silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol


class Bar(Protocol):
    """One piece of work in progress."""

    def advance(self, done: int, terms: Mapping[str, float]) -> None: ...


class Audience(Protocol):
    """Hears sentences and sees progress."""

    def say(self, text: str) -> None: ...

    @contextmanager
    def watch(self, label: str, total: int, done: int = 0) -> Iterator[Bar]: ...


class Silent:
    """Hears nothing."""

    def say(self, text: str) -> None:
        return

    @contextmanager
    def watch(self, label: str, total: int, done: int = 0) -> Iterator[Bar]:
        yield self

    def advance(self, done: int, terms: Mapping[str, float]) -> None:
        return

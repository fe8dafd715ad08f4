"""Says how far something long has come: to the caller's function, or as a bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]
"""Called with (what, done, in all): bytes of a download, or pictures read."""


@contextmanager
def shown(progress: Progress | None) -> Iterator[Progress]:
    """The function given; without one a bar where standard error is a terminal, and nothing elsewhere."""
    if progress is not None or not sys.stderr.isatty():
        yield progress or (lambda what, done, total: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report

"""The command line: verbs over the house, errors as sentences. Nothing heavy is imported before a verb runs."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from . import picture_tasks, routes, steering, tasks, what_if  # noqa: F401  # they add their verbs
from .verbs import app


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs `morelike`; `arguments` are by default those of the process. Ends in SystemExit with the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # a terminal of another encoding shows what it can of a class name
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(args=None if arguments is None else list(arguments), prog_name="morelike")

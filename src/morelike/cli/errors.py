"""What went wrong, as a sentence on standard error and an exit code: 2 what the reader can mend, 3 a fault of ours, 130 Ctrl-C."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import Any

from typer import Exit
from typer.core import TyperGroup

from ..core.errors import MorelikeError

MENDABLE, FAULT, INTERRUPTED = 2, 3, 130
_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Verbs(TyperGroup):
    """The verbs, none of which ends in a stack trace (MORELIKE_DEBUG=1 shows it after the sentence)."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the verb. Raises Exit with the code of what went wrong; usage errors pass, to be shown as such."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            print("\ninterrupted", file=sys.stderr)
            raise Exit(INTERRUPTED) from error
        except Exception as error:
            if not _ours(error):
                raise
            text, code = explain(error)
            print(f"error: {text}", file=sys.stderr)
            if os.environ.get("MORELIKE_DEBUG") == "1":
                traceback.print_exception(error)
            raise Exit(code) from error


def _ours(error: Exception) -> bool:
    """False for what the command line's own machinery must see: usage errors, exits, and a reader that closed the pipe."""
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return False
    return not type(error).__module__.startswith(("typer", "click"))


def explain(error: Exception) -> tuple[str, int]:
    """(sentence, exit code)."""
    if isinstance(error, MorelikeError):
        return str(error), MENDABLE
    text = str(error)
    if isinstance(error, MemoryError) or any(sign in text.lower() for sign in _MEMORY):
        return "there is not enough memory; try a smaller batch (batch=32), a smaller --size, or less data", MENDABLE
    number = _os_error(error)
    if number is not None:
        return _on_files(number, getattr(error, "filename", None)), MENDABLE
    name = type(error).__name__
    return f"an unexpected {name} ({text or 'no text'}): a fault of Morelike, please report it; MORELIKE_DEBUG=1 shows where", FAULT


def _os_error(error: Exception) -> int | None:
    """The operating system's number of an error; safetensors gives it in words only."""
    if isinstance(error, OSError):
        return error.errno or 0
    _, found, rest = str(error).partition("(os error ")
    number = rest.partition(")")[0]
    return int(number) if found and number.isdigit() else None


def _on_files(number: int, path: object) -> str:
    where = f" at {path}" if path else ""
    if number in _FULL:
        return f"the disk is full{where}; free some space and run the same command again"
    if number == errno.EROFS:
        return f"the disk is read-only{where}; choose another place with --out"
    if number in (errno.EACCES, errno.EPERM):
        return f"no permission to read or write{where}"
    return f"{os.strerror(number) if number else 'a file could not be read or written'}{where}"

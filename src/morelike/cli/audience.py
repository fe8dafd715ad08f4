"""The house's audience at a terminal: bars with an honest time left on standard error, some plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from ..house.audience import Bar, Silent

_LINES = 4
"""Plain lines for one piece of work, where there is no terminal to draw on."""


class Pace:
    """Time left, from the rate measured over about the last minute: warm-up, pauses and a slower machine all count."""

    def __init__(self, now: float, done: int, window: float = 60.0) -> None:
        self._marks, self._window = deque([(now, done)]), window

    def add(self, now: float, done: int) -> None:
        """At `now` seconds `done` steps are done."""
        self._marks.append((now, done))
        while len(self._marks) > 2 and self._marks[1][0] <= now - self._window:
            self._marks.popleft()

    def left(self, now: float, total: int) -> float | None:
        """Seconds left of `total` steps, or None before anything was measured."""
        (first, before), (last, done) = self._marks[0], self._marks[-1]
        if done <= before or last <= first:
            return None
        return max(0.0, (total - done) * (last - first) / (done - before) - (now - last))


def duration(seconds: float | None) -> str:
    """"1:05" or "2:10:00"; "-:--" for None."""
    if seconds is None:
        return "-:--"
    whole = math.ceil(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def losses(terms: Mapping[str, float]) -> str:
    """"loss 0.123", or "critic 0.5, generator 1.2" where several learn."""
    found = {name.removesuffix(".loss"): value for name, value in terms.items() if name.endswith(".loss")}
    if len(found) == 1:
        return f"loss {next(iter(found.values())):.3g}"
    return ", ".join(f"{name} {value:.3g}" for name, value in found.items())


class RichAudience:
    """Says and shows on standard error; quiet: nothing at all."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(text, style="dim", markup=False, soft_wrap=True)

    @contextmanager
    def watch(self, label: str, total: int, done: int = 0) -> Iterator[Bar]:
        """A bar at a terminal, a few lines elsewhere, nothing when quiet."""
        if self.quiet:
            yield Silent()
        elif self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), _Facts())
            with Progress(*columns, console=self.console, transient=True, refresh_per_second=4) as progress:
                yield _Drawn(progress, label, total, done)
        else:
            yield _Spoken(self, label, total, done)


class _Drawn:
    """A bar at a terminal."""

    def __init__(self, progress: Progress, label: str, total: int, done: int) -> None:
        self._progress, self._pace = progress, Pace(time.monotonic(), done)
        self._task: TaskID = progress.add_task(label, total=total, completed=done, pace=self._pace, losses="")

    def advance(self, done: int, terms: Mapping[str, float]) -> None:
        self._pace.add(time.monotonic(), done)
        self._progress.update(self._task, completed=done, losses=losses(terms))


class _Facts(ProgressColumn):
    """Share done, time left and losses of a task."""

    def render(self, task: Task) -> Text:
        left = duration(task.fields["pace"].left(time.monotonic(), int(task.total or 0)))
        return Text("  ".join(part for part in (f"{task.percentage:3.0f}%", f"{left} left", task.fields["losses"]) if part))


class _Spoken:
    """A line each quarter of the way."""

    def __init__(self, audience: RichAudience, label: str, total: int, done: int) -> None:
        self._audience, self._label, self._total = audience, label, max(1, total)
        self._pace, self._said = Pace(time.monotonic(), done), _LINES * done // self._total

    def advance(self, done: int, terms: Mapping[str, float]) -> None:
        now = time.monotonic()
        self._pace.add(now, done)
        reached = _LINES * done // self._total
        if reached <= self._said:
            return
        self._said = reached
        facts = [f"{self._label}: {done:,} of {self._total:,}", losses(terms)]
        if done < self._total:
            facts.append(f"{duration(self._pace.left(now, self._total))} left")
        self._audience.say(", ".join(fact for fact in facts if fact))

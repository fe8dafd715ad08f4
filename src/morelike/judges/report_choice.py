"""The report's section on `--model auto`: what was tried, for how long, how it scored, and why one went on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .report_parts import duration, escape, number, section, table

Choice = Mapping[str, Any]
"""{"model", "why", "score": what is measured, "seconds": of the search, "tried": {name: {"round", "steps", "of", "seconds",
"score": [value, low, high] or None, "failed"}}, "left_out": {name: why}}."""


def choice_section(choice: Choice | None) -> str:
    """A row for each candidate, the chosen one first; empty where the family was named."""
    if choice is None:
        return ""
    best = choice["model"]
    last = choice["tried"][best]["round"]
    names = sorted(choice["tried"], key=lambda name: (name != best, -choice["tried"][name]["round"]))
    rows = [_row(name, choice["tried"][name], "goes on" if name == best else "", last) for name in names]
    lead = (
        "The first tenth of the budget went to short runs of these families, the better half of them after each round. "
        f"The score is the {choice['score']} on validation data; lower is better, and where two can't be told apart, the one that has "
        f"done better in earlier measurements goes on. The search took {duration(choice['seconds'])} with all that belongs to it."
    )
    others = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in choice["left_out"].items())
    beside = f"<p>Not tried:</p><ul>{others}</ul>" if others else ""
    body = table(["Model", "Outcome", "Score", "95% interval", "Steps", "Trained"], rows, caption="Short runs", css="choice")
    return section("choice", f"Why {best}", body + beside, lead)


def _row(name: str, tried: Mapping[str, Any], outcome: str, last: int) -> list[str]:
    outcome = outcome or (f"out in round {tried['round']}" if last > 1 else "out")
    steps = f"{number(tried['steps'], whole=True)}" + (f" of {number(tried['of'], whole=True)}" if "of" in tried else "")
    cells = [escape(name), outcome]
    if tried["score"] is None:
        return [*cells, "–", escape(tried["failed"]), steps, duration(tried["seconds"])]
    value, low, high = tried["score"]
    return [*cells, number(value), f"{number(low)} to {number(high)}", steps, duration(tried["seconds"])]

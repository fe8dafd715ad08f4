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
    names = sorted(choice["tried"], key=lambda name: (name != best, -choice["tried"][name]["round"]))
    rows = [_row(name, choice["tried"][name], name == best) for name in names]
    lead = (
        "The first tenth of the budget went to short runs of these families, the better half of them after each round. "
        f"The score is the {choice['score']} on validation data; lower is better. Distances are compared as they are expected at the end "
        "of the whole run, along the line through a family's short runs; where two can't be told apart, the one that has done better in "
        f"earlier measurements goes on: {choice['why']}. The search took {duration(choice['seconds'])} with all that belongs to it."
    )
    others = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in choice["left_out"].items())
    beside = f"<p>Not tried:</p><ul>{others}</ul>" if others else ""
    body = table(["Model", "Outcome", "Score", "95% interval", "Steps", "Trained"], rows, caption="Short runs", css="choice")
    return section("choice", f"Why {best}", body + beside, lead)


def _row(name: str, tried: Mapping[str, Any], best: bool) -> list[str]:
    outcome = "goes on" if best else "too slow for the budget" if tried.get("few") else f"out in round {tried['round']}"
    steps = f"{number(tried['steps'], whole=True)}" + (f" of {number(tried['of'], whole=True)}" if "of" in tried else "")
    cells = [escape(name), outcome]
    if tried["score"] is None:
        return [*cells, "–", escape(tried["failed"]), steps, duration(tried["seconds"])]
    value, low, high = tried["score"]
    return [*cells, number(value), f"{number(low)} to {number(high)}", steps, duration(tried["seconds"])]

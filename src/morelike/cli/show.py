"""What the verbs print for people: tables and sentences on standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Scores = Mapping[str, Mapping[str, Any]]
_WIDTH = 120
"""Columns where standard output is no terminal."""


def console() -> Console:
    """Standard output as it is now; colours only at a terminal and without NO_COLOR."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH
    return Console(highlight=False, width=wide)


def as_json(values: Any) -> None:
    """Prints JSON values."""
    print(json.dumps(values, indent=2))


def say(*lines: str) -> None:
    """Prints sentences, wrapped at a terminal only."""
    page = console()
    for line in lines:
        page.print(line, markup=False, soft_wrap=not sys.stdout.isatty())


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def number(value: float | None) -> str:
    """Three digits that count; "-" for None."""
    return "-" if value is None else f"{value:.3g}"


def _interval(score: Mapping[str, Any]) -> str:
    return "" if score["low"] is None or score["high"] is None else f"{number(score['low'])} .. {number(score['high'])}"


def _bar(score: Mapping[str, Any]) -> str:
    return "-" if score["ceiling"] is None else f"{number(score['ceiling'])} {score['ceiling_name']}"


def ladder(scores: Scores) -> None:
    """Each score between its floor (real data against real data) and its ceiling (the best trivial model)."""
    table = _table("score", "better", "samples", "interval", "real data", "trivial model", right=("samples", "real data"))
    for name, score in scores.items():
        if "refused" not in score:
            table.add_row(name, score["better"], number(score["value"]), _interval(score), number(score["floor"]), _bar(score))
    if table.row_count:
        console().print(table)
    refused = {name: score["refused"] for name, score in scores.items() if "refused" in score}
    say(*(f"{name}: not scored, {why}" for name, why in refused.items()))


def scored(found: Mapping[str, Any]) -> None:
    """What judging found, where there was any."""
    if "scores" in found:
        ladder(found["scores"])
        say("", found["verdict"], "")
    if "report" in found:
        say(f"report: {found['report']}")


def side_by_side(found: Mapping[str, Any]) -> None:
    """Scores as rows, models as columns, with what can be said of each; then cost, and the verdict."""
    models = [str(row["name"]) for row in found["models"]]
    table = _table("score", "better", *models, "real data", "trivial model", "beyond noise", right=(*models, "real data"))
    for name, score in found["scores"].items():
        cells = [_marked(one, place, score) for place, one in enumerate(score["models"])]
        table.add_row(name, score["better"], *cells, number(score["floor"]), _bar(score), score["verdict"])
    console().print(table)
    say("* the best of these models, ~ can't be told from it", "")
    costs = _table("", *models, right=models)
    for label, key in (("training, s", "seconds"), ("steps", "steps"), ("parameters", "parameters"), ("package, MB", "package_bytes"),
                       ("peak memory, MB", "peak_memory"), ("drawing now, s", "draw_seconds")):  # fmt: skip
        costs.add_row(label, *(_cost(row["cost"][key], key) for row in found["models"]))
    console().print(costs)
    say("", *found["verdict"])


def _marked(one: Mapping[str, Any], place: int, score: Mapping[str, Any]) -> str:
    if "refused" in one:
        return "refused  "
    return f"{number(one['value'])} {'*' if place == score['best'] else '~' if place in score['as_good'] else ' '}"


def _cost(value: float | None, key: str) -> str:
    if value is None:
        return "-"
    if key in ("package_bytes", "peak_memory"):
        return f"{value / 1e6:,.2f}"
    return f"{value:,.0f}" if key in ("steps", "parameters") else f"{value:,.1f}"


def models(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line a family."""
    table = _table("name", "purpose", "abilities", "paper")
    for row in rows:
        table.add_row(row["name"], row["purpose"], ", ".join(row["abilities"]) or "-", row["paper"])
    console().print(table)


def card(values: Mapping[str, Any]) -> None:
    """A saved model's card, in short; of linked tables those of both parts."""
    if "link" in values:
        say(*values["link"]["said"])
        for part in ("parent", "child"):
            say("", f"{part}: {values['link'][part]}")
            card(values["parts"][part])
        say("", values.get("verdict", "not judged yet: morelike judge MODEL"))
        return
    run, data = values.get("run", {}), values.get("data", {})
    conditions = [f"{name} ({_given(spec)})" for name, spec in values["conditions"].items()]
    facts = {
        "family": f"{values.get('family', 'unknown')}, abilities: {', '.join(values['abilities']) or 'none'}",
        "data": f"{data.get('name', 'unknown')}, {data.get('items', 0):,} items, fingerprint {str(data.get('fingerprint'))[:16]}",
        "makes": f"{values['kind']}, {' x '.join(map(str, values['spec'].get('shape', [])))}",
        "conditions": ", ".join(conditions) or "none",
        "parameters": f"{values.get('parameters', 0):,}",
        **({"continues": _beginning(values)} if "start" in values else {}),
        **({"learnt from": _named(values["teacher"])} if "teacher" in values else {}),
        "training": f"{run.get('steps', 0):,} steps of {run.get('batch', 0)} in {run.get('seconds', 0):,.0f} s on {run.get('device', '?')}",
        "made with": ", ".join(f"{name} {version}" for name, version in values["versions"].items()),
        "licence": values.get("licence", "unknown"),
        "verdict": values.get("verdict", "not judged yet: morelike judge MODEL"),
    }
    _facts(facts)


def _given(spec: Mapping[str, Any]) -> str:
    """What a condition is."""
    if spec["kind"] != "tokens":
        return "number" if spec.get("shape") == [1] else "numbers"
    return f"{spec['vocab']} classes" if spec["shape"] == [1] else f"a sequence of at most {spec['shape'][0]}"


def _beginning(values: Mapping[str, Any]) -> str:
    """What a model continues from."""
    base, text = values.get("base"), _named(values["start"])
    return text if base is None else f"{text}, by an add-on of rank {base['rank']}: {base['trained']:,} parameters"


def _named(model: Mapping[str, Any]) -> str:
    """Another model that a card names."""
    return f"{model['name']} ({model['family']} of {model['data']}, weights {model['weights'][:16]})"


def _facts(facts: Mapping[str, str]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in facts.items():
        table.add_row(name, text)
    console().print(table, markup=False)


def understood(values: Mapping[str, Any]) -> None:
    """What `check` found; of linked tables in both."""
    if "link" in values:
        say(*values["link"]["said"])
        for part in ("parent", "child"):
            say("", f"{part}: {values['link'][part]}")
            understood(values[part])
        return
    split = values["splits"]
    how = "the official split" if split["official"] else "by position" if "characters" in split else "at random"
    parts = f"{split['train']:,} for training, {split['validation']:,} for validation, {split['holdout']:,} held out"
    _facts(
        {
            "data": values["name"],
            "kind": f"{values['kind']}: {values['why_kind']}",
            "items": _items(values),
            "split": f"{parts} ({how}; fingerprint {split['fingerprint'][:16]})",
            "conditions": "; ".join(map(_column, values["conditions"])) or "none",
            **({"columns": "; ".join(map(_column, values["columns"]))} if values["columns"] else {}),
        }
    )
    say(*(f"- {note}" for note in values["notes"]))
    skipped = values["skipped"]
    if skipped:
        say(f"{len(skipped):,} {'file' if len(skipped) == 1 else 'files'} left out:")
        say(*(f"- {row['file']}: {row['why']}" for row in skipped[:20]))
        say(*([f"- and {len(skipped) - 20:,} more (--json lists all)"] if len(skipped) > 20 else []))
    say(*(f"will be refused: {row['score']}: {row['why']}" for row in values["refused"]))


def _items(values: Mapping[str, Any]) -> str:
    """How many items, and what each becomes."""
    if values["kind"] == "table":
        return f"{values['items']:,} rows, {values['shape'][0]} fields learnt of each"
    if "text" not in values:
        return f"{values['items']:,}, each {' x '.join(map(str, values['shape']))} ({values['dtype']})"
    text, shape = values["text"], f"{values['shape'][0]:,} of {values['text']['ids']:,} ids"
    if text["running"]:
        characters = sum(values["splits"]["characters"].values())
        return f"{characters:,} characters in {values['items']:,} passages, in windows of {shape} ({text['unit']})"
    return f"{values['items']:,}, each at most {shape} ({text['unit']}), the first {text['example']!r}"


def _times(column: Mapping[str, Any]) -> str:
    return " x ".join(map(str, column["picture"]))


def _column(column: Mapping[str, Any]) -> str:
    if "picture" in column:
        return f"{column['name']} (pictures{f', each {_times(column)}' if column['picture'] else ''})"
    if "numbers" in column:
        return f"{column['name']} (numbers around it{', ' + ' x '.join(map(str, column['numbers'])) if column['numbers'] else ''})"
    if "text" in column:
        return f"{column['name']} (texts of at most {column['longest']:,} characters, the first {column['text']!r})"
    if "categories" not in column:
        return f"{column['name']} (numbers from {number(column['low'])} to {number(column['high'])})"
    pairs = [f"{name} {count:,}" for name, count in zip(column["categories"], column["counts"], strict=True)]
    more = ", ..." if len(pairs) > 12 else ""
    return f"{column['name']} ({len(pairs)} classes: {', '.join(pairs[:12])}{more})"


def installation(values: Mapping[str, Any]) -> None:
    """What `doctor` found."""
    _facts(
        {
            "morelike": values["morelike"],
            "python": values["python"],
            "packages": ", ".join(f"{name} {found or 'missing'}" for name, found in values["packages"].items()),
            "extras": ", ".join(f"{name}: {'yes' if there else 'no'}" for name, there in values["extras"].items()),
            "device": f"{values['device']}, bf16: {'yes' if values['bf16'] else 'no'}, {values['threads']} threads",
            "cache": values["cache"],
            "free disk": f"{values['free_bytes'] / 1e9:.1f} GB",
        }
    )
    say(*(f"problem: {text}" for text in values["problems"]) if values["problems"] else ["no problems found"])

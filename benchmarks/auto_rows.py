"""`--model auto` against each of its candidates alone, all given the same minutes: a table and a verdict.

    python benchmarks/auto_rows.py DATA --minutes M [--out FOLDER] [KEY=VALUE ...]

Runs lie in FOLDER/NAME; a run that is finished there isn't repeated. The score is the judges' on held-out data: nats per character of
text, of plain vectors coverage, of all else the kernel distance, on learned features where there are some. Goal: auto is never worse
than the second best single family.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from morelike.core import registry
from morelike.judges.comparison import decisive


def trained(data: str, name: str, folder: Path, minutes: float, pairs: list[str]) -> dict[str, Any]:
    """The judged model's card, with what it cost."""
    words = [sys.executable, "-m", "morelike", "train", data, *pairs, "--model", name, "--minutes", str(minutes), "--out", str(folder)]
    done = subprocess.run([*words, "--json", "--quiet"], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr.strip()}")
    card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return card


def verdict(values: dict[str, dict[str, Any]], chosen: str) -> str:
    """What became of the goal, in a sentence. `values`: name -> the score, "auto" among them."""
    own, sign = values["auto"], 1 if values["auto"]["better"] == "lower" else -1
    singles = sorted((name for name in values if name != "auto"), key=lambda name: sign * float(values[name]["value"]))
    second = values[singles[1]]
    if sign * own["value"] <= sign * second["value"]:
        return f"met: auto ({chosen}) is not worse than the second best, {singles[1]}"
    near = own["low"] is not None and own["low"] <= second["value"] <= own["high"]
    return f"missed{', within its interval' if near else ''}: auto ({chosen}) is worse than the second best, {singles[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/auto-rows"))
    parser.add_argument("pairs", nargs="*", metavar="KEY=VALUE")
    asked = parser.parse_intermixed_args()
    own = trained(asked.data, "auto", asked.out / "auto", asked.minutes, asked.pairs)
    cards = {"auto": own} | {
        name: trained(asked.data, name, asked.out / name, asked.minutes, asked.pairs) for name in registry.kind(own["kind"]).candidates
    }
    score = decisive({name: found for name, found in own["scores"].items() if "refused" not in found})
    if score is None:
        sys.exit("no score ranks these models: too few held-out items")
    print(f"{asked.data}, {asked.minutes:g} minutes each; {score}, {own['scores'][score]['better']} is better\n")
    print("| model | steps | seconds | score | interval |\n|---|--:|--:|--:|---|")
    for name, card in cards.items():
        one, run = card["scores"][score], card["run"]
        named = f"auto ({card['family']})" if name == "auto" else name
        print(f"| {named} | {run['steps']:,} | {run['seconds']:.0f} | {one['value']:.4f} | {one['low']:.4f} to {one['high']:.4f} |")
    choice = own.get("choice")
    if choice is not None:
        print(f"\nThe search took {choice['seconds']:.0f} s: {choice['model']}, {choice['why']}")
    print(f"\n{verdict({name: card['scores'][score] for name, card in cards.items()}, own['family'])}")


if __name__ == "__main__":
    main()

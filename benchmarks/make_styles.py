"""Texts of four sources with their source as the label, for label-conditional text: play, abstract, caption, restaurant.

At most 3,000 of each, up to 200 characters, one JSON object a line with the keys text and label. Reads the data sets `tinyshakespeare`,
`scitldr_abstract`, `multi30k_de_en` and `e2e_restaurants` below a folder.

python benchmarks/make_styles.py FOLDER OUT.jsonl
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MOST, LONGEST, SHORTEST = 3_000, 200, 20


def play(folder: Path) -> Iterator[str]:
    for speech in (folder / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8").split("\n\n"):
        yield " ".join(speech.split("\n")[1:])


def abstract(folder: Path) -> Iterator[str]:
    with gzip.open(folder / "scitldr_abstract" / "train.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield from re.split(r"(?<=[.!?]) ", json.loads(line)["source"])


def caption(folder: Path) -> Iterator[str]:
    with gzip.open(folder / "multi30k_de_en" / "train.en.gz", "rt", encoding="utf-8") as file:
        yield from (line.strip() for line in file)


def restaurant(folder: Path) -> Iterator[str]:
    with gzip.open(folder / "e2e_restaurants" / "devset.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from (row["ref"] for row in csv.DictReader(file))


def main(folder: Path, out: Path) -> None:
    with out.open("w", encoding="utf-8") as file:
        for source in (play, abstract, caption, restaurant):
            texts = [text for text in dict.fromkeys(source(folder)) if SHORTEST <= len(text) <= LONGEST]
            step = max(1, len(texts) // MOST)
            for text in texts[::step][:MOST]:
                file.write(json.dumps({"text": text, "label": source.__name__}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Going on from a model of one text to another, with little of it: from scratch, tuned whole, and with a low-rank add-on.

Pre-trains a transformer on bytes of tiny-Shakespeare, then learns 20, 100 and 1,000 abstracts of scitldr in three ways, and scores
each on the same 200 other abstracts as one running text, in nats a character. One seed.

python benchmarks/finetune.py DATA_FOLDER WORK_FOLDER [--pretrain 1500] [--steps 300]
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path
from typing import Any

import morelike
from morelike.house.likelihood import likelihood
from morelike.house.prepare import prepare
from morelike.house.recast import Codecs

WAYS: dict[str, dict[str, Any]] = {"scratch": {}, "full": {"tune": "full"}, "adapter": {"tune": "adapter"}}


def abstracts(data: Path, part: str) -> list[str]:
    with gzip.open(data / "scitldr_abstract" / f"{part}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [" ".join(json.loads(line)["source"].split()) for line in file]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--pretrain", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    common: dict[str, Any] = {"judge": False, "kind": "text", "batch": 16}
    base = options.work / "base"
    if not (base / "card.json").is_file():
        first = {"codec.unit": "bytes", "train.steps": options.pretrain}
        morelike.train(options.data / "tinyshakespeare", "transformer", out=base, **common, **first)
    held = abstracts(options.data, "test")[:200]
    for count in (20, 100, 1000):
        folder = options.work / f"lines-{count}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "train.txt").write_text("\n".join(abstracts(options.data, "train")[:count]), encoding="utf-8")
        (folder / "test.txt").write_text("\n".join(held), encoding="utf-8")
        for way, wish in WAYS.items():
            began = time.perf_counter()
            start = {"start": str(base), **wish} if wish else {"model": "transformer", "codec.unit": "bytes"}
            found = morelike.train(folder, out=options.work / f"{way}-{count}", **common, **start, **{"train.steps": options.steps})
            saved = found.package
            data = prepare(saved.recipe, codecs=Codecs(way, saved.codec, saved.conditions))
            pieces = data.codec.pieces()  # type: ignore[attr-defined]
            nats = likelihood(found.generator, data.holdout, pieces).per_character  # type: ignore[arg-type]
            size = (options.work / f"{way}-{count}" / "weights.safetensors").stat().st_size
            print(f"{count:5d} abstracts, {way:8s} {nats:.3f} nats a character, weights {size / 1e3:,.0f} KB, "
                  f"{time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

"""Memory of training on a text of 1 GB: the most that the process holds, above what importing torch and the package alone holds.

Writes the text (random words, so that it is no repetition) into a folder, opens, splits, encodes and trains 20 steps of `transformer`.

python benchmarks/large_text.py FOLDER [--gigabytes 1.0]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

RUN = """
import resource, sys
import torch, morelike, morelike.house.run, morelike.training.loop
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if len(sys.argv) > 1:
    morelike.train(sys.argv[1], "transformer", out=sys.argv[2], judge=False, **{"train.steps": 20})
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write(path: Path, size: int) -> None:
    rng = np.random.default_rng(0)
    words = np.array(["".join(rng.choice(list("etaoinshrdlucmfwypvbgk"), rng.integers(2, 9))) for _ in range(5_000)])
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size:
            ids = (rng.random((5_000, 12)) ** 3 * len(words)).astype(int)
            file.write("".join(" ".join(words[row]) + ".\n\n" for row in ids))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    options = parser.parse_args()
    text = options.folder / "large.txt"
    if not text.is_file():
        write(text, int(options.gigabytes * 1e9))
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", RUN, str(text), str(options.folder / "model")], check=True, capture_output=True, text=True)
    before, most = (int(part) * 1024 for part in done.stdout.split()[-2:])
    took = time.perf_counter() - began
    print(f"{text.stat().st_size / 1e9:.2f} GB: {(most - before) / 1e6:,.0f} MB above the {before / 1e6:,.0f} MB of imports, {took:.0f} s")


if __name__ == "__main__":
    main()

"""The picture of docs/pictures-as-conditions.md: what a model of MNIST's digits and their classes makes of three test digits.

A row each: the digit, two others like it at each strength, and what it would be as each of the classes.

python benchmarks/from_a_picture.py MODEL PICTURE.png [--data mnist]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import morelike
from morelike.data.drawing import write_png
from morelike.data.grid import grid
from morelike.data.open import open_source
from morelike.house.model import Model

ITEMS = (60_003, 60_010, 60_018)
STRENGTHS = (0.4, 0.6, 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--data", default="mnist")
    wanted = parser.parse_args()
    model, source = morelike.load(wanted.model), open_source(wanted.data)
    assert isinstance(model, Model)
    rows = []
    for number in ITEMS:
        digit = np.asarray(source.items[number])
        likes = [item for strength in STRENGTHS for item in model.vary(digit, 2, strength)]
        rows += [digit, *likes, *(model.translate([digit], to=f"label={name}")[0] for name in range(10))]
    write_png(grid(rows, len(rows) // len(ITEMS), gap=2, scale=2), wanted.picture)


if __name__ == "__main__":
    main()

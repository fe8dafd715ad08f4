"""Pictures in grey and the colours that a model gives them: the figure of docs/restore.md.

    morelike train emoji72 --condition caption --model diffusion codec.size=32 codec.channels=3 --minutes 20 --out runs/emoji
    python benchmarks/recolour_emoji.py runs/emoji [--out colours.png]

Held-out pictures, column by column: the real one, its grey, three ways to colour it without its caption, three with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import morelike
from morelike.data.drawing import write_png
from morelike.house.prepare import prepare, raw_of

LUMA = np.array([0.299, 0.587, 0.114])
SHOWN = (3, 40, 120, 200, 77, 150)
WAYS, SCALE = 3, 3


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--out", type=Path, default=Path("colours.png"))
    given = parser.parse_args(arguments)
    model = morelike.load(given.folder)
    data = prepare(model.package.recipe)
    real = raw_of(data.codec, data.holdout.x[list(SHOWN)])
    captions = data.source.columns["caption"].values[data.split.holdout][list(SHOWN)]
    columns = []
    for picture, caption in zip(real, captions, strict=True):
        grey = (picture @ LUMA).round().astype(np.uint8)[..., None]
        ways = [model.restore_picture(grey, WAYS, op="grey", where=where).items for where in ({}, {"caption": str(caption)})]
        columns.append(np.concatenate([picture, grey.repeat(3, 2), *ways[0], *ways[1]], 0))
        print(caption)
    page = np.concatenate(columns, 1)
    write_png(page.repeat(SCALE, 0).repeat(SCALE, 1), given.out)


if __name__ == "__main__":
    main()

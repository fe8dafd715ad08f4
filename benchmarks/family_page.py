"""A page of samples: a row of twelve for each model, its family's name at the left; above them held-out data of the first.

    python benchmarks/family_page.py FOLDER... [--out families.png]

Where a model knows classes, the columns go through them in order.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import morelike
from morelike.data.drawing import write_png
from morelike.data.grid import rgb8
from morelike.house.model import Model
from morelike.house.prepare import prepare
from morelike.house.sampling import conditions_for, draw

SHOWN = 12
SIDE, GAP, BETWEEN, MARGIN = 40, 4, 10, 16
"""Pixels: a picture's longest side at least, between pictures of a row, between rows, around all."""
PAPER, INK, PALE = (250, 250, 247), (34, 34, 34), (120, 120, 120)


def made(model: Model) -> np.ndarray:
    """(12,H,W,C) samples."""
    package = model.package
    kept = conditions_for(package, SHOWN, {}, 0)
    classes = {name: codec.spec.vocab for name, codec in package.conditions.items() if codec.kind == "category"}  # type: ignore[union-attr]
    told = {**kept, **{name: torch.arange(SHOWN)[:, None] % count for name, count in classes.items()}}
    return np.asarray(model.codec.decode(draw(model.generator, SHOWN, told, seed=0, precision=model.precision).numpy()))


def real(model: Model) -> np.ndarray:
    """(12,H,W,C) held-out items, of the classes in order where there are classes."""
    data = prepare(model.package.recipe)
    labels = next((ids[:, 0] for name, ids in data.holdout.condition.items() if data.conditions[name].kind == "category"), None)
    rows = np.arange(SHOWN)
    if labels is not None:
        count = int(labels.max()) + 1
        rows = np.array([np.flatnonzero(labels == number % count)[number // count] for number in range(SHOWN)])
    return np.asarray(data.raw(data.holdout, rows))


def page(rows: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """(H,W,3) uint8 of named rows of pictures; small ones are enlarged without smoothing."""
    font = ImageFont.load_default(size=17)
    names = math.ceil(max(font.getlength(name) for name, _ in rows)) + 2 * GAP
    scales = [max(1, math.ceil(SIDE / max(items.shape[1:3]))) for _, items in rows]
    high = [items.shape[1] * scale for (_, items), scale in zip(rows, scales, strict=True)]
    wide = max(items.shape[2] * scale for (_, items), scale in zip(rows, scales, strict=True))
    size = (2 * MARGIN + names + SHOWN * (wide + GAP) - GAP, 2 * MARGIN + sum(high) + BETWEEN * (len(rows) - 1))
    sheet = Image.new("RGB", size, PAPER)
    pen, top = ImageDraw.Draw(sheet), MARGIN
    for number, ((name, items), scale, height) in enumerate(zip(rows, scales, high, strict=True)):
        pen.text((MARGIN, top + height / 2), name, INK if number else PALE, font, anchor="lm")
        for column, item in enumerate(items):
            tile = Image.fromarray(rgb8(item)).resize((items.shape[2] * scale, height), Image.Resampling.NEAREST)
            sheet.paste(tile, (MARGIN + names + column * (wide + GAP), top))
        top += height + BETWEEN
    return np.asarray(sheet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--out", default="families.png")
    asked = parser.parse_args()
    models = [morelike.load(folder) for folder in asked.models]
    rows = [("held-out data", real(models[0])), *((str(model.package.recipe.model), made(model)) for model in models)]
    write_png(page(rows), Path(asked.out))


if __name__ == "__main__":
    main()

"""A picture of solvers and steps: each row a solver, each column a number of steps, in each cell the same four noises drawn to pictures.

    python benchmarks/solver_grid.py FOLDER [--out solvers.png] [--seed 0]

FOLDER holds a `diffusion` model. Where it knows classes, the four are the first ones. Guidance is off: only the solver differs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import morelike
from morelike.data.drawing import write_png
from morelike.data.grid import rgb8
from morelike.house.model import Model
from morelike.house.sampling import conditions_for, draw
from morelike.maths.solvers import DRAWING, SOLVERS

STEPS = (1, 2, 4, 8, 16, 64)
SIDE, GAP, CELL_GAP, MARGIN, NAMES, HEAD = 36, 2, 14, 14, 104, 26
"""Pixels: a picture's side at least, between pictures, between cells, around all, the names at the left, the steps above."""
PAPER, INK = (250, 250, 247), (34, 34, 34)


def made(model: Model, solver: str, steps: int, seed: int) -> np.ndarray:
    """(4,H,W,C) samples."""
    package = model.package
    classes = {name: codec.spec.vocab for name, codec in package.conditions.items() if codec.kind == "category"}  # type: ignore[union-attr]
    told = {**conditions_for(package, 4, {}, seed), **{name: torch.arange(4)[:, None] % count for name, count in classes.items()}}
    dials = {"solver": solver, "steps": steps, "guidance": 1.0}
    return np.asarray(model.codec.decode(draw(model.generator, 4, told, seed=seed, dials=dials, chunk=4).numpy()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--out", type=Path, default=Path("solvers.png"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = morelike.load(options.folder)
    # ddim is Euler's method on the straight path, whose row it would repeat
    solvers = {"euler, ddim" if name == "euler" else name: name for name in (*SOLVERS, *DRAWING) if name != "ddim"}
    cells = {(row, steps): made(model, name, steps, options.seed) for row, name in solvers.items() for steps in STEPS}
    scale = max(1, -(-SIDE // max(next(iter(cells.values())).shape[1:3])))
    high, wide = (scale * side for side in next(iter(cells.values())).shape[1:3])
    across, down = 2 * wide + GAP + CELL_GAP, 2 * high + GAP + CELL_GAP
    size = (2 * MARGIN + NAMES + len(STEPS) * across - CELL_GAP, 2 * MARGIN + HEAD + len(solvers) * down - CELL_GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=17)
    for column, steps in enumerate(STEPS):
        middle = MARGIN + NAMES + column * across + wide
        pen.text((middle, MARGIN), f"{steps} step{'s' if steps > 1 else ''}", INK, font, anchor="ma")
    for row, name in enumerate(solvers):
        top = MARGIN + HEAD + row * down
        pen.text((MARGIN, top + high), name, INK, font, anchor="lm")
        for column, steps in enumerate(STEPS):
            for number, picture in enumerate(cells[name, steps]):
                own = Image.fromarray(rgb8(picture)).resize((wide, high), Image.Resampling.NEAREST)
                left = MARGIN + NAMES + column * across + number % 2 * (wide + GAP)
                sheet.paste(own, (left, top + number // 2 * (high + GAP)))
    write_png(np.asarray(sheet), options.out)


if __name__ == "__main__":
    main()

"""A page that shows what styles do: mixing above, truncation below, from a trained `stylegan2`.

    python benchmarks/style_page.py FOLDER [--level 1] [--seed 0] [--out styles.png]

Mixing: the grids below `level` follow the picture at the left of a row, the finer ones the picture at the top of a column; all rows and
columns have the same conditions. Truncation: a row for each psi of 0, 0.5, 0.7 and 1, the same latents in each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import morelike
from morelike.core.noise import Noise
from morelike.data.drawing import write_png
from morelike.data.grid import grid
from morelike.families.stylegan import StyleGAN
from morelike.house.model import Model
from morelike.house.sampling import conditions_for, draw

SOURCES = 8
PSIS = (0.0, 0.5, 0.7, 1.0)


def mixing(model: Model, level: int, seed: int) -> np.ndarray:
    """(81,H,W,C): nothing and the sources of the columns, then each row's source and its mixtures."""
    net, package = model.generator, model.package
    assert isinstance(net, StyleGAN), f"{package.recipe.model} has no styles to mix"
    rows, columns = (net.prior(Noise(seed, SOURCES, path=(name,))) for name in ("rows", "columns"))
    told = {name: value.expand(SOURCES, *value.shape[1:]) for name, value in conditions_for(package, 1, {}, seed).items()}
    with torch.no_grad():
        top, left = net.decode(columns, told), net.decode(rows, told)
        parts = [torch.ones_like(top[:1]), top]
        for number in range(SOURCES):
            row = rows[number : number + 1].expand_as(columns)
            parts += [left[number : number + 1], net.mix(row, columns, level, told)]
    return np.asarray(package.codec.decode(torch.cat(parts).numpy()))


def truncation(model: Model, seed: int) -> np.ndarray:
    """(36,H,W,C): nine samples at each psi."""
    told = conditions_for(model.package, SOURCES + 1, {}, seed)
    drawn = [draw(model.generator, SOURCES + 1, told, seed=seed, dials={"truncation": psi}) for psi in PSIS]
    return np.asarray(model.codec.decode(torch.cat(drawn).numpy()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="styles.png")
    asked = parser.parse_args()
    model = morelike.load(asked.model)
    pages = [grid(list(items), columns=SOURCES + 1) for items in (mixing(model, asked.level, asked.seed), truncation(model, asked.seed))]
    write_png(np.concatenate(pages), Path(asked.out))


if __name__ == "__main__":
    main()

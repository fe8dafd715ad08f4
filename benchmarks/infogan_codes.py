"""Whether InfoGAN's ten-way code is the digit, and what its continuous codes move.

    morelike train mnist --model infogan --condition none --minutes 5 --out runs/infogan
    python benchmarks/infogan_codes.py runs/infogan [--out codes.png]

The head Q names the category of each of MNIST's test pictures; categories are matched to classes one to one so that most pictures
agree (cluster accuracy). The picture: a row a category, one noise; then the same categories while each continuous code goes from -2 to 2,
beyond the (-1, 1) of training, as in Chen et al. 2016, figure 2. Beside it: how slant and width of what is made follow each code.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

import morelike
from morelike.core.noise import Noise
from morelike.core.spec import lift
from morelike.data.drawing import write_png
from morelike.families.infogan import InfoGAN
from morelike.house.model import Model
from morelike.house.prepare import prepare
from morelike.house.recipe import Recipe

SHOWN = 10
DRAWS = 200
"""Noises a category, over which slant and width are averaged."""


def accuracy(found: np.ndarray, true: np.ndarray) -> tuple[float, np.ndarray]:
    """(share of pictures in the matched class, class of each category)."""
    table = np.zeros((10, 10), np.int64)
    np.add.at(table, (found, true), 1)
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / len(true)), columns


def shape(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(slant in degrees, width in pixels, ink) of pictures (N,H,W), light on dark: from their second moments."""
    light = pictures.astype(np.float64) - pictures.min()
    total = light.sum((1, 2))
    down, across = np.mgrid[: light.shape[1], : light.shape[2]]
    mean = [(light * axis).sum((1, 2)) / total for axis in (down, across)]
    apart = [axis - centre[:, None, None] for axis, centre in zip((down, across), mean, strict=True)]
    down2, both, across2 = (
        (light * one * other).sum((1, 2)) / total for one, other in ((apart[0], apart[0]), (apart[0], apart[1]), (apart[1], apart[1]))
    )
    return np.degrees(np.arctan2(-both, down2)), np.sqrt(across2), total / light.max() / light[0].size


def made(family: InfoGAN, category: int, number: int, value: float, count: int, seed: int = 0) -> torch.Tensor:
    """(count,1,H,W): one category, other noise in each; continuous code `number` is `value`, the others 0."""
    own = family.settings
    z = family.prior(Noise(seed, count))
    z[:, own.latent : own.latent + own.categories] = torch.nn.functional.one_hot(torch.tensor(category), own.categories).float()
    z[:, own.latent + own.categories :] = 0.0
    if own.continuous:
        z[:, own.latent + own.categories + number] = value
    return family.decode(z)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--out", type=Path, default=Path("infogan-codes.png"))
    options = parser.parse_args()
    model = morelike.load(options.folder)
    assert isinstance(model, Model)
    family = model.package.model
    assert isinstance(family, InfoGAN)
    # the run may have been told no labels
    data = prepare(Recipe(data="mnist", model="dcgan"))
    true = data.holdout.condition["label"][:, 0]
    found = []
    with torch.inference_mode():
        for start in range(0, len(data.holdout), 500):
            x = lift(family.spec, torch.from_numpy(np.array(data.holdout.x[start : start + 500])))
            found.append(family.codes(x)[0].argmax(1).numpy())
        share, named = accuracy(np.concatenate(found), true)
        print(f"cluster accuracy {share:.3f} on {len(true):,} test pictures; classes of the categories: {' '.join(map(str, named))}")
        order = np.argsort(named)
        columns = [torch.cat([made(family, int(category), 0, 0.0, SHOWN) for category in order])]
        for number in range(family.settings.continuous):
            values = np.linspace(-2, 2, SHOWN)
            columns.append(torch.cat([made(family, int(category), number, float(v), 1) for category in order for v in values]))
            ends = [torch.cat([made(family, c, number, v, DRAWS) for c in range(10)])[:, 0].numpy() for v in (-1.0, 1.0)]
            slant, width, ink = (high.mean() - low.mean() for low, high in zip(*map(shape, ends), strict=True))
            print(f"code {number} from -1 to 1: slant {slant:+.1f} degrees, width {width:+.2f} pixels, ink {ink:+.3f} of the picture")
    side = family.spec.shape[-1]
    blocks = [block.reshape(len(order), SHOWN, side, side).permute(0, 2, 1, 3).reshape(-1, SHOWN * side) for block in columns]
    gap = torch.ones(blocks[0].shape[0], 8)
    sheet = torch.cat([part for block in blocks for part in (block, gap)][:-1], 1)
    grey = ((sheet.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    write_png(np.repeat(grey[..., None], 3, 2), options.out)


if __name__ == "__main__":
    main()

"""How well single latent numbers of a model follow single factors, on pictures whose factors are known.

    python benchmarks/disentangle.py make blobs.npz
    morelike train blobs.npz --model beta-vae --condition none --minutes 1 --out runs/beta
    python benchmarks/disentangle.py score runs/beta

Pictures of 16 x 16: a soft disc, by place across (8), place down (8), radius (4) and brightness (4): 1,024 in all.

MIG: the mutual information gap (Chen et al. 2018, arXiv:1802.04942, eq. 6): for each factor, how much more the latent number that says
most about it knows than the next one, over the factor's entropy; the numbers' means in 20 bins. Higgins: a linear classifier names the
factor that two sets of pictures share from the mean difference of their codes (Higgins et al. 2017, section 3), chance 0.25.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

import morelike
from morelike.core.abilities import Encodes
from morelike.core.spec import lift

SIDE, COUNTS, NAMES = 16, (8, 8, 4, 4), ("across", "down", "radius", "brightness")
BINS, PAIRS = 20, 64


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """(x (1024,16,16) uint8, factors (1024,4) int64)."""
    factors = np.array(list(product(*(range(count) for count in COUNTS))))
    across, down = (4 + 8 * factors[:, place, None, None] / 7 for place in (0, 1))
    radius, bright = 2 + factors[:, 2, None, None] * 0.75, 0.4 + 0.2 * factors[:, 3, None, None]
    rows, columns = np.mgrid[:SIDE, :SIDE]
    apart = np.sqrt((columns - across) ** 2 + (rows - down) ** 2)
    return np.round(255 * bright / (1 + np.exp(3 * (apart - radius)))).astype(np.uint8), factors


def information(codes: np.ndarray, factor: np.ndarray) -> float:
    """Mutual information in nats of a latent number, in bins of equal count, and a factor."""
    place = np.searchsorted(np.quantile(codes, np.linspace(0, 1, BINS + 1)[1:-1]), codes)
    table = np.zeros((BINS, factor.max() + 1))
    np.add.at(table, (place, factor), 1)
    joint = table / table.sum()
    alone = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / alone[there])).sum())


def gaps(codes: np.ndarray, factors: np.ndarray) -> list[tuple[float, int]]:
    """(gap, best latent number) of each factor."""
    found = []
    for place in range(factors.shape[1]):
        known = np.array([information(codes[:, number], factors[:, place]) for number in range(codes.shape[1])])
        order = np.argsort(-known)
        entropy = np.log(COUNTS[place])
        found.append((float((known[order[0]] - known[order[1]]) / entropy), int(order[0])))
    return found


def higgins(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> float:
    """Accuracy of the linear classifier on 500 sets, learnt from 1,500."""
    draw = np.random.Generator(np.random.PCG64(seed))
    codes = (codes - codes.mean(0)) / codes.std(0).clip(1e-6)
    x, y = [], []
    for _ in range(2000):
        place = int(draw.integers(factors.shape[1]))
        rows = np.nonzero(factors[:, place] == draw.integers(COUNTS[place]))[0]
        one, other = draw.choice(rows, PAIRS), draw.choice(rows, PAIRS)
        x.append(np.abs(codes[one] - codes[other]).mean(0))
        y.append(place)
    model = LogisticRegression(max_iter=2000, C=100).fit(x[:1500], y[:1500])
    return float(model.score(x[1500:], y[1500:]))


def score(folder: str) -> None:
    model = morelike.load(folder)
    x, factors = pictures()
    coded = lift(model.codec.spec, torch.from_numpy(np.asarray(model.codec.encode(x))))
    generator = model.generator
    assert isinstance(generator, Encodes), "this model finds no latents"
    with torch.inference_mode():
        codes = generator.encode(coded).flatten(1).numpy()
    found = gaps(codes, factors)
    for name, (gap, number) in zip(NAMES, found, strict=True):
        print(f"{name}: latent number {number}, gap {gap:.3f}")
    print(f"MIG {np.mean([gap for gap, _ in found]):.3f}, Higgins {higgins(codes, factors):.3f}, {codes.shape[1]} latent numbers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "score"))
    parser.add_argument("path")
    asked = parser.parse_args()
    if asked.what == "make":
        np.savez(Path(asked.path), x=pictures()[0])
    else:
        score(asked.path)


if __name__ == "__main__":
    main()

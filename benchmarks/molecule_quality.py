"""How good and how fast 10,000 molecules are: with the rules and without, in one run.

    python benchmarks/molecule_quality.py MODEL... [--n 10000] [--chemnet 5000]

A line a model and way of drawing: seconds for n molecules (drawing and reading them back), and of these the shares that are molecules
by RDKit, different, and in no training molecule; the share of scaffolds that no training molecule has; the Fréchet ChemNet distance to
as many training molecules as held-out ones, beside that of the held-out ones themselves. Shares but the first are of the valid ones.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import morelike
from morelike.data.loader import take
from morelike.data.molecule_text import fault, parsed
from morelike.house.prepare import prepare
from morelike.house.recast import Codecs
from morelike.judges.molecule import activations, scaffold
from morelike.maths.distance import frechet_distance, moments


def distance(items: list[str], others: list[str]) -> float:
    """Fréchet ChemNet distance (Preuer et al. 2018, arXiv:1803.09518)."""
    return frechet_distance(*moments(activations(items)), *moments(activations(others)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--chemnet", type=int, default=5_000, help="molecules of each side of the Fréchet ChemNet distance")
    asked = parser.parse_args()
    for folder in asked.models:
        model = morelike.load(folder)
        package = model.package
        data = prepare(package.recipe, codecs=Codecs(folder, package.codec, package.conditions))
        training = [str(item) for item in take(data.source.items, data.split.train)]
        held = [str(item) for item in take(data.source.items, data.split.holdout)][: asked.chemnet]
        near = training[: len(held)]
        known, rings = set(training), {scaffold(parsed(item)) for item in training}
        print(f"{folder}: held-out novelty of scaffolds {np.mean([scaffold(parsed(item)) not in rings for item in held]):.3f}, "
              f"Fréchet ChemNet distance {distance(held, near):.3f} (n = {len(held):,})", flush=True)  # fmt: skip
        for ruled in (True, False):
            began, used = time.perf_counter(), time.process_time()
            items = [str(item) for item in model.sample(asked.n, rules=ruled)]
            spent, busy = time.perf_counter() - began, time.process_time() - used
            good = [item for item in items if fault(item) is None]
            own = [found for found in (scaffold(parsed(item)) for item in good) if found]
            print(f"  rules={str(ruled).lower()}: {len(items):,} in {spent:.1f} s ({busy:.1f} s of processor); "
                  f"valid {len(good) / len(items):.4f}, unique {len(set(good)) / len(good):.4f}, "
                  f"novel {np.mean([item not in known for item in good]):.4f}, "
                  f"new scaffolds {np.mean([one not in rings for one in own]):.3f}, Fréchet ChemNet distance "
                  f"{distance(good[: len(held)], near):.3f} (n = {min(len(good), len(held)):,})", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

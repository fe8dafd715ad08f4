"""How well a binary Hopfield net keeps its patterns, beside theory: overlap with a stored pattern, starting from it.

    python benchmarks/hopfield_recall.py [--neurons 2000] [--seeds 3]

Theory: Amit, Gutfreund, Sompolinsky 1987, Statistical mechanics of neural networks near saturation, eqs. 4.6 to 4.8 at no temperature, for
infinitely many neurons: recall ends at 0.138 patterns a neuron. Beyond it a finite net forgets slowly.
"""

from __future__ import annotations

import argparse
import math
import statistics

import torch

from morelike.core.noise import Noise
from morelike.families.hopfield import settle


def theory(load: float) -> float:
    """The overlap, by iteration from 1."""
    m, r = 1.0, 1.0
    for _ in range(5000):
        c = math.sqrt(2 / (math.pi * load * r)) * math.exp(-(m**2) / (2 * load * r))
        m, r = math.erf(m / math.sqrt(2 * load * r)), 1 / (1 - min(c, 0.9999)) ** 2
    return m


def measured(load: float, neurons: int, seed: int) -> float:
    """Mean overlap of 50 patterns with what they settle to."""
    patterns = torch.where(Noise(seed, round(load * neurons)).uniform((neurons,), "pattern") < 0.5, -1.0, 1.0)
    start = patterns[:50]
    found = settle(patterns, start, torch.zeros_like(start, dtype=torch.bool), Noise(seed + 1, len(start)), 50)
    return float((found * start).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    print("patterns a neuron   measured (spread over seeds)   theory")
    for load in (0.05, 0.10, 0.12, 0.14, 0.16, 0.20):
        found = [measured(load, asked.neurons, 10 * seed) for seed in range(asked.seeds)]
        spread = statistics.stdev(found) if len(found) > 1 else 0.0
        print(f"{load:17.2f}   {statistics.mean(found):.3f} +- {spread:.3f}                {theory(load):.3f}")


if __name__ == "__main__":
    main()

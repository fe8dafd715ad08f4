"""How much a picture model loses with fewer solver steps: the judges' kernel distance, labels obeyed, and seconds for 1,000 pictures.

    python benchmarks/few_steps.py runs/mnist 64 12 8 4 [--samples 2000]

One noise and the hold-out's own conditions for every number of steps, so differences between rows are those of the steps. Intervals: the
deviation over ten parts of the samples, of the distance and of its difference from the first row. Seconds mean something on an idle
machine only.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

import morelike
from morelike.house.audience import Silent
from morelike.house.features import judges_net
from morelike.house.model import Model
from morelike.house.prepare import prepare, raw_of
from morelike.house.sampling import draw
from morelike.maths.distance import kernel_distance_unbiased, unit_scale
from morelike.training.probe import has_bf16

PARTS = 10
REFERENCE = 4096
"""Training items that say what one unit of a feature is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("steps", nargs="+", type=int)
    parser.add_argument("--samples", type=int, default=2000)
    options = parser.parse_args()
    model = morelike.load(options.model)
    assert isinstance(model, Model)
    package = model.package
    data = prepare(package.recipe.model_copy(update={"model": "diffusion", "teacher": None, "teacher_weights": None}))
    found = judges_net(data, Silent())
    assert found is not None
    features, classify = found
    mean, scale = unit_scale(features(raw_of(data.codec, data.train.x[:REFERENCE])))
    held = (features(raw_of(data.codec, data.holdout.x)) - mean) / scale
    rows = torch.from_numpy(np.random.Generator(np.random.PCG64(0)).permutation(len(data.holdout))[: options.samples])
    condition = {name: torch.from_numpy(data.holdout.condition[name])[rows] for name in package.conditions}
    precision = "bf16" if has_bf16(package.model.device) else "fp32"
    first: list[float] = []
    for steps in options.steps:
        began = time.perf_counter()
        x = draw(package.model, len(rows), condition, seed=0, precision=precision, dials={"steps": steps})
        took = (time.perf_counter() - began) * 1000 / len(rows)
        items = raw_of(package.codec, x.numpy())
        made = (features(items) - mean) / scale
        parts = [kernel_distance_unbiased(part, held) for part in np.array_split(made, PARTS)]
        first = first or parts
        apart = np.subtract(parts, first)
        value, spread, change = kernel_distance_unbiased(made, held), *(1.96 * np.std(own) / PARTS**0.5 for own in (parts, apart))
        label = data.label
        obeyed = "" if label is None or classify is None else f", labels {(classify(items) == condition[label][:, 0].numpy()).mean():.1%}"
        kernel = f"kernel {value:.4f} +- {spread:.4f} ({np.mean(apart):+.4f} +- {change:.4f})"
        print(f"{steps:>3} steps: {kernel}{obeyed}, {took:.1f} s for 1,000")


if __name__ == "__main__":
    main()

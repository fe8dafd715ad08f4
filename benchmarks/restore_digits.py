"""How often a digit that a model restores is still the same digit.

    morelike train mnist --minutes 5 --out runs/mnist
    python benchmarks/restore_digits.py runs/mnist --op mask|pool [--n 200] [--told] [--factor 4] [--sheet FILE.png]

Of held-out MNIST pictures the middle 14 x 14 pixels are taken away (mask), or only the means of squares of 4 x 4 are known (pool); the
model draws one picture for each, `--told` its label. The judges' classifier of MNIST names them; its share of right names has a Wilson
interval. Beside it: what the classifier makes of the real pictures, and of what is known alone. `--sheet` draws twelve of them, a row
each: real, known, and three alternatives.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from digit_modes import mnist

import morelike
from morelike.core.noise import Noise
from morelike.core.spec import lift
from morelike.house.model import Model
from morelike.judges.intervals import wilson
from morelike.maths.operators import Mask, Operator, Pool
from morelike.tasks.repairing import STEPS, Known, repair

AT_ONCE, SHOWN, ALTERNATIVES = 50, 12, 3


def operator_of(name: str, factor: int) -> Operator:
    if name == "pool":
        return Pool(factor)
    known = torch.ones(28, 28, dtype=torch.bool)
    known[7:21, 7:21] = False
    return Mask(known)


@torch.no_grad()
def restored(model: Model, operator: Operator, x: torch.Tensor, labels: torch.Tensor | None, steps: int, seed: int = 0) -> torch.Tensor:
    """(N,1,28,28) of real pictures x; `labels` (N,1) where they are told."""
    found = []
    for at in range(0, len(x), AT_ONCE):
        rows = slice(at, at + AT_ONCE)
        condition = {} if labels is None else {"label": labels[rows]}
        known = Known(operator, operator.project(x[rows]), -1.0, 1.0)
        found.append(repair(model.generator, known, condition, noise=Noise(seed, len(x))[rows], steps=steps))
    return torch.cat(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--op", choices=("mask", "pool"), default="mask")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--told", action="store_true")
    parser.add_argument("--sheet")
    asked = parser.parse_args()
    model = morelike.load(asked.model)
    assert isinstance(model, Model)
    data, classify = mnist()
    real = np.asarray(data.raw(data.holdout, np.arange(asked.n)))
    true = data.holdout.condition["label"][: asked.n]
    x = lift(model.codec.spec, torch.from_numpy(np.asarray(model.codec.encode(real))))
    operator, labels = operator_of(asked.op, asked.factor), torch.from_numpy(true).long() if asked.told else None
    started = time.perf_counter()
    made = restored(model, operator, x, labels, asked.steps)
    seconds = time.perf_counter() - started
    for name, items in (("real", x), ("known alone", operator.project(x)), ("restored", made)):
        named = classify(np.asarray(model.codec.decode(items.numpy())))
        kept = wilson(float((named == true[:, 0]).mean()), asked.n)
        print(f"{name}: label kept {kept.value:.3f} [{kept.low:.3f}, {kept.high:.3f}] of {asked.n:,}")
    print(f"{seconds / asked.n:.2f} s a picture, {AT_ONCE} at once")
    started = time.perf_counter()
    restored(model, operator, x[:1], None if labels is None else labels[:1], asked.steps)
    print(f"{time.perf_counter() - started:.2f} s for one picture by itself")
    if asked.sheet:
        some = slice(0, SHOWN)
        own = None if labels is None else labels[some]
        rows = [x[some], operator.project(x[some])]
        rows += [restored(model, operator, x[some], own, asked.steps, seed) for seed in range(ALTERNATIVES)]
        model.codec.draw(model.codec.decode(torch.cat(rows).numpy()), Path(asked.sheet), SHOWN)


if __name__ == "__main__":
    main()

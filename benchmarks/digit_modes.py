"""How many kinds of digits a model makes: the ten classes of MNIST, or the thousand of stacked MNIST.

    python benchmarks/digit_modes.py make stacked.npz [--count 60000]
    morelike train stacked.npz --model r3gan --minutes 20 --out runs/stacked
    python benchmarks/digit_modes.py score runs/stacked [--samples 26000]

Stacked MNIST (Metz et al. 2016, arXiv:1611.02163, section 3.3): three random training digits, one a colour channel. Each channel of a
sample is named by the judges' classifier of MNIST, whose accuracy on MNIST's test pictures is printed; a mode is covered where at least
one sample falls in it. The divergence is that of the samples' modes from even ones, in nats; 26,000 held-out stacks give the floor.
"""

from __future__ import annotations

import argparse

import numpy as np

import morelike
from morelike.house.audience import Silent
from morelike.house.features import judges_net
from morelike.house.model import Model
from morelike.house.prepare import Prepared, prepare
from morelike.house.recipe import Recipe
from morelike.judges.scores import Classifier

AT_ONCE = 500


def mnist() -> tuple[Prepared, Classifier]:
    """MNIST, and the judges' classifier of it."""
    data = prepare(Recipe(data="mnist", model="dcgan"))
    found = judges_net(data, Silent())
    assert found is not None
    assert found[1] is not None
    return data, found[1]


def stacks(pictures: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count,28,28,3) of pictures (N,28,28,1), three drawn for each."""
    rows = np.random.Generator(np.random.PCG64(seed)).integers(len(pictures), size=(count, 3))
    return np.concatenate([pictures[rows[:, channel]] for channel in range(3)], 3)


def modes(classify: Classifier, items: np.ndarray) -> np.ndarray:
    """(N,) the number that the channels' digits make, of (N,28,28,C)."""
    digits = [classify(items[..., channel : channel + 1]) for channel in range(items.shape[3])]
    number: np.ndarray = sum(digit * 10**place for place, digit in enumerate(digits))  # type: ignore[assignment]
    return number


def said(name: str, found: np.ndarray, channels: int) -> str:
    """One line of how many modes there are, and how even they are."""
    share = np.bincount(found, minlength=10**channels) / len(found)
    there = share > 0
    divergence = float((share[there] * np.log(share[there] * len(share))).sum())
    return f"{name}: {there.sum():,} of {len(share):,} modes in {len(found):,} samples, {divergence:.3f} nats from even"


def score(folder: str, samples: int) -> None:
    model = morelike.load(folder)
    assert isinstance(model, Model)
    data, classify = mnist()
    held = np.asarray(data.raw(data.holdout, np.arange(len(data.holdout))))
    true = data.holdout.condition["label"][:, 0]
    print(f"the classifier names {np.mean(classify(held) == true):.2%} of {len(held):,} test pictures rightly")
    made = np.concatenate([np.asarray(model.sample(AT_ONCE, seed=number)) for number in range(samples // AT_ONCE)])
    channels = made.shape[3] if made.ndim == 4 else 1
    made = made.reshape(len(made), *held.shape[1:3], channels)
    print(said("made", modes(classify, made), channels))
    if channels > 1:
        print(said("held out", modes(classify, stacks(held, len(made), 1)), channels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("make", "score"))
    parser.add_argument("path")
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--samples", type=int, default=26_000)
    options = parser.parse_args()
    if options.verb == "make":
        data, _ = mnist()
        pictures = np.asarray(data.raw(data.train, np.arange(len(data.train))))
        np.savez_compressed(options.path, x=stacks(pictures, options.count, 0))
    else:
        score(options.path, options.samples)


if __name__ == "__main__":
    main()

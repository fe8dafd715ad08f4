"""Faults planted in hours of etth1 that a model hasn't seen, found as by `morelike detect`, beside two plain detectors.

Of the test part (rows 11520 on) 1,440 hours; in each of 56 places one channel gets a spike (3 deviations of the channel), a level shift
(1.5, over 24 hours), noise (of deviation 1, over 12 hours) or stands still for 24 hours. Area under the ROC curve and average precision
over all values, and of each sort of fault against the sound values; the share of sound values above the threshold of 1 %. Beside it: |z|
(distance from the channel's training mean) and |z| of the change from the hour before.

python benchmarks/series_faults.py [--model pca] [KEY=VALUE...] [--window 48] [--seed 0]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from forecast import read, trained

from morelike.data.series_items import Series
from morelike.house.audience import Silent
from morelike.house.faults import Faults, detect
from morelike.house.series_view import View

Array = np.ndarray[Any, Any]
SORTS = {"spike": 1, "level": 24, "noise": 12, "frozen": 24}
"""Fault -> hours."""
START, HOURS = 11520, 1440


def planted(values: Array, scale: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """(values (L,C) with faults, (L,C) 0 where sound, else 1 + the number of the sort)."""
    out, marks = values.copy(), np.zeros(values.shape, int)
    for number, start in enumerate(rng.permutation(np.arange(30, HOURS - 40, 25))[:56]):
        channel, sort = number % values.shape[1], number % 4
        rows = slice(start, start + list(SORTS.values())[sort])
        width = rows.stop - rows.start
        if sort == 3:
            out[rows, channel] = values[start, channel]
        else:
            added = (rng.choice([-3, 3]), np.full(width, rng.choice([-1.5, 1.5])), rng.normal(size=width))[sort]
            out[rows, channel] += scale[channel] * added
        marks[rows, channel] = 1 + sort
    return out, marks


def area(high: Array, low: Array) -> float:
    """How often one of `high` is above one of `low`."""
    ranks = np.concatenate([high, low]).argsort(kind="stable").argsort(kind="stable")
    return float((ranks[: len(high)].sum() - len(high) * (len(high) - 1) / 2) / (len(high) * len(low)))


def precision(scores: Array, wrong: Array) -> float:
    """Average precision."""
    found = wrong[np.argsort(-scores, kind="stable")]
    return float((found.cumsum() / np.arange(1, len(found) + 1))[found].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--model", default="pca")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--window", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=None)
    options = parser.parse_intermixed_args()
    values, ends, names, times = read("etth1")
    view = View.of(trained(values, ends, names, times, options).package, "have faults found so")
    mean, scale = values[: ends[0]].mean(0), values[: ends[0]].std(0)
    sound = values[START : START + HOURS]
    broken, marks = planted(sound, scale, np.random.default_rng(options.seed))
    assert times is not None
    check, dates = [Series(values[ends[0] : ends[1]], tuple(names), times[ends[0] : ends[1]])], times[START : START + HOURS]

    def found_in(hours: Array) -> Faults:
        return detect(view, Series(hours, tuple(names), dates), 0.01, Silent(), lambda: check)

    began = time.perf_counter()
    found = found_in(broken)
    seconds = time.perf_counter() - began
    steps = np.abs(np.diff(broken, axis=0, prepend=broken[:1])) / np.diff(values[: ends[0]], axis=0).std(0)
    methods = {options.model: found.scores, "|z|": np.abs(broken - mean) / scale, "|z| of changes": steps}
    for name, scores in methods.items():
        wrong = marks > 0
        each = ", ".join(f"{sort} {area(scores[marks == 1 + number], scores[~wrong]):.3f}" for number, sort in enumerate(SORTS))
        average = precision(scores.ravel(), wrong.ravel())
        print(f"{name}: AUC {area(scores[wrong], scores[~wrong]):.3f} ({each}), average precision {average:.3f}")
    high = found.scores > found.threshold
    clean = found_in(sound)
    print(f"above the threshold: {high[marks > 0].mean():.1%} of faulty values, {high[marks == 0].mean():.2%} of sound ones beside them, "
          f"{(clean.scores > clean.threshold).mean():.2%} of the same hours without faults; {seconds:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()

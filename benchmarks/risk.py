"""Value at risk of sums of exchange rates, a day ahead, held against what came: Kupiec's and Christoffersen's tests. No advice.

A model learns the first 60 % of exchange_rate; for every day of the last 20 % it draws paths a day ahead from what was known the day
before, and says what each of four sums may lose at 95 % and 99 %: the first rate alone, all rates by equal shares of their value at the end
of training, the first against the third, and the second against the sixth. Beside it stand historical simulation (the changes of the
last 250 days) and a normal distribution with the variance of the last 250 days.

python benchmarks/risk.py [--model filtered-walk] [KEY=VALUE...] [--members 1000] [--window 96]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from forecast import drawn, read, trained

from morelike.house.series_view import View
from morelike.maths.backtest import both, christoffersen, expected_shortfall, kupiec, value_at_risk

Array = np.ndarray[Any, Any]
DAYS, QUANTILES = 250, {0.95: 1.6449, 0.99: 2.3263}
SHORTFALLS = {0.95: 2.0627, 0.99: 2.6652}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--model", default="filtered-walk")
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--window", type=int, default=96)
    parser.add_argument("--out", default=None)
    options = parser.parse_intermixed_args()
    values, ends, names, times = read("exchange_rate")
    origins = np.arange(ends[1], ends[2])
    began = time.perf_counter()
    view = View.of(trained(values, ends, names, times, options).package, "are gone on with so")
    # in parts, for paths of all days at once take much memory
    parts = [drawn(view, values, times, own, 1, options.members)[:, :, 0] for own in np.array_split(origins, 16)]
    ahead = np.concatenate(parts, 1)
    print(f"{len(origins)} days, {options.members} paths each, {time.perf_counter() - began:.0f} s with training")
    shares = 1 / values[ends[0] - 1] / values.shape[1]
    sums = {"the first": np.eye(8)[0], "all, equal shares": shares, "first - third": np.eye(8)[0] - np.eye(8)[2],
            "second - sixth": np.eye(8)[1] - np.eye(8)[5]}  # fmt: skip
    for name, weights in sums.items():
        came = (values[origins] - values[origins - 1]) @ weights
        past = np.stack([np.diff(values[origin - DAYS - 1 : origin], axis=0) @ weights for origin in origins], 1)
        gains = (ahead - values[origins - 1]) @ weights
        for level in (0.95, 0.99):
            deviation = np.sqrt((past**2).mean(0))
            methods = {
                options.model: (value_at_risk(gains, level), expected_shortfall(gains, level)),
                "historical": (value_at_risk(past, level), expected_shortfall(past, level)),
                "normal": (QUANTILES[level] * deviation, SHORTFALLS[level] * deviation),
            }
            for method, (risk, shortfall) in methods.items():
                broken = -came > risk
                one, two, three = kupiec(broken, level), christoffersen(broken), both(broken, level)
                lost = -came[broken].mean() / shortfall[broken].mean() if broken.any() else float("nan")
                print(f"{name}, {level:g}, {method}: broken {broken.mean():.2%} of days; p of coverage {one.p:.3f}, of independence "
                      f"{two.p:.3f}, of both {three.p:.3f}; mean loss then {lost:.2f} of the shortfall")  # fmt: skip


if __name__ == "__main__":
    main()

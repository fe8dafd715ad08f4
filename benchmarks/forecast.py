"""Forecasts of etth1 (24 hours ahead) and exchange_rate (30 days ahead) against seasonal naive and vector autoregression, in one run.

Usual splits: etth1 rows 0-8639 to learn from, 8640-11519 to check, 11520-14399 to test; exchange_rate 60 / 20 / 20 %. All learn from the
first part. Every method draws the same number of paths from the same origins of the test part and is scored by the continuous ranked
probability score (unbiased for its ensemble), each channel over its standard deviation in the training part, and by how much its central
80 % intervals cover. Seasonal naive: the value a season before (24 hours; the last day) plus whole error paths of its own from training.
The autoregression: order by BIC, residuals drawn again; of exchange_rate also on changes of logarithms. A model is trained here through
the library, forecasts by rolling windows, and is shown also with its intervals conformed on the check part. Intervals of scores are from a
bootstrap of blocks of origins that span a week or a horizon at least.

python benchmarks/forecast.py etth1|exchange_rate [--model NAME] [KEY=VALUE...] [--members 100] [--every 6] [--minutes 2] [--window 96]
"""

from __future__ import annotations

import argparse
import gzip
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from forecast_rivals import SeasonalNaive, VectorAutoregression

import morelike
from morelike.cli.drawing import dials_of
from morelike.data.series_items import Series
from morelike.house.forecasting import back_test
from morelike.house.series_view import View
from morelike.maths.crps import covered, crps
from morelike.tasks.forecasting import conformal, spread_out

Array = np.ndarray[Any, Any]
LEVEL, RESAMPLES = 0.8, 2000
SETS = {"etth1": (24, 24, 26), "exchange_rate": (30, 1, 10)}
"""Steps ahead, season, the largest order tried."""


def read(name: str) -> tuple[Array, tuple[int, int, int], list[str], Array | None]:
    """((L,C), where training, check and test end, names, times (L,))."""
    folder = Path(os.environ.get("MORELIKE_DATA", "../shared/data")) / name
    if name == "etth1":
        with gzip.open(folder / "ETTh1.csv.gz", "rt") as file:
            rows = [line.strip().split(",") for line in file]
        times = np.array([row[0] for row in rows[1:]], "datetime64[us]")
        return np.array([row[1:] for row in rows[1:]], float), (8640, 11520, 14400), rows[0][1:], times
    values = np.loadtxt(folder / "exchange_rate.txt.gz", delimiter=",")
    ends = int(0.6 * len(values)), int(0.8 * len(values)), len(values)
    return values, ends, [f"rate {number + 1}" for number in range(values.shape[1])], None


def trained(
    values: Array, ends: tuple[int, int, int], names: list[str], times: Array | None, options: argparse.Namespace
) -> morelike.Model:
    """A model of the training part; the check part is what it is validated on."""
    settings = dials_of(options.settings)
    with tempfile.TemporaryDirectory() as folder:
        for word, (start, stop) in {"train": (0, ends[0]), "validation": (ends[0], ends[1]), "test": (ends[1], ends[2])}.items():
            dates = [] if times is None else ["date"]
            rows = [",".join([*dates, *(name.replace(" ", "_") for name in names)])]
            for number in range(start, stop):
                told = [] if times is None else [str(times[number].astype("datetime64[s]")).replace("T", " ")]
                rows.append(",".join([*told, *(f"{value:.10g}" for value in values[number])]))
            (Path(folder) / f"{word}.csv").write_text("\n".join(rows) + "\n")
        return morelike.train(folder, kind="series", model=options.model, minutes=options.minutes, judge=False, out=options.out,
                              **{"codec.window": options.window, **settings})  # fmt: skip


def drawn(view: View, values: Array, times: Array | None, origins: Array, ahead: int, members: int) -> Array:
    """(M,B,H,C) paths from each origin, of which the model sees as much as it looks back over."""
    context = view.codec.window - min(ahead, view.codec.window // 4)
    parts = [slice(origin - context, origin + ahead) for origin in origins]
    items = [Series(values[part], tuple(view.codec.names), None if times is None else times[part]) for part in parts]
    hidden = np.zeros((context + ahead, values.shape[1]), bool)
    hidden[context:] = True
    return back_test(view, items, hidden, members)[:, :, context:]


def bootstrap(scores: Array, block: int, rng: np.random.Generator) -> tuple[float, float]:
    """The 95 % interval of the mean of scores (B,) in order of time, by blocks."""
    starts = rng.integers(0, len(scores) - block + 1, (RESAMPLES, -(-len(scores) // block)))
    rows = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, : len(scores)]
    low, high = np.quantile(scores[rows].mean(1), [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=SETS)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--model", default="pca")
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--window", type=int, default=96)
    parser.add_argument("--out", default=None)
    options = parser.parse_intermixed_args()
    values, ends, names, times = read(options.data)
    ahead, season, most = SETS[options.data]
    train, rng, members = values[: ends[0]], np.random.default_rng(0), options.members
    origins = np.arange(ends[1], ends[2] - ahead + 1, options.every)
    naive, autoregression = SeasonalNaive(train, season, ahead), VectorAutoregression(train, most)
    rivals: dict[str, Callable[[], Array]] = {
        "seasonal naive": lambda: naive.paths(values, origins, members, rng),
        f"vector autoregression, order {autoregression.order}": lambda: autoregression.paths(values, origins, members, ahead, rng),
    }
    if options.data == "exchange_rate":
        logs = np.log(values)
        moves = VectorAutoregression(np.diff(logs[: ends[0]], axis=0), 5)
        rivals[f"... of changes of logarithms, order {moves.order}"] = lambda: np.exp(
            logs[origins - 1][None, :, None] + moves.paths(np.diff(logs, axis=0), origins - 1, members, ahead, rng).cumsum(2)
        )
    model = trained(values, ends, names, times, options)
    view = View.of(model.package, "are gone on with so")
    kept: dict[str, Array] = {}

    def own() -> Array:
        kept["paths"] = drawn(view, values, times, origins, ahead, members)
        return kept["paths"]

    def conformed() -> Array:
        checks = np.arange(ends[0] + options.window, ends[1] - ahead + 1, max(1, (ends[1] - ends[0]) // 150))
        truth = np.stack([values[origin : origin + ahead] for origin in checks])
        return spread_out(kept["paths"], conformal(drawn(view, values, times, checks, ahead, 40), truth, LEVEL))

    truth, scale = np.stack([values[origin : origin + ahead] for origin in origins]), train.std(0)
    block = -(-max(ahead, 168 if options.data == "etth1" else ahead) // options.every)
    base: Array | None = None
    print(f"{options.data}: {len(origins)} origins, {ahead} steps ahead, {members} paths")
    for name, make in {**rivals, options.model: own, f"{options.model}, conformed": conformed}.items():
        began = time.perf_counter()
        paths = make()
        each = (crps(paths, truth) / scale).mean((1, 2))
        base = each if base is None else base
        low, high = bootstrap(each, block, rng)
        less = bootstrap(each - base, block, rng)
        share = covered(paths, truth, LEVEL).mean((1, 2))
        cover = bootstrap(share, block, rng)
        print(f"{name}: CRPS {each.mean():.4f} ({low:.4f} to {high:.4f}), less seasonal naive {(each - base).mean():+.4f} "
              f"({less[0]:+.4f} to {less[1]:+.4f}), 80% intervals hold {share.mean():.1%} ({cover[0]:.1%} to {cover[1]:.1%}), "
              f"{time.perf_counter() - began:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()

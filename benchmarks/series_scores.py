"""Discriminative and predictive score of a model of time series by the published protocol, and their fast twins beside them.

    python benchmarks/series_scores.py MODEL DATA [--repeats 5] [--iterations 2000 5000] [--seed 0] [--floor]
    python benchmarks/series_scores.py FOLDER DATA --lay-out

The protocol is that of TimeGAN (Yoon, Jarrett, van der Schaar 2019, section 5 and its published code): windows of T rows at stride 1 of
the whole file, each channel between 0 and 1 by its least and greatest value in the file, in random order; as many are drawn as there are.
Discriminative score: |0.5 - accuracy| of a GRU (one layer, C/2 units, a logit from its last state; Adam at 0.001, batches of 128, 2,000
iterations) on the fifth of both sets that was left out. Predictive score: mean absolute error on real windows of a GRU (one layer, C/2
units, a sigmoid; 5,000 iterations) that was trained on drawn windows to say the next row's last channel from the other channels.
Reported: mean and standard deviation over repeats, each with its own split and start of the nets.

Published models are trained on all windows, so there is no held-out data in this protocol, and a copier would score best: read it beside
`morelike judge`, which holds out. `--lay-out` writes a folder on which `morelike train` does the same: the file as train.csv, valid.csv
and test.csv.
`--floor` scores real against real instead: the even windows against the odd. The fast twins are those of the judges, on the same windows.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import morelike
from morelike.data.open import open_source
from morelike.data.series_items import Series
from morelike.data.series_scale import filled
from morelike.judges.series import discriminative, predictive

BATCH, RATE, LEFT_OUT = 128, 1e-3, 0.2


class Recurrent(nn.Module):
    """(N,T,inputs) -> (N,T,1)."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.cells = nn.GRU(inputs, units, batch_first=True)
        self.out = nn.Linear(units, 1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.out(self.cells(x)[0])
        return found


def discriminative_score(real: Tensor, drawn: Tensor, iterations: int, seed: int) -> float:
    """|0.5 - accuracy| of a GRU that tells (N,T,C) from (M,T,C)."""
    torch.manual_seed(seed)
    parts = []
    for one in (real, drawn):
        order = torch.randperm(len(one))
        cut = int(len(one) * (1 - LEFT_OUT))
        parts.append((one[order[:cut]], one[order[cut:]]))
    net = Recurrent(real.shape[2], max(1, real.shape[2] // 2))
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    for _ in range(iterations):
        loss = torch.zeros(())
        for (train, _), label in zip(parts, (1.0, 0.0), strict=True):
            logits = net(train[torch.randint(len(train), (BATCH,))])[:, -1, 0]
            loss = loss + functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        right = torch.cat([(net(held)[:, -1, 0] > 0) == bool(label) for (_, held), label in zip(parts, (1, 0), strict=True)])
    return abs(0.5 - float(right.float().mean()))


def predictive_score(real: Tensor, drawn: Tensor, iterations: int, seed: int) -> float:
    """Mean absolute error on (N,T,C) of a GRU trained on (M,T,C): the next row's last channel from the other channels."""
    torch.manual_seed(seed)
    channels = real.shape[2]
    known = slice(0, channels - 1) if channels > 1 else slice(0, 1)
    net = Recurrent(len(range(channels)[known]), max(1, channels // 2))
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    for _ in range(iterations):
        batch = drawn[torch.randint(len(drawn), (BATCH,))]
        loss = (torch.sigmoid(net(batch[:, :-1, known])) - batch[:, 1:, -1:]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return float((torch.sigmoid(net(real[:, :-1, known])) - real[:, 1:, -1:]).abs().mean())


def whole(data: str) -> Series:
    """The one series of a file, put together again."""
    source = open_source(data, kind="series")
    items = list(source.items)
    return Series(np.concatenate([item.values for item in items]), items[0].names)


def windows(values: np.ndarray, length: int, seed: int) -> np.ndarray:
    """(N,T,C) at stride 1, in random order."""
    cut = np.lib.stride_tricks.sliding_window_view(values, length, 0).transpose(0, 2, 1)
    return np.ascontiguousarray(cut[np.random.default_rng(seed).permutation(len(cut))])


def sets(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """(real (N,T,C), what is scored (M,T,C)), between 0 and 1 in the file's range."""
    series = whole(options.data)
    values = filled(series.values, np.zeros(series.values.shape[1]))
    low, high = values.min(0), values.max(0)
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    if options.floor:
        cut = np.lib.stride_tricks.sliding_window_view(scaled, options.window, 0).transpose(0, 2, 1)
        return np.ascontiguousarray(cut[::2]), np.ascontiguousarray(cut[1::2])
    model = morelike.load(options.model)
    length = int(model.codec.window)
    real = windows(scaled, length, options.seed)
    start = time.perf_counter()
    items = model.sample(len(real), seed=options.seed)
    print(f"{len(real):,} windows of {length} x {values.shape[1]} drawn in {time.perf_counter() - start:.1f} s")
    drawn = np.stack([filled(item.values, values.mean(0)) for item in items])
    return real, (drawn - low) / np.where(high > low, high - low, 1.0)


def lay_out(folder: Path, data: str) -> None:
    """A folder whose training and test file are both the whole file."""
    series = whole(data)
    folder.mkdir(parents=True)
    rows = [",".join(map(repr, row)) for row in series.values.tolist()]
    for name in ("train", "valid", "test"):
        (folder / f"{name}.csv").write_text("\n".join([",".join(series.names), *rows]) + "\n", encoding="utf-8")


def fast(real: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """The judges' own discriminative and predictive scores of the same windows, in standard deviations of the real ones."""
    mean, spread = real.mean((0, 1)), np.where(real.std((0, 1)) > 0, real.std((0, 1)), 1.0)
    scaled = [(one - mean) / spread for one in (drawn, real)]
    return discriminative(*scaled), predictive(*scaled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--iterations", type=int, nargs=2, default=(2000, 5000))
    parser.add_argument("--window", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--lay-out", action="store_true")
    options = parser.parse_args()
    if options.lay_out:
        lay_out(Path(options.model), options.data)
        return
    real, drawn = sets(options)
    start = time.perf_counter()
    quick = fast(real, drawn)
    seconds = time.perf_counter() - start
    print(f"fast twins      discriminative {quick[0]:.4f}   predictive {quick[1]:.4f} standard deviations   {seconds:.1f} s")
    both = [torch.from_numpy(one.astype(np.float32)) for one in (real, drawn)]
    for name, score, count in (
        ("discriminative", discriminative_score, options.iterations[0]), ("predictive", predictive_score, options.iterations[1])
    ):  # fmt: skip
        start = time.perf_counter()
        found = [score(both[0], both[1], count, options.seed + repeat) for repeat in range(options.repeats)]
        each = " ".join(f"{value:.4f}" for value in found)
        print(f"{name:15} {np.mean(found):.4f} +- {np.std(found):.4f}   ({each})   {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

"""How a table's gaps come together, in the data and in what a model makes of it: the mean correlation of two columns' gaps, the root mean
square of its error over pairs of columns, and the number of gaps of a row (mean and standard deviation).

python benchmarks/gaps.py MODEL DATA [-n 4000] [--seed 0]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import morelike
from morelike.data.open import open_source
from morelike.data.table import TableCodec, rows_of
from morelike.data.table_columns import is_missing


def gaps(cells: np.ndarray) -> np.ndarray:
    """(N,C) float64: 1 where a cell of (N,C) is missing."""
    return np.array([[is_missing(str(cell)) for cell in row] for row in cells], dtype=np.float64)


def correlations(flags: np.ndarray) -> np.ndarray:
    """(P,) correlation of each pair of columns; 0 where one of them is constant."""
    left = flags - flags.mean(0)
    scale = np.maximum(np.sqrt((left**2).sum(0)), 1e-12)
    return (left.T @ left / np.outer(scale, scale))[np.triu_indices(flags.shape[1], 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("-n", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = morelike.load(options.model)
    codec = model.codec
    assert isinstance(codec, TableCodec)
    real = gaps(np.asarray(rows_of(open_source(options.data).items)))
    learnt = np.array([name not in codec.unlearnt for name in codec.names]) & (real.std(0) > 0)
    made = gaps(np.asarray(model.sample_with_conditions(options.n, seed=options.seed)[0]))[:, learnt]
    real = real[:, learnt]
    if real.shape[1] < 2:
        parser.error("fewer than two columns of this table have gaps")
    pairs = correlations(real)
    error = float(np.sqrt(((correlations(made) - pairs) ** 2).mean()))
    print(f"{real.shape[1]} columns with gaps; root mean square error of a pair's correlation {error:.3f}")
    for name, flags in (("data", real), ("made", made)):
        count = flags.sum(1)
        print(f"{name}: mean correlation {correlations(flags).mean():.3f}, gaps in a row {count.mean():.2f} (deviation {count.std():.2f})")
    print(f"share of gaps of a column: off by {100 * np.abs(made.mean(0) - real.mean(0)).mean():.1f} points")


if __name__ == "__main__":
    main()

"""Time and memory of `morelike check` on a CSV of 1 GB: numbers, dates, categories, gaps, quotes that hold commas and line ends.

Writes the table (seeded) into a folder, runs `check` in a process of its own, and prints its time and the most memory that it held.

python benchmarks/large_table.py FOLDER [--gigabytes 1.0]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

ROWS = 20_000
RUN = """
import resource, sys, time
began = time.perf_counter()
from morelike.cli import main
try:
    main(["check", sys.argv[1]])
except SystemExit as ended:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(ended.code or 0, time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def rows(rng: np.random.Generator, first: int) -> str:
    """Some thousand rows as text; `first` is the number of the first."""
    age, pay = rng.integers(18, 95, ROWS), rng.lognormal(8, 1, ROWS)
    seen = np.datetime64("2015-01-01T00:00:00") + rng.integers(0, 2 * 10**8, ROWS)
    town, trade = (rng.random((2, ROWS)) ** 3 * [[5_000], [300]]).astype(int)
    day, rate, gap, kind, quoted = np.datetime64("1990-01-01") + rng.integers(0, 9_000, ROWS), *rng.random((4, ROWS))
    made = zip(age, pay, seen.astype(str), town, trade, day.astype(str), rate, gap, kind, quoted, strict=True)
    return "".join(
        f"{first + row},{a},{p:.2f},{s},town-{t},{chr(34)}trade {j}, part {j % 7}{chr(34)},{d},{r:.4f},"
        f"{'' if g < 0.1 else f'{g * 50:.1f}'},{'abcd'[int(k * 4)]},{'yes' if k < 0.3 else 'no'},"
        + (f"{chr(34)}two\nlines{chr(34)}\n" if q < 0.01 else "one line\n")
        for row, (a, p, s, t, j, d, r, g, k, q) in enumerate(made)
    )


def write(path: Path, size: int) -> None:
    """The table, about `size` bytes."""
    rng, first = np.random.default_rng(0), 1
    with path.open("w", encoding="utf-8") as file:
        file.write("row,age,pay,seen,town,trade,day,rate,score,kind,member,remark\n")
        while file.tell() < size:
            file.write(rows(rng, first))
            first += ROWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    options = parser.parse_args()
    table = options.folder / f"large-{options.gigabytes:g}.csv"
    if not table.is_file():
        write(table, int(options.gigabytes * 1e9))
    done = subprocess.run([sys.executable, "-c", RUN, str(table)], check=True, capture_output=True, text=True)
    *said, last = done.stdout.strip().splitlines()
    code, took, processor, most = map(float, last.split())
    print("\n".join(said))
    spent = f"{took:.1f} s ({processor:.1f} s of processor time)"
    print(f"{table.stat().st_size / 1e9:.2f} GB: {spent}, {most / 1e3:,.0f} MB, exit code {code:.0f}")


if __name__ == "__main__":
    main()

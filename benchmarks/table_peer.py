"""A table against the peer `ctgan`, its 300 epochs with all defaults: shape error against training time, and drawing 1,000,000 rows.

The peer runs in an environment of its own (--peer PATH/TO/python with `ctgan` installed); its curve takes most of an hour on two cores and
is kept in WORK/peer.json, so it is measured once. Ours is the command line as a whole process, start and loading included, judging not.
Both get --threads threads. With one thread, seconds of training are those of the processor, which other work beside it hardly changes;
with more they are those of the clock, and mean something on an idle machine only, as those of drawing always do.

python benchmarks/table_peer.py DATA WORK [--peer PYTHON] [--epochs 300] [--threads 2] [--rows 1000000] [--minutes 1]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from morelike.data.open import open_source
from morelike.judges.table_codes import Table, TableCodes
from morelike.judges.table_scores import shape_error, trend_error

PEER = """
import json, sys, time, warnings, torch, pandas
import ctgan.synthesizers.ctgan as module
warnings.filterwarnings("ignore")
path, work, discrete, epochs, threads, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), *map(int, sys.argv[4:])
torch.set_num_threads(threads)
frame = pandas.read_csv(path, keep_default_na=False)
clock = time.process_time if threads == 1 else time.perf_counter
model, spent, marks = module.CTGAN(epochs=epochs, verbose=False), [], []
began = clock()

def watched(numbers, **_):
    for number in numbers:
        yield number
        done = number + 1
        if done in (1, 2, 5, 10, 20, 50, 100, 150, 200, 250, epochs):
            pause = clock()
            model.sample(len(frame)).to_csv(f"{work}/peer-{done}.csv", index=False)
            marks.append({"epoch": done, "seconds": pause - began - sum(spent)})
            spent.append(clock() - pause)
            json.dump(marks, open(f"{work}/marks.json", "w"))

module.tqdm = watched
model.fit(frame, discrete)
start = time.perf_counter()
model.sample(rows)
print(json.dumps({"curve": marks, "drawing": time.perf_counter() - start}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("work", type=Path)
    parser.add_argument("--peer")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    source = open_source(options.data)
    held = source.split["holdout"] if source.split else []
    train = source.items[np.setdiff1d(np.arange(len(source.items)), held)]
    names = source.items.names
    codes = TableCodes.fit(train, names)
    if options.peer and not (work / "peer.json").exists():
        _peer(options, codes, train, names)
    if (work / "peer.json").exists():
        for mark in json.loads((work / "peer.json").read_text())["curve"]:
            _said(f"ctgan, {mark['epoch']} epochs", mark["seconds"], codes, train, _read(work / f"peer-{mark['epoch']}.csv", len(names)))
        print(f"ctgan draws {options.rows:,} rows in {json.loads((work / 'peer.json').read_text())['drawing']:.1f} s")
    for model, more in (("bayesnet", ()), ("table-ar", ("--minutes", str(options.minutes)))):
        out = work / model
        words = ["train", options.data, "--model", model, *more, "--out", str(out), "--no-judge", "--fresh", f"threads={options.threads}"]
        spent = _run(words, options.threads)
        made = work / f"{model}.csv"
        _run(["sample", str(out), "-n", str(len(train)), "--out", str(made)], options.threads)
        _said(model, spent, codes, train, _read(made, len(names)))
        many = _run(["sample", str(out), "-n", str(options.rows), "--out", str(work / "many.csv")], options.threads)
        print(f"{model} draws and writes {options.rows:,} rows in {many:.1f} s as a whole command, {_peak:,} MB at most")


def _peer(options: argparse.Namespace, codes: TableCodes, train: Table, names: tuple[str, ...]) -> None:
    with (options.work / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(train.tolist())
    discrete = json.dumps([column.name for column in codes.columns if column.kind == "category"])
    words = [str(options.work / "train.csv"), str(options.work), discrete, str(options.epochs), str(options.threads), str(options.rows)]
    done = subprocess.run([options.peer, "-c", PEER, *words], check=True, capture_output=True, text=True)
    (options.work / "peer.json").write_text(done.stdout.splitlines()[-1])


def _read(path: Path, width: int) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    cells = np.empty((len(rows), width), dtype=object)
    cells[:] = rows
    return cells


_peak = 0


def _run(words: list[str], threads: int) -> float:
    """Seconds of a whole process, of the processor where it trains with one thread; its memory goes to `_peak`, in MB."""
    global _peak  # noqa: PLW0603  # what the last command took
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "morelike", *words, "-q"], env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"morelike {' '.join(words)} failed")
    _peak = usage.ru_maxrss // 1024
    one = threads == 1 and words[0] == "train"
    return usage.ru_utime + usage.ru_stime if one else time.perf_counter() - began


def _said(name: str, seconds: float, codes: TableCodes, train: Table, made: Table) -> None:
    real, coded = codes(train), codes(made)
    errors = f"shape {shape_error(real, coded):5.2f} %, trend {trend_error(real, coded, own_range=True):5.2f} %"
    print(f"{name:18s} {seconds:7.1f} s of training: {errors}", flush=True)


if __name__ == "__main__":
    main()

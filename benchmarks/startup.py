"""How long `import morelike` and `morelike --help` take, as whole processes: the median of several, beside a bare Python's.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import morelike": [sys.executable, "-c", "import morelike"],
    "morelike --help": [sys.executable, "-m", "morelike", "--help"],
    "import torch": [sys.executable, "-c", "import torch"],
}
RUNS = 7


def seconds(command: list[str]) -> float:
    """Median wall time of a process after one warm-up."""
    times = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def main() -> None:
    for name, command in COMMANDS.items():
        print(f"{name:20s} {seconds(command):6.3f} s")


if __name__ == "__main__":
    main()

"""Writes the golden curves anew: PYTHONPATH=tests python tests/golden/make.py. Look at the difference before you commit it."""

from pathlib import Path

from test_train import GOLDEN_NAMES, golden_curve

for name in GOLDEN_NAMES:
    lines = [" ".join(f"{key}={value:.4f}" for key, value in row.items()) for row in golden_curve(name)]
    (Path(__file__).parent / f"{name}.txt").write_text("\n".join(lines) + "\n")

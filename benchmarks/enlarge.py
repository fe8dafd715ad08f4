"""How well held-out pictures are made of their small, grey or outlined forms, and a page of it: docs/pictures-as-conditions.png.

Trains `diffusion` on the first pictures of a set under that condition, unless there is a model in the folder; then says how far what it
makes of held-out conditions lies from the real pictures, beside other pictures, and beside the conditions as they are.

python benchmarks/enlarge.py PICTURE.png [--data mnist] [--condition pool4] [--items 8000] [--minutes 3] [--out FOLDER] [key=value ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import morelike
from morelike.data.drawing import write_png
from morelike.data.grid import grid
from morelike.data.loader import take
from morelike.data.open import open_source
from morelike.house.model import Model
from morelike.house.prepare import prepare, raw_of
from morelike.house.recipe import parse_value

TESTED, SHOWN = 200, 14


def apart(made: np.ndarray, real: np.ndarray) -> float:
    """Mean absolute difference, in levels."""
    return float(np.abs(made.astype(np.float64) - real).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--condition", default="pool4")
    parser.add_argument("--items", type=int, default=8000)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=Path("runs/enlarge"))
    wanted = parser.parse_args()
    source = open_source(wanted.data)
    x = np.stack([np.asarray(item) for item in take(source.items, np.arange(wanted.items))])
    if not (wanted.out / "card.json").is_file():
        more = {key: parse_value(value) for key, _, value in (pair.partition("=") for pair in wanted.settings)}
        length = {} if "steps" in more else {"minutes": wanted.minutes}
        morelike.train(x, "diffusion", condition=[wanted.condition], out=wanted.out, judge=False, **length, **more)
    model = morelike.load(wanted.out)
    assert isinstance(model, Model)
    data = prepare(model.package.recipe, x)
    real, stored = data.raw(data.holdout, slice(TESTED)), data.holdout.condition[wanted.condition][:TESTED]
    told = raw_of(model.package.conditions[wanted.condition], stored)
    made = model.translate(list(told))
    rows, columns = (np.arange(side) * have // side for side, have in zip(real.shape[1:3], told.shape[1:3], strict=True))
    plain = told[:, rows[:, None], columns]
    others, same = apart(made, np.roll(real, 1, 0)), apart(np.broadcast_to(plain, real.shape), real)
    print(f"mean error of {len(real)} held-out pictures: {apart(made, real):.2f}; to others {others:.2f}; as they are {same:.2f}")
    shown = np.concatenate([plain[:SHOWN], made[:SHOWN], real[:SHOWN]])
    write_png(grid(list(shown), SHOWN, gap=2, scale=2), wanted.picture)


if __name__ == "__main__":
    main()

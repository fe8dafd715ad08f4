"""Cells cut out of blood smears by their boxes: one square picture a cell, in folders by official split and class.

    python benchmarks/bccd_cells.py DATA/bccd OUT [--side 64]
    morelike train OUT --model latent-diffusion

A crop is the square around a box's middle whose side is the box's longer one and a tenth; beyond the photograph's edge it is mirrored.
"""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

MARGIN = 1.1


def cut(picture: np.ndarray, box: tuple[int, int, int, int], side: int) -> Image.Image:
    """The crop around a box (left, top, right, bottom) of a picture (H,W,3), scaled to `side` pixels."""
    left, top, right, bottom = box
    half = max(1, round(MARGIN * max(right - left, bottom - top) / 2))
    x, y = (left + right) // 2, (top + bottom) // 2
    high, wide = picture.shape[:2]
    rows, columns = (_mirrored(np.arange(middle - half, middle + half), size) for middle, size in ((y, high), (x, wide)))
    return Image.fromarray(picture[np.ix_(rows, columns)]).resize((side, side), Image.Resampling.LANCZOS)


def _mirrored(places: np.ndarray, size: int) -> np.ndarray:
    """Places of 0..size-1 for any: as in two mirrors that face each other."""
    around = places % (2 * size)
    return np.minimum(around, 2 * size - 1 - around)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=64)
    asked = parser.parse_args()
    with (asked.data / "annotations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    made: Counter[tuple[str, str]] = Counter()
    with zipfile.ZipFile(asked.data / "images.zip") as archive:
        names = {Path(name).name: name for name in archive.namelist()}
        for photograph in sorted({row["file"] for row in rows}):
            picture = np.asarray(Image.open(io.BytesIO(archive.read(names[photograph]))).convert("RGB"))
            for row in (row for row in rows if row["file"] == photograph):
                box = (int(row["xmin"]), int(row["ymin"]), int(row["xmax"]), int(row["ymax"]))
                if box[2] <= box[0] or box[3] <= box[1]:
                    continue
                folder = asked.out / row["split"] / row["cell"]
                folder.mkdir(parents=True, exist_ok=True)
                number = made[row["split"], row["cell"]]
                cut(picture, box, asked.side).save(folder / f"{number:05d}.png")
                made[row["split"], row["cell"]] += 1
    for (split, cell), count in sorted(made.items()):
        print(f"{split} {cell}: {count:,}")


if __name__ == "__main__":
    main()

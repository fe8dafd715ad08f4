"""A picture of drawings by class: a row a class, real ones on the left, and on the right what a model draws when told the class.

python benchmarks/drawings_by_class.py MODEL DATA CONDITION OUT.png [--classes 5] [--real 5] [--drawn 7] [--seed 0]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import morelike
from morelike.data.category import CategoryCodec
from morelike.data.open import open_source


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("model", type=Path)
    asked.add_argument("data")
    asked.add_argument("condition")
    asked.add_argument("out", type=Path)
    for name, usual in (("classes", 5), ("real", 5), ("drawn", 7), ("seed", 0)):
        asked.add_argument(f"--{name}", type=int, default=usual)
    words = asked.parse_args()
    model, source = morelike.load(words.model), open_source(words.data, kind="strokes")
    codec = model.package.conditions[words.condition]
    if not isinstance(codec, CategoryCodec):
        raise ValueError(f"{words.condition} of {words.model} is no class")
    classes = np.asarray(source.columns[words.condition].values)
    items = []
    for number, name in list(enumerate(codec.names))[: words.classes]:
        own = np.flatnonzero(classes == number)
        # evenly over the class, for a collection's drawings lie sorted
        items += [source.items[at] for at in own[np.linspace(0, len(own) - 1, words.real).astype(int)]]
        items += model.sample(words.drawn, where={words.condition: name}, seed=words.seed)
    model.codec.draw(items, words.out, words.real + words.drawn)  # type: ignore[call-arg]
    print(f"{', '.join(map(str, codec.names[: words.classes]))}: {words.out}")


if __name__ == "__main__":
    main()

"""How well a label-conditional model of texts rewrites held-out texts under another label: style and content.

The model is one of `morelike train styles.jsonl` (make_styles.py), or of any texts with a label. Held-out texts, as many of each label,
go to the label after their own, which is given. The style is judged by a classifier that the model has no part in: logistic regression
on runs of 1 to 4 characters of the training texts. Content: the share of the source's words that are kept, and chrF against the source.
Nats per character are the model's own, under the new label. Beside it the two ends: the sources as they are, and fresh samples.

python benchmarks/restyle.py MODEL [--texts 100] [--strength 0.5] [--data PATH]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from morelike.data.loader import take
from morelike.house.model import Model, load
from morelike.house.prepare import Prepared, prepare
from morelike.judges.content import chrf, words_kept
from morelike.tasks.rivals import MOST_ITEMS, rivals, thinned


def labelled(data: Prepared, label: str, names: Sequence[str], rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """(texts, the number of the label of each)."""
    column = data.source.columns[label]
    return list(take(data.source.items, rows)), np.array([names.index(column.categories[int(value)]) for value in column.values[rows]])


def some_of_each(model: Model, texts: Sequence[str], own: np.ndarray, most: int) -> list[int]:
    """The numbers of at most so many texts that fit into the model, as many of each label."""
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(texts))
    fitting = [n for n in order if len(model.codec.ids([texts[n]])) < model.codec.window]  # type: ignore[attr-defined]
    labels = np.unique(own)
    return [n for k in labels for n in [n for n in fitting if own[n] == k][: most // len(labels)]]


def line(name: str, sources: Sequence[str], texts: Sequence[str], right: np.ndarray, measured: Sequence[dict[str, Any]] = ()) -> str:
    kept = np.mean([words_kept(*pair) for pair in zip(sources, texts, strict=True)])
    score = np.mean([chrf(*pair) or 0.0 for pair in zip(sources, texts, strict=True)])
    half = 1.96 * (right.mean() * (1 - right.mean()) / len(right)) ** 0.5
    nats = [one["nats_per_character"] for one in measured]
    fluent = f"{np.mean(nats):10.3f}" if nats and None not in nats else ""
    return f"{name:26s} {right.mean():7.3f} +-{half:.3f} {kept:11.3f} {score:6.1f} {fluent}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--strength", type=float, default=0.5)
    parser.add_argument("--data", help="by default what the model was trained on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load(options.model)
    recipe = model.package.recipe
    data = prepare(recipe.model_copy(update={"data": options.data or recipe.data}))
    label = data.label or parser.error("the data has no labels")
    names = list(model.package.conditions[label].names)  # type: ignore[attr-defined]
    texts, own = labelled(data, label, names, data.split.holdout)
    chosen = some_of_each(model, texts, own, options.texts)
    sources, own = [texts[n] for n in chosen], own[chosen]
    asked = (own + 1) % len(names)
    began, made = time.perf_counter(), []
    for source, old, new in zip(sources, own, asked, strict=True):
        made.append(model.restyle(source, {label: names[new]}, strength=options.strength, from_={label: names[old]}))
    seconds = (time.perf_counter() - began) / len(made)
    drawn = {k: model.sample(int((asked == k).sum()), where={label: names[k]}, seed=1) for k in set(asked.tolist())}
    restyled, fresh = [found["variants"][0]["text"] for found in made], [drawn[k].pop() for k in asked.tolist()]
    known = labelled(data, label, names, data.split.train[thinned(len(data.split.train), MOST_ITEMS, 0)])
    seen = rivals(*known, [*sources, *restyled, *fresh], len(names))["logistic regression"].argmax(1).reshape(3, -1)
    print(f"{len(sources)} held-out texts, {seconds:.2f} s each; {made[0]['how']}")
    print(f"the classifier is right on {np.mean(seen[0] == own):.1%} of the sources\n{'':26s}   style         words kept   chrF  nats/char")
    print(line("the sources as they are", sources, sources, seen[0] == asked, [found["source"] for found in made]))
    print(line("restyled", sources, restyled, seen[1] == asked, [found["variants"][0] for found in made]))
    print(line("fresh samples", sources, fresh, seen[2] == asked))
    for k in np.unique(own):
        here = np.flatnonzero(own == k)
        pairs = [[many[n] for n in here] for many in (sources, restyled)]
        print(line(f"  {names[k]} to {names[asked[here[0]]]}", *pairs, (seen[1] == asked)[here]))
        print(f"    {pairs[0][0]}\n    -> {pairs[1][0]}")


if __name__ == "__main__":
    main()

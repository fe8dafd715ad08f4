"""Context mixing on one text: seconds and characters per second of its one pass, static and adaptive nats a character.

Trains on the first 90 %, scores the last 10 % as one running text: static with counts and gate as trained, adaptive with the text itself
counted as it goes by.

python benchmarks/context_mixing.py TEXT
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch

from morelike.core.spec import Tokens
from morelike.data.loader import Order, Windows
from morelike.families.mixing import ContextMixing
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.training.loop import Trainer
from morelike.training.plan import Plan


def main(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    letters = {letter: number for number, letter in enumerate(sorted(set(text)))}
    ids = np.array([letters[letter] for letter in text], np.uint16)
    train, held = ids[: int(0.9 * len(ids))], torch.from_numpy(ids[int(0.9 * len(ids)) :].astype(np.int64))
    data = Windows(train, 256)
    model = build(Recipe(model="context-mixing"), Tokens((256,), len(letters)), {})
    order = Order(len(data), 128, 0)
    began = time.perf_counter()
    model = Trainer(model, Feed(data, order, by_pass=True), Plan(steps=order.steps_per_epoch, batch=128)).run()
    took = time.perf_counter() - began
    assert isinstance(model, ContextMixing)
    with torch.inference_mode():
        began = time.perf_counter()
        static = float(model.surprise(held[None]).mean())
        between = time.perf_counter()
        adaptive = float(model.adaptive(held).mean())
        ended = time.perf_counter()
    print(f"training   {took:6.1f} s, {len(train) / took:,.0f} characters a second")
    print(f"static     {static:6.4f} nats a character, scored in {between - began:.1f} s")
    print(f"adaptive   {adaptive:6.4f} nats a character, scored in {ended - between:.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

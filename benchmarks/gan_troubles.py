"""Games that go wrong on purpose, on digits, and what the watchdog makes of them: samples before and after each first remedy.

    python benchmarks/gan_troubles.py [--steps 300] [--out gan-troubles.png]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from morelike.core import registry
from morelike.core.contract import Player, Trainable
from morelike.core.noise import Noise
from morelike.data.drawing import write_png
from morelike.data.grid import rgb8
from morelike.data.loader import Order
from morelike.families.gan import GAN
from morelike.house.build import build
from morelike.house.prepare import Feed, Prepared, prepare
from morelike.house.recipe import Recipe
from morelike.house.sampling import draw
from morelike.training.loop import Hooks, Trainer
from morelike.training.plan import Plan

ROWS, CLASSES, SIDE, GAP, NAMES = 2, 10, 24, 2, 170
PAPER, INK = (250, 250, 247), (34, 34, 34)


class Tied(GAN):
    """Makes one picture a class, whatever its latent."""

    def prior(self, noise: Noise) -> Tensor:
        return 0 * super().prior(noise)


class Deaf(GAN):
    """Never hears its label."""

    def make(self, z: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        return super().make(z, {name: 0 * value for name, value in condition.items()}, given)


class Spoilt(Feed):
    """One batch holds no numbers."""

    def rows(self, step: int) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        positions, x, condition = super().rows(step)
        return positions, x * math.nan if step == 110 else x, condition


def game(data: Prepared, family: type[GAN], feed: type[Feed], rate: float, steps: int) -> dict[str, np.ndarray]:
    """"before" and "after" -> (N,H,W,C) samples around the first incident; says what the watchdog says."""
    model = build(Recipe(size="xs"), data.codec.spec, data.specs, custom=family)
    told = {"label": (torch.arange(ROWS * CLASSES) % CLASSES)[:, None]}
    shown: dict[str, np.ndarray] = {}

    def picture(averaged: Trainable, number: int, when: str) -> None:
        made = draw(averaged, ROWS * CLASSES, told, seed=0, precision="fp32")
        shown[when if number == 1 else f"{when} {number}"] = np.asarray(data.codec.decode(made.numpy()))

    players = [player for player in model.players() if isinstance(player, Player)]
    plan = Plan(steps=steps, batch=64, threads=1, optim={player.name: {"lr": rate * player.optim.lr} for player in players})
    order = Order(len(data.train), plan.batch, plan.seed)
    trainer = Trainer(model, feed(data.train, order, by_pass=False), plan, Hooks(tell=print, picture=picture))
    trainer.run()
    return shown


def page(rows: list[tuple[str, dict[str, np.ndarray]]]) -> np.ndarray:
    """(H,W,3) uint8: a row of pictures before and after for each name; where none could be drawn, a word."""
    font = ImageFont.load_default(size=15)
    wide, high = CLASSES * (SIDE + GAP), ROWS * (SIDE + GAP)
    sheet = Image.new("RGB", (NAMES + 2 * wide + 3 * SIDE, 40 + len(rows) * (high + 16)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, when in enumerate(("before", "after")):
        pen.text((NAMES + column * (wide + 2 * SIDE), 12), when, INK, font)
    for number, (name, shown) in enumerate(rows):
        top = 40 + number * (high + 16)
        pen.text((12, top + high / 2), name, INK, font, anchor="lm")
        for column, when in enumerate(("before", "after")):
            left = NAMES + column * (wide + 2 * SIDE)
            if when not in shown:
                pen.text((left, top + high / 2), "nothing to draw: no weight is a number", INK, font, anchor="lm")
            for place, item in enumerate(shown.get(when, [])):
                tile = Image.fromarray(rgb8(item)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
                sheet.paste(tile, (left + place % CLASSES * (SIDE + GAP), top + place // CLASSES * (SIDE + GAP)))
    return np.asarray(sheet)


TROUBLES: dict[str, Callable[[Any, int], dict[str, np.ndarray]]] = {
    "learning rate x 100": lambda data, steps: game(data, GAN, Feed, 100.0, steps),
    "a batch of NaN": lambda data, steps: game(data, GAN, Spoilt, 1.0, steps),
    "one picture a class": lambda data, steps: game(data, Tied, Feed, 1.0, steps),
    "label ignored": lambda data, steps: game(data, Deaf, Feed, 1.0, steps),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", default="gan-troubles.png")
    asked = parser.parse_args()
    data = prepare(Recipe(data="digits", model=registry.family("dcgan").name))
    rows = []
    for name, trouble in TROUBLES.items():
        print(name)
        rows.append((name, trouble(data, asked.steps)))
    write_png(page(rows), Path(asked.out))


if __name__ == "__main__":
    main()

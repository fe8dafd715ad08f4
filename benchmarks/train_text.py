"""Training on characters: time to a given loss against a well-known small recipe, and ids per second against a plain eager loop.

1. Time to 1.88 nats a character on windows of 64 held-out characters. The pair is the small-GPT recipe that many people start from on a
   CPU (4 layers, 4 heads, 128 wide, learned positions, batch 12, 2,000 steps of AdamW, float32), written here as the plain loop it is.
2. Ids per second in one step: the trainer (bf16 where the processor has it, averaging, frozen turns) against a plain eager loop of the
   same net with AdamW in float32, paired in one run (A B A B ...), medians.

Figures mean something on an idle machine only. Scoring is not timed.

python benchmarks/train_text.py TEXT [--rounds 5] [--skip-recipe]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from morelike.core.spec import Tokens
from morelike.data.loader import Order, Windows
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.training.loop import Trainer
from morelike.training.plan import Plan
from morelike.training.probe import has_bf16

WINDOW, GOAL = 64, 1.88
SMALL = Recipe(model="transformer", settings={"dropout": 0.0}, nets={"causal": {"width": 128, "depth": 4}})
"""As wide and deep as the small recipe; like it without dropout."""
LARGE = Recipe(model="transformer")


class SmallGPT(nn.Module):
    """The recipe's net: learned positions, LayerNorm before attention and a GELU layer, tied output."""

    def __init__(self, vocab: int, width: int = 128, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.ids, self.places = nn.Embedding(vocab, width), nn.Embedding(WINDOW, width)
        layer = {"d_model": width, "nhead": heads, "dim_feedforward": 4 * width, "dropout": 0.0, "activation": "gelu"}
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(**layer, batch_first=True, norm_first=True, bias=False) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.apply(self._start)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(WINDOW))

    def _start(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        h = self.ids(x) + self.places.weight[: x.shape[1]]
        for block in self.blocks:
            h = block(h, src_mask=self.mask, is_causal=True)
        return self.norm(h) @ self.ids.weight.T


def held_out(score: Callable[[Tensor], Tensor], ids: np.ndarray, shift: bool) -> float:
    """Mean nats a character over the held-out text in windows; `shift`: the net predicts the id after each (no start of its own)."""
    extra = int(shift)
    count = (len(ids) - extra) // WINDOW
    rows = np.stack([ids[i * WINDOW : i * WINDOW + WINDOW + extra] for i in range(count)])
    with torch.inference_mode():
        return float(torch.cat([score(part).flatten() for part in torch.from_numpy(rows).long().split(256)]).mean())


def recipe(train: np.ndarray, held: np.ndarray, vocab: int, steps: int = 2_000, batch: int = 12) -> tuple[float, float]:
    """(seconds, held-out nats) of the well-known recipe."""
    torch.manual_seed(0)
    net = SmallGPT(vocab)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    data, seconds = torch.from_numpy(train.astype(np.int64)), 0.0
    for step in range(steps):
        began = time.perf_counter()
        rate = 1e-3 * (step + 1) / 100 if step < 100 else 1e-4 + 0.45e-3 * (1 + math.cos(math.pi * (step - 100) / (steps - 100)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        at = torch.randint(len(data) - WINDOW - 1, (batch,))
        x = torch.stack([data[i : i + WINDOW + 1] for i in at])
        loss = F.cross_entropy(net(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        seconds += time.perf_counter() - began
    net.eval()
    return seconds, held_out(lambda x: F.cross_entropy(net(x[:, :-1]).transpose(1, 2), x[:, 1:], reduction="none"), held, shift=True)


def ours(train: np.ndarray, vocab: int, batch: int, steps: int, window: int = WINDOW, recipe: Recipe = LARGE) -> Trainer:
    model = build(recipe, Tokens((window,), vocab), {})
    data = Windows(train, window)
    plan = Plan(steps=steps, batch=batch, precision="bf16" if has_bf16(model.device) else "fp32")
    return Trainer(model, Feed(data, Order(len(data), batch, 0), by_pass=False), plan)


def to_goal(train: np.ndarray, held: np.ndarray, vocab: int, steps: int) -> tuple[float, float]:
    """(seconds, held-out nats) of the family as it is, planned for so many steps."""
    trainer = ours(train, vocab, 32, steps, recipe=SMALL)
    began = time.perf_counter()
    for step in range(steps):
        trainer.step_once(step)
    seconds = time.perf_counter() - began
    model = trainer.average.eval()
    return seconds, held_out(model.surprise, held, shift=False)  # type: ignore[attr-defined]


def plain(trainer: Trainer, train: np.ndarray, batch: int, window: int) -> Callable[[], None]:
    """20 steps of a plain loop on a copy of the same net."""
    model = build(Recipe(model="transformer"), trainer.model.spec, {}).train()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
    data = torch.from_numpy(train.astype(np.int64))

    def turn() -> None:
        for _ in range(20):
            x = torch.stack([data[i : i + window] for i in torch.randint(len(data) - window, (batch,))])
            logits, _ = model.nets["causal"](x, {}, {})
            optimiser.zero_grad()
            F.cross_entropy(logits, x.flatten()).backward()
            optimiser.step()

    return turn


def seconds(turn: Callable[[], None]) -> float:
    began = time.perf_counter()
    turn()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=175)
    parser.add_argument("--skip-recipe", action="store_true")
    options = parser.parse_args()
    text = options.text.read_text(encoding="utf-8")
    letters = {letter: number for number, letter in enumerate(sorted(set(text)))}
    ids = np.array([letters[letter] for letter in text], np.uint8)
    train, held = ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)) :]

    took, nats = to_goal(train, held, len(letters), options.steps)
    print(f"transformer     {nats:.3f} nats a character on windows of {WINDOW} after {took:.1f} s ({options.steps} steps)")
    if not options.skip_recipe:
        other, theirs = recipe(train, held, len(letters))
        print(f"small recipe    {theirs:.3f} nats after {other:.1f} s")
        print(f"share           {took / other:.2f} of its time ({'at' if nats <= GOAL else 'NOT at'} the goal of {GOAL})")

    trainer = ours(train, len(letters), 16, 10_000, 256)
    count = iter(range(10_000))
    own, other_loop = (lambda: [trainer.step_once(next(count)) for _ in range(20)]), plain(trainer, train, 16, 256)
    seconds(own), seconds(other_loop)
    pairs = [(seconds(own), seconds(other_loop)) for _ in range(options.rounds)]
    a, b = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    ratios = sorted(theirs / mine for mine, theirs in pairs)
    per_round = 20 * 16 * 256
    print(f"trainer         {per_round / a:8.0f} ids/s; plain loop {per_round / b:8.0f}")
    print(f"ratio           {statistics.median(ratios):8.2f}  (least {ratios[0]:.2f}, most {ratios[-1]:.2f}, {options.rounds} pairs)")


if __name__ == "__main__":
    main()

"""GAN training on 28x28 pictures, in images per second: the trainer against the plain loop that tutorials show, same nets and batch.

Two pairs: `tutorial-b` (MLPs), and the nets of `tutorial-f` (a DCGAN). Paired in one run (A B A B ...), medians. The plain loop: eager
float32, pictures in memory, Adam, BCEWithLogits, the critic's step on real and made ones, then the generator's. The trainer: bf16 where
the processor has it, averaged weights, fused Adam, frozen turns. Figures mean something on an idle machine only. Threads by
OMP_NUM_THREADS. With --profile, what the trainer's step of the first net spends its time on.

python benchmarks/gan_speed.py [--rounds 5] [--steps 20] [--batch 256] [--models tutorial-b tutorial-f dcgan] [--profile]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import count

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from morelike.core.spec import Array, lift
from morelike.data.loader import Dataset, Order
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.training.loop import Trainer
from morelike.training.plan import Plan
from morelike.training.probe import has_bf16

SPEC = Array((1, 28, 28), 2 / 255)
SAME = {"r1": 0.0}
"""What the plain loop doesn't do."""


def ours(name: str, stored: torch.Tensor, batch: int, steps: int) -> Callable[[], None]:
    """So many steps of the trainer."""
    model = build(Recipe(model=name, settings=SAME), SPEC, {})
    data = Dataset(stored.numpy())
    precision = "bf16" if has_bf16(model.device) else "fp32"
    trainer = Trainer(model, Feed(data, Order(len(data), batch, 0), by_pass=False), Plan(steps=100_000, batch=batch, precision=precision))
    numbers = count()

    def turn() -> None:
        for _ in range(steps):
            trainer.step_once(next(numbers))

    return turn


def plain(name: str, stored: torch.Tensor, batch: int, steps: int) -> Callable[[], None]:
    """So many steps of the plain loop on the same nets."""
    model = build(Recipe(model=name, settings=SAME), SPEC, {})
    nets = model.nets.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    critic, generator, latent = nets["critic"], nets["generator"], model.latent.shape[0]  # type: ignore[union-attr, index]
    critic_optimiser = torch.optim.Adam(critic.parameters(), 1e-4)
    generator_optimiser = torch.optim.Adam(generator.parameters(), 1e-4)
    real, one, zero = lift(SPEC, stored), torch.ones(batch), torch.zeros(batch)

    def turn() -> None:
        for _ in range(steps):
            x = real[torch.randint(len(real), (batch,))]
            made = torch.tanh(generator(torch.randn(batch, latent), {}, {}))
            critic_optimiser.zero_grad()
            loss = F.binary_cross_entropy_with_logits(critic(x, {}, {}), one)
            loss = loss + F.binary_cross_entropy_with_logits(critic(made.detach(), {}, {}), zero)
            loss.backward()
            critic_optimiser.step()
            generator_optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(critic(made, {}, {}), one).backward()
            generator_optimiser.step()

    return turn


def seconds(turn: Callable[[], None]) -> float:
    began = time.perf_counter()
    turn()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--models", nargs="+", default=["tutorial-b", "tutorial-f"])
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    stored = torch.randint(0, 256, (10_000, 1, 28, 28), dtype=torch.uint8)
    images = options.steps * options.batch
    print(f"{torch.get_num_threads()} threads, batch {options.batch}, {options.rounds} pairs of {options.steps} steps")
    for name in options.models:
        own, other = (make(name, stored, options.batch, options.steps) for make in (ours, plain))
        seconds(own), seconds(other)
        pairs = [(seconds(own), seconds(other)) for _ in range(options.rounds)]
        a, b = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
        ratios = sorted(theirs / mine for mine, theirs in pairs)
        spread = f"least {ratios[0]:.2f}, most {ratios[-1]:.2f}"
        print(f"{name}: trainer {images / a:,.0f} images/s, plain loop {images / b:,.0f}: {statistics.median(ratios):.2f} times ({spread})")
    if options.profile:
        turn = ours(options.models[0], stored, options.batch, options.steps)
        turn()
        with profile(activities=[ProfilerActivity.CPU]) as found:
            turn()
        print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=15, max_name_column_width=40))


if __name__ == "__main__":
    main()

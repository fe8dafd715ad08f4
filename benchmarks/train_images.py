"""DCGAN training on 28x28 pictures, in images per second: the trainer against the loop that tutorials show.

Same nets, same batch, same losses, paired in one run (A B A B ...), medians. The tutorial's loop: float32, DataLoader over a
TensorDataset, Adam, binary cross-entropy, real and made pictures in two passes, nothing frozen. Also prints the share of
the machine's measured matrix-product rate that the trainer reaches. Figures mean something on an idle machine only.

python benchmarks/train_images.py [--rounds 5] [--batch 128]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from morelike.core.contract import Trainable
from morelike.core.spec import Array, lift
from morelike.data.loader import Dataset, Order
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.training.loop import Trainer
from morelike.training.plan import Plan
from morelike.training.probe import has_bf16

SPEC = Array((1, 28, 28), 2 / 255)
SAME = {"r1": 0.0, "augment": 0.0}
"""What the tutorial's loop doesn't do."""
STEPS = 20


def ours(stored: torch.Tensor, batch: int) -> tuple[Callable[[], None], Trainable]:
    """STEPS steps of the trainer: bf16 where the processor has it, channels-last, fused Adam, averaging, frozen turns."""
    model = build(Recipe(model="dcgan", settings=SAME), SPEC, {})
    data = Dataset(stored.numpy())
    precision = "bf16" if has_bf16(model.device) else "fp32"
    trainer = Trainer(model, Feed(data, Order(len(data), batch, 0), by_pass=False), Plan(steps=10_000, batch=batch, precision=precision))
    count = iter(range(10_000))

    def turn() -> None:
        for _ in range(STEPS):
            trainer.step_once(next(count))

    return turn, model


def tutorial(stored: torch.Tensor, batch: int) -> Callable[[], None]:
    """STEPS steps of the straightforward loop on the same nets."""
    nets = build(Recipe(model="dcgan", settings=SAME), SPEC, {}).nets.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    critic, generator = nets["critic"], nets["generator"]
    critic_optimiser = torch.optim.Adam(critic.parameters(), 2e-4, betas=(0.5, 0.999))
    generator_optimiser = torch.optim.Adam(generator.parameters(), 2e-4, betas=(0.5, 0.999))
    loader = DataLoader(TensorDataset(lift(SPEC, stored)), batch, shuffle=True, drop_last=True)

    def endless() -> Iterator[torch.Tensor]:
        while True:
            for (x,) in loader:
                yield x

    batches = endless()

    def turn() -> None:
        for _ in range(STEPS):
            x = next(batches)
            made = torch.tanh(generator(torch.randn(batch, 64), {}, {}))
            critic_optimiser.zero_grad()
            real_logit, made_logit = critic(x, {}, {}), critic(made.detach(), {}, {})
            loss = F.binary_cross_entropy_with_logits(real_logit, torch.ones(batch))
            loss = loss + F.binary_cross_entropy_with_logits(made_logit, torch.zeros(batch))
            loss.backward()
            critic_optimiser.step()
            generator_optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(critic(made, {}, {}), torch.ones(batch)).backward()
            generator_optimiser.step()

    return turn


def seconds(turn: Callable[[], None]) -> float:
    began = time.perf_counter()
    turn()
    return time.perf_counter() - began


def matrix_rate() -> float:
    """Operations per second of a 2,048-cube product in the trainer's precision."""
    kind = torch.bfloat16 if has_bf16(torch.device("cpu")) else torch.float32
    a = torch.randn(2048, 2048).to(kind)
    times = [seconds(lambda: torch.mm(a, a)) for _ in range(12)]
    return float(2 * 2048**3 / statistics.median(times[2:]))


def operations(nets: nn.ModuleDict, batch: int) -> float:
    """Floating-point operations of one step: both players' turns."""
    nets.requires_grad_(True)
    x, z = torch.randn(batch, 1, 28, 28), torch.randn(batch, 64)
    with FlopCounterMode(display=False) as counter:
        made = nets["generator"](z, {}, {})
        nets["critic"](torch.cat((x, made.detach())), {}, {}).sum().backward()
        nets["generator"](z, {}, {})
        for p in nets["critic"].parameters():
            p.requires_grad_(False)
        nets["critic"](made, {}, {}).sum().backward()
    return float(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    stored = torch.randint(0, 256, (10_000, 1, 28, 28), dtype=torch.uint8)
    (own, model), other = ours(stored, options.batch), tutorial(stored, options.batch)
    seconds(own), seconds(other)
    pairs = [(seconds(own), seconds(other)) for _ in range(options.rounds)]
    images = STEPS * options.batch
    a, b = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    ratios = sorted(theirs / mine for mine, theirs in pairs)
    print(f"trainer        {images / a:8.0f} images/s")
    print(f"tutorial loop  {images / b:8.0f} images/s")
    print(f"ratio          {statistics.median(ratios):8.2f}  (least {ratios[0]:.2f}, most {ratios[-1]:.2f}, {options.rounds} pairs)")
    rate, done = matrix_rate(), operations(model.nets, options.batch) * STEPS / a
    print(f"rate           {done / 1e9:8.1f} GFLOP/s of {rate / 1e9:.0f} in a 2,048-cube product: {done / rate:.0%}")


if __name__ == "__main__":
    main()

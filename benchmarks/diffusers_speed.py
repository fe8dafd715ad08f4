"""A training step and a batch of samples against the peer `diffusers`: same U-Net, same batch, same optimiser, same solver steps.

The peer runs in an environment of its own (--peer PATH/TO/python with `torch` and `diffusers`). Its UNet2DModel has one block a level on
the way down, two on the way up and two in the middle; ours gets two a level. Both have eight blocks and one attention, at the lowest level,
on pictures folded 2x2 (28 x 28 becomes 14 x 14), of 64 and 128 channels. The peer's blocks on the way up all read a skip, ours the first of
each level: a narrower embedding of time in the peer brings its parameters to within a tenth of ours. Training: noise, a forward and a
backward pass, clipping, AdamW and averaged weights, in ours by the house's trainer, in the peer by its EMAModel. Sampling: one batch with
DPM-Solver++ (2M) in the same number of steps. Rounds alternate; with one thread, seconds are those of the processor, which other work
beside it hardly changes.

python benchmarks/diffusers_speed.py --peer PYTHON [--rounds 5] [--steps 20] [--batch 128] [--threads 1] [--precision bf16]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from typing import Any

import torch

from morelike.core.contract import Generator
from morelike.core.spec import Array
from morelike.data.loader import Dataset, Order
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.house.sampling import draw
from morelike.training.loop import Trainer
from morelike.training.plan import Plan

PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
SIDE, WIDTH, SOLVER_STEPS = 28, 64, 12
PEER = """
import json, logging, sys, time, torch
import torch.nn.functional as F
from diffusers import DPMSolverMultistepScheduler, DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
batch, threads, steps, side, width, solver_steps = map(int, sys.argv[1:])
torch.set_num_threads(threads)
torch.manual_seed(0)
clock = time.process_time if threads == 1 else time.perf_counter
net = UNet2DModel(
    sample_size=side // 2, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(width, 2 * width),
    down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"), norm_num_groups=8,
    attention_head_dim=32, resnet_time_scale_shift="scale_shift", attn_norm_num_groups=8, time_embedding_dim=width // 2,
)
# folding is part of the net on both sides; the peer's has no such layer
fold, unfold = torch.nn.PixelUnshuffle(2), torch.nn.PixelShuffle(2)
optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, betas=(0.9, 0.99), weight_decay=0.01)
average = EMAModel(net.parameters(), decay=0.999)
noising = DDPMScheduler()
data = torch.rand(4096, 1, side, side) * 2 - 1
print(json.dumps(sum(p.numel() for p in net.parameters())), flush=True)

def train():
    net.train()
    for step in range(steps):
        x = data[torch.randint(0, len(data), (batch,))]
        noise, t = torch.randn_like(x), torch.randint(0, 1000, (batch,))
        said = unfold(net(fold(noising.add_noise(x, noise, t)), t).sample)
        F.mse_loss(said, noise).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        average.step(net.parameters())

@torch.no_grad()
def sample():
    net.eval()
    solver = DPMSolverMultistepScheduler()
    solver.set_timesteps(solver_steps)
    x = torch.randn(batch, 1, side, side)
    for t in solver.timesteps:
        x = solver.step(unfold(net(fold(x), t).sample), t, x).prev_sample

for line in sys.stdin:
    began = clock()
    {"train": train, "sample": sample}[line.strip()]()
    print(json.dumps(clock() - began), flush=True)
"""


class Ours:
    """A model with the default U-Net at size s, its trainer, and its draws; the data are noise, for only time is looked at."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.done = options, 0
        data = Dataset(torch.randint(0, 256, (4096, 1, SIDE, SIDE), dtype=torch.uint8).numpy())
        settings = {"path": "linear", "solver": "dpm++", "steps": SOLVER_STEPS}
        recipe = Recipe(model="diffusion", settings=settings, nets={"denoiser": {"width": WIDTH, "blocks": 2}})
        self.model = build(recipe, Array((1, SIDE, SIDE), 2 / 255), {})
        plan = Plan(steps=10**6, batch=options.batch, precision=options.precision)
        self.trainer = Trainer(self.model, Feed(data, Order(len(data), options.batch, 0), by_pass=False), plan)

    def train(self) -> None:
        for _ in range(self.options.steps):
            self.trainer.step_once(self.done)
            self.done += 1

    def sample(self) -> None:
        assert isinstance(self.model, Generator)
        draw(self.model.eval(), self.options.batch, precision=self.options.precision, chunk=self.options.batch)
        self.model.train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="a Python with `torch` and `diffusers`")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="training steps a round")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of ours; the peer's is fp32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    numbers = [str(number) for number in (options.batch, options.threads, options.steps, SIDE, WIDTH, SOLVER_STEPS)]
    peer = subprocess.Popen([options.peer, "-c", PEER, *numbers], **PIPES)
    assert peer.stdin is not None
    assert peer.stdout is not None
    ours, theirs = Ours(options), json.loads(peer.stdout.readline())
    own = sum(p.numel() for p in ours.model.parameters())
    print(f"parameters: ours {own:,}, the peer's {theirs:,} ({theirs / own:.2f} times)")
    pairs: dict[str, list[tuple[float, float]]] = {"train": [], "sample": []}
    for number in range(options.rounds + 1):
        for task, work in (("train", ours.train), ("sample", ours.sample)):
            began = clock()
            work()
            mine = clock() - began
            peer.stdin.write(f"{task}\n")
            peer.stdin.flush()
            other = float(json.loads(peer.stdout.readline()))
            # the first round warms both up
            if number:
                pairs[task].append((mine, other))
                print(f"round {number}, {task}: ours {mine:6.2f} s, the peer {other:6.2f} s", flush=True)
    peer.stdin.close()
    peer.wait()
    for task, found in pairs.items():
        ratios = sorted(other / mine for mine, other in found)
        print(f"{task}: the peer takes {statistics.median(ratios):.2f} times as long ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()

"""An epoch of a VAE on MNIST's 60,000 training pictures against the peer `pythae`, same nets (784-200-200-50, tanh), same batch, Adam.

The peer runs in an environment of its own (--peer PATH/TO/python with `pythae` installed), with its trainer's defaults but for the batch;
its nets are written as its documentation has them. Rounds alternate; with one thread, seconds are those of the processor, which other work
beside it hardly changes, with more those of the clock. Pictures are grey in the peer (its Bernoulli loss takes them so), binarised in ours.

python benchmarks/train_vae.py --peer PYTHON [--rounds 3] [--batch 100] [--threads 1] [--images 60000]
    [--precision bf16]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from typing import Any

import torch

from morelike.core.spec import Array
from morelike.data.loader import Dataset, Order
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.training.loop import Trainer
from morelike.training.plan import Plan

PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
NET = {"kind": "mlp", "activation": "tanh", "width": 200, "depth": 2, "dropout": 0.0}
PEER = """
import json, logging, sys, tempfile, time, torch
from torch import nn
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
logging.disable(logging.WARNING)
batch, threads, images = map(int, sys.argv[1:])
torch.set_num_threads(threads)
clock = time.process_time if threads == 1 else time.perf_counter

class Encoder(BaseEncoder):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(784, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh())
        self.mean, self.log_variance = nn.Linear(200, 50), nn.Linear(200, 50)
    def forward(self, x):
        h = self.hidden(x)
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))

class Decoder(BaseDecoder):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(50, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 784), nn.Sigmoid())
    def forward(self, z):
        return ModelOutput(reconstruction=self.net(z).reshape(-1, 1, 28, 28))

x = torch.randint(0, 256, (images, 1, 28, 28), generator=torch.Generator().manual_seed(0)).float() / 255
model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=50, reconstruction_loss="bce"), Encoder(), Decoder())
config = BaseTrainerConfig(
    output_dir=tempfile.mkdtemp(), per_device_train_batch_size=batch, num_epochs=1, learning_rate=1e-3, no_cuda=True, amp=False
)
trainer = BaseTrainer(model, BaseDataset(x, torch.ones(images)), None, config)
trainer.prepare_training()
for _ in range(int(sys.stdin.readline())):
    began = clock()
    trainer.train_step(1)
    print(json.dumps(clock() - began), flush=True)
    sys.stdin.readline()
"""


def ours(batch: int, images: int, precision: str) -> Trainer:
    """The trainer, averaging of the weights and all; its data are noise, for only time is looked at."""
    nets = {"encoder": NET, "decoder": dict(NET)}
    model = build(Recipe(model="vae", settings={"latent": 50}, nets=nets), Array((1, 28, 28), 2.0, 255), {})
    data = Dataset(torch.randint(0, 256, (images, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy())
    return Trainer(model, Feed(data, Order(images, batch, 0), by_pass=False), Plan(steps=10**6, batch=batch, precision=precision))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="a Python with `pythae`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of ours; the peer's is fp32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    numbers = [str(number) for number in (options.batch, options.threads, options.images)]
    peer = subprocess.Popen([options.peer, "-c", PEER, *numbers], **PIPES)
    assert peer.stdin is not None
    assert peer.stdout is not None
    trainer, steps = ours(options.batch, options.images, options.precision), options.images // options.batch
    pairs = []
    peer.stdin.write(f"{options.rounds}\n")
    for number in range(options.rounds):
        peer.stdin.flush()
        line = peer.stdout.readline()
        began = clock()
        for step in range(number * steps, (number + 1) * steps):
            trainer.step_once(step)
        pairs.append((clock() - began, float(json.loads(line))))
        peer.stdin.write("\n")
        print(f"round {number + 1}: ours {pairs[-1][0]:6.2f} s, the peer {pairs[-1][1]:6.2f} s an epoch", flush=True)
    peer.stdin.close()
    peer.wait()
    ratios = sorted(theirs / mine for mine, theirs in pairs)
    print(f"the peer takes {statistics.median(ratios):.2f} times as long ({ratios[0]:.2f} to {ratios[-1]:.2f}, {len(pairs)} rounds)")


if __name__ == "__main__":
    main()

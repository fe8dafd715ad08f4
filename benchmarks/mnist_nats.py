"""Nats per image of binarised MNIST by a variational autoencoder of the papers' nets, 784-200-200-50, without conditions.

Trains (or takes a package), writes the curve of the validation's bound (500 images, 16 importance samples) against minutes, and scores
test images, binarised once by counted noise, with 5,000 importance samples each (Burda et al. 2015, arXiv:1509.00519, section 5). A
package of any family with a likelihood is scored: `pixelcnn` without draws, for its nats are exact.

python benchmarks/mnist_nats.py vae --out runs/nats-vae [--minutes 30] [--threads 1] [key=value ...]
python benchmarks/mnist_nats.py --package runs/nats-vae [--images 10000] [--draws 5000] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch

import morelike
from morelike.core.abilities import Density
from morelike.core.noise import Noise
from morelike.core.spec import lift
from morelike.families.vae import VAE
from morelike.house.model import Model
from morelike.house.prepare import prepare
from morelike.house.recipe import parse_value

NET = {"kind": "mlp", "activation": "tanh", "width": 200, "depth": 2, "dropout": 0.0}
SETTINGS = {
    "codec.binarise": True, "latent": 50, "temperature": 1.0, "warmup": 0.0, "precision": "bf16", "batch": 400, "lr": 0.003,
    **{f"nets.{net}.{key}": value for net in ("encoder", "decoder") for key, value in NET.items()},
}  # fmt: skip
OWN = {"iwae": {"plain": 0.75, "batch": 200, "lr": 0.0025}}
BATCH = 200


def train(name: str, options: argparse.Namespace) -> Path:
    """The folder of the trained package."""
    pairs = (pair.split("=", 1) for pair in options.pairs)
    settings = SETTINGS | OWN.get(name, {}) | {"threads": options.threads} | {key: parse_value(text) for key, text in pairs}
    began, busy = time.perf_counter(), time.process_time()
    morelike.train("mnist", name, minutes=options.minutes, seed=options.seed, out=options.out, judge=False, condition="none", **settings)
    print(f"{time.perf_counter() - began:.0f} s with the probe, {time.process_time() - busy:.0f} s of the processor")
    return Path(options.out)


def curve(folder: Path) -> None:
    """Prints nats against minutes and writes them to curve.jsonl in the run's folder."""
    record = [json.loads(line) for line in (folder / "training" / "record.jsonl").read_text().splitlines()]
    rows = [
        {"minutes": round(row["seconds"] / 60, 2), "step": row["step"], "nats": round(row["validation.score"], 3)}
        for row in record if row["event"] == "validation"
    ]  # fmt: skip
    (folder / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in rows:
        print(f"{row['minutes']:6.2f} min  step {row['step']:8,}  {row['nats']:8.3f} nats")


def score(model: Model, images: int, draws: int) -> None:
    """Prints the mean over test images, and its standard error over them."""
    family, data = model.package.model, prepare(model.package.recipe)
    assert isinstance(family, Density)
    more = {"draws": draws} if isinstance(family, VAE) else {}
    nats, began = [], time.perf_counter()
    with torch.inference_mode():
        for start in range(0, min(images, len(data.holdout)), BATCH):
            x = lift(family.spec, torch.from_numpy(np.array(data.holdout.x[start : min(start + BATCH, images)])))
            noise = Noise(0, torch.arange(start, start + len(x)), path=("test",))
            nats.append(-family.log_prob(x, noise=noise, **more).double())
    all_nats = torch.cat(nats)
    error = float(all_nats.std()) / math.sqrt(len(all_nats))
    took = time.perf_counter() - began
    how = f"{draws:,} draws each" if more else family.tight
    print(f"{float(all_nats.mean()):.3f} +- {error:.3f} nats an image: {len(all_nats):,} test images, {how}, {took:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", choices=("vae", "iwae", "beta-vae"))
    parser.add_argument("pairs", nargs="*", help="settings as key=value")
    parser.add_argument("--package", type=Path, help="a trained package, instead of training")
    parser.add_argument("--out", help="the folder to train in")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=10_000, help="0 = no scoring")
    parser.add_argument("--draws", type=int, default=5_000)
    options = parser.parse_args()
    if (options.model is None) == (options.package is None) or (options.model and not options.out):
        parser.error("name a model and --out, or a --package")
    torch.set_num_threads(options.threads)
    folder = options.package or train(options.model, options)
    curve(folder)
    torch.set_num_threads(options.threads)
    if options.images:
        model = morelike.load(folder)
        assert isinstance(model, Model)
        score(model, options.images, options.draws)


if __name__ == "__main__":
    main()

"""What a model of codes keeps of held-out pictures: a page of originals over reconstructions, their error, and how many codes are used.

    python benchmarks/codes.py MODEL [DATA] [--out pairs.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import morelike
from morelike.core.abilities import Encodes
from morelike.core.spec import Tokens, lift
from morelike.house.prepare import prepare

SHOWN = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--out", default="pairs.png")
    asked = parser.parse_args()
    model = morelike.load(asked.model)
    generator = model.generator
    assert isinstance(generator, Encodes), "this model finds no latents"
    assert isinstance(generator.latent, Tokens), "this model has no ids as latents"
    part = prepare(model.package.recipe, asked.data).holdout
    ids, again, x = [], [], lift(model.codec.spec, torch.from_numpy(np.array(part.x)))
    with torch.inference_mode():
        for rows in torch.split(x, 128):
            ids.append(generator.encode(rows))
            again.append(generator.decode(ids[-1]))
    rebuilt, codes = torch.cat(again), torch.cat(ids)
    error = float((rebuilt - x).square().mean())
    used = len(codes.unique()) / generator.latent.vocab
    shares = torch.bincount(codes.flatten(), minlength=generator.latent.vocab).double() / codes.numel()
    perplexity = float(torch.exp(-(shares[shares > 0] * shares[shares > 0].log()).sum()))
    signal = 10 * np.log10(4 / error)
    print(f"{len(x):,} held-out pictures, {codes[0].numel()} ids each: {used:.1%} of {generator.latent.vocab} codes used")
    print(f"perplexity {perplexity:.0f}; squared error {error:.4f} on a range of 2 ({signal:.1f} dB)")
    pairs = torch.cat((x[:SHOWN], rebuilt[:SHOWN])).numpy()
    model.codec.draw(model.codec.decode(pairs), Path(asked.out), SHOWN)


if __name__ == "__main__":
    main()

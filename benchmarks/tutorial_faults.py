"""What each fault of the copied GAN programs does to the samples: one small GAN on the 8x8 digits, trained once for every fault.

Same nets, first weights, data order and length; only the fault differs. Prints, for every row, the critic's mean probability of real at
real and at made digits, and the Fréchet distance on pixels of 1,000 made digits to the real ones, and draws the figure.

python benchmarks/tutorial_faults.py [--steps 2000] [--seed 0] [--out docs/tutorial-faults.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from morelike.data.drawing import write_png
from morelike.data.open import open_source
from morelike.maths.distance import frechet_distance, moments
from morelike.maths.penalty import zero_centred

LATENT, BATCH, SHOWN = 32, 64, 16
R1 = 1.0
"""Weight of the critic's squared gradient at real digits, for all rows: without it even the mended game keeps a few modes only."""
INK, PALE = (17, 17, 17), (130, 130, 130)
FAULTS = {
    "": "mended",
    "small weights": "c: first weights N(0, 0.02)",
    "zeros": "a: trained towards zeros, alone",
    "relu": "a: ends in relu, data in [-1, 1]",
    "frozen": "b: critic frozen before its own step",
    "pictures in": "c: fed real pictures in place of noise",
    "one noise": "d: one noise batch for ever",
    "one total": "d: one loss for both, two sigmoids",
    "two sigmoids": "d: two sigmoids, a loss for each",
    "sign": "e: critic raises its loss",
    "zero to one": "f: data in [0, 1] against tanh",
    "called real": "f: made ones also called real",
}
"""What is wrong -> the row's name; the letter is the program's."""


def nets(fault: str, size: int) -> tuple[nn.Sequential, nn.Sequential]:
    """(generator, critic): (B, LATENT) -> (B, size) -> (B, 1)."""
    given = size if fault == "pictures in" else LATENT
    generator = nn.Sequential(nn.Linear(given, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, size))
    generator.append(nn.ReLU() if fault == "relu" else nn.Tanh())
    critic = nn.Sequential(nn.Linear(size, 256), nn.LeakyReLU(0.2), nn.Linear(256, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
    if fault == "small weights":
        for layer in (*generator, *critic):
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)
    return generator, critic


def called(logit: Tensor, real: bool, fault: str) -> Tensor:
    """() binary cross-entropy of logits (B,1) with one label; of their sigmoids as if those were logits, where that is the fault."""
    logit = torch.sigmoid(logit) if fault in ("one total", "two sigmoids") else logit
    return F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, float(real)))


def critic_loss(critic: nn.Module, x: Tensor, made: Tensor, fault: str) -> Tensor:
    loss = called(critic(x), True, fault) + called(critic(made), False, fault)
    if fault == "called real":
        loss = loss + called(critic(made), True, fault)
    return -loss if fault == "sign" else loss


def generator_loss(critic: nn.Module, x: Tensor, made: Tensor, fault: str) -> Tensor:
    if fault == "zeros":
        return made.square().mean()
    loss = called(critic(made), True, fault)
    return loss + critic_loss(critic, x, made, fault) if fault == "one total" else loss


def train(x: Tensor, fault: str, steps: int, seed: int) -> tuple[Tensor, float, float]:
    """1,000 made digits (N, size) in [-1, 1], and the critic's mean probability of real at real and at made ones."""
    torch.manual_seed(seed)
    data = (x + 1) / 2 if fault == "zero to one" else x
    generator, critic = nets(fault, x.shape[1])
    own = torch.optim.Adam(generator.parameters(), 5e-4, betas=(0.5, 0.99))
    other = torch.optim.Adam(critic.parameters(), 5e-4, betas=(0.5, 0.99))
    for rows, z in batches(len(data), steps, seed):
        real = data[rows]
        given = real if fault == "pictures in" else torch.randn(z.shape, generator=fixed(0)) if fault == "one noise" else z
        if fault != "frozen":
            other.zero_grad()
            made = generator(given).detach()
            (critic_loss(critic, real, made, fault) + R1 / 2 * zero_centred(critic, real).mean()).backward()  # type: ignore[no-untyped-call]
            other.step()
        own.zero_grad()
        generator_loss(critic, real, generator(given), fault).backward()  # type: ignore[no-untyped-call]
        own.step()
    with torch.no_grad():
        made = generator(torch.randn(1000, generator[0].in_features, generator=fixed(seed + 1)))
        shares = [float(torch.sigmoid(critic(part)).mean()) for part in (data, made)]
    return (made * 2 - 1 if fault == "zero to one" else made), shares[0], shares[1]


def fixed(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batches(count: int, steps: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """(rows (BATCH,), noise (BATCH, LATENT)), the same whatever the fault."""
    source = fixed(seed)
    for _ in range(steps):
        yield torch.randint(count, (BATCH,), generator=source), torch.randn(BATCH, LATENT, generator=source)


def page(rows: list[tuple[str, np.ndarray]], side: int, scale: int = 4) -> np.ndarray:
    """(H, W, 3) uint8: a row of digits beside each name; the digits are (N, side * side) in [-1, 1]."""
    step, margin = side * scale + 4, 300
    sheet = Image.new("RGB", (margin + SHOWN * step + 8, 8 + len(rows) * step), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, (name, digits) in enumerate(rows):
        top = 6 + number * step
        pen.text((margin - 12, top + side * scale / 2), name, INK if number < 2 else PALE, font, anchor="rm")
        for column, digit in enumerate(digits[:SHOWN]):
            grey = ((1 - np.clip(digit, -1, 1)) * 127.5).round().astype(np.uint8).reshape(side, side)
            sheet.paste(Image.fromarray(grey).resize((side * scale,) * 2, Image.Resampling.NEAREST), (margin + column * step, top))
    return np.asarray(sheet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/tutorial-faults.png"))
    options = parser.parse_args()
    source = open_source("digits")
    pictures = np.stack([np.asarray(item) for item in source.items]).astype(np.float32)
    side = pictures.shape[1]
    x = torch.from_numpy(pictures.reshape(len(pictures), -1) / pictures.max() * 2 - 1)
    aim = moments(x.numpy())
    rows = [("real digits", x[:: len(x) // SHOWN].numpy())]
    print(f"{options.steps} steps of {BATCH}, seed {options.seed}\n| row | D(real) | D(made) | Fréchet distance |\n|---|--:|--:|--:|")
    for fault, name in FAULTS.items():
        made, real_share, made_share = train(x, fault, options.steps, options.seed)
        distance = frechet_distance(*aim, *moments(made.numpy()))
        print(f"| {name} | {real_share:.2f} | {made_share:.2f} | {distance:.1f} |", flush=True)
        rows.append((name, made.numpy()))
    write_png(page(rows, side), options.out)


if __name__ == "__main__":
    main()

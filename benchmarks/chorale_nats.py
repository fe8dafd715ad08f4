"""Nats a time step of polyphonic music by families that learn grids of ids: JSB chorales in quarter notes, or Nottingham in eighths.

Protocol. Chorales: the split of Boulanger-Lewandowski et al. 2012 (229, 76, 77 pieces), no transposition to a common key. Nottingham:
the split in its folder, which is not the published one. A time step's row says of every pitch of the training pieces' range whether it
sounds. A piece is scored whole from its first step, whose chord counts; that a piece ends is not counted, as in the papers. "pooled" is
the sum over all test steps divided by their number, "pieces" the mean over pieces of each one's nats a step. Training sees the training
pieces, and their transpositions by up to 5 semitones down and 6 up that stay within the range; validation pieces choose among the
averaged weights at the marks of the run.

python benchmarks/chorale_nats.py chorales [--model rnn-nade] [--minutes 15] [--threads 1] [key=value ...]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from morelike.core import registry
from morelike.core.spec import Tokens
from morelike.data.loader import Dataset, Order
from morelike.families.rnn_nade import RNNNADE
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe, apply
from morelike.training.loop import Hooks, Trainer
from morelike.training.plan import Plan
from morelike.training.probe import choices, plan_steps

DOWN, UP = 5, 6
"""Semitones by which training pieces are transposed at most."""
PARTS = ("train", "valid", "test")
MARKS = (0.05, *(mark / 10 for mark in range(1, 11)))
OFF, ON, STOP = range(3)
Piece = list[list[int]]
"""The pitches that sound at each step."""


def chorales(folder: Path) -> dict[str, list[Piece]]:
    with gzip.open(folder / "jsb_chorales" / "jsb-chorales-quarter.json.gz") as stream:
        pieces: dict[str, list[Piece]] = json.load(stream)
    return pieces


def nottingham(folder: Path) -> dict[str, list[Piece]]:
    """What sounds at every eighth note, both tracks together."""
    import symusic

    pieces: dict[str, list[Piece]] = {part: [] for part in PARTS}
    rows = (folder / "nottingham" / "splits.csv").read_text().splitlines()[1:]
    with zipfile.ZipFile(folder / "nottingham" / "nottingham_midi.zip") as archive:
        names = {Path(name).name: name for name in archive.namelist()}
        for row in rows:
            file, part, _ = row.split(",")
            score = symusic.Score.from_midi(archive.read(names[file]))
            eighth = score.ticks_per_quarter / 2
            notes = [note for track in score.tracks for note in track.notes]
            steps: list[set[int]] = [set() for _ in range(round(max(note.end for note in notes) / eighth))]
            for note in notes:
                for step in range(round(note.start / eighth), round(note.end / eighth)):
                    steps[step].add(note.pitch)
            pieces[part].append([sorted(pitches) for pitches in steps])
    return pieces


def roll(pieces: Sequence[Piece], spec: Tokens, low: int) -> np.ndarray:
    """(N,T,R) uint8: which pitches from `low` on sound; all stop past a piece's end. Raises ValueError for a note out of the range."""
    x = np.full((len(pieces), *spec.shape), STOP, np.uint8)
    for item, piece in zip(x, pieces, strict=True):
        item[: len(piece)] = OFF
        for step, pitches in enumerate(piece):
            for pitch in pitches:
                if not 0 <= pitch - low < spec.shape[1]:
                    raise ValueError(f"pitch {pitch} is out of the training pieces' range")
                item[step, pitch - low] = ON
    return x


def transposed(pieces: Sequence[Piece], low: int, high: int) -> list[Piece]:
    """Every piece as it is and by all intervals at which it stays within low..high."""
    found = []
    for piece in pieces:
        own = [pitch for step in piece for pitch in step]
        by = range(max(-DOWN, low - min(own)), min(UP, high - max(own)) + 1)
        found += [[[pitch + shift for pitch in step] for step in piece] for shift in by]
    return found


def scored(model: RNNNADE, x: np.ndarray) -> tuple[float, float, float]:
    """(pooled, pieces, the end's nats a piece) in nats a time step."""
    notes, ends = [], []
    with torch.inference_mode():
        for start in range(0, len(x), 16):
            both = model.row_nats(torch.from_numpy(x[start : start + 16]).long())
            notes.append(both[0].double())
            ends.append(both[1].double().sum(1))
    steps = (x[:, :, 0] != STOP).sum(1)
    each = torch.cat(notes).sum(1).numpy()
    return float(each.sum() / steps.sum()), float((each / steps).mean()), float(torch.cat(ends).mean())


def trained(options: argparse.Namespace, spec: Tokens, x: dict[str, np.ndarray]) -> Any:
    family = registry.family(options.model).load()
    recipe = Recipe.parse(apply({"model": options.model, "seed": options.seed}, options.pairs, family))
    train = recipe.train
    batch = train.batch or int(registry.family(options.model).train.get("batch", 128))
    plan = Plan(
        steps=train.steps or 0, batch=batch, seed=recipe.seed, averaging=train.averaging, threads=options.threads, optim=recipe.optim,
        precision=train.precision or "fp32",
    )  # fmt: skip
    feed = Feed(Dataset(x["train"]), Order(len(x["train"]), batch, recipe.seed), by_pass=False)
    if not plan.steps:
        tried = choices(torch.device("cpu"), train.precision, options.threads)
        plan = plan_steps(lambda: build(recipe, spec, {}), feed, plan, options.minutes, lambda model: scored(model, x["valid"])[0], tried)
    model = build(recipe, spec, {})
    count = sum(p.numel() for p in model.parameters())
    print(f"{count:,} parameters, {plan.steps:,} steps of {batch} in {plan.precision}, {len(x['train']):,} training pieces")
    began = time.perf_counter()

    def validate(model: Any) -> float:
        pooled, _, _ = scored(model, x["valid"])
        print(f"{time.perf_counter() - began:6.0f} s  validation {pooled:.3f}", flush=True)
        return pooled

    best = Trainer(model, feed, plan, Hooks(validate=validate, validate_at=MARKS)).run()
    print(f"trained in {time.perf_counter() - began:.0f} s, {time.process_time():.0f} s of the processor in all")
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("chorales", "nottingham"))
    parser.add_argument("pairs", nargs="*", help="settings as key=value")
    parser.add_argument("--model", default="rnn-nade")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = Path(os.environ.get("MORELIKE_DATA") or Path(__file__).parent.parent / "shared" / "data")
    pieces = (chorales if options.data == "chorales" else nottingham)(folder)
    own = [pitch for piece in pieces["train"] for step in piece for pitch in step]
    low, high = min(own), max(own)
    steps = {part: [len(piece) for piece in pieces[part]] for part in PARTS}
    print(f"pitches {low}..{high}; " + ", ".join(f"{part} {len(own)} pieces of {np.mean(own):.0f} steps" for part, own in steps.items()))
    spec = Tokens((max(max(own) for own in steps.values()), high - low + 1), vocab=3, stop=STOP)
    told = {**pieces, "train": transposed(pieces["train"], low, high)}
    x = {part: roll(told[part], spec, low) for part in PARTS}
    pooled, mean, ends = scored(trained(options, spec, x), x["test"])
    print(f"test: {pooled:.3f} nats a step pooled, {mean:.3f} over pieces; ends {ends:.3f} nats a piece, not counted")


if __name__ == "__main__":
    main()

"""Pedestrians of ETH and UCY, each scene foretold by models of the others: 8 positions seen, 12 to come, best of 20.

    python benchmarks/eth_ucy.py [--data FOLDER] [--folds eth hotel univ zara1 zara2] [--steps 1500] [--model goal-mixture] [--seed 0]

Windows: every person who is there for 20 positions in a row, at every step; so many are said. The five folds of splits.json; the last fifth
of the training scenes' time validates. Of 20 draws the one nearest to what happened counts, for the mean distance (ADE) and for the last
position (FDE) each; averages over windows, then over folds. "modes": the mixture's 20 parts, one each, without noise (variety=1,
temperature=0); "draws": 20 plain draws. Rivals on the same windows: the last velocity, turned and scaled at random with spreads of the
training scenes, and with the published 25 degrees and no other noise. Collisions: windows whose first draw comes nearer than 0.2 m to where
somebody else really was, beside what really happened.

Published, best of 20, on another copy of `eth` and other windows, so not strictly comparable: SGAN 0.58/1.18 (Gupta et al. 2018),
Trajectron++ with its leak of the future mended 0.316/0.546.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import morelike
from morelike.core.noise import Noise
from morelike.data.builtin import data_folder
from morelike.data.files import FolderFiles
from morelike.data.trajectory import TrajectoryCodec
from morelike.data.trajectory_items import Scene, Track
from morelike.data.trajectory_open import parts, read_scenes, trajectory_source
from morelike.house.model import Model

DRAWS, NEAR, AT_ONCE = 20, 0.2, 256
BOUNDS = ((0.0, 0.8), (0.8, 1.0))
Errors = tuple[float, float, float]
"""ADE and FDE in metres, and the share of windows that collide."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=(data_folder() or Path()) / "eth_ucy")
    parser.add_argument("--folds", nargs="*")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--model", default="goal-mixture")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folds = json.loads((options.data / "splits.json").read_text(encoding="utf-8"))["leave_one_out"]
    names = sorted(path.name for path in options.data.glob("*.txt"))
    scenes = {scene.name: scene for scene in read_scenes(FolderFiles(options.data, [*names, "splits.json"]), names)[0]}
    table: dict[str, list[Errors]] = {}
    for fold in options.folds or folds:
        groups: dict[str, list[Track]] = {"train": [], "validation": [], "holdout": []}
        for name in folds[fold]["train"]:
            for part, tracks in zip(("train", "validation"), parts(scenes[name], BOUNDS), strict=True):
                groups[part] += tracks
        held = [scenes[name] for name in folds[fold]["test"]]
        groups["holdout"] = [track for scene in held for track in scene.tracks]
        for name, found in one_fold(fold, groups, held, options).items():
            table.setdefault(name, []).append(found)
    for name, rows in table.items():
        ade, fde, hits = np.mean(rows, 0)
        print(f"mean of {len(rows)} folds  {name:32} ADE {ade:.3f}  FDE {fde:.3f}  collisions {hits:.1%}")


def one_fold(fold: str, groups: dict[str, list[Track]], held: list[Scene], options: argparse.Namespace) -> dict[str, Errors]:
    """Errors of all contestants on one fold, printed too."""
    source = trajectory_source(fold, groups)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        made = [
            (options.model, {"draws": {}, "modes": {"variety": 1.0, "temperature": 0.0}}, {"steps": options.steps, "batch": 256}),
            ("constant-velocity", {"spreads of training": {}}, {}),
            ("constant-velocity", {"25 degrees": {}}, {"angle": 25.0, "speed": 1e-6}),
        ]
        found: dict[str, Errors] = {}
        for number, (family, ways, settings) in enumerate(made):
            model = morelike.train(
                source, family, out=Path(folder) / str(number), judge=False, seed=options.seed, threads=1, **settings  # type: ignore[arg-type]
            )
            assert isinstance(model, Model)
            seconds = time.process_time() - begun
            for way, dials in ways.items() if family == "goal-mixture" or number else [("draws", {})]:
                found[f"{family}, {way}"] = errors(model, held, dials, options.seed)
            if not number:
                print(f"{fold}: learnt in {seconds:.0f} s of the processor")
    windows = model.codec.windows_of(groups["holdout"])  # type: ignore[attr-defined]
    found["what happened"] = (0.0, 0.0, float(np.mean([hit(window, window.points[-12:]) for window in windows])))
    for name, (ade, fde, hits) in found.items():
        print(f"{fold}, {len(windows):,} windows  {name:32} ADE {ade:.3f}  FDE {fde:.3f}  collisions {hits:.1%}", flush=True)
    return found


@torch.inference_mode()
def errors(model: Model, held: list[Scene], dials: dict[str, Any], seed: int) -> Errors:
    """Of all windows of the held scenes, best of 20 draws each."""
    codec: Any = model.codec
    assert isinstance(codec, TrajectoryCodec)
    windows = codec.windows_of([track for scene in held for track in scene.tracks])
    told = {name: torch.from_numpy(codec.beside_windows(name, windows)) for name in ("past", "neighbours")}
    mean, last, hits = [], [], 0
    for start in range(0, len(windows), AT_ONCE):
        own = windows[start : start + AT_ONCE]
        rows = torch.arange(start, start + len(own)).repeat_interleave(DRAWS)
        noise = Noise(seed, torch.arange(start * DRAWS, (start + len(own)) * DRAWS))
        x = model.package.model.sample({name: value[rows] for name, value in told.items()}, noise=noise, **dials)  # type: ignore[operator]
        drawn = x.view(len(own), DRAWS, *codec.spec.shape).numpy()
        for window, paths in zip(own, drawn, strict=True):
            placed = codec.placed(window, paths)
            apart = np.hypot(*(placed - window.points[-codec.predict :]).transpose(2, 0, 1))
            mean.append(apart.mean(1).min())
            last.append(apart[:, -1].min())
            hits += hit(window, placed[0])
    return float(np.mean(mean)), float(np.mean(last)), hits / len(windows)


def hit(window: Track, path: np.ndarray) -> bool:
    """Whether a path (P,2) over the last steps of a window meets somebody else of its scene."""
    assert window.scene is not None
    begin = window.first + len(window) - len(path)
    for step, point in enumerate(path):
        numbers, points = window.scene.at(begin + step)
        others = [window.scene.tracks[number].agent != window.agent for number in numbers]
        if np.any(np.hypot(*(points[others] - point).T) < NEAR):
            return True
    return False


if __name__ == "__main__":
    main()

"""Tunes of one corpus arranged as another has them: chorales as folk tunes and folk tunes as chorales, their melodies kept.

`make` lays out jsb_chorales and nottingham as MIDI files on eighths, with a table of their splits (229, 76, 77 and 754, 90, 90). `score`
arranges held-out tunes of each corpus as the other (`morelike translate --to`). What was drawn, all voices but the first, is judged by a
classifier that the model has no part in: logistic regression on the features of notes that the report's distances use, fitted on training
tunes without their first voices.

python benchmarks/arrange.py make FOLDER
morelike train FOLDER --model rnn-nade --condition corpus codec.steps=2 codec.form=voices --minutes 8 --out MODEL
python benchmarks/arrange.py score MODEL [--tunes 10] [--seed 0] [guidance=1 ...]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import morelike
from morelike.cli.drawing import dials_of
from morelike.data.loader import take
from morelike.data.music_midi import write_midi
from morelike.data.open import open_source
from morelike.data.tune import on_grid
from morelike.house.prepare import prepare
from morelike.house.tunes import arrange
from morelike.judges.music import Music


def make(folder: Path) -> None:
    folder.mkdir(parents=True)
    rows = ["file,corpus,split"]
    for corpus, name in (("chorales", "jsb_chorales"), ("folk", "nottingham")):
        source = open_source(name)
        for part, numbers in (source.split or {}).items():
            for number in numbers:
                file = f"{corpus}-{number:03d}.mid"
                write_midi(on_grid(source.items[number], 2), folder / file)
                rows.append(f"{file},{corpus},{part}")
    (folder / "tunes.csv").write_text("\n".join(rows) + "\n")


def score(options: argparse.Namespace) -> None:
    model = morelike.load(options.folder)
    data = prepare(model.package.recipe)
    column = data.source.columns["corpus"]
    assert column.categories is not None
    kinds = {part: column.values[rows] for part, rows in (("train", data.split.train), ("holdout", data.split.holdout))}
    items = {part: list(take(data.source.items, rows)) for part, rows in (("train", data.split.train), ("holdout", data.split.holdout))}
    judge = Music(model.codec.facts(), items["train"])

    def features(tunes: list) -> np.ndarray:
        below = [replace(tune, notes=tuple(note for note in tune.notes if note.voice)) for tune in tunes]
        return judge.extractor().features(np.array([*(on_grid(tune, model.codec.steps) for tune in below), None], dtype=object)[:-1])

    judging = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(features(items["train"]), kinds["train"])
    print(f"held-out tunes told apart: {judging.score(features(items['holdout']), kinds['holdout']):.3f}")
    for number, corpus in enumerate(column.categories):
        own = [tune for tune, kind in zip(items["holdout"], kinds["holdout"], strict=True) if kind == number][: options.tunes]
        other = column.categories[1 - number]
        made, styles, before = [], [], []
        for tune in own:
            first, [found] = arrange(model.package, tune, {"corpus": other}, n=1, seed=options.seed, **dials_of(options.dials))
            made.append(found.tune)
            styles.append(found.style)
            before.append(first)
        seen = judging.predict_proba(features(own))[:, 1 - number], judging.predict_proba(features(made))[:, 1 - number]
        print(
            f"{len(own)} {corpus} as {other}: judged {other} {np.mean(seen[0] > 0.5):.2f} before, {np.mean(seen[1] > 0.5):.2f} after; "
            f"the model's own probability {np.mean(before):.2f}, {np.mean(styles):.2f}", flush=True,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "score"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tunes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("dials", nargs="*", metavar="key=value")
    options = parser.parse_intermixed_args()
    make(options.folder) if options.what == "make" else score(options)


if __name__ == "__main__":
    main()

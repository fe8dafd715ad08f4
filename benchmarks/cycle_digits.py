"""How much of a digit `cyclegan` keeps where it carries it over to another style, learnt from two sets without pairs.

Set A is the first half of MNIST's training pictures, set B the second half in another style: `rotated` by a quarter turn to the left,
`inverted`, or `outline` (dark outlines on light). Test pictures are carried over in both directions; a classifier that learnt real
digits of the target's style says whether they still show their digit. Beside it: its accuracy on real test digits of that style, and on
the test pictures as they are. The share of every digit tells whether digits were swapped for each other.

python benchmarks/cycle_digits.py STYLE [--minutes 10] [--data mnist] [--out runs/cycle-STYLE] [key=value ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

import morelike
from morelike.core.abilities import Translates
from morelike.core.spec import lift
from morelike.data.loader import take
from morelike.data.open import open_source
from morelike.data.source import Source
from morelike.data.split import make_split
from morelike.house.audience import Silent
from morelike.house.features import judges_net
from morelike.house.prepare import Prepared, prepare
from morelike.house.recipe import Recipe, parse_value
from morelike.judges.scores import Classifier

Labelled = tuple[np.ndarray, np.ndarray]
"""Pictures (N,H,W,1) and their digits (N,)."""
SHOWN, TESTED = 12, 2_000


def outlined(x: np.ndarray) -> np.ndarray:
    """(N,H,W,1) dark outlines on light: where the neighbourhood's brightest and darkest pixel differ."""
    grey = x[..., 0].astype(np.int16)
    edge = ndimage.grey_dilation(grey, (1, 3, 3)) - ndimage.grey_erosion(grey, (1, 3, 3))
    found: np.ndarray = (255 - edge).clip(0, 255).astype(np.uint8)[..., None]
    return found


STYLES = {"rotated": lambda x: np.ascontiguousarray(np.rot90(x, axes=(1, 2))), "inverted": lambda x: 255 - x, "outline": outlined}


def digits(source: Source, rows: np.ndarray) -> Labelled:
    """(x (N,H,W,1) uint8, digit (N,)) of some pictures."""
    x = np.stack([np.asarray(item) for item in take(source.items, rows)])
    return x.reshape(*x.shape[:3], 1), source.columns["label"].values[rows]


def both_sets(x: np.ndarray, style: str, prefix: str) -> dict[str, np.ndarray]:
    """The first half as set 0, the second, in the style, as set 1."""
    half = len(x) // 2
    found = np.concatenate((x[:half], STYLES[style](x[half:])))
    return {f"x{prefix}": found, f"label{prefix}": (np.arange(len(x)) >= half).astype(np.int64)}


def classifier_of(style: str, codec: dict[str, Any], train: Labelled, test: Labelled) -> Classifier:
    """A net that learnt real digits in a style; "" is as they are."""
    change = STYLES.get(style, lambda x: x)
    given = {"x": change(train[0]), "label": train[1], "x_test": change(test[0]), "label_test": test[1]}
    prepared: Prepared = prepare(Recipe(data="memory", codec=codec), given)
    learned = judges_net(prepared, Silent())
    assert learned is not None
    assert learned[1] is not None
    return learned[1]


def over(net: Translates, x: torch.Tensor, source: int, target: int) -> torch.Tensor:
    """(N,C,H,W) x carried over from one set to the other, 256 at a time."""
    found = []
    with torch.inference_mode():
        for own in x.split(256):
            old, new = ({"label": torch.full((len(own), 1), one)} for one in (source, target))
            found.append(net.translate(own, old, new))
    return torch.cat(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style", choices=STYLES)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--out")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("pairs", nargs="*")
    asked = parser.parse_intermixed_args()
    source = open_source(asked.data)
    parts = make_split(source, 0)
    train, test = digits(source, parts.train), digits(source, parts.holdout)
    given = {**both_sets(train[0], asked.style, ""), **both_sets(test[0], asked.style, "_test")}
    out = Path(asked.out or f"runs/cycle-{asked.style}")
    settings = {key: parse_value(value) for key, value in (pair.split("=", 1) for pair in asked.pairs)}
    codec = {key.removeprefix("codec."): value for key, value in settings.items() if key.startswith("codec.")}
    model = morelike.train(given, "cyclegan", out=out, minutes=asked.minutes, threads=asked.threads, judge=False, **settings)
    net = model.generator
    assert isinstance(net, Translates)
    print(f"{model.card['run']['steps']:,} steps of {model.card['run']['batch']} in {model.card['run']['seconds']:.0f} s")
    pictures, labels = test[0][:TESTED], test[1][:TESTED]
    rows = []
    for target, style in ((1, asked.style), (0, "")):
        own = STYLES[asked.style](pictures) if target == 0 else pictures
        x = lift(model.codec.spec, torch.from_numpy(np.asarray(model.codec.encode(own))))
        carried = over(net, x, 1 - target, target)
        back = over(net, carried, target, 1 - target)
        name = classifier_of(style, codec, train, test)
        said = {
            key: np.asarray(name(items))
            for key, items in {
                "carried over": model.codec.decode(carried.numpy()), "real": STYLES[style](pictures) if style else pictures,
                "as they are": own,
            }.items()
        }
        kept = {key: float((found == labels).mean()) for key, found in said.items()}
        half = 1.96 * (kept["carried over"] * (1 - kept["carried over"]) / len(labels)) ** 0.5
        shares = np.bincount(said["carried over"], minlength=10) / len(labels)
        print(
            f"to {style or 'upright'}: content kept {kept['carried over']:.3f} +-{half:.3f} (real digits of that style "
            f"{kept['real']:.3f}, not carried over {kept['as they are']:.3f}); error there and back "
            f"{float((back - x).abs().mean()) / 2:.4f} of the range; shares of digits {np.round(shares, 2).tolist()}"
        )
        rows += [x[:SHOWN], carried[:SHOWN], back[:SHOWN]]
    model.codec.draw(model.codec.decode(torch.cat(rows).numpy()), out / "pairs.png", SHOWN)
    print(f"rows: a picture, carried over, and back; from A, then from B: {out / 'pairs.png'}")


if __name__ == "__main__":
    main()

"""How well pictures follow their captions: a matcher of captions and pictures, trained on real pairs, ranks the right caption among ten.

    python benchmarks/caption_rank.py MODEL... [--data DATA] [--steps 1200] [--pages FOLDER]

Two encoders and a contrastive loss (Radford et al. 2021, arXiv:2103.00020, figure 3), with changed pictures and words left out, learn
on the training pairs. A picture's score is the chance that its own caption is first among ten, the nine others drawn from those of the
same part that read otherwise. Real held-out pairs are the floor: no generator can be expected to do better. Chance is 0.1.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import morelike
from morelike.core.contract import Net
from morelike.core.noise import Noise
from morelike.core.spec import Array, Tokens, lift
from morelike.data.loader import Dataset
from morelike.house.prepare import Prepared, prepare
from morelike.house.recast import Codecs
from morelike.house.sampling import draw
from morelike.house.showing import said
from morelike.maths.augment import diff_augment
from morelike.nets.build import build
from morelike.nets.condition import Caption

WIDTH, BATCH, DROPPED, MOST = 64, 128, 0.2, 512


class Matcher(nn.Module):
    """Pictures (B,C,H,W) and captions (B,T) as unit vectors (B,64) that agree where they belong together."""

    def __init__(self, picture: Array, caption: Tokens) -> None:
        super().__init__()
        self.pictures = build(Net("encoder", picture, Array((WIDTH,)), {"width": 16, "dropout": 0.1}), {})
        self.captions = Caption(caption, WIDTH)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.stop = caption.vocab - 1

    def agreement(self, x: Tensor, ids: Tensor) -> Tensor:
        """(B, B'): how well each picture goes with each caption."""
        return F.normalize(self.pictures(x, {}, {}), dim=1) @ F.normalize(self.captions(ids), dim=1).T

    def loss(self, x: Tensor, ids: Tensor, noise: Noise) -> Tensor:
        """() nats of naming each one's partner, both ways; captions that read the same are partners too."""
        kept = noise.uniform(ids.shape[1:], "words") >= DROPPED
        # in place of a word that is left out the first one stands again
        shown = torch.where(kept | (ids == self.stop), ids, ids[:, :1])
        logits = self.scale.exp() * self.agreement(diff_augment(x, noise, 0.5), shown)
        same = (ids[:, None] == ids[None]).all(2).float()
        wanted = same / same.sum(1, keepdim=True)
        return F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)


def pairs(data: Prepared, part: Dataset, name: str) -> tuple[Tensor, Tensor]:
    """(x, ids) of the pictures of a part that have a caption."""
    ids = torch.from_numpy(part.condition[name].astype(np.int64))
    there = ids[:, 0] != data.conditions[name].spec.stop  # type: ignore[union-attr]
    return lift(data.codec.spec, torch.from_numpy(np.array(part.x)))[there], ids[there]


def trained(data: Prepared, name: str, steps: int) -> Matcher:
    """The matcher of the validated step that ranks best."""
    torch.manual_seed(0)
    spec, caption = data.codec.spec, data.conditions[name].spec
    assert isinstance(spec, Array)
    assert isinstance(caption, Tokens)
    matcher = Matcher(spec, caption)
    (x, ids), checked = pairs(data, data.train, name), pairs(data, data.validation, name)
    optimiser = torch.optim.AdamW(matcher.parameters(), lr=2e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    best, kept, began = 0.0, matcher.state_dict(), time.perf_counter()
    for step in range(1, steps + 1):
        rows = Noise(step, BATCH).integers(len(x), ())
        loss = matcher.train().loss(x[rows], ids[rows], Noise(step, BATCH, path=("matcher",)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
        if step % max(1, steps // 12) == 0 or step == steps:
            share = float(ranked(matcher, *checked).mean())
            print(f"  step {step:,}: loss {loss.item():.2f}, validation {share:.3f}, {time.perf_counter() - began:.0f} s", flush=True)
            if share > best:
                best, kept = share, {key: value.clone() for key, value in matcher.state_dict().items()}
    matcher.load_state_dict(kept)
    return matcher.eval()


@torch.inference_mode()
def ranked(matcher: Matcher, x: Tensor, ids: Tensor) -> Tensor:
    """(N,) how often each picture's own caption is first of ten."""
    score = torch.cat([matcher.eval().agreement(part, ids) for part in x.split(256)])
    other = (ids[:, None] != ids[None]).any(2)
    beaten = other & (score < score.diagonal()[:, None])
    # nine others drawn without putting back: the chance that all are beaten, exactly
    won, all_others = beaten.sum(1).double(), other.sum(1).double()
    share = torch.ones(len(x), dtype=torch.float64)
    for taken in range(9):
        share = share * ((won - taken).clamp(min=0) / (all_others - taken))
    return share


def spoken(name: str, share: Tensor) -> str:
    """A mean and its 95% interval over pictures."""
    half = 1.96 * float(share.std()) / len(share) ** 0.5
    mean = float(share.mean())
    return f"{name}: {mean:.3f} ({mean - half:.3f} to {mean + half:.3f}), {mean / 0.1:.1f} times chance, {len(share):,} pictures"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--pages", help="a folder for a picture of each model's samples, their captions in a text beside it")
    asked = parser.parse_args()
    models = {path: morelike.load(path) for path in asked.models}
    first = next(iter(models.values())).package
    name = next(name for name, codec in first.conditions.items() if codec.kind == "caption")
    data = prepare(first.recipe, asked.data, codecs=Codecs(asked.models[0], first.codec, first.conditions))
    print(f"training the matcher of pictures and {name} on {len(data.train):,} pairs")
    matcher = trained(data, name, asked.steps)
    print(spoken("real held-out pairs (floor)", ranked(matcher, *pairs(data, data.holdout, name))))
    print(spoken("real training pairs", ranked(matcher, *pairs(data, data.train, name))))
    for path, model in models.items():
        assert model.codec.spec == data.codec.spec, f"{path} makes pictures of another size"
        for what, part in (("held-out", data.holdout), ("training", data.train)):
            rows = np.linspace(0, len(part) - 1, min(len(part), MOST)).astype(np.int64)
            condition = {key: torch.from_numpy(values[rows]) for key, values in part.condition.items()}
            x = draw(model.generator, len(rows), condition, seed=1)
            ids = condition[name].long()
            there = ids[:, 0] != matcher.stop
            print(spoken(f"{path}, {what} captions", ranked(matcher, x[there], ids[there])))
            if asked.pages and what == "held-out":
                folder = Path(asked.pages)
                folder.mkdir(parents=True, exist_ok=True)
                model.codec.draw(model.codec.decode(x[:64].numpy()), folder / f"{Path(path).name}.png", 8)
                lines = said(data.conditions, {key: value[:64] for key, value in condition.items()})
                (folder / f"{Path(path).name}.txt").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The judges' feature net: trained once on the training split, kept as a package under the data's fingerprint."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.abilities import Classifies, Embeds
from ..core.contract import Codec, Trainable
from ..core.errors import BadPackage
from ..core.spec import lift, spatial
from ..data.download import cache_folder
from ..data.loader import Order
from ..families.features import FeatureSettings
from ..judges.extractor import Extractor
from ..judges.scores import Classifier
from ..training.loop import Hooks, Trainer
from ..training.plan import Plan
from ..training.probe import has_bf16
from . import package
from .audience import Audience
from .build import build
from .prepare import Feed, Prepared
from .recipe import Recipe

VERSION = 1
"""Raised when the feature net or its training changes, so that old ones are not used."""
FEATURES = FeatureSettings().features
BATCH, LEAST_STEPS, MOST_STEPS, EPOCHS = 128, 300, 1_200, 30


def judges_net(data: Prepared, audience: Audience) -> tuple[Extractor, Classifier | None] | None:
    """The learned extractor and, where there are labels, the classifier; None for data that needs none (plain vectors)."""
    if not spatial(data.codec.spec):
        return None
    facts = f"{VERSION} {data.split.fingerprint} {sorted(data.conditions)} {data.codec.spec}"
    if data.recast:
        # the same data under another model's codecs
        facts += f" {data.codec.state()} {[codec.state() for codec in data.conditions.values()]}"
    key = hashlib.sha256(facts.encode()).hexdigest()[:16]
    folder = cache_folder() / "features" / key
    net = _cached(folder) or _train(data, folder, audience)
    short = package.read_card(folder)["files"][package.FILES[0]][:8]
    name = f"{data.source.name}-cnn-{short}"
    embed = Extractor(name, lambda items: _run(net, data.codec, items, "embed"))
    label = data.label
    if label is None:
        return embed, None
    names = tuple(data.conditions[label].names)  # type: ignore[attr-defined]
    return embed, Classifier(name, lambda items: _run(net, data.codec, items, "classify").argmax(1), names)


def _cached(folder: Path) -> Trainable | None:
    try:
        if not (folder / "card.json").is_file() or package.wrong_files(folder, package.read_card(folder)):
            return None
        return package.load(folder).model
    except BadPackage:
        return None


def _train(data: Prepared, folder: Path, audience: Audience) -> Trainable:
    label = data.label
    recipe = Recipe(model="features", settings={"label": label} if label else {}, seed=0)
    specs = {label: data.conditions[label].spec} if label else {}
    model = build(recipe, data.codec.spec, specs)
    batch = min(BATCH, len(data.train))
    steps = int(np.clip(EPOCHS * len(data.train) // batch, LEAST_STEPS, MOST_STEPS))
    plan = Plan(steps=steps, batch=batch, precision="bf16" if has_bf16(model.device) else "fp32", averaging=8.0)
    feed = Feed(data.train, Order(len(data.train), batch, 0), by_pass=False)
    with audience.watch("feature net for the judges", steps) as bar:
        net = Trainer(model, feed, plan, Hooks(advance=bar.advance)).run()
    new = folder.with_name(f"{folder.name}.{os.getpid()}")
    package.save(package.Package(net, data.codec, {}, recipe), new)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(new, folder)
    return net


def _run(net: Trainable, codec: Codec, items: Any, ability: str) -> np.ndarray:
    """(N,D) features or logits of raw items, 256 at a time, in fp32."""
    parts = []
    with torch.inference_mode():
        for at in range(0, len(items), 256):
            x = lift(codec.spec, torch.from_numpy(np.asarray(codec.encode(items[at : at + 256]))))
            if ability == "embed" and isinstance(net, Embeds):
                parts.append(net.embed(x))
            elif isinstance(net, Classifies):
                parts.append(net.classify(x))
    return torch.cat(parts).numpy()

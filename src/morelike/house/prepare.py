"""From a source to what a run needs: split first, then codecs fitted on the training part, then encoded arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core import registry
from ..core.contract import Codec
from ..core.errors import BadInput, UnknownName
from ..core.spec import Conditions, lift
from ..data.loader import Dataset, Order, encode_all, take
from ..data.open import open_source
from ..data.source import Source
from ..data.split import Split, make_split
from .recipe import Recipe


@dataclass(slots=True)
class Prepared:
    """Data ready for training and judging."""

    source: Source
    split: Split
    codec: Codec
    conditions: dict[str, Codec]
    train: Dataset
    validation: Dataset
    holdout: Dataset

    @property
    def specs(self) -> Conditions:
        return {name: codec.spec for name, codec in self.conditions.items()}

    @property
    def histograms(self) -> dict[str, list[int]]:
        """Training counts of each class of each condition."""
        return {
            name: np.bincount(self.train.condition[name].ravel(), minlength=codec.spec.vocab).tolist()  # type: ignore[union-attr]
            for name, codec in self.conditions.items()
        }

    def raw(self, part: Dataset, rows: np.ndarray | slice | None = None) -> Any:
        """Raw items as a user would get them: encoded and decoded again."""
        stored = part.x if rows is None else part.x[rows]
        return raw_of(self.codec, stored)


def raw_of(codec: Codec, stored: np.ndarray) -> Any:
    """Stored levels to raw items, some thousand at a time."""
    parts = [codec.decode(lift(codec.spec, torch.from_numpy(np.array(stored[i : i + 4096]))).numpy()) for i in range(0, len(stored), 4096)]
    return np.concatenate([np.asarray(part) for part in parts])


def prepare(recipe: Recipe, data: Any = None, *, offline: bool = False) -> Prepared:
    """Opens, splits, fits and encodes. `data`: what was passed in memory, else the recipe's own source is opened.

    Raises BadInput or UnknownName in a sentence.
    """
    source = open_source(recipe.data if data is None else data, kind=recipe.kind, offline=offline)
    split = make_split(source, recipe.seed)
    codec_class = registry.kind(source.kind).load()
    try:
        codec: Codec = codec_class.fit(take(source.items, split.train), **recipe.codec)  # type: ignore[attr-defined]
    except TypeError as error:
        raise BadInput(f"the {source.kind} codec: {error}") from error
    conditions = _conditions(source, recipe.condition)

    def encoded(rows: np.ndarray) -> Dataset:
        own = {name: codec.encode(source.columns[name].values[rows]) for name, codec in conditions.items()}
        return Dataset(encode_all(codec, source.items, rows), own)

    return Prepared(source, split, codec, conditions, encoded(split.train), encoded(split.validation), encoded(split.holdout))


def _conditions(source: Source, wish: Sequence[str] | None) -> dict[str, Codec]:
    """The chosen columns' codecs; by default the class labels."""
    if wish is None:
        wish = source.conditions
    found: dict[str, Codec] = {}
    for name in wish:
        if name not in source.columns:
            raise UnknownName("condition", name, source.columns)
        column = source.columns[name]
        if not column.categories:
            raise BadInput(f"condition {name!r} holds numbers; classes are what this version can condition on")
        found[name] = registry.kind("category").load().fit((), names=column.categories)  # type: ignore[attr-defined]
    return found


class Feed:
    """A dataset in its order, as the trainer takes it: whole batches across epochs, or passes where somebody learns by passes."""

    def __init__(self, dataset: Dataset, order: Order, by_pass: bool) -> None:
        self.dataset, self.order, self.by_pass = dataset, order, by_pass

    def rows(self, step: int) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        positions, rows = self.order.epoch_rows(step) if self.by_pass else self.order.rows(step)
        x, condition = self.dataset.rows(rows)
        return torch.from_numpy(positions), x, condition

    def ends_pass(self, step: int) -> bool:
        return self.by_pass and self.order.ends_epoch(step)


def default_folder(recipe: Recipe) -> Path:
    """runs/DATA, or runs/DATA-MODEL where the model was chosen."""
    name = Path(recipe.data).name.split(".")[0] or "data"
    return Path("runs") / (f"{name}-{recipe.model}" if recipe.model else name)

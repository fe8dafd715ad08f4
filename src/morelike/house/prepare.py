"""From a source to what a run needs: split first, then codecs fitted on the training part, then encoded arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core import registry
from ..core.contract import Codec
from ..core.errors import BadInput, UnknownName
from ..core.spec import Conditions, lift
from ..data.caption import CaptionCodec
from ..data.derived import Derived
from ..data.image import ImageCodec
from ..data.loader import Dataset, Order, Windows, encode_all, encode_stream, take
from ..data.open import open_source
from ..data.paired import codec_of
from ..data.source import Column, Source
from ..data.split import Split, make_split
from ..data.table import TableCodec
from ..data.text import TextCodec
from ..data.text_shared import shared_pairs
from ..data.world import World
from .recast import Codecs, codec_kind, recast, unseen
from .recipe import Recipe

POOL = 100


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
    said: tuple[str, ...] = ()
    """What was changed to suit the codecs of a model that exists, and the rules of a table, in sentences."""
    recast: bool = False
    """Whether the codecs are those of such a model."""

    @property
    def specs(self) -> Conditions:
        return {name: codec.spec for name, codec in self.conditions.items()}

    @property
    def label(self) -> str | None:
        """The first condition that is a class, by which samples are shown and judged."""
        return next((name for name, codec in self.conditions.items() if codec.kind == "category"), None)

    @property
    def histograms(self) -> dict[str, list[int]]:
        """Training counts of each class of each condition that is one."""
        return {
            name: np.bincount(self.train.condition[name].ravel(), minlength=codec.spec.vocab).tolist()  # type: ignore[union-attr]
            for name, codec in self.conditions.items()
            if codec.kind == "category"
        }

    @property
    def pools(self) -> dict[str, Tensor]:
        """At most 100 held-out rows of each condition that is no class, to draw it from."""
        rows = np.sort(np.argsort(np.random.PCG64(0).random_raw(len(self.holdout)), kind="stable")[:POOL])
        kept = {name: values for name, values in self.holdout.condition.items() if self.conditions[name].kind != "category"}
        return {name: torch.from_numpy(np.ascontiguousarray(values[rows])) for name, values in kept.items()}

    def raw(self, part: Dataset, rows: np.ndarray | slice | None = None) -> Any:
        """Raw items as a user would get them: encoded and decoded again."""
        stored = part.x if rows is None else part.x[rows]
        return raw_of(self.codec, stored)


def raw_of(codec: Codec, stored: np.ndarray) -> Any:
    """Stored levels to raw items, some thousand at a time."""
    parts = [codec.decode(lift(codec.spec, torch.from_numpy(np.array(stored[i : i + 4096]))).numpy()) for i in range(0, len(stored), 4096)]
    return np.concatenate([as_items(part) for part in parts])


def as_items(items: Any) -> np.ndarray:
    """Raw items as an array whose first axis counts them: texts as objects, for numpy's own text type drops what ends in NUL, and so
    are dataclasses."""
    if isinstance(items, Sequence) and len(items) and (isinstance(items[0], str) or is_dataclass(items[0])):
        found = np.empty(len(items), dtype=object)
        for place, item in enumerate(items):  # one by one, for numpy would look into sequences
            found[place] = item
        return found
    return np.asarray(items)


def prepare(
    recipe: Recipe, data: Any = None, *, offline: bool = False, codecs: Codecs | None = None, tables: bool = True,
    recasting: Callable[[Source], tuple[Source, list[str]]] | None = None,
) -> Prepared:  # fmt: skip
    """Opens, splits, fits and encodes. `data`: what was passed in memory, else the recipe's own source is opened. `codecs`: those of a
    model that exists, which are not fitted again. `tables`: False leaves out the encoding of tables, which nothing can go wrong with.
    `recasting` changes the source, with sentences on what it changed, before it is split.

    Raises BadInput or UnknownName in a sentence.
    """
    asked = recipe.condition
    if codecs is not None:
        # which text of a pair is the other's condition is settled by opening it
        # ... and columns beside pictures are read, and a zip's neighbours, where they are asked for
        place = recipe.data if data is None else data
        packed = isinstance(place, str | Path) and str(place).lower().endswith(".zip")
        asked = list(codecs.conditions) if packed or any(codec.kind != "category" for codec in codecs.conditions.values()) else None
    source = open_source(recipe.data if data is None else data, kind=recipe.kind, condition=asked, offline=offline)
    source, said = recasting(source) if recasting is not None else (source, [])
    split = make_split(source, recipe.seed)
    if codecs is not None:
        source, more = recast(source, codecs)
        said += more
        codec, conditions = codecs.x, dict(codecs.conditions)
    else:
        settings = _settings(source, recipe, split.train)
        codec = _codec(source, settings, split.train)
        conditions = _conditions(source, recipe, settings, split.train, codec)
        held = np.concatenate([split.validation, split.holdout])
        for name, own in conditions.items():
            if isinstance(own, CaptionCodec):
                said += [f"{name}: of what is held out, {text}" for text in unseen(own, source.columns[name].values[held])]

    if isinstance(codec, TableCodec):
        said += codec.describe_rules()
        kept = split.train[codec.obeys(take(source.items, split.train))]
        if not len(kept):
            raise BadInput(f"no training row of {source.name} obeys the rules that were given with the model: {codec.describe_rules()[0]}")
        split = replace(split, train=kept)

    def encoded(rows: np.ndarray) -> Dataset:
        if source.ordered and isinstance(codec, TextCodec):
            return Windows(encode_stream(codec, source.items, rows), codec.spec.shape[0])
        if source.kind == "table" and not tables:
            return Dataset(np.empty((0, *codec.spec.shape), np.float32))
        items = rows
        cut = codec.pieces(take(source.items, rows), rows is split.train) if isinstance(codec, World) else None
        if cut is not None:
            rows = rows[cut[1]]
        x = encode_all(codec, source.items, rows) if cut is None else cut[0]
        told = {name: _encoded(source.columns[name], own, rows, x, codec) for name, own in conditions.items() if own.kind != "around"}
        for name in conditions.keys() - told.keys():
            assert isinstance(codec, World)
            told[name] = codec.around(name, take(source.items, items), items is split.train)
        return Dataset(x, {name: told[name] for name in conditions})

    train, validation, holdout = (encoded(rows) for rows in (split.train, split.validation, split.holdout))
    return Prepared(source, split, codec, conditions, train, validation, holdout, tuple(said), recast=codecs is not None)


def _encoded(column: Column, own: Codec, rows: np.ndarray, x: np.ndarray, codec: Codec) -> np.ndarray:
    """A condition of the items numbered `rows`, of which x is the encoded form."""
    if isinstance(codec, World) and (measured := codec.measured(column.name, x)) is not None:
        return own.encode(list(measured[:, None]))
    if not isinstance(column.pictures, Derived):
        return own.encode(raw_column(column, rows)) if column.pictures is None else encode_all(own, column.pictures, column.values[rows])
    assert isinstance(codec, ImageCodec)
    assert isinstance(own, ImageCodec)
    # grey levels, also of pictures that are drawn black and white
    plain = ImageCodec(codec.shape, codec.dtype.name, codec.low, codec.high)
    found = np.empty((len(x), *own.spec.shape), np.float32 if own.real else own.dtype)
    for start in range(0, len(x), 1024):
        some = slice(start, start + 1024)
        found[some] = own.encode(column.pictures(raw_of(plain, x[some]), plain))
    return found


def raw_column(column: Column, rows: np.ndarray) -> Any:
    """A column's values as its codec takes them: ids, texts, numbers (N,1) or pictures."""
    if column.pictures is not None:
        return take(column.pictures, column.values[rows])
    values = column.values[rows]
    return values[:, None] if column.kind == "number" else values


def _settings(source: Source, recipe: Recipe, train: np.ndarray) -> dict[str, Any]:
    """The codec's settings: texts that answer texts are learnt in byte pairs where nothing else is said and the extra is there, in one
    vocabulary with what they quote. Rules and facts that lie beside a table are taken."""
    chosen = source.conditions if recipe.condition is None else recipe.condition
    told = [source.columns[name] for name in chosen if name in source.columns and source.columns[name].kind == "text"]
    if source.settings:
        return {**source.settings, **recipe.codec}
    if source.kind != "text" or not told or not find_spec("tokenizers"):
        return recipe.codec
    settings = {"unit": "bpe", **recipe.codec}
    if settings["unit"] == "bpe" and len(told) == 1:
        pairs = shared_pairs(take(source.items, train), take(told[0].values, train), settings.get("vocab"))
        return settings if pairs is None else {**settings, "pairs": pairs}
    return settings


def _codec(source: Source, settings: Mapping[str, Any], train: np.ndarray) -> Codec:
    """The kind's codec, fitted on the training items."""
    codec_class: Any = registry.kind(source.kind).load()
    taken = inspect.signature(codec_class.fit).parameters
    known = list(taken)[1:]
    for name in settings:
        if name not in known and all(one.kind is not one.VAR_KEYWORD for one in taken.values()):
            raise UnknownName(f"setting of the {source.kind} codec", name, known)
    try:
        codec: Codec = codec_class.fit(take(source.items, train), **settings)
    except TypeError as error:
        raise BadInput(f"the {source.kind} codec: {error}") from error
    return codec


def _conditions(source: Source, recipe: Recipe, settings: Mapping[str, Any], train: np.ndarray, x: Codec) -> dict[str, Codec]:
    """The chosen columns' codecs, fitted on the training rows; by default those that the source names."""
    found: dict[str, Codec] = {}
    for name in source.conditions if recipe.condition is None else recipe.condition:
        if name not in source.columns:
            raise UnknownName("condition", name, source.columns)
        column = source.columns[name]
        kind = registry.kind(codec_kind(source, column)).load()
        if column.kind == "around":
            assert isinstance(x, World)
            own_codec = x.told(name)
            assert own_codec is not None
            found[name] = own_codec
            continue
        if column.kind == "picture":
            assert isinstance(x, ImageCodec)
            made = isinstance(column.pictures, Derived)
            found[name] = column.pictures.codec(x) if made else codec_of(x, take(source.items, train), raw_column(column, train))
            continue
        if column.kind == "category":
            found[name] = kind.fit((), names=column.categories)  # type: ignore[attr-defined]
            continue
        own = {key: value for key, value in settings.items() if key != "window"} if kind.kind == "text" else {}  # type: ignore[attr-defined]
        # `take` leaves the whole column in sight: characters that training lacks are then spelt by bytes.
        rows = take(column.values, train) if column.kind == "text" else raw_column(column, train)
        found[name] = kind.fit(rows, **own)  # type: ignore[attr-defined]
    return found


class Feed:
    """A dataset in its order, as the trainer takes it: whole batches across epochs, or passes where somebody learns by passes."""

    def __init__(self, dataset: Dataset, order: Order, by_pass: bool) -> None:
        self.dataset, self.order, self.by_pass = dataset, order, by_pass

    def rows(self, step: int) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        positions, rows = self.order.epoch_rows(step) if self.by_pass else self.order.rows(step)
        if isinstance(self.dataset, Windows):
            return torch.from_numpy(positions), self.dataset.rows(rows, self._shifts(positions)[:, None])[0], {}
        x, condition = self.dataset.rows(rows)
        return torch.from_numpy(positions), x, condition

    def _shifts(self, positions: np.ndarray) -> np.ndarray:
        """(B,) where the windows of a running text begin: each epoch after the first cuts it at other places."""
        epochs = positions // self.order.n
        drawn = {int(epoch): int(np.random.PCG64([self.order.seed % (1 << 64), int(epoch), 7]).random_raw()) for epoch in np.unique(epochs)}
        window = self.dataset.x.shape[1]
        return np.array([drawn[int(epoch)] % window if epoch else 0 for epoch in epochs])

    def ends_pass(self, step: int) -> bool:
        return self.by_pass and self.order.ends_epoch(step)


def default_folder(recipe: Recipe) -> Path:
    """runs/DATA, or runs/DATA-MODEL where the model was chosen, or runs/DATA-from-MODEL where one is continued."""
    name = Path(recipe.data).name.split(".")[0] or "data"
    if recipe.start is not None:
        add = "-adapter" if recipe.tune == "adapter" else ""
        return Path("runs") / f"{name}-from-{Path(recipe.start).resolve().name}{add}"
    return Path("runs") / (f"{name}-{recipe.model}" if recipe.model else name)

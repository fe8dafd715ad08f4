"""Linked tables: a parent's table with the number of its children, and each child's row drawn given its parent's; two ordinary packages.

`linked_run` trains them.

P parents, M children, f fields of what a child is drawn given, F fields of its whole row.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.abilities import Infills
from ..core.errors import BadInput, BadPackage, Refused, UnknownName
from ..data.open import several_tables
from ..data.source import Source
from ..data.split import Split
from ..data.table import Cells, TableCodec
from ..data.table_demands import read_demand
from ..data.table_links import Link, Linked, linked
from ..judges import link_scores
from . import judging, tables
from .audience import Audience, Silent
from .model import Model, check_count, load
from .prepare import Prepared, prepare
from .recipe import Recipe
from .sampling import CHUNK_OF_ROWS, checked, chunks

CARD = "link.json"
PARTS = ("parent", "child")
FORMAT = 1
_LARGEST_CARD = 4 << 20
_MINUTES = 5.0
_MOST_CHILDREN = 10_000_000


def opened(recipe: Recipe, data: Any = None) -> Linked | None:
    """The linked tables that a recipe's data is, or None for any other data. Raises BadInput for tables that no link joins."""
    where = recipe.data if data is None else data
    found = several_tables(where, kind=recipe.kind)
    return linked(str(where), found, recipe.codec.get("link")) if found else None


@dataclass(frozen=True, slots=True)
class Halves:
    """The recipes of both parts, and their data."""

    recipe: Recipe
    linked: Linked

    def parent(self) -> tuple[Recipe, Source]:
        """The parent's table with the number of children; its key is never learnt."""
        unique = {"rules": {"unique": [{"columns": [self.linked.link.key]}]}}
        return self._of({**self._codec(), **unique}), self.linked.counted()

    def child(self, parent: TableCodec, split: Split) -> tuple[Recipe, Source]:
        """The child's rows behind all of their parents' that is learnt; `split` of the parents."""
        context = self.context(parent)
        return self._of({**self._codec(), "context": list(context.values())}), self.linked.joined(context, split)

    def context(self, parent: TableCodec) -> dict[str, str]:
        """What a child is drawn given: columns of the parent's part, and their names in the child's."""
        return self.linked.context([name for name in parent.names if name not in parent.unlearnt])

    def _codec(self) -> dict[str, Any]:
        return {key: value for key, value in self.recipe.codec.items() if key != "link"}

    def _of(self, codec: Mapping[str, Any]) -> Recipe:
        train = self.recipe.train
        if train.steps is None:
            train = train.model_copy(update={"minutes": (train.minutes or _MINUTES) / 2})
        return self.recipe.model_copy(update={"data": "memory", "codec": dict(codec), "train": train})

    def prepared(self) -> tuple[Prepared, Prepared]:
        """Both parts, split, fitted and encoded."""
        parent = prepare(*self.parent())
        assert isinstance(parent.codec, TableCodec)
        return parent, prepare(*self.child(parent.codec, parent.split))


def facts(pair: Linked) -> dict[str, Any]:
    """The link, and how many children parents have."""
    counts = pair.counts
    spread = {"min": int(counts.min()), "mean": round(float(counts.mean()), 3), "max": int(counts.max())}
    none = round(float((counts == 0).mean()), 4)
    return {**asdict(pair.link), "parents": len(counts), "children": {**spread, "none": none}, "notes": list(pair.notes)}


def describe(facts: Mapping[str, Any]) -> list[str]:
    """Sentences on a link, as `check` has it."""
    children = facts["children"]
    return [
        f"linked tables: {facts['child']}.{facts['column']} is the {facts['key']} of a row of {facts['parent']}",
        f"{facts['child']} per row of {facts['parent']}: {children['min']:,} to {children['max']:,}, {children['mean']:.3g} on average, "
        f"{children['none']:.1%} have none",
        *facts["notes"],
    ]


class LinkedModel:
    """A trained model of two linked tables."""

    def __init__(self, parent: Model, child: Model, card: dict[str, Any], folder: Path) -> None:
        """`card` as `read_card` gives it."""
        self.parent, self.child, self.card, self.folder = parent, child, card, folder
        self.link = Link(*(str(card["link"][key]) for key in ("parent", "key", "child", "column")))

    def to(self, device: str) -> LinkedModel:
        """Moves both nets; returns self. Raises Refused for a device that isn't there."""
        self.parent.to(device)
        self.child.to(device)
        return self

    def sample(self, n: int = 1, where: tables.Where | None = None, seed: int = 0, **dials: Any) -> dict[str, Cells]:
        """Both tables by their names: n parents, and their children, each with the key of its parent. `where` fixes columns of the parent.

        Parent k is the same with the same children whatever n. Raises UnknownName, BadInput or Refused, each in a sentence.
        """
        parents, children, owner = self.draw(n, where, seed, **dials)
        names = self.card["columns"]
        told = {name: parents[:, number] for number, name in enumerate(self.parent.codec.names)}  # type: ignore[attr-defined]
        own = {name: children[:, number] for number, name in enumerate(self.child.codec.names)}  # type: ignore[attr-defined]
        own |= {self.link.column: told[self.link.key][owner]}
        cells = {"parent": _side_by_side([told[name] for name in names["parent"]], n)}
        cells["child"] = _side_by_side([own[name] for name in names["child"]], len(owner))
        delimiters = {"parent": self.parent.codec.delimiter, "child": self.child.codec.delimiter}  # type: ignore[attr-defined]
        return {getattr(self.link, side): Cells(names[side], cells[side], delimiter=delimiters[side]) for side in cells}

    def draw(self, n: int, where: tables.Where | None, seed: int, **dials: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """((n, ...) rows of the parent's part, (M, ...) of the child's, (M,) int64 each child's parent)."""
        check_count(n)
        self._only_of_parents(where or {})
        parents = self.parent.sample(n, where, seed, **dials)
        names = list(self.parent.codec.names)  # type: ignore[attr-defined]
        counts = parents[:, names.index(self.card["count"])].astype(np.int64)
        if counts.sum() > _MOST_CHILDREN:
            raise BadInput(f"{n:,} parents would have {counts.sum():,} children; at most {_MOST_CHILDREN:,} are drawn: ask for fewer")
        owner = np.repeat(np.arange(n), counts)
        told = parents[:, [names.index(name) for name in self.card["context"]]]
        codec = self.child.codec
        assert isinstance(codec, TableCodec)
        first = torch.from_numpy(codec.encode_first(told))[torch.from_numpy(owner)]
        x = _children(self.child, first, seed, dials)
        return parents, codec.decode(x.numpy(), told[owner]), owner

    def _only_of_parents(self, where: tables.Where) -> None:
        """Raises Refused for demands on columns of the child."""
        own = dict.fromkeys([*self.parent.codec.names, *self.card["columns"]["child"]])  # type: ignore[attr-defined]
        for text in [where] if isinstance(where, str) else where:
            name = text if isinstance(where, Mapping) else read_demand(text, own).column
            if name in self.card["columns"]["child"] and name not in self.card["columns"]["parent"]:
                raise Refused(f"{name} is a column of {self.link.child}; only columns of {self.link.parent} can be fixed in linked tables")

    def judge(
        self, data: Any = None, *, audience: Audience | None = None, offline: bool = False, needed: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Scores of the parent's part as `Model.judge` has them, under names that begin with `parent.`, and those of the link.

        `data`: by default the recipe's own. Raises UnknownName for scores that are `needed` and unknown, BadInput for other data."""
        recipe = Recipe.parse(self.card["recipe"])
        found = opened(recipe, data)
        if found is None:
            raise BadInput(f"{recipe.data if data is None else data} holds no linked tables; say where they lie now: --data PATH")
        if (found.link.parent, found.link.child) != (self.link.parent, self.link.child):
            raise BadInput(f"the model links {self.link}, this data {found.link}; they can't be compared")
        parent, child = Halves(recipe, found).prepared()
        known = {f"parent.{name}" for name in judging.smallest(parent)} | set(link_scores.SCORES) | self.card.get("scores", {}).keys()
        for name in needed:
            if name not in known:
                raise UnknownName("score", name, known)
        return self.judge_prepared(found, (parent, child), audience or Silent())

    def judge_prepared(self, pair: Linked, data: tuple[Prepared, Prepared], audience: Audience) -> dict[str, Any]:
        """As `judge`, on data that is open already."""
        began = time.perf_counter()
        parent = self.parent.judge_prepared(data[0], audience)
        audience.say("drawing families to judge the link")
        scores = {f"parent.{name}": score for name, score in parent["scores"].items()} | self._link_scores(pair, data)
        answer = {
            "model": str(self.folder), "kind": "table", "n": parent["n"], "scores": scores,
            "verdict": f"{self.link.parent}: {parent['verdict']} {self.link.child}: {link_scores.link_verdict(scores)}",
            "seconds": round(time.perf_counter() - began, 1),
        }  # fmt: skip
        if [part.split.fingerprint for part in data] == self.card["fingerprints"] and os.access(self.folder, os.W_OK):
            self.card |= {"scores": answer["scores"], "verdict": answer["verdict"]}
            write_card(self.folder, self.card)
        return answer | ({"report": parent["report"]} if "report" in parent else {})

    def _link_scores(self, pair: Linked, data: tuple[Prepared, Prepared]) -> dict[str, dict[str, Any]]:
        """Children are held out with their parents."""
        codecs = [part.codec for part in (self.parent, self.child) if isinstance(part.codec, TableCodec)]
        parents, own = pair.counted().items, [name for name in pair.child.items.names if name != self.link.column]
        children = pair.child.items.cells[:, [pair.child.items.names.index(name) for name in own]]
        every = link_scores.Family(parents.cells, children, pair.owner)
        training, heldout = every.of(data[0].split.train), every.of(data[0].split.holdout)
        count = link_scores.parents_of(training, heldout)
        seed = self.parent.package.recipe.seed + 1
        told, made, owner = self.draw(count, None, seed)
        places = [codecs[1].names.index(name) for name in own]
        names = link_scores.Names(parents.names, own, (codecs[0].unlearnt, codecs[1].unlearnt))
        return link_scores.link_scores(training, heldout, link_scores.Family(told, made[:, places], owner), names, seed)

    def save(self, path: str | Path) -> Path:
        """Copies both packages (not the checkpoints) to a new folder. Raises BadInput where something is there already."""
        target = Path(path)
        if target.exists():
            raise BadInput(f"{target} exists already; choose another name")
        new = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copytree(self.folder, new, ignore=shutil.ignore_patterns("training", "*.new", "samples.csv"))
        os.replace(new, target)
        return target


def _side_by_side(columns: list[np.ndarray], rows: int) -> np.ndarray:
    out = np.empty((rows, len(columns)), dtype=object)
    for number, column in enumerate(columns):
        out[:, number] = column
    return out


def _children(model: Model, first: Tensor, seed: int, dials: Mapping[str, Any]) -> Tensor:
    """(M,F) rows whose first fields are `first` (M,f). A child's number counts those of the parents before, so it is the same whatever
    comes after."""
    generator, own = model.generator, checked(model.generator, dials)
    assert isinstance(generator, Infills)
    (count, width), fields = first.shape, model.codec.spec.shape[0]
    known = (torch.arange(fields) < width).expand(CHUNK_OF_ROWS, fields).to(model.generator.device)
    parts = [torch.empty(0, fields)]
    with torch.inference_mode():
        for _, noise, used in chunks(model.generator, count, {}, seed, CHUNK_OF_ROWS):
            rows = noise.index.clamp(max=count - 1).to(first.device)
            x = torch.zeros(len(rows), fields)
            x[:, :width] = first[rows]
            parts.append(generator.infill(x.to(known.device), known, noise=noise.under("children"), **own).cpu()[:used].float())
    return torch.cat(parts)


def is_linked(path: str | Path) -> bool:
    """Whether a folder holds a model of linked tables."""
    return (Path(path) / CARD).is_file()


def read_card(path: str | Path) -> dict[str, Any]:
    """What is known of a saved model of linked tables. Raises BadPackage."""
    file = Path(path) / CARD
    try:
        if file.stat().st_size > _LARGEST_CARD:
            raise BadPackage(f"{file} is larger than {_LARGEST_CARD >> 20} MB: no card of ours")
        card = json.loads(file.read_text(encoding="utf-8"))
        kinds = {"link": dict, "columns": dict, "context": dict, "count": str, "recipe": dict, "format": int, "fingerprints": list}
        wrong = [key for key, kind in kinds.items() if not isinstance(card.get(key), kind)]
    except (OSError, ValueError, AttributeError) as error:
        raise BadPackage(f"{file} is damaged or foreign ({error!r})") from error
    if wrong:
        raise BadPackage(f"{file} is damaged or foreign (its {wrong[0]!r} is missing or of another kind)")
    if card["format"] > FORMAT:
        raise BadPackage(f"{path} has format {card['format']}, this Morelike reads up to {FORMAT}: install a newer one")
    return dict(card)


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Replaces the card in one move."""
    new = folder / f"{CARD}.new"
    new.write_text(json.dumps(card, indent=1), encoding="utf-8")
    os.replace(new, folder / CARD)


def load_linked(path: str | Path, model: Any = None) -> LinkedModel:
    """A saved model of linked tables. Raises BadPackage, naming the file, for anything damaged."""
    folder, card = Path(path), read_card(path)
    parent, child = (load(folder / name, model) for name in PARTS)
    prints = [part.package.recipe.fingerprint for part in (parent, child)]
    if prints != card["fingerprints"]:
        raise BadPackage(f"{folder}: parent and child were trained in other runs than {CARD} says; train the folder again")
    return LinkedModel(parent, child, card, folder)

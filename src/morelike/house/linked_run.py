"""Linked tables from data to a model: what is understood, and the training of both parts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ..core import registry
from ..core.contract import Trainable
from ..core.errors import BadInput, Refused, those_that_can
from ..data.check import understood
from ..data.source import Source
from ..data.table import TableCodec
from ..data.table_links import Linked
from . import package, run
from .able import NEEDS, families, has
from .audience import Audience
from .linked import CARD, FORMAT, PARTS, Halves, LinkedModel, describe, facts, is_linked, read_card, write_card
from .lock import start_over
from .model import Model, load
from .prepare import Prepared, prepare
from .recipe import AUTO, Recipe


def check(recipe: Recipe, tables: Linked) -> dict[str, Any]:
    """What was understood, as `morelike check --json` prints it."""
    parent, child = Halves(recipe, tables).prepared()
    told = {part: understood(data.source, data.split, {"x": data.codec}) for part, data in zip(PARTS, (parent, child), strict=True)}
    return {"name": recipe.data, "kind": "table", "link": facts(tables) | {"said": describe(facts(tables))}, **told}


def info(folder: Path) -> dict[str, Any]:
    """The card, and those of both parts."""
    card = read_card(folder)
    card["link"]["said"] = describe(card["link"])
    return card | {"parts": {part: package.read_card(folder / part) for part in PARTS}}


def train(
    recipe: Recipe, folder: Path, audience: Audience, tables: Linked, *, more: float | None = None, track: bool = False,
    custom: type[Trainable] | None = None,
) -> tuple[LinkedModel, tuple[Prepared, Prepared]]:  # fmt: skip
    """Trains both parts, or takes them up, in `parent` and `child` of the folder; returns the model with its data.

    Raises BadInput, UnknownName or Refused, each in a sentence."""
    _can_be_learnt(recipe, custom)
    if (folder / "card.json").is_file():
        raise BadInput(f"{folder} holds a model of one table; choose another folder with --out")
    for sentence in describe(facts(tables)):
        audience.say(sentence)
    halves, more = Halves(recipe, tables), None if more is None else more / 2

    def part(name: str, own: Recipe, source: Source) -> tuple[Model, Prepared]:
        if more is None and run.finished(own, folder / name):
            return load(folder / name, custom), prepare(own, source)
        audience.say(f"the {name}'s part: {getattr(tables.link, name)}")
        return run.train(own, folder / name, audience, data=source, more=more, track=track, custom=custom)

    parent, data = part("parent", *halves.parent())
    assert isinstance(parent.codec, TableCodec)
    child, own = part("child", *halves.child(parent.codec, data.split))
    card = {
        "format": FORMAT, "family": child.card["family"], "link": facts(tables), "count": tables.count_name,
        "columns": {"parent": list(tables.parent.items.names), "child": list(tables.child.items.names)},
        "context": halves.context(parent.codec), "recipe": recipe.model_dump(exclude_none=True),
        "fingerprints": [data.split.fingerprint, own.split.fingerprint],
    }  # fmt: skip
    if more is None and is_linked(folder) and (old := read_card(folder))["fingerprints"] == card["fingerprints"]:
        card |= {key: old[key] for key in ("scores", "verdict") if key in old}
    write_card(folder, card)
    return LinkedModel(parent, child, card, folder), (data, own)


def _can_be_learnt(recipe: Recipe, custom: type[Trainable] | None) -> None:
    """Raises Refused for what linked tables don't take."""
    if recipe.start is not None:
        raise Refused("linked tables can't continue from a saved model; train them without --from")
    if recipe.condition:
        raise Refused("linked tables take no --condition: columns of the parent are fixed when rows are drawn (--where)")
    for key in recipe.codec:
        if key not in ("link", "learn"):
            raise Refused(f"linked tables take no codec.{key}; there are codec.link and codec.learn")
    if recipe.model == AUTO:
        raise BadInput("--model auto chooses for one table; for linked tables name a family, such as table-ar, or none")
    name, task = recipe.model or registry.kind("table").default, "draw children given their parent"
    if not has(custom or registry.family(name).load(), NEEDS[task]):
        able = [other for other in families(NEEDS[task]) if "row" in registry.FAMILIES[other].specs]
        raise Refused(f"{name} can't {task}{those_that_can(able)}")


def start_fresh(folder: Path) -> None:
    """Removes a run of linked tables from a folder, and nothing else. Raises BadInput where it holds something else."""
    ours = (*PARTS, CARD, "samples")
    if strange := [path.name for path in folder.glob("*") if path.name not in ours]:
        raise BadInput(f"{folder} also holds {strange[0]}, which --fresh won't remove: move it, or choose another folder with --out")
    (folder / CARD).unlink(missing_ok=True)
    shutil.rmtree(folder / "samples", ignore_errors=True)
    for name in filter(lambda part: (folder / part).is_dir(), PARTS):
        start_over(folder / name)

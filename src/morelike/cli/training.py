"""The verb `train`: from flags to a recipe, to a folder, to a judged model."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import BadInput
from ..data.table_links import Linked
from ..house import linked, linked_run, run
from ..house.lock import start_over
from ..house.model import Model, load
from ..house.prepare import default_folder
from ..house.recipe import Recipe
from ..house.rewarded import sentences
from ..house.start import start_of
from ..house.teacher import teacher_of
from ..house.verbs import recipe_from
from . import show
from .audience import RichAudience

_LONGEST = 100_000.0
_SCORED = ("scores", "verdict")
_PAIR = re.compile(r"[\w.]+=")


@dataclass(frozen=True, slots=True)
class Wish:
    """How a training is to go, beyond what its recipe says."""

    out: str | None
    more: float | None
    fresh: bool
    track: bool
    judge: bool
    offline: bool
    as_json: bool


def recipe_of(data: str | None, pairs: Sequence[str], recipe: str | None, given: Mapping[str, Any]) -> Recipe:
    """The recipe of the file, changed by what was `given` (None = not given; "train" holds minutes and steps), then by the pairs.

    Raises BadInput or UnknownName in a sentence.
    """
    train = {key: value for key, value in given["train"].items() if value is not None}
    if len(train) == 2:
        raise BadInput("give --minutes or --steps, not both")
    values: dict[str, Any] = Recipe.read(Path(recipe)).model_dump(exclude_none=True) if recipe is not None else {}
    if recipe is not None and data is not None and _PAIR.match(data) and not Path(data).exists():
        pairs, data = [data, *pairs], None
    if data is None and values.get("data", "memory") == "memory":
        raise BadInput("there is no data to train on: name a built-in set (digits) or a path, or a recipe that names one")
    if data is not None:
        # a fingerprint is that of the recipe's own data
        values = {key: value for key, value in values.items() if key != "fingerprint"} | {"data": data}
    values |= {key: value for key, value in given.items() if key != "train" and value is not None}
    if train:
        kept = {key: value for key, value in values.get("train", {}).items() if key not in ("minutes", "steps")}
        values["train"] = kept | train
    return recipe_from(values, pairs)


def minutes_in_range(flag: str, minutes: float | None) -> None:
    """Raises BadInput for a time that is no time."""
    if minutes is not None and not (math.isfinite(minutes) and 0 < minutes <= _LONGEST):
        raise BadInput(f"{flag} must be above 0 and at most {_LONGEST:,.0f}, not {minutes:g}")


def train(recipe: Recipe, wish: Wish, audience: RichAudience) -> None:
    """Trains, or takes up, or finds finished what the recipe says; judges, and prints the verdict and where the report lies."""
    folder = Path(wish.out) if wish.out is not None else default_folder(recipe)
    if recipe.start is None and (tables := linked.opened(recipe)) is not None:
        _train_linked(recipe, folder, wish, audience, tables)
        return
    if wish.fresh and folder.exists():
        # what is wrong with the data is found before the old run goes
        run.opened(recipe, start_of(recipe, folder) or teacher_of(recipe), offline=wish.offline)
        start_over(folder)
    if wish.more is None and run.finished(recipe, folder):
        audience.say(f"{folder} holds this run, finished; --more MINUTES trains on, --fresh starts over")
        model = load(folder)
        found = _from_card(model) if "verdict" in model.card or not wish.judge else model.judge(audience=audience, offline=wish.offline)
    else:
        model, data = run.train(recipe, folder, audience, more=wish.more, track=wish.track, offline=wish.offline)
        found = model.judge_prepared(data, audience) if wish.judge else _from_card(model)
    rewarded = model.card.get("reward")
    if wish.as_json:
        show.as_json(found if rewarded is None else {**found, "reward": rewarded})
        return
    show.scored(found)
    show.say(*([] if rewarded is None else sentences(rewarded)))
    show.say(f"model: {folder}", f"more like it: morelike sample {shlex.quote(str(folder))} -n 16")


def _train_linked(recipe: Recipe, folder: Path, wish: Wish, audience: RichAudience, tables: Linked) -> None:
    """The same for a parent's and a child's table."""
    if wish.fresh and folder.exists():
        linked_run.start_fresh(folder)
    model, data = linked_run.train(recipe, folder, audience, tables, more=wish.more, track=wish.track)
    found: dict[str, Any] = {"model": str(folder), "kind": "table", **{key: model.card[key] for key in _SCORED if key in model.card}}
    if wish.judge and "verdict" not in found:
        found = model.judge_prepared(tables, data, audience)
    if wish.as_json:
        show.as_json(found)
        return
    show.scored(found)
    show.say(f"model: {folder}", f"more like it: morelike sample {shlex.quote(str(folder))} -n 16 --out made")


def _from_card(model: Model) -> dict[str, Any]:
    """What is known of a model that is not judged now, in the words of `judge`."""
    found: dict[str, Any] = {"model": str(model.folder), "kind": model.codec.kind}
    found |= {key: model.card[key] for key in _SCORED if key in model.card}
    report = Path(str(model.folder)) / "report.html"
    return found | ({"report": str(report)} if report.is_file() else {})

"""The verbs as functions: what `import morelike` offers, and what the command line calls."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..core import registry
from ..core.abilities import abilities
from ..core.contract import Generator, Trainable
from ..core.errors import BadInput, BadPackage
from ..data.check import understood
from ..data.download import cache_folder
from ..training.probe import has_bf16
from . import linked_run, package, run
from .audience import Audience, Silent
from .comparing import compare as compare_models
from .comparing import page_place, write_page
from .judging import smallest
from .linked import PARTS, LinkedModel, is_linked, load_linked
from .linked import opened as opened_linked
from .model import Model
from .model import load as load_one
from .prepare import default_folder, prepare
from .recipe import AUTO, Recipe, Training, apply
from .start import family_of

__all__ = ["check", "compare", "doctor", "info", "judge", "load", "models", "recipe_from", "train", "verify"]


def train(
    data: Any, model: str | type[Trainable] | None = None, *, minutes: float | None = None, steps: int | None = None, seed: int = 0,
    size: str | None = None, out: str | Path | None = None, judge: bool = True, **settings: Any,
) -> Model | LinkedModel:  # fmt: skip
    """Learns the data's distribution and returns the trained Model, of two linked tables a LinkedModel.

    `data`: a built-in name, a path, an array, a data frame, (x, labels) or {"x": ..., "label": ...}. `model`: a family's name or a
    class of one's own; None = the kind's best. `size`: "s" by default. `settings`: any recipe key, as on the command line
    (batch=64, condition=[...]); `steps` are training steps, as `--steps`, and a family's own setting of that name is
    **{"settings.steps": 8}; start=PATH continues from a saved model, with tune="adapter" by a low-rank add-on to it.
    Raises BadInput, UnknownName or Refused, each in a sentence.
    """
    in_memory = not isinstance(data, (str, Path))
    custom = model if isinstance(model, type) else None
    values: dict[str, Any] = {"data": "memory" if in_memory else str(data), "seed": seed, "size": size}
    values["model"] = model if isinstance(model, str) else None
    values |= {key: settings.pop(key) for key in ("condition", "kind", "device") if key in settings}
    if isinstance(values.get("condition"), str):
        values["condition"] = [] if values["condition"] == "none" else values["condition"].split(",")
    values["train"] = {"minutes": minutes, "steps": steps}
    if "start" in settings:
        values["start"] = str(settings.pop("start"))
    pairs = [f"{key}={_toml(value)}" for key, value in settings.items()]
    recipe = recipe_from(values, pairs, custom)
    folder = Path(out) if out is not None else default_folder(recipe)
    if recipe.start is None and (tables := opened_linked(recipe, data)) is not None:
        both, parts = linked_run.train(recipe, folder, Silent(), tables, custom=custom)
        if judge:
            both.judge_prepared(tables, parts, Silent())
        return both
    trained, prepared = run.train(recipe, folder, Silent(), data=data if in_memory else None, custom=custom)
    if judge:
        trained.judge_prepared(prepared, Silent())
    return trained


def recipe_from(values: Mapping[str, Any], pairs: Sequence[str], custom: type[Trainable] | None = None) -> Recipe:
    """A recipe from its values and `key=value` pairs. Bare keys need to know the family: where none is named, that of the kind, or the
    first kind's default that knows them all."""
    plain = {key: value for key, value in values.items() if value is not None}
    name = plain.get("model")
    if name is None and custom is None and "start" in plain:
        name = family_of(plain["start"], package.read_card(Path(plain["start"])))
    family = custom or (registry.family(name).load() if name not in (None, AUTO) else _any_family(plain.get("kind"), pairs, name == AUTO))
    return Recipe.parse(apply(plain, pairs, family) if pairs else plain)


def _any_family(kind: str | None, pairs: Sequence[str], candidates: bool) -> type:
    """The kind's default family; without a kind, the first default that knows every bare key, or that of pictures. `candidates`: those of
    `--model auto` come after the defaults."""
    kinds = [registry.kind(kind)] if kind else list(registry.KINDS.values())
    names = [kind.default for kind in kinds] + [name for kind in kinds for name in kind.candidates if candidates]
    families = [registry.family(name).load() for name in dict.fromkeys(names)]
    bare = {pair.partition("=")[0] for pair in pairs if "." not in pair.partition("=")[0]} - set(Training.model_fields)
    fitting = (family for family in families if bare <= {field.name for field in fields(family.Settings)})  # type: ignore[attr-defined]
    return next(fitting, families[0])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return str(list(value)) if isinstance(value, (list, tuple)) else str(value)


def check(
    data: Any, *, kind: str | None = None, seed: int = 0, condition: list[str] | None = None, offline: bool = False,
    pairs: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """What was understood of the data, as `morelike check --json` prints it; `pairs`: settings as `key=value`. Raises BadInput in a
    sentence."""
    in_memory = not isinstance(data, (str, Path))
    values = {"data": "memory" if in_memory else str(data), "kind": kind, "seed": seed, "condition": condition}
    recipe = recipe_from(values, pairs)
    if (tables := opened_linked(recipe, data)) is not None:
        return linked_run.check(recipe, tables)
    prepared = prepare(recipe, data if in_memory else None, offline=offline, tables=False)
    found = understood(prepared.source, prepared.split, {"x": prepared.codec, **prepared.conditions}, smallest(prepared))
    why = run.few_examples(recipe, prepared)
    return found if why is None else {**found, "notes": [*found["notes"], why]}


def load(path: str | Path, model: Any = None) -> Model | LinkedModel:
    """A saved model. `model`: the class, for a family of the user's own. Raises BadPackage, naming the file, for anything damaged."""
    return load_linked(path, model) if is_linked(path) else load_one(path, model)


def judge(model: Model | LinkedModel | str | Path, data: Any = None) -> dict[str, Any]:
    """Scores of a model or of a saved one's folder, each between its floor and its ceiling, and the verdict."""
    return (model if isinstance(model, Model | LinkedModel) else load(model)).judge(data)


def compare(
    *which: Model | str | Path, out: str | Path | None = None, audience: Audience | None = None, offline: bool = False
) -> dict[str, Any]:
    """Several models on the same scores, from their cards where they were judged, else judged now: which differences are more than noise,
    and what each model cost. `out`: a page (.html) with samples under the same noise and conditions beside each other, which also lie
    in a .png of that name.

    {"models": [{"model", "name", "family", "scores", "verdict", "cost"}], "scores", "wins", "losses", "verdict": [sentences]}, the last
    four as `judges.comparison.compared` describes them. Raises BadInput where the models were trained on different data, make different
    things or are fewer than two.
    """
    if len(which) < 2:
        raise BadInput("compare needs at least two models")
    place = None if out is None else page_place(Path(out))
    for path in which:
        if isinstance(path, LinkedModel) or (not isinstance(path, Model) and is_linked(path)):
            raise BadInput(f"a model of linked tables is compared by its parts: the folders {' and '.join(PARTS)} in its own")
    loaded = [model if isinstance(model, Model) else load_one(model) for model in which]
    beside = compare_models(loaded, audience or Silent(), offline=offline)
    if place is not None:
        write_page(beside, place)
    return beside.found


def models() -> list[dict[str, Any]]:
    """Every family: `name`, `purpose`, `paper`, `specs`, `abilities`."""
    found = []
    for line in registry.FAMILIES.values():
        family = line.load()
        if issubclass(family, Generator):
            row = {"name": line.name, "purpose": line.purpose, "paper": line.paper, "specs": list(line.specs)}
            found.append({**row, "abilities": abilities(family)})
    return found


def info(path: str | Path) -> dict[str, Any]:
    """A saved model's card, without loading its weights; of linked tables with those of its parts."""
    if is_linked(path):
        return linked_run.info(Path(path))
    return package.read_card(Path(path))


def verify(path: str | Path) -> dict[str, Any]:
    """Checks the SHA-256 of every file, the card included, and draws the kept samples again: {"ok", "files", "difference", "tolerance"}.

    It finds damage and edits; it proves no origin, for whoever changes a file can also write its checksum.
    """
    folder = Path(path)
    if is_linked(folder):
        return _verify_parts(folder)
    card = package.read_card(folder)
    wrong = [*(["card.json"] if package.edited(card) else []), *package.wrong_files(folder, card)]
    tolerance = card.get("tolerance", 0.0)
    if not isinstance(tolerance, int | float):
        raise BadPackage(f"{folder / 'card.json'} is damaged or foreign: its tolerance is {tolerance!r}")
    if wrong:
        return {"ok": False, "files": wrong, "difference": None, "tolerance": tolerance}
    loaded = package.load(folder)
    difference = package.redraw_difference(loaded, package.read_tensors(folder / package.FILES[2]))
    return {"ok": difference <= tolerance, "files": [], "difference": difference, "tolerance": tolerance}


def _verify_parts(folder: Path) -> dict[str, Any]:
    found = {part: verify(folder / part) for part in PARTS}
    differences = [one["difference"] for one in found.values() if one["difference"] is not None]
    return {
        "ok": all(one["ok"] for one in found.values()),
        "files": [f"{part}/{file}" for part, one in found.items() for file in one["files"]],
        "difference": max(differences, default=None),
        "tolerance": max(one["tolerance"] for one in found.values()),
    }


_EXTRAS = {"tables": ("pyarrow", "pandas", "faker"), "track": ("tensorboard",), "text": ("tokenizers", "sacrebleu", "charset-normalizer"),
           "molecules": ("rdkit", "selfies", "fcd")}  # fmt: skip
_CORE = ("torch", "numpy", "scikit-learn", "pydantic", "safetensors", "typer", "rich", "pillow", "matplotlib", "tomli-w")


def doctor() -> dict[str, Any]:
    """What this installation has: versions, extras, devices, precision, folders, and what is wrong, in sentences."""
    core = {name: _version(name) for name in _CORE}
    extras = {extra: all(_version(name) for name in names) for extra, names in _EXTRAS.items()}
    problems = [f"{name} is missing: pip install {name}" for name, found in core.items() if found is None]
    if _version("torchvision") and not torch.cuda.is_available():
        problems.append("torchvision is installed beside a CPU build of torch: where they don't fit, imports of other packages fail")
    free = shutil.disk_usage(Path.cwd()).free
    if free < 1 << 30:
        problems.append(f"only {free >> 20} MB are free here; a run needs some hundred")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return {
        "morelike": __version__,
        "python": platform.python_version(),
        "packages": core,
        "extras": extras,
        "device": str(device),
        "bf16": has_bf16(device),
        "threads": torch.get_num_threads(),
        "cache": str(cache_folder()),
        "free_bytes": free,
        "problems": problems,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

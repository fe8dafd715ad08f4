"""`compare`: judged models of the same data side by side, their samples under the same noise and conditions, and what each cost."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .. import __version__
from ..core.abilities import Density
from ..core.errors import BadInput
from ..data.drawing import write_png
from ..judges.comparison import Contender, compared, listed
from ..judges.comparison_page import Page, render
from ..training.record import read
from .audience import Audience
from .package import FILES
from .prepare import Prepared, raw_of
from .sampling import conditions_for, draw
from .showing import by_class, captioned, page_conditions, page_size, picture, real_page, said

if TYPE_CHECKING:
    from .model import Model

DRAWS = "resamples.json"
_ROWS_OF_TABLE = 1_000
"""Rows drawn of a table, which are not shown: only the time counts."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of samples: the first of the real ones where the data could be opened."""

    name: str
    picture: Any
    """As `showing.picture` gives it."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What `compare` found: JSON values, and what only a page shows."""

    found: dict[str, Any]
    """As `judges.comparison.compared` gives it, with "models": per model {"model", "family", "scores", "verdict", "cost"}."""
    data: str
    """What the models learnt."""
    samples: list[Shown]
    row_labels: tuple[str, ...]
    curves: list[dict[str, Any]]
    """Per model with a record: {"model", "kind": what is validated, "points": [[seconds, score]]}."""


def keep_draws(folder: Path, draws: dict[str, list[float]], seed: int) -> None:
    """Writes what scores came to on the resamples of their intervals beside the card, for comparisons in pairs."""
    new = folder / f"{DRAWS}.new"
    try:
        new.write_text(json.dumps({"seed": seed, "scores": draws}), encoding="utf-8")
        os.replace(new, folder / DRAWS)
    finally:
        new.unlink(missing_ok=True)


def contender(model: Model, name: str) -> Contender:
    """A judged model as the judges compare it; without what `keep_draws` has written, or where it isn't readable, by intervals alone."""
    path = None if model.folder is None else model.folder / DRAWS
    try:
        kept = {} if path is None or not path.is_file() else json.loads(path.read_text(encoding="utf-8"))
        draws = {str(score): [float(value) for value in values] for score, values in kept.get("scores", {}).items()}
        return Contender(name, model.card["scores"], draws, int(kept.get("seed", 0)))
    except (ValueError, TypeError, AttributeError):
        return Contender(name, model.card["scores"])


def compare(models: Sequence[Model], audience: Audience, *, offline: bool = False) -> Beside:
    """Judges those that aren't judged yet, draws from each, and compares. `models`: two or more.

    Raises BadInput where they were trained on different data or make different things.
    """
    folders = [model.folder.resolve() for model in models if model.folder is not None]
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise BadInput(f"{twice[0].name} is given twice: a model is compared with another one")
    names = _names(models)
    _alike(models, names)
    for model in models:
        if "scores" not in model.card:
            model.judge(audience=audience, offline=offline)
    samples, seconds, drawn, labels = _samples(models, names, offline, audience)
    rows = [
        {"model": str(model.folder or name), "name": name, "family": model.card["family"], "scores": model.card["scores"],
         "verdict": model.card["verdict"], "cost": _cost(model, took, drawn)}
        for model, name, took in zip(models, names, seconds, strict=True)
    ]  # fmt: skip
    found = compared([contender(model, name) for model, name in zip(models, names, strict=True)])
    said_of = str(models[0].card.get("data", {}).get("name", "data"))
    return Beside({"models": rows, **found}, said_of, samples, labels, _curves(models, names))


def _names(models: Sequence[Model]) -> list[str]:
    """The shortest names that tell them apart: families, else folders, else families with their place."""
    families = [str(model.card["family"]) for model in models]
    folders = [model.folder.resolve().name if model.folder is not None else family for model, family in zip(models, families, strict=True)]
    for names in (families, folders):
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(folders, 1)]


def _alike(models: Sequence[Model], names: Sequence[str]) -> None:
    first = models[0]
    for model, name in zip(models[1:], names[1:], strict=True):
        if model.package.recipe.fingerprint != first.package.recipe.fingerprint:
            ours, theirs = (one.card.get("data", {}).get("name", "unknown data") for one in (first, model))
            raise BadInput(
                f"{names[0]} and {name} were trained on different data ({ours}, {theirs}; or other splits of it): their scores have "
                "different floors and can't be compared"
            )
        if model.codec.spec != first.codec.spec:
            raise BadInput(f"{names[0]} makes {first.codec.spec} and {name} {model.codec.spec}: their scores can't be compared")


def _data(model: Model, offline: bool) -> Prepared | None:
    """The models' data, for real samples beside theirs; None where it isn't there any more."""
    try:
        return model.opened(offline)
    except (BadInput, OSError):
        return None


def _samples(
    models: Sequence[Model], names: Sequence[str], offline: bool, audience: Audience
) -> tuple[list[Shown], list[float], int, tuple[str, ...]]:
    """(pages of samples, seconds that each model's draws took, how many were drawn, the names of the pages' rows)."""
    # the one with the most conditions says what is asked for; the others take what they know
    first = max(models, key=lambda model: len(model.package.conditions))
    asking, data = first.package, _data(first, offline)
    table = asking.codec.kind == "table"
    rows, columns = (_ROWS_OF_TABLE, 1) if table else page_size(asking)
    if data is not None:
        wanted, chosen = page_conditions(asking, data, rows, columns)
    else:
        wanted, chosen = by_class(asking, rows, columns) or conditions_for(asking, rows * columns, {}, 0), None
    about = said(asking.conditions, wanted) if asking.codec.kind == "text" or captioned(asking) else []
    items: dict[str, Any] = {}
    if data is not None and not table:
        items["real"] = raw_of(data.codec, real_page(data, wanted, rows, columns) if chosen is None else data.holdout.x[chosen])
    seconds = []
    for model, name in zip(models, names, strict=True):
        audience.say(f"drawing from {name}")
        own = {key: value for key, value in wanted.items() if key in model.package.conditions}
        began = time.perf_counter()
        x = draw(model.generator, rows * columns, own, seed=0, precision=model.precision)
        seconds.append(time.perf_counter() - began)
        if not table:
            items[name] = raw_of(model.codec, x.numpy())
    every = np.concatenate(list(items.values())) if asking.codec.kind == "vector" else None
    with TemporaryDirectory() as folder:
        shown = [Shown(name, picture(asking.codec, own, columns, Path(folder), about, every)) for name, own in items.items()]
    labels: tuple[str, ...] = ()
    if wanted and chosen is None and by_class(asking, 1, 1) and asking.codec.kind == "image":
        codec = next(iter(asking.conditions.values()))
        labels = tuple(codec.names[row % len(codec.names)] for row in range(rows))  # type: ignore[attr-defined]
    return shown, seconds, rows * columns, labels


def _cost(model: Model, seconds: float, drawn: int) -> dict[str, Any]:
    """What training took, how large the model is, and how long drawing took just now; None for what its card doesn't say."""
    run, folder = model.card.get("run", {}), model.folder
    own = None if folder is None else sum((folder / name).stat().st_size for name in ("card.json", *FILES) if (folder / name).is_file())
    found = {key: run.get(key) for key in ("seconds", "steps", "batch", "threads", "device", "peak_memory")}
    search = model.card.get("choice", {}).get("seconds")
    return {
        **found, **({"search_seconds": search} if search is not None else {}), "parameters": model.card.get("parameters"),
        "package_bytes": own, "drawn": drawn, "draw_seconds": round(seconds, 3),
    }  # fmt: skip


def _curves(models: Sequence[Model], names: Sequence[str]) -> list[dict[str, Any]]:
    """The scores that each run's own validations saw. Models with a likelihood are validated by nats, the others by samples."""
    found = []
    for model, name in zip(models, names, strict=True):
        rows = [] if model.folder is None else read(model.folder / "training" / "record.jsonl")
        points = [[row["seconds"], row["validation.score"]] for row in rows if row.get("event") == "validation"]
        points = [point for point in points if all(isinstance(value, int | float) and math.isfinite(value) for value in point)]
        if points:
            kind = "nats an item" if isinstance(model.generator, Density) else "kernel distance"
            found.append({"model": name, "kind": kind, "points": sorted(points)})
    return found


def page_place(path: Path) -> Path:
    """Where the page is to go. Raises BadInput for a name that is no page's, before anything is drawn."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"the comparison is a page: give --out NAME.html, not {path}")
    if not path.absolute().parent.is_dir():
        raise BadInput(f"{path} can't be written: there is no folder {path.parent}")
    return path


def write_page(beside: Beside, place: Path) -> list[Path]:
    """Writes the page, and where samples are pictures all of them on one sheet, a .png of the same name; each in one move. Returns
    their paths."""
    rows = beside.found["models"]
    page = Page(
        found=beside.found, title=f"{listed([row['name'] for row in rows])[:200]} compared", version=__version__,
        head=f"{beside.data} · {date.today().isoformat()}", samples=[(one.name, one.picture) for one in beside.samples],
        row_labels=beside.row_labels, curves=beside.curves,
    )  # fmt: skip
    new = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        try:
            new.write_text(render(page), encoding="utf-8")
            os.replace(new, place)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"{place} can't be written: {error.strerror or error}") from error
    written = [place]
    pictures = [(one.name, _array(one.picture)) for one in beside.samples if not isinstance(one.picture, tuple)]
    if pictures:
        write_png(_sheet(pictures), place.with_suffix(".png"))
        written.append(place.with_suffix(".png"))
    return written


def _array(picture: Any) -> np.ndarray:
    """(H,W,3) uint8 of a grid or of a PNG's bytes."""
    if isinstance(picture, bytes):
        return np.asarray(Image.open(BytesIO(picture), formats=["PNG"]).convert("RGB"))
    return np.asarray(Image.fromarray(picture).convert("RGB"))


def _sheet(pictures: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """(H,W,3) uint8: the pictures beside each other under their names, small ones enlarged without smoothing."""
    font, gap, head = ImageFont.load_default(size=18), 18, 40
    scale = max(1, round(380 / max(array.shape[1] for _, array in pictures)))
    large = [(name, array.repeat(scale, 0).repeat(scale, 1)) for name, array in pictures]
    high, wide = max(array.shape[0] for _, array in large), max(array.shape[1] for _, array in large)
    sheet = Image.new("RGB", (gap + len(large) * (wide + gap), head + high + gap), (250, 250, 247))
    pen = ImageDraw.Draw(sheet)
    for number, (name, array) in enumerate(large):
        left = gap + number * (wide + gap)
        pen.text((left, 10), name if name != "real" else "real data", fill=(34, 34, 34), font=font)
        sheet.paste(Image.fromarray(array), (left, head))
    return np.asarray(sheet)
